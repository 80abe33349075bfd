//! Frames: whole objects back to back, compressed together. Making.
//!
//! # Invariants
//!
//! - A [`SealedFrame`] is what [`Frame::decode`](super::frame::Frame::decode) takes, and its objects are listed as they lie in
//!   it; or it is a part of a delta (`object::script_frame`), which has none.
//!
//! # Not here
//!
//! The layout and its limits (`object::frame`), where frames go (`object::pack_writer`). Which objects share a frame
//! is the caller's choice: trees apart from blobs, neighbours together.

use crate::base::error::{Error, Result, check_limit};
use crate::base::id::Hash;
use crate::base::limits::FRAME_BYTES_MAX;

use super::codec;
use super::frame::{
    Codec, FRAME_BYTES_TARGET, FRAME_HEADER_BYTES, FRAME_ROW_BYTES, FrameHeader, FrameObject,
    malformed,
};
use super::kind::ObjectKind;

/// Collects objects for one frame.
#[derive(Debug)]
#[must_use]
pub struct FrameBuilder {
    /// Room for the header and for a table of `table_rows`, then the objects.
    stored: Vec<u8>,
    table_rows: usize,
    /// Starts are counted from the first object until the length of the table is known.
    objects: Vec<FrameObject>,
    has_empty: bool,
}

impl Default for FrameBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameBuilder {
    /// Starts with no objects.
    pub fn new() -> Self {
        Self::with_room(0, 0)
    }

    /// Starts with no objects, and with memory for `objects` of them that make a frame of `raw_bytes`. If it comes to be
    /// just so, every byte is copied once.
    pub fn with_room(objects: usize, raw_bytes: usize) -> Self {
        let mut stored = Vec::with_capacity(FRAME_HEADER_BYTES + raw_bytes);
        stored.resize(FRAME_HEADER_BYTES + objects * FRAME_ROW_BYTES, 0);
        Self {
            stored,
            table_rows: objects,
            objects: Vec::with_capacity(objects),
            has_empty: false,
        }
    }

    /// Whether the frame stays within [`FRAME_BYTES_TARGET`] with one more object of `length` bytes. A frame without
    /// objects has room for any.
    #[must_use]
    pub fn has_room_for(&self, length: usize) -> bool {
        self.is_empty()
            || (self.raw_bytes() + FRAME_ROW_BYTES).saturating_add(length) <= FRAME_BYTES_TARGET
    }

    /// Adds an object. The caller knows that `id` is its id.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if the frame would be larger than [`FRAME_BYTES_MAX`]; [`Error::Internal`] for an empty object
    /// that is no blob, or a second one. The frame is as before.
    pub fn push(&mut self, kind: ObjectKind, id: Hash, bytes: &[u8]) -> Result<()> {
        let raw_bytes = (self.raw_bytes() + FRAME_ROW_BYTES).saturating_add(bytes.len());
        check_limit("frame bytes", raw_bytes as u64, FRAME_BYTES_MAX)?;
        if bytes.is_empty() && (kind != ObjectKind::Blob || self.has_empty) {
            return Err(Error::internal(format!("an empty {} {id}", kind.name())));
        }
        let length = narrow(bytes.len())?;
        self.objects.push(FrameObject {
            kind,
            id,
            start: narrow(self.bodies_bytes())?,
            length,
        });
        self.has_empty |= bytes.is_empty();
        self.stored.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether no object has been added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Bytes of the frame before compression so far, the table included.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        self.objects.len() * FRAME_ROW_BYTES + self.bodies_bytes()
    }

    fn bodies_bytes(&self) -> usize {
        self.stored.len() - self.reserved()
    }

    /// Bytes before the objects.
    const fn reserved(&self) -> usize {
        FRAME_HEADER_BYTES + self.table_rows * FRAME_ROW_BYTES
    }

    /// Compresses the frame; one that does not shrink by 3 % is stored as it is, because expanding it would cost
    /// every reader more than it saves. Threads can seal frames at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if there are no objects, or if zstd fails.
    pub fn seal(mut self) -> Result<SealedFrame> {
        if self.is_empty() {
            return Err(Error::internal("a frame without objects"));
        }
        let objects = narrow(self.objects.len())?;
        let raw_bytes = narrow(self.raw_bytes())?;
        let header = FrameHeader::new(Codec::Raw, objects, raw_bytes, raw_bytes)?;
        let mut start = header.encode().to_vec();
        let table_bytes = objects * narrow(FRAME_ROW_BYTES)?;
        for object in &mut self.objects {
            start.push(object.kind.byte());
            start.extend_from_slice(&object.length.to_le_bytes());
            object.start += table_bytes;
        }
        let reserved = self.reserved();
        let mut stored = self.stored;
        stored.splice(..reserved, start);
        let (head, payload) = stored.split_at(FRAME_HEADER_BYTES);
        let stored_bytes_max = (u64::from(raw_bytes) * 97 / 100) as usize;
        if let Some(mut compressed) = codec::compress(payload, head, stored_bytes_max)? {
            let stored_bytes = narrow(compressed.len() - FRAME_HEADER_BYTES)?;
            let header = FrameHeader::new(Codec::Zstd, objects, raw_bytes, stored_bytes)?;
            compressed[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode());
            stored = compressed;
        }
        Ok(SealedFrame {
            stored,
            raw_bytes,
            objects: self.objects,
        })
    }
}

fn narrow(length: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| Error::Limit {
        what: "frame bytes",
        found: length as u64,
        max: FRAME_BYTES_MAX,
    })
}

/// A frame ready to be appended to a pack.
#[derive(Clone, Debug)]
#[must_use]
pub struct SealedFrame {
    stored: Vec<u8>,
    raw_bytes: u32,
    objects: Vec<FrameObject>,
}

impl SealedFrame {
    /// Takes a frame as it lies in another pack, to copy it without expanding it. `objects` are those of that pack's
    /// index, in any order.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::Limit`] if the header is wrong, or the objects do not fill the frame.
    pub fn from_stored(stored: &[u8], mut objects: Vec<FrameObject>) -> Result<Self> {
        let (header, payload) = stored
            .split_first_chunk()
            .ok_or_else(|| malformed("shorter than its header"))?;
        let header = FrameHeader::decode(header)?;
        objects.sort_unstable_by_key(|object| (object.start, object.length));
        let table_bytes = objects.len() as u64 * FRAME_ROW_BYTES as u64;
        let end = objects.iter().try_fold(table_bytes, |end, object| {
            (end == u64::from(object.start)).then_some(end + u64::from(object.length))
        });
        if payload.len() != header.stored_bytes() as usize
            || objects.len() != header.objects() as usize
            || end != Some(header.raw_bytes().into())
        {
            return Err(malformed("index and frame do not agree"));
        }
        Ok(Self {
            stored: stored.to_vec(),
            raw_bytes: header.raw_bytes(),
            objects,
        })
    }

    /// A part of a delta, whose maker has checked it.
    pub(super) fn from_part(stored: Vec<u8>, raw_bytes: u32) -> Self {
        Self {
            stored,
            raw_bytes,
            objects: Vec::new(),
        }
    }

    /// Header and payload, as they lie in a pack.
    #[must_use]
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// Bytes of the payload before compression, the table included.
    #[must_use]
    pub fn raw_bytes(&self) -> u32 {
        self.raw_bytes
    }

    /// The objects, in the order in which they lie.
    #[must_use]
    pub fn objects(&self) -> &[FrameObject] {
        &self.objects
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Frame;
    use super::*;

    fn sealed(contents: &[&[u8]]) -> Result<SealedFrame> {
        let mut builder = FrameBuilder::new();
        for bytes in contents {
            builder.push(ObjectKind::Blob, Hash::of(bytes), bytes)?;
        }
        builder.seal()
    }

    #[test]
    fn a_sealed_frame_gives_its_objects_back() -> Result<()> {
        let long = "compressible ".repeat(1000);
        for (contents, codec) in [
            (vec![&b"a"[..]], Codec::Raw),
            (vec![b"", b"x", b"yz"], Codec::Raw),
            (vec![b"first", long.as_bytes(), b""], Codec::Zstd),
        ] {
            let sealed = sealed(&contents)?;
            let header = sealed.stored().first_chunk().map(FrameHeader::decode);
            assert_eq!(header.transpose()?.map(|h| h.codec()), Some(codec));
            let frame = Frame::decode(sealed.stored())?;
            assert_eq!(frame.raw_bytes(), sealed.raw_bytes() as usize);
            assert_eq!(frame.objects().len(), contents.len());
            for (object, bytes) in sealed.objects().iter().zip(&contents) {
                let found = frame.object(object.kind, object.start, object.length)?;
                assert_eq!(found, *bytes);
                assert_eq!(object.id, Hash::of(bytes));
            }
        }
        Ok(())
    }

    #[test]
    fn a_frame_takes_objects_up_to_its_target() -> Result<()> {
        let mut builder = FrameBuilder::new();
        assert!(builder.has_room_for(usize::MAX));
        builder.push(ObjectKind::Blob, Hash::of(b""), &[1; 1000])?;
        let room = FRAME_BYTES_TARGET - builder.raw_bytes() - FRAME_ROW_BYTES;
        assert!(builder.has_room_for(room));
        assert!(!builder.has_room_for(room + 1));
        assert!(!builder.has_room_for(usize::MAX));
        Ok(())
    }

    #[test]
    fn a_frame_is_refused_above_its_limit_and_taken_at_it() -> Result<()> {
        let most = usize::try_from(FRAME_BYTES_MAX).unwrap_or_default() - FRAME_ROW_BYTES;
        let bytes = vec![0; most + 1];
        let mut builder = FrameBuilder::new();
        assert!(matches!(
            builder.push(ObjectKind::Blob, Hash::of(b""), &bytes),
            Err(Error::Limit { .. })
        ));
        assert!(builder.is_empty());
        builder.push(ObjectKind::Blob, Hash::of(b""), &bytes[1..])?;
        let sealed = builder.seal()?;
        let frame = Frame::decode(sealed.stored())?;
        assert_eq!(frame.raw_bytes() as u64, FRAME_BYTES_MAX);
        Ok(())
    }

    #[test]
    fn what_no_reader_takes_cannot_be_sealed() -> Result<()> {
        assert!(FrameBuilder::new().seal().is_err());
        let mut builder = FrameBuilder::new();
        let id = Hash::of(b"");
        assert!(builder.push(ObjectKind::Tree, id, b"").is_err());
        builder.push(ObjectKind::Blob, id, b"")?;
        assert!(builder.push(ObjectKind::Blob, id, b"").is_err());
        builder.seal().map(|_| ())
    }

    #[test]
    fn a_frame_is_copied_only_with_its_own_objects() -> Result<()> {
        let frame = sealed(&[b"ab", b"", b"cde"])?;
        let reversed = frame.objects().iter().rev().copied().collect();
        let copy = SealedFrame::from_stored(frame.stored(), reversed)?;
        assert_eq!(copy.objects(), frame.objects());
        assert_eq!(copy.stored(), frame.stored());
        let objects = frame.objects();
        let longer = FrameObject {
            length: 4,
            ..objects[2]
        };
        for (stored, objects, reason) in [
            (frame.stored(), objects[1..].to_vec(), "one is missing"),
            (
                frame.stored(),
                vec![objects[0], objects[1], longer],
                "another length",
            ),
            (frame.stored(), [objects, objects].concat(), "doubled"),
            (&frame.stored()[1..], objects.to_vec(), "no frame"),
            (&frame.stored()[..20], objects.to_vec(), "cut"),
            (&[], Vec::new(), "nothing"),
        ] {
            assert!(
                SealedFrame::from_stored(stored, objects).is_err(),
                "{reason}"
            );
        }
        Ok(())
    }
}
