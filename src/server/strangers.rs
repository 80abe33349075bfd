//! Strangers: how many lines of the audit log those may fill whom nobody knows.
//!
//! # Invariants
//!
//! - Whoever has no token that is good pushes no more than so many lines a minute into the log, which is bounded: the lines of
//!   others stay.
//!
//! # Not here
//!
//! The lines (`server::access`), how many requests they may send (`server::quota`).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in a minute, for all of them together.
pub const STRANGERS_LINES_MAX: u64 = 60;
/// How long a minute is.
const WINDOW: Duration = Duration::from_secs(60);

/// Refusals to strangers in this minute.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    since: Option<Instant>,
    lines: u64,
    /// Refusals that were not written down since the last line.
    left_out: u64,
}

impl Strangers {
    /// Whether a refusal is written down: then how many before it were not; none if it is not, either.
    pub fn line(&self) -> Option<u64> {
        self.line_at(Instant::now())
    }

    fn line_at(&self, now: Instant) -> Option<u64> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: Instant| now.saturating_duration_since(since) >= WINDOW;
        if minute.since.is_none_or(is_over) {
            (minute.since, minute.lines) = (Some(now), 0);
        }
        if minute.lines >= STRANGERS_LINES_MAX {
            minute.left_out += 1;
            return None;
        }
        minute.lines += 1;
        Some(std::mem::take(&mut minute.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_minute_and_then_how_many_are_missing() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        for _ in 0..STRANGERS_LINES_MAX {
            assert_eq!(strangers.line_at(now), Some(0));
        }
        assert_eq!(strangers.line_at(now), None);
        assert_eq!(strangers.line_at(now), None);
        assert_eq!(strangers.line_at(now + WINDOW), Some(2));
        assert_eq!(strangers.line_at(now + WINDOW), Some(0));
    }
}
