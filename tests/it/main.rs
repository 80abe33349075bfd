//! What the floors promise together, one module per promise.
//!
//! # Invariants
//!
//! - No test sleeps but to be slow on purpose, reads the wall clock, uses another network than the machine's own, or depends
//!   on another test.
//!
//! # Not here
//!
//! What one file promises by itself: its tests stand beside the code.

mod bad_input;
mod counts;
mod crash;
mod damage;
mod deltas;
mod guides;
mod hostile;
mod killed;
mod life;
mod model;
mod openssl;
mod remote;
mod retirement;
mod second_reader;
mod server;
mod shelf;
mod support;
mod tidy;
mod together;
mod whole;
