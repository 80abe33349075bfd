//! Static exports: a repo as plain files under the URLs that a server has, so that any web server can hold it.
//!
//! # Order
//!
//! Everything that never changes comes first, each file under its name only once it is whole; then the plain files; the heads
//! note, which leads to all of it, comes last. So whoever pulls meanwhile finds the release before or this one.
//!
//! # Invariants
//!
//! - Only a folder that is new, empty, or an export of before is written into, and by one process at a time: it holds the
//!   folder's lock (`disk::lock`).
//! - What the heads note of the export before leads to stays until the next one; so does a ref that was exported once.
//!
//! - It never shows another trust root than before, nor anything older: whoever pulled from it would refuse that.
//!
//! # Not here
//!
//! Who reads it (`remote::http::origin`).

mod marker;
mod shown;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use self::marker::Marker;
use self::shown::Shown;
use super::older::statements_from;
use super::origin::Origin;
use super::pin::Pin;
use crate::base::id::{SnapshotId, StatementId};
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Kind, Result};
use crate::build::checkout::{Links, checkout};
use crate::delta::make::{MakeOptions, make};
use crate::disk::files::{Disk, Sequential};
use crate::disk::real::RealDisk;
use crate::disk::whole::{exists, next_name, read_small, write_whole};
use crate::object::kind::ObjectKind;
use crate::store::note_files::{NoteFiles, STATEMENT_NOTE_BYTES_MAX};
use crate::store::notes::Notes;
use crate::store::rows::{Current, RepoRow, SnapshotRef};
use crate::store::{Patience, Store};

/// How to export.
#[derive(Clone, Default)]
pub struct ExportOptions<'o> {
    /// The refs whose packs and files are written; all, if none is named.
    pub refs: Vec<RefName>,
    /// Where it will be found, for the pin file.
    pub urls: Vec<String>,
    /// Where older statements are, if the store has not all of them.
    pub older: Option<&'o dyn Origin>,
    /// The refs that were in the folder when it was settled what the store has to have, if it has not all there is: an
    /// export that adds others meanwhile must not be undone.
    pub seen: Option<Vec<RefName>>,
}

/// What a folder has of earlier exports of one repo.
#[derive(Debug)]
pub struct Exported {
    /// The refs that can be pulled from it.
    pub refs: Vec<RefName>,
    shown: Shown,
}

impl Exported {
    /// Looks into a folder, which is not there yet, empty, or an export of before. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the folder is somebody's own, [`Error::Untrusted`] if the notes of the repo in it do not hold.
    pub fn read(folder: &Path, repo: &RepoName) -> Result<Self> {
        let disk = RealDisk::new(folder);
        let marker = Marker::read(&disk, folder)?;
        Ok(Self {
            refs: marker.refs(repo).cloned().collect(),
            shown: Shown::read(&disk, &base_of(repo), repo)?,
        })
    }

    /// The id of the repo's first keyset, which an export into the same folder must have; none if nothing of it is there.
    #[must_use]
    pub fn repo_id(&self) -> Option<StatementId> {
        self.shown.repo_id()
    }

    /// Checks that a repo with this id is the one that was exported.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if it is another.
    pub fn check_root(&self, repo_id: StatementId) -> Result<()> {
        self.shown.check_root(repo_id)
    }
}

/// Where a repo lies in a folder of exports.
fn base_of(repo: &RepoName) -> PathBuf {
    PathBuf::from("r").join(repo.as_str())
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

/// Writes a repo into a folder, when no other process does.
///
/// # Errors
///
/// [`Error::NotFound`] if nothing was released, or a ref is not there; [`Error::Refused`] if the folder is somebody's own, or somebody exported
/// others than were [seen](ExportOptions::seen) into it; [`Error::Busy`] if others export into it for longer than `patience`;
/// [`Error::Untrusted`] or [`Error::Contradiction`] if what the folder shows of the repo is of another trust root, or newer:
/// nothing was changed. What the disk answers; what was exported before can be pulled until this one is whole.
pub fn export(
    store: &Store,
    repo: &RepoRow,
    folder: &Path,
    options: &ExportOptions<'_>,
    patience: &Patience,
    progress: &dyn Progress,
) -> Result<ExportAnswer> {
    let disk = RealDisk::new(folder);
    let export = Export {
        store,
        repo,
        disk: &disk,
        base: base_of(&repo.name),
    };
    let notes = NoteFiles::new(store.disk(), repo.name.clone());
    let heads = notes.heads()?;
    let heads = heads.ok_or_else(|| Error::not_found("release in", &repo.name))?;
    let refs = export.refs(&options.refs)?;
    // Before the lock, which would leave its file in a folder that is none of ours; and again when nobody else can change it.
    Marker::read(&disk, folder)?;
    export.check_follows()?;
    disk.create_dir(Path::new(""))?;
    let _lock = patience.lock_export(folder)?;
    let before = Marker::read(&disk, folder)?;
    export.check_follows()?;
    export.check_seen(options, folder, &before)?;
    let refs = export.with_those_before(&refs, &before)?;
    before.begin(&disk)?;
    let mut answer = ExportAnswer {
        refs: export.count_followed(&refs, progress)?,
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

    /// Checks that the store has the refs that others exported since it was settled what it has to have.
    fn check_seen(
        &self,
        options: &ExportOptions<'_>,
        folder: &Path,
        before: &Marker,
    ) -> Result<()> {
        let Some(seen) = &options.seen else {
            return Ok(());
        };
        let all = self.refs(&[])?;
        let is_here = |name: &RefName| all.iter().any(|(known, _)| known == name);
        let mut now = before.refs(&self.repo.name);
        match now.find(|name| !seen.contains(name) && !is_here(name)) {
            None => Ok(()),
            Some(other) => Err(Error::refused(format!(
                "{other} was exported into {} meanwhile; try again",
                folder.display()
            ))),
        }
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
        let signed = self.open_notes()?.heads()?;
        let signed = signed.ok_or_else(|| Error::not_found("release in", &self.repo.name))?;
        let list = signed.refs.hash;
        let bytes = notes.refs_list(list)?;
        let bytes = bytes.ok_or_else(|| Error::not_found("list of refs", list))?;
        self.put(&format!("objects/{list}"), &bytes)
    }

    /// How many of the refs show what is signed of them; of the others it is said that nobody can pull them.
    fn count_followed(&self, refs: &[(RefName, Current)], progress: &dyn Progress) -> Result<u64> {
        let notes = self.open_notes()?;
        let signed = notes.heads()?;
        let signed = signed.ok_or_else(|| Error::not_found("release in", &self.repo.name))?;
        let list = notes.refs_list(&signed)?;
        let mut followed = 0;
        for (name, current) in refs {
            let signed = list.get(name);
            match signed.filter(|signed| signed.is_after(current.epoch, current.seq)) {
                None => followed += 1,
                Some(signed) => progress.note(&format_args!(
                    "{name} cannot be pulled from there: {name}@{} was not followed to @{}, which is signed",
                    current.seq, signed.seq
                )),
            }
        }
        Ok(followed)
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

    /// Checks that what is exported can follow what the folder shows of the repo.
    fn check_follows(&self) -> Result<()> {
        let shown = Shown::read(self.disk, &self.base, &self.repo.name)?;
        let notes = self.open_notes()?;
        let heads = notes.heads()?;
        let heads = heads.ok_or_else(|| Error::not_found("release in", &self.repo.name))?;
        shown.check_followed_by(&notes, &heads)
    }

    fn open_notes(&self) -> Result<Notes<'_>> {
        let (name, id) = (&self.repo.name, self.repo.repo_id);
        Notes::open(self.store.disk(), name, Some(id))
    }

    /// Writes the statements before the one that a ref shows, as far as `origin` has them. One that is there already says
    /// only which comes before it: an export that broke off may have the newest alone.
    fn older_statements(&self, current: Current, origin: &dyn Origin) -> Result<()> {
        let notes = self.open_notes()?;
        let Some(prev) = notes.statement(current.statement)?.0.prev else {
            return Ok(());
        };
        let file = |id: StatementId| format!("statements/{id}");
        let at_hand = |id| {
            let path = self.base.join(file(id));
            if !exists(self.disk, &path)? {
                return Ok(None);
            }
            let note = read_small(self.disk, &path, STATEMENT_NOTE_BYTES_MAX)?;
            Ok(Some((note, self.disk.place(&path).display().to_string())))
        };
        for (id, note) in statements_from(origin, notes.keysets(), prev, &at_hand)? {
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
            let bytes = match self.store.whole_delta(&self.repo.name, to.id, from) {
                Err(error) if error.kind() == Kind::Integrity => {
                    progress.note(&format_args!(
                        "left out: the delta from {from} to {}: {error}",
                        to.id
                    ));
                    continue;
                }
                bytes => bytes?,
            };
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
