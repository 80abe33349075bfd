//! What the benches share: stores to measure in, files made from a seed, and clocks.
//!
//! # Invariants
//!
//! - Everything follows from a fixed seed and a fixed time: two runs measure the same work.
//!
//! # Not here
//!
//! What is measured (`benches/parts.rs`, `benches/verbs.rs`, `benches/growth`).

#![allow(
    dead_code,
    reason = "each bench is a crate of its own and uses a part of this"
)]

pub mod cost;
pub mod program;
pub mod shop;
pub mod stock;
pub mod text;
pub mod tree;

/// What a bench returns.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;
