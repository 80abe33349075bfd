//! The schedule: jobs for all threads, started in their order as far as memory allows, whose results come in that order.
//!
//! # Invariants
//!
//! - What the jobs under way say they need, and the results that wait for their turn, stay within the budget. A job that
//!   needs more than the budget runs alone.
//! - Which result comes when depends on the jobs alone, not on the number of threads.
//!
//! # Not here
//!
//! What a job needs, and in which order jobs are best started: largest first (`delta::make`).

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use rayon::Yield;

use crate::base::limits::MIB;
use crate::base::{Error, Result};

/// Bytes that making or unpacking a delta may use at a time beside what a view keeps: a pair of files of 100 MB with its
/// tables, or groups of small ones for several threads.
pub const DELTA_MEMORY_BYTES_MAX: u64 = 512 * MIB;

/// How jobs of one kind are done.
pub(super) struct Schedule<'w, J, T> {
    /// Bytes that may be used at a time.
    pub(super) budget_bytes: u64,
    /// What a job needs while it runs, in bytes.
    pub(super) needs: &'w (dyn Fn(&J) -> u64 + Sync),
    /// What its result takes, in bytes.
    pub(super) takes: &'w (dyn Fn(&T) -> u64 + Sync),
    /// Does it.
    pub(super) work: &'w (dyn Fn(J) -> Result<T> + Sync),
}

impl<J: Send, T: Send> Schedule<'_, J, T> {
    /// Does all jobs, and gives the results to `keep` in the order of the jobs.
    ///
    /// # Errors
    ///
    /// The first error of a job, or that of `keep`; jobs that were not started are not done then.
    pub(super) fn run(
        &self,
        jobs: impl IntoIterator<Item = J>,
        keep: &mut dyn FnMut(T) -> Result<()>,
    ) -> Result<()> {
        rayon::in_place_scope_fifo(|scope| {
            let (send, results) = channel();
            let mut desk = Desk::new(self.takes);
            let mut jobs = jobs.into_iter().peekable();
            loop {
                while let Some(job) =
                    jobs.next_if(|job| desk.has_room_for((self.needs)(job), self.budget_bytes))
                {
                    let number = desk.start((self.needs)(&job));
                    let (reply, work) = (Reply::new(number, &send), self.work);
                    scope.spawn_fifo(move |_| reply.send(work(job)));
                }
                if desk.running.is_empty() {
                    return Ok(());
                }
                let (number, result) = wait(&results)?;
                desk.finish(number, result?);
                while let Some(result) = desk.next() {
                    keep(result)?;
                }
            }
        })
    }
}

/// The result of a job, which is sent when this is dropped: also if the job panics.
struct Reply<T> {
    number: usize,
    result: Result<T>,
    to: Sender<(usize, Result<T>)>,
}

impl<T> Reply<T> {
    fn new(number: usize, to: &Sender<(usize, Result<T>)>) -> Self {
        let result = Err(Error::internal("a job ended without a result"));
        let to = to.clone();
        Self { number, result, to }
    }

    fn send(mut self, result: Result<T>) {
        self.result = result;
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let nothing = Err(Error::internal("a result is sent once"));
        let result = std::mem::replace(&mut self.result, nothing);
        // Nobody waits for it any more after an error.
        self.to.send((self.number, result)).ok();
    }
}

/// What is under way, and what waits for its turn.
struct Desk<'w, T> {
    takes: &'w (dyn Fn(&T) -> u64 + Sync),
    /// What the jobs under way need, by number.
    running: BTreeMap<usize, u64>,
    waiting: BTreeMap<usize, T>,
    bytes: u64,
    started: usize,
    given: usize,
}

impl<'w, T> Desk<'w, T> {
    fn new(takes: &'w (dyn Fn(&T) -> u64 + Sync)) -> Self {
        Self {
            takes,
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
            bytes: 0,
            started: 0,
            given: 0,
        }
    }

    fn has_room_for(&self, needed: u64, budget_bytes: u64) -> bool {
        self.running.is_empty() || self.bytes.saturating_add(needed) <= budget_bytes
    }

    fn start(&mut self, needed: u64) -> usize {
        let number = self.started;
        self.started += 1;
        self.bytes = self.bytes.saturating_add(needed);
        self.running.insert(number, needed);
        number
    }

    fn finish(&mut self, number: usize, result: T) {
        let needed = self.running.remove(&number).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(needed) + (self.takes)(&result);
        self.waiting.insert(number, result);
    }

    /// The next result in the order of the jobs, if it is there.
    fn next(&mut self) -> Option<T> {
        let result = self.waiting.remove(&self.given)?;
        self.given += 1;
        self.bytes = self.bytes.saturating_sub((self.takes)(&result));
        Some(result)
    }
}

/// Waits for a result; one of the threads works at other jobs meanwhile, so one thread is enough.
fn wait<T>(results: &Receiver<T>) -> Result<T> {
    let lost = || Error::internal("the results of jobs are lost");
    loop {
        match results.try_recv() {
            Ok(result) => return Ok(result),
            Err(TryRecvError::Disconnected) => return Err(lost()),
            Err(TryRecvError::Empty) => {}
        }
        if rayon::yield_now() != Some(Yield::Executed) {
            return results.recv().map_err(|_| lost());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::PoisonError;

    use super::*;

    fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| Error::internal(error.to_string()))?
            .install(work)
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs_with_any_number_of_threads() -> Result<()> {
        for threads in [1, 2, 7] {
            let results = with_threads(threads, || {
                let mut results = Vec::new();
                let schedule = Schedule {
                    budget_bytes: 100,
                    needs: &|job: &u64| *job,
                    takes: &|result: &u64| *result / 2,
                    work: &|job| Ok(job + 1),
                };
                schedule.run((0..200).rev(), &mut |result| {
                    results.push(result);
                    Ok(())
                })?;
                Ok(results)
            })?;
            assert!(results.into_iter().eq((1..=200).rev()), "{threads} threads");
        }
        Ok(())
    }

    #[test]
    fn the_budget_is_kept_and_what_is_above_it_runs_alone() -> Result<()> {
        let running = Mutex::new((0_u64, Vec::new()));
        let schedule = Schedule {
            budget_bytes: 100,
            needs: &|job: &u64| *job,
            takes: &|(): &()| 0,
            work: &|job| {
                let note = |change: &dyn Fn(u64) -> u64| {
                    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
                    running.0 = change(running.0);
                    let now = running.0;
                    running.1.push((job, now));
                };
                note(&|bytes| bytes + job);
                // Lets others start, if they may.
                rayon::yield_now();
                note(&|bytes| bytes - job);
                Ok(())
            },
        };
        let jobs = [500, 60, 40, 30, 30, 30, 101, 20, 20];
        with_threads(7, || schedule.run(jobs, &mut |()| Ok(())))?;
        let (_, seen) = running.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(seen.len(), 2 * jobs.len());
        for (job, bytes) in seen {
            assert!(bytes <= job.max(100), "{bytes} bytes with a job of {job}");
        }
        Ok(())
    }

    #[test]
    fn results_that_wait_for_their_turn_count() {
        let mut desk = Desk::new(&|result: &u64| *result);
        assert!(desk.has_room_for(1000, 100), "alone");
        let (first, second) = (desk.start(40), desk.start(40));
        assert!(!desk.has_room_for(21, 100));
        desk.finish(second, 30);
        assert!(desk.has_room_for(30, 100));
        assert!(!desk.has_room_for(31, 100));
        assert_eq!(desk.next(), None);
        desk.finish(first, 5);
        assert_eq!((desk.next(), desk.next()), (Some(5), Some(30)));
        assert_eq!(desk.bytes, 0);
    }

    #[test]
    fn the_first_error_ends_it() {
        let schedule = Schedule {
            budget_bytes: 1,
            needs: &|_: &u64| 1,
            takes: &|_: &u64| 1,
            work: &|job| match job {
                3 => Err(Error::internal("broken")),
                other => Ok(other),
            },
        };
        let mut given = Vec::new();
        let outcome = schedule.run(0..10, &mut |result| {
            given.push(result);
            Ok(())
        });
        assert!(outcome.is_err_and(|error| error.to_string().contains("broken")));
        assert_eq!(given, [0, 1, 2]);
    }
}
