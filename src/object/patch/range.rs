//! Flags, each coded by how likely it is: an adaptive binary range coder.
//!
//! Martin, "Range encoding: an algorithm for removing redundancy from a digitised message" (1979). Probabilities, their
//! adaption and the carry are those of LZMA (Pavlov, "LZMA specification"), so one flag costs a fiftieth of a bit at best.
//!
//! # Invariants
//!
//! - The same flags have one spelling: a decoder uses up every byte, and nothing is left in its window at the end.
//!
//! # Not here
//!
//! What the flags say (`leads`).

use super::stream::{Stream, malformed};
use crate::base::error::Result;

/// Bits of a probability, and how fast it follows what is seen.
const CHANCE_BITS: u32 = 11;
const LEARNING_SHIFT: u32 = 4;
/// Below this, the range gets another byte.
const RANGE_MIN: u32 = 1 << 24;
/// Bytes with which a decoder starts, and which an encoder adds at its end.
const WINDOW_BYTES: usize = 5;

/// How likely a flag is not set, in each context.
#[derive(Debug)]
struct Chances(Vec<u16>);

impl Chances {
    fn new(contexts: usize) -> Self {
        Self(vec![1 << (CHANCE_BITS - 1); contexts])
    }

    /// The part of `range` that stands for a flag that is not set.
    #[inline]
    fn bound(&self, context: usize, range: u32) -> u32 {
        (range >> CHANCE_BITS) * u32::from(self.0[context])
    }

    #[inline]
    fn learn(&mut self, context: usize, flag: bool) {
        let chance = &mut self.0[context];
        if flag {
            *chance -= *chance >> LEARNING_SHIFT;
        } else {
            *chance += ((1 << CHANCE_BITS) - *chance) >> LEARNING_SHIFT;
        }
    }
}

/// Codes flags.
#[derive(Debug)]
pub(super) struct FlagEncoder {
    chances: Chances,
    low: u64,
    range: u32,
    /// The last byte that a carry may still change, and how many there are: all but the first are `FF`.
    last: u8,
    pending: usize,
    bytes: Vec<u8>,
}

impl FlagEncoder {
    pub(super) fn new(contexts: usize) -> Self {
        Self {
            chances: Chances::new(contexts),
            low: 0,
            range: u32::MAX,
            last: 0,
            pending: 0,
            bytes: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn put(&mut self, context: usize, flag: bool) {
        // The first byte is there before the first flag, so no flags are no bytes.
        self.pending = self.pending.max(1);
        let bound = self.chances.bound(context, self.range);
        if flag {
            self.low += u64::from(bound);
            self.range -= bound;
        } else {
            self.range = bound;
        }
        self.chances.learn(context, flag);
        while self.range < RANGE_MIN {
            self.range <<= 8;
            self.shift();
        }
    }

    /// Moves the highest byte out, unless a carry may still change it.
    fn shift(&mut self) {
        let [_, _, _, carry, byte, ..] = self.low.to_be_bytes();
        if byte < 0xff || carry > 0 {
            for number in 0..self.pending {
                let pending = if number == 0 { self.last } else { 0xff };
                self.bytes.push(pending.wrapping_add(carry));
            }
            self.last = byte;
            self.pending = 0;
        }
        self.pending += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    /// The bytes of all flags.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.pending > 0 {
            for _ in 0..WINDOW_BYTES {
                self.shift();
            }
        }
        self.bytes
    }
}

/// Gives the flags that were coded.
pub(super) struct FlagDecoder<'a> {
    chances: Chances,
    stream: Stream<'a>,
    range: u32,
    code: u32,
    is_started: bool,
}

impl<'a> FlagDecoder<'a> {
    pub(super) fn new(contexts: usize, stream: Stream<'a>) -> Self {
        Self {
            chances: Chances::new(contexts),
            stream,
            range: u32::MAX,
            code: 0,
            is_started: false,
        }
    }

    /// Takes the next flag.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::base::error::Error::Malformed) if there are no more.
    #[inline]
    pub(super) fn take(&mut self, context: usize) -> Result<bool> {
        if !self.is_started {
            self.start()?;
        }
        let bound = self.chances.bound(context, self.range);
        let flag = self.code >= bound;
        if flag {
            self.code -= bound;
            self.range -= bound;
        } else {
            self.range = bound;
        }
        self.chances.learn(context, flag);
        while self.range < RANGE_MIN {
            self.range <<= 8;
            self.code = self.code << 8 | u32::from(self.stream.byte()?);
        }
        Ok(flag)
    }

    fn start(&mut self) -> Result<()> {
        self.is_started = true;
        if self.stream.byte()? != 0 {
            return Err(malformed("its flags start with something else"));
        }
        for _ in 1..WINDOW_BYTES {
            self.code = self.code << 8 | u32::from(self.stream.byte()?);
        }
        Ok(())
    }

    /// Checks that there are no more flags.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::base::error::Error::Malformed) if there are.
    pub(super) fn finish(self) -> Result<()> {
        if self.code != 0 {
            return Err(malformed("its flags end within one"));
        }
        self.stream.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::patch::stream::{open_all, push_all};

    /// What a decoder makes of these bytes, as many flags as there were.
    fn decoded(bytes: &[u8], flags: &[(usize, bool)]) -> Result<Vec<bool>> {
        let mut stored = Vec::new();
        push_all(&mut stored, &[bytes.to_vec()], &[], 1)?;
        let [stream] = open_all(&stored, &[], [1 << 20])?;
        let mut decoder = FlagDecoder::new(4, stream);
        let made = flags.iter().map(|(context, _)| decoder.take(*context));
        let made = made.collect::<Result<_>>()?;
        decoder.finish()?;
        Ok(made)
    }

    fn encoded(flags: &[(usize, bool)]) -> Vec<u8> {
        let mut encoder = FlagEncoder::new(4);
        for (context, flag) in flags {
            encoder.put(*context, *flag);
        }
        encoder.finish()
    }

    #[test]
    fn flags_come_back_and_cost_by_how_likely_they_are() -> Result<()> {
        let each = |count: usize, flag: &dyn Fn(usize) -> (usize, bool)| {
            (0..count).map(flag).collect::<Vec<_>>()
        };
        let hash = |number: usize| number.wrapping_mul(0x9e37_79b9) >> 7;
        for (flags, bytes_max, reason) in [
            (vec![], 0, "none"),
            (vec![(0, true)], 5, "one"),
            (each(10_000, &|_| (0, false)), 60, "all the same"),
            (each(10_000, &|_| (1, true)), 60, "all the other"),
            (
                each(10_000, &|n| (n % 2, n % 2 == 0)),
                100,
                "as their context says",
            ),
            (
                each(10_000, &|n| (0, n % 2 == 0)),
                1_400,
                "each the other of the last",
            ),
            (each(10_000, &|n| (3, hash(n) % 2 == 0)), 1_400, "no order"),
            (
                each(10_000, &|n| (2, hash(n) % 100 == 0)),
                250,
                "one in a hundred",
            ),
        ] {
            let bytes = encoded(&flags);
            assert!(bytes.len() <= bytes_max, "{reason}: {} bytes", bytes.len());
            let wanted: Vec<bool> = flags.iter().map(|(_, flag)| *flag).collect();
            assert_eq!(decoded(&bytes, &flags)?, wanted, "{reason}");
            if let Some(less) = bytes.len().checked_sub(1) {
                assert!(decoded(&bytes[..less], &flags).is_err(), "{reason}, cut");
            }
            let more = [&bytes[..], &[0]].concat();
            assert!(decoded(&more, &flags).is_err(), "{reason}, and more");
        }
        Ok(())
    }
}
