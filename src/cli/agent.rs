use super::list::{print, written};
use crate::agent::client::{detach, lock, status};
use crate::agent::protocol::Status;
use crate::agent::server::{Served, serve};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::ProfileName;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::Write;

/// Run the agent in the foreground
///
/// exec and export start one by themselves when they need it, and it ends after ten minutes without anything to hold or to do. Run
/// it in the foreground to have a service manager look after it; docs/agent.md has the unit.
#[derive(Args)]
pub struct AgentArgs {
    /// Leave the terminal and start it in the background
    #[arg(long, hide = true)]
    detach: bool,
    /// Say on standard output when clients can connect, and close it
    #[arg(long, hide = true)]
    announce: bool,
}

/// Show what the agent holds and does: leases, waiting requests, held PINs
#[derive(Args)]
pub struct StatusArgs {
    /// As JSON (docs/schema/status.json)
    #[arg(long)]
    json: bool,
}

/// End leases now, and drop held PINs
///
/// Pulling the token out, suspending the computer and locking the screen do the same.
#[derive(Args)]
pub struct LockArgs {
    /// End the leases of this profile only, and keep PINs
    profile: Option<ProfileName>,
}

pub fn run(args: &AgentArgs, ctx: &Context) -> Result<()> {
    if args.detach {
        return detach();
    }
    let outcome = serve(ctx, || match args.announce {
        true => announce("ready"),
        false => ctx.dialogue.note("the agent is ready"),
    });
    match outcome {
        Ok(Served::Ended) => Ok(()),
        Ok(Served::Already) if args.announce => {
            announce("ready");
            Ok(())
        }
        Ok(Served::Already) => {
            Err(Error::new(ErrorKind::Conflict, "an agent runs already for this vault")
                .hint("`tapvault status` shows it"))
        }
        Err(error) => {
            if args.announce {
                announce(error.message());
            }
            Err(error)
        }
    }
}

/// One line for the client that started this agent. After it nobody reads there, and nobody waits for its end.
fn announce(line: &str) {
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    // Something else has to take its number, or the next file would be standard output.
    if let Ok(nothing) = std::fs::File::open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(nothing);
    }
}

pub fn show_status(args: &StatusArgs, ctx: &Context) -> Result<()> {
    let status = status(ctx)?.unwrap_or(Status {
        agent: None,
        leases: Vec::new(),
        waiting: Vec::new(),
        pins: Vec::new(),
    });
    if args.json {
        let json =
            serde_json::to_string_pretty(&status).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&text(&status, ctx.now(), &TimeZone::system()))
}

fn text(status: &Status, now: Timestamp, zone: &TimeZone) -> String {
    let at = |moment: Timestamp| moment.to_zoned(zone.clone()).strftime("%H:%M").to_string();
    let mut lines = Vec::new();
    for lease in &status.leases {
        let left = lease.until.duration_since(now).as_secs();
        let left = match left {
            ..60 => format!("{left} s"),
            60.. => format!("{} min", left / 60),
        };
        let uses = match lease.uses {
            1 => "1 use".to_owned(),
            uses => format!("{uses} uses"),
        };
        let line = format!(
            "{}  until {} ({left})   {uses}   {}",
            lease.profile,
            at(lease.until),
            lease.callers.join(", ")
        );
        lines.push(("leases", line));
    }
    for waiting in &status.waiting {
        let awaits = match waiting.awaits.as_str() {
            "" => String::new(),
            awaits => format!(": {awaits}"),
        };
        let line = format!(
            "{}  since {}, asked by {}{awaits}",
            waiting.profile,
            at(waiting.since),
            waiting.asked_by.join(" < ")
        );
        lines.push(("waiting", line));
    }
    for pin in &status.pins {
        lines.push(("tokens", format!("{}: PIN held since {}", pin.token, at(pin.since))));
    }
    for section in ["leases", "waiting"] {
        if !lines.iter().any(|(name, _)| *name == section) {
            lines.push((section, "nothing".to_owned()));
        }
    }
    let order = ["leases", "waiting", "tokens", "agent"];
    match &status.agent {
        Some(agent) => lines.push((
            "agent",
            format!(
                "process {}, version {}, since {}",
                agent.pid,
                agent.version,
                at(agent.since)
            ),
        )),
        None => lines.push((
            "agent",
            "none runs; exec and export start one when they need it".to_owned(),
        )),
    }
    lines.sort_by_key(|(name, _)| order.iter().position(|known| known == name));
    let mut text = String::new();
    let mut last = "";
    for (name, line) in &lines {
        let label = if *name == last { "" } else { *name };
        text.push_str(&format!("{label:<12}{}\n", crate::prompt::printable(line)));
        last = name;
    }
    text
}

pub fn end(args: LockArgs, ctx: &Context) -> Result<()> {
    let profile = args.profile.map(|profile| profile.to_string());
    let (leases, pins) = lock(ctx, profile)?.unwrap_or((0, 0));
    let some = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    written(writeln!(
        std::io::stdout(),
        "ended {}, dropped {}",
        some(leases, "lease"),
        some(pins, "PIN")
    ))
}
