//! The bench's tokens, in its hands and in those of other programs.

use super::{Bench, OTHER_SERIAL, SERIAL, card, pinentry, program};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tapvault_lab::fido_key::rig::FidoRig;
use tapvault_lab::soft_token::body::{AutoTouch, TouchCounts};
use tapvault_lab::soft_token::client::Control;
use tapvault_lab::soft_token::journal::Attempts;
use tapvault_lab::soft_token::rig::{Rig, SOCKET_VARIABLE};

/// How long after the blink a touch comes by itself.
const TOUCH_AFTER: Duration = Duration::from_millis(20);

impl Bench {
    /// The first token: `bench.token().remove()` pulls it out.
    pub fn token(&self) -> &Control {
        self.nth_token(0)
    }

    /// The serial number of the token in this slot.
    pub fn serial(&self, slot: usize) -> u32 {
        [SERIAL, OTHER_SERIAL][slot]
    }

    /// The token in this slot of the reader.
    pub fn nth_token(&self, slot: usize) -> &Control {
        self.rig().token(slot)
    }

    /// pcscd and the tokens.
    pub fn rig(&self) -> &Rig {
        self.rig.as_ref().expect("this bench has tokens")
    }

    fn controls(&self) -> &[Control] {
        self.rig.as_ref().map_or(&[], Rig::tokens)
    }

    /// Pulls out the token in this slot, and waits until programs notice.
    pub fn pull_out(&self, slot: usize) {
        self.nth_token(slot).remove().expect("pulled out");
        let deadline = Instant::now() + Duration::from_secs(10);
        while card::CardClient::is_connectable(&self.rig().socket(), slot) {
            assert!(
                Instant::now() < deadline,
                "pcscd does not notice that the token has gone"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// From now on nobody touches a token but the test.
    pub fn withhold_touches(&self) {
        self.set_touching(AutoTouch::Off);
    }

    /// From now on each blink is touched at once.
    pub fn touch_by_itself(&self) {
        self.set_touching(AutoTouch::Always(TOUCH_AFTER));
    }

    fn set_touching(&self, touching: AutoTouch) {
        for token in self.controls() {
            token.auto_touch(touching).expect("the token listens");
        }
        for key in self.fido2.iter().flat_map(FidoRig::keys) {
            key.auto_touch(touching).expect("the FIDO2 token listens");
        }
    }

    /// Another program's connection to the card in this slot, sharing it.
    pub fn card(&self, slot: usize) -> card::CardClient {
        card::CardClient::connect(&self.rig().socket(), "shared", slot)
    }

    /// The lab's program `card-client`.
    pub fn card_client(&self) -> PathBuf {
        program::card_client()
    }

    /// Another program that keeps the card in this slot for itself; the kernel shows it as `scdaemon`.
    pub fn card_kept_by_scdaemon(&self, slot: usize) -> card::CardClient {
        let program = self.hand().join("scdaemon");
        fs::copy(self.card_client(), &program).expect("a copy of card-client");
        card::CardClient::connect_with(&program, &self.rig().socket(), "exclusive", slot)
    }

    pub(super) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for token in self.controls() {
            let counts = token.counts().expect("the token tells its counts");
            usage.touches.awaited += counts.touches.awaited;
            usage.touches.given += counts.touches.given;
            usage.touches.missed += counts.touches.missed;
            usage.touches.interrupted += counts.touches.interrupted;
            usage.pin.accepted += counts.attempts.pin.accepted;
            usage.pin.refused += counts.attempts.pin.refused;
        }
        for key in self.fido2.iter().flat_map(FidoRig::keys) {
            let counts = key.counts().expect("the FIDO2 token tells its counts");
            usage.touches.awaited += counts.touches.awaited;
            usage.touches.given += counts.touches.given;
            usage.touches.missed += counts.touches.missed;
            usage.touches.interrupted += counts.touches.interrupted;
            usage.pin.accepted += counts.pin.accepted;
            usage.pin.refused += counts.pin.refused;
        }
        usage.pinentry = pinentry::asked(&self.hand()).len();
        usage
    }

    /// ykman as somebody's tool beside tapvault, on the first token; what it prints.
    pub fn ykman(&self, arguments: &[&str]) -> String {
        self.ykman_on(0, arguments)
    }

    /// The same on the token in this slot of the reader; what it prints.
    pub fn ykman_on(&self, slot: usize, arguments: &[&str]) -> String {
        let serial = self.serial(slot).to_string();
        let all = [&["--device", &serial], arguments].concat();
        let output = std::process::Command::new("/usr/bin/ykman")
            .args(all)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.hand())
            .env("LANG", "C.UTF-8")
            .env(SOCKET_VARIABLE, self.rig().socket())
            .output()
            .expect("ykman runs");
        assert!(
            output.status.success(),
            "ykman: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("ykman prints text")
    }

    /// The OATH accounts on the token in this slot, as ykman lists them.
    pub fn oath_accounts(&self, slot: usize) -> Vec<String> {
        let listed = self.ykman_on(slot, &["oath", "accounts", "list"]);
        listed.lines().map(str::to_owned).collect()
    }
}

/// What the tokens and pinentry were asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) touches: TouchCounts,
    pub(super) pin: Attempts,
    pub(super) pinentry: usize,
}

impl Usage {
    pub(super) fn since(self, before: Usage) -> Usage {
        Usage {
            touches: TouchCounts {
                awaited: self.touches.awaited - before.touches.awaited,
                given: self.touches.given - before.touches.given,
                missed: self.touches.missed - before.touches.missed,
                interrupted: self.touches.interrupted - before.touches.interrupted,
            },
            pin: Attempts {
                accepted: self.pin.accepted - before.pin.accepted,
                refused: self.pin.refused - before.pin.refused,
            },
            pinentry: self.pinentry - before.pinentry,
        }
    }
}
