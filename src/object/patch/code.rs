//! Code: the words of an executable or object file that depend on where its parts lie.
//!
//! # Invariants
//!
//! - What is found depends on the bytes of one file alone, so encoder and applier see the same in a base. Nothing in a
//!   file is believed: the worst it can do is to have other words predicted.
//! - Words have four bytes, lie inside the file and do not overlap.
//!
//! # Not here
//!
//! Headers (`elf`), what the words become (`predict`).

use std::ops::Range;

use super::arm64::{self, Instruction};
use super::bits::Bits;
use super::btf::{self, Reference};
use super::elf::{Content, Image, Machine, Part};
use super::frames::{self, Distance};
use super::tables::Starts;
use super::version::Version;
use super::x86;

/// Bytes of a word.
pub(super) const CODE_WORD_BYTES: usize = 4;
/// Bytes of one relocation (`Elf64_Rela`): place, symbol and kind, addend.
const RELOCATION_BYTES: usize = 24;
/// Bytes of one symbol (`Elf64_Sym`).
const SYMBOL_BYTES: usize = 24;
/// The kind of symbols that stand for a section.
const SECTION_SYMBOL: u8 = 3;

/// What a word holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// How far a place is from the address `from`.
    Ahead {
        /// Where it counts from.
        from: u32,
        /// What that moves with.
        moves: Moves,
    },
    /// How far a place lies before the word, which is at the address `from`.
    Back {
        /// Where it counts from.
        from: u32,
    },
    /// A number that grows from row to row, mostly by as much as it does in the base.
    Row,
    /// A number that stands for the same thing wherever it occurs.
    Number(Numbering),
    /// An instruction of ARM64 at the address `from` that names a place.
    Instruction {
        /// Its own address.
        from: u32,
        /// That of the place.
        named: u32,
    },
    /// Nothing that is understood.
    Plain,
}

/// What the place moves with from which a word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// With the copy around the word.
    WithCopy,
    /// With what is at that address.
    WithPlace,
    /// Not at all.
    Not,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// Symbols of one file.
    Symbols,
    /// Bytes of the names of types, which all files of a kernel share.
    Names,
    /// Types, which all files of a kernel share.
    Types,
}

/// An executable or object file and its words.
#[derive(Debug)]
pub(super) struct Code<'a> {
    file: &'a [u8],
    image: Image,
    /// The first bytes of words.
    words: Bits,
    /// Words of frames that count back, and words of types that are names.
    others: Bits,
}

/// Where one walk over the words stands: the part of the word before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor(usize);

impl<'a> Code<'a> {
    /// Finds the words of `file` for the predictions of a version, if it is of a kind that is understood.
    pub(super) fn of(file: &'a [u8], version: Version) -> Option<Self> {
        let mut image = Image::of(file, version)?;
        let mut code = Self {
            words: Bits::new(file.len()),
            others: Bits::new(file.len()),
            file,
            image: Image::default(),
        };
        let has_tables = version == Version::Second && image.is_x86_program();
        let mut starts = has_tables.then(|| Starts::new(file.len()));
        for part in &image.parts {
            code.find_words(&image, part, starts.as_mut());
        }
        if let Some(starts) = starts {
            let tables = starts.tables(file, &image, &image.code_addresses());
            for table in &tables {
                code.find_words(&image, table, None);
            }
            image.add(tables);
        }
        code.image = image;
        Some(code)
    }

    /// Finds the words of one part, and where tables start that it uses.
    fn find_words(&mut self, image: &Image, part: &Part, mut starts: Option<&mut Starts>) {
        let start = part.range.start;
        let bytes = &self.file[part.range.clone()];
        let (branches, operands) = (image.code_addresses(), image.addresses());
        match part.content {
            Content::Code(Machine::X86) => {
                let mut found = |at| {
                    self.words.set(start + at);
                    if let Some(starts) = &mut starts
                        && let Some(loaded) = x86::loaded(bytes, at, part.address)
                    {
                        starts.add(image, loaded);
                    }
                };
                x86::distances(bytes, part.address, &branches, &operands, &mut found);
            }
            Content::Code(Machine::Arm64) => {
                let mut found = |at| self.words.set(start + at);
                arm64::places(bytes, part.address, &branches, &operands, &mut found);
            }
            Content::Relocations => self.set_rows(&part.range, RELOCATION_BYTES, &[0, 12, 16]),
            Content::Symbols => self.set_rows(&part.range, SYMBOL_BYTES, &[0, 8]),
            Content::FrameTable | Content::Jumps => {
                self.set_rows(&part.range, CODE_WORD_BYTES, &[0]);
            }
            Content::Frames => frames::distances(bytes, &mut |at, distance| {
                self.set(start + at, distance == Distance::Back);
            }),
            Content::Types => btf::references(bytes, &mut |at, reference| {
                self.set(start + at, reference == Reference::Name);
            }),
        }
    }

    fn set(&mut self, place: usize, is_other: bool) {
        self.words.set(place);
        if is_other {
            self.others.set(place);
        }
    }

    fn set_rows(&mut self, range: &Range<usize>, row_bytes: usize, columns: &[usize]) {
        for row in 0..range.len() / row_bytes {
            for column in columns {
                self.words.set(range.start + row * row_bytes + column);
            }
        }
    }

    /// Where the file is loaded.
    pub(super) fn image(&self) -> &Image {
        &self.image
    }

    /// The place of the first word that starts at `from` or behind it, and before `end`.
    #[inline]
    pub(super) fn next(&self, from: usize, end: usize) -> Option<usize> {
        self.words.next(from, end)
    }

    /// The word at `place`.
    #[inline]
    pub(super) fn word(&self, place: usize) -> u32 {
        u32_at(self.file, place)
    }

    /// Whether there is a distance of code at `place`.
    pub(super) fn has_distance(&self, place: usize) -> bool {
        let parts = &self.image.parts;
        let after = parts.partition_point(|part| part.range.start <= place);
        let part = after.checked_sub(1).and_then(|at| parts.get(at));
        let is_code = part.is_some_and(|part| part.content == Content::Code(Machine::X86));
        is_code && self.words.has(place)
    }

    /// What the word at `place` holds.
    #[inline]
    pub(super) fn meaning(&self, place: usize, cursor: &mut Cursor) -> Meaning {
        let image = &self.image;
        let parts = &image.parts;
        if !parts
            .get(cursor.0)
            .is_some_and(|part| part.range.contains(&place))
        {
            let after = parts.partition_point(|part| part.range.start <= place);
            cursor.0 = after.saturating_sub(1);
        }
        let Some(part) = parts.get(cursor.0) else {
            return Meaning::Plain;
        };
        let ahead = |from, moves| Meaning::Ahead { from, moves };
        match part.content {
            Content::Code(Machine::X86) => {
                ahead(image.address(place + CODE_WORD_BYTES), Moves::WithCopy)
            }
            Content::Code(Machine::Arm64) => {
                let at = place - part.range.start;
                let from = part.address.wrapping_add(u32::try_from(at).unwrap_or(0));
                let named = arm64::named(&self.file[part.range.clone()], at, from);
                Meaning::Instruction { from, named }
            }
            Content::Frames if self.others.has(place) => Meaning::Back {
                from: image.address(place),
            },
            Content::Frames => ahead(image.address(place), Moves::WithCopy),
            Content::FrameTable | Content::Jumps => ahead(part.address, Moves::WithPlace),
            Content::Relocations => self.relocation(part, place),
            Content::Symbols if (place - part.range.start).is_multiple_of(SYMBOL_BYTES) => part
                .origin
                .map_or(Meaning::Plain, |names| ahead(names, Moves::WithPlace)),
            Content::Symbols => self.in_section(u16_at(self.file, place - 2)),
            Content::Types if self.others.has(place) => Meaning::Number(Numbering::Names),
            Content::Types => Meaning::Number(Numbering::Types),
        }
    }

    fn relocation(&self, part: &Part, place: usize) -> Meaning {
        match (place - part.range.start) % RELOCATION_BYTES {
            0 => match part.origin {
                // Relocations of code stand where the code is; those of tables, row for row.
                Some(from) => Meaning::Ahead {
                    from,
                    moves: Moves::WithPlace,
                },
                None => Meaning::Row,
            },
            12 => Meaning::Number(Numbering::Symbols),
            _ if self.image.is_loaded() => self.in_section(0),
            // The symbol stands before the addend.
            _ => self
                .section_of(part, self.word(place - CODE_WORD_BYTES))
                .map_or(Meaning::Plain, |section| self.in_section(section)),
        }
    }

    /// The section that a symbol stands for.
    fn section_of(&self, relocations: &Part, symbol: u32) -> Option<u16> {
        let start = (symbol as usize).checked_mul(SYMBOL_BYTES)?;
        let symbols = &self.file[relocations.symbols.clone()];
        let symbol = symbols.get(start..)?.get(..SYMBOL_BYTES)?;
        (symbol[4] & 0xf == SECTION_SYMBOL).then(|| u16_at(symbol, 6))
    }

    /// A word that is an address, or of an object file a place in the section with this number.
    fn in_section(&self, number: u16) -> Meaning {
        if self.image.is_loaded() {
            return Meaning::Ahead {
                from: 0,
                moves: Moves::Not,
            };
        }
        let start = self.image.sections.get(usize::from(number)).copied();
        start
            .flatten()
            .map_or(Meaning::Plain, |from| Meaning::Ahead {
                from,
                moves: Moves::WithPlace,
            })
    }

    /// The file without its words: what is left is alike wherever its parts lie.
    pub(super) fn masked(&self) -> Vec<u8> {
        let mut masked = self.file.to_vec();
        for part in &self.image.parts {
            let mut from = part.range.start;
            while let Some(place) = self.next(from, part.range.end) {
                from = place + CODE_WORD_BYTES;
                let left = match part.content {
                    Content::Code(Machine::Arm64) => Instruction(self.word(place)).without_place(),
                    _ => 0,
                };
                masked[place..from].copy_from_slice(&left.to_le_bytes());
            }
        }
        masked
    }

    /// The file with addresses instead of distances, each as `moved` gives it, and without numbers.
    pub(super) fn absolute(&self, moved: &dyn Fn(u32) -> u32) -> Vec<u8> {
        let mut absolute = self.file.to_vec();
        let (mut from, mut cursor) = (0, Cursor::default());
        while let Some(place) = self.next(from, absolute.len()) {
            from = place + CODE_WORD_BYTES;
            let word = self.word(place);
            let word = match self.meaning(place, &mut cursor) {
                Meaning::Ahead { from, .. } => moved(from.wrapping_add(word)),
                Meaning::Back { from } => moved(from.wrapping_sub(word)),
                Meaning::Row | Meaning::Number(_) => 0,
                Meaning::Instruction { named, .. } => Instruction(word).with(0, moved(named)),
                Meaning::Plain => continue,
            };
            absolute[place..from].copy_from_slice(&word.to_le_bytes());
        }
        absolute
    }
}

/// The word of `bytes` at `at`; 0 where there is none.
#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let half = bytes.get(at..).and_then(<[u8]>::first_chunk);
    half.map_or(0, |half| u16::from_le_bytes(*half))
}
