//! Bases by content: for contents that have none by path or name, the files of the first tree that are most like them.
//!
//! # Invariants
//!
//! - What is read is bounded by [`SKETCHED_BYTES_MAX`] for each side, in the order of paths, so the outcome is a function of
//!   the two trees.
//!
//! # Not here
//!
//! Bases by path and name (`delta::plan`), how alike contents are (`delta::sketch`).

use rayon::prelude::*;

use super::plan::{BASES_MAX, Plan};
use super::sketch::{Sketch, SketchIndex};
use crate::base::Result;
use crate::base::id::{BlobId, Hash};
use crate::base::limits::{MIB, WHOLE_BLOB_BYTES_MAX};
use crate::store::view::View;

/// Bytes of files that are read to find bases for others, and of those others.
const SKETCHED_BYTES_MAX: u64 = 256 * MIB;
/// Bytes of the smallest content that is worth a search.
const SKETCHED_BYTES_MIN: u64 = 256;

/// Finds bases for contents that have none.
///
/// # Errors
///
/// Those of reading contents.
pub(super) fn find_by_content(view: &View<'_>, plan: &mut Plan) -> Result<()> {
    let lonely = plan.wanted.iter().enumerate();
    let lonely = lonely.filter(|(_, wanted)| wanted.bases.is_empty());
    let lonely = bounded(lonely.map(|(number, wanted)| (number, wanted.id, wanted.bytes)));
    let gone = plan.gone.iter().enumerate();
    let gone = bounded(gone.map(|(number, base)| (number, base.id, base.bytes)));
    if lonely.is_empty() || gone.is_empty() {
        return Ok(());
    }
    let mut index = SketchIndex::default();
    for (number, sketch) in sketched(view, &gone)? {
        index.add(number, &sketch);
    }
    for (number, sketch) in sketched(view, &lonely)? {
        let near = index.nearest(&sketch, BASES_MAX);
        plan.wanted[number].add_bases(near.into_iter().map(|near| &plan.gone[near]));
    }
    Ok(())
}

/// A content by its number.
type Numbered = (usize, Hash, u64);

/// As many contents as may be read.
fn bounded(contents: impl Iterator<Item = Numbered>) -> Vec<Numbered> {
    let mut left = SKETCHED_BYTES_MAX;
    let sizes = SKETCHED_BYTES_MIN..=WHOLE_BLOB_BYTES_MAX;
    contents
        .filter(|(_, _, bytes)| sizes.contains(bytes))
        .take_while(|(_, _, bytes)| {
            let fits = *bytes <= left;
            left = left.saturating_sub(*bytes);
            fits
        })
        .collect()
}

fn sketched(view: &View<'_>, contents: &[Numbered]) -> Result<Vec<(usize, Sketch)>> {
    let sketch = |(number, id, bytes): &Numbered| {
        let mut sketch = Sketch::default();
        view.read_blob(BlobId::new(*id), *bytes, &mut |content| {
            sketch = Sketch::of(content);
            Ok(())
        })?;
        Ok((*number, sketch))
    };
    contents.par_iter().map(sketch).collect()
}
