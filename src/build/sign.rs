//! Signing: the texts of a release, made durable, signed, and handed to the catalog in one piece.
//!
//! The steps can only be taken in order, because each returns what the next one needs: a [`Draft`] has texts, numbers and
//! a durable record of both; only a draft can be signed.
//!
//! # Invariants
//!
//! - **I5**: the texts are durable before they are signed.
//!
//! # Not here
//!
//! What is released (`build::publish`, `build::withdraw`, `build::rollback`).

use std::collections::BTreeMap;

use crate::base::clock::Time;
use crate::base::id::{Hash, StatementId};
use crate::base::name::RefName;
use crate::base::{Error, Result};
use crate::object::tree::TreeRef;
use crate::store::Store;
use crate::store::notes::{BUILDS_EXTENSION, Notes};
use crate::store::releases::{Numbers, SignedRelease};
use crate::store::rows::{Base, Current, Import, ReleaseKind, RepoRow, SnapshotRef};
use crate::trust::heads::{Heads, RefsObject};
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::note::Note;
use crate::trust::ref_statement::{self, Action, RefStatement};
use crate::trust::refs_list::{RefsEntry, RefsList};
use crate::trust::secret_key::SecretKey;
use crate::trust::statement::{Extensions, Statement};

/// What a release will show, and why.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) repo: RepoRow,
    pub(super) target: RefName,
    pub(super) current: Option<Current>,
    pub(super) kind: ReleaseKind,
    pub(super) imports: Vec<Import>,
    pub(super) withdrawn: Option<u64>,
    pub(super) snapshot: SnapshotRef,
    pub(super) root: TreeRef,
    pub(super) note: Option<String>,
    pub(super) hold: Option<String>,
}

/// A release whose texts are durable and not yet signed.
#[must_use = "a draft that is not signed leaves a gap in the numbers"]
pub(super) struct Draft {
    release: Release,
    numbers: Numbers,
    time: Time,
    statement: String,
    refs_list: Vec<u8>,
    heads: String,
    key: SecretKey,
}

impl Release {
    /// Writes the texts of the release and makes them durable.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the key is not there, [`Error::Untrusted`] if it is not the one in the keyset,
    /// [`Error::Malformed`] or [`Error::Limit`] if a text would break a rule; nothing is recorded then.
    pub(super) fn draft(self, store: &Store, time: Time) -> Result<Draft> {
        let key = trusted_key(store, &self.repo)?;
        let numbers = store.next_numbers(&self.repo, &self.target)?;
        let statement = self.statement(numbers, time)?;
        let refs_list = self.refs_list(store, numbers, &statement)?.encode();
        let heads = Heads {
            repo: self.repo.name.clone(),
            repo_id: self.repo.repo_id,
            epoch: 1,
            version: numbers.heads,
            keyset: self.repo.keyset,
            refs: RefsObject {
                size: refs_list.len() as u64,
                hash: Hash::of(&refs_list),
            },
            time,
            expires: None,
            extensions: Extensions::default(),
        };
        let heads = heads.encode()?;
        store.reserve(&self.repo, &self.target, numbers, &statement, &heads)?;
        Ok(Draft {
            release: self,
            numbers,
            time,
            statement,
            refs_list,
            heads,
            key,
        })
    }

    fn statement(&self, numbers: Numbers, time: Time) -> Result<String> {
        let snapshot = ref_statement::SnapshotRef {
            size: self.snapshot.size,
            id: self.snapshot.id,
        };
        let action = match self.kind {
            ReleaseKind::Publish | ReleaseKind::Withdraw => Action::Publish(snapshot),
            ReleaseKind::Rollback => Action::Rewind(snapshot),
        };
        let builds: Vec<String> = self
            .imports
            .iter()
            .map(|import| import.build.to_string())
            .collect();
        let builds = (!builds.is_empty()).then(|| (BUILDS_EXTENSION.to_owned(), builds.join(" ")));
        let statement = RefStatement {
            repo: self.repo.name.clone(),
            repo_id: self.repo.repo_id,
            ref_name: self.target.clone(),
            epoch: numbers.epoch,
            seq: numbers.seq,
            action,
            prev: self.current.map(|current| current.statement),
            keyset: self.repo.keyset,
            time,
            expires: None,
            extensions: Extensions::new(builds.into_iter().collect())?,
        };
        statement.encode()
    }

    /// Every ref's current statement, as it will be.
    fn refs_list(&self, store: &Store, numbers: Numbers, statement: &str) -> Result<RefsList> {
        let entry = |current: Current| RefsEntry {
            epoch: current.epoch,
            seq: current.seq,
            size: current.statement_bytes,
            id: current.statement,
        };
        let mut entries: BTreeMap<RefName, RefsEntry> = BTreeMap::new();
        for row in store.reader()?.refs(&self.repo)? {
            if let Some(current) = row.current {
                entries.insert(row.name, entry(current));
            }
        }
        let id = StatementId::of(statement.as_bytes());
        let size = statement.len() as u64;
        entries.insert(
            self.target.clone(),
            RefsEntry {
                epoch: numbers.epoch,
                seq: numbers.seq,
                size,
                id,
            },
        );
        RefsList::new(entries)
    }
}

impl Draft {
    /// The numbers of the release.
    pub(super) const fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// Signs both texts with the repo's key.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if a text cannot be a note.
    pub(super) fn sign(self) -> Result<SignedRelease> {
        let key = &self.key;
        let sign = |text: &str| Ok::<_, Error>(Note::sign(text.to_owned(), &[key])?.encode());
        let release = self.release;
        Ok(SignedRelease {
            statement: (
                StatementId::of(self.statement.as_bytes()),
                self.statement.len() as u64,
            ),
            statement_note: sign(&self.statement)?,
            refs_list: (Hash::of(&self.refs_list), self.refs_list),
            heads_note: sign(&self.heads)?,
            before: release.current.map(|current| Base {
                epoch: current.epoch,
                seq: current.seq,
                snapshot: current.snapshot,
            }),
            repo: release.repo,
            target: release.target,
            numbers: self.numbers,
            kind: release.kind,
            imports: release.imports,
            withdrawn: release.withdrawn,
            snapshot: release.snapshot,
            root: release.root,
            time: self.time,
            note: release.note,
            hold: release.hold,
        })
    }
}

/// The key that signs a repo's statements.
fn trusted_key(store: &Store, repo: &RepoRow) -> Result<SecretKey> {
    repo.check_own()?;
    let key = store.key(&repo.key)?;
    let notes = Notes::open(store.disk(), &repo.name, Some(repo.repo_id))?;
    let keyset = notes.keysets().last().map(TrustedKeyset::keyset);
    if keyset.is_some_and(|keyset| keyset.keys().contains(key.public())) {
        return Ok(key);
    }
    Err(Error::Untrusted {
        what: format!("key {}", repo.key),
        reason: format!("it is not the one in the keyset of {}", repo.name),
    })
}
