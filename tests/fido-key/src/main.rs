//! The program `fido-key`: a FIDO2 key in software, made of a real key's firmware.
//!
//! The host's reports come in at a [`port`], pass the [`line`](mod@line) that writes the journal and lets [`faults`] strike, and
//! reach the [`firmware`] over its own USB class on a [`bus`] of two queues. The hand that touches comes in over the
//! socket of [`control`]. It is no place for secrets: its memory is two files.

mod bus;
mod control;
mod faults;
mod finger;
mod firmware;
mod journal;
mod key;
mod line;
mod message;
mod offer;
mod port;

use std::{
    error::Error,
    io::{self, Read},
    panic,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    sync::Arc,
    thread,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use tapvault_lab::fido_key::{
    client::Control,
    protocol::Request,
    rig::{FidoRig, KeySpec, Node},
};

use crate::{
    key::{Identity, Key},
    port::Place,
};

/// A FIDO2 key in software, for the tests of tapvault. No place for secrets.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Be one key, until standard input ends
    Be(Being),
    /// Bring up keys for programs under the shim, and stay
    Rig {
        /// Folder for their nodes, sockets and memory; with a short path
        dir: PathBuf,
        /// Serial numbers, `-` for a key that tells none (default: one key, LAB00001)
        #[arg(long = "key", value_name = "SERIAL")]
        keys: Vec<String>,
        /// How long they wait for a touch
        #[arg(long, value_name = "MS", default_value_t = 30_000)]
        touch_timeout_ms: u64,
    },
    /// Send one line to a key's control socket and show the answer
    Tell {
        socket: PathBuf,
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
}

#[derive(Args)]
struct Being {
    /// Its memory: two files whose names begin so; made when missing
    #[arg(long)]
    memory: PathBuf,
    /// Unix socket to be opened for control (the lab's module `fido_key::protocol`)
    #[arg(long)]
    control: PathBuf,
    /// Plug into this rig's folder, as hidraw0 or what --number says
    #[arg(long, value_name = "DIR", conflicts_with = "uhid", required_unless_present = "uhid")]
    rig: Option<PathBuf>,
    #[arg(long, value_name = "N", default_value_t = 0)]
    number: usize,
    /// Plug into the kernel, by /dev/uhid
    #[arg(long)]
    uhid: bool,
    #[arg(long, default_value = "Soft FIDO2 key")]
    product: String,
    /// Most keys tell none
    #[arg(long)]
    serial: Option<String>,
    #[arg(long, value_parser = hexadecimal, value_name = "HEX", default_value = "20a0")]
    vendor_id: u16,
    #[arg(long, value_parser = hexadecimal, value_name = "HEX", default_value = "42b2")]
    product_id: u16,
    /// How long it waits for a touch
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    touch_timeout_ms: u64,
    /// Not plugged in at first
    #[arg(long)]
    removed: bool,
    /// Stay when standard input ends
    #[arg(long)]
    detached: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse().action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fido-key: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> Result<(), Box<dyn Error>> {
    match action {
        Action::Be(being) => Ok(be(being)?),
        Action::Rig {
            dir,
            keys,
            touch_timeout_ms,
        } => bring_up(&dir, &keys, Duration::from_millis(touch_timeout_ms)),
        Action::Tell { socket, words } => {
            let request: Request = words.join(" ").parse()?;
            println!("{}", Control::new(&socket).ask_raw(request)?);
            Ok(())
        }
    }
}

fn be(being: Being) -> io::Result<()> {
    // Half a key would only make a test wait.
    let words = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        words(what);
        process::exit(101);
    }));
    if !being.detached {
        thread::spawn(|| {
            // nobody writes: this returns at the end of the pipe, and then the owner has gone
            let _ = io::stdin().read(&mut [0]);
            process::exit(0);
        });
    }
    let place = match being.rig {
        Some(folder) => Place::Rig(Node::new(&folder, being.number)),
        None => Place::Uhid,
    };
    let identity = Identity {
        product: being.product,
        serial: being.serial,
        vendor_id: being.vendor_id,
        product_id: being.product_id,
    };
    let patience = Duration::from_millis(being.touch_timeout_ms);
    let key = Arc::new(Key::new(identity, &being.memory, !being.removed, patience));
    control::listen(key.clone(), place.clone(), &being.control)?;
    loop {
        key.body.wait_until_inserted();
        let Some(attached) = key.body.attach(None) else {
            continue;
        };
        let mut port = place.open(&key.identity)?;
        key.body.recognise();
        firmware::run(&key, &mut *port)?;
        drop(port);
        let touch = key.body.take_last_touch();
        key.line().cut(touch);
        drop(attached);
    }
}

fn bring_up(dir: &Path, serials: &[String], patience: Duration) -> Result<(), Box<dyn Error>> {
    let default = ["LAB00001".to_owned()];
    let serials = if serials.is_empty() { &default[..] } else { serials };
    let specs: Vec<KeySpec> = serials
        .iter()
        .map(|serial| match serial.as_str() {
            "-" => KeySpec::without_serial(),
            serial => KeySpec::new(serial),
        })
        .map(|spec| spec.touch_timeout(patience))
        .collect();
    let rig = FidoRig::start(dir, &specs)?;
    for (name, value) in rig.environment() {
        println!("export {name}={}", value.display());
    }
    for (serial, key) in serials.iter().zip(rig.keys()) {
        println!("# key {serial} control {}", key.socket().display());
    }
    Err(rig.wait().into())
}

fn hexadecimal(text: &str) -> Result<u16, String> {
    u16::from_str_radix(text, 16).map_err(|_| format!("{text:?} is not a hexadecimal number of 16 bits"))
}
