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
    bytes_max: u64,
}

impl<'o> Packing<'o> {
    /// Starts a delta from a snapshot, or from nothing.
    pub(super) fn start(out: &'o mut dyn Write, from: Option<SnapshotId>) -> Result<Self> {
        let writer = PackWriter::new(out, salt(from)).map_err(failed)?;
        let bytes_max = PACK_BYTES_MAX;
        Ok(Self { writer, bytes_max })
    }

    /// Appends a frame; [`Error::Limit`] if that is too much for one pack.
    pub(super) fn append(&mut self, frame: &SealedFrame) -> Result<()> {
        let bytes = self.writer.bytes_with(frame);
        check_limit("a pack, in bytes,", bytes, self.bytes_max)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Hash;
    use crate::object::frame_builder::FrameBuilder;
    use crate::object::kind::ObjectKind;

    #[test]
    fn what_is_too_much_for_one_pack_is_told_as_that() -> Result<()> {
        let mut frame = FrameBuilder::new();
        frame.push(ObjectKind::Blob, Hash::of(b"a"), b"a")?;
        let frame = frame.seal()?;
        let mut out = Vec::new();
        let mut packing = Packing::start(&mut out, None)?;
        let exact = packing.writer.bytes_with(&frame);
        packing.bytes_max = exact - 1;
        let refused = packing.append(&frame);
        assert!(matches!(refused, Err(Error::Limit { found, .. }) if found == exact));
        packing.bytes_max = exact;
        packing.append(&frame)?;
        assert_eq!(packing.finish()?.bytes, exact);
        Ok(())
    }
}
