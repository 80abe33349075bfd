//! Objects that were read lately.
//!
//! An object never changes, so what is kept is right for as long as the caller may see it.

use bytes::Bytes;

use super::sight::Sight;
use crate::base::Result;
use crate::base::cache::Cache;
use crate::base::id::Hash;
use crate::object::kind::ObjectKind;
use crate::store::view::View;

/// Bytes of objects that are kept in memory.
pub const OBJECT_CACHE_BYTES: usize = 128 * 1024 * 1024;

/// Objects that were read lately.
#[derive(Debug)]
pub struct ObjectCache(Cache<(Sight, ObjectKind, Hash), Bytes>);

impl ObjectCache {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::new(OBJECT_CACHE_BYTES))
    }

    /// An object, if it is still there.
    #[must_use]
    pub fn find(&self, sight: &Sight, kind: ObjectKind, id: Hash) -> Option<Bytes> {
        let key = (sight.clone(), kind, id);
        self.0.find(&key).map(|bytes| (*bytes).clone())
    }

    /// Reads an object, and keeps it.
    ///
    /// # Errors
    ///
    /// As [`View::read`].
    pub fn read(
        &self,
        view: &View<'_>,
        sight: &Sight,
        kind: ObjectKind,
        id: Hash,
    ) -> Result<Bytes> {
        let bytes = view.read(kind, id)?;
        let bytes = Bytes::copy_from_slice(bytes.as_slice()?);
        let length = bytes.len();
        self.0
            .keep((sight.clone(), kind, id), bytes.clone(), length);
        Ok(bytes)
    }
}

impl Default for ObjectCache {
    fn default() -> Self {
        Self::new()
    }
}
