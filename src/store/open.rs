//! A store: its parts, and how it is made, opened and closed.
//!
//! # Invariants
//!
//! - One process at a time opens a store to write; those that read do so together. The lock is dropped last.
//!
//! # Not here
//!
//! What a store does: each verb is an `impl Store` in the file of its noun (`reader`, `view`, `intake`, `builds`,
//! `releases`, `retire`, `recovery`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::audit::log::{AuditLog, Mode};
use super::catalog::Catalog;
use super::landing::{Unlanded, leave_word};
use super::layout;
use super::packs::PackStore;
use super::settings::{self, Settings};
use crate::base::{Error, Result};
use crate::disk::files::{Disk, Listed};
use crate::disk::lock::{FolderLock, LOCK_FILE, Sharing, Tell};
use crate::disk::real::RealDisk;
use crate::disk::whole;

/// A store of builds and releases, open in this process.
#[derive(Debug)]
pub struct Store {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) catalog: Catalog,
    pub(super) packs: PackStore,
    pub(super) settings: Settings,
    pub(super) audit: AuditLog,
    pub(super) next_pack: AtomicU64,
    /// Packs that were begun and have no row.
    pub(super) unlanded: Arc<Unlanded>,
    /// Held while notes are written: they are written one after the other, and the newest last.
    pub(super) is_owing_notes: Mutex<bool>,
    /// Packs that are on their way and kept, by what tells them apart.
    pub(super) arriving: Mutex<BTreeSet<String>>,
    /// Held while files of tokens are written.
    pub(super) writing_tokens: Mutex<()>,
    /// The last to be dropped: nobody else may open the store before everything is closed.
    pub(super) lock: Option<FolderLock>,
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read, beside others that read.
    Read,
    /// To read and write, alone.
    Write,
}

/// How to wait for another process that holds a store.
#[derive(Clone, Debug)]
pub struct Patience {
    /// How long to wait.
    pub wait: Duration,
    /// What others are told about this process while it holds the store.
    pub holder: String,
    /// Is told who holds it, if it is waited for longer than a moment.
    pub tell: Option<Tell>,
}

impl Patience {
    /// Locks the store in the folder `root`.
    ///
    /// # Errors
    ///
    /// As [`FolderLock::acquire`].
    pub(super) fn lock(&self, root: &Path, sharing: Sharing) -> Result<FolderLock> {
        FolderLock::acquire(root, self.wait, &self.holder, self.tell, sharing)
    }

    /// Locks a folder that is exported into.
    ///
    /// # Errors
    ///
    /// As [`FolderLock::acquire_export`].
    pub(crate) fn lock_export(&self, root: &Path) -> Result<FolderLock> {
        FolderLock::acquire_export(root, self.wait, &self.holder, self.tell)
    }
}

impl Store {
    /// Makes an empty store in a folder that is not there or is empty, and opens it. One without a repo is taken as it is:
    /// whoever made it did not get further.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is a store with a repo already, [`Error::Refused`] if the folder has other things in it.
    pub fn create(root: &Path, patience: &Patience) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(root));
        if whole::exists(&*disk, Path::new(layout::SETTINGS))? {
            return Self::open_without_repo(root, patience);
        }
        disk.create_dir(Path::new(""))?;
        let check_empty = || match foreign_file(&*disk)? {
            None => Ok(()),
            Some(other) => Err(Error::refused(format!(
                "{} is not empty: it has {other}",
                root.display()
            ))),
        };
        // Before the lock, which would leave its file in a folder that is none of ours; and again when nobody else can
        // make a store in it.
        check_empty()?;
        let lock = patience.lock(root, Sharing::Alone)?;
        check_empty()?;
        Self::create_on(disk, Some(lock))
    }

    /// Opens a store that has no repo yet. What cannot be opened at once is a store all the same.
    fn open_without_repo(root: &Path, patience: &Patience) -> Result<Self> {
        let at_once = Patience {
            wait: Duration::ZERO,
            ..patience.clone()
        };
        let store = Self::open(root, Access::Write, &at_once).ok();
        let exists = || Error::Exists {
            what: "store at",
            name: root.display().to_string(),
        };
        let store = store.ok_or_else(exists)?;
        if store.reader()?.repos()?.is_empty() {
            Ok(store)
        } else {
            Err(exists())
        }
    }

    /// Makes an empty store on `disk`, which has nothing on it but what an interrupted attempt left.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the disk fails.
    pub fn create_on(disk: Arc<dyn Disk>, lock: Option<FolderLock>) -> Result<Self> {
        for folder in layout::FOLDERS {
            disk.create_dir(Path::new(folder))?;
        }
        if whole::exists(&*disk, Path::new(layout::CATALOG))? {
            disk.remove(Path::new(layout::CATALOG))?;
        }
        drop(Catalog::create(&*disk, Path::new(layout::CATALOG))?);
        disk.sync_dir(Path::new(""))?;
        // The settings come last: a folder with them is a whole store. Should this be killed before their name is durable,
        // whoever opens the store finds the word, and sees to it.
        leave_word(&*disk)?;
        whole::write_whole(
            &*disk,
            Path::new(layout::SETTINGS),
            settings::INITIAL.as_bytes(),
        )?;
        Self::open_on(disk, Access::Write, lock)
    }

    /// Opens the store in a folder, finishing or rolling back what an earlier process left under way.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, [`Error::Busy`] if another process holds it for longer than `patience`,
    /// [`Error::NewerFormat`] if a later version wrote it.
    pub fn open(root: &Path, access: Access, patience: &Patience) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(root));
        if !whole::exists(&*disk, Path::new(layout::SETTINGS))? {
            return Err(Error::not_found("store at", root.display()));
        }
        let lock = |sharing| patience.lock(root, sharing);
        if access == Access::Read {
            match Self::open_on(
                Arc::clone(&disk),
                Access::Read,
                Some(lock(Sharing::Shared)?),
            ) {
                // A store that was not closed in order is repaired by whoever may write.
                Err(Error::Catalog { .. }) => {}
                other => return other,
            }
        }
        Self::open_on(disk, Access::Write, Some(lock(Sharing::Alone)?))
    }

    /// Opens the store on `disk`; otherwise as [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), without waiting.
    pub fn open_on(disk: Arc<dyn Disk>, access: Access, lock: Option<FolderLock>) -> Result<Self> {
        let settings = Settings::read(&*disk)?;
        let catalog = match access {
            Access::Read => Catalog::open_read_only(&*disk)?,
            Access::Write => Catalog::open(&*disk)?,
        };
        let store = Self::with_catalog(disk, settings, catalog, lock)?;
        if access == Access::Write {
            store.recover()?;
        }
        Ok(store)
    }

    /// Puts a store together, as its catalog is.
    pub(super) fn with_catalog(
        disk: Arc<dyn Disk>,
        settings: Settings,
        catalog: Catalog,
        lock: Option<FolderLock>,
    ) -> Result<Self> {
        let packs = PackStore::new(Arc::clone(&disk));
        let unlanded = Unlanded::new(Arc::clone(&disk));
        let mode = if catalog.is_writable() {
            Mode::Append
        } else {
            Mode::Read
        };
        let audit = AuditLog::new(Arc::clone(&disk), mode);
        let store = Self {
            disk,
            catalog,
            packs,
            settings,
            audit,
            next_pack: AtomicU64::new(1),
            unlanded,
            is_owing_notes: Mutex::new(false),
            arriving: Mutex::default(),
            writing_tokens: Mutex::new(()),
            lock,
        };
        let next_pack = store.reader()?.next_pack()?;
        store.next_pack.store(next_pack, Ordering::Relaxed);
        Ok(store)
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The disk that the store lies on.
    #[must_use]
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The audit log.
    #[must_use]
    pub const fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// The folder of the store.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.disk.place(Path::new(""))
    }

    /// Whether the store may be changed.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.catalog.is_writable()
    }

    /// The file of a pack, for messages.
    pub(super) fn pack_place(&self, number: u64) -> String {
        let row = self.reader().and_then(|reader| reader.pack(number));
        row.map_or_else(
            |_| format!("pack {number}"),
            |row| self.disk.place(&layout::pack(row.id)).display().to_string(),
        )
    }

    pub(super) fn write_failed(&self, path: &Path, source: std::io::Error) -> Error {
        Error::Io {
            action: "write",
            path: self.disk.place(path),
            source,
        }
    }
}

/// Something in a store's folder that an interrupted attempt to make a store does not leave.
fn foreign_file(disk: &dyn Disk) -> Result<Option<String>> {
    for listed in disk.list(Path::new(""))? {
        let name = listed.name;
        let is_ours = if layout::FOLDERS.contains(&name.as_str()) {
            let is_word =
                |file: &Listed| Path::new(&name).join(&file.name) == Path::new(layout::LANDING);
            listed.is_dir && disk.list(Path::new(&name))?.iter().all(is_word)
        } else {
            let files = [LOCK_FILE, layout::CATALOG];
            files.contains(&name.as_str()) || name.strip_suffix(".next") == Some(layout::SETTINGS)
        };
        if !is_ours {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
