//! What the catalog does for copies: repos whose releases are made and signed elsewhere.
//!
//! # Invariants
//!
//! - Statements are kept as they were signed, and what they name is complete in the published set before a ref shows it
//!   (I4). Everything that one pull brings becomes visible in one transaction, or none of it.
//! - Of a ref, a copy has the releases that were current when it was pulled. Those between are known by their statements
//!   alone and count as retired.
//!
//! # Not here
//!
//! Whether the statements hold and follow each other (`remote::follow`), where the objects come from (`remote::pull`).

use std::collections::BTreeMap;

use super::landing::Landing;
use super::layout;
use super::open::Store;
use super::reach::Graft;
use super::rows::{Base, Current, Owner, ReleaseKind, ReleaseRow, RepoRow, SnapshotRef};
use super::tables::{RELEASES, REPOS};
use super::transaction::Transaction;
use crate::base::clock::Time;
use crate::base::id::{Hash, StatementId};
use crate::base::name::{KeyName, RefName, RepoName};
use crate::base::profile::Profile;
use crate::base::{Error, Result};
use crate::object::tree::TreeRef;

/// What a pull brings: verified, complete, and not yet visible.
#[derive(Debug)]
#[must_use]
pub struct Copy {
    /// The repo.
    pub repo: RepoName,
    /// The id of its first keyset.
    pub repo_id: StatementId,
    /// How strict it is about names.
    pub profile: Profile,
    /// A key of its newest keyset, as repos name one.
    pub key: KeyName,
    /// When its first keyset was made.
    pub created: Time,
    /// Where it comes from, in words.
    pub origin: String,
    /// The notes of the keysets that are new here, each with its version; ascending.
    pub keysets: Vec<(u64, Vec<u8>)>,
    /// The version of the newest keyset.
    pub keyset: u64,
    /// The version of the heads statement that was known before; 0 if none was.
    pub heads_before: u64,
    /// The version of the heads statement.
    pub heads: u64,
    /// Its note.
    pub heads_note: Vec<u8>,
    /// The list of refs that it names, and its id.
    pub refs_list: (Hash, Vec<u8>),
    /// The refs that move.
    pub moves: Vec<CopiedMove>,
}

/// A ref that moves in a copy.
#[derive(Debug)]
pub struct CopiedMove {
    /// The ref.
    pub target: RefName,
    /// What the copy showed before.
    pub before: Option<Base>,
    /// The statements that are new here, oldest first. The last one is current.
    pub statements: Vec<CopiedStatement>,
    /// The tree that the last one shows.
    pub root: TreeRef,
}

/// A ref statement of a copy.
#[derive(Clone, Debug)]
pub struct CopiedStatement {
    /// Its id.
    pub id: StatementId,
    /// The bytes of its text.
    pub bytes: u64,
    /// Its note.
    pub note: Vec<u8>,
    /// Its epoch.
    pub epoch: u64,
    /// Its seq.
    pub seq: u64,
    /// What it did.
    pub kind: ReleaseKind,
    /// What it shows.
    pub snapshot: SnapshotRef,
    /// When it was made.
    pub time: Time,
}

impl Copy {
    /// The snapshots that become roots, one for each ref that moves.
    #[must_use]
    pub fn roots(&self) -> Vec<SnapshotRef> {
        let newest = self
            .moves
            .iter()
            .filter_map(|copied| copied.statements.last());
        newest.map(|statement| statement.snapshot).collect()
    }
}

impl Store {
    /// Makes everything that a pull brought visible, in one transaction: new objects, statements, refs, and what is known
    /// of the origin. A repo that was not there is made. Then the notes are written beneath `repos/`.
    ///
    /// `graft` was planned for [`Copy::roots`] with a view that shows `landing`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the repo or one of the refs has changed since the pull began, or if the repo is no copy;
    /// [`Error::Exists`] if another repo has the name. Nothing changes.
    pub fn record_copy(&self, copy: &Copy, graft: &Graft, landing: Landing) -> Result<()> {
        let mut transaction = Transaction::begin(self)?;
        let row = transaction.copied_repo(copy)?;
        let landed = landing.packs.iter().map(|pack| pack.number).collect();
        transaction.land(landing, Owner::Repo(row.number))?;
        transaction.insert(row.number, graft)?;
        transaction.doom_dead(&landed)?;
        for copied in &copy.moves {
            transaction.move_copied(&row, copied)?;
        }
        transaction.put(REPOS, row.name.as_str(), &row)?;
        let name = &copy.repo;
        for (version, note) in &copy.keysets {
            transaction.announce(&layout::keyset(name, *version), note)?;
        }
        let list = layout::refs_list(name, copy.refs_list.0);
        transaction.announce(&list, &copy.refs_list.1)?;
        transaction.announce(&layout::heads(name), &copy.heads_note)?;
        let is_due = transaction.is_due(row.number)?;
        transaction.commit()?;
        if is_due {
            // What was pulled is visible. If this fails, the next pull tries again.
            self.add_counts(row.number).ok();
        }
        Ok(())
    }
}

impl Store {
    /// Keeps notes that contradict what is known of a repo, by the id of their text, beneath `repos/`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Catalog`] if that fails.
    pub fn keep_evidence(&self, repo: &RepoName, notes: &BTreeMap<Hash, Vec<u8>>) -> Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        let mut transaction = Transaction::begin(self)?;
        for (id, note) in notes {
            transaction.announce(&layout::evidence(repo, *id), note)?;
        }
        transaction.commit()
    }
}

impl Transaction<'_> {
    /// The row that the copy's repo will have.
    fn copied_repo(&self, copy: &Copy) -> Result<RepoRow> {
        let known: Option<RepoRow> = self.row(REPOS, copy.repo.as_str())?;
        let origin = known.as_ref().and_then(|row| row.copied_from.clone());
        let number = match &known {
            Some(row) if row.copied_from.is_none() || row.repo_id != copy.repo_id => {
                return Err(Error::refused(format!(
                    "the repo {} here is another one",
                    copy.repo
                )));
            }
            Some(row) if row.heads != copy.heads_before => return Err(overtaken(&copy.repo)),
            Some(row) => row.number,
            None if copy.heads_before == 0 => self.number_repo(&copy.repo)?,
            None => return Err(overtaken(&copy.repo)),
        };
        Ok(RepoRow {
            number,
            name: copy.repo.clone(),
            profile: copy.profile,
            repo_id: copy.repo_id,
            keyset: copy.keyset,
            key: copy.key.clone(),
            heads: copy.heads,
            created: copy.created,
            copied_from: origin.or_else(|| Some(copy.origin.clone())),
        })
    }

    fn move_copied(&mut self, repo: &RepoRow, copied: &CopiedMove) -> Result<()> {
        let target = &copied.target;
        let mut row = self.ref_row(repo.number, target)?;
        self.check_ref_name(repo.number, target)?;
        if row.current.map(|current| current.base()) != copied.before {
            return Err(overtaken(&repo.name));
        }
        for (place, statement) in copied.statements.iter().enumerate() {
            let is_current = place + 1 == copied.statements.len();
            let release = ReleaseRow {
                epoch: statement.epoch,
                seq: statement.seq,
                kind: statement.kind,
                statement: statement.id,
                snapshot: statement.snapshot,
                imports: Vec::new(),
                time: statement.time,
                note: None,
                retired: !is_current,
            };
            let key = (repo.number, target.as_str(), statement.epoch, statement.seq);
            self.put(RELEASES, key, &release)?;
            self.announce(
                &layout::statement(&repo.name, statement.id),
                &statement.note,
            )?;
            row.current = Some(Current {
                epoch: statement.epoch,
                seq: statement.seq,
                statement: statement.id,
                statement_bytes: statement.bytes,
                snapshot: statement.snapshot,
                root: copied.root.into(),
                time: statement.time,
            });
        }
        self.put_ref(repo.number, &row)
    }
}

fn overtaken(repo: &RepoName) -> Error {
    Error::refused(format!(
        "{repo} was pulled by somebody else meanwhile; try again"
    ))
}
