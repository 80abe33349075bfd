//! Lists of files as they were seen: what the stat cache of a directory and the marker of a checkout remember.
//!
//! ```text
//! 1 name size mtime ctime inode device id      a file; names have a length u8 in front
//! 2 name                                       a directory begins: its files, then its directories
//! 3                                            it ends
//! 4 name                                       a file or link of which no more is known
//! ```
//! Numbers are 64 bits, little-endian. What stands before the first record is the caller's; the BLAKE3 hash of
//! everything stands after the last.
//!
//! # Invariants
//!
//! - Files and directories ascend by name, so a list is read beside a directory in one pass over both.
//!
//! # Not here
//!
//! What is believed of a list (`build::stage::believe`, `build::checkout::prepare`).

use std::io::{self, Write};
use std::path::Path;

use crate::base::id::{HASH_BYTES, Hash, Hasher};
use crate::base::{Error, Result};
use crate::disk::stat::Stat;

/// Starts a file.
const FILE: u8 = 1;
/// Starts a directory.
const ENTER: u8 = 2;
/// Ends a directory.
const LEAVE: u8 = 3;
/// Starts a name of which no more is known.
const NAME: u8 = 4;

/// Bytes of the longest record.
pub(super) const RECORD_BYTES_MAX: usize = 2 + u8::MAX as usize + 5 * 8 + HASH_BYTES;
/// Bytes that are written at a time.
const PIECE_BYTES_TARGET: usize = 64 * 1024;

/// By what a file is recognised. Permission bits are not among it: they are no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: u64,
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    pub(super) inode: u64,
    pub(super) device: u64,
}

impl From<&Stat> for Facts {
    fn from(stat: &Stat) -> Self {
        Self {
            size: stat.size,
            mtime_ns: stat.mtime_ns,
            ctime_ns: stat.ctime_ns,
            inode: stat.inode,
            device: stat.device,
        }
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A file.
    File {
        name: &'a str,
        facts: Facts,
        id: Hash,
    },
    /// A file or link of which no more is known.
    Name(&'a str),
    /// A directory begins.
    Enter(&'a str),
    /// It ends.
    Leave,
}

/// Writes a list, piece by piece: lists of millions of files are not held in memory.
pub(super) struct ListWriter<W> {
    out: W,
    hasher: Hasher,
    piece: Vec<u8>,
}

impl<W: Write> ListWriter<W> {
    /// Starts with `head`, what the caller puts before the first record.
    pub(super) fn new(out: W, head: &[u8]) -> Self {
        Self {
            out,
            hasher: Hasher::new(),
            piece: head.to_vec(),
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] for a name longer than names are; [`Error::Io`] if the list cannot be written.
    pub(super) fn add(&mut self, record: &Record<'_>) -> Result<()> {
        match record {
            Record::File { name, facts, id } => {
                self.name(FILE, name)?;
                self.piece.extend_from_slice(&facts.size.to_le_bytes());
                self.piece.extend_from_slice(&facts.mtime_ns.to_le_bytes());
                self.piece.extend_from_slice(&facts.ctime_ns.to_le_bytes());
                self.piece.extend_from_slice(&facts.inode.to_le_bytes());
                self.piece.extend_from_slice(&facts.device.to_le_bytes());
                self.piece.extend_from_slice(id.as_bytes());
            }
            Record::Name(name) => self.name(NAME, name)?,
            Record::Enter(name) => self.name(ENTER, name)?,
            Record::Leave => self.piece.push(LEAVE),
        }
        if self.piece.len() < PIECE_BYTES_TARGET {
            return Ok(());
        }
        self.write_piece()
    }

    fn name(&mut self, tag: u8, name: &str) -> Result<()> {
        let length = u8::try_from(name.len()).map_err(|_| Error::internal("a long name"))?;
        self.piece.extend_from_slice(&[tag, length]);
        self.piece.extend_from_slice(name.as_bytes());
        Ok(())
    }

    fn write_piece(&mut self) -> Result<()> {
        self.hasher.update(&self.piece);
        self.out.write_all(&self.piece).map_err(cannot_write)?;
        self.piece.clear();
        Ok(())
    }

    /// Ends the list, and gives back where it was written to.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be written.
    pub(super) fn finish(mut self) -> Result<W> {
        self.hasher.update(&self.piece);
        self.piece.extend_from_slice(self.hasher.hash().as_bytes());
        self.out.write_all(&self.piece).map_err(cannot_write)?;
        Ok(self.out)
    }
}

fn cannot_write(source: io::Error) -> Error {
    Error::io("write", Path::new("a list of files"))(source)
}

/// Checks the hash at the end of a list, and gives what stands before it.
///
/// # Errors
///
/// [`Error::Malformed`] if it is another one.
pub(super) fn check_hash(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_last_chunk::<HASH_BYTES>() {
        Some((before, hash)) if Hash::of(before).as_bytes() == hash => Ok(before),
        Some(_) => Err(malformed("it has another hash")),
        None => Err(malformed("it is shorter than a hash")),
    }
}

/// Reads the records of a list.
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Starts at the first record.
    pub(super) const fn new(records: &'a [u8]) -> Self {
        Self { rest: records }
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there is none that can be read.
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>> {
        let Some((tag, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        match *tag {
            FILE => Ok(Some(Record::File {
                name: self.name()?,
                facts: Facts {
                    size: u64::from_le_bytes(self.take()?),
                    mtime_ns: i64::from_le_bytes(self.take()?),
                    ctime_ns: i64::from_le_bytes(self.take()?),
                    inode: u64::from_le_bytes(self.take()?),
                    device: u64::from_le_bytes(self.take()?),
                },
                id: Hash::from_bytes(self.take()?),
            })),
            NAME => Ok(Some(Record::Name(self.name()?))),
            ENTER => Ok(Some(Record::Enter(self.name()?))),
            LEAVE => Ok(Some(Record::Leave)),
            other => Err(malformed(format!("no record starts with {other}"))),
        }
    }

    fn name(&mut self) -> Result<&'a str> {
        let [length] = self.take()?;
        let (name, rest) = self
            .rest
            .split_at_checked(length.into())
            .ok_or_else(|| malformed("a name is cut short"))?;
        self.rest = rest;
        std::str::from_utf8(name).map_err(|_| malformed("a name is no text"))
    }

    fn take<const BYTES: usize>(&mut self) -> Result<[u8; BYTES]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| malformed("a record is cut short"))?;
        self.rest = rest;
        Ok(*taken)
    }
}

pub(super) fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("list of files", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"head\n";

    fn records() -> Vec<Record<'static>> {
        let facts = Facts {
            size: 1,
            mtime_ns: -2,
            ctime_ns: i64::MAX,
            inode: u64::MAX,
            device: 5,
        };
        let id = Hash::of(b"1");
        vec![
            Record::File {
                name: "a",
                facts,
                id,
            },
            Record::Enter("d\u{e9}"),
            Record::Name("b"),
            Record::Leave,
        ]
    }

    fn written(records: &[Record<'_>]) -> Result<Vec<u8>> {
        let mut writer = ListWriter::new(Vec::new(), HEAD);
        for record in records {
            writer.add(record)?;
        }
        writer.finish()
    }

    fn read(records: &[u8]) -> Result<Vec<Record<'_>>> {
        let mut records = Records::new(records);
        let mut all = Vec::new();
        while let Some(record) = records.next()? {
            all.push(record);
        }
        Ok(all)
    }

    #[test]
    fn what_was_written_is_read() -> Result<()> {
        for records in [Vec::new(), records()] {
            let bytes = written(&records)?;
            assert_eq!(read(&check_hash(&bytes)?[HEAD.len()..])?, records);
        }
        let long = "n".repeat(256);
        assert!(written(&[Record::Enter(&long)]).is_err());
        Ok(())
    }

    #[test]
    fn a_torn_list_is_noticed() -> Result<()> {
        let bytes = written(&records())?;
        for length in 0..bytes.len() {
            assert!(check_hash(&bytes[..length]).is_err(), "{length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check_hash(&flipped).is_err(), "{bit}");
        }
        Ok(())
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error() -> Result<()> {
        let bytes = written(&records())?;
        let body = &check_hash(&bytes)?[HEAD.len()..];
        for length in 0..body.len() {
            // What ends between two records has fewer of them.
            let read = read(&body[..length]);
            assert!(read.map_or(true, |records| records.len() < 4), "{length}");
        }
        for bad in [
            [9].as_slice(),
            &[FILE, 1, 0xff],
            &[ENTER, 2, b'a'],
            &[ENTER],
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        Ok(())
    }
}
