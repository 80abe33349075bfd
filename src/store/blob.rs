//! Blobs: files put together from what the store holds, whole or in pieces.
//!
//! # Not here
//!
//! How a blob follows from its pieces (`object::assembly`), cutting files into them (`build::stage`).

use super::view::View;
use crate::base::Result;
use crate::base::id::BlobId;
use crate::object::assembly::assemble;

pub use crate::object::assembly::Sink;

impl View<'_> {
    /// Gives the bytes of a blob to `sink`, in order; at most [`FRAME_BYTES_MAX`](crate::base::limits::FRAME_BYTES_MAX)
    /// of them are in memory at a time.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::base::Error::NotFound) if the view does not show it,
    /// [`Error::Damaged`](crate::base::Error::Damaged) if its bytes or their number are not what was promised; `sink` may
    /// have been given wrong bytes by then, and whoever wrote them takes them back. What `sink` answers is passed on.
    pub fn read_blob(&self, id: BlobId, size: u64, sink: &mut Sink<'_>) -> Result<()> {
        assemble(id, size, "the store", sink, &|kind, id, take| {
            take(self.read(kind, id)?.as_slice()?)
        })
    }
}
