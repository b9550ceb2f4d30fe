//! Tries parts of the agent from tests, in a process of its own.
//!
//! agent-probe locked       reads lines: `hold SEED LENGTH` locks bytes made from SEED, `drop NUMBER` drops one
//! agent-probe watch        says `watching`, then what ended, until there is no more input
//!
//! `locked` answers each line with one; a failure is `error: ` and its words, and then `hint: ` and what to do.

use std::{collections::BTreeMap, env, error::Error as StdError, io, process::ExitCode};
use tapvault::agent::locked::{self, Locked};
use tapvault::agent::watch::watch;
use tapvault::env::Env;
use zeroize::Zeroizing;

type Anything<T> = Result<T, Box<dyn StdError>>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["locked"] => lock_what_is_told(),
        ["watch"] => tell_what_ends(),
        _ => Err(format!("not a command: {words:?}").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn lock_what_is_told() -> Anything<()> {
    locked::harden()?;
    let mut held = BTreeMap::new();
    for line in io::stdin().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["hold", seed, length] => match Locked::holding(bytes(seed.parse()?, length.parse()?)) {
                Ok(locked) => {
                    let number = held.len();
                    let same = *locked.expose() == bytes(seed.parse()?, length.parse()?)[..];
                    held.insert(number, locked);
                    println!("held: {number} {same}");
                }
                Err(error) => println!("error: {error} | hint: {}", error.hints().join(" ")),
            },
            ["drop", number] => {
                held.remove(&number.parse::<usize>()?).ok_or("no such number")?;
                println!("dropped: {number}");
            }
            _ => return Err(format!("not a line: {line}").into()),
        }
    }
    Ok(())
}

fn tell_what_ends() -> Anything<()> {
    watch(&Env::snapshot(), |ended| println!("ended: {ended:?}"))?;
    println!("watching");
    for line in io::stdin().lines() {
        line?;
    }
    Ok(())
}

/// A secret that lies in no file and no variable: tests/agent/locked.rs makes the same.
fn bytes(seed: u32, length: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    let mut state = seed;
    for _ in 0..length {
        // Numerical Recipes' linear congruential generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push(state.to_be_bytes()[0]);
    }
    bytes
}
