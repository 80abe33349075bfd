//! Whole objects: frames of neighbours, compressed by all threads.
//!
//! # Invariants
//!
//! - Which objects share a frame depends on the list of objects alone.
//!
//! # Not here
//!
//! Which objects there are (`delta::inventory`), what a frame is (`object::frame_builder`).

use super::inventory::Item;
use super::packing::Packing;
use super::schedule::Schedule;
use crate::base::Result;
use crate::base::progress::Progress;
use crate::object::frame::{FRAME_BYTES_TARGET, FRAME_ROW_BYTES};
use crate::object::frame_builder::{FrameBuilder, SealedFrame};
use crate::store::view::View;

/// Writes objects, in frames, in their order.
///
/// # Errors
///
/// Those of reading objects, and of writing.
pub(super) fn write_whole(
    view: &View<'_>,
    items: &[Item],
    budget_bytes: u64,
    packing: &mut Packing<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let schedule = Schedule {
        budget_bytes,
        // The objects, expanded, and once more compressed.
        needs: &|frame: &&[Item]| 2 * frame_bytes(frame),
        takes: &|frame: &SealedFrame| frame.stored().len() as u64,
        work: &|frame| seal(view, frame, progress),
    };
    schedule.run(frames(items), &mut |frame| packing.append(&frame))
}

fn frame_bytes(items: &[Item]) -> u64 {
    items
        .iter()
        .map(|item| item.bytes + FRAME_ROW_BYTES as u64)
        .sum()
}

/// Groups neighbours up to the bytes of a frame; a larger object is a group of its own.
fn frames(items: &[Item]) -> impl Iterator<Item = &[Item]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|item| {
            bytes += frame_bytes(std::slice::from_ref(item));
            bytes <= FRAME_BYTES_TARGET as u64
        });
        let count = fitting.count().max(1).min(rest.len());
        let (frame, later) = rest.split_at(count);
        rest = later;
        (!frame.is_empty()).then_some(frame)
    })
}

fn seal(view: &View<'_>, items: &[Item], progress: &dyn Progress) -> Result<SealedFrame> {
    let bytes = usize::try_from(frame_bytes(items)).unwrap_or(usize::MAX);
    let mut builder = FrameBuilder::with_room(items.len(), bytes);
    progress.check()?;
    for item in items {
        let object = view.read(item.kind, item.id)?;
        builder.push(item.kind, item.id, object.as_slice()?)?;
        progress.advance(item.bytes);
    }
    builder.seal()
}
