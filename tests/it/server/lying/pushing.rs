//! A server, or something before it, that lies to who pushes: each lie ends the push with an error, and what the server holds
//! is whole.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::liar::reply;
use crate::server::TREE;
use crate::support::served::Served;
use crate::support::{Answer, Outcome, Scratch};

/// What is made of an answer: the whole of it, head included.
type Twist = fn(&[u8]) -> Vec<u8>;

/// Stands before a server, and changes what it answers to requests whose first line has a text in it.
#[derive(Clone)]
struct Between {
    address: SocketAddr,
    behind: SocketAddr,
    lie: Arc<Mutex<(String, Twist)>>,
}

impl Between {
    fn start(behind: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let between = Self {
            address: listener.local_addr()?,
            behind,
            lie: Arc::new(Mutex::new((String::new(), <[u8]>::to_vec))),
        };
        let passing = between.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever breaks off has found something wrong.
                passing.pass_on(stream).ok();
            }
        });
        Ok(between)
    }

    fn tell(&self, part: &str, twist: Twist) {
        let mut lie = self.lie.lock().unwrap_or_else(PoisonError::into_inner);
        *lie = (part.to_owned(), twist);
    }

    fn pass_on(&self, mut stream: TcpStream) -> Outcome {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.len() <= 2 {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            head += &line;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut behind = TcpStream::connect(self.behind)?;
        behind.write_all(&[head.as_bytes(), b"Connection: close\r\n\r\n", &body].concat())?;
        let mut answer = Vec::new();
        behind.read_to_end(&mut answer)?;
        let first = head.lines().next().unwrap_or_default();
        let lie = self.lie.lock().unwrap_or_else(PoisonError::into_inner);
        let (part, twist) = lie.clone();
        drop(lie);
        let answer = if !part.is_empty() && first.contains(&part) {
            twist(&answer)
        } else {
            answer
        };
        Ok(stream.write_all(&answer)?)
    }
}

/// A push of the folder `tree` through what stands between.
fn push(scratch: &Scratch, served: &Served, between: &Between) -> Result<Answer, Box<dyn Error>> {
    let url = format!("http://{}", between.address);
    served.run(
        scratch,
        &format!("push tree --ref stable --publish --remote {url}"),
    )
}

/// The requests of a push whose answers are documents.
const DOCUMENTS: [&str; 5] = [
    "POST /api/v1/repos/main/builds ",
    "/packs/",
    "/stage ",
    "/commit ",
    "/publish",
];

/// Each lie, the exit code, and what is said.
const LIES: [(&str, i32, &str, Twist); 9] = [
    ("a page for people", 7, "malformed answer", |_| {
        reply("200 OK", "", b"<html>welcome</html>")
    }),
    ("nothing", 7, "malformed answer", |_| {
        reply("200 OK", "", b"")
    }),
    ("a document without anything", 7, "malformed answer", |_| {
        reply("200 OK", "", b"{}")
    }),
    ("nested without end", 7, "malformed answer", |_| {
        reply("200 OK", "", &b"[".repeat(100_000))
    }),
    ("more than any", 7, "more than", |_| {
        reply("200 OK", "", &b" ".repeat(17 * 1024 * 1024))
    }),
    ("half of it", 8, "cannot reach", |answer| {
        answer[..answer.len() - 9].to_vec()
    }),
    ("no answer", 8, "cannot reach", |_| Vec::new()),
    ("a fault", 8, "status 500", |_| reply("500 Oh", "", b"")),
    ("another place", 8, "go elsewhere", |_| {
        reply("307 Moved", "Location: http://127.0.0.1:1/\r\n", b"")
    }),
];

#[test]
fn whatever_is_answered_to_a_push_that_is_no_answer_ends_it() -> Outcome {
    let (scratch, served) = crate::server::served("")?;
    let between = Between::start(served.address)?;
    for part in DOCUMENTS {
        for (lie, code, said, twist) in LIES {
            between.tell(part, twist);
            let answer = push(&scratch, &served, &between)?;
            let answer = answer.expect_failure(code, &[said]);
            answer.map_err(|error| format!("{part}: {lie}: {error}"))?;
        }
    }
    between.tell("", <[u8]>::to_vec);
    push(&scratch, &served, &between)?.expect_code(0)?;
    served.end_sound(&scratch)
}

/// The answer with the same byte in place of each.
fn bits(answer: &[u8], byte: u8) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, bits) = answer.split_at(end.map_or(answer.len(), |end| end + 4));
    [head, &vec![byte; bits.len()]].concat()
}

#[test]
fn who_says_that_all_is_there_or_nothing_gets_no_more_than_that() -> Outcome {
    let (scratch, served) = crate::server::served("")?;
    let between = Between::start(served.address)?;
    let lies: [(&str, i32, &str, Twist); 4] = [
        ("nothing is missing", 5, "missing", |answer| bits(answer, 0)),
        ("no bits", 7, "few for", |_| reply("200 OK", "", b"")),
        ("more bits", 7, "more than", |_| {
            reply("200 OK", "", &vec![0; 10_000_000])
        }),
        ("a fault", 8, "status 500", |_| reply("500 Oh", "", b"")),
    ];
    for (lie, code, said, twist) in lies {
        between.tell("/missing?", twist);
        let answer = push(&scratch, &served, &between)?.expect_failure(code, &[said]);
        answer.map_err(|error| format!("{lie}: {error}"))?;
    }
    // That all of it is missing is no lie that costs more than sending it.
    between.tell("/missing?", |answer| bits(answer, 0xff));
    push(&scratch, &served, &between)?.expect_code(0)?;
    scratch.write("tree", TREE)?;
    between.tell("", <[u8]>::to_vec);
    push(&scratch, &served, &between)?.expect_code(0)?;
    served.end_sound(&scratch)
}
