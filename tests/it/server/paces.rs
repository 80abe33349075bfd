//! Clients that are slow: they are let go of, what they sent is forgotten, and others are served.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use bindery::base::id::PackId;

use crate::server::limits::limited;
use crate::server::uploads::{open_build, pack, put};
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, files_beneath, noise};

/// How long a test waits for what must come.
const WAIT: Duration = Duration::from_secs(30);
/// A pause between bytes that makes a body far slower than it may be.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes of a file that no buffer on the way can hold.
const LARGE_BYTES: usize = 24_000_000;

/// How what is left of a body is sent.
#[derive(Clone, Copy)]
enum Rest {
    /// Byte by byte, with a pause before each.
    Trickles,
    /// Not at all.
    Stops,
}

/// Sends a request slowly, and reads all that comes back.
fn slowly(
    served: &Served,
    first: &[u8],
    body: &[u8],
    rest: Rest,
) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(served.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.write_all(first)?;
    let mut out = stream.try_clone()?;
    let body = body.to_vec();
    let sending = thread::spawn(move || {
        for byte in body {
            // Whoever was let go of cannot write any more.
            if matches!(rest, Rest::Stops) || out.write_all(&[byte]).is_err() {
                break;
            }
            thread::sleep(PAUSE);
        }
    });
    let mut reply = Vec::new();
    // A connection that is closed while bytes are on their way is reset.
    let read = stream.read_to_end(&mut reply);
    if reply.is_empty() {
        read?;
    }
    drop(stream);
    sending.join().map_err(|_| "the sender panicked")?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

#[test]
fn a_body_that_trickles_or_stops_is_ended() -> Outcome {
    let limits =
        "body_idle_seconds = 1\nbody_slow_start_seconds = 1\nbody_bytes_per_second_min = 1000";
    let (scratch, served) = limited(limits)?;
    let build = open_build(&served)?;
    let bytes = pack(&[&[&noise(20_000)]])?;
    let (id, length) = (PackId::of(&bytes), bytes.len());
    let upload = format!("PUT /api/v1/builds/{build}/packs/{id}?frames=1");
    let make = "POST /api/v1/repos/main/builds".to_owned();
    let packs = files_beneath(&scratch.store().join("packs"))?;
    for (asked, body) in [(&upload, bytes.as_slice()), (&make, &b" ".repeat(length))] {
        for (rest, named) in [
            (Rest::Trickles, "body_bytes_per_second_min"),
            (Rest::Stops, "body_idle_seconds"),
        ] {
            let token = &served.token;
            let head = format!(
                "{asked} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
            );
            let first = [head.as_bytes(), &body[..100]].concat();
            let started = Instant::now();
            let reply = slowly(&served, &first, &body[100..], rest)?;
            assert!(reply.starts_with("HTTP/1.1 408 "), "{asked}: {reply}");
            assert!(reply.contains(named), "{asked}: {reply}");
            assert!(started.elapsed() < WAIT, "{asked}: {:?}", started.elapsed());
        }
    }
    let running = "\nbindery_uploads_running 0\n";
    assert!(served.get("/metrics")?.text().contains(running));
    assert_eq!(files_beneath(&scratch.store().join("packs"))?, packs);
    assert_eq!(files_beneath(&scratch.store().join("tmp"))?.len(), 0);
    put(&served, build, id, 1, &bytes)?.expect(200)?;
    served.end_sound(&scratch)
}

#[test]
fn a_body_that_is_slow_and_no_slower_than_it_may_be_is_read() -> Outcome {
    let limits =
        "body_idle_seconds = 10\nbody_slow_start_seconds = 0\nbody_bytes_per_second_min = 10";
    let (scratch, served) = limited(limits)?;
    let build = open_build(&served)?;
    let bytes = pack(&[&[b"one"]])?;
    let (id, length, token) = (PackId::of(&bytes), bytes.len(), &served.token);
    let head = format!(
        "PUT /api/v1/builds/{build}/packs/{id}?frames=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    let (at_once, rest) = bytes.split_at(length - 60);
    let first = [head.as_bytes(), at_once].concat();
    let reply = slowly(&served, &first, rest, Rest::Trickles)?;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    served.end_sound(&scratch)
}

#[test]
fn a_connection_that_is_idle_between_two_requests_is_closed() -> Outcome {
    let (_scratch, served) = limited("head_seconds = 1")?;
    let mut stream = TcpStream::connect(served.address)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let started = Instant::now();
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    assert!(all.starts_with(b"HTTP/1.1 200 "));
    assert!(started.elapsed() > Duration::from_millis(500));
    Ok(())
}

/// A large file that is asked for and not read yet.
fn asked(served: &Served) -> Result<TcpStream, Box<dyn Error>> {
    let mut stream = TcpStream::connect(served.address)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.write_all(b"GET /r/main/files/stable/large HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    assert_eq!(&status, b"HTTP/1.1 200");
    Ok(stream)
}

/// A server that shows a file which no buffer on the way can hold, with these limits.
fn with_large_file(limits: &str) -> Result<(Scratch, Served), Box<dyn Error>> {
    let (scratch, mut served) = limited(limits)?;
    let token = std::mem::take(&mut served.token);
    served.end()?;
    std::fs::create_dir(scratch.path("tree"))?;
    std::fs::write(scratch.path("tree/large"), noise(LARGE_BYTES))?;
    scratch.publish("stable", "tree")?;
    let mut served = Served::start_with(&scratch, "")?;
    served.token = token;
    Ok((scratch, served))
}

#[test]
fn who_does_not_read_what_it_asked_for_is_let_go_of() -> Outcome {
    let (_scratch, served) = with_large_file("body_idle_seconds = 1")?;
    let held: Vec<TcpStream> = (0..20).map(|_| asked(&served)).collect::<Result<_, _>>()?;
    let until = Instant::now() + WAIT;
    // The one that asks is a connection, too.
    while !served
        .get("/metrics")?
        .text()
        .contains("\nbindery_connections 1\n")
    {
        assert!(
            Instant::now() < until,
            "those who do not read are served on"
        );
        thread::sleep(PAUSE);
    }
    drop(held);
    // Whoever reads gets all of it.
    let whole = served.get("/r/main/files/stable/large")?.expect(200)?;
    assert_eq!(whole.body, noise(LARGE_BYTES));
    Ok(())
}

#[test]
fn who_reads_too_slowly_is_let_go_of() -> Outcome {
    let limits = "body_idle_seconds = 30\nbody_slow_start_seconds = 0\nbody_bytes_per_second_min = 100000000";
    let (_scratch, served) = with_large_file(limits)?;
    let mut stream = asked(&served)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    let started = Instant::now();
    // A fraction of what must go in a second.
    while started.elapsed() < WAIT {
        thread::sleep(PAUSE);
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes += count,
        }
    }
    assert!(bytes < LARGE_BYTES, "all {bytes} bytes were sent");
    served.get("/healthz")?.expect(200)?;
    Ok(())
}
