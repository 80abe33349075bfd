//! Following: the contents that a script makes, out of those that the receiver has.
//!
//! # Invariants
//!
//! - Bases come first: each is read through a view, which hashes it, before a patch is applied to it.
//! - Nothing that a group makes exceeds the sizes that the script declares, and those were checked (`delta::orders`).
//!
//! # Not here
//!
//! Trees (`delta::retell`). That contents are the right ones shows in the id of the tree: `delta::unpack` compares it.

use std::collections::{HashMap, HashSet};

use super::large::{Cutting, Large};
use super::orders::{Archive, Order, Task, tasks};
use super::parts::malformed;
use super::retell::Told;
use super::schedule::{DELTA_MEMORY_BYTES_MAX, Schedule};

use crate::base::Result;
use crate::base::id::{BlobId, Hash};
use crate::base::progress::Progress;
use crate::object::archive::refold;
use crate::object::edges::blob_form;
use crate::object::frame::{FRAME_BYTES_TARGET, FRAME_ROW_BYTES, Frame};
use crate::object::frame_builder::{FrameBuilder, SealedFrame};
use crate::object::kind::ObjectKind;
use crate::object::patch;
use crate::object::script::Script;
use crate::object::script_frame::Group;
use crate::object::totals::Totals;
use crate::object::tree::TreeRef;
use crate::store::intake::Intake;
use crate::store::view::View;

/// What a group made.
#[derive(Default)]
struct Product {
    told: Vec<(usize, Told)>,
    frames: Vec<SealedFrame>,
    large: Vec<Large>,
    bytes: u64,
}

/// Makes the contents of the groups of a script, which all have room in the `totals` of the second tree; gives their ids by step.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) or [`Error::Limit`](crate::base::Error::Limit) if script and groups
/// do not agree or a patch is wrong, [`Error::NotFound`](crate::base::Error::NotFound) if a base is not there, and those of
/// the intake.
pub(super) fn follow(
    script: &Script,
    groups: Vec<Group<'_>>,
    a: TreeRef,
    totals: Totals,
    view: &View<'_>,
    intake: &mut Intake<'_>,
    progress: &dyn Progress,
) -> Result<HashMap<usize, Told>> {
    let tasks = tasks(script, groups, a, totals, view)?;
    let mut told = HashMap::new();
    let schedule = Schedule {
        budget_bytes: DELTA_MEMORY_BYTES_MAX,
        needs: &Task::memory_bytes,
        takes: &|product: &Product| product.bytes,
        work: &|task: Task<'_>| {
            let product = task.make(view)?;
            progress.advance(task.group.patch.len() as u64);
            Ok(product)
        },
    };
    schedule.run(tasks, &mut |product| {
        progress.check()?;
        told.extend(product.told.iter().copied());
        product.take_in(view, intake)
    })?;
    Ok(told)
}

impl Task<'_> {
    fn make(&self, view: &View<'_>) -> Result<Product> {
        let mut bases = Vec::with_capacity(self.orders.len());
        for order in &self.orders {
            let (mut content, base) = (Vec::new(), order.base);
            if let Some((id, bytes)) = base {
                content.reserve_exact(usize::try_from(bytes).unwrap_or(0));
                view.read_blob(BlobId::new(id), bytes, &mut |piece| {
                    content.extend_from_slice(piece);
                    Ok(())
                })?;
            }
            if let Some(archive) = order.archive {
                content = archive.unpack(&content)?;
            }
            bases.push(content);
        }
        let bases: Vec<&[u8]> = bases.iter().map(Vec::as_slice).collect();
        let lengths = self.orders.iter().map(|order| u32::try_from(order.bytes));
        let lengths = lengths.collect::<Result<Vec<u32>, _>>();
        let lengths = lengths.map_err(|_| malformed("a content is too long"))?;
        let mut making = Making {
            view,
            orders: &self.orders,
            closing: 0,
            open: Open::of(self.orders.first()),
            blobs: FrameBuilder::new(),
            made: HashSet::new(),
            product: Product::default(),
        };
        patch::apply(self.group.patch, &bases, &lengths, &mut |number, piece| {
            making.close_before(number)?;
            making.open.push(piece)
        })?;
        making.close_before(self.orders.len())?;
        making.finish()
    }
}

/// A content that is being made.
enum Open {
    Small(Vec<u8>),
    Large(Box<Cutting>),
}

impl Open {
    fn of(order: Option<&Order>) -> Self {
        let bytes = order.map_or(0, |order| order.bytes);
        let is_archive = order.is_some_and(|order| order.archive.is_some());
        match blob_form(bytes) {
            ObjectKind::Recipe if !is_archive => Self::Large(Box::new(Cutting::new(bytes))),
            _ => Self::Small(Vec::with_capacity(usize::try_from(bytes).unwrap_or(0))),
        }
    }

    fn push(&mut self, piece: &[u8]) -> Result<()> {
        match self {
            Self::Small(content) => {
                content.extend_from_slice(piece);
                Ok(())
            }
            Self::Large(cutting) => cutting.push(piece),
        }
    }
}

/// The contents of a group while they are made.
struct Making<'m, 's> {
    view: &'m View<'s>,
    orders: &'m [Order],
    /// The content that ends next, by its number among them.
    closing: usize,
    open: Open,
    blobs: FrameBuilder,
    /// Small contents that were made.
    made: HashSet<Hash>,
    product: Product,
}

impl Making<'_, '_> {
    /// Ends all contents before content `number`.
    fn close_before(&mut self, number: usize) -> Result<()> {
        while self.closing < number {
            let order = self.orders[self.closing];
            let next = Open::of(self.orders.get(self.closing + 1));
            let open = std::mem::replace(&mut self.open, next);
            let told = match (open, order.archive) {
                (Open::Small(form), Some(archive)) => (self.archive(&form, archive)?, archive.size),
                (Open::Small(content), None) => (self.small(&content)?, order.bytes),
                (Open::Large(cutting), _) => (self.large(*cutting)?, order.bytes),
            };
            self.product.told.push((order.step, told));
            self.closing += 1;
        }
        Ok(())
    }

    /// Ends an archive, whose form is there.
    fn archive(&mut self, form: &[u8], archive: Archive) -> Result<Hash> {
        let bytes = usize::try_from(archive.size).unwrap_or(usize::MAX);
        let file = refold(form, bytes)?;
        if blob_form(archive.size) != ObjectKind::Recipe {
            return self.small(&file);
        }
        let mut cutting = Cutting::new(archive.size);
        cutting.push(&file)?;
        self.large(cutting)
    }

    fn large(&mut self, cutting: Cutting) -> Result<Hash> {
        let large = cutting.finish()?;
        self.product.bytes += stored_bytes(&large.chunks);
        let id = large.id;
        self.product.large.push(large);
        Ok(id)
    }

    fn small(&mut self, content: &[u8]) -> Result<Hash> {
        let id = Hash::of(content);
        if self.made.insert(id) && self.view.find(ObjectKind::Blob, id)?.is_none() {
            if !self.blobs.has_room_for(content.len()) {
                self.seal()?;
            }
            if self.blobs.is_empty() {
                self.blobs = self.frame();
            }
            self.blobs.push(ObjectKind::Blob, id, content)?;
        }
        Ok(id)
    }

    /// A frame with just the room that this content and those behind it take, if all of them are new.
    fn frame(&self) -> FrameBuilder {
        let (mut objects, mut raw_bytes) = (0, 0);
        for order in &self.orders[self.closing..] {
            let bytes = order.small_bytes().unwrap_or(FRAME_BYTES_TARGET);
            let more = raw_bytes + FRAME_ROW_BYTES + bytes;
            if objects > 0 && more > FRAME_BYTES_TARGET {
                break;
            }
            (objects, raw_bytes) = (objects + 1, more);
        }
        FrameBuilder::with_room(objects, raw_bytes)
    }

    fn seal(&mut self) -> Result<()> {
        let frame = std::mem::take(&mut self.blobs).seal()?;
        self.product.bytes += frame.stored().len() as u64;
        self.product.frames.push(frame);
        Ok(())
    }

    fn finish(mut self) -> Result<Product> {
        if !self.blobs.is_empty() {
            self.seal()?;
        }
        Ok(self.product)
    }
}

fn stored_bytes(frames: &[SealedFrame]) -> u64 {
    frames.iter().map(|frame| frame.stored().len() as u64).sum()
}

impl Product {
    /// Takes in what was made, as far as it is not there already. A file may be there although it is made once: as a chunk of
    /// a large one.
    fn take_in(self, view: &View<'_>, intake: &mut Intake<'_>) -> Result<()> {
        for frame in &self.frames {
            take_frame(frame, view, intake)?;
        }
        for large in &self.large {
            for chunk in &large.chunks {
                take_frame(chunk, view, intake)?;
            }
            for recipe in &large.recipes {
                let (kind, id) = (ObjectKind::Recipe, recipe.blob().hash());
                if intake.wants(view, kind, id)? {
                    intake.put(kind, id, &recipe.encode())?;
                }
            }
        }
        Ok(())
    }
}

/// Takes in the objects of a frame that are wanted; the frame as it is, if all are.
fn take_frame(sealed: &SealedFrame, view: &View<'_>, intake: &mut Intake<'_>) -> Result<()> {
    let mut wanted = Vec::new();
    for object in sealed.objects() {
        if intake.wants(view, object.kind, object.id)? {
            wanted.push(object);
        }
    }
    if wanted.len() == sealed.objects().len() {
        return intake.append(sealed);
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let frame = Frame::decode(sealed.stored())?;
    for object in wanted {
        let bytes = frame.object(object.kind, object.start, object.length)?;
        intake.put(object.kind, object.id, bytes)?;
    }
    Ok(())
}
