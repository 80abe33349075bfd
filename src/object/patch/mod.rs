//! Patches: a group of files, each as what differs from a file that the receiver has.
//!
//! ```text
//! version u8 | method u8 | streams
//! ```
//!
//! A patch is deterministic, and says everything but the lengths of its bases and targets, which stand around it
//! (`object::script`). Files of a group share their streams, so a change that is the same in many costs once.
//!
//! # Invariants
//!
//! - Appliers take what encoders make, and check all else; hash checks around them decide at last.
//!
//! # Not here
//!
//! Choosing bases and groups (`delta`).

mod align;
mod apply;
mod arm64;
mod bits;
mod btf;
mod code;
mod elf;
mod encode;
mod frames;
mod index;
mod leads;
mod loads;
mod moved;
mod pair;
mod predict;
mod prefix;
mod range;
mod segment;
mod stream;
mod surroundings;
mod tables;
pub(in crate::object) mod varint;
mod version;
mod word;
mod words;
mod x86;

#[cfg(test)]
pub(crate) mod tests;

pub use self::apply::apply;
pub use self::encode::{GroupBytes, compressor_version, encode, encode_memory_bytes, estimate};
pub use self::pair::{Effort, Method, Pair};
pub use self::version::PATCH_VERSION;
