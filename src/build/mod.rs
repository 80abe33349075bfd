//! The verbs of a build: each is a plan, worked out from what is read, and then one change of the store.
//!
//! # Not here
//!
//! What changes together in the catalog (`store`); what the user sees of it (the command line).

mod against;
pub mod carried;
pub(crate) mod check;
pub mod checkout;
mod closure;
pub mod commit;
mod conflict;
pub mod contents;
mod copy;
pub mod create;
pub mod diff;
mod file_list;
#[cfg(test)]
mod fsck_tests;
pub mod hold;
pub mod merge;
#[cfg(test)]
pub(crate) mod model;
mod open;
mod overlay;
mod overtaken;
pub mod pending;
pub mod publish;
pub mod publish_answer;
pub mod reached;
#[cfg(test)]
mod reindex_tests;
#[cfg(test)]
mod repair_tests;
pub mod repo;
pub mod retire;
mod rewrite;
pub mod rollback;
#[cfg(test)]
pub(crate) mod sandbox;
pub mod schedule;
#[cfg(test)]
mod scrub_tests;
mod sign;
pub mod spec;
pub mod stage;
#[cfg(test)]
pub(crate) mod testing;
mod three_way;
pub mod verify;
pub mod withdraw;
