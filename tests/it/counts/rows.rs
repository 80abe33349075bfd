//! Rows of the catalog follow packs, and published objects, and nothing else.
//!
//! # Not here
//!
//! The rows of each verb (`verbs`).

use std::sync::Arc;

use bindery::base::Result;

use super::counting_disk::{Act, CountingDisk, Place};
use super::work::{RowTable, Work, count};
use crate::shelf::{Files, Shelf, moment};

/// Files of one directory.
const DIRECTORY_FILES: u64 = 300;
/// Small packs of one build that a commit joins.
const JOINED_PACKS: u64 = 8;

/// So many files, each unlike all others, in directories of at most 300.
fn many_files(files: u64) -> Files {
    let file = |number: u64| {
        let path = format!("{}/{number}", number / DIRECTORY_FILES);
        (path, format!("{files}: {number}"))
    };
    (0..files).map(file).collect()
}

/// A store with one build, in which something else was published before.
struct OneBuild {
    disk: CountingDisk,
    shelf: Shelf,
    build: u64,
}

impl OneBuild {
    fn new() -> Result<Self> {
        let disk = CountingDisk::new();
        let shelf = Shelf::create(Arc::new(disk.clone()))?;
        shelf.release("before", &many_files(1))?;
        let build = shelf.build("stable")?;
        Ok(Self { disk, shelf, build })
    }

    fn count<T>(&self, act: impl FnOnce(&Shelf, u64) -> Result<T>) -> Result<(T, Work)> {
        count(&self.disk, &self.shelf.store, || {
            act(&self.shelf, self.build)
        })
    }
}

#[test]
fn a_committed_build_has_rows_for_its_packs_and_purge_takes_them() -> Result<()> {
    for files in [10, 3_000] {
        let one = OneBuild::new()?;
        let ((), work) = one.count(|shelf, build| {
            shelf.put(build, &many_files(files))?;
            shelf.commit(build)
        })?;
        let rows: RowTable<'_> = &[
            ("packs", 2, "what was staged, what was committed"),
            ("build packs", 2, "what was staged, what was committed"),
            ("operations", 1, "what was staged"),
            ("events", 2, "staged, committed"),
        ];
        work.check_rows(&format!("commit of {files} files"), rows);
        let (receipt, work) =
            one.count(|shelf, build| shelf.store.purge_build(build, moment(5)?))?;
        assert!(receipt.objects > files, "files and trees");
        let rows: RowTable<'_> = &[
            ("packs", -2, "what was staged, what was committed"),
            ("build packs", -2, "what was staged, what was committed"),
            ("operations", -1, "what was staged"),
            ("pins", -1, "made with the build"),
            ("events", 1, "purged"),
        ];
        work.check_rows(&format!("purge of {files} files"), rows);
        assert_eq!(work.calls(Place::Packs, Act::Remove), 2, "one file a pack");
    }
    Ok(())
}

#[test]
fn publishing_adds_one_row_for_each_new_object() -> Result<()> {
    for (files, objects, reason) in [
        (10, 13, "the files, their directory, the root, the snapshot"),
        (3_000, 3_012, "the same with ten directories"),
    ] {
        let one = OneBuild::new()?;
        one.shelf.put(one.build, &many_files(files))?;
        one.shelf.commit(one.build)?;
        let (_, work) = one.count(Shelf::publish)?;
        let rows: RowTable<'_> = &[
            ("objects", objects, reason),
            ("refs", 1, "the ref"),
            ("releases", 1, "the release"),
            ("build packs", -2, "the repo has them now"),
            ("operations", -1, "what was staged"),
            ("pins", -1, "made with the build"),
            ("events", 2, "merged, published"),
        ];
        work.check_rows(&format!("publish of {files} files"), rows);
    }
    Ok(())
}

#[test]
fn a_commit_joins_many_small_packs_into_one() -> Result<()> {
    for (stagings, packs, removed, reason) in [
        (JOINED_PACKS - 1, 1, 0, "few are left as they are"),
        (
            JOINED_PACKS,
            2 - 8,
            JOINED_PACKS,
            "joined into one, beside the merged tree",
        ),
    ] {
        let one = OneBuild::new()?;
        for number in 0..stagings {
            let name = format!("{number}");
            let text = name.repeat(2_000);
            one.shelf.put(one.build, &Files::from([(name, text)]))?;
        }
        let ((), work) = one.count(Shelf::commit)?;
        assert_eq!(work.rows("packs"), packs, "{reason}");
        assert_eq!(work.rows("build packs"), packs, "{reason}");
        assert_eq!(work.calls(Place::Packs, Act::Remove), removed, "{reason}");
        assert_eq!(work.calls(Place::Catalog, Act::SyncFile), 2, "one commit");
    }
    Ok(())
}
