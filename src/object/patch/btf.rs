//! BTF: the type information of kernels and their modules, whose types and names refer to each other by number.
//!
//! Documentation/bpf/btf.rst of the Linux kernel describes it. Linkers number types and place names anew each time, and
//! so nearly every word of it changes from one version of a module to the next.
//!
//! # Invariants
//!
//! - Every word that is found lies inside the section. What cannot be read ends the walk, and the rest has no words.
//!
//! # Not here
//!
//! What becomes of the numbers (`predict`).

/// The first bytes: magic, version 1, no flags, and a header of 24 bytes.
const START: [u8; 8] = [0x9f, 0xeb, 1, 0, 24, 0, 0, 0];
/// Length of the header.
const HEADER_BYTES: usize = 24;
/// Name, kind and count, size or type.
const TYPE_BYTES: usize = 12;
/// Bytes of a word.
const WORD_BYTES: usize = 4;

/// What a word refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// A name, by its place among the names.
    Name,
    /// A type, by its number.
    Type,
}

use Reference::{Name, Type};

/// Calls `found` with the place of every reference in `section`, ascending, if that is BTF.
pub(super) fn references(section: &[u8], found: &mut dyn FnMut(usize, Reference)) {
    if !section.starts_with(&START) {
        return;
    }
    let Some((start, bytes)) = word(section, 8).zip(word(section, 12)) else {
        return;
    };
    let start = HEADER_BYTES.saturating_add(start);
    let end = start.saturating_add(bytes).min(section.len());
    let mut at = start;
    while at + TYPE_BYTES <= end {
        let Some(info) = word(section, at + WORD_BYTES) else {
            return;
        };
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        let Some((is_type, row, rows)) = layout(kind, count) else {
            return;
        };
        let behind = at + TYPE_BYTES;
        if behind + rows * row.len() * WORD_BYTES > end {
            return;
        }
        found(at, Name);
        if is_type {
            found(at + 2 * WORD_BYTES, Type);
        }
        at = behind;
        for _ in 0..rows {
            for (number, reference) in row.iter().enumerate() {
                if let Some(reference) = reference {
                    found(at + number * WORD_BYTES, *reference);
                }
            }
            at += row.len() * WORD_BYTES;
        }
    }
}

/// Of a kind of type: whether its third word refers to a type, the words of a row behind it, and the rows.
fn layout(kind: usize, count: usize) -> Option<(bool, &'static [Option<Reference>], usize)> {
    Some(match kind {
        // Forward, float.
        7 | 16 => (false, &[], 0),
        // Integer.
        1 => (false, &[None], 1),
        // Pointer, typedef, volatile, const, restrict, function, type tag.
        2 | 8..=12 | 18 => (true, &[], 0),
        // Array.
        3 => (false, &[Some(Type), Some(Type), None], 1),
        // Structure, union.
        4 | 5 => (false, &[Some(Name), Some(Type), None], count),
        // Enumeration.
        6 => (false, &[Some(Name), None], count),
        // Prototype of a function.
        13 => (true, &[Some(Name), Some(Type)], count),
        // Variable, declaration tag.
        14 | 17 => (true, &[None], 1),
        // Section of data.
        15 => (false, &[Some(Type), None, None], count),
        // Enumeration of 64 bits.
        19 => (false, &[Some(Name), None, None], count),
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..)?.first_chunk().copied()?;
    usize::try_from(u32::from_le_bytes(word)).ok()
}
