//! Who vouches: keys, notes, statements and keysets. Pure: nothing here does I/O or reads a clock.
//!
//! From below: [`key`], [`note`] (signed texts), [`statement`] (what every signed text has in common), [`keyset`] and its
//! [`keyset_chain`], [`signed`] (what tells a verified statement from any other), and the statements themselves. Beside them,
//! [`token`]: what a caller of a server may do.

mod form;
pub mod heads;
pub mod key;
pub mod keyset;
pub mod keyset_chain;
pub mod note;
pub mod pattern;
pub mod ref_statement;
pub mod refs_list;
pub mod role;
pub mod secret_key;
pub mod signed;
pub mod statement;
#[cfg(test)]
mod testing;
pub mod token;
