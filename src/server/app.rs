//! The application: what every request has at hand.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, watch};

use super::api::publishing::Turns;
use super::api::upload::UPLOADS_MAX;
use super::blobs::ObjectCache;
use super::packs::PackCache;
use super::pool::Pool;
use crate::base::Result;
use crate::base::clock::Time;
use crate::store::Store;

/// What every request has at hand.
#[derive(Debug)]
pub struct App {
    /// The store.
    pub store: Store,
    /// Where its work is done.
    pub pool: Pool,
    /// Objects that were read lately.
    pub objects: ObjectCache,
    /// Packs that were made lately.
    pub packs: PackCache,
    /// Who may send a pack now.
    pub uploads: Semaphore,
    /// Whose turn it is to make visible what is pending.
    pub turns: Turns,
    /// Counts changes of the store: whoever waits for one looks again.
    pub changes: watch::Sender<u64>,
    /// When the server started.
    pub started: Instant,
}

impl App {
    /// Makes it of a store.
    #[must_use]
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            pool: Pool::new(),
            objects: ObjectCache::new(),
            packs: PackCache::new(),
            uploads: Semaphore::new(UPLOADS_MAX),
            turns: Turns::default(),
            changes: watch::Sender::new(0),
            started: Instant::now(),
        })
    }

    /// The time it is.
    ///
    /// # Errors
    ///
    /// [`Error::Time`](crate::base::Error::Time) if the clock cannot be read.
    pub fn now(&self) -> Result<Time> {
        Ok(Time::now()?)
    }

    /// Does work that changes the store, at the time it is, and tells those who wait for a change.
    ///
    /// # Errors
    ///
    /// As [`Pool::run`].
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Store, Time) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = self.work(move |app| work(&app.store, app.now()?)).await;
        self.changed();
        done
    }

    /// Tells those who wait for a change of the store that there may have been one.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Does work that needs the store.
    ///
    /// # Errors
    ///
    /// As [`Pool::run`].
    pub async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let app = Arc::clone(self);
        self.pool.run(move || work(&app)).await
    }
}
