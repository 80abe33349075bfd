//! What the API says about checks of builds, and what checks tell it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::clock::Time;
use crate::base::id::SnapshotId;
use crate::base::name::CheckName;
use crate::base::remark::Remark;
use crate::base::unmet::Unmet;
use crate::store::check_rows::CheckOutcome;
use crate::store::rows::BuildRow;

/// What a check found in a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportCheck {
    /// What it found: pass, fail or review.
    #[schemars(with = "String")]
    pub outcome: CheckOutcome,
    /// The snapshot that it looked at; refused if the build has another one.
    #[schemars(with = "String")]
    pub snapshot: SnapshotId,
    /// What it says about that, in one line.
    #[serde(default)]
    #[schemars(with = "String")]
    pub message: Remark,
}

/// A check that reported, or is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckSaid {
    /// Its name.
    #[serde(rename = "check")]
    #[schemars(with = "String")]
    pub name: CheckName,
    /// Whether the build waits until it passed.
    pub required: bool,
    /// What it found, if it has reported.
    #[schemars(with = "Option<String>")]
    pub outcome: Option<CheckOutcome>,
    /// What it says about that.
    #[schemars(with = "Option<String>")]
    pub message: Option<Remark>,
    /// When it reported that.
    #[schemars(with = "Option<String>")]
    pub time: Option<Time>,
}

impl CheckSaid {
    /// The checks of a build, by their names.
    #[must_use]
    pub fn all_of(row: &BuildRow) -> Vec<Self> {
        let names: BTreeSet<&CheckName> = row.checks.keys().chain(&row.required).collect();
        let check = |name: &CheckName| {
            let found = row.checks.get(name);
            Self {
                name: name.clone(),
                required: row.required.contains(name),
                outcome: found.map(|found| found.outcome),
                message: found.map(|found| found.message.clone()),
                time: found.map(|found| found.time),
            }
        };
        names.into_iter().map(check).collect()
    }
}

/// Those of a build's checks that keep it from being ready.
pub(super) fn unmet(checks: &[CheckSaid]) -> Unmet {
    let mut unmet = Unmet::default();
    for check in checks {
        match check.outcome {
            Some(CheckOutcome::Pass) => {}
            Some(CheckOutcome::Fail) => unmet.failed.push(check.name.clone()),
            Some(CheckOutcome::Review) | None => unmet.waiting.push(check.name.clone()),
        }
    }
    unmet
}
