//! The verbs, end to end, on a tree made from a fixed seed: `cargo bench --bench verbs -- [--files N] [--size BYTES]`.
//!
//! Prints one row for each verb: files, bytes, wall and CPU seconds, and the largest memory of the process so far.
//! Small unless told otherwise, so that it always runs; the figures that count come from large trees and from a
//! comparison with others on the same machine (`docs/performance.md`).
//!
//! # Not here
//!
//! The hot parts one by one (`benches/parts.rs`).

use std::io::{self, Write};
use std::path::Path;

use bindery::base::path::TreePath;
use bindery::base::progress::Silent;
use bindery::build::checkout::{Links, checkout};
use bindery::build::verify::verify_repo;
use bindery::store::rows::SnapshotRef;

mod common;

use self::common::Outcome;
use self::common::cost::{Cost, peak_megabytes};
use self::common::shop::Shop;
use self::common::text::{Random, text};
use self::common::tree::write_tree;

/// Files of the tree when `--files` is not given.
const FILES_DEFAULT: u64 = 2_000;

/// Mean bytes of a file when `--size` is not given: that of the Linux sources.
const SIZE_DEFAULT: u64 = 16_000;

/// One file in so many is another one in the next version.
const CHANGED_ONE_IN: u64 = 40;

/// What is measured on.
struct Bench {
    shop: Shop,
    files: u64,
    size: u64,
}

fn main() -> Outcome {
    let (mut files, mut size) = (FILES_DEFAULT, SIZE_DEFAULT);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.next()) {
            // What cargo says to every bench.
            ("--bench", None) => {}
            ("--files", Some(value)) => files = value.parse()?,
            ("--size", Some(value)) => size = value.parse()?,
            _ => {
                return Err(format!("what is {word}? There are --files N and --size BYTES").into());
            }
        }
    }
    let shop = Shop::open()?;
    Bench { shop, files, size }.run()
}

impl Bench {
    fn run(&self) -> Outcome {
        let (one, two, out) = (
            self.shop.path("one"),
            self.shop.path("two"),
            self.shop.path("out"),
        );
        let bytes = self.write_version(&one, 1)?;
        self.write_version(&two, 2)?;
        let row = |verb: &str, work: &mut dyn FnMut() -> Outcome| self.row(verb, bytes, work);
        writeln!(
            io::stdout(),
            "{:32} {:>8} {:>14} {:>9} {:>9} {:>9}",
            "verb",
            "files",
            "bytes",
            "wall s",
            "CPU s",
            "peak MB"
        )?;
        let (mut first, mut second, mut again) = (0, 0, 0);
        row("stage and commit", &mut || {
            self.take_in(&one).map(|build| first = build)
        })?;
        row("publish", &mut || self.shop.publish(first).map(drop))?;
        row("stage the next version, commit", &mut || {
            self.take_in(&two).map(|build| second = build)
        })?;
        row("stage it again, unchanged", &mut || {
            self.shop.stage(&two).map(|(build, _)| again = build)
        })?;
        row("purge what was staged again", &mut || {
            self.shop.purge(again)
        })?;
        row("check out", &mut || self.check_out(first, &out))?;
        row("publish the next version", &mut || {
            self.shop.publish(second).map(drop)
        })?;
        row("check out the next version", &mut || {
            self.check_out(second, &out)
        })?;
        row("verify", &mut || self.verify())?;
        let mut third = 0;
        row("stage and commit an older one", &mut || {
            self.take_in(&one).map(|build| third = build)
        })?;
        row("purge it", &mut || self.shop.purge(third))
    }

    /// Measures `work` and prints its row.
    fn row(&self, verb: &str, bytes: u64, work: &mut dyn FnMut() -> Outcome) -> Outcome {
        let ((), Cost { wall, cpu }) = Cost::of(work)?;
        let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
        let (files, peak) = (self.files, peak_megabytes()?);
        writeln!(
            io::stdout(),
            "{verb:32} {files:>8} {bytes:>14} {wall:>9.3} {cpu:>9.2} {peak:>9}"
        )?;
        Ok(())
    }

    /// Writes the tree of a version, and returns its bytes. Versions share most files.
    fn write_version(&self, root: &Path, version: u64) -> Outcome<u64> {
        write_tree(root, self.files, |number| {
            let mut random = Random::new(number);
            let is_changed = random.draw().is_multiple_of(CHANGED_ONE_IN);
            let length = usize::try_from(random.draw() % (2 * self.size))?;
            if is_changed {
                random.branch(version);
            }
            Ok(text(&mut random, length))
        })
    }

    fn take_in(&self, tree: &Path) -> Outcome<u64> {
        let (build, _) = self.shop.stage(tree)?;
        self.shop.commit(build)?;
        Ok(build)
    }

    fn check_out(&self, build: u64, target: &Path) -> Outcome {
        let store = self.shop.store();
        let row = store.reader()?.build(build)?;
        let committed = row.committed.ok_or("the build is not committed")?;
        let SnapshotRef { id, .. } = committed.snapshot;
        let view = store.view(self.shop.repo(), &[build])?;
        let root = view.snapshot(id)?.tree;
        checkout(
            &view,
            root,
            id,
            &TreePath::root(),
            target,
            Links::All,
            &Silent,
        )?;
        Ok(())
    }

    fn verify(&self) -> Outcome {
        let store = self.shop.store();
        let repo = store.reader()?.repo(self.shop.repo())?;
        verify_repo(store, &repo, &Silent)?;
        Ok(())
    }
}
