//! The pace of an answer: what comes too slowly is given up, so that another mirror gets its turn.

use std::io::{self, ErrorKind, Read};
use std::time::Instant;

use super::waits::Waits;

/// An answer that is given up if it comes too slowly.
#[derive(Debug)]
pub struct Paced<R> {
    input: R,
    waits: Waits,
    started: Instant,
    bytes: u64,
}

impl<R: Read> Paced<R> {
    /// Starts to watch.
    pub fn new(input: R, waits: Waits) -> Self {
        Self {
            input,
            waits,
            started: Instant::now(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes += count as u64;
        if count > 0 && self.waits.is_too_slow(self.started.elapsed(), self.bytes) {
            let min = self.waits.bytes_per_second_min;
            let reason = format!("it comes at less than {min} bytes a second");
            return Err(io::Error::new(ErrorKind::TimedOut, reason));
        }
        Ok(count)
    }
}
