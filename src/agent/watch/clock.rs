//! Clocks that part: the machine slept, or somebody set the time.
//!
//! Three clocks are compared each second with what they said a second before: one that stands still while the machine
//! sleeps, one that does not, and the wall clock.

use super::{Ended, Tell};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// Less is no suspend: the clocks are not read in the same moment.
const SLEPT: i128 = Duration::from_secs(1).as_nanos() as i128;
/// Less is a clock that is corrected.
const JUMPED: i128 = Duration::from_secs(30).as_nanos() as i128;

/// Tells of every suspend and jump.
pub fn watch(tell: &Tell) {
    let mut before = Reading::now();
    loop {
        thread::sleep(LOOK);
        let now = Reading::now();
        if let Some(ended) = Passed::between(&before, &now).ended() {
            tell(ended);
        }
        before = now;
    }
}

/// What the clocks say.
struct Reading {
    /// Stands still while the machine sleeps (clock_gettime(2), CLOCK_MONOTONIC).
    awake: Instant,
    /// Goes on (CLOCK_BOOTTIME), where there is such a clock.
    always: Option<Duration>,
    wall: SystemTime,
}

impl Reading {
    fn now() -> Self {
        Reading {
            awake: Instant::now(),
            always: since_boot(),
            wall: SystemTime::now(),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Boottime)).ok()
}

/// Elsewhere a suspend shows as a jump of the wall clock, if it is long enough.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn since_boot() -> Option<Duration> {
    None
}

/// How far each clock went between two readings, in nanoseconds; a clock that was set may have gone back.
struct Passed {
    awake: i128,
    always: i128,
    wall: i128,
}

impl Passed {
    fn between(before: &Reading, now: &Reading) -> Self {
        let awake = match now.awake.checked_duration_since(before.awake) {
            Some(forward) => nanoseconds(forward),
            None => -nanoseconds(before.awake.duration_since(now.awake)),
        };
        Passed {
            awake,
            always: match (before.always, now.always) {
                (Some(before), Some(now)) => nanoseconds(now) - nanoseconds(before),
                (None, _) | (_, None) => awake,
            },
            wall: match now.wall.duration_since(before.wall) {
                Ok(forward) => nanoseconds(forward),
                Err(back) => -nanoseconds(back.duration()),
            },
        }
    }

    fn ended(&self) -> Option<Ended> {
        if self.always - self.awake > SLEPT {
            // The wall clock goes on as well, and may be corrected on waking. It is one event.
            Some(Ended::Suspended)
        } else if (self.wall - self.always).abs() > JUMPED {
            Some(Ended::ClockJumped)
        } else {
            None
        }
    }
}

fn nanoseconds(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(awake: f64, always: f64, wall: f64) -> Option<Ended> {
        let now = Instant::now();
        let origin = Duration::from_secs(1000);
        let before = Reading {
            awake: now + origin,
            always: Some(origin),
            wall: SystemTime::UNIX_EPOCH + origin,
        };
        let after = |seconds: f64| Duration::from_secs_f64(1000.0 + seconds);
        let now = Reading {
            awake: now + after(awake),
            always: Some(after(always)),
            wall: SystemTime::UNIX_EPOCH + after(wall),
        };
        Passed::between(&before, &now).ended()
    }

    #[test]
    fn time_that_passes_ends_nothing_however_late_one_looks() {
        assert_eq!(ended(1.0, 1.0, 1.0), None);
        assert_eq!(
            ended(3600.0, 3600.0, 3600.0),
            None,
            "stopped for an hour, not suspended"
        );
        assert_eq!(ended(1.0, 1.9, 1.0), None);
    }

    #[test]
    fn a_suspend_is_told_as_such_whatever_the_wall_clock_makes_of_it() {
        for wall in [3601.0, 1.0, -500.0] {
            assert_eq!(ended(1.0, 3601.0, wall), Some(Ended::Suspended), "{wall}");
        }
        assert_eq!(ended(1.0, 2.1, 2.1), Some(Ended::Suspended));
    }

    #[test]
    fn a_wall_clock_that_is_set_by_more_than_half_a_minute_has_jumped_in_either_direction() {
        for wall in [32.0, 100_000.0, -30.0, -900.0] {
            assert_eq!(ended(1.0, 1.0, wall), Some(Ended::ClockJumped), "{wall}");
        }
        for wall in [30.0, -28.0] {
            assert_eq!(ended(1.0, 1.0, wall), None, "{wall}");
        }
    }
}
