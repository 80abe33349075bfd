//! The verbs, end to end, on a tree made from a fixed seed: `cargo bench --bench verbs -- [--files N] [--size BYTES]`.
//!
//! Prints one row for each verb: files, bytes, wall and CPU seconds, and the largest memory of the process so far.
//! Small unless told otherwise, so that it always runs; the figures that count come from large trees and from a
//! comparison with others on the same machine (`docs/performance.md`).
//!
//! # Not here
//!
//! The hot parts one by one (`benches/parts.rs`).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bindery::base::clock::Time;
use bindery::base::path::TreePath;
use bindery::base::profile::Profile;
use bindery::base::progress::Silent;
use bindery::build::checkout::checkout;
use bindery::build::commit::commit;
use bindery::build::create::{CreateOptions, create};
use bindery::build::publish::{PublishOptions, publish};
use bindery::build::repo::create_repo;
use bindery::build::stage::{StageOptions, stage};
use bindery::build::verify::verify_repo;
use bindery::store::rows::SnapshotRef;
use bindery::store::{Patience, Store};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Files of the tree when `--files` is not given.
const FILES_DEFAULT: u64 = 2_000;

/// Mean bytes of a file when `--size` is not given: that of the Linux sources.
const SIZE_DEFAULT: u64 = 16_000;

/// What the tree is made from; odd, so that no file starts from 0.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Files in one directory of the tree.
const DIRECTORY_FILES: u64 = 40;

/// One file in so many is another one in the next version.
const CHANGED_ONE_IN: u64 = 40;

/// When everything happens.
const NOW: &str = "2026-11-22T09:00:00Z";

/// Ticks of a CPU second in `/proc/self/stat`: fixed for programs on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The xorshift64* generator: G. Marsaglia, "Xorshift RNGs" (2003), with S. Vigna's multiplier.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// What is measured on.
struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    time: Time,
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
    Bench::new(files, size)?.run()
}

impl Bench {
    fn new(files: u64, size: u64) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let patience = Patience {
            wait: Duration::ZERO,
            holder: "bench".into(),
        };
        let store = Store::create(&folder.path().join("store"), &patience)?;
        let time = NOW.parse()?;
        create_repo(&store, "bench".parse()?, Profile::default(), None, time)?;
        Ok(Self {
            folder,
            store,
            time,
            files,
            size,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self) -> Outcome {
        let (one, two, out) = (self.path("one"), self.path("two"), self.path("out"));
        let bytes = self.write_tree(&one, 1)?;
        self.write_tree(&two, 2)?;
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
        row("publish", &mut || self.publish(first))?;
        row("stage the next version, commit", &mut || {
            self.take_in(&two).map(|build| second = build)
        })?;
        row("stage it again, unchanged", &mut || {
            self.stage(&two).map(|build| again = build)
        })?;
        row("purge what was staged again", &mut || self.purge(again))?;
        row("check out", &mut || self.check_out(first, &out))?;
        row("publish the next version", &mut || self.publish(second))?;
        row("check out the next version", &mut || {
            self.check_out(second, &out)
        })?;
        row("verify", &mut || self.verify())?;
        let mut third = 0;
        row("stage and commit an older one", &mut || {
            self.take_in(&one).map(|build| third = build)
        })?;
        row("purge it", &mut || self.purge(third))
    }

    /// Measures `work` and prints its row.
    fn row(&self, verb: &str, bytes: u64, work: &mut dyn FnMut() -> Outcome) -> Outcome {
        let (wall, cpu) = (Instant::now(), cpu_seconds()?);
        work()?;
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
        let (files, peak) = (self.files, peak_megabytes()?);
        writeln!(
            io::stdout(),
            "{verb:32} {files:>8} {bytes:>14} {wall:>9.3} {cpu:>9.2} {peak:>9}"
        )?;
        Ok(())
    }

    /// Writes the tree of a version, and returns its bytes. Versions share most files.
    fn write_tree(&self, root: &Path, version: u64) -> Outcome<u64> {
        let mut bytes = 0;
        for number in 0..self.files {
            let mut random = Random((number + 1).wrapping_mul(SEED));
            let is_changed = random.draw().is_multiple_of(CHANGED_ONE_IN);
            let length = usize::try_from(random.draw() % (2 * self.size))?;
            if is_changed {
                random.0 += version;
            }
            let folder = root.join(format!("{:04}", number / DIRECTORY_FILES));
            std::fs::create_dir_all(&folder)?;
            std::fs::write(
                folder.join(format!("{number}.c")),
                text(&mut random, length),
            )?;
            bytes += length as u64;
        }
        Ok(bytes)
    }

    fn stage(&self, tree: &Path) -> Outcome<u64> {
        let options = CreateOptions {
            repo: "bench".parse()?,
            target: Some("stable".parse()?),
            labels: BTreeMap::new(),
            from: None,
        };
        let build = create(&self.store, options, self.time)?.id;
        let (paths, options) = ([tree.to_owned()], StageOptions::default());
        stage(&self.store, build, &paths, &options, &Silent, self.time)?;
        Ok(build)
    }

    fn take_in(&self, tree: &Path) -> Outcome<u64> {
        let build = self.stage(tree)?;
        commit(&self.store, build, "", self.time)?;
        Ok(build)
    }

    fn publish(&self, build: u64) -> Outcome {
        let options = PublishOptions {
            on_conflict: Some(bindery::store::settings::OnConflict::Build),
            ..PublishOptions::default()
        };
        publish(&self.store, build, &options, self.time)?;
        Ok(())
    }

    fn check_out(&self, build: u64, target: &Path) -> Outcome {
        let row = self.store.reader()?.build(build)?;
        let committed = row.committed.ok_or("the build is not committed")?;
        let SnapshotRef { id, .. } = committed.snapshot;
        let view = self.store.view(&"bench".parse()?, &[build])?;
        let root = view.snapshot(id)?.tree;
        checkout(&view, root, id, &TreePath::root(), target, &Silent)?;
        Ok(())
    }

    fn verify(&self) -> Outcome {
        let repo = self.store.reader()?.repo(&"bench".parse()?)?;
        verify_repo(&self.store, &repo, &Silent)?;
        Ok(())
    }

    fn purge(&self, build: u64) -> Outcome {
        self.store.purge_build(build, self.time)?;
        Ok(())
    }
}

/// Lines that look like source code and compress about as well.
fn text(random: &mut Random, length: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "static ", "int ", "return ", "struct ", "if (", ") {\n", "}\n", "->next", " = ", ";\n",
        "\t", "0x", "const ", "void ", "*", ", ",
    ];
    let mut text = Vec::with_capacity(length + 32);
    while text.len() < length {
        let draw = random.draw();
        let word = usize::try_from(draw % 16).unwrap_or_default();
        text.extend_from_slice(WORDS[word].as_bytes());
        if draw & 0x70 == 0 {
            text.extend_from_slice(format!("name_{:x}", draw >> 40 & 0xfff).as_bytes());
        }
    }
    text.truncate(length);
    text
}

/// CPU seconds that this process has used.
fn cpu_seconds() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the name of the program, in brackets; user and system time are fields 14 and 15.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = ticks(12)
        .zip(ticks(13))
        .ok_or("/proc/self/stat is not as expected")?;
    Ok((user + system) / TICKS_PER_SECOND)
}

/// The largest memory of this process so far, in MB.
fn peak_megabytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: u64 = line
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .ok_or("/proc/self/status is not as expected")?;
    Ok(kibibytes * 1024 / 1_000_000)
}
