//! What killing the real binary showed to be wrong: each of these went wrong once.
//!
//! # Not here
//!
//! The killing (`tests/kill.py`); power that is lost at every operation (`crash`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bindery::base::profile::Profile;
use bindery::base::{Error, Kind, Result};
use bindery::build::create::{CreateOptions, create};
use bindery::build::repo::create_repo;
use bindery::store::Store;

use crate::shelf::{Files, Shelf, files, moment, ref_name, repo_name};
use crate::support::simulated_disk::Kept;
use crate::whole::{kind, large, shelf};

#[test]
fn init_that_was_killed_before_it_made_its_repo_can_be_run_again() -> Result<()> {
    // It once was refused then: there was a store already, but one of no use.
    let folder = tempfile::tempdir().map_err(Error::io("make", Path::new("folder")))?;
    let root = folder.path().join("store");
    let patience = bindery::store::Patience {
        wait: std::time::Duration::ZERO,
        holder: "a test".into(),
        tell: None,
    };
    drop(Store::create(&root, &patience)?);
    let store = Store::create(&root, &patience)?;
    let held = Store::create(&root, &patience);
    assert_eq!(kind(held), Some(Kind::Conflict), "somebody else makes it");
    create_repo(&store, repo_name()?, Profile::Posix, None, moment(1)?)?;
    drop(store);
    let whole = Store::create(&root, &patience);
    assert_eq!(kind(whole), Some(Kind::Conflict), "it has a repo");
    Ok(())
}

#[test]
fn a_build_that_starts_from_another_has_its_changes_or_is_not_there() -> Result<()> {
    // It once was there and empty, when power was lost before the changes were copied.
    let (disk, shelf) = shelf()?;
    let from = shelf.committed("stable", &large("a"))?;
    drop(shelf);
    let options = CreateOptions {
        repo: repo_name()?,
        target: Some(ref_name("stable")?),
        labels: BTreeMap::new(),
        from: Some(from),
    };
    for operations in 0.. {
        let disk = disk.with_power(Some(operations));
        let shelf = Shelf::open(Arc::new(disk.clone()));
        let made = shelf.and_then(|shelf| create(&shelf.store, options.clone(), moment(5)?));
        let shelf = Shelf::open(Arc::new(disk.after_crash(Kept::All)))?;
        for build in shelf.store.reader()?.builds()? {
            assert_eq!(build.staged.files, 20, "after {operations} operations");
        }
        shelf.check()?;
        if made.is_ok() {
            return Ok(());
        }
    }
    Ok(())
}

#[test]
fn rewriting_a_pack_keeps_an_empty_file_and_its_neighbour() -> Result<()> {
    // Both start at the same byte of a frame, and one of them was left out once: retiring failed.
    let (_disk, shelf) = shelf()?;
    let kept = files(&[("empty", ""), ("next", "to it")]);
    let mut first = large("a");
    first.extend(kept.clone());
    shelf.release("stable", &first)?;
    let replaced = large("a").into_keys().map(|path| (path, "new".to_owned()));
    let replaced: Files = replaced.collect();
    shelf.release("stable", &replaced)?;
    assert!(shelf.retire("stable", 1)?.bytes > 0);
    let mut expected = replaced;
    expected.extend(kept);
    assert_eq!(shelf.shown("stable")?, expected);
    shelf.check()
}

#[test]
fn joining_packs_keeps_an_empty_file_and_its_neighbour() -> Result<()> {
    // As above; a commit lost one of them without a word.
    let (_disk, shelf) = shelf()?;
    let build = shelf.build("stable")?;
    let mut expected = Files::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let (empty, next) = (format!("{name}/empty"), format!("{name}/next"));
        let staged = Files::from([(empty, String::new()), (next, name.to_owned())]);
        shelf.put(build, &staged)?;
        expected.extend(staged);
    }
    shelf.commit(build)?;
    assert_eq!(shelf.tested(build)?, expected);
    shelf.publish(build)?;
    assert_eq!(shelf.shown("stable")?, expected);
    shelf.check()
}
