//! Work of the store, away from the threads that serve connections.
//!
//! # Invariants
//!
//! - So much work runs at a time and so much waits; more is refused, so a flood of requests cannot fill the memory. That holds
//!   also for work that nobody waits for any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::base::{Error, Result};

/// Pieces of work at a time: each may hold a few frames of the store in memory.
pub const WORKERS_MAX: usize = 32;
/// Pieces of work that wait for a worker.
pub const WAITING_MAX: usize = 4096;

/// The workers.
#[derive(Debug)]
pub struct Pool {
    workers: Arc<Semaphore>,
    queue: Mutex<Queue>,
}

/// Since when what waits has waited, by the number of its ticket.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

impl Pool {
    /// Makes the pool. Its threads are started when they are needed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            workers: Arc::new(Semaphore::new(WORKERS_MAX)),
            queue: Mutex::default(),
        }
    }

    /// Pieces of work that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().since.len()
    }

    /// How long the oldest of them has waited.
    #[must_use]
    pub fn oldest(&self) -> Option<Duration> {
        let queue = self.queue();
        queue.since.values().next().map(Instant::elapsed)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a piece of work. Once begun, it is finished also if nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] if too much waits already; [`Error::Internal`] if the work broke a promise; and its own.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Place::take(self)?;
        let permit = Arc::clone(&self.workers).acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("the workers are never closed"))?;
        drop(place);
        // The worker is taken until the work is done, not until nobody waits for it.
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Error::internal(format!("work ended early: {error}")))?
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

/// A place among those that wait.
struct Place<'p> {
    pool: &'p Pool,
    ticket: u64,
}

impl<'p> Place<'p> {
    fn take(pool: &'p Pool) -> Result<Self> {
        let mut queue = pool.queue();
        if queue.since.len() >= WAITING_MAX {
            return Err(Error::TooMany {
                what: "requests that wait for the store",
                max: WAITING_MAX as u64,
            });
        }
        let ticket = queue.next;
        queue.next += 1;
        queue.since.insert(ticket, Instant::now());
        drop(queue);
        Ok(Self { pool, ticket })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.queue().since.remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::timeout;

    use super::*;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn work_that_nobody_waits_for_takes_a_worker_until_it_is_done() -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (pool, ends) = (Pool::new(), Arc::new(AtomicBool::new(false)));
            let soon = Duration::from_millis(20);
            for _ in 0..WORKERS_MAX {
                let ends = Arc::clone(&ends);
                let work = pool.run(move || {
                    while !ends.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Ok(())
                });
                assert!(timeout(soon, work).await.is_err(), "whoever asked has gone");
            }
            assert_eq!(pool.workers.available_permits(), 0);
            let more = timeout(soon, pool.run(|| Ok(())));
            assert!(more.await.is_err(), "no worker is free");
            assert_eq!(pool.waiting(), 0, "who gave up waiting left nothing");
            ends.store(true, Ordering::Relaxed);
            pool.run(|| Ok(())).await?;
            Ok(())
        })
    }

    #[test]
    fn so_much_waits_and_the_oldest_is_known() -> Result<()> {
        let pool = Pool::new();
        assert!(pool.oldest().is_none());
        let mut places = Vec::new();
        for _ in 0..WAITING_MAX {
            places.push(Place::take(&pool)?);
        }
        assert_eq!(pool.waiting(), WAITING_MAX);
        assert!(matches!(Place::take(&pool), Err(Error::TooMany { .. })));
        let oldest = pool.oldest();
        places.remove(0);
        assert!(pool.oldest() <= oldest.map(|age| age + Duration::from_secs(60)));
        assert!(Place::take(&pool).is_ok(), "one has gone");
        places.clear();
        assert_eq!(pool.waiting(), 0);
        Ok(())
    }
}
