//! Against: where a directory on disk differs from a tree.
//!
//! Kinds, contents and the executable bit count; owners, times and the rest of the mode do not, as trees do not have
//! them. The marker of a checkout at the top is not looked at.
//!
//! # Invariants
//!
//! - A difference is named once, at the topmost path: what is in a directory that is missing is not listed.
//! - Files are only read if their kind and size are right. Nothing is written and no link is followed.
//!
//! # Not here
//!
//! Differences between two trees (`object::difference`).

use std::fmt;
use std::io::Read;
use std::path::Path;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::base::Result;
use crate::base::error::Error;
use crate::base::id::{Hash, Hasher};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::disk::exclude::Excludes;
use crate::disk::source::open_stream;
use crate::disk::stat::Stat;
use crate::disk::walk::{SourceContent, SourceDir, SourceEntry, walk};
use crate::object::directory::{TreeSource, entries, join};
use crate::object::tree::{Entry, EntryKind, TreeRef};

/// Bytes of a file that are in memory at a time, for each thread.
const BUFFER_BYTES: usize = 1024 * 1024;

/// One difference between a directory and a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgainstDifference {
    /// Where.
    pub path: TreePath,
    /// What differs.
    pub what: What,
}

/// How a path of a directory differs from that of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The tree has it, the directory does not.
    Missing,
    /// The directory has it, the tree does not.
    Extra,
    /// A file has other bytes, or a link another target.
    Content,
    /// A file, link or directory is something else.
    Kind,
    /// A file can be executed and should not be, or the other way round.
    Mode,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Content => "changed content",
            Self::Kind => "changed kind",
            Self::Mode => "changed mode",
        })
    }
}

/// Compares the directory `dir` with the tree `root`; the differences come in the order of their paths.
///
/// # Errors
///
/// [`Error::Source`] if a file cannot be read, changes meanwhile, or has a name that no tree can have; [`Error::Damaged`]
/// if the tree is.
pub fn against(
    source: &dyn TreeSource,
    root: TreeRef,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<Vec<AgainstDifference>> {
    let walked = walk(dir, &Excludes::none())?;
    let mut comparison = Comparison {
        source,
        differences: Vec::new(),
        unread: Vec::new(),
    };
    comparison.directory(root, &walked.contents, &TreePath::root())?;
    for special in walked.dropped.special.paths() {
        comparison.special(special);
    }
    let Comparison {
        mut differences,
        unread,
        ..
    } = comparison;
    progress.expect(unread.iter().map(|file| file.stat.size).sum());
    let changed = unread.into_par_iter().filter_map(|file| {
        let same = hash(&dir.join(file.path.to_string()), &file.stat);
        progress.advance(file.stat.size);
        match same {
            Ok(found) if found == file.id => None,
            Ok(_) => Some(Ok(AgainstDifference {
                path: file.path,
                what: What::Content,
            })),
            Err(error) => Some(Err(error)),
        }
    });
    differences.extend(changed.collect::<Result<Vec<_>>>()?);
    differences.sort_unstable();
    differences.dedup();
    Ok(differences)
}

/// A file whose size is right and whose bytes have yet to be hashed.
struct Unread {
    path: TreePath,
    stat: Stat,
    id: Hash,
}

struct Comparison<'a> {
    source: &'a dyn TreeSource,
    differences: Vec<AgainstDifference>,
    unread: Vec<Unread>,
}

/// What a directory has under one name.
#[derive(Clone, Copy)]
enum Found<'d> {
    File(&'d SourceEntry),
    Dir(&'d SourceDir),
}

impl Comparison<'_> {
    fn add(&mut self, path: TreePath, what: What) {
        self.differences.push(AgainstDifference { path, what });
    }

    fn directory(&mut self, tree: TreeRef, dir: &SourceDir, at: &TreePath) -> Result<()> {
        let source = self.source;
        let mut seen = 0;
        for entry in entries(source, tree) {
            let entry = entry?;
            let path = join(at, entry.name())?;
            match find(dir, &entry) {
                Some(found) => {
                    seen += 1;
                    self.entry(&entry, found, path)?;
                }
                None => self.add(path, What::Missing),
            }
        }
        // Names on both sides are different among themselves, so equal numbers mean that nothing is left over.
        if seen < dir.files.len() + dir.dirs.len() {
            self.extra(tree, dir, at)?;
        }
        Ok(())
    }

    fn extra(&mut self, tree: TreeRef, dir: &SourceDir, at: &TreePath) -> Result<()> {
        let files = dir.files.iter().map(|file| &file.name);
        for name in files.chain(dir.dirs.iter().map(|(name, _)| name)) {
            if crate::object::directory::find(self.source, tree, name)?.is_none() {
                self.add(join(at, name)?, What::Extra);
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, found: Found<'_>, path: TreePath) -> Result<()> {
        match (entry.tree_ref(), found) {
            (Some(tree), Found::Dir(dir)) => return self.directory(tree, dir, &path),
            (None, Found::File(file)) => match (&file.content, entry.kind()) {
                (SourceContent::Link(target), EntryKind::Link) => {
                    if Hash::of(target.as_bytes()) != entry.id() {
                        self.add(path, What::Content);
                    }
                }
                (SourceContent::File(stat), EntryKind::File | EntryKind::Executable) => {
                    self.file(entry, *stat, path);
                }
                _ => self.add(path, What::Kind),
            },
            _ => self.add(path, What::Kind),
        }
        Ok(())
    }

    fn file(&mut self, entry: &Entry, stat: Stat, path: TreePath) {
        if stat.is_executable() != (entry.kind() == EntryKind::Executable) {
            self.add(path.clone(), What::Mode);
        }
        if stat.size == entry.size() {
            let id = entry.id();
            self.unread.push(Unread { path, stat, id });
        } else {
            self.add(path, What::Content);
        }
    }

    /// Takes note of a socket, pipe or device, which a walk leaves out.
    fn special(&mut self, path: &Path) {
        let path = path.to_str().and_then(|path| path.parse::<TreePath>().ok());
        let Some(path) = path else { return };
        let mut known = self.differences.iter_mut();
        match known.find(|known| known.path.contains(&path)) {
            Some(known) if known.path == path => known.what = What::Kind,
            // It lies in a directory that is extra itself.
            Some(_) => {}
            None => self.add(path, What::Extra),
        }
    }
}

fn find<'d>(dir: &'d SourceDir, entry: &Entry) -> Option<Found<'d>> {
    let name = entry.name();
    if let Ok(place) = dir.files.binary_search_by(|file| file.name.cmp(name)) {
        return Some(Found::File(&dir.files[place]));
    }
    let place = dir.dirs.binary_search_by(|(other, _)| other.cmp(name));
    place.ok().map(|place| Found::Dir(&dir.dirs[place].1))
}

fn hash(path: &Path, stat: &Stat) -> Result<Hash> {
    let mut stream = open_stream(path, stat)?;
    let mut hasher = Hasher::new();
    let length = usize::try_from(stat.size).map_or(BUFFER_BYTES, |size| size.min(BUFFER_BYTES));
    let mut buffer = vec![0; length];
    let mut left = stat.size;
    while left > 0 {
        let read = stream.read(&mut buffer).map_err(Error::io("read", path))?;
        // A file that has become shorter is refused by `finish`.
        if read == 0 {
            break;
        }
        hasher.update_parallel(&buffer[..read]);
        left = left.saturating_sub(read as u64);
    }
    stream.finish()?;
    Ok(hasher.hash())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::base::progress::Silent;
    use crate::build::sandbox::{AnyError, Sandbox, write_files};

    type Outcome = Result<(), AnyError>;

    const FILES: [(&str, &[u8]); 4] = [
        ("bin/tool*", b"run"),
        ("doc/a", b"12345"),
        ("doc/b", b""),
        ("doc/deep/c", b"c"),
    ];

    /// What `dir` differs in from what `stable` shows, one line for each.
    fn differences(sandbox: &Sandbox, dir: &Path) -> Result<Vec<String>, AnyError> {
        let repo = sandbox.repo("main")?;
        let view = sandbox.store()?.view(&repo.name, &[])?;
        let row = sandbox
            .store()?
            .reader()?
            .find_ref(&repo, &"stable".parse()?)?;
        let current = row.and_then(|row| row.current).ok_or("it is published")?;
        let found = against(&view, current.root.into(), dir, &Silent)?;
        let line = |found: &AgainstDifference| format!("{} {}", found.what, found.path);
        Ok(found.iter().map(line).collect())
    }

    type Change = fn(&Path) -> Result<(), AnyError>;

    /// A name for a change, the change, and the differences it makes.
    type Case = (&'static str, Change, &'static [&'static str]);

    fn check(cases: &[Case]) -> Outcome {
        let mut sandbox = Sandbox::with_repo()?;
        sandbox.publish("main", "stable", &FILES)?;
        for (reason, change, expected) in cases {
            let folder = tempfile::tempdir()?;
            write_files(folder.path(), &FILES)?;
            change(folder.path())?;
            let found = differences(&sandbox, folder.path())?;
            assert_eq!(found, *expected, "{reason}");
        }
        Ok(())
    }

    #[test]
    fn files_differ_by_their_bytes_and_by_being_executable() -> Outcome {
        check(&[
            ("nothing", |_| Ok(()), &[]),
            (
                "the marker of a checkout",
                |dir| Ok(fs::write(dir.join(".bindery"), b"")?),
                &[],
            ),
            (
                "other bytes of the same length",
                |dir| Ok(fs::write(dir.join("doc/a"), b"54321")?),
                &["changed content doc/a"],
            ),
            (
                "more bytes",
                |dir| Ok(fs::write(dir.join("doc/b"), b"1")?),
                &["changed content doc/b"],
            ),
            (
                "modes",
                |dir| {
                    write_files(dir, &[("doc/a*", b"12345")])?;
                    fs::remove_file(dir.join("bin/tool"))?;
                    write_files(dir, &[("bin/tool", b"run!")])
                },
                &[
                    "changed content bin/tool",
                    "changed mode bin/tool",
                    "changed mode doc/a",
                ],
            ),
        ])
    }

    #[test]
    fn what_is_missing_extra_or_of_another_kind_is_named_once() -> Outcome {
        check(&[
            (
                "a directory that is gone",
                |dir| Ok(fs::remove_dir_all(dir.join("doc"))?),
                &["missing doc"],
            ),
            (
                "a directory that is new",
                |dir| write_files(dir, &[("doc/new/x/y", b"")]),
                &["extra doc/new"],
            ),
            (
                "a link in place of a file",
                |dir| {
                    fs::remove_file(dir.join("doc/a"))?;
                    Ok(symlink("b", dir.join("doc/a"))?)
                },
                &["changed kind doc/a"],
            ),
            (
                "a file in place of a directory",
                |dir| {
                    fs::remove_dir_all(dir.join("doc/deep"))?;
                    Ok(fs::write(dir.join("doc/deep"), b"c")?)
                },
                &["changed kind doc/deep"],
            ),
            (
                "a socket in place of a file, another one, and one in a directory that is extra",
                |dir| {
                    fs::remove_file(dir.join("doc/b"))?;
                    UnixListener::bind(dir.join("doc/b"))?;
                    UnixListener::bind(dir.join("socket"))?;
                    fs::create_dir(dir.join("new"))?;
                    UnixListener::bind(dir.join("new/socket"))?;
                    Ok(())
                },
                &["changed kind doc/b", "extra new", "extra socket"],
            ),
        ])
    }

    #[test]
    fn a_link_differs_by_its_target() -> Outcome {
        let mut sandbox = Sandbox::with_repo()?;
        sandbox.publish("main", "stable", &[("a", b"a"), ("link@", b"a")])?;
        let cases: [(&str, &[u8], &[&str]); 3] = [
            ("link@", b"a", &[]),
            ("link@", b"b", &["changed content link"]),
            ("link", b"a", &["changed kind link"]),
        ];
        for (link, bytes, expected) in cases {
            let folder = tempfile::tempdir()?;
            write_files(folder.path(), &[("a", b"a"), (link, bytes)])?;
            assert_eq!(differences(&sandbox, folder.path())?, expected, "{link}");
        }
        Ok(())
    }
}
