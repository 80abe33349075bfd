//! One PATH of a staging, walked, and its files in the order in which they are taken in.
//!
//! # Invariants
//!
//! - The order is a directory's files by name, then its directories by name, each with all that is in it. So neighbours
//!   are stored together, the files beneath a directory follow each other, and a file's number in that order finds it.
//!
//! # Not here
//!
//! The walk (`disk::walk`); what the order is used for (`build::stage::pipeline`, `cache`, `trees`).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::limits::{PATH_BYTES_MAX, PATH_DEPTH_MAX};
use crate::base::path::{PathError, TreePath};
use crate::base::{Error, Result};
use crate::disk::exclude::Excludes;
use crate::disk::findings::Dropped;
use crate::disk::named::{self, Named};
use crate::disk::stat::Stat;
use crate::disk::walk::{self, SourceContent, SourceDir, SourceEntry};

/// One PATH, walked.
#[derive(Debug)]
pub struct Source {
    /// The real path of the walked directory, or of the one file.
    path: PathBuf,
    kind: Kind,
    contents: SourceDir,
    dropped: Dropped,
    files: usize,
    bytes: u64,
}

/// What the PATH led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
}

impl Source {
    /// Walks `path`, whose files are to lie beneath `at`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the path leads nowhere; [`Error::Source`] for the first file that has no legal name or cannot be looked
    /// at, or if a path beneath `at` would be too long or deep.
    pub fn open(path: &Path, at: &TreePath, excludes: &Excludes) -> Result<Self> {
        let (kind, path, contents, dropped) = match named::find(path)? {
            Named::Directory(real) => {
                let walked = walk::walk(&real, excludes)?;
                (Kind::Directory, real, walked.contents, walked.dropped)
            }
            Named::File {
                path,
                entry,
                dropped,
            } => {
                let contents = SourceDir {
                    files: Box::new([entry]),
                    dirs: Box::default(),
                };
                (Kind::File, path, contents, dropped)
            }
        };
        let sums = Sums::of(&contents);
        sums.check_beneath(at).map_err(|error| Error::Source {
            path: path.clone(),
            reason: format!("staged at /{at}, its longest {error}"),
        })?;
        Ok(Self {
            path,
            kind,
            contents,
            dropped,
            files: sums.files,
            bytes: sums.bytes,
        })
    }

    /// The walked directory; `None` for one file.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        (self.kind == Kind::Directory).then_some(&self.path)
    }

    /// Its contents: of one file, a directory with that file.
    pub(super) const fn contents(&self) -> &SourceDir {
        &self.contents
    }

    /// How many files and links there are.
    pub(super) const fn file_count(&self) -> usize {
        self.files
    }

    /// Their bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes of some of its files; `is_wanted` says of each, by its number, whether it is one of them.
    #[must_use]
    pub fn bytes_of(&self, is_wanted: &[bool]) -> u64 {
        let wanted = self.files().filter(|file| is_wanted[file.number]);
        wanted.map(|file| file.size()).sum()
    }

    /// What the walk left out.
    #[must_use]
    pub fn into_dropped(self) -> Dropped {
        self.dropped
    }

    /// The files and links, in order.
    pub(super) fn files(&self) -> Files<'_> {
        let (folder, one) = match self.kind {
            Kind::Directory => (Some(&*self.path), None),
            Kind::File => (self.path.parent(), self.path.file_name()),
        };
        Files {
            one,
            open: vec![Open {
                path: Arc::from(folder.unwrap_or(&self.path)),
                dir: &self.contents,
                next_file: 0,
                next_dir: 0,
            }],
            next_number: 0,
        }
    }
}

/// The size of a file or link.
pub(super) const fn size(content: &SourceContent) -> u64 {
    match content {
        SourceContent::File(Stat { size, .. }) => *size,
        SourceContent::Link(target) => target.len() as u64,
    }
}

/// What is known of all that lies in a directory.
#[derive(Clone, Copy, Default)]
struct Sums {
    files: usize,
    bytes: u64,
    /// Names in the deepest path.
    depth: usize,
    /// Bytes of the longest path.
    path_bytes: usize,
}

impl Sums {
    /// As deep as the walk, which is bounded.
    fn of(dir: &SourceDir) -> Self {
        let mut sums = Self::default();
        for entry in &dir.files {
            sums.files += 1;
            sums.bytes = sums.bytes.saturating_add(size(&entry.content));
            sums.reach(1, entry.name.as_str().len());
        }
        for (name, below) in &dir.dirs {
            let below = Self::of(below);
            sums.files += below.files;
            sums.bytes = sums.bytes.saturating_add(below.bytes);
            let slash = usize::from(below.path_bytes > 0);
            sums.reach(
                1 + below.depth,
                name.as_str().len() + slash + below.path_bytes,
            );
        }
        sums
    }

    fn reach(&mut self, depth: usize, path_bytes: usize) {
        self.depth = self.depth.max(depth);
        self.path_bytes = self.path_bytes.max(path_bytes);
    }

    fn check_beneath(self, at: &TreePath) -> Result<(), PathError> {
        let slash = usize::from(!at.is_root());
        if at.names().len() + self.depth > PATH_DEPTH_MAX {
            Err(PathError::TooDeep)
        } else if at.to_string().len() + slash + self.path_bytes > PATH_BYTES_MAX {
            Err(PathError::TooLong)
        } else {
            Ok(())
        }
    }
}

/// A file or link of a [`Source`].
#[derive(Clone, Debug)]
pub(super) struct Listed<'a> {
    /// Its number in the order.
    pub(super) number: usize,
    /// The path of the directory it lies in.
    pub(super) folder: Arc<Path>,
    /// What it is called there. Its name in the tree is another one if PATH was a link to this one file.
    pub(super) name: &'a OsStr,
    /// Its name in the tree, and what it is.
    pub(super) entry: &'a SourceEntry,
}

impl Listed<'_> {
    /// Where it lies.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// Its bytes.
    pub(super) const fn size(&self) -> u64 {
        size(&self.entry.content)
    }
}

/// The files of a [`Source`], in order.
pub(super) struct Files<'a> {
    /// What the source is called where it lies, if that is a file.
    one: Option<&'a OsStr>,
    /// The directories on the way, at most as many as a path has names.
    open: Vec<Open<'a>>,
    next_number: usize,
}

struct Open<'a> {
    path: Arc<Path>,
    dir: &'a SourceDir,
    next_file: usize,
    next_dir: usize,
}

impl<'a> Iterator for Files<'a> {
    type Item = Listed<'a>;

    fn next(&mut self) -> Option<Listed<'a>> {
        loop {
            let open = self.open.last_mut()?;
            if let Some(entry) = open.dir.files.get(open.next_file) {
                open.next_file += 1;
                let number = self.next_number;
                self.next_number += 1;
                return Some(Listed {
                    number,
                    folder: Arc::clone(&open.path),
                    name: self.one.unwrap_or(OsStr::new(entry.name.as_str())),
                    entry,
                });
            }
            if let Some((name, dir)) = open.dir.dirs.get(open.next_dir) {
                open.next_dir += 1;
                let path = Arc::from(open.path.join(name.as_str()));
                self.open.push(Open {
                    path,
                    dir,
                    next_file: 0,
                    next_dir: 0,
                });
            } else {
                self.open.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn open(path: &Path) -> Result<Source> {
        Source::open(path, &TreePath::root(), &Excludes::none())
    }

    #[test]
    fn files_come_before_directories_and_are_numbered() -> Outcome {
        let folder = tempfile::tempdir()?;
        let root = fs::canonicalize(folder.path())?;
        fs::create_dir_all(root.join("a/deep"))?;
        fs::create_dir_all(root.join("empty"))?;
        for path in ["z", "a/y", "a/deep/x", "b"] {
            fs::write(root.join(path), path)?;
        }
        let source = open(&root)?;
        let listed: Vec<_> = source
            .files()
            .map(|file| (file.number, file.path()))
            .collect();
        let expected = ["b", "z", "a/y", "a/deep/x"].map(|path| root.join(path));
        assert!(listed.into_iter().eq(expected.into_iter().enumerate()));
        assert_eq!((source.file_count(), source.bytes()), (4, 13));
        assert_eq!(source.directory(), Some(&*root));
        Ok(())
    }

    #[test]
    fn one_file_is_a_directory_of_one_file() -> Outcome {
        let folder = tempfile::tempdir()?;
        let root = fs::canonicalize(folder.path())?;
        fs::write(root.join("file"), b"12")?;
        std::os::unix::fs::symlink("file", root.join("link"))?;
        let source = open(&root.join("link"))?;
        let listed: Vec<_> = source.files().collect();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].path(), root.join("file"));
        assert_eq!(listed[0].entry.name.as_str(), "link");
        assert_eq!((source.directory(), source.bytes()), (None, 2));
        Ok(())
    }

    #[test]
    fn paths_end_at_the_limits_beneath_the_place_they_are_staged_at() -> Outcome {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("a/b"))?;
        fs::write(folder.path().join("a/b/long-name"), b"")?;
        let open_at = |at: &str| -> Result<bool, PathError> {
            let at = at.parse()?;
            let opened = Source::open(folder.path(), &at, &Excludes::none());
            Ok(matches!(opened, Err(Error::Source { .. })))
        };
        assert!(!open_at(&"d/".repeat(PATH_DEPTH_MAX - 3))?);
        assert!(open_at(&"d/".repeat(PATH_DEPTH_MAX - 2))?, "too deep");
        let above = format!("{}/", "n".repeat(230)).repeat(17);
        let room = PATH_BYTES_MAX - above.len() - "/a/b/long-name".len();
        assert!(!open_at(&format!("{above}{}", "n".repeat(room)))?);
        assert!(
            open_at(&format!("{above}{}", "n".repeat(room + 1)))?,
            "too long"
        );
        Ok(())
    }
}
