//! The pieces of a large file, and the recipes that put them together.
//!
//! # Invariants
//!
//! - The recipe of the blob comes last, after those that it names.
//! - A piece is stored in the form that its size says: whole up to [`WHOLE_BLOB_BYTES_MAX`], as a recipe above. So a last
//!   part that is as small as a whole blob has no recipe of its own: the blob's recipe names its pieces.
//!
//! # Not here
//!
//! Cutting (`build::stage::stream`), what a recipe says (`object::recipe`).

use crate::base::Result;
use crate::base::id::{BlobId, Hasher};
use crate::base::limits::{RECIPE_PIECES_MAX, WHOLE_BLOB_BYTES_MAX};
use crate::object::chunk::CHUNK_BYTES_MIN;
use crate::object::recipe::{Piece, Recipe};

/// Bytes up to which one recipe always has room for all pieces.
const ONE_RECIPE_BYTES_MAX: u64 = RECIPE_PIECES_MAX as u64 * CHUNK_BYTES_MIN as u64;

/// The pieces of a blob so far.
pub(crate) struct Pieces {
    pieces: Vec<Piece>,
    parts: Option<Parts>,
}

/// The parts of a blob that may have more pieces than one recipe can name. They are hashed while the pieces go by.
struct Parts {
    pieces_max: usize,
    hasher: Hasher,
    full: Vec<BlobId>,
}

impl Pieces {
    /// Starts a blob of `size` bytes.
    pub(crate) fn of_blob(size: u64) -> Self {
        if size > ONE_RECIPE_BYTES_MAX {
            Self::in_parts(RECIPE_PIECES_MAX)
        } else {
            Self {
                pieces: Vec::new(),
                parts: None,
            }
        }
    }

    fn in_parts(pieces_max: usize) -> Self {
        let parts = Parts {
            pieces_max,
            hasher: Hasher::new(),
            full: Vec::new(),
        };
        Self {
            pieces: Vec::new(),
            parts: Some(parts),
        }
    }

    /// Adds the next piece, whose bytes are `bytes`.
    pub(crate) fn add(&mut self, piece: Piece, bytes: &[u8]) {
        self.pieces.push(piece);
        if let Some(parts) = &mut self.parts {
            parts.hasher.update_parallel(bytes);
            if self.pieces.len().is_multiple_of(parts.pieces_max) {
                let full = std::mem::take(&mut parts.hasher);
                parts.full.push(BlobId::new(full.hash()));
            }
        }
    }

    /// The recipes of `blob`, which the pieces are.
    ///
    /// # Errors
    ///
    /// Those of [`Recipe::new`].
    pub(crate) fn recipes(self, blob: BlobId) -> Result<Vec<Recipe>> {
        let Some(Parts {
            pieces_max,
            hasher,
            full: mut ids,
        }) = self
            .parts
            .filter(|parts| self.pieces.len() > parts.pieces_max)
        else {
            return Ok(vec![Recipe::new(blob, self.pieces)?]);
        };
        ids.push(BlobId::new(hasher.hash()));
        let (mut recipes, mut top) = (Vec::new(), Vec::new());
        for (part, id) in self.pieces.chunks(pieces_max).zip(ids) {
            let bytes = part.iter().map(|piece| piece.bytes).sum();
            if bytes > WHOLE_BLOB_BYTES_MAX {
                recipes.push(Recipe::new(id, part.to_vec())?);
                top.push(Piece { bytes, id });
            } else {
                top.extend_from_slice(part);
            }
        }
        recipes.push(Recipe::new(blob, top)?);
        Ok(recipes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::MIB;
    use crate::object::edges::blob_form;
    use crate::object::kind::ObjectKind;

    /// Recipes of a blob whose pieces have these numbers of mebibytes, three at most to a part.
    fn recipes(mebibytes: &[u8]) -> Result<(Vec<u8>, Vec<Recipe>)> {
        let (mut pieces, mut blob) = (Pieces::in_parts(3), Vec::new());
        for (number, mebibytes) in (1..).zip(mebibytes) {
            let bytes = vec![number; usize::from(*mebibytes) << 20];
            let id = BlobId::of(&bytes);
            let piece = Piece {
                bytes: bytes.len() as u64,
                id,
            };
            pieces.add(piece, &bytes);
            blob.extend_from_slice(&bytes);
        }
        let recipes = pieces.recipes(BlobId::of(&blob))?;
        Ok((blob, recipes))
    }

    /// Follows recipes as a reader does: by the form that a size says.
    fn check(mebibytes: &[u8], expected: &[usize]) -> Result<()> {
        let (blob, recipes) = recipes(mebibytes)?;
        let lines: Vec<_> = recipes.iter().map(|recipe| recipe.pieces().len()).collect();
        assert_eq!(lines, expected, "{mebibytes:?}");
        let mut at = 0;
        let top = recipes.last().map_or(&[][..], Recipe::pieces);
        for piece in top {
            let end = at + usize::try_from(piece.bytes).unwrap_or(usize::MAX);
            assert_eq!(BlobId::of(&blob[at..end]), piece.id, "{mebibytes:?}");
            let has_recipe = recipes.iter().any(|recipe| recipe.blob() == piece.id);
            let wants_recipe = blob_form(piece.bytes) == ObjectKind::Recipe;
            assert_eq!(has_recipe, wants_recipe, "{mebibytes:?}");
            at = end;
        }
        assert_eq!(at, blob.len());
        Ok(())
    }

    #[test]
    fn many_pieces_are_put_together_in_parts() -> Result<()> {
        check(&[4, 4, 4], &[3])?;
        // A last part of one or two small pieces would be a whole blob that nobody stored.
        check(&[4, 4, 4, 4], &[3, 2])?;
        check(&[4, 4, 4, 4, 4], &[3, 3])?;
        check(&[4, 4, 4, 4, 4, 1], &[3, 3, 2])?;
        check(&[4, 4, 4, 4, 4, 4, 1], &[3, 3, 3])
    }

    #[test]
    fn a_blob_that_fits_one_recipe_has_no_parts() {
        assert!(Pieces::of_blob(ONE_RECIPE_BYTES_MAX).parts.is_none());
        assert!(Pieces::of_blob(ONE_RECIPE_BYTES_MAX + 1).parts.is_some());
        assert_eq!(16 * 1024 * MIB, ONE_RECIPE_BYTES_MAX);
    }
}
