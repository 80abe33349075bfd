//! Pack files: opened once, shared by everybody who reads, removed only when nothing names them.
//!
//! This is the second seam of the program: packs are immutable and named by their hash, so object storage can take the
//! place of the folder `packs/` later.
//!
//! # Not here
//!
//! How packs are written (`store::intake`), who owns them (`store::tables`).

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::departed::{Era, Eras};
use super::layout;
use super::place::OpenPack;
use crate::base::id::PackId;
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::object::pack_reader::PackReader;

/// Packs kept open at most: each costs a mapping and a file of the system's limit.
const OPEN_PACKS_MAX: usize = 512;

/// The folder of packs.
#[derive(Debug)]
pub(super) struct PackStore {
    disk: Arc<dyn Disk>,
    open: Mutex<HashMap<PackId, OpenPack>>,
    eras: Eras<OpenPack>,
}

impl PackStore {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            open: Mutex::new(HashMap::new()),
            eras: Eras::default(),
        }
    }

    /// Opens a pack, or finds it open.
    pub(super) fn open(&self, id: PackId) -> Result<OpenPack> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = open.get(&id) {
            return Ok(Arc::clone(pack));
        }
        let path = layout::pack(id);
        let place = self.disk.place(&path);
        let lost = |reason: &str| Error::Damaged {
            what: "pack",
            id: id.hash(),
            place: place.display().to_string(),
            reason: reason.into(),
        };
        let bytes = self.disk.map(&path).map_err(|error| {
            if error.is_file_not_found() {
                lost("the file is missing")
            } else {
                error
            }
        })?;
        let pack = PackReader::open(bytes)
            .map_err(|error| error.in_stored("pack", id.hash(), place.display()))?;
        if open.len() >= OPEN_PACKS_MAX {
            open.clear();
        }
        let pack = Arc::new(pack);
        open.insert(id, Arc::clone(&pack));
        Ok(pack)
    }

    /// Gives a finished file its name in the folder. Durable after [`sync_folder`](Self::sync_folder).
    pub(super) fn land(&self, unfinished: &Path, id: PackId) -> Result<()> {
        let path = layout::pack(id);
        self.disk.create_dir(folder(&path))?;
        self.disk.rename(unfinished, &path)
    }

    /// Makes the names of the packs in the folder of `id` durable.
    pub(super) fn sync_folder(&self, id: PackId) -> Result<()> {
        self.disk.sync_dir(folder(&layout::pack(id)))
    }

    /// The era that it is now; a view holds it so that it can go on reading packs that depart.
    pub(super) fn era(&self) -> Arc<Era<OpenPack>> {
        self.eras.now()
    }

    /// Opens a pack, also one that departed since `era`.
    pub(super) fn open_since(&self, era: &Era<OpenPack>, id: PackId) -> Result<OpenPack> {
        // A pack departs before its file goes, so a file that was not there has departed.
        self.open(id).or_else(|error| era.find(id).ok_or(error))
    }

    /// Removes packs that no row names any more, durably; none being there is as good.
    pub(super) fn remove(&self, ids: &[PackId]) -> Result<()> {
        if self.eras.is_watched() {
            // What cannot be opened cannot be read by anybody, whether it departs or not.
            let departing = ids
                .iter()
                .filter_map(|id| Some((*id, self.open(*id).ok()?)));
            self.eras.end(departing.collect());
        }
        let paths: Vec<PathBuf> = ids.iter().map(|id| layout::pack(*id)).collect();
        let removed = self.disk.remove_each(&paths);
        for id in ids {
            self.forget_open(*id);
        }
        removed?;
        let folders: BTreeSet<&Path> = paths.iter().map(|path| folder(path)).collect();
        // Also where nothing was found: what was unlinked before a crash may not have been durable.
        folders
            .iter()
            .try_for_each(|folder| match self.disk.sync_dir(folder) {
                Err(error) if error.is_file_not_found() => Ok(()),
                synced => synced,
            })
    }

    /// Closes the packs that nobody reads at this moment, which gives back the memory in which they are mapped.
    pub(super) fn close_idle(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, pack| Arc::strong_count(pack) > 1);
    }

    fn forget_open(&self, id: PackId) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&id);
    }

    /// Lists the ids of all files in the folder; files with other names are left alone.
    pub(super) fn list(&self) -> Result<Vec<PackId>> {
        let mut ids = Vec::new();
        for folder in self.disk.list(Path::new(layout::PACKS))? {
            if folder.is_dir {
                for file in self
                    .disk
                    .list(&Path::new(layout::PACKS).join(&folder.name))?
                {
                    ids.extend(file.name.parse::<PackId>());
                }
            }
        }
        Ok(ids)
    }
}

fn folder(pack: &Path) -> &Path {
    pack.parent().unwrap_or(Path::new(layout::PACKS))
}
