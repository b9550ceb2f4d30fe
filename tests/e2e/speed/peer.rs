//! aws-vault with the same access key, as far as both do the same: its keys in its file backend, the passphrase given to it.

use crate::bench::ANA;
use crate::scene::{Job, Scene};
use crate::stopwatch::Surroundings;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// See the module's words.
pub struct Peer {
    program: String,
    small: Surroundings,
    many_profiles: Surroundings,
    many_entries: Surroundings,
}

impl Peer {
    /// Gives it a vault of its own, with the same access key, and one with as many as ours.
    pub fn set(program: &Path, scene: &Scene) -> Self {
        let program = program.canonicalize().expect("the peer");
        let program = program.to_str().expect("a path in UTF-8").to_owned();
        let keys = scene.hand().join("peer");
        let dressed = |job: Job| {
            scene
                .surroundings(job)
                .with("AWS_VAULT_BACKEND", "file")
                .with("AWS_VAULT_FILE_PASSPHRASE", "of the speed bench")
                .with("AWS_VAULT_FILE_DIR", &keys)
        };
        let small = dressed(Job::Version);
        small
            .with("AWS_ACCESS_KEY_ID", ANA.0)
            .with("AWS_SECRET_ACCESS_KEY", ANA.1)
            .time(&[&program, "add", "--env", "prod"]);
        let many = large_folder(&keys);
        Peer {
            many_profiles: dressed(Job::ListProfiles),
            many_entries: dressed(Job::ListEntries).with("AWS_VAULT_FILE_DIR", many),
            program,
            small,
        }
    }

    /// Does it once; `None` for what it does not do.
    pub fn run(&self, job: Job) -> Option<Duration> {
        let line = [&[self.program.as_str()], job.arguments()?].concat();
        let surroundings = match job {
            Job::Floor
            | Job::Token
            | Job::Version
            | Job::ExecCold
            | Job::ExecWarm
            | Job::Limit
            | Job::ExecLeased
            | Job::ExportLeased => &self.small,
            Job::ListProfiles => &self.many_profiles,
            Job::ListEntries => &self.many_entries,
        };
        if job == Job::ExecCold {
            self.small.time(&[&self.program, "clear"]);
        }
        Some(surroundings.time(&line))
    }
}

/// Its file again and again under other names: listing opens none.
fn large_folder(keys: &Path) -> PathBuf {
    let many = keys.with_file_name("peer-many");
    fs::create_dir(&many).expect("a folder for the peer");
    for number in 0..1000 {
        fs::copy(keys.join("prod"), many.join(format!("account{number:04}"))).expect("a copy of its file");
    }
    many
}
