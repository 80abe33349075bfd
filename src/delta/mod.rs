//! Deltas: packs that turn one snapshot into another. A plan says what goes into one, threads make it, and whoever has the
//! first snapshot makes the second out of it.
//!
//! # Invariants
//!
//! - A delta from a snapshot is a function of the two and the effort: two stores make the same bytes, with any number of threads.
//! - What was unpacked is the snapshot that was packed, down to its id, or nothing is kept of it.
//!
//! # Not here
//!
//! Patches of two contents (`object::patch`), who may have which delta (whoever moves them).

pub mod apply;
mod archive;
mod archives;
pub mod attempts;
mod bases;
pub mod changes;
pub mod complete;
mod follow;
mod frames;
mod group;
pub mod inventory;
mod large;
pub mod make;
mod memo;
mod orders;
mod packing;
pub mod parcel;
pub mod parts;
mod plan;
mod pool;
pub mod prepare;
pub mod receive;
mod retell;
mod schedule;
mod scripting;
pub mod show;
mod sketch;
mod stem;
pub mod unpack;
mod whole;
