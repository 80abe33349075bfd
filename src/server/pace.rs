//! The pace of bodies: one that comes too slowly is ended, so that nobody holds a place by sending next to nothing.
//!
//! # Invariants
//!
//! - Only the time counts for which the server waits for the body: what takes long here is not held against who sends.
//!
//! # Not here
//!
//! How large a body may be (`server::body`), how long a head may take (`server::serve`).

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

/// How fast a body comes, and may come.
struct Pace {
    idle: Duration,
    slow_start: Duration,
    bytes_per_second_min: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    const fn new(limits: &Limits) -> Self {
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
            self.waited += started.elapsed();
            let Some(frame) = frame else {
                return Ok(None);
            };
            // What follows a body, such as trailers, says nothing here.
            let Ok(piece) = frame?.into_data() else {
                continue;
            };
            self.bytes += piece.len() as u64;
            self.check()?;
            return Ok(Some(piece));
        }
    }

    fn silent(&self) -> TooSlow {
        let seconds = self.idle.as_secs();
        TooSlow {
            reason: format!("nothing came for {seconds} seconds (body_idle_seconds)"),
        }
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
