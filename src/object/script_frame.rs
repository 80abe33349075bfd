//! Script frames: the frames of a delta pack that tell a tree in terms of another, and make its contents.
//!
//! ```text
//! codec u8 | 0 0 0 | count u32 | raw bytes u32 | stored bytes u32 | payload
//! ```
//!
//! | codec | payload | count | raw bytes |
//! |---|---|---|---|
//! | 3 | a part of the text of a script, as one zstd frame | 0 | bytes of the part |
//! | 4 | a patch (`object::patch`) of a group | contents that it makes | their bytes |
//!
//! The parts of the text, in the order of their frames, are the script; groups are numbered in the order of theirs. What
//! they make is not in the index of the pack: it has no id before it is made. So packs of a store never have such frames.
//!
//! # Invariants
//!
//! - Nothing is allocated before its length was checked against the limits.
//!
//! # Not here
//!
//! The text (`object::script`), the patch (`object::patch`).

use super::codec;
use super::fields::Fields;
use super::frame::FRAME_HEADER_BYTES;
use super::frame_builder::SealedFrame;
use super::pack_reader::PackReader;
use crate::base::error::{Error, Result, check_limit};
use crate::base::limits::{
    FRAME_BYTES_MAX, MIB, PATCH_BYTES_MAX, PATCH_TARGETS_MAX, SCRIPT_BYTES_MAX,
};

/// The codec of a part of a script's text.
const TEXT_CODEC: u8 = 3;
/// The codec of a group.
const GROUP_CODEC: u8 = 4;

/// Bytes of a script's text in one frame.
const TEXT_BYTES: usize = 4 * 1024 * 1024;
const _: () = assert!((TEXT_BYTES as u64) < FRAME_BYTES_MAX);

/// Bytes that a patch may have beyond those that it makes: its start, and some for each content.
const GROUP_OVERHEAD_BYTES_MAX: u64 = MIB;

/// A frame of a delta pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaFrame<'p> {
    /// Whole objects, to be read as any frame.
    Whole,
    /// A part of the script, compressed.
    Text(TextPart<'p>),
    /// A group.
    Group(Group<'p>),
}

/// A part of the text of a script, compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPart<'p> {
    payload: &'p [u8],
    raw_bytes: u32,
}

/// A patch and what it says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'p> {
    /// The patch.
    pub patch: &'p [u8],
    /// How many contents it makes.
    pub contents: u32,
    /// Their bytes.
    pub bytes: u32,
}

impl TextPart<'_> {
    /// Bytes of the part when expanded.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.raw_bytes
    }

    /// Expands the part.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is damaged.
    pub fn expand(&self) -> Result<Vec<u8>> {
        codec::expand(self.payload, self.raw_bytes as usize)
    }
}

/// The frames of a script's text.
///
/// # Errors
///
/// [`Error::Limit`] if it is longer than scripts may be; [`Error::Internal`] if zstd fails.
pub fn seal_text(text: &str) -> Result<Vec<SealedFrame>> {
    let bytes = text.len() as u64;
    check_limit("bytes of a script", bytes, SCRIPT_BYTES_MAX)?;
    let parts = text.as_bytes().chunks(TEXT_BYTES);
    parts
        .map(|part| {
            let payload = codec::compress_text(part)?;
            seal(TEXT_CODEC, 0, part.len() as u64, &payload)
        })
        .collect()
}

/// The frame of a group whose `patch` makes `contents` contents of `bytes` bytes.
///
/// # Errors
///
/// [`Error::Limit`] or [`Error::Malformed`] if no reader would take it.
pub fn seal_group(patch: &[u8], contents: usize, bytes: u64) -> Result<SealedFrame> {
    let frame = seal(GROUP_CODEC, contents, bytes, patch)?;
    parse(frame.stored())?;
    Ok(frame)
}

fn seal(codec: u8, count: usize, raw_bytes: u64, payload: &[u8]) -> Result<SealedFrame> {
    let mut stored = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
    stored.extend_from_slice(&[codec, 0, 0, 0]);
    for number in [count as u64, raw_bytes, payload.len() as u64] {
        let number = u32::try_from(number).map_err(|_| Error::Limit {
            what: "bytes of a delta's frame",
            found: number,
            max: u32::MAX.into(),
        })?;
        stored.extend_from_slice(&number.to_le_bytes());
    }
    stored.extend_from_slice(payload);
    let raw_bytes = u32::try_from(raw_bytes).unwrap_or(u32::MAX);
    Ok(SealedFrame::from_part(stored, raw_bytes))
}

/// Reads a frame from its header and payload.
fn parse(stored: &[u8]) -> Result<DeltaFrame<'_>> {
    let malformed = |reason: &str| Error::malformed("frame", reason);
    let (header, payload) = stored
        .split_first_chunk::<FRAME_HEADER_BYTES>()
        .ok_or_else(|| malformed("shorter than its header"))?;
    let mut fields = Fields::new(header);
    let (codec, reserved) = (fields.byte(), fields.bytes::<3>());
    let [contents, bytes, stored_bytes] = [fields.u32(), fields.u32(), fields.u32()];
    if !matches!(codec, TEXT_CODEC | GROUP_CODEC) {
        return Ok(DeltaFrame::Whole);
    }
    if reserved != [0; 3] {
        return Err(malformed("reserved bytes are not zero"));
    }
    if payload.len() != stored_bytes as usize {
        return Err(malformed("payload has another length than its header says"));
    }
    if codec == TEXT_CODEC {
        if contents != 0 {
            return Err(malformed("a part of a script makes no contents"));
        }
        check_limit("bytes of a script's part", bytes.into(), TEXT_BYTES as u64)?;
        let raw_bytes = bytes;
        return Ok(DeltaFrame::Text(TextPart { payload, raw_bytes }));
    }
    check_limit(
        "contents of a group",
        contents.into(),
        PATCH_TARGETS_MAX as u64,
    )?;
    check_limit("bytes of a group", bytes.into(), PATCH_BYTES_MAX)?;
    let stored_max = u64::from(bytes) + GROUP_OVERHEAD_BYTES_MAX;
    check_limit("stored bytes of a group", stored_bytes.into(), stored_max)?;
    let patch = payload;
    Ok(DeltaFrame::Group(Group {
        patch,
        contents,
        bytes,
    }))
}

impl<B: AsRef<[u8]>> PackReader<B> {
    /// Shows a frame of a delta pack.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if there is no such frame, or a reader must not go on.
    pub fn delta_part(&self, number: u32) -> Result<DeltaFrame<'_>> {
        let (entry, stored) = self.located_frame(number)?;
        let header = stored.get(8..FRAME_HEADER_BYTES).unwrap_or_default();
        let stated = [entry.raw_bytes, entry.stored_bytes].map(u32::to_le_bytes);
        if header != stated.as_flattened() {
            let reason = format!("frame {number} is not as the frame table says");
            return Err(Error::malformed("pack", reason));
        }
        parse(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_script_makes_no_contents() -> Result<()> {
        let text = b"bindery script 1\n";
        let payload = codec::compress_text(text)?;
        for contents in [0, 1, 7] {
            let frame = seal(TEXT_CODEC, contents, text.len() as u64, &payload)?;
            let parsed = parse(frame.stored());
            assert_eq!(parsed.is_ok(), contents == 0, "{contents}: {parsed:?}");
        }
        Ok(())
    }
}
