//! Blobs: files put together from what the store holds, whole or in pieces.
//!
//! # Not here
//!
//! Cutting files into pieces (`build::stage`).

use super::view::View;
use crate::base::id::{BlobId, Hash, Hasher};
use crate::base::limits::RECIPE_LEVELS_MAX;
use crate::base::{Error, Result};
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;

/// Takes the bytes of a blob, piece by piece.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl View<'_> {
    /// Gives the bytes of a blob to `sink`, in order; at most [`FRAME_BYTES_MAX`](crate::base::limits::FRAME_BYTES_MAX)
    /// of them are in memory at a time.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the view does not show it, [`Error::Damaged`] if its bytes or their number are not what was
    /// promised; `sink` may have been given wrong bytes by then, and whoever wrote them takes them back. What `sink`
    /// answers is passed on.
    pub fn read_blob(&self, id: BlobId, size: u64, sink: &mut Sink<'_>) -> Result<()> {
        self.read_piece(id.hash(), size, RECIPE_LEVELS_MAX, sink)
    }

    fn read_piece(&self, id: Hash, size: u64, levels: usize, sink: &mut Sink<'_>) -> Result<()> {
        let wrong =
            |reason: String| Error::malformed("blob", reason).in_stored("blob", id, "the store");
        let kind = blob_form(size);
        let bytes = self.read(kind, id)?;
        let bytes = bytes.as_slice()?;
        if kind == ObjectKind::Blob {
            if bytes.len() as u64 != size {
                return Err(wrong(format!("it has {} bytes, not {size}", bytes.len())));
            }
            return sink(bytes);
        }
        let recipe =
            Recipe::decode(bytes).map_err(|error| error.in_stored("recipe", id, "the store"))?;
        if recipe.blob().hash() != id || recipe.bytes() != size {
            return Err(wrong(format!(
                "its recipe makes {} of {} bytes",
                recipe.blob(),
                recipe.bytes()
            )));
        }
        let levels = levels
            .checked_sub(1)
            .ok_or_else(|| wrong("its recipes are nested too deep".into()))?;
        let mut hasher = Hasher::new();
        for piece in recipe.pieces() {
            self.read_piece(piece.id.hash(), piece.bytes, levels, &mut |bytes| {
                hasher.update_parallel(bytes);
                sink(bytes)
            })?;
        }
        if hasher.hash() == id {
            Ok(())
        } else {
            Err(wrong("its pieces have another hash".into()))
        }
    }
}
