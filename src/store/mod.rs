//! Durable state: the catalog, the packs, and everything that changes them together. The only floor that knows redb.
//!
//! # Invariants
//!
//! - Every change goes through one `Transaction`; nothing else writes.
//! - A pack has exactly one owner: a build, or a repo's published set. That one rule makes purge immediate.
//! - No row type of redb leaves this floor: its public face is operations, so that another catalog can stand beside it.
//!
//! # Not here
//!
//! What the verbs mean (`build`).

mod additions;
pub mod arrival;
pub mod audit;
mod backend;
pub mod blob;
pub mod build_log;
mod build_walk;
pub mod builds;
mod catalog;
mod catalog_copy;
pub mod check_rows;
pub mod checks;
pub mod copies;
mod copying;
pub mod counting;
pub(crate) mod counts;
pub mod deltas;
mod departed;
pub mod download;
pub mod due;
mod explain;
mod forgotten;
pub mod fsck;
mod history;
pub mod intake;
pub mod keys;
pub mod landing;
pub mod layout;
mod mending;
pub mod mirror_settings;
pub mod needs;
mod note_check;
pub mod note_files;
mod note_repair;
pub mod notes;
pub mod open;
mod pack_health;
mod packs;
pub mod place;
pub mod plans;
mod problem;
mod published;
pub mod reach;
pub mod reader;
mod recovery;
pub mod reindex;
pub mod releases;
mod repack;
pub mod repair;
pub mod repos;
mod restore;
pub mod retire;
mod row_counts;
pub mod rows;
mod salvage;
pub mod scrub;
pub mod serve_settings;
pub mod settings;
pub mod supply;
mod tables;
pub mod token_files;
pub mod tokens;
mod transaction;
pub mod view;

pub use self::open::{Access, Patience, Store};
