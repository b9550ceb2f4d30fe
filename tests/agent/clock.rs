//! Clocks that are set and machines that sleep, with the help of libfaketime, which stands between a program and the C library's
//! clocks.

use crate::faketime::{self, set};
use crate::probe_process::{self, Probe};
use std::{process::Command, time::Duration};
use tempfile::TempDir;

/// Two looks and a bit.
const SOON: Duration = Duration::from_secs(4);

/// A probe whose clocks can be set.
struct Clocks {
    dir: TempDir,
    probe: Probe,
}

/// Which clocks libfaketime moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    /// The wall clock, as `date --set` does.
    Wall,
    /// Also the one that stands still while the machine sleeps; moved back against the one that does not, which is read without
    /// the C library, it has slept.
    WallAndAwake,
}

impl Clocks {
    fn start(moved: Moved) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(probe_process::path());
        command
            .arg("watch")
            .env("LD_PRELOAD", faketime::library())
            .env("FAKETIME_TIMESTAMP_FILE", dir.path().join("offset"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
            .env("PCSCLITE_CSOCK_NAME", "/nonexistent/pcscd.comm");
        if moved == Moved::Wall {
            command.env("DONT_FAKE_MONOTONIC", "1");
        }
        set(dir.path(), 0);
        let probe = Probe::start(&mut command);
        assert_eq!(probe.next(), "watching");
        assert_eq!(probe.within(SOON), None, "nothing happens by itself");
        Clocks { dir, probe }
    }

    fn set(&self, seconds: i32) {
        set(self.dir.path(), seconds);
    }
}

#[test]
fn a_wall_clock_that_is_set_is_told_and_one_that_is_corrected_is_not() {
    let clocks = Clocks::start(Moved::Wall);
    clocks.set(20);
    assert_eq!(clocks.probe.within(SOON), None, "20 s forward");
    for (offset, what) in [(600, "forward"), (-3600, "back")] {
        clocks.set(offset);
        assert_eq!(
            clocks.probe.within(SOON).as_deref(),
            Some("ended: ClockJumped"),
            "{what}"
        );
        assert_eq!(clocks.probe.within(SOON), None, "once");
    }
}

#[test]
fn a_machine_that_slept_is_told_as_suspended() {
    let clocks = Clocks::start(Moved::WallAndAwake);
    clocks.set(-300);
    assert_eq!(clocks.probe.within(SOON).as_deref(), Some("ended: Suspended"));
    assert_eq!(clocks.probe.within(SOON), None, "once");
}
