//! Packs: one immutable file of many objects. The layout.
//!
//! ```text
//! header | frame frame frame ... | index | frame table | trailer
//! ```
//!
//! A pack is the only container: the store's own files, uploads, downloads and bundles. Its name is the hash of the
//! whole file.
//!
//! # Invariants
//!
//! - Everything between header and trailer lies without gaps in the order above, so offsets follow from counts.
//! - The index ascends by id and kind; nothing is listed twice.
//!
//! # Not here
//!
//! Frames (`object::frame`), writing (`object::pack_writer`), reading (`object::pack_reader`) and checking
//! (`object::pack_check`) packs.

use crate::base::error::{Error, Result, check_limit};
use crate::base::id::{HASH_BYTES, Hash, PackId};
use crate::base::limits::{MIB, PACK_BYTES_MAX, PACK_OBJECTS_MAX};

use super::fields::Fields;
use super::frame::{FRAME_HEADER_BYTES, FRAME_ROW_BYTES};
use super::kind::ObjectKind;

/// Bytes up to which a writer fills one pack: a store of a million objects then has tens of files, and copying what
/// is still needed of a pack takes no longer than a second.
pub const PACK_BYTES_TARGET: u64 = 64 * MIB;
/// Objects up to which a writer fills one pack: it keeps the index of an unfinished pack in memory, and of small objects
/// a pack of full size would have a million.
pub const PACK_OBJECTS_TARGET: u32 = 128 * 1024;
const _: () = assert!(PACK_OBJECTS_TARGET < PACK_OBJECTS_MAX);
/// Length of a pack's salt, in bytes.
pub const PACK_SALT_BYTES: usize = 16;

/// Stands at both ends of a pack.
pub(super) const MAGIC: [u8; 8] = *b"bindery\0";
/// The version of the layout.
const VERSION: u32 = 1;
/// Magic, version, four reserved bytes, salt.
pub(super) const HEADER_BYTES: usize = 32;
/// Heads of ids that the fan-out counts: one for each first byte.
pub(super) const FANOUT_ROWS: usize = 256;
/// 256 numbers of 4 bytes.
pub(super) const FANOUT_BYTES: usize = FANOUT_ROWS * 4;
/// Id, kind, three reserved bytes, frame, start, length.
pub(super) const ENTRY_BYTES: usize = 48;
/// Offset, stored bytes, raw bytes.
pub(super) const FRAME_ENTRY_BYTES: usize = 16;
/// Two offsets, two counts, magic, hash.
pub(super) const TRAILER_BYTES: usize = 64;

/// Bytes that a pack takes to list one object, whatever its size: a row of the index, and one of its frame's table.
pub const LISTED_BYTES: u64 = (ENTRY_BYTES + FRAME_ROW_BYTES) as u64;
/// Bytes of a pack with one frame, but for its objects and what lists them.
pub const EMPTY_PACK_BYTES: u64 =
    (HEADER_BYTES + FRAME_HEADER_BYTES + FANOUT_BYTES + FRAME_ENTRY_BYTES + TRAILER_BYTES) as u64;

/// Where an object lies in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The frame, counted from 0.
    pub frame: u32,
    /// Where the object starts, in bytes from the start of the frame's expanded payload.
    pub start: u32,
    /// Its length, in bytes.
    pub length: u32,
}

/// One row of a pack's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The object's kind.
    pub kind: ObjectKind,
    /// The id under which it is found.
    pub id: Hash,
    /// Where it lies.
    pub location: Location,
}

/// What became of a finished pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackSummary {
    /// Its name: the hash of the file.
    pub id: PackId,
    /// Length of the file, in bytes.
    pub bytes: u64,
    /// Objects in it.
    pub objects: u32,
    /// Frames in it.
    pub frames: u32,
}

/// The header of a pack with `salt`.
pub(super) fn encode_header(salt: [u8; PACK_SALT_BYTES]) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..].copy_from_slice(&salt);
    bytes
}

/// The salt of a pack with this header.
pub(super) fn decode_header(bytes: &[u8; HEADER_BYTES]) -> Result<[u8; PACK_SALT_BYTES]> {
    let mut fields = Fields::new(bytes);
    if fields.bytes() != MAGIC {
        return Err(malformed("does not start with 'bindery'"));
    }
    let version = fields.u32();
    if version != VERSION {
        return Err(malformed(format!(
            "version {version}; this program reads version {VERSION}"
        )));
    }
    if fields.u32() != 0 {
        return Err(malformed("reserved bytes are not zero"));
    }
    Ok(fields.bytes())
}

impl IndexEntry {
    /// The row of this entry.
    pub(super) fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..HASH_BYTES].copy_from_slice(self.id.as_bytes());
        bytes[HASH_BYTES] = self.kind.byte();
        bytes[36..40].copy_from_slice(&self.location.frame.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.location.start.to_le_bytes());
        bytes[44..].copy_from_slice(&self.location.length.to_le_bytes());
        bytes
    }

    /// Reads a row.
    pub(super) fn decode(row: &[u8; ENTRY_BYTES]) -> Result<Self> {
        let mut fields = Fields::new(row);
        let id = Hash::from_bytes(fields.bytes());
        let byte = fields.byte();
        let kind = ObjectKind::from_byte(byte)
            .ok_or_else(|| malformed(format!("index has unknown kind {byte} for {id}")))?;
        if fields.bytes() != [0; 3] {
            return Err(malformed(format!(
                "reserved bytes of {id} in the index are not zero"
            )));
        }
        Ok(Self {
            kind,
            id,
            location: Location {
                frame: fields.u32(),
                start: fields.u32(),
                length: fields.u32(),
            },
        })
    }
}

/// One row of the frame table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameEntry {
    /// Where the frame's header starts in the file.
    pub(super) offset: u64,
    /// As in the frame's header.
    pub(super) stored_bytes: u32,
    /// As in the frame's header.
    pub(super) raw_bytes: u32,
}

impl FrameEntry {
    pub(super) fn encode(self) -> [u8; FRAME_ENTRY_BYTES] {
        let mut bytes = [0; FRAME_ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.stored_bytes.to_le_bytes());
        bytes[12..].copy_from_slice(&self.raw_bytes.to_le_bytes());
        bytes
    }

    pub(super) fn decode(row: &[u8; FRAME_ENTRY_BYTES]) -> Self {
        let mut fields = Fields::new(row);
        Self {
            offset: fields.u64(),
            stored_bytes: fields.u32(),
            raw_bytes: fields.u32(),
        }
    }
}

/// The end of a pack, without the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Where the index starts, which is where the frames end.
    pub(super) index_offset: u64,
    /// Rows of the index.
    pub(super) objects: u32,
    /// Rows of the frame table.
    pub(super) frames: u32,
}

impl Trailer {
    /// Where the frame table starts, which is where the index ends.
    pub(super) fn table_offset(&self) -> u64 {
        self.index_offset + FANOUT_BYTES as u64 + u64::from(self.objects) * ENTRY_BYTES as u64
    }

    /// The length of the file.
    pub(super) fn pack_bytes(&self) -> u64 {
        let table_bytes = u64::from(self.frames) * FRAME_ENTRY_BYTES as u64;
        self.table_offset() + table_bytes + TRAILER_BYTES as u64
    }

    /// The trailer without the hash of everything before it.
    pub(super) fn encode(&self) -> [u8; TRAILER_BYTES - HASH_BYTES] {
        let mut bytes = [0; TRAILER_BYTES - HASH_BYTES];
        bytes[..8].copy_from_slice(&self.index_offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.table_offset().to_le_bytes());
        bytes[16..20].copy_from_slice(&self.objects.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.frames.to_le_bytes());
        bytes[24..].copy_from_slice(&MAGIC);
        bytes
    }

    /// Reads the trailer of a file of `pack_bytes` bytes.
    pub(super) fn decode(bytes: &[u8; TRAILER_BYTES], pack_bytes: u64) -> Result<Self> {
        let mut fields = Fields::new(bytes);
        let index_offset = fields.u64();
        let table_offset = fields.u64();
        let trailer = Self {
            index_offset,
            objects: fields.u32(),
            frames: fields.u32(),
        };
        if fields.bytes() != MAGIC {
            return Err(malformed("does not end with 'bindery' and a hash"));
        }
        check_limit(
            "objects of a pack",
            trailer.objects.into(),
            PACK_OBJECTS_MAX.into(),
        )?;
        check_limit("bytes of a pack", pack_bytes, PACK_BYTES_MAX)?;
        let is_consistent = (HEADER_BYTES as u64..pack_bytes).contains(&index_offset)
            && table_offset == trailer.table_offset()
            && pack_bytes == trailer.pack_bytes();
        if is_consistent {
            Ok(trailer)
        } else {
            Err(malformed("trailer does not describe the file"))
        }
    }
}

pub(super) fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("pack", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_hash(trailer: &Trailer) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..32].copy_from_slice(&trailer.encode());
        bytes
    }

    #[test]
    fn rows_decode_to_what_was_encoded() -> Result<()> {
        let entry = IndexEntry {
            kind: ObjectKind::Recipe,
            id: Hash::of(b"x"),
            location: Location {
                frame: 1,
                start: 2,
                length: u32::MAX,
            },
        };
        assert_eq!(IndexEntry::decode(&entry.encode())?, entry);
        let frame = FrameEntry {
            offset: 1 << 40,
            stored_bytes: 5,
            raw_bytes: 6,
        };
        assert_eq!(FrameEntry::decode(&frame.encode()), frame);
        assert_eq!(decode_header(&encode_header([7; 16]))?, [7; 16]);
        Ok(())
    }

    #[test]
    fn every_bit_of_a_header_but_the_salt_is_checked() {
        let good = encode_header([7; 16]);
        for bit in 0..8 * HEADER_BYTES {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_header(&bad).is_ok(), bit >= 8 * 16, "bit {bit}");
        }
    }

    #[test]
    fn every_bit_of_a_trailer_is_checked_against_the_file() -> Result<()> {
        let trailer = Trailer {
            index_offset: 1000,
            objects: 20,
            frames: 3,
        };
        let good = with_hash(&trailer);
        assert_eq!(Trailer::decode(&good, trailer.pack_bytes())?, trailer);
        for bit in 0..8 * 32 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            let decoded = Trailer::decode(&bad, trailer.pack_bytes());
            assert!(decoded.is_err(), "bit {bit}");
        }
        Ok(())
    }

    #[test]
    fn a_pack_is_refused_above_its_limits_and_taken_at_them() {
        let with_objects = |objects| Trailer {
            index_offset: 1000,
            objects,
            frames: 1,
        };
        let beyond = with_objects(PACK_OBJECTS_MAX + 1);
        let largest = Trailer {
            index_offset: 1000 + PACK_BYTES_MAX - with_objects(1).pack_bytes(),
            ..with_objects(1)
        };
        let too_large = Trailer {
            index_offset: largest.index_offset + 1,
            ..largest
        };
        for (trailer, good) in [
            (with_objects(PACK_OBJECTS_MAX), true),
            (beyond, false),
            (largest, true),
            (too_large, false),
        ] {
            let decoded = Trailer::decode(&with_hash(&trailer), trailer.pack_bytes());
            assert_eq!(decoded.is_ok(), good, "{trailer:?}");
        }
    }
}
