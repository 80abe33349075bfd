//! What the API is told about when a build is to be published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::builds::{OnConflictSaid, Publish};
use crate::base::clock::Time;
use crate::base::name::RefName;
use crate::base::{Error, Result};
use crate::store::due::Due;
use crate::store::settings::OnConflict;

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

/// When and how a build is to be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DueSaid {
    /// When.
    #[schemars(with = "String")]
    pub at: Time,
    /// To which ref.
    #[serde(rename = "ref")]
    #[schemars(with = "Option<String>")]
    pub target: Option<RefName>,
    /// Who wins where the ref changed the same paths, if not as its policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<OnConflictSaid>,
    /// Whether only the tree that was tested will do.
    #[serde(default)]
    pub require_tested: bool,
}

impl DueSaid {
    /// What is said of a build that was made for `target`.
    #[must_use]
    pub fn of(due: &Due, target: Option<&RefName>) -> Self {
        Self {
            at: due.at,
            target: due.target.as_ref().or(target).cloned(),
            on_conflict: due.on_conflict.map(|winner| match winner {
                OnConflict::Refuse => OnConflictSaid::Refuse,
                OnConflict::Build => OnConflictSaid::Build,
                OnConflict::Ref => OnConflictSaid::Ref,
            }),
            require_tested: due.require_tested,
        }
    }
}
