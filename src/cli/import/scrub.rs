//! Keys leave the AWS files once the vault has proved that it opens them; `credential_process` lines take their places.

use super::aws_credentials::AwsFiles;
use super::harvest::Found;
use super::intake::Proof;
use crate::cli::common;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::process::own_path;
use crate::profile::files::Location;
use crate::profile::files::rewrite::{Backup, Rewrite};
use crate::profile::{Config, ConfigText, ProfileName, words};
use crate::vault::Vault;
use crate::vault::keyring::join_and;

/// What will be done to the files.
pub struct Scrub<'a> {
    both: Config,
    backup: Backup,
    program: String,
    files: [Scrubbed<'a>; 2],
    planned: Vec<Found>,
}

/// One of the two files, before and after.
struct Scrubbed<'a> {
    location: &'a Location,
    old: &'a ConfigText,
    new: ConfigText,
    /// Ready when something of it changes.
    rewrite: Option<Rewrite>,
}

impl<'a> Scrub<'a> {
    /// For these files; nothing is planned yet.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] when this program's own path can't be told or can't be written into a config.
    pub fn of(files: &'a AwsFiles, ctx: &Context, backup: Backup) -> Result<Self> {
        let path = own_path(&ctx.env)?;
        let program = path.to_str().and_then(words::quoted).ok_or_else(|| {
            Error::new(
                ErrorKind::Other,
                format!("{} can't be written into a config file", path.display()),
            )
            .hint("put tapvault at a path without control characters")
        })?;
        let scrubbed = |(location, text): &'a (Location, ConfigText)| Scrubbed {
            location,
            old: text,
            new: text.clone(),
            rewrite: None,
        };
        Ok(Scrub {
            both: Config::new(files.config.1.clone(), files.credentials.1.clone(), &ctx.env),
            backup,
            program,
            files: [scrubbed(&files.credentials), scrubbed(&files.config)],
            planned: Vec::new(),
        })
    }

    /// Plans the removal of these keys, and says which stay and why. What has to be proved by opening comes back.
    ///
    /// # Errors
    /// When a file could not be replaced.
    pub fn plan(&mut self, ctx: &Context, found: &[&Found]) -> Result<Vec<Proof>> {
        for found in found {
            match self.without(found) {
                Ok(texts) => {
                    for (file, text) in self.files.iter_mut().zip(texts) {
                        file.new = text;
                    }
                    self.planned.push(Found {
                        profile: found.profile.clone(),
                        key: found.key.clone(),
                        place: found.place.clone(),
                    });
                }
                Err(why) => ctx
                    .dialogue
                    .note(&format!("{}: its key stays in the file: {why}", found.profile)),
            }
        }
        for file in &mut self.files {
            if file.new.as_bytes() != file.old.as_bytes() {
                let rewrite = Rewrite::prepare(file.location, self.backup).map_err(common::from_file)?;
                file.rewrite = Some(rewrite);
            }
        }
        let proofs = self.planned.iter().map(|found| Proof {
            profile: found.profile.clone(),
            key: found.key.clone(),
        });
        Ok(proofs.collect())
    }

    /// Both files without this key; else why it has to stay.
    fn without(&self, found: &Found) -> Result<[ConfigText; 2], String> {
        let name = found.profile.as_str();
        // Clients would assume the role first, and look for its source's key in this very profile.
        if let Some(role) = self
            .both
            .profile(name)
            .and_then(|sections| sections.property("role_arn"))
        {
            return Err(format!(
                "{}: the profile is a role too, and clients need the key beside it; give the role a profile of its own",
                role.place()
            ));
        }
        if name.starts_with('-') {
            return Err("its name looks like an option".into());
        }
        let quoted = words::quoted(name).ok_or("its name can't be written into a command")?;
        let command = format!("{} export --format=json {quoted}", self.program);
        let mut texts = [self.files[0].new.clone(), self.files[1].new.clone()];
        for text in &mut texts {
            let here = text.static_keys().into_iter().find(|keys| keys.profile == name);
            let Some((id, secret)) = here.and_then(|keys| Some((keys.id?, keys.secret))) else {
                continue;
            };
            // Clients would fall back to it.
            if id.first != found.key.id {
                return Err(format!("{} has another key for this profile", id.place()));
            }
            // It was neither sealed nor proved, and may be the right one.
            if let Some(secret) = secret.filter(|secret| secret.first != found.key.secret.expose()) {
                return Err(format!(
                    "{} has another secret under this access key ID",
                    secret.place()
                ));
            }
            text.replace_static_keys(&found.profile, &command)
                .map_err(|error| error.to_string())?;
        }
        Ok(texts)
    }

    /// Writes the files. Call it when every proof has been brought.
    ///
    /// # Errors
    /// When a file was changed meanwhile or can't be written; it is whole then, old or new.
    pub fn finish(&self, ctx: &Context, vault: &Vault) -> Result<()> {
        // One tapvault at a time; other programs are noticed by what they wrote.
        let _lock = vault.lock()?;
        for file in &self.files {
            let Some(rewrite) = &file.rewrite else { continue };
            let kept = rewrite.replace(file.old, &file.new, self.backup).map_err(|error| {
                common::from_file(error).hint("the vault has the keys; run it again to take them out of the file")
            })?;
            let names = join_and(self.planned_in(file).map(ProfileName::as_str));
            ctx.dialogue
                .note(&format!("{}: no longer holds the key of {names}", file.location.shown));
            if let Some(kept) = kept {
                ctx.dialogue.note(&format!(
                    "{} holds the old file with its keys; delete it soon",
                    kept.display()
                ));
            }
        }
        self.tell_remains(ctx);
        Ok(())
    }

    fn planned_in<'s>(&'s self, file: &'s Scrubbed<'_>) -> impl Iterator<Item = &'s ProfileName> {
        let had: Vec<&str> = file.old.static_keys().iter().map(|keys| keys.profile).collect();
        self.planned
            .iter()
            .map(|found| &found.profile)
            .filter(move |name| had.contains(&name.as_str()))
    }

    /// Says where something of the keys is left.
    fn tell_remains(&self, ctx: &Context) {
        let note = |line: &str| ctx.dialogue.note(line);
        if self.files.iter().all(|file| file.rewrite.is_none()) {
            return;
        }
        for file in &self.files {
            for found in &self.planned {
                for place in file.new.lines_with(found.key.secret.expose()) {
                    note(&format!(
                        "warning: {place} still has the secret key of {}",
                        found.profile
                    ));
                }
            }
            for place in file.new.commented_keys() {
                note(&format!(
                    "warning: {place} is a comment that may hold a key; comments are left as they are"
                ));
            }
        }
        note("the old text may still be found on the disk and in backups; new access keys end that:");
        for found in &self.planned {
            note(&format!("  {}", common::way_to_a_new_key(found.profile.as_str())));
        }
    }
}
