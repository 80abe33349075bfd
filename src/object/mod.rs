//! Things: trees, snapshots, frames, packs and chunks, as bytes and as values. Pure: nothing here does I/O.
//!
//! `docs/FORMAT.md` is the authority for every byte. Decoders take foreign bytes: they are strict, bounded by
//! `base::limits`, and accept exactly what the encoders make.

pub mod archive;
pub mod assembly;
pub mod canonical;
pub mod census;
pub mod chunk;
mod codec;
pub mod cursor;
pub mod cutter;
pub mod difference;
pub mod directory;
pub mod edges;
pub mod edit;
pub mod entry;
mod fields;
pub mod frame;
pub mod frame_builder;
#[cfg(test)]
mod golden;
pub mod kind;
pub mod label;
mod ledger;
#[cfg(test)]
pub(crate) mod memory;
pub mod pack;
pub mod pack_check;
pub mod pack_reader;
pub mod pack_stream;
pub mod pack_writer;
pub mod patch;
pub mod recipe;
pub mod remains;
pub mod script;
pub mod script_frame;
pub mod snapshot;
pub mod totals;
pub mod tree;
pub mod tree_text;
pub mod walk;
