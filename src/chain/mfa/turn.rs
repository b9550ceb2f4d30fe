//! One command at a time fetches a code of a device: the next may find the session that the first one sealed, and need none.

use crate::context::Context;
use crate::vault::folder::{Folder, Lock};
use crate::vault::name::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long another command is waited for: a PIN, two missed touches and a slow call. Then both go on, with time steps of their own.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked whether it is done.
const PAUSE: Duration = Duration::from_millis(50);

/// The right to fetch codes of some devices, until dropped.
pub struct Turn {
    _locks: Vec<Lock>,
}

impl Turn {
    /// Waits until no other command of this machine fetches codes of these devices, each a serial or ARN.
    ///
    /// It orders, and guards nothing: where no lock can be made (a full disk, a read-only folder) the command goes on without.
    pub fn wait<'s>(ctx: &Context, serials: impl Iterator<Item = &'s str>) -> Turn {
        let folder = Folder::at(&ctx.paths.state);
        // In the order of their names, so that two commands with two devices never wait for each other.
        let serials: BTreeSet<&str> = serials.collect();
        if serials.is_empty() || folder.ensure().is_err() {
            return Turn { _locks: Vec::new() };
        }
        let start = Instant::now();
        let locks = serials.into_iter().filter_map(|serial| {
            let name = format!(".code-{}", &hex(&Sha256::digest(serial))[..16]);
            let mut told = false;
            while start.elapsed() < PATIENCE {
                match folder.try_lock_called(&name) {
                    Ok(Some(lock)) => return Some(lock),
                    Ok(None) => {}
                    Err(error) => {
                        ctx.debug(|| format!("commands that need a code are not ordered: {error}"));
                        return None;
                    }
                }
                if !told {
                    let device = serial.rsplit('/').next().unwrap_or(serial);
                    ctx.dialogue
                        .tell(&format!("waiting: another command fetches an MFA code of {device}"));
                    told = true;
                }
                std::thread::sleep(PAUSE);
            }
            None
        });
        Turn {
            _locks: locks.collect(),
        }
    }
}
