//! How long each session lives: what was asked, what STS allows, and the hour that a chained role gets at most.

use super::error::ChainError;
use crate::profile::value::Seconds;
use crate::profile::{Note, Origin, Profile, Sourced};

/// GetSessionToken: DurationSeconds, 900 to 129,600 (STS API reference).
const SESSION: (u32, u32) = (900, 129_600);
/// AssumeRole and AssumeRoleWithWebIdentity: DurationSeconds, 900 to 43,200; a role's own maximum may be less.
const ROLE: (u32, u32) = (900, 43_200);
/// What a role assumed with temporary credentials lives at most ("role chaining").
pub(super) const CHAINED: Seconds = Seconds(3_600);

/// What a base session is for, which decides how long it should live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is what is handed out.
    Itself,
    /// Roles are assumed with it, for a working day.
    Roles,
}

/// How long a session of the access key lives.
pub(super) fn of_session(profile: &Profile, purpose: Purpose) -> Result<Sourced<Seconds>, ChainError> {
    let (said, usual) = match purpose {
        Purpose::Itself => (&profile.durations.session, (3_600, "1 h for a session")),
        Purpose::Roles => (
            &profile.durations.base_session,
            (28_800, "8 h for a session under roles"),
        ),
    };
    within("GetSessionToken", said, usual, SESSION)
}

/// How long a role session should live, before anything is capped.
pub(super) fn of_role(call: &'static str, profile: &Profile) -> Result<Sourced<Seconds>, ChainError> {
    within(call, &profile.durations.role, (3_600, "1 h for a role"), ROLE)
}

/// The hour that AWS allows at most, and a note when that is less than what was asked.
pub(super) fn cap(asked: Sourced<Seconds>, profile: &Profile) -> (Sourced<Seconds>, Option<Note>) {
    if asked.value <= CHAINED {
        return (asked, None);
    }
    let note = Note::new(
        format!(
            "the role of {} lives {CHAINED} instead of {} ({})",
            profile.name, asked.value, asked.origin
        ),
        format!("AWS gives a role that is assumed with temporary credentials {CHAINED} at most"),
    );
    let capped = Sourced::new(CHAINED, Origin::Default("the most that AWS gives a chained role"));
    (capped, Some(note))
}

fn within(
    call: &'static str,
    said: &Option<Sourced<Seconds>>,
    (usual, why): (u32, &'static str),
    (least, most): (u32, u32),
) -> Result<Sourced<Seconds>, ChainError> {
    match said {
        None => Ok(Sourced::new(Seconds(usual), Origin::Default(why))),
        Some(said) if (least..=most).contains(&said.value.0) => Ok(said.clone()),
        Some(said) => Err(ChainError::OutOfRange {
            call,
            asked: said.clone(),
            least: Seconds(least),
            most: Seconds(most),
        }),
    }
}
