//! Every byte of a small store is damaged, one at a time: each damage is found, nothing wrong is ever given out, and another
//! store heals it.
//!
//! The store has two releases, an open build and a committed one. Each byte of its packs and notes is flipped, each file is
//! cut at every length and drawn out. A usual run does a sample of that and heals a smaller one; with `BINDERY_DAMAGE_ALL` set,
//! every bit of every byte is flipped, and every damage is healed.
//!
//! # Invariants
//!
//! - `fsck` names the file that is damaged, and every object that cannot be read any more.
//! - A read gives the right bytes or an error of the kind integrity.
//! - After a repair from a whole store everything can be read, and all counts are right.
//!
//! # Not here
//!
//! Stores that are damaged while they are written (`crash`), the command line (`bad_input::damage`).

mod catalog;
mod crashes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bindery::base::id::Hash;
use bindery::base::progress::Silent;
use bindery::base::{Error, Kind, Result};
use bindery::disk::files::Disk;
use bindery::object::kind::ObjectKind;
use bindery::object::pack_reader::PackReader;
use bindery::store::fsck::{FsckOptions, FsckReport};
use bindery::store::notes::Notes;
use bindery::store::supply::OtherStore;
use bindery::store::{Access, Store};

use crate::shelf::{Files, Shelf, files, repo_name};
use crate::support::simulated_disk::{Kept, SimulatedDisk};

/// One in so many damages is healed in a usual run.
const HEALED_EVERY: usize = 97;
/// One in so many damages is done in a usual run; they fall on every byte of a row of the index in turn.
const CHECKED_EVERY: usize = 5;
/// Bytes by which files are drawn out.
const APPENDED: [usize; 3] = [1, 32, 4096];

/// Everything that the store holds.
type Objects = BTreeMap<(ObjectKind, Hash), Vec<u8>>;

/// A small store on a disk, closed; and what can be read from it.
struct Scene {
    disk: SimulatedDisk,
    /// A copy that stays whole.
    whole: SimulatedDisk,
    objects: Objects,
    shown: Files,
    tested: Files,
}

/// The build that is open, and the one that is committed.
const BUILDS: [u64; 2] = [3, 4];

impl Scene {
    fn new() -> Result<Self> {
        let disk = SimulatedDisk::new();
        let shelf = Shelf::create(Arc::new(disk.clone()))?;
        let first = files(&[("a", "one"), ("usr/b", "always the same")]);
        let second = files(&[("a", "two"), ("usr/c", "and more of the same")]);
        shelf.release("stable", &first)?;
        shelf.release("stable", &second)?;
        let open = shelf.build("stable")?;
        shelf.put(open, &files(&[("open", "not yet")]))?;
        let committed = shelf.committed("stable", &files(&[("usr/ready", "ready")]))?;
        assert_eq!([open, committed], BUILDS);
        let (shown, tested) = (shelf.shown("stable")?, shelf.tested(committed)?);
        drop(shelf);
        let disk = disk.after_crash(Kept::All);
        let mut objects = Objects::new();
        for path in beneath(&disk, Path::new("packs"))? {
            let pack = PackReader::open(disk.map(&path)?)?;
            for entry in pack.entries() {
                let entry = entry?;
                let place = entry.location;
                let frame = pack.frame(place.frame)?;
                let bytes = frame.object(entry.kind, place.start, place.length)?;
                objects.insert((entry.kind, entry.id), bytes.to_vec());
            }
        }
        let whole = disk.with_power(None);
        Ok(Self {
            disk,
            whole,
            objects,
            shown,
            tested,
        })
    }

    /// Reads everything. What is wrong must fail, and `found` must name it.
    fn read_all(&self, store: &Store, found: &str) -> Result<()> {
        let repo = repo_name()?;
        let view = match store.view(&repo, &BUILDS) {
            Ok(view) => view,
            Err(error) => {
                expect_integrity(&error, found);
                store.view(&repo, &[])?
            }
        };
        for ((kind, id), right) in &self.objects {
            match view.read(*kind, *id) {
                Ok(bytes) => assert!(bytes.as_slice()? == right, "{} {id}", kind.name()),
                // Of builds whose packs cannot be opened nothing is seen, and what nothing needs is not healed.
                Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    expect_integrity(&error, found);
                    assert!(found.contains(&id.to_string()), "{id}: {error}: {found}");
                }
            }
        }
        drop(view);
        let borrowed = Borrowed(store);
        for (read, right) in [
            (borrowed.shown(), &self.shown),
            (borrowed.tested(), &self.tested),
        ] {
            match read {
                Ok(files) => assert_eq!(files, *right),
                // What the damaged index of a build's pack does not list any more is not there.
                Err(Error::NotFound { .. }) => assert!(found.contains("in no pack"), "{found}"),
                Err(error) => expect_integrity(&error, found),
            }
        }
        Ok(())
    }

    /// Reads every note with its signatures; what is wrong must fail.
    fn read_notes(&self) -> Result<usize> {
        let repo = repo_name()?;
        let mut failed = 0;
        let mut read = |outcome: Result<()>| {
            if let Err(error) = outcome {
                assert_eq!(error.kind(), Kind::Integrity, "{error}");
                failed += 1;
            }
        };
        let notes = match Notes::open(&self.disk, &repo, None) {
            Ok(notes) => notes,
            Err(error) => {
                read(Err(error));
                return Ok(failed);
            }
        };
        match notes.heads() {
            Ok(Some(heads)) => read(notes.refs_list(&heads).map(drop)),
            Ok(None) => {}
            Err(error) => read(Err(error)),
        }
        for id in notes.statements()? {
            read(notes.statement(id).map(drop));
        }
        Ok(failed)
    }

    /// Checks the store as it is now, with `path` damaged.
    fn check(&self, path: &Path) -> Result<()> {
        let store = open(&self.disk, Access::Read)?;
        let report = store.fsck(FsckOptions::default(), &Silent)?;
        let found = words(&report);
        let name = match path.parent() {
            Some(folder) if folder.ends_with("keyset") => folder,
            _ => path,
        };
        assert!(
            found.contains(&*name.to_string_lossy()),
            "{}: {found}",
            path.display()
        );
        self.read_all(&store, &found)?;
        // Without heads nothing was ever released, as far as notes alone can tell.
        let is_there = self.disk.open_read_only(path).is_ok();
        if is_there && path.starts_with("repos") && !path.to_string_lossy().contains("/refs/") {
            assert!(self.read_notes()? > 0, "{}", path.display());
        }
        Ok(())
    }

    /// Heals a copy of the store as it is now.
    fn heal(&self, path: &Path) -> Result<()> {
        let disk = self.disk.with_power(None);
        let healed = Shelf::open(Arc::new(disk.clone()))?;
        let whole = OtherStore::open_on(Arc::new(self.whole.clone()), None)?;
        let report = healed.store.repair(&whole, &Silent)?;
        assert_eq!((&report.lost[..], &report.kept[..]), (&[][..], &[][..]));
        assert!(
            report.packs + report.notes.len() as u64 > 0,
            "{}",
            path.display()
        );
        healed.check()?;
        self.read_all(&healed.store, "nothing")?;
        assert_eq!(healed.shown("stable")?, self.shown);
        assert_eq!(healed.tested(BUILDS[1])?, self.tested);
        drop(healed);
        let healed = Shelf::open(Arc::new(disk))?;
        healed.check()?;
        healed.commit(BUILDS[0])?;
        healed.publish(BUILDS[1])?;
        healed.check()
    }
}

/// A store that somebody else has open, with the words of a shelf.
struct Borrowed<'s>(&'s Store);

impl Borrowed<'_> {
    fn shown(&self) -> Result<Files> {
        let reader = self.0.reader()?;
        let repo = reader.repo(&repo_name()?)?;
        let row = reader.find_ref(&repo, &crate::shelf::ref_name("stable")?)?;
        let current = row.and_then(|row| row.current);
        let current = current.ok_or_else(|| Error::internal("stable shows something"))?;
        let view = self.0.view(&repo.name, &[])?;
        crate::shelf::read_files(&view, view.snapshot_of_size(current.snapshot)?.tree)
    }

    fn tested(&self) -> Result<Files> {
        let committed = self.0.reader()?.build(BUILDS[1])?.committed;
        let committed = committed.ok_or_else(|| Error::internal("it was committed"))?;
        let view = self.0.view(&repo_name()?, &BUILDS[1..])?;
        crate::shelf::read_files(&view, view.snapshot_of_size(committed.snapshot)?.tree)
    }
}

fn expect_integrity(error: &Error, found: &str) {
    assert_eq!(error.kind(), Kind::Integrity, "{error}: {found}");
}

fn open(disk: &SimulatedDisk, access: Access) -> Result<Store> {
    Store::open_on(Arc::new(disk.clone()), access, None)
}

/// All problems, one line for each.
fn words(report: &FsckReport) -> String {
    let lines: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The files beneath a folder.
fn beneath(disk: &SimulatedDisk, folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for listed in disk.list(&folder)? {
            let path = folder.join(listed.name);
            if listed.is_dir {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn is_long_run() -> bool {
    std::env::var_os("BINDERY_DAMAGE_ALL").is_some()
}

/// Makes a file have other bytes, durably.
fn put(disk: &SimulatedDisk, path: &Path, bytes: &[u8]) -> Result<()> {
    let file = disk.open(path)?;
    let io = |error| Error::io("write", path)(error);
    file.set_len(bytes.len() as u64).map_err(io)?;
    file.write_at(0, bytes).map_err(io)?;
    file.sync().map_err(io)
}

/// The damages of a file, one after the other.
fn damages(whole: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let flips = (0..whole.len()).flat_map(move |at| {
        let bits = if is_long_run() {
            0..8
        } else {
            at % 8..at % 8 + 1
        };
        bits.map(move |bit| {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 1 << bit;
            (format!("bit {bit} of byte {at}"), bytes)
        })
    });
    let cuts =
        (0..whole.len()).map(|length| (format!("cut at {length}"), whole[..length].to_vec()));
    let longer = APPENDED.map(|more| {
        let bytes = [whole, &vec![0; more]].concat();
        (format!("{more} bytes more"), bytes)
    });
    flips.chain(cuts).chain(longer)
}

/// Damages the files beneath a folder in every way.
fn damage_all(folder: &str) -> Result<()> {
    let scene = Scene::new()?;
    let (mut count, mut healed) = (0_usize, 0);
    for path in beneath(&scene.disk, Path::new(folder))? {
        let whole = scene.disk.map(&path)?.to_vec();
        for (what, bytes) in damages(&whole) {
            count += 1;
            if !is_long_run() && count % CHECKED_EVERY != 0 {
                continue;
            }
            put(&scene.disk, &path, &bytes)?;
            scene
                .check(&path)
                .map_err(|error| Error::internal(format!("{}, {what}: {error}", path.display())))?;
            if is_long_run() || count % HEALED_EVERY == 0 {
                scene.heal(&path).map_err(|error| {
                    Error::internal(format!("healing {}, {what}: {error}", path.display()))
                })?;
                healed += 1;
            }
        }
        put(&scene.disk, &path, &whole)?;
    }
    assert!(healed > 0, "of {count} damages");
    let store = open(&scene.disk, Access::Read)?;
    assert_eq!(words(&store.fsck(FsckOptions::default(), &Silent)?), "");
    Ok(())
}

#[test]
fn every_damage_of_a_pack_is_found_and_healed() -> Result<()> {
    damage_all("packs")
}

#[test]
fn every_damage_of_a_note_is_found_and_healed() -> Result<()> {
    damage_all("repos")
}

#[test]
fn every_file_that_is_missing_is_found_and_healed() -> Result<()> {
    let scene = Scene::new()?;
    for folder in ["packs", "repos"] {
        for path in beneath(&scene.disk, Path::new(folder))? {
            let whole = scene.disk.map(&path)?.to_vec();
            scene.disk.remove(&path)?;
            // Nothing in the store says that there was an older list of refs.
            let is_known = !path.to_string_lossy().contains("/refs/");
            if is_known {
                scene.check(&path)?;
                scene.heal(&path)?;
            }
            drop(scene.disk.create(&path)?);
            put(&scene.disk, &path, &whole)?;
        }
    }
    Ok(())
}
