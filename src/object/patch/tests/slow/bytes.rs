//! Bytes and the numbers of patches, as `docs/FORMAT.md` describes them.

/// Bytes that are read from their start.
#[derive(Default)]
pub(super) struct Bytes(pub(super) Vec<u8>, pub(super) usize);

impl Bytes {
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        self.1 += count;
        &self.0[self.1 - count..self.1]
    }

    pub(super) fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    pub(super) fn index(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }

    pub(super) fn signed(&mut self) -> i64 {
        let number = self.number().cast_signed();
        if number & 1 == 1 {
            -(number / 2) - 1
        } else {
            number / 2
        }
    }
}
