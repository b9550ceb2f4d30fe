//! Lines that can't be read: where they are and what is wrong with them.

use super::origin::Place;

/// A line that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong with it.
    pub fault: Fault,
    /// The section it spoils, as an index; `None` above the first header.
    pub(super) section: Option<usize>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A key or an indented line above the first header.
    #[error("expected a section such as [profile NAME] first")]
    NoSection,
    /// A header without `]`.
    #[error("expected ']' at the end of the section name")]
    OpenHeader,
    /// Neither header, key nor comment.
    #[error("expected \"key = value\"")]
    NoEquals,
    /// `= value`.
    #[error("expected a key before '='")]
    NoKey,
    /// An indented line right below a header: it has no key to go on with.
    #[error("an indented line belongs to the key above it, and there is none")]
    Indented,
    /// A line of a nested block without `=`.
    #[error("expected \"key = value\" in the indented block")]
    NestedNoEquals,
    /// `= value` in a nested block.
    #[error("expected a key before '=' in the indented block")]
    NestedNoKey,
    /// Bytes that are no UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
}
