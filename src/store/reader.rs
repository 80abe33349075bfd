//! A reader: what the catalog says, at one moment.
//!
//! # Not here
//!
//! The objects themselves (`store::view`).

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::de::DeserializeOwned;

use super::catalog::{failed, find_row, open_table, parse_row};
use super::open::Store;
use super::rows::{BuildRow, Owner, PackRow, RefRow, ReleaseRow, RepoRow};
use super::tables::{
    BUILD_PACKS, BUILDS, COUNTERS, DEATHS, NEXT_PACK, OBJECTS, ObjectKey, PACKS, REFS, RELEASES,
    REPOS, parse_object_key,
};
use crate::base::id::{HASH_BYTES, Hash, SnapshotId};
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::object::kind::ObjectKind;

/// What the catalog says, at one moment; what happens later is not seen.
pub struct Reader<'s> {
    pub(super) read: ReadTransaction,
    pub(super) store: &'s Store,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// Sums over a whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Published objects and the objects of builds.
    pub objects: u64,
    /// Pack files.
    pub packs: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// The expanded bytes of the objects in them.
    pub logical_bytes: u64,
    /// The expanded bytes of those that are published or belong to a build.
    pub live_bytes: u64,
}

impl Store {
    /// Reads the catalog as it is now.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if it cannot be read.
    pub fn reader(&self) -> Result<Reader<'_>> {
        Ok(Reader {
            read: self.catalog.read()?,
            store: self,
        })
    }
}

impl Reader<'_> {
    pub(super) fn table<K: redb::Key + 'static>(
        &self,
        table: TableDefinition<'_, K, &'static [u8]>,
    ) -> Result<ReadOnlyTable<K, &'static [u8]>> {
        open_table(&self.read, table)
    }

    /// Every row of a table, in the order of its keys.
    pub(super) fn rows<K: redb::Key + 'static, T: DeserializeOwned>(
        &self,
        table: TableDefinition<'_, K, &'static [u8]>,
    ) -> Result<Vec<T>> {
        let table = self.table(table)?;
        table
            .iter()
            .map_err(failed("read"))?
            .map(|row| parse_row(row.map_err(failed("read"))?.1.value()))
            .collect()
    }

    /// Every row of a table of numbered things, with its number.
    pub(super) fn numbered<T: DeserializeOwned>(
        &self,
        table: TableDefinition<'_, u64, &'static [u8]>,
    ) -> Result<Vec<(u64, T)>> {
        let table = self.table(table)?;
        let rows = table.iter().map_err(failed("read"))?;
        rows.map(|row| {
            let (number, bytes) = row.map_err(failed("read"))?;
            Ok((number.value(), parse_row(bytes.value())?))
        })
        .collect()
    }

    /// All repos, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read, as for every method here.
    pub fn repos(&self) -> Result<Vec<RepoRow>> {
        self.rows(REPOS)
    }

    /// A repo.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none of that name.
    pub fn repo(&self, name: &RepoName) -> Result<RepoRow> {
        find_row(&self.table(REPOS)?, name.as_str())?.ok_or_else(|| Error::not_found("repo", name))
    }

    /// A build.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none with that id.
    pub fn build(&self, id: u64) -> Result<BuildRow> {
        find_row(&self.table(BUILDS)?, id)?.ok_or_else(|| Error::not_found("build", id))
    }

    /// All builds, by id.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn builds(&self) -> Result<Vec<BuildRow>> {
        self.rows(BUILDS)
    }

    /// The newest builds that are `wanted`, newest first: at most `most` of them, with ids below `below`.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn newest_builds(
        &self,
        below: Option<u64>,
        most: usize,
        wanted: &dyn Fn(&BuildRow) -> bool,
    ) -> Result<Vec<BuildRow>> {
        let table = self.table(BUILDS)?;
        let rows = table.range(..below.unwrap_or(u64::MAX));
        let rows = rows.map_err(failed("read"))?.rev();
        let rows = rows.map(|row| parse_row(row.map_err(failed("read"))?.1.value()));
        let is_wanted = |row: &Result<BuildRow>| row.as_ref().map_or(true, wanted);
        rows.filter(is_wanted).take(most).collect()
    }

    /// The numbers of the packs that a build owns.
    pub(super) fn packs_of(&self, build: u64) -> Result<Vec<u64>> {
        let table = open_table(&self.read, BUILD_PACKS)?;
        let rows = table
            .range((build, 0)..=(build, u64::MAX))
            .map_err(failed("read"))?;
        rows.map(|row| Ok(row.map_err(failed("read"))?.0.value().1))
            .collect()
    }

    pub(super) fn find_pack(&self, number: u64) -> Result<Option<PackRow>> {
        find_row(&self.table(PACKS)?, number)
    }

    pub(super) fn pack(&self, number: u64) -> Result<PackRow> {
        self.find_pack(number)?
            .ok_or_else(|| Error::malformed("catalog", format!("it has no row of pack {number}")))
    }

    /// A ref; none if nothing was ever published to it.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn find_ref(&self, repo: &RepoRow, name: &RefName) -> Result<Option<RefRow>> {
        find_row(&self.table(REFS)?, (repo.number, name.as_str()))
    }

    /// All refs of a repo, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn refs(&self, repo: &RepoRow) -> Result<Vec<RefRow>> {
        self.refs_after(repo, None, usize::MAX)
    }

    /// The first refs of a repo whose names come after one, by name: at most `most` of them.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn refs_after(
        &self,
        repo: &RepoRow,
        after: Option<&RefName>,
        most: usize,
    ) -> Result<Vec<RefRow>> {
        let table = self.table(REFS)?;
        let first = match after {
            Some(name) => Bound::Excluded((repo.number, name.as_str())),
            None => Bound::Included((repo.number, "")),
        };
        let rows = table
            .range((first, Bound::Excluded((repo.number + 1, ""))))
            .map_err(failed("read"))?;
        rows.take(most)
            .map(|row| parse_row(row.map_err(failed("read"))?.1.value()))
            .collect()
    }

    /// All releases of a ref, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn releases(&self, repo: &RepoRow, name: &RefName) -> Result<Vec<ReleaseRow>> {
        let table = self.table(RELEASES)?;
        let name = name.as_str();
        let rows = table.range((repo.number, name, 0, 0)..=(repo.number, name, u64::MAX, u64::MAX));
        rows.map_err(failed("read"))?
            .map(|row| parse_row(row.map_err(failed("read"))?.1.value()))
            .collect()
    }

    /// The last releases of a ref, at most `most` of them, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn last_releases(
        &self,
        repo: &RepoRow,
        name: &RefName,
        most: usize,
    ) -> Result<Vec<ReleaseRow>> {
        let table = self.table(RELEASES)?;
        let name = name.as_str();
        let rows = table.range((repo.number, name, 0, 0)..=(repo.number, name, u64::MAX, u64::MAX));
        rows.map_err(failed("read"))?
            .rev()
            .take(most)
            .map(|row| parse_row(row.map_err(failed("read"))?.1.value()))
            .collect()
    }

    /// A page of the releases of a ref, newest first: at most `most` of those before the one that is number `before`, counted from
    /// the first one on. Says also how many come before these. Only those on the page are read.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn releases_before(
        &self,
        repo: &RepoRow,
        name: &RefName,
        before: Option<usize>,
        most: usize,
    ) -> Result<(Vec<ReleaseRow>, usize)> {
        let table = self.table(RELEASES)?;
        let name = name.as_str();
        let all = (repo.number, name, 0, 0)..=(repo.number, name, u64::MAX, u64::MAX);
        let mut rows = table.range(all.clone()).map_err(failed("read"))?;
        let total = rows.try_fold(0_usize, |count, row| row.map(|_| count + 1));
        let total = total.map_err(failed("read"))?;
        let end = before.map_or(total, |before| before.min(total));
        let first = end.saturating_sub(most);
        let rows = table.range(all).map_err(failed("read"))?;
        let page = rows.skip(first).take(end - first);
        let page = page.map(|row| parse_row(row.map_err(failed("read"))?.1.value()));
        let mut page: Vec<ReleaseRow> = page.collect::<Result<_>>()?;
        page.reverse();
        Ok((page, first))
    }

    /// The published snapshots of a repo whose ids, as text, start with `prefix`; at most `most` of them.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn snapshots_with_prefix(
        &self,
        repo: &RepoRow,
        prefix: &str,
        most: usize,
    ) -> Result<Vec<SnapshotId>> {
        let bound = |filler: char| {
            let text: String = prefix
                .chars()
                .chain(std::iter::repeat(filler))
                .take(2 * HASH_BYTES)
                .collect();
            text.parse::<Hash>()
                .map_err(|_| Error::not_found("snapshot", prefix))
        };
        let key = |id: Hash, kind: u8| -> ObjectKey {
            let mut key = super::tables::object_key(repo.number, ObjectKind::Snapshot, id);
            key[key.len() - 1] = kind;
            key
        };
        let table = open_table(&self.read, OBJECTS)?;
        let rows = table
            .range(key(bound('0')?, 0)..=key(bound('f')?, u8::MAX))
            .map_err(failed("read"))?;
        let mut found = Vec::new();
        for row in rows {
            let (kind, id) = parse_object_key(&row.map_err(failed("read"))?.0.value())?;
            if kind == ObjectKind::Snapshot {
                found.push(SnapshotId::new(id));
                if found.len() == most {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The number that the next pack may have.
    pub(super) fn next_pack(&self) -> Result<u64> {
        let counters = open_table(&self.read, COUNTERS)?;
        Ok(counters
            .get(NEXT_PACK)
            .map_err(failed("read"))?
            .map_or(1, |value| value.value()))
    }

    /// How often published objects have died.
    pub(super) fn deaths(&self) -> Result<u64> {
        let counters = open_table(&self.read, COUNTERS)?;
        let deaths = counters.get(DEATHS).map_err(failed("read"))?;
        Ok(deaths.map_or(0, |deaths| deaths.value()))
    }

    /// Sums over the whole store.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`].
    pub fn totals(&self) -> Result<Totals> {
        let published = open_table(&self.read, OBJECTS)?
            .len()
            .map_err(failed("read"))?;
        let mut totals = Totals {
            objects: published,
            ..Totals::default()
        };
        for pack in self.rows::<_, PackRow>(PACKS)? {
            totals.packs += 1;
            totals.stored_bytes += pack.bytes;
            totals.logical_bytes += pack.expanded_bytes;
            match pack.owner {
                Owner::Build(_) => {
                    totals.objects += pack.objects;
                    totals.live_bytes += pack.expanded_bytes;
                }
                Owner::Repo(_) => totals.live_bytes += pack.live_bytes,
            }
        }
        Ok(totals)
    }

    /// The store that this reads.
    #[must_use]
    pub const fn store(&self) -> &Store {
        self.store
    }
}
