//! The liar: a server on a thread that answers as a test says, also what no server should.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The files of an export, by their paths in URLs.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    /// The first byte that is wanted.
    pub start: Option<usize>,
    /// The tag that what is wanted must have.
    pub if_range: Option<String>,
}

/// What is said to it.
pub enum Said {
    /// Nothing: the connection is closed.
    Nothing,
    /// All of these bytes, head included.
    All(Vec<u8>),
    /// All of these bytes, after a pause.
    Late(Duration, Vec<u8>),
    /// These bytes, and then the connection stays open for as long as the client waits.
    Held(Vec<u8>),
    /// The first bytes, and then the others again and again, until the client leaves.
    Endlessly(Vec<u8>, Vec<u8>),
    /// The first bytes at once and the others one by one, with a pause before each.
    Slowly(Vec<u8>, Vec<u8>, Duration),
}

/// What is said to a question about a path at which this is the good file.
type Lie = Box<dyn Fn(&Asked, Option<&[u8]>) -> Said + Send>;

#[derive(Default)]
struct Shared {
    files: Files,
    lie: Option<Lie>,
    asked: Vec<Asked>,
}

/// A server that ends with the process.
#[derive(Clone)]
pub struct Liar {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Liar {
    /// Starts one that does not lie yet.
    pub fn start(files: Files) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared {
            files,
            ..Shared::default()
        }));
        let liar = Self { address, shared };
        let answering = liar.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answering = answering.clone();
                // Whoever breaks off has found something wrong: that is what this is for.
                thread::spawn(move || answering.answer(stream).ok());
            }
        });
        Ok(liar)
    }

    /// Shows other files, and nothing else.
    pub fn show(&self, files: Files) {
        self.change(|shared| (shared.files, shared.lie) = (files, None));
    }

    /// Tells a lie from now on.
    pub fn tell(&self, lie: impl Fn(&Asked, Option<&[u8]>) -> Said + Send + 'static) {
        self.change(|shared| shared.lie = Some(Box::new(lie)));
    }

    /// What was asked since this was called last.
    pub fn asked(&self) -> Vec<Asked> {
        self.change(|shared| std::mem::take(&mut shared.asked))
    }

    /// The URL of the server.
    pub fn server(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of its repo.
    pub fn url(&self) -> String {
        format!("http://{}/r/main", self.address)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
        stream.set_nodelay(true)?;
        let asked = read(&mut BufReader::new(stream.try_clone()?))?;
        let said = self.change(|shared| {
            shared.asked.push(asked.clone());
            let good = shared.files.get(asked.path.as_str()).map(Vec::as_slice);
            let lie = shared.lie.as_ref();
            lie.map_or_else(|| honest(good), |lie| lie(&asked, good))
        });
        match said {
            Said::Nothing => {}
            Said::All(bytes) => stream.write_all(&bytes)?,
            Said::Late(pause, bytes) => {
                thread::sleep(pause);
                stream.write_all(&bytes)?;
            }
            Said::Held(bytes) => {
                stream.write_all(&bytes)?;
                // Until the client leaves.
                stream.read_to_end(&mut Vec::new())?;
            }
            Said::Endlessly(first, again) => {
                stream.write_all(&first)?;
                loop {
                    stream.write_all(&again)?;
                }
            }
            Said::Slowly(first, rest, pause) => {
                stream.write_all(&first)?;
                for byte in rest {
                    thread::sleep(pause);
                    stream.write_all(&[byte])?;
                }
            }
        }
        Ok(())
    }
}

fn read(reader: &mut impl BufRead) -> Result<Asked, Box<dyn Error>> {
    let mut asked = Asked::default();
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    line.split(' ')
        .nth(1)
        .unwrap_or_default()
        .clone_into(&mut asked.path);
    loop {
        line.clear();
        if reader.read_line(&mut line)? <= 2 {
            // What is sent is of no interest, and a connection with unread bytes would be reset.
            reader.read_exact(&mut vec![0; length])?;
            return Ok(asked);
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            continue;
        };
        match name.to_lowercase().as_str() {
            "range" => {
                let start = value.trim_start_matches("bytes=").trim_end_matches('-');
                asked.start = Some(start.parse()?);
            }
            "content-length" => length = value.parse()?,
            "if-range" => asked.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// A whole answer.
pub fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// An answer with a body, as if it were good.
pub fn ok(body: &[u8]) -> Said {
    Said::All(reply("200 OK", "", body))
}

/// What an honest server answers.
pub fn honest(good: Option<&[u8]>) -> Said {
    match good {
        Some(body) => ok(body),
        None => Said::All(reply("404 Not Found", "", b"<html>not here</html>")),
    }
}

/// Answers what lies at a path that has `part` in it with what `twist` makes of it; nothing is an empty file there.
pub fn at(
    part: &'static str,
    twist: impl Fn(&[u8]) -> Said + Send + 'static,
) -> impl Fn(&Asked, Option<&[u8]>) -> Said + Send + 'static {
    move |asked, good| {
        if asked.path.contains(part) {
            twist(good.unwrap_or_default())
        } else {
            honest(good)
        }
    }
}

/// Answers with other bytes what lies at a path that has `part` in it, and nothing at paths where nothing is.
pub fn instead(
    part: &'static str,
    twist: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
) -> impl Fn(&Asked, Option<&[u8]>) -> Said + Send + 'static {
    move |asked, good| match good {
        Some(good) if asked.path.contains(part) => ok(&twist(good)),
        good => honest(good),
    }
}
