//! Bodies of requests: small ones read whole, large ones as they arrive.
//!
//! # Invariants
//!
//! - No body is larger than its limit, whatever its head says; what comes too slowly is given up.
//!
//! # Not here
//!
//! What is in a body (`remote::wire`, `object::pack_stream`).

use std::future::Future;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::answer::Failure;
use crate::base::error::check_limit;
use crate::base::{Error, Result};

/// Bytes of a document of the API.
pub const DOCUMENT_BYTES_MAX: u64 = 1024 * 1024;
/// How long nothing may come of a body.
pub const BODY_WAIT: Duration = Duration::from_secs(30);
/// How long a body may come as slowly as it likes.
pub const SLOW_START: Duration = Duration::from_secs(20);
/// Bytes that must come in each second after that, on average.
pub const BYTES_PER_SECOND_MIN: u64 = 1024;
/// Pieces of a body that wait to be read.
const PIECES_WAITING: usize = 4;

/// Reads a document.
///
/// # Errors
///
/// A [`Failure`] if it is too large, comes too slowly, or is not what is asked for here.
pub async fn document<T: DeserializeOwned>(body: Body) -> Result<T, Failure> {
    let bytes = small(body, "a document, in bytes,", DOCUMENT_BYTES_MAX).await?;
    // Where everything may be left out, so may the braces.
    let bytes = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
    let document = serde_json::from_slice(bytes);
    document.map_err(|error| Error::usage(format!("the body makes no sense: {error}")).into())
}

/// Reads a small body whole.
///
/// # Errors
///
/// As [`document`].
pub async fn small(body: Body, what: &'static str, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut pace = Pace::start();
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(piece) = pace.next(&mut body).await? {
        check_limit(what, bytes.len() as u64 + piece.len() as u64, bytes_max)?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads what is left of a body whose request was refused, as far as it is small: a client that still writes would not see
/// the answer.
pub async fn drain(body: Body) {
    small(body, "a body", DOCUMENT_BYTES_MAX).await.ok();
}

/// Hands a body to work that reads it on another thread, as it arrives, and returns what the work does.
///
/// # Errors
///
/// A [`Failure`] if it comes too slowly; what the work answers.
pub async fn streamed<T, W>(
    body: Body,
    bytes_max: u64,
    work: impl FnOnce(Arriving) -> W,
) -> Result<T, Failure>
where
    W: Future<Output = Result<T>>,
{
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    let work = work(Arriving {
        receiver,
        piece: Bytes::new(),
    });
    let feed = async move {
        let mut pace = Pace::start();
        let mut body = std::pin::pin!(body);
        let mut bytes = 0;
        loop {
            let piece = match pace.next(&mut body).await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(failure) => {
                    // The reader must not take this for the end.
                    let error = io::Error::from(io::ErrorKind::ConnectionAborted);
                    sender.send(Err(error)).await.ok();
                    return Err(failure);
                }
            };
            bytes += piece.len() as u64;
            check_limit("a body, in bytes,", bytes, bytes_max)?;
            if sender.send(Ok(piece)).await.is_err() {
                // The work has ended, and says why.
                break;
            }
        }
        Ok(())
    };
    let (arrival, outcome) = futures_util::join!(feed, work);
    arrival?;
    Ok(outcome?)
}

/// A body as it arrives, for work that waits for it.
#[derive(Debug)]
pub struct Arriving {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?,
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece[..count]);
        self.piece.advance(count);
        Ok(count)
    }
}

/// How fast a body comes.
struct Pace {
    started: Instant,
    bytes: u64,
}

impl Pace {
    fn start() -> Self {
        let started = Instant::now();
        Self { started, bytes: 0 }
    }

    /// The next piece, if there is one and it comes in time.
    async fn next(
        &mut self,
        body: &mut std::pin::Pin<&mut Body>,
    ) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = tokio::time::timeout(BODY_WAIT, body.frame()).await;
            let frame = frame.map_err(|_| {
                too_slow(&format!("nothing came for {} seconds", BODY_WAIT.as_secs()))
            })?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            let frame =
                frame.map_err(|error| Error::usage(format!("the body broke off: {error}")))?;
            // What follows a body, such as trailers, says nothing here.
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            self.bytes += piece.len() as u64;
            self.check()?;
            return Ok(Some(piece));
        }
    }

    fn check(&self) -> Result<(), Failure> {
        if is_too_slow(self.bytes, self.started.elapsed()) {
            let reason = format!("it comes at less than {BYTES_PER_SECOND_MIN} bytes a second");
            return Err(too_slow(&reason));
        }
        Ok(())
    }
}

/// Whether a body is too slow of which `bytes` came in `elapsed`.
fn is_too_slow(bytes: u64, elapsed: Duration) -> bool {
    let paced = elapsed.saturating_sub(SLOW_START);
    bytes < paced.as_secs() * BYTES_PER_SECOND_MIN
}

fn too_slow(reason: &str) -> Failure {
    let error = Error::usage(format!("the body is too slow: {reason}"));
    Failure::new(StatusCode::REQUEST_TIMEOUT, &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_slow_start_so_many_bytes_must_come_in_each_second() {
        let after = |seconds| SLOW_START + Duration::from_secs(seconds);
        assert!(!is_too_slow(0, SLOW_START), "a slow start");
        assert!(is_too_slow(10 * BYTES_PER_SECOND_MIN - 1, after(10)));
        assert!(!is_too_slow(10 * BYTES_PER_SECOND_MIN, after(10)));
    }
}
