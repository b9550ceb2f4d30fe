//! Which processes stand above this one, and which are known to hold smart cards. From `/proc`; elsewhere nothing is known.

use std::fs::{self, File};
use std::io::Read;

/// How many callers are shown.
const MOST_CALLERS: usize = 4;

/// Where the interesting part of a process chain ends.
const SESSION_LEADERS: [&str; 7] = [
    "systemd",
    "init",
    "launchd",
    "sshd",
    "login",
    "gnome-terminal-",
    "containerd-shim",
];

/// Programs that keep a smart card to themselves, by the name the kernel shows.
const CARD_PROGRAMS: [&str; 8] = [
    "scdaemon",
    "ykman",
    "ykman-gui",
    "yubioath-deskto",
    "yubikey-agent",
    "age-plugin-yubi",
    "yubico-piv-tool",
    "opensc-tool",
];

/// A process as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its name, up to 15 bytes.
    pub name: String,
    /// The one that started it, or took it over.
    pub parent: i32,
    /// Its session: a terminal window, a login, a service (credentials(7)).
    pub session: i32,
    /// When it started, in clock ticks after boot: with the number it names one process for ever.
    pub started: u64,
}

impl Process {
    /// The process `pid`, if there is one.
    pub fn find(pid: i32) -> Option<Self> {
        // One read brings all of it: 52 numbers and a name, and the system makes the text at the first read.
        let mut text = [0; 2048];
        let read = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut text).ok()?;
        parse_stat(&String::from_utf8_lossy(&text[..read]))
    }

    /// Whether it is the first of all, or one under which a session begins: that tells a person nothing, nor what is above it.
    fn tells_nothing(&self) -> bool {
        self.pid == 1 || SESSION_LEADERS.iter().any(|leader| self.name.starts_with(leader))
    }
}

/// The clock ticks since boot, of which [`Process::started`] is one moment: 100 a second (time(7), proc_uptime(5)).
pub fn ticks_since_boot() -> Option<u64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = uptime.split_ascii_whitespace().next()?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 100 + hundredths.parse::<u64>().ok()?)
}

/// The names of the processes above this one, nearest first, as far as they tell a person something.
pub fn callers() -> Vec<String> {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    chain_from(parent).into_iter().map(|process| process.name).collect()
}

/// The process `pid`, if it tells a person something.
pub fn telling(pid: i32) -> Option<Process> {
    Process::find(pid).filter(|process| !process.tells_nothing())
}

/// The processes from `pid` upwards, as far as they tell a person something.
pub fn chain_from(pid: Option<i32>) -> Vec<Process> {
    let mut chain = Vec::new();
    let mut pid = pid;
    while let Some(current) = pid {
        let Some(process) = Process::find(current) else {
            break;
        };
        if chain.len() == MOST_CALLERS || process.tells_nothing() {
            break;
        }
        pid = Some(process.parent).filter(|parent| *parent > 0);
        chain.push(process);
    }
    chain
}

/// Programs now running that often hold a card, as "scdaemon (pid 812)". A guess: PC/SC does not tell who does.
pub fn likely_card_holders() -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let me = std::process::id();
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != me)
        .filter_map(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            let name = name.trim();
            CARD_PROGRAMS.contains(&name).then(|| format!("{name} (pid {pid})"))
        })
        .collect()
}

/// From `/proc/PID/stat`: "PID (NAME) STATE PPID PGRP SESSION ..."; NAME may hold spaces and brackets (proc_pid_stat(5)).
fn parse_stat(stat: &str) -> Option<Process> {
    let (head, rest) = stat.rsplit_once(')')?;
    let (pid, name) = head.split_once('(')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The field numbered N there stands at N - 3 here.
    let field = |number: usize| fields.get(number - 3);
    Some(Process {
        pid: pid.trim().parse().ok()?,
        name: name.to_owned(),
        parent: field(4)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        started: field(22)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_is_read_whole() {
        let stat = "7 (a) b) (c) S 3 7 5 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 9 9";
        let process = parse_stat(stat).expect("parsed");
        assert_eq!(process.name, "a) b) (c");
        assert_eq!(
            (process.pid, process.parent, process.session, process.started),
            (7, 3, 5, 4242)
        );
        assert_eq!(parse_stat("garbage"), None);
    }
}
