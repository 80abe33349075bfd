//! The codec: the one door to zstd.
//!
//! # Invariants
//!
//! - What [`expand`] and [`Expander`] take is one zstd frame and nothing else, with its content size, without a
//!   dictionary, and with a window of at most 2 to the power [`FRAME_WINDOW_LOG_MAX`] or [`PATCH_WINDOW_LOG_MAX`] bytes.
//!   All that is read from its header before memory is asked for, and the result has exactly the length that was promised.
//! - Each thread keeps one context per direction for frames: making one costs more than compressing a small frame. Patches
//!   are large and get contexts of their own.
//!
//! # Not here
//!
//! What the bytes mean (`object::frame`).

use std::cell::RefCell;
use std::io::{self, Cursor};

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{
    CParameter, DCtx, DParameter, InBuffer, OutBuffer, find_frame_compressed_size, get_error_name,
    get_frame_content_size,
};

use crate::base::error::{Error, Result};
use crate::base::limits::{FRAME_WINDOW_LOG_MAX, PATCH_WINDOW_LOG_MAX};

/// The level of stored frames: on source trees and binaries the next levels cost twice the time for 2 % of the bytes.
const LEVEL: i32 = 3;
/// The level of texts that are written once and sent often: the highest that takes less than a second for ten megabytes.
const TEXT_LEVEL: i32 = 15;

/// The smallest window that is asked for where there is a prefix, as a power of two: the least that zstd takes.
const PREFIX_WINDOW_LOG_MIN: u32 = 10;

/// The first bytes of a zstd frame (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

thread_local! {
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::default();
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// Appends `raw`, compressed, to `head`, or gives `None` if that would take more than `stored_bytes_max` bytes.
///
/// # Errors
///
/// [`Error::Internal`] if zstd fails for another reason than lack of room.
pub(super) fn compress(
    raw: &[u8],
    head: &[u8],
    stored_bytes_max: usize,
) -> Result<Option<Vec<u8>>> {
    let mut output = Vec::with_capacity(head.len() + stored_bytes_max);
    output.extend_from_slice(head);
    let mut output = Cursor::new(output);
    output.set_position(head.len() as u64);
    let outcome = COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.set_parameter(CParameter::CompressionLevel(LEVEL))?;
        compressor.compress_to_buffer(raw, &mut output)
    });
    match outcome {
        // A vector may have more room than was asked for.
        Ok(stored_bytes) if stored_bytes <= stored_bytes_max => Ok(Some(output.into_inner())),
        Ok(_) => Ok(None),
        Err(error) if is_too_small(&error) => Ok(None),
        Err(error) => Err(Error::internal(format!("cannot compress: {error}"))),
    }
}

/// Compresses a text that is written once and sent often.
///
/// # Errors
///
/// [`Error::Internal`] if zstd fails.
pub(super) fn compress_text(raw: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(raw, TEXT_LEVEL)
        .map_err(|error| Error::internal(format!("cannot compress: {error}")))
}

fn is_too_small(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<zstd::Error>())
        .is_some_and(|inner| inner.is(ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall))
}

/// Expands `stored`, which must give exactly `raw_bytes` bytes; the caller has checked that number against its limit.
///
/// # Errors
///
/// [`Error::Malformed`] if `stored` is anything else than one such zstd frame.
pub(super) fn expand(stored: &[u8], raw_bytes: usize) -> Result<Vec<u8>> {
    let wrong = |reason: String| Error::malformed("frame", reason);
    check_frame("frame", stored, raw_bytes, FRAME_WINDOW_LOG_MAX)?;
    let mut raw = Vec::with_capacity(raw_bytes);
    let expanded = DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.decompress_to_buffer(stored, &mut raw))
        .map_err(|error| wrong(format!("zstd: {error}")))?;
    if expanded == raw_bytes {
        Ok(raw)
    } else {
        Err(wrong(format!(
            "expands to {expanded} bytes instead of {raw_bytes}"
        )))
    }
}

/// Checks that `stored`, part of a `what`, is one zstd frame that says that it holds `raw_bytes` bytes.
fn check_frame(
    what: &'static str,
    stored: &[u8],
    raw_bytes: usize,
    window_log_max: u32,
) -> Result<()> {
    let wrong = |reason: String| Err(Error::malformed(what, reason));
    if let Err(reason) = check_window(stored, raw_bytes, window_log_max) {
        return wrong(reason.into());
    }
    if find_frame_compressed_size(stored) != Ok(stored.len()) {
        return wrong("payload is not one zstd frame".into());
    }
    if !matches!(get_frame_content_size(stored), Ok(Some(bytes)) if bytes == raw_bytes as u64) {
        return wrong(format!(
            "zstd frame does not say that it holds {raw_bytes} bytes"
        ));
    }
    Ok(())
}

/// Reads the start of a zstd frame header (RFC 8878, 3.1.1.1): no dictionary, and a window within its limit.
fn check_window(stored: &[u8], raw_bytes: usize, window_log_max: u32) -> Result<(), &'static str> {
    let Some((&[a, b, c, d, descriptor, window], _)) = stored.split_first_chunk() else {
        return Err("payload is shorter than a zstd frame");
    };
    if [a, b, c, d] != MAGIC {
        return Err("payload is not a zstd frame");
    }
    if descriptor & 0b11 != 0 {
        return Err("zstd frame wants a dictionary");
    }
    let is_single_segment = descriptor & 0b10_0000 != 0;
    let window_bytes = if is_single_segment {
        raw_bytes as u64
    } else {
        let base = 1_u64 << (10 + (window >> 3));
        base + base / 8 * u64::from(window & 7)
    };
    if window_bytes > 1 << window_log_max {
        return Err("zstd frame has a window above the limit");
    }
    Ok(())
}

/// The version of zstd: another one may compress the same to other bytes.
pub(super) fn version() -> u32 {
    zstd::zstd_safe::version_number()
}

/// Compresses a stream of a patch, `prefix` being known to whoever expands it.
///
/// # Errors
///
/// [`Error::Internal`] if zstd fails.
pub(super) fn compress_stream(raw: &[u8], prefix: &[u8], level: i32) -> Result<Vec<u8>> {
    let compressed = || -> io::Result<Vec<u8>> {
        let mut compressor = Compressor::new(level)?;
        if !prefix.is_empty() {
            // The window must reach back over all of the prefix.
            let bytes = (prefix.len() + raw.len()).max(1);
            let log = (usize::BITS - (bytes - 1).leading_zeros())
                .clamp(PREFIX_WINDOW_LOG_MIN, PATCH_WINDOW_LOG_MAX);
            compressor.set_parameter(CParameter::WindowLog(log))?;
            let is_long = log > FRAME_WINDOW_LOG_MAX;
            compressor.set_parameter(CParameter::EnableLongDistanceMatching(is_long))?;
            let context = compressor.context_mut();
            context
                .ref_prefix(prefix)
                .map_err(|code| io::Error::other(get_error_name(code)))?;
        }
        compressor.compress(raw)
    };
    compressed().map_err(|error| Error::internal(format!("cannot compress: {error}")))
}

/// Expands a stream of a patch, piece by piece. Its memory is bounded by the window.
pub(super) struct Expander<'a> {
    context: DCtx<'a>,
    input: InBuffer<'a>,
    /// Bytes that were promised and have not been read.
    left: usize,
    /// Whether the end of the zstd frame has been reached.
    has_ended: bool,
}

impl<'a> Expander<'a> {
    /// Takes a stream that [`compress_stream`] made; the caller has checked `raw_bytes` against its limit.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if `stored` is anything else than one zstd frame that says that it holds `raw_bytes` bytes.
    pub(super) fn new(stored: &'a [u8], prefix: &'a [u8], raw_bytes: usize) -> Result<Self> {
        check_frame("patch", stored, raw_bytes, PATCH_WINDOW_LOG_MAX)?;
        let mut context = DCtx::create();
        context
            .set_parameter(DParameter::WindowLogMax(PATCH_WINDOW_LOG_MAX))
            .and_then(|_| context.ref_prefix(prefix))
            .map_err(zstd_failed)?;
        Ok(Self {
            context,
            input: InBuffer::around(stored),
            left: raw_bytes,
            has_ended: false,
        })
    }

    /// How many bytes have not been read.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Fills `piece` with the next bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if there are no more, or what is stored is damaged.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> Result<()> {
        let wanted = piece.len();
        let left = self.left.checked_sub(wanted);
        self.left = left.ok_or_else(|| Error::malformed("patch", "a stream is too short"))?;
        let mut output = OutBuffer::around(piece);
        while output.pos() < wanted {
            let before = (output.pos(), self.input.pos());
            let more = self.context.decompress_stream(&mut output, &mut self.input);
            self.has_ended = more.map_err(zstd_failed)? == 0;
            if before == (output.pos(), self.input.pos()) {
                return Err(Error::malformed("patch", "a stream ends early"));
            }
        }
        Ok(())
    }

    /// Checks that the stream ends here.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if bytes are left, or the end is damaged.
    pub(super) fn finish(mut self) -> Result<()> {
        if !self.has_ended {
            let mut nothing = OutBuffer::around(&mut [][..]);
            let more = self
                .context
                .decompress_stream(&mut nothing, &mut self.input);
            self.has_ended = more.map_err(zstd_failed)? == 0;
        }
        if self.left == 0 && self.has_ended {
            Ok(())
        } else {
            Err(Error::malformed(
                "patch",
                "a stream does not end with its bytes",
            ))
        }
    }
}

fn zstd_failed(code: usize) -> Error {
    Error::malformed("patch", format!("zstd: {}", get_error_name(code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::MIB;
    use crate::base::testing::mutations;

    #[test]
    fn what_was_compressed_expands_again() -> Result<()> {
        for bytes in [0, 1, 1000, 512 * 1024, 9 * 1024 * 1024] {
            let raw: Vec<u8> = (0..bytes).map(|at: u32| at.to_be_bytes()[2]).collect();
            let stored = compress(&raw, b"head", raw.len() + 100)?;
            let stored = stored.ok_or_else(|| Error::internal("does not fit"))?;
            assert!(stored.starts_with(b"head"));
            assert!(expand(&stored[4..], raw.len())? == raw, "{bytes} bytes");
        }
        Ok(())
    }

    #[test]
    fn what_does_not_shrink_is_not_compressed() -> Result<()> {
        assert_eq!(compress(b"no two alike", b"", 12)?, None);
        assert_eq!(compress(&[0; 1000], b"", 3)?, None);
        assert!(compress(&[0; 1000], b"", 970)?.is_some());
        Ok(())
    }

    #[test]
    fn only_one_plain_zstd_frame_of_the_right_length_expands() -> Result<()> {
        let good = compress(&[7; 300], b"", 300)?.unwrap_or_default();
        assert_eq!(expand(&good, 300)?, [7; 300]);
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            bad
        };
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0][..], &good].concat();
        for (stored, raw_bytes, reason) in [
            (good.clone(), 299, "one byte fewer promised"),
            (good.clone(), 301, "one byte more promised"),
            ([&good[..], &good].concat(), 600, "two frames"),
            ([&good[..], &[0]].concat(), 300, "a byte behind the frame"),
            (skippable, 300, "a skippable frame in front"),
            (with(0, 0), 300, "another magic"),
            (with(4, good[4] | 1), 300, "a dictionary"),
            (Vec::new(), 0, "nothing"),
        ] {
            assert!(expand(&stored, raw_bytes).is_err(), "{reason}");
        }
        Ok(())
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused_or_expands_to_the_length() -> Result<()> {
        let raw = b"one, two, one, two, three".repeat(9);
        let good = compress(&raw, b"", raw.len())?.unwrap_or_default();
        for bad in mutations(&good) {
            if let Ok(expanded) = expand(&bad, raw.len()) {
                assert_eq!((expanded.len(), bad.len()), (raw.len(), good.len()));
            }
        }
        Ok(())
    }

    #[test]
    fn a_window_above_the_limit_is_refused_before_expansion() {
        let start = |descriptor: u8, window: u8| [0x28, 0xb5, 0x2f, 0xfd, descriptor, window];
        let eight_mebibytes = 8 * 1024 * 1024;
        assert_eq!(1 << FRAME_WINDOW_LOG_MAX, 8 * MIB);
        for (bytes, raw_bytes, good) in [
            (start(0x80, 13 << 3), 9 << 20, true),
            (start(0x80, 13 << 3 | 1), 9 << 20, false),
            (start(0x80, 31 << 3 | 7), 9 << 20, false),
            (start(0xa0, 0), eight_mebibytes, true),
            (start(0xa0, 0), eight_mebibytes + 1, false),
        ] {
            assert_eq!(
                check_window(&bytes, raw_bytes, FRAME_WINDOW_LOG_MAX).is_ok(),
                good,
                "{bytes:?} {raw_bytes}"
            );
        }
    }
}
