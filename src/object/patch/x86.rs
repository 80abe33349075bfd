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

/// What a byte may be the start of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lead {
    Nothing,
    /// A distance follows that leads into code.
    Branch,
    /// It may be the first byte of a conditional jump.
    Escape,
    /// A distance follows that leads anywhere.
    Operand,
}

const LEADS: [Lead; 256] = {
    let mut leads = [Lead::Nothing; 256];
    let mut byte = 0;
    while byte < leads.len() {
        if byte & 0xc7 == 0x05 {
            leads[byte] = Lead::Operand;
        }
        byte += 1;
    }
    leads[0xe8] = Lead::Branch;
    leads[0xe9] = Lead::Branch;
    leads[0x0f] = Lead::Escape;
    leads
};

/// Calls `found` with the place of every distance in `code`, which is loaded at `address`; branches lead into
/// `branches`, operands into `operands`.
pub(super) fn distances(
    code: &[u8],
    address: u32,
    branches: &Range<u32>,
    operands: &Range<u32>,
    found: &mut impl FnMut(usize),
) {
    let mut at = 0;
    while at < code.len() {
        let (place, reach) = match LEADS[usize::from(code[at])] {
            Lead::Branch => (at + 1, branches),
            Lead::Operand => (at + 1, operands),
            Lead::Escape if code.get(at + 1).is_some_and(|byte| byte & 0xf0 == 0x80) => {
                (at + 2, branches)
            }
            Lead::Escape | Lead::Nothing => {
                at += 1;
                continue;
            }
        };
        let end = place + DISTANCE_BYTES;
        let distance = code.get(place..).and_then(<[u8]>::first_chunk);
        let from = address.wrapping_add(u32::try_from(end).unwrap_or(0));
        let leads_there = |distance: &[u8; DISTANCE_BYTES]| {
            reach.contains(&from.wrapping_add(u32::from_le_bytes(*distance)))
        };
        if distance.is_some_and(leads_there) {
            found(place);
            at = end;
        } else {
            at += 1;
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
