//! The files of the audit log. Each is named after the byte of the whole log, from its first line ever, at which it begins:
//! so a place in the log is one number, which stays when the oldest part goes.

use std::path::Path;

use super::super::layout;
use crate::base::{Error, Result};
use crate::disk::files::Disk;

/// Bytes after which a new part is begun; a part ends with a whole line.
pub const PART_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Parts that are kept: about a million lines.
pub const PARTS_MAX: usize = 64;

/// The bytes at which parts begin, sorted; files with other names are left out.
pub(super) fn list(disk: &dyn Disk) -> Result<Vec<u64>> {
    let files = match disk.list(Path::new(layout::AUDIT)) {
        Err(error) if error.is_file_not_found() => return Ok(Vec::new()),
        files => files?,
    };
    let start = |name: &str| {
        let start: u64 = name.strip_suffix(layout::AUDIT_SUFFIX)?.parse().ok()?;
        (layout::audit_part(start).file_name()? == name).then_some(start)
    };
    let mut starts: Vec<u64> = files.iter().filter_map(|file| start(&file.name)).collect();
    starts.sort_unstable();
    Ok(starts)
}

/// The bytes of a part from `offset` on, at most `bytes_max`.
pub(super) fn read(disk: &dyn Disk, start: u64, offset: u64, bytes_max: u64) -> Result<Vec<u8>> {
    let path = layout::audit_part(start);
    let file = disk.open_read_only(&path)?;
    let place = disk.place(&path);
    let length = file.len().map_err(Error::io("read", &place))?;
    let bytes = length.saturating_sub(offset).min(bytes_max);
    let bytes = usize::try_from(bytes).map_err(|_| Error::internal("a part fits memory"))?;
    let mut buffer = vec![0; bytes];
    file.read_at(offset, &mut buffer)
        .map_err(Error::io("read", &place))?;
    Ok(buffer)
}
