//! Packing: a delta on its way into a pack, frame by frame.
//!
//! # Not here
//!
//! Which frames there are (`delta::make`), the layout (`object::pack_writer`).

use std::io::Write;
use std::path::Path;

use super::parts::salt;
use crate::base::error::check_limit;
use crate::base::id::SnapshotId;
use crate::base::limits::{PACK_BYTES_MAX, PACK_OBJECTS_MAX};
use crate::base::{Error, Result};
use crate::object::frame_builder::SealedFrame;
use crate::object::pack::PackSummary;
use crate::object::pack_writer::PackWriter;

/// A delta that is being written.
pub(super) struct Packing<'o> {
    writer: PackWriter<&'o mut dyn Write>,
}

impl<'o> Packing<'o> {
    /// Starts a delta from a snapshot, or from nothing.
    pub(super) fn start(out: &'o mut dyn Write, from: Option<SnapshotId>) -> Result<Self> {
        let writer = PackWriter::new(out, salt(from)).map_err(failed)?;
        Ok(Self { writer })
    }

    /// Appends a frame; [`Error::Limit`] if that is too much for one pack.
    pub(super) fn append(&mut self, frame: &SealedFrame) -> Result<()> {
        let bytes = self.writer.bytes_with(frame);
        check_limit("a pack, in bytes,", bytes, PACK_BYTES_MAX)?;
        let objects = u64::from(self.writer.objects()) + frame.objects().len() as u64;
        check_limit("a pack, in objects,", objects, PACK_OBJECTS_MAX.into())?;
        self.writer.append(frame).map_err(failed)
    }

    /// Ends it.
    pub(super) fn finish(self) -> Result<PackSummary> {
        self.writer
            .finish()
            .map(|(_, summary)| summary)
            .map_err(failed)
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::io("write", Path::new("the delta"))(source)
}
