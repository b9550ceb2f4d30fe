//! tapvault's scenarios on a real token, with a person who types the PIN, touches the token and pulls it out when asked.
//!
//!     cargo build
//!     cargo run -p tapvault-hw-tests --features hardware -- --serial 12345678
//!
//! It is careful with the token: it runs only with the feature `hardware` and on the one token whose serial number was given
//! (or stands in `TAPVAULT_HW_SERIAL`), says before each scenario what that writes, and writes one retired slot's key and
//! certificate, and one OATH account that it deletes again. It never resets, and never touches a slot or an account that is
//! in use. The vault lies in a folder that is thrown
//! away, and AWS is the lab's stand-in.
//!
//! [`scenarios`] and [`oath`] have what is tried, [`mod@bench`] what it is tried with. tests/soft_token.rs plays the person, on a soft token.

mod bench;
mod oath;
mod scenarios;

use bench::Bench;
use clap::Parser;
use scenarios::{Outcome, SCENARIOS};
use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

/// Where the serial number may stand instead of on the command line.
const SERIAL_VARIABLE: &str = "TAPVAULT_HW_SERIAL";

/// Try tapvault on a real token: it makes one key there, and asks for touches
#[derive(Parser)]
struct Args {
    /// The token's serial number, as `ykman list` shows it; else TAPVAULT_HW_SERIAL
    #[arg(long, value_name = "NUMBER")]
    serial: Option<u32>,
    /// The retired slot to make the key in, 1 to 20; else the first that is free
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=20))]
    slot: Option<u8>,
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
    let serial = serial(args)?;
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err("a person has to touch the token and type its PIN: run it at a terminal".to_owned());
    }
    let mut bench = Bench::new(serial, args.slot)?;
    println!(
        "These scenarios write to YubiKey {serial}: one key and its certificate in {}, and one OATH account, which is \
         deleted at the end.",
        bench.slot_words()
    );
    println!("Everything else on it is left as it is. Ctrl-C stops at any time.");

    let (mut passed, mut failed, mut left_out) = (0, 0, 0);
    for scenario in SCENARIOS {
        println!("\n== {}", scenario.name);
        println!("   on the token: {}", scenario.writes);
        println!("   please: {}", scenario.asks);
        bench.wait_for_enter("Enter goes on");
        match (scenario.run)(&mut bench) {
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
                if !bench.is_enrolled() {
                    // nothing that follows could work
                    break;
                }
            }
        }
    }
    println!("\n{}", bench.farewell());
    println!("{passed} passed, {failed} failed, {left_out} skipped");
    Ok(failed)
}

fn serial(args: &Args) -> Result<u32, String> {
    if let Some(serial) = args.serial {
        return Ok(serial);
    }
    let Some(text) = std::env::var_os(SERIAL_VARIABLE) else {
        return Err(format!(
            "which token? Name its serial number (`ykman list` shows it): --serial NUMBER, or {SERIAL_VARIABLE}"
        ));
    };
    let serial = text.to_str().and_then(|text| text.parse().ok());
    serial.ok_or_else(|| format!("{SERIAL_VARIABLE} is no serial number: {}", text.to_string_lossy()))
}
