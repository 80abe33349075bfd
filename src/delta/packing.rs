//! Packing: a delta on its way into a pack, frame by frame.
//!
//! # Not here
//!
//! Which frames there are (`delta::make`), the layout (`object::pack_writer`).

use std::io::Write;
use std::path::Path;

use super::parts::salt;
use crate::base::id::SnapshotId;
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

    /// Appends a frame.
    pub(super) fn append(&mut self, frame: &SealedFrame) -> Result<()> {
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
