//! Which processes stand above this one, and which are known to hold smart cards. From `/proc`; elsewhere nothing is known.

use std::fs;

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

/// The names of the processes above this one, nearest first, as far as they tell a person something.
pub fn callers() -> Vec<String> {
    let mut names = Vec::new();
    let mut pid = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    while let Some(current) = pid {
        let Some((name, parent)) = name_and_parent(current) else {
            break;
        };
        if current == 1 || names.len() == MOST_CALLERS || SESSION_LEADERS.iter().any(|leader| name.starts_with(leader))
        {
            break;
        }
        names.push(name);
        pid = Some(parent).filter(|parent| *parent > 0);
    }
    names
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

/// From `/proc/PID/stat`: "PID (NAME) STATE PPID ..."; NAME may hold spaces and brackets (proc(5)).
fn name_and_parent(pid: i32) -> Option<(String, i32)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(stat: &str) -> Option<(String, i32)> {
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let parent = rest.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some((name.to_owned(), parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_is_read_whole() {
        assert_eq!(parse_stat("7 (a) b) (c) S 3 7 7"), Some(("a) b) (c".into(), 3)));
        assert_eq!(parse_stat("garbage"), None);
    }
}
