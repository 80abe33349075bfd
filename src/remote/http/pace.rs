//! The pace of an answer: what comes too slowly is given up, so that another mirror gets its turn.

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

/// How long an answer may come as slowly as it likes.
pub const SLOW_START: Duration = Duration::from_secs(30);
/// Bytes that must come in each second after that, on average.
pub const BYTES_PER_SECOND_MIN: u64 = 1024;

/// An answer that is given up if it comes too slowly.
#[derive(Debug)]
pub struct Paced<R> {
    input: R,
    started: Instant,
    bytes: u64,
}

impl<R: Read> Paced<R> {
    /// Starts to watch.
    pub fn new(input: R) -> Self {
        Self {
            input,
            started: Instant::now(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes += count as u64;
        if count > 0 && is_too_slow(self.started.elapsed(), self.bytes) {
            let reason = format!("it comes at less than {BYTES_PER_SECOND_MIN} bytes a second");
            return Err(io::Error::new(ErrorKind::TimedOut, reason));
        }
        Ok(count)
    }
}

fn is_too_slow(elapsed: Duration, bytes: u64) -> bool {
    let paced = elapsed.saturating_sub(SLOW_START);
    bytes < paced.as_secs() * BYTES_PER_SECOND_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_begin_slowly_and_must_not_go_on_so() {
        for (seconds, bytes, expected) in [
            (0, 0, false),
            (30, 1, false),
            (31, 1023, true),
            (31, 1024, false),
            (90, 60 * 1024, false),
            (91, 60 * 1024, true),
        ] {
            let elapsed = Duration::from_secs(seconds);
            assert_eq!(
                is_too_slow(elapsed, bytes),
                expected,
                "{seconds} s, {bytes}"
            );
        }
    }
}
