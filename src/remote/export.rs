//! Static exports: a repo as plain files under the URLs that a server has, so that any web server can hold it.
//!
//! # Order
//!
//! Everything that never changes comes first, each file under its name only once it is whole; then the plain files; the heads
//! note, which leads to all of it, comes last. So whoever pulls meanwhile finds the release before or this one.
//!
//! # Invariants
//!
//! - Only a folder that is new, empty, or an export of before is written into.
//! - What the heads note of the export before leads to stays until the next one; so does a ref that was exported once.
//!
//! # Not here
//!
//! Who reads it (`remote::http::origin`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::older::statements_from;
use super::origin::Origin;
use super::pin::Pin;
use crate::base::id::SnapshotId;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::checkout::{Links, checkout};
use crate::delta::make::{MakeOptions, make};
use crate::disk::files::{Disk, Sequential};
use crate::disk::real::RealDisk;
use crate::disk::whole::{exists, next_name, read_small, write_whole};
use crate::object::kind::ObjectKind;
use crate::store::Store;
use crate::store::note_files::NoteFiles;
use crate::store::notes::Notes;
use crate::store::rows::{Current, RepoRow, SnapshotRef};

/// The file that tells an export from somebody's own folder.
const MARKER: &str = "bindery-export";
/// Its first line. After it come the refs that can be pulled, each with its repo and the snapshots that heads may lead to.
const MARKER_LINE: &str = "bindery export 1";
/// Bytes of it: more than any list of refs makes.
const MARKER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How to export.
#[derive(Clone, Default)]
pub struct ExportOptions<'o> {
    /// The refs whose packs and files are written; all, if none is named.
    pub refs: Vec<RefName>,
    /// Where it will be found, for the pin file.
    pub urls: Vec<String>,
    /// Where older statements are, if the store has not all of them.
    pub older: Option<&'o dyn Origin>,
}

/// The refs of a repo that an export in this folder has.
///
/// # Errors
///
/// [`Error::Refused`] if the folder is somebody's own.
pub fn exported(folder: &Path, repo: &RepoName) -> Result<Vec<RefName>> {
    let marker = Marker::read(&RealDisk::new(folder), folder)?;
    Ok(marker.refs(repo).cloned().collect())
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportAnswer {
    /// Refs that can be pulled.
    pub refs: u64,
    /// Packs that were written; those of before stay as they are.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes a repo into a folder.
///
/// # Errors
///
/// [`Error::NotFound`] if nothing was released, or a ref is not there; [`Error::Refused`] if the folder is somebody's own;
/// what the disk answers. What was exported before can be pulled until this one is whole.
pub fn export(
    store: &Store,
    repo: &RepoRow,
    folder: &Path,
    options: &ExportOptions<'_>,
    progress: &dyn Progress,
) -> Result<ExportAnswer> {
    let disk = RealDisk::new(folder);
    let export = Export {
        store,
        repo,
        disk: &disk,
        base: PathBuf::from("r").join(repo.name.as_str()),
    };
    let notes = NoteFiles::new(store.disk(), repo.name.clone());
    let heads = notes.heads()?;
    let heads = heads.ok_or_else(|| Error::not_found("release in", &repo.name))?;
    let refs = export.refs(&options.refs)?;
    let before = Marker::read(&disk, folder)?;
    let refs = export.with_those_before(&refs, &before)?;
    let mut answer = ExportAnswer {
        refs: refs.len() as u64,
        ..ExportAnswer::default()
    };
    export.notes(&notes)?;
    for (name, current) in &refs {
        export.statements(&notes, name)?;
        if let Some(origin) = options.older {
            export.older_statements(*current, origin)?;
        }
        export.packs(*current, &mut answer, progress)?;
    }
    for (name, current) in &refs {
        export.files(folder, name, *current, progress)?;
    }
    let now = before.replaced(&repo.name, &refs);
    // Whoever reads the heads before, or those that come, finds what they lead to, also if this is interrupted.
    before.joined(&now).write(&disk)?;
    let pin = Pin::of(store, repo, options.urls.clone())?;
    write_whole(&disk, &export.base.join("pin"), pin.encode().as_bytes())?;
    write_whole(&disk, &export.base.join("trust/heads"), &heads)?;
    export.drop_packs(&before.joined(&now).snapshots(&repo.name))?;
    now.write(&disk)?;
    Ok(answer)
}

/// What a folder of exports holds: for each repo and ref, the snapshots that somebody may be led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Marker(BTreeMap<(RepoName, RefName), BTreeSet<SnapshotId>>);

impl Marker {
    /// Reads that of a folder, which is new, empty, or an export of before.
    fn read(disk: &RealDisk, folder: &Path) -> Result<Self> {
        disk.create_dir(Path::new(""))?;
        if exists(disk, Path::new(MARKER))? {
            let bytes = read_small(disk, Path::new(MARKER), MARKER_BYTES_MAX)?;
            let parsed = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
            return parsed.ok_or_else(|| {
                let reason = format!("{} holds none", folder.join(MARKER).display());
                Error::malformed("list of what was exported", reason)
            });
        }
        match disk.list(Path::new(""))?.first() {
            None => {
                let none = Self::default();
                none.write(disk)?;
                Ok(none)
            }
            Some(other) => Err(Error::refused(format!(
                "{} is no export: it has {}; name a folder that is new or empty",
                folder.display(),
                other.name
            ))),
        }
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

    fn write(&self, disk: &RealDisk) -> Result<()> {
        let mut text = format!("{MARKER_LINE}\n");
        for ((repo, name), ids) in &self.0 {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            text.extend([repo.as_str(), " ", name.as_str(), " ", &ids.join(" "), "\n"]);
        }
        write_whole(disk, Path::new(MARKER), text.as_bytes())
    }

    /// The same, with what the refs of one repo show now and nothing of before.
    fn replaced(&self, repo: &RepoName, refs: &[(RefName, Current)]) -> Self {
        let mut marker = self.clone();
        marker.0.retain(|(of, _), _| of != repo);
        for (name, current) in refs {
            let ids = BTreeSet::from([current.snapshot.id]);
            marker.0.insert((repo.clone(), name.clone()), ids);
        }
        marker
    }

    /// What either leads to.
    fn joined(&self, other: &Self) -> Self {
        let mut marker = self.clone();
        for (key, ids) in &other.0 {
            marker.0.entry(key.clone()).or_default().extend(ids);
        }
        marker
    }

    fn refs<'m>(&'m self, repo: &'m RepoName) -> impl Iterator<Item = &'m RefName> {
        let keys = self.0.keys().filter(move |(of, _)| of == repo);
        keys.map(|(_, name)| name)
    }

    fn snapshots(&self, repo: &RepoName) -> BTreeSet<SnapshotId> {
        let of_repo = self.0.iter().filter(|((of, _), _)| of == repo);
        of_repo.flat_map(|(_, ids)| ids.iter().copied()).collect()
    }
}

struct Export<'e> {
    store: &'e Store,
    repo: &'e RepoRow,
    disk: &'e RealDisk,
    /// Where the repo lies in the folder.
    base: PathBuf,
}

impl Export<'_> {
    /// The refs that are exported, each with what it shows.
    fn refs(&self, named: &[RefName]) -> Result<Vec<(RefName, Current)>> {
        let rows = self.store.reader()?.refs(self.repo)?;
        for name in named {
            if !rows
                .iter()
                .any(|row| row.name == *name && row.current.is_some())
            {
                return Err(Error::not_found("ref", name));
            }
        }
        let wanted = rows.into_iter().filter_map(|row| {
            let is_named = named.is_empty() || named.contains(&row.name);
            Some((row.name, row.current.filter(|_| is_named)?))
        });
        Ok(wanted.collect())
    }

    /// The refs that are exported, and those that were before and are still there.
    fn with_those_before(
        &self,
        refs: &[(RefName, Current)],
        before: &Marker,
    ) -> Result<Vec<(RefName, Current)>> {
        let all = self.refs(&[])?;
        let named = |name: &RefName| refs.iter().any(|(known, _)| known == name);
        let again = before
            .refs(&self.repo.name)
            .cloned()
            .collect::<BTreeSet<_>>();
        let wanted = all
            .into_iter()
            .filter(|(name, _)| named(name) || again.contains(name));
        Ok(wanted.collect())
    }

    /// Writes a file that never changes, unless it is there.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.base.join(name);
        if exists(self.disk, &path)? {
            return Ok(());
        }
        self.make_room(&path)?;
        write_whole(self.disk, &path, bytes)
    }

    fn make_room(&self, path: &Path) -> Result<()> {
        self.disk.create_dir(path.parent().unwrap_or(Path::new("")))
    }

    /// Writes the keysets, and the list of refs that the heads note names.
    fn notes(&self, notes: &NoteFiles<'_>) -> Result<()> {
        self.make_room(&self.base.join("trust/heads"))?;
        for version in 1..=self.repo.keyset {
            let note = notes.keyset(version)?;
            let note = note.ok_or_else(|| Error::not_found("keyset", version))?;
            self.put(&format!("trust/keyset/{version}"), &note)?;
        }
        let (name, id) = (&self.repo.name, self.repo.repo_id);
        let signed = Notes::open(self.store.disk(), name, Some(id))?.heads()?;
        let signed = signed.ok_or_else(|| Error::not_found("release in", name))?;
        let list = signed.refs.hash;
        let bytes = notes.refs_list(list)?;
        let bytes = bytes.ok_or_else(|| Error::not_found("list of refs", list))?;
        self.put(&format!("objects/{list}"), &bytes)
    }

    /// Writes the statements of a ref: those who followed it before walk back along them.
    fn statements(&self, notes: &NoteFiles<'_>, name: &RefName) -> Result<()> {
        for release in self.store.reader()?.releases(self.repo, name)? {
            let id = release.statement;
            if let Some(note) = notes.statement(id)? {
                self.put(&format!("statements/{id}"), &note)?;
            }
        }
        Ok(())
    }

    /// Writes the statements before the one that a ref shows, as far as `origin` has them, or they were written before.
    fn older_statements(&self, current: Current, origin: &dyn Origin) -> Result<()> {
        let (name, id) = (&self.repo.name, self.repo.repo_id);
        let notes = Notes::open(self.store.disk(), name, Some(id))?;
        let Some(prev) = notes.statement(current.statement)?.0.prev else {
            return Ok(());
        };
        let file = |id| format!("statements/{id}");
        let is_known = |id| exists(self.disk, &self.base.join(file(id)));
        for (id, note) in statements_from(origin, notes.keysets(), prev, &is_known)? {
            self.put(&file(id), &note)?;
        }
        Ok(())
    }

    /// Writes the packs that lead to what a ref shows: that of everything, and the deltas that lie ready.
    fn packs(
        &self,
        current: Current,
        answer: &mut ExportAnswer,
        progress: &dyn Progress,
    ) -> Result<()> {
        let to = current.snapshot;
        let view = self.store.view(&self.repo.name, &[])?;
        // Whoever pulls a large pack looks first how large it may be.
        let text = view.read(ObjectKind::Snapshot, to.id.hash())?;
        self.put(&format!("objects/{}", to.id), text.as_slice()?)?;
        self.pack(to, "full", answer, &mut |out| {
            make(&view, None, to, &MakeOptions::default(), out, progress).map(drop)
        })?;
        let deltas = self.store.prepared_deltas(&self.repo.name)?;
        for delta in deltas.iter().filter(|delta| delta.to == to.id) {
            let from = delta.from;
            let bytes = self.store.prepared_delta(&self.repo.name, to.id, from)?;
            self.pack(to, &from.to_string(), answer, &mut |out| {
                let written = out.write_all(&bytes);
                written.map_err(Error::io("write", Path::new("the export")))
            })?;
        }
        Ok(())
    }

    fn pack(
        &self,
        to: SnapshotRef,
        from: &str,
        answer: &mut ExportAnswer,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let path = self.base.join(format!("packs/{}/{from}.pack", to.id));
        if exists(self.disk, &path)? {
            return Ok(());
        }
        self.make_room(&path)?;
        let unfinished = next_name(&path);
        if exists(self.disk, &unfinished)? {
            self.disk.remove(&unfinished)?;
        }
        let file = self.disk.create(&unfinished)?;
        let mut out = Sequential::new(file);
        write(&mut out)?;
        let synced = out.sync();
        synced.map_err(Error::io("sync", &self.disk.place(&unfinished)))?;
        self.disk.rename(&unfinished, &path)?;
        answer.packs += 1;
        answer.bytes += self.disk.open_read_only(&path)?.len().unwrap_or(0);
        Ok(())
    }

    /// Writes the files of a ref, only what changed of them.
    fn files(
        &self,
        folder: &Path,
        name: &RefName,
        current: Current,
        progress: &dyn Progress,
    ) -> Result<()> {
        let path = self.base.join("files").join(name.as_str());
        self.make_room(&path)?;
        let view = self.store.view(&self.repo.name, &[])?;
        let (root, snapshot) = (current.root.into(), current.snapshot.id);
        let place = folder.join(path);
        checkout(
            &view,
            root,
            snapshot,
            &TreePath::root(),
            &place,
            Links::Inside,
            progress,
        )?;
        Ok(())
    }

    /// Removes the packs of snapshots that nobody is led to any more.
    fn drop_packs(&self, wanted: &BTreeSet<SnapshotId>) -> Result<()> {
        let packs = self.base.join("packs");
        for listed in self.disk.list(&packs)? {
            let Ok(id) = listed.name.parse::<SnapshotId>() else {
                continue;
            };
            if wanted.contains(&id) {
                continue;
            }
            let folder = packs.join(&listed.name);
            for file in self.disk.list(&folder)? {
                self.disk.remove(&folder.join(&file.name))?;
            }
        }
        Ok(())
    }
}
