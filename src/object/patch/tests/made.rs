//! Files to make patches of: noise, and executables and object files that are small but whole.

use crate::base::error::Result;
use crate::object::patch::{Pair, apply};

/// The numbers of one seed (`SplitMix64`).
pub(in crate::object) struct Random(u64);

impl Random {
    pub(in crate::object) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::object) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(in crate::object) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// Bytes that look like no others.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes: Vec<u8> = (0..length.div_ceil(8))
        .flat_map(|_| random.next().to_le_bytes())
        .collect();
    bytes.truncate(length);
    bytes
}

/// Applies a patch of `pairs` and gives the targets.
pub(in crate::object) fn applied(patch: &[u8], pairs: &[Pair<'_>]) -> Result<Vec<Vec<u8>>> {
    let bases: Vec<&[u8]> = pairs.iter().map(|pair| pair.base).collect();
    let lengths: Vec<u32> = pairs
        .iter()
        .map(|pair| u32::try_from(pair.target.len()).unwrap_or(u32::MAX))
        .collect();
    let mut targets = vec![Vec::new(); pairs.len()];
    apply(patch, &bases, &lengths, &mut |number, piece| {
        targets[number].extend_from_slice(piece);
        Ok(())
    })?;
    Ok(targets)
}

/// A section of a file that is being made.
pub(super) struct Section {
    name: &'static str,
    kind: u32,
    flags: u64,
    link: u32,
    info: u32,
    bytes: Vec<u8>,
}

pub(super) const fn section(name: &'static str, kind: u32, flags: u64, bytes: Vec<u8>) -> Section {
    Section {
        name,
        kind,
        flags,
        link: 0,
        info: 0,
        bytes,
    }
}

/// The machines, by their numbers.
pub(super) const X86_64: u16 = 62;
pub(super) const ARM64: u16 = 183;

/// Where the sections of a file start in memory, beyond where they do in the file.
pub(super) const SLIDE: u64 = 0x1_0000;

/// Functions of which each calls others and reads data. Most are the same for every seed; one in forty is not.
fn functions(seed: u64, count: usize) -> Vec<Vec<u8>> {
    (0..count as u64)
        .map(|number| {
            let is_new = Random::new(seed ^ number << 32).below(40) == 0;
            let mut random = Random::new(if is_new {
                seed.wrapping_add(number)
            } else {
                number
            });
            let length = 12 + random.below(60);
            (0..length)
                .map(|_| random.next().to_le_bytes()[0])
                .collect()
        })
        .collect()
}

/// Code in which function follows function; behind the bytes of each stand two calls and one operand. Gives where the
/// functions start, too.
fn code(seed: u64, count: usize, data: usize) -> (Vec<u8>, Vec<usize>) {
    let bodies = functions(seed, count);
    let mut starts = Vec::new();
    let mut at = 0;
    for body in &bodies {
        starts.push(at);
        at += body.len() + 3 * 5 + 2;
    }
    let end = at;
    let mut code = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        code.extend_from_slice(body);
        for callee in [number * 7 / 8, number / 2] {
            code.push(0xe8);
            let goal = starts[callee];
            code.extend_from_slice(&distance(goal, code.len() + 4));
        }
        code.extend_from_slice(&[0x48, 0x8d, 0x05]);
        code.extend_from_slice(&distance(end + data + number * 8, code.len() + 4));
    }
    (code, starts)
}

fn distance(goal: usize, from: usize) -> [u8; 4] {
    let low = |at: usize| u32::try_from(at).unwrap_or(0);
    low(goal).wrapping_sub(low(from)).to_le_bytes()
}

/// A program with code, frames, and relocations of its data.
pub(crate) fn program(seed: u64, count: usize) -> Vec<u8> {
    let (text, starts) = code(seed, count, 64);
    let text_at = 64 + 56;
    let mut relocations = Vec::new();
    for (number, start) in starts.iter().enumerate() {
        let place = SLIDE + (text_at + text.len() + number * 8) as u64;
        let addend = SLIDE + (text_at + start) as u64;
        for word in [place, 8, addend] {
            relocations.extend_from_slice(&word.to_le_bytes());
        }
    }
    let frames_at = text_at + text.len() + relocations.len();
    let mut frames = [&20_u32.to_le_bytes()[..], &[0; 20]].concat();
    let mut table = Vec::new();
    for start in &starts {
        table.extend_from_slice(&distance(text_at + start, 0));
        let record = frames.len();
        frames.extend_from_slice(&20_u32.to_le_bytes());
        frames.extend_from_slice(&distance(record + 4, 0));
        frames.extend_from_slice(&distance(text_at + start, frames_at + record + 8));
        frames.extend_from_slice(&[40, 0, 0, 0, 4]);
        frames.extend_from_slice(&distance(text_at, frames_at + record + 17));
        frames.extend_from_slice(&[0; 3]);
    }
    file(
        2,
        X86_64,
        vec![
            section(".text", 1, 6, text),
            section(".rela.dyn", 4, 2, relocations),
            section(".eh_frame", 1, 2, frames),
            section(".eh_frame_hdr", 1, 2, table),
        ],
    )
}

/// An object file with code, relocations, symbols and type information.
pub(crate) fn object_file(seed: u64, count: usize) -> Vec<u8> {
    let (text, starts) = code(seed, count, 0);
    let mut symbols = vec![0; 24];
    symbols.extend_from_slice(&[0, 0, 0, 0, 3, 0, 1, 0]);
    symbols.extend_from_slice(&[0; 16]);
    let mut names = vec![0];
    let mut relocations = Vec::new();
    let mut types = Vec::new();
    for (number, start) in starts.iter().enumerate() {
        let name = u32::try_from(names.len()).unwrap_or(0);
        names.extend_from_slice(format!("function_{number}_{}", start % 3).as_bytes());
        names.push(0);
        symbols.extend_from_slice(&name.to_le_bytes());
        symbols.extend_from_slice(&[2, 0, 1, 0]);
        symbols.extend_from_slice(&(*start as u64).to_le_bytes());
        symbols.extend_from_slice(&[0; 8]);
        let symbol = if number % 3 == 0 {
            number as u64 + 2
        } else {
            1
        };
        for word in [*start as u64 + 1, symbol << 32 | 2, *start as u64] {
            relocations.extend_from_slice(&word.to_le_bytes());
        }
        // A function, its prototype with one parameter, and a structure of one member.
        let id = u32::try_from(number * 3 + 1).unwrap_or(0);
        for word in [name, 12 << 24, id + 1, 0, 13 << 24 | 1, id, name, id + 2] {
            types.extend_from_slice(&word.to_le_bytes());
        }
        for word in [name, 4 << 24 | 1, 8, name + 3, id, 0] {
            types.extend_from_slice(&word.to_le_bytes());
        }
    }
    let types_bytes = u32::try_from(types.len()).unwrap_or(0);
    let mut header = vec![0x9f, 0xeb, 1, 0, 24, 0, 0, 0];
    for word in [0, types_bytes, types_bytes, 0] {
        header.extend_from_slice(&word.to_le_bytes());
    }
    let mut symbols = section(".symtab", 2, 0, symbols);
    symbols.link = 4;
    let mut relocations = section(".rela.text", 4, 0, relocations);
    (relocations.link, relocations.info) = (3, 1);
    let btf = section(".BTF", 1, 0, [header, types].concat());
    file(
        1,
        X86_64,
        vec![
            section(".text", 1, 6, text),
            relocations,
            symbols,
            section(".strtab", 3, 0, names),
            btf,
        ],
    )
}

/// An ELF file of this kind for this machine; the sections follow the headers, and the section headers follow them. A program has one
/// segment that loads them.
pub(super) fn file(kind: u16, machine: u16, mut sections: Vec<Section>) -> Vec<u8> {
    let program_headers = u16::from(kind != 1);
    let mut names = vec![0];
    let mut places = vec![0_u32];
    for section in &sections {
        places.push(u32::try_from(names.len()).unwrap_or(0));
        names.extend_from_slice(section.name.as_bytes());
        names.push(0);
    }
    places.push(0);
    sections.push(section("", 3, 0, names));
    let start = 64 + 56 * usize::from(program_headers);
    let bytes: usize = sections.iter().map(|section| section.bytes.len()).sum();
    let count = u16::try_from(sections.len() + 1).unwrap_or(0);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    file.resize(16, 0);
    for half in [kind, machine] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    file.extend_from_slice(&1_u32.to_le_bytes());
    for word in [0, 64, (start + bytes) as u64] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&0_u32.to_le_bytes());
    for half in [64, 56, program_headers, 64, count, count - 1] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    if program_headers == 1 {
        file.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
        let bytes = (start + bytes) as u64;
        for word in [0, SLIDE, SLIDE, bytes, bytes, 4096] {
            file.extend_from_slice(&word.to_le_bytes());
        }
    }
    let mut headers = vec![0; 64];
    for (section, name) in sections.iter().zip(&places[1..]) {
        headers.extend_from_slice(&name.to_le_bytes());
        headers.extend_from_slice(&section.kind.to_le_bytes());
        let (offset, length) = (file.len() as u64, section.bytes.len() as u64);
        for word in [section.flags, SLIDE + offset, offset, length] {
            headers.extend_from_slice(&word.to_le_bytes());
        }
        headers.extend_from_slice(&section.link.to_le_bytes());
        headers.extend_from_slice(&section.info.to_le_bytes());
        headers.extend_from_slice(&[0; 16]);
        file.extend_from_slice(&section.bytes);
    }
    file.extend_from_slice(&headers);
    file
}
