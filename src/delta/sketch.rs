//! Sketches: how much of one content is in another, without comparing them byte by byte.
//!
//! A hash rolls over the content ("gear", Xia et al. 2014, "Ddelta"), so that each value depends on the last 32 bytes. Those
//! values are kept that start with some zero bits: which 32 bytes are kept depends on them alone, wherever they stand. What
//! share of the kept values of one content another one has, too, is about the share of its bytes (Broder 1997, "On the
//! resemblance and containment of documents"). The smallest of them are a sketch by which contents find each other. Of a
//! long content its two ends stand for all of it.
//!
//! # Invariants
//!
//! - A sketch is a function of the content.
//! - Memory is bounded by [`SAMPLES_MAX`] whatever the content.
//!
//! # Not here
//!
//! Which contents are compared (`delta::bases`).

use std::collections::HashMap;

/// Values kept of one content.
const SAMPLES_MAX: usize = 4096;
/// Leading zero bits of the first values that are kept: one of eight places.
const ZERO_BITS_MIN: u32 = 3;
/// Values of a content by which others find it.
const HEADS: usize = 32;
/// Values that two contents must have in common to be compared.
const COMMON_MIN: u32 = 3;

/// Values that are expected of one content: so many tell a third from a half.
const SAMPLES_WANTED: usize = 512;
/// Bytes at each end of a long content that are looked at.
const END_BYTES: usize = 128 * 1024;

/// Leading zero bits of the values that are kept of a content of `bytes` bytes.
fn zero_bits(bytes: usize) -> u32 {
    let rate = bytes / SAMPLES_WANTED;
    rate.checked_ilog2().unwrap_or(0).max(ZERO_BITS_MIN)
}

/// A number for each byte, without pattern: the output of `splitmix64`.
const GEAR: [u64; 256] = {
    let mut table = [0; 256];
    let mut state = 0_u64;
    let mut at = 0;
    while at < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[at] = z ^ (z >> 31);
        at += 1;
    }
    table
};

/// The values that are kept of one content, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sketch {
    samples: Vec<u64>,
    /// How many leading bits of all of them are zero.
    zero_bits: u32,
}

impl Sketch {
    /// Sketches a content.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut sketch = Self {
            samples: Vec::new(),
            zero_bits: zero_bits(bytes.len().min(2 * END_BYTES)),
        };
        if bytes.len() <= 2 * END_BYTES {
            sketch.roll(bytes);
        } else {
            sketch.roll(&bytes[..END_BYTES]);
            sketch.roll(&bytes[bytes.len() - END_BYTES..]);
        }
        sketch.samples.sort_unstable();
        sketch.samples.dedup();
        while sketch.samples.len() > SAMPLES_MAX {
            sketch.thin();
        }
        sketch
    }

    /// Lets the hash roll over some bytes.
    fn roll(&mut self, bytes: &[u8]) {
        let mut limit = u64::MAX >> self.zero_bits;
        let mut hash = 0_u64;
        for byte in bytes {
            hash = (hash << 2).wrapping_add(GEAR[usize::from(*byte)]);
            if hash <= limit {
                self.samples.push(hash);
                if self.samples.len() > 2 * SAMPLES_MAX {
                    self.thin();
                    limit = u64::MAX >> self.zero_bits;
                }
            }
        }
    }

    /// Keeps about half of the values.
    fn thin(&mut self) {
        self.samples.sort_unstable();
        self.samples.dedup();
        if self.samples.len() > SAMPLES_MAX {
            self.zero_bits += 1;
            let limit = u64::MAX >> self.zero_bits;
            self.samples
                .truncate(self.samples.partition_point(|hash| *hash <= limit));
        }
    }

    /// The share of this content that is in `other`, in percent; 0 if either is too short to tell.
    pub(super) fn shared_percent(&self, other: &Self) -> u64 {
        let limit = u64::MAX >> self.zero_bits.max(other.zero_bits);
        let among = |samples: &[u64]| samples.partition_point(|hash| *hash <= limit);
        let own = &self.samples[..among(&self.samples)];
        let mut theirs = other.samples[..among(&other.samples)].iter().peekable();
        let mut common = 0_u64;
        for hash in own {
            while theirs.next_if(|other| *other < hash).is_some() {}
            common += u64::from(theirs.peek() == Some(&hash));
        }
        (common * 100).checked_div(own.len() as u64).unwrap_or(0)
    }

    /// The values by which others find this content.
    fn heads(&self) -> &[u64] {
        &self.samples[..self.samples.len().min(HEADS)]
    }
}

/// Contents that can be found by their sketches.
#[derive(Debug, Default)]
pub(super) struct SketchIndex {
    by_head: HashMap<u64, Vec<usize>>,
}

impl SketchIndex {
    /// Adds content `number`.
    pub(super) fn add(&mut self, number: usize, sketch: &Sketch) {
        for head in sketch.heads() {
            self.by_head.entry(*head).or_default().push(number);
        }
    }

    /// The contents that have most in common with `sketch`, at most `most` of them, the nearest first.
    pub(super) fn nearest(&self, sketch: &Sketch, most: usize) -> Vec<usize> {
        let mut common: HashMap<usize, u32> = HashMap::new();
        for head in sketch.heads() {
            for number in self.by_head.get(head).into_iter().flatten() {
                *common.entry(*number).or_default() += 1;
            }
        }
        let near = common.into_iter().filter(|(_, count)| *count >= COMMON_MIN);
        let mut near: Vec<(usize, u32)> = near.collect();
        near.sort_unstable_by_key(|(number, count)| (u32::MAX - count, *number));
        near.truncate(most);
        near.into_iter().map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::testing::noise;

    #[test]
    fn the_share_of_a_content_in_another_is_about_right() {
        let old = noise(200_000);
        let half = [&old[50_000..150_000], &noise(400_000)[300_000..]].concat();
        let (old_sketch, half_sketch) = (Sketch::of(&old), Sketch::of(&half));
        assert_eq!(old_sketch.shared_percent(&old_sketch), 100);
        let percent = half_sketch.shared_percent(&old_sketch);
        assert!((35..65).contains(&percent), "{percent}");
        let percent = old_sketch.shared_percent(&half_sketch);
        assert!((35..65).contains(&percent), "{percent}");
        let other = Sketch::of(&noise(900_000)[500_000..]);
        assert_eq!(other.shared_percent(&old_sketch), 0);
        let nothing = Sketch::of(b"");
        assert_eq!(nothing.shared_percent(&old_sketch), 0);
        assert_eq!(old_sketch.shared_percent(&nothing), 0);
    }

    #[test]
    fn the_ends_of_a_long_content_stand_for_all_of_it() {
        let (old, other) = (noise(1_000_000), noise(2_000_000)[1_000_000..].to_vec());
        let in_the_middle = [&old[..200_000], &other[..500_000], &old[700_000..]].concat();
        let at_one_end = [&other[..500_000], &old[500_000..]].concat();
        let percent = |content: &[u8]| Sketch::of(content).shared_percent(&Sketch::of(&old));
        assert_eq!(percent(&in_the_middle), 100);
        let percent = percent(&at_one_end);
        assert!((35..65).contains(&percent), "{percent}");
    }

    #[test]
    fn a_content_finds_the_one_it_was_made_of() {
        let contents: Vec<Vec<u8>> = (0..50)
            .map(|number| noise((number + 2) * 20_000)[(number + 1) * 20_000..].to_vec())
            .collect();
        let mut index = SketchIndex::default();
        for (number, content) in contents.iter().enumerate() {
            index.add(number, &Sketch::of(content));
        }
        for (number, content) in contents.iter().enumerate() {
            let mut changed = content.clone();
            changed.splice(5000..6000, *b"something else");
            assert_eq!(index.nearest(&Sketch::of(&changed), 2), [number]);
        }
        assert!(
            index
                .nearest(&Sketch::of(&noise(3_000_000)[2_900_000..]), 2)
                .is_empty()
        );
    }

    #[test]
    fn the_size_of_a_sketch_is_bounded() {
        let samples = Sketch::of(&noise(3_000_000)).samples.len();
        assert!(
            (SAMPLES_WANTED / 2..3 * SAMPLES_WANTED).contains(&samples),
            "{samples}"
        );
        assert!(
            Sketch::of(&vec![0; 100_000]).samples.len() <= 33,
            "one byte again and again"
        );
    }
}
