//! Packs: what a snapshot has and another has not, as one file whose URL never means anything else.
//!
//! A delta that lies ready is sent as it is. Any other pack is made when somebody asks for it, into a file without a name,
//! and kept for those who ask next or go on where they broke off.
//!
//! # Not here
//!
//! How a pack is made (`delta::make`), which deltas lie ready (`delta::prepare`).

use std::sync::Arc;

use bytes::Bytes;

use super::answer::{Answer, Keep};
use super::app::App;
use super::content::{CHUNK_BYTES, Content, Facts, Reading, Wish, answer};
use super::pack_cache::Key;
use super::ranges::Span;
use super::route::{Base, PackName};
use super::sight::{Sight, sized};
use crate::base::id::{HASH_BYTES, Hash};
use crate::base::progress::Silent;
use crate::base::{Error, Kind, Result};
use crate::delta::make::{MakeOptions, make};
use crate::delta::parcel::pack_tree;
use crate::disk::files::Mapping;
use crate::object::directory::find_path;
use crate::object::pack_reader::PackReader;
use crate::remote::origin::no_pack;
use crate::remote::wire::PACK_TYPE;
use crate::store::download::Download;

impl App {
    fn make_pack(&self, (sight, name): &Key) -> Result<Mapping> {
        let view = sight.view(&self.store)?;
        let to = sized(&view, name.to)?;
        let from = name.from.map(|from| sized(&view, from)).transpose()?;
        // It would take room. Whoever finds no pack takes what is in it object by object, which takes none.
        self.check_room().map_err(|error| {
            self.went_wrong("making a pack", &error);
            Error::not_found("pack, as there is too little room to make one, of", to.id)
        })?;
        let mut file = Download::create(&self.store)?;
        if let Some(path) = &name.path {
            let root = view.snapshot_of_size(to)?.tree;
            let found = find_path(&view, root, path)?;
            let tree = found.and_then(|found| found.tree_ref());
            let tree = tree.ok_or_else(|| Error::not_found("directory", path))?;
            pack_tree(&view, tree, &mut file, &Silent)?;
            return check_made(file.finish()?);
        }
        let options = MakeOptions::default();
        let made = make(&view, from, to, &options, &mut file, &Silent);
        made.map_err(|error| no_pack(error, to.id))?;
        check_made(file.finish()?)
    }

    /// A delta that lies ready, if both of its snapshots may still be seen: a pack that was made before is no reason to show one. What
    /// is sent is kept for ever by whoever is in between: it is checked before it is sent for the first time, and removed if it is damaged.
    fn ready_delta(&self, sight: &Sight, name: &PackName) -> Result<Option<Mapping>> {
        let view = sight.view(&self.store)?;
        sized(&view, name.to)?;
        let Some(from) = name.from else {
            return Ok(None);
        };
        sized(&view, from)?;
        let (store, repo, to) = (&self.store, &sight.repo, name.to);
        let delta = match store.prepared_delta(repo, to, from) {
            Err(error) if error.is_file_not_found() => return Ok(None),
            delta => delta?,
        };
        let key = (repo.clone(), to, from, etag(&delta));
        if self.packs.checked_deltas.find(&key).is_some() {
            return Ok(Some(delta));
        }
        match store.whole_delta(repo, to, from) {
            Err(error) if error.is_file_not_found() => Ok(None),
            Err(error) if error.kind() == Kind::Integrity => {
                store.remove_delta(repo, to, from).ok();
                self.troubles.say(format!(
                    "the delta of {repo} from {from} to {to} was damaged and is removed: {error}"
                ));
                Ok(None)
            }
            delta => {
                let delta = delta?;
                self.packs.checked_deltas.keep(key, (), 1);
                Ok(Some(delta))
            }
        }
    }
}

/// Checks a pack that was made: its frames are those of the store, which nobody has looked into. What is damaged there must not be
/// sent as good, nor kept.
fn check_made(pack: Mapping) -> Result<Mapping> {
    let damaged = PackReader::open(&pack[..])?.damaged_objects();
    match damaged.into_iter().next() {
        None => Ok(pack),
        Some(damaged) => Err(Error::Damaged {
            what: damaged.kind.name(),
            id: damaged.id,
            place: "the store".into(),
            reason: damaged.reason,
        }),
    }
}

/// Answers a request for a pack.
///
/// # Errors
///
/// [`Error::NotFound`] if one of its snapshots cannot be seen.
pub async fn pack(app: &Arc<App>, wish: &Wish, base: Base, name: PackName) -> Result<Answer> {
    let asked = name.clone();
    let found = app.work(move |app| {
        let sight = Sight::of(&app.store, &base)?;
        let ready = app.ready_delta(&sight, &asked)?;
        Ok((sight, ready))
    });
    let (sight, ready) = found.await?;
    let pack = if let Some(delta) = ready {
        delta
    } else {
        let making = Arc::clone(app);
        let make = |key| async move { making.work(move |app| app.make_pack(&key)).await };
        app.packs.find((sight, name), make).await?
    };
    let facts = Facts {
        content_type: PACK_TYPE.into(),
        etag: etag(&pack),
        modified: None,
        keep: Keep::Forever,
    };
    let content = Mapped {
        app: Arc::clone(app),
        bytes: pack,
    };
    Ok(answer(wish, Arc::new(content), &facts))
}

/// A name for the bytes of a pack: the hash at its end. Two packs of the same snapshots may differ, such as a delta that was
/// made at once and one that was made with more time.
fn etag(pack: &Mapping) -> String {
    let hash = pack.last_chunk::<HASH_BYTES>();
    hash.map_or_else(String::new, |hash| Hash::from_bytes(*hash).to_string())
}

/// A file of the store.
struct Mapped {
    app: Arc<App>,
    bytes: Mapping,
}

impl Content for Mapped {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn broke_off(&self, error: &Error) {
        self.app.went_wrong("sending a pack", error);
    }

    fn read(self: Arc<Self>, span: Span) -> Reading {
        Box::pin(async move {
            let bytes = self.bytes.clone();
            let end = span.end.min(span.start + CHUNK_BYTES);
            // A page of the file may have to be read from the disk first.
            let read = move |_: &App| {
                let range = usize::try_from(span.start)
                    .ok()
                    .zip(usize::try_from(end).ok());
                let bytes = range.and_then(|(start, end)| bytes.get(start..end));
                let bytes = bytes.ok_or_else(|| Error::internal("a span lies in its content"))?;
                Ok(Bytes::copy_from_slice(bytes))
            };
            self.app.work(read).await
        })
    }
}
