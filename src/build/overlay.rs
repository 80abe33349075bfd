//! Applying a build's operations to a tree.
//!
//! The operations are played on a [`Draft`] in memory, which knows only what they touch; everything else is named by the
//! ids of the tree underneath. Then each directory that was touched is written once, whatever the number of operations.
//!
//! # Invariants
//!
//! - The cost is that of what is staged and of the nodes that it touches. Where the tree has nothing under a name, the
//!   staged directory is taken by its id, without looking into it.
//! - Operations are played in order: a later one sees what an earlier one left.
//!
//! # Not here
//!
//! Merging the result into what a ref shows meanwhile (`build::three_way`).

use std::collections::BTreeMap;

use super::rewrite::{Lookup, write};
use crate::base::Result;
use crate::base::name::EntryName;
use crate::base::path::TreePath;
use crate::object::directory::{TreeSource, entries, find, join, totals};
use crate::object::edit::{Child, Edit, TreeSink, Written};
use crate::object::tree::{Entry, TreeRef};
use crate::store::rows::Operation;

/// Applies `operations` to the tree `base`, in order.
///
/// - *Merge* adds the entries of the staged directory to the one at its path: directories merge, anything else of the same
///   name is replaced, of whatever kind. Directories that are missing on the way are made, and take the place of files.
/// - *Replace* makes the directory at its path the staged one.
/// - *Remove* loses its path; it may be missing already. A directory that becomes empty stays.
///
/// The source must show `base` and what is staged; new nodes go to the sink.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if a path becomes too long or too deep, or a tree is broken;
/// [`Error::Limit`](crate::base::Error::Limit) if totals pass their limits; the errors of source and sink.
pub fn apply(
    source: &dyn TreeSource,
    sink: &mut dyn TreeSink,
    base: TreeRef,
    operations: &[Operation],
) -> Result<TreeRef> {
    let mut root = Draft::on(Some(base));
    for operation in operations {
        match operation {
            Operation::Merge { at, tree } => root.reach(source, &names(at), |draft| {
                draft.overlay(source, at, (*tree).into())
            })?,
            Operation::Replace { at, tree } => root.reach(source, &names(at), |draft| {
                *draft = Draft::on(Some((*tree).into()));
                Ok(())
            })?,
            Operation::Remove { path } => root.remove(source, &names(path))?,
        }
    }
    match root.untouched() {
        Some(tree) => Ok(tree),
        None => Ok(root.write(source, sink)?.tree),
    }
}

fn names(path: &TreePath) -> Vec<&EntryName> {
    path.names().collect()
}

/// A directory in the making: an old one, and what becomes of some of its names.
#[derive(Debug, Default)]
struct Draft {
    /// The old directory; `None` if it was empty, or the directory is new.
    base: Option<TreeRef>,
    changes: BTreeMap<EntryName, Slot>,
}

/// What becomes of a name.
#[derive(Debug)]
enum Slot {
    /// Nothing is there.
    Absent,
    /// A file, a link, or a directory as its id says.
    Entry(Entry),
    /// A directory that is touched.
    Directory(Draft),
}

impl Slot {
    fn of(entry: Option<Entry>) -> Self {
        entry.map_or(Self::Absent, Self::Entry)
    }

    fn is_directory(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Entry(entry) => entry.tree_ref().is_some(),
            Self::Directory(_) => true,
        }
    }

    /// The directory in this place; anything else gives way to a new one.
    fn into_draft(self) -> Draft {
        match self {
            Self::Absent => Draft::default(),
            Self::Entry(entry) => Draft::on(entry.tree_ref()),
            Self::Directory(draft) => draft,
        }
    }
}

impl Draft {
    fn on(base: Option<TreeRef>) -> Self {
        let base = base.filter(|base| *base != TreeRef::empty());
        Self {
            base,
            changes: BTreeMap::new(),
        }
    }

    /// The old directory, if nothing was changed in it.
    fn untouched(&self) -> Option<TreeRef> {
        self.base.filter(|_| self.changes.is_empty())
    }

    /// What is under `name` now.
    fn take(&mut self, source: &dyn TreeSource, name: &EntryName) -> Result<Slot> {
        match (self.changes.remove(name), self.base) {
            (Some(slot), _) => Ok(slot),
            (None, Some(base)) => Ok(Slot::of(find(source, base, name)?)),
            (None, None) => Ok(Slot::Absent),
        }
    }

    /// Lets `act` change the directory that `names` lead to; what is not there, or is no directory, becomes one.
    fn reach(
        &mut self,
        source: &dyn TreeSource,
        names: &[&EntryName],
        act: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let Some((name, rest)) = names.split_first() else {
            return act(self);
        };
        let mut draft = self.take(source, name)?.into_draft();
        draft.reach(source, rest, act)?;
        self.changes.insert((*name).clone(), Slot::Directory(draft));
        Ok(())
    }

    /// Whether `names` lead to something.
    fn shows(&self, source: &dyn TreeSource, names: &[&EntryName]) -> Result<bool> {
        let Some((name, rest)) = names.split_first() else {
            return Ok(true);
        };
        let entry = match (self.changes.get(*name), self.base) {
            (Some(Slot::Directory(draft)), _) => return draft.shows(source, rest),
            (Some(Slot::Entry(entry)), _) => Some(entry.clone()),
            (None, Some(base)) => find(source, base, name)?,
            (Some(Slot::Absent), _) | (None, None) => None,
        };
        match entry {
            Some(_) if rest.is_empty() => Ok(true),
            Some(entry) => Self::on(entry.tree_ref()).shows(source, rest),
            None => Ok(false),
        }
    }

    fn remove(&mut self, source: &dyn TreeSource, names: &[&EntryName]) -> Result<()> {
        let Some((name, parent)) = names.split_last() else {
            *self = Self::default();
            return Ok(());
        };
        if !self.shows(source, names)? {
            return Ok(());
        }
        self.reach(source, parent, |draft| {
            draft.changes.insert((*name).clone(), Slot::Absent);
            Ok(())
        })
    }

    /// Lays the entries of `tree` over this directory, which is at the path `at`.
    fn overlay(&mut self, source: &dyn TreeSource, at: &TreePath, tree: TreeRef) -> Result<()> {
        if self.base.is_none() && self.changes.is_empty() {
            *self = Self::on(Some(tree));
        }
        if self.untouched() == Some(tree) {
            return Ok(());
        }
        let mut lookup = Lookup::new(source, self.base)?;
        for entry in entries(source, tree) {
            let entry = entry?;
            let under = match self.changes.remove(entry.name()) {
                Some(slot) => slot,
                None => match lookup.find(entry.name())? {
                    Some(old) if old == entry => continue,
                    old => Slot::of(old),
                },
            };
            let slot = match entry.tree_ref() {
                Some(tree) if under.is_directory() => {
                    let mut draft = under.into_draft();
                    draft.overlay(source, &join(at, entry.name())?, tree)?;
                    Slot::Directory(draft)
                }
                _ => Slot::Entry(entry.clone()),
            };
            self.changes.insert(entry.name().clone(), slot);
        }
        Ok(())
    }

    /// Writes the directory, and those beneath it that were touched.
    fn write(self, source: &dyn TreeSource, sink: &mut dyn TreeSink) -> Result<Written> {
        if let Some(tree) = self.untouched() {
            let totals = totals(source, tree)?;
            return Ok(Written { tree, totals });
        }
        let mut edits = BTreeMap::new();
        for (name, slot) in self.changes {
            let edit = match slot {
                Slot::Absent => Edit::Remove,
                Slot::Entry(entry) => Edit::Put(Child::load(source, entry)?),
                Slot::Directory(draft) => {
                    Edit::Put(Child::directory(name.clone(), draft.write(source, sink)?)?)
                }
            };
            edits.insert(name, edit);
        }
        write(source, sink, self.base, edits)
    }
}

#[cfg(test)]
mod tests;
