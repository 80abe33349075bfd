//! Supply: where a damaged store gets objects from. First from what is left of its damaged packs, then from its other
//! packs, then from another store.
//!
//! The other store is a folder of packs: its catalog is not read, so a copy will do that has lost it.
//!
//! # Invariants
//!
//! - Nobody is trusted: every object that is given has the id that was asked for. A recipe is given only if its pieces can
//!   be had and make its blob.
//! - One expanded frame is kept, so objects that are asked for in the order of `Supply::order` cost each frame once.
//!
//! # Not here
//!
//! What is asked for, and where it goes (`store::repair`).

use std::path::Path;
use std::sync::Arc;

use super::layout;
use super::needs::Object;
use super::open::{Patience, Store};
use super::packs::PackStore;
use super::place::OpenPack;
use super::settings::Settings;
use crate::base::id::Hasher;
use crate::base::limits::RECIPE_LEVELS_MAX;
use crate::base::{Error, Result};
use crate::disk::files::{Disk, Mapping};
use crate::disk::lock::{FolderLock, Sharing};
use crate::disk::real::RealDisk;
use crate::disk::whole;
use crate::object::edges::blob_form;
use crate::object::frame::Frame;
use crate::object::kind::ObjectKind;
use crate::object::pack_check::check_object;
use crate::object::recipe::Recipe;
use crate::object::remains::Remains;

/// Another store, to take objects and notes from. It is only read.
#[derive(Debug)]
pub struct OtherStore {
    pub(super) disk: Arc<dyn Disk>,
    packs: PackStore,
    _lock: Option<FolderLock>,
}

impl Store {
    /// Opens another store, in the folder `root`, beside others that read it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, [`Error::Refused`] if it is this one, [`Error::Busy`] if somebody writes to
    /// it for longer than `patience`, [`Error::NewerFormat`] if a later version wrote it.
    pub fn open_other(&self, root: &Path, patience: &Patience) -> Result<OtherStore> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(root));
        if !whole::exists(&*disk, Path::new(layout::SETTINGS))? {
            return Err(Error::not_found("store at", root.display()));
        }
        if self.lock.as_ref().is_some_and(|lock| lock.is_of(root)) {
            let place = root.display();
            return Err(Error::refused(format!(
                "{place} is the store itself: it cannot be healed from what it has lost"
            )));
        }
        let lock = FolderLock::acquire(
            root,
            patience.wait,
            &patience.holder,
            patience.tell,
            Sharing::Shared,
        )?;
        OtherStore::open_on(disk, Some(lock))
    }
}

impl OtherStore {
    /// Opens the store on `disk`; otherwise as [`Store::open_other`].
    ///
    /// # Errors
    ///
    /// As [`Store::open_other`], without waiting.
    pub fn open_on(disk: Arc<dyn Disk>, lock: Option<FolderLock>) -> Result<Self> {
        Settings::read(&*disk)?;
        let packs = PackStore::new(Arc::clone(&disk));
        Ok(Self {
            disk,
            packs,
            _lock: lock,
        })
    }

    /// Its packs, as far as they can be opened.
    fn open_packs(&self) -> Result<Vec<OpenPack>> {
        let ids = self.packs.list()?.into_iter();
        Ok(ids.filter_map(|id| self.packs.open(id).ok()).collect())
    }
}

/// Something with objects in it.
#[derive(Debug)]
enum Source {
    Left(Remains<Mapping>),
    Pack(OpenPack),
}

/// Where an object lies in a supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    source: usize,
    frame: u64,
    start: u32,
    length: u32,
}

/// Objects to heal with.
#[derive(Debug)]
pub(super) struct Supply {
    sources: Vec<Source>,
    /// How many of the sources are this store's own.
    own: usize,
    open: Option<((usize, u64), Frame<'static>)>,
}

/// Where an object came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    ThisStore,
    OtherStore,
}

impl Supply {
    /// Puts together what is left of damaged packs, the whole packs of this store, and another store.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder of the other one cannot be listed.
    pub(super) fn new(
        left: Vec<Remains<Mapping>>,
        whole: Vec<OpenPack>,
        other: &OtherStore,
    ) -> Result<Self> {
        let mut sources: Vec<Source> = left.into_iter().map(Source::Left).collect();
        sources.extend(whole.into_iter().map(Source::Pack));
        let own = sources.len();
        sources.extend(other.open_packs()?.into_iter().map(Source::Pack));
        Ok(Self {
            sources,
            own,
            open: None,
        })
    }

    /// What is left of the damaged pack that was given at place `at`.
    pub(super) fn left(&self, at: usize) -> Vec<Object> {
        match self.sources.get(at) {
            Some(Source::Left(remains)) => remains.objects().collect(),
            _ => Vec::new(),
        }
    }

    /// By what to sort objects so that they are read in the order in which they lie.
    pub(super) fn order(&self, object: Object) -> Option<Spot> {
        (0..self.sources.len()).find_map(|source| self.spot(source, object))
    }

    /// The bytes of an object, and where they come from; none if nobody has them.
    pub(super) fn fetch(&mut self, object: Object) -> Option<(Vec<u8>, Origin)> {
        for source in 0..self.sources.len() {
            let Some(spot) = self.spot(source, object) else {
                continue;
            };
            let Ok(bytes) = self.read(spot, object) else {
                continue;
            };
            if object.0 == ObjectKind::Recipe && !self.makes_its_blob(&bytes) {
                continue;
            }
            let is_own = source < self.own;
            let origin = if is_own {
                Origin::ThisStore
            } else {
                Origin::OtherStore
            };
            return Some((bytes, origin));
        }
        None
    }

    fn spot(&self, source: usize, (kind, id): Object) -> Option<Spot> {
        let (frame, start, length) = match self.sources.get(source)? {
            Source::Left(remains) => {
                let found = remains.find(kind, id)?;
                (found.offset as u64, found.start, found.length)
            }
            Source::Pack(pack) => {
                let found = pack.find(kind, id)?;
                (u64::from(found.frame), found.start, found.length)
            }
        };
        Some(Spot {
            source,
            frame,
            start,
            length,
        })
    }

    /// Reads what lies at a spot, and checks that it is what its id says.
    fn read(&mut self, spot: Spot, (kind, id): Object) -> Result<Vec<u8>> {
        let place = (spot.source, spot.frame);
        if self.open.as_ref().is_none_or(|(open, _)| *open != place) {
            let nowhere = || Error::internal("a spot lies in a source");
            let frame = match self.sources.get(spot.source).ok_or_else(nowhere)? {
                Source::Left(remains) => {
                    let offset = usize::try_from(spot.frame).map_err(|_| nowhere())?;
                    remains.frame(offset)?.into_owned()
                }
                Source::Pack(pack) => {
                    let number = u32::try_from(spot.frame).map_err(|_| nowhere())?;
                    pack.frame(number)?.into_owned()
                }
            };
            self.open = Some((place, frame));
        }
        let (_, frame) = self
            .open
            .as_ref()
            .ok_or_else(|| Error::internal("the frame was just opened"))?;
        let bytes = frame.object(kind, spot.start, spot.length)?;
        check_object(kind, id, bytes)?;
        Ok(bytes.to_vec())
    }

    /// Whether the pieces of a recipe can be had and make the blob.
    fn makes_its_blob(&mut self, recipe: &[u8]) -> bool {
        let Ok(recipe) = Recipe::decode(recipe) else {
            return false;
        };
        let mut hasher = Hasher::new();
        let is_there = self.hash_pieces(&recipe, RECIPE_LEVELS_MAX, &mut hasher);
        is_there && hasher.hash() == recipe.blob().hash()
    }

    fn hash_pieces(&mut self, recipe: &Recipe, levels: usize, hasher: &mut Hasher) -> bool {
        let Some(levels) = levels.checked_sub(1) else {
            return false;
        };
        recipe.pieces().iter().all(|piece| {
            let object = (blob_form(piece.bytes), piece.id.hash());
            let Some(bytes) = self.first(object, piece.bytes) else {
                return false;
            };
            if object.0 == ObjectKind::Blob {
                hasher.update(&bytes);
                return true;
            }
            let nested = Recipe::decode(&bytes);
            nested.is_ok_and(|nested| self.hash_pieces(&nested, levels, hasher))
        })
    }

    /// The first readable form of a piece of `size` bytes.
    fn first(&mut self, object: Object, size: u64) -> Option<Vec<u8>> {
        (0..self.sources.len()).find_map(|source| {
            let bytes = self.read(self.spot(source, object)?, object).ok()?;
            let is_right = object.0 == ObjectKind::Recipe || bytes.len() as u64 == size;
            is_right.then_some(bytes)
        })
    }
}
