//! What the API says about builds, and what it is told about them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckSaid, unmet};
use super::due::DueSaid;
pub use super::due::OnConflictSaid;
use crate::base::clock::Time;
use crate::base::id::{Hash, SnapshotId, TreeId};
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::printable;
use crate::base::unmet::Unmet;
use crate::object::tree::TreeRef;
use crate::store::build_log::BuildEvents;
use crate::store::rows::{
    Base, BuildRow, BuildState, Committed, EventRow, Published, Receipt, Staged,
};

/// A build to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBuild {
    /// The ref that it is meant for.
    #[serde(rename = "ref", default)]
    #[schemars(with = "Option<String>")]
    pub target: Option<RefName>,
    /// Facts about it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Another build of the repo, with whose changes it begins.
    #[serde(default)]
    pub from: Option<u64>,
}

/// A build that was made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreatedBuild {
    /// Its id.
    pub build: u64,
    /// What its ref showed when it was made.
    pub base: Option<BaseSaid>,
    /// The caller's token, narrowed to this build.
    pub token: Option<String>,
}

/// What a ref showed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BaseSaid {
    /// The epoch of its statement.
    pub epoch: u64,
    /// The seq of its statement.
    pub seq: u64,
    /// The snapshot.
    #[schemars(with = "String")]
    pub snapshot: SnapshotId,
}

/// A directory that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TreeSaid {
    /// Its id.
    #[schemars(with = "String")]
    pub id: TreeId,
    /// The bytes of its text.
    pub size: u64,
}

/// A change of a build: a directory that is staged, or a path that is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Where.
    #[schemars(with = "String")]
    pub at: TreePath,
    /// The directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeSaid>,
    /// Whether the directory adds to what is there, or takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<StageMode>,
    /// Whether the path is lost; there is no `tree` then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove: bool,
}

/// How a directory is staged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StageMode {
    /// Its files are added, or replace those of the same names.
    #[default]
    Merge,
    /// It takes the place of what is there.
    Replace,
}

/// A build to be frozen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// What it is, for whoever reads the log.
    #[serde(default)]
    pub message: String,
}

/// How a build is to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Where to, if not to the ref that it was made for.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub target: Option<RefName>,
    /// Who wins when both sides changed a path, if not as the ref's policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<OnConflictSaid>,
    /// Whether only the tree that was tested will do.
    #[serde(default)]
    pub require_tested: bool,
}

/// A publish that was taken in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Publishing {
    /// The ref.
    #[serde(rename = "ref")]
    #[schemars(with = "String")]
    pub target: RefName,
    /// The epoch of the statement that carries it, or will.
    pub epoch: u64,
    /// The seq of that statement: what to wait for.
    pub seq: u64,
    /// Whether it is visible already.
    pub visible: bool,
    /// Whether its tree is the one that was tested.
    pub tested: bool,
    /// What the ref shows, once visible.
    pub snapshot: Option<SnapshotSaid>,
    /// The builds that became visible together.
    pub builds: Vec<u64>,
}

/// A snapshot with its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotSaid {
    /// Its id.
    #[schemars(with = "String")]
    pub id: SnapshotId,
    /// The bytes of its text.
    pub size: u64,
    /// Its tree.
    pub root: TreeSaid,
}

/// A withdrawal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Withdrawal {
    /// The ref.
    #[serde(rename = "ref")]
    #[schemars(with = "String")]
    pub target: RefName,
    /// The builds that are ready again, if they had not been visible.
    pub builds: Vec<u64>,
    /// The seq of the release without the build, if it had been visible.
    pub seq: Option<u64>,
}

/// What a pack brought.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Received {
    /// The hash of the pack as it was sent.
    #[schemars(with = "String")]
    pub pack: Hash,
    /// Objects that were stored.
    pub new_objects: u64,
    /// Their bytes on disk.
    pub stored_bytes: u64,
}

/// One page of builds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BuildsPage {
    /// By their ids, newest first.
    pub builds: Vec<BuildSaid>,
    /// What to ask for as `cursor` to see the next page; none at the end.
    pub next: Option<u64>,
}

/// A build.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BuildSaid {
    /// Its id.
    #[serde(rename = "build")]
    pub id: u64,
    /// Its state: open, checking, ready, rejected, publishing, published or purged.
    #[schemars(with = "String")]
    pub state: BuildState,
    /// The repo it is for.
    #[schemars(with = "String")]
    pub repo: RepoName,
    /// The ref it is meant for.
    #[serde(rename = "ref")]
    #[schemars(with = "Option<String>")]
    pub target: Option<RefName>,
    /// Facts about it.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    #[schemars(with = "String")]
    pub created: Time,
    /// What its ref showed when it was made.
    pub base: Option<BaseSaid>,
    /// Sums over everything staged so far.
    pub staged: StagedSaid,
    /// What commit froze.
    pub committed: Option<CommittedSaid>,
    /// The checks that reported or are asked for, by their names.
    pub checks: Vec<CheckSaid>,
    /// The release that carries it.
    pub published: Option<PublishedSaid>,
    /// What purge freed.
    pub receipt: Option<ReceiptSaid>,
    /// Why the last attempt to go on failed.
    #[serde(default, deserialize_with = "printable::said")]
    pub reason: Option<String>,
    /// Why publishing it is held back, if it is.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "printable::said"
    )]
    pub held: Option<String>,
    /// When and how it is to be published, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DueSaid>,
}

/// Sums over everything staged into a build.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StagedSaid {
    /// Stagings and removals.
    pub operations: u32,
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were stored for them.
    pub new_objects: u64,
    /// The expanded bytes of those.
    pub new_bytes: u64,
    /// Their bytes on disk.
    pub stored_bytes: u64,
}

/// What happened to a build.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventsSaid {
    /// Oldest first.
    pub events: Vec<EventSaid>,
    /// How many older ones are not kept any more.
    #[serde(default)]
    pub forgotten: u32,
}

/// Something that happened to a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventSaid {
    /// When.
    #[schemars(with = "String")]
    pub time: Time,
    /// What, in words.
    pub what: String,
}

/// What commit froze.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CommittedSaid {
    /// The snapshot, which the test repository shows.
    pub snapshot: SnapshotSaid,
    /// Files and links in its tree.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Paths that had changed on both sides by then.
    pub conflicts: u64,
    /// When.
    #[schemars(with = "String")]
    pub time: Time,
}

/// Where a build is published, or will be.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PublishedSaid {
    /// The ref.
    #[serde(rename = "ref")]
    #[schemars(with = "String")]
    pub target: RefName,
    /// The epoch of the statement that carries it.
    pub epoch: u64,
    /// The seq of that statement.
    pub seq: u64,
    /// The snapshot that this build made.
    #[schemars(with = "String")]
    pub snapshot: SnapshotId,
    /// Whether its tree is the one that was tested.
    pub tested: bool,
}

/// What purging or retiring freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptSaid {
    /// Objects that are gone.
    pub objects: u64,
    /// Pack files that are gone.
    pub packs: u64,
    /// Bytes on disk that are free again.
    pub bytes: u64,
}

impl BuildSaid {
    /// The checks that keep the build from being ready.
    #[must_use]
    pub fn unmet(&self) -> Unmet {
        unmet(&self.checks)
    }
}

impl From<Base> for BaseSaid {
    fn from(base: Base) -> Self {
        Self {
            epoch: base.epoch,
            seq: base.seq,
            snapshot: base.snapshot.id,
        }
    }
}

impl From<TreeRef> for TreeSaid {
    fn from(tree: TreeRef) -> Self {
        Self {
            id: tree.id,
            size: tree.size,
        }
    }
}

impl From<TreeSaid> for TreeRef {
    fn from(tree: TreeSaid) -> Self {
        Self {
            id: tree.id,
            size: tree.size,
        }
    }
}

impl From<Receipt> for ReceiptSaid {
    fn from(receipt: Receipt) -> Self {
        Self {
            objects: receipt.objects,
            packs: receipt.packs,
            bytes: receipt.bytes,
        }
    }
}

impl From<BuildEvents> for EventsSaid {
    /// All that is kept.
    fn from(found: BuildEvents) -> Self {
        Self {
            events: found.events.into_iter().map(EventSaid::from).collect(),
            forgotten: found.first,
        }
    }
}

impl From<EventRow> for EventSaid {
    fn from(row: EventRow) -> Self {
        Self {
            time: row.time,
            what: row.what,
        }
    }
}

impl From<ReceiptSaid> for Receipt {
    fn from(said: ReceiptSaid) -> Self {
        Self {
            objects: said.objects,
            packs: said.packs,
            bytes: said.bytes,
        }
    }
}

impl From<Staged> for StagedSaid {
    fn from(staged: Staged) -> Self {
        Self {
            operations: staged.operations,
            files: staged.files,
            bytes: staged.bytes,
            new_objects: staged.new_objects,
            new_bytes: staged.new_bytes,
            stored_bytes: staged.stored_bytes,
        }
    }
}

impl From<Committed> for CommittedSaid {
    fn from(committed: Committed) -> Self {
        Self {
            snapshot: SnapshotSaid {
                id: committed.snapshot.id,
                size: committed.snapshot.size,
                root: TreeRef::from(committed.root).into(),
            },
            files: committed.files,
            bytes: committed.bytes,
            conflicts: committed.conflicts,
            time: committed.time,
        }
    }
}

impl From<Published> for PublishedSaid {
    fn from(published: Published) -> Self {
        Self {
            target: published.target,
            epoch: published.epoch,
            seq: published.seq,
            snapshot: published.snapshot.id,
            tested: published.tested,
        }
    }
}

impl From<BuildRow> for BuildSaid {
    fn from(row: BuildRow) -> Self {
        let due = row.due.as_ref();
        let due = due.map(|due| DueSaid::of(due, row.target.as_ref()));
        Self {
            checks: CheckSaid::all_of(&row),
            id: row.id,
            state: row.state,
            repo: row.repo,
            target: row.target,
            labels: row.labels,
            created: row.created,
            base: row.base.map(BaseSaid::from),
            staged: row.staged.into(),
            committed: row.committed.map(CommittedSaid::from),
            published: row.published.map(PublishedSaid::from),
            receipt: row.receipt.map(ReceiptSaid::from),
            reason: row.reason,
            held: row.held,
            due,
        }
    }
}
