//! Answers: what goes back to whoever asked.
//!
//! # Not here
//!
//! Bodies that are too large for memory, ranges and conditions (`server::content`).

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;

use crate::base::error::Kind;
use crate::base::{Error, Result};
use crate::remote::wire::problem::{PROBLEM_TYPE, Problem};

/// An answer.
pub type Answer = Response<Body>;

/// Seconds after which whoever found the server busy should ask again.
const RETRY_SECONDS: &str = "2";

/// How long others may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Not at all.
    Never,
    /// For a minute.
    Minute,
    /// For ever: nothing else will be under its URL.
    Forever,
    /// As long as they ask whether it is still so.
    Ask,
}

impl Keep {
    /// The value of `Cache-Control`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Never => "no-store",
            Self::Minute => "public, max-age=60",
            Self::Forever => "public, max-age=31536000, immutable",
            Self::Ask => "no-cache",
        }
    }
}

/// A request that could not be done.
#[derive(Debug)]
pub struct Failure {
    /// The status.
    pub status: StatusCode,
    /// What is said about it.
    pub problem: Box<Problem>,
    /// What else is said, in a header.
    pub header: Option<(HeaderName, String)>,
    /// What whoever asked cannot help and is not told: for whoever runs the server.
    pub cause: Option<String>,
}

impl Failure {
    /// A failure with a status of its own.
    #[must_use]
    pub fn new(status: StatusCode, error: &Error) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self {
            status,
            problem: Box::new(Problem::of(error, status.as_u16(), title)),
            header: None,
            cause: (status == StatusCode::INTERNAL_SERVER_ERROR).then(|| error.to_string()),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    /// What is answered to whoever must first say who they are.
    #[must_use]
    pub fn unknown_caller(reason: &str) -> Self {
        let error = Error::NotAllowed {
            reason: reason.to_owned(),
        };
        Self::new(StatusCode::UNAUTHORIZED, &error).with_header(
            WWW_AUTHENTICATE,
            "Bearer realm=\"bindery\", Basic realm=\"bindery\"",
        )
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut answer = bytes(self.status, PROBLEM_TYPE, Keep::Never, body.into());
        if let Some((name, value)) = &self.header {
            set(&mut answer, name.clone(), value);
        }
        answer
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(status_of(&error), &error);
        match error.kind() {
            Kind::Busy => failure.with_header(RETRY_AFTER, RETRY_SECONDS),
            _ => failure,
        }
    }
}

/// The status that an error gives.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Limit { .. } => return StatusCode::PAYLOAD_TOO_LARGE,
        // Whoever asked cannot help it.
        Error::Damaged { .. } | Error::Io { .. } | Error::Catalog { .. } => {
            return match error.kind() {
                Kind::Unavailable => StatusCode::INSUFFICIENT_STORAGE,
                Kind::NotFound => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
        }
        _ => {}
    }
    match error.kind() {
        Kind::Usage => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::NotAllowed => StatusCode::FORBIDDEN,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Busy | Kind::Unavailable | Kind::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Integrity | Kind::Check | Kind::Failed => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer of some bytes.
#[must_use]
pub fn bytes(status: StatusCode, content_type: &str, keep: Keep, body: Bytes) -> Answer {
    let length = body.len();
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, content_type);
    set(&mut answer, CACHE_CONTROL, keep.words());
    set(&mut answer, CONTENT_LENGTH, &length.to_string());
    answer
}

/// An answer that is a document of the API.
///
/// # Errors
///
/// [`Error::Internal`] if it cannot be written as JSON.
pub fn json(status: StatusCode, document: &impl Serialize) -> Result<Answer, Failure> {
    let body = serde_json::to_vec(document).map_err(|error| Error::internal(error.to_string()))?;
    Ok(bytes(status, "application/json", Keep::Never, body.into()))
}

/// Says of an answer that others may keep that whoever asked may do so alone: it was given because of a token, and somebody in
/// between would give it to those who have none.
pub fn keep_private(answer: &mut Answer) {
    let words = answer.headers().get(CACHE_CONTROL);
    let words = words.and_then(|words| words.to_str().ok());
    let words = match words {
        Some(words) if words == Keep::Never.words() => return,
        Some(words) => words.strip_prefix("public, ").unwrap_or(words),
        None => Keep::Ask.words(),
    };
    let words = format!("private, {words}");
    set(answer, CACHE_CONTROL, &words);
}

/// Sets a header. A value that cannot be one is left out: those that come from outside were checked before.
pub fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
