//! Reading the audit log, in pages.

use super::super::layout;
use super::parts::{self, PART_BYTES_MAX};
use super::record::{AuditRecord, LINE_BYTES_MAX};
use crate::base::{Error, Result};
use crate::disk::files::Disk;

/// Lines of one page at most.
pub const PAGE_LINES_MAX: usize = 1000;
/// Bytes that are read for one page at most: the lines of a page are fewer if they are long.
const PAGE_BYTES_MAX: u64 = 256 * 1024;
const _: () = assert!(PAGE_BYTES_MAX > LINE_BYTES_MAX as u64);

/// Some lines of the audit log, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The lines.
    pub records: Vec<AuditRecord>,
    /// The cursor with which to go on; what is appended later follows it.
    pub next: u64,
    /// Whether nothing follows so far.
    pub is_last: bool,
    /// Whether lines between the cursor and the first of these are not kept any more.
    pub is_gap: bool,
    /// Lines that are no record: damaged by others, or torn by an outage.
    pub damaged: u64,
}

/// Reads at most `limit` lines from `cursor` on.
pub(super) fn read(disk: &dyn Disk, cursor: u64, limit: usize) -> Result<AuditPage> {
    let starts = parts::list(disk)?;
    let limit = limit.clamp(1, PAGE_LINES_MAX);
    let mut page = AuditPage {
        next: cursor,
        ..AuditPage::default()
    };
    let within = starts.partition_point(|start| *start <= cursor);
    if within == 0 {
        page.is_gap = !starts.is_empty();
    } else {
        check_cursor(disk, starts[within - 1], cursor)?;
    }
    let mut rest = starts[within.saturating_sub(1)..].iter().peekable();
    while let Some(start) = rest.next() {
        // A cursor from before an outage can be past the end of what the outage left.
        let offset = page.next.max(*start) - start;
        let bytes = parts::read(disk, *start, offset, PAGE_BYTES_MAX)?;
        let taken = page.take(&bytes, limit);
        page.next = start + offset + taken as u64;
        let is_whole = (bytes.len() as u64) < PAGE_BYTES_MAX;
        if is_whole && !bytes[taken..].contains(&b'\n') {
            // The rest of the part, if there is one, is a line that is being written, or was torn.
        } else if taken == 0 && page.records.is_empty() {
            // No line is as long: nothing in the rest of this part can be told apart.
            page.damaged += 1;
            page.next = start + part_bytes(disk, *start)?;
        } else {
            return Ok(page);
        }
        match rest.peek() {
            Some(_) if page.records.len() == limit => return Ok(page),
            Some(next) => page.next = **next,
            None => page.next = page.next.min(start + part_bytes(disk, *start)?),
        }
    }
    page.is_last = true;
    Ok(page)
}

/// Reads the newest lines, at most `limit`.
pub(super) fn newest(disk: &dyn Disk, limit: usize) -> Result<AuditPage> {
    let limit = limit.clamp(1, PAGE_LINES_MAX);
    let mut page = AuditPage::default();
    let starts = parts::list(disk)?;
    for (place, start) in starts.iter().enumerate().rev() {
        let bytes = parts::read(disk, *start, 0, PART_BYTES_MAX + LINE_BYTES_MAX as u64)?;
        let mut older = AuditPage::default();
        let taken = older.take(&bytes, usize::MAX);
        if place + 1 == starts.len() {
            page.next = start + taken as u64;
        }
        page.damaged += older.damaged;
        older.records.append(&mut page.records);
        page.records = older.records;
        if page.records.len() >= limit {
            break;
        }
    }
    let surplus = page.records.len().saturating_sub(limit);
    page.records.drain(..surplus);
    page.is_last = true;
    Ok(page)
}

impl AuditPage {
    /// Takes whole lines until there are `limit`; says how many bytes they have.
    fn take(&mut self, bytes: &[u8], limit: usize) -> usize {
        let mut taken = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            if self.records.len() == limit {
                break;
            }
            taken += line.len();
            match AuditRecord::parse(text) {
                Some(record) => self.records.push(record),
                None => self.damaged += 1,
            }
        }
        taken
    }
}

/// Requires that a cursor in the part that begins at `start` is where a line begins.
fn check_cursor(disk: &dyn Disk, start: u64, cursor: u64) -> Result<()> {
    let offset = cursor - start;
    if offset == 0 || offset > part_bytes(disk, start)? {
        return Ok(());
    }
    let before = parts::read(disk, start, offset - 1, 1)?;
    if before == b"\n" {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{cursor} is no cursor of the audit log: take one that a page ended with, or 0"
    )))
}

fn part_bytes(disk: &dyn Disk, start: u64) -> Result<u64> {
    let path = layout::audit_part(start);
    let file = disk.open_read_only(&path)?;
    file.len().map_err(Error::io("read", &disk.place(&path)))
}
