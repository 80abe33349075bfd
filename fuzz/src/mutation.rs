//! Bytes that are nearly right: a valid input, changed in a few places.
//!
//! # Invariants
//!
//! - The same seed gives the same bytes, on every machine.
//!
//! # Not here
//!
//! Guidance by coverage: libFuzzer has it, and can drive the same targets.

/// Most changes made to one input.
const CHANGES_MAX: u64 = 6;

/// Longest run of bytes that is inserted, removed or repeated by one change.
const RUN_BYTES_MAX: u64 = 64;

/// Longest input that is made.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Bytes that parsers treat in ways of their own.
const TOKENS: [&[u8]; 16] = [
    b"\n",
    b" ",
    b"\n\n",
    b"0",
    b"-",
    b"/",
    b"..",
    b"\0",
    b"\r\n",
    b"18446744073709551615",
    b"18446744073709551616",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xe2\x80\x8b",
    b"\xe2\x80\x94 ",
    b"x-a b\n",
];

/// The xorshift64* generator: G. Marsaglia, "Xorshift RNGs" (2003), with S. Vigna's multiplier.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`, of which 0 is as good as any other.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // The state must not be 0; the multiplier is odd, so no other seed leads there.
        Self(if seed == 0 {
            1
        } else {
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        })
    }

    /// Draws 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Draws a number below `end`, or 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u64;
        usize::try_from(self.draw() % end).unwrap_or_default()
    }

    /// Draws one of `items`; nothing if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

/// Makes an input of one of `seeds`, with pieces of others.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.pick(seeds).cloned().unwrap_or_default();
    for _ in 0..=random.draw() % CHANGES_MAX {
        change(random, &mut bytes, seeds);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = random.below(bytes.len());
    let length = 1 + usize::try_from(random.draw() % RUN_BYTES_MAX).unwrap_or_default();
    let end = (at + length).min(bytes.len());
    match random.draw() % 10 {
        0 | 1 => flip(random, bytes, at),
        2 => set(random, bytes, at),
        3 => {
            bytes.drain(at..end);
        }
        4 => {
            let run = bytes[at..end].to_vec();
            bytes.splice(at..at, run);
        }
        5 => insert(random, bytes, at),
        6 => bytes.truncate(at),
        7 => swap_lines(random, bytes),
        8 => {
            // A digit for a digit keeps the form and changes the meaning.
            if let Some(digit) = bytes
                .get_mut(at..)
                .and_then(|r| r.iter_mut().find(|b| b.is_ascii_digit()))
            {
                *digit = b"0123456789abcdef"[random.below(16)];
            }
        }
        _ => splice(random, bytes, at, seeds),
    }
}

fn flip(random: &mut Random, bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn set(random: &mut Random, bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = random.draw().to_le_bytes()[0];
    }
}

fn insert(random: &mut Random, bytes: &mut Vec<u8>, at: usize) {
    let token = random.pick(&TOKENS).copied().unwrap_or_default();
    bytes.splice(at..at, token.iter().copied());
}

fn swap_lines(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let (one, other) = (random.below(lines.len()), random.below(lines.len()));
    if !lines.is_empty() {
        lines.swap(one, other);
    }
    *bytes = lines.concat();
}

fn splice(random: &mut Random, bytes: &mut Vec<u8>, at: usize, seeds: &[Vec<u8>]) {
    let Some(other) = random.pick(seeds) else {
        return;
    };
    let from = random.below(other.len());
    bytes.truncate(at);
    bytes.extend_from_slice(&other[from..]);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let seeds = [b"bindery tree 1 0 0\n".to_vec(), b"other 12\n".to_vec()];
    let make = |seed| {
        let mut random = Random::new(seed);
        (0..100)
            .map(|_| mutate(&mut random, &seeds))
            .collect::<Vec<_>>()
    };
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
}

#[test]
fn nothing_can_be_made_of_nothing() {
    let mut random = Random::new(0);
    for _ in 0..1000 {
        assert!(mutate(&mut random, &[]).len() <= INPUT_BYTES_MAX);
    }
}
