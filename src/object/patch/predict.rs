//! Predicting: what the words of code become when its parts move.
//!
//! When code moves, the distance to another place changes by how far that moved minus how far it moved itself. Where the
//! parts went is known from the segments, before any byte of the target is: so encoder and applier make the same
//! prediction, and only what it misses is stored. Courgette (Adams, 2009) and Zucchini (Huang, 2018) do this for Chromium
//! by disassembling both files; here the copies stand in for their labels. What a missed prediction reveals about a place
//! is remembered for the next word that names it.
//!
//! # Invariants
//!
//! - A prediction depends on base, segments and the words before it: nothing else.
//!
//! # Not here
//!
//! Where the words are and what they hold (`code`), how what is missed is stored (`encode`, `apply`).

use std::ops::Range;

use super::arm64::{Instruction, Naming, PAGE_MASK, REGISTERS};
use super::code::{CODE_WORD_BYTES, Code, Cursor, Meaning, Moves as MovesWith, Numbering};
use super::elf::{Load, address};
use super::moved::Moves;
use super::segment::Segment;

/// Places and numbers that are remembered, as a power of two: of more, some are forgotten.
const MEMORY_LOG: u32 = 20;
/// Bytes that a [`Memory`] takes.
pub(super) const MEMORY_BYTES: u64 = 9 << MEMORY_LOG;
/// Numberings that are told apart.
const NUMBERINGS: usize = Numbering::Types as usize + 1;
/// Multiplier of the hash, as in `index`.
const MULTIPLIER: u32 = 0x9e37_79b1;
/// Keeps the places of one pair from being taken for those of another.
const SALT: u32 = 0x85eb_ca6b;
/// Keeps numbers of different kinds apart from places and from each other.
const NUMBER_SALT: u32 = 0x5000_0000;

/// What was seen to move, in all pairs of a group.
#[derive(Debug)]
pub(super) struct Memory {
    seen: Vec<Seen>,
    /// A bit for each cell that has something: most have not, and this is small enough to lie near the core.
    filled: Vec<u64>,
    pairs: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    key: u32,
    by: u32,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            seen: vec![Seen::default(); 1 << MEMORY_LOG],
            filled: vec![0; (1 << MEMORY_LOG) / u64::BITS as usize],
            pairs: 0,
        }
    }

    /// What a key has in its cell, unless something else lies there. An empty cell has the key 0.
    #[inline]
    fn get(&self, key: u32) -> Option<Seen> {
        let cell = Self::cell(key);
        let is_filled = self.filled[cell / 64] >> (cell % 64) & 1 == 1;
        if !is_filled && key != 0 {
            return None;
        }
        let seen = self.seen[cell];
        (seen.key == key).then_some(seen)
    }

    #[inline]
    fn put(&mut self, seen: Seen) {
        let cell = Self::cell(seen.key);
        self.filled[cell / 64] |= 1 << (cell % 64);
        self.seen[cell] = seen;
    }

    #[inline]
    fn cell(key: u32) -> usize {
        (key.wrapping_mul(MULTIPLIER) >> (u32::BITS - MEMORY_LOG)) as usize
    }
}

/// Predicts for one pair.
#[derive(Debug)]
pub(super) struct Predictor<'a> {
    code: &'a Code<'a>,
    target: &'a [Load],
    moves: Moves,
    memory: &'a mut Memory,
    salt: u32,
    cursor: Cursor,
    /// By how much the last number of each kind changed.
    last: [u32; NUMBERINGS],
    /// By how much the last row changed.
    row: u32,
    /// A place from which words count, mostly the same for many, and by how much it moves.
    place: (u32, u32),
    /// The range that was looked up last, and by how much it moves.
    recent: (Range<u32>, u32),
    /// By register, the page that the target put there last.
    pages: [u32; REGISTERS],
}

/// Words that are looked at together.
const AHEAD_WORDS: usize = 16;

/// A word of the base for which there is to be a prediction.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    place: usize,
    word: u32,
    meaning: Meaning,
    /// What it is remembered by.
    key: u32,
}

/// A prediction, to be compared with what is there.
#[derive(Clone, Copy, Debug)]
struct Prediction {
    word: u32,
    /// What the base has.
    old: u32,
    /// Where an instruction is in the target.
    from: u32,
    meaning: Meaning,
    key: u32,
    by: u32,
}

impl<'a> Predictor<'a> {
    /// Predicts for a target that is loaded as `target` says and made of `segments`.
    pub(super) fn new(
        code: &'a Code<'a>,
        target: &'a [Load],
        segments: &[Segment],
        memory: &'a mut Memory,
    ) -> Self {
        memory.pairs = memory.pairs.wrapping_add(1);
        let moves = Moves::new(&code.image().loads, target, segments);
        Self {
            code,
            target,
            salt: memory.pairs.wrapping_mul(SALT),
            memory,
            cursor: Cursor::default(),
            last: [0; NUMBERINGS],
            row: 0,
            place: (0, moves.by(0)),
            recent: (0..0, 0),
            pages: [0; REGISTERS],
            moves,
        }
    }

    /// By how much a copy moves in memory, from a place in the base to one in the target.
    pub(super) fn shift(&self, base_start: usize, target_start: usize) -> u32 {
        let from = address(&self.code.image().loads, base_start);
        address(self.target, target_start).wrapping_sub(from)
    }

    /// Predicts every word that lies whole in `copy`, a part of the base that moves by `shift`. `word` gets the place of
    /// each and the prediction, and answers what the target has instead.
    #[inline]
    pub(super) fn each(
        &mut self,
        copy: Range<usize>,
        shift: u32,
        word: &mut impl FnMut(usize, u32) -> u32,
    ) {
        let mut ahead = [None; AHEAD_WORDS];
        let mut next = copy.start;
        loop {
            let mut count = 0;
            while count < AHEAD_WORDS
                && let Some(place) = self.code.next(next, copy.end)
            {
                next = place + CODE_WORD_BYTES;
                if next > copy.end {
                    break;
                }
                ahead[count] = Some(self.look_at(place));
                count += 1;
            }
            for at in ahead[..count].iter().flatten() {
                let prediction = self.predict(at, shift);
                let found = word(at.place, prediction.word);
                self.learn(prediction, found);
            }
            if count < AHEAD_WORDS {
                return;
            }
        }
    }

    /// Looks at a word, and at what is remembered of it: mostly that is not near the core, and the next words wait for
    /// theirs at the same time.
    #[inline]
    fn look_at(&mut self, place: usize) -> Ahead {
        let word = self.code.word(place);
        let meaning = self.code.meaning(place, &mut self.cursor);
        let key = match meaning {
            Meaning::Ahead { from, .. } => from.wrapping_add(word) ^ self.salt,
            Meaning::Number(numbering) => {
                let salt = match numbering {
                    Numbering::Symbols => self.salt,
                    Numbering::Names | Numbering::Types => 0,
                };
                word ^ salt ^ NUMBER_SALT.wrapping_add((numbering as u32) << 28)
            }
            Meaning::Instruction { named, .. } => named ^ self.salt,
            Meaning::Back { .. } | Meaning::Row | Meaning::Plain => 0,
        };
        std::hint::black_box(self.memory.get(key));
        Ahead {
            place,
            word,
            meaning,
            key,
        }
    }

    #[inline]
    fn predict(&mut self, ahead: &Ahead, shift: u32) -> Prediction {
        let Ahead {
            word, meaning, key, ..
        } = *ahead;
        if let Meaning::Instruction { from, named } = meaning {
            let by = match self.recall(key) {
                Some(by) => by,
                None => self.moves_by(named),
            };
            let from = from.wrapping_add(shift);
            return Prediction {
                word: Instruction(word).with(from, named.wrapping_add(by)),
                old: word,
                from,
                meaning,
                key,
                by,
            };
        }
        let (by, shift) = match meaning {
            Meaning::Ahead { from, moves } => {
                let shift = match moves {
                    MovesWith::WithCopy => shift,
                    MovesWith::WithPlace => self.place_moves_by(from),
                    MovesWith::Not => 0,
                };
                let by = match self.recall(key) {
                    Some(by) => by,
                    None => self.moves_by(from.wrapping_add(word)),
                };
                (by, shift)
            }
            Meaning::Back { from } => (shift, self.moves_by(from.wrapping_sub(word))),
            Meaning::Row => (self.row, 0),
            Meaning::Number(numbering) => {
                let by = self.recall(key);
                (by.unwrap_or(self.last[numbering as usize]), 0)
            }
            Meaning::Instruction { .. } | Meaning::Plain => (0, 0),
        };
        Prediction {
            word: word.wrapping_add(by).wrapping_sub(shift),
            old: word,
            from: 0,
            meaning,
            key,
            by,
        }
    }

    /// Neighbours name neighbours, so most places are in the range of the place before.
    #[inline]
    fn moves_by(&mut self, place: u32) -> u32 {
        if !self.recent.0.contains(&place) {
            self.recent = self.moves.range(place);
        }
        self.recent.1
    }

    #[inline]
    fn place_moves_by(&mut self, place: u32) -> u32 {
        if self.place.0 != place {
            self.place = (place, self.moves.by(place));
        }
        self.place.1
    }

    #[inline]
    fn recall(&self, key: u32) -> Option<u32> {
        self.memory.get(key).map(|seen| seen.by)
    }

    /// Remembers what the word has become.
    #[inline]
    fn learn(&mut self, prediction: Prediction, word: u32) {
        let Prediction { key, meaning, .. } = prediction;
        let by = prediction
            .by
            .wrapping_add(word)
            .wrapping_sub(prediction.word);
        match meaning {
            // What the moves say need not be remembered.
            Meaning::Ahead { .. } if word != prediction.word => {
                self.memory.put(Seen { key, by });
            }
            Meaning::Number(numbering) => {
                self.memory.put(Seen { key, by });
                self.last[numbering as usize] = by;
            }
            Meaning::Row => self.row = by,
            Meaning::Instruction { named, .. } => self.learn_instruction(prediction, named, word),
            Meaning::Ahead { .. } | Meaning::Back { .. } | Meaning::Plain => {}
        }
    }

    /// Remembers where the place went that an instruction named, if it still names one in the same way.
    #[inline]
    fn learn_instruction(&mut self, prediction: Prediction, named: u32, word: u32) {
        let Prediction { from, key, by, .. } = prediction;
        let instruction = Instruction(word);
        let naming = instruction.naming();
        if naming == Naming::Page {
            self.pages[instruction.result()] = instruction.named(from, 0);
        }
        if word == prediction.word || naming != Instruction(prediction.old).naming() {
            return;
        }
        let foretold = named.wrapping_add(by);
        let found = match naming {
            Naming::Branch => instruction.named(from, 0),
            // Its low bits are seen in the next instruction that uses it.
            Naming::Page => instruction.named(from, 0) | foretold & PAGE_MASK,
            Naming::Low(_) => instruction.named(from, self.pages[instruction.origin()]),
            Naming::None => return,
        };
        if found != foretold {
            let by = found.wrapping_sub(named);
            self.memory.put(Seen { key, by });
        }
    }
}

/// Spells a small difference of either sign as a small number.
pub(super) const fn fold(difference: u32) -> u32 {
    difference << 1 ^ (difference.cast_signed() >> 31).cast_unsigned()
}

/// The difference that [`fold`] spelt.
pub(super) const fn unfold(number: u32) -> u32 {
    number >> 1 ^ (number & 1).wrapping_neg()
}
