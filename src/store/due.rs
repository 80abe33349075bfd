//! Due: when and how a build is to be published, as its row says.

use serde::{Deserialize, Serialize};

use super::settings::OnConflict;
use crate::base::clock::Time;
use crate::base::name::RefName;

/// When and how a build is to be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// When.
    pub at: Time,
    /// The ref, if it is another than the one the build was made for.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RefName>,
    /// Who wins when both sides changed a path, if not as the ref's policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<OnConflict>,
    /// Whether only the tree that was tested will do.
    #[serde(default)]
    pub require_tested: bool,
    /// Who says so.
    #[serde(default, skip_serializing_if = "SaidBy::is_person")]
    pub said_by: SaidBy,
}

/// Who says that a build is to be published at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SaidBy {
    /// Somebody, about this build.
    #[default]
    Person,
    /// The settings of its ref, about every build that is ready.
    Policy,
}

impl SaidBy {
    /// Whether somebody says so about this build: what rows leave out.
    #[must_use]
    pub const fn is_person(&self) -> bool {
        matches!(self, Self::Person)
    }
}

/// What becomes of the time of a build that was not published when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is tried again.
    StaysDue,
    /// It has no time any more.
    IsDropped,
}
