//! Who asks: the process at the other end of the socket as the kernel has it, and the one rule by which requests join.

use crate::context::settings::Join;
use crate::presence::processes::{Process, chain_from, telling};
use rustix::net::sockopt::socket_peercred;
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

/// The process that asks, and those above it.
#[derive(Clone, Debug)]
pub struct Asker {
    /// tapvault itself; `None` when the kernel does not show it, as for one in another container.
    client: Option<Process>,
    /// The one that started it.
    parent: Option<Process>,
    /// The processes above it, nearest first, once they were looked up.
    above: Arc<OnceLock<Vec<Process>>>,
}

impl Asker {
    /// Who is at the other end. `None` when that is another user, whom nothing is answered.
    pub fn at_other_end(stream: &UnixStream) -> Option<Self> {
        let peer = socket_peercred(stream).ok()?;
        if peer.uid != rustix::process::geteuid() {
            return None;
        }
        let client = Process::find(peer.pid.as_raw_nonzero().get());
        let parent = client.as_ref().and_then(|client| telling(client.parent));
        Some(Asker {
            client,
            parent,
            above: Arc::default(),
        })
    }

    /// Looks up who is above. What is answered from a lease is shown to nobody, and needs only the nearest of them.
    pub fn look_above(&self) -> &[Process] {
        self.above
            .get_or_init(|| chain_from(self.parent.as_ref().map(|parent| parent.pid)))
    }

    /// Nobody in particular.
    #[cfg(test)]
    pub fn made_up(client: Process, above: Vec<Process>) -> Self {
        Asker {
            client: Some(client),
            parent: above.first().cloned(),
            above: Arc::new(above.into()),
        }
    }

    /// The program that asks: the one that started tapvault.
    pub fn program(&self) -> &str {
        self.parent
            .as_ref()
            .or(self.client.as_ref())
            .map_or("a process elsewhere", |process| &process.name)
    }

    /// "aws (4711)", "make", "zsh".
    pub fn chain(&self) -> Vec<String> {
        let name = |(place, process): (usize, &Process)| match place {
            0 => format!("{} ({})", process.name, process.pid),
            _ => process.name.clone(),
        };
        self.look_above().iter().enumerate().map(name).collect()
    }

    /// Whether the two may share a touch: they have the same parent, or belong to the same session of the kernel's (a terminal
    /// window with all that runs in it). Neither can be chosen by a process that was started elsewhere.
    pub fn joins(&self, other: &Asker, rule: Join) -> bool {
        if rule == Join::Any {
            return true;
        }
        let (Some(mine), Some(its)) = (&self.client, &other.client) else {
            return false;
        };
        mine.session == its.session || self.has_parent_of(other)
    }

    /// Whether it was there before that moment, in clock ticks after boot.
    pub fn started_before(&self, moment: u64) -> bool {
        self.client.as_ref().is_some_and(|client| client.started < moment)
    }

    /// Whether the two were started by the same process.
    pub fn has_parent_of(&self, other: &Asker) -> bool {
        match (&self.parent, &other.parent) {
            (Some(mine), Some(its)) => (mine.pid, mine.started) == (its.pid, its.started),
            _ => false,
        }
    }
}

/// "9 more wait: 8 aws, 1 terraform"; `None` when nobody does.
pub fn crowd<'a>(waiting: impl Iterator<Item = &'a Asker>) -> Option<String> {
    let mut programs: BTreeMap<&str, usize> = BTreeMap::new();
    for asker in waiting {
        *programs.entry(asker.program()).or_default() += 1;
    }
    let total: usize = programs.values().sum();
    let mut counted: Vec<(&str, usize)> = programs.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let listed: Vec<String> = counted
        .iter()
        .map(|(program, count)| format!("{count} {program}"))
        .collect();
    match total {
        0 => None,
        1 => Some(format!("1 more waits: {}", listed.join(", "))),
        _ => Some(format!("{total} more wait: {}", listed.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, name: &str, parent: i32, session: i32) -> Process {
        Process {
            pid,
            name: name.into(),
            parent,
            session,
            started: u64::try_from(pid).expect("positive"),
        }
    }

    fn asker(pid: i32, program: &str, parent: i32, session: i32) -> Asker {
        Asker::made_up(
            process(pid, "tapvault", parent, session),
            vec![process(parent, program, 1, session)],
        )
    }

    #[test]
    fn who_shares_parent_or_session_joins_and_nobody_else() {
        let first = asker(10, "aws", 5, 5);
        assert!(first.joins(&asker(11, "aws", 6, 5), Join::Family), "same session");
        assert!(first.joins(&asker(12, "aws", 5, 7), Join::Family), "same parent");
        assert!(!first.joins(&asker(13, "aws", 6, 7), Join::Family), "a stranger");
        assert!(first.joins(&asker(13, "aws", 6, 7), Join::Any));
        let mut reused = asker(14, "aws", 5, 9);
        reused.parent.as_mut().expect("a parent").started = 99;
        assert!(
            !first.joins(&reused, Join::Family),
            "another process of the same number"
        );
    }

    #[test]
    fn a_crowd_is_counted_by_program() {
        let askers: Vec<Asker> = (0..9)
            .map(|at| asker(20 + at, if at == 4 { "terraform" } else { "aws" }, 50 + at, 5))
            .collect();
        assert_eq!(
            crowd(askers.iter()).expect("a crowd"),
            "9 more wait: 8 aws, 1 terraform"
        );
        assert_eq!(crowd(askers[..1].iter()).expect("one"), "1 more waits: 1 aws");
        assert_eq!(crowd(askers[..0].iter()), None);
    }
}
