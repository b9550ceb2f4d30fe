//! How a bench shall be, and how it is brought up.

use super::secrets::Secrets;
use super::{Bench, FACTORY_PIN, OTHER_PIN, OTHER_SERIAL, PIN, SERIAL, State, TOUCH_PATIENCE, pinentry, program};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use tapvault_lab::aws_standin::{Standin, World};
use tapvault_lab::fido_key::rig::{self, FidoRig, KeySpec};
use tapvault_lab::soft_token::firmware::Firmware;
use tapvault_lab::soft_token::rig::{Rig, TokenSpec};

/// Where tapvault keeps its four folders.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// As the XDG base directories say.
    Xdg,
    /// All under `TAPVAULT_HOME`.
    OneHome,
}

/// What a token's PIN is at first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FirstPin {
    /// [`PIN`] and [`OTHER_PIN`].
    Changed,
    /// [`FACTORY_PIN`].
    Factory,
}

/// Whether requests go through an agent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// As they usually do.
    Usual,
    /// Not, by a line in config.toml.
    Off,
}

/// How a bench shall be; see [`Bench::setup`].
pub struct Setup {
    pub(super) tokens: Vec<TokenSpec>,
    pub(super) fido2: Vec<KeySpec>,
    pub(super) pin: FirstPin,
    pub(super) folders: Folders,
    pub(super) agent: Agent,
}

impl Setup {
    /// One token with this firmware.
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.tokens = vec![TokenSpec::new(SERIAL, firmware)];
        self
    }

    /// Two tokens, both plugged in.
    pub fn two_tokens(mut self) -> Self {
        self.tokens.push(TokenSpec::new(OTHER_SERIAL, Firmware::V5_4_3));
        self
    }

    /// One token, which is not the one that other benches have: another machine's.
    pub fn other_token(mut self) -> Self {
        self.tokens = vec![TokenSpec::new(OTHER_SERIAL, Firmware::V5_4_3)];
        self
    }

    /// No token, and no pcscd either.
    pub fn no_token(mut self) -> Self {
        self.tokens.clear();
        self
    }

    /// FIDO2 tokens, plugged in, without a PIN yet; see [`Bench::set_fido2_pin`].
    pub fn fido2(mut self, keys: &[KeySpec]) -> Self {
        let patient = |key: &KeySpec| key.clone().touch_timeout(TOUCH_PATIENCE);
        self.fido2 = keys.iter().map(patient).collect();
        self
    }

    /// Leaves the factory's PIN on the tokens.
    pub fn factory_pin(mut self) -> Self {
        self.pin = FirstPin::Factory;
        self
    }

    /// All four folders under `TAPVAULT_HOME`.
    pub fn one_home(mut self) -> Self {
        self.folders = Folders::OneHome;
        self
    }

    /// Requests go through an agent, as they usually do. Without this each is served in its own process: most tests are about
    /// that, and look at it.
    pub fn agent(mut self) -> Self {
        self.agent = Agent::Usual;
        self
    }

    /// Brings everything up.
    pub fn start(self) -> Bench {
        program::check();
        // Short, for sockets lie in it.
        let folder = tempfile::Builder::new().prefix("tv-").tempdir().expect("a folder");
        let root = folder.path().to_owned();
        for part in ["home/.aws", "xdg/config", "xdg/data", "xdg/state", "xdg/run", "hand"] {
            fs::create_dir_all(root.join(part)).expect("folders of the bench");
        }
        for private in ["home", "xdg/run", "hand"] {
            fs::set_permissions(root.join(private), fs::Permissions::from_mode(0o700)).expect("modes of the bench");
        }
        let tokens: Vec<TokenSpec> = self
            .tokens
            .into_iter()
            .map(|token| token.touch_timeout(TOUCH_PATIENCE))
            .collect();
        let rig = (!tokens.is_empty()).then(|| {
            Rig::start(&root.join("rig"), &tokens).unwrap_or_else(|error| panic!("no rig for the tokens: {error}"))
        });
        let fido2 = (!self.fido2.is_empty()).then(|| {
            program::check_fido2();
            FidoRig::start(&root.join("fido2"), &self.fido2)
                .unwrap_or_else(|error| panic!("no rig for the FIDO2 tokens: {error}"))
        });
        // A token of whoever runs the tests is none of ours.
        let nodes = match &fido2 {
            Some(rig) => rig.environment().map(|(name, path)| (name, path.to_owned())).to_vec(),
            None => {
                vec![rig::no_keys().unwrap_or_else(|error| panic!("the machine's own keys can't be hidden: {error}"))]
            }
        };
        let mut secrets = Secrets::default();
        let world = World::sample();
        world.accounts.iter().for_each(|account| secrets.of_account(account));
        let bench = Bench {
            rig,
            fido2,
            nodes,
            aws: Standin::start(world),
            state: Mutex::new(State {
                secrets,
                ..State::default()
            }),
            folders: self.folders,
            agent: self.agent,
            folder,
        };
        pinentry::install(&bench.hand());
        if self.agent == Agent::Off {
            bench.settings("");
        }
        bench.aws_config("[profile prod]\nregion = eu-central-1\n");
        for (slot, pin) in [PIN, OTHER_PIN].into_iter().enumerate().take(tokens.len()) {
            bench.secret(&format!("PIN of token {slot}"), pin);
            if self.pin == FirstPin::Changed {
                bench.card(slot).change_pin(FACTORY_PIN, pin);
            }
            bench.pinentry_knows(
                &tokens[slot].serial.to_string(),
                if self.pin == FirstPin::Changed {
                    pin
                } else {
                    FACTORY_PIN
                },
            );
        }
        bench.touch_by_itself();
        bench
    }
}
