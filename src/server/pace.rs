//! The pace of bodies: one that comes or goes too slowly is ended, so that nobody holds a place by sending next to nothing, or
//! by reading it.
//!
//! # Invariants
//!
//! - Only the time counts for which the server waits for the other side: what takes long here is not held against it.
//!
//! # Not here
//!
//! How large a body may be (`server::body`), where answers are watched (`server::outward`), how long a head may take (`server::serve`).

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;

use crate::store::serve_settings::Limits;

/// Why a body was ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is too slow: {reason}")]
pub struct TooSlow {
    reason: String,
}

/// A body that ends with [`TooSlow`] if it comes more slowly than the limits say. It has no trailers.
pub fn paced(body: Body, limits: &Limits) -> Body {
    let start = (body, Pace::new(limits));
    Body::from_stream(stream::try_unfold(start, |(mut body, mut pace)| async {
        let piece = pace.next(&mut body).await?;
        Ok::<_, axum::BoxError>(piece.map(|piece| (piece, (body, pace))))
    }))
}

/// How fast something comes or goes, and may.
#[derive(Clone, Debug)]
pub struct Pace {
    idle: Duration,
    slow_start: Duration,
    bytes_per_second_min: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Nothing came or went yet.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self {
            idle: Duration::from_secs(limits.body_idle_seconds),
            slow_start: Duration::from_secs(limits.body_slow_start_seconds),
            bytes_per_second_min: limits.body_bytes_per_second_min,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// The next piece, if there is one and it comes in time.
    async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, axum::BoxError> {
        loop {
            let started = Instant::now();
            let frame = tokio::time::timeout(self.idle, body.frame()).await;
            let frame = frame.map_err(|_| self.silent())?;
            let waited = started.elapsed();
            let Some(frame) = frame else {
                return Ok(None);
            };
            // What follows a body, such as trailers, says nothing here.
            let Ok(piece) = frame?.into_data() else {
                self.passed(0, waited)?;
                continue;
            };
            self.passed(piece.len(), waited)?;
            return Ok(Some(piece));
        }
    }

    /// How long nothing may come or go.
    pub(super) const fn idle(&self) -> Duration {
        self.idle
    }

    /// That nothing came or went for so long.
    pub(super) fn silent(&self) -> TooSlow {
        let seconds = self.idle.as_secs();
        TooSlow {
            reason: format!("nothing came for {seconds} seconds (body_idle_seconds)"),
        }
    }

    /// Counts bytes that came or went after so long.
    ///
    /// # Errors
    ///
    /// [`TooSlow`] if that is too slow on average.
    pub(super) fn passed(&mut self, bytes: usize, waited: Duration) -> Result<(), TooSlow> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.waited = self.waited.saturating_add(waited);
        self.check()
    }

    fn check(&self) -> Result<(), TooSlow> {
        let paced = self.waited.saturating_sub(self.slow_start).as_millis();
        let min = self.bytes_per_second_min;
        if u128::from(self.bytes) >= paced * u128::from(min) / 1000 {
            return Ok(());
        }
        Err(TooSlow {
            reason: format!(
                "it comes at less than {min} bytes a second (body_bytes_per_second_min)"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_slow_start_so_many_bytes_must_come_in_each_second() {
        let limits = Limits::default();
        for (millis, bytes, good) in [
            (20_000, 0, true),
            (20_999, 1022, true),
            (30_000, 10 * 1024, true),
            (30_000, 10 * 1024 - 1, false),
        ] {
            let mut pace = Pace::new(&limits);
            (pace.waited, pace.bytes) = (Duration::from_millis(millis), bytes);
            assert_eq!(pace.check().is_ok(), good, "{bytes} in {millis} ms");
        }
    }
}
