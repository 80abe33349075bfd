//! Reindex: a new catalog, made from packs and notes alone.
//!
//! | comes back | does not |
//! |---|---|
//! | repos, with keys and profile | builds that were not published, and what happened to builds |
//! | refs and releases, with all counts | which snapshot of a release was which build's |
//! | the next numbers of builds, packs and statements | holds of refs, imports that were not visible |
//!
//! A release of which something is lost comes back as retired. If it is the newest of its ref, the ref shows it all the
//! same, so that no number is given away twice, and is held until somebody rolls it back.
//!
//! # Invariants
//!
//! - Nothing is destroyed: the old catalog is renamed, packs that nothing published needs move to the folder
//!   [`UNOWNED`](layout::UNOWNED), and a later reindex looks at them again.
//! - The old catalog goes first, the new one gets its name last. In between the store has none and refuses to be opened,
//!   so that nobody takes packs for strays; after a crash or failure the same call does everything again.
//! - **I1**: a pack has a row only if all of it is what its name says. What is good in a damaged one is copied.
//!
//! # Not here
//!
//! What the notes say (`store::history`), what is complete (`store::salvage`), the rows (`store::restore`).

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::catalog::Catalog;
use super::forgotten::forgotten;
use super::history::{History, find_repos, read_history};
use super::landing::{Landing, leave_word};
use super::layout;
use super::open::{Patience, Store};
use super::pack_health::Health;
use super::problem::Problem;
use super::restore::{Plan, plan};
use super::rows::PackRow;
use super::salvage::{Damages, FOUND, Salvage, found_row, owners};
use super::settings::Settings;
use super::tables::PACKS;
use super::transaction::Transaction;
use super::view::View;
use crate::base::id::PackId;
use crate::base::{Error, Kind, Result};
use crate::disk::files::Disk;
use crate::disk::lock::Sharing;
use crate::disk::real::RealDisk;
use crate::disk::whole;

/// Old catalogs that are kept at most: whoever has more has not looked at them for a long time.
const OLD_CATALOGS_MAX: u64 = 1000;
/// The highest number that is taken from a pack: no store counts so far, and counting on never overflows.
const PACK_NUMBER_MAX: u128 = 1 << 62;

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReindexReport {
    /// Repos.
    pub repos: u64,
    /// Refs that show a release.
    pub refs: u64,
    /// Releases that can be shown.
    pub releases: u64,
    /// Releases of which something is not there: they had been retired, or are lost.
    pub retired: u64,
    /// Snapshots of the releases that can be shown.
    pub snapshots: u64,
    /// Published objects.
    pub objects: u64,
    /// Packs that hold them.
    pub packs: u64,
    /// Packs that nothing published needs; they are in the folder `unowned` now.
    pub unowned_packs: u64,
    /// Their bytes.
    pub unowned_bytes: u64,
    /// The name that the old catalog has now, if there was one.
    pub old_catalog: Option<String>,
    /// In words, what did not come back as only the old catalog knew it: builds that were not published, holds, imports.
    pub forgotten: Vec<String>,
    /// What was published and did not come back, and why.
    pub problems: Vec<Problem>,
}

/// Makes a new catalog for the store in the folder `root`, whether it has one or not.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no store, [`Error::Busy`] if another process holds it for longer than `patience`,
/// [`Error::Io`] if the disk fails: the call can be repeated then. Damage is no error: see [`ReindexReport::problems`].
pub fn reindex(root: &Path, patience: &Patience) -> Result<ReindexReport> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(root));
    Settings::read(&*disk)?;
    let lock = patience.lock(root, Sharing::Alone)?;
    let report = reindex_on(&disk)?;
    drop(lock);
    Ok(report)
}

/// As [`reindex`], for the store on `disk`, which nobody else may use meanwhile.
///
/// # Errors
///
/// As [`reindex`], without waiting.
pub fn reindex_on(disk: &Arc<dyn Disk>) -> Result<ReindexReport> {
    let settings = Settings::read(&**disk)?;
    let old_catalog = set_aside(&**disk)?;
    clear(&**disk)?;
    let catalog = Catalog::create(&**disk, Path::new(layout::NEXT_CATALOG))?;
    let store = Store::with_catalog(Arc::clone(disk), settings, catalog, None)?;
    let mut reindex = Reindex {
        store: &store,
        report: ReindexReport {
            old_catalog,
            ..ReindexReport::default()
        },
    };
    reindex.fill()?;
    let mut report = reindex.report;
    let newest = newest_old_catalog(&**disk)?;
    report.forgotten = forgotten(&**disk, newest.as_deref());
    report.count(&store)?;
    let owned: Vec<PackRow> = store.reader()?.rows(PACKS)?;
    drop(store);
    report.move_unowned(&**disk, &owned.into_iter().map(|row| row.id).collect())?;
    // Should this be killed before the name is durable, whoever opens the store finds the word, and sees to it.
    leave_word(&**disk)?;
    disk.rename(Path::new(layout::NEXT_CATALOG), Path::new(layout::CATALOG))?;
    disk.sync_dir(Path::new(""))?;
    disk.remove(Path::new(layout::LANDING))?;
    Ok(report)
}

/// Takes away what an interrupted attempt left, and gives the packs that an earlier one moved their places again.
fn clear(disk: &dyn Disk) -> Result<()> {
    // A copy of a store may lack its empty folders.
    for folder in layout::FOLDERS {
        disk.create_dir(Path::new(folder))?;
    }
    let next = Path::new(layout::NEXT_CATALOG);
    if whole::exists(disk, next)? {
        disk.remove(next)?;
    }
    for file in disk.list(Path::new(layout::TMP))? {
        disk.remove(&Path::new(layout::TMP).join(file.name))?;
    }
    let unowned = Path::new(layout::UNOWNED);
    let files = match disk.list(unowned) {
        Err(error) if error.is_file_not_found() => return Ok(()),
        files => files?,
    };
    for file in files {
        let Ok(id) = file.name.parse::<PackId>() else {
            continue;
        };
        let path = layout::pack(id);
        if let Some(folder) = path.parent() {
            disk.create_dir(folder)?;
        }
        disk.rename(&unowned.join(file.name), &path)?;
    }
    Ok(())
}

/// Renames the old catalog, if there is one; returns its new name.
fn set_aside(disk: &dyn Disk) -> Result<Option<String>> {
    let old = Path::new(layout::CATALOG);
    if !whole::exists(disk, old)? {
        return Ok(None);
    }
    for number in 1..=OLD_CATALOGS_MAX {
        let path = layout::old_catalog(number);
        if !whole::exists(disk, &path)? {
            disk.rename(old, &path)?;
            disk.sync_dir(Path::new(""))?;
            return Ok(Some(path.display().to_string()));
        }
    }
    Err(Error::Limit {
        what: "the store, in old catalogs,",
        found: OLD_CATALOGS_MAX + 1,
        max: OLD_CATALOGS_MAX,
    })
}

/// The old catalog that was put aside last, by this attempt or by an earlier one.
fn newest_old_catalog(disk: &dyn Disk) -> Result<Option<PathBuf>> {
    let mut newest = None;
    for number in 1..=OLD_CATALOGS_MAX {
        let path = layout::old_catalog(number);
        if !whole::exists(disk, &path)? {
            break;
        }
        newest = Some(path);
    }
    Ok(newest)
}

impl ReindexReport {
    /// Counts what the new catalog holds.
    fn count(&mut self, store: &Store) -> Result<()> {
        let reader = store.reader()?;
        let totals = reader.totals()?;
        (self.objects, self.packs) = (totals.objects, totals.packs);
        for repo in reader.repos()? {
            self.repos += 1;
            for row in reader.refs(&repo)? {
                self.refs += 1;
                let releases = reader.releases(&repo, &row.name)?;
                let shown = releases.iter().filter(|release| !release.retired);
                self.releases += shown.clone().count() as u64;
                let snapshots: HashSet<_> = shown.map(|release| release.snapshot.id).collect();
                self.snapshots += snapshots.len() as u64;
                self.retired += releases.iter().filter(|release| release.retired).count() as u64;
            }
        }
        Ok(())
    }

    /// Moves the packs that are not `owned` out of the way. Their new names are durable before the old ones go.
    fn move_unowned(&mut self, disk: &dyn Disk, owned: &HashSet<PackId>) -> Result<()> {
        disk.create_dir(Path::new(layout::UNOWNED))?;
        let folders = disk.list(Path::new(layout::PACKS))?.into_iter();
        let folders = folders.map(|folder| Path::new(layout::PACKS).join(folder.name));
        let folders: Vec<PathBuf> = folders.collect();
        for folder in &folders {
            for file in disk.list(folder)? {
                let id = file.name.parse::<PackId>().ok();
                if let Some(id) = id.filter(|id| !owned.contains(id)) {
                    disk.rename(&folder.join(&file.name), &layout::unowned_pack(id))?;
                    self.unowned_packs += 1;
                    self.unowned_bytes += file.bytes;
                }
            }
        }
        disk.sync_dir(Path::new(layout::UNOWNED))?;
        folders
            .iter()
            .try_for_each(|folder| disk.sync_dir(folder))?;
        // An attempt that was cut short may have made some of the folders.
        disk.sync_dir(Path::new(layout::PACKS))
    }
}

/// A new catalog in the making.
struct Reindex<'s> {
    store: &'s Store,
    report: ReindexReport,
}

/// A pack that can be opened.
struct FoundPack {
    /// The number that it was written under; none if it is damaged, so that others are preferred.
    number: Option<u64>,
    row: PackRow,
    damaged: HashSet<(crate::object::kind::ObjectKind, crate::base::id::Hash)>,
}

impl Reindex<'_> {
    /// Fills the new catalog.
    fn fill(&mut self) -> Result<()> {
        let mut histories = Vec::new();
        for name in find_repos(&*self.store.disk)? {
            match read_history(&*self.store.disk, &name, &mut self.report.problems) {
                Ok(history) => histories.push(history),
                Err(error) if error.kind() == Kind::Integrity => {
                    let problem = Problem::new("lost repo", name.as_str(), error.to_string());
                    self.report.problems.push(problem);
                }
                Err(error) => return Err(error),
            }
        }
        let found = self.find_packs()?;
        let (packs, damages) = self.take_in(found)?;
        let plans = self.plan(histories, &damages)?;
        let whole = packs
            .iter()
            .filter(|(number, _)| !damages.contains_key(number));
        let whole: Vec<(u64, PackId)> = whole.copied().collect();
        let reaches: Vec<_> = plans.iter().map(|plan| &plan.reach).collect();
        let owners = owners(&self.store.packs, &whole, &reaches)?;
        self.hand_out(&plans, &owners)?;
        for plan in &plans {
            self.store.restore(plan)?;
        }
        self.store.forget_found(&plans)
    }

    /// Checks every pack file.
    fn find_packs(&mut self) -> Result<Vec<FoundPack>> {
        let disk = &*self.store.disk;
        let mut found = Vec::new();
        for id in self.store.packs.list()? {
            let health = Health::check(disk, id)?;
            let place = disk.place(&layout::pack(id)).display().to_string();
            let (number, damaged) = match &health {
                Health::Good(pack) => {
                    let salt = u128::from_le_bytes(pack.salt());
                    let number = u64::try_from(salt.clamp(1, PACK_NUMBER_MAX)).ok();
                    (number, HashSet::new())
                }
                Health::Damaged {
                    objects, reason, ..
                } => {
                    let problem = Problem::new("damaged pack", place, reason);
                    self.report.problems.push(problem);
                    (None, objects.keys().copied().collect())
                }
                Health::Lost { reason } => {
                    let problem = Problem::new("lost pack", place, reason);
                    self.report.problems.push(problem);
                    continue;
                }
            };
            let Some(pack) = health.pack() else { continue };
            let entries = pack.entries().filter_map(Result::ok);
            let expanded = entries.map(|entry| u64::from(entry.location.length)).sum();
            let (bytes, objects) = (pack.bytes().len() as u64, u64::from(pack.objects()));
            found.push(FoundPack {
                number,
                row: found_row(id, bytes, objects, expanded),
                damaged,
            });
        }
        Ok(found)
    }

    /// Gives every pack a row: whole ones first, in the order in which they were written.
    fn take_in(&self, mut found: Vec<FoundPack>) -> Result<(Vec<(u64, PackId)>, Damages)> {
        found.sort_unstable_by_key(|pack| (pack.number.is_none(), pack.number, pack.row.id));
        let numbers = found.iter().filter_map(|pack| pack.number);
        let mut next = numbers.max().unwrap_or_default() + 1;
        let (mut packs, mut damages) = (BTreeMap::new(), Damages::new());
        let transaction = Transaction::begin(self.store)?;
        for pack in found {
            let number = pack.number.filter(|number| !packs.contains_key(number));
            let number = number.unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            transaction.own_found(number, &pack.row, FOUND)?;
            packs.insert(number, pack.row.id);
            if pack.number.is_none() {
                damages.insert(number, pack.damaged);
            }
        }
        transaction.count_from(super::tables::NEXT_PACK, next)?;
        transaction.commit()?;
        self.store.next_pack.store(next, Ordering::Relaxed);
        Ok((packs.into_iter().collect(), damages))
    }

    /// Works out what of each repo can be shown.
    fn plan(&mut self, histories: Vec<History>, damages: &Damages) -> Result<Vec<Plan>> {
        let view = View::new(self.store, 0, &[FOUND], &Landing::default())?;
        let mut salvage = Salvage::new(&view, damages);
        let keys = self.store.key_names()?;
        let mut plans = Vec::new();
        for (number, history) in (1..).zip(histories) {
            let problems = &mut self.report.problems;
            plans.push(plan(number, history, &keys, &view, &mut salvage, problems)?);
        }
        Ok(plans)
    }

    /// Gives the packs that repos own to a build of each, so that each sees only its own.
    fn hand_out(&self, plans: &[Plan], owners: &BTreeMap<u64, usize>) -> Result<()> {
        let transaction = Transaction::begin(self.store)?;
        for (number, owner) in owners {
            let row = transaction.pack(*number)?;
            transaction.disown(FOUND, *number)?;
            transaction.own_found(*number, &row, plans[*owner].build())?;
        }
        transaction.commit()
    }
}
