//! A thread that is there before its job comes, so that nobody waits for it to be made.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// Threads that do one job each, with one of them always waiting. None does two: what a job leaves on its stack goes with it.
pub struct Spare<J> {
    work: Arc<dyn Fn(J) + Send + Sync>,
    stack: usize,
    waiting: Option<SyncSender<J>>,
}

impl<J: Send + 'static> Spare<J> {
    /// Threads that do `work`, with stacks of so many bytes.
    pub fn new(stack: usize, work: impl Fn(J) + Send + Sync + 'static) -> Self {
        let mut spare = Spare {
            work: Arc::new(work),
            stack,
            waiting: None,
        };
        spare.waiting = spare.start();
        spare
    }

    /// Has a thread do this job. Where no thread can be had, the job is dropped.
    pub fn give(&mut self, job: J) {
        if let Some(thread) = self.waiting.take().or_else(|| self.start()) {
            // It waits for nothing else.
            let _ = thread.send(job);
        }
        self.waiting = self.start();
    }

    fn start(&self) -> Option<SyncSender<J>> {
        let (give, job) = sync_channel(1);
        let work = Arc::clone(&self.work);
        let wait = move || {
            if let Ok(job) = job.recv() {
                work(job);
            }
        };
        let thread = thread::Builder::new().stack_size(self.stack).spawn(wait);
        thread.is_ok().then_some(give)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::mpsc::channel;

    const STACK: usize = 128 << 10;

    #[test]
    fn each_job_has_a_thread_of_its_own_and_none_waits_for_another() {
        let (done, threads) = channel();
        let (hold, held) = channel::<()>();
        let held = std::sync::Mutex::new(held);
        let mut spare = Spare::new(STACK, move |first: bool| {
            if first {
                // Until the test lets it go.
                let _ = held.lock().expect("one job holds it").recv();
            }
            done.send((first, thread::current().id())).expect("the test listens");
        });
        spare.give(true);
        let mut ids = BTreeSet::new();
        for _ in 0..5 {
            spare.give(false);
            let (first, id) = threads.recv().expect("done");
            assert!(!first, "the first one still works");
            ids.insert(format!("{id:?}"));
        }
        drop(hold);
        let (first, id) = threads.recv().expect("done");
        assert!(first);
        ids.insert(format!("{id:?}"));
        assert_eq!(ids.len(), 6);
    }

    #[test]
    fn the_thread_that_waits_ends_with_it() {
        let work = Arc::new(());
        let seen = Arc::downgrade(&work);
        drop(Spare::new(STACK, move |(): ()| drop(Arc::clone(&work))));
        let start = std::time::Instant::now();
        while seen.strong_count() > 0 {
            assert!(start.elapsed().as_secs() < 10, "it waits on");
            thread::yield_now();
        }
    }
}
