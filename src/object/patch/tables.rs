//! Tables of jumps: where a program for x86-64 goes on, one place for each case.
//!
//! Compilers load the address of a table (`lea`, relative to the instruction pointer), add what it says for the case, and
//! jump there. So a table starts at an address that is loaded, and each of its words leads from there into code; a few words
//! of other data that do so as well cost a few bytes and never make a wrong file.
//!
//! # Invariants
//!
//! - Tables lie inside what is loaded, outside all other parts, and do not overlap.
//! - Of a file of `n` bytes there are at most [`tables_max`]`(n)`.
//!
//! # Not here
//!
//! Which addresses are loaded (`code`), what becomes of the words (`predict`).

use std::ops::Range;

use super::bits::Bits;
use super::elf::{Image, Part};

/// Bytes of a word.
const WORD_BYTES: usize = 4;
/// A table has at least two cases.
const TABLE_BYTES_MIN: usize = 2 * WORD_BYTES;
/// So many tables are found in a small file, and one more for each of so many bytes: large programs have one in 5,000.
const TABLES_MAX: u64 = 4096;
const FILE_BYTES_PER_TABLE: u64 = 2048;

/// Most tables of a file of so many bytes: damaged or hostile ones may have more.
const fn tables_max(file_bytes: u64) -> u64 {
    TABLES_MAX + file_bytes / FILE_BYTES_PER_TABLE
}

/// Most bytes of memory that tables of a file of so many bytes take, the room by which a list grows counted.
pub(super) const fn tables_bytes_max(file_bytes: u64) -> u64 {
    2 * tables_max(file_bytes) * size_of::<Part>() as u64
}

/// The places of a file at which tables may start, a bit for each word.
#[derive(Debug)]
pub(super) struct Starts(Bits);

impl Starts {
    /// None yet, of a file of so many bytes.
    pub(super) fn new(file_bytes: usize) -> Self {
        Self(Bits::new(file_bytes.div_ceil(WORD_BYTES)))
    }

    /// Adds the place of an address that is loaded.
    pub(super) fn add(&mut self, image: &Image, address: u32) {
        let place = image.place(address);
        if let Some(place) = place.filter(|place| place.is_multiple_of(WORD_BYTES)) {
            self.0.set(place / WORD_BYTES);
        }
    }

    /// The tables of `file`, ascending; their words lead into `branches`. Each ends where the next may start.
    pub(super) fn tables(&self, file: &[u8], image: &Image, branches: &Range<u32>) -> Vec<Part> {
        let words = file.len().div_ceil(WORD_BYTES);
        let mut tables = Vec::new();
        let mut next = self.0.next(0, words);
        while let Some(start) = next
            && (tables.len() as u64) < tables_max(file.len() as u64)
        {
            next = self.0.next(start + 1, words);
            let start = start * WORD_BYTES;
            let end = image.gap_end(start).unwrap_or(start);
            let end = next.map_or(end, |next| end.min(next * WORD_BYTES));
            let address = image.address(start);
            let leads = |word: &[u8; WORD_BYTES]| {
                branches.contains(&address.wrapping_add(u32::from_le_bytes(*word)))
            };
            let (rows, _) = file[start..end.max(start)].as_chunks();
            let bytes = rows.iter().take_while(|row| leads(row)).count() * WORD_BYTES;
            if bytes >= TABLE_BYTES_MIN {
                tables.push(Part::jumps(start..start + bytes, address));
            }
        }
        tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::patch::elf::Load;

    /// Code is at 0x5000 to 0x5100; the file is loaded from 0x1000.
    const BRANCHES: Range<u32> = 0x5000..0x5100;

    fn image(bytes: usize) -> Image {
        Image {
            loads: vec![Load {
                offset: 0,
                bytes: u32::try_from(bytes).unwrap_or(0),
                address: 0x1000,
            }],
            ..Image::default()
        }
    }

    fn found(file: &[u8], image: &Image, starts: &[u32]) -> Vec<(usize, usize)> {
        let mut all = Starts::new(file.len());
        for start in starts {
            all.add(image, *start);
        }
        let tables = all.tables(file, image, &BRANCHES);
        let ranges = tables.into_iter().map(|table| table.range);
        ranges.map(|range| (range.start, range.end)).collect()
    }

    /// Words that lead from a table at `start` to code.
    fn words(start: u32, count: u32) -> Vec<u8> {
        let word = |number: u32| (0x4000 + number).wrapping_sub(start).to_le_bytes();
        (0..count).flat_map(word).collect()
    }

    #[test]
    fn a_table_is_found_where_an_address_is_loaded_and_words_lead_into_code() {
        let file = [
            &[0xff; 8][..],
            &words(8, 3),
            &[0xff; 4],
            &words(24, 2),
            &words(32, 1),
        ]
        .concat();
        let image = image(file.len());
        for (starts, expected, reason) in [
            (&[0x1008][..], &[(8, 20)][..], "up to what leads elsewhere"),
            (
                &[0x1018],
                &[(24, 32)],
                "what follows leads elsewhere from there",
            ),
            (
                &[0x1018, 0x1008],
                &[(8, 20), (24, 32)],
                "in the order of the file",
            ),
            (
                &[0x1008, 0x1010],
                &[(8, 16)],
                "up to the next, which is too short",
            ),
            (&[0x1020], &[], "one word is no table"),
            (&[0x1009], &[], "no place of a word"),
            (&[0x0, 0x1000, 0xffff_fff8], &[], "nothing there"),
        ] {
            assert_eq!(found(&file, &image, starts), expected, "{reason}");
        }
    }

    #[test]
    fn tables_lie_between_parts_and_inside_what_is_loaded() {
        let file = words(0, 8);
        let mut image = image(16);
        assert_eq!(
            found(&file, &image, &[0x1000]),
            [(0, 16)],
            "as far as it is loaded"
        );
        image.add(vec![Part::jumps(8..12, 0x1008)]);
        assert_eq!(
            found(&file, &image, &[0x1000]),
            [(0, 8)],
            "to the next part"
        );
        assert!(found(&file, &image, &[0x1008]).is_empty(), "within a part");
    }

    #[test]
    fn there_are_no_more_tables_than_so_many() {
        let count = u32::try_from(tables_max(0) + 40).unwrap_or(0);
        let file: Vec<u8> = (0..count).flat_map(|table| words(8 * table, 2)).collect();
        let starts: Vec<u32> = (0..count).map(|table| 0x1000 + 8 * table).collect();
        let image = image(file.len());
        let tables = found(&file, &image, &starts);
        assert_eq!(tables.len() as u64, tables_max(file.len() as u64));
    }
}
