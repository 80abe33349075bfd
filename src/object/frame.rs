//! Frames: whole objects back to back, compressed together. Reading.
//!
//! ```text
//! codec u8 | 0 0 0 | objects u32 | raw bytes u32 | stored bytes u32 | payload
//! payload, expanded: a kind u8 and a length u32 for each object, then the objects
//! ```
//!
//! # Invariants
//!
//! - A frame holds at least one object, and expands to at most [`FRAME_BYTES_MAX`] bytes, the table included.
//! - A [`FrameHeader`] has been checked: nothing it says asks for more memory than the limits allow.
//! - Only a blob may be empty, and only one object of a frame: so start and length find an object.
//!
//! # Not here
//!
//! Making frames (`object::frame_builder`), the codec (`object::codec`), whether an object is what its id says
//! (`object::pack_check`).

use std::borrow::Cow;

use crate::base::error::{Error, Result, check_limit};
use crate::base::id::Hash;
use crate::base::limits::FRAME_BYTES_MAX;

use super::codec;
use super::fields::Fields;
use super::kind::ObjectKind;

/// Bytes that a writer puts into one frame before compression: on the Linux sources packs are 8 % smaller than with
/// 64 KiB, and 2 % larger than with 1 MiB, while one object costs at most this much to expand. A larger object has a
/// frame of its own.
pub const FRAME_BYTES_TARGET: usize = 512 * 1024;
/// Length of a [`FrameHeader`], in bytes.
pub const FRAME_HEADER_BYTES: usize = 16;
/// Length of one row of the table in front of the objects, in bytes.
pub const FRAME_ROW_BYTES: usize = 5;

/// How a payload is stored. The number 2 is kept for patches, which no stored frame has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As it is.
    Raw = 0,
    /// As one zstd frame.
    Zstd = 1,
}

/// The first bytes of a frame, which say how to read the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    codec: Codec,
    objects: u32,
    raw_bytes: u32,
    stored_bytes: u32,
}

impl FrameHeader {
    /// Checks the numbers of a header.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] above [`FRAME_BYTES_MAX`]; [`Error::Malformed`] if the numbers cannot be true together.
    pub(super) fn new(
        codec: Codec,
        objects: u32,
        raw_bytes: u32,
        stored_bytes: u32,
    ) -> Result<Self> {
        check_limit("frame bytes", raw_bytes.into(), FRAME_BYTES_MAX)?;
        let is_length_right = match codec {
            Codec::Raw => stored_bytes == raw_bytes,
            Codec::Zstd => stored_bytes < raw_bytes,
        };
        if !is_length_right {
            return Err(malformed(format!(
                "{stored_bytes} stored bytes cannot hold {raw_bytes}"
            )));
        }
        let table_bytes = u64::from(objects) * FRAME_ROW_BYTES as u64;
        if objects == 0 || table_bytes > raw_bytes.into() {
            return Err(malformed(format!(
                "{raw_bytes} bytes cannot hold {objects} objects"
            )));
        }
        Ok(Self {
            codec,
            objects,
            raw_bytes,
            stored_bytes,
        })
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if a reader must not go on.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Result<Self> {
        let mut fields = Fields::new(bytes);
        let codec = match fields.byte() {
            0 => Codec::Raw,
            1 => Codec::Zstd,
            other => return Err(malformed(format!("unknown codec {other}"))),
        };
        if fields.bytes() != [0; 3] {
            return Err(malformed("reserved bytes are not zero"));
        }
        Self::new(codec, fields.u32(), fields.u32(), fields.u32())
    }

    /// The bytes of this header.
    #[must_use]
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[0] = self.codec as u8;
        bytes[4..8].copy_from_slice(&self.objects.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.raw_bytes.to_le_bytes());
        bytes[12..].copy_from_slice(&self.stored_bytes.to_le_bytes());
        bytes
    }

    /// How the payload is stored.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// How many objects the frame holds; at least one.
    #[must_use]
    pub const fn objects(&self) -> u32 {
        self.objects
    }

    /// Bytes of the payload when expanded, the table included; at most [`FRAME_BYTES_MAX`].
    #[must_use]
    pub const fn raw_bytes(&self) -> u32 {
        self.raw_bytes
    }

    /// Bytes of the payload as stored; never more than [`Self::raw_bytes`].
    #[must_use]
    pub const fn stored_bytes(&self) -> u32 {
        self.stored_bytes
    }
}

/// One object of a frame, as an index names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameObject {
    /// Its kind.
    pub kind: ObjectKind,
    /// The id under which it is found.
    pub id: Hash,
    /// Where it starts, in bytes from the start of the expanded payload.
    pub start: u32,
    /// Its length, in bytes.
    pub length: u32,
}

/// A frame, expanded. A raw one shows the bytes it was decoded from; [`Frame::into_owned`] lets go of them.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    payload: Cow<'a, [u8]>,
    table: Vec<Row>,
}

/// An object of an expanded frame; the rows of a table ascend by start and length.
#[derive(Clone, Copy, Debug)]
struct Row {
    kind: ObjectKind,
    start: u32,
    length: u32,
}

impl<'a> Frame<'a> {
    /// Expands a frame from its header and payload, `stored` as they lie in a pack.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if `stored` is anything else than one frame.
    pub fn decode(stored: &'a [u8]) -> Result<Self> {
        let (header, payload) = stored
            .split_first_chunk()
            .ok_or_else(|| malformed("shorter than its header"))?;
        let header = FrameHeader::decode(header)?;
        if payload.len() != header.stored_bytes as usize {
            return Err(malformed(format!(
                "payload has {} bytes instead of {}",
                payload.len(),
                header.stored_bytes
            )));
        }
        let payload = match header.codec {
            Codec::Raw => Cow::Borrowed(payload),
            Codec::Zstd => Cow::Owned(codec::expand(payload, header.raw_bytes as usize)?),
        };
        let table = decode_table(&payload, header.objects)?;
        Ok(Self { payload, table })
    }

    /// Copies what is still borrowed.
    #[must_use]
    pub fn into_owned(self) -> Frame<'static> {
        Frame {
            payload: Cow::Owned(self.payload.into_owned()),
            table: self.table,
        }
    }

    /// Bytes of the payload, the table included: what the frame takes in memory, within a small factor.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        self.payload.len()
    }

    /// The bytes of the object of kind `kind` that starts at `start` and has `length` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the frame has no such object.
    pub fn object(&self, kind: ObjectKind, start: u32, length: u32) -> Result<&[u8]> {
        self.table
            .binary_search_by_key(&(start, length), |row| (row.start, row.length))
            .ok()
            .filter(|at| self.table[*at].kind == kind)
            .map(|at| self.bytes(self.table[at]))
            .ok_or_else(|| {
                malformed(format!(
                    "no {} of {length} bytes at byte {start}",
                    kind.name()
                ))
            })
    }

    /// Every object with its kind, in the order in which they lie; at least one.
    #[must_use]
    pub fn objects(&self) -> impl ExactSizeIterator<Item = (ObjectKind, &[u8])> {
        self.table.iter().map(|row| (row.kind, self.bytes(*row)))
    }

    /// The kind, start and length of every object, in the order in which they lie.
    pub(super) fn places(&self) -> impl Iterator<Item = (ObjectKind, u32, u32)> {
        self.table
            .iter()
            .map(|row| (row.kind, row.start, row.length))
    }

    fn bytes(&self, row: Row) -> &[u8] {
        &self.payload[row.start as usize..][..row.length as usize]
    }
}

/// Reads the table of `objects` rows; the objects behind it must fill the payload exactly.
fn decode_table(payload: &[u8], objects: u32) -> Result<Vec<Row>> {
    let overrun = || malformed("objects are longer than the payload");
    let (rows, bodies) = payload
        .split_at_checked(objects as usize * FRAME_ROW_BYTES)
        .ok_or_else(overrun)?;
    let mut table = Vec::with_capacity(objects as usize);
    let mut start = rows.len();
    let mut has_empty = false;
    for row in rows.as_chunks::<FRAME_ROW_BYTES>().0 {
        let mut fields = Fields::new(row);
        let byte = fields.byte();
        let kind = ObjectKind::from_byte(byte)
            .ok_or_else(|| malformed(format!("unknown kind of object {byte}")))?;
        let length = fields.u32();
        if length == 0 {
            if kind != ObjectKind::Blob || has_empty {
                return Err(malformed("an empty object that is no blob, or is doubled"));
            }
            has_empty = true;
        }
        table.push(Row {
            kind,
            start: u32::try_from(start).map_err(|_| overrun())?,
            length,
        });
        start += length as usize;
        if start > payload.len() {
            return Err(overrun());
        }
    }
    if start == rows.len() + bodies.len() {
        Ok(table)
    } else {
        Err(malformed("objects are shorter than the payload"))
    }
}

pub(super) fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("frame", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A raw frame with a table of `rows` and `bodies` behind it.
    fn raw_frame(rows: &[(u8, u32)], bodies: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (kind, length) in rows {
            payload.push(*kind);
            payload.extend_from_slice(&length.to_le_bytes());
        }
        payload.extend_from_slice(bodies);
        stored(0, rows.len(), payload.len(), &payload)
    }

    fn stored(codec: u8, objects: usize, raw_bytes: usize, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![codec, 0, 0, 0];
        for number in [objects, raw_bytes, payload.len()] {
            bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn objects_are_found_by_kind_start_and_length() -> Result<()> {
        let bytes = raw_frame(&[(1, 2), (1, 0), (2, 3)], b"abcde");
        let frame = Frame::decode(&bytes)?;
        let blob = ObjectKind::Blob;
        assert_eq!(frame.object(blob, 15, 2)?, b"ab");
        assert_eq!(frame.object(blob, 17, 0)?, b"");
        assert_eq!(frame.object(ObjectKind::Tree, 17, 3)?, b"cde");
        for (kind, start, length, reason) in [
            (blob, 17, 3, "another kind"),
            (blob, 15, 1, "another length"),
            (blob, 16, 1, "no start of an object"),
            (blob, u32::MAX, u32::MAX, "far outside"),
        ] {
            assert!(frame.object(kind, start, length).is_err(), "{reason}");
        }
        let owned = frame.into_owned();
        assert_eq!(
            owned.objects().map(|(kind, _)| kind).collect::<Vec<_>>(),
            [blob, blob, ObjectKind::Tree]
        );
        assert_eq!((owned.objects().len(), owned.raw_bytes()), (3, 20));
        Ok(())
    }

    #[test]
    fn a_frame_that_contradicts_itself_is_refused() {
        for (bytes, reason) in [
            (raw_frame(&[], b""), "no object"),
            (raw_frame(&[(1, 3)], b"ab"), "object longer than payload"),
            (raw_frame(&[(1, 1)], b"ab"), "object shorter than payload"),
            (raw_frame(&[(1, u32::MAX), (1, 3)], b"ab"), "overflow"),
            (raw_frame(&[(0, 2)], b"ab"), "kind 0"),
            (raw_frame(&[(5, 2)], b"ab"), "kind 5"),
            (raw_frame(&[(2, 0)], b""), "an empty tree"),
            (raw_frame(&[(1, 0), (1, 0)], b""), "two empty blobs"),
            (stored(2, 1, 6, b"\x01\x01\0\0\0a"), "a patch"),
            (stored(3, 1, 6, b"\x01\x01\0\0\0a"), "an unknown codec"),
            (stored(0, 1, 7, b"\x01\x01\0\0\0a"), "raw, lengths differ"),
            (stored(0, 2, 6, b"\x01\x01\0\0\0a"), "table too long"),
            (stored(0, usize::MAX, 6, b"\x01\x01\0\0\0a"), "endless"),
            (stored(1, 1, 6, b"\x01\x01\0\0\0a"), "zstd, not smaller"),
            (stored(1, 1, 60, b"\x01\x01\0\0\0a"), "not zstd at all"),
            (Vec::new(), "nothing"),
        ] {
            assert!(Frame::decode(&bytes).is_err(), "{reason}");
        }
    }

    #[test]
    fn a_header_is_refused_above_the_limit_and_taken_at_it() -> Result<()> {
        let max = u32::try_from(FRAME_BYTES_MAX).unwrap_or_default();
        let header = FrameHeader::new(Codec::Raw, 1, max, max)?;
        assert_eq!(FrameHeader::decode(&header.encode())?, header);
        assert!(matches!(
            FrameHeader::new(Codec::Raw, 1, max + 1, max + 1),
            Err(Error::Limit { .. })
        ));
        Ok(())
    }

    #[test]
    fn no_truncation_and_no_flipped_bit_of_a_header_goes_unnoticed() {
        let good = raw_frame(&[(1, 2), (2, 3)], b"abcde");
        for end in 0..good.len() {
            assert!(Frame::decode(&good[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..8 * (FRAME_HEADER_BYTES + 2 * FRAME_ROW_BYTES) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // A row can become one of another kind; every other bit contradicts the rest.
            if let Ok(frame) = Frame::decode(&bad) {
                let at = (bit / 8).checked_sub(FRAME_HEADER_BYTES);
                assert!(at.is_some_and(|at| at % FRAME_ROW_BYTES == 0), "{bit}");
                assert_eq!(frame.objects().len(), 2);
            }
        }
    }
}
