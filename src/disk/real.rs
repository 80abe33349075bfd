//! The real disk: a store's folder on the machine's file system.
//!
//! # Invariants
//!
//! - A new file is 0644 and a new folder 0755, less the umask; private ones are 0600 and 0700.
//! - What [`Disk`] promises to be durable has passed `fdatasync` for a file and `fsync` for a folder.
//! - The one `unsafe` of this crate is the map of a pack, in [`RealDisk`]'s `map`.
//!
//! # Not here
//!
//! Which files a store has (`store::layout`), small files read and replaced whole (`disk::whole`), users' own files
//! (`disk::source`, `disk::walk`, `disk::checkout`).

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::files::{Disk, DiskFile, Listed, Mapping, remove_if_there};
use crate::base::{Error, Result};

/// Permissions of a new file, before the umask.
const FILE_MODE: u32 = 0o644;
/// Permissions of a new folder, before the umask.
const DIR_MODE: u32 = 0o755;
/// Permissions of a file with secrets.
const PRIVATE_FILE_MODE: u32 = 0o600;
/// Permissions of a folder with secrets.
const PRIVATE_DIR_MODE: u32 = 0o700;

/// A folder on the machine's file system. Making the value touches nothing.
#[derive(Clone, Debug)]
pub struct RealDisk {
    root: PathBuf,
    /// Folders that were made and whose names could not be made durable yet.
    doubted: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl RealDisk {
    /// The disk beneath the folder `root`, which may not be there yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            doubted: Arc::default(),
        }
    }

    /// Makes a folder with these permissions, and usual ones above it, as far as they are not there. The name of each new
    /// one is durable in the folder above; one whose name could not be made durable is tried again by the next call.
    fn make_folder(&self, place: &Path, mode: u32) -> io::Result<()> {
        let create = || DirBuilder::new().mode(mode).create(place);
        let created = match (create(), place.parent()) {
            (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folder(above, DIR_MODE)?;
                create()
            }
            (created, _) => created,
        };
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && place.is_dir() => {
                if !doubted.contains(place) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
            Ok(()) => {
                doubted.insert(place.to_owned());
            }
        }
        let above = place
            .parent()
            .filter(|above| !above.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(above)?.sync_all()?;
        doubted.remove(place);
        Ok(())
    }

    fn open_with(
        &self,
        action: &'static str,
        path: &Path,
        options: &OpenOptions,
    ) -> Result<Box<dyn DiskFile>> {
        let place = self.place(path);
        let file = options.open(&place).map_err(Error::io(action, &place))?;
        Ok(Box::new(RealFile { file }))
    }

    fn create_with(&self, path: &Path, mode: u32) -> Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(mode);
        self.open_with("create", path, &options)
    }
}

impl Disk for RealDisk {
    fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.create_with(path, FILE_MODE)
    }

    fn create_private(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.create_with(path, PRIVATE_FILE_MODE)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.open_with("open", path, OpenOptions::new().read(true).write(true))
    }

    fn open_read_only(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.open_with("open", path, OpenOptions::new().read(true))
    }

    fn map(&self, path: &Path) -> Result<Mapping> {
        let place = self.place(path);
        let file = File::open(&place).map_err(Error::io("open", &place))?;
        map_file(&file).map_err(Error::io("map", &place))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let place = self.place(from);
        std::fs::rename(&place, self.place(to)).map_err(Error::io("rename", &place))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let place = self.place(path);
        std::fs::remove_file(&place).map_err(Error::io("remove", &place))
    }

    fn remove_each(&self, paths: &[PathBuf]) -> Result<()> {
        paths
            .par_iter()
            .try_for_each(|path| remove_if_there(self, path))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        let place = self.place(path);
        self.make_folder(&place, DIR_MODE)
            .map_err(Error::io("make the folder", &place))
    }

    fn create_private_dir(&self, path: &Path) -> Result<()> {
        let place = self.place(path);
        self.make_folder(&place, PRIVATE_DIR_MODE)
            .map_err(Error::io("make the folder", &place))
    }

    fn list(&self, path: &Path) -> Result<Vec<Listed>> {
        let place = self.place(path);
        list_folder(&place).map_err(Error::io("list", &place))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        let place = self.place(path);
        File::open(&place)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("sync", &place))
    }
}

/// Shows the bytes of an open file that nobody writes to any more.
pub(super) fn map_file(file: &File) -> io::Result<Mapping> {
    // The system refuses to map nothing.
    if file.metadata()?.len() == 0 {
        return Ok(Mapping::owned(Vec::new()));
    }
    #[allow(
        unsafe_code,
        reason = "SAFETY: mapped files are packs, written under tmp/, renamed when finished and never written again, or what \
                  came through a pipe, whose file has no name; one \
                  that somebody else cuts short is a fault of the medium like any other that ends the process"
    )]
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Mapping::mapped(map))
}

fn list_folder(place: &Path) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        match entry.metadata() {
            Ok(metadata) => listed.push(Listed {
                name,
                is_dir: metadata.is_dir(),
                bytes: metadata.len(),
            }),
            // Removed between the two calls, by a reader of this store that cleans up: it is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(listed)
}

#[derive(Debug)]
struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn scratch() -> io::Result<(tempfile::TempDir, RealDisk)> {
        let folder = tempfile::tempdir()?;
        let disk = RealDisk::new(folder.path());
        Ok((folder, disk))
    }

    fn mode(disk: &RealDisk, path: &str) -> io::Result<u32> {
        let metadata = std::fs::metadata(disk.place(Path::new(path)))?;
        Ok(metadata.permissions().mode() & 0o7777)
    }

    #[test]
    fn files_are_removed_together_as_far_as_they_are_there()
    -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        disk.create_dir(Path::new("packs/folder/file"))?;
        let paths: Vec<PathBuf> = (0..10).map(|n| format!("packs/{n}").into()).collect();
        for path in paths.iter().step_by(3) {
            disk.create(path)?;
        }
        disk.remove_each(&paths)?;
        assert_eq!(disk.list(Path::new("packs"))?.len(), 1);
        let folder = PathBuf::from("packs/folder");
        assert!(disk.remove_each(&[folder]).is_err(), "no file");
        Ok(())
    }

    #[test]
    fn bytes_are_read_back_where_they_were_written() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        let path = Path::new("packs/ab/file");
        disk.create_dir(Path::new("packs/ab"))?;
        let file = disk.create(path)?;
        assert!(file.is_empty()?);
        file.write_at(3, b"abc")?;
        file.sync()?;
        disk.sync_dir(Path::new("packs/ab"))?;
        let mut all = [1; 6];
        disk.open_read_only(path)?.read_at(0, &mut all)?;
        assert_eq!(&all, b"\0\0\0abc");
        assert_eq!(disk.map(path)?.as_ref(), b"\0\0\0abc");
        file.set_len(4)?;
        assert_eq!(disk.open(path)?.len()?, 4);
        let short = file.read_at(0, &mut all).map_err(|error| error.kind());
        assert_eq!(short, Err(io::ErrorKind::UnexpectedEof));
        Ok(())
    }

    #[test]
    fn a_map_outlives_the_name_of_its_file() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        let path = Path::new("pack");
        disk.create(path)?.write_at(0, b"bytes")?;
        let map = disk.map(path)?;
        disk.remove(path)?;
        assert_eq!(map.as_ref(), b"bytes");
        disk.create(path)?;
        assert!(disk.map(path)?.is_empty(), "an empty file has an empty map");
        Ok(())
    }

    #[test]
    fn secrets_are_for_their_owner_only() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        disk.create_private_dir(Path::new("a/keys"))?;
        disk.create_private(Path::new("a/keys/secret"))?;
        disk.create(Path::new("a/open"))?;
        assert_eq!(mode(&disk, "a/keys")?, 0o700);
        assert_eq!(mode(&disk, "a/keys/secret")?, 0o600);
        assert_ne!(mode(&disk, "a")? & 0o100, 0);
        assert_eq!(mode(&disk, "a/open")? & !0o644, 0);
        disk.create_private_dir(Path::new("a/keys"))?;
        Ok(())
    }

    #[test]
    fn a_listing_leaves_out_names_that_no_store_has() -> Result<(), Box<dyn std::error::Error>> {
        let (folder, disk) = scratch()?;
        std::fs::write(folder.path().join(OsStr::from_bytes(b"\xff")), b"x")?;
        disk.create_dir(Path::new("sub"))?;
        disk.create(Path::new("file"))?.write_at(0, b"123")?;
        let mut listed = disk.list(Path::new(""))?;
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(listed.len(), 2);
        assert_eq!((listed[0].name.as_str(), listed[0].bytes), ("file", 3));
        assert!(listed[1].is_dir && !listed[0].is_dir);
        Ok(())
    }

    #[test]
    fn every_failure_names_the_act_and_the_file() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        let (gone, there) = (Path::new("gone"), Path::new("there"));
        disk.create(there)?;
        let check = |action: &str, result: Result<()>| {
            assert!(
                matches!(&result, Err(Error::Io { action: found, path, .. }) if *found == action && path.is_absolute()),
                "{action}: {result:?}"
            );
        };
        check("create", disk.create(there).map(drop));
        check("create", disk.create_private(there).map(drop));
        check("open", disk.open(gone).map(drop));
        check("open", disk.open_read_only(gone).map(drop));
        check("open", disk.map(gone).map(drop));
        check("map", disk.map(Path::new("")).map(drop));
        check("rename", disk.rename(gone, there));
        check("remove", disk.remove(gone));
        check("list", disk.list(gone).map(drop));
        check("sync", disk.sync_dir(gone));
        check("make the folder", disk.create_dir(&there.join("below")));
        check("make the folder", disk.create_private_dir(there));
        Ok(())
    }
}
