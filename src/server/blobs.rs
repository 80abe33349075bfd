//! Blobs: files as contents, whole or put together from pieces.
//!
//! # Not here
//!
//! How a path leads to a blob (`server::files`).

use std::sync::Arc;

use bytes::Bytes;

use super::app::App;
use super::content::{CHUNK_BYTES, Content, Reading};
use super::ranges::Span;
use super::sight::Sight;
use crate::base::error::check_limit;
use crate::base::id::{BlobId, Hash};
use crate::base::limits::RECIPE_LEVELS_MAX;
use crate::base::{Error, Result};
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::store::view::View;

/// Pieces of one file: at their usual size, those of 4 TiB.
pub const PIECES_MAX: u64 = 4 * 1024 * 1024;

/// A piece of a file.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    bytes: u64,
    id: Hash,
}

/// The bytes of a file.
pub struct Blob {
    app: Arc<App>,
    sight: Sight,
    length: u64,
    pieces: Vec<Place>,
}

impl Blob {
    /// The file with this id and length. Its pieces are found, not read.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the view does not show it; [`Error::Damaged`] if its recipe makes something else.
    pub fn open(
        app: &Arc<App>,
        sight: &Sight,
        view: &View<'_>,
        id: BlobId,
        length: u64,
    ) -> Result<Self> {
        let mut pieces = Vec::new();
        add_pieces(view, id.hash(), length, RECIPE_LEVELS_MAX, &mut pieces)?;
        let (app, sight) = (Arc::clone(app), sight.clone());
        Ok(Self {
            app,
            sight,
            length,
            pieces,
        })
    }

    /// The piece that holds the byte at `at`.
    fn piece(&self, at: u64) -> Option<Place> {
        let after = self.pieces.partition_point(|piece| piece.start <= at);
        self.pieces.get(after.checked_sub(1)?).copied()
    }
}

fn add_pieces(
    view: &View<'_>,
    id: Hash,
    bytes: u64,
    levels: usize,
    pieces: &mut Vec<Place>,
) -> Result<()> {
    if blob_form(bytes) == ObjectKind::Blob {
        check_limit("a file, in pieces,", pieces.len() as u64 + 1, PIECES_MAX)?;
        let start = pieces.last().map_or(0, |last| last.start + last.bytes);
        pieces.push(Place { start, bytes, id });
        return Ok(());
    }
    let wrong =
        |reason: &str| Error::malformed("recipe", reason).in_stored("recipe", id, "the store");
    let levels = levels.checked_sub(1);
    let levels = levels.ok_or_else(|| wrong("its recipes are nested too deep"))?;
    let text = view.read(ObjectKind::Recipe, id)?;
    let recipe = Recipe::decode(text.as_slice()?);
    let recipe = recipe.map_err(|error| error.in_stored("recipe", id, "the store"))?;
    if recipe.blob().hash() != id || recipe.bytes() != bytes {
        return Err(wrong("it makes another blob"));
    }
    let mut inner = recipe.pieces().iter();
    inner.try_for_each(|piece| add_pieces(view, piece.id.hash(), piece.bytes, levels, pieces))
}

impl Content for Blob {
    fn length(&self) -> u64 {
        self.length
    }

    fn broke_off(&self, error: &Error) {
        self.app.went_wrong("sending a file", error);
    }

    fn read(self: Arc<Self>, span: Span) -> Reading {
        Box::pin(async move {
            let lost = || Error::internal("every byte of a file lies in a piece");
            let piece = self.piece(span.start).ok_or_else(lost)?;
            let kept = self
                .app
                .objects
                .find(&self.sight, ObjectKind::Blob, piece.id);
            let whole = if let Some(whole) = kept {
                whole
            } else {
                let blob = Arc::clone(&self);
                let read = move |app: &App| {
                    let view = blob.sight.view(&app.store)?;
                    let objects = &app.objects;
                    objects.read(&view, &blob.sight, ObjectKind::Blob, piece.id)
                };
                self.app.work(read).await?
            };
            if whole.len() as u64 != piece.bytes {
                return Err(Error::Damaged {
                    what: "blob",
                    id: piece.id,
                    place: "the store".into(),
                    reason: format!("it has {} bytes, not {}", whole.len(), piece.bytes),
                });
            }
            // The bytes are shared with the cache: they need no cutting into chunks.
            let start = span.start - piece.start;
            let end = piece.bytes.min(span.end - piece.start);
            let index = |at: u64| usize::try_from(at).map_err(|_| lost());
            Ok(whole.slice(index(start)?..index(end)?))
        })
    }
}

/// Some bytes in memory.
pub struct Memory(pub Bytes);

impl Content for Memory {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn broke_off(&self, _: &Error) {}

    fn read(self: Arc<Self>, span: Span) -> Reading {
        let end = span.end.min(span.start + CHUNK_BYTES);
        let range = usize::try_from(span.start)
            .ok()
            .zip(usize::try_from(end).ok());
        let bytes = range.map(|(start, end)| self.0.slice(start..end));
        Box::pin(async move { bytes.ok_or_else(|| Error::internal("it is in memory")) })
    }
}
