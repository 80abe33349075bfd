//! x86-64: where code holds distances.
//!
//! `call` and `jmp` (`E8`, `E9`), the conditional jumps (`0F 80` to `0F 8F`) and operands relative to the instruction
//! pointer (a `ModRM` byte `00 xxx 101`) are followed by a distance of four bytes (Intel SDM, volume 2). Code is not
//! disassembled: a byte that may be one of these counts if the distance behind it leads to where it could; random bytes
//! do so in one of a hundred cases. A wrong guess costs a few bytes and never makes a wrong file.
//!
//! # Invariants
//!
//! - Distances lie inside the code and do not overlap.
//!
//! # Not here
//!
//! What becomes of the distances (`predict`).

use std::ops::Range;

/// Bytes of a distance.
const DISTANCE_BYTES: usize = 4;

/// What leads to distances: `call`, `jmp` and the first of two bytes of a conditional jump; and the bits of a `ModRM` byte.
const CALL: u8 = 0xe8;
const JUMP: u8 = 0xe9;
const ESCAPE: u8 = 0x0f;
const OPERAND_MASK: u8 = 0xc7;
const OPERAND: u8 = 0x05;
/// The bits in which `call` and `jmp` are alike.
const BRANCH_MASK: u8 = 0xfe;
/// The first byte of an instruction that loads an address; a `ModRM` byte and a distance follow.
const LEA: u8 = 0x8d;

/// The address that is loaded by the instruction whose distance is at `place` of `code`, if it is one that loads one.
#[inline]
pub(super) fn loaded(code: &[u8], place: usize, address: u32) -> Option<u32> {
    let opcode = *code.get(place.checked_sub(2)?)?;
    let distance = code.get(place..)?.first_chunk().copied()?;
    let from = address.wrapping_add(u32::try_from(place + DISTANCE_BYTES).ok()?);
    (opcode == LEA).then(|| from.wrapping_add(u32::from_le_bytes(distance)))
}

/// What is followed by a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A call, which leads into code.
    Call,
    /// A jump.
    Jump,
    /// A conditional jump.
    Conditional,
    /// An operand, which leads anywhere.
    Operand,
}

/// What a byte may be the start of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lead {
    Nothing,
    /// A distance follows.
    Distance(Kind),
    /// It may be the first byte of a conditional jump.
    Escape,
}

const LEADS: [Lead; 256] = {
    let mut leads = [Lead::Nothing; 256];
    let mut byte = 0;
    while byte < leads.len() {
        if byte & OPERAND_MASK as usize == OPERAND as usize {
            leads[byte] = Lead::Distance(Kind::Operand);
        }
        byte += 1;
    }
    leads[CALL as usize] = Lead::Distance(Kind::Call);
    leads[JUMP as usize] = Lead::Distance(Kind::Jump);
    leads[ESCAPE as usize] = Lead::Escape;
    leads
};

/// Whether there are bytes behind `byte` before which it leads to a distance.
#[inline]
pub(super) const fn may_lead(byte: u8) -> bool {
    !matches!(LEADS[byte as usize], Lead::Nothing)
}

/// Whether the byte behind `byte` says if it leads to a distance.
#[inline]
pub(super) const fn is_escape(byte: u8) -> bool {
    matches!(LEADS[byte as usize], Lead::Escape)
}

/// The kind of distance to which a byte leads before the `next` one, and how far ahead it is.
#[inline]
pub(super) fn lead(byte: u8, next: Option<u8>) -> Option<(Kind, usize)> {
    match LEADS[usize::from(byte)] {
        Lead::Nothing => None,
        Lead::Distance(kind) => Some((kind, 1)),
        Lead::Escape => next
            .is_some_and(|next| next & 0xf0 == 0x80)
            .then_some((Kind::Conditional, 2)),
    }
}

/// Bytes that are looked at together.
const BLOCK_BYTES: usize = 64;

/// Which bytes of a block may lead to a distance, a bit each, the first the lowest.
fn leads_of(block: &[u8; BLOCK_BYTES]) -> u64 {
    // Without branches: three of a hundred bytes of code lead somewhere, and nobody can tell which.
    let mut may_lead = [0; BLOCK_BYTES];
    for (may_lead, byte) in may_lead.iter_mut().zip(block) {
        let is_operand = byte & OPERAND_MASK == OPERAND;
        let is_branch = byte & BRANCH_MASK == CALL;
        *may_lead = u8::from(is_operand) | u8::from(is_branch) | u8::from(*byte == ESCAPE);
    }
    let (words, _) = may_lead.as_chunks::<8>();
    let bits = words.iter().enumerate().map(|(number, word)| {
        // Each byte, 0 or 1, is moved to its bit of the highest byte.
        let packed = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        packed << (8 * number)
    });
    bits.fold(0, |all, bits| all | bits)
}

/// Calls `found` with the place of every distance in `code`, which is loaded at `address`; branches lead into
/// `branches`, operands into `operands`.
pub(super) fn distances(
    code: &[u8],
    address: u32,
    branches: &Range<u32>,
    operands: &Range<u32>,
    found: &mut impl FnMut(usize),
) {
    let mut behind = 0;
    let (blocks, rest) = code.as_chunks::<BLOCK_BYTES>();
    let mut last = [0; BLOCK_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    for (number, block) in blocks.iter().chain([&last]).enumerate() {
        let mut leads = leads_of(block);
        while leads != 0 {
            let at = number * BLOCK_BYTES + leads.trailing_zeros() as usize;
            leads &= leads - 1;
            if at < behind {
                continue;
            }
            let reach = |kind| match kind {
                Kind::Call | Kind::Jump | Kind::Conditional => branches,
                Kind::Operand => operands,
            };
            let Some((kind, ahead)) = lead(code[at], code.get(at + 1).copied()) else {
                continue;
            };
            let end = at + ahead + DISTANCE_BYTES;
            let distance = code.get(at + ahead..).and_then(<[u8]>::first_chunk);
            let from = address.wrapping_add(u32::try_from(end).unwrap_or(0));
            let leads_there = |distance: &[u8; DISTANCE_BYTES]| {
                reach(kind).contains(&from.wrapping_add(u32::from_le_bytes(*distance)))
            };
            if distance.is_some_and(leads_there) {
                found(at + ahead);
                behind = end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_found_where_they_lead_somewhere() {
        for (code, expected, reason) in [
            (&[0xe8, 0x10, 0, 0, 0][..], &[1][..], "a call"),
            (&[0x90, 0xe9, 0xf0, 0xff, 0xff, 0xff], &[2], "a jump back"),
            (&[0x0f, 0x84, 1, 0, 0, 0], &[2], "a conditional jump"),
            (
                &[0x0f, 0x1f, 1, 0, 0, 0],
                &[],
                "another instruction of two bytes",
            ),
            (
                &[0x48, 0x8b, 0x05, 0, 0x10, 0, 0],
                &[3],
                "an operand in data",
            ),
            (&[0xe8, 0, 0x10, 0, 0], &[], "a call into data"),
            (&[0xe8, 0, 0, 0, 0x70], &[], "a call far outside"),
            (
                &[0xe8, 0xe8, 0, 0, 0, 0],
                &[1],
                "what follows a distance is no lead of its own",
            ),
            (&[0xe8, 0, 0, 0], &[], "cut short"),
            (&[], &[], "nothing"),
        ] {
            let mut found = Vec::new();
            distances(
                code,
                0x1000,
                &(0xf00..0x1200),
                &(0xf00..0x2f00),
                &mut |at| found.push(at),
            );
            assert_eq!(found, expected, "{reason}");
        }
    }

    #[test]
    fn an_address_is_loaded_by_one_instruction_alone() {
        for (code, place, expected, reason) in [
            (
                &[0x48, 0x8d, 0x05, 0x10, 0, 0, 0][..],
                3,
                Some(0x1017),
                "lea",
            ),
            (&[0x48, 0x8b, 0x05, 0x10, 0, 0, 0], 3, None, "mov"),
            (&[0xe8, 0x10, 0, 0, 0], 1, None, "a call at the start"),
            (&[0x8d, 0x05, 0x10, 0, 0], 2, None, "cut short"),
        ] {
            assert_eq!(loaded(code, place, 0x1000), expected, "{reason}");
        }
    }
}
