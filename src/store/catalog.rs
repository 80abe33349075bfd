//! The catalog's database: opened, read and written.
//!
//! # Invariants
//!
//! - A commit is durable when it returns; redb guarantees that a crash leaves the state before or after it.
//! - Commands that only read open the file read-only, so they also work on read-only media and beside each other.
//!
//! # Not here
//!
//! The tables (`store::tables`); what changes together (`store::transaction`).

use std::path::Path;

use redb::{
    Database, Key, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    ReadableTable, TableDefinition, Value, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::CatalogFile;
use super::layout;
use super::tables::{
    ADDITIONS, ANNOUNCING, BUILD_PACKS, BUILDS, CATALOG_FORMAT, COUNTERS, DYING, EVENTS, LINGERING,
    OBJECTS, OPERATIONS, PACKS, PINS, REFS, RELEASES, REPOS, SIGNING,
};
use crate::base::{Error, Kind, Result};
use crate::disk::files::Disk;

/// Bytes of pages that redb keeps in memory.
const PAGE_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// The version of the tables that this program reads and writes.
const TABLES_FORMAT: u64 = 2;

/// The database of a store.
pub(super) enum Catalog {
    Writable(Database),
    ReadOnly(ReadOnlyDatabase),
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Catalog")
    }
}

impl Catalog {
    /// Makes an empty catalog in the file `path`; fails if there is one already.
    pub(super) fn create(disk: &dyn Disk, path: &Path) -> Result<Self> {
        let file = disk.create(path)?;
        let database = builder()
            .create_with_backend(CatalogFile(file))
            .map_err(failed("create"))?;
        let catalog = Self::Writable(database);
        catalog.make_tables()?;
        Ok(catalog)
    }

    /// Makes every table that is not there, as a catalog of an earlier version has it.
    fn make_tables(&self) -> Result<()> {
        let write = self.write()?;
        for_every_table(&write)?;
        write
            .open_table(COUNTERS)
            .map_err(failed("create"))?
            .insert(CATALOG_FORMAT, TABLES_FORMAT)
            .map_err(failed("create"))?;
        write.commit().map_err(failed("create"))
    }

    /// Opens the catalog to read and write; repairs it after a crash, and makes what an earlier version did not have.
    pub(super) fn open(disk: &dyn Disk) -> Result<Self> {
        let file = disk.open(Path::new(layout::CATALOG))?;
        // An empty file would be made a new and empty catalog.
        let bytes = file
            .len()
            .map_err(Error::io("read", &disk.place(Path::new(layout::CATALOG))))?;
        if bytes == 0 {
            return Err(Error::Catalog {
                action: "open",
                reason: "the file is empty".into(),
                kind: Kind::Integrity,
            });
        }
        let catalog = contained("open", || {
            let database = builder().create_with_backend(CatalogFile(file));
            Ok(Self::Writable(database.map_err(failed("open"))?))
        })?;
        if catalog.known_format(disk)? < TABLES_FORMAT {
            catalog.make_tables()?;
        }
        Ok(catalog)
    }

    /// Opens the catalog to read; fails if it was not closed in order, or was written by an earlier version.
    pub(super) fn open_read_only(disk: &dyn Disk) -> Result<Self> {
        let file = disk.open_read_only(Path::new(layout::CATALOG))?;
        let catalog = contained("open", || {
            let database = builder().open_read_only_with_backend(CatalogFile(file));
            Ok(Self::ReadOnly(database.map_err(failed("open"))?))
        })?;
        if catalog.known_format(disk)? < TABLES_FORMAT {
            return Err(Error::Catalog {
                action: "read",
                reason: "an earlier version wrote it: it is to be opened to write first".into(),
                kind: Kind::Unavailable,
            });
        }
        Ok(catalog)
    }

    /// The version of the tables, which must not be a later one.
    fn known_format(&self, disk: &dyn Disk) -> Result<u64> {
        let found = contained("open", || {
            let found = self.read()?.open_table(COUNTERS).map_err(failed("open"))?;
            let found = found.get(CATALOG_FORMAT).map_err(failed("read"))?;
            Ok(found.map_or(0, |value| value.value()))
        })?;
        if found > TABLES_FORMAT {
            let path = disk.place(Path::new(layout::CATALOG));
            return Err(Error::NewerFormat {
                path,
                found,
                supported: TABLES_FORMAT,
            });
        }
        Ok(found)
    }

    pub(super) fn read(&self) -> Result<ReadTransaction> {
        match self {
            Self::Writable(database) => database.begin_read(),
            Self::ReadOnly(database) => database.begin_read(),
        }
        .map_err(failed("read"))
    }

    pub(super) fn write(&self) -> Result<WriteTransaction> {
        match self {
            Self::Writable(database) => {
                let mut write = database.begin_write().map_err(failed("write"))?;
                // Recovery after a crash must not walk the whole catalog.
                write.set_quick_repair(true);
                Ok(write)
            }
            Self::ReadOnly(_) => Err(Error::NotAllowed {
                reason: "the store is open to read only".into(),
            }),
        }
    }

    pub(super) fn is_writable(&self) -> bool {
        matches!(self, Self::Writable(_))
    }
}

/// Does something with redb that panics where a file was damaged by others; that is an error then.
///
/// Only what is made anew within `act` may be used after a panic: nothing else may be left half changed.
///
/// # Errors
///
/// That of `act`; [`Error::Catalog`] of the kind integrity if it panics.
pub(super) fn contained<T>(action: &'static str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
    done.unwrap_or_else(|_| {
        Err(Error::Catalog {
            action,
            reason: "the file is damaged".into(),
            kind: Kind::Integrity,
        })
    })
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(PAGE_CACHE_BYTES);
    builder
}

/// Opens every table once, which makes it: readers can then count on all of them.
fn for_every_table(write: &WriteTransaction) -> Result<()> {
    let made = || -> Result<(), redb::TableError> {
        write.open_table(COUNTERS)?;
        write.open_table(REPOS)?;
        write.open_table(BUILDS)?;
        write.open_table(OPERATIONS)?;
        write.open_table(EVENTS)?;
        write.open_table(PACKS)?;
        write.open_table(BUILD_PACKS)?;
        write.open_table(OBJECTS)?;
        write.open_table(PINS)?;
        write.open_table(LINGERING)?;
        write.open_table(ADDITIONS)?;
        write.open_table(REFS)?;
        write.open_table(RELEASES)?;
        write.open_table(SIGNING)?;
        write.open_table(ANNOUNCING)?;
        write.open_table(DYING)?;
        Ok(())
    };
    made().map_err(failed("create"))
}

/// Makes the function that turns an error of redb into ours, for `map_err`.
pub(super) fn failed<E: Into<redb::Error>>(action: &'static str) -> impl Fn(E) -> Error {
    move |error| {
        let error: redb::Error = error.into();
        let kind = match &error {
            redb::Error::Corrupted(_)
            | redb::Error::RepairAborted
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableIsMultimap(_) => Kind::Integrity,
            redb::Error::Io(source) => Error::Io {
                action,
                path: layout::CATALOG.into(),
                source: source.kind().into(),
            }
            .kind(),
            redb::Error::PreviousIo
            | redb::Error::DatabaseAlreadyOpen
            | redb::Error::UpgradeRequired(_) => Kind::Unavailable,
            _ => Kind::Internal,
        };
        Error::Catalog {
            action,
            reason: error.to_string(),
            kind,
        }
    }
}

/// The row of `key`, read from JSON.
pub(super) fn find_row<K: Key + 'static, T: DeserializeOwned>(
    table: &impl ReadableTable<K, &'static [u8]>,
    key: K::SelfType<'_>,
) -> Result<Option<T>> {
    match table.get(key).map_err(failed("read"))? {
        Some(value) => Ok(Some(parse_row(value.value())?)),
        None => Ok(None),
    }
}

/// Reads a row from JSON.
pub(super) fn parse_row<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::malformed("catalog row", error.to_string()))
}

/// Writes a row as JSON.
pub(super) fn put_row<K: Key + 'static, T: Serialize>(
    write: &WriteTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
    key: K::SelfType<'_>,
    row: &T,
) -> Result<()> {
    let bytes = serde_json::to_vec(row).map_err(|error| Error::internal(error.to_string()))?;
    let mut table = write.open_table(table).map_err(failed("write"))?;
    table
        .insert(key, bytes.as_slice())
        .map_err(failed("write"))?;
    Ok(())
}

/// Opens a table to read.
pub(super) fn open_table<K: Key + 'static, V: Value + 'static>(
    read: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<ReadOnlyTable<K, V>> {
    read.open_table(table).map_err(failed("read"))
}
