//! The program `card-client`: another program that uses the token, for tests that need one beside tapvault.
//!
//! It reads a line, does it, and answers with one; it ends at the end of its input and leaves the card as it is.
//!
//! | line | does | answer |
//! |---|---|---|
//! | `connect shared SLOT`, `connect exclusive SLOT` | connects to the card in this slot of the reader (0 or 1) | `ok` |
//! | `begin`, `end` | begins and ends a transaction | `ok` |
//! | `apdu HEX` | sends it | `ok HEX`, status word last |
//!
//! A failure is `error` and PC/SC's words. Which pcscd is asked says `PCSCLITE_CSOCK_NAME`.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use tapvault_lab::soft_token::hex;

type Lines = io::Lines<io::StdinLock<'static>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            answer(&format!("error {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut lines = io::stdin().lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let (mode, slot) = match first.split(' ').collect::<Vec<_>>()[..] {
        ["connect", "shared", slot] => (pcsc::ShareMode::Shared, slot),
        ["connect", "exclusive", slot] => (pcsc::ShareMode::Exclusive, slot),
        _ => return Err(format!("the first line has to be connect, not {first:?}").into()),
    };
    let context = pcsc::Context::establish(pcsc::Scope::System)?;
    let readers = context.list_readers_owned()?;
    let reader = readers.get(slot.parse::<usize>()?).ok_or("no such slot")?;
    let mut card = context.connect(reader, mode, pcsc::Protocols::T0 | pcsc::Protocols::T1)?;
    answer("ok");
    serve(&mut card, &mut lines)?;
    let _ = card.disconnect(pcsc::Disposition::LeaveCard);
    Ok(())
}

fn serve(card: &mut pcsc::Card, lines: &mut Lines) -> Result<(), Box<dyn Error>> {
    while let Some(line) = lines.next().transpose()? {
        match line.split_once(' ') {
            Some(("apdu", apdu)) => transmit(card, apdu),
            None if line == "begin" => {
                let transaction = card.transaction()?;
                answer("ok");
                hold(&transaction, lines)?;
                transaction
                    .end(pcsc::Disposition::LeaveCard)
                    .map_err(|(_, error)| error)?;
                answer("ok");
            }
            _ => answer(&format!("error not understood: {line:?}")),
        }
    }
    Ok(())
}

/// Until `end`, or the end of the input.
fn hold(transaction: &pcsc::Transaction<'_>, lines: &mut Lines) -> io::Result<()> {
    while let Some(line) = lines.next().transpose()? {
        match line.split_once(' ') {
            Some(("apdu", apdu)) => transmit(transaction, apdu),
            _ if line == "end" => break,
            _ => answer(&format!("error not understood: {line:?}")),
        }
    }
    Ok(())
}

fn transmit(card: &pcsc::Card, apdu: &str) {
    let mut room = [0; 4096];
    let sent = hex::decode(apdu)
        .ok_or_else(|| "not hexadecimal".to_owned())
        .and_then(|apdu| card.transmit(&apdu, &mut room).map_err(|error| error.to_string()));
    match sent {
        Ok(received) => answer(&format!("ok {}", hex::encode(received))),
        Err(error) => answer(&format!("error {error}")),
    }
}

fn answer(line: &str) {
    // The test may have gone; then nobody has to be told.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
