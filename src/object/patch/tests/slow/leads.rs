//! Literals with distances taken out, as `docs/FORMAT.md` describes them.

use super::bytes::Bytes;

/// Reads flags, each with one of 1,024 contexts.
struct Flags {
    bytes: Bytes,
    chances: [u64; 1024],
    range: u64,
    code: Option<u64>,
}

impl Flags {
    fn next(&mut self, context: usize) -> bool {
        let mut code = self.code.unwrap_or_else(|| {
            let start = self.bytes.take(5);
            assert_eq!(start[0], 0);
            start
                .iter()
                .fold(0, |code, byte| code * 256 + u64::from(*byte))
        });
        let chance = &mut self.chances[context];
        let bound = self.range / 2048 * *chance;
        let flag = code >= bound;
        if flag {
            code -= bound;
            self.range -= bound;
            *chance -= *chance / 16;
        } else {
            self.range = bound;
            *chance += (2048 - *chance) / 16;
        }
        while self.range < 1 << 24 {
            self.range *= 256;
            code = code * 256 + u64::from(self.bytes.take(1)[0]);
        }
        self.code = Some(code);
        flag
    }
}

/// The streams behind that of literals.
pub(super) struct Leads {
    flags: Flags,
    /// Calls, jumps, conditional jumps and operands, the last one first.
    words: [Vec<u32>; 4],
}

/// Words that stand one after another.
fn rows(bytes: &[u8]) -> Vec<u32> {
    let number = |word: &[u8]| {
        word.iter()
            .fold(0, |all, byte| all * 256 + u32::from(*byte))
    };
    bytes.chunks(4).map(number).collect()
}

/// Words of blocks, by their bytes.
fn planes(bytes: &[u8]) -> Vec<u32> {
    let mut words = Vec::new();
    for block in bytes.chunks(4 * 16_384) {
        let count = block.len() / 4;
        for number in 0..count {
            words.extend(rows(
                &[0, 1, 2, 3].map(|plane| block[plane * count + number]),
            ));
        }
    }
    words
}

impl Leads {
    pub(super) fn new(streams: [Bytes; 5]) -> Self {
        let [flags, calls, jumps, conditionals, operands] = streams;
        let mut words = [
            rows(&calls.0),
            planes(&jumps.0),
            planes(&conditionals.0),
            rows(&operands.0),
        ];
        for words in &mut words {
            words.reverse();
        }
        Self {
            flags: Flags {
                bytes: flags,
                chances: [1024; 1024],
                range: 0xffff_ffff,
                code: None,
            },
            words,
        }
    }

    /// A run of `length` bytes; `address` gives that of a place of the run.
    pub(super) fn run(
        &mut self,
        literals: &mut Bytes,
        length: usize,
        address: &dyn Fn(usize) -> u32,
    ) -> Vec<u8> {
        let mut run = Vec::new();
        while run.len() < length {
            let before = run.last().map_or(0, |byte| usize::from(*byte));
            let byte = literals.take(1)[0];
            run.push(byte);
            let next = if run.len() < length {
                literals.0.get(literals.1)
            } else {
                None
            };
            let (kind, context, escaped) = match byte {
                0xe8 => (0, before, 0),
                0xe9 => (1, 256 + before, 0),
                0x0f if next.is_some_and(|next| next >> 4 == 8) => (2, 512, 1),
                _ if byte & 0xc7 == 0x05 => (3, 768 + before, 0),
                _ => continue,
            };
            if run.len() + escaped + 4 > length || !self.flags.next(context) {
                continue;
            }
            run.extend_from_slice(literals.take(escaped));
            let word = self.words[kind].pop().unwrap_or(0);
            let distance = match kind {
                0 | 3 => word.wrapping_sub(address(run.len() + 4)),
                _ if word.is_multiple_of(2) => word / 2,
                _ => (word / 2).wrapping_neg().wrapping_sub(1),
            };
            run.extend_from_slice(&distance.to_le_bytes());
        }
        run
    }

    /// Everything was read.
    pub(super) fn is_empty(&self) -> bool {
        let flags = &self.flags.bytes;
        self.words.iter().all(Vec::is_empty)
            && flags.1 == flags.0.len()
            && self.flags.code.unwrap_or(0) == 0
    }
}
