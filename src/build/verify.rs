//! Verify: what a ref shows is what was signed, all of it is there, and every byte is what it should be.
//!
//! Signatures, then the chain of statements, then the snapshot with everything it reaches. A store that verifies its own
//! refs reports their age as a note: old is not wrong.
//!
//! # Invariants
//!
//! - What the catalog says is never taken for what was signed: both are read, and must agree.
//!
//! # Not here
//!
//! The notes (`store::notes`), what a snapshot reaches (`build::closure`), the packs and counts (`store::fsck`).

use std::collections::BTreeSet;

use super::closure::{Closure, Nodes};
use crate::base::error::counted;
use crate::base::id::StatementId;
use crate::base::limits::STATEMENT_CHAIN_MAX;
use crate::base::name::RefName;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::object::tree::TreeRef;
use crate::store::Store;
use crate::store::notes::Notes;
use crate::store::rows::{Current, RefRow, RepoRow, SnapshotRef};
use crate::store::view::View;
use crate::trust::heads::Heads;
use crate::trust::ref_statement::RefStatement;
use crate::trust::refs_list::{RefsEntry, RefsList};

pub use super::against::{AgainstDifference, What, against};

/// What was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyAnswer {
    /// Signed statements: keysets, heads and ref statements.
    pub statements: u64,
    /// Snapshots that are complete.
    pub snapshots: u64,
    /// Objects that are what their ids say.
    pub objects: u64,
    /// The expanded bytes of snapshots, trees and files.
    pub bytes: u64,
    /// What is worth knowing and no error, such as how old the heads statement is.
    pub notes: Vec<String>,
}

impl VerifyAnswer {
    fn add_closure(&mut self, closure: &Closure<'_, '_, '_>) {
        self.snapshots = closure.snapshots();
        self.objects = closure.objects();
        self.bytes = closure.bytes();
    }
}

/// Verifies one ref: its statement and those before it, and what it shows.
///
/// # Errors
///
/// [`Error::NotFound`] if the ref shows nothing; [`Error::Untrusted`] if a signature or statement does not hold, or is not
/// what the catalog says; [`Error::Damaged`] if an object is missing or wrong.
pub fn verify_ref(
    store: &Store,
    repo: &RepoRow,
    name: &RefName,
    progress: &dyn Progress,
) -> Result<VerifyAnswer> {
    let row = store.reader()?.find_ref(repo, name)?;
    let row = row
        .filter(|row| row.current.is_some())
        .ok_or_else(|| Error::not_found("ref", name))?;
    // Which other refs there are is of no interest to who asks for one.
    verify_refs(store, repo, &[row], progress).map(|(answer, _)| answer)
}

/// Verifies every ref of a repo. What they share is checked once.
///
/// # Errors
///
/// As [`verify_ref`]; also [`Error::Untrusted`] if a ref was signed that the catalog does not have.
pub fn verify_repo(store: &Store, repo: &RepoRow, progress: &dyn Progress) -> Result<VerifyAnswer> {
    let rows = store.reader()?.refs(repo)?;
    let (mut answer, left_out) = verify_refs(store, repo, &rows, progress)?;
    if left_out > 0 {
        let left_out = counted(left_out, "ref");
        let words = format!("not copied of {}: {left_out}", repo.name);
        answer.notes.push(words);
    }
    Ok(answer)
}

/// Verifies one snapshot that `view` shows, such as that of a committed build, and everything it reaches.
///
/// # Errors
///
/// [`Error::Damaged`] if an object is missing or wrong.
pub fn verify_snapshot(
    view: &View<'_>,
    snapshot: SnapshotRef,
    progress: &dyn Progress,
) -> Result<VerifyAnswer> {
    let nodes = Nodes::new(view);
    let mut closure = Closure::new(&nodes, progress);
    closure.check(
        snapshot,
        &format!("snapshot {}", snapshot.id.hash().short()),
    )?;
    let mut answer = VerifyAnswer::default();
    answer.add_closure(&closure);
    Ok(answer)
}

/// Verifies a directory that was staged from elsewhere: every tree in it is canonical, its totals are true, and every
/// blob is there. The bytes of blobs were checked when they came.
///
/// # Errors
///
/// As [`verify_snapshot`].
pub fn verify_staged(view: &View<'_>, tree: TreeRef, progress: &dyn Progress) -> Result<()> {
    let nodes = Nodes::new(view);
    Closure::new(&nodes, progress).check_directory(tree, "the build")
}

/// Verifies some refs; says also how many a copy leaves out of those that are signed.
fn verify_refs(
    store: &Store,
    repo: &RepoRow,
    rows: &[RefRow],
    progress: &dyn Progress,
) -> Result<(VerifyAnswer, usize)> {
    let notes = Notes::open(store.disk(), &repo.name, Some(repo.repo_id))?;
    let mut answer = VerifyAnswer {
        statements: notes.keysets().len() as u64,
        ..VerifyAnswer::default()
    };
    let listed = listed(&notes, repo, &mut answer)?;
    let known = store.reader()?.refs(repo)?;
    let known: BTreeSet<&RefName> = known.iter().map(|row| &row.name).collect();
    let unknown = listed.iter().map(|(name, _)| name);
    let mut unknown = unknown.filter(|name| !known.contains(name));
    let left_out = if repo.copied_from.is_some() {
        unknown.count()
    } else if let Some(name) = unknown.next() {
        return Err(untrusted(
            name,
            "it is signed, and the catalog does not have it",
        ));
    } else {
        0
    };
    let view = store.view(&repo.name, &[])?;
    let loaded = Nodes::new(&view);
    let mut closure = Closure::new(&loaded, progress);
    for row in rows {
        let Some(current) = row.current else { continue };
        let recorded = store.reader()?.releases(repo, &row.name)?;
        let statements = Statements {
            notes: &notes,
            name: &row.name,
            recorded: recorded.iter().map(|release| release.statement).collect(),
        };
        let entry = listed.get(&row.name);
        match entry {
            // A copy need not have followed each ref to where the newest list has it.
            Some(entry)
                if repo.copied_from.is_some() && entry.is_after(current.epoch, current.seq) =>
            {
                answer.notes.push(format!(
                    "{}@{} was not followed to @{}, which is signed",
                    row.name, current.seq, entry.seq
                ));
            }
            entry => statements.check_current(entry, &current)?,
        }
        statements.follow(&current, &mut answer)?;
        closure.check(current.snapshot, &format!("{}@{}", row.name, current.seq))?;
    }
    answer.add_closure(&closure);
    Ok((answer, left_out))
}

/// The refs that the newest heads statement lists.
fn listed(notes: &Notes<'_>, repo: &RepoRow, answer: &mut VerifyAnswer) -> Result<RefsList> {
    let Some(heads) = notes.heads()? else {
        if repo.heads == 0 {
            return Ok(RefsList::default());
        }
        let reason = format!("there is none, the catalog has version {}", repo.heads);
        return Err(wrong_heads(repo, reason));
    };
    if heads.version != repo.heads {
        let reason = format!(
            "it has version {}, the catalog {}",
            heads.version, repo.heads
        );
        return Err(wrong_heads(repo, reason));
    }
    answer.statements += 1;
    answer.notes.push(age(&heads));
    notes.refs_list(&heads)
}

fn age(heads: &Heads) -> String {
    let expires = heads.expires.map_or_else(
        || "does not expire".to_owned(),
        |time| format!("expires {time}"),
    );
    format!(
        "heads {} of {} is of {} and {expires}",
        heads.version, heads.repo, heads.time
    )
}

/// The statements of one ref.
struct Statements<'a, 'd> {
    notes: &'a Notes<'d>,
    name: &'a RefName,
    /// Those that the catalog has a release of; a copy begins with the one that was current then.
    recorded: BTreeSet<StatementId>,
}

impl Statements<'_, '_> {
    /// Checks that the refs list and the catalog name the same statement.
    fn check_current(&self, listed: Option<RefsEntry>, current: &Current) -> Result<()> {
        let expected = RefsEntry {
            epoch: current.epoch,
            seq: current.seq,
            size: current.statement_bytes,
            id: current.statement,
        };
        match listed {
            Some(entry) if entry == expected => Ok(()),
            Some(entry) => Err(untrusted(
                self.name,
                format!(
                    "the list of refs has seq {}: {}, the catalog {}: {}",
                    entry.seq, entry.id, current.seq, current.statement
                ),
            )),
            None => Err(untrusted(self.name, "the list of refs lacks it")),
        }
    }

    /// Verifies the current statement and those before it, as far back as [`STATEMENT_CHAIN_MAX`].
    fn follow(&self, current: &Current, answer: &mut VerifyAnswer) -> Result<()> {
        let (mut newer, bytes) = self.notes.statement(current.statement)?;
        self.check_statement(&newer)?;
        let action = newer.action.snapshot();
        let shown = action.map(|snapshot| SnapshotRef {
            id: snapshot.id,
            size: snapshot.size,
        });
        let signed = (newer.epoch, newer.seq, bytes, shown);
        let recorded = (
            current.epoch,
            current.seq,
            current.statement_bytes,
            Some(current.snapshot),
        );
        if signed != recorded {
            return Err(untrusted(
                self.name,
                "its statement is not what the catalog says",
            ));
        }
        answer.statements += 1;
        for _ in 1..STATEMENT_CHAIN_MAX {
            let Some(prev) = newer.prev.filter(|prev| self.recorded.contains(prev)) else {
                break;
            };
            let (older, _) = self.notes.statement(prev)?;
            self.check_statement(&older)?;
            if (older.epoch, older.seq) >= (newer.epoch, newer.seq) {
                let reason = format!("seq {} follows seq {}", newer.seq, older.seq);
                return Err(untrusted(self.name, reason));
            }
            answer.statements += 1;
            newer = older;
        }
        if newer.prev.is_some() {
            answer.notes.push(format!(
                "the statements before {}@{} were not followed further back",
                self.name, newer.seq
            ));
        }
        Ok(())
    }

    fn check_statement(&self, statement: &RefStatement) -> Result<()> {
        if statement.ref_name == *self.name {
            return Ok(());
        }
        let reason = format!("its statement is of the ref {}", statement.ref_name);
        Err(untrusted(self.name, reason))
    }
}

fn untrusted(name: &RefName, reason: impl Into<String>) -> Error {
    Error::Untrusted {
        what: format!("ref {name}"),
        reason: reason.into(),
    }
}

fn wrong_heads(repo: &RepoRow, reason: String) -> Error {
    Error::Untrusted {
        what: format!("heads of {}", repo.name),
        reason,
    }
}

#[cfg(test)]
mod tests;
