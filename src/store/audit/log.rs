//! Writing the audit log: lines go to the end of its newest part.
//!
//! # Invariants
//!
//! - A part is only begun when the one before is durable to its end.
//! - What an outage left of a line is cut off before the next one is written.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::layout;
use super::page::{self, AuditPage};
use super::parts::{self, PART_BYTES_MAX, PARTS_MAX};
use super::record::{AuditRecord, Decision, LINE_BYTES_MAX};
use crate::base::{Error, Result};
use crate::disk::files::{Disk, DiskFile};

/// What the log is open for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To read alone.
    Read,
    /// To read and append.
    Append,
}

/// The audit log of a store, open in this process. Threads may share it.
#[derive(Debug)]
pub struct AuditLog {
    disk: Arc<dyn Disk>,
    mode: Mode,
    /// The newest part, once something was written.
    newest: Mutex<Option<Part>>,
}

/// Bytes of refusals that wait for the next sync: an outage tears no more than that.
const UNSYNCED_BYTES_MAX: u64 = 64 * 1024;

/// A part that is written to.
#[derive(Debug)]
struct Part {
    file: Box<dyn DiskFile>,
    start: u64,
    bytes: u64,
    /// Up to here it is durable.
    synced: u64,
}

impl AuditLog {
    /// The log of the store on `disk`. Nothing is looked at before the first line is read or written.
    #[must_use]
    pub const fn new(disk: Arc<dyn Disk>, mode: Mode) -> Self {
        Self {
            disk,
            mode,
            newest: Mutex::new(None),
        }
    }

    /// Writes a line to the end. If the record is of a granted change, it and all before it are durable when this returns.
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`] if the store is open to read only; [`Error::Io`] if the disk fails: the change is then not to be
    /// made.
    pub fn append(&self, record: &AuditRecord) -> Result<()> {
        if self.mode == Mode::Read {
            return Err(Error::NotAllowed {
                reason: "the store is open to read only".into(),
            });
        }
        let line = record.to_line()?;
        let mut newest = self.lock();
        // After a failure nobody knows what the file holds: the next call looks.
        let mut part = match newest.take() {
            Some(part) => part,
            None => self.open_newest()?,
        };
        if part.bytes > 0 && part.bytes + line.len() as u64 > PART_BYTES_MAX {
            part = self.begin_next(&part)?;
        }
        let path = layout::audit_part(part.start);
        let failed = |source| self.failed(&path, source);
        part.file.write_at(part.bytes, &line).map_err(failed)?;
        part.bytes += line.len() as u64;
        let unsynced = part.bytes - part.synced;
        if record.decision == Decision::Granted || unsynced > UNSYNCED_BYTES_MAX {
            part.file.sync().map_err(failed)?;
            part.synced = part.bytes;
        }
        *newest = Some(part);
        Ok(())
    }

    /// Reads at most `limit` lines from `cursor` on, the oldest first; 0 is the beginning. `limit` is at most
    /// [`PAGE_LINES_MAX`](page::PAGE_LINES_MAX), and a page has fewer lines if they are long.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if the cursor is within a line; [`Error::Io`] if the log cannot be read.
    pub fn read(&self, cursor: u64, limit: usize) -> Result<AuditPage> {
        // No part goes while this is looking at it.
        let _newest = self.lock();
        page::read(&*self.disk, cursor, limit)
    }

    /// Reads the newest lines, at most `limit` and [`PAGE_LINES_MAX`](page::PAGE_LINES_MAX), the oldest of them first.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the log cannot be read.
    pub fn newest(&self, limit: usize) -> Result<AuditPage> {
        let _newest = self.lock();
        page::newest(&*self.disk, limit)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Part>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, path: &Path, source: std::io::Error) -> Error {
        Error::io("write", &self.disk.place(path))(source)
    }

    /// Opens the newest part, or makes the first; cuts off what an outage left of a line.
    fn open_newest(&self) -> Result<Part> {
        let folder = Path::new(layout::AUDIT);
        let Some(start) = parts::list(&*self.disk)?.pop() else {
            self.disk.create_dir(folder)?;
            // Another process may have made the folder and been killed before its name was durable.
            self.disk.sync_dir(Path::new(""))?;
            return self.create(0);
        };
        let path = layout::audit_part(start);
        let file = self.disk.open(&path)?;
        let bytes_max = PART_BYTES_MAX + LINE_BYTES_MAX as u64;
        let bytes = parts::read(&*self.disk, start, 0, bytes_max)?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        let end = end.map_or(0, |end| end as u64 + 1);
        if end < bytes.len() as u64 {
            let cut = file.set_len(end).and_then(|()| file.sync());
            cut.map_err(|source| self.failed(&path, source))?;
        }
        // Whoever made it may have been killed before its name was durable.
        self.disk.sync_dir(folder)?;
        self.disk.sync_dir(Path::new(""))?;
        Ok(Part {
            file,
            start,
            bytes: end,
            // What it holds may not be: a process that was killed may have written it.
            synced: 0,
        })
    }

    /// Begins the part after `part`, and lets the oldest go.
    fn begin_next(&self, part: &Part) -> Result<Part> {
        let path = layout::audit_part(part.start);
        let synced = part.file.sync();
        synced.map_err(|source| self.failed(&path, source))?;
        let next = self.create(part.start + part.bytes)?;
        let starts = parts::list(&*self.disk)?;
        for start in &starts[..starts.len().saturating_sub(PARTS_MAX)] {
            self.disk.remove(&layout::audit_part(*start))?;
        }
        Ok(next)
    }

    fn create(&self, start: u64) -> Result<Part> {
        let file = self.disk.create_private(&layout::audit_part(start))?;
        self.disk.sync_dir(Path::new(layout::AUDIT))?;
        Ok(Part {
            file,
            start,
            bytes: 0,
            synced: 0,
        })
    }
}
