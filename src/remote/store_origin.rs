//! A store on this machine, as an origin.
//!
//! # Not here
//!
//! How packs for others are made (`delta::make`).

use super::origin::{Origin, Part, Sink, Wanted, no_pack};
use crate::base::id::{Hash, StatementId};
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::delta::make::{MakeOptions, make};
use crate::delta::parcel::pack_tree;
use crate::store::Store;
use crate::store::note_files::NoteFiles;
use crate::store::rows::{RepoRow, SnapshotRef};
use crate::trust::heads::RefsObject;

/// A repo of a store on this machine.
pub struct StoreOrigin<'s> {
    store: &'s Store,
    repo: RepoRow,
    progress: &'s dyn Progress,
}

impl<'s> StoreOrigin<'s> {
    /// The repo `repo` of `store`.
    #[must_use]
    pub const fn new(store: &'s Store, repo: RepoRow, progress: &'s dyn Progress) -> Self {
        Self {
            store,
            repo,
            progress,
        }
    }

    fn notes(&self) -> NoteFiles<'s> {
        NoteFiles::new(self.store.disk(), self.repo.name.clone())
    }
}

impl Origin for StoreOrigin<'_> {
    fn place(&self) -> String {
        self.store.root().display().to_string()
    }

    fn is_origin_of(&self, copy: &RepoRow) -> bool {
        copy.name == self.repo.name && copy.copied_from.as_ref() == Some(&self.place())
    }

    fn keyset(&self, version: u64) -> Result<Option<Vec<u8>>> {
        self.notes().keyset(version)
    }

    fn heads(&self) -> Result<Vec<u8>> {
        let heads = self.notes().heads()?;
        heads.ok_or_else(|| Error::not_found("release in", &self.repo.name))
    }

    fn refs_list(&self, object: RefsObject) -> Result<Vec<u8>> {
        let list = self.notes().refs_list(object.hash)?;
        list.ok_or_else(|| missing("list of refs", object.hash))
    }

    fn statement(&self, id: StatementId) -> Result<Vec<u8>> {
        let note = self.notes().statement(id)?;
        note.ok_or_else(|| missing("statement", id.hash()))
    }

    fn object(&self, id: Hash) -> Result<Vec<u8>> {
        let view = self.store.view(&self.repo.name, &[])?;
        view.read_any(id)
    }

    fn pack(&self, wanted: Wanted, out: &mut dyn Sink) -> Result<Option<SnapshotRef>> {
        out.asked();
        let view = self.store.view(&self.repo.name, &[])?;
        // What it does not have, it cannot leave out.
        let from = wanted
            .from
            .filter(|from| view.snapshot_of_size(*from).is_ok());
        let (to, options) = (wanted.to, MakeOptions::default());
        let made = make(&view, from, to, &options, out, self.progress);
        made.map_err(|error| no_pack(error, to.id))?;
        Ok(from)
    }

    fn part(&self, part: &Part, out: &mut dyn Sink) -> Result<()> {
        out.asked();
        let view = self.store.view(&self.repo.name, &[])?;
        pack_tree(&view, part.tree, out, self.progress).map(drop)
    }
}

fn missing(what: &'static str, id: Hash) -> Error {
    Error::not_found(what, id)
}
