//! How much is tried: every moment or a sample of them, and the number of cases, which is printed.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::simulated_disk::Kept;

/// Cases of all tests of this process so far.
static CASES: AtomicU64 = AtomicU64::new(0);

/// Images of each kind that has several, in a full run.
const SEEDS: u64 = 5;
/// Moments of one verb that a short run tries.
const MOMENTS: u64 = 24;

/// Whether every moment is tried, with every kind of image.
pub fn is_full() -> bool {
    std::env::var_os("BINDERY_CRASH_ALL").is_some()
}

/// Those of so many moments that are tried: all, or about `sample` of them, evenly, the first and the last among them.
pub fn moments(all: u64, sample: u64) -> Vec<u64> {
    if is_full() || all <= sample {
        return (0..all).collect();
    }
    (0..sample)
        .map(|at| at * (all - 1) / (sample - 1))
        .collect()
}

/// Those of so many moments of one verb that are tried.
pub fn moments_of_verb(all: u64) -> Vec<u64> {
    moments(all, MOMENTS)
}

/// What a crash leaves.
#[derive(Clone, Copy, Debug)]
pub enum Crash {
    /// Power was lost.
    Power(Kept),
    /// The process was killed, and the next one finds everything as it was, in flight or not.
    Kill,
}

/// The crashes that are tried at one moment: all kinds in a full run, one after the other in a short one.
pub fn crashes(moment: u64) -> Vec<Crash> {
    let some = |seed: u64| Crash::Power(Kept::Some(moment * SEEDS + seed));
    let torn = |cut: u64| Crash::Power(Kept::Torn(moment * 4 + cut));
    let (synced, all) = (Crash::Power(Kept::Synced), Crash::Power(Kept::All));
    let zeroed = Crash::Power(Kept::Zeroed);
    if is_full() {
        let mut crashes = vec![synced, all, zeroed, Crash::Kill];
        crashes.extend((0..4).map(torn));
        crashes.extend((0..SEEDS).map(some));
        return crashes;
    }
    match moment % 5 {
        0 => vec![synced, some(0)],
        1 => vec![zeroed, some(1)],
        2 => vec![Crash::Kill],
        3 => vec![torn(moment), some(2)],
        _ => vec![all],
    }
}

/// Counts the cases of one test, and prints their number when the test is done.
pub struct Census {
    name: String,
    cases: u64,
}

impl Census {
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { name, cases: 0 }
    }

    pub fn count(&mut self) {
        self.cases += 1;
    }

    /// Prints how many cases there were.
    ///
    /// # Panics
    ///
    /// If there were fewer than `least`.
    pub fn end(self, least: u64) {
        let Self { name, cases } = self;
        assert!(cases >= least, "{name}: only {cases} cases");
        let so_far = CASES.fetch_add(cases, Ordering::Relaxed) + cases;
        let line = format!("crash: {name}: {cases} cases, {so_far} in all\n");
        std::io::stdout().write_all(line.as_bytes()).ok();
    }
}
