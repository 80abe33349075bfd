//! The client: what is asked of a server, over HTTP. Plain blocking code, as everything below the server.

pub mod agent;
pub mod api;
pub mod authorities;
pub mod builds;
pub mod origin;
pub mod pace;
pub mod places;
mod proxy;
mod range;
pub mod snapshots;
pub mod token_file;
pub mod url;
pub mod waits;
