//! What the API says about refs and their releases, and what it is told about them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::clock::Time;
use crate::base::id::{SnapshotId, StatementId};
use crate::base::name::{KeyName, RefName, RepoName};
use crate::base::printable;
use crate::base::profile::Profile;
use crate::base::remark::Remark;
use crate::base::{Kind, Result};
use crate::build::retire::tag;
use crate::store::Store;
use crate::store::rows::{RefRow, ReleaseKind, ReleaseRow, RepoRow};
use crate::store::view::View;

/// The repos of a store that the caller may see.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Repos {
    /// By name.
    pub repos: Vec<RepoSaid>,
}

/// A repo.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RepoSaid {
    /// Its name.
    #[schemars(with = "String")]
    pub repo: RepoName,
    /// The permanent name of its trust root.
    #[schemars(with = "String")]
    pub repo_id: StatementId,
    /// Which file names it takes: posix or portable.
    #[schemars(with = "String")]
    pub profile: Profile,
    /// The key that signs its releases.
    #[schemars(with = "String")]
    pub key: KeyName,
    /// The version of its newest keyset.
    pub keyset: u64,
    /// When it was made.
    #[schemars(with = "String")]
    pub created: Time,
    /// Where it is copied from, if its releases are made elsewhere.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "printable::said"
    )]
    pub copied_from: Option<String>,
    /// How many refs it has; of a repo on a server, those that the caller may read.
    pub refs: u64,
}

/// A page of the refs of a repo.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Refs {
    /// The repo.
    #[schemars(with = "String")]
    pub repo: RepoName,
    /// By name.
    pub refs: Vec<RefSaid>,
    /// The cursor of the next page, if there is one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub next: Option<RefName>,
}

/// A ref.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RefSaid {
    /// Its name.
    #[serde(rename = "ref")]
    #[schemars(with = "String")]
    pub name: RefName,
    /// The epoch of its newest statement; none before the first.
    pub epoch: Option<u64>,
    /// The seq of that.
    pub seq: Option<u64>,
    /// What it shows.
    #[schemars(with = "Option<String>")]
    pub snapshot: Option<SnapshotId>,
    /// Since when.
    #[schemars(with = "Option<String>")]
    pub time: Option<Time>,
    /// Builds that wait to become visible together.
    pub pending: Vec<u64>,
    /// Why publishing is held back, if it is.
    #[serde(default, deserialize_with = "printable::said")]
    pub held: Option<String>,
}

/// The releases of a ref.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Releases {
    /// The ref.
    #[serde(rename = "ref")]
    #[schemars(with = "String")]
    pub target: RefName,
    /// Newest first.
    pub releases: Vec<ReleaseSaid>,
    /// The cursor of the next page, if there is one.
    #[serde(default)]
    pub next: Option<u64>,
}

/// One release of a ref.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseSaid {
    /// Its epoch.
    pub epoch: u64,
    /// Its seq.
    pub seq: u64,
    /// When.
    #[schemars(with = "String")]
    pub time: Time,
    /// What it did: publish, withdraw or rollback.
    #[schemars(with = "String")]
    pub kind: ReleaseKind,
    /// The builds that it made visible.
    pub builds: Vec<u64>,
    /// What it shows.
    #[schemars(with = "String")]
    pub snapshot: SnapshotId,
    /// Its statement.
    #[schemars(with = "String")]
    pub statement: StatementId,
    /// What a withdrawal or rollback referred to.
    #[serde(default, deserialize_with = "printable::said")]
    pub note: Option<String>,
    /// The label `tag` of what it shows, if that is there and has one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "printable::said"
    )]
    pub tag: Option<String>,
    /// Whether what it shows was let go of.
    pub retired: bool,
}

/// A ref to be moved back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The seq of the release to be shown again.
    pub to: u64,
    /// Why publishing is held back after that, if it is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub hold: Option<Remark>,
}

/// A ref to be held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Why, in one line.
    #[schemars(with = "String")]
    pub reason: Remark,
}

impl RepoSaid {
    /// What a store says of a repo.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`](crate::base::Error::Catalog) if the catalog cannot be read.
    pub fn of(store: &Store, row: RepoRow) -> Result<Self> {
        let refs = store.reader()?.refs(&row)?.len() as u64;
        Ok(Self::with_refs(row, refs))
    }

    /// What is said of a repo to somebody who sees so many of its refs.
    #[must_use]
    pub fn with_refs(row: RepoRow, refs: u64) -> Self {
        Self {
            repo: row.name,
            repo_id: row.repo_id,
            profile: row.profile,
            key: row.key,
            keyset: row.keyset,
            created: row.created,
            copied_from: row.copied_from,
            refs,
        }
    }
}

impl From<RefRow> for RefSaid {
    fn from(row: RefRow) -> Self {
        let current = row.current;
        Self {
            name: row.name,
            epoch: current.map(|current| current.epoch),
            seq: current.map(|current| current.seq),
            snapshot: current.map(|current| current.snapshot.id),
            time: current.map(|current| current.time),
            pending: row.pending.iter().map(|import| import.build).collect(),
            held: row.held,
        }
    }
}

impl ReleaseSaid {
    /// The bytes that it holds in memory.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        let texts = [&self.note, &self.tag].into_iter().flatten();
        let texts: usize = texts.map(String::len).sum();
        (size_of::<Self>() + size_of_val(self.builds.as_slice()) + texts) as u64
    }

    /// What is said of a release, with its tag if that can be read.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`](crate::base::Error::Catalog) if the catalog cannot be read.
    pub fn of(view: &View<'_>, row: ReleaseRow) -> Result<Self> {
        let tag = if row.retired {
            Ok(None)
        } else {
            tag(view, &row)
        };
        // What is damaged, or was retired since the list was read, is still a release.
        let tag = tag.or_else(|error| match error.kind() {
            Kind::Integrity | Kind::NotFound => Ok(None),
            _ => Err(error),
        })?;
        Ok(Self {
            epoch: row.epoch,
            seq: row.seq,
            time: row.time,
            kind: row.kind,
            builds: row.imports.iter().map(|import| import.build).collect(),
            snapshot: row.snapshot.id,
            statement: row.statement,
            note: row.note,
            tag,
            retired: row.retired,
        })
    }
}
