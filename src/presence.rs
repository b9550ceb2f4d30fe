//! What a touch is for: the request in words, and the line that a person sees before each touch.

pub mod processes;

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
        if !self.callers.is_empty() {
            text.push_str(&format!(", asked by {}", self.callers.join(" < ")));
        }
        text
    }
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

    /// Says what the next touch of `token` is for. Call it before the token blinks.
    pub fn announce(&mut self, token: &str, purpose: &str) {
        self.announced += 1;
        self.dialogue.tell(&if self.total > 1 {
            format!(
                "touch {} of {}: {token}, to {purpose}",
                self.announced,
                self.total.max(self.announced)
            )
        } else {
            format!("touch {token} to {purpose}")
        });
    }

    /// Says that the last one was missed and is waited for once more.
    pub fn again(&self, token: &str, purpose: &str, seconds: u64) {
        self.dialogue.tell(&format!(
            "no touch within {seconds} s; once more: touch {token} to {purpose}"
        ));
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
        };
        assert_eq!(
            request.purpose(),
            "open prod (ana in 111122223333) for role admin in 444455556666 (profile admin) for `terraform plan`, asked by zsh < tmux"
        );
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
