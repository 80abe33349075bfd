//! The server: one store over HTTP, to those who read it, fill builds, and run it.
//!
//! # Invariants
//!
//! - A request is parsed once, into a [`Route`](route::Route) and the types of `remote::wire`; what has no meaning there is
//!   refused.
//! - Work of the store never runs on the threads that serve connections.
//! - What a caller may not see is answered like what is not there.
//!
//! # Not here
//!
//! What the texts on the wire look like (`remote::wire`), the client (`remote::http`).

pub mod access;
pub mod anonymous;
pub mod answer;
pub mod api;
pub mod app;
pub mod background;
pub mod blobs;
pub mod body;
pub mod brought;
mod browsers;
pub mod caller;
pub mod content;
pub mod context;
pub mod dispatch;
pub mod event_streams;
pub mod events;
pub mod files;
pub mod grace;
pub mod idempotency;
pub mod job_book;
pub mod job_work;
pub mod jobs;
pub mod listing;
pub mod metrics;
pub mod mirroring;
pub mod modified;
pub mod names;
pub mod object_cache;
pub mod openapi;
pub mod outward;
pub mod pace;
pub mod pack_cache;
pub mod packs;
pub mod pages;
pub mod paths;
mod pending;
pub mod pool;
pub mod quota;
pub mod ranges;
pub mod reading;
pub mod ref_names;
pub mod rest;
pub mod route;
pub mod route_table;
pub mod router;
mod schedule;
pub mod scope;
pub mod scrape;
pub mod serve;
pub mod shown;
pub mod sight;
pub mod strangers;
pub mod template;
pub mod tls;
pub mod troubles;
pub mod turns;
pub mod under_way;
