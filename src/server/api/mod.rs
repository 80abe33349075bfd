//! The API: the life of builds and refs, as requests.

pub mod admin;
pub mod builds;
pub mod jobs;
pub mod plans;
pub mod publishing;
pub mod refs;
pub mod snapshots;
pub mod upload;
