//! The marker of a folder of exports: what tells it from somebody's own folder, and which snapshots somebody may be led to.
//!
//! # Not here
//!
//! Which files are written and removed for them (`remote::export`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::base::id::SnapshotId;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::disk::files::Disk;
use crate::disk::lock::EXPORT_LOCK_FILE;
use crate::disk::real::RealDisk;
use crate::disk::whole::{exists, next_name, read_small, write_whole};
use crate::store::rows::Current;

/// The file that tells an export from somebody's own folder.
const MARKER: &str = "bindery-export";
/// Its first line. After it come the refs that can be pulled, each with its repo and the snapshots that heads may lead to.
const MARKER_LINE: &str = "bindery export 1";
/// Bytes of it: more than any list of refs makes.
const MARKER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a folder of exports holds: for each repo and ref, the snapshots that somebody may be led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marker(BTreeMap<(RepoName, RefName), BTreeSet<SnapshotId>>);

impl Marker {
    /// Reads that of a folder, which is not there yet, empty, or an export of before. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the folder is somebody's own, [`Error::Malformed`] if its marker is none.
    pub(super) fn read(disk: &RealDisk, folder: &Path) -> Result<Self> {
        if exists(disk, Path::new(MARKER))? {
            return Self::read_there(disk, folder);
        }
        let listed = match disk.list(Path::new("")) {
            Err(error) if error.is_file_not_found() => return Ok(Self::default()),
            listed => listed?,
        };
        if listed.iter().any(|it| it.name == MARKER) {
            // Another process has just made it.
            return Self::read_there(disk, folder);
        }
        // One that begins, or was killed before it could say that the folder is an export.
        let begun = [
            PathBuf::from(EXPORT_LOCK_FILE),
            next_name(Path::new(MARKER)),
        ];
        let is_begun = |name: &str| begun.iter().any(|path| path == Path::new(name));
        match listed.iter().find(|it| !is_begun(&it.name)) {
            None => Ok(Self::default()),
            Some(other) => Err(Error::refused(format!(
                "{} is no export: it has {}; name a folder that is new or empty",
                folder.display(),
                other.name
            ))),
        }
    }

    fn read_there(disk: &RealDisk, folder: &Path) -> Result<Self> {
        let bytes = read_small(disk, Path::new(MARKER), MARKER_BYTES_MAX)?;
        let parsed = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
        parsed.ok_or_else(|| {
            let reason = format!("{} holds none", folder.join(MARKER).display());
            Error::malformed("list of what was exported", reason)
        })
    }

    /// Makes the folder, which is there, an export before anything else is in it, so that one that broke off can be gone on with.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder cannot be written.
    pub(super) fn begin(&self, disk: &RealDisk) -> Result<()> {
        if exists(disk, Path::new(MARKER))? {
            return Ok(());
        }
        self.write(disk)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(MARKER_LINE) {
            return None;
        }
        let mut marker = Self::default();
        for line in lines {
            let mut words = line.split(' ');
            let key = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let ids = words.map(|id| id.parse().ok()).collect::<Option<_>>()?;
            marker.0.insert(key, ids);
        }
        Some(marker)
    }

    pub(super) fn write(&self, disk: &RealDisk) -> Result<()> {
        let mut text = format!("{MARKER_LINE}\n");
        for ((repo, name), ids) in &self.0 {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            text.extend([repo.as_str(), " ", name.as_str(), " ", &ids.join(" "), "\n"]);
        }
        write_whole(disk, Path::new(MARKER), text.as_bytes())
    }

    /// The same, with what the refs of one repo show now and nothing of before.
    pub(super) fn replaced(&self, repo: &RepoName, refs: &[(RefName, Current)]) -> Self {
        let mut marker = self.clone();
        marker.0.retain(|(of, _), _| of != repo);
        for (name, current) in refs {
            let ids = BTreeSet::from([current.snapshot.id]);
            marker.0.insert((repo.clone(), name.clone()), ids);
        }
        marker
    }

    /// What either leads to.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let mut marker = self.clone();
        for (key, ids) in &other.0 {
            marker.0.entry(key.clone()).or_default().extend(ids);
        }
        marker
    }

    pub(super) fn refs<'m>(&'m self, repo: &'m RepoName) -> impl Iterator<Item = &'m RefName> {
        let keys = self.0.keys().filter(move |(of, _)| of == repo);
        keys.map(|(_, name)| name)
    }

    pub(super) fn snapshots(&self, repo: &RepoName) -> BTreeSet<SnapshotId> {
        let of_repo = self.0.iter().filter(|((of, _), _)| of == repo);
        of_repo.flat_map(|(_, ids)| ids.iter().copied()).collect()
    }
}
