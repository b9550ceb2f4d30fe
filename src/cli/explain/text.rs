//! The answer for a person: rows of what, which value, and which line said so. Long values are cut here; JSON has them whole.

use super::super::list::{columns, left};
use super::{Cache, CodeSource, Effort, ExplainedStep, Explanation};
use crate::chain::Fact;
use crate::profile::shown;
use crate::prompt::printable;
use crate::secret::short_id;

/// The whole text.
pub fn of(explanation: &Explanation) -> String {
    let profile = printable(&explanation.profile);
    let mut text = match &explanation.section {
        Some(place) => format!("{profile}  ({})\n", printable(place)),
        None => format!("{profile}  (not in the AWS config)\n"),
    };
    text.push_str(&columns(&rows(explanation)));
    for note in &explanation.notes {
        text.push_str(&printable(&format!("note: {}: {}", note.what, note.why)));
        text.push('\n');
    }
    text.push_str(&format!(
        "now: {}. From nothing: {}\n",
        explanation.now.words(),
        explanation.from_nothing.words()
    ));
    text
}

type Row = [String; 4];

fn rows(explanation: &Explanation) -> Vec<Row> {
    let base = &explanation.base;
    let mut value = shown(&base.value);
    if let Some(key) = &explanation.access_key {
        value.push_str(&format!(", {}", short_id(&key.id)));
        value.extend(key.age_days.map(|days| format!(", {days} days old")));
    }
    let mut rows = vec![row("  ", base.name, value, base.origin.to_string())];
    let keys = explanation
        .keys
        .iter()
        .zip(["opened with"].into_iter().chain(std::iter::repeat("or with")));
    rows.extend(keys.map(|(key, word)| row("  ", word, shown(&key.name), key.presence.clone())));
    for (number, step) in explanation.steps.iter().enumerate() {
        let profile = format!("for {}", shown(&step.profile));
        rows.push(row(&(number + 1).to_string(), step.call, profile, step.state()));
        rows.extend(step.facts.iter().map(|fact| fact_row("  ", fact)));
        if let Some(code) = step.code {
            let from = match &step.oath {
                Some(outlook) => format!("from {}, {}", outlook.token, shown(&outlook.account)),
                None => code.words().to_owned(),
            };
            rows.push(row("  ", "  code", "6 digits".to_owned(), from));
        }
    }
    let ends = [&explanation.region, &explanation.endpoint];
    rows.extend(ends.into_iter().flatten().map(|fact| fact_row("", fact)));
    rows
}

fn row(number: &str, what: &str, value: String, origin: String) -> Row {
    [number.to_owned(), what.to_owned(), value, printable(&origin)]
}

fn fact_row(indent: &str, fact: &Fact) -> Row {
    row(
        "  ",
        &format!("{indent}{}", fact.name),
        shown(&fact.value),
        fact.origin.to_string(),
    )
}

impl ExplainedStep {
    /// What is sealed of it, and for how long.
    fn state(&self) -> String {
        match self.cache {
            Cache::Used => format!("sealed and used, {}", left(self.left)),
            Cache::NotNeeded => format!("sealed, not needed now, {}", left(self.left)),
            Cache::PassedOver => "sealed, passed over".into(),
            Cache::Empty => "called, then sealed".into(),
            Cache::Never => "called, never sealed".into(),
        }
    }
}

impl CodeSource {
    fn words(self) -> &'static str {
        match self {
            CodeSource::Given => "--mfa-code",
            CodeSource::Oath => "from a token, but none with the account is here",
            CodeSource::MfaProcess => "printed by mfa_process",
            CodeSource::Asked => "asked for",
        }
    }
}

impl Effort {
    fn words(&self) -> String {
        let some = |number: usize, one: &str, many: &str| match number {
            0 => format!("no {one}"),
            1 => format!("1 {one}"),
            _ => format!("{number} {many}"),
        };
        format!(
            "{}, {}, {}",
            some(self.touches, "touch", "touches"),
            some(self.codes, "code", "codes"),
            some(self.calls, "call", "calls")
        )
    }
}
