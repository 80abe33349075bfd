//! Assembly: a blob follows from the object that its id stands for: its bytes, or a recipe of pieces.
//!
//! # Invariants
//!
//! - One piece is in memory at a time, and the recipes that lead to it.
//!
//! # Not here
//!
//! Where objects come from, and whether they are what their ids say: both are up to whoever gives them.

use super::edges::blob_form;
use super::kind::ObjectKind;
use super::recipe::Recipe;
use crate::base::id::{BlobId, Hash, Hasher};
use crate::base::limits::RECIPE_LEVELS_MAX;
use crate::base::{Error, Result};

/// Takes the bytes of a blob, piece by piece.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;
/// Gives an object of some kind to a sink, whole. Its bytes are what its id says, but for recipes.
pub type Give<'a> = dyn Fn(ObjectKind, Hash, &mut Sink<'_>) -> Result<()> + 'a;

/// Gives the bytes of a blob of `size` bytes to `sink`, in order. `place` says in messages where its objects come from.
///
/// # Errors
///
/// [`Error::Damaged`] if its bytes or their number are not what was promised; `sink` may have been given wrong bytes by then.
/// What `give` and `sink` answer is passed on.
pub fn assemble(
    id: BlobId,
    size: u64,
    place: &str,
    sink: &mut Sink<'_>,
    give: &Give<'_>,
) -> Result<()> {
    Assembly { place, give }.piece(id.hash(), size, RECIPE_LEVELS_MAX, sink)
}

struct Assembly<'a> {
    place: &'a str,
    give: &'a Give<'a>,
}

impl Assembly<'_> {
    fn piece(&self, id: Hash, size: u64, levels: usize, sink: &mut Sink<'_>) -> Result<()> {
        let wrong =
            |reason: String| Error::malformed("blob", reason).in_stored("blob", id, self.place);
        if blob_form(size) == ObjectKind::Blob {
            return (self.give)(ObjectKind::Blob, id, &mut |bytes| {
                if bytes.len() as u64 != size {
                    return Err(wrong(format!("it has {} bytes, not {size}", bytes.len())));
                }
                sink(bytes)
            });
        }
        let recipe = self.recipe(id)?;
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
            self.piece(piece.id.hash(), piece.bytes, levels, &mut |bytes| {
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

    fn recipe(&self, id: Hash) -> Result<Recipe> {
        let mut recipe = None;
        (self.give)(ObjectKind::Recipe, id, &mut |bytes| {
            let decoded = Recipe::decode(bytes);
            recipe = Some(decoded.map_err(|error| error.in_stored("recipe", id, self.place))?);
            Ok(())
        })?;
        recipe.ok_or_else(|| Error::internal("an object that is given is given to the sink"))
    }
}
