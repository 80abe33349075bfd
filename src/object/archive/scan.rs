//! Scanning: where the compressed streams of a file are, found by its bytes: gzip, zip, ar, tar and xz.
//!
//! Members of ar and tar are scanned like files of their own, so a Debian package shows the xz streams of its two archives,
//! and a tar those of the modules or packages in it.
//!
//! # Invariants
//!
//! - Streams ascend, do not overlap, and lie inside the file. There are at most [`ARCHIVE_STREAMS_MAX`]; what is behind them
//!   is not looked at.
//! - A wrong or hostile file has fewer streams; it is no error, since its bytes can always stay as they are.
//!
//! # Not here
//!
//! Whether a stream expands, and to what (`coder`).

use std::ops::Range;

use super::coder::Coder;
use super::stream::Filter;
use crate::base::limits::{
    ARCHIVE_BYTES_MIN, ARCHIVE_DICTIONARY_CODE_MAX, ARCHIVE_NESTING_MAX, ARCHIVE_STREAMS_MAX,
};

const GZIP: &[u8] = b"\x1f\x8b\x08";
const ZIP_LOCAL: &[u8] = b"PK\x03\x04";
const ZIP_CENTRAL: &[u8] = b"PK\x01\x02";
const ZIP_END: &[u8] = b"PK\x05\x06";
const AR: &[u8] = b"!<arch>\n";
const XZ: &[u8] = b"\xfd7zXZ\0";
const XZ_END: &[u8] = b"YZ";
const TAR: &[u8] = b"ustar";
/// Where a tar says that it is one.
const TAR_AT: usize = 257;
/// Bytes of a tar's header and blocks.
const TAR_BLOCK_BYTES: usize = 512;
/// Bytes of an ar's header of a member.
const AR_HEADER_BYTES: usize = 60;
/// Bytes of the end of a zip without a comment.
const ZIP_END_BYTES: usize = 22;

/// A compressed stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its bytes in the file.
    pub(super) at: Range<usize>,
    /// How it is compressed.
    pub(super) coder: Coder,
}

/// Whether a file that starts with these bytes may be an archive. Some hundred bytes are enough.
#[must_use]
pub fn is_archive(head: &[u8]) -> bool {
    let magics = [GZIP, ZIP_LOCAL, AR, XZ];
    magics.iter().any(|magic| head.starts_with(magic)) || is_tar(head)
}

fn is_tar(head: &[u8]) -> bool {
    head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(TAR))
}

/// The streams of a file.
pub(super) fn streams(file: &[u8]) -> Vec<Found> {
    let mut scan = Scan {
        file,
        found: Vec::new(),
    };
    // Nothing follows from where a scan ends: what it found until then are streams.
    scan.container(0..file.len(), 0);
    scan.found
}

/// A scan on its way.
struct Scan<'f> {
    file: &'f [u8],
    found: Vec<Found>,
}

impl Scan<'_> {
    fn container(&mut self, part: Range<usize>, nesting: usize) -> Option<()> {
        let bytes = self.file.get(part.clone())?;
        if bytes.len() < ARCHIVE_BYTES_MIN || nesting > ARCHIVE_NESTING_MAX {
            return None;
        }
        if bytes.starts_with(GZIP) {
            self.gzip(part)
        } else if bytes.starts_with(ZIP_LOCAL) {
            self.zip(part)
        } else if bytes.starts_with(AR) {
            self.ar(part, nesting)
        } else if bytes.starts_with(XZ) {
            self.xz(part)
        } else if is_tar(bytes) {
            self.tar(part, nesting)
        } else {
            None
        }
    }

    /// Adds a stream, if it is one that can follow those before.
    fn add(&mut self, at: Range<usize>, coder: Coder) -> Option<()> {
        let end = self.found.last().map_or(0, |last| last.at.end);
        let fits = at.start >= end && at.start < at.end && at.end <= self.file.len();
        if !fits || self.found.len() >= ARCHIVE_STREAMS_MAX {
            return None;
        }
        self.found.push(Found { at, coder });
        Some(())
    }

    /// A file of one member (RFC 1952).
    fn gzip(&mut self, part: Range<usize>) -> Option<()> {
        let bytes = &self.file[part.clone()];
        let flags = *bytes.get(3)?;
        let mut at = 10;
        if flags & 4 != 0 {
            at += 2 + usize::from(u16_at(bytes, at)?);
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                at += bytes.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
            }
        }
        if flags & 2 != 0 {
            at += 2;
        }
        self.add(part.start + at..part.end.checked_sub(8)?, Coder::Deflate)
    }

    /// The members that the directory at the end lists (PKWARE's APPNOTE, 4.3). Those of 4 GiB and more are not found.
    fn zip(&mut self, part: Range<usize>) -> Option<()> {
        let bytes = &self.file[part.clone()];
        let last = bytes.len().checked_sub(ZIP_END_BYTES)?;
        let first = last.saturating_sub(usize::from(u16::MAX));
        let end = (first..=last)
            .rev()
            .find(|at| bytes[*at..].starts_with(ZIP_END))?;
        let members = u16_at(bytes, end + 10)?;
        let mut row = u32_at(bytes, end + 16)?;
        let mut found = Vec::new();
        for _ in 0..members {
            if !bytes.get(row..)?.starts_with(ZIP_CENTRAL) {
                break;
            }
            let [method, names] = [10, 28].map(|at| u16_at(bytes, row + at));
            let (packed, local) = (u32_at(bytes, row + 20)?, u32_at(bytes, row + 42)?);
            if method? == 8 && bytes.get(local..)?.starts_with(ZIP_LOCAL) {
                let name = usize::from(u16_at(bytes, local + 26)?);
                let start = local + 30 + name + usize::from(u16_at(bytes, local + 28)?);
                found.push(start..start.checked_add(packed)?);
            }
            let others = [30, 32].map(|at| u16_at(bytes, row + at).map_or(0, usize::from));
            row += 46 + usize::from(names?) + others[0] + others[1];
        }
        found.sort_unstable_by_key(|at| at.start);
        for at in found {
            if at.end <= bytes.len() {
                self.add(part.start + at.start..part.start + at.end, Coder::Deflate);
            }
        }
        Some(())
    }

    fn ar(&mut self, part: Range<usize>, nesting: usize) -> Option<()> {
        let mut at = part.start + AR.len();
        while at + AR_HEADER_BYTES <= part.end {
            let digits = &self.file[at + 48..at + 58];
            let bytes = usize::try_from(number(digits, 10)?).ok()?;
            let start = at + AR_HEADER_BYTES;
            let end = start.checked_add(bytes).filter(|end| *end <= part.end)?;
            self.container(start..end, nesting + 1);
            at = end + bytes % 2;
        }
        Some(())
    }

    fn tar(&mut self, part: Range<usize>, nesting: usize) -> Option<()> {
        let mut at = part.start;
        while at + TAR_BLOCK_BYTES <= part.end {
            let header = &self.file[at..at + TAR_BLOCK_BYTES];
            if !is_tar(header) {
                break;
            }
            let bytes = usize::try_from(number(&header[124..136], 8)?).ok()?;
            let start = at + TAR_BLOCK_BYTES;
            let end = start.checked_add(bytes).filter(|end| *end <= part.end)?;
            if matches!(header[156], b'0' | 0) {
                self.container(start..end, nesting + 1);
            }
            at = start.checked_add(bytes.next_multiple_of(TAR_BLOCK_BYTES))?;
        }
        Some(())
    }

    /// The blocks that the index at the end lists (xz file format, 2 to 4), in a file of one stream without padding.
    fn xz(&mut self, part: Range<usize>) -> Option<()> {
        let bytes = &self.file[part.clone()];
        if !bytes.ends_with(XZ_END) {
            return None;
        }
        let check_bytes = match bytes.get(7)? {
            0 => 0,
            1 => 4,
            4 => 8,
            10 => 32,
            _ => return None,
        };
        let footer = bytes.len().checked_sub(12)?;
        let index = footer.checked_sub((u32_at(bytes, footer + 4)? + 1).checked_mul(4)?)?;
        let mut rows = bytes.get(index + 1..footer)?.iter();
        let mut at = 12_usize;
        for _ in 0..xz_number(&mut rows)? {
            let unpadded = usize::try_from(xz_number(&mut rows)?).ok()?;
            xz_number(&mut rows)?;
            let header = (usize::from(*bytes.get(at)?) + 1) * 4;
            let end = at.checked_add(unpadded.checked_sub(check_bytes)?)?;
            if end > index {
                return None;
            }
            let coder = xz_filters(bytes.get(at..at.checked_add(header)?)?)?;
            self.add(part.start + at + header..part.start + end, coder)?;
            at = at.checked_add(unpadded.checked_next_multiple_of(4)?)?;
        }
        Some(())
    }
}

/// The coder of a block, from its header (xz file format, 3.1).
fn xz_filters(header: &[u8]) -> Option<Coder> {
    const X86: u8 = 4;
    const LZMA2: u8 = 0x21;
    let flags = *header.get(1)?;
    let mut rest = header.get(2..)?.iter();
    for flag in [0x40, 0x80] {
        if flags & flag != 0 {
            xz_number(&mut rest)?;
        }
    }
    let filter = match flags & 3 {
        0 => Filter::None,
        1 if *rest.next()? == X86 && *rest.next()? == 0 => Filter::X86,
        _ => return None,
    };
    if *rest.next()? != LZMA2 || *rest.next()? != 1 {
        return None;
    }
    let dictionary = *rest.next()?;
    (dictionary <= ARCHIVE_DICTIONARY_CODE_MAX).then_some(Coder::Lzma2 { dictionary, filter })
}

/// A number of groups of seven bits, the lowest first (xz file format, 1.2).
fn xz_number<'b>(bytes: &mut impl Iterator<Item = &'b u8>) -> Option<u64> {
    let mut number = 0_u64;
    for at in 0..9 {
        let byte = *bytes.next()?;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*field)).ok()
}

/// A number in digits, with spaces or zero bytes around them.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let text = text.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, radix).ok()
}
