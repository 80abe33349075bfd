//! Parcels: packs of a directory, without a snapshot of their own.
//!
//! # Not here
//!
//! Taking one apart (`delta::unpack::take_in`).

use std::io::Write;

use super::frames::write_frames;
use super::inventory::Inventory;
use super::packing::Packing;
use super::schedule::DELTA_MEMORY_BYTES_MAX;

use crate::base::Result;
use crate::base::progress::Progress;
use crate::object::pack::PackSummary;
use crate::object::tree::TreeRef;
use crate::store::view::View;

/// Writes a directory that `view` shows, with all beneath it, to `out`.
///
/// # Errors
///
/// As [`make`](super::make::make).
pub fn pack_tree(
    view: &View<'_>,
    tree: TreeRef,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<PackSummary> {
    let Inventory {
        trees,
        recipes,
        blobs,
        ..
    } = Inventory::of(view, None, tree)?;
    let items = [trees, recipes, blobs].concat();
    let mut packing = Packing::start(out, None)?;
    write_frames(view, &items, DELTA_MEMORY_BYTES_MAX, &mut packing, progress)?;
    packing.finish()
}
