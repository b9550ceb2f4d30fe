//! What a touch is for: the request in words, and the line that a person sees before each touch.

pub mod processes;

pub use crate::prompt::Awaited;

use crate::prompt::Dialogue;

/// Who asks for what: everything that the line before a touch can say.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The profile that was asked for.
    pub profile: String,
    /// The profile whose entry has to be opened; the same unless there is a chain.
    pub entry: String,
    /// `ana in 111122223333`, as far as known. From the sidecar, so a hint and no proof.
    pub owner: Option<String>,
    /// `admin in 444455556666`.
    pub role: Option<String>,
    /// The command to be run, or what else is done with the session.
    pub action: Action,
    /// The processes above this one, nearest first.
    pub callers: Vec<String>,
    /// For how many seconds the session may be handed out again without a touch; 0 for not at all.
    pub lease: u32,
}

/// What happens with what is opened.
#[derive(Clone, Debug, Default)]
pub enum Action {
    /// A child is started with it.
    Run(Vec<String>),
    /// It is printed.
    #[default]
    Export,
}

/// How much of a command line is shown. In characters.
const LONGEST_COMMAND: usize = 60;

impl Request {
    /// What reads after "touch YubiKey 1 to", such as "open prod (ana in 111122223333) for `aws s3 ls`".
    pub fn purpose(&self) -> String {
        let mut text = format!("open {}", self.entry);
        if let Some(owner) = &self.owner {
            text.push_str(&format!(" ({owner})"));
        }
        if let Some(role) = &self.role {
            text.push_str(&format!(" for role {role}"));
        }
        if self.profile != self.entry {
            text.push_str(&format!(" (profile {})", self.profile));
        }
        match &self.action {
            Action::Run(words) => text.push_str(&format!(" for `{}`", shortened(&words.join(" ")))),
            Action::Export => text.push_str(" for export"),
        }
        if self.lease > 0 {
            text.push_str(&format!("; leased for {}", minutes(self.lease)));
        }
        if !self.callers.is_empty() {
            text.push_str(&format!(", asked by {}", self.callers.join(" < ")));
        }
        text
    }
}

/// "15 min", "1 h 30 min", "45 s".
fn minutes(seconds: u32) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts: Vec<String> = [(hours, "h"), (minutes, "min"), (rest, "s")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    parts.join(" ")
}

fn shortened(command: &str) -> String {
    if command.chars().count() <= LONGEST_COMMAND {
        return command.to_owned();
    }
    let head: String = command.chars().take(LONGEST_COMMAND - 3).collect();
    format!("{head}...")
}

/// Announces touches, numbered when there is more than one.
pub struct Touches<'a> {
    dialogue: &'a Dialogue,
    total: usize,
    announced: usize,
}

impl<'a> Touches<'a> {
    /// For a command that needs `total` touches.
    pub fn planned(dialogue: &'a Dialogue, total: usize) -> Self {
        Touches {
            dialogue,
            total,
            announced: 0,
        }
    }

    /// For a command that needs none.
    pub fn none(dialogue: &'a Dialogue) -> Self {
        Self::planned(dialogue, 0)
    }

    /// Some more turned out to be needed, such as for an entry that was added meanwhile.
    pub fn plan_more(&mut self, more: usize) {
        self.total += more;
    }

    /// Says what the next touch of `token` is for. Call it before the token blinks, and hold what comes back until it has answered.
    pub fn announce(&mut self, token: &str, purpose: &str) -> Awaited<'a> {
        self.announced += 1;
        self.dialogue.touch(&if self.total > 1 {
            format!(
                "touch {} of {}: {token}, to {purpose}",
                self.announced,
                self.total.max(self.announced)
            )
        } else {
            format!("touch {token} to {purpose}")
        })
    }

    /// Says that the one that is awaited was missed, and is waited for once more.
    pub fn again(&self, awaited: Option<Awaited<'a>>, token: &str, purpose: &str, seconds: u64) -> Awaited<'a> {
        let line = format!("no touch within {seconds} s; once more: touch {token} to {purpose}");
        match awaited {
            Some(mut awaited) => {
                awaited.say_instead(&line);
                awaited
            }
            None => self.dialogue.touch(&line),
        }
    }

    /// How many the command will take, as far as it is known.
    pub fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_names_entry_account_role_command_and_caller() {
        let request = Request {
            profile: "admin".into(),
            entry: "prod".into(),
            owner: Some("ana in 111122223333".into()),
            role: Some("admin in 444455556666".into()),
            action: Action::Run(vec!["terraform".into(), "plan".into()]),
            callers: vec!["zsh".into(), "tmux".into()],
            lease: 0,
        };
        assert_eq!(
            request.purpose(),
            "open prod (ana in 111122223333) for role admin in 444455556666 (profile admin) for `terraform plan`, asked by zsh < tmux"
        );
    }

    #[test]
    fn a_lease_is_said_before_the_touch_that_begins_it() {
        let request = Request {
            entry: "prod".into(),
            profile: "prod".into(),
            lease: 5400,
            ..Request::default()
        };
        assert_eq!(request.purpose(), "open prod for export; leased for 1 h 30 min");
    }

    #[test]
    fn a_long_command_is_cut() {
        let request = Request {
            action: Action::Run(vec!["x".repeat(500)]),
            ..Request::default()
        };
        assert!(request.purpose().chars().count() < 100);
    }
}
