//! Programs whose functions call each other, as a compiler and a linker would make them.

use super::Outcome;
use super::text::Random;

/// Where code starts in the file: behind its header and that of one segment.
const CODE_START: u64 = 64 + 56;
/// Bytes of a call (`E8` and a distance).
const CALL_BYTES: u64 = 5;
/// Calls behind the bytes of each function.
const CALLS: u64 = 3;

/// A program for x86-64 of `functions`, each 50 to 200 bytes of noise and three calls. Each of `new` stands behind the one
/// with its number, so all that is behind moves.
pub fn program(functions: u64, new: &[u64]) -> Outcome<Vec<u8>> {
    let mut starts = Vec::new();
    let mut at = 0;
    let mut order = Vec::new();
    for number in 0..functions {
        order.push(number);
        starts.push(at);
        at += bytes_of(number) + CALLS * CALL_BYTES;
        if new.contains(&number) {
            order.push(functions + number);
            at += bytes_of(functions + number) + CALLS * CALL_BYTES;
        }
    }
    let mut code = Vec::with_capacity(usize::try_from(at)?);
    for number in order {
        let mut random = Random::new(number);
        let noise = (0..bytes_of(number)).map(|_| random.draw().to_be_bytes()[0] | 0x40);
        code.extend(noise);
        for _ in 0..CALLS {
            code.push(0xe8);
            let goal = starts[usize::try_from(random.draw() % functions)?];
            let distance = i64::try_from(goal)? - i64::try_from(code.len() + 4)?;
            code.extend_from_slice(&i32::try_from(distance)?.to_le_bytes());
        }
    }
    Ok(file(&code))
}

fn bytes_of(number: u64) -> u64 {
    50 + Random::new(number).draw() % 150
}

/// An ELF file with one segment and one section, which is code.
fn file(code: &[u8]) -> Vec<u8> {
    let (bytes, end) = (code.len() as u64, CODE_START + code.len() as u64);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend_from_slice(&[2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0, 64, end] {
        file.extend_from_slice(&u64::to_le_bytes(word));
    }
    // Its own length; length and count of headers of segments, and of sections; no names.
    file.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 2, 0, 0, 0]);
    file.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, 0, 0, end, end, 4096] {
        file.extend_from_slice(&u64::to_le_bytes(word));
    }
    file.extend_from_slice(code);
    file.extend_from_slice(&[0; 64]);
    file.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
    for word in [6, CODE_START, CODE_START, bytes, 0, 0, 0] {
        file.extend_from_slice(&u64::to_le_bytes(word));
    }
    file
}
