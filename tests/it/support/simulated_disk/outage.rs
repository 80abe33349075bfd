//! An outage: power is lost, and the disk keeps what it likes of what is in flight.
//!
//! What was synced stays. Of the rest, each name may or may not be there, independently of all others and of the bytes of
//! its file, but for a rename within a folder, which is kept or not; each write may be there, be missing, be cut short, or
//! have lengthened its file with zeros, whatever became of the writes before and after it. So a file may have its new name
//! and its length, and nothing but zeros.

use super::image::{Change, Image};
use super::next_random;

/// Bytes that a disk writes at once.
const SECTOR_BYTES: usize = 512;

/// What of the things in flight an outage keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: only what was synced.
    Synced,
    /// Everything.
    All,
    /// Everything, but of the last write only a first part; this number chooses how much.
    Torn(u64),
    /// All names and lengths, and zeros in place of all bytes: what was not synced before a rename.
    Zeroed,
    /// Each thing or not, or a part of it, chosen by this number.
    Some(u64),
}

/// What becomes of one write.
#[derive(Clone, Copy)]
enum Fate {
    Whole,
    Missing,
    Cut(u64),
    Zeros,
}

/// What an outage leaves of `durable` and what is `in_flight`.
pub fn outage(durable: &Image, in_flight: &[Change], kept: Kept) -> Image {
    let mut image = durable.clone();
    let is_write = |change: &Change| matches!(change, Change::Write { .. });
    let last_write = in_flight.iter().rposition(is_write);
    let mut random = match kept {
        Kept::Some(seed) => seed,
        _ => 0,
    };
    for (at, change) in in_flight.iter().enumerate() {
        let fate = match kept {
            Kept::Synced => Fate::Missing,
            Kept::Torn(cut) if Some(at) == last_write => Fate::Cut(cut),
            Kept::All | Kept::Torn(_) => Fate::Whole,
            Kept::Zeroed => Fate::Zeros,
            Kept::Some(_) => random_fate(&mut random),
        };
        strike(&mut image, change, fate);
    }
    image.prune();
    image
}

fn random_fate(random: &mut u64) -> Fate {
    match next_random(random) % 6 {
        0 | 1 => Fate::Whole,
        2 | 3 => Fate::Missing,
        4 => Fate::Cut(next_random(random)),
        _ => Fate::Zeros,
    }
}

fn strike(image: &mut Image, change: &Change, fate: Fate) {
    if change.is_end_of_rename_in_one_folder() {
        // Such a rename changes one folder, once: it goes the way of the new name.
        return image.apply(change);
    }
    match (change, fate) {
        (_, Fate::Missing) => {}
        (
            Change::Write {
                file,
                offset,
                bytes,
            },
            Fate::Cut(number),
        ) => image
            .pages(*file)
            .write(*offset, &bytes[..cut(bytes.len(), number)]),
        (
            Change::Write {
                file,
                offset,
                bytes,
            },
            Fate::Zeros,
        ) => {
            let pages = image.pages(*file);
            let end = offset + bytes.len();
            if end > pages.len() {
                pages.set_len(end);
            }
        }
        (_, Fate::Whole | Fate::Cut(_) | Fate::Zeros) => image.apply(change),
    }
}

/// Where a write of so many bytes is cut: after one byte, in the middle, before the last, or where a sector ends.
fn cut(bytes: usize, number: u64) -> usize {
    let sectors = bytes.div_ceil(SECTOR_BYTES) as u64;
    let sector = usize::try_from(number / 4 % sectors.max(1)).unwrap_or_default();
    let place = match number % 4 {
        0 => bytes / 2,
        1 => 1,
        2 => bytes.saturating_sub(1),
        _ => sector * SECTOR_BYTES,
    };
    place.min(bytes)
}
