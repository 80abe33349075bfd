//! Bindery: a content-addressed, versioned store whose first-class object is the *build*.
//!
//! The folders of this crate are floors, in one total order. A file imports from its own floor and from lower ones,
//! never from a higher one; `tests/it/tidy.rs` enforces it.
//!
//! | floor | holds |
//! |---|---|
//! | [`base`] | words: ids and hashes, names, errors, limits, clock; no I/O |
//! | [`object`] | things: trees, snapshots, frames, packs, chunks; bytes to values and back, pure |
//! | [`trust`] | who vouches: keys, notes, statements, keysets; pure |
//! | [`disk`] | the only door to the file system |
//! | [`store`] | durable state, the only floor that knows redb |
//! | [`build`] | the verbs of a build: stage, commit, publish, purge, retire, verify |
//! | [`delta`] | packs that turn one snapshot into another: planned, made, unpacked |
//! | [`remote`] | exchange between stores: follow an origin, pull, push, bundles |
//! | [`server`] | the store over HTTP: routes, access, uploads, publishing, events |
//!
//! The command line in `src/bin/bindery` is a separate target that sees only what is public here.

pub mod base;
pub mod build;
pub mod delta;
pub mod disk;
pub mod object;
pub mod remote;
pub mod server;
pub mod store;
pub mod trust;
