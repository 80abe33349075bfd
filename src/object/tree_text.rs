//! The text of tree nodes: canonical lines to [`Node`]s and back.
//!
//! ```text
//! bindery tree 1 <files> <bytes>              bindery tree-index 1 <files> <bytes>
//! f|x|l|d <size> <id> <name>                  n <entries beneath> <size> <id> <last name>
//! ```
//!
//! # Invariants
//!
//! - `Node::decode(bytes)?.encode() == bytes`: a node has one spelling.
//! - Nothing is allocated beyond [`TREE_LINES_MAX`] lines, and no text above [`TREE_BYTES_MAX`] is looked at.
//!
//! # Not here
//!
//! What the lines of one node must satisfy together (`object::tree`).
//!
//! A commit decodes every tree of a build, so lines are scanned byte by byte instead of through `base::text`: the only
//! allocation per line is its name.

use std::fmt::Display;

use crate::base::Result;
use crate::base::error::Error;
use crate::base::id::{HASH_BYTES, Hash, TreeId};
use crate::base::limits::{TREE_BYTES_MAX, TREE_LINES_MAX};
use crate::base::name::EntryName;
use crate::base::text::TextError;

use super::tree::{Entry, EntryKind, Index, IndexLine, Leaf, Node, Totals, TreeRef};

const LEAF_HEADER: &[u8] = b"bindery tree 1 ";
const INDEX_HEADER: &[u8] = b"bindery tree-index 1 ";

/// Hex digits of an id.
const ID_DIGITS: usize = 2 * HASH_BYTES;

/// Bytes of the shortest line: a kind, a digit, an id, a name of one byte, three spaces and the end.
const LINE_BYTES_MIN: usize = 1 + 1 + ID_DIGITS + 1 + 3 + 1;

/// Bytes of a usual line: only a hint for the buffer of a text in the making.
const LINE_BYTES_USUAL: usize = 100;

impl Node {
    /// Reads a node from its text.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the bytes are anything but the one text of a node.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > TREE_BYTES_MAX {
            return Err(Error::malformed(
                "tree",
                format!("{} bytes, more than {TREE_BYTES_MAX}", bytes.len()),
            ));
        }
        let mut scanner = Scanner {
            rest: bytes,
            line: 1,
        };
        if scanner.take(LEAF_HEADER) {
            let (totals, entries) = scanner.body(Scanner::entry).map_err(Error::text("tree"))?;
            Ok(Self::Leaf(Leaf::new(totals, entries)?))
        } else if scanner.take(INDEX_HEADER) {
            let (totals, lines) = scanner
                .body(Scanner::index_line)
                .map_err(Error::text("tree"))?;
            Ok(Self::Index(Index::new(totals, lines)?))
        } else {
            let error = scanner.expected("'bindery tree 1' or 'bindery tree-index 1'");
            Err(Error::text("tree")(error))
        }
    }

    /// Writes the text of the node.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(LINE_BYTES_USUAL * (self.line_count() + 1));
        let totals = self.totals();
        text.extend_from_slice(match self {
            Self::Leaf(_) => LEAF_HEADER,
            Self::Index(_) => INDEX_HEADER,
        });
        push_fields(&mut text, &[&totals.files().to_string()]);
        push_last(&mut text, &totals.bytes().to_string());
        match self {
            Self::Leaf(leaf) => {
                for entry in leaf.entries() {
                    push_entry(&mut text, entry);
                }
            }
            Self::Index(index) => {
                for line in index.lines() {
                    push_index_line(&mut text, line);
                }
            }
        }
        text
    }
}

fn push_entry(text: &mut Vec<u8>, entry: &Entry) {
    let kind = entry.kind().letter().to_string();
    push_fields(
        text,
        &[&kind, &entry.size().to_string(), &entry.id().to_string()],
    );
    push_last(text, entry.name().as_str());
}

fn push_index_line(text: &mut Vec<u8>, line: &IndexLine) {
    let tree = line.tree_ref();
    push_fields(
        text,
        &[
            "n",
            &line.entries().to_string(),
            &tree.size.to_string(),
            &tree.id.to_string(),
        ],
    );
    push_last(text, line.last().as_str());
}

fn push_fields(text: &mut Vec<u8>, fields: &[&str]) {
    for field in fields {
        text.extend_from_slice(field.as_bytes());
        text.push(b' ');
    }
}

fn push_last(text: &mut Vec<u8>, field: &str) {
    text.extend_from_slice(field.as_bytes());
    text.push(b'\n');
}

/// A place in the text of a node.
struct Scanner<'a> {
    rest: &'a [u8],
    line: usize,
}

impl Scanner<'_> {
    /// Reads what follows the version in the header, then every line.
    fn body<T>(
        &mut self,
        line: impl Fn(&mut Self) -> Result<T, TextError>,
    ) -> Result<(Totals, Vec<T>), TextError> {
        let files = self.number(b' ')?;
        let bytes = self.number(b'\n')?;
        let totals =
            Totals::new(files, bytes).map_err(|_| self.expected("totals within the limits"))?;
        let mut lines = Vec::with_capacity((self.rest.len() / LINE_BYTES_MIN).min(TREE_LINES_MAX));
        while !self.rest.is_empty() {
            self.line += 1;
            if lines.len() == TREE_LINES_MAX {
                return Err(self.expected("the end: a node has no more lines"));
            }
            lines.push(line(self)?);
        }
        Ok((totals, lines))
    }

    fn entry(&mut self) -> Result<Entry, TextError> {
        let kind = match self.rest {
            [letter, b' ', rest @ ..] => {
                self.rest = rest;
                EntryKind::from_letter(*letter)
            }
            _ => None,
        };
        let kind = kind.ok_or_else(|| self.expected("'f', 'x', 'l' or 'd'"))?;
        let size = self.number(b' ')?;
        let id = self.id()?;
        let name = self.name()?;
        Entry::new(kind, size, id, name).map_err(|error| self.wrong(error))
    }

    fn index_line(&mut self) -> Result<IndexLine, TextError> {
        if !self.take(b"n ") {
            return Err(self.expected("'n'"));
        }
        let entries = self.number(b' ')?;
        let size = self.number(b' ')?;
        let id = TreeId::new(self.id()?);
        let name = self.name()?;
        IndexLine::new(entries, TreeRef { id, size }, name).map_err(|error| self.wrong(error))
    }

    /// Steps over `word`, if it comes next.
    fn take(&mut self, word: &[u8]) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Reads a number without leading zeros, and `end` after it.
    fn number(&mut self, end: u8) -> Result<u64, TextError> {
        let mut value = 0u64;
        for (digits, byte) in self.rest.iter().enumerate() {
            if *byte == end && digits > 0 {
                self.rest = &self.rest[digits + 1..];
                return Ok(value);
            }
            let more = if byte.is_ascii_digit() && !(digits > 0 && value == 0) {
                value.checked_mul(10)
            } else {
                None
            };
            let more = more.and_then(|value| value.checked_add(u64::from(byte & 15)));
            let Some(more) = more else { break };
            value = more;
        }
        Err(self.expected("a number without leading zeros"))
    }

    /// Reads an id, and the space after it.
    fn id(&mut self) -> Result<Hash, TextError> {
        let id = match self.rest.get(ID_DIGITS) {
            Some(b' ') => Hash::from_digits(&self.rest[..ID_DIGITS]).ok(),
            _ => None,
        };
        let id = id.ok_or_else(|| self.expected("an id"))?;
        self.rest = &self.rest[ID_DIGITS + 1..];
        Ok(id)
    }

    /// Reads a name to the end of the line.
    fn name(&mut self) -> Result<EntryName, TextError> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| self.expected("a line that ends in LF"))?;
        let name = EntryName::parse(&self.rest[..end])
            .map_err(|error| self.expected(format!("a name, but the {error}")))?;
        self.rest = &self.rest[end + 1..];
        Ok(name)
    }

    fn expected(&self, what: impl Display) -> TextError {
        TextError::expected(self.line, what)
    }

    fn wrong(&self, reason: impl Display) -> TextError {
        TextError::wrong(self.line, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of nothing, as `b3sum` prints it.
    const ID: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    fn leaf_text() -> String {
        format!(
            "bindery tree 1 4 1018\nx 1000 {ID} Run me\nd 19 {ID} docs\nf 0 {ID} empty\nl 8 {ID} latest\n"
        )
    }

    fn index_text() -> String {
        format!("bindery tree-index 1 700 12345\nn 300 40000 {ID} m m\nn 400 50000 {ID} z\n")
    }

    #[test]
    fn a_node_has_one_spelling() -> Result<()> {
        for text in [leaf_text(), index_text(), "bindery tree 1 0 0\n".into()] {
            let node = Node::decode(text.as_bytes())?;
            assert_eq!(String::from_utf8_lossy(&node.encode()), text);
        }
        assert_eq!(
            Node::decode(super::super::tree::EMPTY_TREE)?,
            Node::Leaf(Leaf::default())
        );
        Ok(())
    }

    #[test]
    fn a_text_that_breaks_a_rule_is_no_node() {
        let leaf = |line: &str| format!("bindery tree 1 1 5\n{line}\n");
        let index = |line: &str| format!("bindery tree-index 1 1 5\n{line}\n");
        for (text, reason) in [
            (String::new(), "line 1: expected 'bindery tree 1'"),
            (
                "bindery tree 2 0 0\n".into(),
                "line 1: expected 'bindery tree 1'",
            ),
            ("bindery tree 1 0\n".into(), "line 1: expected a number"),
            ("bindery tree 1 0 0".into(), "line 1: expected a number"),
            ("bindery tree 1 0 0 \n".into(), "line 1: expected a number"),
            ("bindery tree 1 00 0\n".into(), "line 1: expected a number"),
            ("bindery tree 1  0\n".into(), "line 1: expected a number"),
            ("bindery tree 1 0 0\n\n".into(), "line 2: expected 'f'"),
            ("bindery tree 1 50000001 0\n".into(), "within the limits"),
            ("bindery tree 1 1 0\n".into(), "does not count"),
            ("bindery tree-index 1 0 0\n".into(), "without lines"),
            (leaf(&format!("e 5 {ID} a")), "line 2: expected 'f'"),
            (leaf(&format!("f  5 {ID} a")), "line 2: expected a number"),
            (leaf(&format!("f 05 {ID} a")), "line 2: expected a number"),
            (leaf(&format!("f +5 {ID} a")), "line 2: expected a number"),
            (leaf(&format!("f 18446744073709551616 {ID} a")), "a number"),
            (leaf(&format!("f 1099511627777 {ID} a")), "the limit is"),
            (leaf(&format!("l 4096 {ID} a")), "the limit is"),
            (leaf(&format!("l 0 {ID} a")), "has no bytes"),
            (leaf(&format!("f 5 {} a", ID.to_uppercase())), "an id"),
            (
                leaf(&format!("f 5 {} a", &ID[1..])),
                "line 2: expected an id",
            ),
            (leaf(&format!("f 5 {ID}0 a")), "line 2: expected an id"),
            (leaf(&format!("f 5 {ID}")), "line 2: expected an id"),
            (leaf(&format!("f 5 {ID} ")), "name is empty"),
            (leaf(&format!("f 5 {ID} a/b")), "name has a '/'"),
            (leaf(&format!("f 5 {ID} ..")), "name is '.' or '..'"),
            (leaf(&format!("f 5 {ID} a\r")), "control character"),
            (leaf(&format!("f 6 {ID} a")), "does not count"),
            (index(&format!("f 5 {ID} a")), "line 2: expected 'n'"),
            (index(&format!("n 0 5 {ID} a")), "for nothing"),
            (index(&format!("n 1 0 {ID} a")), "for nothing"),
            (index(&format!("n 1 1048577 {ID} a")), "the limit is"),
            (leaf(&format!("f 2 {ID} b\nf 3 {ID} a")), "belong after"),
        ] {
            let message = match Node::decode(text.as_bytes()) {
                Ok(node) => format!("{node:?}"),
                Err(error) => error.to_string(),
            };
            assert!(message.contains(reason), "{text:?}: {message}");
        }
    }

    #[test]
    fn a_node_ends_at_its_limits() {
        let text = |lines: usize| {
            let mut text = format!("bindery tree 1 {lines} 0\n");
            text.extend((0..lines).map(|number| format!("f 0 {ID} {number:0255}\n")));
            text
        };
        assert!(Node::decode(text(TREE_LINES_MAX).as_bytes()).is_ok());
        assert!(Node::decode(text(TREE_LINES_MAX + 1).as_bytes()).is_err());
        assert!(Node::decode(&vec![b'x'; 1 << 21]).is_err());
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        for text in [leaf_text(), index_text()] {
            let bytes = text.as_bytes();
            for length in 0..bytes.len() {
                // A cut at the end of a line leaves canonical text; the totals or the id give it away.
                if let Ok(node) = Node::decode(&bytes[..length]) {
                    assert_eq!(node.encode(), &bytes[..length]);
                }
            }
            for bit in 0..8 * bytes.len() {
                let mut flipped = bytes.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Ok(node) = Node::decode(&flipped) {
                    assert_eq!(node.encode(), flipped, "bit {bit}");
                }
            }
        }
    }
}
