//! A server that lies over HTTP: what it gets wrong on the wire is found out, said, and changes nothing. What the documents
//! themselves can get wrong is in `remote::lies`, for the same verification.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::Node::File;
use crate::support::{Outcome, Scratch, files_beneath};

/// What is answered to a request for a path: the bytes of a whole answer, its head included. Nothing closes the connection.
type Lie = Box<dyn Fn(&str, Option<&[u8]>) -> Option<Vec<u8>> + Send>;

/// The files of an export, by their paths in URLs.
type Files = BTreeMap<String, Vec<u8>>;

/// A server on a thread that ends with the process.
struct Liar {
    address: SocketAddr,
    lie: Arc<Mutex<Lie>>,
}

impl Liar {
    fn start(files: Files) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let lie: Arc<Mutex<Lie>> = Arc::new(Mutex::new(Box::new(|_, good| Some(honest(good)))));
        let telling = Arc::clone(&lie);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever breaks off has found something wrong: that is what this is for.
                answer(stream, &files, &telling).ok();
            }
        });
        Ok(Self { address, lie })
    }

    fn tell(&self, lie: impl Fn(&str, Option<&[u8]>) -> Option<Vec<u8>> + Send + 'static) {
        if let Ok(mut telling) = self.lie.lock() {
            *telling = Box::new(lie);
        }
    }

    fn url(&self) -> String {
        format!("http://{}/r/main", self.address)
    }
}

fn answer(stream: TcpStream, files: &Files, lie: &Mutex<Lie>) -> Result<(), Box<dyn Error>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut said = String::new();
    reader.read_line(&mut said)?;
    let path = said.split(' ').nth(1).unwrap_or_default().to_owned();
    while reader.read_line(&mut said)? > 2 {}
    let good = files.get(path.as_str()).map(Vec::as_slice);
    let told = lie.lock().map_err(|_| "the lie")?(&path, good);
    let mut stream = stream;
    if let Some(bytes) = told {
        stream.write_all(&bytes)?;
    }
    Ok(())
}

/// A whole answer.
fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What an honest server answers.
fn honest(good: Option<&[u8]>) -> Vec<u8> {
    match good {
        Some(body) => reply("200 OK", "", body),
        None => reply("404 Not Found", "", b"<html>not here</html>"),
    }
}

/// Answers what lies at a path that has `part` in it with what `twist` makes of it.
fn at(
    part: &'static str,
    twist: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> impl Fn(&str, Option<&[u8]>) -> Option<Vec<u8>> + Send + 'static {
    move |path, good| {
        if path.contains(part) {
            twist(good.unwrap_or_default())
        } else {
            Some(honest(good))
        }
    }
}

/// A liar with two releases of `stable`, and a copy in the store `copy` that knows the first one.
struct World {
    scratch: Scratch,
    liar: Liar,
    first: Files,
}

fn exported(scratch: &Scratch) -> Result<Files, Box<dyn Error>> {
    scratch.ok("export --static www")?;
    let mut files = Files::new();
    for file in files_beneath(&scratch.path("www/r"))? {
        let path = file.strip_prefix(scratch.path("www"))?;
        if path.components().any(|part| part.as_os_str() == "files") {
            continue;
        }
        files.insert(format!("/{}", path.display()), fs::read(&file)?);
    }
    Ok(files)
}

impl World {
    fn new() -> Result<Self, Box<dyn Error>> {
        let scratch = Scratch::new()?;
        scratch.write("tree", crate::server::TREE)?;
        scratch.publish("stable", "tree")?;
        let first = exported(&scratch)?;
        let honest = Liar::start(first.clone())?;
        scratch.ok("--store copy init --no-repo")?;
        scratch.ok(&format!(
            "--store copy pull {} --pin www/r/main/pin",
            honest.url()
        ))?;
        scratch.write("tree", &[("new", File("new"))])?;
        scratch.publish("stable", "tree")?;
        let liar = Liar::start(exported(&scratch)?)?;
        // The copy knows the liar as where the repo is.
        Ok(Self {
            scratch,
            liar,
            first,
        })
    }

    /// Expects the lie that is told to be found out with an exit code and words, and the copy to be as it was.
    fn check(&self, name: &str, code: i32, words: &[&str]) -> Outcome {
        let before = self.scratch.ok("--store copy refs --json")?.stdout;
        let line = format!("--store copy pull {}", self.liar.url());
        let refused = self.scratch.fails(&line, code, words);
        let refused = refused.map_err(|error| format!("{name}: {error}"))?;
        let has_controls = refused.stderr.chars().any(|c| c.is_control() && c != '\n');
        assert!(!has_controls, "{name}: {:?}", refused.stderr);
        assert_eq!(
            self.scratch.ok("--store copy refs --json")?.stdout,
            before,
            "{name}"
        );
        assert_eq!(
            files_beneath(&self.scratch.path("copy/tmp"))?.len(),
            0,
            "{name}"
        );
        Ok(())
    }
}

#[test]
fn what_is_wrong_on_the_wire_is_found_out_and_changes_nothing() -> Outcome {
    let world = World::new()?;
    let liar = &world.liar;
    let heads = "trust/heads";
    liar.tell(at(heads, |_| {
        Some(reply("200 OK", "", b"<html>welcome</html>"))
    }));
    world.check("a page for people", 7, &["malformed"])?;
    liar.tell(at(heads, |_| Some(reply("200 OK", "", b""))));
    world.check("an empty answer", 7, &["malformed"])?;
    liar.tell(at(heads, |_| Some(reply("500 Oh", "", b"no"))));
    world.check("a fault", 8, &["status 500"])?;
    liar.tell(at(heads, |_| Some(reply("404 Not Found", "", b""))));
    world.check("nothing there", 3, &["no release at"])?;
    liar.tell(at(heads, |_| {
        Some(reply("302 Found", "Location: http://127.0.0.1:1/\r\n", b""))
    }));
    world.check("a way to another host", 8, &["go elsewhere", "127.0.0.1:1"])?;
    liar.tell(at(heads, |_| {
        Some(reply("301 Moved", "Location: /r/main/trust/heads\r\n", b""))
    }));
    world.check("a circle", 8, &["go elsewhere"])?;
    liar.tell(at(heads, |_| Some(reply("304 Not Modified", "", b""))));
    world.check("nothing new, which was not asked", 8, &[])?;
    liar.tell(at(heads, |_| None));
    world.check("no answer", 8, &["cannot reach"])?;
    liar.tell(at(heads, |_| Some(b"not http at all\r\n\r\n".to_vec())));
    world.check("no HTTP", 8, &["cannot reach"])?;
    Ok(())
}

#[test]
fn answers_of_another_length_or_form_are_found_out() -> Outcome {
    let world = World::new()?;
    let liar = &world.liar;
    let heads = "trust/heads";
    liar.tell(at(heads, |good| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            good.len() + 10
        );
        Some([head.as_bytes(), good].concat())
    }));
    world.check("fewer bytes than promised", 8, &["cannot reach"])?;
    liar.tell(at(heads, |good| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            good.len() - 10
        );
        Some([head.as_bytes(), good].concat())
    }));
    world.check("more bytes than promised", 7, &[])?;
    liar.tell(at(heads, |good| {
        Some(reply(
            "200 OK",
            "",
            &[good, &vec![b'x'; 10_000_000]].concat(),
        ))
    }));
    world.check("an endless answer", 7, &["more than"])?;
    liar.tell(at(heads, |good| {
        Some(reply(
            "200 OK",
            &format!("X: {}\r\n", "x".repeat(1_000_000)),
            good,
        ))
    }));
    world.check("an endless head", 8, &["cannot reach"])?;
    liar.tell(at(heads, |_| {
        Some(reply(
            "200 OK",
            "Content-Encoding: gzip\r\n",
            &[0x1f, 0x8b, 8, 0, 0],
        ))
    }));
    world.check("a body that is encoded, which was not asked", 7, &[])?;
    liar.tell(at(heads, |_| {
        let problem = br#"{"type":"about:blank","title":"x","status":409,"code":"conflict","detail":"\u001b[31mred\u0007"}"#;
        Some(reply("409 Conflict", "Content-Type: application/problem+json\r\n", problem))
    }));
    world.check(
        "a problem that would colour the terminal",
        5,
        &["says:", "red"],
    )?;
    Ok(())
}

#[test]
fn documents_at_the_wrong_place_are_found_out() -> Outcome {
    let world = World::new()?;
    let liar = &world.liar;
    let first = world.first.clone();
    let of_first = move |part: &str| -> Vec<u8> {
        let mut found = first.iter().filter(|(path, _)| path.contains(part));
        found
            .next()
            .map(|(_, bytes)| bytes.clone())
            .unwrap_or_default()
    };
    let keyset = of_first("keyset/1");
    liar.tell(move |path, good| {
        let is_next = path.contains("keyset/2");
        Some(if is_next {
            reply("200 OK", "", &keyset)
        } else {
            honest(good)
        })
    });
    world.check("the keyset once more as the next", 7, &["keyset"])?;
    liar.tell(at("keyset/2", |_| Some(reply("503 No", "", b""))));
    world.check("a keyset that cannot be had", 8, &["503"])?;
    for part in ["objects/", "statements/", "trust/heads"] {
        let other = of_first(part);
        liar.tell(move |path, good| {
            Some(if path.contains(part) {
                reply("200 OK", "", &other)
            } else {
                honest(good)
            })
        });
        if part == "trust/heads" {
            // It is good, and old: nothing is new then, and nothing is lost.
            let line = format!("--store copy pull {}", liar.url());
            assert!(world.scratch.ok(&line)?.stderr.contains("nothing is new"));
        } else {
            world.check(part, 7, &[])?;
        }
        liar.tell(at(part, |good| {
            let mut bad = good.to_vec();
            if let Some(byte) = bad.first_mut() {
                *byte ^= 1;
            }
            Some(reply("200 OK", "", &bad))
        }));
        world.check("the first byte of it", 7, &[])?;
    }
    Ok(())
}

#[test]
fn packs_that_are_wrong_or_break_off_are_found_out_or_gone_on_with() -> Outcome {
    let world = World::new()?;
    let liar = &world.liar;
    for place in [0, 40, 200] {
        liar.tell(at("packs/", move |good| {
            let mut bad = good.to_vec();
            bad.get_mut(place).into_iter().for_each(|byte| *byte ^= 1);
            Some(if good.is_empty() {
                honest(None)
            } else {
                reply("200 OK", "", &bad)
            })
        }));
        world.check("a byte of a pack", 7, &[])?;
    }
    liar.tell(at("packs/", |good| {
        Some(reply("200 OK", "", &good[..good.len() / 2]))
    }));
    world.check("half a pack", 7, &[])?;
    liar.tell(at("packs/", |good| {
        Some(reply("200 OK", "", &[good, b"x"].concat()))
    }));
    world.check("a pack with a byte more", 7, &[])?;
    liar.tell(at("packs/", |good| {
        Some(if good.is_empty() {
            honest(None)
        } else {
            reply("206 Partial", "Content-Range: bytes 5-9/10\r\n", good)
        })
    }));
    world.check("a part that was not asked for", 7, &["other bytes"])?;
    let full = world
        .first
        .iter()
        .find(|(path, _)| path.ends_with("full.pack"));
    let full = full.map(|(_, bytes)| bytes.clone()).ok_or("a pack")?;
    liar.tell(move |path, good| {
        Some(if path.contains("packs/") {
            reply("200 OK", "", &full)
        } else {
            honest(good)
        })
    });
    world.check("the pack of the release before", 7, &[])?;
    // No pack at all, and no objects either.
    liar.tell(at("packs/", |_| Some(honest(None))));
    world.check("no pack", 3, &["no object at"])?;
    // One that breaks off is gone on with, also by a server that knows no ranges.
    let times = Mutex::new(0);
    liar.tell(move |path, good| {
        let good = good.filter(|_| path.contains("packs/")).or(good);
        let Some(bytes) = good.filter(|_| path.contains("packs/")) else {
            return Some(honest(good));
        };
        let mut times = times.lock().ok()?;
        *times += 1;
        let whole = reply("200 OK", "", bytes);
        Some(if *times < 3 {
            whole[..whole.len() - 20].to_vec()
        } else {
            whole
        })
    });
    let line = format!("--store copy pull {}", liar.url());
    assert_eq!(world.scratch.ok(&line)?.stdout, "stable@2\n");
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}
