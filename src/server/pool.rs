//! Work of the store, away from the threads that serve connections.
//!
//! # Invariants
//!
//! - So much work runs at a time and so much waits; more is refused, so a flood of requests cannot fill the memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    workers: Semaphore,
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
            workers: Semaphore::new(WORKERS_MAX),
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

    /// Does a piece of work. It is finished also if nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] if too much waits already; [`Error::Internal`] if the work broke a promise; and its own.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Place::take(self)?;
        let permit = self.workers.acquire().await;
        let permit = permit.map_err(|_| Error::internal("the workers are never closed"))?;
        drop(place);
        let done = tokio::task::spawn_blocking(work).await;
        drop(permit);
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
    use super::*;

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
