//! The rest of a body that nobody reads: it is taken in and dropped for a while, so that whoever sends it hears why it was
//! refused. A connection that is closed with bytes unread is reset, and the answer may be lost with it.
//!
//! # Invariants
//!
//! - Of a body, so many bytes are taken in vain, in so long a time; the answer does not wait for that.
//! - Who asks whether to send a body at all (`Expect: 100-continue`) is not told to by this.
//!
//! # Not here
//!
//! How slowly a body may come (`server::pace`).

use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http_body_util::BodyExt;
use tokio::runtime::Handle;

use crate::base::limits::FRAME_BYTES_MAX;
use crate::object::pack::PACK_BYTES_TARGET;

/// Bytes of a body that are taken in vain: a pack, as clients make them.
pub const REST_BYTES_MAX: u64 = PACK_BYTES_TARGET + FRAME_BYTES_MAX;
/// How long that may take.
pub const REST_WAIT: Duration = Duration::from_secs(20);
/// How long nothing may come meanwhile: who has heard the answer, and sends no more, is not waited for.
pub const REST_IDLE: Duration = Duration::from_secs(1);

/// Whether whoever sends a body waits to be told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It comes in any case.
    AtOnce,
    /// It comes when it is read.
    WhenAsked,
}

/// A body of which the rest is taken in when it is dropped before its end.
pub fn to_the_end(body: Body, sending: Sending) -> Body {
    let watched = Watched {
        body: Some(body),
        is_coming: sending == Sending::AtOnce,
    };
    Body::from_stream(stream::try_unfold(watched, |mut watched| async {
        let Some(body) = &mut watched.body else {
            return Ok(None);
        };
        watched.is_coming = true;
        loop {
            let Some(frame) = body.frame().await else {
                drop(watched.body.take());
                return Ok::<_, axum::Error>(None);
            };
            // What failed has no rest.
            let frame = frame.inspect_err(|_| watched.is_coming = false)?;
            // What follows a body, such as trailers, says nothing here.
            if let Ok(piece) = frame.into_data() {
                return Ok(Some((piece, watched)));
            }
        }
    }))
}

/// A body, until its end was seen.
struct Watched {
    body: Option<Body>,
    is_coming: bool,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let body = self.body.take().filter(|_| self.is_coming);
        // When the server has ended, there is nobody to do it, and nobody who hears an answer.
        if let (Some(body), Ok(runtime)) = (body, Handle::try_current()) {
            runtime.spawn(async {
                // Whoever sends more, or more slowly, does so in vain.
                tokio::time::timeout(REST_WAIT, take(body)).await.ok();
            });
        }
    }
}

/// Takes a body in and drops it, up to the limit; returns how much came.
async fn take(mut body: Body) -> u64 {
    let mut bytes = 0;
    while bytes < REST_BYTES_MAX {
        match tokio::time::timeout(REST_IDLE, body.frame()).await {
            Ok(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, |piece| piece.len() as u64),
            _ => break,
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;

    use super::*;

    /// Bytes of a piece.
    const PIECE: usize = 1 << 20;

    /// A body of so many pieces, and how many were taken.
    fn body(pieces: u64) -> (Body, Arc<AtomicU64>) {
        let taken = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&taken);
        let body = Body::from_stream(stream::unfold(0, move |number| {
            let counting = Arc::clone(&counting);
            async move {
                if number == pieces {
                    return None;
                }
                counting.fetch_add(1, Ordering::Relaxed);
                let piece = Bytes::from(vec![7; PIECE]);
                Some((Ok::<_, std::io::Error>(piece), number + 1))
            }
        }));
        (body, taken)
    }

    /// Reads so many pieces of a body and drops it; says how many were taken in the end.
    async fn read_and_drop(pieces: u64, read: u64, sending: Sending) -> u64 {
        let (body, taken) = body(pieces);
        let mut body = to_the_end(body, sending);
        for _ in 0..read {
            body.frame().await;
        }
        drop(body);
        let mut before = u64::MAX;
        while taken.load(Ordering::Relaxed) != before {
            before = taken.load(Ordering::Relaxed);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        before
    }

    #[test]
    fn the_rest_of_a_body_is_taken_up_to_a_limit() -> Result<(), Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let most = REST_BYTES_MAX / PIECE as u64;
        for (pieces, read, sending, expected, reason) in [
            (5, 0, Sending::AtOnce, 5, "nothing was read"),
            (5, 2, Sending::AtOnce, 5, "some was read"),
            (5, 6, Sending::AtOnce, 5, "all was read"),
            (most, 0, Sending::AtOnce, most, "as much as is taken"),
            (most + 2, 0, Sending::AtOnce, most, "more than that"),
            (5, 0, Sending::WhenAsked, 0, "it was not asked for"),
            (5, 1, Sending::WhenAsked, 5, "it was"),
        ] {
            let taken = runtime.block_on(read_and_drop(pieces, read, sending));
            assert_eq!(taken, expected, "{reason}");
        }
        Ok(())
    }
}
