//! Settings of the server: the table `[serve]` of `bindery.toml`.
//!
//! # Invariants
//!
//! - Every limit has a value, and one that a server can keep to.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::mirror_settings::{self, MirrorSettings};

/// Bytes of a GiB.
const GIB: u64 = 1024 * 1024 * 1024;

/// The most that `connections_max` may be: more than a process can have files open, as a rule.
const CONNECTIONS_CEILING: u64 = 1024 * 1024;
/// The most that `uploads_max` may be: each may hold 32 MiB.
const UPLOADS_CEILING: u64 = 1024;
/// The most that `head_seconds` may be.
const HEAD_SECONDS_CEILING: u64 = 3600;
/// The most that `body_idle_seconds` and `body_slow_start_seconds` may be.
const BODY_SECONDS_CEILING: u64 = 3600;
/// The most that `event_streams_max` may be: each is a connection that stays.
const EVENT_STREAMS_CEILING: u64 = 64 * 1024;
/// Public URLs of a store.
const URLS_MAX: usize = 16;

/// What is read without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    /// Nothing.
    Nothing,
    /// What is published.
    #[default]
    Published,
    /// What is published, and builds with their test repositories.
    Builds,
}

/// How the store is served; options of the command line go before it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeSettings {
    /// Where the server listens.
    pub listen: Option<SocketAddr>,
    /// Whether all requests come through a proxy that says in `X-Forwarded-For` from whom.
    pub behind_proxy: bool,
    /// The certificates that the server shows, as PEM, its own first; from the store's folder on.
    pub tls_certificate: Option<PathBuf>,
    /// Its secret key, likewise.
    pub tls_key: Option<PathBuf>,
    /// The URLs under which others reach the server, for pin files.
    pub urls: Vec<String>,
    /// What is read without a token.
    pub anonymous: Anonymous,
    /// Seconds for which a path that a release lost leads to where it led before; 0 for not at all.
    pub grace_seconds: u64,
    /// What nobody may exceed.
    pub limits: Limits,
    /// Repos that are copied while the store is served.
    #[serde(rename = "mirror")]
    pub mirrors: Vec<MirrorSettings>,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            tls_certificate: None,
            tls_key: None,
            listen: None,
            behind_proxy: false,
            urls: Vec::new(),
            anonymous: Anonymous::default(),
            grace_seconds: 3600,
            limits: Limits::default(),
            mirrors: Vec::new(),
        }
    }
}

/// What nobody may exceed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time; more wait until one is closed.
    pub connections_max: u64,
    /// Seconds that a connection may take to say what it wants, and be idle between two requests.
    pub head_seconds: u64,
    /// Seconds in which something must come of a body, or go of an answer.
    pub body_idle_seconds: u64,
    /// Seconds for which a body may be waited for, or an answer, however slow it is.
    pub body_slow_start_seconds: u64,
    /// Bytes that must come or go in each second that is waited after that, on average; 0 for as few as do.
    pub body_bytes_per_second_min: u64,
    /// Streams of events at a time.
    pub event_streams_max: u64,
    /// Packs that arrive at a time.
    pub uploads_max: u64,
    /// Requests with one token in a minute; 0 for as many as come.
    pub requests_per_minute_per_token: u64,
    /// Requests without a token from one address in a minute; 0 for as many as come.
    pub requests_per_minute_per_address: u64,
    /// Builds made with one token that are open at a time.
    pub open_builds_per_token: u64,
    /// Bytes of the packs that are sent into one build.
    pub staged_bytes_per_build: u64,
    /// Bytes that must be free in the file system for anything to be taken in.
    pub free_bytes_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16 * 1024,
            head_seconds: 30,
            body_idle_seconds: 30,
            body_slow_start_seconds: 20,
            body_bytes_per_second_min: 1024,
            event_streams_max: 1024,
            uploads_max: 32,
            requests_per_minute_per_token: 60_000,
            requests_per_minute_per_address: 60_000,
            open_builds_per_token: 1000,
            staged_bytes_per_build: 1024 * GIB,
            free_bytes_min: GIB,
        }
    }
}

impl ServeSettings {
    /// Whether they can be kept to; if not, why.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        let counts = [
            (
                "connections_max",
                limits.connections_max,
                1,
                CONNECTIONS_CEILING,
            ),
            ("uploads_max", limits.uploads_max, 1, UPLOADS_CEILING),
            (
                "event_streams_max",
                limits.event_streams_max,
                1,
                EVENT_STREAMS_CEILING,
            ),
            ("head_seconds", limits.head_seconds, 1, HEAD_SECONDS_CEILING),
            (
                "body_idle_seconds",
                limits.body_idle_seconds,
                1,
                BODY_SECONDS_CEILING,
            ),
            (
                "body_slow_start_seconds",
                limits.body_slow_start_seconds,
                0,
                BODY_SECONDS_CEILING,
            ),
        ];
        for (key, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!(
                    "{key} is {value}, and must be from {least} to {most}"
                ));
            }
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err("tls_certificate and tls_key are set together or not at all".into());
        }
        mirror_settings::check(&self.mirrors)?;
        if self.urls.len() > URLS_MAX {
            return Err(format!("there are more than {URLS_MAX} urls"));
        }
        let odd = self.urls.iter().find(|url| {
            let is_http = url.starts_with("https://") || url.starts_with("http://");
            !is_http || url.contains(|c: char| c.is_whitespace() || c.is_control())
        });
        odd.map_or(Ok(()), |url| {
            Err(format!("{url:?} is no http or https URL"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut ServeSettings)) -> Result<(), String> {
        let mut settings = ServeSettings::default();
        change(&mut settings);
        settings.check()
    }

    #[test]
    fn limits_that_no_server_can_keep_to_are_refused() {
        assert_eq!(ServeSettings::default().check(), Ok(()));
        assert!(with(|s| s.limits.connections_max = 0).is_err());
        assert!(with(|s| s.limits.connections_max = CONNECTIONS_CEILING).is_ok());
        assert!(with(|s| s.limits.connections_max = CONNECTIONS_CEILING + 1).is_err());
        assert!(with(|s| s.limits.uploads_max = UPLOADS_CEILING + 1).is_err());
        assert!(with(|s| s.limits.head_seconds = 0).is_err());
        assert!(with(|s| s.limits.head_seconds = HEAD_SECONDS_CEILING).is_ok());
        assert!(with(|s| s.limits.head_seconds = HEAD_SECONDS_CEILING + 1).is_err());
        assert!(with(|s| s.limits.uploads_max = UPLOADS_CEILING).is_ok());
        assert!(with(|s| s.limits.event_streams_max = 0).is_err());
        assert!(with(|s| s.limits.event_streams_max = EVENT_STREAMS_CEILING).is_ok());
        assert!(with(|s| s.limits.event_streams_max = EVENT_STREAMS_CEILING + 1).is_err());
        assert!(with(|s| s.limits.body_idle_seconds = 0).is_err());
        assert!(with(|s| s.limits.body_idle_seconds = BODY_SECONDS_CEILING).is_ok());
        assert!(with(|s| s.limits.body_idle_seconds = BODY_SECONDS_CEILING + 1).is_err());
        assert!(with(|s| s.limits.body_slow_start_seconds = 0).is_ok());
        assert!(with(|s| s.limits.body_slow_start_seconds = BODY_SECONDS_CEILING).is_ok());
        assert!(with(|s| s.limits.body_slow_start_seconds = BODY_SECONDS_CEILING + 1).is_err());
        assert!(with(|s| s.tls_key = Some("key.pem".into())).is_err());
    }

    #[test]
    fn only_urls_of_http_are_public_ones() {
        assert!(with(|s| s.urls = vec!["https://example.org/".into()]).is_ok());
        for bad in [
            "example.org",
            "ftp://example.org",
            "https://a b",
            "https://a\nb",
        ] {
            assert!(with(|s| s.urls = vec![bad.into()]).is_err(), "{bad:?}");
        }
        assert!(with(|s| s.urls = vec!["http://a".into(); URLS_MAX + 1]).is_err());
    }
}
