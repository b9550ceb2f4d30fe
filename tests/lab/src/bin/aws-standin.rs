//! Runs the stand-in for AWS as a program of its own.
//!
//!     aws-standin (--world WORLD.json | --sample) --port-file FILE [--port N] [--log FILE] [--control SOCKET]

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs, thread};

use tapvault_lab::aws_standin::{Options, Standin, World, control};

const USAGE: &str = "usage: aws-standin (--world WORLD.json | --sample) --port-file FILE [--port N] [--log FILE] \
                     [--control SOCKET]";

fn main() -> ExitCode {
    match run(env::args_os().skip(1)) {
        Ok(never) => match never {},
        Err(e) => {
            eprintln!("aws-standin: {e}");
            ExitCode::from(2)
        }
    }
}

/// Serves until it is killed.
fn run(arguments: impl Iterator<Item = OsString>) -> Result<std::convert::Infallible, Box<dyn Error>> {
    let Arguments {
        world,
        port_file,
        options,
        control,
    } = Arguments::parse(arguments)?;
    let standin = Arc::new(Standin::open(world, &options)?);
    if let Some(path) = control {
        control::listen(&path, Arc::clone(&standin))?;
    }
    // Written aside and renamed: whoever waits for the file finds a whole number in it.
    let aside = port_file.with_extension("part");
    fs::write(&aside, format!("{}\n", standin.port()))?;
    fs::rename(&aside, &port_file)?;
    loop {
        thread::park();
    }
}

struct Arguments {
    world: World,
    port_file: PathBuf,
    options: Options,
    control: Option<PathBuf>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Box<dyn Error>> {
        let (mut world, mut port_file, mut control) = (None, None, None);
        let mut options = Options::default();
        while let Some(name) = arguments.next() {
            if name == "--sample" {
                world = Some(World::sample());
                continue;
            }
            let value = arguments.next().ok_or(USAGE)?;
            match name.to_str() {
                Some("--world") => world = Some(World::from_json(&fs::read_to_string(value)?)?),
                Some("--port-file") => port_file = Some(PathBuf::from(value)),
                Some("--port") => options.port = value.to_str().ok_or(USAGE)?.parse()?,
                Some("--log") => options.log = Some(PathBuf::from(value)),
                Some("--control") => control = Some(PathBuf::from(value)),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(Self {
            world: world.ok_or(USAGE)?,
            port_file: port_file.ok_or(USAGE)?,
            options,
            control,
        })
    }
}
