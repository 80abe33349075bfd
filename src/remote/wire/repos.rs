//! What the API is told about repos, and about old releases that are let go of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::builds::ReceiptSaid;
use crate::base::clock::Time;
use crate::base::name::{KeyName, RefName, RepoName};
use crate::base::profile::Profile;
use crate::build::retire::{Plan, Why};
use crate::store::rows::{Receipt, ReleaseRow};

/// A repo to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRepo {
    /// Its name.
    #[schemars(with = "String")]
    pub repo: RepoName,
    /// Which file names it takes: posix, or portable for those that every system can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub profile: Option<Profile>,
    /// The key that signs its releases; else one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub key: Option<KeyName>,
}

/// Old releases to be let go of. What is not said is as the ref's policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retire {
    /// The ref; else every ref of the repo.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub target: Option<RefName>,
    /// The last so many stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u64>,
    /// Those younger than so many seconds stay, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_seconds: Option<u64>,
    /// Whether those with a label `tag` stay, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_tagged: Option<bool>,
}

/// Releases that went, and those that stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retired {
    /// Those that went.
    pub retired: Vec<RetiredRelease>,
    /// Those that stay.
    pub kept: Vec<KeptRelease>,
    /// What that freed.
    pub freed: ReceiptSaid,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetiredRelease {
    /// Its ref.
    #[serde(rename = "ref")]
    #[schemars(with = "String")]
    pub target: RefName,
    /// Its epoch.
    pub epoch: u64,
    /// Its seq.
    pub seq: u64,
    /// When it was made.
    #[schemars(with = "String")]
    pub time: Time,
}

/// A release that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptRelease {
    /// The release.
    #[serde(flatten)]
    pub release: RetiredRelease,
    /// Why: shown, no-rule, last, younger, tagged or unreadable.
    pub because: String,
    /// Of how many it is one, or younger than how many seconds it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<u64>,
    /// Its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl Retired {
    /// What became of a plan.
    #[must_use]
    pub fn of(plan: Plan, freed: Receipt) -> Self {
        let (going, kept) = (plan.going.into_iter(), plan.kept.into_iter());
        Self {
            retired: going.map(RetiredRelease::from).collect(),
            kept: kept.map(KeptRelease::from).collect(),
            freed: freed.into(),
        }
    }
}

impl From<(RefName, ReleaseRow)> for RetiredRelease {
    fn from((target, row): (RefName, ReleaseRow)) -> Self {
        Self {
            target,
            epoch: row.epoch,
            seq: row.seq,
            time: row.time,
        }
    }
}

impl From<(RefName, ReleaseRow, Why)> for KeptRelease {
    fn from((target, row, why): (RefName, ReleaseRow, Why)) -> Self {
        let (because, bound, tag) = match why {
            Why::Shown => ("shown", None, None),
            Why::NoRule => ("no-rule", None, None),
            Why::Last(last) => ("last", Some(last), None),
            Why::Younger(seconds) => ("younger", Some(seconds), None),
            Why::Tagged(tag) => ("tagged", None, Some(tag)),
            Why::Unreadable => ("unreadable", None, None),
        };
        Self {
            release: RetiredRelease::from((target, row)),
            because: because.to_owned(),
            bound,
            tag,
        }
    }
}
