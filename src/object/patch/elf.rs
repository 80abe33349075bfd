//! ELF: where the parts of an executable or object file lie in the file and in memory, and what stands in them.
//!
//! Only what predictions need (System V ABI, "Object Files"), of files of 64 bits, little-endian, for x86-64 and ARM64.
//! Of object files for the latter, tables alone are understood, not the code: there, calls name nothing yet.
//!
//! # Invariants
//!
//! - Every range lies inside the file, whatever its headers say. A file that cannot be read so has no image, and nothing
//!   is predicted for it.
//!
//! # Not here
//!
//! Which words of the parts depend on where they lie (`code`).

use std::ops::Range;

use super::version::Version;

/// Most headers of either kind that are looked at: compilers and linkers make tens.
const HEADERS_MAX: usize = 4096;

/// The first bytes: magic, 64 bits, little-endian, version 1.
const MAGIC: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];
/// The machines that are understood, by their numbers.
const X86_64: u16 = 62;
const ARM64: u16 = 183;
/// Bytes at whose multiples the code of ARM64 stands.
const ARM64_CODE_ALIGNMENT: usize = 4;
/// Most loaded segments: linkers make less than ten.
pub(super) const LOADS_MAX: usize = 64;
/// Length of one section header.
const SECTION_HEADER_BYTES: usize = 64;
/// Length of one program header.
const PROGRAM_HEADER_BYTES: usize = 56;
/// A program header of a segment that is loaded.
const LOADED: u32 = 1;
/// Kinds of sections: bytes of the program, symbols, relocations, zeros that are not in the file, symbols for linking at
/// run time, and frames, as some linkers mark them.
const PROGRAM_BITS: u32 = 1;
const SYMBOLS: u32 = 2;
const RELOCATIONS: u32 = 4;
const NO_BITS: u32 = 8;
const DYNAMIC_SYMBOLS: u32 = 11;
const UNWIND: u32 = 0x7000_0001;
/// The flag of sections that hold code.
const EXECUTABLE: u64 = 4;

/// A piece of the file and where it lies in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Where it starts in the file.
    pub(super) offset: u32,
    /// Bytes in the file.
    pub(super) bytes: u32,
    /// Its address, modulo 2 to the power 32, which is all that relative addresses need.
    pub(super) address: u32,
}

/// What runs code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    X86,
    Arm64,
}

impl Machine {
    fn from_number(number: u16) -> Option<Self> {
        match number {
            X86_64 => Some(Self::X86),
            ARM64 => Some(Self::Arm64),
            _ => None,
        }
    }
}

/// What stands in a part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Code for a machine.
    Code(Machine),
    /// Relocations: place, kind and symbol, addend.
    Relocations,
    /// Symbols.
    Symbols,
    /// Frames for unwinding.
    Frames,
    /// The sorted table of those.
    FrameTable,
    /// Type information of the kernel.
    Types,
    /// A table of jumps. Headers do not say where these are.
    Jumps,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// What stands in it.
    pub(super) content: Content,
    /// Where it lies in the file; never empty.
    pub(super) range: Range<usize>,
    /// The address of its first byte.
    pub(super) address: u32,
    /// Of relocations in an object file, the address of the code that they change; of symbols, that of their names.
    pub(super) origin: Option<u32>,
    /// Of relocations, where their symbols lie in the file.
    pub(super) symbols: Range<usize>,
}

impl Part {
    /// A table of jumps.
    pub(super) fn jumps(range: Range<usize>, address: u32) -> Self {
        Self {
            content: Content::Jumps,
            range,
            address,
            origin: None,
            symbols: 0..0,
        }
    }
}

/// An executable, a shared library or an object file.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    /// Ascending by offset, without overlaps. An object file has none; its places are its addresses.
    pub(super) loads: Vec<Load>,
    /// Ascending, without overlaps.
    pub(super) parts: Vec<Part>,
    /// The addresses of the sections that have bytes in the file, by number.
    pub(super) sections: Vec<Option<u32>>,
    /// Whether it is for x86-64.
    pub(super) is_x86: bool,
}

impl Image {
    /// Reads the headers of `file`, if it is one that is understood, for the predictions of a version.
    pub(super) fn of(file: &[u8], version: Version) -> Option<Self> {
        if !file.starts_with(&MAGIC) {
            return None;
        }
        let (kind, machine) = (u16_at(file, 16)?, u16_at(file, 18)?);
        let is_object = match kind {
            1 => true,
            2 | 3 => false,
            _ => return None,
        };
        let machine = Machine::from_number(machine)?;
        let mut image = Self {
            is_x86: machine == Machine::X86,
            ..Self::default()
        };
        if !is_object {
            let headers = headers(file, 32, 54, PROGRAM_HEADER_BYTES)?;
            image.loads = headers
                .filter_map(|header| load(header, file.len()))
                .collect();
            if image.loads.len() > LOADS_MAX {
                return None;
            }
            image.loads.sort_unstable_by_key(|load| load.offset);
            image
                .loads
                .dedup_by(|next, last| next.offset < last.offset.saturating_add(last.bytes));
            // Without a loaded segment, places would be taken for addresses.
            image.loads.first()?;
        }
        let headers: Vec<&[u8]> = headers(file, 40, 58, SECTION_HEADER_BYTES)?.collect();
        image.sections = headers
            .iter()
            .map(|header| Some(image.address(section(header, file)?.start)))
            .collect();
        let name_header = headers.get(usize::from(u16_at(file, 62)?));
        let names = name_header.and_then(|header| section(header, file));
        let names = &file[names.unwrap_or_default()];
        let code = image.code_alignment(machine, version);
        let code = code.map(|alignment| (Content::Code(machine), alignment));
        image.parts = headers
            .iter()
            .filter_map(|header| image.part(header, &headers, file, names, code))
            .collect();
        image.parts.sort_unstable_by_key(|part| part.range.start);
        image
            .parts
            .dedup_by(|next, last| next.range.start < last.range.end);
        Some(image)
    }

    /// Whether it is an executable or shared library, whose numbers are addresses.
    pub(super) fn is_loaded(&self) -> bool {
        !self.loads.is_empty()
    }

    /// Whether it is an executable or shared library for x86-64.
    pub(super) fn is_x86_program(&self) -> bool {
        self.is_x86 && self.is_loaded()
    }

    /// The address of a place in the file.
    #[inline]
    pub(super) fn address(&self, offset: usize) -> u32 {
        address(&self.loads, offset)
    }

    /// Where the file has the byte with this address, if it is loaded from there.
    pub(super) fn place(&self, address: u32) -> Option<usize> {
        self.loads.iter().find_map(|load| {
            let behind = address.wrapping_sub(load.address);
            (behind < load.bytes).then_some(load.offset as usize + behind as usize)
        })
    }

    /// How far it is to the next part or the end of what is loaded, from a place that is in no part.
    pub(super) fn gap_end(&self, place: usize) -> Option<usize> {
        let after = self.parts.partition_point(|part| part.range.start <= place);
        let before = after.checked_sub(1).and_then(|at| self.parts.get(at));
        if before.is_some_and(|before| before.range.contains(&place)) {
            return None;
        }
        let mut loads = self.loads.iter().rev();
        let load = loads.find(|load| load.offset as usize <= place)?;
        let load_end = load.offset as usize + load.bytes as usize;
        let next = self
            .parts
            .get(after)
            .map_or(load_end, |next| next.range.start);
        Some(load_end.min(next))
    }

    /// Adds parts that lie in no other.
    pub(super) fn add(&mut self, parts: Vec<Part>) {
        self.parts.extend(parts);
        self.parts.sort_unstable_by_key(|part| part.range.start);
    }

    /// From the first address of code to the last.
    pub(super) fn code_addresses(&self) -> Range<u32> {
        let mut code = self
            .parts
            .iter()
            .filter(|part| matches!(part.content, Content::Code(_)));
        let Some(first) = code.next() else {
            return 0..0;
        };
        let last = code.next_back().unwrap_or(first);
        self.address(first.range.start)..self.address(last.range.end - 1)
    }

    /// From the first address to beyond the last: data that is zero at first has no bytes in the file.
    pub(super) fn addresses(&self) -> Range<u32> {
        match (self.loads.first(), self.loads.last()) {
            (Some(first), Some(last)) => {
                first.address..last.address.saturating_add(last.bytes.saturating_mul(2))
            }
            _ => self.code_addresses(),
        }
    }

    /// At which multiples of bytes code stands, if it is understood.
    fn code_alignment(&self, machine: Machine, version: Version) -> Option<usize> {
        match (machine, version) {
            (Machine::X86, _) => Some(1),
            (Machine::Arm64, Version::First) => None,
            (Machine::Arm64, Version::Second) => self.is_loaded().then_some(ARM64_CODE_ALIGNMENT),
        }
    }

    fn part(
        &self,
        header: &[u8],
        headers: &[&[u8]],
        file: &[u8],
        names: &[u8],
        code: Option<(Content, usize)>,
    ) -> Option<Part> {
        let range = section(header, file)?;
        let name = usize::try_from(u32_at(header, 0)?).ok()?;
        let is_called = |wanted: &[u8]| {
            names
                .get(name..)
                .is_some_and(|name| name.starts_with(wanted))
        };
        let is_code =
            |header: &[u8]| u64_at(header, 8).is_some_and(|flags| flags & EXECUTABLE != 0);
        let content = match u32_at(header, 4)? {
            SYMBOLS | DYNAMIC_SYMBOLS => Content::Symbols,
            RELOCATIONS => Content::Relocations,
            PROGRAM_BITS | UNWIND if is_called(b".eh_frame\0") => Content::Frames,
            PROGRAM_BITS | UNWIND if is_called(b".eh_frame_hdr\0") => Content::FrameTable,
            PROGRAM_BITS if is_called(b".BTF\0") => Content::Types,
            PROGRAM_BITS if is_code(header) => code
                .filter(|(_, alignment)| range.start.is_multiple_of(*alignment))
                .map(|(content, _)| content)?,
            _ => return None,
        };
        let number_at = |at| usize::try_from(u32_at(header, at)?).ok();
        let (link, info) = (number_at(40)?, number_at(44)?);
        let linked = headers.get(link).and_then(|header| section(header, file));
        let address = |range: &Range<usize>| self.address(range.start);
        let (origin, symbols) = match content {
            Content::Symbols => (linked.as_ref().map(address), 0..0),
            Content::Relocations => {
                let changed = headers
                    .get(info)
                    .filter(|header| is_code(header) && !self.is_loaded());
                let changed = changed.and_then(|header| section(header, file));
                (changed.as_ref().map(address), linked.unwrap_or_default())
            }
            _ => (None, 0..0),
        };
        Some(Part {
            content,
            address: self.address(range.start),
            range,
            origin,
            symbols,
        })
    }
}

/// The address of a place in a file; where nothing is loaded, as if the segment before went on.
pub(super) fn address(loads: &[Load], offset: usize) -> u32 {
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    let after = loads.partition_point(|load| load.offset <= offset);
    match after.checked_sub(1).and_then(|at| loads.get(at)) {
        Some(load) => load.address.wrapping_add(offset - load.offset),
        None => offset,
    }
}

/// The headers of a table whose place and count stand at `place_at` and `count_at` of the file, of this length each.
fn headers(
    file: &[u8],
    place_at: usize,
    count_at: usize,
    header_bytes: usize,
) -> Option<impl Iterator<Item = &[u8]>> {
    let place = usize::try_from(u64_at(file, place_at)?).ok()?;
    let stated_bytes = usize::from(u16_at(file, count_at)?);
    let count = usize::from(u16_at(file, count_at + 2)?);
    if stated_bytes != header_bytes || count > HEADERS_MAX {
        return None;
    }
    Some(file.get(place..)?.chunks_exact(header_bytes).take(count))
}

fn load(header: &[u8], file_bytes: usize) -> Option<Load> {
    if u32_at(header, 0)? != LOADED {
        return None;
    }
    let range = range(u64_at(header, 8)?, u64_at(header, 32)?, file_bytes)?;
    Some(Load {
        offset: u32::try_from(range.start).ok()?,
        bytes: u32::try_from(range.len()).ok()?,
        address: low(u64_at(header, 16)?),
    })
}

/// Where a section lies, if it has bytes in the file.
fn section(header: &[u8], file: &[u8]) -> Option<Range<usize>> {
    if u32_at(header, 4)? == NO_BITS {
        return None;
    }
    range(u64_at(header, 24)?, u64_at(header, 32)?, file.len())
}

/// A range that lies inside the file and is not empty.
fn range(offset: u64, bytes: u64, file_bytes: usize) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(bytes).ok()?)?;
    (start < end && end <= file_bytes).then_some(start..end)
}

/// The low half of an address.
const fn low(address: u64) -> u32 {
    (address & 0xffff_ffff) as u32
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u64::from_le_bytes)
}
