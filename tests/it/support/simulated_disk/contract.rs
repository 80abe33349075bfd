//! The contract of a disk: the simulated and the real one answer the same calls with the same bytes, names and errors.
//!
//! Random calls are made on both. What each answers is written down in words, errors as their action and kind.
//!
//! # Not here
//!
//! Outages and faults, which a real disk does not have on request. What is read from a folder that was opened as a file;
//! folders that are mapped or renamed: no store does so.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

use bindery::base::{Error, Result};
use bindery::disk::files::{Disk, DiskFile};
use bindery::disk::real::RealDisk;

use super::{SimulatedDisk, next_random};

/// Sequences of calls that are tried.
const SEEDS: u64 = 60;
/// Calls of one sequence.
const CALLS: u64 = 150;
/// Files of one sequence that are open at once.
const OPEN_FILES_MAX: usize = 4;

/// Paths of files, some beneath folders that may not be there, one beneath a file.
const FILES: [&str; 8] = ["a", "b", "d/a", "d/b", "d/e", "d/e/c", "f/a", "a/below"];
/// Paths of folders; one is a file at times.
const FOLDERS: [&str; 6] = ["", "d", "d/e", "f", "a/below", "b"];

/// A disk, and the files that are open on it.
struct Side {
    disk: Box<dyn Disk>,
    open: Vec<Box<dyn DiskFile>>,
}

/// One call; numbers choose places and lengths.
#[derive(Clone, Copy, Debug)]
enum Call {
    Create(&'static str),
    Open(&'static str),
    OpenReadOnly(&'static str),
    Map(&'static str),
    Rename(&'static str, &'static str),
    Remove(&'static str),
    RemoveEach,
    MakeFolder(&'static str),
    List(&'static str),
    SyncFolder(&'static str),
    Length(usize),
    SetLength(usize, u64),
    Read(usize, u64, usize),
    Write(usize, u64, usize),
    Sync(usize),
}

fn draw(random: &mut u64) -> Call {
    let mut below = |end: u64| usize::try_from(next_random(random) % end).unwrap_or_default();
    let kind = below(20);
    let file = FILES[below(FILES.len() as u64)];
    let other = FILES[below(FILES.len() as u64)];
    let folder = FOLDERS[below(FOLDERS.len() as u64)];
    let handle = below(OPEN_FILES_MAX as u64);
    // Around the ends of pages, and far beyond the end of any file.
    let offset = [0, 1, 4095, 4096, 4097, 9000, 70_000][below(7)];
    let length = [0, 1, 7, 4096, 5000][below(5)];
    match kind {
        0..3 => Call::Create(file),
        3 => Call::Open(file),
        4 => Call::OpenReadOnly(file),
        5 => Call::Map(file),
        6 | 7 => Call::Rename(file, other),
        8 => Call::Remove(file),
        9 => Call::RemoveEach,
        10 => Call::MakeFolder(folder),
        11 => Call::List(folder),
        12 => Call::SyncFolder(folder),
        13 => Call::Length(handle),
        14 => Call::SetLength(handle, offset),
        15 | 16 => Call::Read(handle, offset, length),
        17 | 18 => Call::Write(handle, offset, length),
        _ => Call::Sync(handle),
    }
}

impl Side {
    fn new(disk: impl Disk) -> Self {
        Self {
            disk: Box::new(disk),
            open: Vec::new(),
        }
    }

    /// Makes a call; says in words what came of it.
    fn call(&mut self, call: Call) -> String {
        let disk = &*self.disk;
        match call {
            Call::Create(path) => {
                let made = disk.create(Path::new(path));
                self.keep(made)
            }
            Call::Open(path) => {
                let opened = disk.open(Path::new(path));
                self.keep(opened)
            }
            Call::OpenReadOnly(path) => {
                let opened = disk.open_read_only(Path::new(path));
                if disk.list(Path::new(path)).is_ok() {
                    return words(opened.map(drop));
                }
                self.keep(opened)
            }
            Call::Map(path) => words(disk.map(Path::new(path)).map(|bytes| bytes.to_vec())),
            Call::Rename(from, to) => words(disk.rename(Path::new(from), Path::new(to))),
            Call::Remove(path) => words(disk.remove(Path::new(path))),
            Call::RemoveEach => {
                let paths = ["d/a", "d/b", "f/a"].map(PathBuf::from);
                words(disk.remove_each(&paths))
            }
            Call::MakeFolder(path) => words(disk.create_dir(Path::new(path))),
            Call::List(path) => words(disk.list(Path::new(path)).map(|listed| {
                let bytes = |bytes, is_dir| if is_dir { 0 } else { bytes };
                let mut names: Vec<_> = listed
                    .into_iter()
                    .map(|name| (name.name, name.is_dir, bytes(name.bytes, name.is_dir)))
                    .collect();
                names.sort();
                names
            })),
            Call::SyncFolder(path) => words(disk.sync_dir(Path::new(path))),
            Call::Length(at) => self.with(at, |file| file.len()),
            Call::SetLength(at, bytes) => self.with(at, |file| file.set_len(bytes)),
            Call::Read(at, offset, length) => self.with(at, |file| {
                let mut buffer = vec![0xaa; length];
                file.read_at(offset, &mut buffer).map(|()| buffer)
            }),
            Call::Write(at, offset, length) => {
                let number = u8::try_from(offset % 251).unwrap_or_default();
                self.with(at, |file| file.write_at(offset, &vec![number; length]))
            }
            Call::Sync(at) => self.with(at, |file| file.sync()),
        }
    }

    fn keep(&mut self, opened: Result<Box<dyn DiskFile>>) -> String {
        if self.open.len() == OPEN_FILES_MAX {
            self.open.remove(0);
        }
        words(opened.map(|file| self.open.push(file)))
    }

    fn with<T: Debug>(
        &self,
        at: usize,
        act: impl FnOnce(&dyn DiskFile) -> io::Result<T>,
    ) -> String {
        match self.open.get(at) {
            Some(file) => words(act(&**file).map_err(Error::io("use", Path::new("")))),
            None => "nothing is open".to_owned(),
        }
    }
}

fn words<T: Debug>(outcome: Result<T>) -> String {
    match outcome {
        Ok(answer) => format!("{answer:?}"),
        Err(Error::Io { action, source, .. }) => format!("{action}: {:?}", source.kind()),
        Err(other) => format!("{other:?}"),
    }
}

/// Whether a call gives a folder where a file is meant, or a file where a folder is.
fn is_meant(disk: &SimulatedDisk, call: Call) -> bool {
    let state = disk.state();
    let is_folder = |path: &str| state.live.folders.contains(Path::new(path));
    match call {
        Call::Map(path) => !is_folder(path),
        Call::Rename(from, _) => !is_folder(from),
        Call::SyncFolder(path) => !state.live.names.contains_key(Path::new(path)),
        _ => true,
    }
}

#[test]
fn the_simulated_and_the_real_disk_answer_alike() -> Result<(), Box<dyn std::error::Error>> {
    let (mut done, mut failed) = (0, 0);
    for seed in 0..SEEDS {
        let folder = tempfile::tempdir()?;
        let simulated = SimulatedDisk::new();
        let mut sides = [
            Side::new(simulated.clone()),
            Side::new(RealDisk::new(folder.path())),
        ];
        let mut random = seed;
        for number in 0..CALLS {
            let call = draw(&mut random);
            if !is_meant(&simulated, call) {
                continue;
            }
            let [one, other] = sides.each_mut().map(|side| side.call(call));
            assert_eq!(one, other, "seed {seed}, call {number}, {call:?}");
            done += 1;
            failed += u64::from(one.contains(": "));
        }
    }
    assert!(done > SEEDS * CALLS / 2, "{done} calls were made");
    assert!(
        failed > done / 10,
        "{failed} of {done} failed: errors are compared, too"
    );
    Ok(())
}
