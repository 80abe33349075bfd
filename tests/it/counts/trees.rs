//! Commit and publish take in the nodes of trees that changed, however wide or deep the rest is.
//!
//! # Not here
//!
//! The nodes that an edit loads and writes (`object::edit`).

use std::sync::Arc;

use bindery::base::Result;

use super::counting_disk::CountingDisk;
use super::work::count;
use crate::shelf::{Files, Shelf};

/// The empty tree, which every commit takes in although nothing points at it.
const EMPTY_TREE: u64 = 1;
/// Bytes of a changed file: more than of all the trees that are staged with it, so that its pack is not rewritten.
const CHANGED_BYTES: usize = 10_000;

/// What commit and publish of a change take in.
#[derive(Debug, PartialEq, Eq)]
struct TakenIn {
    /// Objects in the packs of the commit.
    commit: u64,
    /// Rows of published objects.
    publish: i64,
}

/// Publishes `files`, then a build with new contents of those at `paths`.
fn change(files: &Files, paths: &[String]) -> Result<TakenIn> {
    let disk = CountingDisk::new();
    let shelf = Shelf::create(Arc::new(disk.clone()))?;
    shelf.release("stable", files)?;
    let changed = |path: &String| {
        (
            path.clone(),
            format!("new {path} ").repeat(CHANGED_BYTES / 8),
        )
    };
    let build = shelf.build("stable")?;
    shelf.put(build, &paths.iter().map(changed).collect())?;
    let before = shelf.store.reader()?.totals()?.objects;
    shelf.commit(build)?;
    let commit = shelf.store.reader()?.totals()?.objects - before;
    let (_, work) = count(&disk, &shelf.store, || shelf.publish(build))?;
    shelf.check()?;
    Ok(TakenIn {
        commit,
        publish: work.rows("objects"),
    })
}

#[test]
fn one_file_of_a_flat_directory_costs_one_path_of_nodes() -> Result<()> {
    for (files, nodes, reason) in [
        (200, 1, "one node has all names"),
        (20_000, 2, "a leaf, and the index of about 80 leaves"),
    ] {
        let name = |number: u64| (format!("{number}"), format!("text {number}"));
        let flat: Files = (0..files).map(name).collect();
        let expected = TakenIn {
            // And the snapshot.
            commit: nodes + 1 + EMPTY_TREE,
            // And the snapshot and the file.
            publish: i64::try_from(nodes).unwrap_or(i64::MAX) + 2,
        };
        let path = (files / 2).to_string();
        assert_eq!(change(&flat, &[path])?, expected, "{files} files: {reason}");
    }
    Ok(())
}

#[test]
fn ten_files_of_a_deep_tree_cost_the_directories_above_them() -> Result<()> {
    let (mut files, mut changed) = (Files::new(), Vec::new());
    for level in 0..10 {
        let above = "below/".repeat(level);
        for number in 0..20 {
            files.insert(format!("{above}{number}"), format!("{level} {number}"));
            files.insert(format!("{above}beside-{number}/file"), format!("{number}"));
        }
        changed.push(format!("{above}7"));
    }
    let expected = TakenIn {
        // A directory each, and the snapshot.
        commit: 10 + 1 + EMPTY_TREE,
        // And the files.
        publish: 10 + 1 + 10,
    };
    assert_eq!(change(&files, &changed)?, expected);
    Ok(())
}
