//! Access keys that stand in a config or credentials file in clear: whose they are, and their removal.
//!
//! This program never signs with them; they are found here so that they can move into the vault.

use super::edit::{EditError, check_value};
use super::fault::Problem;
use super::header::Header;
use super::name::ProfileName;
use super::origin::Place;
use super::text::{ConfigText, LineKind, Property};

/// The keys that make up an access key, as every AWS client reads them.
const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
/// And those that make it a temporary one; the second is a name from before 2014.
const TOKENS: [&str; 2] = ["aws_session_token", "aws_security_token"];
/// What takes their place.
const PROCESS: &str = "credential_process";

/// What one profile of one file has of an access key.
pub struct StaticKeys<'a> {
    /// The profile.
    pub profile: &'a str,
    /// The line of its first header.
    pub place: Place,
    /// `aws_access_key_id`.
    pub id: Option<Property<'a>>,
    /// `aws_secret_access_key`.
    pub secret: Option<Property<'a>>,
    /// A session token: the key is a temporary one.
    pub token: Option<Property<'a>>,
    /// A line of the profile that can't be read.
    pub problem: Option<&'a Problem>,
}

impl ConfigText {
    /// The access keys of this file, as its profiles first appear. A profile with a line that can't be read is among them: the line
    /// may have been meant for one.
    pub fn static_keys(&self) -> Vec<StaticKeys<'_>> {
        let mut found: Vec<StaticKeys<'_>> = Vec::new();
        for (at, profile) in self.profiles() {
            let index = match found.iter().position(|keys| keys.profile == profile) {
                Some(index) => index,
                None => {
                    found.push(StaticKeys {
                        profile,
                        place: self.place(self.sections[at].line),
                        id: None,
                        secret: None,
                        token: None,
                        problem: None,
                    });
                    found.len() - 1
                }
            };
            let keys = &mut found[index];
            for property in self.properties(&self.sections[at]) {
                // Of a key that is set twice the last counts.
                if property.key.eq_ignore_ascii_case(ID) {
                    keys.id = Some(property);
                } else if property.key.eq_ignore_ascii_case(SECRET) {
                    keys.secret = Some(property);
                } else if TOKENS.iter().any(|token| property.key.eq_ignore_ascii_case(token)) {
                    keys.token = Some(property);
                }
            }
            let problem = || self.problems().iter().find(|problem| problem.section == Some(at));
            keys.problem = keys.problem.or_else(problem);
        }
        found.retain(|keys| {
            keys.id.is_some() || keys.secret.is_some() || keys.token.is_some() || keys.problem.is_some()
        });
        found
    }

    /// The headers of sections that AWS clients pass over, and that hold access keys all the same.
    pub fn keys_passed_over(&self) -> Vec<Place> {
        let ignored = self.sections.iter().filter(|section| section.header == Header::Ignored);
        let with_keys = ignored.filter(|section| {
            self.properties(section)
                .any(|property| [ID, SECRET].iter().any(|key| property.key.eq_ignore_ascii_case(key)))
        });
        with_keys.map(|section| self.place(section.line)).collect()
    }

    /// Puts `credential_process = command` in the place of a profile's access key.
    ///
    /// # Errors
    /// When it could not be read back, or the profile has another `credential_process`; nothing is changed then.
    pub fn replace_static_keys(&mut self, name: &ProfileName, command: &str) -> Result<(), EditError> {
        check_value(PROCESS, command)?;
        self.supersede(name, &[ID, SECRET], PROCESS, command)
    }

    /// The lines in which `secret` stands.
    pub fn lines_with(&self, secret: &str) -> Vec<Place> {
        self.lines_where(|_, bytes| contains(bytes, secret.as_bytes()))
    }

    /// Comments that speak of a secret key: perhaps an old one, taken out of use in this way.
    pub fn commented_keys(&self) -> Vec<Place> {
        self.lines_where(|kind, bytes| *kind == LineKind::Comment && contains(bytes, SECRET.as_bytes()))
    }

    fn lines_where(&self, is_meant: impl Fn(&LineKind, &[u8]) -> bool) -> Vec<Place> {
        let lines = self.lines.iter().enumerate();
        let found = lines.filter(|(_, line)| is_meant(&line.kind, &self.bytes[line.whole.clone()]));
        found.map(|(at, _)| self.place(at)).collect()
    }
}

/// Whether `word` stands in `bytes`, in any case.
fn contains(bytes: &[u8], word: &[u8]) -> bool {
    !word.is_empty() && bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::header::FileKind;

    fn credentials(text: &str) -> ConfigText {
        ConfigText::parse("credentials", FileKind::Credentials, text.into())
    }

    fn replaced(text: &str, name: &str) -> Result<String, EditError> {
        let mut text = credentials(text);
        text.replace_static_keys(&name.parse().expect("a name"), "/bin/tapvault export --format=json a")?;
        Ok(String::from_utf8(text.as_bytes().to_vec()).expect("text"))
    }

    #[test]
    fn keys_are_found_with_their_lines_whatever_the_case_and_order() {
        let text = credentials(
            "[a]\nAWS_SECRET_ACCESS_KEY=s\naws_access_key_id = AKIA1\n[b]\nregion = x\n[c]\naws_access_key_id=ASIA1\naws_session_token=t\n[a]\naws_access_key_id=AKIA2\n[d]\noops\n",
        );
        let found = text.static_keys();
        let short: Vec<_> = found
            .iter()
            .map(|keys| {
                (
                    keys.profile,
                    keys.id.map(|id| id.first),
                    keys.token.is_some(),
                    keys.problem.is_some(),
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                ("a", Some("AKIA2"), false, false),
                ("c", Some("ASIA1"), true, false),
                ("d", None, false, true)
            ]
        );
        assert_eq!(found[0].secret.map(|secret| secret.place().line), Some(2));
    }

    #[test]
    fn a_section_that_clients_pass_over_is_pointed_at() {
        let text = credentials("[profile a]\naws_access_key_id=AKIA1\n[my prof]\nregion=x\n");
        let places: Vec<_> = text.keys_passed_over().iter().map(|place| place.line).collect();
        assert_eq!(places, [1]);
    }

    #[test]
    fn the_command_stands_where_the_key_stood_and_nothing_else_moves() {
        assert_eq!(
            replaced(
                "# top\r\n[a]\r\n# mine\r\nregion = x\r\naws_secret_access_key = s\r\n\r\nAWS_ACCESS_KEY_ID=AKIA1\r\noutput = json\r\n[b]\r\naws_access_key_id = AKIA2",
                "a"
            )
            .expect("replaced"),
            "# top\r\n[a]\r\n# mine\r\nregion = x\r\ncredential_process = /bin/tapvault export --format=json a\r\n\r\noutput = json\r\n[b]\r\naws_access_key_id = AKIA2"
        );
    }

    #[test]
    fn keys_set_twice_all_go_and_the_last_line_keeps_its_missing_end() {
        assert_eq!(
            replaced(
                "[a]\naws_access_key_id = 1\n[a]\naws_secret_access_key = 2\naws_secret_access_key = 3",
                "a"
            )
            .expect("replaced"),
            "[a]\ncredential_process = /bin/tapvault export --format=json a\n[a]\n"
        );
        assert_eq!(
            replaced(
                "\u{feff}[a]\naws_access_key_id = 1 # old\naws_secret_access_key = 2",
                "a"
            )
            .expect("replaced"),
            "\u{feff}[a]\n# old\ncredential_process = /bin/tapvault export --format=json a\n"
        );
    }

    #[test]
    fn what_is_left_in_comments_is_found() {
        let text = credentials("[a]\n#AWS_Secret_Access_Key = old\n# nothing\nx = 1 # s3cr3t/x\n");
        let lines = |places: Vec<Place>| -> Vec<usize> { places.iter().map(|place| place.line).collect() };
        assert_eq!(lines(text.commented_keys()), [2]);
        assert_eq!(lines(text.lines_with("s3cr3t/x")), [4]);
    }

    #[test]
    fn another_credential_process_is_left_and_ones_own_is_kept() {
        let ours = "credential_process = /bin/tapvault export --format=json a\n";
        assert_eq!(
            replaced(
                &format!("[a]\n{ours}aws_access_key_id=1\naws_secret_access_key=2\n"),
                "a"
            )
            .expect("replaced"),
            format!("[a]\n{ours}")
        );
        let error = replaced("[a]\naws_access_key_id=1\ncredential_process = op\n", "a").expect_err("refused");
        assert!(error.to_string().contains("credentials:3"), "{error}");
    }
}
