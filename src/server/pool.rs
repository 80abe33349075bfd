//! Work of the store, away from the threads that serve connections.
//!
//! # Invariants
//!
//! - So much work runs at a time and so much waits; more is refused, so a flood of requests cannot fill the memory.

use std::sync::atomic::{AtomicUsize, Ordering};

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
    waiting: AtomicUsize,
}

impl Pool {
    /// Makes the pool. Its threads are started when they are needed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            workers: Semaphore::new(WORKERS_MAX),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Pieces of work that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
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
        let place = Place::take(&self.waiting)?;
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
struct Place<'p>(&'p AtomicUsize);

impl<'p> Place<'p> {
    fn take(waiting: &'p AtomicUsize) -> Result<Self> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return Err(Error::TooMany {
                what: "requests that wait for the store",
                max: WAITING_MAX as u64,
            });
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
