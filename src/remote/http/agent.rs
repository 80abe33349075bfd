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
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPECT, HeaderName, IF_RANGE,
    LOCATION, RANGE, RETRY_AFTER,
};
use ureq::http::{Request, Response, StatusCode};
use ureq::tls::TlsConfig;
use ureq::{AsSendBody, Body};
use zeroize::Zeroizing;

use super::authorities::Authorities;
use super::pace::Paced;
use super::proxy;
use super::range::Range;
use super::url::ServerUrl;
use super::waits::Waits;
use crate::base::error::Kind;
use crate::base::printable::printable;
use crate::base::{Error, Result};
use crate::remote::wire::problem::{PROBLEM_BYTES_MAX, Problem};

/// Bytes that are sent without asking first whether they will be taken: a server that refuses more says so before it comes.
const UNASKED_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a document.
pub const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A file that is being read.
pub struct Opened {
    /// The offset of the first byte that comes.
    pub start: u64,
    /// The bytes of the whole, if the server says.
    pub whole_bytes: Option<u64>,
    /// The tag of the whole.
    pub etag: Option<String>,
    /// The bytes.
    pub body: Box<dyn Read>,
}

/// One server, and who asks it. Copies share their connections.
#[derive(Clone)]
pub struct Agent {
    client: ureq::Agent,
    server: ServerUrl,
    token: Option<Zeroizing<String>>,
    waits: Waits,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// Talks to a server, with a token if there is one, and waits for it as long as usual.
    #[must_use]
    pub fn new(server: ServerUrl, token: Option<Zeroizing<String>>) -> Self {
        Self::with_waits(server, token, Waits::USUAL)
    }

    /// Talks to a server that is waited for so long and no longer.
    #[must_use]
    pub fn with_waits(server: ServerUrl, token: Option<Zeroizing<String>>, waits: Waits) -> Self {
        Self {
            client: client(&server, waits, TlsConfig::default()),
            server,
            token,
            waits,
        }
    }

    /// Believes these authorities, and no others, about who the server is.
    #[must_use]
    pub fn believing(self, authorities: &Authorities) -> Self {
        let tls = TlsConfig::builder().root_certs(authorities.roots()).build();
        Self {
            client: client(&self.server, self.waits, tls),
            ..self
        }
    }

    /// The same, of another place on the server.
    #[must_use]
    pub fn at(&self, server: ServerUrl) -> Self {
        Self {
            server,
            ..self.clone()
        }
    }

    /// For how long it waits.
    #[must_use]
    pub const fn waits(&self) -> Waits {
        self.waits
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
        let mut paused = Duration::ZERO;
        self.fetch_paused(path, bytes_max, &mut paused)
    }

    /// As [`fetch`](Self::fetch); adds to `paused` for how long the server had asked not to be asked.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn fetch_paused(
        &self,
        path: &str,
        bytes_max: u64,
        paused: &mut Duration,
    ) -> Result<Option<Vec<u8>>> {
        let waits = (self.waits.file, self.waits.busy_file);
        let (answer, waited) = self.ask(waits, "GET", path, &[], ())?;
        *paused += waited;
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
        let waits = (self.waits.file, self.waits.busy_file);
        let (answer, _) = self.ask(waits, "GET", path, &headers, ())?;
        let (start, whole_bytes) = match answer.status() {
            StatusCode::OK => {
                let length = header(&answer, CONTENT_LENGTH);
                (0, length.and_then(|length| length.parse().ok()))
            }
            StatusCode::PARTIAL_CONTENT => {
                let range = header(&answer, CONTENT_RANGE).and_then(Range::parse);
                let asked = from.map(|(start, _)| start);
                let range = range.filter(|range| Some(range.start) == asked);
                let range = range.ok_or_else(|| {
                    let reason = format!("{} sends other bytes than were asked for", self.server);
                    Error::malformed("answer", reason)
                })?;
                (range.start, range.whole_bytes)
            }
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(Error::Remote {
                    place: self.server.join(path),
                    reason: format!(
                        "it has no such part, and answers with status {}",
                        answer.status()
                    ),
                    kind: Kind::Unavailable,
                    details: Vec::new(),
                });
            }
            _ => return Err(self.refusal(answer)),
        };
        let etag = header(&answer, ETAG).map(str::to_owned);
        let body = Paced::new(answer.into_body().into_reader(), self.waits);
        Ok(Some(Opened {
            start,
            whole_bytes,
            etag,
            body: Box::new(body),
        }))
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
        let mut headers = vec![(CONTENT_TYPE, content_type)];
        if bytes.len() > UNASKED_BYTES_MAX {
            headers.push((EXPECT, "100-continue"));
        }
        self.document(self.send_with("PUT", path, &headers, bytes)?)
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
        body: impl AsSendBody + Copy,
    ) -> Result<Response<Body>> {
        let headers = content_type.map(|content_type| (CONTENT_TYPE, content_type));
        self.send_with(method, path, headers.as_slice(), body)
    }

    fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: impl AsSendBody + Copy,
    ) -> Result<Response<Body>> {
        let waits = (self.waits.answer, self.waits.busy);
        let (answer, _) = self.ask(waits, method, path, headers, body)?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(self.refusal(answer))
        }
    }

    /// Asks, and asks again for some time if the server says that it is too busy and when to come again: it did nothing then.
    /// Says also for how long it was let alone.
    fn ask(
        &self,
        (wait, busy): (Duration, Duration),
        method: &str,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: impl AsSendBody + Copy,
    ) -> Result<(Response<Body>, Duration)> {
        let (mut waited, mut times) = (Duration::ZERO, 0);
        loop {
            let answer = self.ask_once(wait, method, path, headers, body)?;
            times += 1;
            // Each time longer, so that many who wait get through.
            let pause = busy_for(&answer).and_then(|pause| pause.checked_mul(times));
            let pause = pause.filter(|pause| waited.saturating_add(*pause) <= busy);
            let Some(pause) = pause else {
                return Ok((answer, waited));
            };
            thread::sleep(pause);
            waited += pause;
        }
    }

    fn ask_once(
        &self,
        wait: Duration,
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
        let request = self.client.configure_request(request);
        // The limit on each read holds for the head of the answer, too.
        let request = request
            .timeout_recv_response(Some(wait))
            .timeout_per_read(Some(wait.max(self.waits.read)))
            .build();
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
        let mut reader =
            Paced::new(answer.into_body().into_reader(), self.waits).take(bytes_max + 1);
        let read = reader.read_to_end(&mut bytes);
        read.map_err(|error| self.broke_off(&error))?;
        if bytes.len() as u64 > bytes_max {
            return Err(self.too_much(bytes_max));
        }
        Ok(bytes)
    }

    /// That an answer is longer than it may be.
    #[must_use]
    pub fn too_much(&self, bytes_max: u64) -> Error {
        let reason = format!("{} answers with more than {bytes_max} bytes", self.server);
        Error::malformed("answer", reason)
    }

    /// What an answer says that is not a good one.
    fn refusal(&self, answer: Response<Body>) -> Error {
        let status = answer.status();
        let place = self.server.to_string();
        if let Some(to) = header(&answer, LOCATION).filter(|_| status.is_redirection()) {
            let reason = format!("it says to go elsewhere: {}", printable(to));
            return Error::Unreachable { place, reason };
        }
        let problem = self.read(answer, PROBLEM_BYTES_MAX);
        let problem = problem.and_then(|bytes| Problem::parse(&bytes));
        let Ok(problem) = problem else {
            // Not ours, but something in between.
            let reason = format!("it answers with status {status}");
            return Error::Unreachable { place, reason };
        };
        // Its own faults, and who interrupted it, are not ours.
        let failure = problem.failure();
        let failure = failure.filter(|kind| !matches!(kind, Kind::Internal | Kind::Interrupted));
        let kind = failure.unwrap_or_else(|| kind_of(status));
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
            reason: error.to_string() + &proxy::words(self.client.config().proxy()),
        }
    }
}

/// After how long a server that is too busy wants to be asked again, if it says so; at least a second.
fn busy_for(answer: &Response<Body>) -> Option<Duration> {
    let is_busy = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if !is_busy.contains(&answer.status()) {
        return None;
    }
    let seconds = header(answer, RETRY_AFTER)?.parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.max(1)))
}

fn header(answer: &Response<Body>, name: HeaderName) -> Option<&str> {
    answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
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

fn client(server: &ServerUrl, waits: Waits, tls: TlsConfig) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(waits.connect))
        .timeout_per_write(Some(waits.write))
        .user_agent(concat!("bindery/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .proxy(proxy::to(server))
        .build();
    config.new_agent()
}
