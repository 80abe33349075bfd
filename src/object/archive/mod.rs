//! Archives: files that are compressed, or hold what is, taken apart so that their contents can be compared, and put together
//! again bit for bit.
//!
//! [`unpack`] replaces every compressed stream of a file by what it expands to, where it stands; everything else of the file
//! stays as it is. [`unfold`] does the same and notes how each stream is made again, in a recipe in front; streams that
//! cannot be made again stay compressed. [`refold`] makes the file of that. What the output of compressors depends on, their
//! versions and parameters, is part of the format: `docs/FORMAT.md`, section 8.9.
//!
//! # Invariants
//!
//! - `refold(unfold(file))` is `file`: each stream is made again before its recipe is written.
//! - [`unpack`] and [`unfold`] are functions of the bytes of the file alone; nothing depends on its name.
//! - Nothing expands beyond the bytes that the caller allows, whatever lengths a file or recipe states. Streams lie in streams
//!   at most [`ARCHIVE_LEVELS_MAX`](crate::base::limits::ARCHIVE_LEVELS_MAX) deep.
//!
//! # Not here
//!
//! Which files are told so in a delta (`delta::archives`).

mod coder;
mod deflate;
mod findings;
mod lzma;
mod recipe;
mod refold;
mod scan;
mod stream;
#[cfg(test)]
mod tests;
mod unfold;

pub use self::findings::Findings;
pub use self::refold::refold;
pub use self::scan::is_archive;
pub use self::unfold::{Unfolded, unfold, unfold_as, unpack};
