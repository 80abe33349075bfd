//! The invariants I1 to I9, one function each; a failure begins with the name of the one that is broken.
//!
//! I1 to I4 are asked of the store's own check and, beside it, found out from the files and objects themselves.
//!
//! # Not here
//!
//! What was ever signed (I5: `ledger`), what users see (I8: `words`).

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use bindery::base::Result;
use bindery::base::id::Hash;
use bindery::base::progress::Silent;
use bindery::disk::files::Disk;
use bindery::object::edges::edges_of;
use bindery::object::kind::ObjectKind;
use bindery::store::fsck::{Counts, FsckOptions, FsckReport};
use bindery::store::notes::Notes;
use bindery::store::rows::{RefRow, RepoRow, SnapshotRef};
use bindery::trust::ref_statement::Action;

use super::words::words;
use crate::shelf::{Shelf, repo_name};
use crate::support::simulated_disk::SimulatedDisk;

/// Problems of the store's own check that mean that a pack is not what its row says.
const OF_PACKS: [&str; 4] = ["lost pack", "damaged pack", "damaged object", "doubled row"];
/// Problems that mean that a child is missing.
const OF_CHILDREN: [&str; 1] = ["lost object"];
/// Problems that mean that counts are wrong.
const OF_COUNTS: [&str; 2] = ["count too low", "unknown counts"];
/// Problems that mean that a ref is not what its statement says.
const OF_STATEMENTS: [&str; 2] = ["wrong note", "wrong row"];

/// Checks what must hold of an open store at any time: I1, I2, I3, I4, I6.
pub fn check(shelf: &Shelf, disk: &SimulatedDisk, place: &str) -> Result<()> {
    let options = FsckOptions {
        counts: Counts::Recompute,
    };
    let report = shelf.store.fsck(options, &Silent)?;
    i1_packs_are_durable_and_hash_to_their_names(disk, &report, place)?;
    i3_counts_equal_recomputed_ones(&report, place);
    for repo in shelf.store.reader()?.repos()? {
        i4_refs_show_what_their_statements_name(shelf, disk, &repo, &report, place)?;
        i2_children_are_published_and_i6_bytes_hash_to_their_ids(shelf, &repo, &report, place)?;
    }
    let known = [&OF_PACKS[..], &OF_CHILDREN, &OF_COUNTS, &OF_STATEMENTS].concat();
    let unknown: Vec<_> = report
        .problems
        .iter()
        .filter(|p| !known.contains(&p.what.as_str()))
        .collect();
    assert!(unknown.is_empty(), "of no invariant, {place}: {unknown:?}");
    Ok(())
}

fn expect_none(name: &str, kinds: &[&str], report: &FsckReport, place: &str) {
    let problems = report
        .problems
        .iter()
        .filter(|problem| kinds.contains(&problem.what.as_str()));
    let words: Vec<String> = problems.map(ToString::to_string).collect();
    assert!(words.is_empty(), "{name} is broken {place}: {words:#?}");
}

/// **I1**: a row names a pack only if the whole pack is durable and hashes to its name.
fn i1_packs_are_durable_and_hash_to_their_names(
    disk: &SimulatedDisk,
    report: &FsckReport,
    place: &str,
) -> Result<()> {
    expect_none("I1", &OF_PACKS, report, place);
    for path in disk.files("packs") {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let found = Hash::of(&disk.map(&path)?).to_string();
        assert_eq!(
            name, found,
            "I1 is broken {place}: a pack does not hash to its name"
        );
    }
    Ok(())
}

/// **I2**: every published tree, recipe and snapshot has all its children published. **I6**: bytes returned by any read
/// hash to the id that was asked for.
fn i2_children_are_published_and_i6_bytes_hash_to_their_ids(
    shelf: &Shelf,
    repo: &RepoRow,
    report: &FsckReport,
    place: &str,
) -> Result<()> {
    expect_none("I2", &OF_CHILDREN, report, place);
    let view = shelf.store.view(&repo.name, &[])?;
    let mut seen = HashSet::new();
    let mut waiting: Vec<(ObjectKind, Hash)> = roots(shelf, repo)?
        .iter()
        .map(|root| (ObjectKind::Snapshot, root.id.hash()))
        .collect();
    while let Some((kind, id)) = waiting.pop() {
        if !seen.insert((kind, id)) {
            continue;
        }
        let found = view.find(kind, id)?;
        assert!(
            found.is_some(),
            "I2 is broken {place}: {} {id} is not published",
            kind.name()
        );
        let bytes = view.read(kind, id)?;
        let bytes = bytes.as_slice()?;
        // A recipe has the id of the large blob that it makes.
        let is_itself = kind == ObjectKind::Recipe || Hash::of(bytes) == id;
        assert!(
            is_itself,
            "I6 is broken {place}: {} {id} has other bytes",
            kind.name()
        );
        let edges = edges_of(kind, bytes)?;
        waiting.extend(edges.iter().map(|edge| (edge.kind, edge.id)));
    }
    Ok(())
}

fn roots(shelf: &Shelf, repo: &RepoRow) -> Result<Vec<SnapshotRef>> {
    let reader = shelf.store.reader()?;
    let mut roots = Vec::new();
    for row in reader.refs(repo)? {
        let releases = reader.releases(repo, &row.name)?.into_iter();
        roots.extend(
            releases
                .filter(|release| !release.retired)
                .map(|release| release.snapshot),
        );
    }
    Ok(roots)
}

/// **I3**: the count of every object equals the count recomputed from the published trees and roots.
fn i3_counts_equal_recomputed_ones(report: &FsckReport, place: &str) {
    expect_none("I3", &OF_COUNTS, report, place);
    assert_eq!(
        report.repaired, [""; 0],
        "I3 is broken {place}: counts were too high"
    );
}

/// **I4**: a ref's statement verifies under the repo's keyset and names a complete snapshot.
fn i4_refs_show_what_their_statements_name(
    shelf: &Shelf,
    disk: &SimulatedDisk,
    repo: &RepoRow,
    report: &FsckReport,
    place: &str,
) -> Result<()> {
    expect_none("I4", &OF_STATEMENTS, report, place);
    let notes = Notes::open(disk, &repo.name, Some(repo.repo_id))?;
    for RefRow { name, current, .. } in shelf.store.reader()?.refs(repo)? {
        let Some(current) = current else { continue };
        let (statement, _) = notes.statement(current.statement)?;
        let named = match statement.action {
            Action::Publish(snapshot) | Action::Rewind(snapshot) => Some(snapshot.id),
            Action::End => None,
        };
        let is_so = (statement.epoch, statement.seq) == (current.epoch, current.seq)
            && named == Some(current.snapshot.id);
        assert!(
            is_so,
            "I4 is broken {place}: {name} shows what {statement:?} does not name"
        );
    }
    Ok(())
}

/// **I4** for those who read the files while nobody has opened the store: heads name nothing that is not there.
pub fn i4_heads_name_nothing_that_is_not_there(disk: &SimulatedDisk, place: &str) -> Result<()> {
    let Ok(notes) = Notes::open(disk, &repo_name()?, None) else {
        return Ok(());
    };
    let named = || -> Result<()> {
        if let Some(heads) = notes.heads()? {
            for (_, entry) in notes.refs_list(&heads)?.iter() {
                notes.statement(entry.id)?;
            }
        }
        Ok(())
    };
    let outcome = named();
    assert!(outcome.is_ok(), "I4 is broken {place}: {outcome:?}");
    Ok(())
}

/// **I7**: no file of a pack is unlinked before the transaction that forgets it is durable. At each moment at which a pack
/// was unlinked, an outage would have left a store that does without it.
pub fn i7_nothing_is_unlinked_before_it_is_forgotten(
    disk: &SimulatedDisk,
    place: &str,
) -> Result<()> {
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    for (path, before) in disk.unlinked_packs() {
        if seen.insert(path.clone()) {
            drop(Shelf::open(Arc::new(before.clone()))?);
            let is_needed = before.files("packs").contains(&path);
            let path = path.display();
            assert!(
                !is_needed,
                "I7 is broken {place}: {path} was unlinked and a durable row names it"
            );
        }
    }
    Ok(())
}

/// **I8**: what was acknowledged survives a crash at any later moment; what was not is wholly absent. `states` are those
/// that may be seen, the last one being that after the verb. Says what is seen.
pub fn i8_the_verb_is_whole_or_absent(
    shelf: &Shelf,
    states: &[String],
    acknowledged: Acknowledged,
    place: &str,
) -> Result<String> {
    let found = words(shelf)?;
    let is_known = states.contains(&found);
    assert!(
        is_known,
        "I8 is broken {place}: half done:\n{found}\nof {states:#?}"
    );
    if acknowledged == Acknowledged::Yes {
        let after = states.last().cloned().unwrap_or_default();
        assert_eq!(found, after, "I8 is broken {place}: acknowledged and lost");
    }
    Ok(found)
}

/// Whether whoever asked for a verb was told that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    Yes,
    No,
}

impl Acknowledged {
    pub fn of<T>(outcome: &Result<T>) -> Self {
        if outcome.is_ok() { Self::Yes } else { Self::No }
    }
}

/// **I9**: nothing is left behind: the files in the store are exactly those that the catalog names. (That the same command
/// succeeds is seen by doing it.)
pub fn i9_nothing_is_left_behind(shelf: &Shelf, disk: &SimulatedDisk, place: &str) -> Result<()> {
    let packs = disk.files("packs").len() as u64;
    let rows = shelf.store.reader()?.totals()?.packs;
    assert_eq!(
        rows, packs,
        "I9 is broken {place}: rows of packs, and files"
    );
    assert_eq!(
        disk.files("tmp"),
        Vec::<PathBuf>::new(),
        "I9 is broken {place}: unfinished files"
    );
    Ok(())
}

/// **I9** after the same command succeeded: no half of a replaced file is left, either. A stat cache that was cut short is
/// written over by the next staging of its folder.
pub fn i9_nothing_half_written_is_left(disk: &SimulatedDisk, place: &str) {
    let mut halves = disk.files("");
    halves.retain(|path| {
        path.extension().is_some_and(|end| end == "next") && !path.starts_with("cache")
    });
    assert_eq!(
        halves,
        Vec::<PathBuf>::new(),
        "I9 is broken {place}: half of a file"
    );
}
