//! The names in a directory, as the file system lists them.
//!
//! # Invariants
//!
//! - `.` and `..` are left out; every other name is given as it is, whatever its bytes.
//!
//! # Not here
//!
//! Which of the names are legal (`base::name`).

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, RawDir, statat};
use rustix::io::Errno;

use super::stat::FileKind;
use crate::base::limits::SNAPSHOT_FILES_MAX;

/// Bytes asked for at once: a thousand names of usual length.
const LISTING_BYTES: usize = 32 * 1024;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// The name.
    pub name: CString,
    /// What lies under it.
    pub kind: FileKind,
}

impl RawEntry {
    /// The name, as a part of a path.
    #[must_use]
    pub fn file_name(&self) -> &OsStr {
        OsStr::from_bytes(self.name.as_bytes())
    }
}

/// Lists an open directory, in no order. The descriptor's position is used up: list it once.
///
/// # Errors
///
/// What the system answers, or `EOVERFLOW` for more names than a whole snapshot can hold.
pub(super) fn read(directory: BorrowedFd<'_>) -> Result<Vec<RawEntry>, Errno> {
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut listing = RawDir::new(directory, buffer.spare_capacity_mut());
    let mut entries = Vec::new();
    while let Some(entry) = listing.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() as u64 >= SNAPSHOT_FILES_MAX {
            return Err(Errno::OVERFLOW);
        }
        let kind = match entry.file_type() {
            // Some file systems keep the kind elsewhere.
            FileType::Unknown => {
                let stat = statat(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        entries.push(RawEntry {
            name: name.to_owned(),
            kind: kind.into(),
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn every_name_is_listed_with_its_kind() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let place = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
        std::fs::write(place(b"file"), b"")?;
        std::fs::write(place(b"\xff"), b"")?;
        std::fs::create_dir(place(b"dir"))?;
        std::os::unix::fs::symlink("nowhere", place(b"link"))?;
        let _socket = std::os::unix::net::UnixListener::bind(place(b"socket"))?;
        let mut entries = read(File::open(folder.path())?.as_fd())?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.file_name().as_bytes(), entry.kind))
            .collect();
        let expected: [(&[u8], FileKind); 5] = [
            (b"dir", FileKind::Directory),
            (b"file", FileKind::Regular),
            (b"link", FileKind::Link),
            (b"socket", FileKind::Special),
            (b"\xff", FileKind::Regular),
        ];
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn a_wide_directory_takes_several_calls() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        // Two buffers of names, whatever the file system makes of each.
        let files = 2 * LISTING_BYTES / 200;
        for number in 0..files {
            File::create(folder.path().join(format!("{number:0200}")))?;
        }
        assert_eq!(read(File::open(folder.path())?.as_fd())?.len(), files);
        Ok(())
    }

    #[test]
    fn a_file_has_no_listing() -> Result<(), Box<dyn std::error::Error>> {
        let file = tempfile::tempfile()?;
        assert_eq!(read(file.as_fd()), Err(Errno::NOTDIR));
        Ok(())
    }
}
