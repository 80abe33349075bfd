//! The refs object: the current statement of every ref, which `heads` name by hash.
//!
//! Lines `<ref> <epoch> <seq> <size> <statement id>`, sorted by the bytes of the ref's name. A repo without refs has the
//! empty list.
//!
//! # Invariants
//!
//! - No ref is listed twice, and there are at most [`REFS_MAX`].
//! - Epochs and seqs begin with 1; sizes are at most [`REF_STATEMENT_BYTES_MAX`].
//! - A list has one spelling.
//!
//! # Not here
//!
//! The statement that names the list (`trust::heads`), those it names (`trust::ref_statement`).

use std::collections::BTreeMap;

use crate::base::error::check_limit;
use crate::base::id::{Hash, StatementId};
use crate::base::limits::{REF_NAME_BYTES_MAX, REF_STATEMENT_BYTES_MAX, REFS_MAX};
use crate::base::name::RefName;
use crate::base::text::{Lines, TextError};
use crate::base::{Error, Result};

/// Bytes of the longest line: a name, three numbers of 64 bits, a hash, four spaces and LF.
const LINE_BYTES_MAX: u64 = REF_NAME_BYTES_MAX as u64 + 3 * 20 + 64 + 5;
/// Bytes of the largest list.
pub const REFS_LIST_BYTES_MAX: u64 = REFS_MAX as u64 * LINE_BYTES_MAX;

/// The current statement of every ref.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefsList(BTreeMap<RefName, RefsEntry>);

/// The current statement of one ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefsEntry {
    /// Its epoch, from 1.
    pub epoch: u64,
    /// Its seq, from 1.
    pub seq: u64,
    /// Bytes of its text, without signatures.
    pub size: u64,
    /// Its id.
    pub id: StatementId,
}

impl RefsEntry {
    /// Whether it is newer than a statement of these numbers.
    #[must_use]
    pub const fn is_after(&self, epoch: u64, seq: u64) -> bool {
        self.epoch > epoch || self.epoch == epoch && self.seq > seq
    }
}

impl RefsList {
    /// Takes the current statement of each ref.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if there are more than [`REFS_MAX`], [`Error::Malformed`] if an entry breaks a rule.
    pub fn new(entries: BTreeMap<RefName, RefsEntry>) -> Result<Self> {
        check_limit(
            "refs object, in refs,",
            entries.len() as u64,
            REFS_MAX as u64,
        )?;
        for (name, entry) in &entries {
            if !entry.is_sound() {
                return Err(malformed(format!(
                    "the entry of {name} is out of range: {entry:?}"
                )));
            }
        }
        Ok(Self(entries))
    }

    /// Reads the bytes of the object, whose hash and size the reader has checked.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if they are no list in its one spelling.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (found, max) = (bytes.len() as u64, REFS_LIST_BYTES_MAX);
        if found > max {
            return Err(malformed(format!(
                "{found} bytes, where {max} are the most"
            )));
        }
        read(bytes).map(Self).map_err(Error::text("refs object"))
    }

    /// The bytes of the object.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let line = |(name, entry): (&RefName, &RefsEntry)| {
            let RefsEntry {
                epoch,
                seq,
                size,
                id,
            } = entry;
            format!("{name} {epoch} {seq} {size} {id}\n")
        };
        self.0
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .concat()
            .into_bytes()
    }

    /// The hash that `heads` name.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.encode())
    }

    /// The current statement of the ref `name`.
    #[must_use]
    pub fn get(&self, name: &RefName) -> Option<RefsEntry> {
        self.0.get(name).copied()
    }

    /// All refs, in the order of their names' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&RefName, RefsEntry)> {
        self.0.iter().map(|(name, entry)| (name, *entry))
    }
}

impl RefsEntry {
    const fn is_sound(&self) -> bool {
        self.epoch > 0 && self.seq > 0 && self.size <= REF_STATEMENT_BYTES_MAX
    }
}

fn read(bytes: &[u8]) -> Result<BTreeMap<RefName, RefsEntry>, TextError> {
    let mut entries = BTreeMap::new();
    let mut lines = Lines::new(bytes);
    while !lines.is_at_end() {
        let mut fields = lines.next_line()?;
        let name: RefName = fields.value("a ref's name")?;
        let entry = RefsEntry {
            epoch: fields.number()?,
            seq: fields.number()?,
            size: fields.number()?,
            id: fields.value("a statement's id")?,
        };
        fields.end()?;
        if entries
            .last_key_value()
            .is_some_and(|(last, _)| *last >= name)
        {
            return Err(fields.expected("a ref whose name sorts after the one before"));
        }
        if !entry.is_sound() {
            return Err(fields.expected("an epoch and seq from 1 and the size of a ref statement"));
        }
        if entries.len() == REFS_MAX {
            return Err(fields.expected("the end, for there are too many refs"));
        }
        entries.insert(name, entry);
    }
    Ok(entries)
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("refs object", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::testing::{mutations, ref_name};

    fn entry() -> RefsEntry {
        RefsEntry {
            epoch: 1,
            seq: 42,
            size: 500,
            id: StatementId::of(b"x"),
        }
    }

    fn text() -> String {
        let id = entry().id;
        format!("a 1 42 500 {id}\na+b 1 42 500 {id}\na/b 1 42 500 {id}\nb 1 42 500 {id}\n")
    }

    #[test]
    fn a_list_is_sorted_by_the_bytes_of_names() -> Result<()> {
        let names = ["b", "a/b", "a", "a+b"].map(|name| Ok((ref_name(name)?, entry())));
        let list = RefsList::new(names.into_iter().collect::<Result<_>>()?)?;
        assert_eq!(list.encode(), text().as_bytes());
        assert_eq!(RefsList::decode(text().as_bytes())?, list);
        assert_eq!(list.hash(), Hash::of(text().as_bytes()));
        assert_eq!(list.get(&ref_name("a/b")?), Some(entry()));
        assert_eq!(list.get(&ref_name("c")?), None);
        assert_eq!(list.iter().count(), 4);
        assert_eq!(RefsList::decode(b"")?, RefsList::default());
        Ok(())
    }

    #[test]
    fn every_damage_is_refused_or_another_list() -> Result<()> {
        for bytes in mutations(text().as_bytes()) {
            if let Ok(list) = RefsList::decode(&bytes) {
                assert_eq!(list.encode(), bytes);
                assert_ne!(list.hash(), RefsList::decode(text().as_bytes())?.hash());
            }
        }
        Ok(())
    }

    #[test]
    fn a_list_that_breaks_a_rule_is_refused() {
        let id = entry().id;
        for (line, reason) in [
            ("a 1 1 1", "no id"),
            (&format!("a 0 1 1 {id}\n"), "epochs begin with 1"),
            (&format!("a 1 0 1 {id}\n"), "seqs begin with 1"),
            (&format!("a 1 1 8193 {id}\n"), "a statement above the limit"),
            (
                &format!("a 1 01 1 {id}\n"),
                "a number with a zero before it",
            ),
            (&format!("a 1  1 1 {id}\n"), "two spaces"),
            (&format!("a 1 1 1 {id} \n"), "a space at the end"),
            (&format!("a 1 1 1 {id}"), "no end of line"),
            (&format!("../a 1 1 1 {id}\n"), "no ref's name"),
            (&format!("a 1 1 1 {id}\na 1 2 1 {id}\n"), "one ref twice"),
            (
                &format!("b 1 1 1 {id}\na 1 1 1 {id}\n"),
                "the order of names",
            ),
            ("\n", "an empty line"),
        ] {
            assert!(RefsList::decode(line.as_bytes()).is_err(), "{reason}");
        }
    }

    #[test]
    fn a_list_has_a_largest_number_of_refs() -> Result<()> {
        let names = (0..=REFS_MAX).map(|number| Ok((ref_name(&format!("r{number:06}"))?, entry())));
        let mut entries = names.collect::<Result<BTreeMap<_, _>>>()?;
        assert!(RefsList::new(entries.clone()).is_err());
        let last = entries.pop_last();
        let mut full = RefsList::new(entries)?.encode();
        assert!(RefsList::decode(&full).is_ok());
        let more = RefsList::new(last.into_iter().collect())?.encode();
        full.extend_from_slice(&more);
        assert!(RefsList::decode(&full).is_err());
        let size = usize::try_from(REFS_LIST_BYTES_MAX).unwrap_or_default();
        assert!(RefsList::decode(&vec![b'x'; size + 1]).is_err());
        Ok(())
    }

    #[test]
    fn an_entry_out_of_range_is_not_written() -> Result<()> {
        for bad in [
            RefsEntry {
                epoch: 0,
                ..entry()
            },
            RefsEntry { seq: 0, ..entry() },
            RefsEntry {
                size: REF_STATEMENT_BYTES_MAX + 1,
                ..entry()
            },
        ] {
            assert!(
                RefsList::new(BTreeMap::from([(ref_name("a")?, bad)])).is_err(),
                "{bad:?}"
            );
        }
        Ok(())
    }
}
