//! The program `soft-token`: command line in, library called, exit code out.

use std::{error::Error, net::ToSocketAddrs, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::{Args, Parser, Subcommand};
use tapvault_lab::soft_token::{
    card::Card,
    client::Control,
    control,
    device::{Device, Setup},
    firmware::Firmware,
    protocol::Request,
    rig::{self, Rig, SOCKET_VARIABLE, TokenSpec},
    vpcd,
};

/// A YubiKey 5 in software, for the tests of tapvault. No place for secrets.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    token: Option<Token>,
    #[command(subcommand)]
    command: Option<Action>,
}

/// One token, for a pcscd that is there or will be
#[derive(Args)]
struct Token {
    /// JSON file with its memory; made when missing
    #[arg(long)]
    state: PathBuf,
    /// Unix socket to be opened for control (see the module `protocol`)
    #[arg(long)]
    control: PathBuf,
    /// Where vpcd listens
    #[arg(long, value_name = "HOST:PORT")]
    vpcd: String,
    /// Serial number of a new token
    #[arg(long)]
    serial: Option<u32>,
    /// Firmware of a new token
    #[arg(long)]
    firmware: Option<Firmware>,
    /// How long it waits for a touch
    #[arg(long, value_name = "MS", default_value_t = 15_000)]
    touch_timeout_ms: u64,
    /// How long a touch counts for keys with the touch policy "cached"
    #[arg(long, value_name = "MS", default_value_t = 15_000)]
    touch_cache_ms: u64,
    /// Not plugged in at first
    #[arg(long)]
    removed: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Bring up a pcscd with tokens, and stay
    Rig {
        /// Folder for sockets, logs and the tokens' memory; with a short path
        dir: PathBuf,
        /// Up to two: FIRMWARE or FIRMWARE:SERIAL (default: one 5.7.1:10000001)
        #[arg(long = "token", value_name = "FIRMWARE[:SERIAL]", value_parser = token_spec)]
        tokens: Vec<(Firmware, Option<u32>)>,
        /// How long the tokens wait for a touch
        #[arg(long, value_name = "MS", default_value_t = 15_000)]
        touch_timeout_ms: u64,
    },
    /// Send one line to a token's control socket and show the answer
    Tell {
        socket: PathBuf,
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// The first process of a rig; started by it
    #[command(hide = true)]
    Inside { dir: PathBuf },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soft-token: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    match (cli.command, cli.token) {
        (
            Some(Action::Rig {
                dir,
                tokens,
                touch_timeout_ms,
            }),
            _,
        ) => bring_up_rig(&dir, tokens, Duration::from_millis(touch_timeout_ms)),
        (Some(Action::Tell { socket, words }), _) => {
            let request: Request = words.join(" ").parse()?;
            println!("{}", Control::new(&socket).ask_raw(request)?);
            Ok(())
        }
        (Some(Action::Inside { dir }), _) => Ok(rig::inside::run(&dir)?),
        (None, Some(token)) => be_a_token(&token),
        (None, None) => Err("give --state, --control and --vpcd, or a command".into()),
    }
}

fn be_a_token(args: &Token) -> Result<(), Box<dyn Error>> {
    // a name that can't be resolved is a mistake, a port where nobody listens is a pcscd that isn't up yet
    args.vpcd.to_socket_addrs()?;
    let setup = Setup {
        serial: args.serial,
        firmware: args.firmware,
        inserted: !args.removed,
        touch_timeout: Duration::from_millis(args.touch_timeout_ms),
        touch_cache: Duration::from_millis(args.touch_cache_ms),
    };
    let device = Arc::new(Device::open(&args.state, &setup)?);
    let mut card = Card::new(device.clone())?;
    control::listen(device.clone(), &args.control)?;
    vpcd::serve(&mut card, &device, &args.vpcd)
}

fn bring_up_rig(
    dir: &std::path::Path,
    tokens: Vec<(Firmware, Option<u32>)>,
    touch_timeout: Duration,
) -> Result<(), Box<dyn Error>> {
    let tokens = if tokens.is_empty() {
        vec![(Firmware::V5_7_1, None)]
    } else {
        tokens
    };
    let specs: Vec<TokenSpec> = (10_000_001..)
        .zip(tokens)
        .map(|(default, (firmware, serial))| TokenSpec::new(serial.unwrap_or(default), firmware))
        .map(|spec| spec.touch_timeout(touch_timeout))
        .collect();
    let rig = Rig::start(dir, &specs)?;
    println!("export {SOCKET_VARIABLE}={}", rig.socket().display());
    for (spec, control) in specs.iter().zip(rig.tokens()) {
        println!(
            "# token {} firmware {} control {}",
            spec.serial,
            spec.firmware,
            control.socket().display()
        );
    }
    Err(rig.wait().into())
}

fn token_spec(text: &str) -> Result<(Firmware, Option<u32>), String> {
    match text.split_once(':') {
        None => Ok((text.parse()?, None)),
        Some((firmware, serial)) => {
            let serial = serial
                .parse()
                .map_err(|_| format!("{serial:?} is not a serial number"))?;
            Ok((firmware.parse()?, Some(serial)))
        }
    }
}
