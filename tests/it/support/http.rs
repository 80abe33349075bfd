//! A client that sends exactly what a test says, and shows exactly what comes back.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take: a test that waits longer has found something.
const WAIT: Duration = Duration::from_secs(60);

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            ..Self::default()
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Shows a token.
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends these bytes.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on a connection of its own.
    pub fn send(&self, address: SocketAddr) -> Result<Reply, Box<dyn Error>> {
        let is_head = self.method == "HEAD";
        Reply::parse(&exchange(address, &self.bytes())?, is_head)
    }

    /// Sends it, and reads the head of the answer alone: its body may have no end.
    pub fn send_for_head(&self, address: SocketAddr) -> Result<Reply, Box<dyn Error>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(WAIT))?;
        stream.write_all(&self.bytes())?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        Reply::parse(&head, true)
    }

    /// What is sent.
    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: test\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        let has_length = self.headers.iter().any(|(name, _)| {
            let name = name.to_lowercase();
            name == "content-length" || name == "transfer-encoding"
        });
        if !has_length && (!self.body.is_empty() || self.method != "GET") {
            let length = self.body.len().to_string();
            text.extend(["Content-Length: ", &length, "\r\n"]);
        }
        [
            text.as_bytes(),
            b"Connection: close\r\n\r\n",
            self.body.as_slice(),
        ]
        .concat()
    }
}

/// Sends bytes on a connection of its own, and reads all that comes back.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    // A server that refuses what it reads may close before it has read all.
    let written = stream.write_all(bytes);
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Err(error) if reply.is_empty() => Err(error.into()),
        _ if reply.is_empty() => Err(format!("no answer; {written:?}").into()),
        _ => Ok(reply),
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8], is_head: bool) -> Result<Self, Box<dyn Error>> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or_else(|| format!("no head in {:?}", String::from_utf8_lossy(bytes)))?;
        let head = std::str::from_utf8(&bytes[..end])?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.ok_or("a status line")?.parse()?;
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let rest = &bytes[end + 4..];
        let body = match headers.get("transfer-encoding").map(String::as_str) {
            Some("chunked") if !is_head => dechunked(rest)?,
            _ => rest.to_vec(),
        };
        if let Some(length) = headers.get("content-length").filter(|_| !is_head)
            && length.parse::<usize>()? != body.len()
            && status != 304
        {
            return Err(format!("{length} bytes were promised, {} came", body.len()).into());
        }
        Ok(Self {
            status,
            headers,
            body,
        })
    }

    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, Box<dyn Error>> {
        let parsed = serde_json::from_slice(&self.body);
        Ok(parsed.map_err(|error| format!("{error} in {self:?}"))?)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Expects a status.
    pub fn expect(self, status: u16) -> Result<Self, Box<dyn Error>> {
        if self.status == status {
            Ok(self)
        } else {
            Err(format!("{status} was expected: {} {}", self.status, self.text()).into())
        }
    }

    /// Expects a problem with a status and code, whose text has some words in it.
    pub fn expect_problem(
        self,
        status: u16,
        code: &str,
        words: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let reply = self.expect(status)?;
        let problem = reply.json()?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        let is_problem = reply.header("content-type") == "application/problem+json";
        if is_problem && problem["code"] == code && detail.contains(words) {
            Ok(reply)
        } else {
            Err(format!("{code} and {words:?} were expected: {problem}").into())
        }
    }
}

fn dechunked(mut rest: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let end = end.ok_or("the length of a chunk")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end])?, 16)?;
        rest = &rest[end + 2..];
        if length == 0 {
            return Ok(body);
        }
        let chunk = rest.get(..length).ok_or("a whole chunk")?;
        body.extend_from_slice(chunk);
        rest = rest.get(length + 2..).ok_or("the end of a chunk")?;
    }
}
