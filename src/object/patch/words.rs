//! Streams of words, four bytes each, the highest first: one after another, or in blocks with the highest bytes of all words
//! first, then the next lower ones.
//!
//! # Invariants
//!
//! - Every block but the last is full, so a stream has one spelling.
//!
//! # Not here
//!
//! What the words are (`leads`).

use super::stream::{Stream, malformed};
use crate::base::error::Result;

/// Bytes of a word.
const WORD_BYTES: usize = 4;
/// Words of a block.
const BLOCK_WORDS: usize = 16 << 10;

/// How the bytes of words stand in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Word after word: for words that occur again.
    Rows,
    /// Byte after byte: for words whose highest bytes alone are alike.
    Planes,
}

/// A stream of words that is made.
#[derive(Debug)]
pub(super) struct WordWriter {
    layout: Layout,
    bytes: Vec<u8>,
    block: Vec<[u8; WORD_BYTES]>,
}

impl WordWriter {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            bytes: Vec::new(),
            block: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, word: u32) {
        self.block.push(word.to_be_bytes());
        if self.block.len() == BLOCK_WORDS {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        match self.layout {
            Layout::Rows => self.bytes.extend_from_slice(self.block.as_flattened()),
            Layout::Planes => {
                for plane in 0..WORD_BYTES {
                    self.bytes.extend(self.block.iter().map(|word| word[plane]));
                }
            }
        }
        self.block.clear();
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.end_block();
        self.bytes
    }
}

/// A stream of words that is read.
pub(super) struct WordReader<'a> {
    layout: Layout,
    stream: Stream<'a>,
    /// The block that is read: its bytes, its words, and how many of these were taken.
    block: Vec<u8>,
    words: usize,
    taken: usize,
    /// Words of the blocks behind it.
    left: usize,
}

impl<'a> WordReader<'a> {
    /// # Errors
    ///
    /// [`Malformed`](crate::base::error::Error::Malformed) if its last word is not whole.
    pub(super) fn new(layout: Layout, stream: Stream<'a>) -> Result<Self> {
        let bytes = stream.left();
        if !bytes.is_multiple_of(WORD_BYTES) {
            return Err(malformed("a stream of words ends within one"));
        }
        Ok(Self {
            layout,
            stream,
            block: Vec::new(),
            words: 0,
            taken: 0,
            left: bytes / WORD_BYTES,
        })
    }

    /// Takes the next word.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::base::error::Error::Malformed) if there is none, or what is stored is damaged.
    #[inline]
    pub(super) fn take(&mut self) -> Result<u32> {
        if self.taken == self.words {
            self.read_block()?;
        }
        let (first, step) = match self.layout {
            Layout::Rows => (self.taken * WORD_BYTES, 1),
            Layout::Planes => (self.taken, self.words),
        };
        let word = (0..WORD_BYTES).fold(0, |word, byte| {
            word << 8 | u32::from(self.block[first + byte * step])
        });
        self.taken += 1;
        Ok(word)
    }

    fn read_block(&mut self) -> Result<()> {
        self.words = self.left.min(BLOCK_WORDS);
        self.taken = 0;
        self.left -= self.words;
        if self.words == 0 {
            return Err(malformed("a stream of words is too short"));
        }
        self.block.resize(self.words * WORD_BYTES, 0);
        self.stream.read(&mut self.block)
    }

    /// Checks that every word has been taken.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::base::error::Error::Malformed) if some are left.
    pub(super) fn finish(self) -> Result<()> {
        if self.taken != self.words {
            return Err(malformed("there are more words than the targets need"));
        }
        self.stream.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::patch::stream::{open_all, push_all};

    fn read(bytes: &[u8], layout: Layout, count: usize) -> Result<Vec<u32>> {
        let mut stored = Vec::new();
        push_all(&mut stored, &[bytes.to_vec()], &[], 1)?;
        let [stream] = open_all(&stored, &[], [1 << 20])?;
        let mut reader = WordReader::new(layout, stream)?;
        let words = (0..count).map(|_| reader.take()).collect::<Result<_>>()?;
        reader.finish()?;
        Ok(words)
    }

    fn written(words: &[u32], layout: Layout) -> Vec<u8> {
        let mut writer = WordWriter::new(layout);
        for word in words {
            writer.push(*word);
        }
        writer.finish()
    }

    #[test]
    fn words_come_back_in_either_layout() -> Result<()> {
        for count in [
            0,
            1,
            2,
            BLOCK_WORDS - 1,
            BLOCK_WORDS,
            BLOCK_WORDS + 1,
            3 * BLOCK_WORDS,
        ] {
            let numbers = 0..u32::try_from(count).unwrap_or(0);
            let words: Vec<u32> = numbers.map(|n| n.wrapping_mul(0x9e37_79b1)).collect();
            for layout in [Layout::Rows, Layout::Planes] {
                let bytes = written(&words, layout);
                assert_eq!(bytes.len(), 4 * count);
                assert_eq!(read(&bytes, layout, count)?, words);
                assert!(read(&bytes, layout, count + 1).is_err(), "one word too few");
                let more = [&bytes[..], &[0; 4]].concat();
                assert!(read(&more, layout, count).is_err(), "one word too many");
                let more = [&bytes[..], &[0]].concat();
                assert!(read(&more, layout, count).is_err(), "a byte too many");
            }
        }
        Ok(())
    }

    #[test]
    fn layouts_differ_by_the_order_of_bytes() {
        let words = [0x0102_0304, 0x1112_1314];
        assert_eq!(
            written(&words, Layout::Rows),
            [1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14]
        );
        assert_eq!(
            written(&words, Layout::Planes),
            [1, 0x11, 2, 0x12, 3, 0x13, 4, 0x14]
        );
    }
}
