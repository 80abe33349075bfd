//! Delta packs: packs that may have patch frames among the others.
//!
//! A delta pack is taken apart when it arrives, and what comes out is stored in packs without patches.
//!
//! # Invariants
//!
//! - Only the functions of this file read patch frames; for every other reader of packs they are malformed.
//!
//! # Not here
//!
//! Finding the bases and storing what is made (`delta`).

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::base::error::{Error, Result};
use crate::base::id::PackId;

use super::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader, FrameObject};
use super::pack::{FrameEntry, IndexEntry, malformed};
use super::pack_check::damage;
use super::pack_reader::{PackReader, disagreement};
use super::patch_frame::{PATCH_CODEC, PatchFrame, PatchFrameHeader};

/// A frame of a delta pack.
#[derive(Clone, Debug)]
pub enum DeltaFrame<'a> {
    /// Whole objects, expanded.
    Whole(Frame<'a>),
    /// Blobs that are made from others.
    Patch(PatchFrame<'a>),
}

impl<B: AsRef<[u8]> + Sync> PackReader<B> {
    /// Reads a frame of a delta pack; expands one of whole objects.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if there is no such frame, or it is damaged.
    pub fn delta_frame(&self, number: u32) -> Result<DeltaFrame<'_>> {
        let (entry, stored) = self.located_frame(number)?;
        objects_of(number, entry, stored)?;
        if stored.first() == Some(&PATCH_CODEC) {
            PatchFrame::decode(stored).map(DeltaFrame::Patch)
        } else {
            Frame::decode(stored).map(DeltaFrame::Whole)
        }
    }

    /// Checks everything that can be checked of a delta pack without the bases of its patches, and names it: all that
    /// [`verify`](Self::verify) checks of whole objects, and of patches that the index lists what they say they make.
    /// Uses all cores.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for an object that is not what its id says; [`Error::Malformed`] or [`Error::Limit`] for
    /// anything else that is wrong with the pack.
    pub fn verify_delta(&self) -> Result<PackId> {
        self.check_index()?;
        self.check_frame_table()?;
        let entries = self.entries_by_place()?;
        let runs: Vec<&[IndexEntry]> = entries
            .chunk_by(|a, b| a.location.frame == b.location.frame)
            .collect();
        runs.into_par_iter()
            .try_for_each(|run| self.check_delta_frame(run))?;
        self.check_counts(&entries, |number| {
            let (entry, stored) = self.located_frame(number)?;
            objects_of(number, entry, stored)
        })?;
        self.check_hashes()
    }

    /// Checks that the rows `entries` of the index, all of one frame, name what it holds.
    fn check_delta_frame(&self, entries: &[IndexEntry]) -> Result<()> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let number = first.location.frame;
        let reason = match self.delta_frame(number)? {
            DeltaFrame::Whole(frame) => entries
                .iter()
                .find_map(|entry| damage(&frame, entry).map(|reason| (entry, reason))),
            DeltaFrame::Patch(frame) => {
                let objects = frame.objects()?;
                // Targets lie in order, and at most one is empty: so a place is that of one object.
                let lists = |entry: &&IndexEntry| {
                    let entry = as_object(entry);
                    let place = |object: &FrameObject| (object.start, object.length);
                    let found = objects.binary_search_by_key(&place(&entry), place);
                    found.is_ok_and(|at| objects[at] == entry)
                };
                let unlisted = entries.iter().find(|entry| !lists(entry));
                unlisted.map(|entry| (entry, String::from("its patch frame does not make it")))
            }
        };
        reason.map_or(Ok(()), |(entry, reason)| {
            Err(Error::Damaged {
                what: entry.kind.name(),
                id: entry.id,
                place: format!("frame {number}"),
                reason,
            })
        })
    }
}

/// How many objects a frame of any codec holds; its header must agree with the frame table.
fn objects_of(number: u32, entry: FrameEntry, stored: &[u8]) -> Result<u32> {
    let header: &[u8; FRAME_HEADER_BYTES] = stored
        .first_chunk()
        .ok_or_else(|| malformed("a frame is shorter than its header"))?;
    let (objects, raw_bytes, stored_bytes) = if header[0] == PATCH_CODEC {
        let header = PatchFrameHeader::decode(header)?;
        (header.targets, header.raw_bytes, header.stored_bytes)
    } else {
        let header = FrameHeader::decode(header)?;
        (header.objects(), header.raw_bytes(), header.stored_bytes())
    };
    if (raw_bytes, stored_bytes) == (entry.raw_bytes, entry.stored_bytes) {
        Ok(objects)
    } else {
        Err(disagreement(number))
    }
}

/// A row of an index as an object of its frame.
fn as_object(entry: &IndexEntry) -> FrameObject {
    FrameObject {
        kind: entry.kind,
        id: entry.id,
        start: entry.location.start,
        length: entry.location.length,
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame_builder::{FrameBuilder, SealedFrame};
    use super::super::kind::ObjectKind;
    use super::super::pack_writer::PackWriter;
    use super::super::patch::{Effort, Method, Pair, encode};
    use super::super::patch_frame::{PatchBase, PatchTarget};
    use super::*;
    use crate::base::id::Hash;

    const OLD: &[u8] = b"a file that there is";
    const NEW: &[u8] = b"a file that there will be";

    fn patch_frame(id: Hash) -> Result<SealedFrame> {
        let pair = Pair {
            base: OLD,
            target: NEW,
        };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let base = PatchBase {
            id: Hash::of(OLD),
            length: length(OLD),
        };
        let target = PatchTarget {
            id,
            length: length(NEW),
            base: Some(base),
        };
        PatchFrame::seal(
            &[target],
            &encode(Method::Difference, &[pair], Effort::Quick)?,
        )
    }

    fn whole_frame(id: &[u8], bytes: &[u8]) -> Result<SealedFrame> {
        let mut builder = FrameBuilder::new();
        builder.push(ObjectKind::Blob, Hash::of(id), bytes)?;
        builder.seal()
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

    fn pack() -> Result<Vec<u8>> {
        write(&[
            whole_frame(b"whole", b"whole")?,
            patch_frame(Hash::of(NEW))?,
        ])
    }

    #[test]
    fn a_delta_pack_gives_whole_frames_and_patches() -> Result<()> {
        let bytes = pack()?;
        let pack = PackReader::open(&bytes)?;
        assert_eq!(pack.verify_delta()?, PackId::of(&bytes));
        let DeltaFrame::Whole(frame) = pack.delta_frame(0)? else {
            return Err(Error::internal("the first frame is whole"));
        };
        assert_eq!(frame.objects().len(), 1);
        let DeltaFrame::Patch(frame) = pack.delta_frame(1)? else {
            return Err(Error::internal("the second is a patch"));
        };
        let mut made = Vec::new();
        frame.apply(&[OLD], &mut |_, piece| {
            made.extend_from_slice(piece);
            Ok(())
        })?;
        assert_eq!(made, NEW);
        assert!(pack.delta_frame(2).is_err(), "there is no third");
        Ok(())
    }

    #[test]
    fn a_store_takes_no_pack_with_a_patch() -> Result<()> {
        let pack = PackReader::open(pack()?)?;
        assert!(pack.verify().is_err());
        assert!(pack.frame(0).is_ok() && pack.frame(1).is_err());
        assert!(pack.stored_frame(1).is_err());
        let damaged = pack.damaged_objects();
        let id = Hash::of(NEW);
        assert!(damaged.len() == 1 && damaged[0].id == id && damaged[0].frame == 1);
        let entries: Vec<IndexEntry> = pack.entries_by_place()?;
        assert!(pack.sealed_frame(0, &entries[..1]).is_ok());
        assert!(
            pack.sealed_frame(1, &entries[1..]).is_err(),
            "nor copies one"
        );
        Ok(())
    }

    #[test]
    fn no_truncation_and_no_flipped_bit_of_a_delta_pack_goes_unnoticed() -> Result<()> {
        let mut bytes = pack()?;
        for end in 0..bytes.len() {
            assert!(PackReader::open(&bytes[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let verified = PackReader::open(&bytes).and_then(|pack| pack.verify_delta());
            assert!(verified.is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Ok(())
    }

    #[test]
    fn an_object_that_its_frame_does_not_hold_is_named() -> Result<()> {
        let whole = write(&[
            whole_frame(b"another", b"whole")?,
            patch_frame(Hash::of(NEW))?,
        ])?;
        let refused = PackReader::open(whole)?.verify_delta();
        assert!(matches!(refused, Err(Error::Damaged { id, .. }) if id == Hash::of(b"another")));
        // The index of a pack whose patch makes something else, behind the frames of this one.
        let (pack, other) = (
            pack()?,
            write(&[
                whole_frame(b"whole", b"whole")?,
                patch_frame(Hash::of(b"x"))?,
            ])?,
        );
        let frames_end = PackReader::open(&pack)?.frames_end();
        let mut forged = [&pack[..frames_end], &other[frames_end..]].concat();
        let end = forged.len() - 32;
        let hash = Hash::of(&forged[..end]);
        forged[end..].copy_from_slice(hash.as_bytes());
        let refused = PackReader::open(forged)?.verify_delta();
        assert!(matches!(refused, Err(Error::Damaged { id, .. }) if id == Hash::of(b"x")));
        Ok(())
    }
}
