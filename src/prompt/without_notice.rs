//! In place of `notice` in a build without the feature `notify`, and on systems without D-Bus: nothing is shown.

/// No notification.
pub struct Notice;

impl Notice {
    /// Shows nothing.
    pub fn show(_: &str) -> Self {
        Notice
    }

    /// Shows nothing else.
    pub fn replace(&mut self, _: &str) {}
}
