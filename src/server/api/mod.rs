//! The API: the life of builds and refs, as requests.

pub mod builds;
pub mod publishing;
pub mod refs;
pub mod upload;
