//! Reading packs: a mapped file in, objects out.
//!
//! Opening costs the same for every pack. Ids are hashes and so spread evenly: a look-up begins where an id would lie if they
//! were spread quite evenly, and widens from there in steps that double (interpolation search, Peterson 1957, with the
//! exponential search of Bentley and Yao 1976 around it). Most look-ups touch one or two lines of memory.
//!
//! # Invariants
//!
//! - The parts of an open pack lie inside its bytes, and its fan-out ascends to its number of objects. Everything else
//!   is checked when it is used: a damaged pack gives errors, never wrong frames and never a panic.
//!
//! # Not here
//!
//! Whether the objects are what their ids say (`object::pack_check`; readers of single objects hash them).
//! Mapping files (`disk`).

use std::ops::Range;

use crate::base::error::{Error, Result};
use crate::base::id::{HASH_BYTES, Hash};

use super::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader, FrameObject};
use super::frame_builder::SealedFrame;
use super::kind::ObjectKind;
use super::pack::{
    ENTRY_BYTES, FANOUT_BYTES, FRAME_ENTRY_BYTES, FrameEntry, HEADER_BYTES, IndexEntry, Location,
    PACK_SALT_BYTES, TRAILER_BYTES, Trailer, decode_header, malformed,
};

/// An open pack, on top of its bytes: `B` is a map or a vector, and shows the same bytes each time.
#[derive(Clone, Debug)]
pub struct PackReader<B> {
    bytes: B,
    salt: [u8; PACK_SALT_BYTES],
    trailer: Trailer,
    /// Row `n` counts the objects whose ids start with a byte of at most `n`.
    fanout: Box<[u32]>,
    index: Range<usize>,
    frame_table: Range<usize>,
}

impl<B: AsRef<[u8]>> PackReader<B> {
    /// Opens a pack: checks header, trailer, the places of its parts, and the fan-out.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`]
    /// if `bytes` are no pack.
    pub fn open(bytes: B) -> Result<Self> {
        let file = bytes.as_ref();
        let (Some(header), Some(trailer)) = (file.first_chunk(), file.last_chunk()) else {
            return Err(malformed("file is shorter than header and trailer"));
        };
        let salt = decode_header(header)?;
        let trailer = Trailer::decode(trailer, file.len() as u64)?;
        // The trailer describes the file exactly, so the parts can be counted from its end.
        let table_end = file.len() - TRAILER_BYTES;
        let table_start = table_end - trailer.frames as usize * FRAME_ENTRY_BYTES;
        let index_start = table_start - trailer.objects as usize * ENTRY_BYTES;
        let fanout = decode_fanout(&file[index_start - FANOUT_BYTES..index_start], &trailer)?;
        Ok(Self {
            salt,
            trailer,
            fanout,
            index: index_start..table_start,
            frame_table: table_start..table_end,
            bytes,
        })
    }

    /// The salt that makes this pack different from others with the same objects.
    #[must_use]
    pub fn salt(&self) -> [u8; PACK_SALT_BYTES] {
        self.salt
    }

    /// How many objects the index lists.
    #[must_use]
    pub fn objects(&self) -> u32 {
        self.trailer.objects
    }

    /// How many frames there are.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.trailer.frames
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Finds an object. In a damaged pack it may be missed, or be found in a place that holds no such object.
    #[must_use]
    pub fn find(&self, kind: ObjectKind, id: Hash) -> Option<Location> {
        let first = usize::from(id.as_bytes()[0]);
        let end = self.fanout[first] as usize;
        let start = match first {
            0 => 0,
            _ => self.fanout[first - 1] as usize,
        };
        let mut wanted = [kind.byte(); HASH_BYTES + 1];
        wanted[..HASH_BYTES].copy_from_slice(id.as_bytes());
        let rows = &self.rows()[start..end];
        let near = around(rows, leading(&wanted));
        let rows = &rows[near];
        let at = rows.binary_search_by_key(&&wanted[..], key).ok()?;
        let entry = IndexEntry::decode(&rows[at]).ok()?;
        Some(entry.location)
    }

    /// The rows of the index, in its order: ascending by id and kind. A row that cannot be read is an error.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Result<IndexEntry>> {
        self.rows().iter().map(IndexEntry::decode)
    }

    /// Expands a frame.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there is no such frame, or it is damaged.
    pub fn frame(&self, number: u32) -> Result<Frame<'_>> {
        Frame::decode(self.stored_frame(number)?)
    }

    /// Shows header and payload of a frame as they lie.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there is no such frame, or if frame and frame
    /// table do not agree. The payload is not looked at.
    pub fn stored_frame(&self, number: u32) -> Result<&[u8]> {
        let (entry, frame) = self.located_frame(number)?;
        let header = frame.first_chunk().map(FrameHeader::decode).transpose()?;
        let agrees = |header: FrameHeader| {
            header.stored_bytes() == entry.stored_bytes && header.raw_bytes() == entry.raw_bytes
        };
        if header.is_some_and(agrees) {
            Ok(frame)
        } else {
            Err(disagreement(number))
        }
    }

    /// How many objects a frame holds.
    ///
    /// # Errors
    ///
    /// As [`Self::stored_frame`].
    pub fn frame_objects(&self, number: u32) -> Result<u32> {
        let header = self.stored_frame(number)?.first_chunk();
        let header = header.ok_or_else(|| disagreement(number))?;
        Ok(FrameHeader::decode(header)?.objects())
    }

    /// The bytes that the frame table names, and what it says of them; the caller compares the frame's own header.
    pub(super) fn located_frame(&self, number: u32) -> Result<(FrameEntry, &[u8])> {
        let entry = self.frame_entry(number)?;
        let frames = &self.bytes.as_ref()[..self.frames_end()];
        let frame = usize::try_from(entry.offset)
            .ok()
            .filter(|offset| *offset >= HEADER_BYTES)
            .and_then(|offset| frames.get(offset..))
            .and_then(|rest| rest.get(..FRAME_HEADER_BYTES + entry.stored_bytes as usize))
            .ok_or_else(|| disagreement(number))?;
        Ok((entry, frame))
    }

    /// The rows of the index in the order in which the objects lie: by frame, and within it by start.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if a row cannot be read.
    pub fn entries_by_place(&self) -> Result<Vec<IndexEntry>> {
        let mut entries = self.entries().collect::<Result<Vec<_>>>()?;
        entries.sort_unstable_by_key(|entry| entry.location);
        Ok(entries)
    }

    /// Takes a frame with its objects for another pack, without expanding it. `entries` are the rows of the index for
    /// this frame: a run of what [`Self::entries_by_place`] gives.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if index, frame table and frame do not agree.
    pub fn sealed_frame(&self, number: u32, entries: &[IndexEntry]) -> Result<SealedFrame> {
        if entries.iter().any(|entry| entry.location.frame != number) {
            return Err(malformed(format!("objects are not all in frame {number}")));
        }
        let objects = entries.iter().map(|entry| FrameObject {
            kind: entry.kind,
            id: entry.id,
            start: entry.location.start,
            length: entry.location.length,
        });
        SealedFrame::from_stored(self.stored_frame(number)?, objects.collect())
    }

    /// A row of the frame table.
    pub(super) fn frame_entry(&self, number: u32) -> Result<FrameEntry> {
        let table = self.bytes.as_ref()[self.frame_table.clone()].as_chunks();
        let row = table.0.get(number as usize);
        let row = row.ok_or_else(|| malformed(format!("there is no frame {number}")))?;
        Ok(FrameEntry::decode(row))
    }

    /// The fan-out, and the rows of the index undecoded.
    pub(super) fn index(&self) -> (&[u32], &[[u8; ENTRY_BYTES]]) {
        (&self.fanout, self.rows())
    }

    /// Where the frames end and the fan-out starts.
    pub(super) fn frames_end(&self) -> usize {
        self.index.start - FANOUT_BYTES
    }

    fn rows(&self) -> &[[u8; ENTRY_BYTES]] {
        self.bytes.as_ref()[self.index.clone()].as_chunks().0
    }
}

pub(super) fn disagreement(number: u32) -> Error {
    malformed(format!("frame {number} is not as the frame table says"))
}

/// What the index is sorted by: id and kind, which stand first in a row.
pub(super) fn key(row: &[u8; ENTRY_BYTES]) -> &[u8] {
    &row[..=HASH_BYTES]
}

/// Rows that a look-up passes over first: about as far as an id among hundreds lies from where it is expected.
const FIRST_STEP: usize = 4;

/// The bytes of a key that tell nearly all keys with one first byte apart, as a number that sorts as they do.
fn leading(key: &[u8]) -> u64 {
    let bytes = key.get(1..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The part of ascending rows, all with the same first byte, in which a key with these leading bytes lies if any has it.
fn around(rows: &[[u8; ENTRY_BYTES]], wanted: u64) -> Range<usize> {
    let guess = (u128::from(wanted) * rows.len() as u128) >> u64::BITS;
    let guess = usize::try_from(guess).unwrap_or(0);
    let (mut low, mut high) = (guess, guess);
    let mut step = FIRST_STEP;
    while low > 0 && leading(&rows[low]) >= wanted {
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = FIRST_STEP;
    while high < rows.len() && leading(&rows[high]) <= wanted {
        high = high.saturating_add(step).min(rows.len());
        step *= 2;
    }
    low..high
}

/// Reads the fan-out; it must ascend to the number of objects.
fn decode_fanout(bytes: &[u8], trailer: &Trailer) -> Result<Box<[u32]>> {
    let rows = bytes.as_chunks().0;
    let fanout: Box<[u32]> = rows.iter().map(|row| u32::from_le_bytes(*row)).collect();
    if fanout.is_sorted() && fanout.last() == Some(&trailer.objects) {
        Ok(fanout)
    } else {
        Err(malformed(
            "fan-out does not ascend to the number of objects",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame_builder::FrameBuilder;
    use super::super::pack_writer::PackWriter;
    use super::*;

    /// A pack of two frames: 1,000 blobs, of which every hundredth is a tree too, and the trees.
    fn pack() -> Result<Vec<u8>> {
        let mut blobs = FrameBuilder::new();
        let mut trees = FrameBuilder::new();
        for number in 0..1000 {
            let bytes = content(number);
            blobs.push(ObjectKind::Blob, Hash::of(&bytes), &bytes)?;
            if number % 100 == 0 {
                trees.push(ObjectKind::Tree, Hash::of(&bytes), &bytes)?;
            }
        }
        write(&[blobs.seal()?, trees.seal()?])
    }

    fn content(number: u32) -> Vec<u8> {
        format!("content of {number}").into_bytes()
    }

    fn write(frames: &[SealedFrame]) -> Result<Vec<u8>> {
        let written = || {
            let mut writer = PackWriter::new(Vec::new(), [3; 16])?;
            frames.iter().try_for_each(|frame| writer.append(frame))?;
            writer.finish()
        };
        let (bytes, _) = written().map_err(|error| Error::internal(error.to_string()))?;
        Ok(bytes)
    }

    #[test]
    fn every_object_is_found_by_kind_and_id() -> Result<()> {
        let pack = PackReader::open(pack()?)?;
        let frames = [pack.frame(0)?, pack.frame(1)?];
        for number in 0..1000 {
            let bytes = content(number);
            for (kind, frame, held) in [
                (ObjectKind::Blob, 0, true),
                (ObjectKind::Tree, 1, number % 100 == 0),
                (ObjectKind::Recipe, 0, false),
            ] {
                let found = pack.find(kind, Hash::of(&bytes));
                assert_eq!(found.is_some(), held, "{number} {kind:?}");
                if let Some(found) = found {
                    assert_eq!(found.frame, frame);
                    let object = frames[frame as usize].object(kind, found.start, found.length)?;
                    assert_eq!(object, bytes);
                }
            }
        }
        for other in [[0; 32], [255; 32]].map(Hash::from_bytes) {
            assert_eq!(pack.find(ObjectKind::Blob, other), None);
        }
        assert_eq!(
            (pack.objects(), pack.frames(), pack.salt()),
            (1010, 2, [3; 16])
        );
        Ok(())
    }

    #[test]
    fn an_empty_pack_holds_nothing() -> Result<()> {
        let pack = PackReader::open(write(&[])?)?;
        assert_eq!((pack.objects(), pack.entries().len()), (0, 0));
        assert_eq!(pack.find(ObjectKind::Blob, Hash::from_bytes([0; 32])), None);
        assert!(pack.frame(0).is_err());
        Ok(())
    }

    #[test]
    fn frames_copied_from_a_pack_make_the_same_pack() -> Result<()> {
        let bytes = pack()?;
        let pack = PackReader::open(&bytes)?;
        let entries = pack.entries_by_place()?;
        let frames: Vec<SealedFrame> = entries
            .chunk_by(|a, b| a.location.frame == b.location.frame)
            .map(|run| pack.sealed_frame(run[0].location.frame, run))
            .collect::<Result<_>>()?;
        assert!(write(&frames)? == bytes);
        assert!(pack.sealed_frame(0, &entries).is_err(), "objects of both");
        assert!(pack.sealed_frame(0, &entries[1..1000]).is_err(), "too few");
        assert!(pack.sealed_frame(2, &[]).is_err(), "no such frame");
        Ok(())
    }

    #[test]
    fn a_pack_cut_short_or_drawn_out_does_not_open() -> Result<()> {
        let bytes = pack()?;
        for end in (0..bytes.len()).rev().step_by(97).chain(0..200) {
            assert!(PackReader::open(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(PackReader::open([&bytes[..], &[0]].concat()).is_err());
        assert!(PackReader::open(&bytes[1..]).is_err());
        Ok(())
    }

    #[test]
    fn a_fan_out_that_does_not_ascend_to_the_count_does_not_open() -> Result<()> {
        let good = pack()?;
        let fanout = PackReader::open(&good)?.frames_end();
        for (row, change, reason) in [
            (0, 200, "first row above the second"),
            (255, 1, "last row above the count"),
            (255, 128, "last row below the one before"),
        ] {
            let mut bad = good.clone();
            bad[fanout + 4 * row] ^= change;
            assert!(PackReader::open(bad).is_err(), "{reason}");
        }
        Ok(())
    }

    #[test]
    fn a_frame_table_that_points_elsewhere_gives_errors() -> Result<()> {
        let good = pack()?;
        let table = PackReader::open(&good)?.frame_table.start;
        for bit in 0..8 * FRAME_ENTRY_BYTES {
            let mut bad = good.clone();
            bad[table + bit / 8] ^= 1 << (bit % 8);
            let bad = PackReader::open(bad)?;
            assert!(bad.stored_frame(0).is_err(), "bit {bit}");
            assert!(bad.frame(1).is_ok());
        }
        Ok(())
    }
}
