//! Asking: which objects the other side lacks, each asked about once.

use std::collections::HashSet;

use crate::base::Result;
use crate::base::id::Hash;
use crate::object::kind::ObjectKind;
use crate::remote::builds::{Builds, MISSING_OBJECTS_MAX};

/// An object, by the two things that name it.
pub(super) type Named = (ObjectKind, Hash);

/// Asks the other side.
pub(super) struct Asking<'a> {
    to: &'a dyn Builds,
    build: u64,
    asked: HashSet<Named>,
    requests: u64,
}

impl<'a> Asking<'a> {
    pub(super) fn new(to: &'a dyn Builds, build: u64) -> Self {
        Self {
            to,
            build,
            asked: HashSet::new(),
            requests: 0,
        }
    }

    /// Whether an object comes up for the first time; whoever hears so asks about it.
    pub(super) fn is_new(&mut self, object: Named) -> bool {
        self.asked.insert(object)
    }

    /// Says of each of some objects whether it must be sent.
    pub(super) fn missing(&mut self, objects: &[Named]) -> Result<Vec<bool>> {
        let mut missing = Vec::with_capacity(objects.len());
        for objects in objects.chunks(MISSING_OBJECTS_MAX) {
            self.requests += 1;
            missing.extend(self.to.missing(self.build, objects)?);
        }
        Ok(missing)
    }

    /// How often the other side was asked.
    pub(super) const fn requests(&self) -> u64 {
        self.requests
    }
}
