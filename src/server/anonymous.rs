//! What is open to everybody.

pub use crate::store::serve_settings::Anonymous;
