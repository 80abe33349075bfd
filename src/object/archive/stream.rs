//! Streams: the words that all compressors share.
//!
//! # Not here
//!
//! The compressors (`deflate`, `lzma`), which of them a stream needs (`coder`).

/// The bit of a preset that says that it is extreme.
pub(super) const EXTREME: u8 = 0x80;
/// Bytes of a stream that are compared at a time while it is made again.
pub(super) const WINDOW_BYTES: usize = 64 * 1024;

/// What is done to bytes before they are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Filter {
    None,
    /// Distances in x86 code become addresses.
    X86,
}

/// What a stream expands to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expanded {
    /// This.
    Whole(Vec<u8>),
    /// More bytes than are allowed.
    TooLong,
    /// It is not exactly one whole stream.
    Broken,
}
