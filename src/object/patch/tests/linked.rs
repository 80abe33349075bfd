//! Programs that are linked from a list of functions: whatever its order, each call and each address leads where it led.

use super::made::{ARM64, Random, SLIDE, X86_64, file, section};

/// Where code starts in a file: behind its header and that of one segment.
const CODE_START: usize = 64 + 56;
/// Bytes of the data of a function.
const DATUM_BYTES: usize = 24;
/// Bytes of what each function has behind its body.
const X86_TAIL_BYTES: usize = 2 * 5 + 2 * 7;
const ARM64_TAIL_BYTES: usize = 6 * 4;

/// What runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::object) enum Target {
    X86,
    Arm64,
}

/// A function: what it does follows from its number.
struct Function {
    body: Vec<u8>,
    /// Random numbers that say which functions it calls.
    calls: [u64; 2],
    /// Where its table of jumps leads, counted from its start.
    jumps: Vec<usize>,
}

impl Function {
    fn new(number: u64, target: Target) -> Self {
        let mut random = Random::new(number);
        let words = 3 + random.below(15);
        let body: Vec<u8> = (0..words)
            .flat_map(|_| match target {
                Target::X86 => random.next().to_le_bytes()[..4].to_vec(),
                // No branch, no page and nothing that uses one: `orr` of random registers.
                Target::Arm64 => {
                    let registers = random.next().to_le_bytes();
                    [registers[0], registers[1], registers[2] & 0x1f, 0xaa].to_vec()
                }
            })
            .collect();
        let calls = [random.next(), random.next()];
        // Those of ARM64 are of another kind, and stay the same wherever they lie.
        let count = match target {
            Target::X86 => 2 + random.below(6),
            Target::Arm64 => 0,
        };
        let length = body.len() as u64;
        let jumps = (0..count)
            .map(|_| usize::try_from(random.below(length)).unwrap_or(0))
            .collect();
        Self { body, calls, jumps }
    }
}

fn low(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn distance(goal: usize, from: usize) -> [u8; 4] {
    low(goal).wrapping_sub(low(from)).to_le_bytes()
}

/// A program of the functions with these numbers, each of which calls two others, and uses its own data and,
/// for x86-64, its table of jumps.
pub(in crate::object) fn linked(target: Target, numbers: &[u64]) -> Vec<u8> {
    let functions: Vec<Function> = numbers
        .iter()
        .map(|number| Function::new(*number, target))
        .collect();
    let tail_bytes = match target {
        Target::X86 => X86_TAIL_BYTES,
        Target::Arm64 => ARM64_TAIL_BYTES,
    };
    let start_of_all = CODE_START + usize::try_from(SLIDE).unwrap_or(0);
    let mut starts = Vec::new();
    let mut at = start_of_all;
    for function in &functions {
        starts.push(at);
        at += function.body.len() + tail_bytes;
    }
    // A function that is not there any more is another: that with the nearest number.
    let callee = |call: u64| {
        let wanted = call % 1000;
        let nearest = (0..numbers.len()).min_by_key(|at| (numbers[*at].abs_diff(wanted), *at));
        starts[nearest.unwrap_or(0)]
    };
    let (mut data, mut tables) = (Vec::new(), at + DATUM_BYTES * functions.len());
    let mut code = Vec::new();
    let mut jumps = Vec::new();
    for ((function, start), number) in functions.iter().zip(&starts).zip(numbers) {
        let datum = at + data.len();
        // A number that no table takes for a distance.
        data.extend_from_slice(&[0x80; DATUM_BYTES - 8]);
        data.extend_from_slice(&number.to_be_bytes());
        code.extend_from_slice(&function.body);
        let goals = [
            callee(function.calls[0]),
            callee(function.calls[1]),
            datum,
            tables,
        ];
        let from = start_of_all + code.len();
        match target {
            Target::X86 => push_x86_tail(&mut code, from, goals),
            Target::Arm64 => {
                let [call, other_call, datum, _] = goals;
                push_arm64_tail(&mut code, from, [call, other_call, datum, datum + 8]);
            }
        }
        for jump in &function.jumps {
            jumps.extend_from_slice(&distance(start + jump, tables));
        }
        tables += 4 * function.jumps.len();
    }
    let machine = match target {
        Target::X86 => X86_64,
        Target::Arm64 => ARM64,
    };
    data.extend_from_slice(&jumps);
    let sections = vec![section(".text", 1, 6, code), section(".rodata", 1, 2, data)];
    file(2, machine, sections)
}

/// Two calls, and two addresses that are loaded (`lea`).
fn push_x86_tail(code: &mut Vec<u8>, mut from: usize, goals: [usize; 4]) {
    let starts = [
        &[0xe8][..],
        &[0xe8],
        &[0x48, 0x8d, 0x05],
        &[0x48, 0x8d, 0x0d],
    ];
    for (start, goal) in starts.into_iter().zip(goals) {
        from += start.len() + 4;
        code.extend_from_slice(start);
        code.extend_from_slice(&distance(goal, from));
    }
}

/// Two calls; an address that is put together by `adrp` and `add`; and one by `adrp` and a load of four bytes.
fn push_arm64_tail(code: &mut Vec<u8>, from: usize, goals: [usize; 4]) {
    let [call, other_call, datum, other_datum] = goals.map(low);
    let from = |number: u32| low(from) + 4 * number;
    let branch =
        |number, goal: u32| 0x9400_0000 | goal.wrapping_sub(from(number)) >> 2 & 0x3ff_ffff;
    let page = |number, goal: u32| {
        let pages = (goal >> 12).wrapping_sub(from(number) >> 12);
        0x9000_0000 | (pages & 3) << 29 | (pages >> 2 & 0x7_ffff) << 5
    };
    for word in [
        branch(0, call),
        branch(1, other_call),
        page(2, datum),
        0x9100_0000 | (datum & 0xfff) << 10,
        page(4, other_datum) | 1,
        0xb940_0000 | (other_datum & 0xfff) >> 2 << 10 | 1 << 5 | 2,
    ] {
        code.extend_from_slice(&word.to_le_bytes());
    }
}
