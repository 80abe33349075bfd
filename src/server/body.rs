//! Bodies of requests: small ones read whole, large ones as they arrive.
//!
//! # Invariants
//!
//! - No body is larger than its limit, whatever its head says.
//!
//! # Not here
//!
//! What is in a body (`remote::wire`, `object::pack_stream`), how slowly it may come (`server::pace`).

use std::future::Future;
use std::io::{self, Read};

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::answer::Failure;
use super::pace::TooSlow;
use crate::base::error::check_limit;
use crate::base::{Error, Result};

/// Bytes of a document of the API.
pub const DOCUMENT_BYTES_MAX: u64 = 1024 * 1024;
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
pub async fn small(mut body: Body, what: &'static str, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = next(&mut body).await? {
        check_limit(what, bytes.len() as u64 + piece.len() as u64, bytes_max)?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
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
        let mut body = body;
        let mut bytes = 0;
        loop {
            let piece = match next(&mut body).await {
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

/// The next piece of a body, if there is one.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Failure> {
    loop {
        let Some(frame) = body.frame().await else {
            return Ok(None);
        };
        // What follows a body, such as trailers, says nothing here.
        if let Ok(piece) = frame.map_err(|error| broken(&error))?.into_data() {
            return Ok(Some(piece));
        }
    }
}

/// Why there is no next piece.
fn broken(error: &axum::Error) -> Failure {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(found) = source {
        if let Some(slow) = found.downcast_ref::<TooSlow>() {
            let slow = Error::usage(slow.to_string());
            return Failure::new(StatusCode::REQUEST_TIMEOUT, &slow);
        }
        source = found.source();
    }
    Error::usage(format!("the body broke off: {error}")).into()
}
