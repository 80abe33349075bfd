//! Waits: for how long a client waits for a server, and how slowly what is answered may come.

use std::time::Duration;

/// For how long a server is waited for. None of them is without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Until it is reached.
    pub connect: Duration,
    /// While it does what it is asked and answers nothing.
    pub answer: Duration,
    /// While it looks for a file, or makes a pack, and answers nothing: another mirror may have it.
    pub file: Duration,
    /// In all, when it says that it is busy and when to ask again.
    pub busy: Duration,
    /// The same for a file: another mirror may have it.
    pub busy_file: Duration,
    /// While nothing comes of a file.
    pub read: Duration,
    /// While nothing goes of a request.
    pub write: Duration,
    /// While an answer may come as slowly as it likes.
    pub slow_start: Duration,
    /// Bytes of an answer that must come in each second after that, on average.
    pub bytes_per_second_min: u64,
    /// Small answers, one asked for after the other, that must come in each second after a slow start, on average, unless their
    /// bytes come fast enough.
    pub answers_per_second_min: u64,
    /// Before a pack that broke off is gone on with; each later time twice as long.
    pub resume: Duration,
}

impl Waits {
    /// The waits of the command line. A commit of a large build takes a server long.
    pub const USUAL: Self = Self {
        connect: Duration::from_secs(20),
        answer: Duration::from_secs(600),
        file: Duration::from_secs(60),
        busy: Duration::from_secs(120),
        busy_file: Duration::from_secs(10),
        read: Duration::from_secs(60),
        write: Duration::from_secs(60),
        slow_start: Duration::from_secs(30),
        bytes_per_second_min: 1024,
        answers_per_second_min: 1,
        resume: Duration::from_millis(200),
    };

    /// Whether an answer is too slow of which `bytes` came in `elapsed`.
    #[must_use]
    pub fn is_too_slow(&self, elapsed: Duration, bytes: u64) -> bool {
        let paced = elapsed.saturating_sub(self.slow_start);
        u128::from(bytes) < paced.as_millis() * u128::from(self.bytes_per_second_min) / 1000
    }

    /// Whether so many answers, of so many bytes together, are too slow of which all came in `elapsed`.
    #[must_use]
    pub fn are_too_slow(&self, elapsed: Duration, answers: u64, bytes: u64) -> bool {
        let paced = elapsed.saturating_sub(self.slow_start);
        let least = paced.as_millis() * u128::from(self.answers_per_second_min) / 1000;
        self.is_too_slow(elapsed, bytes) && u128::from(answers) < least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_answers_come_as_fast_as_one_or_in_good_number() {
        for (seconds, answers, bytes, expected) in [
            (30, 0, 0, false),
            (130, 100, 0, false),
            (130, 99, 100 * 1024, false),
            (130, 99, 0, true),
        ] {
            let elapsed = Duration::from_secs(seconds);
            let found = Waits::USUAL.are_too_slow(elapsed, answers, bytes);
            assert_eq!(found, expected, "{seconds} s, {answers}, {bytes}");
        }
    }

    #[test]
    fn an_answer_may_begin_slowly_and_must_not_go_on_so() {
        for (millis, bytes, expected) in [
            (0, 0, false),
            (30_000, 1, false),
            (31_000, 1023, true),
            (31_000, 1024, false),
            (90_000, 60 * 1024, false),
            (91_000, 60 * 1024, true),
        ] {
            let elapsed = Duration::from_millis(millis);
            assert_eq!(
                Waits::USUAL.is_too_slow(elapsed, bytes),
                expected,
                "{millis} ms, {bytes}"
            );
        }
    }
}
