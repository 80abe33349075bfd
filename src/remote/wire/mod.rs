//! Texts on the wire: what requests and answers of the API say, each as one type that both sides use.
//!
//! # Invariants
//!
//! - A request that says something unknown is refused; an answer may say more than a client knows.
//! - Names, ids, paths and times are checked where a text becomes one of these types, and nowhere after.
//!
//! # Not here
//!
//! Which request is answered by what (`server::route_table`).

pub mod audit;
pub mod builds;
pub mod checks;
pub mod due;
pub mod events;
pub mod jobs;
pub mod plans;
pub mod problem;
pub mod refs;
pub mod repos;
pub mod snapshots;
pub mod stats;

/// The content type of a pack.
pub const PACK_TYPE: &str = "application/vnd.bindery.pack";
