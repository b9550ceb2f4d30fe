//! What is tried, in this order: each scenario goes on with the key and the entry of those before it.

use crate::bench::Bench;
use crate::oath;
use std::fs;
use tapvault_lab::aws_standin::sample::{ANA_KEY, ANA_SECRET};

/// One thing to try.
pub struct Scenario {
    pub name: &'static str,
    /// What it leaves on the token.
    pub writes: &'static str,
    /// What the person has to do.
    pub asks: &'static str,
    pub run: fn(&mut Bench) -> Result<Outcome, String>,
}

/// What came of one that did not fail.
pub enum Outcome {
    Passed,
    /// Something that it needs isn't here.
    LeftOut(String),
}

const NOTHING: &str = "nothing is written";

pub const SCENARIOS: [Scenario; 14] = [
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
        run: add,
    },
    Scenario {
        name: "a command gets a session",
        writes: NOTHING,
        asks: "PIN and touch",
        run: exec,
    },
    Scenario {
        name: "a sealed session is opened",
        writes: NOTHING,
        asks: "PIN and touch",
        run: export,
    },
    Scenario {
        name: "a touch is withheld",
        writes: NOTHING,
        asks: "the PIN, but do NOT touch the token; it takes half a minute",
        run: withhold_touch,
    },
    Scenario {
        name: "a PIN is wrong",
        writes: "one try of the PIN is spent, and given back by the right PIN right after",
        asks: "first a WRONG PIN of 6 to 8 digits; then, asked again, the right one, and a touch",
        run: wrong_pin,
    },
    Scenario {
        name: "the token is pulled out",
        writes: NOTHING,
        asks: "the PIN; when you are told to touch the token, PULL IT OUT instead",
        run: pull_out,
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
        run: remove,
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

fn enroll(bench: &mut Bench) -> Result<Outcome, String> {
    let serial = bench.serial().to_string();
    let slot = bench.wanted_slot().map(|slot| slot.to_string());
    let mut words = vec!["key", "enroll", "piv", "--serial", &serial];
    words.extend(slot.iter().flat_map(|slot| ["--slot", slot]));
    bench.tapvault(&words)?.ended_with(0)?;

    let list = bench.tapvault(&["key", "list", "--json"])?.ended_with(0)?.json()?;
    let key = &list[0];
    let slot = key["slot"].as_str().ok_or("the list names no slot")?;
    bench.enrolled(slot.to_owned());
    same("serial number", &key["serial"].to_string(), &serial)?;
    same("presence", key["presence"].as_str().unwrap_or_default(), "touch, PIN")
}

fn add(bench: &mut Bench) -> Result<Outcome, String> {
    let lines = format!("aws_access_key_id = {ANA_KEY}\naws_secret_access_key = {ANA_SECRET}\n");
    bench
        .tapvault_with(&["add", "prod", "--stdin"], &lines)?
        .ended_with(0)?;
    let list = bench.tapvault(&["list", "--credentials"])?.ended_with(0)?;
    same("list", &list.stdout, "prod\n")
}

fn exec(bench: &mut Bench) -> Result<Outcome, String> {
    let ran = bench.tapvault(&["exec", "prod", "--", "env"])?.ended_with(0)?;
    for (what, part, wanted) in [
        ("a session's secret", "AWS_SESSION_TOKEN=", true),
        ("the profile's name", "AWS_VAULT=prod\n", true),
        ("the access key's secret", ANA_SECRET, false),
    ] {
        if ran.stdout.contains(part) != wanted {
            let word = if wanted { "lacks" } else { "has" };
            return Err(format!("the command's environment {word} {what}"));
        }
    }
    sessions_made(bench, 1)
}

fn export(bench: &mut Bench) -> Result<Outcome, String> {
    let json = bench
        .tapvault(&["export", "--format=json", "prod"])?
        .ended_with(0)?
        .json()?;
    same("version", &json["Version"].to_string(), "1")?;
    sessions_made(bench, 1)
}

fn withhold_touch(bench: &mut Bench) -> Result<Outcome, String> {
    released_nothing(bench, 6)
}

fn wrong_pin(bench: &mut Bench) -> Result<Outcome, String> {
    released_nothing(bench, 7)?;
    println!("   now the right PIN");
    let ran = bench
        .tapvault(&["exec", "prod", "--", "echo", "released"])?
        .ended_with(0)?;
    same("the command's output", &ran.stdout, "released\n")
}

fn pull_out(bench: &mut Bench) -> Result<Outcome, String> {
    let pulled = released_nothing(bench, 5);
    println!("   and once more, while it is out");
    let absent = released_nothing(bench, 5);
    // whatever came of it: those that follow need the token
    bench.wait_for_enter("plug the token in again, then Enter");
    pulled.and(absent)
}

fn stock_age(bench: &mut Bench) -> Result<Outcome, String> {
    let name = format!("yubikey-{}", bench.serial());
    let shown = bench.tapvault(&["key", "show", &name])?.ended_with(0)?;
    let identity = shown
        .stdout
        .split_whitespace()
        .find(|word| word.starts_with("AGE-PLUGIN-YUBIKEY-1"))
        .ok_or("`key show` shows no identity")?;
    let (file, opened) = (bench.path("identity.txt"), bench.path("opened"));
    fs::write(&file, identity).map_err(|error| format!("{}: {error}", file.display()))?;
    let entry = bench.path("tapvault/vault/entries/prod.age");
    let paths = [&file, &opened, &entry].map(|path| path.to_string_lossy().into_owned());
    let Some(plugin) = bench.outsider("age-plugin-yubikey", &["--version"])? else {
        return Ok(Outcome::LeftOut("age-plugin-yubikey is not on the path".to_owned()));
    };
    plugin.ended_with(0)?;
    let Some(ran) = bench.outsider(
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

fn remove(bench: &mut Bench) -> Result<Outcome, String> {
    bench.tapvault(&["remove", "--force", "prod"])?.ended_with(0)?;
    let list = bench.tapvault(&["list", "--credentials"])?.ended_with(0)?;
    same("list", &list.stdout, "")
}

/// An exec that has to fail with this exit code, and must not start its command.
fn released_nothing(bench: &Bench, code: i32) -> Result<Outcome, String> {
    let ran = bench
        .tapvault(&["exec", "prod", "--", "echo", "released"])?
        .ended_with(code)?;
    same("the command's output", &ran.stdout, "")
}

fn sessions_made(bench: &Bench, wanted: usize) -> Result<Outcome, String> {
    let made = bench.aws().calls_of("GetSessionToken").len();
    same("number of sessions made", &made.to_string(), &wanted.to_string())
}

pub fn same(what: &str, is: &str, wanted: &str) -> Result<Outcome, String> {
    if is == wanted {
        Ok(Outcome::Passed)
    } else {
        Err(format!("the {what} is {is:?} instead of {wanted:?}"))
    }
}
