//! A store with a random history, and what is known about it without asking it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bindery::base::clock::Time;
use bindery::base::limits::WHOLE_BLOB_BYTES_MAX;
use bindery::base::progress::Silent;
use bindery::base::{Error, Result};
use bindery::build::commit::commit;
use bindery::build::create::{CreateOptions, create};
use bindery::build::publish::{PublishOptions, publish};
use bindery::build::retire::{Keep, Plan, Tagged, plan};
use bindery::build::stage::{StageMode, StageOptions, stage};
use bindery::disk::real::RealDisk;
use bindery::object::pack::{EMPTY_PACK_BYTES, LISTED_BYTES};
use bindery::store::retire::Mode;
use bindery::store::rows::{BuildState, Receipt};
use bindery::store::settings::OnConflict;

use super::measure::Disk;
use crate::shelf::{Files, Shelf, moment, ref_name};
use crate::support::simulated_disk::next_random;

/// The refs that are published to.
const REFS: [&str; 3] = ["stable", "testing", "app/editor"];
/// Seconds of a day.
const DAY_S: u64 = 24 * 60 * 60;
/// Bytes that a frame needs, of which each object may have one of its own.
const FRAME_BYTES: u64 = 32;

/// A release, as it was when it was made.
struct Release {
    time: Time,
    tag: bool,
    files: Files,
    is_retired: bool,
}

/// A store with a random history.
pub struct History {
    shelf: Shelf,
    folder: tempfile::TempDir,
    random: u64,
    day: u64,
    texts: u64,
    place: String,
    /// By ref and seq.
    releases: BTreeMap<(String, u64), Release>,
    /// What was staged into builds that are open.
    open: BTreeMap<u64, Files>,
    /// Builds whose files are added to what their ref shows, so that parts of many packs live on.
    merging: BTreeSet<u64>,
    /// What committed builds show, and whether they are tagged.
    ready: BTreeMap<u64, (String, bool, Files)>,
}

impl History {
    pub fn new(seed: u64) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(Error::io("make", Path::new("a folder")))?;
        let disk = RealDisk::new(folder.path().join("store"));
        Ok(Self {
            shelf: Shelf::create(Arc::new(disk))?,
            folder,
            random: seed,
            day: 1,
            texts: seed << 32,
            place: String::new(),
            releases: BTreeMap::new(),
            open: BTreeMap::new(),
            merging: BTreeSet::new(),
            ready: BTreeMap::new(),
        })
    }

    /// Says what is being done, for messages.
    pub fn begin(&mut self, place: String) {
        self.place = place;
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    fn below(&mut self, end: u64) -> u64 {
        next_random(&mut self.random) % end
    }

    fn now(&self) -> Result<Time> {
        moment(self.day * DAY_S)
    }

    fn pick(&mut self, builds: &[u64]) -> Option<u64> {
        let at = self.below(builds.len().max(1) as u64);
        builds.get(usize::try_from(at).ok()?).copied()
    }

    /// Does something random.
    pub fn step(&mut self) -> Result<()> {
        self.day += self.below(2);
        match self.below(100) {
            0..30 => self.build().map(drop),
            30..42 => match self.pick(&self.open.keys().copied().collect::<Vec<_>>()) {
                Some(build) => self.commit(build),
                None => Ok(()),
            },
            42..52 => match self.pick(&self.ready.keys().copied().collect::<Vec<_>>()) {
                Some(build) => self.publish(build),
                None => Ok(()),
            },
            52..82 => {
                let build = self.build()?;
                self.commit(build)?;
                self.publish(build)
            }
            82..88 => self.purge(),
            _ => self.retire(),
        }
    }

    /// Retires once more, then commits and publishes or purges what is left of the builds.
    pub fn finish(&mut self) -> Result<()> {
        self.retire()?;
        for build in self.open.keys().copied().collect::<Vec<_>>() {
            self.commit(build)?;
        }
        while let Some(build) = self.ready.keys().next().copied() {
            self.publish(build)?;
        }
        self.retire()?;
        let nothing = Keep {
            last: Some(0),
            tagged: Some(Tagged::LetGo),
            ..Keep::default()
        };
        self.retire_by(None, nothing)?;
        let shown = self.releases.values().filter(|r| !r.is_retired).count();
        assert!(shown <= REFS.len(), "only what refs show: {}", self.place);
        Ok(())
    }

    /// A text that is often one that others have, mostly small, and now and then so large that it is cut into pieces.
    fn text(&mut self) -> String {
        self.texts += 1;
        let number = self.texts;
        match self.below(80) {
            0..20 => format!("shared {}", number % 5).repeat(200),
            20..40 => number.to_string(),
            40..44 => String::new(),
            44 => {
                let bytes = usize::try_from(WHOLE_BLOB_BYTES_MAX).unwrap_or_default() + 100_000;
                noise(number / 3, bytes)
            }
            45..60 => format!("{number} is a line\n").repeat(300),
            _ => {
                let bytes = usize::try_from(self.below(60_000)).unwrap_or_default();
                noise(number, bytes)
            }
        }
    }

    /// Makes a build and stages some files into it; returns its id.
    fn build(&mut self) -> Result<u64> {
        let at = usize::try_from(self.below(REFS.len() as u64)).unwrap_or_default();
        let is_tagged = self.below(6) == 0;
        let tag = is_tagged.then(|| ("tag".to_owned(), format!("v{}", self.texts)));
        let options = CreateOptions {
            repo: self.shelf.repo.clone(),
            target: Some(ref_name(REFS[at])?),
            labels: tag.into_iter().collect(),
            from: None,
        };
        let build = create(&self.shelf.store, options, self.now()?)?.id;
        let mut files = Files::new();
        for _ in 0..=self.below(6) {
            let path = format!("d{}/f{}", self.below(3), self.below(5));
            let text = self.text();
            files.insert(path, text);
        }
        // Now and then what some release has already, so that nothing of it is stored again.
        if self.below(3) == 0 {
            let kept: Vec<&Release> = self.releases.values().filter(|r| !r.is_retired).collect();
            if let Some(release) = kept.get(kept.len() / 2) {
                files.extend(release.files.clone());
            }
        }
        if self.below(4) > 0 {
            self.merging.insert(build);
        }
        self.stage(build, &files)?;
        self.open.insert(build, files);
        Ok(build)
    }

    fn stage(&self, build: u64, files: &Files) -> Result<()> {
        let source = self.folder.path().join("source");
        write(&source, files).map_err(Error::io("write", &source))?;
        let mode = if self.merging.contains(&build) {
            StageMode::Merge
        } else {
            StageMode::Replace
        };
        let options = StageOptions {
            mode,
            ..StageOptions::default()
        };
        let (paths, time): ([PathBuf; 1], _) = ([source], self.now()?);
        stage(&self.shelf.store, build, &paths, &options, &Silent, time).map(drop)
    }

    /// Commits a build. If something of what it staged was retired, it is told what, and staging it again is enough.
    fn commit(&mut self, build: u64) -> Result<()> {
        let Some(files) = self.open.remove(&build) else {
            return Ok(());
        };
        match commit(&self.shelf.store, build, "", self.now()?) {
            Err(Error::Missing { objects, .. }) => {
                self.check_missing(build, &objects)?;
                self.stage(build, &files)?;
                commit(&self.shelf.store, build, "", self.now()?)?;
            }
            other => drop(other?),
        }
        let shown = self.shelf.tested(build)?;
        // What a merge gives is told by the model test; here, that nothing of it is lost.
        let is_whole = self.merging.contains(&build) || shown == files;
        assert!(is_whole, "build {build} lost something: {}", self.place);
        let row = self.shelf.store.reader()?.build(build)?;
        let target = row.target.map(|target| target.to_string());
        let is_tagged = row.labels.contains_key("tag");
        let ready = (target.unwrap_or_default(), is_tagged, shown);
        self.ready.insert(build, ready);
        Ok(())
    }

    /// Checks that what a commit missed is not there, and that the build is as it was.
    fn check_missing(&self, build: u64, objects: &[String]) -> Result<()> {
        let row = self.shelf.store.reader()?.build(build)?;
        assert_eq!(row.state, BuildState::Open, "{}", self.place);
        assert!(!objects.is_empty(), "{}", self.place);
        let view = self.shelf.store.view(&self.shelf.repo, &[build])?;
        for object in objects {
            let (kind, id) = object.split_once(' ').unwrap_or_default();
            let kinds = bindery::object::kind::ObjectKind::ALL;
            let kind = kinds.into_iter().find(|known| known.name() == kind);
            let id = id.parse().map_err(|_| Error::usage(object.clone()))?;
            let kind = kind.ok_or_else(|| Error::usage(object.clone()))?;
            assert_eq!(view.find(kind, id)?, None, "{object}: {}", self.place);
        }
        Ok(())
    }

    fn publish(&mut self, build: u64) -> Result<()> {
        let options = PublishOptions {
            on_conflict: Some(OnConflict::Build),
            ..PublishOptions::default()
        };
        let answer = publish(&self.shelf.store, build, &options, self.now()?)?;
        let Some((target, tag, files)) = self.ready.remove(&build) else {
            return Ok(());
        };
        let shown = self.shelf.shown(&target)?;
        let is_whole = self.merging.contains(&build) || shown == files;
        assert!(is_whole, "{target} lost something: {}", self.place);
        let files = shown;
        let release = Release {
            time: self.now()?,
            tag,
            files,
            is_retired: false,
        };
        self.releases.insert((target, answer.seq), release);
        Ok(())
    }

    /// Purges a build: what is said beforehand, what is freed and what the files say are the same.
    fn purge(&mut self) -> Result<()> {
        let builds = self.open.keys().chain(self.ready.keys());
        let Some(build) = self.pick(&builds.copied().collect::<Vec<_>>()) else {
            return Ok(());
        };
        let (store, before) = (&self.shelf.store, self.measure()?);
        let rehearsed = store.rehearse_purge(build, self.now()?)?;
        if let Some(planned) = store.plan_purge(build)? {
            assert_eq!(planned, rehearsed, "{}", self.place);
        }
        assert_eq!(self.measure()?, before, "a plan changes nothing");
        let receipt = store.purge_build(build, self.now()?)?;
        assert_eq!(receipt, rehearsed, "purge {build}: {}", self.place);
        self.check_receipt(&before, receipt)?;
        self.open.remove(&build);
        self.ready.remove(&build);
        self.check()
    }

    fn retire(&mut self) -> Result<()> {
        let at = usize::try_from(self.below(REFS.len() as u64 * 2)).unwrap_or_default();
        let target = REFS.get(at).copied().filter(|name| {
            let mut refs = self.releases.keys();
            refs.any(|(target, _)| target == name)
        });
        let keep = Keep {
            last: (self.below(3) > 0).then(|| self.below(4)),
            younger_s: (self.below(3) == 0).then(|| self.below(9) * DAY_S),
            tagged: (self.below(3) == 0).then_some(Tagged::LetGo),
        };
        self.retire_by(target, keep)
    }

    fn retire_by(&mut self, target: Option<&str>, keep: Keep) -> Result<()> {
        self.place = format!("{}: retire {target:?} but {keep:?}", self.place);
        let expected = self.going(target, keep)?;
        let name = target.map(ref_name).transpose()?;
        let real = &self.shelf;
        let plan = plan(&real.store, &real.repo, name.as_ref(), keep, self.now()?)?;
        assert_eq!(going(&plan), expected, "{}", self.place);
        let before = self.measure()?;
        let objects = real.store.reader()?.totals()?.objects;
        let row = real.row()?;
        let planned = real
            .store
            .retire_releases(&row, &plan.ids(), Mode::DryRun)?;
        assert_eq!(
            self.measure()?,
            before,
            "a plan changes nothing: {}",
            self.place
        );
        let totals = real.store.reader()?.totals()?;
        assert_eq!(
            totals.objects, objects,
            "a plan changes nothing: {}",
            self.place
        );
        let receipt = real.store.retire_releases(&row, &plan.ids(), Mode::Apply)?;
        assert_eq!(receipt, planned, "done as planned: {}", self.place);
        self.check_receipt(&before, receipt)?;
        let left = real.store.reader()?.totals()?.objects;
        assert_eq!(objects - left, receipt.objects, "{}", self.place);
        for id in expected {
            if let Some(release) = self.releases.get_mut(&id) {
                release.is_retired = true;
            }
        }
        self.check_lean()?;
        self.check()
    }

    /// Which releases should go, by a second reading of the rules.
    fn going(&self, target: Option<&str>, keep: Keep) -> Result<BTreeSet<(String, u64)>> {
        let mut going = BTreeSet::new();
        for name in REFS {
            let is_meant = target.is_none_or(|target| target == name);
            if !is_meant || (keep.last, keep.younger_s) == (None, None) {
                continue;
            }
            let releases = self.releases.iter();
            let mut seqs: Vec<(u64, &Release)> = releases
                .filter(|((target, _), release)| target == name && !release.is_retired)
                .map(|((_, seq), release)| (*seq, release))
                .collect();
            seqs.reverse();
            for (place, (seq, release)) in (0_u64..).zip(seqs) {
                let age_s = self.now()?.seconds() - release.time.seconds();
                let is_kept = place == 0
                    || keep.last.is_some_and(|last| place < last)
                    || keep.younger_s.is_some_and(|younger_s| age_s < younger_s)
                    || (release.tag && keep.tagged != Some(Tagged::LetGo));
                if !is_kept {
                    going.insert((name.to_owned(), seq));
                }
            }
        }
        Ok(going)
    }

    fn measure(&self) -> Result<Disk> {
        let store = self.folder.path().join("store");
        Disk::measure(&store).map_err(Error::io("measure", &store))
    }

    /// Checks that the files became shorter by as much as the receipt says.
    fn check_receipt(&self, before: &Disk, receipt: Receipt) -> Result<()> {
        let after = self.measure()?;
        let freed = (
            before.packs() - after.packs(),
            before.bytes() - after.bytes(),
        );
        assert_eq!((receipt.packs, receipt.bytes), freed, "{}", self.place);
        Ok(())
    }

    /// Checks that the packs take at most twice what is live, each object with what lists it and a frame, and beyond that
    /// what each pack needs to be one.
    fn check_lean(&self) -> Result<()> {
        let (disk, totals) = (self.measure()?, self.shelf.store.reader()?.totals()?);
        assert_eq!(
            (disk.packs(), disk.bytes()),
            (totals.packs, totals.stored_bytes)
        );
        let live = totals.live_bytes + totals.objects * (LISTED_BYTES + FRAME_BYTES);
        assert!(
            totals.logical_bytes <= 2 * live,
            "{totals:?}: {}",
            self.place
        );
        let most = 2 * live + disk.packs() * EMPTY_PACK_BYTES;
        assert!(disk.bytes() <= most, "{totals:?}, {most}: {}", self.place);
        Ok(())
    }

    /// Checks everything that is kept, byte for byte, and every count.
    fn check(&self) -> Result<()> {
        for name in REFS {
            let rows = self.shelf.store.reader()?;
            for row in rows.releases(&self.shelf.row()?, &ref_name(name)?)? {
                let release = &self.releases[&(name.to_owned(), row.seq)];
                assert_eq!(row.retired, release.is_retired, "{}", self.place);
                if !row.retired {
                    let found = self.shelf.snapshot(&[], row.snapshot)?;
                    assert!(found == release.files, "{name}@{}: {}", row.seq, self.place);
                }
            }
        }
        for (build, (_, _, files)) in &self.ready {
            let found = self.shelf.tested(*build)?;
            assert!(found == *files, "build {build}: {}", self.place);
        }
        self.shelf.check()
    }
}

/// The releases that go by a plan.
fn going(plan: &Plan) -> BTreeSet<(String, u64)> {
    let ids = plan.ids().into_iter();
    ids.map(|(name, _, seq)| (name.to_string(), seq)).collect()
}

/// Text of 64 different letters, the same for each number: it compresses by a quarter at most.
fn noise(number: u64, bytes: usize) -> String {
    const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";
    let mut state = number;
    let mut text = String::with_capacity(bytes + 8);
    while text.len() < bytes {
        let word = next_random(&mut state).to_le_bytes();
        text.extend(word.map(|byte| char::from(LETTERS[usize::from(byte % 64)])));
    }
    text
}

fn write(source: &Path, files: &Files) -> std::io::Result<()> {
    if source.exists() {
        fs::remove_dir_all(source)?;
    }
    for (path, text) in files {
        let path = source.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}
