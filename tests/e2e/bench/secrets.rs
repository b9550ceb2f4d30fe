//! Every secret that a test knows, and the search for it: as it is, in hexadecimal digits, in base64.

use super::run::Allowed;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use std::collections::BTreeMap;
use tapvault_lab::aws_standin::Account;
use tapvault_lab::soft_token::hex;

/// Secrets by name.
#[derive(Default)]
pub struct Secrets(BTreeMap<String, String>);

/// The secrets in all the forms that are looked for.
pub struct Needles(Vec<Needle>);

struct Needle {
    name: String,
    form: &'static str,
    finder: Finder<'static>,
}

impl Secrets {
    /// One more.
    pub fn add(&mut self, name: &str, text: &str) {
        assert!(text.len() >= 6, "{name} is so short that it would be found by chance");
        self.0.insert(name.to_owned(), text.to_owned());
    }

    /// The secret keys of an account's users and the seeds of its MFA devices.
    pub fn of_account(&mut self, account: &Account) {
        for key in account.users.iter().flat_map(|user| &user.access_keys) {
            self.add(&format!("secret of {}", key.id), &key.secret);
        }
        for device in &account.mfa_devices {
            self.add(&format!("seed of {}", device.serial), &device.seed);
        }
    }

    /// For a search.
    pub fn needles(&self) -> Needles {
        let needles = self.0.iter().flat_map(|(name, text)| {
            forms(text.as_bytes()).into_iter().map(|(form, bytes)| Needle {
                name: name.clone(),
                form,
                finder: Finder::new(&bytes).into_owned(),
            })
        });
        Needles(needles.collect())
    }
}

impl Needles {
    /// A line for each secret in `hay` that is not allowed there.
    pub fn find(&self, place: &str, hay: &[u8], allowed: &Allowed) -> Vec<String> {
        self.0
            .iter()
            .filter(|needle| !allowed.has(&needle.name))
            .filter(|needle| needle.finder.find(hay).is_some())
            .map(|needle| format!("{} ({}) in {place}", needle.name, needle.form))
            .collect()
    }
}

fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![
        ("as it is", secret.to_vec()),
        ("hexadecimal", hex::encode(secret).into_bytes()),
        ("hexadecimal", hex::encode(secret).to_uppercase().into_bytes()),
    ];
    for before in 0..3 {
        // Three bytes are four characters, so a secret in the middle of something looks different after 0, 1 and 2 bytes;
        // characters that it shares with its neighbours are left out.
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret);
        let whole = bytes.len() / 3 * 4;
        let start = if before == 0 { 0 } else { 4 };
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(&bytes);
            forms.push(("base64", text.as_bytes()[start..whole].to_vec()));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_and_nothing_else_is() {
        let mut secrets = Secrets::default();
        secrets.add("a", "correct/horse+battery");
        let needles = secrets.needles();
        let found = |hay: &[u8]| !needles.find("here", hay, &Allowed::nothing()).is_empty();
        assert!(found(b"x=correct/horse+battery;"));
        assert!(found(hex::encode(b"..correct/horse+battery").as_bytes()));
        for before in ["", "1", "12", "123"] {
            let hay = format!("{before}correct/horse+battery staple");
            assert!(found(BASE64_STANDARD_NO_PAD.encode(&hay).as_bytes()), "{hay}");
        }
        assert!(!found(b"correct/horse-battery"));
    }
}
