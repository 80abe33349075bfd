//! What the API says about snapshots that people name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::id::SnapshotId;
use crate::base::name::RepoName;
use crate::remote::snapshots::Named;
use crate::store::rows::SnapshotRef;

/// The snapshot that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedSaid {
    /// The repo.
    #[schemars(with = "String")]
    pub repo: RepoName,
    /// Its name in full, such as `stable@3` or `build:17`.
    pub name: String,
    /// Its id.
    #[schemars(with = "String")]
    pub snapshot: SnapshotId,
    /// The bytes of its text.
    pub size: u64,
    /// The builds in whose test repositories its objects are, if they are not published.
    pub builds: Vec<u64>,
}

impl From<Named> for NamedSaid {
    fn from(named: Named) -> Self {
        Self {
            repo: named.repo,
            name: named.name,
            snapshot: named.snapshot.id,
            size: named.snapshot.size,
            builds: named.builds,
        }
    }
}

impl From<NamedSaid> for Named {
    fn from(said: NamedSaid) -> Self {
        Self {
            repo: said.repo,
            builds: said.builds,
            snapshot: SnapshotRef {
                id: said.snapshot,
                size: said.size,
            },
            name: said.name,
        }
    }
}
