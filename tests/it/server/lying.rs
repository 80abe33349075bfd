//! A server that lies over HTTP: each lie is found out and said, and changes nothing.
//!
//! # Invariants
//!
//! - After each lie every file of the copy is as it was, but for the catalog's, of which what it tells is.
//! - After all of them the truth is still believed.
//!
//! # Not here
//!
//! The same verification of what an origin in this process says (`remote::lies`, `remote::packs`).

mod answers;
mod deltas;
mod keysets;
mod killed;
mod left;
pub mod liar;
mod mirrors;
mod objects;
mod other_repo;
mod packs;
mod pushing;
mod refs;
mod resuming;
mod rotation;
mod site;
mod slow;
mod statements;
mod table;
mod wire;
mod world;
