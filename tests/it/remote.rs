//! Copies of repos: what a pull brings, what it refuses, and what is left when it fails.
//!
//! Origin and copy are stores on simulated disks, so a crash can strike at any moment of a pull.
//!
//! # Not here
//!
//! The command line of it (`life::exchange`).

mod bundles;
mod computing;
mod copies;
mod liar;
mod lies;
mod packs;
pub mod pair;
mod subtrees;
