//! Tokens: what their holder may do, and until when; a holder can narrow one without asking anybody.
//!
//! A token is a chain of [`block`]s under a keyed hash, as macaroons are (Birgisson et al., "Macaroons: Cookies with
//! Contextual Caveats for Decentralized Authorization in the Cloud", NDSS 2014). The [`key`] makes the first block's tag; each
//! tag is the key of the next one. Whoever holds a token can therefore add a block, and nobody can take one away.
//!
//! From below: [`capability`], [`scope`] and [`id`] (what lines of blocks say), [`block`], [`chain`] (the token and
//! its text), [`request`] (what is asked for, and why it is denied), [`verified`] (a chain that the key has made), [`key`].
//!
//! # Invariants
//!
//! - A request is allowed only if every block allows it: no block widens what the ones before it allow.
//! - A block, and a token, has one spelling: what parses is written as it was read.
//! - Tags and keys appear in no message, and are wiped from memory when they are dropped.
//!
//! # Not here
//!
//! Where the key lies and which blocks are revoked (`store::tokens`).

pub mod basic;
pub mod block;
pub mod capability;
pub mod chain;
#[cfg(test)]
mod chains;
mod error;
pub mod id;
pub mod key;
pub mod request;
pub mod scope;
#[cfg(test)]
mod tests;
pub mod verified;

pub use self::block::Block;
pub use self::chain::Token;
pub use self::error::{Dimension, TokenError};
pub use self::key::{TokenKey, Unverified};
pub use self::request::{Denied, Request};
pub use self::verified::Verified;
