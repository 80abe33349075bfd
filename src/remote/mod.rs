//! Exchange between stores: what one shows, the other fetches and verifies. Nobody in between has to be trusted.
//!
//! # Invariants
//!
//! - What arrives is believed only after it was verified, and visible only when all of it is there.
//! - The same plan, packs and verification serve every way in which bytes can come.
//!
//! # Not here
//!
//! What deltas are (`delta`), what changes together in the catalog (`store::copies`).

pub mod borrowed;
mod bounded;
pub mod builds;
pub mod bundle;
mod contact;
pub mod contents;
pub mod export;
pub mod follow;
pub mod gather;
pub mod http;
pub mod known;
pub mod mirror;
pub mod mirrors;
mod objects;
mod older;
pub mod origin;
pub mod pin;
pub mod pull;
pub mod push;
mod receive;
pub mod snapshots;
pub mod store_builds;
pub mod store_origin;
pub mod subtree;
#[cfg(test)]
mod testing;
pub mod wire;
