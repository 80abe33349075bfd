//! Tables: every table of the catalog, in one place.
//!
//! # Invariants
//!
//! - A build has O(packs) rows, never O(objects): its own objects are found through the indexes inside its packs, and
//!   its pins are one list.
//! - Each published object has one row per repo; nothing is shared or looked up across repos.
//! - Values that are rarely read are JSON, so that a later version can add fields; objects, of which there are millions,
//!   are fixed bytes.
//!
//! # Not here
//!
//! What the rows say in Rust (`store::rows`), who may change them (`store::transaction`).

use redb::TableDefinition;

use crate::base::Error;
use crate::base::id::{HASH_BYTES, Hash};
use crate::object::kind::ObjectKind;

/// Numbers that the catalog counts up, by name.
pub(super) const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
/// The next build's id.
pub(super) const NEXT_BUILD: &str = "next build";
/// The next pack's number.
pub(super) const NEXT_PACK: &str = "next pack";
/// The next repo's number.
pub(super) const NEXT_REPO: &str = "next repo";
/// How often published objects have died: what was seen to be published is so while this stays.
pub(super) const DEATHS: &str = "deaths";
/// The version of the catalog's tables.
pub(super) const CATALOG_FORMAT: &str = "format";

/// Repos by name: JSON of [`RepoRow`](super::rows::RepoRow).
pub(super) const REPOS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("repos");
/// Builds by id: JSON of [`BuildRow`](super::rows::BuildRow).
pub(super) const BUILDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("builds");
/// What was staged, by build and order: JSON of [`Operation`](super::rows::Operation).
pub(super) const OPERATIONS: TableDefinition<'_, (u64, u32), &[u8]> =
    TableDefinition::new("operations");
/// What happened to a build, by build and order: JSON of [`EventRow`](super::rows::EventRow).
pub(super) const EVENTS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("events");
/// Packs by number: JSON of [`PackRow`](super::rows::PackRow).
pub(super) const PACKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("packs");
/// The packs that a build owns.
pub(super) const BUILD_PACKS: TableDefinition<'_, (u64, u64), ()> =
    TableDefinition::new("build packs");
/// Published objects.
pub(super) const OBJECTS: TableDefinition<'_, ObjectKey, ObjectValue> =
    TableDefinition::new("objects");
/// The published objects that a build needs, by repo and build: sorted [`PinBytes`] in one list.
pub(super) const PINS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("pins");
/// Published objects whose count is zero and that only pins keep.
pub(super) const LINGERING: TableDefinition<'_, ObjectKey, ()> = TableDefinition::new("lingering");
/// What waits to be added to counts, by repo and how many additions there are up to the end of the list: see
/// `store::additions`.
pub(super) const ADDITIONS: TableDefinition<'_, (u32, u64), &[u8]> =
    TableDefinition::new("additions");
/// Refs by repo and name: JSON of [`RefRow`](super::rows::RefRow).
pub(super) const REFS: TableDefinition<'_, (u32, &str), &[u8]> = TableDefinition::new("refs");
/// Releases by repo, ref, epoch and seq: JSON of [`ReleaseRow`](super::rows::ReleaseRow).
pub(super) const RELEASES: TableDefinition<'_, (u32, &str, u64, u64), &[u8]> =
    TableDefinition::new("releases");
/// Texts that were made durable before they were signed, by repo, ref, epoch and seq; `heads` has the empty ref.
pub(super) const SIGNING: TableDefinition<'_, (u32, &str, u64, u64), &str> =
    TableDefinition::new("signing");
/// Notes that were recorded and have yet to be written beneath `repos/`, by path.
pub(super) const ANNOUNCING: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("announcing");
/// Packs that are forgotten and have yet to be unlinked, by number: the pack's id.
pub(super) const DYING: TableDefinition<'_, u64, &[u8; HASH_BYTES]> = TableDefinition::new("dying");

/// Repo (big-endian, so that one repo's rows lie together), id, kind.
pub(super) type ObjectKey = [u8; 4 + PIN_BYTES];
/// Pack, frame, start, length, count; little-endian.
pub(super) type ObjectValue = [u8; 24];
/// Bytes of one pin: id, kind.
pub(super) const PIN_BYTES: usize = HASH_BYTES + 1;
/// Id, kind.
pub(super) type PinBytes = [u8; PIN_BYTES];

/// The key of an object within its repo.
pub(super) fn pin_bytes(kind: ObjectKind, id: Hash) -> PinBytes {
    let mut bytes = [kind.byte(); PIN_BYTES];
    bytes[..HASH_BYTES].copy_from_slice(id.as_bytes());
    bytes
}

/// The kind and id in the key of an object within its repo.
///
/// # Errors
///
/// [`Error::Malformed`] if the kind is none.
pub(super) fn parse_pin(bytes: &PinBytes) -> Result<(ObjectKind, Hash), Error> {
    let mut id = [0; HASH_BYTES];
    id.copy_from_slice(&bytes[..HASH_BYTES]);
    let kind = ObjectKind::from_byte(bytes[HASH_BYTES])
        .ok_or_else(|| Error::malformed("catalog", "an unknown kind"))?;
    Ok((kind, Hash::from_bytes(id)))
}

/// A list of pins, one by one; a torn last one is left out.
pub(super) fn pins_in(list: &[u8]) -> &[PinBytes] {
    let (pins, _) = list.as_chunks::<PIN_BYTES>();
    pins
}

/// The key of an object.
pub(super) fn object_key(repo: u32, kind: ObjectKind, id: Hash) -> ObjectKey {
    let mut key = [0; 4 + PIN_BYTES];
    key[..4].copy_from_slice(&repo.to_be_bytes());
    key[4..].copy_from_slice(&pin_bytes(kind, id));
    key
}

/// The kind and id in the key of an object.
///
/// # Errors
///
/// [`Error::Malformed`] if the kind is none.
pub(super) fn parse_object_key(key: &ObjectKey) -> Result<(ObjectKind, Hash), Error> {
    let mut pin = [0; PIN_BYTES];
    pin.copy_from_slice(&key[4..]);
    parse_pin(&pin)
}

/// Where a published object lies, and how many published parents and roots point at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObjectRow {
    pub(super) place: super::place::Place,
    pub(super) count: u32,
}

impl ObjectRow {
    /// The row with a count that is higher by `added`.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the count overflows.
    pub(super) fn plus(self, added: u32) -> Result<Self, Error> {
        let count = self.count.checked_add(added);
        let count = count.ok_or_else(|| Error::internal("a count overflows"))?;
        Ok(Self { count, ..self })
    }

    pub(super) fn encode(&self) -> ObjectValue {
        let mut value = [0; 24];
        value[..8].copy_from_slice(&self.place.pack.to_le_bytes());
        let words = [
            self.place.frame,
            self.place.start,
            self.place.length,
            self.count,
        ];
        for (slot, word) in value[8..].chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        value
    }

    pub(super) fn decode(value: &ObjectValue) -> Self {
        let mut pack = [0; 8];
        pack.copy_from_slice(&value[..8]);
        let word = |place: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&value[place..place + 4]);
            u32::from_le_bytes(bytes)
        };
        let place = super::place::Place {
            pack: u64::from_le_bytes(pack),
            frame: word(8),
            start: word(12),
            length: word(16),
        };
        Self {
            place,
            count: word(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_rows_come_back_as_they_went_in() -> Result<(), Error> {
        let id = Hash::of(b"x");
        let key = object_key(7, ObjectKind::Tree, id);
        assert_eq!(parse_object_key(&key)?, (ObjectKind::Tree, id));
        let place = super::super::place::Place {
            pack: 1 << 40,
            frame: 2,
            start: 3,
            length: 4,
        };
        let row = ObjectRow { place, count: 5 };
        assert_eq!(ObjectRow::decode(&row.encode()), row);
        let mut bad = key;
        bad[36] = 99;
        assert!(parse_object_key(&bad).is_err());
        Ok(())
    }
}
