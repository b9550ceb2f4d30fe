//! `config.toml`: tapvault's own few settings. It names commands to run, so it is refused when others can write it.

use crate::error::{Error, ErrorKind, Result, io};
use crate::profile::value::Seconds;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

/// More than anybody writes by hand; a larger file is a mistake.
const LONGEST: u64 = 1 << 20;

/// The settings, all with a default.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Prints the passphrase of a passphrase key on its standard output. Run by `sh -c`.
    pub passphrase_command: Option<String>,
    /// Run by `sh -c` for every touch that is awaited, with what it is for in `TAPVAULT_TOUCH`.
    pub notify_command: Option<String>,
    /// A cached session is used while at least so many seconds of it remain. 300 unless set.
    pub min_ttl_seconds: Option<u32>,
    /// Leaves out the line "presence: none".
    #[serde(default)]
    pub quiet_presence: bool,
    /// Whether requests go through an agent. Yes unless set.
    pub agent: Option<bool>,
    /// Whether the agent holds a PIN while its token stays plugged in. Yes unless set.
    pub hold_pin: Option<bool>,
    /// For how long the agent hands a session out again without a touch; not at all unless set.
    pub lease: Option<Lease>,
    /// Which requests share a touch.
    #[serde(default)]
    pub join: Join,
    /// An access key that is older is worth a word in `list`, `explain` and `doctor`.
    pub max_key_age: Option<Days>,
    /// `[profile.NAME]`: what holds for one profile only.
    #[serde(default, rename = "profile")]
    pub profiles: BTreeMap<String, ProfileSettings>,
}

/// What can be set for one profile.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ProfileSettings {
    /// The OATH account on the token that gives the profile's MFA codes: `issuer:account`, or the account alone.
    pub oath: Option<String>,
    /// As [`Settings::lease`].
    pub lease: Option<Lease>,
}

/// Which requests share a touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// Those with the same parent, or of the same terminal session.
    #[default]
    Family,
    /// All.
    Any,
}

/// For how long a session may be handed out again without a touch: `15m`. 0 is not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Lease(pub Seconds);

impl Lease {
    /// The longest: half a day. In seconds.
    pub const LONGEST: u32 = 12 * 3600;
}

impl FromStr for Lease {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<Seconds>() {
            Ok(seconds) if seconds.0 <= Lease::LONGEST => Ok(Lease(seconds)),
            Ok(_) => Err("a lease lasts 12h at most"),
            Err(_) => Err("expected a length of time such as 15m"),
        }
    }
}

impl TryFrom<String> for Lease {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// An age in days: `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Days(pub u32);

impl Days {
    /// Whether something of the moment `since` is older than this at `now`.
    pub fn is_past(self, since: Timestamp, now: Timestamp) -> bool {
        now.duration_since(since) > SignedDuration::from_hours(24 * i64::from(self.0))
    }
}

impl FromStr for Days {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_suffix('d').unwrap_or(text);
        let well_formed = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match digits.parse() {
            Ok(days) if well_formed => Ok(Days(days)),
            _ => Err("expected a number of days, such as 90d"),
        }
    }
}

impl TryFrom<String> for Days {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Settings {
    /// Reads the file; a missing one means defaults.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when others than the user and root can write it (or its folder), or when it can't be understood.
    pub fn read(path: &Path) -> Result<Self> {
        // A link is followed: dotfiles are often kept elsewhere. O_NONBLOCK: opening a pipe must not hang.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => std::fs::File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(Settings::default()),
            Err(err) => return Err(io("reading", path, &err.into())),
        };
        refuse_writable_by_others(path, &file)?;
        let unusable = |what: &str| {
            Error::new(ErrorKind::Config, format!("{} {what}", path.display()))
                .hint("docs/cli.md lists the settings; without the file the defaults hold")
        };
        if !file.metadata().map_err(|err| io("reading", path, &err))?.is_file() {
            return Err(unusable("is no ordinary file"));
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|err| io("reading", path, &err))?;
        if bytes.len() as u64 > LONGEST {
            return Err(unusable("is far too long"));
        }
        let text = String::from_utf8(bytes).map_err(|_| unusable("is not UTF-8 text"))?;
        Settings::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|err| {
            let line = err
                .span()
                .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1)
                .unwrap_or(1);
            Error::new(
                ErrorKind::Config,
                format!("{}:{line}: {}", path.display(), err.message()),
            )
            .hint("docs/cli.md lists the settings")
        })
    }

    /// For how many seconds sessions of `profile` may be leased; 0 is not at all.
    pub fn lease_of(&self, profile: &str) -> u32 {
        let own = self.profiles.get(profile).and_then(|profile| profile.lease);
        own.or(self.lease).map_or(0, |lease| lease.0.0)
    }

    /// How much life a cached session must have left to be handed out. In seconds.
    pub fn min_ttl(&self) -> u32 {
        self.min_ttl_seconds.unwrap_or(300)
    }
}

fn refuse_writable_by_others(path: &Path, file: &std::fs::File) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let of_file = file.metadata().map_err(|err| io("reading", path, &err))?;
    let of_folder = std::fs::metadata(folder).map_err(|err| io("reading", folder, &err))?;
    let me = rustix::process::geteuid().as_raw();
    for (path, metadata) in [(path, of_file), (folder, of_folder)] {
        let foreign = metadata.uid() != me && metadata.uid() != 0;
        // A sticky folder that all may write, such as /tmp, does not let others replace the file; its owner still could.
        let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
        if foreign || (metadata.mode() & 0o022 != 0 && !sticky) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{} can be changed by others, and it names commands to run; it was not read",
                    path.display()
                ),
            )
            .hint(format!("chmod go-w {}", path.display())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_age_is_a_number_of_days() {
        let settings = Settings::parse("max_key_age = \"30d\"\n", Path::new("c.toml")).expect("read");
        assert_eq!(settings.max_key_age, Some(Days(30)));
        for wrong in ["", "d", "3w", "-1d", "1.5d", "99999999999d"] {
            assert!(wrong.parse::<Days>().is_err(), "{wrong:?}");
        }
        let day = SignedDuration::from_hours(24);
        assert!(!Days(1).is_past(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + day));
        assert!(Days(1).is_past(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + day * 2));
    }

    #[test]
    fn an_unknown_setting_is_named_with_its_line() {
        let error = Settings::parse("min_ttl_seconds = 60\npasphrase = 1\n", Path::new("c.toml")).expect_err("unknown");
        assert!(error.to_string().contains("c.toml:2"), "{error}");
    }

    #[test]
    fn a_profile_has_settings_of_its_own() {
        let text = "[profile.\"my prof\"]\noath = \"AWS:ana@acme\"\n";
        let settings = Settings::parse(text, Path::new("c.toml")).expect("parsed");
        assert_eq!(settings.profiles["my prof"].oath.as_deref(), Some("AWS:ana@acme"));
        let error = Settings::parse("[profile.prod]\noauth = 1\n", Path::new("c.toml")).expect_err("unknown");
        assert!(error.to_string().contains("c.toml:2"), "{error}");
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).expect("mode");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "").expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).expect("mode");
        assert_eq!(Settings::read(&path).expect_err("refused").kind(), ErrorKind::Config);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("mode");
        assert_eq!(Settings::read(&path).expect("read"), Settings::default());
    }
}
