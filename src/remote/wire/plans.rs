//! What the API is told about when a build is to be published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::builds::Publish;
use crate::base::clock::Time;
use crate::base::{Error, Result};

/// When a build is to be published, and how: at a time, or after so many seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Time>,
    /// The seconds, from when the server reads this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u64>,
    /// How.
    #[serde(default)]
    pub how: Publish,
}

impl Schedule {
    /// The time that is meant, of somebody who reads it now.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if both are said, or neither.
    pub fn time(&self, now: Time) -> Result<Time> {
        match (self.at, self.after_seconds) {
            (Some(at), None) => Ok(at),
            (None, Some(seconds)) => Ok(now.plus_seconds(seconds)),
            _ => Err(Error::usage("say one of \"at\" and \"after_seconds\"")),
        }
    }
}
