//! Packs that arrive as a stream: each frame is checked as it comes, before the index that follows all of them.
//!
//! # Invariants
//!
//! - One frame is in memory at a time, as it came and expanded; no length is believed before it was held to its limit.
//! - A frame that is handed out holds the objects that its ids say.
//!
//! # Not here
//!
//! Packs that lie in a file (`object::pack_reader`).

use std::io::{ErrorKind, Read};

use super::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader, FrameObject};
use super::frame_builder::SealedFrame;
use super::kind::ObjectKind;
use super::pack::{
    ENTRY_BYTES, FANOUT_BYTES, FRAME_ENTRY_BYTES, HEADER_BYTES, TRAILER_BYTES, decode_header,
};
use super::recipe::Recipe;
use crate::base::error::check_limit;
use crate::base::id::{HASH_BYTES, Hash, Hasher, PackId};
use crate::base::limits::{PACK_BYTES_MAX, PACK_OBJECTS_MAX};
use crate::base::{Error, Result};

/// Bytes of the index that are read at once.
const REST_BYTES: usize = 64 * 1024;

/// A pack that arrives.
#[derive(Debug)]
pub struct PackStream<R> {
    input: R,
    hasher: Hasher,
    /// What has arrived so far.
    bytes: u64,
    frames: u32,
    objects: u64,
    stored: Vec<u8>,
}

impl<R: Read> PackStream<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is none, or `input` fails or ends; so for every method.
    pub fn open(input: R) -> Result<Self> {
        let mut stream = Self {
            input,
            hasher: Hasher::new(),
            bytes: 0,
            frames: 0,
            objects: 0,
            stored: Vec::new(),
        };
        let mut header = [0; HEADER_BYTES];
        stream.fill(&mut header)?;
        decode_header(&header)?;
        Ok(stream)
    }

    /// Reads the next frame, and gives it to `take` with its objects, expanded. Whoever announced the pack said how many
    /// there are.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if the pack would be too large; what `take` answers.
    pub fn next_frame<T>(
        &mut self,
        take: impl FnOnce(SealedFrame, &Frame<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut header_bytes = [0; FRAME_HEADER_BYTES];
        self.fill(&mut header_bytes)?;
        let header = FrameHeader::decode(&header_bytes)?;
        self.objects += u64::from(header.objects());
        check_limit("objects of a pack", self.objects, PACK_OBJECTS_MAX.into())?;
        let length = FRAME_HEADER_BYTES + header.stored_bytes() as usize;
        let mut stored = std::mem::take(&mut self.stored);
        stored.clear();
        stored.extend_from_slice(&header_bytes);
        stored.resize(length, 0);
        self.fill(&mut stored[FRAME_HEADER_BYTES..])?;
        let frame = Frame::decode(&stored)?;
        let objects = objects_of(&frame)?;
        self.frames += 1;
        let taken = take(SealedFrame::from_stored(&stored, objects)?, &frame);
        drop(frame);
        self.stored = stored;
        taken
    }

    /// Reads what follows the frames. Its index says nothing that the frames did not say: only its length, and the hash at
    /// its end, are held to them. Returns the hash of the whole.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is longer or shorter, or the hash at the end is wrong.
    pub fn finish(mut self) -> Result<PackId> {
        let rows =
            self.objects * ENTRY_BYTES as u64 + u64::from(self.frames) * FRAME_ENTRY_BYTES as u64;
        let mut left = FANOUT_BYTES as u64 + rows + (TRAILER_BYTES - HASH_BYTES) as u64;
        let mut buffer = vec![0; REST_BYTES];
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(REST_BYTES).min(REST_BYTES);
            self.fill(&mut buffer[..count])?;
            left -= count as u64;
        }
        let expected = self.hasher.hash();
        let mut found = [0; HASH_BYTES];
        self.fill(&mut found)?;
        if Hash::from_bytes(found) != expected {
            return Err(malformed("the hash at its end is not that of its bytes"));
        }
        let id = self.hasher.hash();
        match self.input.read(&mut buffer[..1]) {
            Ok(0) => Ok(PackId::new(id)),
            Ok(_) => Err(malformed(
                "bytes follow its end, or it has more frames than was said",
            )),
            Err(error) => Err(malformed(format!("it broke off: {error}"))),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.bytes += buffer.len() as u64;
        check_limit("bytes of a pack", self.bytes, PACK_BYTES_MAX)?;
        self.input.read_exact(buffer).map_err(|error| {
            malformed(match error.kind() {
                ErrorKind::UnexpectedEof => "it ends early".to_owned(),
                _ => format!("it broke off: {error}"),
            })
        })?;
        self.hasher.update(buffer);
        Ok(())
    }
}

/// The objects of a frame, each with the id that follows from its bytes.
fn objects_of(frame: &Frame<'_>) -> Result<Vec<FrameObject>> {
    let places = frame.places().zip(frame.objects());
    let object = |((kind, start, length), (_, bytes)): ((ObjectKind, u32, u32), (_, &[u8]))| {
        let id = match kind {
            ObjectKind::Blob | ObjectKind::Tree | ObjectKind::Snapshot => Hash::of(bytes),
            ObjectKind::Recipe => Recipe::decode(bytes)?.blob().hash(),
        };
        Ok(FrameObject {
            kind,
            id,
            start,
            length,
        })
    };
    places.map(object).collect()
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("pack", reason)
}

#[cfg(test)]
mod tests {
    use super::super::frame_builder::FrameBuilder;
    use super::super::pack_writer::PackWriter;
    use super::*;
    use crate::base::testing::mutations;

    fn pack() -> Result<Vec<u8>> {
        let mut writer = PackWriter::new(Vec::new(), [7; 16]).map_err(|_| malformed("new"))?;
        for texts in [&["hello", "world"][..], &["again and again and again"]] {
            let mut frame = FrameBuilder::new();
            for text in texts {
                frame.push(ObjectKind::Blob, Hash::of(text.as_bytes()), text.as_bytes())?;
            }
            writer
                .append(&frame.seal()?)
                .map_err(|_| malformed("append"))?;
        }
        let finished = writer.finish().map_err(|_| malformed("finish"))?;
        Ok(finished.0)
    }

    fn read(bytes: &[u8], frames: u32) -> Result<(Vec<Hash>, PackId)> {
        let mut stream = PackStream::open(bytes)?;
        let mut ids = Vec::new();
        for _ in 0..frames {
            stream.next_frame(|frame, _| {
                ids.extend(frame.objects().iter().map(|object| object.id));
                Ok(())
            })?;
        }
        Ok((ids, stream.finish()?))
    }

    #[test]
    fn every_object_is_seen_with_its_id() -> Result<()> {
        let bytes = pack()?;
        let (ids, id) = read(&bytes, 2)?;
        let expected = ["hello", "world", "again and again and again"];
        assert_eq!(ids, expected.map(|text| Hash::of(text.as_bytes())));
        assert_eq!(id, PackId::of(&bytes));
        Ok(())
    }

    #[test]
    fn another_number_of_frames_is_noticed() -> Result<()> {
        let bytes = pack()?;
        for frames in [0, 1, 3] {
            assert!(read(&bytes, frames).is_err(), "{frames}");
        }
        Ok(())
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() -> Result<()> {
        for bad in mutations(&pack()?) {
            assert!(read(&bad, 2).is_err());
        }
        let more = [pack()?, vec![0]].concat();
        assert!(read(&more, 2).is_err());
        Ok(())
    }
}
