//! An origin for tests that shows objects, true ones or not, and counts what it is asked.

use std::cell::Cell;
use std::collections::HashMap;

use super::origin::{Origin, Sink, Wanted};
use crate::base::id::{Hash, StatementId};
use crate::base::{Error, Result};
use crate::store::rows::SnapshotRef;
use crate::trust::heads::RefsObject;

/// The objects, each under the id by which it is shown.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) shown: HashMap<Hash, Vec<u8>>,
    /// How many were asked for.
    pub(super) asked: Cell<u32>,
    /// The bytes of those that were given.
    pub(super) given_bytes: Cell<u64>,
}

impl Objects {
    pub(super) fn of(objects: &[(Hash, &[u8])]) -> Self {
        let objects = objects.iter().map(|(id, bytes)| (*id, bytes.to_vec()));
        Self {
            shown: objects.collect(),
            ..Self::default()
        }
    }
}

fn nothing<T>() -> Result<T> {
    Err(Error::refused("it has objects alone"))
}

impl Origin for &Objects {
    fn place(&self) -> String {
        "there".into()
    }
    fn keyset(&self, _: u64) -> Result<Option<Vec<u8>>> {
        nothing()
    }
    fn heads(&self) -> Result<Vec<u8>> {
        nothing()
    }
    fn refs_list(&self, _: RefsObject) -> Result<Vec<u8>> {
        nothing()
    }
    fn statement(&self, _: StatementId) -> Result<Vec<u8>> {
        nothing()
    }
    fn object(&self, id: Hash) -> Result<Vec<u8>> {
        self.asked.set(self.asked.get() + 1);
        let found = self.shown.get(&id).cloned();
        let bytes = found.ok_or_else(|| Error::not_found("object", id))?;
        let given = self.given_bytes.get() + bytes.len() as u64;
        self.given_bytes.set(given);
        Ok(bytes)
    }
    fn pack(&self, _: Wanted, _: &mut dyn Sink) -> Result<Option<SnapshotRef>> {
        nothing()
    }
}
