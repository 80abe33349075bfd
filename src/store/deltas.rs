//! Prepared deltas: files that spare whoever asks for one the time of making it.
//!
//! They lie in `deltas/<repo>/`, named `<to>-<from>.pack` after the snapshots they lead to and start from. No row names
//! them: all of them can be made again.
//!
//! # Invariants
//!
//! - A file of that name is whole: it is synced under `tmp/` before it gets the name.
//! - Retirement removes those of snapshots that are let go of.
//!
//! # Not here
//!
//! What is in them and which are wanted (`delta`).

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::layout;
use super::open::Store;
use super::rows::{Receipt, ReleaseRow, RepoRow};
use super::transaction::Transaction;
use crate::base::Result;
use crate::base::id::SnapshotId;
use crate::base::name::{RefName, RepoName};
use crate::disk::files::{Mapping, Sequential};
use crate::object::pack_reader::PackReader;

/// A delta that lies ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreparedDelta {
    /// The snapshot that it leads to.
    pub to: SnapshotId,
    /// The snapshot that it starts from.
    pub from: SnapshotId,
    /// The bytes of the file.
    pub bytes: u64,
}

impl PreparedDelta {
    fn path(&self, repo: &RepoName) -> PathBuf {
        layout::delta(repo, self.to, self.from)
    }
}

impl Store {
    /// The deltas that lie ready in a repo, in no order. Files with other names are left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if the folder cannot be listed.
    pub fn prepared_deltas(&self, repo: &RepoName) -> Result<Vec<PreparedDelta>> {
        let listed = match self.disk.list(&layout::deltas(repo)) {
            Err(error) if error.is_file_not_found() => return Ok(Vec::new()),
            listed => listed?,
        };
        let parse = |name: &str| {
            let (to, from) = name.strip_suffix(layout::DELTA_SUFFIX)?.split_once('-')?;
            Some((to.parse().ok()?, from.parse().ok()?))
        };
        let deltas = listed.iter().filter(|file| !file.is_dir);
        let deltas = deltas.filter_map(|file| {
            let (to, from) = parse(&file.name)?;
            let bytes = file.bytes;
            Some(PreparedDelta { to, from, bytes })
        });
        Ok(deltas.collect())
    }

    /// Shows the bytes of a delta that lies ready.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if there is none, or it cannot be read.
    pub fn prepared_delta(
        &self,
        repo: &RepoName,
        to: SnapshotId,
        from: SnapshotId,
    ) -> Result<Mapping> {
        self.disk.map(&layout::delta(repo, to, from))
    }

    /// Shows the bytes of a delta that lies ready, and checks its hash and the order of its parts.
    ///
    /// # Errors
    ///
    /// As [`prepared_delta`](Self::prepared_delta); [`Error::Malformed`](crate::base::Error::Malformed) if it is damaged.
    pub fn whole_delta(
        &self,
        repo: &RepoName,
        to: SnapshotId,
        from: SnapshotId,
    ) -> Result<Mapping> {
        let delta = self.prepared_delta(repo, to, from)?;
        PackReader::open(delta.clone()).and_then(|pack| pack.check_layout())?;
        Ok(delta)
    }

    /// Removes a delta that lies ready.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if it cannot be removed.
    pub fn remove_delta(&self, repo: &RepoName, to: SnapshotId, from: SnapshotId) -> Result<()> {
        self.disk.remove(&layout::delta(repo, to, from))
    }

    /// Makes a delta lie ready, which `write` writes.
    ///
    /// # Order
    ///
    /// 1. The bytes are written under `tmp/` and synced.
    /// 2. The file gets its name. **This is the atomic point.**
    /// 3. The folder is synced.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io), or that of `write`; nothing lies ready then, and nothing is left behind if the
    /// disk still allows to remove it. What a crash leaves, the next open removes.
    pub fn prepare_delta<T>(
        &self,
        repo: &RepoName,
        to: SnapshotId,
        from: SnapshotId,
        write: impl FnOnce(&mut dyn Write) -> Result<T>,
    ) -> Result<T> {
        let (unfinished, path) = (
            layout::unfinished_delta(to, from),
            layout::delta(repo, to, from),
        );
        let written = self.write_delta(&unfinished, write);
        let landed = written.and_then(|written| {
            self.disk.create_dir(&layout::deltas(repo))?;
            self.disk.rename(&unfinished, &path)?;
            Ok(written)
        });
        if landed.is_err() {
            // The first failure says more than one of cleaning up would.
            self.disk.remove(&unfinished).ok();
            return landed;
        }
        self.disk.sync_dir(&layout::deltas(repo))?;
        landed
    }

    /// Removes the deltas of a repo that lead to what no ref shows any more. Says how many.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if one cannot be removed; others may be gone.
    pub fn drop_outdated_deltas(&self, repo: &RepoRow) -> Result<u64> {
        let rows = self.reader()?.refs(repo)?.into_iter();
        let shown = rows.filter_map(|row| Some(row.current?.snapshot.id));
        let shown: HashSet<SnapshotId> = shown.collect();
        let mut dropped = 0;
        for delta in self.prepared_deltas(&repo.name)? {
            if shown.contains(&delta.to) {
                continue;
            }
            dropped += u64::from(self.remove_if_there(&delta.path(&repo.name))?);
        }
        Ok(dropped)
    }

    fn write_delta<T>(
        &self,
        unfinished: &Path,
        write: impl FnOnce(&mut dyn Write) -> Result<T>,
    ) -> Result<T> {
        let mut out = Sequential::new(self.disk.create(unfinished)?);
        let written = write(&mut out)?;
        out.sync()
            .map_err(|source| self.write_failed(unfinished, source))?;
        Ok(written)
    }

    /// The deltas of a repo that lead to or start from a snapshot that no release shows once those that are `going`, given
    /// by ref, epoch and seq, are retired.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if the folder cannot be read.
    pub(super) fn stale_deltas(
        &self,
        repo: &RepoRow,
        going: &[(RefName, u64, u64)],
    ) -> Result<Vec<PreparedDelta>> {
        let live = self.live_snapshots(repo, going)?;
        let mut deltas = self.prepared_deltas(&repo.name)?;
        deltas.retain(|delta| !live.contains(&delta.to) || !live.contains(&delta.from));
        Ok(deltas)
    }

    /// What removing deltas frees.
    pub(super) fn receipt_of_deltas(deltas: &[PreparedDelta]) -> Receipt {
        Receipt {
            objects: 0,
            packs: deltas.len() as u64,
            bytes: deltas.iter().map(|delta| delta.bytes).sum(),
        }
    }

    /// Removes deltas.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if one cannot be removed; others may be gone.
    pub(super) fn remove_deltas(&self, repo: &RepoName, deltas: &[PreparedDelta]) -> Result<()> {
        let mut deltas = deltas.iter();
        deltas.try_for_each(|delta| self.remove_if_there(&delta.path(repo)).map(drop))
    }

    /// Removes a delta and says whether it was there: another job of this process may have been faster.
    fn remove_if_there(&self, path: &Path) -> Result<bool> {
        match self.disk.remove(path) {
            Err(error) if error.is_file_not_found() => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// Lists deltas that are damaged or stale, and removes them if there is a `change` under way; gives a line for each.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::base::Error::Io) if one can neither be read nor removed.
    pub(super) fn useless_deltas(
        &self,
        repo: &RepoRow,
        change: Option<&Transaction<'_>>,
    ) -> Result<Vec<String>> {
        let live = self.live_snapshots(repo, &[])?;
        let mut lines = Vec::new();
        for delta in self.prepared_deltas(&repo.name)? {
            let path = delta.path(&repo.name);
            let is_whole =
                PackReader::open(self.disk.map(&path)?).and_then(|pack| pack.check_layout());
            let reason = match is_whole {
                Err(error) => error.to_string(),
                Ok(_) if !live.contains(&delta.to) || !live.contains(&delta.from) => {
                    "one of its snapshots is retired".to_owned()
                }
                Ok(_) => continue,
            };
            if change.is_some() {
                self.remove_if_there(&path)?;
            }
            let place = self.disk.place(&path);
            lines.push(format!(
                "the delta {} is of no use: {reason}",
                place.display()
            ));
        }
        Ok(lines)
    }

    /// The snapshots that some release of a repo shows, which was not retired and is not `going`.
    fn live_snapshots(
        &self,
        repo: &RepoRow,
        going: &[(RefName, u64, u64)],
    ) -> Result<HashSet<SnapshotId>> {
        let reader = self.reader()?;
        let mut live = HashSet::new();
        for row in reader.refs(repo)? {
            let releases = reader.releases(repo, &row.name)?.into_iter();
            let is_going = |release: &ReleaseRow| {
                let mut going = going.iter();
                going.any(|(name, epoch, seq)| {
                    (name, *epoch, *seq) == (&row.name, release.epoch, release.seq)
                })
            };
            let shown = releases.filter(|release| !release.retired && !is_going(release));
            live.extend(shown.map(|release| release.snapshot.id));
        }
        Ok(live)
    }
}
