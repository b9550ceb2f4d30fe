//! The line that other commands say about an enrolment or a removal that was left in the middle.

use super::journal::Book;
use super::words::resume_line;
use crate::context::Context;
use crate::profile::ProfileName;

/// Whether commands on devices of any entry have left something: one look for all of them. In doubt they have.
pub fn is_needed(ctx: &Context) -> bool {
    Book::folder(ctx).names(".json").map_or(true, |names| !names.is_empty())
}

/// "prod: the enrolment of ... stopped ...", if one stopped. One look at one path when there is none.
pub fn of_interrupted(ctx: &Context, entry: &ProfileName) -> Option<String> {
    let journal = match Book::glance(ctx, entry) {
        Ok(journal) => journal?,
        Err(error) => return Some(format!("{entry}: {}", error.message())),
    };
    let (what, command) = match journal.stage.is_of_removal() {
        false => ("enrolment", "enroll"),
        true => ("removal", "remove"),
    };
    Some(format!(
        "{entry}: the {what} of {} stopped {}; `{}` ends it",
        journal.serial,
        journal.stage.after(),
        resume_line(command, entry)
    ))
}
