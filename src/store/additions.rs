//! Additions: counts that publishing has yet to add.
//!
//! A new tree has most of its children in common with the one before. To add one to the count of each would change rows
//! all over the catalog for every publish. So a publish writes down one sorted list, and the lists are added up when
//! somebody takes from a count, or when they have become many.
//!
//! # Invariants
//!
//! - The count of an object is what its row says and what all lists say together, so a row alone is never too high.
//! - Nothing takes from a count before all lists of the repo are added.
//!
//! # Not here
//!
//! What is counted (`store::counting`).

use redb::ReadableTable;

use super::catalog::{failed, open_table};
use super::open::Store;
use super::reader::Reader;
use super::tables::{ADDITIONS, OBJECTS, ObjectRow, PIN_BYTES, PinBytes, object_key, parse_pin};
use super::transaction::Transaction;
use crate::base::{Error, Result};

/// Additions of one repo that wait at most, but for those of one publish: adding so many at once takes a fraction of a
/// second.
const ADDITIONS_MAX: u64 = 256 * 1024;
/// Bytes of one addition: the pin of an object, and by how much its count grows, little-endian.
const ADDITION_BYTES: usize = PIN_BYTES + 4;

/// By how much the count of an object grows.
pub(super) type Addition = (PinBytes, u32);

impl Transaction<'_> {
    /// Writes down what is to be added to counts of published objects; `additions` ascend.
    pub(super) fn add_later(&self, repo: u32, additions: &[Addition]) -> Result<()> {
        if additions.is_empty() {
            return Ok(());
        }
        let total = self.additions(repo)?.checked_add(additions.len() as u64);
        let total = total.ok_or_else(|| Error::internal("additions overflow"))?;
        let list: Vec<u8> = additions
            .iter()
            .flat_map(|(pin, count)| pin.iter().copied().chain(count.to_le_bytes()))
            .collect();
        let mut table = self.write.open_table(ADDITIONS).map_err(failed("write"))?;
        table
            .insert((repo, total), list.as_slice())
            .map_err(failed("write"))?;
        Ok(())
    }

    /// Adds everything that waits to be added to the counts of a repo. Afterwards its rows tell the counts.
    pub(super) fn add_now(&self, repo: u32) -> Result<()> {
        let mut lists = self.write.open_table(ADDITIONS).map_err(failed("write"))?;
        let additions = added_up(&lists, repo)?;
        lists
            .retain_in((repo, 0)..=(repo, u64::MAX), |_, _| false)
            .map_err(failed("write"))?;
        let mut objects = self.write.open_table(OBJECTS).map_err(failed("write"))?;
        for (pin, added) in additions {
            let (kind, id) = parse_pin(&pin)?;
            let key = object_key(repo, kind, id);
            let row = objects.get(key).map_err(failed("read"))?;
            let row = row.map(|row| ObjectRow::decode(&row.value()));
            // Of one that is gone, fsck finds what points at it.
            let Some(row) = row else { continue };
            let row = row.plus(added)?;
            objects.insert(key, row.encode()).map_err(failed("write"))?;
        }
        Ok(())
    }

    /// Whether so many additions wait that they are to be added.
    pub(super) fn is_due(&self, repo: u32) -> Result<bool> {
        Ok(self.additions(repo)? > ADDITIONS_MAX)
    }

    /// How many additions wait.
    fn additions(&self, repo: u32) -> Result<u64> {
        let table = self.write.open_table(ADDITIONS).map_err(failed("read"))?;
        let last = table.range((repo, 0)..=(repo, u64::MAX));
        let last = last.map_err(failed("read"))?.next_back().transpose();
        Ok(last
            .map_err(failed("read"))?
            .map_or(0, |(key, _)| key.value().1))
    }
}

impl Store {
    /// Adds what waits to be added to the counts of a repo.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be written; nothing changes then.
    pub(super) fn add_counts(&self, repo: u32) -> Result<()> {
        let transaction = Transaction::begin(self)?;
        transaction.add_now(repo)?;
        transaction.commit()
    }
}

impl Reader<'_> {
    /// What waits to be added to the counts of a repo, ascending; each object once.
    pub(super) fn additions(&self, repo: u32) -> Result<Vec<Addition>> {
        added_up(&open_table(&self.read, ADDITIONS)?, repo)
    }
}

fn added_up(
    table: &impl ReadableTable<(u32, u64), &'static [u8]>,
    repo: u32,
) -> Result<Vec<Addition>> {
    let mut additions: Vec<Addition> = Vec::new();
    for list in table
        .range((repo, 0)..=(repo, u64::MAX))
        .map_err(failed("read"))?
    {
        let (_, list) = list.map_err(failed("read"))?;
        let (rows, _) = list.value().as_chunks::<ADDITION_BYTES>();
        additions.extend(rows.iter().map(decode));
    }
    additions.sort_unstable();
    additions.dedup_by(|next, one| {
        let is_same = next.0 == one.0;
        if is_same {
            one.1 = one.1.saturating_add(next.1);
        }
        is_same
    });
    Ok(additions)
}

fn decode(row: &[u8; ADDITION_BYTES]) -> Addition {
    let (mut pin, mut count) = ([0; PIN_BYTES], [0; 4]);
    pin.copy_from_slice(&row[..PIN_BYTES]);
    count.copy_from_slice(&row[PIN_BYTES..]);
    (pin, u32::from_le_bytes(count))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::id::Hash;
    use crate::object::kind::ObjectKind;
    use crate::store::place::Place;
    use crate::store::tables::{CATALOG_FORMAT, COUNTERS, pin_bytes};
    use crate::store::{Access, Patience};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn scratch() -> Result<(tempfile::TempDir, Store), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let patience = Patience {
            wait: Duration::ZERO,
            holder: "a test".to_owned(),
            tell: None,
        };
        let store = Store::create(&folder.path().join("store"), &patience)?;
        Ok((folder, store))
    }

    /// Objects whose pins ascend.
    fn pins(number: u64) -> Vec<PinBytes> {
        let pin = |n: u64| pin_bytes(ObjectKind::Blob, Hash::of(&n.to_le_bytes()));
        let mut pins: Vec<PinBytes> = (0..number).map(pin).collect();
        pins.sort_unstable();
        pins
    }

    fn key(repo: u32, pin: &PinBytes) -> Result<crate::store::tables::ObjectKey> {
        let (kind, id) = parse_pin(pin)?;
        Ok(object_key(repo, kind, id))
    }

    fn publish(transaction: &Transaction<'_>, repo: u32, pins: &[PinBytes], count: u32) -> Outcome {
        let place = Place {
            pack: 1,
            frame: 0,
            start: 0,
            length: 1,
        };
        let mut objects = transaction.write.open_table(OBJECTS)?;
        for pin in pins {
            objects.insert(key(repo, pin)?, ObjectRow { place, count }.encode())?;
        }
        Ok(())
    }

    fn counts(
        transaction: &Transaction<'_>,
        repo: u32,
        pins: &[PinBytes],
    ) -> Result<Vec<u32>, Box<dyn std::error::Error>> {
        let objects = transaction.write.open_table(OBJECTS)?;
        let count = |pin| -> Result<u32, Box<dyn std::error::Error>> {
            let row = objects.get(key(repo, pin)?)?.ok_or("it is gone")?;
            Ok(ObjectRow::decode(&row.value()).count)
        };
        pins.iter().map(count).collect()
    }

    #[test]
    fn what_waits_is_told_at_once_and_added_together() -> Outcome {
        let (_folder, store) = scratch()?;
        let pins = pins(4);
        let transaction = Transaction::begin(&store)?;
        for repo in [1, 2] {
            publish(&transaction, repo, &pins[..3], 10)?;
            transaction.add_later(repo, &[(pins[0], 2), (pins[1], 1)])?;
        }
        // The last one is not published: whatever names it is damaged, and others are counted all the same.
        transaction.add_later(1, &[(pins[0], 1), (pins[2], 5), (pins[3], 1)])?;
        transaction.add_later(1, &[])?;
        assert_eq!(counts(&transaction, 1, &pins[..3])?, [10, 10, 10]);
        transaction.commit()?;
        let expected = [(pins[0], 3), (pins[1], 1), (pins[2], 5), (pins[3], 1)];
        assert_eq!(store.reader()?.additions(1)?, expected);
        store.add_counts(1)?;
        assert_eq!(store.reader()?.additions(1)?, []);
        assert_eq!(store.reader()?.additions(2)?.len(), 2, "of another repo");
        for _ in ["once", "and nothing the second time"] {
            let transaction = Transaction::begin(&store)?;
            transaction.add_now(1)?;
            assert_eq!(counts(&transaction, 1, &pins[..3])?, [13, 11, 15]);
            assert_eq!(counts(&transaction, 2, &pins[..3])?, [10, 10, 10]);
            transaction.commit()?;
        }
        Ok(())
    }

    #[test]
    fn additions_are_due_past_their_limit() -> Outcome {
        let (_folder, store) = scratch()?;
        let most: Vec<Addition> = pins(ADDITIONS_MAX).iter().map(|pin| (*pin, 1)).collect();
        let transaction = Transaction::begin(&store)?;
        let (some, rest) = most.split_at(most.len() / 3);
        transaction.add_later(1, some)?;
        transaction.add_later(1, rest)?;
        assert!(!transaction.is_due(1)?);
        transaction.add_later(1, &most[..1])?;
        assert!(transaction.is_due(1)?);
        assert!(!transaction.is_due(2)?, "another repo");
        transaction.add_now(1)?;
        assert!(!transaction.is_due(1)?);
        Ok(())
    }

    #[test]
    fn a_count_that_overflows_is_an_error_and_nothing_is_lost() -> Outcome {
        let (_folder, store) = scratch()?;
        let pins = pins(1);
        let transaction = Transaction::begin(&store)?;
        publish(&transaction, 1, &pins, u32::MAX)?;
        transaction.add_later(1, &[(pins[0], 1)])?;
        transaction.commit()?;
        assert!(store.add_counts(1).is_err());
        assert_eq!(store.reader()?.additions(1)?, [(pins[0], 1)]);
        Ok(())
    }

    #[test]
    fn a_store_of_an_earlier_version_gets_the_table() -> Outcome {
        let (folder, store) = scratch()?;
        let transaction = Transaction::begin(&store)?;
        assert!(transaction.write.delete_table(ADDITIONS)?);
        let mut counters = transaction.write.open_table(COUNTERS)?;
        counters.insert(CATALOG_FORMAT, 1)?;
        drop(counters);
        transaction.commit()?;
        drop(store);
        let patience = Patience {
            wait: Duration::ZERO,
            holder: "a test".to_owned(),
            tell: None,
        };
        for access in [Access::Read, Access::Read, Access::Write] {
            let store = Store::open(&folder.path().join("store"), access, &patience)?;
            assert_eq!(store.reader()?.additions(1)?, []);
        }
        Ok(())
    }
}
