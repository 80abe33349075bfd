//! Small files of a store, read and replaced whole: settings, keys, notes.
//!
//! # Invariants
//!
//! - A replaced file has, at every moment and after every crash, either all of its old bytes or all of its new ones.
//! - Nothing is allocated for a file that is larger than its reader allows.
//!
//! # Not here
//!
//! What the bytes mean (`trust`, `store`); large files (`object::pack_reader` over [`Disk::map`]).

use std::io;
use std::path::{Path, PathBuf};

use super::files::{Disk, DiskFile, Sequential};
use crate::base::error::check_limit;
use crate::base::{Error, Result};

/// Ends the name under which the next content of a file is written.
const NEXT_SUFFIX: &str = ".next";

/// Reads a file of at most `bytes_max` bytes.
///
/// # Errors
///
/// [`Error::Limit`] if it is larger; [`Error::Io`] if it cannot be read.
pub fn read_small(disk: &dyn Disk, path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let file = disk.open_read_only(path)?;
    let place = disk.place(path);
    let bytes = file.len().map_err(Error::io("read", &place))?;
    check_limit("a small file, in bytes,", bytes, bytes_max)?;
    let length = usize::try_from(bytes).map_err(|_| Error::Limit {
        what: "a small file, in bytes,",
        found: bytes,
        max: bytes_max,
    })?;
    let mut buffer = vec![0; length];
    file.read_at(0, &mut buffer)
        .map_err(Error::io("read", &place))?;
    Ok(buffer)
}

/// Makes or replaces a file, at once and durably.
///
/// # Order
///
/// 1. The bytes are written under another name in the same folder, and synced.
/// 2. That name becomes `path`. **This is the atomic point.**
/// 3. The folder is synced.
///
/// A crash before 2 leaves the other name, which the next call takes over. One caller at a time may write a path: the
/// holder of the store's lock.
///
/// # Errors
///
/// [`Error::Io`] in step 1 or 2: nothing changed, and nothing is left behind if the disk still allows to remove it. In
/// step 3: the file is new, but may be the old one again after a crash.
pub fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    replace(disk, path, bytes, |next| disk.create(next))
}

/// Makes or replaces a file with what `write` writes, at once but not durably: after a crash it may be the old one, torn or
/// gone. For files that can be made again and whose readers notice. Until it is whole it is called `next`.
///
/// # Errors
///
/// [`Error::Io`], or that of `write`: nothing changed.
pub fn write_whole_unsynced<T>(
    disk: &dyn Disk,
    next: &Path,
    path: &Path,
    write: impl FnOnce(Sequential) -> Result<T>,
) -> Result<()> {
    let landed = create_next(disk, next, &|next| disk.create(next))
        .and_then(|file| write(Sequential::new(file)))
        .and_then(|_| disk.rename(next, path));
    if landed.is_err() {
        disk.remove(next).ok();
    }
    landed
}

/// As [`write_whole`], for secrets: only the owner can read the file.
///
/// # Errors
///
/// As [`write_whole`].
pub fn write_whole_private(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    replace(disk, path, bytes, |next| disk.create_private(next))
}

/// Whether there is a file of that name.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be known: there may be one that cannot be opened.
pub fn exists(disk: &dyn Disk, path: &Path) -> Result<bool> {
    match disk.open_read_only(path) {
        Ok(_) => Ok(true),
        Err(error) if error.is_file_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

type Create<'a> = dyn Fn(&Path) -> Result<Box<dyn DiskFile>> + 'a;

fn replace(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
    create: impl Fn(&Path) -> Result<Box<dyn DiskFile>>,
) -> Result<()> {
    let next = next_name(path);
    let synced = write_next(disk, &next, bytes, &create)
        .and_then(|file| file.sync().map_err(Error::io("write", &disk.place(&next))));
    let landed = synced.and_then(|()| disk.rename(&next, path));
    if let Err(error) = landed {
        // The first failure says more than one of cleaning up would, and the next call cleans up again.
        disk.remove(&next).ok();
        return Err(error);
    }
    disk.sync_dir(path.parent().unwrap_or(Path::new("")))
}

fn write_next(
    disk: &dyn Disk,
    next: &Path,
    bytes: &[u8],
    create: &Create<'_>,
) -> Result<Box<dyn DiskFile>> {
    let file = create_next(disk, next, create)?;
    file.write_at(0, bytes)
        .map_err(Error::io("write", &disk.place(next)))?;
    Ok(file)
}

fn create_next(disk: &dyn Disk, next: &Path, create: &Create<'_>) -> Result<Box<dyn DiskFile>> {
    match create(next) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(next)?;
            create(next)
        }
        made => made,
    }
}

/// The name under which the next content of a file is written, beside it.
#[must_use]
pub fn next_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(NEXT_SUFFIX);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::disk::real::RealDisk;

    fn scratch() -> io::Result<(tempfile::TempDir, RealDisk)> {
        let folder = tempfile::tempdir()?;
        let disk = RealDisk::new(folder.path());
        Ok((folder, disk))
    }

    fn write_unsynced(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
        write_whole_unsynced(disk, &next_name(path), path, |mut file| {
            let (start, end) = bytes.split_at(bytes.len() / 2);
            let written = file.write_all(start).and_then(|()| file.write_all(end));
            written.map_err(Error::io("write", path))
        })
    }

    #[test]
    fn a_replaced_file_has_the_new_bytes_and_leaves_nothing_beside_it()
    -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        disk.create_dir(Path::new("repos"))?;
        let path = Path::new("repos/heads");
        for bytes in [b"first, and longer".as_slice(), b"second", b""] {
            for write in [write_whole, write_whole_private, write_unsynced] {
                write(&disk, path, bytes)?;
                assert_eq!(read_small(&disk, path, 100)?, bytes);
            }
        }
        assert_eq!(disk.list(Path::new("repos"))?.len(), 1);
        Ok(())
    }

    #[test]
    fn what_a_crash_left_is_taken_over() -> Result<(), Box<dyn std::error::Error>> {
        let (folder, disk) = scratch()?;
        std::fs::write(folder.path().join("key.next"), b"half, and readable by all")?;
        write_whole_private(&disk, Path::new("key"), b"whole")?;
        assert_eq!(read_small(&disk, Path::new("key"), 5)?, b"whole");
        let mode = std::fs::metadata(folder.path().join("key"))?.permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        Ok(())
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        disk.create_dir(Path::new("taken/below"))?;
        let failed = write_whole(&disk, Path::new("taken"), b"a folder has this name");
        assert!(matches!(
            failed,
            Err(Error::Io {
                action: "rename",
                ..
            })
        ));
        assert!(!exists(&disk, Path::new("taken.next"))?);
        Ok(())
    }

    #[test]
    fn a_file_above_its_limit_is_not_read() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        let path = Path::new("file");
        write_whole(&disk, path, b"12345")?;
        assert!(read_small(&disk, path, 5).is_ok());
        let refused = read_small(&disk, path, 4);
        assert!(matches!(
            refused,
            Err(Error::Limit {
                found: 5,
                max: 4,
                ..
            })
        ));
        Ok(())
    }

    #[test]
    fn existence_is_known_or_an_error() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, disk) = scratch()?;
        disk.create(Path::new("file"))?;
        assert!(exists(&disk, Path::new("file"))?);
        assert!(!exists(&disk, Path::new("other"))?);
        assert!(exists(&disk, Path::new("file/below")).is_err());
        Ok(())
    }
}
