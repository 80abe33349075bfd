//! Bytes made from a seed that compress about as source code does.

/// What everything random starts from; odd, so that no product with it is 0.
pub const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// The xorshift64* generator: G. Marsaglia, "Xorshift RNGs" (2003), with S. Vigna's multiplier.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence that belongs to `number`.
    pub fn new(number: u64) -> Self {
        Self((number + 1).wrapping_mul(SEED))
    }

    /// Draws the next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Goes on with another sequence for each `step`.
    pub fn branch(&mut self, step: u64) {
        self.0 += step;
    }
}

/// Lines that look like source code and compress about as well.
pub fn text(random: &mut Random, length: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "static ", "int ", "return ", "struct ", "if (", ") {\n", "}\n", "->next", " = ", ";\n",
        "\t", "0x", "const ", "void ", "*", ", ",
    ];
    let mut text = Vec::with_capacity(length + 32);
    while text.len() < length {
        let draw = random.draw();
        let word = usize::try_from(draw % 16).unwrap_or_default();
        text.extend_from_slice(WORDS[word].as_bytes());
        if draw & 0x70 == 0 {
            text.extend_from_slice(format!("name_{:x}", draw >> 40 & 0xfff).as_bytes());
        }
    }
    text.truncate(length);
    text
}
