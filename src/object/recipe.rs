//! Recipes: how to put a large blob together from pieces.
//!
//! ```text
//! bindery recipe 1 <bytes of the blob> <id of the blob>
//! p <bytes> <id>
//! ```
//!
//! A piece is a blob, stored whole or, for the largest blobs, by a recipe of its own. Recipes say where bytes are, not
//! what a blob is: two stores may cut one blob differently and still agree on its id.
//!
//! # Invariants
//!
//! - A [`Recipe`] has 2 to [`RECIPE_PIECES_MAX`] pieces, none of them empty or the blob itself, whose lengths add up to
//!   that of the blob.
//!
//! # Not here
//!
//! Where blobs are cut (`object::chunk`). Putting blobs together, which checks their content and that recipes are
//! nested at most [`RECIPE_LEVELS_MAX`](crate::base::limits::RECIPE_LEVELS_MAX) deep (`store`).

use std::ops::Range;

use crate::base::error::{Error, Result, check_limit};
use crate::base::id::BlobId;
use crate::base::limits::{BLOB_BYTES_MAX, FRAME_BYTES_MAX, RECIPE_PIECES_MAX};
use crate::base::text::{Lines, TextError};

/// Longest first line of a recipe: the words, 13 digits, an id.
const FIRST_LINE_BYTES_MAX: usize = "bindery recipe 1 ".len() + 13 + 1 + 64 + 1;
/// Longest line of a piece: a letter, 13 digits, an id.
const PIECE_LINE_BYTES_MAX: usize = 2 + 13 + 1 + 64 + 1;
/// Bytes of one recipe: checked before anything is read from it.
pub const RECIPE_BYTES_MAX: usize = FIRST_LINE_BYTES_MAX + RECIPE_PIECES_MAX * PIECE_LINE_BYTES_MAX;
const _: () = assert!(BLOB_BYTES_MAX < 10_u64.pow(13));
const _: () = assert!((RECIPE_BYTES_MAX as u64) < FRAME_BYTES_MAX / 2);

/// A part of a large blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its length, in bytes.
    pub bytes: u64,
    /// Its id.
    pub id: BlobId,
}

/// How to put one blob together. It is stored under the id of that blob.
///
/// ```
/// use bindery::base::id::BlobId;
/// use bindery::object::recipe::{Piece, Recipe};
/// let piece = |bytes: &[u8]| Piece { bytes: bytes.len() as u64, id: BlobId::of(bytes) };
/// let recipe = Recipe::new(BlobId::of(b"hello world"), vec![piece(b"hello "), piece(b"world")])?;
/// assert_eq!(recipe.bytes(), 11);
/// assert_eq!(Recipe::decode(&recipe.encode())?, recipe);
/// # Ok::<(), bindery::base::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    blob: BlobId,
    bytes: u64,
    pieces: Vec<Piece>,
}

impl Recipe {
    /// Says that `pieces` put together are `blob`. That they are is for the caller to know.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] with more pieces than [`RECIPE_PIECES_MAX`], or more bytes than [`BLOB_BYTES_MAX`];
    /// [`Error::Malformed`] with fewer than two pieces, an empty one, or the blob itself among them.
    pub fn new(blob: BlobId, pieces: Vec<Piece>) -> Result<Self> {
        let count = pieces.len() as u64;
        check_limit("pieces of a recipe", count, RECIPE_PIECES_MAX as u64)?;
        if count < 2 {
            return Err(malformed("fewer than two pieces"));
        }
        let mut bytes = 0_u64;
        for piece in &pieces {
            if piece.bytes == 0 {
                return Err(malformed("an empty piece"));
            }
            if piece.id == blob {
                return Err(malformed("the blob is a piece of itself"));
            }
            bytes = bytes.saturating_add(piece.bytes);
        }
        check_limit("bytes of a file", bytes, BLOB_BYTES_MAX)?;
        Ok(Self {
            blob,
            bytes,
            pieces,
        })
    }

    /// The id of the blob that the pieces make.
    #[must_use]
    pub fn blob(&self) -> BlobId {
        self.blob
    }

    /// The length of that blob, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The pieces, from the first byte to the last.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The text of this recipe; at most [`RECIPE_BYTES_MAX`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let first = format!("bindery recipe 1 {} {}\n", self.bytes, self.blob);
        let pieces = self.pieces.iter();
        let lines = pieces.map(|piece| format!("p {} {}\n", piece.bytes, piece.id));
        let text: String = std::iter::once(first).chain(lines).collect();
        text.into_bytes()
    }

    /// Reads the text of a recipe.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if `text` is not exactly what [`Self::encode`] makes.
    pub fn decode(text: &[u8]) -> Result<Self> {
        check_limit(
            "bytes of a recipe",
            text.len() as u64,
            RECIPE_BYTES_MAX as u64,
        )?;
        let (bytes, blob, pieces) = parse(text).map_err(Error::text("recipe"))?;
        let recipe = Self::new(blob, pieces)?;
        if recipe.bytes == bytes {
            Ok(recipe)
        } else {
            Err(malformed(format!(
                "pieces have {} bytes, the blob {bytes}",
                recipe.bytes
            )))
        }
    }
}

fn parse(text: &[u8]) -> Result<(u64, BlobId, Vec<Piece>), TextError> {
    let mut lines = Lines::new(text);
    let mut first = lines.next_with("bindery")?;
    first.word("recipe")?;
    first.version(1)?;
    let bytes = first.number()?;
    let blob = first.value("the id of a blob")?;
    first.end()?;
    // No line is shorter than an id, so what is asked for stays within a small factor of the text.
    let mut pieces = Vec::with_capacity(lines.rest().len() / 64);
    while !lines.is_at_end() {
        let mut line = lines.next_with("p")?;
        pieces.push(Piece {
            bytes: line.number()?,
            id: line.value("the id of a blob")?,
        });
        line.end()?;
    }
    Ok((bytes, blob, pieces))
}

/// Groups `pieces` pieces for recipes: one group if one recipe can name them all, and otherwise groups that each make a
/// part, full but for the last. A part of a single piece is that piece; any other has a recipe, and the recipe of the
/// blob names the parts.
///
/// A writer that knows how many pieces there may be can therefore hash the parts while the pieces go by.
#[must_use]
pub fn parts(pieces: usize) -> Vec<Range<usize>> {
    (0..pieces)
        .step_by(RECIPE_PIECES_MAX)
        .map(|start| start..(start + RECIPE_PIECES_MAX).min(pieces))
        .collect()
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("recipe", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: u64, name: &str) -> Piece {
        Piece {
            bytes,
            id: BlobId::of(name.as_bytes()),
        }
    }

    fn blob() -> BlobId {
        BlobId::of(b"blob")
    }

    #[test]
    fn a_recipe_is_refused_outside_its_limits_and_taken_at_them() {
        let most = RECIPE_PIECES_MAX;
        for (pieces, good, reason) in [
            (vec![piece(1, "a"); most], true, "most pieces"),
            (vec![piece(1, "a"); most + 1], false, "one more"),
            (vec![piece(1, "a"); 2], true, "fewest pieces"),
            (vec![piece(1, "a")], false, "one fewer"),
            (vec![], false, "none"),
            (
                vec![piece(BLOB_BYTES_MAX - 1, "a"), piece(1, "b")],
                true,
                "most bytes",
            ),
            (
                vec![piece(BLOB_BYTES_MAX, "a"), piece(1, "b")],
                false,
                "one more byte",
            ),
            (vec![piece(u64::MAX, "a"); 3], false, "overflow"),
            (vec![piece(1, "a"), piece(0, "b")], false, "an empty piece"),
            (vec![piece(1, "a"), piece(1, "blob")], false, "itself"),
        ] {
            assert_eq!(Recipe::new(blob(), pieces).is_ok(), good, "{reason}");
        }
    }

    #[test]
    fn the_longest_recipe_fits_its_limit() -> Result<()> {
        let bytes = BLOB_BYTES_MAX / RECIPE_PIECES_MAX as u64;
        let recipe = Recipe::new(blob(), vec![piece(bytes, "a"); RECIPE_PIECES_MAX])?;
        let text = recipe.encode();
        assert!(text.len() <= RECIPE_BYTES_MAX);
        assert_eq!(Recipe::decode(&text)?, recipe);
        let too_long = vec![b'\n'; RECIPE_BYTES_MAX + 1];
        assert!(matches!(
            Recipe::decode(&too_long),
            Err(Error::Limit { .. })
        ));
        Ok(())
    }

    #[test]
    fn only_the_canonical_text_is_a_recipe() -> Result<()> {
        let recipe = Recipe::new(blob(), vec![piece(10, "a"), piece(5, "b")])?;
        let good = String::from_utf8_lossy(&recipe.encode()).into_owned();
        assert_eq!(Recipe::decode(good.as_bytes())?, recipe);
        for (bad, reason) in [
            (good.replace("recipe 1", "recipe 2"), "another version"),
            (good.replace(" 15 ", " 16 "), "another sum"),
            (good.replace("p 10 ", "p 010 "), "a leading zero"),
            (good.replace("p 10 ", "p  10 "), "two spaces"),
            (good.replace("p 10 ", "q 10 "), "another word"),
            (good.replace('\n', "\r\n"), "another end of line"),
            (good.replace('\n', " \n"), "a space at the end"),
            (format!("{good}\n"), "an empty line"),
            (good.to_uppercase(), "upper case"),
        ] {
            assert!(Recipe::decode(bad.as_bytes()).is_err(), "{reason}");
        }
        Ok(())
    }

    #[test]
    fn a_changed_text_is_refused_or_means_what_it_says() -> Result<()> {
        let good = Recipe::new(blob(), vec![piece(10, "a"), piece(5, "b")])?.encode();
        for end in 0..good.len() {
            assert!(Recipe::decode(&good[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(recipe) = Recipe::decode(&bad) {
                assert_eq!(recipe.encode(), bad, "bit {bit}");
            }
        }
        Ok(())
    }

    #[test]
    fn parts_are_full_but_for_the_last() {
        let most = RECIPE_PIECES_MAX;
        for (pieces, borders, reason) in [
            (0, vec![0], "nothing"),
            (2, vec![0, 2], "one recipe"),
            (most, vec![0, most], "one full recipe"),
            (most + 1, vec![0, most, most + 1], "a part of one piece"),
            (2 * most + 5, vec![0, most, 2 * most, 2 * most + 5], "three"),
        ] {
            let expected: Vec<_> = borders.windows(2).map(|pair| pair[0]..pair[1]).collect();
            assert_eq!(parts(pieces), expected, "{reason}");
        }
    }
}
