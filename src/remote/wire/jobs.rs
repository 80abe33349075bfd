//! What the API says about jobs: work that a server does beside answering.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::clock::Time;
use crate::base::id::SnapshotId;
use crate::base::name::{RefName, RepoName};
use crate::base::printable;

/// One page of jobs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobsPage {
    /// Newest first.
    pub jobs: Vec<JobSaid>,
    /// What to ask for as `cursor` to see the next page; none at the end.
    pub next: Option<u64>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobSaid {
    /// Its id: jobs live no longer than the server, and those of another run have other ids.
    #[serde(rename = "job")]
    pub id: String,
    /// What is done.
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// Where a copy is made from.
    #[serde(default, deserialize_with = "printable::said")]
    pub url: Option<String>,
    /// The repo that it is about.
    #[schemars(with = "Option<String>")]
    pub repo: Option<RepoName>,
    /// The ref that it is about.
    #[serde(rename = "ref")]
    #[schemars(with = "Option<String>")]
    pub target: Option<RefName>,
    /// The snapshot from which a delta leads.
    #[schemars(with = "Option<String>")]
    pub from: Option<SnapshotId>,
    /// The snapshot to which a delta leads.
    #[schemars(with = "Option<String>")]
    pub to: Option<SnapshotId>,
    /// When it came up.
    #[schemars(with = "String")]
    pub created: Time,
    /// When it was begun.
    #[schemars(with = "Option<String>")]
    pub started: Option<Time>,
    /// When it ended.
    #[schemars(with = "Option<String>")]
    pub ended: Option<Time>,
    /// Bytes that it has dealt with.
    pub done_bytes: u64,
    /// Bytes that it will have dealt with, as far as is known.
    pub expected_bytes: u64,
    /// Why it failed.
    #[serde(default, deserialize_with = "printable::said")]
    pub reason: Option<String>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Prepares a delta between two releases.
    Delta,
    /// Verifies every ref of a repo, as `bindery verify` does.
    Verify,
    /// Checks the whole store, every byte of every pack.
    Scrub,
    /// Brings a copy of another repo up to date, as `bindery mirror` does.
    Mirror,
}

impl JobKind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Verify => "verify",
            Self::Scrub => "scrub",
            Self::Mirror => "mirror",
        }
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It has not begun.
    Waiting,
    /// It is being done.
    Running,
    /// It was done.
    Done,
    /// It could not be done.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

impl JobState {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A job that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartJob {
    /// What is to be done: verify or scrub; the others come up by themselves.
    pub kind: JobKind,
    /// The repo to be verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub repo: Option<RepoName>,
}
