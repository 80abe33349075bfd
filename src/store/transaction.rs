//! A transaction: the one way in which durable state changes.
//!
//! # Invariants
//!
//! - **I1**: a row names a pack only if the whole pack is durable and hashes to its name.
//! - **I7**: no file of a pack is unlinked before the transaction that forgets it is durable.
//!
//! # Not here
//!
//! Which changes belong together: `store::builds`, `store::releases`, `store::retire`.

use std::collections::BTreeSet;

use redb::{Key, ReadableTable, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::catalog::{failed, find_row, parse_row, put_row};
use super::landing::{Landing, PackFile};
use super::layout;
use super::open::Store;
use super::rows::{Base, BuildRow, BuildState, EventRow, Owner, PackRow, Receipt, RefRow};
use super::tables::{
    ANNOUNCING, BUILD_PACKS, BUILDS, COUNTERS, DYING, NEXT_PACK, OPERATIONS, PACKS, REFS,
};
use crate::base::clock::Time;
use crate::base::name::RefName;
use crate::base::{Error, Result};

/// Checks that a build is in one of `states`, to be given to `verb`.
pub(super) fn check_state(
    build: &BuildRow,
    states: &[BuildState],
    verb: &'static str,
) -> Result<()> {
    if states.contains(&build.state) {
        return Ok(());
    }
    Err(Error::State {
        build: build.id,
        state: build.state.to_string(),
        verb,
    })
}

/// A change of durable state in the making. Dropping it changes nothing.
#[must_use = "a transaction that is not committed changes nothing"]
pub(super) struct Transaction<'s> {
    pub(super) store: &'s Store,
    pub(super) write: WriteTransaction,
    /// Goes if the transaction is dropped.
    landed: Vec<PackFile>,
    is_dooming: bool,
    is_announcing: bool,
}

impl<'s> Transaction<'s> {
    pub(super) fn begin(store: &'s Store) -> Result<Self> {
        let write = store.catalog.write()?;
        Ok(Self {
            store,
            write,
            landed: Vec::new(),
            is_dooming: false,
            is_announcing: false,
        })
    }

    /// The row of `key`.
    pub(super) fn row<K: Key + 'static, T: DeserializeOwned>(
        &self,
        table: TableDefinition<'_, K, &'static [u8]>,
        key: K::SelfType<'_>,
    ) -> Result<Option<T>> {
        find_row(&self.write.open_table(table).map_err(failed("read"))?, key)
    }

    /// Writes the row of `key`.
    pub(super) fn put<K: Key + 'static, T: Serialize>(
        &self,
        table: TableDefinition<'_, K, &'static [u8]>,
        key: K::SelfType<'_>,
        row: &T,
    ) -> Result<()> {
        put_row(&self.write, table, key, row)
    }

    /// The next value of a counter.
    pub(super) fn count_up(&self, counter: &str) -> Result<u64> {
        let mut counters = self.write.open_table(COUNTERS).map_err(failed("write"))?;
        let value = counters
            .get(counter)
            .map_err(failed("read"))?
            .map_or(1, |value| value.value());
        counters
            .insert(counter, value + 1)
            .map_err(failed("write"))?;
        Ok(value)
    }

    /// A build, which must be in one of `states` to be given to `verb`.
    pub(super) fn build_in(
        &self,
        id: u64,
        states: &[BuildState],
        verb: &'static str,
    ) -> Result<BuildRow> {
        let build: BuildRow = self
            .row(BUILDS, id)?
            .ok_or_else(|| Error::not_found("build", id))?;
        check_state(&build, states, verb)?;
        Ok(build)
    }

    /// Writes a build's row, and what happened to it.
    pub(super) fn put_build(
        &self,
        build: &BuildRow,
        time: Time,
        what: impl Into<String>,
    ) -> Result<()> {
        self.put(BUILDS, build.id, build)?;
        let what = what.into();
        self.log_event(build.id, &EventRow { time, what })
    }

    /// A ref, also one that shows nothing yet.
    pub(super) fn ref_row(&self, repo: u32, name: &RefName) -> Result<RefRow> {
        Ok(self
            .row(REFS, (repo, name.as_str()))?
            .unwrap_or_else(|| RefRow::unborn(name.clone())))
    }

    /// What a ref shows; nothing if it is none.
    pub(super) fn shown(&self, repo: u32, name: Option<&RefName>) -> Result<Option<Base>> {
        let current = match name {
            Some(name) => self.ref_row(repo, name)?.current,
            None => None,
        };
        Ok(current.map(|current| current.base()))
    }

    /// Checks that a ref shows what somebody saw.
    pub(super) fn check_shown(
        &self,
        repo: u32,
        name: Option<&RefName>,
        seen: Option<Base>,
    ) -> Result<()> {
        if self.shown(repo, name)? == seen {
            return Ok(());
        }
        let name = name.map_or("the ref", RefName::as_str);
        Err(Error::refused(format!(
            "{name} has moved meanwhile; try again"
        )))
    }

    /// Writes a ref's row, if there is anything to say about the ref.
    pub(super) fn put_ref(&self, repo: u32, row: &RefRow) -> Result<()> {
        let key = (repo, row.name.as_str());
        if *row != RefRow::unborn(row.name.clone()) {
            return self.put(REFS, key, row);
        }
        let mut table = self.write.open_table(REFS).map_err(failed("write"))?;
        table.remove(key).map_err(failed("write"))?;
        Ok(())
    }

    /// Refs are path prefixes in URLs, so none may lie within another.
    pub(super) fn check_ref_name(&self, repo: u32, name: &RefName) -> Result<()> {
        let table = self.write.open_table(REFS).map_err(failed("read"))?;
        let rows = table
            .range((repo, "")..(repo + 1, ""))
            .map_err(failed("read"))?;
        for row in rows {
            let other: RefRow = parse_row(row.map_err(failed("read"))?.1.value())?;
            if other.name.nests_with(name) {
                return Err(Error::refused(format!(
                    "a ref {name} cannot be beside the ref {}: one name lies within the other",
                    other.name
                )));
            }
        }
        Ok(())
    }

    /// Gives finished packs their names, durably, and `owner` the rows.
    pub(super) fn land(&mut self, mut landing: Landing, owner: Owner) -> Result<()> {
        let packs = &self.store.packs;
        for pack in &mut landing.packs {
            packs.land(pack.file.path(), pack.id)?;
            pack.file.moved_to(layout::pack(pack.id));
        }
        let mut ids: Vec<_> = landing.packs.iter().map(|pack| pack.id).collect();
        ids.sort_unstable();
        ids.dedup_by_key(|id| id.to_string()[..2].to_owned());
        for id in ids {
            packs.sync_folder(id)?;
        }
        for pack in landing.packs {
            let row = PackRow {
                id: pack.id,
                owner,
                bytes: pack.bytes,
                objects: pack.objects,
                expanded_bytes: pack.expanded_bytes,
                live_objects: 0,
                live_bytes: 0,
            };
            self.put(PACKS, pack.number, &row)?;
            self.landed.push(pack.file);
            if let Owner::Build(build) = owner {
                let mut holdings = self
                    .write
                    .open_table(BUILD_PACKS)
                    .map_err(failed("write"))?;
                holdings
                    .insert((build, pack.number), ())
                    .map_err(failed("write"))?;
            }
            let mut counters = self.write.open_table(COUNTERS).map_err(failed("write"))?;
            let next = counters
                .get(NEXT_PACK)
                .map_err(failed("read"))?
                .map_or(1, |value| value.value());
            counters
                .insert(NEXT_PACK, next.max(pack.number + 1))
                .map_err(failed("write"))?;
        }
        Ok(())
    }

    /// The packs that a build owns, and their rows.
    pub(super) fn packs_of(&self, build: u64) -> Result<Vec<(u64, PackRow)>> {
        let owned = self.write.open_table(BUILD_PACKS).map_err(failed("read"))?;
        let mut rows = Vec::new();
        for entry in owned
            .range((build, 0)..=(build, u64::MAX))
            .map_err(failed("read"))?
        {
            let number = entry.map_err(failed("read"))?.0.value().1;
            rows.push((number, self.pack(number)?));
        }
        Ok(rows)
    }

    pub(super) fn pack(&self, number: u64) -> Result<PackRow> {
        self.row(PACKS, number)?
            .ok_or_else(|| Error::malformed("catalog", format!("it has no row of pack {number}")))
    }

    /// Takes a pack away from the build that owns it.
    pub(super) fn disown(&self, build: u64, number: u64) -> Result<()> {
        let mut owned = self
            .write
            .open_table(BUILD_PACKS)
            .map_err(failed("write"))?;
        owned.remove((build, number)).map_err(failed("write"))?;
        Ok(())
    }

    /// Forgets a pack; its file is unlinked after the commit.
    pub(super) fn doom(&mut self, number: u64) -> Result<PackRow> {
        let row = self.pack(number)?;
        if let Owner::Build(build) = row.owner {
            self.disown(build, number)?;
        }
        self.write
            .open_table(PACKS)
            .map_err(failed("write"))?
            .remove(number)
            .map_err(failed("write"))?;
        let mut dying = self.write.open_table(DYING).map_err(failed("write"))?;
        dying
            .insert(number, row.id.hash().as_bytes())
            .map_err(failed("write"))?;
        self.is_dooming = true;
        Ok(row)
    }

    /// Forgets those of `packs` in which nothing lives any more; returns what that frees.
    pub(super) fn doom_dead(&mut self, packs: &BTreeSet<u64>) -> Result<Receipt> {
        let mut freed = Receipt::default();
        for number in packs {
            if self.pack(*number)?.live_objects == 0 {
                freed.bytes += self.doom(*number)?.bytes;
                freed.packs += 1;
            }
        }
        Ok(freed)
    }

    /// Forgets what was staged into a build.
    pub(super) fn drop_operations(&self, build: u64) -> Result<()> {
        let mut table = self.write.open_table(OPERATIONS).map_err(failed("write"))?;
        table
            .retain_in((build, 0)..=(build, u32::MAX), |_, _| false)
            .map_err(failed("write"))
    }

    /// Records a file to be written beneath `repos/` after the commit.
    pub(super) fn announce(&mut self, path: &std::path::Path, bytes: &[u8]) -> Result<()> {
        let path = path
            .to_str()
            .ok_or_else(|| Error::internal("paths of notes are text"))?;
        let mut table = self.write.open_table(ANNOUNCING).map_err(failed("write"))?;
        table.insert(path, bytes).map_err(failed("write"))?;
        self.is_announcing = true;
        Ok(())
    }

    /// Makes every change durable and visible, or none of them.
    ///
    /// # Order
    ///
    /// 1. Packs have been synced and renamed by [`land`](Self::land).
    /// 2. One durable commit of the catalog. **This is the atomic point.**
    /// 3. Forgotten packs are unlinked, recorded notes written.
    ///
    /// A crash before 2 leaves files that no row names; a crash after 2 leaves rows that say what is left to do.
    /// `store::recovery` finishes both at the next open. What is dropped before 2 takes its packs with it.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] in step 2: nothing changed, or, if the disk failed while syncing, the next open decides. A
    /// failure to unlink in step 3 is no error: the next open finishes it. A note that cannot be written is one, though
    /// the change stands; every later commit, and the next open, tries to write it again.
    pub(super) fn commit(self) -> Result<()> {
        let Self {
            store,
            write,
            landed,
            is_dooming,
            is_announcing,
        } = self;
        if let Err(error) = write.commit() {
            landed.into_iter().for_each(PackFile::leave);
            return Err(failed("commit")(error));
        }
        landed.into_iter().for_each(PackFile::keep);
        if is_dooming {
            // The change is durable; a file that will not go now goes at the next open.
            store.bury().ok();
        }
        if is_announcing {
            return store.announce();
        }
        if store.is_owing_notes() {
            // Nobody asked for it here, so nobody hears of its failing: the next commit or open tries again.
            store.announce().ok();
        }
        Ok(())
    }
}
