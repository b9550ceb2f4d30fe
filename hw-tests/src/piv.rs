//! The scenarios of a PIV key, and of OATH accounts beside it, on the YubiKey of one serial number.

use crate::bench::Bench;
use crate::oath;
use crate::scenarios::{self, NOTHING, Outcome, Scenario, Token, same};
use std::fs;
use tapvault_lab::aws_standin::sample::ANA_SECRET;

/// The token, and what of these scenarios is on it.
pub struct Piv {
    bench: Bench,
    serial: u32,
    slot: Option<u8>,
    /// The slot that holds the key, in hexadecimal, once there is one.
    used: Option<String>,
    account: OnToken,
}

/// Whether the OATH account of these scenarios is on the token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnToken {
    Yes,
    No,
}

const SCENARIOS: [Scenario<Piv>; 14] = [
    Scenario {
        name: "a key is enrolled",
        writes: "a new P-256 key and its certificate in one free retired slot",
        asks: "type the PIN once, and touch the token twice when you are told to",
        run: enroll,
    },
    Scenario {
        name: "an access key is added",
        writes: NOTHING,
        asks: "PIN and touch",
        run: scenarios::add,
    },
    Scenario {
        name: "a command gets a session",
        writes: NOTHING,
        asks: "PIN and touch",
        run: scenarios::exec,
    },
    Scenario {
        name: "a sealed session is opened",
        writes: NOTHING,
        asks: "PIN and touch",
        run: scenarios::export,
    },
    Scenario {
        name: "a touch is withheld",
        writes: NOTHING,
        asks: "the PIN, but do NOT touch the token; it takes half a minute",
        run: scenarios::withhold_touch,
    },
    Scenario {
        name: "a PIN is wrong",
        writes: "one try of the PIN is spent, and given back by the right PIN right after",
        asks: "first a WRONG PIN of 6 to 8 digits; then, asked again, the right one, and a touch",
        run: scenarios::wrong_pin,
    },
    Scenario {
        name: "the token is pulled out",
        writes: NOTHING,
        asks: "the PIN; when you are told to touch the token, PULL IT OUT instead",
        run: scenarios::pull_out,
    },
    Scenario {
        name: "stock age opens the entry",
        writes: NOTHING,
        asks: "PIN and touch, for age-plugin-yubikey this time",
        run: stock_age,
    },
    Scenario {
        name: "an access key is removed",
        writes: NOTHING,
        asks: "PIN and touch",
        run: scenarios::remove,
    },
    Scenario {
        name: "an OATH account is put",
        writes: "one account called \"tapvault-hw-tests:delete me\", deleted again below; all others are left as they are",
        asks: "nothing",
        run: oath::put,
    },
    Scenario {
        name: "a code is calculated",
        writes: NOTHING,
        asks: "touch the token when you are told to; no PIN this time",
        run: oath::calculate,
    },
    Scenario {
        name: "a touch for a code is withheld",
        writes: NOTHING,
        asks: "do NOT touch the token; it takes a quarter of a minute",
        run: oath::withhold_touch,
    },
    Scenario {
        name: "the token is pulled out before a code",
        writes: NOTHING,
        asks: "when you are told to touch the token, PULL IT OUT instead",
        run: oath::pull_out,
    },
    Scenario {
        name: "the OATH account is deleted",
        writes: "the account of these scenarios is deleted",
        asks: "nothing",
        run: oath::delete,
    },
];

impl Piv {
    pub fn new(serial: u32, slot: Option<u8>) -> Result<Self, String> {
        Ok(Self {
            bench: Bench::new()?,
            serial,
            slot,
            used: None,
            account: OnToken::No,
        })
    }

    pub fn serial(&self) -> u32 {
        self.serial
    }

    pub fn put_account(&mut self) {
        self.account = OnToken::Yes;
    }

    pub fn deleted_account(&mut self) {
        self.account = OnToken::No;
    }

    pub fn has_account(&self) -> bool {
        self.account == OnToken::Yes
    }

    /// How the account goes away if no scenario deletes it.
    pub fn deletion(&self) -> String {
        format!(
            "this deletes it: ykman --device {} oath accounts delete '{}'",
            self.serial,
            oath::ACCOUNT
        )
    }

    fn farewell_to_key(&self) -> String {
        let Some(slot) = &self.used else {
            return "Nothing of this is known to be on the token; `ykman piv info` shows its slots.".to_owned();
        };
        let ykman = format!("ykman --device {} piv", self.serial);
        format!(
            "Slot {slot} of YubiKey {} keeps the key and its certificate. To take them out again:\n    \
             {ykman} keys delete {slot}            (firmware 5.7 and later)\n    \
             {ykman} certificates delete {slot}\n\
             Older firmware can't delete a key: without its certificate it is of no use, and a new key replaces it.",
            self.serial
        )
    }
}

impl Token for Piv {
    const SCENARIOS: &'static [Scenario<Self>] = &SCENARIOS;

    fn bench(&self) -> &Bench {
        &self.bench
    }

    fn warning(&self) -> String {
        let slot = self.slot.map_or_else(
            || "the first free retired slot".to_owned(),
            |slot| format!("retired slot {slot}"),
        );
        format!(
            "These scenarios write to YubiKey {}: one key and its certificate in {slot}, and one OATH account, which is \
             deleted at the end.",
            self.serial
        )
    }

    fn is_enrolled(&self) -> bool {
        self.used.is_some()
    }

    fn farewell(&self) -> String {
        match self.account {
            OnToken::No => self.farewell_to_key(),
            OnToken::Yes => format!(
                "The OATH account is still on the token; {}\n{}",
                self.deletion(),
                self.farewell_to_key()
            ),
        }
    }
}

fn enroll(piv: &mut Piv) -> Result<Outcome, String> {
    let serial = piv.serial.to_string();
    let slot = piv.slot.map(|slot| slot.to_string());
    let mut words = vec!["key", "enroll", "piv", "--serial", &serial];
    words.extend(slot.iter().flat_map(|slot| ["--slot", slot]));
    piv.bench.tapvault(&words)?.ended_with(0)?;

    let list = piv.bench.tapvault(&["key", "list", "--json"])?.ended_with(0)?.json()?;
    let key = &list[0];
    let slot = key["slot"].as_str().ok_or("the list names no slot")?;
    piv.used = Some(slot.to_owned());
    same("serial number", &key["serial"].to_string(), &serial)?;
    same("presence", key["presence"].as_str().unwrap_or_default(), "touch, PIN")
}

fn stock_age(piv: &mut Piv) -> Result<Outcome, String> {
    let name = format!("yubikey-{}", piv.serial);
    let shown = piv.bench.tapvault(&["key", "show", &name])?.ended_with(0)?;
    let identity = shown
        .stdout
        .split_whitespace()
        .find(|word| word.starts_with("AGE-PLUGIN-YUBIKEY-1"))
        .ok_or("`key show` shows no identity")?;
    let (file, opened) = (piv.bench.path("identity.txt"), piv.bench.path("opened"));
    fs::write(&file, identity).map_err(|error| format!("{}: {error}", file.display()))?;
    let entry = piv.bench.path("tapvault/vault/entries/prod.age");
    let paths = [&file, &opened, &entry].map(|path| path.to_string_lossy().into_owned());
    let Some(plugin) = piv.bench.outsider("age-plugin-yubikey", &["--version"])? else {
        return Ok(Outcome::LeftOut("age-plugin-yubikey is not on the path".to_owned()));
    };
    plugin.ended_with(0)?;
    let Some(ran) = piv.bench.outsider(
        "age",
        &["--decrypt", "--identity", &paths[0], "--output", &paths[1], &paths[2]],
    )?
    else {
        return Ok(Outcome::LeftOut("age is not on the path".to_owned()));
    };
    ran.ended_with(0)?;
    let text = fs::read_to_string(&opened).map_err(|error| format!("{}: {error}", opened.display()))?;
    if text.contains(ANA_SECRET) {
        Ok(Outcome::Passed)
    } else {
        Err("what age opened is not the access key".to_owned())
    }
}
