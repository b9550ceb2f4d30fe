//! What a rotation would do, from what can be seen without opening anything.

use super::described;
use crate::chain::Own;
use crate::error::Result;
use crate::profile::ProfileName;
use crate::rotation::decide::Aim;
use crate::rotation::journal::{Journal, Stage};
use crate::rotation::remind;
use crate::vault::keyring::KeyList;
use crate::vault::{Vault, waiting};
use jiff::Timestamp;

/// The steps in words, one a line.
pub fn words(
    vault: &Vault,
    entry: &ProfileName,
    own: &Own,
    aim: Aim,
    list: Option<&KeyList>,
    now: Timestamp,
) -> Result<String> {
    let journal = Journal::read(vault, entry)?;
    let sidecar = vault.sidecar(entry)?;
    let key = match &sidecar {
        Some(sidecar) => {
            let days = sidecar.added.map(|added| now.duration_since(added).as_hours() / 24);
            described(&sidecar.access_key_id, sidecar.owner(), days)
        }
        None => "its access key, not known before it is opened".into(),
    };
    let waits = waiting::is_there(vault, entry);
    let interrupted = waits || journal.as_ref().is_some_and(Journal::is_interrupted);
    let mut lines = vec![format!("{entry}: {key}")];
    if let Some(line) = remind::of_interrupted(vault, entry) {
        lines.push(line);
    }
    let switched = !waits && matches!(&journal, Some(journal) if journal.stage >= Stage::Switching);
    let finishes = aim == Aim::Finish && !interrupted;
    let opens_two = !(finishes || interrupted && switched);
    // Tokens stand first in the list, and are tried in that order.
    let key = list.and_then(|list| list.keys.first());
    let touches = match key.map_or(0, |key| key.touches_for(1 + usize::from(opens_two))) {
        0 => "no touch",
        1 => "1 touch",
        _ => "2 touches",
    };
    let codes = if own.session.is_some() { "1 code" } else { "no code" };
    lines.push(format!("would take {touches}, {codes}, and then:"));
    if let Some(journal) = journal.as_ref().filter(|journal| journal.stage == Stage::Retired) {
        lines.push(format!(
            "  delete {}, the old access key, if it is still off",
            journal.old
        ));
    }
    if !finishes {
        if !interrupted {
            lines.push("  make a new access key and seal it beside the entry".into());
        }
        if opens_two {
            lines.push("  open it again, and call AWS with it until it works".into());
            lines.push("  put it into the entry's place; sessions of the old one are dropped".into());
        }
        lines.push("  switch the old access key off".into());
        match aim {
            Aim::RotateAndDelete | Aim::Finish => lines.push("  delete the old access key".into()),
            Aim::Rotate => {}
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}
