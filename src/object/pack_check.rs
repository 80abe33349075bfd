//! Checking packs: every byte, and every object against its id.
//!
//! # Invariants
//!
//! - A pack that [`verify`](PackReader::verify) accepts has one spelling for everything outside the compressed
//!   payloads: frames without gaps, an index that lists exactly the objects of the frames, hashes that hold.
//! - Memory is bounded by the index and one frame for each thread.
//!
//! # Not here
//!
//! Whether trees and snapshots are well-formed and complete (`build::verify`): a pack may hold any part of a tree.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::base::error::{Error, Result};
use crate::base::id::{HASH_BYTES, Hash, Hasher, PackId};

use super::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader};
use super::kind::ObjectKind;
use super::pack::{HEADER_BYTES, IndexEntry, Location, malformed};
use super::pack_reader::{PackReader, key};
use super::recipe::Recipe;

/// An object that a pack lists but cannot give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedObject {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its id.
    pub id: Hash,
    /// The frame in which it should be.
    pub frame: u32,
    /// What was found.
    pub reason: String,
}

impl<B: AsRef<[u8]> + Sync> PackReader<B> {
    /// Checks everything and names the pack. Uses all cores.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for the first object that is not what its id says, with its frame as the place;
    /// [`Error::Malformed`] or [`Error::Limit`] for anything else that is wrong with the pack.
    pub fn verify(&self) -> Result<PackId> {
        self.check_index()?;
        self.check_frame_table()?;
        let entries = self.entries_by_place()?;
        if let Some(damaged) = self.damaged_among(&entries).into_iter().next() {
            return Err(Error::Damaged {
                what: damaged.kind.name(),
                id: damaged.id,
                place: format!("frame {}", damaged.frame),
                reason: damaged.reason,
            });
        }
        self.check_counts(&entries, |number| {
            let header = self.stored_frame(number)?.first_chunk();
            let header = header.map(FrameHeader::decode).transpose()?;
            Ok(header.map_or(0, |header| header.objects()))
        })?;
        self.check_hashes()
    }

    /// Checks what can be checked without expanding a frame, and names the pack: its hash, the order of its index, and that
    /// its frames lie without gaps. Uses all cores.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for what is wrong with the pack.
    pub fn check_layout(&self) -> Result<PackId> {
        self.check_index()?;
        self.check_frame_table()?;
        self.check_hashes()
    }

    /// Lists the objects that cannot be read, in the order in which they should lie; at most as many as the index
    /// has rows. Rows of a damaged index that name no object are passed over, and a recipe is only seen to be one for
    /// its blob: whoever puts that together checks the pieces. Uses all cores.
    #[must_use]
    pub fn damaged_objects(&self) -> Vec<DamagedObject> {
        let mut entries: Vec<IndexEntry> = self.entries().filter_map(Result::ok).collect();
        entries.sort_unstable_by_key(|entry| entry.location);
        self.damaged_among(&entries)
    }

    /// The damaged ones of `entries`, which are sorted by place.
    fn damaged_among(&self, entries: &[IndexEntry]) -> Vec<DamagedObject> {
        let runs: Vec<&[IndexEntry]> = entries
            .chunk_by(|a, b| a.location.frame == b.location.frame)
            .collect();
        runs.into_par_iter()
            .flat_map_iter(|run| self.damaged_of_frame(run))
            .collect()
    }

    /// The damaged ones of `entries`, which are all in one frame.
    fn damaged_of_frame(&self, entries: &[IndexEntry]) -> Vec<DamagedObject> {
        let frame = entries
            .first()
            .map(|entry| self.frame(entry.location.frame));
        let damage = |entry: &IndexEntry| match &frame {
            Some(Ok(frame)) => damage(frame, entry),
            Some(Err(error)) => Some(error.to_string()),
            None => None,
        };
        let damaged = |entry: &IndexEntry| {
            Some(DamagedObject {
                kind: entry.kind,
                id: entry.id,
                frame: entry.location.frame,
                reason: damage(entry)?,
            })
        };
        entries.iter().filter_map(damaged).collect()
    }

    /// The index ascends, and the fan-out counts it.
    pub(super) fn check_index(&self) -> Result<()> {
        let (fanout, rows) = self.index();
        if !rows.is_sorted_by(|a, b| key(a) < key(b)) {
            return Err(malformed("index does not ascend"));
        }
        for (first, end) in fanout.iter().enumerate() {
            let counted = rows.partition_point(|row| usize::from(row[0]) <= first);
            if counted != *end as usize {
                return Err(malformed(format!(
                    "fan-out counts {end} ids up to {first:#04x} instead of {counted}"
                )));
            }
        }
        Ok(())
    }

    /// The frames lie without gaps between header and index.
    pub(super) fn check_frame_table(&self) -> Result<()> {
        let mut end = HEADER_BYTES as u64;
        for number in 0..self.frames() {
            let entry = self.frame_entry(number)?;
            if entry.offset != end {
                return Err(malformed(format!(
                    "frame {number} starts at byte {} instead of {end}",
                    entry.offset
                )));
            }
            end += FRAME_HEADER_BYTES as u64 + u64::from(entry.stored_bytes);
        }
        if end == self.frames_end() as u64 {
            Ok(())
        } else {
            Err(malformed(format!(
                "frames end at byte {end} instead of {}",
                self.frames_end()
            )))
        }
    }

    /// Every frame has as many objects as the index has rows for it. As all rows are different and each names an
    /// object that is there, no object is left out.
    pub(super) fn check_counts(
        &self,
        entries: &[IndexEntry],
        objects_of: impl Fn(u32) -> Result<u32>,
    ) -> Result<()> {
        let mut rest = entries;
        for number in 0..self.frames() {
            let listed = rest.partition_point(|entry| entry.location.frame == number);
            let held = objects_of(number)?;
            if held as usize != listed {
                return Err(malformed(format!(
                    "frame {number} holds {held} objects, the index lists {listed}"
                )));
            }
            rest = &rest[listed..];
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(malformed("index names a frame that is not there"))
        }
    }

    /// The hash at the end holds; gives the hash of the whole file.
    pub(super) fn check_hashes(&self) -> Result<PackId> {
        let (rest, stated) = self.bytes().split_at(self.bytes().len() - HASH_BYTES);
        let mut hasher = Hasher::new();
        hasher.update_parallel(rest);
        let hash = hasher.hash();
        if hash.as_bytes() != stated {
            return Err(malformed(format!(
                "the hash at the end is not that of the bytes before it, {hash}"
            )));
        }
        hasher.update(stated);
        Ok(PackId::new(hasher.hash()))
    }
}

/// What is wrong with an object of an expanded frame, if anything.
pub(super) fn damage(frame: &Frame<'_>, entry: &IndexEntry) -> Option<String> {
    let Location { start, length, .. } = entry.location;
    let checked = frame
        .object(entry.kind, start, length)
        .and_then(|bytes| check_object(entry.kind, entry.id, bytes));
    checked.err().map(|error| match error {
        Error::Malformed { reason, .. } => reason,
        other => other.to_string(),
    })
}

/// Checks that `bytes` are the object of kind `kind` that `id` names. Of a recipe, that it is one, and for that id:
/// whoever puts the blob together checks the rest.
///
/// # Errors
///
/// [`Error::Malformed`] or [`Error::Limit`] if they are not.
pub fn check_object(kind: ObjectKind, id: Hash, bytes: &[u8]) -> Result<()> {
    let found = match kind {
        ObjectKind::Blob | ObjectKind::Tree | ObjectKind::Snapshot => Hash::of(bytes),
        ObjectKind::Recipe => Recipe::decode(bytes)?.blob().hash(),
    };
    if found == id {
        Ok(())
    } else {
        Err(Error::malformed(
            kind.name(),
            format!("its id is {found}, not {id}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame_builder::FrameBuilder;
    use super::super::pack::{ENTRY_BYTES, FRAME_ENTRY_BYTES, TRAILER_BYTES};
    use super::super::pack_writer::PackWriter;
    use super::super::recipe::Piece;
    use super::*;
    use crate::base::id::BlobId;

    /// A small pack: a raw frame, one that is compressed, and a recipe.
    fn small() -> Result<Vec<u8>> {
        let (a, b) = (&b"hello "[..], &b"world"[..]);
        let long = b"again and ".repeat(20);
        let piece = |bytes: &[u8]| Piece {
            bytes: bytes.len() as u64,
            id: BlobId::of(bytes),
        };
        let recipe = Recipe::new(BlobId::of(b"hello world"), vec![piece(a), piece(b)])?;
        let mut frames = [(); 3].map(|()| FrameBuilder::new());
        for (frame, kind, bytes) in [
            (0, ObjectKind::Blob, a),
            (0, ObjectKind::Blob, b),
            (1, ObjectKind::Blob, &long),
            (1, ObjectKind::Tree, b"text"),
        ] {
            frames[frame].push(kind, Hash::of(bytes), bytes)?;
        }
        frames[2].push(ObjectKind::Recipe, recipe.blob().hash(), &recipe.encode())?;
        write(frames)
    }

    fn write(frames: impl IntoIterator<Item = FrameBuilder>) -> Result<Vec<u8>> {
        let internal = |error: std::io::Error| Error::internal(error.to_string());
        let mut writer = PackWriter::new(Vec::new(), [5; 16]).map_err(internal)?;
        for frame in frames {
            writer.append(&frame.seal()?).map_err(internal)?;
        }
        Ok(writer.finish().map_err(internal)?.0)
    }

    fn frame(kind: ObjectKind, id: &[u8], bytes: &[u8]) -> Result<FrameBuilder> {
        let mut frame = FrameBuilder::new();
        frame.push(kind, Hash::of(id), bytes)?;
        Ok(frame)
    }

    /// Makes the hash at the end hold again.
    fn rehash(mut pack: Vec<u8>) -> Vec<u8> {
        let end = pack.len() - HASH_BYTES;
        let hash = Hash::of(&pack[..end]);
        pack[end..].copy_from_slice(hash.as_bytes());
        pack
    }

    fn flipped(pack: &[u8], bit: usize) -> Vec<u8> {
        let mut pack = pack.to_vec();
        pack[bit / 8] ^= 1 << (bit % 8);
        pack
    }

    fn verify(pack: &[u8]) -> Result<PackId> {
        PackReader::open(pack)?.verify()
    }

    #[test]
    fn a_whole_pack_is_named_by_its_bytes() -> Result<()> {
        let pack = small()?;
        assert_eq!(verify(&pack)?, PackId::of(&pack));
        assert_eq!(PackReader::open(&pack)?.damaged_objects(), []);
        Ok(())
    }

    #[test]
    fn no_truncation_and_no_flipped_bit_goes_unnoticed() -> Result<()> {
        let pack = small()?;
        for end in 0..pack.len() {
            assert!(PackReader::open(&pack[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..8 * pack.len() {
            assert!(verify(&flipped(&pack, bit)).is_err(), "bit {bit}");
        }
        Ok(())
    }

    /// A changed recipe is taken if it is still one for its blob; a changed payload, if it expands to the same bytes.
    #[test]
    fn a_forged_pack_is_refused_or_holds_the_same_objects() -> Result<()> {
        let pack = small()?;
        let objects = |pack: &[u8]| -> Result<Vec<_>> {
            let pack = PackReader::open(pack)?;
            let entries = pack.entries().collect::<Result<Vec<_>>>()?;
            Ok(entries
                .iter()
                .map(|entry| (entry.kind, entry.id, pack.find(entry.kind, entry.id)))
                .collect())
        };
        let expected = objects(&pack)?;
        let salt = 8 * 16..8 * HEADER_BYTES;
        for bit in 0..8 * (pack.len() - HASH_BYTES) {
            let forged = rehash(flipped(&pack, bit));
            let accepted = verify(&forged).is_ok();
            assert!(accepted || !salt.contains(&bit), "bit {bit} of the salt");
            if accepted {
                assert_eq!(objects(&forged)?, expected, "bit {bit}");
            }
        }
        Ok(())
    }

    #[test]
    fn an_object_that_is_not_what_its_id_says_is_named() -> Result<()> {
        let (blob, recipe) = (ObjectKind::Blob, ObjectKind::Recipe);
        let other = Recipe::new(
            BlobId::of(b"other"),
            vec![
                Piece {
                    bytes: 1,
                    id: BlobId::of(b"x")
                };
                2
            ],
        )?;
        for (kind, bytes, reason) in [
            (blob, b"changed".to_vec(), "other bytes"),
            (ObjectKind::Tree, b"changed".to_vec(), "another tree"),
            (recipe, b"bytes".to_vec(), "no recipe"),
            (recipe, other.encode(), "a recipe for another blob"),
        ] {
            let pack = write([
                frame(blob, b"fine", b"fine")?,
                frame(kind, b"bytes", &bytes)?,
            ])?;
            let pack = PackReader::open(pack)?;
            let damaged = pack.damaged_objects();
            assert_eq!(damaged.len(), 1, "{reason}");
            assert_eq!((damaged[0].kind, damaged[0].frame), (kind, 1), "{reason}");
            assert_eq!(damaged[0].id, Hash::of(b"bytes"));
            assert!(
                matches!(pack.verify(), Err(Error::Damaged { id, what, .. })
                    if id == Hash::of(b"bytes") && what == kind.name()),
                "{reason}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_frame_that_cannot_be_expanded_takes_only_its_own_objects_with_it() -> Result<()> {
        let mut pack = small()?;
        let frame = PackReader::open(&pack)?.frame_entry(1)?;
        let payload = usize::try_from(frame.offset).unwrap_or_default() + FRAME_HEADER_BYTES;
        pack[payload] ^= 1;
        let damaged = PackReader::open(&pack)?.damaged_objects();
        let kinds: Vec<_> = damaged.iter().map(|object| object.kind).collect();
        assert_eq!(kinds, [ObjectKind::Blob, ObjectKind::Tree]);
        assert!(damaged.iter().all(|object| object.frame == 1));
        Ok(())
    }

    #[test]
    fn an_index_that_leaves_an_object_out_is_refused() -> Result<()> {
        let mut two = frame(ObjectKind::Blob, b"a", b"a")?;
        two.push(ObjectKind::Blob, Hash::of(b"b"), b"b")?;
        let whole = write([two])?;
        let reader = PackReader::open(&whole)?;
        let (frames_end, id) = (reader.frames_end(), *Hash::of(b"a").as_bytes());
        // The frames of one pack with index, frame table and trailer of another that lacks one object.
        let lacking = write([frame(ObjectKind::Blob, b"a", b"a")?])?;
        let tail = PackReader::open(&lacking)?.frames_end();
        let mut forged = [&whole[..frames_end], &lacking[tail..]].concat();
        let trailer = forged.len() - TRAILER_BYTES;
        forged[trailer..trailer + 8].copy_from_slice(&(frames_end as u64).to_le_bytes());
        let table = (trailer - FRAME_ENTRY_BYTES) as u64;
        forged[trailer + 8..trailer + 16].copy_from_slice(&table.to_le_bytes());
        let row = trailer - FRAME_ENTRY_BYTES;
        let entry = reader.frame_entry(0)?;
        forged[row..trailer].copy_from_slice(&entry.encode());
        let place = row - ENTRY_BYTES + 40;
        assert_eq!(forged[place - 40..place - 8], id);
        // The object starts one row of the frame's table later.
        forged[place..place + 4].copy_from_slice(&10_u32.to_le_bytes());
        let refused = verify(&rehash(forged)).map_err(|error| error.to_string());
        assert_eq!(
            refused.err().as_deref(),
            Some("malformed pack: frame 0 holds 2 objects, the index lists 1")
        );
        Ok(())
    }
}
