//! Recovery: finishing or rolling back what an earlier process left under way.
//!
//! | left behind | by a crash | cure |
//! |---|---|---|
//! | rows in `dying` | between a commit and its unlinks | unlink, forget |
//! | packs in `packs/` without a row | between landing and commit | unlink |
//! | files in `tmp/` | while packs were written | remove |
//! | rows in `announcing` | between a commit and its notes | write the notes |
//! | names that may not be durable: of folders, of a new catalog or store, of a revoked block | by a kill while they were made | sync the folders they lie in |
//!
//! # Invariants
//!
//! - Idempotent, and O(unfinished work): the folder of packs is only listed if the file [`LANDING`](layout::LANDING),
//!   which is there while packs may land, was left behind.
//! - **I7**: a pack is unlinked, durably, between the commit that forgets it and the one that forgets its unlinking.
//! - Heads are written after the statements that they name, so who reads the files finds what he is told of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use redb::ReadableTable;

use super::catalog::{failed, open_table};
use super::layout;
use super::open::Store;
use super::rows::PackRow;
use super::tables::{ANNOUNCING, DYING, PACKS};
use crate::base::id::{Hash, PackId};
use crate::base::{Error, Result};
use crate::disk::whole;

impl Store {
    /// Brings the store into order; see the table above.
    pub(super) fn recover(&self) -> Result<()> {
        self.bury()?;
        for folder in layout::FOLDERS {
            self.disk.create_dir(Path::new(folder))?;
        }
        let leftovers = self.disk.list(Path::new(layout::TMP))?;
        let has_word = |word: &str| {
            let mut files = leftovers.iter();
            files.any(|file| Path::new(layout::TMP).join(&file.name) == Path::new(word))
        };
        if has_word(layout::REVOKING) {
            self.tokens().settle_revoked()?;
        }
        if has_word(layout::LANDING) {
            self.remove_strays()?;
            // What a killed process named may not be durable, and whoever needs it next trusts it: a folder that was made for
            // a pack, or the settings or catalog of a store that was just made.
            self.disk.sync_dir(Path::new(layout::PACKS))?;
            self.disk.sync_dir(Path::new(""))?;
        }
        // The word goes last: if this is interrupted, strays are looked for again.
        let (words, others): (Vec<PathBuf>, Vec<PathBuf>) = leftovers
            .into_iter()
            .map(|file| Path::new(layout::TMP).join(file.name))
            .partition(|path| path == Path::new(layout::LANDING));
        for path in others.into_iter().chain(words) {
            self.disk.remove(&path)?;
        }
        // A store whose disk is full must still open, so that something can be purged; every commit tries again.
        let announced = self.settle_folders().and_then(|()| self.announce());
        announced.or_else(|error| match error {
            Error::Io { .. } => Ok(()),
            other => Err(other),
        })
    }

    /// Unlinks the packs that the catalog has forgotten, durably, then forgets that they were to be unlinked.
    pub(super) fn bury(&self) -> Result<()> {
        let mut dying = Vec::new();
        for row in open_table(&self.catalog.read()?, DYING)?
            .iter()
            .map_err(failed("read"))?
        {
            let (number, id) = row.map_err(failed("read"))?;
            dying.push((number.value(), PackId::new(Hash::from_bytes(*id.value()))));
        }
        if dying.is_empty() {
            return Ok(());
        }
        let ids: Vec<PackId> = dying.iter().map(|(_, id)| *id).collect();
        self.packs.remove(&ids)?;
        let mut write = self.catalog.write()?;
        // If this is lost in a crash, the next open unlinks files that are gone: that is harmless, a wait is not.
        write
            .set_durability(redb::Durability::None)
            .map_err(failed("write"))?;
        let mut table = write.open_table(DYING).map_err(failed("write"))?;
        for (number, _) in dying {
            table.remove(number).map_err(failed("write"))?;
        }
        drop(table);
        write.commit().map_err(failed("commit"))
    }

    /// Removes packs that no row names.
    fn remove_strays(&self) -> Result<()> {
        let rows: Vec<PackRow> = self.reader()?.rows(PACKS)?;
        let known: std::collections::HashSet<PackId> = rows.into_iter().map(|row| row.id).collect();
        let mut strays = self.packs.list()?;
        strays.retain(|id| !known.contains(id));
        self.packs.remove(&strays)
    }

    /// Writes the notes that are recorded and not yet in their files: what others refer to before those that do.
    pub(super) fn announce(&self) -> Result<()> {
        let mut is_owing = self
            .is_owing_notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *is_owing = true;
        let mut notes = self.owed_notes()?;
        notes.sort_by_key(|(path, _)| layout::is_heads(Path::new(path)));
        for (path, bytes) in &notes {
            let path = Path::new(path);
            if let Some(folder) = path.parent() {
                self.disk.create_dir(folder)?;
            }
            whole::write_whole(&*self.disk, path, bytes)?;
        }
        if !notes.is_empty() {
            self.forget_announced(&notes)?;
        }
        *is_owing = false;
        Ok(())
    }

    /// The notes that are recorded and not yet in their files, by path.
    fn owed_notes(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut notes = Vec::new();
        for row in open_table(&self.catalog.read()?, ANNOUNCING)?
            .iter()
            .map_err(failed("read"))?
        {
            let (path, bytes) = row.map_err(failed("read"))?;
            notes.push((path.value().to_owned(), bytes.value().to_vec()));
        }
        Ok(notes)
    }

    /// Makes the folders durable that an earlier process may have made for notes that it still owed.
    fn settle_folders(&self) -> Result<()> {
        let notes = self.owed_notes()?;
        let folders = notes
            .iter()
            .filter_map(|(path, _)| Path::new(path).parent());
        let above: BTreeSet<&Path> = folders
            .flat_map(|folder| folder.ancestors().skip(1))
            .collect();
        above
            .into_iter()
            .try_for_each(|folder| match self.disk.sync_dir(folder) {
                Err(error) if error.is_file_not_found() => Ok(()),
                synced => synced,
            })
    }

    /// Whether notes could not be written when they should have been.
    pub(super) fn is_owing_notes(&self) -> bool {
        *self
            .is_owing_notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_announced(&self, notes: &[(String, Vec<u8>)]) -> Result<()> {
        let mut write = self.catalog.write()?;
        // If this is lost in a crash, the next open writes the same files again.
        write
            .set_durability(redb::Durability::None)
            .map_err(failed("write"))?;
        let mut table = write.open_table(ANNOUNCING).map_err(failed("write"))?;
        for (path, bytes) in notes {
            // What was recorded meanwhile stays: its turn comes.
            let row = table.get(path.as_str()).map_err(failed("read"))?;
            let is_same = row.is_some_and(|row| row.value() == bytes.as_slice());
            if is_same {
                table.remove(path.as_str()).map_err(failed("write"))?;
            }
        }
        drop(table);
        write.commit().map_err(failed("commit"))
    }
}
