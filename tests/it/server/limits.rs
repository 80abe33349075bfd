//! Limits of the server: each is met and then exceeded by one, the refusal names it, and the server goes on.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bindery::base::id::PackId;
use bindery::disk::room::raise_open_files;

use crate::server::TREE;
use crate::server::uploads::{open_build, pack, put};
use crate::support::http::{Ask, exchange};
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, expect_same_tree};

/// How long a test waits for what must come.
const WAIT: Duration = Duration::from_secs(30);
/// How long a test waits for what must not come.
const SILENCE: Duration = Duration::from_millis(300);
/// Connections that are open at a time, where the system lets a process have so many.
const MANY: u64 = 10_000;
/// Files that the test and the server have open besides.
const OTHER_FILES: u64 = 1000;
/// What the server may hold in memory for them, and everything else: a debug build.
const MEMORY_KIB_MAX: u64 = 400 * 1024;

/// A server with these limits.
pub fn limited(limits: &str) -> Result<(Scratch, Served), Box<dyn Error>> {
    let scratch = Scratch::new()?;
    limit(&scratch, limits)?;
    let served = Served::start(&scratch, "")?;
    Ok((scratch, served))
}

fn limit(scratch: &Scratch, limits: &str) -> Outcome {
    let place = scratch.store().join("bindery.toml");
    let mut settings = OpenOptions::new().append(true).open(place)?;
    Ok(write!(settings, "\n[serve.limits]\n{limits}\n")?)
}

#[test]
fn an_address_without_a_token_has_so_many_requests_a_minute() -> Outcome {
    let (_scratch, served) = limited("requests_per_minute_per_address = 3")?;
    for _ in 0..3 {
        served.get("/api/v1/repos")?.expect(200)?;
    }
    let named = "requests_per_minute_per_address, the limit is 3";
    let refused = served.get("/api/v1/repos")?;
    let refused = refused.expect_problem(429, "busy", named)?;
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>()?));
    let guess = Ask::new("GET", "/api/v1/repos").token("bt1.nonsense");
    guess.send(served.address)?.expect(429)?;
    served.get("/healthz")?.expect(200)?;
    served.ask("GET", "/api/v1/repos", "")?.expect(200)?;
    Ok(())
}

#[test]
fn a_token_has_so_many_requests_a_minute() -> Outcome {
    let (_scratch, served) = limited("requests_per_minute_per_token = 2")?;
    for _ in 0..2 {
        served.ask("GET", "/api/v1/repos", "")?.expect(200)?;
    }
    let refused = served.ask("GET", "/api/v1/repos", "")?;
    refused.expect_problem(429, "busy", "requests_per_minute_per_token")?;
    served.get("/api/v1/repos")?.expect(200)?;
    Ok(())
}

#[test]
fn only_behind_a_proxy_is_it_believed_for_whom_it_asks() -> Outcome {
    let scratch = Scratch::new()?;
    limit(&scratch, "requests_per_minute_per_address = 1")?;
    let ask = |served: &Served, addresses: &str| {
        let ask = Ask::new("GET", "/api/v1/repos").header("X-Forwarded-For", addresses);
        Ok::<_, Box<dyn Error>>(ask.send(served.address)?.status)
    };
    let direct = Served::start_with(&scratch, "")?;
    assert_eq!(ask(&direct, "192.0.2.1")?, 200);
    assert_eq!(ask(&direct, "192.0.2.2")?, 429);
    direct.end()?;
    let behind = Served::start_with(&scratch, "--behind-proxy")?;
    assert_eq!(ask(&behind, "192.0.2.1")?, 200);
    assert_eq!(ask(&behind, "192.0.2.2")?, 200);
    assert_eq!(
        ask(&behind, "192.0.2.9, 192.0.2.2")?,
        429,
        "the last counts"
    );
    Ok(())
}

#[test]
fn a_token_has_so_many_builds_open_also_after_a_restart() -> Outcome {
    let (scratch, served) = limited("open_builds_per_token = 2")?;
    let first = open_build(&served)?;
    open_build(&served)?;
    let make =
        |served: &Served| served.ask("POST", "/api/v1/repos/main/builds", r#"{"ref": "stable"}"#);
    let named = "open_builds_per_token, the limit is 2";
    make(&served)?.expect_problem(429, "busy", named)?;
    let token = served.token.clone();
    served.end()?;
    let mut served = Served::start_with(&scratch, "")?;
    served.token = token;
    make(&served)?.expect_problem(429, "busy", named)?;
    let purged = format!("/api/v1/builds/{first}");
    served.ask("DELETE", &purged, "")?.expect(200)?;
    make(&served)?.expect(201)?;
    make(&served)?.expect(429)?;
    served.end_sound(&scratch)
}

#[test]
fn a_build_takes_so_many_bytes() -> Outcome {
    let (one, two) = (pack(&[&[b"one"]])?, pack(&[&[b"two"]])?);
    let limits = format!("staged_bytes_per_build = {}", one.len());
    let (scratch, served) = limited(&limits)?;
    let build = open_build(&served)?;
    let larger = pack(&[&[b"one more byte or so, that does not shrink"]])?;
    assert!(larger.len() > one.len());
    let refused = put(&served, build, PackId::of(&larger), 1, &larger)?;
    refused.expect_problem(413, "failed", "staged_bytes_per_build")?;
    put(&served, build, PackId::of(&one), 1, &one)?.expect(200)?;
    let refused = put(&served, build, PackId::of(&two), 1, &two)?;
    refused.expect_problem(413, "failed", "staged_bytes_per_build")?;
    let other = open_build(&served)?;
    put(&served, other, PackId::of(&two), 1, &two)?.expect(200)?;
    served.end_sound(&scratch)?;
    let (_scratch, served) = limited(&format!("staged_bytes_per_build = {}", one.len() - 1))?;
    let build = open_build(&served)?;
    let refused = put(&served, build, PackId::of(&one), 1, &one)?;
    refused.expect_problem(413, "failed", "staged_bytes_per_build")?;
    Ok(())
}

#[test]
fn so_many_listen_to_events_at_a_time() -> Outcome {
    let (_scratch, served) = limited("event_streams_max = 2")?;
    let listen = || {
        let mut stream = TcpStream::connect(served.address)?;
        stream.set_read_timeout(Some(WAIT))?;
        let ask = "GET /api/v1/repos/main/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer";
        write!(stream, "{ask} {}\r\n\r\n", served.token)?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        assert_eq!(&status, b"HTTP/1.1 200");
        Ok::<_, Box<dyn Error>>(stream)
    };
    let (first, _second) = (listen()?, listen()?);
    let third = || served.ask("GET", "/api/v1/repos/main/events", "");
    third()?.expect_problem(503, "busy", "event_streams_max), the limit is 2")?;
    served.get("/healthz")?.expect(200)?;
    // One leaves, and makes room: the server notices when it has something to say.
    drop(first);
    let until = Instant::now() + WAIT;
    loop {
        open_build(&served)?;
        let mut stream = TcpStream::connect(served.address)?;
        stream.set_read_timeout(Some(WAIT))?;
        let ask = "GET /api/v1/repos/main/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer";
        write!(stream, "{ask} {}\r\n\r\n", served.token)?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        if &status == b"HTTP/1.1 200" {
            return Ok(());
        }
        assert!(Instant::now() < until, "whoever left still has a place");
    }
}

#[test]
fn a_document_has_so_many_bytes() -> Outcome {
    let (_scratch, served) = limited("")?;
    let document = |bytes: usize| {
        let text = r#"{"ref": "stable"}"#;
        let padded = [text, &" ".repeat(bytes - text.len())].concat();
        served.ask("POST", "/api/v1/repos/main/builds", &padded)
    };
    document(1024 * 1024)?.expect(201)?;
    document(1024 * 1024 + 1)?.expect_problem(413, "failed", "a document, in bytes, ")?;
    Ok(())
}

#[test]
fn nothing_is_taken_in_when_there_is_little_room() -> Outcome {
    let (_scratch, served) = limited("free_bytes_min = 9223372036854775807")?;
    let refused = served.ask("POST", "/api/v1/repos/main/builds", r#"{"ref": "stable"}"#)?;
    refused.expect_problem(507, "unavailable", "free_bytes_min")?;
    served
        .get("/readyz")?
        .expect_problem(507, "unavailable", "free_bytes_min")?;
    served.get("/healthz")?.expect(200)?;
    served.get("/api/v1/repos")?.expect(200)?;
    Ok(())
}

#[test]
fn no_pack_is_made_when_there_is_little_room_and_a_pull_needs_none() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    scratch.publish("stable", "tree")?;
    limit(&scratch, "free_bytes_min = 9223372036854775807")?;
    let served = Served::start(&scratch, "")?;
    let named = served.get("/api/v1/repos/main/snapshots?spec=stable")?;
    let named = named.expect(200)?.json()?;
    let snapshot = named["snapshot"].as_str().ok_or("an id")?;
    let pack = served.get(&format!("/r/main/packs/{snapshot}/full.pack"))?;
    pack.expect_problem(404, "not_found", "too little room")?;
    served.wait_for_word("free_bytes_min")?;
    scratch.ok("--store copy init --no-repo")?;
    let pull = format!("--store copy pull {}/r/main --trust-first", served.url());
    scratch.ok(&pull)?;
    scratch.ok("--store copy checkout stable out")?;
    expect_same_tree(&scratch.path("tree"), &scratch.path("out"))?;
    served.end_sound(&scratch)
}

#[test]
fn so_many_packs_arrive_at_a_time() -> Outcome {
    let (scratch, served) = limited("uploads_max = 1")?;
    served.get("/readyz")?.expect(200)?;
    let build = open_build(&served)?;
    let bytes = pack(&[&[b"one"]])?;
    let id = PackId::of(&bytes);
    let mut slow = TcpStream::connect(served.address)?;
    write!(
        slow,
        "PUT /api/v1/builds/{build}/packs/{id}?frames=1 HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        served.token,
        bytes.len()
    )?;
    slow.write_all(&bytes[..1])?;
    let until = Instant::now() + WAIT;
    // A second upload that came first would take the place of the one that is meant to have it.
    while !served
        .get("/metrics")?
        .text()
        .contains("\nbindery_uploads_running 1\n")
    {
        assert!(Instant::now() < until, "the first upload never counts");
    }
    let refused = put(&served, build, id, 1, &bytes)?;
    refused.expect_problem(503, "busy", "uploads_max")?;
    // The first breaks off, and makes room.
    drop(slow);
    while put(&served, build, id, 1, &bytes)?.status != 200 {
        assert!(Instant::now() < until, "a broken upload never ends");
    }
    served.end_sound(&scratch)
}

#[test]
fn so_many_connections_are_served_and_the_next_one_waits() -> Outcome {
    let (_scratch, served) = limited("connections_max = 3")?;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(served.address)?;
        assert_eq!(healthy(&mut stream, WAIT)?, Some(()));
        held.push(stream);
    }
    let mut waits = TcpStream::connect(served.address)?;
    assert_eq!(healthy(&mut waits, SILENCE)?, None, "it waits");
    held.pop();
    waits.set_read_timeout(Some(WAIT))?;
    let mut byte = [0];
    waits.read_exact(&mut byte)?;
    Ok(())
}

/// Asks on an open connection whether the server runs; nothing, if no answer comes in time.
fn healthy(stream: &mut TcpStream, wait: Duration) -> Result<Option<()>, Box<dyn Error>> {
    stream.set_read_timeout(Some(wait))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")?;
    let mut answer = [0; 12];
    match stream.read_exact(&mut answer) {
        Ok(()) if answer == *b"HTTP/1.1 200" => Ok(Some(())),
        Ok(()) => Err(String::from_utf8_lossy(&answer).into_owned().into()),
        Err(_) => Ok(None),
    }
}

#[test]
fn who_says_nothing_or_says_it_slowly_is_let_go_of() -> Outcome {
    let (_scratch, served) = limited("head_seconds = 1")?;
    for said in [
        "",
        "GET /healthz HT",
        "GET /healthz HTTP/1.1\r\nHost: test\r\nX: ",
    ] {
        let mut stream = TcpStream::connect(served.address)?;
        stream.set_read_timeout(Some(WAIT))?;
        stream.write_all(said.as_bytes())?;
        let started = Instant::now();
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        assert!(started.elapsed() > Duration::from_millis(500), "{said:?}");
        assert!(!all.starts_with(b"HTTP/1.1 200"), "{said:?}");
    }
    served.get("/healthz")?.expect(200)?;
    Ok(())
}

#[test]
fn a_head_that_is_too_long_is_refused() -> Outcome {
    let (_scratch, served) = limited("")?;
    let with_headers = |count: usize| {
        // Two more are sent always.
        let ask = Ask::new("GET", "/healthz");
        (2..count).fold(ask, |ask, number| ask.header(&format!("X-{number}"), "x"))
    };
    with_headers(100).send(served.address)?.expect(200)?;
    with_headers(101).send(served.address)?.expect(431)?;
    // The names and values of what is sent always have 23 bytes, and this name 6.
    let with_bytes = |count: usize| {
        let ask = Ask::new("GET", "/healthz").header("X-Long", &"x".repeat(count - 29));
        ask.send(served.address)
    };
    with_bytes(32 * 1024)?.expect(200)?;
    let refused = with_bytes(32 * 1024 + 1)?;
    refused.expect_problem(431, "failed", "headers, in bytes, ")?;
    with_bytes(1024 * 1024)?.expect(431)?;
    let url = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    served.get(&url(16 * 1024))?.expect(404)?;
    let refused = served.get(&url(16 * 1024 + 1))?;
    refused.expect_problem(413, "failed", "a URL, in bytes, ")?;
    Ok(())
}

#[test]
fn an_endless_body_ends_at_its_limit() -> Outcome {
    let (_scratch, served) = limited("")?;
    let head = format!(
        "POST /api/v1/repos/main/builds HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        served.token
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let endless = [head.as_str(), &chunk.repeat(17)].concat();
    let reply = exchange(served.address, endless.as_bytes())?;
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    assert!(reply.contains("1048576"), "the limit is named: {reply}");
    let whole = [head.as_str(), &chunk.repeat(15), "2\r\n{}\r\n0\r\n\r\n"].concat();
    let reply = exchange(served.address, whole.as_bytes())?;
    assert!(reply.starts_with(b"HTTP/1.1 201 "), "below it, it is read");
    Ok(())
}

#[test]
fn ten_thousand_connections_cost_little_and_keep_nobody_out() -> Outcome {
    let allowed = raise_open_files()?.unwrap_or(u64::MAX);
    let many = MANY.min(allowed.saturating_sub(OTHER_FILES));
    let (_scratch, served) = limited("")?;
    let mut held = Vec::new();
    for _ in 0..many {
        let mut stream = TcpStream::connect(served.address)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\n")?;
        held.push(stream);
    }
    served.get("/readyz")?.expect(200)?;
    let memory = served.memory_kib()?;
    assert!(
        memory < MEMORY_KIB_MAX,
        "{memory} KiB for {many} connections"
    );
    // Each is still served.
    let last = held.last_mut().ok_or("a connection")?;
    last.set_read_timeout(Some(WAIT))?;
    last.write_all(b"Host: test\r\n\r\n")?;
    let mut answer = [0; 12];
    last.read_exact(&mut answer)?;
    assert_eq!(&answer, b"HTTP/1.1 200");
    Ok(())
}

#[test]
fn clear_text_is_not_spoken_where_others_can_hear_it() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.fails(
        "serve --listen 0.0.0.0:0",
        2,
        &["clear text", "--behind-proxy"],
    )?;
    Ok(())
}
