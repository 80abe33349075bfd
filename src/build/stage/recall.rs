//! What need not be read again: files whose blob is known from the last staging and is there.
//!
//! # Invariants
//!
//! - A file that is not read was, by all that its file system says of it, the same when it was last staged, and the view
//!   shows its blob.
//! - A cache that is wrong in any way is no cache.
//!
//! # Not here
//!
//! The three steps: `build::stage::believe` says which files are the same, `build::stage::settle` which directories need
//! no further look, and [`Recalled::doubt`] looks for the blobs of the rest.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::believe::believe;
use super::cache::{CACHE_BYTES_MAX, cache_path};
use super::listing::Source;
use super::settle::{Settled, settle};
use crate::base::Result;
use crate::base::id::Hash;
use crate::disk::exclude::Excludes;
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::store::Store;
use crate::store::view::View;

/// Blobs that one thread looks up in a row.
const LOOKUPS_PER_TASK: usize = 256;

/// The ids of a source's files, as far as they are known, by their numbers in the order of the listing.
#[derive(Debug)]
pub(super) struct Recalled {
    ids: Vec<Option<Hash>>,
    settled: BTreeMap<usize, Settled>,
    is_current: bool,
}

impl Recalled {
    /// Recalls what the cache of `source` knows and `view` shows.
    ///
    /// # Errors
    ///
    /// Those of [`View::find`]. A cache that cannot be read is none.
    pub(super) fn of(
        store: &Store,
        view: &View<'_>,
        source: &Source,
        excludes: &Excludes,
    ) -> Result<Self> {
        let mut recalled = Self::nothing(source);
        if recalled.open_cache(store, source, excludes) {
            recalled.settled = settle(view, source.contents(), &recalled.ids)?;
            recalled.doubt(view, source)?;
        }
        Ok(recalled)
    }

    /// Recalls nothing.
    pub(super) fn nothing(source: &Source) -> Self {
        Self {
            ids: vec![None; source.file_count()],
            settled: BTreeMap::new(),
            is_current: false,
        }
    }

    /// Takes the ids that the cache knows; says whether there is one.
    fn open_cache(&mut self, store: &Store, source: &Source, excludes: &Excludes) -> bool {
        let Some(directory) = source.directory() else {
            return false;
        };
        let bytes = match store.disk().map(&cache_path(directory, excludes)) {
            Ok(bytes) if bytes.len() <= CACHE_BYTES_MAX => bytes,
            _ => return false,
        };
        let believed = believe(&bytes, source.contents(), &mut self.ids);
        if believed.is_err() {
            self.ids.fill(None);
        }
        self.is_current = believed.as_ref().is_ok_and(|is_current| *is_current);
        believed.is_ok()
    }

    /// Forgets the ids of blobs that the view does not show: those files must be read after all.
    fn doubt(&mut self, view: &View<'_>, source: &Source) -> Result<()> {
        let mut is_settled = vec![false; self.ids.len()];
        for settled in self.settled.values() {
            is_settled[settled.first_file..][..settled.files].fill(true);
        }
        let doubtful: Vec<(usize, ObjectKind, Hash)> = source
            .files()
            .filter(|file| !is_settled[file.number])
            .filter_map(|file| {
                let id = self.ids[file.number]?;
                Some((file.number, blob_form(file.size()), id))
            })
            .collect();
        let shown: Vec<bool> = doubtful
            .par_iter()
            .with_min_len(LOOKUPS_PER_TASK)
            .map(|(_, kind, id)| Ok(view.find(*kind, *id)?.is_some()))
            .collect::<Result<_>>()?;
        for ((number, ..), is_shown) in doubtful.iter().zip(shown) {
            if !is_shown {
                self.ids[*number] = None;
            }
        }
        Ok(())
    }

    /// For each file, whether it must be read.
    pub(super) fn unread(&self) -> Vec<bool> {
        self.ids.iter().map(Option::is_none).collect()
    }

    /// Notes the id of a file that was read.
    pub(super) fn note(&mut self, number: usize, id: Hash) {
        self.ids[number] = Some(id);
    }

    /// The ids, by the numbers of the files.
    pub(super) fn ids(&self) -> &[Option<Hash>] {
        &self.ids
    }

    /// What is known of the directory with this number.
    pub(super) fn settled(&self, number: usize) -> Option<Settled> {
        self.settled.get(&number).copied()
    }

    /// Whether the cache has exactly the files that the walk saw, as they are.
    pub(super) const fn is_current(&self) -> bool {
        self.is_current
    }
}
