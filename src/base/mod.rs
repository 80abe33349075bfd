//! Words: ids and hashes, names, errors, limits and time. Nothing here does I/O.

pub mod cache;
pub mod clock;
pub mod duration;
pub mod error;
pub mod id;
pub mod keyed_hash;
pub mod kind;
pub mod limits;
pub mod name;
pub mod path;
pub mod printable;
pub mod profile;
pub mod progress;
pub mod remark;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod unmet;

pub use error::{Error, Kind, Result};
