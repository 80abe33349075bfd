//! One directory of a walk: reads its names and looks at what lies under each.
//!
//! # Invariants
//!
//! - Every name in the result is legal, no path is deeper or longer than a tree's may be, and files and directories are
//!   each sorted by the bytes of their names.
//! - At the top of the walk the marker of a checkout is left out; anywhere else its name is refused.
//!
//! # Not here
//!
//! The way from one directory to the next (`disk::walk`), what is left out on request (`disk::exclude`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use super::beneath;
use super::entries::{self, RawEntry};
use super::exclude::Excludes;
use super::findings::{Dropped, Problems};
use super::marker;
use super::source::{self, VANISHED};
use super::stat::{FileKind, Stat};
use crate::base::limits::{PATH_BYTES_MAX, PATH_DEPTH_MAX};
use crate::base::name::EntryName;
use crate::base::path::PathError;

/// Names of one directory that one thread looks at in a row; wider directories are shared.
const NAMES_PER_TASK: usize = 256;

/// A file or link. Kept small: a walk holds millions.
#[derive(Debug)]
pub struct SourceEntry {
    /// Its name in its directory.
    pub name: EntryName,
    /// What it is.
    pub content: SourceContent,
}

/// What lies under the name of a [`SourceEntry`].
#[derive(Debug)]
pub enum SourceContent {
    /// A regular file, as it was seen.
    File(Stat),
    /// A symbolic link to this target.
    Link(Box<str>),
}

const _: () = assert!(size_of::<SourceEntry>() <= 64);

/// A directory of a walk, by its path.
pub(super) struct Folder {
    /// Its path from the walked directory.
    path: PathBuf,
    /// Names in that path.
    depth: usize,
}

impl Folder {
    /// The walked directory itself.
    pub(super) fn top() -> Self {
        Self {
            path: PathBuf::new(),
            depth: 0,
        }
    }

    /// The directory `name` in this one.
    pub(super) fn join(&self, name: &EntryName) -> Self {
        Self {
            path: self.path.join(name.as_str()),
            depth: self.depth + 1,
        }
    }

    /// Its path from the walked directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn check_name(&self, entry: &RawEntry) -> Result<EntryName, String> {
        let bytes = entry.name.as_bytes();
        let name = EntryName::parse(bytes).map_err(|error| error.to_string())?;
        if self.depth >= PATH_DEPTH_MAX {
            return Err(PathError::TooDeep.to_string());
        }
        if self.path.as_os_str().len() + 1 + bytes.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong.to_string());
        }
        Ok(name)
    }
}

/// One name, looked at.
enum Found {
    Nothing,
    File(SourceEntry, Marks),
    Link(SourceEntry),
    Dir(EntryName),
    Special(PathBuf),
    Problem(PathBuf, String),
}

/// What a file loses when it is staged.
struct Marks {
    foreign: bool,
    set_id: bool,
    hard_link: bool,
}

/// All names of one directory, looked at.
#[derive(Default)]
pub(super) struct Findings {
    /// Files and links, sorted by name.
    pub(super) files: Vec<SourceEntry>,
    /// Names of directories, sorted.
    pub(super) dirs: Vec<EntryName>,
    /// What is left out.
    pub(super) dropped: Dropped,
    /// What cannot be staged.
    pub(super) problems: Problems,
}

impl Findings {
    fn add(&mut self, found: Found) {
        match found {
            Found::Nothing => {}
            Found::File(entry, marks) => {
                self.dropped.owners += u64::from(marks.foreign);
                self.dropped.set_ids += u64::from(marks.set_id);
                self.dropped.hard_links += u64::from(marks.hard_link);
                self.files.push(entry);
            }
            Found::Link(entry) => self.files.push(entry),
            Found::Dir(name) => self.dirs.push(name),
            Found::Special(path) => self.dropped.special.add(path, ()),
            Found::Problem(path, reason) => self.problems.add(path, reason),
        }
    }
}

/// The directories of one walk.
pub(super) struct Folders<'a> {
    top: OwnedFd,
    excludes: &'a Excludes,
    user: u32,
}

impl<'a> Folders<'a> {
    /// Those in `top`, without what `excludes` matches.
    pub(super) fn new(top: OwnedFd, excludes: &'a Excludes) -> Self {
        Self {
            top,
            excludes,
            user: rustix::process::geteuid().as_raw(),
        }
    }

    /// Looks at all names in `folder`, wide ones in parallel.
    ///
    /// # Errors
    ///
    /// What the system answers when it is opened or listed; failures with single names are among the findings.
    pub(super) fn read(&self, folder: &Folder) -> Result<Findings, Errno> {
        let directory = beneath::open_dir(self.top.as_fd(), &folder.path)?;
        let found: Vec<Found> = entries::read(directory.as_fd())?
            .par_iter()
            .with_min_len(NAMES_PER_TASK)
            .map(|entry| self.look(directory.as_fd(), folder, entry))
            .collect();
        let mut findings = Findings::default();
        for found in found {
            findings.add(found);
        }
        findings.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        findings.dirs.sort_unstable();
        Ok(findings)
    }

    fn look(&self, directory: BorrowedFd<'_>, folder: &Folder, entry: &RawEntry) -> Found {
        let path = || folder.path.join(entry.file_name());
        if !self.excludes.is_empty() && self.excludes.matches(&path(), entry.kind) {
            return Found::Nothing;
        }
        if folder.depth == 0 && marker::is_marker(entry.name.as_bytes()) {
            return Found::Nothing;
        }
        match entry.kind {
            FileKind::Special => Ok(Found::Special(path())),
            FileKind::Regular => self.look_at_file(directory, folder, entry),
            FileKind::Directory => folder.check_name(entry).map(Found::Dir),
            FileKind::Link => look_at_link(directory, folder, entry),
        }
        .unwrap_or_else(|reason| Found::Problem(path(), reason))
    }

    fn look_at_file(
        &self,
        directory: BorrowedFd<'_>,
        folder: &Folder,
        entry: &RawEntry,
    ) -> Result<Found, String> {
        let name = folder.check_name(entry)?;
        let raw = statat(directory, entry.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(source::reason)?;
        let stat = Stat::from(&raw);
        if stat.kind != FileKind::Regular {
            return Err(VANISHED.to_owned());
        }
        let marks = Marks {
            foreign: raw.st_uid != self.user,
            set_id: stat.has_set_id(),
            hard_link: raw.st_nlink > 1,
        };
        let content = SourceContent::File(stat);
        Ok(Found::File(SourceEntry { name, content }, marks))
    }
}

fn look_at_link(
    directory: BorrowedFd<'_>,
    folder: &Folder,
    entry: &RawEntry,
) -> Result<Found, String> {
    let name = folder.check_name(entry)?;
    let target = source::read_link_at(directory, entry.name.as_c_str())?;
    let content = SourceContent::Link(target);
    Ok(Found::Link(SourceEntry { name, content }))
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn read_top(root: &Path) -> Result<Findings, Box<dyn std::error::Error>> {
        let excludes = Excludes::none();
        let folders = Folders::new(File::open(root)?.into(), &excludes);
        Ok(folders.read(&Folder::top())?)
    }

    #[test]
    fn a_wide_directory_is_read_whole_and_in_order() -> Outcome {
        let folder = tempfile::tempdir()?;
        let number = 5 * NAMES_PER_TASK;
        for file in 0..number {
            fs::write(folder.path().join(file.to_string()), b"")?;
        }
        let files = read_top(folder.path())?.files;
        assert_eq!(files.len(), number);
        assert!(files.is_sorted_by(|a, b| a.name < b.name));
        Ok(())
    }

    #[test]
    fn what_trees_do_not_hold_is_dropped_and_counted() -> Outcome {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        mkfifoat(CWD, root.join("pipe"), Mode::RUSR)?;
        let _socket = UnixListener::bind(root.join("socket"))?;
        fs::write(root.join("tool"), b"")?;
        fs::set_permissions(root.join("tool"), fs::Permissions::from_mode(0o4755))?;
        fs::hard_link(root.join("tool"), root.join("twin"))?;
        let findings = read_top(root)?;
        assert_eq!(findings.files.len(), 2);
        let dropped = findings.dropped;
        let special: Vec<_> = dropped.special.paths().collect();
        assert_eq!(special, [Path::new("pipe"), Path::new("socket")]);
        assert_eq!((dropped.set_ids, dropped.hard_links), (2, 2));
        assert_eq!((dropped.owners, dropped.special.total()), (0, 2));
        Ok(())
    }

    #[test]
    fn files_of_another_user_are_counted() -> Outcome {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("file"), b"")?;
        let excludes = Excludes::none();
        let mut folders = Folders::new(File::open(folder.path())?.into(), &excludes);
        folders.user += 1;
        assert_eq!(folders.read(&Folder::top())?.dropped.owners, 1);
        Ok(())
    }

    #[test]
    fn a_file_is_executable_if_its_owner_may_execute_it() -> Outcome {
        for (mode, expected) in [(0o755, true), (0o100, true), (0o644, false), (0o655, false)] {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("file");
            fs::write(&path, b"")?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            let files = read_top(folder.path())?.files;
            assert!(
                matches!(&files[0].content, SourceContent::File(stat) if stat.is_executable() == expected),
                "{mode:o}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_name_that_does_not_lie_as_it_was_listed_is_a_problem() -> Outcome {
        let folder = tempfile::tempdir()?;
        let excludes = Excludes::none();
        let folders = Folders::new(File::open(folder.path())?.into(), &excludes);
        fs::create_dir(folder.path().join("now-a-directory"))?;
        for name in [c"gone", c"now-a-directory"] {
            let listed = RawEntry {
                name: name.to_owned(),
                kind: FileKind::Regular,
            };
            let found = folders.look(folders.top.as_fd(), &Folder::top(), &listed);
            assert!(matches!(found, Found::Problem(_, reason) if reason == VANISHED));
        }
        Ok(())
    }

    #[test]
    fn a_path_is_as_long_as_a_tree_can_have_it() -> Outcome {
        let check = |folder: &Folder, bytes: usize| -> Result<Result<EntryName, String>, _> {
            let name = CString::new(vec![b'x'; bytes])?;
            let kind = FileKind::Regular;
            Ok::<_, std::ffi::NulError>(folder.check_name(&RawEntry { name, kind }))
        };
        let folder = Folder {
            path: ["x".repeat(255).as_str(); 15].iter().collect(),
            depth: 15,
        };
        assert!(check(&folder, 255)?.is_ok(), "4,095 bytes");
        assert!(check(&folder, 256)?.is_err_and(|reason| reason.contains("more than 255")));
        let longer = folder.join(&"x".parse()?);
        assert!(check(&longer, 253)?.is_ok());
        assert_eq!(check(&longer, 254)?, Err(PathError::TooLong.to_string()));
        Ok(())
    }
}
