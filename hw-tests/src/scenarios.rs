//! What a scenario is, and those that are the same for each kind of key. Each goes on with the key and the entry of those before it.

use crate::bench::Bench;
use tapvault_lab::aws_standin::sample::{ANA_KEY, ANA_SECRET};

/// One thing to try.
pub struct Scenario<T> {
    pub name: &'static str,
    /// What it leaves on the token.
    pub writes: &'static str,
    /// What the person has to do.
    pub asks: &'static str,
    pub run: fn(&mut T) -> Result<Outcome, String>,
}

/// What came of one that did not fail.
pub enum Outcome {
    Passed,
    /// Something that it needs isn't here.
    LeftOut(String),
}

/// A token of one kind, and the scenarios for it.
pub trait Token: Sized + 'static {
    /// In their order.
    const SCENARIOS: &'static [Scenario<Self>];

    fn bench(&self) -> &Bench;

    /// What all of it does to the token.
    fn warning(&self) -> String;

    /// Whether the vault has its key; nothing else works before.
    fn is_enrolled(&self) -> bool;

    /// What is left on the token, and how it goes away.
    fn farewell(&self) -> String;
}

pub const NOTHING: &str = "nothing is written";

pub fn add<T: Token>(token: &mut T) -> Result<Outcome, String> {
    let bench = token.bench();
    let lines = format!("aws_access_key_id = {ANA_KEY}\naws_secret_access_key = {ANA_SECRET}\n");
    bench
        .tapvault_with(&["add", "prod", "--stdin"], &lines)?
        .ended_with(0)?;
    let list = bench.tapvault(&["list", "--credentials"])?.ended_with(0)?;
    same("list", &list.stdout, "prod\n")
}

pub fn exec<T: Token>(token: &mut T) -> Result<Outcome, String> {
    let bench = token.bench();
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

pub fn export<T: Token>(token: &mut T) -> Result<Outcome, String> {
    let bench = token.bench();
    let json = bench
        .tapvault(&["export", "--format=json", "prod"])?
        .ended_with(0)?
        .json()?;
    same("version", &json["Version"].to_string(), "1")?;
    sessions_made(bench, 1)
}

pub fn withhold_touch<T: Token>(token: &mut T) -> Result<Outcome, String> {
    released_nothing(token.bench(), 6)
}

pub fn wrong_pin<T: Token>(token: &mut T) -> Result<Outcome, String> {
    let bench = token.bench();
    released_nothing(bench, 7)?;
    println!("   now the right PIN");
    let ran = bench
        .tapvault(&["exec", "prod", "--", "echo", "released"])?
        .ended_with(0)?;
    same("the command's output", &ran.stdout, "released\n")
}

pub fn pull_out<T: Token>(token: &mut T) -> Result<Outcome, String> {
    let bench = token.bench();
    let pulled = released_nothing(bench, 5);
    println!("   and once more, while it is out");
    let absent = released_nothing(bench, 5);
    // whatever came of it: those that follow need the token
    bench.wait_for_enter("plug the token in again, then Enter");
    pulled.and(absent)
}

pub fn remove<T: Token>(token: &mut T) -> Result<Outcome, String> {
    let bench = token.bench();
    bench.tapvault(&["remove", "--force", "prod"])?.ended_with(0)?;
    let list = bench.tapvault(&["list", "--credentials"])?.ended_with(0)?;
    same("list", &list.stdout, "")
}

/// An exec that has to fail with this exit code, and must not start its command.
pub fn released_nothing(bench: &Bench, code: i32) -> Result<Outcome, String> {
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
