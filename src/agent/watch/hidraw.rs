//! FIDO2 tokens that are pulled out: their nodes go.
//!
//! A node is no token for sure, and a mouse that is pulled out ends what is held, too: once too often is harmless.

use super::{Ended, Tell};
use std::collections::BTreeSet;
use std::os::unix::fs::DirEntryExt;
use std::time::Duration;

/// How often is looked.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells of each node that has gone.
pub fn watch(tell: &Tell) {
    let mut before = nodes();
    loop {
        std::thread::sleep(PAUSE);
        let now = nodes();
        let gone: Vec<String> = before.difference(&now).map(|(name, _)| name.clone()).collect();
        if !gone.is_empty() {
            tell(Ended::TokensGone(gone));
        }
        before = now;
    }
}

/// The nodes by name and inode: what is plugged in again within the pause may get its name back, and is another node. Without `/dev`
/// there are none.
fn nodes() -> BTreeSet<(String, u64)> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.ino())))
        .filter(|(name, _)| name.starts_with("hidraw"))
        .collect()
}
