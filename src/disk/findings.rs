//! What a walk finds and does not stage: what it drops with a report, and what it refuses.
//!
//! # Invariants
//!
//! - A list names the first [`LISTED_PATHS_MAX`] of its paths, in their order whatever the order of the walk, and counts
//!   all of them.
//!
//! # Not here
//!
//! The rules for dropping and refusing (`disk::walk`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::limits::LISTED_PATHS_MAX;
use crate::base::{Error, Result};

/// The first of many paths, each with a fact about it, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstPaths<T> {
    first: BTreeMap<PathBuf, T>,
    total: u64,
}

impl<T> Default for FirstPaths<T> {
    fn default() -> Self {
        Self {
            first: BTreeMap::new(),
            total: 0,
        }
    }
}

impl<T> FirstPaths<T> {
    /// The first paths, in order: at most [`LISTED_PATHS_MAX`].
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.first.keys().map(PathBuf::as_path)
    }

    /// How many paths there are in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Counts `path` and keeps it if it is among the first.
    pub(super) fn add(&mut self, path: PathBuf, fact: T) {
        self.total += 1;
        self.keep(path, fact);
    }

    /// Adds all that `other` has.
    pub(super) fn absorb(&mut self, other: Self) {
        self.total += other.total;
        for (path, fact) in other.first {
            self.keep(path, fact);
        }
    }

    fn keep(&mut self, path: PathBuf, fact: T) {
        self.first.insert(path, fact);
        if self.first.len() > LISTED_PATHS_MAX {
            self.first.pop_last();
        }
    }
}

/// What trees do not hold and a walk left out. None of it is an error; the user is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Sockets, pipes and devices, relative to the walked directory: they are not staged.
    pub special: FirstPaths<()>,
    /// Regular files whose owner is not the current user: staged without the owner.
    pub owners: u64,
    /// Regular files with a set-user-id or set-group-id bit: staged without it.
    pub set_ids: u64,
    /// Regular files with more than one name: each name is staged as a file of its own.
    pub hard_links: u64,
}

impl Dropped {
    /// Adds all that `other` has.
    pub fn absorb(&mut self, other: Self) {
        self.special.absorb(other.special);
        self.owners += other.owners;
        self.set_ids += other.set_ids;
        self.hard_links += other.hard_links;
    }
}

/// What cannot be staged, and why.
pub(super) type Problems = FirstPaths<String>;

impl Problems {
    /// Nothing, if there are no problems in the walk of `root`.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for the first path, with the number of the others.
    pub(super) fn check(mut self, root: &Path) -> Result<()> {
        let Some((path, mut reason)) = self.first.pop_first() else {
            return Ok(());
        };
        let others = self.total - 1;
        if others > 0 {
            reason = format!("{reason}; and {others} more");
        }
        let path = root.join(path);
        Err(Error::Source { path, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_paths_are_the_same_whatever_the_order() {
        let number = LISTED_PATHS_MAX * 2;
        let paths: Vec<_> = (0..number)
            .map(|n| PathBuf::from(format!("{n:04}")))
            .collect();
        let mut forward = FirstPaths::default();
        let mut backward = FirstPaths::default();
        for path in &paths {
            forward.add(path.clone(), ());
        }
        for half in paths.chunks(LISTED_PATHS_MAX).rev() {
            let mut part = FirstPaths::default();
            for path in half.iter().rev() {
                part.add(path.clone(), ());
            }
            backward.absorb(part);
        }
        assert_eq!(forward, backward);
        assert_eq!(forward.total(), number as u64);
        assert!(forward.paths().eq(&paths[..LISTED_PATHS_MAX]));
    }

    #[test]
    fn the_first_problem_is_named_and_the_others_counted() {
        let check = |names: &[&str], expected: Option<&str>| {
            let mut problems = Problems::default();
            for name in names {
                problems.add(PathBuf::from(name), format!("{name} is bad"));
            }
            let message = problems.check(Path::new("/r")).err().map(|e| e.to_string());
            assert_eq!(message.as_deref(), expected);
        };
        check(&[], None);
        check(&["a"], Some("cannot stage /r/a: a is bad"));
        check(
            &["c", "a", "b"],
            Some("cannot stage /r/a: a is bad; and 2 more"),
        );
    }
}
