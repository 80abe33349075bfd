//! The work of each verb, counted: calls of the disk, syncs, files, bytes, rows of the catalog, objects.
//!
//! Times are never asserted, since machines are shared and noisy; work is, where it is exact. A change that makes a verb do
//! more, or depend on what else the store holds, fails here.
//!
//! # Invariants
//!
//! - A table has one number a row, with what it stands for. A change that is meant changes that number.
//!
//! # Not here
//!
//! How long it takes (`benches`), what the verbs do (`life`, `whole`), directories that staging skips
//! (`build::stage::settle`).

mod counting_disk;
mod flat;
mod rows;
mod story;
mod trees;
mod verbs;
mod work;
