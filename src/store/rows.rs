//! Rows: what the catalog knows about repos, builds, refs and releases.
//!
//! They are kept as JSON, with every field named, so that a later version can read what an earlier one wrote.
//!
//! # Not here
//!
//! Where they are kept (`store::tables`), which changes are allowed (`build`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::check_rows::CheckRow;
use super::due::Due;
use crate::base::clock::Time;
use crate::base::id::{PackId, SnapshotId, StatementId, TreeId};
use crate::base::name::{CheckName, KeyName, RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::profile::Profile;
use crate::base::{Error, Result};
use crate::object::pack::LISTED_BYTES;
use crate::object::tree::TreeRef;

/// A repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoRow {
    /// Its number in keys of other tables.
    pub(super) number: u32,
    /// Its name.
    pub name: RepoName,
    /// How strict it is about names.
    pub profile: Profile,
    /// The id of version 1 of its keyset: the permanent name of its trust root.
    pub repo_id: StatementId,
    /// The version of its newest keyset.
    pub keyset: u64,
    /// The key that signs its statements.
    pub key: KeyName,
    /// The version of its newest heads statement; 0 before the first.
    pub heads: u64,
    /// When it was made.
    pub created: Time,
    /// Where it was copied from, if its releases are made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<String>,
}

impl RepoRow {
    /// Checks that releases of the repo are made in this store.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if it is a copy.
    pub fn check_own(&self) -> Result<()> {
        match &self.copied_from {
            Some(origin) => Err(Error::refused(format!(
                "{} is a copy of {origin}: its builds and releases are made there",
                self.name
            ))),
            None => Ok(()),
        }
    }
}

/// A tree with its size, as rows keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRow {
    id: TreeId,
    size: u64,
}

impl From<TreeRef> for TreeRow {
    fn from(tree: TreeRef) -> Self {
        Self {
            id: tree.id,
            size: tree.size,
        }
    }
}

impl From<TreeRow> for TreeRef {
    fn from(row: TreeRow) -> Self {
        Self {
            id: row.id,
            size: row.size,
        }
    }
}

/// A snapshot with its size in bytes, as statements name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRef {
    /// Its id.
    pub id: SnapshotId,
    /// The bytes of the snapshot object.
    pub size: u64,
}

/// The state of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildState {
    /// Files can be staged.
    Open,
    /// Committed; it waits for checks, or for a person who decides what a check found.
    Checking,
    /// Committed, and every check passed that it waited for.
    Ready,
    /// Committed, and a check failed.
    Rejected,
    /// Merged into a ref's pending tree; not yet visible.
    Publishing,
    /// Part of a release.
    Published,
    /// Ended; what only it held is gone.
    Purged,
}

impl BuildState {
    /// Every state, in the order in which a build goes through them.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Checking,
        Self::Ready,
        Self::Rejected,
        Self::Publishing,
        Self::Published,
        Self::Purged,
    ];

    /// The state's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Checking => "checking",
            Self::Ready => "ready",
            Self::Rejected => "rejected",
            Self::Publishing => "publishing",
            Self::Published => "published",
            Self::Purged => "purged",
        }
    }
}

impl fmt::Display for BuildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRow {
    /// Its id.
    pub id: u64,
    /// The repo it is for.
    pub repo: RepoName,
    /// The ref it is meant for, if that was said.
    pub target: Option<RefName>,
    /// Its state.
    pub state: BuildState,
    /// What whoever made it said about it.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    pub created: Time,
    /// What the ref showed when the build was made; conflicts are judged against it.
    pub base: Option<Base>,
    /// What was staged so far.
    pub staged: Staged,
    /// What commit froze.
    pub committed: Option<Committed>,
    /// The checks that its ref asked for when it was committed: it waits for these, whatever the settings say later.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub required: BTreeSet<CheckName>,
    /// What each check reported last, asked for or not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<CheckName, CheckRow>,
    /// The release that carries it.
    pub published: Option<Published>,
    /// The seq of the release that took it out of its ref again.
    #[serde(default)]
    pub withdrawn: Option<u64>,
    /// What purge freed.
    pub receipt: Option<Receipt>,
    /// Why the last attempt to go on failed.
    pub reason: Option<String>,
    /// Why publishing it is held back, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// When and how it is to be published, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// Whether somebody said a time, or took one back, or it could not be published when it was due: the policy of its ref gives it
    /// none any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_time_decided: bool,
}

/// What a ref showed at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The epoch of the ref's statement.
    pub epoch: u64,
    /// The seq of the ref's statement.
    pub seq: u64,
    /// The snapshot it named.
    pub snapshot: SnapshotRef,
}

/// Sums over everything staged into a build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Operations: stagings and removals.
    pub operations: u32,
    /// Files and links.
    pub files: u64,
    /// Their expanded bytes.
    pub bytes: u64,
    /// Objects that were stored for them.
    pub new_objects: u64,
    /// The expanded bytes of those.
    pub new_bytes: u64,
    /// The bytes of the packs that hold those.
    pub stored_bytes: u64,
}

impl Staged {
    /// Adds what one more operation staged.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            operations: self.operations.saturating_add(other.operations),
            files: self.files.saturating_add(other.files),
            bytes: self.bytes.saturating_add(other.bytes),
            new_objects: self.new_objects.saturating_add(other.new_objects),
            new_bytes: self.new_bytes.saturating_add(other.new_bytes),
            stored_bytes: self.stored_bytes.saturating_add(other.stored_bytes),
        }
    }
}

/// What commit froze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The snapshot: the merged tree as of commit, which the test repository shows.
    pub snapshot: SnapshotRef,
    /// The root of that tree.
    pub root: TreeRow,
    /// The build's operations applied to its base: what it wants, whatever the ref does meanwhile.
    pub wanted: TreeRow,
    /// Files and links in the merged tree.
    pub files: u64,
    /// Their expanded bytes.
    pub bytes: u64,
    /// What the ref showed at commit.
    pub onto: Option<Base>,
    /// Paths that had changed on both sides by then.
    pub conflicts: u64,
    /// When.
    pub time: Time,
}

/// Where a build is published, or will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The ref.
    pub target: RefName,
    /// The epoch of the statement that carries it.
    pub epoch: u64,
    /// The seq of the statement that carries it.
    pub seq: u64,
    /// The snapshot that this build made.
    pub snapshot: SnapshotRef,
    /// Whether its tree is the one that was tested.
    pub tested: bool,
}

/// What purge or retire freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Objects that are gone.
    pub objects: u64,
    /// Pack files that are gone.
    pub packs: u64,
    /// Bytes on disk that are free again.
    pub bytes: u64,
}

impl Receipt {
    /// Adds what else was freed.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            objects: self.objects + other.objects,
            packs: self.packs + other.packs,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// One change of paths that a build makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// The files of a staged directory are added at a path, or replace same-named ones.
    Merge {
        /// The path.
        at: TreePath,
        /// The staged directory.
        tree: TreeRow,
    },
    /// The whole directory at a path becomes the staged one.
    Replace {
        /// The path.
        at: TreePath,
        /// The staged directory.
        tree: TreeRow,
    },
    /// A path is lost.
    Remove {
        /// The path.
        path: TreePath,
    },
}

/// Something that happened to a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// When.
    pub time: Time,
    /// What, in words.
    pub what: String,
}

/// Who owns a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Owner {
    /// A build.
    Build(u64),
    /// The published set of the repo with this number.
    Repo(u32),
}

/// A pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackRow {
    pub(super) id: PackId,
    pub(super) owner: Owner,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Objects in it.
    pub(super) objects: u64,
    /// Expanded bytes of the objects in it.
    pub(super) expanded_bytes: u64,
    /// Objects in it that published rows point at.
    pub(super) live_objects: u64,
    /// Expanded bytes of those.
    pub(super) live_bytes: u64,
}

impl PackRow {
    /// Whether less than half of it matters, so that rewriting copies less than it frees. What a pack needs to list its
    /// objects counts too: of tiny ones that is the most.
    pub(super) const fn is_thin(&self) -> bool {
        let live = self.live_bytes + self.live_objects * LISTED_BYTES;
        live * 2 < self.expanded_bytes + self.objects * LISTED_BYTES
    }
}

/// A ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefRow {
    /// Its name.
    pub name: RefName,
    /// The newest release; none before the first.
    pub current: Option<Current>,
    /// Builds merged one after the other, waiting to become visible together.
    pub pending: Vec<Import>,
    /// Whether publishing is held back, and why.
    pub held: Option<String>,
}

impl RefRow {
    /// A ref that shows nothing yet.
    #[must_use]
    pub const fn unborn(name: RefName) -> Self {
        Self {
            name,
            current: None,
            pending: Vec::new(),
            held: None,
        }
    }
}

impl RefRow {
    /// What the ref shows when everything pending is visible.
    #[must_use]
    pub fn shown_next(&self) -> Option<SnapshotRef> {
        let current = self.current.map(|current| current.snapshot);
        let pending = self.pending.last().map(|import| import.snapshot);
        pending.or(current)
    }

    /// Checks that the ref is not held back.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the reason if it is.
    pub fn check_not_held(&self) -> Result<()> {
        match &self.held {
            Some(reason) => Err(Error::refused(format!("{} is held: {reason}", self.name))),
            None => Ok(()),
        }
    }
}

/// What a ref shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// The epoch of the statement.
    pub epoch: u64,
    /// The seq of the statement.
    pub seq: u64,
    /// The statement.
    pub statement: StatementId,
    /// The bytes of the statement's text.
    pub statement_bytes: u64,
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// Its tree.
    pub root: TreeRow,
    /// When.
    pub time: Time,
}

impl Current {
    /// The part that builds remember.
    #[must_use]
    pub const fn base(&self) -> Base {
        Base {
            epoch: self.epoch,
            seq: self.seq,
            snapshot: self.snapshot,
        }
    }
}

/// A build merged onto a ref's pending tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The build.
    pub build: u64,
    /// The snapshot that the merge made.
    pub snapshot: SnapshotRef,
    /// Its tree.
    pub root: TreeRow,
    /// What the ref, or its pending tree, showed before.
    pub before: Option<SnapshotRef>,
    /// Whether the tree is the one that was tested.
    pub tested: bool,
}

/// What a statement did to a ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseKind {
    /// Builds were published.
    Publish,
    /// A published build was taken out.
    Withdraw,
    /// An older release was shown again.
    Rollback,
}

/// One release of a ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRow {
    /// Its epoch.
    pub epoch: u64,
    /// Its seq.
    pub seq: u64,
    /// What it did.
    pub kind: ReleaseKind,
    /// Its statement.
    pub statement: StatementId,
    /// What it shows.
    pub snapshot: SnapshotRef,
    /// The builds it made visible, one snapshot each, in order.
    pub imports: Vec<Import>,
    /// When.
    pub time: Time,
    /// In words, what a withdrawal or rollback referred to.
    pub note: Option<String>,
    /// Whether its snapshots were let go of.
    pub retired: bool,
}
