//! Fsck: whether everything that the catalog says about packs, objects and releases is so.
//!
//! Every byte of every pack is read. What is damaged is listed with the paths of the releases that need it; nothing is
//! changed, but for counts that are recomputed on request.
//!
//! # Invariants
//!
//! - Damage never ends the check: it goes on and lists what it can. Only a failing disk or catalog is an error.
//! - **I1**, **I2** and **I4** are checked always, **I3** with [`Counts::Recompute`].
//!
//! # Not here
//!
//! Whether trees are canonical and their totals true (`build::verify`), making a new catalog (`store::reindex`).

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use redb::ReadableTable;

use super::build_walk::missing_of_build;
use super::catalog::{failed, open_table};
use super::catalog_copy::damage_of_catalog;
use super::counts::Drift;
use super::explain::{Hurt, explain, live_builds};
use super::layout;
use super::mending::{Finder, Mending};
use super::needs::Object;
use super::note_check::WrongNotes;
use super::open::Store;
use super::pack_health::{Health, wrong_recipe};
use super::place::Place;
use super::published::Published;
use super::reader::Reader;
use super::rows::{Owner, PackRow, RepoRow, SnapshotRef};
use super::tables::{DYING, PACKS};
use super::transaction::Transaction;
use super::view::View;
use crate::base::Result;
use crate::base::id::{Hash, PackId};
use crate::base::progress::Progress;
use crate::object::kind::ObjectKind;
use crate::object::pack::Location;

pub use super::problem::Problem;

/// The catalog, as a place of problems.
const CATALOG: &str = "the catalog";

/// What is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsckOptions {
    /// Whether counts are recomputed.
    pub counts: Counts,
}

/// What is done about counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// They are believed.
    #[default]
    Skip,
    /// They are recomputed from the published trees and roots. What is wrong is put right if the store can be written.
    Recompute,
}

/// What a check of a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Packs that were checked.
    pub packs: u64,
    /// Objects in them.
    pub objects: u64,
    /// The bytes of the pack files.
    pub bytes: u64,
    /// What is wrong. If there is anything, the store has lost data or its catalog is wrong.
    pub problems: Vec<Problem>,
    /// In words, what had leaked and was put right: harmless but for the space.
    pub repaired: Vec<String>,
    /// In words, what leaks and was not put right, as the store is open to read only.
    pub leaks: Vec<String>,
    /// Files in the folder of packs that no row names: what a crash may leave.
    pub strays: Vec<String>,
}

impl Store {
    /// Checks the whole store. While counts are recomputed, nobody else can write.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) or [`Error::Catalog`](crate::base::Error::Catalog) if disk or catalog cannot
    /// be read. What is damaged is no error: see [`FsckReport::problems`].
    pub fn fsck(&self, options: FsckOptions, progress: &dyn Progress) -> Result<FsckReport> {
        // What is counted is put right to what was found, so nothing may change in between.
        let is_counting = options.counts == Counts::Recompute && self.is_writable();
        let transaction = is_counting.then(|| Transaction::begin(self)).transpose()?;
        let mut fsck = Fsck {
            store: self,
            reader: self.reader()?,
            packs: BTreeMap::new(),
            report: FsckReport::default(),
        };
        let quiet = (self.is_writable() && !is_counting).then(|| self.catalog.write());
        let quiet = quiet.transpose()?;
        fsck.check_catalog()?;
        drop(quiet);
        if !fsck.report.problems.is_empty() {
            // It is not to be believed, and redb may panic where it reads on.
            return Ok(fsck.report);
        }
        fsck.check_packs(progress)?;
        fsck.tell_packs();
        fsck.find_strays()?;
        let (mut drifts, mut leaks) = (Vec::new(), Vec::new());
        for repo in fsck.reader.repos()? {
            drifts.extend(fsck.check_repo(&repo, options)?);
            leaks.extend(self.useless_deltas(&repo, transaction.as_ref())?);
        }
        let mut report = fsck.report;
        leaks.extend(drifts.iter().flat_map(|drift| drift.leaks.clone()));
        if let Some(transaction) = transaction {
            report.repaired.extend(leaks);
            put_right(transaction, &drifts)?;
        } else {
            report.leaks.extend(leaks);
        }
        report
            .problems
            .extend(drifts.into_iter().flat_map(|drift| drift.losses));
        Ok(report)
    }
}

/// Puts the counts of all repos right.
fn put_right(mut transaction: Transaction<'_>, drifts: &[Drift]) -> Result<()> {
    if drifts.is_empty() {
        return Ok(());
    }
    let mut drifts = drifts.iter();
    drifts.try_for_each(|drift| transaction.put_right(drift))?;
    transaction.commit()
}

/// A check under way.
struct Fsck<'s> {
    store: &'s Store,
    reader: Reader<'s>,
    packs: BTreeMap<u64, (PackRow, Health)>,
    report: FsckReport,
}

impl Fsck<'_> {
    fn add(&mut self, what: &str, place: impl Into<String>, detail: impl Into<String>) {
        self.report.problems.push(Problem::new(what, place, detail));
    }

    fn file(&self, id: PackId) -> String {
        let place = self.store.disk.place(&layout::pack(id));
        place.display().to_string()
    }

    /// Checks every page of the catalog. Nobody can write meanwhile.
    fn check_catalog(&mut self) -> Result<()> {
        let disk = &*self.store.disk;
        let path = Path::new(layout::CATALOG);
        if let Some(damage) = damage_of_catalog(disk, path)? {
            let place = disk.place(path).display().to_string();
            let detail = damage + "; a new one can be made from packs and notes";
            self.add("damaged catalog", place, detail);
        }
        Ok(())
    }

    /// Reads every pack, and compares it with its row.
    fn check_packs(&mut self, progress: &dyn Progress) -> Result<()> {
        let rows: Vec<(u64, PackRow)> = self.reader.numbered(PACKS)?;
        progress.expect(rows.iter().map(|(_, row)| row.bytes).sum());
        let mut ids = HashSet::new();
        for (number, row) in rows {
            progress.check()?;
            let health = Health::check(&*self.store.disk, row.id)?;
            progress.advance(row.bytes);
            if !ids.insert(row.id) {
                self.add("doubled row", CATALOG, format!("pack {} has two", row.id));
            }
            if let Health::Good(pack) = &health {
                let bytes = pack.bytes().len() as u64;
                let expanded = pack.entries().filter_map(Result::ok);
                let expanded: u64 = expanded.map(|e| u64::from(e.location.length)).sum();
                let found = (bytes, u64::from(pack.objects()), expanded);
                if found != (row.bytes, row.objects, row.expanded_bytes) {
                    let detail = format!("pack {} does not have the sizes of its row", row.id);
                    self.add("wrong row", CATALOG, detail);
                }
            }
            self.report.packs += 1;
            self.report.objects += row.objects;
            self.report.bytes += row.bytes;
            self.check_owner(number, &row)?;
            self.packs.insert(number, (row, health));
        }
        Ok(())
    }

    fn check_owner(&mut self, number: u64, row: &PackRow) -> Result<()> {
        let is_known = match row.owner {
            Owner::Build(build) => self.reader.packs_of(build)?.contains(&number),
            Owner::Repo(repo) => {
                let repos = self.reader.repos()?;
                repos.iter().any(|known| known.number == repo)
            }
        };
        if !is_known {
            let detail = format!("the owner of pack {} is not there", row.id);
            self.add("wrong row", CATALOG, detail);
        }
        Ok(())
    }

    /// Lists the files of packs that no row names and that are not about to be unlinked.
    fn find_strays(&mut self) -> Result<()> {
        let rows = self.packs.values();
        let mut known: HashSet<PackId> = rows.map(|(row, _)| row.id).collect();
        for row in open_table(&self.reader.read, DYING)?
            .iter()
            .map_err(failed("read"))?
        {
            let (_, id) = row.map_err(failed("read"))?;
            known.insert(PackId::new(Hash::from_bytes(*id.value())));
        }
        let mut strays = self.store.packs.list()?;
        strays.retain(|id| !known.contains(id));
        self.report.strays = strays.into_iter().map(|id| self.file(id)).collect();
        Ok(())
    }

    /// Checks the published set of a repo; with [`Counts::Recompute`], says which rows are wrong.
    fn check_repo(&mut self, repo: &RepoRow, options: FsckOptions) -> Result<Option<Drift>> {
        self.check_notes(repo)?;
        self.check_builds(repo)?;
        let view = self.store.view(&repo.name, &[])?;
        let mut published = Published::load(&self.reader, &view)?;
        let (roots, lost_roots) = self.check_releases(repo, &view, &published)?;
        let mending = self.check_objects(repo, &view, &mut published, &lost_roots, options)?;
        if options.counts == Counts::Skip {
            return Ok(None);
        }
        let is_known = lost_roots
            .iter()
            .all(|root| published.find(*root).is_some());
        let drift = if is_known {
            Drift::find(&self.reader, repo.number, &published, &roots, mending)?
        } else {
            None
        };
        if drift.is_none() {
            let detail = format!(
                "the counts of {} were not recomputed: a part of it cannot be read",
                repo.name
            );
            self.add("unknown counts", CATALOG, detail);
        }
        Ok(drift.filter(|drift| !drift.is_none()))
    }

    /// Checks that the notes that the catalog knows of are there and hold.
    fn check_notes(&mut self, repo: &RepoRow) -> Result<()> {
        let disk = &*self.store.disk;
        let wrong = WrongNotes::find(disk, &self.reader, repo)?;
        self.report.problems.extend(wrong.problems(disk, repo));
        Ok(())
    }

    /// Checks what the builds of a repo that are not over need of their packs, as far as those are hurt.
    fn check_builds(&mut self, repo: &RepoRow) -> Result<()> {
        let mut hurt = Vec::new();
        for build in live_builds(&self.reader, repo)? {
            let packs = self.reader.packs_of(build.id)?;
            let is_good = |number| matches!(self.packs.get(number), Some((_, Health::Good(_))));
            if packs.iter().all(is_good) {
                continue;
            }
            let view = View::of_rest(self.store, repo.number, &[build.id])?;
            let mut missing = missing_of_build(&self.reader, &build, &view, &mut |_| None)?;
            // Also what the build does not need any more.
            let packs = packs.iter().filter_map(|number| self.packs.get(number));
            missing.extend(packs.flat_map(|(_, health)| health.damaged()));
            hurt.extend(missing.into_iter().map(|(object, reason)| Hurt {
                object,
                what: "damaged object",
                reason,
            }));
        }
        let problems = explain(&self.reader, repo, &hurt)?;
        self.report.problems.extend(problems);
        Ok(())
    }

    /// Checks that every release that is not retired has its snapshots, and that refs show what their statement names.
    /// Returns the roots of all releases, and those of them that are not published.
    fn check_releases(
        &mut self,
        repo: &RepoRow,
        view: &View<'_>,
        published: &Published,
    ) -> Result<(Vec<SnapshotRef>, Vec<Object>)> {
        let (mut all, mut lost) = (Vec::new(), Vec::new());
        for row in self.reader.refs(repo)? {
            let releases = self.reader.releases(repo, &row.name)?;
            if let Some(current) = row.current {
                let is_shown = releases.iter().any(|release| {
                    let key = (
                        release.epoch,
                        release.seq,
                        release.statement,
                        release.snapshot,
                    );
                    key == (
                        current.epoch,
                        current.seq,
                        current.statement,
                        current.snapshot,
                    ) && !release.retired
                });
                let root = view
                    .snapshot(current.snapshot.id)
                    .map(|snapshot| snapshot.tree);
                let is_root = root.map_or(true, |root| root == current.root.into());
                if !is_shown || !is_root {
                    let detail = format!(
                        "{}@{} is not what {} shows",
                        row.name, current.seq, row.name
                    );
                    self.add("wrong row", CATALOG, detail);
                }
            }
            for release in releases.iter().filter(|release| !release.retired) {
                let roots = Store::roots_of(release.snapshot, &release.imports);
                for root in &roots {
                    let object = (ObjectKind::Snapshot, root.id.hash());
                    if published.find(object).is_none() {
                        let detail =
                            format!("snapshot {} of {}@{}", root.id, row.name, release.seq);
                        self.add("lost object", CATALOG, detail + " is not published");
                        lost.push(object);
                    }
                }
                all.extend(roots);
            }
        }
        Ok((all, lost))
    }

    /// Checks that every published object lies where its row says, and that all it points at is published. With
    /// [`Counts::Recompute`], finds the right places of those whose rows are wrong or missing.
    fn check_objects(
        &mut self,
        repo: &RepoRow,
        view: &View<'_>,
        published: &mut Published,
        lost_roots: &[Object],
        options: FsckOptions,
    ) -> Result<Mending> {
        let finder = self.finder(repo, options);
        let (mut hurt, mut mending) = (Vec::new(), Mending::default());
        for at in 0..published.len() {
            let (object, place) = (published.object(at), published.row(at).place);
            let Some((what, reason)) = self.misplaced(repo, view, object, place) else {
                continue;
            };
            match finder.find(object).filter(|_| what != "damaged object") {
                Some(place) => {
                    mending.places.insert(object, place);
                }
                None => {
                    mending.unknown.insert(object);
                }
            }
            hurt.push(Hurt {
                object,
                what,
                reason,
            });
        }
        published.mend(&mending.places);
        let known: HashSet<Object> = hurt.iter().map(|hurt| hurt.object).collect();
        let faults = published.read_edges(view);
        let unpublished = faults.iter().filter(|fault| fault.parent.is_some());
        let seeds: Vec<Object> = unpublished.map(|fault| fault.object).collect();
        mending.find_rows(
            published,
            seeds.iter().chain(lost_roots).copied(),
            &finder,
            view,
        );
        published.mend(&mending.places);
        let left = published.read_edges(view);
        for fault in left
            .iter()
            .filter(|fault| fault.object.0 != ObjectKind::Blob)
        {
            mending.unknown.insert(fault.parent.unwrap_or(fault.object));
        }
        for fault in faults {
            let is_told = known.contains(&fault.object)
                || fault.parent.is_some_and(|parent| known.contains(&parent));
            if !is_told {
                hurt.push(Hurt {
                    object: fault.object,
                    what: "lost object",
                    reason: fault.reason,
                });
            }
        }
        let problems = explain(&self.reader, repo, &hurt)?;
        self.report.problems.extend(problems);
        mending
            .unknown
            .retain(|(kind, _)| *kind != ObjectKind::Blob);
        Ok(mending)
    }

    /// The whole packs of a repo, if rows are to be mended.
    fn finder(&self, repo: &RepoRow, options: FsckOptions) -> Finder<'_> {
        let packs = self.packs.iter().filter_map(|(number, (row, health))| {
            let is_own = row.owner == Owner::Repo(repo.number);
            match health {
                Health::Good(pack) if is_own => Some((*number, pack)),
                _ => None,
            }
        });
        let packs = match options.counts {
            Counts::Skip => Vec::new(),
            Counts::Recompute => packs.collect(),
        };
        Finder { packs }
    }

    /// What is wrong with the place of a published object, if anything.
    fn misplaced(
        &self,
        repo: &RepoRow,
        view: &View<'_>,
        object: Object,
        place: Place,
    ) -> Option<(&'static str, String)> {
        let Some((row, health)) = self.packs.get(&place.pack) else {
            return Some(("lost object", "its row names no pack".into()));
        };
        if row.owner != Owner::Repo(repo.number) {
            let reason = format!("its pack {} is not the repo's", row.id);
            return Some(("wrong row", reason));
        }
        if let Some(reason) = health.damage(&object) {
            return Some(("damaged object", format!("pack {}: {reason}", row.id)));
        }
        let (frame, start, length) = (place.frame, place.start, place.length);
        let expected = Location {
            frame,
            start,
            length,
        };
        let (kind, id) = object;
        let found = health.pack().and_then(|pack| pack.find(kind, id));
        if found != Some(expected) {
            let what = match health {
                Health::Good(_) => "wrong row",
                Health::Damaged { .. } | Health::Lost { .. } => "damaged object",
            };
            return Some((what, format!("it does not lie there in pack {}", row.id)));
        }
        if kind == ObjectKind::Recipe && matches!(health, Health::Damaged { .. }) {
            let reason = wrong_recipe(view, object, place)?;
            return Some(("damaged object", format!("pack {}: {reason}", row.id)));
        }
        None
    }

    /// Lists the packs that are damaged.
    fn tell_packs(&mut self) {
        let packs = self.packs.values();
        let problems = packs.filter_map(|(row, health)| health.problem(row, &self.file(row.id)));
        let problems: Vec<Problem> = problems.collect();
        self.report.problems.extend(problems);
    }
}
