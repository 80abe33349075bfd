//! Checkouts while somebody keeps putting links to the outside in the place of their directories.
//!
//! `BINDERY_SWAPPED_CHECKOUTS` makes a longer run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bindery::base::path::TreePath;
use bindery::base::progress::Silent;
use bindery::build::checkout::{Links, checkout};
use bindery::disk::real::RealDisk;

use super::watch::Arena;
use crate::shelf::{Files, Shelf};
use crate::support::Outcome;

/// Checkouts of a short run.
const CHECKOUTS: u64 = 150;
/// Directories in the target, and files in each.
const DIRECTORIES: u64 = 4;
const FILES: u64 = 12;

/// The files of one of two releases, in directories of the same names.
fn files(release: u64) -> Files {
    let mut files = Files::new();
    for number in 0..DIRECTORIES * FILES {
        // Some files come and go, so that things are removed, too.
        if number % 5 == release {
            continue;
        }
        let (dir, file) = (number % DIRECTORIES, number / DIRECTORIES);
        files.insert(
            format!("d{dir}/deep/f{file}"),
            format!("{release} {number}"),
        );
        files.insert(format!("d{dir}/f{file}"), format!("{release} {number}"));
    }
    files
}

/// Keeps swapping directories of the target for links to the outside, and back. What fails is what a checkout is just
/// changing.
fn swap(arena: &Arena, target: &Path, is_done: &AtomicBool, swaps: &AtomicU64) {
    let away = arena.work().join("away");
    let mut number = 0;
    while !is_done.load(Ordering::Relaxed) {
        number += 1;
        let name = match number % 3 {
            0 => format!("d{}/deep", number / 3 % DIRECTORIES),
            _ => format!("d{}", number % DIRECTORIES),
        };
        let place = target.join(name);
        if fs::rename(&place, &away).is_err() {
            std::thread::yield_now();
            continue;
        }
        if symlink(arena.outside().join("dir"), &place).is_ok() {
            swaps.fetch_add(1, Ordering::Relaxed);
            std::thread::yield_now();
            fs::remove_file(&place).ok();
        }
        if fs::rename(&away, &place).is_err() {
            fs::remove_dir_all(&away).ok();
        }
    }
}

#[test]
fn whoever_swaps_directories_for_links_meanwhile_nothing_outside_is_touched() -> Outcome {
    let checkouts = std::env::var("BINDERY_SWAPPED_CHECKOUTS").ok();
    let checkouts = checkouts
        .and_then(|text| text.parse().ok())
        .unwrap_or(CHECKOUTS);
    let (arena, store) = (Arena::new()?, tempfile::tempdir()?);
    let shelf = Shelf::create(Arc::new(RealDisk::new(store.path().join("store"))))?;
    let mut shown = Vec::new();
    for release in 0..2 {
        shelf.release(["one", "two"][usize::try_from(release)?], &files(release))?;
    }
    for row in shelf.store.reader()?.refs(&shelf.row()?)? {
        shown.push(row.current.ok_or("a ref shows something")?);
    }
    let view = shelf.store.view(&shelf.repo, &[])?;
    let target = arena.work().join("target");
    let check_out = |number: u64, target: &Path| {
        let current = shown[usize::try_from(number % 2).unwrap_or_default()];
        let (root, path) = (current.root.into(), TreePath::root());
        checkout(
            &view,
            root,
            current.snapshot.id,
            &path,
            target,
            Links::All,
            &Silent,
        )
    };
    let (is_done, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| -> Outcome {
        let swapper = scope.spawn(|| swap(&arena, &target, &is_done, &swaps));
        let mut number = 0;
        let mut failed = 0;
        // Once at least while something is swapped, however threads are run.
        while number < checkouts || swaps.load(Ordering::Relaxed) == 0 {
            // Whether it is done depends on what was swapped when.
            let answer = check_out(number, &target);
            failed = if answer.is_err() { failed + 1 } else { 0 };
            // What was swapped in the midst may be in the way for good.
            if failed > 3 {
                let aside = arena.work().join("aside");
                fs::rename(&target, &aside).ok();
                fs::remove_dir_all(&aside).ok();
            }
            number += 1;
        }
        is_done.store(true, Ordering::Relaxed);
        swapper.join().map_err(|_| "the swapper panicked")?;
        Ok(())
    })?;
    arena.expect_untouched("checkouts with a swapper")?;
    let quiet = arena.work().join("quiet");
    let answer = check_out(0, &quiet)?;
    assert_eq!(answer.written, answer.files);
    arena.expect_untouched("a quiet checkout")?;
    Ok(())
}
