//! Leases: sessions that are handed out again without a touch until a moment that was said when the token was touched. Off unless
//! asked for; kept in locked memory only.

use super::caller::unpoisoned;
use super::locked::Locked;
use super::protocol::LeaseFacts;
use crate::error::Result;
use crate::vault::Vault;
use jiff::Timestamp;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// More leases than a person has profiles in use. A new one ends the oldest.
const MOST: usize = 256;

/// What decides whether a request may be answered from a lease: a digest of its plan, its network and its user.
pub type LeaseKey = [u8; 32];

/// The sessions that are leased.
#[derive(Default)]
pub struct Leases(Mutex<Vec<Lease>>);

/// One of them.
struct Lease {
    key: LeaseKey,
    profile: String,
    /// The JSON of `credential_process`.
    session: Locked,
    /// By the monotonic clock, so that nobody lengthens a lease by setting the wall clock.
    ends: Instant,
    until: Timestamp,
    /// The moment up to which the session itself may be handed out.
    fresh_until: Timestamp,
    files: Files,
    /// What is said at each use.
    note: Option<String>,
    uses: u64,
    callers: Vec<String>,
}

/// A session on its way into a lease.
pub struct NewLease {
    /// What it is found by.
    pub key: LeaseKey,
    /// The profile, for people.
    pub profile: String,
    /// The JSON of `credential_process`.
    pub session: Zeroizing<Vec<u8>>,
    /// How long the lease is to last. In seconds.
    pub seconds: u32,
    /// The moment up to which the session may be handed out.
    pub fresh_until: Timestamp,
    /// What the vault looked like.
    pub files: Files,
    /// What is to be said at each use.
    pub note: Option<String>,
    /// Who asked for it.
    pub caller: String,
}

/// The files that a lease stands on, as they were: whoever replaces or removes the entry, or changes the keys, ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files([Option<Stamp>; 2]);

/// Device, inode, size, and the time of the last change in nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl Files {
    /// As they are now, for `entry`.
    pub fn of(vault: &Vault, entry: &str) -> Self {
        Files(vault.foundations(entry).map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((
                metadata.dev(),
                metadata.ino(),
                metadata.size(),
                metadata.mtime(),
                metadata.mtime_nsec(),
            ))
        }))
    }
}

/// What a lease answers.
pub struct Leased {
    /// The JSON of `credential_process`.
    pub session: Zeroizing<Vec<u8>>,
    /// What is to be said.
    pub note: Option<String>,
}

impl Leases {
    /// The session, if it is leased and may be handed out at `now`.
    pub fn find(&self, key: &LeaseKey, files: &Files, now: Timestamp, caller: &str) -> Option<Leased> {
        let mut leases = unpoisoned(&self.0);
        leases.retain(|lease| lease.holds(now) && (lease.key != *key || lease.files == *files));
        let lease = leases.iter_mut().find(|lease| lease.key == *key)?;
        lease.uses += 1;
        if !lease.callers.iter().any(|known| known == caller) {
            lease.callers.push(caller.to_owned());
        }
        Some(Leased {
            session: Zeroizing::new(lease.session.expose().to_vec()),
            note: lease.note.clone(),
        })
    }

    /// Leases a session; one under the same key ends. Returns when it will end.
    ///
    /// # Errors
    /// When no memory can be locked for it; nothing is leased then.
    pub fn begin(&self, new: NewLease, now: Timestamp) -> Result<Timestamp> {
        let wanted = now + jiff::SignedDuration::from_secs(i64::from(new.seconds));
        let until = wanted.min(new.fresh_until);
        let left = u64::try_from(until.duration_since(now).as_secs()).unwrap_or(0);
        let lease = Lease {
            key: new.key,
            profile: new.profile,
            session: Locked::holding(new.session)?,
            ends: Instant::now() + Duration::from_secs(left),
            until,
            fresh_until: new.fresh_until,
            files: new.files,
            note: new.note,
            uses: 1,
            callers: vec![new.caller],
        };
        let mut leases = unpoisoned(&self.0);
        leases.retain(|old| old.key != lease.key);
        if leases.len() >= MOST {
            leases.remove(0);
        }
        leases.push(lease);
        Ok(until)
    }

    /// Ends those of `profile`, or all. Says how many.
    pub fn end(&self, profile: Option<&str>) -> usize {
        let mut leases = unpoisoned(&self.0);
        let before = leases.len();
        leases.retain(|lease| profile.is_some_and(|profile| lease.profile != profile));
        before - leases.len()
    }

    /// Drops what has ended.
    pub fn sweep(&self, now: Timestamp) {
        unpoisoned(&self.0).retain(|lease| lease.holds(now));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        unpoisoned(&self.0).is_empty()
    }

    /// For `status`.
    pub fn facts(&self, now: Timestamp) -> Vec<LeaseFacts> {
        self.sweep(now);
        let leases = unpoisoned(&self.0);
        let fact = |lease: &Lease| LeaseFacts {
            profile: lease.profile.clone(),
            until: lease.until,
            uses: lease.uses,
            callers: lease.callers.clone(),
        };
        leases.iter().map(fact).collect()
    }
}

impl Lease {
    fn holds(&self, now: Timestamp) -> bool {
        Instant::now() < self.ends && now < self.fresh_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn files(size: u64) -> Files {
        Files([Some((1, 2, size, 4, 5)), None])
    }

    fn new(seconds: u32, fresh: i64, now: Timestamp) -> NewLease {
        NewLease {
            key: [1; 32],
            profile: "prod".into(),
            session: Zeroizing::new(b"{}".to_vec()),
            seconds,
            fresh_until: now + SignedDuration::from_secs(fresh),
            files: files(3),
            note: None,
            caller: "aws".into(),
        }
    }

    #[test]
    fn a_lease_answers_its_own_request_only() {
        let leases = Leases::default();
        let now = Timestamp::now();
        leases.begin(new(60, 600, now), now).expect("leased");
        assert!(leases.find(&[2; 32], &files(3), now, "aws").is_none());
        assert!(leases.find(&[1; 32], &files(3), now, "make").is_some());
        let facts = leases.facts(now);
        assert_eq!((facts[0].uses, facts[0].callers.len()), (2, 2));
    }

    #[test]
    fn a_lease_never_outlives_its_session() {
        let leases = Leases::default();
        let now = Timestamp::now();
        let until = leases.begin(new(3600, 100, now), now).expect("leased");
        assert!(until <= now + SignedDuration::from_secs(100));
        let later = now + SignedDuration::from_secs(101);
        assert!(leases.find(&[1; 32], &files(3), later, "aws").is_none());
    }

    #[test]
    fn a_changed_entry_ends_its_lease() {
        let leases = Leases::default();
        let now = Timestamp::now();
        leases.begin(new(60, 600, now), now).expect("leased");
        assert!(leases.find(&[1; 32], &files(4), now, "aws").is_none());
        assert!(leases.is_empty());
    }

    #[test]
    fn an_end_takes_one_profile_or_all() {
        let leases = Leases::default();
        let now = Timestamp::now();
        leases.begin(new(60, 600, now), now).expect("leased");
        assert_eq!(leases.end(Some("other")), 0);
        assert_eq!(leases.end(None), 1);
    }
}
