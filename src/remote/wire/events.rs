//! What the API says about what happens, as it happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::clock::Time;
use crate::base::name::RefName;

/// The name of the event that says that some were lost: whoever sees it asks for the state of things again.
pub const GAP_EVENT: &str = "gap";

/// Something that happened in a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepoEvent {
    /// When.
    #[schemars(with = "String")]
    pub time: Time,
    /// What.
    pub what: What,
    /// To which build.
    pub build: Option<u64>,
    /// To which ref.
    #[serde(rename = "ref")]
    #[schemars(with = "Option<String>")]
    pub target: Option<RefName>,
    /// By which release: the one that was made, or that is to carry a build that was merged.
    pub seq: Option<u64>,
    /// The builds that became visible with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builds: Vec<u64>,
}

/// What can happen in a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A build was made.
    Created,
    /// A build was frozen.
    Committed,
    /// A check of a build was reported.
    Checked,
    /// A build was merged and waits to become visible.
    Merged,
    /// A ref shows a new release.
    Published,
    /// A build was taken out of its ref.
    Withdrawn,
    /// A build was ended.
    Purged,
    /// A ref shows an older release again.
    Rolledback,
    /// A ref is held.
    Held,
    /// A ref was let go.
    Released,
}

impl What {
    /// The name of the event.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Committed => "committed",
            Self::Checked => "checked",
            Self::Merged => "merged",
            Self::Published => "published",
            Self::Withdrawn => "withdrawn",
            Self::Purged => "purged",
            Self::Rolledback => "rolledback",
            Self::Held => "held",
            Self::Released => "released",
        }
    }
}
