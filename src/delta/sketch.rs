//! Sketches: how much of one content is in another, without comparing them byte by byte.
//!
//! A hash rolls over the content ("gear", Xia et al. 2014, "Ddelta"), so that each value depends on the last 32 bytes. Those
//! values are kept that start with some zero bits: which 32 bytes are kept depends on them alone, wherever they stand. What
//! share of the kept values of one content another one has, too, is about the share of its bytes (Broder 1997, "On the
//! resemblance and containment of documents"). The smallest of them are what contents find each other by. Where two
//! contents that are at hand are compared, the two ends of a long one stand for all of it.
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
const SAMPLES_WANTED: u64 = 512;
/// Bytes at each end of a long content that are looked at.
const END_BYTES: usize = 128 * 1024;

/// Leading zero bits of the values that are kept of a content of `bytes` bytes.
fn zero_bits(bytes: u64) -> u32 {
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

/// A sketch of a content that arrives in pieces.
#[derive(Debug)]
pub(super) struct Sketching {
    sketch: Sketch,
    hash: u64,
}

impl Sketching {
    /// Starts the sketch of a content of about `bytes` bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let sketch = Sketch {
            samples: Vec::new(),
            zero_bits: zero_bits(bytes),
        };
        Self { sketch, hash: 0 }
    }

    /// Lets the hash roll over the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let sketch = &mut self.sketch;
        let mut limit = u64::MAX >> sketch.zero_bits;
        let mut hash = self.hash;
        for byte in piece {
            hash = (hash << 2).wrapping_add(GEAR[usize::from(*byte)]);
            if hash <= limit {
                sketch.samples.push(hash);
                if sketch.samples.len() > 2 * SAMPLES_MAX {
                    sketch.thin();
                    limit = u64::MAX >> sketch.zero_bits;
                }
            }
        }
        self.hash = hash;
    }

    /// Forgets what came last: what comes next does not follow it.
    fn skip(&mut self) {
        self.hash = 0;
    }

    /// Ends it.
    pub(super) fn finish(mut self) -> Sketch {
        let sketch = &mut self.sketch;
        sketch.samples.sort_unstable();
        sketch.samples.dedup();
        while sketch.samples.len() > SAMPLES_MAX {
            sketch.thin();
        }
        self.sketch
    }
}

impl Sketch {
    /// Sketches a content by its ends, if it is long.
    pub(super) fn of_ends(bytes: &[u8]) -> Self {
        let mut sketching = Sketching::new(bytes.len().min(2 * END_BYTES) as u64);
        if bytes.len() <= 2 * END_BYTES {
            sketching.push(bytes);
        } else {
            sketching.push(&bytes[..END_BYTES]);
            sketching.skip();
            sketching.push(&bytes[bytes.len() - END_BYTES..]);
        }
        sketching.finish()
    }

    /// Sketches all of a content.
    pub(super) fn of_all(bytes: &[u8]) -> Self {
        let mut sketching = Sketching::new(bytes.len() as u64);
        sketching.push(bytes);
        sketching.finish()
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
    pub(super) fn into_heads(mut self) -> Vec<u64> {
        self.samples.truncate(HEADS);
        self.samples.shrink_to_fit();
        self.samples
    }
}

/// Contents that can be found by their sketches.
#[derive(Debug, Default)]
pub(super) struct SketchIndex {
    /// Values, and the contents that have them; sorted.
    lines: Vec<(u64, usize)>,
}

impl SketchIndex {
    /// Adds contents, each with its number and the values by which it is found.
    pub(super) fn add(&mut self, contents: impl IntoIterator<Item = (usize, Vec<u64>)>) {
        for (number, heads) in contents {
            self.lines.extend(heads.iter().map(|head| (*head, number)));
        }
        self.lines.sort_unstable();
    }

    /// Whether there is nothing to be found.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The contents that have most in common with the one that is found by `heads`, at most `most` of them, the nearest
    /// first.
    pub(super) fn nearest(&self, heads: &[u64], most: usize) -> Vec<usize> {
        let mut common: HashMap<usize, u32> = HashMap::new();
        for head in heads {
            let start = self.lines.partition_point(|(known, _)| known < head);
            let lines = self.lines[start..].iter();
            for (_, number) in lines.take_while(|(known, _)| known == head) {
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
        let (old_sketch, half_sketch) = (Sketch::of_ends(&old), Sketch::of_ends(&half));
        assert_eq!(old_sketch.shared_percent(&old_sketch), 100);
        let percent = half_sketch.shared_percent(&old_sketch);
        assert!((35..65).contains(&percent), "{percent}");
        let percent = old_sketch.shared_percent(&half_sketch);
        assert!((35..65).contains(&percent), "{percent}");
        let other = Sketch::of_ends(&noise(900_000)[500_000..]);
        assert_eq!(other.shared_percent(&old_sketch), 0);
        let nothing = Sketch::of_ends(b"");
        assert_eq!(nothing.shared_percent(&old_sketch), 0);
        assert_eq!(old_sketch.shared_percent(&nothing), 0);
    }

    #[test]
    fn the_ends_of_a_long_content_stand_for_all_of_it() {
        let (old, other) = (noise(1_000_000), noise(2_000_000)[1_000_000..].to_vec());
        let in_the_middle = [&old[..200_000], &other[..500_000], &old[700_000..]].concat();
        let at_one_end = [&other[..500_000], &old[500_000..]].concat();
        let percent =
            |content: &[u8]| Sketch::of_ends(content).shared_percent(&Sketch::of_ends(&old));
        assert_eq!(percent(&in_the_middle), 100);
        let percent = percent(&at_one_end);
        assert!((35..65).contains(&percent), "{percent}");
    }

    #[test]
    fn a_content_finds_the_one_it_was_made_of() {
        let contents: Vec<Vec<u8>> = (0..50)
            .map(|number| noise((number + 2) * 20_000)[(number + 1) * 20_000..].to_vec())
            .collect();
        let heads = |content: &[u8]| Sketch::of_all(content).into_heads();
        let all = contents.iter().enumerate();
        let mut index = SketchIndex::default();
        index.add(all.map(|(number, content)| (number, heads(content))));
        for (number, content) in contents.iter().enumerate() {
            let mut changed = content.clone();
            changed.splice(5000..6000, *b"something else");
            assert_eq!(index.nearest(&heads(&changed), 2), [number]);
        }
        let other = &noise(3_000_000)[2_900_000..];
        assert!(index.nearest(&heads(other), 2).is_empty());
    }

    #[test]
    fn a_long_content_finds_the_one_whose_middle_it_has() {
        let (old, other) = (noise(1_000_000), noise(4_000_000)[2_000_000..].to_vec());
        let new = [&other[..200_000], &old[200_000..800_000], &other[800_000..]].concat();
        assert_eq!(
            Sketch::of_ends(&new).shared_percent(&Sketch::of_ends(&old)),
            0
        );
        let heads = |content: &[u8]| Sketch::of_all(content).into_heads();
        let mut index = SketchIndex::default();
        index.add([(7, heads(&old))]);
        assert_eq!(index.nearest(&heads(&new), 2), [7]);
    }

    #[test]
    fn the_pieces_of_a_content_make_no_difference() {
        let content = noise(300_000);
        let mut sketching = Sketching::new(300_000);
        content.chunks(7001).for_each(|piece| sketching.push(piece));
        assert_eq!(sketching.finish(), Sketch::of_all(&content));
    }

    #[test]
    fn the_size_of_a_sketch_is_bounded() {
        let samples = Sketch::of_ends(&noise(3_000_000)).samples.len();
        assert!(
            (SAMPLES_WANTED / 2..3 * SAMPLES_WANTED).contains(&(samples as u64)),
            "{samples}"
        );
        assert!(
            Sketch::of_ends(&vec![0; 100_000]).samples.len() <= 33,
            "one byte again and again"
        );
    }
}
