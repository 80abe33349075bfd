//! What goes out of a connection: whoever does not read what it asked for, or reads it too slowly, is let go of.
//!
//! # Invariants
//!
//! - Only the time counts for which the server waits for the other side: a stream of events with nothing to say is not slow.
//!
//! # Not here
//!
//! How slowly a body may come in (`server::pace`, which also says what too slow is).

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::pace::{Pace, TooSlow};
use crate::store::serve_settings::Limits;

/// A connection whose other side must read.
#[derive(Debug)]
pub struct Outward<S> {
    stream: S,
    pace: Pace,
    /// Since when nothing went, and what ends the wait.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S: AsyncWrite + Unpin> Outward<S> {
    /// Watches a connection.
    #[must_use]
    pub const fn new(stream: S, limits: &Limits) -> Self {
        Self {
            stream,
            pace: Pace::new(limits),
            waiting: None,
        }
    }

    /// Passes on that so many bytes went, or waits until some can go.
    fn went(
        &mut self,
        context: &mut Context<'_>,
        went: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = went {
            let waited = self.waiting.take();
            let waited = waited.map(|(since, _)| since.elapsed()).unwrap_or_default();
            let count = outcome?;
            let paced = self.pace.passed(count, waited);
            return Poll::Ready(paced.map(|()| count).map_err(let_go));
        }
        let idle = self.pace.idle();
        let (_, alarm) = self.waiting.get_or_insert_with(|| {
            let alarm = Box::pin(tokio::time::sleep(idle));
            (Instant::now(), alarm)
        });
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(Err(let_go(self.pace.silent())))
    }
}

fn let_go(slow: TooSlow) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, slow)
}

impl<S: AsyncRead + Unpin> AsyncRead for Outward<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Outward<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let went = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.went(context, went)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let went = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.went(context, went)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let went = Pin::new(&mut self.stream).poll_flush(context);
        let went = went.map(|flushed| flushed.map(|()| 0));
        self.went(context, went).map(|went| went.map(drop))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let went = Pin::new(&mut self.stream).poll_shutdown(context);
        let went = went.map(|ended| ended.map(|()| 0));
        self.went(context, went).map(|went| went.map(drop))
    }
}
