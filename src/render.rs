//! Credentials as text: environment lines, JSON for `credential_process`, INI. Pure; the caller prints.

use crate::credential::Credentials;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// The forms that `export` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// KEY=value lines
    Env,
    /// export KEY=value lines for a shell
    ExportEnv,
    /// The JSON of credential_process
    Json,
    /// A section of a credentials file
    Ini,
}

/// The variables that AWS clients read, with their values.
pub fn variables(credentials: &Credentials) -> Vec<(&'static str, Zeroizing<String>)> {
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID", Zeroizing::new(credentials.id().to_owned())),
        (
            "AWS_SECRET_ACCESS_KEY",
            Zeroizing::new(credentials.secret().expose().to_owned()),
        ),
    ];
    if let Some(token) = credentials.token() {
        variables.push(("AWS_SESSION_TOKEN", Zeroizing::new(token.expose().to_owned())));
    }
    if let Some(expires) = credentials.expires() {
        variables.push(("AWS_CREDENTIAL_EXPIRATION", Zeroizing::new(timestamp(expires))));
    }
    variables
}

/// The whole text, final line break included. `region` goes into the environment forms and the INI section.
pub fn render(format: Format, profile: &str, credentials: &Credentials, region: Option<&str>) -> Zeroizing<String> {
    match format {
        Format::Env => lines("", profile, credentials, region),
        Format::ExportEnv => lines("export ", profile, credentials, region),
        Format::Json => json(credentials),
        Format::Ini => ini(profile, credentials, region),
    }
}

fn lines(prefix: &str, profile: &str, credentials: &Credentials, region: Option<&str>) -> Zeroizing<String> {
    let mut text = with_room(credentials);
    let mut line = |name: &str, value: &str| {
        text.push_str(prefix);
        text.push_str(name);
        text.push('=');
        text.push_str(&shell_word(value));
        text.push('\n');
    };
    line("AWS_VAULT", profile);
    for (name, value) in variables(credentials) {
        line(name, &value);
    }
    if let Some(region) = region {
        line("AWS_REGION", region);
        line("AWS_DEFAULT_REGION", region);
    }
    text
}

/// `{"Version":1,...}` (AWS SDKs and Tools Reference Guide, "Process credential provider").
fn json(credentials: &Credentials) -> Zeroizing<String> {
    let mut text = with_room(credentials);
    text.push_str("{\"Version\":1");
    let mut field = |name: &str, value: &str| {
        text.push_str(",\"");
        text.push_str(name);
        text.push_str("\":");
        // Serialising a text can't fail; keys and tokens have nothing to escape, but a standard is a standard.
        text.push_str(&Zeroizing::new(serde_json::Value::from(value).to_string()));
    };
    field("AccessKeyId", credentials.id());
    field("SecretAccessKey", credentials.secret().expose());
    if let Some(token) = credentials.token() {
        field("SessionToken", token.expose());
    }
    if let Some(expires) = credentials.expires() {
        field("Expiration", &timestamp(expires));
    }
    text.push_str("}\n");
    text
}

fn ini(profile: &str, credentials: &Credentials, region: Option<&str>) -> Zeroizing<String> {
    let mut text = with_room(credentials);
    text.push_str(&format!("[{profile}]\n"));
    for (name, value) in variables(credentials) {
        text.push_str(&name.to_ascii_lowercase());
        text.push_str(" = ");
        text.push_str(&value);
        text.push('\n');
    }
    if let Some(region) = region {
        text.push_str(&format!("region = {region}\n"));
    }
    text
}

/// A buffer that will not have to move, so that no copy of a secret is left behind.
fn with_room(credentials: &Credentials) -> Zeroizing<String> {
    let token = credentials.token().map_or(0, |token| token.expose().len());
    Zeroizing::new(String::with_capacity(
        2 * (token + credentials.secret().expose().len()) + 4096,
    ))
}

/// RFC 3339, UTC with a Z, whole seconds: the form that every AWS client reads.
pub fn timestamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The value as one word of a POSIX shell; as it is when that needs no quotes.
fn shell_word(value: &str) -> Zeroizing<String> {
    let plain = !value.is_empty()
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/+=_.,:@%-".contains(&b));
    Zeroizing::new(if plain {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{AccessKey, Session};
    use crate::secret::SecretText;

    fn session() -> Credentials {
        Credentials::Temporary(Session {
            id: "ASIAX".into(),
            secret: SecretText::copy_of("se/cr+et"),
            token: SecretText::copy_of("to\"ken=="),
            expires: Timestamp::from_second(1_800_000_000).expect("a time"),
        })
    }

    #[test]
    fn json_is_the_contract_of_credential_process() {
        let text = render(Format::Json, "prod", &session(), Some("eu-central-1"));
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["Version"], 1);
        assert_eq!(value["SessionToken"], "to\"ken==");
        assert_eq!(value["Expiration"], "2027-01-15T08:00:00Z");
        assert_eq!(value.as_object().expect("an object").len(), 5);
    }

    #[test]
    fn an_access_key_has_neither_token_nor_expiration() {
        let key = Credentials::LongTerm(AccessKey {
            id: "AKIAX".into(),
            secret: SecretText::copy_of("s"),
        });
        let value: serde_json::Value = serde_json::from_str(&render(Format::Json, "p", &key, None)).expect("JSON");
        assert_eq!(value.as_object().expect("an object").len(), 3);
    }

    #[test]
    fn a_profile_with_a_quote_can_not_break_out_of_its_word() {
        let text = render(Format::ExportEnv, "a'b; rm", &session(), None);
        assert!(
            text.starts_with(r"export AWS_VAULT='a'\''b; rm'"),
            "{}",
            text.lines().next().expect("a line")
        );
        assert!(text.contains("export AWS_SECRET_ACCESS_KEY=se/cr+et\n"));
    }
}
