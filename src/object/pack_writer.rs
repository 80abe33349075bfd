//! Writing packs: frames in, one file out, hashed as it is written.
//!
//! # Invariants
//!
//! - What a finished writer wrote is a pack within the limits that readers enforce.
//! - Bytes are written once, in order; nothing is read back.
//!
//! # Not here
//!
//! Which objects share a frame or a pack, syncing and naming the file (`store`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, Write};

use crate::base::id::{Hash, Hasher, PackId};
use crate::base::limits::{PACK_BYTES_MAX, PACK_OBJECTS_MAX};

use super::frame::FRAME_HEADER_BYTES;
use super::frame_builder::SealedFrame;
use super::kind::ObjectKind;
use super::pack::{
    FANOUT_ROWS, FrameEntry, IndexEntry, Location, PACK_BYTES_TARGET, PACK_SALT_BYTES, PackSummary,
    Trailer, encode_header,
};

/// Rows of the index that are handed to the output in one piece.
const ROWS_PER_WRITE: usize = 1024;

/// Writes one pack to `W`.
///
/// An output that failed holds a torn pack: drop the writer and the file.
#[derive(Debug)]
#[must_use]
pub struct PackWriter<W> {
    out: HashedWriter<W>,
    objects: HashMap<(Hash, ObjectKind), Location>,
    frames: Vec<FrameEntry>,
}

impl<W: Write> PackWriter<W> {
    /// Starts a pack. The salt makes two packs of equal content different files, each with one owner; the caller draws
    /// it at random.
    ///
    /// # Errors
    ///
    /// What `out` answered.
    pub fn new(out: W, salt: [u8; PACK_SALT_BYTES]) -> io::Result<Self> {
        let mut out = HashedWriter::new(out);
        out.write(&encode_header(salt))?;
        Ok(Self {
            out,
            objects: HashMap::new(),
            frames: Vec::new(),
        })
    }

    /// Length of the pack if it were finished now, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.trailer().pack_bytes()
    }

    /// How many objects have been appended.
    #[must_use]
    pub fn objects(&self) -> u32 {
        self.trailer().objects
    }

    /// Whether an object has been appended.
    #[must_use]
    pub fn contains(&self, kind: ObjectKind, id: Hash) -> bool {
        self.objects.contains_key(&(id, kind))
    }

    /// Whether the pack stays within [`PACK_BYTES_TARGET`] with one more frame. A pack without frames has room for any.
    #[must_use]
    pub fn has_room_for(&self, frame: &SealedFrame) -> bool {
        self.frames.is_empty() || self.bytes_with(frame) <= PACK_BYTES_TARGET
    }

    /// Appends a frame.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::FileTooLarge`] if the pack would be larger than [`PACK_BYTES_MAX`] or hold more than
    /// [`PACK_OBJECTS_MAX`] objects, and [`io::ErrorKind::AlreadyExists`] if an object would be in it twice: the pack
    /// is as before. Otherwise what the output answered.
    pub fn append(&mut self, frame: &SealedFrame) -> io::Result<()> {
        if self.bytes_with(frame) > PACK_BYTES_MAX
            || self.objects.len() + frame.objects().len() > PACK_OBJECTS_MAX as usize
        {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.list(frame)?;
        self.frames.push(FrameEntry {
            offset: self.out.bytes,
            stored_bytes: count(frame.stored().len() - FRAME_HEADER_BYTES),
            raw_bytes: frame.raw_bytes(),
        });
        self.out.write(frame.stored())
    }

    /// Notes where the objects of the next frame lie, or nothing if one of them would be doubled.
    fn list(&mut self, frame: &SealedFrame) -> io::Result<()> {
        let number = count(self.frames.len());
        for (at, object) in frame.objects().iter().enumerate() {
            let Entry::Vacant(vacant) = self.objects.entry((object.id, object.kind)) else {
                for listed in &frame.objects()[..at] {
                    self.objects.remove(&(listed.id, listed.kind));
                }
                let reason = format!("{} {} is in the pack twice", object.kind.name(), object.id);
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
            };
            vacant.insert(Location {
                frame: number,
                start: object.start,
                length: object.length,
            });
        }
        Ok(())
    }

    /// Writes index, frame table and trailer, and gives the output back with what the pack has become.
    ///
    /// # Errors
    ///
    /// What the output answered.
    pub fn finish(self) -> io::Result<(W, PackSummary)> {
        let trailer = self.trailer();
        let Self {
            mut out,
            objects,
            frames,
        } = self;
        write_index(&mut out, objects)?;
        for rows in frames.chunks(ROWS_PER_WRITE) {
            let rows: Vec<u8> = rows.iter().flat_map(|frame| frame.encode()).collect();
            out.write(&rows)?;
        }
        out.write(&trailer.encode())?;
        let hash = out.hasher.hash();
        out.write(hash.as_bytes())?;
        out.out.flush()?;
        let summary = PackSummary {
            id: PackId::new(out.hasher.hash()),
            bytes: out.bytes,
            objects: trailer.objects,
            frames: trailer.frames,
        };
        Ok((out.out, summary))
    }

    /// The trailer if the pack were finished now.
    fn trailer(&self) -> Trailer {
        Trailer {
            index_offset: self.out.bytes,
            objects: count(self.objects.len()),
            frames: count(self.frames.len()),
        }
    }

    /// Length of the pack if it were finished after `frame`, in bytes.
    #[must_use]
    pub fn bytes_with(&self, frame: &SealedFrame) -> u64 {
        let trailer = self.trailer();
        let with_frame = Trailer {
            index_offset: trailer.index_offset + frame.stored().len() as u64,
            objects: trailer.objects.saturating_add(count(frame.objects().len())),
            frames: trailer.frames + 1,
        };
        with_frame.pack_bytes()
    }
}

/// A number of rows, or of bytes of a frame, as the format stores it; [`PACK_OBJECTS_MAX`] and the limits of frames keep all of them
/// below 32 bits.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn write_index<W: Write>(
    out: &mut HashedWriter<W>,
    objects: HashMap<(Hash, ObjectKind), Location>,
) -> io::Result<()> {
    let mut entries: Vec<IndexEntry> = objects
        .into_iter()
        .map(|((id, kind), location)| IndexEntry { kind, id, location })
        .collect();
    entries.sort_unstable_by_key(|entry| (entry.id, entry.kind));
    let mut fanout = [0_u32; FANOUT_ROWS];
    for entry in &entries {
        fanout[usize::from(entry.id.as_bytes()[0])] += 1;
    }
    let mut listed = 0;
    let rows: Vec<u8> = fanout
        .iter()
        .flat_map(|rows| {
            listed += rows;
            listed.to_le_bytes()
        })
        .collect();
    out.write(&rows)?;
    for entries in entries.chunks(ROWS_PER_WRITE) {
        let rows: Vec<u8> = entries.iter().flat_map(IndexEntry::encode).collect();
        out.write(&rows)?;
    }
    Ok(())
}

/// An output that counts and hashes what goes through it.
#[derive(Debug)]
struct HashedWriter<W> {
    out: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W: Write> HashedWriter<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            hasher: Hasher::new(),
            bytes: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame_builder::FrameBuilder;
    use super::super::pack::HEADER_BYTES;
    use super::*;
    use crate::base::error::{Error, Result};

    fn frame(contents: &[&[u8]]) -> Result<SealedFrame> {
        let mut builder = FrameBuilder::new();
        for bytes in contents {
            builder.push(ObjectKind::Blob, Hash::of(bytes), bytes)?;
        }
        builder.seal()
    }

    fn io(error: io::Error) -> Error {
        Error::Io {
            action: "write",
            path: "pack".into(),
            source: error,
        }
    }

    #[test]
    fn a_summary_says_what_was_written() -> Result<()> {
        for contents in [vec![], vec![&[&b"a"[..]][..], &[b"b", b"c"]]] {
            let mut writer = PackWriter::new(Vec::new(), [1; 16]).map_err(io)?;
            for contents in &contents {
                writer.append(&frame(contents)?).map_err(io)?;
            }
            let (bytes, objects) = (writer.bytes(), writer.objects());
            let (pack, summary) = writer.finish().map_err(io)?;
            assert_eq!(summary.bytes, pack.len() as u64);
            assert_eq!((summary.bytes, summary.objects), (bytes, objects));
            assert_eq!(summary.frames as usize, contents.len());
            assert_eq!(summary.id, PackId::of(&pack));
        }
        Ok(())
    }

    #[test]
    fn the_order_of_frames_is_kept_and_the_salt_makes_the_file() -> Result<()> {
        let pack = |salt| -> Result<Vec<u8>> {
            let mut writer = PackWriter::new(Vec::new(), salt).map_err(io)?;
            writer.append(&frame(&[b"a", b"b"])?).map_err(io)?;
            Ok(writer.finish().map_err(io)?.0)
        };
        assert_eq!(pack([1; 16])?, pack([1; 16])?);
        assert_ne!(PackId::of(&pack([1; 16])?), PackId::of(&pack([2; 16])?));
        Ok(())
    }

    #[test]
    fn an_object_that_would_be_doubled_is_refused_and_nothing_changes() -> Result<()> {
        let mut writer = PackWriter::new(Vec::new(), [1; 16]).map_err(io)?;
        writer.append(&frame(&[b"a"])?).map_err(io)?;
        let before = writer.bytes();
        for doubled in [frame(&[b"b", b"a"])?, frame(&[b"c", b"c"])?] {
            let refused = writer.append(&doubled).map_err(|error| error.kind());
            assert_eq!(refused, Err(io::ErrorKind::AlreadyExists));
            assert_eq!(writer.bytes(), before);
        }
        for (kind, bytes, held) in [
            (ObjectKind::Blob, b"a", true),
            (ObjectKind::Tree, b"a", false),
            (ObjectKind::Blob, b"b", false),
            (ObjectKind::Blob, b"c", false),
        ] {
            assert_eq!(writer.contains(kind, Hash::of(bytes)), held);
        }
        assert_eq!(writer.finish().map_err(io)?.1.bytes, before);
        Ok(())
    }

    #[test]
    fn a_pack_is_full_at_its_target_and_refuses_at_its_limit() -> Result<()> {
        let mut writer = PackWriter::new(io::sink(), [1; 16]).map_err(io)?;
        let first = frame(&[b"a"])?;
        assert!(writer.has_room_for(&first));
        writer.append(&first).map_err(io)?;
        let second = frame(&[b"b"])?;
        let room = |limit: u64| limit - writer.bytes_with(&second);
        let (to_target, to_limit) = (room(PACK_BYTES_TARGET), room(PACK_BYTES_MAX));
        for (bytes, has_room, fits) in [
            (to_target, true, true),
            (to_target + 1, false, true),
            (to_limit, false, true),
            (to_limit + 1, false, false),
        ] {
            let mut writer = PackWriter::new(io::sink(), [1; 16]).map_err(io)?;
            writer.append(&first).map_err(io)?;
            // As if that many bytes had been written already.
            writer.out.bytes += bytes;
            assert_eq!(writer.has_room_for(&second), has_room, "{bytes}");
            assert_eq!(writer.append(&second).is_ok(), fits, "{bytes}");
        }
        Ok(())
    }

    #[test]
    fn a_full_disk_is_reported() -> Result<()> {
        let room = [0_u8; HEADER_BYTES + 10];
        let mut writer = PackWriter::new(io::Cursor::new(room), [1; 16]).map_err(io)?;
        let outcome = writer.append(&frame(&[b"a longer blob"])?);
        assert_eq!(
            outcome.map_err(|error| error.kind()),
            Err(io::ErrorKind::WriteZero)
        );
        Ok(())
    }
}
