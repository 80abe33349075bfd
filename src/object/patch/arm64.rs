//! ARM64: the instructions that name a place.
//!
//! `b` and `bl` hold a distance. Everything else is named in two steps: `adrp` puts the page of a place, 4,096 bytes, into a
//! register, and an `add`, a load or a store that uses the register adds the low bits (Arm Architecture Reference Manual,
//! C6.2). So both name the place, and the page of an `adrp` alone is known to the first instruction that uses it.
//!
//! Code is not followed: a page counts for the instructions behind it until one that is known writes the register. A wrong
//! guess costs a few bytes and never makes a wrong file.
//!
//! # Invariants
//!
//! - What is found depends on [`REACH_INSTRUCTIONS`] around an instruction at most, and nothing need be kept of it.
//!
//! # Not here
//!
//! What becomes of the places (`predict`).

use std::ops::Range;

/// Bytes of an instruction.
const INSTRUCTION_BYTES: usize = 4;
/// From one address to the next.
const STEP: u32 = 4;
/// Registers, the zero and the stack pointer counted as one.
pub(super) const REGISTERS: usize = 32;
/// How many instructions behind an `adrp` its page is looked for: compilers place them near each other.
const REACH_INSTRUCTIONS: usize = 32;
/// The bits of an address within its page.
pub(super) const PAGE_MASK: u32 = 0xfff;
/// The bits that hold a distance, a page, and the low bits of an address.
const BRANCH_MASK: u32 = 0x03ff_ffff;
const PAGE_FIELDS: u32 = 0x60ff_ffe0;
const LOW_FIELD: u32 = 0xfff << LOW_SHIFT;
/// The bits that are 0 in a store.
const STORE_MASK: u32 = 3 << 22;
/// Where the fields start.
const LOW_SHIFT: u32 = 10;
const PAGE_LOW_SHIFT: u32 = 29;
const PAGE_HIGH_SHIFT: u32 = 5;

/// How an instruction names a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// By a distance: `b`, `bl`.
    Branch,
    /// Its page: `adrp`.
    Page,
    /// The low bits of its address, shifted right by this: `add`, loads and stores.
    Low(u32),
    /// Not at all.
    None,
}

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction(pub(super) u32);

impl Instruction {
    /// That with which `code` starts; none that names anything where there is none.
    #[inline]
    fn first_of(code: &[u8]) -> Self {
        let word = code.first_chunk().copied();
        Self(word.map_or(0, u32::from_le_bytes))
    }

    #[inline]
    pub(super) fn naming(self) -> Naming {
        let Self(word) = self;
        if word & 0x7c00_0000 == 0x1400_0000 {
            Naming::Branch
        } else if word & 0x9f00_0000 == 0x9000_0000 {
            Naming::Page
        } else if word & 0xffc0_0000 == 0x9100_0000 {
            Naming::Low(0)
        } else if self.is_access() {
            // Of vector registers, all 16 bytes: their size is told elsewhere.
            let is_whole_vector = self.is_of_vector() && word >> 23 & 1 == 1;
            Naming::Low(if is_whole_vector { 4 } else { word >> 30 })
        } else {
            Naming::None
        }
    }

    /// The register that it writes (or stores).
    #[inline]
    pub(super) fn result(self) -> usize {
        (self.0 & 31) as usize
    }

    /// The register from which it counts.
    #[inline]
    pub(super) fn origin(self) -> usize {
        (self.0 >> 5 & 31) as usize
    }

    /// Whether it is a load or a store, counted from a register up.
    const fn is_access(self) -> bool {
        self.0 & 0x3b00_0000 == 0x3900_0000
    }

    const fn is_of_vector(self) -> bool {
        self.0 >> 26 & 1 == 1
    }

    /// Whether it puts something else into a register that may hold a page; only asked of those with low bits.
    #[inline]
    fn is_writing(self) -> bool {
        let is_store = self.0 & STORE_MASK == 0;
        !self.is_access() || !is_store && !self.is_of_vector()
    }

    /// The address that it names, from the address `from`; with low bits, in `page`.
    #[inline]
    pub(super) fn named(self, from: u32, page: u32) -> u32 {
        let Self(word) = self;
        match self.naming() {
            Naming::Branch => {
                let words = word << (u32::BITS - 26);
                from.wrapping_add((words.cast_signed() >> 4).cast_unsigned())
            }
            Naming::Page => {
                let pages = word >> PAGE_LOW_SHIFT & 3 | (word >> PAGE_HIGH_SHIFT & 0x7_ffff) << 2;
                // The sign is beyond the 32 bits of an address.
                (from & !PAGE_MASK).wrapping_add(pages << 12)
            }
            Naming::Low(scale) => page.wrapping_add((word >> LOW_SHIFT & PAGE_MASK) << scale),
            Naming::None => 0,
        }
    }

    /// The same instruction at `from`, naming `address`.
    #[inline]
    pub(super) fn with(self, from: u32, address: u32) -> u32 {
        let Self(word) = self;
        let rest = self.without_place();
        match self.naming() {
            Naming::Branch => rest | address.wrapping_sub(from) >> 2 & BRANCH_MASK,
            Naming::Page => {
                let distance = (address & !PAGE_MASK).wrapping_sub(from & !PAGE_MASK);
                // An address has 20 bits of pages, an instruction 21: the last is the sign.
                let pages = (distance.cast_signed() >> 12).cast_unsigned();
                rest | (pages & 3) << PAGE_LOW_SHIFT | (pages >> 2 & 0x7_ffff) << PAGE_HIGH_SHIFT
            }
            Naming::Low(scale) => rest | (address & PAGE_MASK) >> scale << LOW_SHIFT,
            Naming::None => word,
        }
    }

    /// What is alike wherever the place lies.
    #[inline]
    pub(super) fn without_place(self) -> u32 {
        let Self(word) = self;
        match self.naming() {
            Naming::Branch => word & !BRANCH_MASK,
            Naming::Page => word & !PAGE_FIELDS,
            Naming::Low(_) => word & !LOW_FIELD,
            Naming::None => word,
        }
    }
}

/// Calls `found` with the place of every instruction of `code`, which is loaded at `address`, that names a place; branches
/// lead into `branches`, pages have addresses of `operands`.
pub(super) fn places(
    code: &[u8],
    address: u32,
    branches: &Range<u32>,
    operands: &Range<u32>,
    found: &mut impl FnMut(usize),
) {
    // Of each register, the number behind the last instruction that may find its page there.
    let mut ends = [0; REGISTERS];
    let mut from = address;
    for (number, word) in code.chunks_exact(INSTRUCTION_BYTES).enumerate() {
        let instruction = Instruction::first_of(word);
        let is_found = match instruction.naming() {
            Naming::Branch => branches.contains(&instruction.named(from, 0)),
            Naming::Page => {
                let page = instruction.named(from, 0);
                let is_there = page | PAGE_MASK >= operands.start && page < operands.end;
                ends[instruction.result()] = if is_there {
                    number + REACH_INSTRUCTIONS + 1
                } else {
                    0
                };
                is_there
            }
            Naming::Low(_) => {
                let is_near = number < ends[instruction.origin()];
                if instruction.is_writing() {
                    ends[instruction.result()] = 0;
                }
                is_near
            }
            Naming::None => false,
        };
        if is_found {
            found(number * INSTRUCTION_BYTES);
        }
        from = from.wrapping_add(STEP);
    }
}

/// The address named by the instruction at `place` of `code`, where [`places`] found one; `from` is its own address.
#[inline]
pub(super) fn named(code: &[u8], place: usize, from: u32) -> u32 {
    let instruction = Instruction::first_of(code.get(place..).unwrap_or_default());
    match instruction.naming() {
        Naming::Branch | Naming::None => instruction.named(from, 0),
        Naming::Page => {
            let page = instruction.named(from, 0);
            named_behind(code, place, instruction.result(), page)
        }
        Naming::Low(_) => instruction.named(from, page_before(code, place, from)),
    }
}

/// The address that the first instruction names which uses the page in a register since the one at `place`; the page itself
/// if there is none.
fn named_behind(code: &[u8], place: usize, register: usize, page: u32) -> u32 {
    let behind = code.get(place + INSTRUCTION_BYTES..).unwrap_or_default();
    for word in behind
        .chunks_exact(INSTRUCTION_BYTES)
        .take(REACH_INSTRUCTIONS)
    {
        let next = Instruction::first_of(word);
        match next.naming() {
            Naming::Low(_) if next.origin() == register => return next.named(0, page),
            Naming::Low(_) if next.is_writing() && next.result() == register => return page,
            Naming::Page if next.result() == register => return page,
            Naming::Low(_) | Naming::Page | Naming::Branch | Naming::None => {}
        }
    }
    page
}

/// The page in the register from which the instruction at `place` counts.
fn page_before(code: &[u8], place: usize, from: u32) -> u32 {
    let register = Instruction::first_of(code.get(place..).unwrap_or_default()).origin();
    let before = code.get(..place).unwrap_or_default();
    let mut from = from;
    for word in before
        .rchunks_exact(INSTRUCTION_BYTES)
        .take(REACH_INSTRUCTIONS)
    {
        let last = Instruction::first_of(word);
        from = from.wrapping_sub(STEP);
        if last.naming() == Naming::Page && last.result() == register {
            return last.named(from, 0);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADRP_X1: u32 = 0xb000_0001;
    const ADD_X1: u32 = 0x9100_4021;
    const LDR_X2: u32 = 0xf940_0422;

    #[test]
    fn an_instruction_names_a_place_as_the_manual_says() {
        for (word, from, page, named, reason) in [
            (0x1400_0001, 0x1000, 0, 0x1004, "b, one instruction on"),
            (0x97ff_ffff, 0x1000, 0, 0x0ffc, "bl, one instruction back"),
            (
                0x9600_0000,
                0x0900_0000,
                0,
                0x0100_0000,
                "as far back as can be",
            ),
            (0x9000_0000, 0x1234, 0, 0x1000, "adrp, its own page"),
            (0xb000_0000, 0x1234, 0, 0x2000, "the next page"),
            (0xf0ff_ffe0, 0x1234, 0, 0, "the page before"),
            (0x913f_fc20, 0, 0x2000, 0x2fff, "add, the last byte"),
            (0x3940_0420, 0, 0x2000, 0x2001, "ldrb"),
            (0x7940_0420, 0, 0x2000, 0x2002, "ldrh"),
            (0xb900_0420, 0, 0x2000, 0x2004, "str of four bytes"),
            (0xf940_0420, 0, 0x2000, 0x2008, "ldr of eight bytes"),
            (0x3dc0_0420, 0, 0x2000, 0x2010, "ldr of a whole vector"),
            (0x3d40_0420, 0, 0x2000, 0x2001, "ldr of a byte of a vector"),
        ] {
            let instruction = Instruction(word);
            assert_eq!(instruction.named(from, page), named, "{reason}");
            assert_eq!(instruction.with(from, named), word, "{reason}");
            let other = instruction.with(from, named ^ 0x100);
            assert_eq!(Instruction(other).with(from, named), word, "{reason}");
            assert_eq!(
                Instruction(other).without_place(),
                instruction.without_place(),
                "{reason}"
            );
        }
        for word in [
            0xaa00_03e0,
            0xd65f_03c0,
            0x5400_0000,
            0x9140_0421,
            0xf840_0420,
        ] {
            assert_eq!(Instruction(word).naming(), Naming::None, "{word:x}");
            assert_eq!(Instruction(word).with(0, 0x1234), word);
        }
    }

    #[test]
    fn instructions_are_found_that_lead_somewhere() {
        const NOP: u32 = 0xd503_201f;
        let far = |count| [&[ADRP_X1][..], &vec![NOP; count], &[LDR_X2]].concat();
        for (words, expected, reason) in [
            (
                &[ADRP_X1, ADD_X1][..],
                &[(0, 0x2010), (4, 0x2010)][..],
                "both name the place",
            ),
            (
                &[ADRP_X1, LDR_X2, ADD_X1],
                &[(0, 0x2008), (4, 0x2008), (8, 0x2010)],
                "the first counts",
            ),
            (
                &[ADRP_X1, ADD_X1, LDR_X2],
                &[(0, 0x2010), (4, 0x2010)],
                "the register is overwritten",
            ),
            (
                &[ADRP_X1, 0xb000_0002, LDR_X2],
                &[(0, 0x2008), (4, 0x2000), (8, 0x2008)],
                "another register",
            ),
            (
                &[ADRP_X1, 0xd000_0001, LDR_X2],
                &[(0, 0x2000), (4, 0x3008), (8, 0x3008)],
                "a later page",
            ),
            (
                &[ADRP_X1, 0xb040_0001, LDR_X2],
                &[(0, 0x2000)],
                "a page that is not there",
            ),
            (&[LDR_X2, ADD_X1], &[], "no page"),
            (&far(31), &[(0, 0x2008), (128, 0x2008)], "as far as can be"),
            (&far(32), &[(0, 0x2000)], "too far"),
            (
                &[ADRP_X1, 0xf900_0421, LDR_X2],
                &[(0, 0x2008), (4, 0x2008), (8, 0x2008)],
                "a store writes no register",
            ),
            (
                &[0x9400_0002, 0x9400_4000],
                &[(0, 0x1008)],
                "a call out of the code is none",
            ),
        ] {
            let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut found = Vec::new();
            places(
                &code,
                0x1000,
                &(0x1000..0x1100),
                &(0x1000..0x4000),
                &mut |at| {
                    let from = 0x1000 + u32::try_from(at).unwrap_or(0);
                    found.push((at, named(&code, at, from)));
                },
            );
            assert_eq!(found, expected, "{reason}");
        }
    }
}
