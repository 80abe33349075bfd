//! A store and its model, side by side, and how they are compared.
//!
//! # Not here
//!
//! What is done to both (`verbs`), what it should do (`reference`).

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use bindery::base::name::RefName;
use bindery::base::{Error, Kind, Result};
use bindery::disk::real::RealDisk;
use bindery::object::edges::edges_of;
use bindery::object::kind::ObjectKind;
use bindery::store::Store;
use bindery::store::rows::BuildState;

use super::reference::{Line, Model, State};
use crate::shelf::{Shelf, ref_name};
use crate::support::simulated_disk::next_random;

/// The refs that builds are for; none lies within another.
pub const REFS: [&str; 3] = ["stable", "testing", "app/editor"];

/// A store and its model.
pub struct World {
    pub shelf: Option<Shelf>,
    pub folder: tempfile::TempDir,
    pub model: Model,
    /// Texts made so far, so that each can be unlike the others.
    pub texts: u64,
    random: u64,
    place: String,
}

impl World {
    /// An empty store on a real disk.
    pub fn new(seed: u64) -> Result<Self> {
        let folder =
            tempfile::tempdir().map_err(Error::io("make", std::path::Path::new("/tmp")))?;
        let disk = RealDisk::new(folder.path().join("store"));
        Ok(Self {
            shelf: Some(Shelf::create(Arc::new(disk))?),
            folder,
            model: Model::default(),
            texts: 0,
            random: seed,
            place: String::new(),
        })
    }

    /// Closes the store and opens it again.
    pub fn reopen(&mut self) -> Result<()> {
        self.shelf = None;
        let disk = RealDisk::new(self.folder.path().join("store"));
        self.shelf = Some(Shelf::open(Arc::new(disk))?);
        Ok(())
    }

    /// The store, with its short words.
    pub fn shelf(&self) -> Result<&Shelf> {
        self.shelf
            .as_ref()
            .ok_or_else(|| Error::internal("the store is open"))
    }

    /// The store.
    pub fn store(&self) -> Result<&Store> {
        Ok(&self.shelf()?.store)
    }

    /// The folder that files are staged from.
    pub fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// Says what is being done, for messages.
    pub fn begin(&mut self, place: String) {
        self.place = place;
    }

    /// Adds to what is being done.
    pub fn doing(&mut self, what: &str) {
        self.place = format!("{}: {what}", self.place);
    }

    /// What is being done, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// A random number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        next_random(&mut self.random) % end
    }

    /// One of some things, if there are any.
    pub fn pick<T: Clone>(&mut self, things: &[T]) -> Option<T> {
        let at = self.below(things.len().max(1) as u64);
        things.get(usize::try_from(at).ok()?).cloned()
    }

    /// One of the builds that `is_meant`.
    pub fn pick_build(&mut self, is_meant: impl Fn(&State) -> bool) -> Option<u64> {
        let builds = self.model.builds.iter();
        let meant: Vec<u64> = builds
            .filter(|(_, build)| is_meant(&build.state))
            .map(|(id, _)| *id)
            .collect();
        self.pick(&meant)
    }

    /// One of the refs.
    pub fn pick_ref(&mut self) -> Result<(String, RefName)> {
        let at = self.below(REFS.len() as u64);
        let name = REFS[usize::try_from(at).unwrap_or_default()];
        Ok((name.to_owned(), ref_name(name)?))
    }

    /// Changes how far a build of the model has come.
    pub fn set_state(&mut self, id: u64, state: State) {
        if let Some(build) = self.model.builds.get_mut(&id) {
            build.state = state;
        }
    }

    /// A ref of the model.
    pub fn line(&mut self, name: &str) -> &mut Line {
        self.model.lines.entry(name.to_owned()).or_default()
    }

    /// Compares everything that can be seen in the store with the model.
    pub fn check(&self) -> Result<()> {
        let real = self.shelf()?;
        for (name, line) in &self.model.lines {
            assert_eq!(
                real.shown(name)?,
                line.shown(),
                "{name} after {}",
                self.place
            );
            self.check_releases(name, line)?;
        }
        for id in self.model.builds.keys() {
            self.check_build(*id)?;
        }
        real.check()
    }

    fn check_releases(&self, name: &str, line: &Line) -> Result<()> {
        let real = self.shelf()?;
        let rows = real
            .store
            .reader()?
            .releases(&real.row()?, &ref_name(name)?)?;
        let found: Vec<(u64, bool)> = rows.iter().map(|row| (row.seq, row.retired)).collect();
        let known = line.releases.iter();
        let known: Vec<(u64, bool)> = known.map(|known| (known.seq, known.is_retired)).collect();
        assert_eq!(found, known, "releases of {name} after {}", self.place);
        for release in line.releases.iter().filter(|release| !release.is_retired) {
            let found = real.snapshot(&[], release.snapshot)?;
            assert_eq!(
                found, release.files,
                "{name}@{} after {}",
                release.seq, self.place
            );
        }
        Ok(())
    }

    fn check_build(&self, id: u64) -> Result<()> {
        let real = self.shelf()?;
        let row = real.store.reader()?.build(id)?;
        let build = &self.model.builds[&id];
        let expected = match &build.state {
            State::Open => BuildState::Open,
            State::Ready(files) => {
                let found = real.tested(id)?;
                assert_eq!(&found, files, "build {id} after {}", self.place);
                BuildState::Ready
            }
            State::Pending { .. } => BuildState::Publishing,
            State::Published { .. } => BuildState::Published,
            State::Purged(receipt) => {
                assert_eq!(row.receipt, Some(*receipt), "purged after {}", self.place);
                BuildState::Purged
            }
        };
        assert_eq!(row.state, expected, "build {id} after {}", self.place);
        Ok(())
    }

    /// Checks that the store holds what its refs show, and nothing else.
    pub fn check_lean(&self) -> Result<()> {
        let real = self.shelf()?;
        let view = real.store.view(&real.repo, &[])?;
        let mut needed = HashSet::new();
        let mut waiting = Vec::new();
        for row in real.store.reader()?.refs(&real.row()?)? {
            waiting.extend(
                row.current
                    .map(|current| (ObjectKind::Snapshot, current.snapshot.id.hash())),
            );
        }
        for release in self.last_imports()? {
            waiting.push(release);
        }
        while let Some((kind, id)) = waiting.pop() {
            if needed.insert((kind, id)) {
                let bytes = view.read(kind, id)?;
                let edges = edges_of(kind, bytes.as_slice()?)?;
                waiting.extend(edges.iter().map(|edge| (edge.kind, edge.id)));
            }
        }
        let totals = real.store.reader()?.totals()?;
        assert_eq!(
            totals.objects,
            needed.len() as u64,
            "objects left over: {}",
            self.place
        );
        assert!(
            totals.live_bytes * 2 >= totals.logical_bytes,
            "more than half is dead: {totals:?}, {}",
            self.place
        );
        Ok(())
    }

    /// The snapshots of the builds that the newest releases brought.
    fn last_imports(&self) -> Result<Vec<(ObjectKind, bindery::base::id::Hash)>> {
        let real = self.shelf()?;
        let mut imports = Vec::new();
        for name in self.model.lines.keys() {
            let reader = real.store.reader()?;
            let rows = reader.releases(&real.row()?, &ref_name(name)?)?;
            let last = rows.last().map(|row| row.imports.clone());
            let snapshots = last.unwrap_or_default().into_iter();
            imports
                .extend(snapshots.map(|import| (ObjectKind::Snapshot, import.snapshot.id.hash())));
        }
        Ok(imports)
    }

    /// Checks that a verb was refused because it contradicts what is there.
    pub fn check_refused<T>(&self, outcome: Result<T>) {
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, Some(Kind::Conflict), "{}", self.place);
    }
}
