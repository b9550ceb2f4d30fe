//! The search for every secret in everything that was printed and written.

use super::run::Allowed;
use super::secrets::Needles;
use super::{Bench, files};
use std::path::Path;

impl Bench {
    /// From now on `text` must not be seen either. `name` is how [`Invocation::may_show`] calls it.
    pub fn secret(&self, name: &str, text: &str) {
        self.state().secrets.add(name, text);
    }

    /// This file may hold secrets: the test put it there.
    pub fn except_file(&self, path: &Path) {
        self.state().excepted.push(path.to_owned());
    }

    /// Forgets the runs so far, for tests of the search itself.
    pub fn forget_runs(&self) {
        self.state().finished.clear();
    }

    /// Looks for every secret in everything so far; also done when the bench is dropped.
    ///
    /// # Panics
    /// If one is found, saying where and which, but not the secret.
    pub fn search(&self) {
        let findings = self.findings();
        assert!(findings.is_empty(), "secrets were found:\n  {}", findings.join("\n  "));
    }

    /// Looks for every secret in the files as they are now: for tests that run many commands and look after each.
    ///
    /// # Panics
    /// As [`Bench::search`].
    pub fn search_files(&self) {
        let needles = self.needles();
        let findings = self.findings_in_files(&needles);
        assert!(findings.is_empty(), "secrets were found:\n  {}", findings.join("\n  "));
    }

    /// Where secrets were found so far: a line for each.
    pub fn findings(&self) -> Vec<String> {
        let needles = self.needles();
        let state = self.state();
        let mut findings: Vec<String> = state.finished.iter().flat_map(|run| run.findings(&needles)).collect();
        drop(state);
        findings.extend(self.findings_in_files(&needles));
        findings
    }

    fn needles(&self) -> Needles {
        let mut state = self.state();
        // Those that were made since the start too.
        self.aws.world(|world| {
            world
                .accounts
                .iter()
                .for_each(|account| state.secrets.of_account(account))
        });
        for session in self.aws.sessions() {
            state
                .secrets
                .add(&format!("secret of session {}", session.access_key_id), &session.secret);
            state
                .secrets
                .add(&format!("token of session {}", session.access_key_id), &session.token);
        }
        for (serial, seed) in self.aws.seeds() {
            state.secrets.add(&format!("seed of {serial}"), &seed);
        }
        state.secrets.needles()
    }

    fn findings_in_files(&self, needles: &Needles) -> Vec<String> {
        let state = self.state();
        let mut findings = Vec::new();
        for part in ["home", "xdg", "one"] {
            files::each(&self.root().join(part), &mut |path, bytes| {
                if !state.excepted.iter().any(|excepted| excepted == path) {
                    let place = path.display().to_string();
                    findings.extend(needles.find(&place, bytes, &Allowed::nothing()));
                }
            });
        }
        findings
    }
}
