//! History: what the notes of a repo say was published, without a catalog.
//!
//! # Invariants
//!
//! - Only statements that verify under the repo's keysets count. What does not is told and passed over.
//! - The newest statement of a ref is the one with the highest epoch and seq that is there, so no number is given away
//!   twice, whatever an old copy of the heads statement says (I5).
//!
//! # Not here
//!
//! Whether what was published is still there (`store::salvage`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::layout;
use super::notes::{BUILDS_EXTENSION, Notes, profile_of};
use super::problem::Problem;
use super::rows::SnapshotRef;
use crate::base::clock::Time;
use crate::base::id::StatementId;
use crate::base::name::{KeyName, RefName, RepoName};
use crate::base::profile::Profile;
use crate::base::{Error, Kind, Result};
use crate::disk::files::Disk;
use crate::disk::whole::exists;
use crate::trust::ref_statement::{Action, RefStatement};

/// What was published in one repo.
#[derive(Debug)]
pub(super) struct History {
    pub(super) name: RepoName,
    pub(super) repo_id: StatementId,
    pub(super) profile: Profile,
    /// The version of the newest keyset.
    pub(super) keyset: u64,
    /// The names of the keys in it.
    pub(super) keys: Vec<KeyName>,
    pub(super) created: Time,
    /// The version of the newest heads statement, or one that is certainly beyond it.
    pub(super) heads: u64,
    /// Each ref's statements that show a snapshot, oldest first; never empty.
    pub(super) refs: BTreeMap<RefName, Vec<Statement>>,
    /// The highest number of a build that was published.
    pub(super) build_max: u64,
}

/// One statement of a ref.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) id: StatementId,
    /// The bytes of its text.
    pub(super) bytes: u64,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) action: Action,
    pub(super) snapshot: SnapshotRef,
    pub(super) time: Time,
}

/// Finds the repos that have notes, by name.
///
/// # Errors
///
/// [`Error::Io`] if a folder cannot be read.
pub(super) fn find_repos(disk: &dyn Disk) -> Result<Vec<RepoName>> {
    let mut names = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    // Names are of bounded length, so folders that can be repos are of bounded depth.
    while let Some(folder) = waiting.pop() {
        let name = folder.to_str().and_then(|name| name.parse().ok());
        if let Some(name) = name
            && exists(disk, &layout::keyset(&name, 1))?
        {
            // No name of a repo lies within another's.
            names.push(name);
            continue;
        }
        for listed in disk.list(&Path::new(layout::REPOS).join(&folder))? {
            let below = folder.join(&listed.name);
            let is_name = below
                .to_str()
                .is_some_and(|name| name.parse::<RepoName>().is_ok());
            if listed.is_dir && is_name {
                waiting.push(below);
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Reads everything that the notes of a repo say; adds what is wrong with them to `problems`.
///
/// # Errors
///
/// [`Error::Untrusted`] if the keysets do not hold: then nothing else can be believed. [`Error::Io`] if a file cannot be
/// read.
pub(super) fn read_history(
    disk: &dyn Disk,
    name: &RepoName,
    problems: &mut Vec<Problem>,
) -> Result<History> {
    let notes = Notes::open(disk, name, None)?;
    let (Some(first), Some(newest)) = (notes.keysets().first(), notes.keysets().last()) else {
        return Err(Error::internal(
            "a repo has a keyset once its notes are open",
        ));
    };
    let mut history = History {
        name: name.clone(),
        repo_id: newest.repo_id(),
        profile: profile_of(first.keyset()),
        keyset: newest.keyset().version(),
        keys: newest
            .keyset()
            .keys()
            .iter()
            .map(|key| key.name().clone())
            .collect(),
        created: first.keyset().time(),
        heads: 0,
        refs: BTreeMap::new(),
        build_max: 0,
    };
    let mut told = Told {
        place: disk.place(&layout::trust(name)).display().to_string(),
        problems,
    };
    let statements = history.read_statements(&notes, &mut told)?;
    history.read_heads(&notes, statements, &mut told)?;
    Ok(history)
}

/// Where problems with the notes of a repo are told.
struct Told<'p> {
    place: String,
    problems: &'p mut Vec<Problem>,
}

impl Told<'_> {
    fn add(&mut self, detail: impl Into<String>) {
        self.problems
            .push(Problem::new("wrong note", &self.place, detail));
    }

    /// Tells what does not hold; other errors pass.
    fn unless_wrong<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(error) if error.kind() == Kind::Integrity => {
                self.add(error.to_string());
                Ok(None)
            }
            other => other.map(Some),
        }
    }
}

impl History {
    /// Reads every statement that there is; returns how many, and the time of the latest.
    fn read_statements(&mut self, notes: &Notes<'_>, told: &mut Told<'_>) -> Result<(u64, u64)> {
        let (mut count, mut latest) = (0, 0);
        for id in notes.statements()? {
            let Some((statement, bytes)) = told.unless_wrong(notes.statement(id))? else {
                continue;
            };
            count += 1;
            latest = latest.max(statement.time.seconds());
            self.build_max = self.build_max.max(build_max(&statement));
            let Some(snapshot) = statement.action.snapshot() else {
                told.add(format!(
                    "{} ends its ref: it is left out",
                    statement.ref_name
                ));
                continue;
            };
            let found = Statement {
                id,
                bytes,
                epoch: statement.epoch,
                seq: statement.seq,
                action: statement.action,
                snapshot: SnapshotRef {
                    id: snapshot.id,
                    size: snapshot.size,
                },
                time: statement.time,
            };
            self.refs.entry(statement.ref_name).or_default().push(found);
        }
        for (name, statements) in &mut self.refs {
            statements.sort_unstable_by_key(|s| (s.epoch, s.seq, s.id));
            for pair in statements.windows(2) {
                if (pair[0].epoch, pair[0].seq) == (pair[1].epoch, pair[1].seq) {
                    told.add(format!("there are two statements {name}@{}", pair[0].seq));
                }
            }
            statements.dedup_by_key(|s| (s.epoch, s.seq));
        }
        Ok((count, latest))
    }

    /// Reads which statements are current, and compares.
    fn read_heads(
        &mut self,
        notes: &Notes<'_>,
        (count, latest): (u64, u64),
        told: &mut Told<'_>,
    ) -> Result<()> {
        let heads = told.unless_wrong(notes.heads())?.flatten();
        let Some(heads) = heads else {
            if count > 0 {
                // Versions count attempts to publish, of which no repo has had one for each second of this era.
                self.heads = count.saturating_add(latest);
                let words = "its version is not known, the next one is";
                told.add(format!("no heads statement: {words} {}", self.heads + 1));
            }
            return Ok(());
        };
        self.heads = heads.version;
        let Some(list) = told.unless_wrong(notes.refs_list(&heads))? else {
            return Ok(());
        };
        for (name, entry) in list.iter() {
            let newest = self.refs.get(name).and_then(|statements| statements.last());
            let newest = newest.map(|newest| (newest.epoch, newest.seq));
            if newest < Some((entry.epoch, entry.seq)) {
                told.add(format!("the statement {name}@{} is lost", entry.seq));
            }
        }
        Ok(())
    }
}

/// The highest number among the builds that a statement made visible; 0 if it names none.
fn build_max(statement: &RefStatement) -> u64 {
    let extensions = statement.extensions.iter();
    let builds = extensions.filter(|(name, _)| *name == BUILDS_EXTENSION);
    let numbers = builds.flat_map(|(_, value)| value.split(' '));
    numbers
        .filter_map(|number| number.parse().ok())
        .max()
        .unwrap_or_default()
}
