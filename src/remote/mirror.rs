//! Mirrors of a repo: copies that follow all that its owners do, and are served on.
//!
//! A mirror needs no trust: whoever pulls from it verifies what its owners signed.
//!
//! # Not here
//!
//! What is verified (`remote::follow`).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::follow::{Asked, Rewinds};
use super::known::Root;
use super::mirrors::pull_from_any;
use super::origin::Origin;
use super::pull::{PullAnswer, PullOptions};
use crate::base::clock::Time;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::store::Store;
use crate::trust::pattern::RefPattern;

/// What a mirror follows.
#[derive(Clone, Debug)]
pub struct MirrorOptions {
    /// Why the origin is believed at first contact.
    pub root: Option<Root>,
    /// The refs that are followed, also those that are new; all, if none is named.
    pub refs: Vec<RefPattern>,
}

/// When a mirror looks at its origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    every_ms: u64,
}

/// How often the time between two looks is doubled, if one after the other fails.
const DOUBLINGS_MAX: u32 = 4;
/// The part of that time by which looks are spread, so that not all mirrors of an origin come at once.
const SPREAD: u64 = 5;

impl Rhythm {
    /// A look every so many seconds, more or less.
    #[must_use]
    pub const fn new(every_s: u64) -> Self {
        Self {
            every_ms: every_s.saturating_mul(1000),
        }
    }

    /// How long to wait until the next look, after so many failures in a row.
    #[must_use]
    pub fn pause(self, failures: u32) -> Duration {
        let ms = self
            .every_ms
            .saturating_mul(1 << failures.min(DOUBLINGS_MAX));
        let spread = ms / SPREAD + 1;
        let random = RandomState::new().hash_one(failures) % spread;
        Duration::from_millis(ms - spread / 2 + random)
    }
}

/// Brings a mirror up to what its origins show, also if that is an older release: the owners decide what a ref shows.
///
/// # Errors
///
/// As [`pull_from_any`]; the mirror is as it was then.
pub fn mirror(
    store: &Store,
    origins: &[&dyn Origin],
    options: &MirrorOptions,
    time: Time,
    progress: &dyn Progress,
    passed_over: &mut dyn FnMut(&Error),
) -> Result<PullAnswer> {
    let options = PullOptions {
        repo_id: None,
        root: options.root.clone(),
        asked: if options.refs.is_empty() {
            Asked::All
        } else {
            Asked::Matching(options.refs.clone())
        },
        rewinds: Rewinds::Allow,
    };
    let answer = pull_from_any(store, origins, &options, time, progress, passed_over)?;
    if let Asked::Matching(patterns) = &options.asked {
        note_vain(store, &answer, patterns, progress)?;
    }
    Ok(answer)
}

/// Says which patterns match nothing of what is mirrored: they may be mistyped.
fn note_vain(
    store: &Store,
    answer: &PullAnswer,
    patterns: &[RefPattern],
    progress: &dyn Progress,
) -> Result<()> {
    let reader = store.reader()?;
    let refs = reader.refs(&reader.repo(&answer.repo)?)?;
    for pattern in patterns {
        if !refs.iter().any(|row| pattern.matches(&row.name)) {
            progress.note(&format_args!("no ref of {} matches {pattern}", answer.repo));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_spread_and_come_later_after_failures() {
        let rhythm = Rhythm::new(100);
        for (failures, times) in [(0, 1), (1, 2), (4, 16), (5, 16), (u32::MAX, 16)] {
            let (least, most) = (90_000 * times, 110_000 * times + 1);
            let pauses: Vec<u128> = (0..100)
                .map(|_| rhythm.pause(failures).as_millis())
                .collect();
            assert!(
                pauses.iter().all(|ms| (least..=most).contains(ms)),
                "{failures}: {pauses:?}"
            );
            assert!(
                pauses.iter().any(|ms| *ms != pauses[0]),
                "{failures}: {pauses:?}"
            );
        }
        assert_eq!(Rhythm::new(0).pause(3), Duration::ZERO);
    }
}
