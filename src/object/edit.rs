//! Writing directories: a new one from its entries, or one that differs from an old one by some edits.
//!
//! # Invariants
//!
//! - What is written is a function of the entries: `update` gives the same bytes as `create` with the resulting entries.
//! - `update` costs the nodes that change, not the entries: it loads the ways down to the edits, a few nodes at the left
//!   edge to learn how many levels there are and that they are still needed, and otherwise passes old nodes on by their
//!   lines.
//!
//! # Not here
//!
//! The rules by which nodes are cut (`object::cutter`), what a build's operations do to a tree (`build`).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::iter::Peekable;
use std::sync::Arc;

use crate::base::Result;
use crate::base::error::Error;
use crate::base::name::EntryName;

use super::cursor::{Cursor, Place, TreeSource};
use super::cutter::{Cutter, Shape};
use super::ledger::{AccountId, Piece, Worth};
use super::tree::{Entry, Node, Totals, TreeRef};

pub use super::cutter::{TreeSink, Written};

/// An entry to be written, with the totals beneath it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    entry: Entry,
    totals: Totals,
}

impl Child {
    /// Says that `totals` lie beneath `entry`.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the entry is a file or link and has other totals than its own.
    pub fn new(entry: Entry, totals: Totals) -> Result<Self> {
        if entry.own_totals().is_some_and(|own| own != totals) {
            return Err(Error::internal("a file counts as one file of its size"));
        }
        Ok(Self { entry, totals })
    }

    /// Takes a file or link.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the entry is a directory.
    pub fn file(entry: Entry) -> Result<Self> {
        let totals = entry.own_totals();
        let totals = totals.ok_or_else(|| Error::internal("a directory needs its totals"))?;
        Ok(Self { entry, totals })
    }

    /// Takes a directory that was written.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if the tree node is larger than nodes may be.
    pub fn directory(name: EntryName, written: Written) -> Result<Self> {
        Ok(Self {
            entry: Entry::directory(name, written.tree)?,
            totals: written.totals,
        })
    }

    /// Takes `entry` from another directory; a directory's totals are read from its header.
    ///
    /// # Errors
    ///
    /// The errors of the source.
    pub fn load(source: &dyn TreeSource, entry: Entry) -> Result<Self> {
        let totals = load_totals(source, &entry)?;
        Ok(Self { entry, totals })
    }

    /// The entry.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What lies beneath it.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    fn into_piece(self) -> Piece<Entry> {
        Piece {
            line: self.entry,
            worth: Worth::Known(self.totals),
        }
    }
}

fn load_totals(source: &dyn TreeSource, entry: &Entry) -> Result<Totals> {
    match (entry.own_totals(), entry.tree_ref()) {
        (Some(totals), _) => Ok(totals),
        (None, Some(tree)) => Ok(source.node(tree)?.totals()),
        (None, None) => Err(Error::internal("an entry is a file or a directory")),
    }
}

/// What is to become of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The name is to be this, whether it was there or not.
    Put(Child),
    /// The name is to be absent; it may be so already.
    Remove,
}

/// Writes a directory of `children`, which come in the order of their names.
///
/// # Errors
///
/// [`Error::Internal`] if the children are out of order, [`Error::Limit`] if totals or levels pass their limits, the
/// errors among the children and those of the sink.
pub fn create(
    sink: &mut dyn TreeSink,
    children: impl IntoIterator<Item = Result<Child>>,
) -> Result<Written> {
    create_shaped(Shape::FORMAT, sink, children)
}

/// Writes the directory that `base` becomes by `edits`. The source needs to hold `base` only, not what is put.
///
/// `base` must be canonical (`object::canonical`), or the result need not be.
///
/// # Errors
///
/// [`Error::Internal`] if an edit puts a child under another name than its own, [`Error::Limit`] if totals or levels
/// pass their limits, [`Error::Malformed`] if the nodes of `base` do not fit together, and the errors of source and sink.
pub fn update(
    source: &dyn TreeSource,
    sink: &mut dyn TreeSink,
    base: TreeRef,
    edits: BTreeMap<EntryName, Edit>,
) -> Result<Written> {
    update_shaped(Shape::FORMAT, source, sink, base, edits)
}

/// A source for directories of which no part is old.
struct Nowhere;

impl TreeSource for Nowhere {
    fn node(&self, _: TreeRef) -> Result<Arc<Node>> {
        Err(Error::internal("a new directory has no old nodes"))
    }
}

/// [`create`] with other numbers in the rules.
pub(super) fn create_shaped(
    shape: Shape,
    sink: &mut dyn TreeSink,
    children: impl IntoIterator<Item = Result<Child>>,
) -> Result<Written> {
    let mut cutter = Cutter::new(shape, &Nowhere, sink, 0);
    let mut before: Option<EntryName> = None;
    for child in children {
        let child = child?;
        let name = child.entry.name();
        if before.is_some_and(|before| before >= *name) {
            return Err(Error::internal(format!("{name:?} comes out of order")));
        }
        before = Some(name.clone());
        cutter.entry(child.into_piece())?;
    }
    cutter.finish()
}

/// [`update`] with other numbers in the rules.
pub(super) fn update_shaped(
    shape: Shape,
    source: &dyn TreeSource,
    sink: &mut dyn TreeSink,
    base: TreeRef,
    edits: BTreeMap<EntryName, Edit>,
) -> Result<Written> {
    let root = source.node(base)?;
    if edits.is_empty() {
        let totals = root.totals();
        return Ok(Written { tree: base, totals });
    }
    let removals = edits.values().filter(|edit| **edit == Edit::Remove).count();
    let entries_min = root.entries().saturating_sub(removals as u64);
    let mut cutter = Cutter::new(shape, source, sink, entries_min);
    let accounts = vec![cutter.ledger.open(&root)];
    let update = Update {
        source,
        cursor: Cursor::start(source, root)?,
        accounts,
        cutter,
        edits: edits.into_iter().peekable(),
    };
    update.run()
}

/// An update under way.
struct Update<'a> {
    source: &'a dyn TreeSource,
    cursor: Cursor<'a>,
    /// The accounts of the nodes that the cursor is in.
    accounts: Vec<AccountId>,
    cutter: Cutter<'a>,
    /// The edits of names that the cursor has not passed.
    edits: Peekable<btree_map::IntoIter<EntryName, Edit>>,
}

impl Update<'_> {
    fn run(mut self) -> Result<Written> {
        while let Some(place) = self.cursor.place() {
            match place {
                Place::Line(_) => self.line()?,
                Place::Entry(_) => self.entry()?,
            }
        }
        while self.edits.peek().is_some() {
            self.apply()?;
        }
        self.cutter.finish()
    }

    /// Passes on the node that comes next if nothing in it changes and nothing before it leans on it; otherwise steps in.
    fn line(&mut self) -> Result<()> {
        let Some(Place::Line(line)) = self.cursor.place() else {
            return Ok(());
        };
        let account = self.account();
        let touched = self
            .edits
            .peek()
            .is_some_and(|(name, _)| self.cursor.is_last() || name <= line.last());
        match self.cursor.line_level() {
            Some(level) if !touched && self.cutter.can_take(level) => {
                let worth = self.cutter.ledger.pass(account);
                let line = line.clone();
                self.cursor.skip();
                self.cutter.line(level + 1, Piece { line, worth })
            }
            _ => {
                self.accounts.truncate(self.cursor.depth());
                let node = self.cursor.descend()?;
                self.cutter.ledger.settle(account, node.totals())?;
                self.accounts.push(self.cutter.ledger.open(&node));
                Ok(())
            }
        }
    }

    /// Passes on the entry that comes next, or applies the edit that is due before it or to it.
    fn entry(&mut self) -> Result<()> {
        let Some(Place::Entry(entry)) = self.cursor.place() else {
            return Ok(());
        };
        let order = match self.edits.peek() {
            Some((name, _)) => name.cmp(entry.name()),
            None => Ordering::Greater,
        };
        let account = self.account();
        match order {
            Ordering::Less => self.apply(),
            Ordering::Equal => {
                let totals = load_totals(self.source, entry)?;
                self.cutter.ledger.settle(account, totals)?;
                self.cursor.skip();
                self.apply()
            }
            Ordering::Greater => {
                let worth = match entry.own_totals() {
                    Some(totals) => {
                        self.cutter.ledger.settle(account, totals)?;
                        Worth::Known(totals)
                    }
                    None => self.cutter.ledger.pass(account),
                };
                let line = entry.clone();
                self.cursor.skip();
                self.cutter.entry(Piece { line, worth })
            }
        }
    }

    /// Applies the next edit.
    fn apply(&mut self) -> Result<()> {
        match self.edits.next() {
            Some((name, Edit::Put(child))) => {
                if *child.entry.name() != name {
                    return Err(Error::internal(format!(
                        "{:?} is put under the name {name:?}",
                        child.entry.name()
                    )));
                }
                self.cutter.entry(child.into_piece())
            }
            Some((_, Edit::Remove)) | None => Ok(()),
        }
    }

    /// The account of the node that the cursor is in.
    fn account(&self) -> AccountId {
        self.accounts[self.cursor.depth() - 1]
    }
}

#[cfg(test)]
mod tests;
