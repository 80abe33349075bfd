//! Contents: bytes that are read from the store while they are sent, whole or in part, and perhaps not at all.
//!
//! # Invariants
//!
//! - At most [`CHUNK_BYTES`] of one answer are in memory beside what the caches hold.
//! - What cannot be read to its end breaks the connection off: a short answer never looks whole. Whoever runs the server is told.
//!
//! # Not here
//!
//! Where the bytes come from (`server::packs`, `server::blobs`).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    RANGE,
};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;

use super::answer::{Answer, Keep, set};
use super::modified::Modified;
use super::ranges::{Ranges, Span, parse};
use crate::base::clock::Time;
use crate::base::id::Hash;
use crate::base::{Error, Result};

/// Bytes that are read at once.
pub const CHUNK_BYTES: u64 = 256 * 1024;

/// Bytes that can be read from any place on.
pub trait Content: Send + Sync {
    /// How many there are.
    fn length(&self) -> u64;

    /// Takes note that an answer broke off, as its bytes could not be read: nobody can be told any more.
    fn broke_off(&self, error: &Error);

    /// Some of the bytes from `start` on, at least one and at most [`CHUNK_BYTES`], none from `end` on.
    fn read(self: Arc<Self>, span: Span) -> Reading;
}

/// Bytes that are being read.
pub type Reading = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;

/// What is said of a content beside its bytes.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its type.
    pub content_type: String,
    /// A name that no other content has under the same URL.
    pub etag: String,
    /// Since when it is there.
    pub modified: Option<Modified>,
    /// How long others may keep it.
    pub keep: Keep,
}

/// What is asked for of a content.
#[derive(Clone, Debug)]
pub struct Wish {
    method: Method,
    headers: HeaderMap,
}

impl Wish {
    /// What a request asks for.
    #[must_use]
    pub const fn new(method: Method, headers: HeaderMap) -> Self {
        Self { method, headers }
    }

    /// The headers of the request.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// In which form a list is wanted.
    #[must_use]
    pub fn wants_json(&self) -> bool {
        let accepts = self.header(ACCEPT).unwrap_or_default();
        accepts.contains("application/json") && !accepts.contains("text/html")
    }

    /// The bytes that the body of the request has, if it says so.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.parse().ok()
    }

    fn header(&self, name: axum::http::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Which status the conditions of the request give, if they end it (RFC 9110, section 13.2.2).
    fn condition(&self, facts: &Facts) -> Option<StatusCode> {
        if let Some(tags) = self.header(IF_MATCH) {
            if !has_tag(tags, &facts.etag) {
                return Some(StatusCode::PRECONDITION_FAILED);
            }
        } else if let (Some(since), Some(modified)) =
            (self.time(IF_UNMODIFIED_SINCE), facts.modified)
            && modified.since() > since
        {
            return Some(StatusCode::PRECONDITION_FAILED);
        }
        if let Some(tags) = self.header(IF_NONE_MATCH) {
            return has_tag(tags, &facts.etag).then_some(StatusCode::NOT_MODIFIED);
        }
        let (since, modified) = (self.time(IF_MODIFIED_SINCE)?, facts.modified?);
        (modified.since() <= since).then_some(StatusCode::NOT_MODIFIED)
    }

    fn time(&self, name: axum::http::HeaderName) -> Option<Time> {
        Time::from_http(self.header(name)?).ok()
    }

    /// The spans that are asked for.
    fn ranges(&self, facts: &Facts, length: u64) -> Ranges {
        let Some(range) = self.header(RANGE) else {
            return Ranges::All;
        };
        // What changed meanwhile is sent whole.
        let is_same = match self.header(IF_RANGE) {
            None => true,
            Some(tag) if tag.starts_with('"') => tag == quoted(&facts.etag),
            Some(_) => match (self.time(IF_RANGE), facts.modified) {
                (Some(since), Some(modified)) => modified.since() == since,
                _ => false,
            },
        };
        if is_same {
            parse(range, length)
        } else {
            Ranges::All
        }
    }
}

/// Answers a request with a content, or with what its conditions say.
#[must_use]
pub fn answer(wish: &Wish, content: Arc<dyn Content>, facts: &Facts) -> Answer {
    let length = content.length();
    if let Some(status) = wish.condition(facts) {
        return headed(Response::new(Body::empty()), status, facts);
    }
    match wish.ranges(facts, length) {
        Ranges::All => {
            let all = Span {
                start: 0,
                end: length,
            };
            let mut answer = headed(
                body(wish, content, vec![Part::Span(all)]),
                StatusCode::OK,
                facts,
            );
            set(&mut answer, CONTENT_LENGTH, &length.to_string());
            answer
        }
        Ranges::Unsatisfiable => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let mut answer = headed(Response::new(Body::empty()), status, facts);
            set(&mut answer, CONTENT_RANGE, &format!("bytes */{length}"));
            set(&mut answer, CONTENT_LENGTH, "0");
            answer
        }
        Ranges::Some(spans) => match spans[..] {
            [span] => {
                let body = body(wish, content, vec![Part::Span(span)]);
                let mut answer = headed(body, StatusCode::PARTIAL_CONTENT, facts);
                set(&mut answer, CONTENT_RANGE, &span.words(length));
                set(&mut answer, CONTENT_LENGTH, &span.len().to_string());
                answer
            }
            _ => several(wish, content, facts, &spans),
        },
    }
}

/// Several spans: parts of one body, each with its own head.
fn several(wish: &Wish, content: Arc<dyn Content>, facts: &Facts, spans: &[Span]) -> Answer {
    let length = content.length();
    let boundary = boundary(facts);
    let mut parts = Vec::new();
    for span in spans {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            facts.content_type,
            span.words(length)
        );
        parts.push(Part::Text(head.into()));
        parts.push(Part::Span(*span));
    }
    parts.push(Part::Text(format!("\r\n--{boundary}--\r\n").into()));
    let bytes: u64 = parts.iter().map(Part::length).sum();
    let body = body(wish, content, parts);
    let mut answer = headed(body, StatusCode::PARTIAL_CONTENT, facts);
    let content_type = format!("multipart/byteranges; boundary={boundary}");
    set(&mut answer, CONTENT_TYPE, &content_type);
    set(&mut answer, CONTENT_LENGTH, &bytes.to_string());
    answer
}

/// What stands between the parts of an answer of several spans. It follows from the name of the content, which follows from the
/// bytes: nobody can make a content that holds its own.
fn boundary(facts: &Facts) -> String {
    Hash::of(format!("boundary {}", facts.etag).as_bytes()).to_string()
}

/// A piece of a body.
enum Part {
    Text(Bytes),
    Span(Span),
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Span(span) => span.len(),
        }
    }
}

fn body(wish: &Wish, content: Arc<dyn Content>, mut parts: Vec<Part>) -> Answer {
    if wish.method == Method::HEAD {
        return Response::new(Body::empty());
    }
    parts.reverse();
    let pieces = stream::unfold((content, parts), |(content, mut parts)| async move {
        loop {
            let span = match parts.pop()? {
                Part::Text(text) => return Some((Ok(text), (content, parts))),
                Part::Span(span) if span.is_empty() => continue,
                Part::Span(span) => span,
            };
            let read = Arc::clone(&content).read(span).await;
            let read = read.map_err(|error| {
                content.broke_off(&error);
                io::Error::other(error.to_string())
            });
            if let Ok(bytes) = &read {
                parts.push(Part::Span(Span {
                    start: span.start + bytes.len() as u64,
                    end: span.end,
                }));
            } else {
                parts.clear();
            }
            return Some((read, (content, parts)));
        }
    });
    Response::new(Body::from_stream(pieces))
}

fn headed(mut answer: Answer, status: StatusCode, facts: &Facts) -> Answer {
    *answer.status_mut() = status;
    set(&mut answer, ETAG, &quoted(&facts.etag));
    set(&mut answer, CACHE_CONTROL, facts.keep.words());
    set(&mut answer, ACCEPT_RANGES, "bytes");
    set(&mut answer, CONTENT_TYPE, &facts.content_type);
    if let Some(said) = facts.modified.and_then(Modified::said) {
        set(&mut answer, LAST_MODIFIED, &said.to_http());
    }
    answer
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn has_tag(tags: &str, etag: &str) -> bool {
    let quoted = quoted(etag);
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == quoted)
}
