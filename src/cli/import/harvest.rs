//! What a source holds: access keys that could be sealed, and what has to stay where it is.

use crate::credential::AccessKey;
use crate::profile::ProfileName;

/// An access key that stands somewhere else.
pub struct Found {
    /// The profile that it is for.
    pub profile: ProfileName,
    /// The key pair.
    pub key: AccessKey,
    /// Where it stands, for messages.
    pub place: String,
}

/// Something that is not taken in.
pub struct Left {
    /// The profile, or the line when there is none.
    pub what: String,
    /// Why.
    pub because: Because,
}

/// Whether two keys are one, both halves of them: of two secrets under one ID one is wrong, and nobody knows which.
pub fn same(one: &AccessKey, other: &AccessKey) -> bool {
    one.id == other.id && one.secret.expose() == other.secret.expose()
}

/// Why something is not taken in.
pub enum Because {
    /// It ends by itself, and the vault holds what does not.
    Temporary,
    /// It can't be read as an access key; in words.
    Damaged(String),
    /// Another key for the same profile comes first; in words.
    Shadowed(String),
    /// Its source does not hand it out; in words.
    Withheld(String),
}

/// Whether the person named the profiles. What was named and can't be had is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By name.
    ByName,
    /// Whatever there is.
    ForAll,
}

/// Everything that a source holds.
pub struct Harvest {
    /// In the source's order.
    pub found: Vec<Found>,
    /// In the source's order.
    pub left: Vec<Left>,
    /// See [`Asked`].
    pub asked: Asked,
}

impl Harvest {
    /// With nothing in it yet.
    pub fn new(asked: Asked) -> Self {
        Harvest {
            found: Vec::new(),
            left: Vec::new(),
            asked,
        }
    }

    /// Adds a key. The first of a profile counts; the same one from a second place is not worth a word.
    pub fn add(&mut self, found: Found) {
        match self.found.iter().find(|first| first.profile == found.profile) {
            None => self.found.push(found),
            Some(first) if same(&first.key, &found.key) => {}
            Some(first) => {
                let words = format!("{} has another key for it, which comes first", first.place);
                self.leave(
                    found.profile.as_str(),
                    Because::Shadowed(format!("{}: {words}", found.place)),
                );
            }
        }
    }

    /// Adds what another source holds, after what is here.
    pub fn append(&mut self, other: Harvest) {
        other.found.into_iter().for_each(|found| self.add(found));
        self.left.extend(other.left);
    }

    /// Adds something that stays where it is.
    pub fn leave(&mut self, what: impl Into<String>, because: Because) {
        self.left.push(Left {
            what: what.into(),
            because,
        });
    }
}
