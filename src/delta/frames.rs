//! Frames: those of the store's packs are copied as they lie where all of their objects are wanted.
//!
//! Nothing is expanded or compressed for them, so a pack of everything costs little more than reading it. What comes of it
//! depends on how the objects lie here; deltas, which are to be the same everywhere, are made without this.
//!
//! # Not here
//!
//! Objects whose frames hold others, too (`delta::whole`).

use std::collections::HashMap;

use super::inventory::Item;
use super::packing::Packing;
use super::whole::write_whole;
use crate::base::Result;
use crate::base::progress::Progress;
use crate::object::pack::IndexEntry;
use crate::store::place::{OpenPack, Place};
use crate::store::view::View;

/// Writes objects: frames of the store as they are, as far as they hold nothing else, and the rest in new ones.
///
/// # Errors
///
/// Those of reading objects, and of writing.
pub(super) fn write_frames(
    view: &View<'_>,
    items: &[Item],
    budget_bytes: u64,
    packing: &mut Packing<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let mut rest = Vec::new();
    for (place, group) in by_frame(view, items)? {
        let pack = view.pack_at(place)?;
        let (_, number) = place.frame();
        let count = pack.frame_objects(number)?;
        if count as usize != group.len() {
            rest.extend(group.into_iter().map(|(at, _)| at));
            continue;
        }
        progress.check()?;
        packing.append(&copied(&pack, number, items, &group)?)?;
        progress.advance(group.iter().map(|(at, _)| items[*at].bytes).sum());
    }
    // In the order in which trees name them, neighbours are alike.
    rest.sort_unstable();
    let rest: Vec<Item> = rest.into_iter().map(|at| items[at]).collect();
    write_whole(view, &rest, budget_bytes, packing, progress)
}

/// Objects that lie in one frame: which of the items they are, and where.
type Group = Vec<(usize, Place)>;

/// Groups objects by the frames in which they lie, in the order in which the first object of each is wanted.
fn by_frame(view: &View<'_>, items: &[Item]) -> Result<Vec<(Place, Group)>> {
    let mut numbers: HashMap<(u64, u32), usize> = HashMap::new();
    let mut groups: Vec<(Place, Group)> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let place = view.find_or_fail(item.kind, item.id)?.place();
        let number = *numbers.entry(place.frame()).or_insert(groups.len());
        if number == groups.len() {
            groups.push((place, Vec::new()));
        }
        groups[number].1.push((at, place));
    }
    Ok(groups)
}

fn copied(
    pack: &OpenPack,
    number: u32,
    items: &[Item],
    group: &Group,
) -> Result<crate::object::frame_builder::SealedFrame> {
    let entries: Vec<IndexEntry> = group
        .iter()
        .map(|(at, place)| IndexEntry {
            kind: items[*at].kind,
            id: items[*at].id,
            location: place.location(),
        })
        .collect();
    pack.sealed_frame(number, &entries)
}
