//! Which OATH account gives the codes of an MFA device: the one that config.toml names, else the one named as the device, else one
//! in the form that the AWS console's QR code has.

use crate::profile::value::MfaSerial;

/// What the console calls itself in its QR codes, and what people shorten it to.
const ISSUERS: [&str; 2] = ["Amazon Web Services", "AWS"];

/// What is known of the account that is looked for.
#[derive(Clone, Debug)]
pub struct Sought<'a> {
    /// The device.
    pub serial: &'a MfaSerial,
    /// The user that the access key belongs to, as far as known: devices are often called otherwise.
    pub user: Option<&'a str>,
    /// `oath = "..."` of config.toml: `issuer:account`, or the account alone.
    pub named: Option<&'a str>,
}

/// What was found on one token; indices into the names that were looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// No account fits.
    None,
    /// This one.
    One(usize),
    /// Any of these could be meant; a person has to say which.
    Several(Vec<usize>),
}

/// Looks through `names` (`issuer:account`, or an account alone, without a period in front).
///
/// A name in config.toml leaves nothing to guess: without an account of that name there is none.
pub fn choose<'n>(sought: &Sought<'_>, names: impl IntoIterator<Item = &'n str> + Clone) -> Choice {
    let search = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
        names
            .clone()
            .into_iter()
            .enumerate()
            .filter(|(_, name)| fits(name))
            .map(|(index, _)| index)
            .collect()
    };
    let tiers: Vec<Vec<usize>> = match sought.named {
        Some(named) => vec![
            search(&|name| name == named),
            search(&|name| issuer_and_account(name).1 == named),
        ],
        None => {
            let serial = sought.serial.as_str();
            vec![
                search(&|name| name == serial || name.strip_suffix(serial).is_some_and(|rest| rest.ends_with(':'))),
                search(&|name| has_console_form(sought, name)),
            ]
        }
    };
    match tiers.into_iter().find(|found| !found.is_empty()) {
        None => Choice::None,
        Some(found) => match found[..] {
            [only] => Choice::One(only),
            _ => Choice::Several(found),
        },
    }
}

/// `Amazon Web Services:ana@111122223333`, or with the account's alias after the `@`.
fn has_console_form(sought: &Sought<'_>, name: &str) -> bool {
    let (Some(issuer), account) = issuer_and_account(name) else {
        return false;
    };
    let Some((user, home)) = account.rsplit_once('@') else {
        return false;
    };
    let Some(number) = account_number(sought.serial.as_str()) else {
        return false;
    };
    // An alias can't be checked without asking IAM; a number can, and another account's must not be taken.
    let is_number = home.len() == 12 && home.bytes().all(|byte| byte.is_ascii_digit());
    let is_home = if is_number { home == number } else { !home.is_empty() };
    let is_user = user == sought.serial.device() || sought.user == Some(user);
    ISSUERS.iter().any(|known| known.eq_ignore_ascii_case(issuer)) && is_user && is_home
}

/// The twelve digits of `arn:aws:iam::111122223333:mfa/ana`; a hardware device's serial number has none.
fn account_number(serial: &str) -> Option<&str> {
    let mut parts = serial.split(':');
    (parts.next() == Some("arn")).then(|| parts.nth(3)).flatten()
}

/// Key URI format: the issuer stands before the first colon, if there is one.
fn issuer_and_account(name: &str) -> (Option<&str>, &str) {
    match name.split_once(':') {
        Some((issuer, account)) => (Some(issuer), account.trim_start()),
        None => (None, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIAL: &str = "arn:aws:iam::111122223333:mfa/ana-phone";

    fn chosen(user: Option<&str>, named: Option<&str>, names: &[&str]) -> Choice {
        let serial: MfaSerial = SERIAL.parse().expect("a serial");
        let sought = Sought {
            serial: &serial,
            user,
            named,
        };
        choose(&sought, names.iter().copied())
    }

    #[test]
    fn an_account_named_as_the_device_is_the_one() {
        let names = ["GitHub:ana", "AWS:ana-phone@111122223333", SERIAL];
        assert_eq!(chosen(Some("ana"), None, &names), Choice::One(2));
        assert_eq!(
            chosen(None, None, &["x", &format!("AWS:{SERIAL}")]),
            Choice::One(1),
            "an issuer in front"
        );
        assert_eq!(
            chosen(
                None,
                None,
                &["arn:aws:iam::111122223333:mfa/ana-phone2", &format!("x{SERIAL}")]
            ),
            Choice::None,
            "a longer name is another name"
        );
    }

    #[test]
    fn the_consoles_form_is_known_by_number_and_by_alias_and_by_the_users_name() {
        for (user, name) in [
            (None, "Amazon Web Services:ana-phone@111122223333"),
            (None, "amazon web services:ana-phone@acme"),
            (Some("ana"), "AWS:ana@111122223333"),
            (Some("ana"), "AWS: ana@acme"),
        ] {
            assert_eq!(chosen(user, None, &["Google:ana", name]), Choice::One(1), "{name}");
        }
    }

    #[test]
    fn what_belongs_to_another_user_account_or_issuer_is_left_alone() {
        for name in [
            "AWS:ana@444455556666",
            "AWS:bob@111122223333",
            "GitHub:ana@111122223333",
            "ana@111122223333",
            "AWS:ana@",
            "AWS:ana",
            "",
            ":",
        ] {
            assert_eq!(chosen(Some("ana"), None, &[name]), Choice::None, "{name}");
        }
    }

    #[test]
    fn two_that_fit_are_both_shown() {
        let names = ["AWS:ana@acme", "x", "AWS:ana@acme-test"];
        assert_eq!(chosen(Some("ana"), None, &names), Choice::Several(vec![0, 2]));
    }

    #[test]
    fn what_the_person_wrote_leaves_nothing_to_guess() {
        let names = ["AWS:ana@acme", "AWS:ana@acme-test", SERIAL];
        assert_eq!(chosen(Some("ana"), Some("AWS:ana@acme-test"), &names), Choice::One(1));
        assert_eq!(chosen(Some("ana"), Some("ana@acme"), &names), Choice::One(0));
        assert_eq!(chosen(Some("ana"), Some("ana@gone"), &names), Choice::None);
        assert_eq!(
            chosen(None, Some("ana"), &["a:ana", "b:ana"]),
            Choice::Several(vec![0, 1])
        );
    }

    #[test]
    fn a_hardware_devices_serial_is_no_arn_and_still_found_by_its_name() {
        let serial: MfaSerial = "GAHT12345678".parse().expect("a serial");
        let sought = Sought {
            serial: &serial,
            user: Some("ana"),
            named: None,
        };
        assert_eq!(choose(&sought, ["AWS:ana@111122223333"]), Choice::None);
        assert_eq!(choose(&sought, ["GAHT12345678"]), Choice::One(0));
    }
}
