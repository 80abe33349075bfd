//! Builds elsewhere: what whoever fills a build asks of the store that will publish it.
//!
//! # Invariants
//!
//! - Nothing that is handed in is believed: every object is checked against its id, every tree before it is staged.
//!
//! # Not here
//!
//! What is sent, and in which order (`remote::push`).

use std::collections::BTreeMap;

use super::wire::builds::StageMode;
use super::wire::due::DueSaid;
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::name::RefName;
use crate::base::path::TreePath;
use crate::base::unmet::Unmet;
use crate::build::publish_answer::PublishAnswer;
use crate::delta::receive::Announced;
use crate::object::kind::ObjectKind;
use crate::object::tree::TreeRef;
use crate::store::rows::{BuildState, SnapshotRef};

/// Objects in one question about what is missing: the question stays below 2.2 MB, and its answer below 8 KiB.
pub const MISSING_OBJECTS_MAX: usize = 65_536;

/// A pack of objects to be handed in.
#[derive(Debug)]
pub struct Parcel {
    /// Its hash, and how many frames it has.
    pub announced: Announced,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a commit froze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// Its tree.
    pub root: TreeRef,
    /// The state of the build: ready, or checking.
    pub state: BuildState,
    /// The checks that keep it from being ready.
    pub unmet: Unmet,
    /// When it is published by itself, if its ref says so.
    pub due: Option<DueSaid>,
}

/// The builds of one repo, where they are published. Several threads may ask at once.
pub trait Builds: Sync {
    /// Where they are, in words for messages.
    fn place(&self) -> String;

    /// Makes an open build; returns its id.
    ///
    /// # Errors
    ///
    /// What the verbs of builds answer, and the way there; so for every method.
    fn create(&self, target: &RefName, labels: &BTreeMap<String, String>) -> Result<u64>;

    /// Says of each of some objects whether it must be sent; at most [`MISSING_OBJECTS_MAX`] of them.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn missing(&self, build: u64, objects: &[(ObjectKind, Hash)]) -> Result<Vec<bool>>;

    /// Takes a pack of objects in; returns the bytes that are stored for it.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Error::Malformed`](crate::base::Error::Malformed) or
    /// [`Error::Damaged`](crate::base::Error::Damaged) if it is not what it says, and nothing of it is kept then.
    fn receive(&self, build: u64, parcel: &Parcel) -> Result<u64>;

    /// The ref that a build is for, if it is for one.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create). Who may fill a build need not be allowed to look at it.
    fn target(&self, build: u64) -> Result<Option<RefName>>;

    /// Stages a directory, all of which was sent or is there; returns the ref that the build is for, if it is for one.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Error::Damaged`](crate::base::Error::Damaged) if something of it is missing or it
    /// is not canonical.
    fn stage(
        &self,
        build: u64,
        at: &TreePath,
        tree: TreeRef,
        mode: StageMode,
    ) -> Result<Option<RefName>>;

    /// Commits the build.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn commit(&self, build: u64, message: &str) -> Result<Committed>;

    /// Publishes the build.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    fn publish(&self, build: u64) -> Result<PublishAnswer>;
}
