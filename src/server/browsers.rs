//! Browsers: what pages that people look at may not do with the server.
//!
//! A browser may know a token as the password of `Basic`, and sends it along with whatever a page of somebody else has it ask. And
//! what builds hold is shown to browsers from the same origin as the API.
//!
//! # Invariants
//!
//! - A change is refused that a page of another origin asks for, and one whose document comes as what forms can send.
//! - A file of a build or release that is a page is shown without scripts, and as an origin of its own.
//!
//! # Not here
//!
//! What a token allows (`server::access`), our own pages (`server::pages`).

use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};

use super::answer::{Answer, Failure, set};
use super::app::App;
use super::route_table::Form;
use super::router::Asked;
use crate::base::Error;

/// What a document of the API is sent as.
const JSON: &str = "application/json";
/// What a page from below `files` may do: be downloaded from, and nothing with the server's origin.
const SANDBOX: &str = "sandbox allow-downloads";

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Refuses a change that a browser was led to ask for by a page of somebody else.
///
/// # Errors
///
/// 403 for another origin; 415 for a document that does not come as JSON.
pub(super) fn check_sender(app: &App, asked: &Asked, headers: &HeaderMap) -> Result<(), Failure> {
    if let Some(origin) = headers.get(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let host = text(headers, HOST);
        let urls = app.settings.urls.iter().map(String::as_str);
        if !is_own(origin, host, urls) {
            let reason = "a page of another origin asks for a change: nothing is changed for it";
            let reason = reason.into();
            return Err(Error::NotAllowed { reason }.into());
        }
    }
    let sent_as = headers.get(CONTENT_TYPE);
    let sent_as = sent_as.map(|sent_as| sent_as.to_str().unwrap_or_default());
    match (asked.row.takes, sent_as) {
        (Form::Document(_), Some(sent_as)) if !is_json(sent_as) => {
            let error = Error::usage(format!("say 'Content-Type: {JSON}', or none"));
            Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error))
        }
        _ => Ok(()),
    }
}

/// Whether an origin is the server's: that which the request was sent to, or one of its known URLs.
fn is_own<'u>(origin: &str, host: Option<&str>, urls: impl Iterator<Item = &'u str>) -> bool {
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    let is_host = host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
    let mut urls = urls.map(|url| url.trim_end_matches('/'));
    is_host || urls.any(|url| url.eq_ignore_ascii_case(origin))
}

fn is_json(sent_as: &str) -> bool {
    let kind = sent_as.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(JSON)
}

/// Has browsers take what a build or release holds for what it is said to be, and run nothing of it.
pub(super) fn guard(answer: &mut Answer) {
    set(answer, CONTENT_SECURITY_POLICY, SANDBOX);
    set(answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_servers_own_or_not() {
        let urls = ["https://example.org/", "https://mirror.example:8443"];
        for (origin, host, expected) in [
            ("http://127.0.0.1:8417", Some("127.0.0.1:8417"), true),
            ("https://EXAMPLE.org", Some("inside:80"), true),
            ("https://mirror.example:8443", None, true),
            ("https://evil.example", Some("example.org"), false),
            (
                "https://example.org.evil.example",
                Some("example.org"),
                false,
            ),
            ("null", Some("null"), false),
            ("", Some(""), false),
        ] {
            let found = is_own(origin, host, urls.into_iter());
            assert_eq!(found, expected, "{origin} at {host:?}");
        }
    }

    #[test]
    fn documents_come_as_json() {
        for (sent_as, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            assert_eq!(is_json(sent_as), expected, "{sent_as}");
        }
    }
}
