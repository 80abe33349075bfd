//! Fields: the little-endian numbers of frames and packs, taken from fixed-size rows.
//!
//! # Invariants
//!
//! - A row is an array, so that its length is known before a field is taken; a row that is read to its end has been
//!   read whole.
//!
//! # Not here
//!
//! Fields of text (`base::text`).

/// Takes the fields of one row, first to last.
#[derive(Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Starts at the first byte of `row`.
    pub(super) const fn new<const N: usize>(row: &'a [u8; N]) -> Self {
        Self(row)
    }

    /// Takes the next `N` bytes.
    ///
    /// # Panics
    ///
    /// If the row is shorter, which no input can cause: the rows and the fields taken from them have constant lengths.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .expect("because the fields of a row have the length of the row");
        self.0 = rest;
        *field
    }

    /// Takes one byte.
    pub(super) fn byte(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    /// Takes a 32-bit number.
    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    /// Takes a 64-bit number.
    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_significant_byte_stands_first() {
        let row = [9, 1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0];
        let mut fields = Fields::new(&row);
        assert_eq!((fields.byte(), fields.u32(), fields.u64()), (9, 1, 258));
        assert!(fields.0.is_empty());
    }
}
