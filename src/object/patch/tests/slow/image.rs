//! The image of a base and its words, as `docs/FORMAT.md` describes them: everything is looked up again each time.

/// Where a word counts from, and with what that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// *Ahead* of an address beside the word.
    AheadOfItself(u32),
    /// *Ahead* of another address.
    AheadOf(u32),
    /// An address.
    Absolute,
    Back(u32),
    Row,
    Number(u32),
    /// An *instruction* at an address that names another.
    Instruction(u32, u32),
    Plain,
}

/// A section: its header and where its bytes lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    name: usize,
    kind: u64,
    flags: u64,
    pub(super) start: usize,
    pub(super) end: usize,
    link: usize,
    info: usize,
}

impl Section {
    /// Where its rows of this length start.
    pub(super) fn rows(&self, length: usize) -> impl Iterator<Item = usize> {
        let start = self.start;
        (0..(self.end - start) / length).map(move |number| start + number * length)
    }
}

/// A file that has an image.
#[derive(Debug)]
pub(super) struct Image<'a> {
    pub(super) file: &'a [u8],
    /// 1 or 2: that of the patch.
    pub(super) version: u8,
    is_object: bool,
    pub(super) machine: u64,
    /// Offset, end, address.
    pub(super) loads: Vec<(usize, usize, u32)>,
    /// By number; without those that have no bytes in the file.
    sections: Vec<Option<Section>>,
    /// The end of the section that has the names.
    names: (usize, usize),
    pub(super) parts: Vec<(Section, Content)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Symbols,
    Relocations,
    Frames,
    FrameTable,
    Types,
    Code,
}

/// A number of `bytes` bytes.
pub(super) fn number(file: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(bytes)?)?.iter().rev();
    Some(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

pub(super) fn low(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap_or(0)
}

pub(super) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn word(file: &[u8], at: usize) -> u32 {
    low(number(file, at, 4).unwrap_or(0))
}

/// The rows of a table whose offset and whose length and count of rows stand at these places of the file.
fn rows(file: &[u8], offset_at: usize, length_at: usize, length: usize) -> Option<Vec<&[u8]>> {
    let offset = index(number(file, offset_at, 8)?);
    let count = index(number(file, length_at + 2, 2)?);
    if number(file, length_at, 2)? != length as u64 || count > 4096 {
        return None;
    }
    let table = file.get(offset..)?;
    Some(
        table
            .chunks(length)
            .filter(|row| row.len() == length)
            .take(count)
            .collect(),
    )
}

/// Where the bytes of a row lie that names their offset and length, if they are some and lie inside the file.
fn range(row: &[u8], offset_at: usize, length_at: usize, file: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = (number(row, offset_at, 8)?, number(row, length_at, 8)?);
    let end = start.checked_add(length)?;
    (length > 0 && end <= file.len() as u64).then(|| (index(start), index(end)))
}

impl<'a> Image<'a> {
    pub(super) fn of(file: &'a [u8], version: u8) -> Option<Self> {
        let (kind, machine) = (number(file, 16, 2)?, number(file, 18, 2)?);
        let is_known = file.starts_with(&[0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
            && (1..=3).contains(&kind)
            && (machine == 62 || machine == 183);
        let mut loads = Vec::new();
        if is_known && kind != 1 {
            for row in rows(file, 32, 54, 56)? {
                if let Some((start, end)) = range(row, 8, 32, file)
                    && number(row, 0, 4)? == 1
                {
                    loads.push((start, end, low(number(row, 16, 8)?)));
                }
            }
        }
        if !is_known || loads.len() > 64 || loads.is_empty() && kind != 1 {
            return None;
        }
        let mut image = Self {
            file,
            version,
            is_object: kind == 1,
            machine,
            loads: without_overlaps(loads, |load| (load.0, load.1)),
            sections: Vec::new(),
            names: (0, 0),
            parts: Vec::new(),
        };
        for row in rows(file, 40, 58, 64)? {
            image.sections.push(section(row, file));
        }
        let names = image.section(index(number(file, 62, 2)?));
        image.names = names.map_or((0, 0), |names| (names.start, names.end));
        let parts = image.sections.iter().flatten();
        let parts = parts.filter_map(|one| image.content(one).map(|content| (*one, content)));
        image.parts = without_overlaps(parts.collect(), |part| (part.0.start, part.0.end));
        Some(image)
    }

    pub(super) fn is_x86_program(&self) -> bool {
        self.machine == 62 && !self.is_object
    }

    fn section(&self, number: usize) -> Option<Section> {
        self.sections.get(number).copied().flatten()
    }

    fn content(&self, section: &Section) -> Option<Content> {
        let names = &self.file[self.names.0..self.names.1];
        let name = names.get(section.name..).unwrap_or_default();
        let is_unwinding = section.kind == 1 || section.kind == 0x7000_0001;
        Some(match section.kind {
            2 | 11 => Content::Symbols,
            4 => Content::Relocations,
            _ if is_unwinding && name.starts_with(b".eh_frame\0") => Content::Frames,
            _ if is_unwinding && name.starts_with(b".eh_frame_hdr\0") => Content::FrameTable,
            1 if name.starts_with(b".BTF\0") => Content::Types,
            1 if section.flags & 4 == 4 && self.machine == 62 => Content::Code,
            1 if section.flags & 4 == 4 && self.version == 2 => {
                (!self.is_object && section.start.is_multiple_of(4)).then_some(Content::Code)?
            }
            _ => return None,
        })
    }

    pub(super) fn address(&self, offset: usize) -> u32 {
        let load = self.loads.iter().rfind(|load| load.0 <= offset);
        load.map_or(low(offset as u64), |(start, _, address)| {
            address.wrapping_add(low((offset - start) as u64))
        })
    }

    /// The place of an address, if there is one.
    pub(super) fn place(&self, address: u32) -> Option<usize> {
        let mut loads = self.loads.iter();
        loads.find_map(|(start, end, first)| {
            let place = start + address.wrapping_sub(*first) as usize;
            (place < *end).then_some(place)
        })
    }

    /// From the first address of code to that of its last byte.
    pub(super) fn code(&self) -> (u32, u32) {
        let mut code = self.parts.iter().filter(|part| part.1 == Content::Code);
        let Some((first, _)) = code.next() else {
            return (0, 0);
        };
        let last = code.next_back().map_or(first, |last| &last.0);
        (self.address(first.start), self.address(last.end - 1))
    }

    /// From the first address of a segment to behind the last.
    pub(super) fn data(&self) -> (u32, u32) {
        let (Some(first), Some(last)) = (self.loads.first(), self.loads.last()) else {
            return self.code();
        };
        let bytes = low((last.1 - last.0) as u64).saturating_mul(2);
        (first.2, last.2.saturating_add(bytes))
    }

    fn in_section(&self, number: u64) -> Word {
        match self.section(index(number)) {
            _ if !self.is_object => Word::Absolute,
            Some(section) => Word::AheadOf(self.address(section.start)),
            None => Word::Plain,
        }
    }

    pub(super) fn symbols(&self, section: &Section, words: &mut Vec<(usize, Word)>) {
        let names = self.section(section.link);
        for place in section.rows(24) {
            let name = |names: Section| Word::AheadOf(self.address(names.start));
            words.push((place, names.map_or(Word::Plain, name)));
            let number = number(self.file, place + 6, 2).unwrap_or(0);
            words.push((place + 8, self.in_section(number)));
        }
    }

    pub(super) fn relocations(&self, section: &Section, words: &mut Vec<(usize, Word)>) {
        let changed = self.section(section.info);
        let changed = changed.filter(|changed| self.is_object && changed.flags & 4 == 4);
        let row = changed.map_or(Word::Row, |code| Word::AheadOf(self.address(code.start)));
        let symbols = self.section(section.link);
        for place in section.rows(24) {
            words.push((place, row));
            words.push((place + 12, Word::Number(0)));
            let symbol = symbols.and_then(|symbols| {
                let at = symbols.start + 24 * word(self.file, place + 12) as usize;
                (at + 24 <= symbols.end).then_some(at)
            });
            let is_section = |at: &usize| self.file[*at + 4] % 16 == 3;
            let addend = match symbol.filter(is_section) {
                _ if !self.is_object => Word::Absolute,
                Some(at) => self.in_section(number(self.file, at + 6, 2).unwrap_or(0)),
                None => Word::Plain,
            };
            words.push((place + 16, addend));
        }
    }
}

fn section(row: &[u8], file: &[u8]) -> Option<Section> {
    let kind = number(row, 4, 4)?;
    let (start, end) = range(row, 24, 32, file).filter(|_| kind != 8)?;
    Some(Section {
        name: index(number(row, 0, 4)?),
        kind,
        flags: number(row, 8, 8)?,
        start,
        end,
        link: index(number(row, 40, 4)?),
        info: index(number(row, 44, 4)?),
    })
}

/// Sorted by start; one that starts before the end of the one kept before it is dropped.
fn without_overlaps<T>(mut all: Vec<T>, range: impl Fn(&T) -> (usize, usize)) -> Vec<T> {
    all.sort_by_key(|one| range(one).0);
    let mut kept: Vec<T> = Vec::new();
    for one in all {
        if kept
            .last()
            .is_none_or(|last| range(&one).0 >= range(last).1)
        {
            kept.push(one);
        }
    }
    kept
}
