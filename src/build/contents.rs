//! Contents: what can be looked into: snapshots, trees and the bytes of files.
//!
//! A view of a store shows them, and so may others, wherever their objects are.
//!
//! # Not here
//!
//! Those of a store elsewhere (`remote::contents`).

use crate::base::Result;
use crate::base::id::BlobId;
use crate::object::assembly::Sink;
use crate::object::directory::TreeSource;
use crate::object::edges::Edge;
use crate::object::snapshot::Snapshot;
use crate::store::rows::SnapshotRef;
use crate::store::view::View;

/// Snapshots with all that is in them.
pub trait Contents: TreeSource {
    /// Reads a snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::base::Error::NotFound) if it is not there, [`Error::Damaged`](crate::base::Error::Damaged) if it is not what its id and size say, and what the way to
    /// it answers; so for the others.
    fn snapshot(&self, snapshot: SnapshotRef) -> Result<Snapshot>;

    /// Gives the bytes of a file to `sink`, in order, a piece at a time.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot); `sink` may have been given wrong bytes of a large file by then. What `sink` answers is
    /// passed on.
    fn read_file(&self, id: BlobId, bytes: u64, sink: &mut Sink<'_>) -> Result<()>;
}

impl Contents for View<'_> {
    fn snapshot(&self, snapshot: SnapshotRef) -> Result<Snapshot> {
        self.snapshot_of_size(snapshot)
    }

    fn read_file(&self, id: BlobId, bytes: u64, sink: &mut Sink<'_>) -> Result<()> {
        self.read_blob(id, bytes, sink)
    }
}

/// Takes a view.
pub type Take<'t> = dyn FnMut(&View<'_>) -> Result<()> + 't;

/// What files are written from.
pub trait Stock: Contents {
    /// Shows `take` a view with all these blobs, and those that they are put together from.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Contents::snapshot), and what `take` answers.
    fn with_blobs(&self, blobs: &[Edge], take: &mut Take<'_>) -> Result<()>;
}

impl Stock for View<'_> {
    /// It has them, or whoever looks will find out.
    fn with_blobs(&self, _blobs: &[Edge], take: &mut Take<'_>) -> Result<()> {
        take(self)
    }
}
