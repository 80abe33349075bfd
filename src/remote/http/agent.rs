//! The door to HTTP: one server, and who asks it.
//!
//! # Invariants
//!
//! - Every wait and every answer has a limit.
//! - The token goes to this server and to no other, and appears in no message.
//!
//! # Not here
//!
//! What is asked (`remote::http::builds`, `remote::http::origin`).

use std::fmt;
use std::io::Read;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::header::{
    AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_RANGE, LOCATION, RANGE,
};
use ureq::http::{Request, Response, StatusCode};
use ureq::{AsSendBody, Body};
use zeroize::Zeroizing;

use super::pace::Paced;
use super::url::ServerUrl;
use crate::base::error::Kind;
use crate::base::{Error, Result};
use crate::remote::wire::problem::{PROBLEM_BYTES_MAX, Problem};

/// How long a server may take to be reached.
pub const CONNECT_WAIT: Duration = Duration::from_secs(20);
/// How long a server may think about what it answers: a commit of a large build takes it long.
pub const ANSWER_WAIT: Duration = Duration::from_secs(600);
/// How long nothing may come of an answer.
pub const READ_WAIT: Duration = Duration::from_secs(60);
/// How long nothing may go of a request.
pub const WRITE_WAIT: Duration = Duration::from_secs(60);
/// Bytes of a document.
pub const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A file that is being read.
pub struct Opened {
    /// The offset of the first byte that comes.
    pub start: u64,
    /// The tag of the whole.
    pub etag: Option<String>,
    /// The bytes.
    pub body: Box<dyn Read>,
}

/// One server, and who asks it.
pub struct Agent {
    client: ureq::Agent,
    server: ServerUrl,
    token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// Talks to a server, with a token if there is one.
    #[must_use]
    pub fn new(server: ServerUrl, token: Option<Zeroizing<String>>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_recv_response(Some(ANSWER_WAIT))
            .timeout_per_read(Some(READ_WAIT))
            .timeout_per_write(Some(WRITE_WAIT))
            .user_agent(concat!("bindery/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = config.new_agent();
        Self {
            client,
            server,
            token,
        }
    }

    /// The server.
    #[must_use]
    pub const fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// Asks for a document.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] if the server cannot be reached or breaks off; [`Error::Remote`] if it could not do what it was
    /// asked, with its reason; [`Error::Malformed`] if its answer makes no sense; so for the others.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.document(self.send("GET", path, None, ())?)
    }

    /// Asks for a file of at most so many bytes; none if it is not there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn fetch(&self, path: &str, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        let answer = self.ask("GET", path, &[], ())?;
        match answer.status() {
            StatusCode::OK => self.read(answer, bytes_max).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refusal(answer)),
        }
    }

    /// Asks for a file, perhaps from a byte on, of which the tag of the whole is known; none if it is not there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn open(&self, path: &str, from: Option<(u64, Option<&str>)>) -> Result<Option<Opened>> {
        let range = from.map(|(start, _)| format!("bytes={start}-"));
        let mut headers = Vec::new();
        headers.extend(range.as_deref().map(|range| (RANGE, range)));
        headers.extend(from.and_then(|(_, tag)| tag).map(|tag| (IF_RANGE, tag)));
        let answer = self.ask("GET", path, &headers, ())?;
        let start = match answer.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => {
                let start = header(&answer, CONTENT_RANGE).and_then(start_of_range);
                match (start, from) {
                    (Some(start), Some((asked, _))) if start == asked => start,
                    _ => {
                        let reason =
                            format!("{} sends other bytes than were asked for", self.server);
                        return Err(Error::malformed("answer", reason));
                    }
                }
            }
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refusal(answer)),
        };
        let etag = header(&answer, ETAG).map(str::to_owned);
        let body = Paced::new(answer.into_body().into_reader());
        let body: Box<dyn Read> = Box::new(body);
        Ok(Some(Opened { start, etag, body }))
    }

    /// Sends a document, and reads the answer.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn post<T: DeserializeOwned>(&self, path: &str, document: &impl Serialize) -> Result<T> {
        let body =
            serde_json::to_vec(document).map_err(|error| Error::internal(error.to_string()))?;
        self.document(self.send("POST", path, Some("application/json"), body.as_slice())?)
    }

    /// Asks for a text of at most so many bytes.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn text(&self, path: &str, bytes_max: u64) -> Result<String> {
        let answer = self.send("GET", path, None, ())?;
        let bytes = self.read(answer, bytes_max)?;
        String::from_utf8(bytes)
            .map_err(|_| Error::malformed("answer", format!("{}: it is not UTF-8", self.server)))
    }

    /// Sends bytes of a type, and reads an answer of at most so many bytes.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn post_bytes(
        &self,
        path: &str,
        content_type: &str,
        bytes: &[u8],
        bytes_max: u64,
    ) -> Result<Vec<u8>> {
        let answer = self.send("POST", path, Some(content_type), bytes)?;
        self.read(answer, bytes_max)
    }

    /// Puts a document, and reads the answer.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn put_document<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T> {
        let body =
            serde_json::to_vec(document).map_err(|error| Error::internal(error.to_string()))?;
        self.put(path, "application/json", &body)
    }

    /// Puts bytes of a type, and reads the answer.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        bytes: &[u8],
    ) -> Result<T> {
        self.document(self.send("PUT", path, Some(content_type), bytes)?)
    }

    /// Asks for something to be ended, and reads the answer.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.document(self.send("DELETE", path, None, ())?)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: impl AsSendBody,
    ) -> Result<Response<Body>> {
        let headers = content_type.map(|content_type| (CONTENT_TYPE, content_type));
        let answer = self.ask(method, path, headers.as_slice(), body)?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(self.refusal(answer))
        }
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: impl AsSendBody,
    ) -> Result<Response<Body>> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.server.join(path));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", **token));
        }
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(body);
        let request = request.map_err(|error| Error::usage(format!("{path}: {error}")))?;
        let answer = self.client.run(request);
        answer.map_err(|error| self.unreachable(&error))
    }

    /// That an answer broke off.
    #[must_use]
    pub fn broke_off(&self, error: &std::io::Error) -> Error {
        Error::Unreachable {
            place: self.server.to_string(),
            reason: error.to_string(),
        }
    }

    fn document<T: DeserializeOwned>(&self, answer: Response<Body>) -> Result<T> {
        let bytes = self.read(answer, DOCUMENT_BYTES_MAX)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::malformed("answer", format!("{}: {error}", self.server)))
    }

    fn read(&self, answer: Response<Body>, bytes_max: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut reader = Paced::new(answer.into_body().into_reader()).take(bytes_max + 1);
        let read = reader.read_to_end(&mut bytes);
        read.map_err(|error| self.broke_off(&error))?;
        if bytes.len() as u64 > bytes_max {
            let reason = format!("{} answers with more than {bytes_max} bytes", self.server);
            return Err(Error::malformed("answer", reason));
        }
        Ok(bytes)
    }

    /// What an answer says that is not a good one.
    fn refusal(&self, answer: Response<Body>) -> Error {
        let status = answer.status();
        let place = self.server.to_string();
        if status.is_redirection() {
            let to = header(&answer, LOCATION);
            let reason = format!(
                "it says to go elsewhere: {}",
                to.unwrap_or("it does not say where")
            );
            return Error::Unreachable { place, reason };
        }
        let problem = self.read(answer, PROBLEM_BYTES_MAX);
        let problem = problem.and_then(|bytes| Problem::parse(&bytes));
        let Ok(problem) = problem else {
            // Not ours, but something in between.
            let reason = format!("it answers with status {status}");
            return Error::Unreachable { place, reason };
        };
        let kind = problem.failure().unwrap_or_else(|| kind_of(status));
        let paths = problem
            .paths
            .iter()
            .map(|path| format!("{} ({})", path.path, path.release));
        let details = paths
            .chain(problem.objects.iter().cloned())
            .map(|text| printable(&text));
        Error::Remote {
            details: details.collect(),
            reason: printable(&problem.detail),
            place,
            kind,
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Error {
        Error::Unreachable {
            place: self.server.to_string(),
            reason: error.to_string(),
        }
    }
}

fn header(answer: &Response<Body>, name: HeaderName) -> Option<&str> {
    answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}

/// Where the bytes begin that an answer says it has, as in `bytes 5-9/10`.
fn start_of_range(range: &str) -> Option<u64> {
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.parse().ok()
}

fn kind_of(status: StatusCode) -> Kind {
    match status.as_u16() {
        400 | 405 => Kind::Usage,
        401 | 403 => Kind::NotAllowed,
        404 => Kind::NotFound,
        409 | 412 => Kind::Conflict,
        429 | 503 => Kind::Busy,
        _ => Kind::Unavailable,
    }
}

/// What a server says, without what a terminal would obey.
fn printable(text: &str) -> String {
    let shown = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    text.chars().take(4096).map(shown).collect()
}
