//! Rows of checks: what an outside check found out about a build.
//!
//! They are part of the build's row.
//!
//! # Not here
//!
//! What follows from them for the build (`store::checks`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::clock::Time;
use crate::base::remark::Remark;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    /// Nothing that would keep the build from being published.
    Pass,
    /// The build must not be published.
    Fail,
    /// Something that a person has to decide: by reporting a pass or a failure later.
    Review,
}

impl CheckOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Pass, Self::Fail, Self::Review];

    /// The outcome's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Review => "review",
        }
    }

    /// What the check did, in words.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Pass => "passed",
            Self::Fail => "failed",
            Self::Review => "asks for a review",
        }
    }
}

impl fmt::Display for CheckOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a check reported last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// What it found.
    pub outcome: CheckOutcome,
    /// What it says about that.
    pub message: Remark,
    /// When it reported this first.
    pub time: Time,
}
