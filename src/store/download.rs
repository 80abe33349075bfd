//! Downloads: files that are received from elsewhere, and read before anything of them becomes part of the store.
//!
//! # Invariants
//!
//! - They lie under `tmp/` and go when they are dropped, or at the next open.
//!
//! # Not here
//!
//! What is received (`remote`).

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::layout;
use super::open::Store;
use crate::base::Result;
use crate::disk::files::{Disk, Mapping, Sequential};

/// A file that is being received.
#[derive(Debug)]
#[must_use = "the file goes when it is dropped"]
pub struct Download {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    out: Sequential,
}

impl Download {
    /// Starts an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if no file can be made.
    pub fn create(store: &Store) -> Result<Self> {
        let path = layout::download(store.next_pack.fetch_add(1, Ordering::Relaxed));
        let out = Sequential::new(store.disk.create(&path)?);
        let disk = Arc::clone(&store.disk);
        Ok(Self { disk, path, out })
    }

    /// Shows the bytes that were received; they stay readable when this is gone.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if the file cannot be mapped.
    pub fn finish(self) -> Result<Mapping> {
        self.disk.map(&self.path)
    }
}

impl Write for Download {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // What stays is removed by the next open.
        self.disk.remove(&self.path).ok();
    }
}
