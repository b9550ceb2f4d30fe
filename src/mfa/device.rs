//! The ARN of a virtual MFA device, and what it is called when nobody says.
//!
//! `arn:PARTITION:iam::ACCOUNT:mfa/PATH/NAME` (IAM User Guide, "IAM identifiers"). The account on the token is called the same, and a
//! token takes 64 bytes.

use crate::error::{Error, ErrorKind, Result};
use crate::profile::value::MfaSerial;
use crate::token::oath::AccountName;

/// What is put behind the user's name when a device of that name is there already.
const SUFFIX: &str = "-tapvault";

/// A device that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its ARN.
    pub serial: String,
    /// Between slashes, or one slash.
    pub path: String,
    /// Without the path.
    pub name: String,
    /// The account on the token.
    pub account: AccountName,
}

impl Candidate {
    /// From an ARN, which has to be of the account of `user`, an ARN too.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when it is no ARN of a virtual MFA device there, or too long for a token.
    pub fn of(serial: &str, user: &str) -> Result<Self> {
        let home = home(user);
        let unfit = |why: String| {
            Error::new(ErrorKind::Usage, format!("{serial} can't be the device: {why}"))
                .hint(format!("--serial {home}:mfa/NAME names another one"))
        };
        let resource = serial
            .strip_prefix(&format!("{home}:mfa/"))
            .ok_or_else(|| unfit(format!("a virtual MFA device of this user is called {home}:mfa/NAME")))?;
        let (path, name) = match resource.rsplit_once('/') {
            Some((path, name)) => (format!("/{path}/"), name),
            None => ("/".to_owned(), resource),
        };
        if name.is_empty() {
            return Err(unfit("it has no name".into()));
        }
        let account = AccountName::new(serial.as_bytes())
            .map_err(|_| unfit(format!("it has {} bytes, and a token takes names of 64", serial.len())))?;
        Ok(Candidate {
            path,
            name: name.to_owned(),
            serial: serial.to_owned(),
            account,
        })
    }

    /// The devices to try, in this order: the one that the person named, else as the user is called.
    ///
    /// # Errors
    /// As [`Candidate::of`].
    pub fn all(named: Option<&MfaSerial>, user: &str) -> Result<Vec<Self>> {
        match named {
            Some(serial) => Ok(vec![Candidate::of(serial.as_str(), user)?]),
            None => {
                let name = user.rsplit('/').next().unwrap_or(user);
                let serial = format!("{}:mfa/{name}", home(user));
                let first = Candidate::of(&serial, user)?;
                let second = Candidate::of(&format!("{serial}{SUFFIX}"), user).ok();
                Ok([Some(first), second].into_iter().flatten().collect())
            }
        }
    }
}

/// Whether IAM's DeleteVirtualMFADevice is for it; hardware devices and passkeys are only deactivated.
pub fn is_virtual(serial: &str) -> bool {
    serial.starts_with("arn:") && serial.contains(":mfa/")
}

/// `arn:aws:iam::111122223333` of an ARN there.
fn home(arn: &str) -> String {
    arn.split(':').take(5).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "arn:aws:iam::111122223333:user/team/ana";

    #[test]
    fn a_device_is_called_as_the_user_without_the_path_or_with_a_word_behind() {
        let names: Vec<String> = Candidate::all(None, USER)
            .expect("fit")
            .into_iter()
            .map(|device| device.serial)
            .collect();
        assert_eq!(
            names,
            [
                "arn:aws:iam::111122223333:mfa/ana",
                "arn:aws:iam::111122223333:mfa/ana-tapvault"
            ]
        );
    }

    #[test]
    fn the_path_of_a_device_is_kept_apart_from_its_name() {
        let device = Candidate::of("arn:aws:iam::111122223333:mfa/a/b/key", USER).expect("fit");
        assert_eq!((device.path.as_str(), device.name.as_str()), ("/a/b/", "key"));
        let device = Candidate::of("arn:aws:iam::111122223333:mfa/key", USER).expect("fit");
        assert_eq!((device.path.as_str(), device.name.as_str()), ("/", "key"));
    }

    #[test]
    fn what_is_no_device_of_this_account_or_too_long_is_refused_with_a_better_one() {
        for serial in [
            "arn:aws:iam::444455556666:mfa/ana",
            "arn:aws-cn:iam::111122223333:mfa/ana",
            "arn:aws:iam::111122223333:user/ana",
            "arn:aws:iam::111122223333:mfa/",
            "arn:aws:iam::111122223333:mfa/a/",
            "GAHT12345678",
            &format!("arn:aws:iam::111122223333:mfa/{}", "x".repeat(40)),
        ] {
            let error = Candidate::of(serial, USER).expect_err(serial);
            assert!(
                error.hints()[0].contains("--serial arn:aws:iam::111122223333:mfa/NAME"),
                "{serial}"
            );
        }
    }

    #[test]
    fn only_virtual_devices_are_deleted() {
        assert!(is_virtual("arn:aws:iam::111122223333:mfa/ana"));
        assert!(!is_virtual("GAHT12345678"));
        assert!(!is_virtual("arn:aws:iam::111122223333:u2f/user/ana/key-A"));
    }
}
