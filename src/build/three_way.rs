//! Merging what a build wants into what its ref shows, given the base that both come from.
//!
//! # Invariants
//!
//! - A conflict is a path that both sides changed, to different things. Everywhere else the result is the same whoever
//!   wins.
//! - The cost is that of what differs between the sides, wide directories included: whatever both sides agree on is
//!   never loaded, and a side that alone changed something is taken by its id.
//!
//! # Not here
//!
//! What a build wants (`build::overlay`); who changed a path meanwhile (`build::conflict`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::rewrite::{Lookup, write};
use crate::base::Result;
use crate::base::limits::LISTED_PATHS_MAX;
use crate::base::name::EntryName;
use crate::base::path::TreePath;
use crate::object::census::Census;
use crate::object::difference::differing;
use crate::object::directory::{TreeSource, join};
use crate::object::edit::{Child, Edit, TreeSink, Written};
use crate::object::tree::{Entry, TreeRef};

/// Whose change a conflicting path shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// The build's.
    Build,
    /// The ref's.
    Ref,
}

/// A tree that shows the changes of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The tree.
    pub tree: TreeRef,
    /// The first conflicting paths, in their order; at most [`LISTED_PATHS_MAX`].
    pub conflicts: Vec<TreePath>,
    /// How many paths conflict in all.
    pub total: u64,
}

/// Merges `wanted` into `current`; both come from `base`. `claims` are the paths that the build replaced whole.
///
/// For each path, the side that changed it shows what it made of it; if both did, and not the same, the path is a
/// conflict and shows what the winner made of it. Directories are merged entry by entry:
///
/// - A directory that one side removed is lost with everything in it that the other did not touch. What the other changed
///   in it is a conflict; what it added stays.
/// - Where one side has a file and the other a directory, the conflict is the path itself.
/// - A directory that becomes empty by merging stays.
///
/// At and beneath a claim the build wants exactly what it has, also where that is what the base had, or nothing: whatever
/// the ref changed there, to anything else, is a conflict.
///
/// The source must show the three trees; new nodes go to the sink.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if a tree is broken;
/// [`Error::Limit`](crate::base::Error::Limit) if a tree has more entries than a snapshot may have, or the totals of the
/// result pass their limits; the errors of source and sink.
pub fn three_way(
    source: &dyn TreeSource,
    sink: &mut dyn TreeSink,
    base: TreeRef,
    wanted: TreeRef,
    current: TreeRef,
    claims: &[TreePath],
    winner: Winner,
) -> Result<Merged> {
    let mut merging = Merging {
        source,
        census: Census::new(source, [Some(wanted), Some(current)]),
        sink,
        claims: claims.iter().cloned().collect(),
        winner,
        conflicts: Vec::new(),
        total: 0,
    };
    let tree = if wanted == current || (wanted == base && claims.is_empty()) {
        current
    } else if current == base {
        wanted
    } else {
        let root = TreePath::root();
        let hold = merging.hold(&root, Hold::Beneath);
        let sides = Directories::Both { wanted, current };
        match merging.directory(&root, Some(base), sides, hold)? {
            Outcome::Current => current,
            Outcome::Wanted => wanted,
            Outcome::Made(written) => written.tree,
        }
    };
    let Merging {
        conflicts, total, ..
    } = merging;
    Ok(Merged {
        tree,
        conflicts,
        total,
    })
}

/// How the build holds on to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It claims nothing.
    Free,
    /// It claims something beneath the path.
    Beneath,
    /// The path lies within what it claims.
    Claimed,
}

/// The entry of one name, in the base and on either side.
struct Versions {
    base: Option<Entry>,
    wanted: Option<Entry>,
    current: Option<Entry>,
}

/// The directories that are to become one.
#[derive(Clone, Copy)]
enum Directories {
    Both { wanted: TreeRef, current: TreeRef },
    OnlyWanted(TreeRef),
    OnlyCurrent(TreeRef),
}

/// What becomes of a path.
#[derive(Clone, Copy)]
enum Outcome {
    /// What the ref shows, also if that is nothing.
    Current,
    /// What the build wants, also if that is nothing.
    Wanted,
    /// A directory with something of both.
    Made(Written),
}

struct Merging<'a> {
    source: &'a dyn TreeSource,
    census: Census<'a>,
    sink: &'a mut dyn TreeSink,
    claims: BTreeSet<TreePath>,
    winner: Winner,
    conflicts: Vec<TreePath>,
    total: u64,
}

impl Merging<'_> {
    /// How the build holds on to `path`, given how it holds on to the directory that the path is in.
    fn hold(&self, path: &TreePath, outer: Hold) -> Hold {
        match outer {
            Hold::Free | Hold::Claimed => outer,
            Hold::Beneath if self.claims.contains(path) => Hold::Claimed,
            Hold::Beneath => {
                // Paths beneath a path follow it at once.
                let after = (Bound::Excluded(path), Bound::Unbounded);
                let next = self.claims.range::<TreePath, _>(after).next();
                match next {
                    Some(next) if path.contains(next) => Hold::Beneath,
                    _ => Hold::Free,
                }
            }
        }
    }

    /// Merges what is at one path.
    fn entry(&mut self, path: &TreePath, versions: &Versions, outer: Hold) -> Result<Outcome> {
        let Versions {
            base,
            wanted,
            current,
        } = versions;
        if wanted == current {
            return Ok(Outcome::Current);
        }
        if current == base {
            return Ok(Outcome::Wanted);
        }
        let hold = self.hold(path, outer);
        let tree = |entry: &Option<Entry>| entry.as_ref().and_then(Entry::tree_ref);
        let (tree_wanted, tree_current) = (tree(wanted), tree(current));
        let is_free = match hold {
            Hold::Free => true,
            // The claim is about nothing that either side has.
            Hold::Beneath => [tree_wanted, tree_current]
                .iter()
                .flatten()
                .all(|tree| *tree == TreeRef::empty()),
            Hold::Claimed => false,
        };
        if is_free && wanted == base {
            return Ok(Outcome::Current);
        }
        let is_leaf = |tree| hold == Hold::Claimed && tree == TreeRef::empty();
        let was_file = base.as_ref().is_some_and(|base| base.tree_ref().is_none());
        let directories = match (tree_wanted, tree_current) {
            (Some(wanted), Some(current)) => Directories::Both { wanted, current },
            (Some(tree), None) if current.is_none() && !was_file && !is_leaf(tree) => {
                Directories::OnlyWanted(tree)
            }
            (None, Some(tree)) if wanted.is_none() && !was_file && !is_leaf(tree) => {
                Directories::OnlyCurrent(tree)
            }
            _ => return Ok(self.conflict(path)),
        };
        self.directory(path, tree(base), directories, hold)
    }

    /// Notes a conflict and lets the winner have it.
    fn conflict(&mut self, path: &TreePath) -> Outcome {
        if self.conflicts.len() < LISTED_PATHS_MAX {
            self.conflicts.push(path.clone());
        }
        self.total += 1;
        match self.winner {
            Winner::Build => Outcome::Wanted,
            Winner::Ref => Outcome::Current,
        }
    }

    /// Merges what is in a directory, at `path`.
    fn directory(
        &mut self,
        path: &TreePath,
        base: Option<TreeRef>,
        directories: Directories,
        hold: Hold,
    ) -> Result<Outcome> {
        let source = self.source;
        // What one side removed and the other left alone is lost, so where only one side has the directory it is what
        // that side changed that matters, and what the build claims.
        let (from, to) = match directories {
            Directories::Both { wanted, current } => (Some(current), wanted),
            Directories::OnlyCurrent(current) => (base, current),
            Directories::OnlyWanted(wanted) if hold == Hold::Free => (base, wanted),
            Directories::OnlyWanted(wanted) => (None, wanted),
        };
        let mut lookup = Lookup::new(source, base)?;
        let mut edits = BTreeMap::new();
        for difference in differing(source, from, Some(to)) {
            let difference = difference?;
            self.census.visit()?;
            let (wanted, current) = match directories {
                Directories::Both { .. } => (difference.b, difference.a),
                Directories::OnlyWanted(_) => (difference.b, None),
                Directories::OnlyCurrent(_) => (None, difference.b),
            };
            let versions = Versions {
                base: lookup.find(&difference.name)?,
                wanted,
                current,
            };
            let name = difference.name;
            let outcome = self.entry(&join(path, &name)?, &versions, hold)?;
            if let Some(edit) = self.edit(&name, outcome, versions, directories)? {
                edits.insert(name, edit);
            }
        }
        self.write(directories, edits)
    }

    /// What the outcome for one name changes in the directory that is written: the ref's if both sides have one, else an
    /// empty one.
    fn edit(
        &self,
        name: &EntryName,
        outcome: Outcome,
        versions: Versions,
        directories: Directories,
    ) -> Result<Option<Edit>> {
        let is_on_current = matches!(directories, Directories::Both { .. });
        let entry = match outcome {
            Outcome::Current if is_on_current => return Ok(None),
            Outcome::Current => versions.current,
            Outcome::Wanted => versions.wanted,
            Outcome::Made(written) => {
                let child = Child::directory(name.clone(), written)?;
                return Ok(Some(Edit::Put(child)));
            }
        };
        match entry {
            Some(entry) => Ok(Some(Edit::Put(Child::load(self.source, entry)?))),
            None if is_on_current => Ok(Some(Edit::Remove)),
            None => Ok(None),
        }
    }

    /// Writes a merged directory. One that only one side had is lost if nothing of it is left.
    fn write(
        &mut self,
        directories: Directories,
        edits: BTreeMap<EntryName, Edit>,
    ) -> Result<Outcome> {
        let base = match directories {
            Directories::Both { current, .. } => Some(current),
            Directories::OnlyWanted(_) | Directories::OnlyCurrent(_) => None,
        };
        match directories {
            _ if !edits.is_empty() => {
                Ok(Outcome::Made(write(self.source, self.sink, base, edits)?))
            }
            Directories::Both { .. } | Directories::OnlyWanted(_) => Ok(Outcome::Current),
            Directories::OnlyCurrent(_) => Ok(Outcome::Wanted),
        }
    }
}

#[cfg(test)]
mod tests;
