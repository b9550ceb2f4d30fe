//! What the vault and AWS are like before a rotation, what has to be true whenever it was cut short, and what has become of both.

use super::LINE;
use crate::bench::run::Output;
use crate::bench::{ANA, Bench};
use crate::faults::content::opened_by_age;
use crate::faults::steps::{add, copy, enroll_paper, enroll_token, quick};
use crate::rotation::{journal, keys_at_aws};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use tapvault_lab::aws_standin::{KeyStatus, World};

/// A vault with two keys and an access key, and the world around it, to be put back before each strike.
pub struct Stage {
    pub bench: Bench,
    world: World,
}

/// What one strike came to.
pub struct Case {
    /// Its place among the calls or writes.
    pub order: usize,
    pub point: String,
    pub how: String,
    /// At AWS, in the vault, and what the next run does.
    pub state: [String; 3],
}

impl Stage {
    /// Sets it.
    pub fn set() -> Self {
        let bench = quick();
        enroll_token(&bench, "yubikey");
        enroll_paper(&bench);
        add(&bench, "prod");
        let stage = Stage {
            world: bench.aws().world(|world| world.clone()),
            bench,
        };
        for (folder, kept) in stage.folders() {
            copy(&folder, &kept);
        }
        stage
    }

    /// Puts everything back.
    pub fn reset(&self) {
        self.bench.aws().clear_faults();
        self.bench.aws().world(|world| *world = self.world.clone());
        self.bench.aws().clear_calls();
        for (folder, kept) in self.folders() {
            copy(&kept, &folder);
        }
    }

    fn folders(&self) -> [(PathBuf, PathBuf); 2] {
        let kept = self.bench.root().join("before");
        [
            (self.bench.vault(), kept.join("vault")),
            (self.bench.state_folder(), kept.join("state")),
        ]
    }

    /// As [`Stage::judge`]; `None` when something was not true, so that one failure does not hide the others.
    pub fn case(&self, point: (usize, String), how: String, output: &Output) -> Option<Case> {
        catch_unwind(AssertUnwindSafe(|| self.judge(point, how, output))).ok()
    }

    /// Everything that has to be true after a run that may have been cut short, and after the next one.
    #[track_caller]
    fn judge(&self, (order, point): (usize, String), how: String, output: &Output) -> Case {
        let context = format!("{point}, {how}\n{output}");
        assert_ne!(output.code, Some(101), "it panicked: {context}");
        self.bench.aws().clear_faults();
        self.a_working_key_is_in_the_vault(&context);
        self.every_key_at_aws_is_known(output, &context);
        let (aws, vault) = (self.at_aws(), self.in_vault());
        let next = if output.code == Some(0) {
            "is not needed: it ended well".to_owned()
        } else {
            let next = self.bench.tapvault(LINE).run();
            let context = format!("{next}\nafter {context}");
            assert_eq!(next.code, Some(0), "{context}");
            words_of(&next)
        };
        self.all_is_well(&context);
        self.bench.search_files();
        Case {
            order,
            point,
            how,
            state: [aws, vault, next],
        }
    }

    /// With the key on paper (stock age) and with the token, and AWS takes it.
    #[track_caller]
    fn a_working_key_is_in_the_vault(&self, context: &str) {
        let by_paper = opened_by_age(&self.bench, &self.bench.vault().join("entries/prod.age"));
        let id = by_paper["access_key_id"].as_str().expect("an ID").to_owned();
        let works = self.bench.aws().world(|world| {
            let (_, _, key) = world
                .access_key(&id)
                .unwrap_or_else(|| panic!("{id} is not at AWS\n{context}"));
            key.status == KeyStatus::Active && Some(key.secret.as_str()) == by_paper["secret_access_key"].as_str()
        });
        assert!(works, "{id} does not work\n{context}");
        let line = ["export", "prod", "-n", "--format", "json", "--key", "yubikey"];
        let by_token = self.bench.tapvault(line).prints_secrets().run();
        assert_eq!(by_token.code, Some(0), "{by_token}\n{context}");
        assert_eq!(by_token.json()["AccessKeyId"], *id, "{context}");
    }

    /// By its ID in the vault or in what was said; or the journal says that one was asked for.
    #[track_caller]
    fn every_key_at_aws_is_known(&self, output: &Output, context: &str) {
        let mut known = output.said();
        for name in ["entries/prod.json", "rotations/prod.json"] {
            known.push_str(&std::fs::read_to_string(self.bench.vault().join(name)).unwrap_or_default());
        }
        for name in ["entries/prod.age", "rotations/prod.age"] {
            let file = self.bench.vault().join(name);
            if file.exists() {
                let payload = opened_by_age(&self.bench, &file);
                known.push_str(payload["access_key_id"].as_str().expect("an ID"));
            }
        }
        let asked_for = journal(&self.bench, "prod").is_some_and(|journal| journal["attempts"][0].is_string());
        for (id, _) in keys_at_aws(&self.bench) {
            assert!(asked_for || known.contains(&id), "nobody knows of {id}\n{context}");
        }
    }

    /// The new key alone is at AWS, and in the vault; nothing is left of the rotation.
    #[track_caller]
    fn all_is_well(&self, context: &str) {
        let keys = keys_at_aws(&self.bench);
        assert!(
            matches!(&keys[..], [(id, KeyStatus::Active)] if id != ANA.0),
            "{keys:?}\n{context}"
        );
        let entry = opened_by_age(&self.bench, &self.bench.vault().join("entries/prod.age"));
        assert_eq!(entry["access_key_id"], *keys[0].0, "{context}");
        assert_eq!(journal(&self.bench, "prod"), None, "{context}");
        assert!(!self.bench.vault().join("rotations/prod.age").exists(), "{context}");
    }

    fn at_aws(&self) -> String {
        let words: Vec<String> = keys_at_aws(&self.bench)
            .into_iter()
            .map(|(id, status)| {
                let status = match status {
                    KeyStatus::Active => "active",
                    KeyStatus::Inactive => "off",
                };
                format!("{} {status}", name_of(&id))
            })
            .collect();
        words.join(", ")
    }

    fn in_vault(&self) -> String {
        let entry = opened_by_age(&self.bench, &self.bench.vault().join("entries/prod.age"));
        let entry = name_of(entry["access_key_id"].as_str().expect("an ID"));
        let waits = if self.bench.vault().join("rotations/prod.age").exists() {
            ", new waits"
        } else {
            ""
        };
        let stage = journal(&self.bench, "prod").map_or_else(
            || "no journal".to_owned(),
            |journal| format!("journal: {}", journal["stage"].as_str().expect("a stage")),
        );
        format!("{entry}{waits}; {stage}")
    }
}

fn name_of(id: &str) -> &'static str {
    if id == ANA.0 { "old" } else { "new" }
}

/// What a run did, by what it said.
fn words_of(output: &Output) -> String {
    let mut words = Vec::new();
    for line in output.said().lines() {
        let old = line.contains(ANA.0);
        if line.starts_with("deleted") && line.contains("an interrupted rotation had made") {
            words.push("deletes the orphan");
        } else if line.starts_with("created") {
            words.push("creates and seals");
        } else if line.contains(" works (") {
            words.push("opens, tries and switches");
        } else if line.starts_with("deactivated") {
            words.push("switches the old one off");
        } else if line.starts_with("deleted") && old {
            words.push("deletes the old one");
        } else if line.starts_with("deleted") {
            words.push("deletes the one before");
        }
    }
    if words.is_empty() {
        "finds nothing left to do".into()
    } else {
        words.join(", ")
    }
}
