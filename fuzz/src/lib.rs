//! One target for each parser of foreign bytes, and a way to make bytes that are nearly right.
//!
//! A target is a function from bytes to [`Verdict`]. It must never panic, whatever the bytes; it may take only so much
//! [`memory`]; and what it accepts it must write again as exactly the same bytes, or, where people may spell things in
//! several ways, as bytes that mean the same. `src/main.rs` drives the targets on a stable compiler from a seed, so a
//! finding is found again; `src/coverage.rs` hands them to libFuzzer, which looks for code that was not reached before.
//!
//! # Invariants
//!
//! - Each target has at least one seed that it accepts, in `seeds/<target>/`; the runner insists on it.
//!
//! # Not here
//!
//! Every truncation and every flipped bit of valid bytes: the unit tests beside each decoder try them all.

pub mod corpus;
pub mod memory;
pub mod mutation;
pub mod targets;

/// What a decoder said of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are what they should be, and encode to themselves.
    Accepted,
    /// They are not.
    Refused,
}

/// A parser of foreign bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of the folder with its seeds.
    pub name: &'static str,
    /// Feeds it with bytes.
    pub run: fn(&[u8]) -> Verdict,
}

impl Verdict {
    /// [`Accepted`](Self::Accepted) for what was decoded, after checking that it encodes to the `given` bytes again.
    fn of<T, E>(given: &[u8], decoded: Result<T, E>, encode: impl FnOnce(&T) -> Vec<u8>) -> Self {
        let Ok(value) = decoded else {
            return Self::Refused;
        };
        assert!(
            encode(&value) == given,
            "accepted bytes must encode to themselves"
        );
        Self::Accepted
    }

    /// As [`of`](Self::of), for a decoder of text.
    fn of_text<T, E>(
        given: &[u8],
        parse: impl FnOnce(&str) -> Result<T, E>,
        encode: impl FnOnce(&T) -> String,
    ) -> Self {
        match std::str::from_utf8(given) {
            Ok(text) => Self::of(given, parse(text), |value| encode(value).into_bytes()),
            Err(_) => Self::Refused,
        }
    }

    /// As [`of_text`](Self::of_text), for what people may spell in several ways: the encoded text must mean the same.
    fn of_meaning<T: PartialEq, E>(
        given: &[u8],
        parse: impl Fn(&str) -> Result<T, E>,
        encode: impl FnOnce(&T) -> String,
    ) -> Self {
        let parsed = std::str::from_utf8(given).map(&parse);
        let Ok(Ok(value)) = parsed else {
            return Self::Refused;
        };
        assert!(
            parse(&encode(&value)).is_ok_and(|again| again == value),
            "an accepted text must mean the same when it is written again"
        );
        Self::Accepted
    }
}
