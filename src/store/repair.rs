//! Repair: what is damaged or missing in a store comes back, from what is left of it and from another store.
//!
//! | hurt | healed by |
//! |---|---|
//! | published objects in packs that are damaged or missing | new packs of the repo; their rows point there |
//! | what a build needs of its packs that are damaged or missing | new packs of the build |
//! | notes | the same notes of the other store, or what the catalog says (`store::note_repair`) |
//!
//! # Invariants
//!
//! - Nobody is trusted: what goes into a new pack has the id that was asked for (`store::supply`).
//! - All rows change in one transaction; counts, pins and owners stay as they were. A crash leaves the old store or the new
//!   one.
//! - A damaged pack goes only after all of it that is needed is durable in a new one. Otherwise it stays where it is, and
//!   its row with it, so that a later repair from yet another store can go on.
//!
//! # Not here
//!
//! Rows that contradict each other (`store::counts`), a catalog that is lost (`store::reindex`), finding out that nothing
//! is hurt any more: `store::fsck` looks again.

use std::collections::{BTreeMap, BTreeSet};

use super::build_walk::missing_of_build;
use super::explain::{Hurt, explain, live_builds, needs_of};
use super::intake::Intake;
use super::landing::Landing;
use super::layout;
use super::needs::Object;
use super::note_repair::repair_notes;
use super::open::Store;
use super::pack_health::Health;
use super::place::{OpenPack, Place};
use super::problem::Problem;
use super::published::Published;
use super::reader::Reader;
use super::repack::Places;
use super::rows::{BuildRow, Owner, PackRow, RepoRow};
use super::supply::{Origin, OtherStore, Supply};
use super::tables::{PACKS, pin_bytes};
use super::transaction::Transaction;
use super::view::View;
use crate::base::Result;
use crate::base::limits::LISTED_PATHS_MAX;
use crate::base::progress::Progress;
use crate::object::edges::edges_of;
use crate::object::kind::ObjectKind;
use crate::object::remains::Remains;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Packs that were damaged or missing and have been replaced.
    pub packs: u64,
    /// Objects of such packs that could still be read here and were moved.
    pub moved: u64,
    /// Objects that came from the other store.
    pub objects: u64,
    /// Their bytes, expanded.
    pub bytes: u64,
    /// The files of notes that were written.
    pub notes: Vec<String>,
    /// The objects that came from the other store, with what needs them; the first ones.
    pub healed: Vec<Problem>,
    /// What nobody has, with what needs it; the first ones of each repo.
    pub lost: Vec<Problem>,
    /// The files of damaged packs that were kept, as not all that is needed of them could be healed.
    pub kept: Vec<String>,
}

impl Store {
    /// Heals what is damaged or missing with objects and notes of another store. Nobody else can write meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`](crate::base::Error::NotAllowed) if the store is open to read only,
    /// [`Error::Io`](crate::base::Error::Io) or [`Error::Catalog`](crate::base::Error::Catalog) if disk or catalog fail:
    /// packs and rows are as before then, and the same call can be made again. What cannot be healed is no error: see
    /// [`RepairReport::lost`].
    pub fn repair(&self, from: &OtherStore, progress: &dyn Progress) -> Result<RepairReport> {
        let transaction = Transaction::begin(self)?;
        let mut repair = Repair::survey(self, from, progress)?;
        let repos = repair.reader.repos()?;
        for repo in &repos {
            repair.heal_published(repo)?;
            for build in live_builds(&repair.reader, repo)? {
                repair.heal_build(repo, &build)?;
            }
        }
        let (mut report, told) = repair.apply(transaction)?;
        let reader = self.reader()?;
        for (repo, told) in repos.iter().zip(told) {
            report.notes.extend(repair_notes(self, repo, &*from.disk)?);
            report.tell(&reader, repo, &told)?;
        }
        Ok(report)
    }
}

/// What became of the objects of one repo.
#[derive(Debug, Default)]
struct Told {
    healed: Vec<Object>,
    lost: Vec<Hurt>,
}

impl RepairReport {
    fn tell(&mut self, reader: &Reader<'_>, repo: &RepoRow, told: &Told) -> Result<()> {
        let needs = needs_of(reader, repo, told.healed.iter().copied())?;
        let place = format!("repo {}", repo.name);
        for ((kind, id), need) in needs {
            let detail = format!("{} {id}: {need}", kind.name());
            self.healed
                .push(Problem::new("healed object", &place, detail));
        }
        self.lost.extend(explain(reader, repo, &told.lost)?);
        Ok(())
    }
}

/// New packs for one owner.
#[derive(Debug)]
struct Healing {
    owner: Owner,
    repo: RepoRow,
    landing: Landing,
    /// Published objects whose rows will point into the new packs.
    moved: Places,
}

/// A pack that is damaged or missing.
#[derive(Debug)]
struct BadPack {
    row: PackRow,
    /// The place of what is left of it in the supply, if the file is there.
    left: Option<usize>,
    fate: Fate,
}

/// What becomes of a bad pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nobody looked at it: its owner is not known, or over.
    LeftAlone,
    /// All that is needed of it is in new packs.
    Replaced,
    /// So many objects of so many bytes are needed and are not in new packs.
    Kept(u64, u64),
}

/// A repair in the making.
struct Repair<'s> {
    store: &'s Store,
    reader: Reader<'s>,
    /// The packs that are whole.
    good: BTreeMap<u64, OpenPack>,
    bad: BTreeMap<u64, BadPack>,
    supply: Supply,
    healings: Vec<Healing>,
    told: BTreeMap<u32, Told>,
    report: RepairReport,
}

impl<'s> Repair<'s> {
    /// Checks every pack, and opens all that objects can come from.
    fn survey(store: &'s Store, from: &OtherStore, progress: &dyn Progress) -> Result<Self> {
        let reader = store.reader()?;
        let rows: Vec<(u64, PackRow)> = reader.numbered(PACKS)?;
        progress.expect(rows.iter().map(|(_, row)| row.bytes).sum());
        let (mut good, mut bad, mut left) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (number, row) in rows {
            if let Health::Good(_) = Health::check(&*store.disk, row.id)? {
                good.insert(number, store.packs.open(row.id)?);
            } else {
                let bytes = store.disk.map(&layout::pack(row.id)).ok();
                let place = bytes.map(|bytes| {
                    left.push(Remains::of(bytes));
                    left.len() - 1
                });
                let pack = BadPack {
                    row,
                    left: place,
                    fate: Fate::LeftAlone,
                };
                bad.insert(number, pack);
            }
            progress.advance(row.bytes);
        }
        let supply = Supply::new(left, good.values().cloned().collect(), from)?;
        Ok(Self {
            store,
            reader,
            good,
            bad,
            supply,
            healings: Vec::new(),
            told: BTreeMap::new(),
            report: RepairReport::default(),
        })
    }

    /// Heals the published objects of a repo whose packs are bad, or not there at all.
    fn heal_published(&mut self, repo: &RepoRow) -> Result<()> {
        for pack in self.bad.values_mut() {
            if pack.row.owner == Owner::Repo(repo.number) {
                pack.fate = Fate::Replaced;
            }
        }
        let view = self.store.view(&repo.name, &[])?;
        let published = Published::load(&self.reader, &view)?;
        let rows = (0..published.len()).map(|at| (published.object(at), published.row(at).place));
        let mut hurt: Vec<(Object, Place)> = rows
            .filter(|(_, place)| !self.good.contains_key(&place.frame().0))
            .collect();
        hurt.sort_by_cached_key(|(object, _)| self.supply.order(*object));
        let mut moved = Places::new();
        let mut intake = self.store.intake();
        for (object, place) in hurt {
            let is_wanted = |bytes: &[u8]| is_counted(&published, object, bytes);
            if self.copy(repo, object, &mut intake, &is_wanted)? {
                moved.insert(pin_bytes(object.0, object.1), place);
                continue;
            }
            self.lose(repo, object);
            if let Some(pack) = self.bad.get_mut(&place.frame().0) {
                pack.fate = pack.fate.keeping(u64::from(place.length()));
            }
        }
        self.healings.push(Healing {
            owner: Owner::Repo(repo.number),
            repo: repo.clone(),
            landing: intake.finish()?,
            moved,
        });
        Ok(())
    }

    /// Heals what a build needs of its packs that are bad. What can still be read of those moves, needed or not.
    fn heal_build(&mut self, repo: &RepoRow, build: &BuildRow) -> Result<()> {
        let packs = self.reader.packs_of(build.id)?;
        let (bad, good): (Vec<u64>, Vec<u64>) = packs
            .into_iter()
            .partition(|number| self.bad.contains_key(number));
        if bad.is_empty() {
            return Ok(());
        }
        let view = View::of_rest(self.store, repo.number, &[build.id])?;
        let supply = &mut self.supply;
        let missing = missing_of_build(&self.reader, build, &view, &mut |object| {
            supply.fetch(object).map(|(bytes, _)| bytes)
        })?;
        let mut wanted: BTreeSet<Object> = missing.keys().copied().collect();
        for number in &bad {
            let left = self.bad.get(number).and_then(|pack| pack.left);
            wanted.extend(left.map(|at| self.supply.left(at)).unwrap_or_default());
        }
        let good: Vec<&OpenPack> = good.iter().filter_map(|n| self.good.get(n)).collect();
        let is_there =
            |(kind, id): &Object| good.iter().any(|pack| pack.find(*kind, *id).is_some());
        let mut wanted: Vec<Object> = wanted.into_iter().filter(|o| !is_there(o)).collect();
        wanted.sort_by_cached_key(|object| self.supply.order(*object));
        let mut fate = Fate::Replaced;
        let mut intake = self.store.intake();
        for object in wanted {
            let is_copied = self.copy(repo, object, &mut intake, &|_| true)?;
            // Damage can make recipes up, which nothing lists and nothing needs.
            if !is_copied && (missing.contains_key(&object) || is_listed(&view, object)?) {
                self.lose(repo, object);
                fate = Fate::Kept(0, 0);
            }
        }
        for number in bad {
            self.bad.entry(number).and_modify(|pack| pack.fate = fate);
        }
        self.healings.push(Healing {
            owner: Owner::Build(build.id),
            repo: repo.clone(),
            landing: intake.finish()?,
            moved: Places::new(),
        });
        Ok(())
    }

    /// Copies an object that somebody has, if its bytes are wanted; says whether somebody does.
    fn copy(
        &mut self,
        repo: &RepoRow,
        object: Object,
        intake: &mut Intake<'_>,
        is_wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<bool> {
        let Some((bytes, origin)) = self.supply.fetch(object) else {
            return Ok(false);
        };
        if !is_wanted(&bytes) {
            return Ok(false);
        }
        intake.put(object.0, object.1, &bytes)?;
        match origin {
            Origin::ThisStore => self.report.moved += 1,
            Origin::OtherStore => {
                self.report.objects += 1;
                self.report.bytes += bytes.len() as u64;
                let told = self.told.entry(repo.number).or_default();
                if told.healed.len() < LISTED_PATHS_MAX {
                    told.healed.push(object);
                }
            }
        }
        Ok(true)
    }

    fn lose(&mut self, repo: &RepoRow, object: Object) {
        let hurt = Hurt {
            object,
            what: "lost object",
            reason: "neither this store nor the other one has it".into(),
        };
        self.told.entry(repo.number).or_default().lost.push(hurt);
    }

    /// Makes the change: new packs land, rows point into them, packs that were replaced are forgotten and go. Returns what
    /// is to be told of each repo.
    fn apply(mut self, mut transaction: Transaction<'_>) -> Result<(RepairReport, Vec<Told>)> {
        let is_nothing = self.healings.iter().all(|healing| healing.moved.is_empty());
        let is_nothing = is_nothing && self.bad.is_empty();
        for healing in self.healings {
            let packs = healing.landing.packs.iter();
            let made: Vec<_> = packs.map(|pack| (pack.number, pack.id)).collect();
            transaction.land(healing.landing, healing.owner)?;
            if let Owner::Repo(_) = healing.owner {
                let (repo, moved) = (&healing.repo, &healing.moved);
                self.store
                    .point_to_copies(&transaction, repo, moved, &made)?;
            }
        }
        for (number, pack) in &self.bad {
            match pack.fate {
                Fate::LeftAlone => {}
                Fate::Replaced => {
                    transaction.doom(*number)?;
                    self.report.packs += 1;
                }
                Fate::Kept(live_objects, live_bytes) => {
                    if let Owner::Repo(_) = pack.row.owner {
                        let row = PackRow {
                            live_objects,
                            live_bytes,
                            ..pack.row
                        };
                        transaction.put(PACKS, *number, &row)?;
                    }
                    if pack.left.is_some() {
                        let place = self.store.disk.place(&layout::pack(pack.row.id));
                        self.report.kept.push(place.display().to_string());
                    }
                }
            }
        }
        if !is_nothing {
            transaction.commit()?;
        }
        let told = self.reader.repos()?.into_iter();
        let told = told.map(|repo| self.told.remove(&repo.number).unwrap_or_default());
        Ok((self.report, told.collect()))
    }
}

impl Fate {
    /// The fate of a pack of which one more object, of so many bytes, is needed.
    const fn keeping(self, bytes: u64) -> Self {
        match self {
            Self::Kept(objects, all_bytes) => Self::Kept(objects + 1, all_bytes + bytes),
            Self::Replaced | Self::LeftAlone => Self::Kept(1, bytes),
        }
    }
}

fn is_listed(view: &View<'_>, (kind, id): Object) -> Result<bool> {
    Ok(view.find(kind, id)?.is_some())
}

/// Whether a published object with these bytes points at what was counted. Only a recipe could point at something else: two
/// stores may cut one blob differently.
fn is_counted(published: &Published, (kind, _): Object, bytes: &[u8]) -> bool {
    if kind != ObjectKind::Recipe {
        return true;
    }
    let edges = edges_of(kind, bytes).unwrap_or_default();
    edges
        .iter()
        .all(|edge| published.find((edge.kind, edge.id)).is_some())
}
