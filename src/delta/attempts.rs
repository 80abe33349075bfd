//! Attempts at preparing deltas: which of those that are owed are begun.
//!
//! # Invariants
//!
//! - What failed is not tried again by itself.
//! - So much is remembered; once it is more, what failed may be tried again.
//! - Of one release, no more is begun once the deltas to it took as long, by the clock, as its ref's policy allows.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::prepare::Owed;
use crate::base::id::SnapshotId;
use crate::store::Store;

/// Deltas that are remembered.
const ATTEMPTS_MAX: usize = 100_000;

/// What was tried so far.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Deltas that were tried, each by what it leads to and starts from.
    tried: HashSet<(SnapshotId, SnapshotId)>,
    /// How long the deltas to each snapshot took.
    spent: HashMap<SnapshotId, Duration>,
}

impl Attempts {
    /// Whether a delta was not tried yet, and its release has time left.
    #[must_use]
    pub fn may_begin(&self, store: &Store, owed: &Owed) -> bool {
        let policy = store.settings().policy(&owed.target);
        let spent = self.spent.get(&owed.to.id).copied().unwrap_or_default();
        let has_time = policy
            .delta_seconds
            .is_none_or(|seconds| spent < Duration::from_secs(seconds));
        has_time && !self.tried.contains(&key(owed))
    }

    /// Writes down that a delta is tried.
    pub fn begin(&mut self, owed: &Owed) {
        if self.tried.len() >= ATTEMPTS_MAX {
            *self = Self::default();
        }
        self.tried.insert(key(owed));
    }

    /// Writes down how long that took.
    pub fn end(&mut self, owed: &Owed, took: Duration) {
        *self.spent.entry(owed.to.id).or_default() += took;
    }

    /// Lets a delta be tried once more, whatever it takes.
    pub fn forgive(&mut self, owed: &Owed) {
        self.tried.remove(&key(owed));
        self.spent.remove(&owed.to.id);
    }

    /// Forgets a snapshot that no ref shows any more.
    pub fn forget(&mut self, to: SnapshotId) {
        self.tried.retain(|(known, _)| *known != to);
        self.spent.remove(&to);
    }
}

fn key(owed: &Owed) -> (SnapshotId, SnapshotId) {
    (owed.to.id, owed.from.id)
}
