//! Unpack: take in what a delta brings, as far as it is not there already.
//!
//! # Order
//!
//! 1. The bytes of the pack: its hash, its index, the places of its frames, and where it starts and leads to.
//! 2. Every whole object against its id, frame by frame.
//! 3. What the script makes: bases first, which are read and hashed, then contents, then trees; the root last, whose id the
//!    snapshot names.
//! 4. Once the caller has finished the intake: everything that the snapshot reaches ([`check`](super::complete::check)).
//!
//! Nothing becomes part of the store before the caller gives the landing to a transaction, so whatever is refused leaves
//! nothing behind.
//!
//! # Invariants
//!
//! - A whole object is taken in only if its bytes are what its id says. What the script makes is right if its tree is the one
//!   that the snapshot names, because that follows from all ids beneath it; otherwise all of it is refused.
//! - Memory is bounded by some frames or one group, and by a script of the most lines and names; what a delta makes, by the totals
//!   of its snapshot.
//!
//! # Not here
//!
//! Whether the snapshot is complete (`delta::complete`), what is recorded of it (whoever unpacks).

use std::collections::HashSet;

use super::follow::follow;
use super::parts::{Parts, as_delta, malformed, only_snapshot, salt, told_apart};
use super::retell::retell;
use super::schedule::{DELTA_MEMORY_BYTES_MAX, Schedule};
use crate::base::id::{Hash, PackId};
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::object::edges::blob_form;
use crate::object::edit::TreeSink;
use crate::object::frame::{FRAME_BYTES_TARGET, Frame, FrameHeader};
use crate::object::frame_builder::FrameBuilder;
use crate::object::kind::ObjectKind;
use crate::object::pack::IndexEntry;
use crate::object::pack_check::check_object;
use crate::object::pack_reader::PackReader;
use crate::object::snapshot::Snapshot;
use crate::object::tree::{Node, TreeRef};
use crate::store::intake::Intake;
use crate::store::rows::SnapshotRef;
use crate::store::view::View;

/// What a delta brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The hash of the delta.
    pub pack: PackId,
    /// The snapshot that it leads to.
    pub snapshot: SnapshotRef,
    /// Objects in it.
    pub objects: u64,
    /// Large contents that it made, which were hashed in just the pieces that were taken in.
    pub assembled: HashSet<Hash>,
}

/// From where to where a delta is expected to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The snapshot that it starts from, if it starts from one.
    pub from: Option<SnapshotRef>,
    /// The snapshot that it leads to; `None` takes any.
    pub to: Option<SnapshotRef>,
}

/// Takes what a delta brings into `intake`, as far as `view` does not show it. `view` shows the snapshot that the delta starts
/// from. A delta that leads elsewhere is not followed at all.
///
/// # Errors
///
/// [`Error::Malformed`] or [`Error::Limit`] if `pack` is no delta, or none of this route; [`Error::Damaged`] if an object is
/// not what its id says; [`Error::NotFound`] if a base is not there; and those of the intake, of which nothing becomes part
/// of the store then.
pub fn unpack<'s, B: AsRef<[u8]> + Sync>(
    pack: &PackReader<B>,
    route: Route,
    view: &View<'s>,
    intake: &mut Intake<'s>,
    progress: &dyn Progress,
) -> Result<Unpacked> {
    as_delta(take_apart(pack, route, view, intake, progress))
}

fn take_apart<'s, B: AsRef<[u8]> + Sync>(
    pack: &PackReader<B>,
    Route { from, to }: Route,
    view: &View<'s>,
    intake: &mut Intake<'s>,
    progress: &dyn Progress,
) -> Result<Unpacked> {
    let id = pack.check_layout()?;
    if pack.salt() != salt(from.map(|from| from.id)) {
        return Err(malformed("it starts from another snapshot"));
    }
    let entries = pack.entries_by_place()?;
    let snapshot = only_snapshot(&entries)?;
    if let Some(to) = to.filter(|to| *to != snapshot) {
        let (found, wanted) = told_apart(snapshot, to);
        return Err(malformed(format!(
            "it leads to another snapshot, {found} instead of {wanted}"
        )));
    }
    let parts = Parts::of(pack)?;
    let frames = parts.whole.iter().copied();
    let text = take_whole(pack, frames, &entries, view, intake, progress)?;
    let text = text.ok_or_else(|| malformed("it holds no snapshot"))?;
    let assembled = follow_script(parts, from, &text, view, intake, progress)?;
    Ok(Unpacked {
        pack: id,
        snapshot,
        objects: entries.len() as u64,
        assembled,
    })
}

/// Takes the objects of a pack without patches into `intake`, as far as `view` does not show them, also of one without a
/// snapshot; returns the hash of the pack.
///
/// # Errors
///
/// As [`unpack`].
pub fn take_in<B: AsRef<[u8]> + Sync>(
    pack: &PackReader<B>,
    view: &View<'_>,
    intake: &mut Intake<'_>,
    progress: &dyn Progress,
) -> Result<PackId> {
    let id = pack.check_layout()?;
    let entries = pack.entries_by_place()?;
    as_delta(take_whole(
        pack,
        0..pack.frames(),
        &entries,
        view,
        intake,
        progress,
    ))?;
    Ok(id)
}

/// Takes in the objects of some frames; returns the snapshot, if one is among them.
fn take_whole<B: AsRef<[u8]> + Sync>(
    pack: &PackReader<B>,
    frames: impl Iterator<Item = u32>,
    entries: &[IndexEntry],
    view: &View<'_>,
    intake: &mut Intake<'_>,
    progress: &dyn Progress,
) -> Result<Option<Snapshot>> {
    progress.expect(pack.bytes().len() as u64);
    let schedule = Schedule {
        budget_bytes: DELTA_MEMORY_BYTES_MAX,
        needs: &|number| frame_needs(pack, *number),
        takes: &|opened: &Opened<'_>| opened.frame.raw_bytes() as u64,
        work: &|number| open(pack, number, entries),
    };
    let mut left = FrameBuilder::new();
    let mut text = None;
    schedule.run(frames, &mut |opened| {
        progress.check()?;
        let number = opened.number;
        for entry in opened.entries {
            if entry.kind == ObjectKind::Snapshot {
                text = Some(Snapshot::decode(object(&opened.frame, entry)?)?);
            }
        }
        take(pack, &opened, view, intake, &mut left)?;
        progress.advance(pack.stored_frame(number)?.len() as u64);
        Ok(())
    })?;
    if !left.is_empty() {
        intake.append(&left.seal()?)?;
    }
    Ok(text)
}

/// Makes what the script tells; gives the large contents among it.
fn follow_script<'s>(
    parts: Parts<'_>,
    from: Option<SnapshotRef>,
    snapshot: &Snapshot,
    view: &View<'s>,
    intake: &mut Intake<'s>,
    progress: &dyn Progress,
) -> Result<HashSet<Hash>> {
    let Some(script) = parts.script()? else {
        return if parts.groups.is_empty() {
            Ok(HashSet::new())
        } else {
            Err(malformed("it has groups and no script"))
        };
    };
    let from = from.ok_or_else(|| malformed("its script starts from nothing"))?;
    let a = view.snapshot_of_size(from)?.tree;
    let totals = snapshot.totals;
    let told = follow(&script, parts.groups, a, totals, view, intake, progress)?;
    let tree = retell(view, &mut Trees { intake, view }, a, &script, &told)?;
    if tree == snapshot.tree {
        let large = told
            .values()
            .filter(|(_, bytes)| blob_form(*bytes) == ObjectKind::Recipe);
        return Ok(large.map(|(id, _)| *id).collect());
    }
    Err(malformed(format!(
        "what it makes is not the tree of its snapshot: {} instead of {}",
        tree.id, snapshot.tree.id
    )))
}

/// Takes in the trees that a script makes. They are not kept in memory: no other is made of them.
struct Trees<'t, 's> {
    intake: &'t mut Intake<'s>,
    view: &'t View<'s>,
}

impl TreeSink for Trees<'_, '_> {
    fn put(&mut self, tree: TreeRef, text: Vec<u8>, _: Node) -> Result<()> {
        if self
            .intake
            .wants(self.view, ObjectKind::Tree, tree.id.hash())?
        {
            self.intake.put(ObjectKind::Tree, tree.id.hash(), &text)?;
        }
        Ok(())
    }
}

/// Bytes that opening a frame takes. What its header says is checked when it is opened.
fn frame_needs<B: AsRef<[u8]>>(pack: &PackReader<B>, number: u32) -> u64 {
    let header = pack.stored_frame(number).ok().and_then(|frame| {
        let header = frame.first_chunk()?;
        FrameHeader::decode(header).ok()
    });
    header.map_or(0, |header| header.raw_bytes().into())
}

/// A frame whose objects are what their ids say.
struct Opened<'p> {
    number: u32,
    frame: Frame<'p>,
    entries: &'p [IndexEntry],
}

fn open<'p, B: AsRef<[u8]>>(
    pack: &'p PackReader<B>,
    number: u32,
    all: &'p [IndexEntry],
) -> Result<Opened<'p>> {
    let frame = pack.frame(number)?;
    let start = all.partition_point(|entry| entry.location.frame < number);
    let count = all[start..].partition_point(|entry| entry.location.frame == number);
    let entries = &all[start..start + count];
    if frame.objects().len() != entries.len() {
        return Err(malformed(format!(
            "frame {number} holds {} objects, the index lists {count}",
            frame.objects().len()
        )));
    }
    for entry in entries {
        let damaged = |error: Error| {
            error.in_stored(
                entry.kind.name(),
                entry.id,
                format_args!("frame {number} of the delta"),
            )
        };
        let bytes = object(&frame, entry).map_err(damaged)?;
        check_object(entry.kind, entry.id, bytes).map_err(damaged)?;
    }
    Ok(Opened {
        number,
        frame,
        entries,
    })
}

fn object<'f>(frame: &'f Frame<'_>, entry: &IndexEntry) -> Result<&'f [u8]> {
    let place = entry.location;
    frame.object(entry.kind, place.start, place.length)
}

/// Takes in the objects of a frame that are wanted; the frame as it is, if all are.
fn take<B: AsRef<[u8]>>(
    pack: &PackReader<B>,
    opened: &Opened<'_>,
    view: &View<'_>,
    intake: &mut Intake<'_>,
    left: &mut FrameBuilder,
) -> Result<()> {
    let mut wanted = Vec::new();
    for entry in opened.entries {
        if intake.wants(view, entry.kind, entry.id)? {
            wanted.push(entry);
        }
    }
    let is_usual = opened.frame.raw_bytes() <= FRAME_BYTES_TARGET || opened.entries.len() == 1;
    if wanted.len() == opened.entries.len() && is_usual {
        return intake.append(&pack.sealed_frame(opened.number, opened.entries)?);
    }
    for entry in wanted {
        let bytes = object(&opened.frame, entry)?;
        put(intake, left, (entry.kind, entry.id), bytes)?;
    }
    Ok(())
}

/// Puts one object into a frame: blobs apart from the rest.
pub(super) fn put(
    intake: &mut Intake<'_>,
    blobs: &mut FrameBuilder,
    (kind, id): (ObjectKind, Hash),
    bytes: &[u8],
) -> Result<()> {
    if kind != ObjectKind::Blob {
        return intake.put(kind, id, bytes);
    }
    if !blobs.has_room_for(bytes.len()) {
        intake.append(&std::mem::take(blobs).seal()?)?;
    }
    blobs.push(kind, id, bytes)
}
