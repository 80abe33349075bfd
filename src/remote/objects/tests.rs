//! An origin that shows true objects where they do not belong.

use std::time::Duration;

use super::super::testing::Objects;
use super::*;
use crate::base::Kind;
use crate::base::id::BlobId;
use crate::base::limits::WHOLE_BLOB_BYTES_MAX;
use crate::base::progress::Silent;
use crate::object::recipe::Piece;
use crate::store::{Patience, Store};

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

/// Bytes of a piece: few of them make a file that has a recipe.
const PIECE_BYTES: u64 = 3 * 1024 * 1024;

impl Objects {
    /// Shows so many pieces, and gives what a recipe says of them.
    fn pieces(&mut self, number: u8) -> Vec<Piece> {
        let pieces = (0..number).map(|number| {
            let bytes = vec![number; usize::try_from(PIECE_BYTES).unwrap_or_default()];
            let id = BlobId::of(&bytes);
            self.shown.insert(id.hash(), bytes);
            Piece {
                bytes: PIECE_BYTES,
                id,
            }
        });
        pieces.collect()
    }

    /// Shows a recipe that makes a file of this name, or so it says.
    fn recipe(&mut self, name: &str, pieces: Vec<Piece>) -> Result<Piece> {
        let id = BlobId::of(name.as_bytes());
        let recipe = Recipe::new(id, pieces)?;
        self.shown.insert(id.hash(), recipe.encode());
        Ok(Piece {
            bytes: recipe.bytes(),
            id,
        })
    }
}

/// Fetches a file of so many bytes; says what came of it, and how many bytes came.
fn fetch(objects: &Objects, file: Piece) -> Result<(Result<()>, u64)> {
    let folder =
        tempfile::tempdir().map_err(Error::io("make", std::path::Path::new("a folder")))?;
    let patience = Patience {
        wait: Duration::ZERO,
        holder: "test".into(),
        tell: None,
    };
    let store = Store::create(&folder.path().join("store"), &patience)?;
    let (view, mut intake) = (store.view_of_nothing()?, store.intake());
    let edge = Edge {
        kind: ObjectKind::Recipe,
        id: file.id.hash(),
        size: file.bytes,
    };
    objects.given_bytes.set(0);
    let fetched = fetch_beneath(&objects, edge, &view, &mut intake, &Silent);
    Ok((fetched, objects.given_bytes.get()))
}

fn check_damaged(fetched: Result<()>, words: &str) {
    let error = fetched.err();
    assert_eq!(error.as_ref().map(Error::kind), Some(Kind::Integrity));
    let said = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(said.contains(words) && said.contains("there"), "{said}");
}

#[test]
fn a_recipe_for_a_file_of_another_size_is_refused_before_its_pieces_come() -> Outcome {
    let mut objects = Objects::default();
    let pieces = objects.pieces(9);
    let file = objects.recipe("file", pieces)?;
    let (fetched, bytes) = fetch(&objects, file)?;
    fetched?;
    assert!(bytes > 9 * PIECE_BYTES);
    for promised in [file.bytes - 1, file.bytes + 1, WHOLE_BLOB_BYTES_MAX + 1] {
        let (fetched, bytes) = fetch(
            &objects,
            Piece {
                bytes: promised,
                ..file
            },
        )?;
        check_damaged(fetched, &format!("not {promised}"));
        assert!(bytes < PIECE_BYTES, "{bytes} bytes came");
    }
    Ok(())
}

#[test]
fn a_piece_of_another_size_than_its_recipe_says_is_refused() -> Outcome {
    let mut objects = Objects::default();
    let mut pieces = objects.pieces(4);
    pieces[0].bytes -= 1;
    let file = objects.recipe("file", pieces)?;
    let (fetched, bytes) = fetch(&objects, file)?;
    check_damaged(fetched, "not 3145727");
    assert!(bytes < 2 * PIECE_BYTES, "{bytes} bytes came");
    Ok(())
}

#[test]
fn recipes_are_nested_as_deep_as_they_may_be_and_no_deeper() -> Outcome {
    let mut objects = Objects::default();
    let pieces = objects.pieces(4);
    let mut file = objects.recipe("level 1", pieces.clone())?;
    for level in 2..=RECIPE_LEVELS_MAX + 2 {
        let above = vec![file, pieces[level % pieces.len()]];
        file = objects.recipe(&format!("level {level}"), above)?;
        let (fetched, bytes) = fetch(&objects, file)?;
        if level <= RECIPE_LEVELS_MAX {
            fetched?;
            assert!(bytes > 4 * PIECE_BYTES);
        } else {
            check_damaged(fetched, "nested too deep");
            assert!(bytes < 2 * PIECE_BYTES, "{bytes} bytes came");
        }
    }
    Ok(())
}
