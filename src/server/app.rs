//! The application: what every request has at hand.

use std::sync::Arc;
use std::time::Instant;

use super::blobs::ObjectCache;
use super::packs::PackCache;
use super::pool::Pool;
use crate::base::Result;
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
            started: Instant::now(),
        })
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
