//! Locked memory, seen from outside: by the kernel's count, and byte by byte.

use crate::probe_process::{self, Probe};
use memchr::memmem;
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    process::Command,
};

fn probe() -> Probe {
    Probe::start(Command::new(probe_process::path()).arg("locked"))
}

/// What tests/agent/probe.rs makes of the seed.
fn bytes(seed: u32, length: usize) -> Vec<u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let states = std::iter::successors(next(&seed), next);
    states.take(length).map(|state| state.to_be_bytes()[0]).collect()
}

/// A line of /proc/PID/status or the like, by its name.
fn line(probe: &Probe, file: &str, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{}/{file}", probe.id())).expect("the probe runs");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines.next().unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
}

fn locked_kib(probe: &Probe) -> u64 {
    let line = line(probe, "status", "VmLck:");
    line.trim_end_matches(" kB").parse().expect("a number")
}

/// All that the probe can write to.
fn memory(probe: &Probe) -> Vec<u8> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", probe.id())).expect("the probe runs");
    let memory = File::open(format!("/proc/{}/mem", probe.id())).expect("its memory");
    let mut whole = Vec::new();
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let (from, to) = map
            .split_once(' ')
            .and_then(|(range, _)| range.split_once('-'))
            .expect("a range");
        let address = |hex| u64::from_str_radix(hex, 16).expect("an address");
        let mut room = vec![0; usize::try_from(address(to) - address(from)).expect("a length")];
        memory.read_exact_at(&mut room, address(from)).expect(map);
        whole.extend(room);
    }
    whole
}

fn occurrences(memory: &[u8], what: &[u8]) -> usize {
    memmem::find_iter(memory, what).count()
}

#[test]
fn each_secret_is_locked_on_pages_of_its_own_until_it_is_dropped() {
    let mut probe = probe();
    let page = u64::try_from(region::page::size()).expect("small") / 1024;
    let before = locked_kib(&probe);
    assert_eq!(probe.tell("hold 1 100"), "held: 0 true");
    assert_eq!(locked_kib(&probe), before + page);
    assert_eq!(probe.tell("hold 2 100"), "held: 1 true");
    assert_eq!(locked_kib(&probe), before + 2 * page);
    assert_eq!(probe.tell("hold 3 0"), "held: 2 true");
    assert_eq!(locked_kib(&probe), before + 3 * page, "no bytes are bytes too");
    assert_eq!(probe.tell(&format!("hold 4 {}", page * 1024 + 1)), "held: 3 true");
    assert_eq!(locked_kib(&probe), before + 5 * page);
    for (number, pages) in [(1, 4), (3, 2), (0, 1), (2, 0)] {
        probe.tell(&format!("drop {number}"));
        assert_eq!(locked_kib(&probe), before + pages * page, "after {number}");
    }
}

#[test]
fn a_dropped_secret_is_nowhere_in_memory_and_the_others_are_where_they_were() {
    let mut probe = probe();
    for (number, seed) in [(0, 11), (1, 12)] {
        assert_eq!(probe.tell(&format!("hold {seed} 6000")), format!("held: {number} true"));
    }
    let (first, second) = (bytes(11, 6000), bytes(12, 6000));
    let before = memory(&probe);
    assert_eq!(occurrences(&before, &first), 1, "it is here, and only here");
    assert_eq!(occurrences(&before, &second), 1);
    assert_eq!(probe.tell("drop 0"), "dropped: 0");
    let after = memory(&probe);
    for (number, part) in first.chunks_exact(16).enumerate() {
        assert_eq!(occurrences(&after, part), 0, "part {number}");
    }
    assert_eq!(occurrences(&after, &second), 1);
}

#[test]
fn who_may_lock_no_memory_is_told_what_to_do() {
    // Root may lock what it likes, unless the capability is taken away.
    let mut command = Command::new("/usr/bin/prlimit");
    command.args(["--memlock=0:0", "--"]);
    if rustix::process::geteuid().is_root() {
        command.args(["/usr/bin/setpriv", "--bounding-set", "-ipc_lock", "--"]);
    }
    let mut probe = Probe::start(command.arg(probe_process::path()).arg("locked"));
    let answer = probe.tell("hold 1 100");
    assert!(
        answer.starts_with("error: other: memory for secrets can't be kept out of swap: ")
            && answer.contains("(0 KiB may be locked)")
            && answer.contains("hint: `ulimit -l` shows the limit"),
        "{answer}"
    );
    assert_eq!(locked_kib(&probe), 0);
}

#[test]
fn the_limit_that_the_user_may_raise_is_raised_and_no_core_is_dumped() {
    let mut command = Command::new("/usr/bin/prlimit");
    command.args(["--memlock=4096:65536", "--core=unlimited", "--"]);
    if rustix::process::geteuid().is_root() {
        command.args(["/usr/bin/setpriv", "--bounding-set", "-ipc_lock", "--"]);
    }
    let mut probe = Probe::start(command.arg(probe_process::path()).arg("locked"));
    for number in 0..4 {
        assert_eq!(
            probe.tell(&format!("hold {number} 4000")),
            format!("held: {number} true")
        );
    }
    let core = line(&probe, "limits", "Max core file size");
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
}
