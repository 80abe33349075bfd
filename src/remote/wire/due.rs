//! What the API says about when and how a build is to be published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::clock::Time;
use crate::base::name::RefName;
use crate::store::due::{Due, SaidBy};
use crate::store::settings::OnConflict;

/// Who wins when a path changed on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnConflictSaid {
    /// Nobody.
    Refuse,
    /// The build.
    Build,
    /// The ref.
    Ref,
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
    /// Who says so: a person, or the policy of the ref.
    #[serde(default)]
    #[schemars(with = "String")]
    pub said_by: SaidBy,
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
            said_by: due.said_by,
        }
    }
}
