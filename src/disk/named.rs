//! A path that a user typed: the one place where symbolic links are followed.
//!
//! # Invariants
//!
//! - A directory or file is named by its real path, without any link in it. Whoever opens it later does so without
//!   following links, so what was found is what is read.
//!
//! # Not here
//!
//! What lies beneath a directory (`disk::walk`), the bytes of a file (`disk::source`).

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, statat};

use super::findings::Dropped;
use super::folder::{SourceContent, SourceEntry};
use super::real::RealDisk;
use super::source::VANISHED;
use super::stat::{FileKind, Stat};
use super::whole::read_small;
use crate::base::name::EntryName;
use crate::base::{Error, Result};

/// What a path that a user typed leads to.
#[derive(Debug)]
pub enum Named {
    /// A directory, by its real path.
    Directory(PathBuf),
    /// A regular file.
    File {
        /// Its real path.
        path: PathBuf,
        /// The name that was typed, which may be that of a link, and the file.
        entry: SourceEntry,
        /// What is lost when it is staged.
        dropped: Dropped,
    },
}

/// Reads a file that a user named, of at most `bytes_max` bytes.
///
/// # Errors
///
/// [`Error::Limit`] if it is larger; [`Error::Io`] if it cannot be read.
pub fn read_named(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let real = std::fs::canonicalize(path).map_err(Error::io("read", path))?;
    let (folder, name) = (real.parent(), real.file_name());
    let folder = folder.unwrap_or_else(|| Path::new("/"));
    let name = Path::new(name.unwrap_or_default());
    read_small(&RealDisk::new(folder), name, bytes_max)
}

/// Finds what `path` leads to. A symbolic link is followed, to a directory and to a file alike: whoever wants a link
/// staged stages the directory that holds it.
///
/// # Errors
///
/// [`Error::Io`] if there is nothing, [`Error::Source`] if it is neither a directory nor a regular file, or a file whose
/// name no tree can hold.
pub fn find(path: &Path) -> Result<Named> {
    let real = std::fs::canonicalize(path).map_err(Error::io("stage", path))?;
    let refused = |reason: String| Error::Source {
        path: path.to_owned(),
        reason,
    };
    let raw = statat(CWD, &real, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| Error::io("stage", path)(errno.into()))?;
    let stat = Stat::from(&raw);
    match stat.kind {
        FileKind::Directory => return Ok(Named::Directory(real)),
        FileKind::Regular => {}
        FileKind::Link => return Err(refused(VANISHED.to_owned())),
        FileKind::Special => {
            return Err(refused("it is neither a file nor a directory".to_owned()));
        }
    }
    let typed = path.file_name().unwrap_or_default();
    let name = EntryName::parse(typed.as_bytes()).map_err(|error| refused(error.to_string()))?;
    let dropped = Dropped {
        owners: u64::from(raw.st_uid != rustix::process::geteuid().as_raw()),
        set_ids: u64::from(stat.has_set_id()),
        hard_links: u64::from(raw.st_nlink > 1),
        ..Dropped::default()
    };
    Ok(Named::File {
        path: real,
        entry: SourceEntry {
            name,
            content: SourceContent::File(stat),
        },
        dropped,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_typed_link_is_what_it_leads_to_under_its_own_name() -> Outcome {
        let folder = tempfile::tempdir()?;
        let root = fs::canonicalize(folder.path())?;
        fs::create_dir(root.join("dir"))?;
        fs::write(root.join("dir/file"), b"123")?;
        symlink("dir", root.join("to-dir"))?;
        symlink("to-dir/file", root.join("to-file"))?;
        for typed in ["dir", "dir/", "to-dir", "dir/../to-dir/."] {
            let named = find(&root.join(typed))?;
            assert!(
                matches!(&named, Named::Directory(real) if *real == root.join("dir")),
                "{typed}"
            );
        }
        for (typed, expected) in [("dir/file", "file"), ("to-file", "to-file")] {
            let Named::File { path, entry, .. } = find(&root.join(typed))? else {
                return Err(typed.into());
            };
            assert_eq!(path, root.join("dir/file"));
            assert_eq!(entry.name.as_str(), expected);
            assert!(matches!(entry.content, SourceContent::File(stat) if stat.size == 3));
        }
        Ok(())
    }

    #[test]
    fn what_a_file_loses_is_counted() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        fs::write(&path, b"")?;
        fs::hard_link(&path, folder.path().join("twin"))?;
        let Named::File { dropped, .. } = find(&path)? else {
            return Err("a file is no directory".into());
        };
        assert_eq!(
            (dropped.owners, dropped.set_ids, dropped.hard_links),
            (0, 0, 1)
        );
        Ok(())
    }

    #[test]
    fn what_cannot_be_staged_is_refused_by_the_name_that_was_typed() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
        let _socket = UnixListener::bind(path(b"socket"))?;
        symlink("nowhere", path(b"dangling"))?;
        fs::write(path(b"a\nb"), b"")?;
        fs::write(path(b".bindery"), b"")?;
        let check = |name: &[u8], expected: &str| {
            let found = find(&path(name));
            let message = found.err().map(|error| error.to_string());
            assert!(
                message.is_some_and(|message| message.contains(expected)),
                "{expected}"
            );
        };
        check(b"socket", "neither a file nor a directory");
        check(b"a\nb", "control character");
        check(b".bindery", "reserved");
        for gone in [b"dangling".as_slice(), b"gone"] {
            assert!(find(&path(gone)).is_err_and(|error| error.is_file_not_found()));
        }
        Ok(())
    }
}
