//! Totals of new nodes, without loading what lies beneath them.
//!
//! The header of a node states totals; its lines for directories and nodes do not. A new node that takes over 4,000
//! lines of an old one would have to load 4,000 nodes to know its totals. But the old header stated their sum: what is
//! left of it after taking off every line that *was* loaded belongs to the lines that were not. The ledger has one
//! account per old node for this. Only when the unread lines of one old node end up in several new nodes are they
//! loaded one by one.
//!
//! # Invariants
//!
//! - `rest` of an account is the sum of the totals of its unseen and unread lines.
//!
//! # Not here
//!
//! What becomes of the lines (`object::edit`, `object::cutter`).

use crate::base::Result;

use super::cursor::TreeSource;
use super::tree::{Entry, IndexLine, Node, Totals, TreeRef};

/// The account of one old node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountId(usize);

#[derive(Debug)]
struct Account {
    /// The totals of all lines that are not known one by one.
    rest: Totals,
    /// Lines of which nothing was said yet.
    unseen: usize,
    /// Lines that were passed on unread, and belong to no finished node yet.
    unread: usize,
}

/// How much lies beneath a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// So much.
    Known(Totals),
    /// An old node's account knows, for all its unread lines together.
    Unread(AccountId),
}

/// A line of a node: an entry of a leaf, or a line of an index.
pub(super) trait Line {
    /// The tree that the line refers to, if it does.
    fn tree_ref(&self) -> Option<TreeRef>;
}

impl Line for Entry {
    fn tree_ref(&self) -> Option<TreeRef> {
        Self::tree_ref(self)
    }
}

impl Line for IndexLine {
    fn tree_ref(&self) -> Option<TreeRef> {
        Some(Self::tree_ref(self))
    }
}

/// A line, and how much lies beneath it.
#[derive(Clone, Debug)]
pub(super) struct Piece<T> {
    /// The line.
    pub line: T,
    /// How much lies beneath it.
    pub worth: Worth,
}

/// The accounts of all old nodes that an edit has loaded.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Vec<Account>,
}

impl Ledger {
    /// Opens an account for the old node `node`.
    pub fn open(&mut self, node: &Node) -> AccountId {
        self.accounts.push(Account {
            rest: node.totals(),
            unseen: node.line_count(),
            unread: 0,
        });
        AccountId(self.accounts.len() - 1)
    }

    /// Notes that one line of the node has turned out to have `totals`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if that is more than the node has.
    pub fn settle(&mut self, account: AccountId, totals: Totals) -> Result<()> {
        let account = &mut self.accounts[account.0];
        account.rest = account.rest.minus(totals)?;
        account.unseen -= 1;
        Ok(())
    }

    /// Notes that one line of the node is passed on unread.
    pub fn pass(&mut self, account: AccountId) -> Worth {
        let entry = &mut self.accounts[account.0];
        entry.unseen -= 1;
        entry.unread += 1;
        Worth::Unread(account)
    }

    /// The totals of a new node made of `pieces`.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] past the limits of one snapshot, [`Error::Malformed`] if an old header was not true, and the
    /// errors of the source.
    pub fn sum<T: Line>(&mut self, source: &dyn TreeSource, pieces: &[Piece<T>]) -> Result<Totals> {
        let mut sum = Totals::ZERO;
        for piece in pieces {
            if let Worth::Known(totals) = piece.worth {
                sum = sum.plus(totals)?;
            }
        }
        // Known lines may stand between the unread ones of a node, so runs are made of the unread alone.
        let unread: Vec<_> = pieces.iter().filter_map(unread_line).collect();
        for run in unread.chunk_by(|a, b| a.0 == b.0) {
            sum = sum.plus(self.take(source, run)?)?;
        }
        Ok(sum)
    }

    /// The totals of some unread lines of one old node; they leave its account.
    fn take(&mut self, source: &dyn TreeSource, run: &[(AccountId, TreeRef)]) -> Result<Totals> {
        let account = &mut self.accounts[run[0].0.0];
        let whole = account.unseen == 0 && account.unread == run.len();
        let totals = if whole {
            account.rest
        } else {
            load_sum(source, run)?
        };
        account.rest = account.rest.minus(totals)?;
        account.unread -= run.len();
        Ok(totals)
    }
}

fn unread_line<T: Line>(piece: &Piece<T>) -> Option<(AccountId, TreeRef)> {
    match piece.worth {
        Worth::Known(_) => None,
        Worth::Unread(account) => Some((account, piece.line.tree_ref()?)),
    }
}

fn load_sum(source: &dyn TreeSource, run: &[(AccountId, TreeRef)]) -> Result<Totals> {
    run.iter().try_fold(Totals::ZERO, |sum, (_, tree)| {
        sum.plus(source.node(*tree)?.totals())
    })
}

#[cfg(test)]
mod tests {
    use super::super::memory::{AnyError, MemoryTrees, directory, file};
    use super::*;

    #[test]
    fn unread_lines_are_loaded_only_if_they_part() -> Result<(), AnyError> {
        let trees = MemoryTrees::default();
        let mut children = Vec::new();
        for (name, content) in [("a", "1"), ("b", "22"), ("c", "333")] {
            let written = trees.directory([file("f", content)?])?;
            children.push(directory(name, written)?);
        }
        let old = trees.directory(children.iter().cloned())?;
        let node = trees.node(old.tree)?;
        for (settled, parts, sums, loads) in [
            (0, &[3][..], &[6][..], 0),
            (1, &[2], &[5], 0),
            (2, &[1], &[3], 0),
            (0, &[1, 2], &[1, 5], 1),
            (0, &[1, 1, 1], &[1, 2, 3], 2),
        ] {
            let mut ledger = Ledger::default();
            let account = ledger.open(&node);
            let (known, unread) = children.split_at(settled);
            for child in known {
                ledger.settle(account, child.totals())?;
            }
            let mut pieces = Vec::new();
            for child in unread {
                let line = child.entry().clone();
                let worth = ledger.pass(account);
                pieces.push(Piece { line, worth });
            }
            trees.counts();
            let mut rest = pieces.as_slice();
            for (length, sum) in parts.iter().zip(sums) {
                let (part, others) = rest.split_at(*length);
                rest = others;
                assert_eq!(ledger.sum(&trees, part)?.bytes(), *sum, "{parts:?}");
            }
            assert_eq!(trees.counts().0, loads, "{parts:?} after {settled}");
        }
        Ok(())
    }

    #[test]
    fn a_header_that_counts_too_little_is_noticed() -> Result<(), AnyError> {
        let trees = MemoryTrees::default();
        let old = trees.directory([file("f", "1")?])?;
        let mut ledger = Ledger::default();
        let account = ledger.open(&*trees.node(old.tree)?);
        let settled = ledger.settle(account, Totals::new(1, 2)?);
        assert!(settled.is_err());
        Ok(())
    }
}
