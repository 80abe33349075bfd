//! The health of one pack file: whether it is there, is what its name says, and which of its objects are damaged.
//!
//! # Not here
//!
//! What lies in a pack and is needed (`store::fsck`), the checks of the bytes (`object::pack_check`).

use std::collections::HashMap;

use super::layout;
use super::needs::Object;
use super::place::Place;
use super::problem::Problem;
use super::rows::{Owner, PackRow};
use super::view::View;
use crate::base::id::PackId;
use crate::base::{Error, Result};
use crate::disk::files::{Disk, Mapping};
use crate::object::pack_reader::PackReader;
use crate::object::recipe::Recipe;

/// How one pack file is.
#[derive(Debug)]
pub(super) enum Health {
    /// All of it is what its name says.
    Good(PackReader<Mapping>),
    /// It can be opened, and something in it is wrong.
    Damaged {
        /// The pack.
        pack: PackReader<Mapping>,
        /// The objects that cannot be read, and why. May be empty: then only the rest of the file is wrong.
        objects: HashMap<Object, String>,
        /// The first thing that was found.
        reason: String,
    },
    /// Nothing can be read from it.
    Lost {
        /// Why.
        reason: String,
    },
}

impl Health {
    /// Checks every byte of the pack called `id`. The file is opened anew, whoever has it open already. Uses all cores.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the disk fails in another way than that the file is missing.
    pub(super) fn check(disk: &dyn Disk, id: PackId) -> Result<Self> {
        let bytes = match disk.map(&layout::pack(id)) {
            Ok(bytes) => bytes,
            Err(error) if error.is_file_not_found() => {
                let reason = "the file is missing".into();
                return Ok(Self::Lost { reason });
            }
            // What cannot be mapped, such as an empty file, is no pack.
            Err(Error::Io {
                action: "map",
                source,
                ..
            }) => {
                let reason = source.to_string();
                return Ok(Self::Lost { reason });
            }
            Err(error) => return Err(error),
        };
        let pack = match PackReader::open(bytes) {
            Ok(pack) => pack,
            Err(error) => {
                let reason = error.to_string();
                return Ok(Self::Lost { reason });
            }
        };
        let reason = match pack.verify() {
            Ok(found) if found == id => return Ok(Self::Good(pack)),
            Ok(found) => format!("it is the pack {found}"),
            Err(error) => error.to_string(),
        };
        let damaged = pack.damaged_objects().into_iter();
        let objects = damaged
            .map(|object| ((object.kind, object.id), object.reason))
            .collect();
        Ok(Self::Damaged {
            pack,
            objects,
            reason,
        })
    }

    /// What is to be said of the pack with this row, whose file is at `place`, if anything is wrong.
    pub(super) fn problem(&self, row: &PackRow, place: &str) -> Option<Problem> {
        let owner = match row.owner {
            Owner::Build(build) => format!("of build {build}"),
            Owner::Repo(_) => "of published objects".to_owned(),
        };
        match self {
            Self::Good(_) => None,
            Self::Lost { reason } => {
                let detail = format!("{} objects {owner}: {reason}", row.objects);
                Some(Problem::new("lost pack", place, detail))
            }
            Self::Damaged { reason, .. } => {
                let detail = format!("{owner}: {reason}");
                Some(Problem::new("damaged pack", place, detail))
            }
        }
    }

    /// The open pack, if there is one.
    pub(super) const fn pack(&self) -> Option<&PackReader<Mapping>> {
        match self {
            Self::Good(pack) | Self::Damaged { pack, .. } => Some(pack),
            Self::Lost { .. } => None,
        }
    }

    /// The objects of this pack that can be named and cannot be read, each with the reason.
    pub(super) fn damaged(&self) -> Vec<(Object, String)> {
        match self {
            Self::Damaged { objects, .. } => {
                let objects = objects.iter();
                objects
                    .map(|(object, reason)| (*object, reason.clone()))
                    .collect()
            }
            Self::Good(_) | Self::Lost { .. } => Vec::new(),
        }
    }

    /// Why an object of this pack cannot be read, if it cannot.
    pub(super) fn damage(&self, object: &Object) -> Option<&str> {
        match self {
            Self::Good(_) => None,
            Self::Damaged { objects, .. } => objects.get(object).map(String::as_str),
            Self::Lost { reason } => Some(reason),
        }
    }
}

/// What is wrong with a recipe of a damaged pack, if anything. Only its pieces show that; where one of those is damaged, that
/// one is told by itself.
pub(super) fn wrong_recipe(view: &View<'_>, (kind, id): Object, place: Place) -> Option<String> {
    let recipe = view.read_at(kind, id, place);
    let recipe = recipe.and_then(|bytes| Recipe::decode(bytes.as_slice()?));
    let recipe = match recipe {
        Ok(recipe) => recipe,
        Err(error) => return Some(error.to_string()),
    };
    let read = view.read_blob(recipe.blob(), recipe.bytes(), &mut |_| Ok(()));
    match read {
        Err(Error::Damaged { id: hurt, .. }) if hurt != id => None,
        other => other.err().map(|error| error.to_string()),
    }
}
