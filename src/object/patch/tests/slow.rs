//! A second applier: slow and simple, written from `docs/FORMAT.md` and sharing nothing with the codec. It holds everything
//! in memory, looks everything up from the start each time, and believes its patch.

mod bytes;
mod image;
mod leads;
mod words;

use std::collections::HashMap;
use std::io::Read;

use self::bytes::Bytes;
use self::image::{Image, Word, word};
use self::leads::Leads;
use self::words::Kind;
use crate::base::error::{Error, Result};
use crate::object::patch::Pair;

/// Start in the base, bytes of the copy, literal bytes, and where in the target.
type Piece = (usize, usize, usize, usize);
/// Offset and address.
type Load = (usize, u32);

/// Makes the targets of a patch.
pub(in crate::object) fn apply(patch: &[u8], pairs: &[Pair<'_>]) -> Result<Vec<Vec<u8>>> {
    let [version, method] = [patch[0], patch[1]];
    assert!(version == 1 || version == 2);
    let mut patch = Bytes(patch.to_vec(), 2);
    if method == 2 {
        return together(&mut patch, pairs);
    }
    if method == 3 {
        assert_eq!(version, 2);
        return surrounded(&mut patch, pairs);
    }
    assert_eq!(method, 1);
    let (mut control, mut differences, mut literals, mut distances) = if version == 1 {
        let [control, differences, literals] = streams(&mut patch, &[])?;
        (control, differences, literals, None)
    } else {
        let [control, differences, literals, rest @ ..] = streams::<8>(&mut patch, &[])?;
        (control, differences, literals, Some(Leads::new(rest)))
    };
    let mut seen = HashMap::new();
    let mut predicted = 0;
    let mut targets = Vec::new();
    for pair in pairs {
        let loads = loads(&mut control);
        let mut next = || (control.index(), control.index(), control.signed());
        let pieces = pieces(&mut next, pair.target.len());
        let image = loads.as_ref().and_then(|_| Image::of(pair.base, version));
        let mut literal = |at: usize, length: usize| match (&mut distances, &image, &loads) {
            (Some(distances), Some(image), Some(loads)) if image.is_x86_program() => {
                distances.run(&mut literals, length, &|place| address(loads, at + place))
            }
            _ => literals.take(length).to_vec(),
        };
        let mut target = make(pair.base, &pieces, &mut differences, &mut literal);
        if let Some(loads) = loads {
            predicted += 1;
            let image = image.ok_or_else(|| Error::internal("the base has no image"))?;
            predict(&image, &mut target, &pieces, &loads, (&mut seen, predicted));
        }
        targets.push(target);
    }
    assert!(distances.is_none_or(|distances| distances.is_empty()));
    Ok(targets)
}

/// The targets of a patch that has them behind their bases.
fn together(patch: &mut Bytes, pairs: &[Pair<'_>]) -> Result<Vec<Vec<u8>>> {
    let bases: Vec<&[u8]> = pairs.iter().map(|pair| pair.base).collect();
    let [mut targets] = streams(patch, &bases.concat())?;
    let lengths = pairs.iter().map(|pair| pair.target.len());
    Ok(lengths
        .map(|length| targets.take(length).to_vec())
        .collect())
}

/// The targets of a patch that has what is new in them behind what stands around it.
fn surrounded(patch: &mut Bytes, pairs: &[Pair<'_>]) -> Result<Vec<Vec<u8>>> {
    let reach = patch.index();
    let stored = [(); 4].map(|()| (patch.index(), patch.index()));
    let mut stored = stored.map(|(raw, stored)| (raw, patch.take(stored).to_vec()));
    let literals = std::mem::take(&mut stored[3]);
    let mut numbers = [Bytes::default(), Bytes::default(), Bytes::default()];
    for (stream, (raw, stored)) in numbers.iter_mut().zip(&stored) {
        *stream = expanded(*raw, stored, &[])?;
    }
    let mut told = Vec::new();
    let mut surroundings = Vec::new();
    for pair in pairs {
        let [copied, literal, distances] = &mut numbers;
        let mut next = || (copied.index(), literal.index(), distances.signed());
        let pieces = pieces(&mut next, pair.target.len());
        let mut is_near = vec![false; pair.base.len()];
        for end in pieces.iter().flat_map(|piece| [piece.0, piece.0 + piece.1]) {
            let to = is_near.len().min(end + reach);
            is_near[end.saturating_sub(reach)..to].fill(true);
        }
        let near = pair
            .base
            .iter()
            .zip(is_near)
            .filter(|(_, is_near)| *is_near);
        surroundings.extend(near.map(|(byte, _)| *byte));
        told.push(pieces);
    }
    let mut literals = expanded(literals.0, &literals.1, &surroundings)?;
    let targets = pairs.iter().zip(told).map(|(pair, pieces)| {
        let mut target = Vec::new();
        for (start, copied, literal, _) in pieces {
            target.extend_from_slice(&pair.base[start..start + copied]);
            target.extend_from_slice(literals.take(literal));
        }
        target
    });
    Ok(targets.collect())
}

/// The streams of a patch, expanded.
fn streams<const N: usize>(patch: &mut Bytes, prefix: &[u8]) -> Result<[Bytes; N]> {
    let lengths = [(); N].map(|()| (patch.index(), patch.index()));
    let mut streams = [(); N].map(|()| Bytes::default());
    for ((raw, stored), stream) in lengths.into_iter().zip(&mut streams) {
        *stream = expanded(raw, patch.take(stored), prefix)?;
    }
    assert_eq!(patch.1, patch.0.len());
    Ok(streams)
}

fn expanded(raw: usize, stored: &[u8], prefix: &[u8]) -> Result<Bytes> {
    let mut stream = Bytes::default();
    if raw > 0 {
        zstd::stream::read::Decoder::with_ref_prefix(stored, prefix)
            .and_then(|mut decoder| decoder.read_to_end(&mut stream.0))
            .map_err(|error| Error::internal(error.to_string()))?;
    }
    assert_eq!(stream.0.len(), raw);
    Ok(stream)
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

/// The pieces of a target, whose three numbers `next` gives.
fn pieces(next: &mut dyn FnMut() -> (usize, usize, i64), target_bytes: usize) -> Vec<Piece> {
    let (mut at, mut end) = (0, 0);
    let mut pieces = Vec::new();
    while at < target_bytes {
        let (copied, literal, distance) = next();
        let start = usize::try_from(end + distance).unwrap_or(usize::MAX);
        pieces.push((start, copied, literal, at));
        end = i64::try_from(start + copied).unwrap_or(0);
        at += copied + literal;
    }
    pieces
}

/// The target without regard to words: those are still what their predictions missed, and the base added.
fn make(
    base: &[u8],
    pieces: &[Piece],
    differences: &mut Bytes,
    literal: &mut dyn FnMut(usize, usize) -> Vec<u8>,
) -> Vec<u8> {
    let mut target = Vec::new();
    for (start, copied, length, at) in pieces {
        let differences = differences.take(*copied);
        let bytes = differences.iter().zip(&base[*start..]);
        target.extend(bytes.map(|(difference, old)| difference.wrapping_add(*old)));
        target.extend(literal(at + copied, *length));
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
    /// By register, the page that the target put there last.
    pages: [u32; 32],
    /// For each hash, the last key and its change.
    seen: &'s mut HashMap<u32, (u32, u32)>,
}

impl State<'_> {
    /// The key under which changes of a word are remembered, how it changes as far as is known, and how far that is off.
    fn known(&self, word: Word, old: u32, shift: u32) -> (Option<u32>, u32, u32) {
        let goal = |from: u32| from.wrapping_add(old);
        let (key, known, off) = match word {
            Word::AheadOfItself(from) => (goal(from) ^ self.salt, self.moved(goal(from)), shift),
            Word::AheadOf(from) => {
                let known = self.moved(goal(from));
                (goal(from) ^ self.salt, known, self.moved(from))
            }
            Word::Absolute => (old ^ self.salt, self.moved(old), 0),
            Word::Instruction(_, named) => (named ^ self.salt, self.moved(named), shift),
            Word::Back(from) => return (None, shift, self.moved(from.wrapping_sub(old))),
            Word::Row => return (None, self.row, 0),
            Word::Number(kind) => {
                let salt = if kind == 0 { self.salt } else { 0 };
                let key = old ^ salt ^ 0x5000_0000_u32.wrapping_add(kind << 28);
                (key, self.last[kind as usize], 0)
            }
            Word::Plain => return (None, 0, 0),
        };
        let (seen, change) = self.seen.get(&hash(key)).copied().unwrap_or_default();
        (Some(key), if seen == key { change } else { known }, off)
    }

    fn moved(&self, place: u32) -> u32 {
        moved(&self.ranges, place)
    }

    fn learn(&mut self, word: Word, key: Option<u32>, change: u32, missed: u32) {
        match word {
            Word::Number(kind) => self.last[kind as usize] = change,
            Word::Row => self.row = change,
            _ if missed == 0 => return,
            _ => {}
        }
        if let Some(key) = key {
            self.seen.insert(hash(key), (key, change));
        }
    }

    /// Learns from an instruction at `at` of the target, which was foretold to name `goal`.
    fn learn_instruction(&mut self, old: u32, new: u32, at: u32, goal: u32) -> Option<u32> {
        let register = |number: u32| number as usize;
        if words::kind(new) == Kind::Page {
            self.pages[register(words::result(new))] = words::page_of(new, at);
        }
        let is_alike = words::kind(new) == words::kind(old);
        let found = match words::kind(new) {
            Kind::Branch => words::branch_of(new, at),
            Kind::Page => words::page_of(new, at) + goal % 4096,
            Kind::Low(_) => {
                let page = self.pages[register(words::origin(new))];
                page.wrapping_add(words::low_of(new))
            }
            Kind::Other => goal,
        };
        (is_alike && found != goal).then_some(found)
    }
}

/// The memory has one cell for all keys with the same hash.
fn hash(key: u32) -> u32 {
    key.wrapping_mul(0x9e37_79b1) >> 12
}

/// Puts words where only the misses of their predictions are.
fn predict(
    base: &Image<'_>,
    target: &mut [u8],
    pieces: &[Piece],
    target_loads: &[Load],
    (seen, pair): (&mut HashMap<u32, (u32, u32)>, u32),
) {
    let load = |load: &(usize, usize, u32)| (load.0, load.2);
    let base_loads: Vec<Load> = base.loads.iter().map(load).collect();
    let mut state = State {
        ranges: ranges(&base_loads, target_loads, pieces),
        salt: pair.wrapping_mul(0x85eb_ca6b),
        last: [0; 3],
        row: 0,
        pages: [0; 32],
        seen,
    };
    let words = words::all(base);
    for (start, copied, _, at) in pieces {
        let shift = address(target_loads, *at).wrapping_sub(address(&base_loads, *start));
        let first = words.partition_point(|(place, _)| place < start);
        for (place, meaning) in &words[first..] {
            if place + 4 > start + copied {
                break;
            }
            let old = word(base.file, *place);
            let (key, by, off) = state.known(*meaning, old, shift);
            let bytes = &mut target[place - start + at..][..4];
            let missed = word(bytes, 0);
            // Bytes of the base were added one by one.
            let missed = missed.to_le_bytes().map(u32::from);
            let old_bytes = old.to_le_bytes().map(u32::from);
            let missed = (0..4).fold(0, |sum, n| {
                sum | (missed[n].wrapping_sub(old_bytes[n]) & 0xff) << (8 * n)
            });
            let half = missed >> 1 ^ (missed & 1).wrapping_neg();
            let foretold = match *meaning {
                Word::Instruction(from, named) => {
                    words::naming(old, from.wrapping_add(off), named.wrapping_add(by))
                }
                _ => old.wrapping_add(by).wrapping_sub(off),
            };
            let new = foretold.wrapping_add(half);
            bytes.copy_from_slice(&new.to_le_bytes());
            if let Word::Instruction(from, named) = *meaning {
                let goal = named.wrapping_add(by);
                let found = state.learn_instruction(old, new, from.wrapping_add(off), goal);
                if let (Some(found), Some(key)) = (found.filter(|_| half != 0), key) {
                    let change = found.wrapping_sub(named);
                    state.seen.insert(hash(key), (key, change));
                }
            } else {
                let change = new.wrapping_sub(old).wrapping_add(off);
                state.learn(*meaning, key, change, missed);
            }
        }
    }
}
