//! The pool: files of the first tree among which bases are looked for by content, and which of them are worth reading.
//!
//! Reading costs more than looking at names and sizes. So files that are gone are read first, and of the others those that
//! are nearest in size among the files with the same name but for versions, among those of the same kind in the same
//! directory, of the same kind anywhere, and among all.
//!
//! # Invariants
//!
//! - Which files are read is a function of the two trees and the bounds.
//! - Their bytes are bounded by those of what a base is looked for, and their number by itself.
//! - The whole of the first tree is listed only where there is enough to be won.
//!
//! # Not here
//!
//! What is in the files (`delta::sketch`), what is looked for (`delta::bases`).

use std::collections::{HashMap, HashSet};

use super::plan::{BYTES_PER_LOOK, Base, Plan, is_base, stem_of};
use crate::base::Result;
use crate::base::limits::{KIB, MIB, PATCH_BYTES_MAX};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::object::directory::TreeSource;
use crate::object::tree::TreeRef;
use crate::object::walk::{Step, walk};

/// Files of a pool: bounds its memory, most of which are paths.
const POOL_FILES_MAX: usize = 1 << 18;
/// How many times as long as what is looked for a file may be that is still there, or as short.
const LIKE_SIZE_TIMES_MAX: u64 = 8;
/// Files of each order that are looked at for one content, however many contents there are.
const NEAREST_MIN: usize = 8;
/// Files of each order that are looked at for one content, however few contents there are.
const NEAREST_MAX: usize = 64;
/// Files of all orders that are looked at for all contents, if that leaves [`NEAREST_MIN`] for each.
const NEAREST_ALL_MAX: usize = 1 << 20;

/// How much is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Contents that are looked for, and as many files that are read.
    pub(super) files_max: usize,
    /// Bytes of the smallest content that is looked for.
    pub(super) wanted_bytes_min: u64,
    /// Bytes of all that are looked for.
    pub(super) wanted_bytes_max: u64,
    /// Bytes of files that are read, however little is looked for.
    pub(super) read_bytes_min: u64,
    /// Bytes of files that are gone which are read for each that is looked for.
    pub(super) gone_per_wanted: u64,
    /// Bytes of other files which are read for each that is looked for.
    pub(super) others_per_wanted: u64,
    /// What reading one of the others costs beside its own bytes: those that share its frame.
    pub(super) look_bytes: u64,
    /// Bytes of a sample of what is looked for, which shows whether anything is found at all.
    pub(super) sample_bytes: u64,
}

impl Bounds {
    /// Reading and sketching makes some 300 MB a second, and compressing what has no base 20 to 40: of many contents that
    /// are like nothing the sample takes some percent of the time that these take anyway.
    pub(super) const DEFAULT: Self = Self {
        files_max: 1 << 15,
        wanted_bytes_min: 256,
        wanted_bytes_max: 1024 * MIB,
        read_bytes_min: 16 * MIB,
        gone_per_wanted: 8,
        others_per_wanted: 2,
        look_bytes: 128 * KIB,
        sample_bytes: 16 * MIB,
    };
}

/// A content that a base is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lonely<'p> {
    pub(super) path: &'p TreePath,
    pub(super) bytes: u64,
}

/// Files of the first tree that may be bases.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Those that are gone, those that the second tree has otherwise, and the rest; each by path.
    files: Vec<Base>,
    /// How many of them are gone.
    gone: usize,
}

impl Pool {
    /// The files of the tree `a` that may be bases of `lonely`.
    ///
    /// # Errors
    ///
    /// Those of the source and of `progress`.
    pub(super) fn of(
        source: &dyn TreeSource,
        a: TreeRef,
        plan: &Plan,
        lonely: &[Lonely<'_>],
        bounds: &Bounds,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let sizes = bounds.wanted_bytes_min..=PATCH_BYTES_MAX;
        let mut known = HashSet::new();
        let mut is_new = |base: &Base| sizes.contains(&base.bytes) && known.insert(base.id);
        let gone = plan.gone.iter().filter(|base| is_new(base));
        let mut files: Vec<Base> = gone.take(POOL_FILES_MAX).cloned().collect();
        let gone = files.len();
        let like = Sizes::of(lonely);
        let changed = plan.changed.iter();
        let changed = changed.filter(|base| like.have_like(base.bytes) && is_new(base));
        files.extend(changed.take(POOL_FILES_MAX - gone).cloned());
        if pays_to_list(lonely, source.node(a)?.totals().files()) {
            walk(source, a, &mut |path, entry| {
                if entry.tree_ref().is_some() {
                    progress.check()?;
                }
                let has_room = files.len() < POOL_FILES_MAX;
                if has_room && is_base(entry) && like.have_like(entry.size()) {
                    let base = Base::of(path, entry);
                    if is_new(&base) {
                        files.push(base);
                    }
                }
                Ok(Step::Into)
            })?;
        }
        Ok(Self { files, gone })
    }

    /// One of the files.
    pub(super) fn file(&self, number: usize) -> &Base {
        &self.files[number]
    }
}

/// Whether as much is looked for as makes it worth going through so many files.
fn pays_to_list(lonely: &[Lonely<'_>], files: u64) -> bool {
    let bytes: u64 = lonely.iter().map(|lonely| lonely.bytes).sum();
    bytes / BYTES_PER_LOOK >= files
}

/// Sizes of what is looked for, ascending.
struct Sizes(Vec<u64>);

impl Sizes {
    fn of(lonely: &[Lonely<'_>]) -> Self {
        let mut sizes: Vec<u64> = lonely.iter().map(|lonely| lonely.bytes).collect();
        sizes.sort_unstable();
        Self(sizes)
    }

    /// Whether one of them is about `bytes`.
    fn have_like(&self, bytes: u64) -> bool {
        let least = bytes / LIKE_SIZE_TIMES_MAX;
        let next = self.0.partition_point(|size| *size < least);
        let most = bytes.saturating_mul(LIKE_SIZE_TIMES_MAX);
        self.0.get(next).is_some_and(|size| *size <= most)
    }
}

/// Which files of a pool are read, and how much more may be.
pub(super) struct Reading<'r> {
    pool: &'r Pool,
    bounds: &'r Bounds,
    orders: Orders,
    gone_left: u64,
    others_left: u64,
    taken: HashSet<usize>,
}

impl<'r> Reading<'r> {
    pub(super) fn new(pool: &'r Pool, bounds: &'r Bounds) -> Self {
        Self {
            pool,
            bounds,
            orders: Orders::of(pool),
            gone_left: bounds.read_bytes_min,
            others_left: bounds.read_bytes_min,
            taken: HashSet::new(),
        }
    }

    /// The numbers of more files that are worth reading for `lonely`, ascending.
    pub(super) fn more(&mut self, lonely: &[Lonely<'_>]) -> Vec<usize> {
        let bytes: u64 = lonely.iter().map(|lonely| lonely.bytes).sum();
        self.gone_left += self.bounds.gone_per_wanted * bytes;
        self.others_left += self.bounds.others_per_wanted * bytes;
        let mut more = Vec::new();
        let gone = self.pool.files[..self.pool.gone].iter().enumerate();
        let gone = gone.filter(|(number, _)| !self.taken.contains(number));
        if gone.map(|(_, base)| base.bytes).sum::<u64>() <= self.gone_left {
            (0..self.pool.gone).for_each(|number| more.extend(self.take(number)));
        }
        let most = NEAREST_ALL_MAX / (ORDERS * lonely.len()).max(1);
        let most = most.clamp(NEAREST_MIN, NEAREST_MAX);
        let near = lonely.iter().map(|lonely| self.orders.near(*lonely, most));
        let near: Vec<[Vec<usize>; ORDERS]> = near.collect();
        for rank in 0..most {
            let of_rank = near.iter().flatten().filter_map(|order| order.get(rank));
            of_rank.for_each(|number| more.extend(self.take(*number)));
        }
        more.sort_unstable();
        more
    }

    /// Takes a file, if it was not taken and may be read.
    fn take(&mut self, number: usize) -> Option<usize> {
        if self.taken.contains(&number) || self.taken.len() == self.bounds.files_max {
            return None;
        }
        let bytes = self.pool.files[number].bytes;
        let (left, cost) = if number < self.pool.gone {
            (&mut self.gone_left, bytes)
        } else {
            (&mut self.others_left, bytes + self.bounds.look_bytes)
        };
        *left = left.checked_sub(cost)?;
        self.taken.insert(number);
        Some(number)
    }
}

/// How many [`Orders`] there are.
const ORDERS: usize = 5;

/// The files of a pool by what makes them likely, the likeliest first.
struct Orders {
    words: HashMap<String, usize>,
    orders: [Order; ORDERS],
}

impl Orders {
    fn of(pool: &Pool) -> Self {
        let mut words = HashMap::new();
        let mut orders: [Order; ORDERS] = Default::default();
        for (number, file) in pool.files.iter().enumerate() {
            let is_gone = number < pool.gone;
            let keys = keys(&file.path);
            for (key, order) in keys
                .into_iter()
                .zip(&mut orders)
                .skip(usize::from(!is_gone))
            {
                let next = words.len();
                let word = *words.entry(key).or_insert(next);
                order.0.push((word, file.bytes, number));
            }
        }
        for order in &mut orders {
            order.0.sort_unstable();
        }
        Self { words, orders }
    }

    /// The files of each order that are nearest to a content, at most `most` of each.
    fn near(&self, lonely: Lonely<'_>, most: usize) -> [Vec<usize>; ORDERS] {
        let mut keys = keys(lonely.path).into_iter();
        self.orders.each_ref().map(|order| {
            let word = keys.next().and_then(|key| self.words.get(&key));
            word.map_or_else(Vec::new, |word| order.nearest(*word, lonely.bytes, most))
        })
    }
}

/// What files have in common: that they are gone, their stem, directory and kind, kind alone, and nothing.
fn keys(path: &TreePath) -> [String; ORDERS] {
    let stem = stem_of(path).unwrap_or_default();
    let kind = stem.rsplit_once('-').map_or("", |(_, kind)| kind);
    let directory = path.split_last().map(|(directory, _)| directory);
    let directory = directory.unwrap_or_default();
    [
        String::new(),
        format!("stem {stem}"),
        format!("{kind} in {directory}"),
        format!("kind {kind}"),
        String::new(),
    ]
}

/// Files by a word that they share and, for each word, by size.
#[derive(Default)]
struct Order(Vec<(usize, u64, usize)>);

impl Order {
    /// The files with a word that are nearest in size to `bytes`, at most `most` of them, the nearest first.
    fn nearest(&self, word: usize, bytes: u64, most: usize) -> Vec<usize> {
        let start = self.0.partition_point(|line| line.0 < word);
        let end = self.0.partition_point(|line| line.0 <= word);
        let lines = &self.0[start..end];
        let middle = lines.partition_point(|line| line.1 < bytes);
        let mut below = lines[..middle].iter().rev().peekable();
        let mut above = lines[middle..].iter().peekable();
        let nearest = std::iter::from_fn(|| match (below.peek(), above.peek()) {
            (Some(less), Some(more)) if bytes - less.1 < more.1 - bytes => below.next(),
            (Some(_), None) => below.next(),
            _ => above.next(),
        });
        nearest.take(most).map(|line| line.2).collect()
    }
}

#[cfg(test)]
mod tests;
