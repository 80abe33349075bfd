//! Patch frames: frames of codec 2, whose objects are blobs that are made from blobs the receiver has.
//!
//! ```text
//! 2 | 0 0 0 | targets u32 | raw bytes u32 | stored bytes u32 | payload
//! payload: a row for each target, then the patch
//! row: target id, target length u32, 0
//!  or: target id, target length u32, 1, base id, base length u32
//! ```
//!
//! They are only in delta packs, which are taken apart when they arrive; packs of a store refuse them. Raw bytes are what
//! the frame would expand to if its objects were whole: a table of five bytes for each, and the objects. So the rows of
//! an index mean the same as for any frame.
//!
//! # Invariants
//!
//! - A [`PatchFrame`] has been checked as far as that is possible without its bases: its lengths are within the limits,
//!   and its rows agree with its header.
//! - [`PatchFrame::apply`] uses no base that is not what its id says, and says of no target that it is good before its
//!   hash was seen.
//!
//! # Not here
//!
//! The patch itself (`object::patch`); packs that hold such frames (`object::delta_pack`).

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::base::error::{Error, Result, check_limit};
use crate::base::id::{HASH_BYTES, Hash, Hasher};
use crate::base::limits::{PATCH_BYTES_MAX, PATCH_TARGETS_MAX};

use super::fields::Fields;
use super::frame::{FRAME_HEADER_BYTES, FRAME_ROW_BYTES, FrameObject};
use super::frame_builder::SealedFrame;
use super::kind::ObjectKind;
use super::patch;

/// The number of this codec in the header of a frame.
pub(super) const PATCH_CODEC: u8 = 2;

/// Id, length, and whether there is a base.
const TARGET_ROW_BYTES: usize = HASH_BYTES + 5;
/// Id and length.
const BASE_ROW_BYTES: usize = HASH_BYTES + 4;

/// Bytes that a patch may have beyond those of its targets: its start, and a few for each target. One that is larger
/// is worse than the targets as they are.
const PATCH_OVERHEAD_BYTES_MAX: u64 = 64 << 10;

/// A blob that a patch is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchBase {
    /// Its id.
    pub id: Hash,
    /// Its length, in bytes.
    pub length: u32,
}

/// A blob that a patch makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchTarget {
    /// Its id.
    pub id: Hash,
    /// Its length, in bytes.
    pub length: u32,
    /// The blob that it is made from; without one it is made from nothing, or from the bases of its group.
    pub base: Option<PatchBase>,
}

impl PatchTarget {
    fn base_bytes(&self) -> u32 {
        self.base.map_or(0, |base| base.length)
    }
}

/// A frame of blobs that are made from others. One that was decoded shows the bytes it was decoded from.
#[derive(Clone, Debug)]
pub struct PatchFrame<'a> {
    targets: Vec<PatchTarget>,
    patch: Cow<'a, [u8]>,
}

/// The first bytes of a patch frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PatchFrameHeader {
    pub(super) targets: u32,
    pub(super) raw_bytes: u32,
    pub(super) stored_bytes: u32,
}

impl PatchFrameHeader {
    /// Reads a header whose codec is [`PATCH_CODEC`].
    pub(super) fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Result<Self> {
        let mut fields = Fields::new(bytes);
        if fields.bytes() != [PATCH_CODEC, 0, 0, 0] {
            return Err(malformed("its first bytes are not 2 0 0 0"));
        }
        let header = Self {
            targets: fields.u32(),
            raw_bytes: fields.u32(),
            stored_bytes: fields.u32(),
        };
        header.check()?;
        Ok(header)
    }

    /// Checks the numbers before anything is done with them.
    fn check(&self) -> Result<()> {
        let targets = u64::from(self.targets);
        check_limit(
            "targets of a patch frame",
            targets,
            PATCH_TARGETS_MAX as u64,
        )?;
        let table_bytes = targets * FRAME_ROW_BYTES as u64;
        let raw_bytes = u64::from(self.raw_bytes);
        check_limit(
            "bytes of a patch frame",
            raw_bytes,
            table_bytes + PATCH_BYTES_MAX,
        )?;
        if targets == 0 || raw_bytes < table_bytes {
            return Err(malformed(format!(
                "{raw_bytes} bytes cannot hold {targets} targets"
            )));
        }
        let rows_bytes = targets * (TARGET_ROW_BYTES + BASE_ROW_BYTES) as u64;
        let stored_bytes_max = raw_bytes + rows_bytes + PATCH_OVERHEAD_BYTES_MAX;
        check_limit(
            "stored bytes of a patch frame",
            self.stored_bytes.into(),
            stored_bytes_max,
        )
    }

    fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[0] = PATCH_CODEC;
        bytes[4..8].copy_from_slice(&self.targets.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.raw_bytes.to_le_bytes());
        bytes[12..].copy_from_slice(&self.stored_bytes.to_le_bytes());
        bytes
    }
}

impl<'a> PatchFrame<'a> {
    /// Makes a frame of `patch`, which makes `targets` in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if no reader would take it.
    pub fn seal(targets: &[PatchTarget], patch: &[u8]) -> Result<SealedFrame> {
        let objects = place(targets)?;
        let last = objects.last();
        let raw_bytes = last.map_or(0, |last| last.start + last.length);
        let mut stored = vec![0; FRAME_HEADER_BYTES];
        for target in targets {
            push_row(&mut stored, target);
        }
        stored.extend_from_slice(patch);
        let narrow = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let header = PatchFrameHeader {
            targets: narrow(targets.len()),
            raw_bytes,
            stored_bytes: narrow(stored.len() - FRAME_HEADER_BYTES),
        };
        header.check()?;
        stored[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode());
        Ok(SealedFrame::from_patch(stored, raw_bytes, objects))
    }

    /// Reads a frame from its header and payload, `stored` as they lie in a pack.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if `stored` is anything else than one patch frame.
    pub fn decode(stored: &'a [u8]) -> Result<Self> {
        let (header, mut payload) = stored
            .split_first_chunk()
            .ok_or_else(|| malformed("shorter than its header"))?;
        let header = PatchFrameHeader::decode(header)?;
        if payload.len() != header.stored_bytes as usize {
            return Err(malformed(format!(
                "payload has {} bytes instead of {}",
                payload.len(),
                header.stored_bytes
            )));
        }
        if header.targets as usize * TARGET_ROW_BYTES > payload.len() {
            return Err(malformed("it is shorter than its rows"));
        }
        let mut targets = Vec::with_capacity(header.targets as usize);
        for _ in 0..header.targets {
            targets.push(take_row(&mut payload)?);
        }
        let objects = place(&targets)?;
        let last = objects.last().map(|last| last.start + last.length);
        if last != Some(header.raw_bytes) {
            return Err(malformed("targets do not fill the frame"));
        }
        Ok(Self {
            targets,
            patch: Cow::Borrowed(payload),
        })
    }

    /// Copies what is still borrowed.
    #[must_use]
    pub fn into_owned(self) -> PatchFrame<'static> {
        PatchFrame {
            targets: self.targets,
            patch: Cow::Owned(self.patch.into_owned()),
        }
    }

    /// What the frame makes, in the order in which it is made; at least one.
    #[must_use]
    pub fn targets(&self) -> &[PatchTarget] {
        &self.targets
    }

    /// The targets as the index of a pack names them.
    ///
    /// # Errors
    ///
    /// None for a frame that was decoded.
    pub fn objects(&self) -> Result<Vec<FrameObject>> {
        place(&self.targets)
    }

    /// The patch.
    #[must_use]
    pub fn patch(&self) -> &[u8] {
        &self.patch
    }

    /// Makes the targets and hands them to `sink` piece by piece, with the number of the target. `bases[n]` is the base
    /// of target `n`, and empty for one without. What was handed on of a target is good only if this returns without
    /// error: keep it apart until then.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if a base is not what the frame names, before anything is handed on; [`Error::Malformed`] or
    /// [`Error::Limit`] if the patch does not make the targets, or makes others; and what `sink` answered.
    pub fn apply(
        &self,
        bases: &[&[u8]],
        sink: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.check_bases(bases)?;
        let lengths: Vec<u32> = self.targets.iter().map(|target| target.length).collect();
        let mut checker = Checker {
            targets: &self.targets,
            done: 0,
            hasher: Hasher::new(),
        };
        patch::apply(&self.patch, bases, &lengths, &mut |number, piece| {
            checker.finish_before(number)?;
            checker.hasher.update(piece);
            sink(number, piece)
        })?;
        checker.finish_before(self.targets.len())
    }

    fn check_bases(&self, bases: &[&[u8]]) -> Result<()> {
        if bases.len() != self.targets.len() {
            let (bases, targets) = (bases.len(), self.targets.len());
            return Err(malformed(format!("{bases} bases for {targets} targets")));
        }
        let mut last = None;
        for (target, bytes) in self.targets.iter().zip(bases) {
            if bytes.len() != target.base_bytes() as usize {
                return Err(malformed(format!(
                    "the base of {} has {} bytes, not {}",
                    target.id,
                    bytes.len(),
                    target.base_bytes()
                )));
            }
            let Some(base) = target.base else { continue };
            // Neighbours often share one base.
            if last == Some((base.id, bytes.as_ptr())) {
                continue;
            }
            let mut hasher = Hasher::new();
            hasher.update(bytes);
            let found = hasher.hash();
            if found != base.id {
                return Err(malformed(format!(
                    "the base of {} is {found}, not {}",
                    target.id, base.id
                )));
            }
            last = Some((base.id, bytes.as_ptr()));
        }
        Ok(())
    }
}

/// Sees whether targets are what they should be, one after another.
struct Checker<'a> {
    targets: &'a [PatchTarget],
    /// Targets that have been checked.
    done: usize,
    hasher: Hasher,
}

impl Checker<'_> {
    /// Checks every target before the one with `number`: they have been handed on to their ends.
    fn finish_before(&mut self, number: usize) -> Result<()> {
        while self.done < number {
            let wanted = self.targets.get(self.done).map(|target| target.id);
            let found = std::mem::replace(&mut self.hasher, Hasher::new()).hash();
            self.done += 1;
            if wanted != Some(found) {
                let wanted = wanted.map_or_else(String::new, |id| id.to_string());
                return Err(malformed(format!("it makes {found} instead of {wanted}")));
            }
        }
        Ok(())
    }
}

/// Where the targets would lie in an expanded frame; checks that an index can name them.
fn place(targets: &[PatchTarget]) -> Result<Vec<FrameObject>> {
    let mut start = targets.len() as u64 * FRAME_ROW_BYTES as u64;
    let mut has_empty = false;
    let mut objects = Vec::with_capacity(targets.len());
    for target in targets {
        check_limit("bytes of a target", target.length.into(), PATCH_BYTES_MAX)?;
        check_limit(
            "bytes of a base",
            target.base_bytes().into(),
            PATCH_BYTES_MAX,
        )?;
        if target.length == 0 && std::mem::replace(&mut has_empty, true) {
            return Err(malformed("two targets are empty"));
        }
        objects.push(FrameObject {
            kind: ObjectKind::Blob,
            id: target.id,
            start: u32::try_from(start).map_err(|_| malformed("targets are too long"))?,
            length: target.length,
        });
        start += u64::from(target.length);
    }
    check_limit("bytes of a patch frame", start, u32::MAX.into())?;
    Ok(objects)
}

fn push_row(bytes: &mut Vec<u8>, target: &PatchTarget) {
    bytes.extend_from_slice(target.id.as_bytes());
    bytes.extend_from_slice(&target.length.to_le_bytes());
    bytes.push(u8::from(target.base.is_some()));
    if let Some(base) = target.base {
        bytes.extend_from_slice(base.id.as_bytes());
        bytes.extend_from_slice(&base.length.to_le_bytes());
    }
}

fn take_row(payload: &mut &[u8]) -> Result<PatchTarget> {
    let row: &[u8; TARGET_ROW_BYTES] = take(payload)?;
    let mut fields = Fields::new(row);
    let id = Hash::from_bytes(fields.bytes());
    let length = fields.u32();
    let base = match fields.byte() {
        0 => None,
        1 => {
            let row: &[u8; BASE_ROW_BYTES] = take(payload)?;
            let mut fields = Fields::new(row);
            Some(PatchBase {
                id: Hash::from_bytes(fields.bytes()),
                length: fields.u32(),
            })
        }
        other => return Err(malformed(format!("a row says {other} instead of 0 or 1"))),
    };
    Ok(PatchTarget { id, length, base })
}

fn take<'a, const N: usize>(payload: &mut &'a [u8]) -> Result<&'a [u8; N]> {
    let (row, rest) = payload
        .split_first_chunk()
        .ok_or_else(|| malformed("it is shorter than its rows"))?;
    *payload = rest;
    Ok(row)
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("patch frame", reason)
}
