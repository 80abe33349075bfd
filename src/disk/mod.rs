//! The only door to the file system.

pub mod beneath;
pub mod checkout;
pub mod destination;
pub mod entries;
pub mod exclude;
pub mod files;
pub mod findings;
pub mod folder;
pub mod ignored;
pub mod lock;
pub mod marker;
pub mod named;
pub mod priority;
pub mod real;
pub mod room;
pub mod scratch;
pub mod source;
pub mod spool;
pub mod stat;
pub mod target_dir;
pub mod target_file;
pub mod walk;
pub mod whole;
