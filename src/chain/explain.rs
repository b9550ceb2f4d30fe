//! A plan in rows for a person: what each value is, and which line said so.

use serde::Serialize;

use super::{Address, Base, Mfa, Policy, Step, Token};
use crate::profile::{Origin, Sourced, StsRegional};

/// One value of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// What it is, in the words of the config file where it has one.
    pub name: &'static str,
    /// Its value, whole; without what may be a secret.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl Fact {
    /// `value` as a row.
    pub fn of<T: ToString>(name: &'static str, value: &Sourced<T>) -> Self {
        Self {
            name,
            value: value.value.to_string(),
            origin: value.origin.clone(),
        }
    }
}

impl Base {
    /// What the chain begins with.
    pub fn fact(&self) -> Fact {
        let (name, value, origin) = match self {
            Base::Entry { profile, origin } => ("access key", profile.to_string(), origin),
            Base::CredentialProcess { command, origin } => ("credential_process", command.to_string(), origin),
            Base::WebIdentity {
                token: Token::File(path),
                origin,
            } => ("web_identity_token_file", path.clone(), origin),
            Base::WebIdentity {
                token: Token::Process(command),
                origin,
            } => ("web_identity_token_process", command.to_string(), origin),
        };
        Fact {
            name,
            value,
            origin: origin.clone(),
        }
    }
}

impl Step {
    /// The name of the call.
    pub fn call(&self) -> &'static str {
        match self {
            Step::GetSessionToken(_) => "GetSessionToken",
            Step::AssumeRole(_) => "AssumeRole",
            Step::AssumeRoleWithWebIdentity(_) => "AssumeRoleWithWebIdentity",
        }
    }

    /// Its inputs, as far as they are set; a default that AWS chooses is no row. `session_name` is what a role session is
    /// called when the config names none.
    pub fn facts(&self, session_name: &str) -> Vec<Fact> {
        let mut facts = Facts(Vec::new());
        if let Some(role) = self.role() {
            facts.0.push(Fact::of("role_arn", role));
        }
        facts.0.push(Fact::of("duration", self.duration()));
        facts.mfa(self.mfa());
        match self {
            Step::GetSessionToken(_) => {}
            Step::AssumeRole(step) => {
                facts.session_name(&step.session_name, session_name);
                facts.maybe("external_id", &step.external_id);
                facts.maybe("source_identity", &step.source_identity);
                if let Some(tags) = &step.tags {
                    let pairs = tags.value.iter().map(|tag| format!("{}={}", tag.key, tag.value));
                    facts.list("session_tags", pairs.collect(), &tags.origin);
                }
                if let Some(keys) = &step.transitive_tags {
                    facts.list("transitive_session_tags", keys.value.clone(), &keys.origin);
                }
                facts.policy(&step.policy);
            }
            Step::AssumeRoleWithWebIdentity(step) => {
                facts.session_name(&step.session_name, session_name);
                facts.policy(&step.policy);
            }
        }
        facts.address(self.address());
        facts.0
    }
}

struct Facts(Vec<Fact>);

impl Facts {
    fn maybe<T: ToString>(&mut self, name: &'static str, value: &Option<Sourced<T>>) {
        self.0.extend(value.as_ref().map(|value| Fact::of(name, value)));
    }

    fn session_name(&mut self, said: &Option<Sourced<String>>, otherwise: &str) {
        self.0.push(match said {
            Some(said) => Fact::of("role_session_name", said),
            None => Fact {
                name: "role_session_name",
                value: otherwise.to_owned(),
                origin: Origin::Default("the login name"),
            },
        });
    }

    fn list(&mut self, name: &'static str, parts: Vec<String>, origin: &Origin) {
        self.0.push(Fact {
            name,
            value: parts.join(","),
            origin: origin.clone(),
        });
    }

    fn mfa(&mut self, mfa: Option<&Mfa>) {
        if let Some(mfa) = mfa {
            self.0.push(Fact::of("mfa_serial", &mfa.serial));
            self.maybe("mfa_process", &mfa.process);
        }
    }

    fn policy(&mut self, policy: &Policy) {
        if let Some(document) = &policy.document {
            // Its text is the person's own and may be long; that there is one is what matters here.
            let value = format!("a document of {} bytes", document.len());
            self.list("policy", vec![value], &Origin::Flag("--policy-file"));
        }
        for arn in &policy.arns {
            self.list("policy_arn", vec![arn.clone()], &Origin::Flag("--policy-arn"));
        }
    }

    fn address(&mut self, address: &Address) {
        self.0.push(Fact::of("region", &address.region));
        self.maybe("endpoint_url", &address.url);
        self.maybe("use_fips_endpoint", &address.fips);
        self.maybe("use_dualstack_endpoint", &address.dualstack);
        self.maybe("sts_regional_endpoints", &address.sts_regional);
        self.maybe("ca_bundle", &address.ca_bundle);
    }
}

impl std::fmt::Display for StsRegional {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StsRegional::Regional => "regional",
            StsRegional::Legacy => "legacy",
        })
    }
}
