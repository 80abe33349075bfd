//! The work of one verb: what it asked of the disk, and what it changed in the catalog.
//!
//! # Invariants
//!
//! - Outside of the catalog, what is written is what stays: packs, notes and caches, each byte once.
//!
//! # Not here
//!
//! Which verbs there are (`story`), what their work should be (`verbs`, `flat`, `rows`).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use bindery::base::Result;
use bindery::disk::files::Disk;
use bindery::store::Store;

use super::counting_disk::{Act, Calls, CountingDisk, Place};

/// Bytes of a page of the catalog.
const PAGE_BYTES: u64 = 4096;

/// Calls that a verb makes: place, kind, how many, and what for. What is not listed is never done, but for reading and
/// writing pages of the catalog, of which redb alone decides how many there are.
pub type CallTable<'a> = &'a [(Place, Act, u64, &'a str)];
/// The rows that a verb adds, or takes away if the number is negative: table, number, and what they are.
pub type RowTable<'a> = &'a [(&'a str, i64, &'a str)];

/// What one verb did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Calls of the disk; without those by which redb reads and writes pages of the catalog.
    pub calls: Calls,
    /// Rows by table, as far as their number changed.
    pub rows: BTreeMap<String, i64>,
    /// Reads of the catalog, most of them of one page.
    pub page_reads: u64,
    /// Pages of the catalog that were written, each as often as it was.
    pub pages_written: u64,
    /// Bytes of the files that got a name, by place.
    file_bytes: BTreeMap<Place, u64>,
}

impl Work {
    /// Expects exactly the calls of all `tables` together, and exactly these rows.
    pub fn check(&self, verb: &str, tables: &[CallTable<'_>], rows: RowTable<'_>) {
        let mut calls = Calls::new();
        for (place, act, number, _) in tables.iter().copied().flatten() {
            *calls.entry((*place, *act)).or_default() += number;
        }
        expect(verb, &calls, &self.calls);
        self.check_rows(verb, rows);
    }

    /// Expects exactly these rows.
    pub fn check_rows(&self, verb: &str, rows: RowTable<'_>) {
        let row = |(table, number, _): &(&str, i64, &str)| ((*table).to_owned(), *number);
        expect(verb, &rows.iter().map(row).collect(), &self.rows);
    }

    /// How often `act` was done in `place`.
    pub fn calls(&self, place: Place, act: Act) -> u64 {
        self.calls.get(&(place, act)).copied().unwrap_or_default()
    }

    /// Bytes of the files that got a name in `place`.
    pub fn bytes(&self, place: Place) -> u64 {
        self.file_bytes.get(&place).copied().unwrap_or_default()
    }

    /// How many rows `table` has more now; less, if negative.
    pub fn rows(&self, table: &str) -> i64 {
        self.rows.get(table).copied().unwrap_or_default()
    }
}

/// Fails with both lists, so that a change that is meant can be copied from there.
fn expect<K: Debug + PartialEq, N: Debug + PartialEq>(
    verb: &str,
    expected: &BTreeMap<K, N>,
    found: &BTreeMap<K, N>,
) {
    let list = |numbers: &BTreeMap<K, N>| {
        let lines = numbers.iter();
        let lines: Vec<String> = lines
            .map(|(key, number)| format!("  {key:?} {number:?}\n"))
            .collect();
        lines.concat()
    };
    assert!(
        expected == found,
        "{verb}\nexpected:\n{}found:\n{}",
        list(expected),
        list(found)
    );
}

/// Does something with a store, and says what work that was.
pub fn count<T>(
    disk: &CountingDisk,
    store: &Store,
    act: impl FnOnce() -> Result<T>,
) -> Result<(T, Work)> {
    let before = store.reader()?.row_counts()?;
    disk.take();
    let done = act()?;
    let mut work = tallied(disk)?;
    for (table, after) in store.reader()?.row_counts()? {
        let before = before.get(&table).copied().unwrap_or_default();
        if after != before {
            let change = i64::try_from(after).unwrap_or(i64::MAX)
                - i64::try_from(before).unwrap_or(i64::MAX);
            work.rows.insert(table, change);
        }
    }
    Ok((done, work))
}

/// Opens a store, or closes it, and says what work that was; rows stay as they are.
pub fn count_whole<T>(
    disk: &CountingDisk,
    open: impl FnOnce(Arc<dyn Disk>) -> Result<T>,
) -> Result<(T, Work)> {
    disk.take();
    let opened = open(Arc::new(disk.clone()))?;
    Ok((opened, tallied(disk)?))
}

/// The work since the last look. What was written outside of the catalog is exactly what lies there now.
fn tallied(disk: &CountingDisk) -> Result<Work> {
    let mut tally = disk.take();
    let mut file_bytes: BTreeMap<Place, u64> = BTreeMap::new();
    for path in &tally.named {
        *file_bytes.entry(Place::of(path)).or_default() += disk.file_bytes(Path::new(path))?;
    }
    let pages = tally.bytes.remove(&Place::Catalog).unwrap_or_default() / PAGE_BYTES;
    let written: u64 = tally.bytes.values().sum();
    assert_eq!(
        written,
        file_bytes.values().sum::<u64>(),
        "each byte of {:?} is written once, and nothing else is",
        tally.named
    );
    let page_reads = tally.calls.get(&(Place::Catalog, Act::Read)).copied();
    // When redb makes its file longer, it syncs that at once; how often depends on how full the file was.
    let grown = tally.calls.get(&(Place::Catalog, Act::Grow)).copied();
    if let Some(syncs) = tally.calls.get_mut(&(Place::Catalog, Act::SyncFile)) {
        *syncs -= grown.unwrap_or_default();
    }
    let paging = [Act::Read, Act::Write, Act::Grow, Act::Shrink];
    tally
        .calls
        .retain(|(place, act), _| *place != Place::Catalog || !paging.contains(act));
    Ok(Work {
        calls: tally.calls,
        rows: BTreeMap::new(),
        page_reads: page_reads.unwrap_or_default(),
        pages_written: pages,
        file_bytes,
    })
}
