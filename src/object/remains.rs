//! Remains: the objects that can still be read from what is left of a pack, whatever became of its index.
//!
//! A frame says how long it is and what it holds, so frames are found one after the other from the start of the file, and,
//! where the chain breaks, from the rows of the frame table. Ids come from the bytes, never from the index.
//!
//! # Invariants
//!
//! - Every object that is found has the id that its bytes give. Of a recipe that is the id that it says it makes: whoever
//!   puts the blob together checks the pieces.
//! - Each byte of the file is the start of at most one frame that is tried, so a forged table makes nothing endless.
//!
//! # Not here
//!
//! Packs that are whole (`object::pack_reader`), which objects are wanted (`store::repair`).

use std::collections::{BTreeSet, HashMap};

use crate::base::error::{Error, Result};
use crate::base::id::Hash;

use super::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader};
use super::kind::ObjectKind;
use super::pack::HEADER_BYTES;
use super::pack_reader::PackReader;
use super::recipe::Recipe;

/// Where an object lies in a file: the frame, as an offset, and the place in the expanded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remnant {
    /// Where the frame starts in the file, in bytes.
    pub offset: usize,
    /// Where the object starts in the expanded frame, in bytes.
    pub start: u32,
    /// Its length, in bytes.
    pub length: u32,
}

/// What can still be read from a pack.
#[derive(Debug)]
pub struct Remains<B> {
    bytes: B,
    objects: HashMap<(ObjectKind, Hash), Remnant>,
}

impl<B: AsRef<[u8]>> Remains<B> {
    /// Looks through all of `bytes`, which may be anything.
    #[must_use]
    pub fn of(bytes: B) -> Self {
        let file = bytes.as_ref();
        let mut objects = HashMap::new();
        let mut starts = table(file);
        starts.insert(HEADER_BYTES);
        while let Some(offset) = starts.pop_first() {
            let Some(stored) = stored_frame(file, offset) else {
                continue;
            };
            starts.insert(offset + stored.len());
            for (object, start, length) in named_objects(stored) {
                objects.entry(object).or_insert(Remnant {
                    offset,
                    start,
                    length,
                });
            }
        }
        Self { bytes, objects }
    }

    /// The objects that were found, in no order.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectKind, Hash)> {
        self.objects.keys().copied()
    }

    /// Where an object lies, if it was found.
    #[must_use]
    pub fn find(&self, kind: ObjectKind, id: Hash) -> Option<Remnant> {
        self.objects.get(&(kind, id)).copied()
    }

    /// Expands the frame that starts at `offset`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there is none.
    pub fn frame(&self, offset: usize) -> Result<Frame<'_>> {
        let stored = stored_frame(self.bytes.as_ref(), offset);
        Frame::decode(stored.ok_or_else(|| Error::malformed("pack", "no frame starts there"))?)
    }
}

/// Where frames start by the frame table, if the file can be opened as a pack.
fn table(file: &[u8]) -> BTreeSet<usize> {
    let Ok(pack) = PackReader::open(file) else {
        return BTreeSet::new();
    };
    let offset = |number| usize::try_from(pack.frame_entry(number).ok()?.offset).ok();
    (0..pack.frames()).filter_map(offset).collect()
}

/// The frame that starts at `offset`, as far as its header can be believed.
fn stored_frame(file: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = file.get(offset..)?;
    let header = FrameHeader::decode(rest.first_chunk()?).ok()?;
    rest.get(..FRAME_HEADER_BYTES + header.stored_bytes() as usize)
}

/// The objects of a frame that can be expanded, each with its place.
fn named_objects(stored: &[u8]) -> Vec<((ObjectKind, Hash), u32, u32)> {
    let Ok(frame) = Frame::decode(stored) else {
        return Vec::new();
    };
    let named = frame.places().filter_map(|(kind, start, length)| {
        let bytes = frame.object(kind, start, length).ok()?;
        let id = match kind {
            ObjectKind::Blob | ObjectKind::Tree | ObjectKind::Snapshot => Hash::of(bytes),
            ObjectKind::Recipe => Recipe::decode(bytes).ok()?.blob().hash(),
        };
        Some(((kind, id), start, length))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::super::frame_builder::FrameBuilder;
    use super::super::pack_writer::PackWriter;
    use super::*;

    /// A pack of three frames: two raw ones, and one that is compressed.
    fn pack() -> Result<Vec<u8>> {
        let long = b"again and ".repeat(20);
        let mut frames = Vec::new();
        for contents in [vec![&b"a"[..], b"bc"], vec![&long[..]], vec![b"def", b""]] {
            let mut frame = FrameBuilder::new();
            for bytes in contents {
                frame.push(ObjectKind::Blob, Hash::of(bytes), bytes)?;
            }
            frames.push(frame.seal()?);
        }
        let written = || {
            let mut writer = PackWriter::new(Vec::new(), [3; 16])?;
            frames.iter().try_for_each(|frame| writer.append(frame))?;
            writer.finish()
        };
        let (bytes, _) = written().map_err(|error| Error::internal(error.to_string()))?;
        Ok(bytes)
    }

    /// Reads every object that was found, and checks that it is what its id says.
    fn read_all(remains: &Remains<Vec<u8>>) -> Result<usize> {
        let mut found = 0;
        for (kind, id) in remains.objects() {
            let place = remains.find(kind, id);
            let place = place.ok_or_else(|| Error::internal("it was listed"))?;
            let frame = remains.frame(place.offset)?;
            let bytes = frame.object(kind, place.start, place.length)?;
            assert_eq!(Hash::of(bytes), id);
            found += 1;
        }
        Ok(found)
    }

    #[test]
    fn a_flipped_byte_costs_the_frame_that_it_is_in_and_no_other() -> Result<()> {
        let good = pack()?;
        assert_eq!(read_all(&Remains::of(good.clone()))?, 5);
        let frames_end = PackReader::open(&good)?.frames_end();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            let left = read_all(&Remains::of(bad))?;
            // A blob of another kind, or with other bytes, is another object: it is there under its own id.
            let most = if at < frames_end { 3 } else { 5 };
            assert!(left >= most, "byte {at}: {left} are left");
        }
        Ok(())
    }

    #[test]
    fn what_lies_before_a_cut_is_found() -> Result<()> {
        let good = pack()?;
        let pack = PackReader::open(&good)?;
        let ends: Vec<usize> = (0..3)
            .map(|number| {
                let entry = pack.frame_entry(number)?;
                let offset = usize::try_from(entry.offset).unwrap_or(usize::MAX);
                Ok(offset + FRAME_HEADER_BYTES + entry.stored_bytes as usize)
            })
            .collect::<Result<_>>()?;
        for length in 0..good.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            let left = read_all(&Remains::of(good[..length].to_vec()))?;
            assert_eq!(left, [0, 2, 3, 5][whole], "cut at {length}");
        }
        Ok(())
    }

    #[test]
    fn anything_else_holds_nothing() -> Result<()> {
        for bytes in [
            vec![],
            vec![0; 4096],
            vec![255; 4096],
            b"bindery".repeat(50),
        ] {
            assert_eq!(read_all(&Remains::of(bytes))?, 0);
        }
        Ok(())
    }
}
