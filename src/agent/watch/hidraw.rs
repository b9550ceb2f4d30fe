//! FIDO2 tokens that are pulled out: their nodes go.
//!
//! A node is no token for sure, and a mouse that is pulled out ends what is held, too: once too often is harmless.

use super::{Ended, Tell};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often is looked.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells of each node that has gone.
pub fn watch(tell: &Tell) {
    let mut before = nodes();
    loop {
        std::thread::sleep(PAUSE);
        let now = nodes();
        let gone: Vec<String> = before.difference(&now).cloned().collect();
        if !gone.is_empty() {
            tell(Ended::TokensGone(gone));
        }
        before = now;
    }
}

/// The nodes by name; without `/dev` there are none.
fn nodes() -> BTreeSet<String> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("hidraw"))
        .collect()
}
