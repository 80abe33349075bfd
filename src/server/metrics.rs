//! Metrics: figures about the server, in the text that Prometheus reads.
//!
//! # Invariants
//!
//! - Labels have few values, whatever is asked: templates of routes, methods of the table, statuses, codes of problems.
//!
//! # Not here
//!
//! Who may see the figures (`server::scrape`).

use std::sync::atomic::AtomicU64;

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::answer::Failure;
use super::route_table::Row;
use crate::base::{Error, Result};

/// The shortest time that is told apart, in seconds.
const FIRST_BUCKET: f64 = 0.001;
/// How often times that are told apart double: up to half a minute.
const BUCKETS: u16 = 16;
/// What is said of requests that ask for nothing that there is.
const NO_ROUTE: &str = "none";

/// A kind of request, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requests {
    method: &'static str,
    route: &'static str,
    status: u16,
}

/// A kind of problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Errors {
    code: String,
}

/// A kind of job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Jobs {
    kind: &'static str,
}

/// Where a copy is made from: as many as the settings name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Copies {
    url: String,
}

/// A sum that only grows.
pub type Sum = Counter<u64, AtomicU64>;

/// One more of what a gauge counts, until this is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// Counts one more.
    #[must_use]
    pub fn by(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Requests, Sum>,
    errors: Family<Errors, Sum>,
    jobs_failed: Family<Jobs, Sum>,
    copies: Family<Copies, Gauge>,
    /// Seconds from a request to publish until what it publishes is visible.
    pub visible_seconds: Histogram,
    /// Packs that were taken in.
    pub uploads: Sum,
    /// Bytes that were stored of them.
    pub upload_stored_bytes: Sum,
    /// Bytes that were freed by purges.
    pub purged_bytes: Sum,
    /// Connections that are open.
    pub connections: Gauge,
    /// Packs that arrive.
    pub uploads_running: Gauge,
    /// Pieces of work that wait for the store.
    pub work_waiting: Gauge,
    /// How long the oldest of them waits.
    pub work_oldest_seconds: Gauge,
    /// Jobs that wait.
    pub jobs_waiting: Gauge,
    /// Bytes of all packs.
    pub stored_bytes: Gauge,
    /// Objects in the store.
    pub objects: Gauge,
    /// Bytes that are free in its file system.
    pub free_bytes: Gauge,
}

impl Metrics {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        let seconds = || Histogram::new(exponential_buckets(FIRST_BUCKET, 2.0, BUCKETS));
        let mut metrics = Self {
            registry: Registry::with_prefix("bindery"),
            requests: Family::default(),
            errors: Family::default(),
            jobs_failed: Family::default(),
            copies: Family::default(),
            visible_seconds: seconds(),
            uploads: Sum::default(),
            upload_stored_bytes: Sum::default(),
            purged_bytes: Sum::default(),
            connections: Gauge::default(),
            uploads_running: Gauge::default(),
            work_waiting: Gauge::default(),
            work_oldest_seconds: Gauge::default(),
            jobs_waiting: Gauge::default(),
            stored_bytes: Gauge::default(),
            objects: Gauge::default(),
            free_bytes: Gauge::default(),
        };
        metrics.register_events();
        metrics.register_states();
        metrics
    }

    fn register_events(&mut self) {
        let registry = &mut self.registry;
        let help = "Requests that were answered";
        registry.register("requests", help, self.requests.clone());
        let help = "Problems that requests were answered with, and what went wrong beside answering, by code";
        registry.register("errors", help, self.errors.clone());
        let help = "Jobs that failed, by their kind";
        registry.register("jobs_failed", help, self.jobs_failed.clone());
        let help = "Since a copy was last found up to date, by where it is copied from";
        registry.register("mirror_age_seconds", help, self.copies.clone());
        let help = "From a request to publish until what it publishes is visible";
        let seconds = self.visible_seconds.clone();
        registry.register("publish_to_visible_seconds", help, seconds);
        let help = "Packs that were taken in";
        registry.register("uploads", help, self.uploads.clone());
        let (help, sum) = ("Bytes stored of them", self.upload_stored_bytes.clone());
        registry.register("upload_stored_bytes", help, sum);
        let help = "Bytes that were freed by purges of builds";
        registry.register("purged_bytes", help, self.purged_bytes.clone());
    }

    fn register_states(&mut self) {
        let registry = &mut self.registry;
        for (name, help, gauge) in [
            (
                "connections",
                "Connections that are open",
                &self.connections,
            ),
            (
                "uploads_running",
                "Packs that arrive",
                &self.uploads_running,
            ),
            (
                "work_waiting",
                "Work that waits for the store",
                &self.work_waiting,
            ),
            (
                "work_oldest_seconds",
                "How long the oldest of it waits",
                &self.work_oldest_seconds,
            ),
            ("jobs_waiting", "Jobs that wait", &self.jobs_waiting),
            ("stored_bytes", "Bytes of all packs", &self.stored_bytes),
            ("objects", "Objects in the store", &self.objects),
            (
                "free_bytes",
                "Bytes that are free in the store's file system",
                &self.free_bytes,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    /// Counts an answer to a request of the kind of `row`, if it asked for something that there is.
    pub fn answered(&self, row: Option<&Row>, status: StatusCode) {
        let labels = Requests {
            method: row.map_or(NO_ROUTE, |row| row.method),
            route: row.map_or(NO_ROUTE, |row| row.template),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a problem.
    pub fn failed(&self, failure: &Failure) {
        let code = failure.problem.code.clone();
        self.errors.get_or_create(&Errors { code }).inc();
    }

    /// Counts an error that nobody was answered with, like a problem.
    pub fn went_wrong(&self, error: &Error) {
        let code = error.kind().word().to_owned();
        self.errors.get_or_create(&Errors { code }).inc();
    }

    /// Counts a job that failed.
    pub fn job_failed(&self, kind: &'static str) {
        self.jobs_failed.get_or_create(&Jobs { kind }).inc();
    }

    /// Says how old the copy is of what is at a URL.
    pub fn copy_is_old(&self, url: String, seconds: u64) {
        let age = self.copies.get_or_create(&Copies { url });
        age.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// The text.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if it cannot be written.
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(|error| Error::internal(error.to_string()))?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() -> Result<()> {
        let metrics = Metrics::new();
        metrics.answered(None, StatusCode::NOT_FOUND);
        metrics.answered(None, StatusCode::NOT_FOUND);
        metrics.failed(&Error::not_found("page", "x").into());
        metrics.visible_seconds.observe(0.5);
        let text = metrics.text()?;
        for line in [
            "bindery_requests_total{method=\"none\",route=\"none\",status=\"404\"} 2\n",
            "bindery_errors_total{code=\"not_found\"} 1\n",
            "bindery_publish_to_visible_seconds_count 1\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        Ok(())
    }
}
