//! Uploads that are refused while they are being sent: who sends them hears why, and not that the connection was reset.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bindery::base::id::PackId;
use bindery::server::rest::{REST_BYTES_MAX, REST_WAIT};

use super::limits::limited;
use super::uploads::{open_build, pack};
use crate::support::served::Served;
use crate::support::{Outcome, noise};

/// How long a test waits for an answer.
const WAIT: Duration = Duration::from_secs(60);
/// Bytes that the system holds of what one side has sent and the other has not read, at the most.
const BUFFERS_BYTES_MAX: u64 = 32 * 1024 * 1024;

fn connect(served: &Served) -> Result<TcpStream, Box<dyn Error>> {
    let stream = TcpStream::connect(served.address)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    Ok(stream)
}

fn head(token: &str, target: &str, more: &str) -> String {
    format!(
        "PUT {target} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n{more}\r\n\r\n"
    )
}

/// Reads an answer whose body has a length.
fn answer(stream: &mut TcpStream) -> Result<String, Box<dyn Error>> {
    let (mut text, mut byte) = (String::new(), [0]);
    while !text.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        text.push(char::from(byte[0]));
    }
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.ok_or("a length")?.parse()?];
    stream.read_exact(&mut body)?;
    Ok(text + &String::from_utf8_lossy(&body))
}

#[test]
fn who_sends_all_before_listening_hears_why_it_was_refused() -> Outcome {
    let (scratch, served) = limited("staged_bytes_per_build = 20000000")?;
    let build = open_build(&served)?;
    let upload = format!("/api/v1/builds/{build}/packs/{}?frames=1", PackId::of(b"x"));
    let nowhere = upload.replace(&format!("builds/{build}/"), "builds/77/");
    let wrong = "bnd1_wrong_token";
    let bytes = noise(10_000_000);
    for (reason, token, target, length, status) in [
        ("no such token", wrong, upload.as_str(), bytes.len(), "401"),
        (
            "no such page",
            &served.token,
            "/nowhere",
            bytes.len(),
            "404",
        ),
        ("no such build", &served.token, &nowhere, bytes.len(), "404"),
        ("it is no pack", &served.token, &upload, bytes.len(), "422"),
        (
            "more than a build may have",
            &served.token,
            &upload,
            20_000_001,
            "413",
        ),
    ] {
        let mut stream = connect(&served)?;
        let head = head(token, target, &format!("Content-Length: {length}"));
        let mut body = bytes.clone();
        body.resize(length, 0);
        stream.write_all(head.as_bytes())?;
        let sent = stream.write_all(&body);
        sent.map_err(|error| format!("{reason}: {error}"))?;
        let answer = answer(&mut stream).map_err(|error| format!("{reason}: {error}"))?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{reason}: {answer}"
        );
        assert!(
            answer.contains("application/problem+json"),
            "{reason}: {answer}"
        );
        // The connection is as good as before.
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        assert!(text.ends_with("ok\n"), "{reason}: {text}");
    }
    served.end_sound(&scratch)
}

#[test]
fn who_asks_whether_to_send_is_refused_without_it() -> Outcome {
    let (scratch, served) = limited("")?;
    let mut stream = connect(&served)?;
    let more = "Content-Length: 1000000\r\nExpect: 100-continue\r\nConnection: close";
    stream.write_all(head("bnd1_wrong_token", "/api/v1/builds/1/packs/x", more).as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    assert!(text.starts_with("HTTP/1.1 4"), "not told to go on: {text}");
    served.end_sound(&scratch)
}

/// Sends chunks without end until the connection is closed; says what was answered, and how many bytes went.
fn endless(served: &Served, target: &str, first: &[u8]) -> Result<(String, u64), Box<dyn Error>> {
    let mut stream = connect(served)?;
    let more = "Transfer-Encoding: chunked";
    stream.write_all(head(&served.token, target, more).as_bytes())?;
    let sent = AtomicU64::new(0);
    let answer = std::thread::scope(|scope| {
        let (mut out, sent) = (stream.try_clone()?, &sent);
        let sending = scope.spawn(move || {
            let again = noise(1 << 20);
            let mut piece = first;
            while write!(out, "{:x}\r\n", piece.len()).is_ok()
                && out.write_all(piece).is_ok()
                && out.write_all(b"\r\n").is_ok()
            {
                sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                piece = &again;
            }
        });
        let answer = answer(&mut stream);
        sending.join().map_err(|_| "the sender panicked")?;
        answer
    })?;
    Ok((answer, sent.into_inner()))
}

#[test]
fn a_pack_without_end_is_ended_at_its_limit() -> Outcome {
    let limit = 3_000_000;
    let (scratch, served) = limited(&format!("staged_bytes_per_build = {limit}"))?;
    let build = open_build(&served)?;
    // Good frames, more than may come: what is wrong is only that there is no end.
    let blobs: Vec<Vec<u8>> = (0..8)
        .map(|n| [&noise(500_000)[..], &[n]].concat())
        .collect();
    let frames: Vec<[&[u8]; 1]> = blobs.iter().map(|blob| [blob.as_slice()]).collect();
    let frames: Vec<&[&[u8]]> = frames.iter().map(|frame| &frame[..]).collect();
    let good = pack(&frames)?;
    let target = |frames: u32| {
        format!(
            "/api/v1/builds/{build}/packs/{}?frames={frames}",
            PackId::of(b"x")
        )
    };
    for (reason, first, words) in [
        (
            "too many good frames",
            good.as_slice(),
            "a body, in bytes, has",
        ),
        ("no frames at all", &b"nonsense"[..], "malformed"),
    ] {
        let begun = Instant::now();
        let (answer, sent) = endless(&served, &target(1000), first)?;
        assert!(
            answer.starts_with("HTTP/1.1 4") && answer.contains(words),
            "{reason}: {answer}"
        );
        assert!(
            sent < limit + REST_BYTES_MAX + BUFFERS_BYTES_MAX,
            "{reason}: {sent}"
        );
        assert!(
            begun.elapsed() < REST_WAIT + WAIT,
            "{reason}: {:?}",
            begun.elapsed()
        );
    }
    served.end_sound(&scratch)
}
