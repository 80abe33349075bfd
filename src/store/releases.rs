//! What the catalog does for releases: import, sign, switch.
//!
//! # Invariants
//!
//! - **I4**: a ref's statement names a snapshot that is complete in the published set.
//! - **I5**: a text is durable before it is signed, and its (repo, ref, epoch, seq) is never given to another text: if
//!   the program ends between the two, the number is skipped.
//!
//! # Not here
//!
//! Merging (`build::merge`), what statements say (`trust`).

use std::collections::BTreeSet;

use redb::ReadableTable;

use super::catalog;
use super::catalog::failed;
use super::due::Due;
use super::landing::Landing;
use super::layout;
use super::open::Store;
use super::reach::{Graft, Reach};
use super::rows::{
    Base, BuildState, Current, Import, Owner, Published, ReleaseKind, ReleaseRow, RepoRow,
    SnapshotRef,
};
use super::tables::{RELEASES, REPOS, SIGNING};
use super::transaction::Transaction;
use crate::base::clock::Time;
use crate::base::id::{Hash, StatementId};
use crate::base::name::RefName;
use crate::base::{Error, Result};

/// The row of `signing` that stands for heads statements: no ref has an empty name.
const HEADS: &str = "";

/// The numbers that the next statements will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The ref's epoch.
    pub epoch: u64,
    /// The ref's seq.
    pub seq: u64,
    /// The version of the heads statement.
    pub heads: u64,
}

/// A signed release, ready to become visible.
#[derive(Debug)]
#[must_use]
pub struct SignedRelease {
    /// The repo.
    pub repo: RepoRow,
    /// The ref.
    pub target: RefName,
    /// Its numbers.
    pub numbers: Numbers,
    /// What the ref showed when the release was planned.
    pub before: Option<Base>,
    /// What it does.
    pub kind: ReleaseKind,
    /// The builds it makes visible.
    pub imports: Vec<Import>,
    /// The build it takes out, if it does that.
    pub withdrawn: Option<u64>,
    /// What it shows.
    pub snapshot: SnapshotRef,
    /// The tree of that.
    pub root: crate::object::tree::TreeRef,
    /// The statement's id, and the bytes of its text.
    pub statement: (StatementId, u64),
    /// The statement's note.
    pub statement_note: Vec<u8>,
    /// The list of refs, and its id.
    pub refs_list: (Hash, Vec<u8>),
    /// The note of the heads statement.
    pub heads_note: Vec<u8>,
    /// When.
    pub time: Time,
    /// In words, what a withdrawal or rollback refers to.
    pub note: Option<String>,
    /// If set, the ref is held from now on, for this reason.
    pub hold: Option<String>,
}

impl Store {
    /// Merges a ready build onto its ref's pending tree: durable, and not visible to users. If that is done because it is
    /// `due`, it stays so until it is visible; otherwise it has no time any more.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if the build is not ready; [`Error::Unchecked`] if it has not passed what the ref asks for, or what
    /// it waits for; [`Error::Refused`] if the ref is held, nests with another, or is not
    /// what the merge began with, or the build is not `due` like that any more; [`Error::Missing`] if something to be pinned was retired meanwhile. Nothing changes.
    pub fn record_import(
        &self,
        target: &RefName,
        import: Import,
        landing: Landing,
        reach: &Reach,
        due: Option<&Due>,
        time: Time,
    ) -> Result<()> {
        let repo = self.repo_of(import.build)?;
        let mut transaction = Transaction::begin(self)?;
        let mut build = transaction.build_in(import.build, &BuildState::ALL, "publish")?;
        build.check_publishable(target, &self.settings().policy(target))?;
        if due.is_some() && build.due.as_ref() != due {
            return Err(Error::refused(format!(
                "when build {} is to be published was changed or taken back meanwhile",
                import.build
            )));
        }
        let mut row = transaction.ref_row(repo, target)?;
        row.check_not_held()?;
        transaction.check_ref_name(repo, target)?;
        if row.shown_next() != import.before {
            return Err(moved(target));
        }
        let pinned = transaction.pins_of(repo, import.build)?;
        transaction.pin("publish", repo, import.build, reach, pinned)?;
        transaction.land(landing, Owner::Build(import.build))?;
        row.pending.push(import);
        transaction.put_ref(repo, &row)?;
        build.state = BuildState::Publishing;
        (build.reason, build.due) = (None, due.cloned());
        let (epoch, seq) = row
            .current
            .map_or((1, 0), |current| (current.epoch, current.seq));
        build.published = Some(Published {
            target: target.clone(),
            epoch,
            seq: seq + 1,
            snapshot: import.snapshot,
            tested: import.tested,
        });
        transaction.put_build(
            &build,
            time,
            format!("merged onto what {target} shows next"),
        )?;
        transaction.commit()
    }

    /// Takes a pending build, and those merged onto it, back before they are visible: they are ready again. Returns them.
    /// Those merged onto it stay due if they were.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if the build is not pending.
    pub fn drop_imports(
        &self,
        repo: &RepoRow,
        target: &RefName,
        first: u64,
        time: Time,
    ) -> Result<Vec<u64>> {
        let transaction = Transaction::begin(self)?;
        transaction.build_in(first, &[BuildState::Publishing], "withdraw")?;
        let mut row = transaction.ref_row(repo.number, target)?;
        let kept = row
            .pending
            .iter()
            .take_while(|import| import.build != first)
            .count();
        let dropped: Vec<u64> = row
            .pending
            .drain(kept..)
            .map(|import| import.build)
            .collect();
        transaction.put_ref(repo.number, &row)?;
        for id in &dropped {
            let mut build = transaction.build_in(*id, &[BuildState::Publishing], "withdraw")?;
            build.state = BuildState::Ready;
            build.published = None;
            build.reason = None;
            if *id == first {
                (build.due, build.is_time_decided) = (None, true);
            }
            transaction.put_build(&build, time, format!("withdrawn before {target} showed it"))?;
        }
        transaction.commit()?;
        Ok(dropped)
    }

    /// The numbers of the next statements of a ref.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`] if the catalog cannot be read.
    pub fn next_numbers(&self, repo: &RepoRow, target: &RefName) -> Result<Numbers> {
        let reader = self.reader()?;
        let row = reader.find_ref(repo, target)?;
        let (epoch, seq) = row
            .and_then(|row| row.current)
            .map_or((1, 0), |current| (current.epoch, current.seq));
        let signing = catalog::open_table(&reader.read, SIGNING)?;
        let last = |name: &str, epoch: u64| -> Result<u64> {
            let rows =
                signing.range((repo.number, name, epoch, 0)..=(repo.number, name, epoch, u64::MAX));
            let last = rows
                .map_err(failed("read"))?
                .next_back()
                .transpose()
                .map_err(failed("read"))?;
            Ok(last.map_or(0, |(key, _)| key.value().3))
        };
        let seq = seq.max(last(target.as_str(), epoch)?) + 1;
        Ok(Numbers {
            epoch,
            seq,
            heads: reader.repo(&repo.name)?.heads.max(last(HEADS, 1)?) + 1,
        })
    }

    /// Makes the texts of the next statements durable, so that they can be signed.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if other texts have these numbers already: somebody else publishes at this moment.
    pub fn reserve(
        &self,
        repo: &RepoRow,
        target: &RefName,
        numbers: Numbers,
        statement: &str,
        heads: &str,
    ) -> Result<()> {
        let transaction = Transaction::begin(self)?;
        let mut signing = transaction
            .write
            .open_table(SIGNING)
            .map_err(failed("write"))?;
        let keys = [
            (
                (repo.number, target.as_str(), numbers.epoch, numbers.seq),
                statement,
            ),
            ((repo.number, HEADS, 1, numbers.heads), heads),
        ];
        for (key, text) in keys {
            if signing
                .insert(key, text)
                .map_err(failed("write"))?
                .is_some()
            {
                return Err(moved(target));
            }
        }
        drop(signing);
        transaction.commit()
    }

    /// Publishes: inserts what is new into the published set, hands the builds' packs to the repo, drops their pins, and
    /// moves the ref. **One transaction; users see all of it or nothing.** Then the notes are written beneath `repos/`.
    /// What `landing` brings becomes the repo's at once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the ref, what is pending on it, or another ref of the repo has moved since the release was
    /// planned, or if it is held; nothing changes.
    pub fn record_release(
        &self,
        release: &SignedRelease,
        graft: &Graft,
        landing: Landing,
    ) -> Result<()> {
        let repo = release.repo.number;
        let mut transaction = Transaction::begin(self)?;
        let mut row = transaction.ref_row(repo, &release.target)?;
        let mut repo_row: RepoRow = transaction
            .row(REPOS, release.repo.name.as_str())?
            .ok_or_else(|| Error::internal("the repo was read"))?;
        // The heads name every ref of the repo, so releases of a repo come one after the other.
        let is_unmoved = row.current.map(|current| current.base()) == release.before
            && row.pending == release.imports
            && repo_row.heads == release.repo.heads;
        if !is_unmoved {
            return Err(moved(&release.target));
        }
        if release.kind == ReleaseKind::Publish {
            row.check_not_held()?;
        }
        let landed: BTreeSet<u64> = landing.packs.iter().map(|pack| pack.number).collect();
        transaction.land(landing, Owner::Repo(repo))?;
        transaction.insert(repo, graft)?;
        transaction.doom_dead(&landed)?;
        for import in &release.imports {
            transaction.finish_build(release, import)?;
        }
        row.pending.clear();
        row.current = Some(Current {
            epoch: release.numbers.epoch,
            seq: release.numbers.seq,
            statement: release.statement.0,
            statement_bytes: release.statement.1,
            snapshot: release.snapshot,
            root: release.root.into(),
            time: release.time,
        });
        row.held = release.hold.clone().or(row.held);
        transaction.put_ref(repo, &row)?;
        put_release(&transaction, release)?;
        if let Some(build) = release.withdrawn {
            let mut build = transaction.build_in(build, &[BuildState::Published], "withdraw")?;
            build.withdrawn = Some(release.numbers.seq);
            let what = format!("withdrawn by {}@{}", release.target, release.numbers.seq);
            transaction.put_build(&build, release.time, what)?;
        }
        repo_row.heads = release.numbers.heads;
        transaction.put(REPOS, release.repo.name.as_str(), &repo_row)?;
        transaction.forget_signed(repo, &release.target, release.numbers)?;
        let name = &release.repo.name;
        transaction.announce(
            &layout::statement(name, release.statement.0),
            &release.statement_note,
        )?;
        transaction.announce(
            &layout::refs_list(name, release.refs_list.0),
            &release.refs_list.1,
        )?;
        transaction.announce(&layout::heads(name), &release.heads_note)?;
        let is_due = transaction.is_due(repo)?;
        transaction.commit()?;
        if is_due {
            // The release is visible. If this fails, the next one tries again.
            self.add_counts(repo).ok();
        }
        Ok(())
    }

    /// Holds a ref back, or lets it go again with `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there cannot be a ref of that name beside the others.
    pub fn record_hold(
        &self,
        repo: &RepoRow,
        target: &RefName,
        reason: Option<String>,
    ) -> Result<()> {
        let transaction = Transaction::begin(self)?;
        let mut row = transaction.ref_row(repo.number, target)?;
        transaction.check_ref_name(repo.number, target)?;
        row.held = reason;
        transaction.put_ref(repo.number, &row)?;
        transaction.commit()
    }

    /// The snapshots that count as roots of a release.
    #[must_use]
    pub fn roots_of(snapshot: SnapshotRef, imports: &[Import]) -> Vec<SnapshotRef> {
        let mut roots = vec![snapshot];
        roots.extend(imports.iter().map(|import| import.snapshot));
        roots.sort_unstable_by_key(|root| root.id);
        roots.dedup();
        roots
    }
}

fn put_release(transaction: &Transaction<'_>, release: &SignedRelease) -> Result<()> {
    let Numbers { epoch, seq, .. } = release.numbers;
    let row = ReleaseRow {
        epoch,
        seq,
        kind: release.kind,
        statement: release.statement.0,
        snapshot: release.snapshot,
        imports: release.imports.clone(),
        time: release.time,
        note: release.note.clone(),
        retired: false,
    };
    transaction.put(
        RELEASES,
        (release.repo.number, release.target.as_str(), epoch, seq),
        &row,
    )
}

fn moved(target: &RefName) -> Error {
    Error::refused(format!("{target} has moved meanwhile; try again"))
}

impl Transaction<'_> {
    /// Makes a pending build part of a release: its packs become the repo's, its pins go.
    fn finish_build(&mut self, release: &SignedRelease, import: &Import) -> Result<()> {
        let Numbers { epoch, seq, .. } = release.numbers;
        let mut build = self.build_in(import.build, &[BuildState::Publishing], "publish")?;
        self.hand_over(import.build, release.repo.number)?;
        self.drop_operations(import.build)?;
        self.let_go(release.repo.number, import.build)?;
        build.state = BuildState::Published;
        let (target, snapshot, tested) = (release.target.clone(), import.snapshot, import.tested);
        build.published = Some(Published {
            target,
            epoch,
            seq,
            snapshot,
            tested,
        });
        (build.reason, build.due) = (None, None);
        let what = format!("published as {}@{seq}", release.target);
        self.put_build(&build, release.time, what)
    }

    /// The pins that a build has now.
    fn pins_of(&self, repo: u32, build: u64) -> Result<BTreeSet<super::tables::PinBytes>> {
        let table = self
            .write
            .open_table(super::tables::PINS)
            .map_err(failed("read"))?;
        let list = table.get((repo, build)).map_err(failed("read"))?;
        Ok(list
            .map(|list| {
                super::tables::pins_in(list.value())
                    .iter()
                    .copied()
                    .collect()
            })
            .unwrap_or_default())
    }

    /// Forgets texts whose numbers can no longer be given away.
    fn forget_signed(&self, repo: u32, target: &RefName, numbers: Numbers) -> Result<()> {
        let mut signing = self.write.open_table(SIGNING).map_err(failed("write"))?;
        let name = target.as_str();
        let refs = (repo, name, numbers.epoch, 0)..=(repo, name, numbers.epoch, numbers.seq);
        signing
            .retain_in(refs, |_, _| false)
            .map_err(failed("write"))?;
        let heads = (repo, HEADS, 1, 0)..=(repo, HEADS, 1, numbers.heads);
        signing
            .retain_in(heads, |_, _| false)
            .map_err(failed("write"))
    }
}
