//! Every write of a rotation, struck in every way.

use super::LINE;
use super::state::{Case, Stage};
use crate::faults::scene::check_power_cut;
use crate::faults::strace::{self, Fault};

/// What happens at each write.
pub const FAULTS: [Fault; 3] = [Fault::Kill, Fault::Error("ENOSPC"), Fault::Error("EROFS")];

/// How often a write may be missed, see [`strace::try_strike`].
const TRIES: usize = 5;

/// Strikes each write of a rotation. Not the fsyncs: a kill there finds the files just as one at the next call does, and they need
/// neither room nor a disk that can be written.
pub fn strike_every_write(stage: &Stage, fault: Fault) -> Vec<Option<Case>> {
    strace::check();
    stage.reset();
    let (output, points) = strace::points(&stage.bench, &LINE, |run| run);
    output.success();
    // Who holds a lock need not be known after a power cut.
    let lasting: Vec<_> = points
        .iter()
        .filter(|point| !point.place.ends_with(".lock"))
        .cloned()
        .collect();
    check_power_cut(&lasting);
    let mut cases = Vec::new();
    for (order, point) in points.iter().enumerate().filter(|(_, point)| !point.is_sync()) {
        let strike = |_| {
            stage.reset();
            strace::try_strike(&stage.bench, &LINE, |run| run, point, fault).ok()
        };
        let output = (0..TRIES)
            .find_map(strike)
            .unwrap_or_else(|| panic!("{point} was not come by in {TRIES} runs"));
        let place = (order, point.place.clone());
        let how = match fault {
            Fault::Kill | Fault::Signal(_) => "kill -9".to_owned(),
            Fault::Error(error) => error.to_owned(),
        };
        cases.push(stage.case(place, how, &output));
    }
    cases
}
