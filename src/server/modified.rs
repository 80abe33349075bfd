//! Modified: since when something is as it is, as HTTP can say it.
//!
//! HTTP knows whole seconds only. Of two releases within one second, the second would look unchanged for ever to a client that
//! read the first and knows no entity tags, such as `apt`. So what is young is said to be a second older than it is: whoever asks
//! with that date gets the content again, once (RFC 9110, section 8.8.2.2, on weak dates).

use crate::base::clock::Time;

/// Seconds after which no other release with the same date can become visible any more.
pub const YOUNG_SECONDS: u64 = 60;

/// Since when something is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modified {
    since: Time,
    said: Option<Time>,
}

impl Modified {
    /// What is as it is since a moment, by somebody who asks now.
    #[must_use]
    pub fn new(since: Time, now: Time) -> Self {
        let is_young = now <= since.plus_seconds(YOUNG_SECONDS);
        let said = if is_young {
            let before = since.seconds().checked_sub(1);
            before.and_then(|seconds| Time::from_seconds(seconds).ok())
        } else {
            Some(since)
        };
        Self { since, said }
    }

    /// The moment.
    #[must_use]
    pub const fn since(self) -> Time {
        self.since
    }

    /// The date that is said: never that of another content with the same URL.
    #[must_use]
    pub const fn said(self) -> Option<Time> {
        self.said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_young_is_said_to_be_older() -> Result<(), Box<dyn std::error::Error>> {
        for (since, now, said) in [
            (1000, 1000, Some(999)),
            (1000, 1000 + YOUNG_SECONDS, Some(999)),
            (1000, 1001 + YOUNG_SECONDS, Some(1000)),
            // The clock went back.
            (1000, 900, Some(999)),
            // There is no earlier date.
            (0, 0, None),
        ] {
            let (since, now) = (Time::from_seconds(since)?, Time::from_seconds(now)?);
            let found = Modified::new(since, now).said().map(Time::seconds);
            assert_eq!(found, said, "{since} {now}");
        }
        Ok(())
    }
}
