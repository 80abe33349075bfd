//! Readers beside those who publish and let go: each sees whole releases, and never an older one than it saw before.
//!
//! # Not here
//!
//! A release that goes while it is read (`races`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bindery::base::{Error, Kind, Result};

use crate::shelf::{Files, Shelf, moment, read_files, ref_name};
use crate::support::simulated_disk::SimulatedDisk;

/// Releases that are made.
const RELEASES: u64 = 60;
/// Threads that read.
const READERS: usize = 3;
/// Files of a release.
const FILES: u64 = 12;
/// Times that a reader may be overtaken in a row before the test fails.
const ATTEMPTS_MAX: u64 = 100_000;

/// All files of a release have its number in them, on which a reader can see that they belong together.
fn files_of(number: u64) -> Files {
    let file = |place| (format!("d{}/{place}", place % 3), format!("{number} "));
    (0..FILES).map(file).collect()
}

/// The number of the release that a ref shows, if its files agree about it; 0 before the first.
fn read(shelf: &Shelf) -> Result<u64> {
    for _ in 0..ATTEMPTS_MAX {
        let row = shelf
            .store
            .reader()?
            .find_ref(&shelf.row()?, &ref_name("stable")?)?;
        let Some(current) = row.and_then(|row| row.current) else {
            return Ok(0);
        };
        let view = shelf.store.view(&shelf.repo, &[])?;
        // From here on nothing can be taken from this reader; before, it may be overtaken.
        let tree = match view.snapshot_of_size(current.snapshot) {
            Err(error) if error.kind() == Kind::NotFound => continue,
            snapshot => snapshot?.tree,
        };
        let files = read_files(&view, tree)?;
        let first = files.values().next().map_or("", String::as_str);
        let number = first
            .trim()
            .parse()
            .map_err(|_| Error::internal("no number"))?;
        assert_eq!(files, files_of(number), "a release is mixed of several");
        return Ok(number);
    }
    Err(Error::internal("overtaken too often"))
}

fn read_on(shelf: &Shelf, is_over: &AtomicBool) -> Result<u64> {
    let (mut last, mut seen) = (0, 0);
    loop {
        let was_over = is_over.load(Ordering::Acquire);
        let number = read(shelf)?;
        assert!(number >= last, "{number} was shown after {last}");
        seen += u64::from(number > last);
        last = number;
        if was_over {
            assert_eq!(last, RELEASES, "what was published is shown");
            return Ok(seen);
        }
    }
}

fn publish_on(shelf: &Shelf) -> Result<()> {
    for number in 1..=RELEASES {
        shelf.release("stable", &files_of(number))?;
        // Numbers of statements are not skipped where nothing fails.
        if number > 1 {
            shelf.retire("stable", number - 1)?;
        }
        let thrown_away = shelf.committed("stable", &files_of(number + RELEASES))?;
        shelf.store.purge_build(thrown_away, moment(6)?)?;
    }
    Ok(())
}

#[test]
fn readers_see_whole_releases_and_none_twice() -> Result<()> {
    let shelf = Shelf::create(Arc::new(SimulatedDisk::new()))?;
    let is_over = AtomicBool::new(false);
    let panicked = |_| Error::internal("a thread panicked");
    std::thread::scope(|scope| -> Result<()> {
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| read_on(&shelf, &is_over)))
            .collect();
        let published = scope.spawn(|| publish_on(&shelf)).join();
        // Also if publishing failed: readers must not wait for what never comes.
        is_over.store(true, Ordering::Release);
        published.map_err(panicked)??;
        for reader in readers {
            assert!(reader.join().map_err(panicked)?? > 0, "something was seen");
        }
        Ok(())
    })?;
    shelf.check()
}
