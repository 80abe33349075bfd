//! Receive: a pack is taken in while it arrives, each frame verified before anything of it is kept.
//!
//! # Invariants
//!
//! - A frame is stored as it came if all of its objects are wanted.
//! - Nothing becomes part of the store before the caller gives the landing to a transaction.
//!
//! # Not here
//!
//! Packs that lie in a file (`delta::unpack`), where the bytes come from (`server::api`).

use std::io::Read;

use super::unpack::put;
use crate::base::id::PackId;
use crate::base::{Error, Result};
use crate::object::frame::{FRAME_BYTES_TARGET, Frame};
use crate::object::frame_builder::{FrameBuilder, SealedFrame};
use crate::object::pack_stream::PackStream;
use crate::store::intake::Intake;
use crate::store::view::View;

/// What is said of a pack before it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its hash.
    pub id: PackId,
    /// Frames in it.
    pub frames: u32,
}

/// Takes in a pack of whole objects, as far as `view` does not show them.
///
/// # Errors
///
/// [`Error::Malformed`] or [`Error::Limit`] if it is no such pack, ends early, or is not the one that was announced; those of
/// the intake, of which nothing becomes part of the store then.
pub fn receive(
    input: impl Read,
    announced: Announced,
    view: &View<'_>,
    intake: &mut Intake<'_>,
) -> Result<()> {
    let mut stream = PackStream::open(input)?;
    let mut left = FrameBuilder::new();
    for _ in 0..announced.frames {
        stream.next_frame(|sealed, frame| take(&sealed, frame, view, intake, &mut left))?;
    }
    if !left.is_empty() {
        intake.append(&left.seal()?)?;
    }
    let id = stream.finish()?;
    if id == announced.id {
        return Ok(());
    }
    let reason = format!("its hash is {id}, not {}", announced.id);
    Err(Error::malformed("pack", reason))
}

/// Takes in the objects of a frame that are wanted; the frame as it is, if all are.
fn take(
    sealed: &SealedFrame,
    frame: &Frame<'_>,
    view: &View<'_>,
    intake: &mut Intake<'_>,
    left: &mut FrameBuilder,
) -> Result<()> {
    let mut wanted = Vec::new();
    for object in sealed.objects() {
        if intake.wants(view, object.kind, object.id)? {
            wanted.push(*object);
        }
    }
    let objects = sealed.objects().len();
    let is_usual = frame.raw_bytes() <= FRAME_BYTES_TARGET || objects == 1;
    if wanted.len() == objects && is_usual {
        return intake.append(sealed);
    }
    for object in wanted {
        let bytes = frame.object(object.kind, object.start, object.length)?;
        put(intake, left, (object.kind, object.id), bytes)?;
    }
    Ok(())
}
