//! Restore: the rows of a repo in a new catalog, made from its history and from what can be shown of it.
//!
//! # Invariants
//!
//! - What is inserted is complete (I2, I4), and counted by the code that counts when a build is published (I3).
//! - The statement that a ref shows is the newest there is, complete or not, so the next has another number (I5).
//!
//! # Not here
//!
//! Where history and completeness come from (`store::history`, `store::salvage`).

use super::catalog::failed;
use super::history::{History, Statement};
use super::landing::Landing;
use super::open::Store;
use super::problem::Problem;
use super::reach::{Reach, snapshot_edge};
use super::rows::{Current, Owner, PackRow, RefRow, ReleaseKind, ReleaseRow, RepoRow, SnapshotRef};
use super::salvage::{FOUND, Salvage, foreign};
use super::tables::{
    BUILD_PACKS, COUNTERS, NEXT_BUILD, NEXT_REPO, PACKS, REFS, RELEASES, REPOS, pin_bytes,
};
use super::transaction::Transaction;
use super::view::View;
use crate::base::name::{KeyName, RefName};
use crate::base::{Error, Result};
use crate::object::tree::TreeRef;
use crate::trust::ref_statement::Action;

/// What is to be restored of one repo.
#[derive(Debug)]
pub(super) struct Plan {
    repo: RepoRow,
    refs: Vec<(RefRow, Vec<ReleaseRow>)>,
    /// The snapshots of complete releases, one for each release.
    roots: Vec<SnapshotRef>,
    /// What they reach, and where it lies now.
    pub(super) reach: Reach,
    build_max: u64,
}

impl Plan {
    /// The build that owns the repo's packs until the repo does. A new catalog has no other builds.
    pub(super) fn build(&self) -> u64 {
        u64::from(self.repo.number)
    }
}

/// Plans what comes back of a repo. `view` shows all packs; `keys` are the names of the secret keys that are there.
///
/// # Errors
///
/// [`Error::Catalog`] if the catalog cannot be read.
pub(super) fn plan(
    number: u32,
    history: History,
    keys: &[KeyName],
    view: &View<'_>,
    salvage: &mut Salvage<'_, '_>,
    problems: &mut Vec<Problem>,
) -> Result<Plan> {
    let key = history.keys.iter().find(|key| keys.contains(key));
    // Whose keys are elsewhere is published elsewhere; from where it was copied is not written in its notes.
    let copied_from = key.is_none().then(|| "another store".to_owned());
    let key = key.or(history.keys.first()).cloned();
    let mut plan = Plan {
        repo: RepoRow {
            number,
            name: history.name,
            profile: history.profile,
            repo_id: history.repo_id,
            keyset: history.keyset,
            key: key.ok_or_else(|| Error::internal("a keyset has a key"))?,
            heads: history.heads,
            created: history.created,
            copied_from,
        },
        refs: Vec::new(),
        roots: Vec::new(),
        reach: Reach::default(),
        build_max: history.build_max,
    };
    for (name, statements) in history.refs {
        plan.add_ref(name, &statements, view, salvage, problems)?;
    }
    let edges: Vec<_> = plan.roots.iter().copied().map(snapshot_edge).collect();
    plan.reach = view.reach(&edges)?;
    Ok(plan)
}

impl Plan {
    fn add_ref(
        &mut self,
        name: RefName,
        statements: &[Statement],
        view: &View<'_>,
        salvage: &mut Salvage<'_, '_>,
        problems: &mut Vec<Problem>,
    ) -> Result<()> {
        let mut releases = Vec::new();
        let mut lost = None;
        for statement in statements {
            lost = salvage.missing(snapshot_edge(statement.snapshot))?;
            if lost.is_none() {
                self.roots.push(statement.snapshot);
            }
            releases.push(ReleaseRow {
                epoch: statement.epoch,
                seq: statement.seq,
                kind: match statement.action {
                    Action::Rewind(_) => ReleaseKind::Rollback,
                    Action::Publish(_) | Action::End => ReleaseKind::Publish,
                },
                statement: statement.id,
                snapshot: statement.snapshot,
                imports: Vec::new(),
                time: statement.time,
                note: None,
                retired: lost.is_some(),
            });
        }
        let mut row = RefRow::unborn(name);
        row.current = statements.last().map(|newest| current(newest, view));
        if let (Some(reason), Some(newest)) = (lost, statements.last()) {
            let held = format!("{}@{} is damaged: {reason}", row.name, newest.seq);
            let place = format!("repo {}", self.repo.name);
            let detail = format!("{held}; roll {} back to an older release", row.name);
            problems.push(Problem::new("lost release", place, detail));
            row.held = Some(held);
        }
        self.refs.push((row, releases));
        Ok(())
    }
}

/// What a ref shows by its newest statement. Of a snapshot that is lost, the tree is not known: nothing is merged into
/// such a ref, as the snapshot must be read first.
fn current(newest: &Statement, view: &View<'_>) -> Current {
    let snapshot = view.snapshot_of_size(newest.snapshot);
    let root = snapshot.map_or_else(|_| TreeRef::empty(), |snapshot| snapshot.tree);
    Current {
        epoch: newest.epoch,
        seq: newest.seq,
        statement: newest.id,
        statement_bytes: newest.bytes,
        snapshot: newest.snapshot,
        root: root.into(),
        time: newest.time,
    }
}

impl Store {
    /// Writes all rows of a repo, in one transaction. What it needs from packs that are not its own is copied.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if something cannot be read that could be read before, [`Error::Io`] if the disk fails.
    pub(super) fn restore(&self, plan: &Plan) -> Result<()> {
        let (number, build) = (plan.repo.number, plan.build());
        let own = View::new(self, number, &[build], &Landing::default())?;
        let landing = self.copy_foreign(plan, &own)?;
        let view = View::new(self, number, &[build], &landing)?;
        let graft = view.graft(&plan.roots)?;
        let mut transaction = Transaction::begin(self)?;
        transaction.land(landing, Owner::Build(build))?;
        transaction.insert(number, &graft)?;
        for (pack, row) in transaction.packs_of(build)? {
            transaction.disown(build, pack)?;
            if row.live_objects == 0 {
                // All of it lies in other packs too.
                transaction.forget_found(pack)?;
            } else {
                let owner = Owner::Repo(number);
                transaction.put(PACKS, pack, &PackRow { owner, ..row })?;
            }
        }
        let name = plan.repo.name.as_str();
        transaction.put(REPOS, name, &plan.repo)?;
        for (row, releases) in &plan.refs {
            let name = row.name.as_str();
            transaction.put(REFS, (number, name), row)?;
            for release in releases {
                let key = (number, name, release.epoch, release.seq);
                transaction.put(RELEASES, key, release)?;
            }
        }
        transaction.commit()
    }

    /// Copies what a repo needs and does not have in packs of its own.
    fn copy_foreign(&self, plan: &Plan, own: &View<'_>) -> Result<Landing> {
        let (era, mut intake) = (self.packs.era(), self.intake());
        for (pack, needed) in foreign(&plan.reach, own)? {
            let row = self.reader()?.pack(pack)?;
            let lives = |kind, id, place| Ok(needed.own.get(&pin_bytes(kind, id)) == Some(&place));
            self.copy_out(&era, pack, &row, &mut intake, &lives)?;
        }
        intake.finish()
    }

    /// Forgets the packs that no repo took, and counts on from what was found.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be written.
    pub(super) fn forget_found(&self, plans: &[Plan]) -> Result<()> {
        let transaction = Transaction::begin(self)?;
        for (pack, _) in transaction.packs_of(FOUND)? {
            transaction.disown(FOUND, pack)?;
            transaction.forget_found(pack)?;
        }
        let build_max = plans.iter().map(|plan| plan.build_max).max();
        transaction.count_from(NEXT_BUILD, build_max.unwrap_or_default().saturating_add(1))?;
        transaction.count_from(NEXT_REPO, plans.len() as u64 + 1)?;
        transaction.commit()
    }
}

impl Transaction<'_> {
    /// Gives a pack that was found to a build.
    pub(super) fn own_found(&self, pack: u64, row: &PackRow, build: u64) -> Result<()> {
        let owner = Owner::Build(build);
        self.put(PACKS, pack, &PackRow { owner, ..*row })?;
        let table = self.write.open_table(BUILD_PACKS);
        let mut table = table.map_err(failed("write"))?;
        table.insert((build, pack), ()).map_err(failed("write"))?;
        Ok(())
    }

    /// Forgets the row of a pack that was found, and leaves its file alone.
    fn forget_found(&self, pack: u64) -> Result<()> {
        let mut table = self.write.open_table(PACKS).map_err(failed("write"))?;
        table.remove(pack).map_err(failed("write"))?;
        Ok(())
    }

    /// Makes `next` the next value of a counter.
    pub(super) fn count_from(&self, counter: &str, next: u64) -> Result<()> {
        let mut counters = self.write.open_table(COUNTERS).map_err(failed("write"))?;
        counters.insert(counter, next).map_err(failed("write"))?;
        Ok(())
    }
}
