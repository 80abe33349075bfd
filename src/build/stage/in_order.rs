//! Jobs that all threads work at, and whose results come in the order in which the jobs were given out.
//!
//! # Invariants
//!
//! - Results depend on the jobs alone, not on the number of threads.
//! - Whoever waits for a result works at other jobs meanwhile if it is one of the threads, so one thread is enough.
//!
//! # Not here
//!
//! How much may be under way: each user of a queue bounds it by [`InOrder::weight`].

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use rayon::{Scope, Yield};

use crate::base::{Error, Result};

/// The threads that work at jobs, as long as what the jobs borrow is there.
pub type Threads<'scope> = Scope<'scope>;

/// Does some work that gives out jobs, and waits until all of them have ended.
pub fn on_all_threads<'scope, T>(work: impl FnOnce(&Threads<'scope>) -> T) -> T {
    rayon::in_place_scope(work)
}

/// A queue of jobs under way. Jobs may borrow what outlives the scope.
pub(super) struct InOrder<'a, 'scope, T> {
    scope: &'a Scope<'scope>,
    jobs: VecDeque<Job<T>>,
    weight: u64,
}

struct Job<T> {
    weight: u64,
    result: Receiver<Result<T>>,
}

impl<'a, 'scope, T: Send + 'scope> InOrder<'a, 'scope, T> {
    /// Starts with no jobs.
    pub(super) fn new(scope: &'a Scope<'scope>) -> Self {
        Self {
            scope,
            jobs: VecDeque::new(),
            weight: 0,
        }
    }

    /// The sum of what the jobs weigh that are under way or done and not yet fetched.
    pub(super) const fn weight(&self) -> u64 {
        self.weight
    }

    /// Gives out a job. What it weighs is for the caller to say, in bytes.
    pub(super) fn start(&mut self, weight: u64, job: impl FnOnce() -> Result<T> + Send + 'scope) {
        let (send, result) = sync_channel(1);
        self.weight += weight;
        self.jobs.push_back(Job { weight, result });
        self.scope.spawn(move |_| {
            // Nobody waits for it any more after an error.
            send.send(job()).ok();
        });
    }

    /// Waits for the result of the oldest job; `None` if there is no job.
    ///
    /// # Errors
    ///
    /// That of the job; [`Error::Internal`] if it panicked.
    pub(super) fn next(&mut self) -> Result<Option<T>> {
        let Some(job) = self.jobs.pop_front() else {
            return Ok(None);
        };
        self.weight -= job.weight;
        wait(&job.result).map(Some)
    }
}

fn wait<T>(result: &Receiver<Result<T>>) -> Result<T> {
    let lost = || Error::internal("a job ended without a result");
    loop {
        match result.try_recv() {
            Ok(result) => return result,
            Err(TryRecvError::Disconnected) => return Err(lost()),
            Err(TryRecvError::Empty) => {}
        }
        if rayon::yield_now() != Some(Yield::Executed) {
            return result.recv().unwrap_or_else(|_| Err(lost()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| Error::internal(error.to_string()))?
            .install(work)
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs_also_with_one_thread() -> Result<()> {
        for threads in [1, 4] {
            let results = with_threads(threads, || {
                rayon::in_place_scope(|scope| {
                    let mut queue = InOrder::new(scope);
                    for number in 0..1000_u64 {
                        queue.start(number, move || Ok(number));
                    }
                    assert_eq!(queue.weight(), 999 * 1000 / 2);
                    let mut results = Vec::new();
                    while let Some(number) = queue.next()? {
                        results.push(number);
                    }
                    assert_eq!(queue.weight(), 0);
                    Ok(results)
                })
            })?;
            assert!(results.into_iter().eq(0..1000), "{threads} threads");
        }
        Ok(())
    }

    #[test]
    fn a_failed_job_fails_alone_and_what_is_not_fetched_is_dropped() -> Result<()> {
        rayon::in_place_scope(|scope| {
            let mut queue = InOrder::new(scope);
            queue.start(1, || Ok(1));
            queue.start(1, || Err(Error::internal("broken")));
            queue.start(1, || Ok(3));
            queue.start(1, || Ok(4));
            assert_eq!(queue.next()?, Some(1));
            assert!(
                queue
                    .next()
                    .is_err_and(|error| error.to_string().contains("broken"))
            );
            assert_eq!(queue.next()?, Some(3));
            Ok(())
        })
    }
}
