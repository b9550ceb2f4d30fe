//! tapvault's scenarios on a real token, with a person who types the PIN, touches the token and pulls it out when asked.
//!
//!     cargo build
//!     cargo run -p tapvault-hw-tests --features hardware -- --serial 12345678
//!     cargo run -p tapvault-hw-tests --features hardware -- --fido2 /dev/hidraw3
//!
//! It is careful with the token: it runs only with the feature `hardware` and on the one token that was named (a YubiKey by its
//! serial number, also in `TAPVAULT_HW_SERIAL`), and says before each scenario what that writes. On a YubiKey it writes one retired
//! slot's key and certificate, and one OATH account that it deletes again; on a FIDO2 token nothing. It never resets, never
//! changes a PIN, and never touches a slot or an account that is in use. The vault lies in a folder that is thrown away, and AWS is
//! the lab's stand-in.
//!
//! [`scenarios`], [`piv`], [`oath`] and [`fido2`] have what is tried, [`mod@bench`] what it is tried with. tests/soft_token.rs plays
//! the person, on soft tokens.

mod bench;
mod fido2;
mod oath;
mod piv;
mod scenarios;

use clap::Parser;
use fido2::Fido2;
use piv::Piv;
use scenarios::{Outcome, Token};
use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

/// Where the serial number may stand instead of on the command line.
const SERIAL_VARIABLE: &str = "TAPVAULT_HW_SERIAL";

/// Try tapvault on a real token: it makes a key, and asks for touches
#[derive(Parser)]
struct Args {
    /// The YubiKey's serial number, as `ykman list` shows it; else TAPVAULT_HW_SERIAL
    #[arg(long, value_name = "NUMBER")]
    serial: Option<u32>,
    /// The retired slot to make the key in, 1 to 20; else the first that is free
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=20))]
    slot: Option<u8>,
    /// FIDO2 scenarios instead, on the token at this node, as `fido2-token -L` shows it
    #[arg(long, value_name = "NODE", conflicts_with_all = ["serial", "slot"])]
    fido2: Option<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(refusal) => {
            eprintln!("tapvault-hw-tests: {refusal}");
            ExitCode::from(2)
        }
    }
}

/// Returns how many scenarios failed.
fn run(args: &Args) -> Result<usize, String> {
    if !cfg!(feature = "hardware") {
        return Err("built without the feature `hardware`, so no token was touched".to_owned());
    }
    let named = named(args)?;
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err("a person has to touch the token and type its PIN: run it at a terminal".to_owned());
    }
    match named {
        Named::YubiKey(serial) => play(&mut Piv::new(serial, args.slot)?),
        Named::Fido2(node) => play(&mut Fido2::new(node)?),
    }
}

/// Plays the scenarios; how many failed.
fn play<T: Token>(token: &mut T) -> Result<usize, String> {
    println!("{}", token.warning());
    println!("Everything else on it is left as it is. Ctrl-C stops at any time.");

    let (mut passed, mut failed, mut left_out) = (0, 0, 0);
    for scenario in T::SCENARIOS {
        println!("\n== {}", scenario.name);
        println!("   on the token: {}", scenario.writes);
        println!("   please: {}", scenario.asks);
        token.bench().wait_for_enter("Enter goes on");
        match (scenario.run)(token) {
            Ok(Outcome::Passed) => {
                println!("ok: {}", scenario.name);
                passed += 1;
            }
            Ok(Outcome::LeftOut(reason)) => {
                println!("LEFT OUT: {}: {reason}", scenario.name);
                left_out += 1;
            }
            Err(failure) => {
                println!("FAILED: {}: {failure}", scenario.name);
                failed += 1;
                if !token.is_enrolled() {
                    // nothing that follows could work
                    break;
                }
            }
        }
    }
    println!("\n{}", token.farewell());
    println!("{passed} passed, {failed} failed, {left_out} skipped");
    Ok(failed)
}

/// The one token to touch.
enum Named {
    YubiKey(u32),
    Fido2(String),
}

fn named(args: &Args) -> Result<Named, String> {
    if let Some(node) = &args.fido2 {
        return Ok(Named::Fido2(node.clone()));
    }
    if let Some(serial) = args.serial {
        return Ok(Named::YubiKey(serial));
    }
    let Some(text) = std::env::var_os(SERIAL_VARIABLE) else {
        return Err(format!(
            "which token? Name its serial number (`ykman list` shows it): --serial NUMBER, or {SERIAL_VARIABLE}; \
             or a FIDO2 token by its node (`fido2-token -L` shows it): --fido2 NODE"
        ));
    };
    let serial = text.to_str().and_then(|text| text.parse().ok());
    serial
        .map(Named::YubiKey)
        .ok_or_else(|| format!("{SERIAL_VARIABLE} is no serial number: {}", text.to_string_lossy()))
}
