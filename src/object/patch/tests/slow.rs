//! A second applier: slow and simple, written from `docs/FORMAT.md`. It holds everything in memory, looks everything up
//! from the start each time, and believes its patch. Only what the words of a base mean comes from the codec.

use std::collections::HashMap;

use crate::base::error::{Error, Result};
use crate::object::patch::Pair;
use crate::object::patch::code::{Code, Cursor, Meaning, Moves, Numbering};

/// Bytes that are read from their start.
struct Bytes(Vec<u8>, usize);

impl Bytes {
    fn take(&mut self, count: usize) -> &[u8] {
        self.1 += count;
        &self.0[self.1 - count..self.1]
    }

    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn index(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }

    fn signed(&mut self) -> i64 {
        let number = self.number().cast_signed();
        if number & 1 == 1 {
            -(number / 2) - 1
        } else {
            number / 2
        }
    }
}

/// Start in the base, bytes of the copy, literal bytes, and where in the target.
type Piece = (usize, usize, usize, usize);
/// Offset and address.
type Load = (usize, u32);

/// Makes the targets of a patch of differences.
pub(super) fn apply(patch: &[u8], pairs: &[Pair<'_>]) -> Result<Vec<Vec<u8>>> {
    assert_eq!(patch[..2], [1, 1]);
    let mut patch = Bytes(patch.to_vec(), 2);
    let lengths = [(); 3].map(|()| (patch.index(), patch.index()));
    let mut streams = Vec::new();
    for (raw, stored) in lengths {
        let stored = patch.take(stored);
        let expanded = match raw {
            0 => Vec::new(),
            _ => zstd::bulk::decompress(stored, raw)
                .map_err(|error| Error::internal(error.to_string()))?,
        };
        assert_eq!(expanded.len(), raw);
        streams.push(Bytes(expanded, 0));
    }
    let mut seen = HashMap::new();
    let mut predicted = 0;
    pairs
        .iter()
        .map(|pair| {
            let loads = loads(&mut streams[0]);
            let pieces = pieces(&mut streams[0], pair.target.len());
            let mut target = make(pair.base, &pieces, &mut streams);
            if let Some(loads) = loads {
                predicted += 1;
                predict(
                    pair.base,
                    &mut target,
                    &pieces,
                    &loads,
                    (&mut seen, predicted),
                )?;
            }
            Ok(target)
        })
        .collect()
}

fn loads(control: &mut Bytes) -> Option<Vec<Load>> {
    let count = control.number().checked_sub(1)?;
    Some(
        (0..count)
            .map(|_| {
                let (offset, _, address) = (control.index(), control.index(), control.index());
                (offset, u32::try_from(address).unwrap_or(0))
            })
            .collect(),
    )
}

fn pieces(control: &mut Bytes, target_bytes: usize) -> Vec<Piece> {
    let (mut at, mut end) = (0, 0);
    let mut pieces = Vec::new();
    while at < target_bytes {
        let (copied, literal) = (control.index(), control.index());
        let start = usize::try_from(end + control.signed()).unwrap_or(usize::MAX);
        pieces.push((start, copied, literal, at));
        end = i64::try_from(start + copied).unwrap_or(0);
        at += copied + literal;
    }
    pieces
}

/// The target without regard to words: those are still what their predictions missed, and the base added.
fn make(base: &[u8], pieces: &[Piece], streams: &mut [Bytes]) -> Vec<u8> {
    let mut target = Vec::new();
    for (start, copied, literal, _) in pieces {
        let differences = streams[1].take(*copied);
        let bytes = differences.iter().zip(&base[*start..]);
        target.extend(bytes.map(|(difference, old)| difference.wrapping_add(*old)));
        target.extend_from_slice(streams[2].take(*literal));
    }
    target
}

fn address(loads: &[Load], offset: usize) -> u32 {
    let low = |number: usize| u32::try_from(number).unwrap_or(0);
    let load = loads.iter().rfind(|(start, _)| *start <= offset);
    load.map_or(low(offset), |(start, address)| {
        address.wrapping_add(low(offset - start))
    })
}

/// By how much a place moves: as the last range that starts before it.
fn moved(ranges: &[(u32, u32)], place: u32) -> u32 {
    let range = ranges.iter().rfind(|(start, _)| *start <= place);
    range.or(ranges.first()).map_or(0, |(_, by)| *by)
}

fn ranges(base: &[Load], target: &[Load], pieces: &[Piece]) -> Vec<(u32, u32)> {
    let mut copies: Vec<(u32, u32, u32)> = pieces
        .iter()
        .filter(|piece| piece.1 > 0)
        .map(|(start, copied, _, at)| {
            let from = address(base, *start);
            let copied = u32::try_from(*copied).unwrap_or(0);
            (from, copied, address(target, *at).wrapping_sub(from))
        })
        .collect();
    copies.sort_unstable();
    let (mut ranges, mut end) = (Vec::new(), 0);
    for (start, copied, by) in copies {
        if start + copied > end {
            ranges.push((start.max(end), by));
            end = start + copied;
        }
    }
    ranges
}

/// What predictions for one target depend on.
struct State<'s> {
    ranges: Vec<(u32, u32)>,
    salt: u32,
    last: [u32; 3],
    row: u32,
    /// For each hash, the last key and its change.
    seen: &'s mut HashMap<u32, (u32, u32)>,
}

impl State<'_> {
    /// The key under which changes of a word are remembered, how it changes as far as is known, and how far that is off.
    fn known(&self, meaning: Meaning, old: u32, shift: u32) -> (Option<u32>, u32, u32) {
        let (key, known, off) = match meaning {
            Meaning::Ahead { from, moves } => {
                let goal = from.wrapping_add(old);
                let off = match moves {
                    Moves::WithCopy => shift,
                    Moves::WithPlace => moved(&self.ranges, from),
                    Moves::Not => 0,
                };
                (Some(goal ^ self.salt), moved(&self.ranges, goal), off)
            }
            Meaning::Back { from } => {
                return (None, shift, moved(&self.ranges, from.wrapping_sub(old)));
            }
            Meaning::Row => return (None, self.row, 0),
            Meaning::Number(kind) => {
                let is_own = kind == Numbering::Symbols;
                let salt = if is_own { self.salt } else { 0 };
                let kind = kind as u32;
                let key = old ^ salt ^ 0x5000_0000_u32.wrapping_add(kind << 28);
                (Some(key), self.last[kind as usize], 0)
            }
            Meaning::Plain => return (None, 0, 0),
        };
        let cell = key.and_then(|key| self.seen.get(&hash(key)));
        let (seen, change) = cell.copied().unwrap_or_default();
        (key, if Some(seen) == key { change } else { known }, off)
    }

    fn learn(&mut self, meaning: Meaning, key: Option<u32>, change: u32, missed: u32) {
        match meaning {
            Meaning::Number(kind) => self.last[kind as usize] = change,
            Meaning::Row => self.row = change,
            _ if missed == 0 => return,
            _ => {}
        }
        if let Some(key) = key {
            self.seen.insert(hash(key), (key, change));
        }
    }
}

/// The memory has one cell for all keys with the same hash.
fn hash(key: u32) -> u32 {
    key.wrapping_mul(0x9e37_79b1) >> 12
}

/// Puts words where only the misses of their predictions are.
fn predict(
    base: &[u8],
    target: &mut [u8],
    pieces: &[Piece],
    target_loads: &[Load],
    (seen, pair): (&mut HashMap<u32, (u32, u32)>, u32),
) -> Result<()> {
    let code = Code::of(base).ok_or_else(|| Error::internal("no code"))?;
    let load = |load: &super::super::elf::Load| (load.offset as usize, load.address);
    let base_loads: Vec<Load> = code.image().loads.iter().map(load).collect();
    let mut state = State {
        ranges: ranges(&base_loads, target_loads, pieces),
        salt: pair.wrapping_mul(0x85eb_ca6b),
        last: [0; 3],
        row: 0,
        seen,
    };
    for (start, copied, _, at) in pieces {
        let shift = address(target_loads, *at).wrapping_sub(address(&base_loads, *start));
        let mut place = *start;
        while let Some(found) = code.next(place, start + copied) {
            place = found + 4;
            if place > start + copied {
                break;
            }
            let old = code.word(found);
            let meaning = code.meaning(found, &mut Cursor::default());
            let (key, known, off) = state.known(meaning, old, shift);
            let bytes = &mut target[found - start + at..][..4];
            let differences = bytes.iter().zip(&base[found..]);
            let missed: Vec<u8> = differences
                .map(|(new, old)| new.wrapping_sub(*old))
                .collect();
            let missed = u32::from_le_bytes([missed[0], missed[1], missed[2], missed[3]]);
            let half = missed >> 1 ^ (missed & 1).wrapping_neg();
            let word = old.wrapping_add(known).wrapping_sub(off).wrapping_add(half);
            bytes.copy_from_slice(&word.to_le_bytes());
            state.learn(
                meaning,
                key,
                word.wrapping_sub(old).wrapping_add(off),
                missed,
            );
        }
    }
    Ok(())
}
