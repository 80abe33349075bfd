//! Walks a user's directory and says what is in it, in parallel.
//!
//! # Invariants
//!
//! - No symbolic link beneath the walked directory is followed, so a loop of links does no harm and nothing outside is
//!   seen. The walked directory itself may be named by a link: the user typed it.
//! - A directory is open only while its names are looked at, and its subdirectories are tasks of their own: neither open
//!   files nor stacks grow with the depth.
//!
//! # Not here
//!
//! What is staged of the names in one directory (`disk::folder`), the bytes of the files (`disk::source`).

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::Scope;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::exclude::Excludes;
use super::findings::{Dropped, Problems};
use super::folder::{Findings, Folder, Folders};
pub use super::folder::{SourceContent, SourceEntry};
use super::source;
use crate::base::error::check_limit;
use crate::base::limits::SNAPSHOT_FILES_MAX;
use crate::base::name::EntryName;
use crate::base::{Error, Result};

/// What a walk found.
#[derive(Debug)]
pub struct Walked {
    /// The contents of the walked directory.
    pub contents: SourceDir,
    /// What was left out because trees do not hold it.
    pub dropped: Dropped,
}

/// The contents of one directory. Empty ones are kept.
#[derive(Debug, Default)]
pub struct SourceDir {
    /// Files and links, sorted by name.
    pub files: Box<[SourceEntry]>,
    /// Directories and their contents, sorted by name.
    pub dirs: Box<[(EntryName, SourceDir)]>,
}

/// Walks the directory `root`, leaving out what `excludes` matches.
///
/// # Errors
///
/// [`Error::Source`] for the first path, in order, that cannot be staged (an illegal name, a link's target that is not
/// text, a directory that cannot be read, a path too deep), with the number of the others; [`Error::Limit`] for more
/// entries than a snapshot can hold; [`Error::Io`] if `root` is not there.
pub fn walk(root: &Path, excludes: &Excludes) -> Result<Walked> {
    let walk = Walk::new(open_root(root)?, excludes);
    rayon::scope(|scope| walk.visit(scope, 0, &Folder::top()));
    let mut state = walk
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    check_limit(
        "the walked directory, in entries,",
        state.entries,
        SNAPSHOT_FILES_MAX,
    )?;
    state.problems.check(root)?;
    Ok(Walked {
        contents: assemble(&mut state.listings, 0),
        dropped: state.dropped,
    })
}

fn open_root(root: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(root, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOTDIR => Error::Source {
            path: root.to_owned(),
            reason: "it is not a directory".to_owned(),
        },
        Errno::ACCESS => Error::Source {
            path: root.to_owned(),
            reason: source::reason(errno),
        },
        _ => Error::io("stage", root)(errno.into()),
    })
}

/// Takes the directory `index` and all beneath it out of the flat list; as deep as the walk, which is bounded.
fn assemble(listings: &mut Vec<Listing>, index: usize) -> SourceDir {
    let listing = std::mem::take(&mut listings[index]);
    let dirs = listing.dirs.into_iter();
    SourceDir {
        files: listing.files,
        dirs: dirs
            .map(|(name, index)| (name, assemble(listings, index)))
            .collect(),
    }
}

struct Walk<'a> {
    folders: Folders<'a>,
    state: Mutex<State>,
}

/// What all threads add to, once per directory.
#[derive(Default)]
struct State {
    listings: Vec<Listing>,
    entries: u64,
    dropped: Dropped,
    problems: Problems,
}

/// One directory, its subdirectories by their places in [`State::listings`].
#[derive(Default)]
struct Listing {
    files: Box<[SourceEntry]>,
    dirs: Box<[(EntryName, usize)]>,
}

impl<'a> Walk<'a> {
    fn new(directory: OwnedFd, excludes: &'a Excludes) -> Self {
        let top = State {
            listings: vec![Listing::default()],
            ..State::default()
        };
        Self {
            folders: Folders::new(directory, excludes),
            state: Mutex::new(top),
        }
    }

    /// Reads a directory whose place in [`State::listings`] is `index`, and has those in it read.
    fn visit<'scope>(&'scope self, scope: &Scope<'scope>, index: usize, folder: &Folder) {
        let findings = self.folders.read(folder).unwrap_or_else(|errno| {
            let mut unread = Findings::default();
            unread
                .problems
                .add(folder.path().to_owned(), source::reason(errno));
            unread
        });
        for (index, below) in self.record(index, folder, findings) {
            scope.spawn(move |scope| self.visit(scope, index, &below));
        }
    }

    /// Adds a directory's findings to the state and gives its subdirectories their places in it.
    fn record(&self, index: usize, folder: &Folder, findings: Findings) -> Vec<(usize, Folder)> {
        let mut state = self.lock_state();
        state.entries += (findings.files.len() + findings.dirs.len()) as u64;
        state.dropped.absorb(findings.dropped);
        state.problems.absorb(findings.problems);
        if state.entries > SNAPSHOT_FILES_MAX {
            return Vec::new();
        }
        let first = state.listings.len();
        let places = first..first + findings.dirs.len();
        state.listings.resize_with(places.end, Listing::default);
        let below = places
            .clone()
            .zip(findings.dirs.iter().map(|name| folder.join(name)))
            .collect();
        state.listings[index] = Listing {
            files: findings.files.into(),
            dirs: findings.dirs.into_iter().zip(places).collect(),
        };
        below
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        // A thread that panics ends the whole walk; until then the state is whole after every line.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;
    use crate::base::limits::PATH_DEPTH_MAX;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// The paths of a walk, each with a letter for what it is, depth first.
    fn paths(dir: &SourceDir) -> Vec<String> {
        let mut paths = Vec::new();
        for entry in &dir.files {
            paths.push(match &entry.content {
                SourceContent::File(stat) => format!("f {} {}", entry.name, stat.size),
                SourceContent::Link(target) => format!("l {} {target}", entry.name),
            });
        }
        for (name, below) in &dir.dirs {
            paths.push(format!("d {name}"));
            paths.extend(paths_below(name, below));
        }
        paths
    }

    fn paths_below(name: &EntryName, dir: &SourceDir) -> Vec<String> {
        let below = |path: String| format!("{} {name}/{}", &path[..1], &path[2..]);
        paths(dir).into_iter().map(below).collect()
    }

    fn walk_all(root: &Path) -> Result<Walked> {
        walk(root, &Excludes::none())
    }

    #[track_caller]
    fn assert_refused(root: &Path, path: &Path, expected: &str) {
        let walked = walk_all(root).map(|walked| paths(&walked.contents));
        assert!(
            matches!(&walked, Err(Error::Source { path: found, reason }) if *found == root.join(path) && reason.contains(expected)),
            "{walked:?}"
        );
    }

    #[test]
    fn a_walk_sees_files_links_and_empty_directories_in_order() -> Outcome {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        fs::create_dir_all(root.join("b/empty"))?;
        fs::create_dir(root.join("a"))?;
        fs::write(root.join("a/x"), b"123")?;
        fs::write(root.join("a.b"), b"")?;
        fs::write(root.join("Z"), b"1")?;
        fs::write(root.join("\u{e9}"), b"1")?;
        symlink("..", root.join("b/loop"))?;
        symlink("/etc/passwd", root.join("out"))?;
        let expected = [
            "f Z 1",
            "f a.b 0",
            "l out /etc/passwd",
            "f \u{e9} 1",
            "d a",
            "f a/x 3",
            "d b",
            "l b/loop ..",
            "d b/empty",
        ];
        assert_eq!(paths(&walk_all(root)?.contents), expected);
        let link = tempfile::tempdir()?;
        let named_by_link = link.path().join("root");
        symlink(root, &named_by_link)?;
        assert_eq!(paths(&walk_all(&named_by_link)?.contents), expected);
        Ok(())
    }

    #[test]
    fn an_illegal_name_is_refused_by_its_rule() -> Outcome {
        for (bytes, expected, reason) in [
            (b"a\xff".as_slice(), "not valid UTF-8 at byte 1", "no text"),
            (
                b"a\nb",
                "control character at byte 1",
                "confuses every listing",
            ),
            (b".Bindery", "reserved", "the marker, on some file systems"),
        ] {
            for below in ["", "dir"] {
                let folder = tempfile::tempdir()?;
                let path = Path::new(below).join(OsStr::from_bytes(bytes));
                fs::create_dir(folder.path().join("dir"))?;
                fs::write(folder.path().join(&path), b"")?;
                fs::write(folder.path().join("legal"), b"")?;
                assert_refused(folder.path(), &path, expected);
                fs::remove_file(folder.path().join(&path))?;
                fs::create_dir(folder.path().join(&path))?;
                assert_refused(folder.path(), &path, expected);
            }
            assert!(!reason.is_empty());
        }
        Ok(())
    }

    #[test]
    fn the_first_of_many_problems_is_named() -> Outcome {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("dir"))?;
        for name in [b"z\n".as_slice(), b"dir/\xff", b"b\t", b"a\r"] {
            fs::write(folder.path().join(OsStr::from_bytes(name)), b"")?;
        }
        symlink(OsStr::from_bytes(b"\xff"), folder.path().join("link"))?;
        assert_refused(folder.path(), Path::new("a\r"), "at byte 1; and 4 more");
        Ok(())
    }

    #[test]
    fn the_marker_of_a_checkout_is_left_out_at_the_top_only() -> Outcome {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        fs::write(root.join(".bindery"), b"")?;
        fs::write(root.join(".bindery:next"), b"")?;
        fs::create_dir(root.join("dir"))?;
        assert_eq!(paths(&walk_all(root)?.contents), ["d dir"]);
        fs::write(root.join("dir/.bindery"), b"")?;
        assert_refused(root, Path::new("dir/.bindery"), "reserved");
        assert_eq!(
            paths(&walk(root, &Excludes::parse(&[".bindery"])?)?.contents),
            ["d dir"]
        );
        Ok(())
    }

    #[test]
    fn a_path_is_as_deep_as_a_tree_can_be() -> Outcome {
        let folder = tempfile::tempdir()?;
        let deepest: PathBuf = ["d"; PATH_DEPTH_MAX].iter().collect();
        fs::create_dir_all(folder.path().join(&deepest))?;
        assert_eq!(
            paths(&walk_all(folder.path())?.contents).len(),
            PATH_DEPTH_MAX
        );
        let too_deep = deepest.join("d");
        fs::create_dir(folder.path().join(&too_deep))?;
        assert_refused(folder.path(), &too_deep, "more than 128 names deep");
        Ok(())
    }

    #[test]
    fn what_is_excluded_is_not_even_looked_at() -> Outcome {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        fs::create_dir_all(root.join("target/deep"))?;
        fs::write(root.join("target/deep/\n"), b"")?;
        fs::create_dir(root.join("src"))?;
        fs::write(root.join("src/a.c"), b"")?;
        fs::write(root.join("src/a.o"), b"")?;
        fs::write(root.join(OsStr::from_bytes(b"\xff.o")), b"")?;
        let excludes = Excludes::parse(&["*.o", "/target/"])?;
        assert_eq!(
            paths(&walk(root, &excludes)?.contents),
            ["d src", "f src/a.c 0"]
        );
        Ok(())
    }

    #[test]
    fn a_root_that_cannot_be_walked_is_named() -> Outcome {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("file");
        fs::write(&file, b"")?;
        assert_refused(&file, Path::new(""), "not a directory");
        let gone = walk_all(&folder.path().join("gone"));
        assert!(gone.is_err_and(|error| error.is_file_not_found()));
        Ok(())
    }

    #[test]
    fn a_directory_that_vanishes_is_a_problem() -> Outcome {
        let folder = tempfile::tempdir()?;
        let excludes = Excludes::none();
        let walk = Walk::new(open_root(folder.path())?, &excludes);
        let gone = Folder::top().join(&"gone".parse()?);
        rayon::scope(|scope| walk.visit(scope, 0, &gone));
        let problems = std::mem::take(&mut walk.lock_state().problems);
        let message = problems.check(Path::new("r")).map_err(|e| e.to_string());
        assert_eq!(
            message,
            Err("cannot stage r/gone: vanished while staging".to_owned())
        );
        Ok(())
    }
}
