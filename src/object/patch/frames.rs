//! Frames: the tables by which programs unwind their stack (`.eh_frame`), which name every function by distance.
//!
//! Linux Standard Base, "Exception Frames": records of a length and an id; the id of a common record is 0, that of
//! others the distance back to theirs. Behind it stands the distance to the function, its length, and four bytes that
//! are the distance to its exception tables, if it has any.
//!
//! # Invariants
//!
//! - Every word that is found lies inside the section. What cannot be read ends the walk, and the rest has no words.
//!
//! # Not here
//!
//! What becomes of the distances (`predict`).

/// Bytes of a word.
const WORD_BYTES: usize = 4;
/// Length, id, distance to the function, its length, and the length of what follows.
const RECORD_BYTES_MIN: usize = 4 * WORD_BYTES + 1;

/// What a word of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Distance {
    /// The distance back to the common record.
    Back,
    /// The distance to a function or its exception tables.
    Ahead,
}

/// Calls `found` with the place of every distance in `section`, ascending.
pub(super) fn distances(section: &[u8], found: &mut dyn FnMut(usize, Distance)) {
    let mut at = 0;
    while let Some((length, id)) = word(section, at).zip(word(section, at + WORD_BYTES)) {
        let end = at
            .saturating_add(WORD_BYTES)
            .saturating_add(length as usize);
        if end < at + RECORD_BYTES_MIN || end > section.len() {
            return;
        }
        if id != 0 {
            found(at + WORD_BYTES, Distance::Back);
            found(at + 2 * WORD_BYTES, Distance::Ahead);
            let rest = at + RECORD_BYTES_MIN;
            if usize::from(section[rest - 1]) == WORD_BYTES && rest + WORD_BYTES <= end {
                found(rest, Distance::Ahead);
            }
        }
        at = end;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}
