//! The words of frames, types and code, as `docs/FORMAT.md` describes them.

use super::image::{Content, Image, Section, Word, word};

type Words = Vec<(usize, Word)>;

/// All words of a file and their places, ascending.
pub(super) fn all(image: &Image<'_>) -> Words {
    let mut words = Vec::new();
    for (section, content) in &image.parts {
        match content {
            Content::Symbols => image.symbols(section, &mut words),
            Content::Relocations => image.relocations(section, &mut words),
            Content::Frames => frames(image, section, &mut words),
            Content::FrameTable => {
                let from = image.address(section.start);
                words.extend(section.rows(4).map(|place| (place, Word::AheadOf(from))));
            }
            Content::Types => types(image, section, &mut words),
            Content::Code if image.machine == 62 => x86(image, section, &mut words),
            Content::Code => arm64(image, section, &mut words),
        }
    }
    if image.version == 2 && image.is_x86_program() {
        tables(image, &mut words);
        words.sort_by_key(|(place, _)| *place);
    }
    words
}

/// Tables of jumps; `words` has all others.
fn tables(image: &Image<'_>, words: &mut Words) {
    let code: Vec<_> = image
        .parts
        .iter()
        .filter(|part| part.1 == Content::Code)
        .collect();
    let mut starts = Vec::new();
    for (place, _) in words.iter() {
        let section = code
            .iter()
            .find(|part| part.0.start <= *place && *place < part.0.end);
        let is_lea =
            section.is_some_and(|part| *place >= part.0.start + 2) && image.file[place - 2] == 0x8d;
        if let Some((section, _)) = section.filter(|_| is_lea) {
            let behind = u32::try_from(place + 4 - section.start).unwrap_or(0);
            let from = image.address(section.start).wrapping_add(behind);
            starts.extend(image.place(from.wrapping_add(word(image.file, *place))));
        }
    }
    starts.retain(|start| start % 4 == 0);
    starts.sort_unstable();
    starts.dedup();
    let mut left = 4096 + image.file.len() / 2048;
    for (number, start) in starts.iter().enumerate() {
        let is_in_part = image
            .parts
            .iter()
            .any(|part| part.0.start <= *start && *start < part.0.end);
        let behind = image
            .parts
            .iter()
            .map(|part| part.0.start)
            .filter(|part| part > start);
        let load = image.loads.iter().rfind(|load| load.0 <= *start);
        let ends = behind
            .chain(load.map(|load| load.1))
            .chain(starts.get(number + 1).copied());
        let end = ends.min().unwrap_or(0);
        let from = image.address(*start);
        let is_jump = |place: &usize| {
            place + 4 <= end && is_in(image.code(), from.wrapping_add(word(image.file, *place)))
        };
        let places: Vec<usize> = (*start..end).step_by(4).take_while(is_jump).collect();
        if !is_in_part && places.len() >= 2 && left > 0 {
            left -= 1;
            words.extend(places.into_iter().map(|place| (place, Word::AheadOf(from))));
        }
    }
}

fn frames(image: &Image<'_>, section: &Section, words: &mut Words) {
    let bytes = &image.file[..section.end];
    let mut at = section.start;
    while at + 8 <= section.end {
        let length = word(bytes, at) as usize;
        let end = at + 4 + length;
        if length + 4 < 17 || end > section.end {
            return;
        }
        if word(bytes, at + 4) != 0 {
            words.push((at + 4, Word::Back(image.address(at + 4))));
            words.push((at + 8, Word::AheadOfItself(image.address(at + 8))));
            if bytes[at + 16] == 4 && at + 21 <= end {
                words.push((at + 17, Word::AheadOfItself(image.address(at + 17))));
            }
        }
        at = end;
    }
}

/// Of each kind of type: whether its third word is a type, and what the words of its rows are.
const TYPES: [Option<(bool, &str)>; 20] = [
    None,
    Some((false, "-")),
    Some((true, "")),
    Some((false, "tt-")),
    Some((false, "nt-")),
    Some((false, "nt-")),
    Some((false, "n-")),
    Some((false, "")),
    Some((true, "")),
    Some((true, "")),
    Some((true, "")),
    Some((true, "")),
    Some((true, "")),
    Some((true, "nt")),
    Some((true, "-")),
    Some((false, "t--")),
    Some((false, "")),
    Some((true, "-")),
    Some((true, "")),
    Some((false, "n--")),
];

/// Kinds that have as many rows as they say; others have one, if any.
const COUNTED: [usize; 6] = [4, 5, 6, 13, 15, 19];

fn types(image: &Image<'_>, section: &Section, words: &mut Words) {
    let bytes = &image.file[section.start..section.end];
    if !bytes.starts_with(&[0x9f, 0xeb, 1, 0, 0x18, 0, 0, 0]) || bytes.len() < 16 {
        return;
    }
    let mut at = 24 + word(bytes, 8) as usize;
    let end = (at + word(bytes, 12) as usize).min(bytes.len());
    while at + 12 <= end {
        let info = word(bytes, at + 4) as usize;
        let kind = info >> 24 & 31;
        let Some((is_type, row)) = TYPES.get(kind).copied().flatten() else {
            return;
        };
        let count = if COUNTED.contains(&kind) {
            info & 0xffff
        } else {
            1
        };
        let behind = at + 12 + count * 4 * row.len();
        if behind > end {
            return;
        }
        words.push((section.start + at, Word::Number(1)));
        if is_type {
            words.push((section.start + at + 8, Word::Number(2)));
        }
        for (number, letter) in row.repeat(count).chars().enumerate() {
            let place = section.start + at + 12 + 4 * number;
            match letter {
                'n' => words.push((place, Word::Number(1))),
                't' => words.push((place, Word::Number(2))),
                _ => {}
            }
        }
        at = behind;
    }
}

fn is_in((start, end): (u32, u32), address: u32) -> bool {
    start <= address && address < end
}

fn x86(image: &Image<'_>, section: &Section, words: &mut Words) {
    let bytes = &image.file[..section.end];
    let mut at = section.start;
    while at < section.end {
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        let (place, goals) = match bytes[at] {
            0xe8 | 0xe9 => (at + 1, image.code()),
            0x0f if (0x80..=0x8f).contains(&next) => (at + 2, image.code()),
            byte if byte & 0xc7 == 0x05 => (at + 1, image.data()),
            _ => (section.end, (0, 0)),
        };
        let from = image
            .address(section.start)
            .wrapping_add(u32::try_from(place + 4 - section.start).unwrap_or(0));
        if place + 4 <= section.end && is_in(goals, from.wrapping_add(word(bytes, place))) {
            words.push((place, Word::AheadOfItself(image.address(place + 4))));
            at = place + 4;
        } else {
            at += 1;
        }
    }
}

/// What an instruction of ARM64 does with places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Branch,
    Page,
    /// By how many bits its field is shifted.
    Low(u32),
    Other,
}

/// The bits of an instruction from `from` to `to`.
fn bits(instruction: u32, from: u32, to: u32) -> u32 {
    instruction << (31 - to) >> (31 - to + from)
}

pub(super) fn kind(instruction: u32) -> Kind {
    match instruction {
        i if i & 0x7c00_0000 == 0x1400_0000 => Kind::Branch,
        i if i & 0x9f00_0000 == 0x9000_0000 => Kind::Page,
        i if i & 0xffc0_0000 == 0x9100_0000 => Kind::Low(0),
        i if i & 0x3b00_0000 == 0x3900_0000 => match bits(i, 26, 26) & bits(i, 23, 23) {
            1 => Kind::Low(4),
            _ => Kind::Low(bits(i, 30, 31)),
        },
        _ => Kind::Other,
    }
}

pub(super) fn page_of(instruction: u32, at: u32) -> u32 {
    let pages = bits(instruction, 29, 30) + 4 * bits(instruction, 5, 23);
    (at / 4096 * 4096).wrapping_add(pages.wrapping_mul(4096))
}

pub(super) fn low_of(instruction: u32) -> u32 {
    match kind(instruction) {
        Kind::Low(scale) => bits(instruction, 10, 21) << scale,
        _ => 0,
    }
}

pub(super) fn branch_of(instruction: u32, at: u32) -> u32 {
    let number = i64::from(bits(instruction, 0, 25));
    let number = if number < 1 << 25 {
        number
    } else {
        number - (1 << 26)
    };
    let goal = i64::from(at) + 4 * number;
    u32::try_from(goal.rem_euclid(1 << 32)).unwrap_or(0)
}

pub(super) fn origin(instruction: u32) -> u32 {
    bits(instruction, 5, 9)
}

pub(super) fn result(instruction: u32) -> u32 {
    bits(instruction, 0, 4)
}

/// Whether an instruction writes `register`, as far as this format cares.
fn writes(instruction: u32, register: u32) -> bool {
    let is_access = instruction & 0x3b00_0000 == 0x3900_0000;
    let is_harmless =
        is_access && (bits(instruction, 22, 23) == 0 || bits(instruction, 26, 26) == 1);
    let is_known = match kind(instruction) {
        Kind::Page => true,
        Kind::Low(_) => !is_harmless,
        Kind::Branch | Kind::Other => false,
    };
    is_known && result(instruction) == register
}

/// The instruction at `at` made to name `goal`.
pub(super) fn naming(instruction: u32, at: u32, goal: u32) -> u32 {
    let put = |number: u32, from: u32, to: u32, into: u32| {
        let mask = (u32::MAX >> (31 - (to - from))) << from;
        into & !mask | number << from & mask
    };
    match kind(instruction) {
        Kind::Branch => put(goal.wrapping_sub(at) / 4, 0, 25, instruction),
        Kind::Page => {
            let pages = (goal / 4096).wrapping_sub(at / 4096) & 0xf_ffff;
            // The sign once more, for 21 bits.
            let pages = pages | pages >> 19 << 20;
            put(pages, 29, 30, put(pages / 4, 5, 23, instruction))
        }
        Kind::Low(scale) => put((goal % 4096) >> scale, 10, 21, instruction),
        Kind::Other => instruction,
    }
}

fn arm64(image: &Image<'_>, section: &Section, words: &mut Words) {
    let at = |number: usize| word(image.file, section.start + 4 * number);
    let address = |number: usize| {
        image
            .address(section.start)
            .wrapping_add(u32::try_from(4 * number).unwrap_or(0))
    };
    let count = (section.end - section.start) / 4;
    let (first, behind) = image.data();
    let is_page = |number| {
        let page = page_of(at(number), address(number));
        page.saturating_add(4095) >= first && page < behind
    };
    for number in 0..count {
        let instruction = at(number);
        let named = match kind(instruction) {
            Kind::Branch => Some(branch_of(instruction, address(number)))
                .filter(|goal| is_in(image.code(), *goal)),
            Kind::Page if is_page(number) => {
                let register = result(instruction);
                let page = page_of(instruction, address(number));
                let user = (number + 1..count).take(32).find(|user| {
                    let is_user = matches!(kind(at(*user)), Kind::Low(_));
                    is_user && origin(at(*user)) == register || writes(at(*user), register)
                });
                let is_user = |user: &usize| {
                    matches!(kind(at(*user)), Kind::Low(_)) && origin(at(*user)) == register
                };
                let low = user.filter(is_user).map_or(0, |user| low_of(at(user)));
                Some(page.wrapping_add(low))
            }
            Kind::Low(_) => {
                let register = origin(instruction);
                let mut before = (number.saturating_sub(32)..number).rev();
                let last = before.find(|last| writes(at(*last), register));
                last.filter(|last| kind(at(*last)) == Kind::Page && is_page(*last))
                    .map(|last| page_of(at(last), address(last)).wrapping_add(low_of(instruction)))
            }
            Kind::Page | Kind::Other => None,
        };
        if let Some(named) = named {
            words.push((
                section.start + 4 * number,
                Word::Instruction(address(number), named),
            ));
        }
    }
}
