//! Rewriting one directory: looking up what it has under some names, and writing what becomes of them.
//!
//! # Invariants
//!
//! - A [`Lookup`] loads each node of its directory at most once, and only those that may have a name that is asked for.
//!
//! # Not here
//!
//! Which names change, and to what (`build::overlay`, `build::three_way`); the nodes that are written (`object::edit`).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::base::Result;
use crate::base::name::EntryName;
use crate::object::cursor::{Cursor, Place};
use crate::object::directory::TreeSource;
use crate::object::edit::{Child, Edit, TreeSink, Written, create, update};
use crate::object::tree::{Entry, TreeRef};

/// Looks names up in one directory, in ascending order.
pub(super) struct Lookup<'s> {
    cursor: Option<Cursor<'s>>,
}

impl<'s> Lookup<'s> {
    /// Starts before the first name of `directory`; `None` is a directory that does not exist.
    ///
    /// # Errors
    ///
    /// Those of the source, as for every method here.
    pub(super) fn new(source: &'s dyn TreeSource, directory: Option<TreeRef>) -> Result<Self> {
        let cursor = directory.map(|tree| Cursor::open(source, tree));
        let cursor = cursor.transpose()?;
        Ok(Self { cursor })
    }

    /// Finds the entry `name`, which is above every name that was asked for before.
    pub(super) fn find(&mut self, name: &EntryName) -> Result<Option<Entry>> {
        let Some(cursor) = &mut self.cursor else {
            return Ok(None);
        };
        loop {
            match cursor.place() {
                None => return Ok(None),
                Some(Place::Line(line)) if line.last() < name => cursor.skip(),
                Some(Place::Line(_)) => cursor.descend().map(drop)?,
                Some(Place::Entry(entry)) => match entry.name().cmp(name) {
                    Ordering::Less => cursor.skip(),
                    Ordering::Equal => return Ok(Some(entry.clone())),
                    Ordering::Greater => return Ok(None),
                },
            }
        }
    }
}

/// Writes the directory that `base` becomes by `edits`; without a base, the directory of what they put.
///
/// # Errors
///
/// Those of [`update`] and [`create`].
pub(super) fn write(
    source: &dyn TreeSource,
    sink: &mut dyn TreeSink,
    base: Option<TreeRef>,
    edits: BTreeMap<EntryName, Edit>,
) -> Result<Written> {
    match base {
        Some(base) => update(source, sink, base, edits),
        None => create(sink, edits.into_values().filter_map(put)),
    }
}

fn put(edit: Edit) -> Option<Result<Child>> {
    match edit {
        Edit::Put(child) => Some(Ok(child)),
        Edit::Remove => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::memory::{AnyError, MemoryTrees, file};

    fn name(number: usize) -> Result<EntryName, AnyError> {
        Ok(format!("{number:05}").parse()?)
    }

    #[test]
    fn names_are_found_in_narrow_and_wide_directories() -> Result<(), AnyError> {
        let trees = MemoryTrees::default();
        for (width, reason) in [
            (0, "an empty directory"),
            (10, "one node"),
            (600, "more than one node"),
            (5000, "nodes that end by their length"),
        ] {
            let even = (0..width).map(|number| file(&format!("{:05}", 2 * number), ""));
            let even = even.collect::<Result<Vec<_>, _>>()?;
            let tree = trees.directory(even)?.tree;
            let mut lookup = Lookup::new(&trees, Some(tree))?;
            for number in 0..2 * width + 2 {
                let is_there = lookup.find(&name(number)?)?.is_some();
                assert_eq!(is_there, number % 2 == 0 && number < 2 * width, "{reason}");
            }
        }
        assert_eq!(Lookup::new(&trees, None)?.find(&name(0)?)?, None);
        Ok(())
    }

    #[test]
    fn only_nodes_with_names_that_are_asked_for_are_loaded() -> Result<(), AnyError> {
        let trees = MemoryTrees::default();
        let files = (0..20_000).map(|number| file(&format!("{number:05}"), ""));
        let tree = trees.directory(files.collect::<Result<Vec<_>, _>>()?)?;
        trees.counts();
        let mut lookup = Lookup::new(&trees, Some(tree.tree))?;
        for number in [3, 4, 10_000, 19_999] {
            assert!(lookup.find(&name(number)?)?.is_some());
        }
        let (loads, _) = trees.counts();
        assert!(loads <= 4, "{loads} loads: the index and three leaves");
        Ok(())
    }
}
