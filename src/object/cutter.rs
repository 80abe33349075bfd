//! Cutting a wide directory into nodes.
//!
//! Lines arrive in order at level 0 (entries) or above (lines of index). The rules, where `h(name)` is the BLAKE3 hash
//! of a name's bytes, read as a little-endian number:
//!
//! - **Level 0.** Up to [`TREE_UNCUT_MAX`] entries are one leaf. If there are more, a border follows every entry whose
//!   `h(name)` has its low 8 bits zero, and follows the [`TREE_LINES_MAX`]th entry since the last border. What is left
//!   after the last border is the last leaf.
//! - **Level k.** The lines that describe the nodes of level k - 1, each with its last name, are cut by the same rules
//!   with the low 8 (k + 1) bits of `h(last name)`.
//! - **Root.** The lowest level with one node is the root. So an index that is a root has at least two lines; one
//!   beneath a root may have a single line, when two borders of its level are neighbours.
//! - There are at most [`TREE_LEVELS_MAX`] levels of index.
//!
//! Borders follow from names alone: new content never moves one, and a new name changes one node of each level (two, if
//! it is a border). Where a level begins anew is the same whatever came before, so an old node is taken over whole
//! wherever all lower levels stand at a border.
//!
//! # Invariants
//!
//! - What is written is a function of the entries, not of how they arrived.
//! - Only nodes of the final directory are given to the sink: a level is not cut before it is known to be too long for
//!   one node.
//!
//! # Not here
//!
//! Which old nodes are taken over (`object::edit`), how totals are known (`object::ledger`).

use crate::base::Result;
use crate::base::error::{Error, check_limit};
use crate::base::id::Hash;
use crate::base::limits::{TREE_LEVELS_MAX, TREE_LINES_MAX, TREE_UNCUT_MAX};
use crate::base::name::EntryName;

use super::cursor::TreeSource;
use super::ledger::{Ledger, Piece, Worth};
use super::tree::{Entry, Index, IndexLine, Leaf, Node, Totals, TreeRef};

/// Where new nodes go.
pub trait TreeSink {
    /// Takes the node called `tree`, whose text is `text`. The same node may come more than once.
    ///
    /// # Errors
    ///
    /// Whatever keeps the sink from storing it.
    fn put(&mut self, tree: TreeRef, text: Vec<u8>, node: Node) -> Result<()>;
}

/// A directory that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its root.
    pub tree: TreeRef,
    /// The totals of everything beneath it.
    pub totals: Totals,
}

/// The numbers in the rules. They are part of the format; tests use smaller ones to reach many levels with few names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Lines up to which a level is one node.
    pub uncut: usize,
    /// Lines after which a node ends in any case.
    pub lines: usize,
    /// Bits of the hash that decide on one level.
    pub bits: u32,
}

impl Shape {
    /// The numbers of the format.
    pub const FORMAT: Self = Self {
        uncut: TREE_UNCUT_MAX,
        lines: TREE_LINES_MAX,
        bits: 8,
    };

    /// Whether a border of `level` follows the line that ends with `name` and is the `lines`th since the last border.
    fn ends_node(self, level: u32, name: &EntryName, lines: usize) -> bool {
        lines >= self.lines || zero_bits(name) >= self.bits * (level + 1)
    }
}

/// How many low bits of the hash of `name` are zero, counting up to 128.
fn zero_bits(name: &EntryName) -> u32 {
    let hash = Hash::of(name.as_str().as_bytes());
    let (low, _) = hash.as_bytes().split_at(size_of::<u128>());
    let low = <[u8; size_of::<u128>()]>::try_from(low);
    low.map_or(0, |low| u128::from_le_bytes(low).trailing_zeros())
}

/// Whether a level has been cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Not yet: its lines may still turn out to fit one node.
    Held,
    /// It is too long for one node.
    Cut,
}

/// The lines of one level since its last border, or all of them while they are held.
struct Level<T> {
    number: u32,
    mode: Mode,
    pieces: Vec<Piece<T>>,
}

impl<T> Level<T> {
    const fn new(number: u32, mode: Mode) -> Self {
        Self {
            number,
            mode,
            pieces: Vec::new(),
        }
    }

    /// Takes the next line, which ends with the name that `last` finds, and gives the nodes that are complete by it.
    fn push(
        &mut self,
        shape: Shape,
        piece: Piece<T>,
        last: impl Fn(&T) -> &EntryName,
    ) -> Vec<Vec<Piece<T>>> {
        if self.mode == Mode::Held && self.pieces.len() < shape.uncut {
            self.pieces.push(piece);
            return Vec::new();
        }
        let held = match self.mode {
            Mode::Held => std::mem::take(&mut self.pieces),
            Mode::Cut => Vec::new(),
        };
        self.mode = Mode::Cut;
        let mut nodes = Vec::new();
        for piece in held.into_iter().chain([piece]) {
            let ends = shape.ends_node(self.number, last(&piece.line), self.pieces.len() + 1);
            self.pieces.push(piece);
            if ends {
                nodes.push(std::mem::take(&mut self.pieces));
            }
        }
        nodes
    }

    fn is_at_border(&self) -> bool {
        self.mode == Mode::Cut && self.pieces.is_empty()
    }
}

/// Cuts the lines of one directory into nodes and writes them.
pub(super) struct Cutter<'a> {
    shape: Shape,
    source: &'a dyn TreeSource,
    sink: &'a mut dyn TreeSink,
    /// The accounts of the old nodes whose lines are passed on.
    pub ledger: Ledger,
    entries: Level<Entry>,
    /// Level 1 and above.
    lines: Vec<Level<IndexLine>>,
}

impl<'a> Cutter<'a> {
    /// Starts a directory that will have at least `entries_min` entries.
    pub fn new(
        shape: Shape,
        source: &'a dyn TreeSource,
        sink: &'a mut dyn TreeSink,
        entries_min: u64,
    ) -> Self {
        let mode = if entries_min > shape.uncut as u64 {
            Mode::Cut
        } else {
            Mode::Held
        };
        Self {
            shape,
            source,
            sink,
            ledger: Ledger::default(),
            entries: Level::new(0, mode),
            lines: Vec::new(),
        }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if the totals or levels pass their limits; the errors of the ledger and the sink.
    pub fn entry(&mut self, piece: Piece<Entry>) -> Result<()> {
        for node in self.entries.push(self.shape, piece, Entry::name) {
            let line = self.write_leaf(node)?;
            self.line(1, line)?;
        }
        Ok(())
    }

    /// Whether a node of `level` may be taken over whole: no lower level has a node in the making.
    pub fn can_take(&self, level: usize) -> bool {
        self.entries.is_at_border()
            && self.lines.len() >= level
            && self.lines[..level].iter().all(Level::is_at_border)
    }

    /// Takes the next line of `level`, which describes a node of the level beneath.
    ///
    /// # Errors
    ///
    /// As [`Cutter::entry`].
    pub fn line(&mut self, level: usize, piece: Piece<IndexLine>) -> Result<()> {
        check_limit(
            "a wide directory's number of index levels",
            level as u64,
            TREE_LEVELS_MAX as u64,
        )?;
        while self.lines.len() < level {
            let number = u32::try_from(self.lines.len() + 1)
                .map_err(|_| Error::internal("levels are few"))?;
            self.lines.push(Level::new(number, Mode::Held));
        }
        for node in self.lines[level - 1].push(self.shape, piece, IndexLine::last) {
            let line = self.write_index(node)?;
            self.line(level + 1, line)?;
        }
        Ok(())
    }

    /// Writes what is left, and the root.
    ///
    /// # Errors
    ///
    /// As [`Cutter::entry`].
    pub fn finish(mut self) -> Result<Written> {
        let pieces = std::mem::take(&mut self.entries.pieces);
        if self.entries.mode == Mode::Held {
            let totals = self.ledger.sum(self.source, &pieces)?;
            let entries = pieces.into_iter().map(|piece| piece.line).collect();
            let tree = self.put(Node::Leaf(Leaf::new(totals, entries)?))?;
            return Ok(Written { tree, totals });
        }
        if !pieces.is_empty() {
            let line = self.write_leaf(pieces)?;
            self.line(1, line)?;
        }
        for level in 1..=TREE_LEVELS_MAX {
            let Some(lines) = self.lines.get_mut(level - 1) else {
                break;
            };
            let pieces = std::mem::take(&mut lines.pieces);
            if lines.mode == Mode::Held {
                return self.finish_root(pieces);
            }
            if !pieces.is_empty() {
                let line = self.write_index(pieces)?;
                self.line(level + 1, line)?;
            }
        }
        Err(Error::internal("a directory that is cut has an index"))
    }

    /// Ends with the level whose lines are all of `pieces`: one line is the root itself, several need an index.
    fn finish_root(mut self, pieces: Vec<Piece<IndexLine>>) -> Result<Written> {
        let piece = if pieces.len() == 1 {
            pieces.into_iter().next()
        } else {
            Some(self.write_index(pieces)?)
        };
        let piece = piece.ok_or_else(|| Error::internal("an index has lines"))?;
        let totals = self.ledger.sum(self.source, std::slice::from_ref(&piece))?;
        let tree = piece.line.tree_ref();
        Ok(Written { tree, totals })
    }

    fn write_leaf(&mut self, pieces: Vec<Piece<Entry>>) -> Result<Piece<IndexLine>> {
        let totals = self.ledger.sum(self.source, &pieces)?;
        let entries = pieces.into_iter().map(|piece| piece.line).collect();
        self.describe(Node::Leaf(Leaf::new(totals, entries)?))
    }

    fn write_index(&mut self, pieces: Vec<Piece<IndexLine>>) -> Result<Piece<IndexLine>> {
        let totals = self.ledger.sum(self.source, &pieces)?;
        let lines = pieces.into_iter().map(|piece| piece.line).collect();
        self.describe(Node::Index(Index::new(totals, lines)?))
    }

    /// Writes a node and makes the line that describes it.
    fn describe(&mut self, node: Node) -> Result<Piece<IndexLine>> {
        let worth = Worth::Known(node.totals());
        let entries = node.entries();
        let last = node.last().cloned();
        let last = last.ok_or_else(|| Error::internal("a node between borders has entries"))?;
        let tree = self.put(node)?;
        Ok(Piece {
            line: IndexLine::new(entries, tree, last)?,
            worth,
        })
    }

    fn put(&mut self, node: Node) -> Result<TreeRef> {
        let text = node.encode();
        let tree = TreeRef::of(&text);
        self.sink.put(tree, text, node)?;
        Ok(tree)
    }
}
