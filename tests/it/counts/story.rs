//! The story of some small builds beside a mass of other things, each verb of it counted.
//!
//! # Invariants
//!
//! - Told twice it is the same, call for call: only keys and signatures differ, and those are equally long.
//! - Each verb has the store to itself, freshly opened, so what it reads of the catalog is read from the disk.
//!
//! # Not here
//!
//! How much work each verb should be (`verbs`), and that it is the same beside any mass (`flat`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bindery::base::progress::Silent;
use bindery::base::{Error, Result};
use bindery::build::publish::{PublishOptions, import, update};
use bindery::build::rollback::rollback;
use bindery::build::spec::only_repo;
use bindery::build::stage::{StageOptions, stage};
use bindery::build::withdraw::withdraw;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::{Access, Store};

use super::counting_disk::CountingDisk;
use super::work::{Work, count, count_whole};
use crate::shelf::{Files, Shelf, files, moment, ref_name};

/// The ref that the story is about.
const TARGET: &str = "stable";
/// The ref that the mass is published to.
const MASS: &str = "mass";
/// Seconds since 1970 at which the staged files claim to have changed: in the year 2200, so that no staging takes them
/// for settled and every one reads them, however long the test is paused.
const CHANGED_S: u64 = 7_258_118_400;

/// Files of one folder of the mass: fewer than make a directory of several nodes.
const FOLDER_FILES: u64 = 250;

/// What else a store holds.
#[derive(Clone, Copy, Debug)]
pub struct Mass {
    /// Releases, each of one build that brings two packs: what was staged, and what the merge made.
    pub releases: u64,
    /// Files of each.
    pub files: u64,
    /// Builds that were committed and are not published.
    pub builds: u64,
}

/// The work of each verb, by its name.
pub type Works = BTreeMap<&'static str, Work>;

/// A store with a mass of other things, and a folder with files to stage.
#[derive(Debug)]
pub struct Scene {
    disk: CountingDisk,
    source: tempfile::TempDir,
    works: Works,
}

impl Scene {
    /// Makes a store that holds `mass`, and 20 files in two folders to stage.
    pub fn beside(mass: Mass) -> Result<Self> {
        let source = tempfile::tempdir();
        let scene = Self {
            disk: CountingDisk::new(),
            source: source.map_err(Error::io("make the folder", "source".as_ref()))?,
            works: Works::new(),
        };
        for number in 0..20 {
            write(scene.source.path(), number, "first")?;
        }
        let shelf = Shelf::create(Arc::new(scene.disk.clone()))?;
        for release in 0..mass.releases {
            shelf.release(MASS, &mass_files(release, mass.files))?;
        }
        for build in 0..mass.builds {
            shelf.committed("other", &mass_files(mass.releases + build, 10))?;
        }
        Ok(scene)
    }

    /// Opens the store, as every command line does.
    pub fn open(&self) -> Result<Shelf> {
        Shelf::open(Arc::new(self.disk.clone()))
    }

    /// Does something with the store, which was just opened and remembers nothing, and keeps in mind what work that was.
    fn verb<T>(&mut self, name: &'static str, act: impl FnOnce(&Shelf) -> Result<T>) -> Result<T> {
        let opened = self.open()?;
        let (done, work) = count(&self.disk, &opened.store, || act(&opened))?;
        self.works.insert(name, work);
        Ok(done)
    }

    /// Stages the files; expects so many new objects.
    fn stage(&mut self, name: &'static str, build: u64, new_objects: u64) -> Result<()> {
        let paths: [PathBuf; 1] = [self.source.path().to_owned()];
        let (options, time) = (StageOptions::default(), moment(2)?);
        let stage = |shelf: &Shelf| stage(&shelf.store, build, &paths, &options, &Silent, time);
        assert_eq!(self.verb(name, stage)?.new_objects, new_objects, "{name}");
        Ok(())
    }

    /// Tells the story to its end.
    pub fn tell(mut self) -> Result<Works> {
        let first = self.publish_one()?;
        let second = self.go_back()?;
        let waiting = self.purge(first, second)?;
        self.open_and_close(waiting)?;
        Ok(self.works)
    }

    /// A build from its creation until users see it.
    fn publish_one(&mut self) -> Result<u64> {
        let build = self.verb("create", |shelf| shelf.build(TARGET))?;
        // 20 files, 2 folders and the root.
        self.stage("stage", build, 23)?;
        self.stage("stage the same", build, 0)?;
        for number in [3, 4, 5] {
            write(self.source.path(), number, "second")?;
        }
        // 3 files, their folder and the root.
        self.stage("stage three changed", build, 5)?;
        self.verb("commit", |shelf| shelf.commit(build))?;
        for name in ["check", "check the same"] {
            self.verb(name, |shelf| {
                shelf.check_build(build, "lint", CheckOutcome::Pass)
            })?;
        }
        let target = ref_name(TARGET)?;
        let merge = |shelf: &Shelf| {
            let row = shelf.store.reader()?.build(build)?;
            let options = PublishOptions::default();
            import(&shelf.store, &row, &target, &options, moment(4)?)
        };
        self.verb("import", merge)?;
        self.verb("withdraw what is pending", |shelf| {
            withdraw(&shelf.store, build, moment(5)?)
        })?;
        merge(&self.open()?)?;
        self.verb("update", |shelf| {
            update(&shelf.store, &shelf.row()?, &target, moment(6)?)
        })?;
        Ok(build)
    }

    /// A second build that is published, withdrawn, shown again and let go of.
    fn go_back(&mut self) -> Result<u64> {
        let more = files(&[("2/new", &"new ".repeat(100))]);
        let build = self.open()?.committed(TARGET, &more)?;
        self.verb("publish", |shelf| shelf.publish(build))?;
        self.verb("withdraw", |shelf| {
            withdraw(&shelf.store, build, moment(7)?)
        })?;
        let target = ref_name(TARGET)?;
        self.verb("roll back", |shelf| {
            rollback(&shelf.store, &shelf.repo, &target, 1, None, moment(8)?)
        })?;
        let receipt = self.verb("retire", |shelf| shelf.retire(TARGET, 2))?;
        // The file, its folder, the root and the snapshot.
        assert_eq!((receipt.objects, receipt.packs), (4, 2));
        Ok(build)
    }

    /// Builds in every state, purged; and one that waits.
    fn purge(&mut self, first: u64, second: u64) -> Result<u64> {
        let some = files(&[("x", &"x ".repeat(100)), ("y", &"y ".repeat(100))]);
        let opened = self.open()?;
        let open = opened.build(TARGET)?;
        opened.put(open, &some)?;
        let committed = opened.committed(TARGET, &some)?;
        drop(opened);
        for (name, build, objects) in [
            // Two files and the root as it was staged.
            ("purge an open build", open, 3),
            // Also the root as it was merged, the snapshot, and the empty tree that every commit takes in.
            ("purge a committed build", committed, 6),
            ("purge a published build", first, 0),
            ("purge a withdrawn build", second, 0),
            ("purge again", committed, 6),
        ] {
            let purge = |shelf: &Shelf| shelf.store.purge_build(build, moment(9)?);
            assert_eq!(self.verb(name, purge)?.objects, objects, "{name}");
        }
        let opened = self.open()?;
        opened.check()?;
        opened.committed(TARGET, &some)
    }

    /// The store opened to read and to write.
    fn open_and_close(&mut self, waiting: u64) -> Result<()> {
        let disk = &self.disk;
        let (store, work) = count_whole(disk, |disk| Store::open_on(disk, Access::Read, None))?;
        self.works.insert("open to read", work);
        let list = || store.reader()?.refs(&only_repo(&store, None)?);
        let (refs, work) = count(disk, &store, list)?;
        assert_eq!(refs.len(), 2, "the mass, and what the story is about");
        self.works.insert("list refs", work);
        let (receipt, work) = count(disk, &store, || store.plan_purge(waiting))?;
        let packs = receipt.map(|receipt| receipt.packs);
        assert_eq!(packs, Some(2), "what was staged, what was committed");
        self.works.insert("plan a purge", work);
        drop(store);
        let (store, work) = count_whole(disk, |disk| Store::open_on(disk, Access::Write, None))?;
        self.works.insert("open to write", work);
        let close = |_| {
            drop(store);
            Ok(())
        };
        let ((), work) = count_whole(disk, close)?;
        self.works.insert("close", work);
        Ok(())
    }
}

/// Writes a file to stage: the first ten lie in one folder, the others in another.
fn write(source: &Path, number: u64, text: &str) -> Result<()> {
    let folder = source.join((number / 10).to_string());
    let path = folder.join(number.to_string());
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(CHANGED_S);
    let written = || {
        fs::create_dir_all(&folder)?;
        fs::write(&path, format!("{text} {number} ").repeat(40))?;
        let file = fs::File::options().write(true).open(&path)?;
        file.set_modified(changed)
    };
    written().map_err(Error::io("write", &path))
}

/// Files that no other part of the mass has.
fn mass_files(part: u64, files: u64) -> Files {
    let name = |number: u64| {
        let folder = number / FOLDER_FILES;
        let path = format!("part-{part}/{folder}/{number}");
        (path, format!("{part} {number}"))
    };
    (0..files).map(name).collect()
}
