//! Streams of events: told as they happen, and gone on with where a stream ended.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bindery::base::limits::BUILD_EVENTS_MAX;
use bindery::disk::real::RealDisk;
use bindery::store::builds::Staging;
use bindery::store::landing::Landing;
use bindery::store::rows::Staged;

use super::builds::push;
use crate::server::served;
use crate::shelf::{Shelf, moment};
use crate::support::Node::File;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number, text};

/// Listens to a stream of events until `enough` holds of what came.
pub fn listen(
    served: &Served,
    target: &str,
    last: Option<&str>,
    enough: impl Fn(&str) -> bool,
) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(served.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n{last}\r\n",
        served.token
    );
    stream.write_all(request.as_bytes())?;
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !enough(&text) {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(format!("the stream has ended: {text}").into());
        }
        text += &String::from_utf8_lossy(&buffer[..count]);
    }
    Ok(text)
}

#[test]
fn events_are_told_as_they_happen_and_go_on_where_a_stream_ended() -> Outcome {
    let (scratch, served) = served("")?;
    let build = number(&push(&scratch, &served, "--commit")?, "build")?;
    let target = format!("/api/v1/builds/{build}/events");
    let all = listen(&served, &target, None, |text| text.contains("committed as"))?;
    assert!(
        all.contains("text/event-stream") && all.contains("created"),
        "{all}"
    );
    let rest = listen(&served, &target, Some("0"), |text| {
        text.contains("committed as")
    })?;
    assert!(!rest.contains("\"created\""), "{rest}");
    let of_repo = "/api/v1/repos/main/events";
    let told = std::thread::scope(|scope| {
        let listener = scope.spawn(|| {
            let told = listen(&served, of_repo, None, |text| {
                text.contains("event: published")
            });
            told.map_err(|error| error.to_string())
        });
        // Whoever listens first is told of all that comes after: so it happens until it was heard.
        let mut seq = 0;
        while !listener.is_finished() {
            scratch.write("tree", &[("n", File(&seq.to_string()))])?;
            push(&scratch, &served, "--publish")?;
            seq += 1;
        }
        let told = listener.join().map_err(|_| "the listener panicked")?;
        Ok::<_, Box<dyn Error>>(told?)
    })?;
    let id = told
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .ok_or("an id")?;
    let again = listen(&served, of_repo, Some(id), |text| {
        text.contains("event: published")
    })?;
    assert!(!again.contains("event: gap"), "{again}");
    let lost = listen(&served, of_repo, Some("1-1"), |text| {
        text.contains("event: gap")
    })?;
    assert!(lost.contains("event: gap"));
    served.end_sound(&scratch)
}

#[test]
fn whoever_goes_on_before_what_is_kept_of_a_build_learns_that() -> Outcome {
    let scratch = Scratch::empty()?;
    let shelf = Shelf::create(Arc::new(RealDisk::new(scratch.store())))?;
    let build = shelf.build("stable")?;
    // It has one event already, and so many are forgotten.
    let forgotten = 4;
    for _ in 0..BUILD_EVENTS_MAX + forgotten - 1 {
        let staging = Staging {
            landing: Landing::default(),
            operations: Vec::new(),
            sums: Staged::default(),
        };
        shelf.store.record_staging(build, staging, moment(2)?)?;
    }
    drop(shelf);
    let log = scratch.ok(&format!("build log {build}"))?;
    assert_eq!(log.stdout.lines().count(), BUILD_EVENTS_MAX as usize);
    assert!(
        log.stderr.contains("not kept any more: 4"),
        "{}",
        log.stderr
    );
    let served = Served::start(&scratch, "")?;
    let said = served.ask("GET", &format!("/api/v1/builds/{build}/log"), "")?;
    let said = said.expect(200)?.json()?;
    assert_eq!(number(&said, "forgotten")?, u64::from(forgotten));
    let target = format!("/api/v1/builds/{build}/events");
    for (last, first, is_gap) in [
        (None, "id: 4\n", true),
        (Some("0"), "id: 4\n", true),
        (Some("2"), "id: 4\n", true),
        (Some("3"), "id: 4\n", false),
        (Some("4"), "id: 5\n", false),
    ] {
        let told = listen(&served, &target, last, |text| text.contains(first))?;
        assert_eq!(told.contains("event: gap"), is_gap, "{last:?}: {told}");
    }
    served.end_sound(&scratch)
}

#[test]
fn a_stream_ends_when_the_token_is_revoked_that_it_was_asked_for_with() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("1"))])?;
    let create = "token create --repo main --ref * --can read --json";
    let made = [scratch.ok(create)?.json()?, scratch.ok(create)?.json()?];
    let mut served = Served::start(&scratch, "--anonymous nothing")?;
    let admin = served.token.clone();
    let pushed = push(&scratch, &served, "--commit")?;
    let build = number(&pushed, "build")?;
    let targets = [
        format!("/api/v1/builds/{build}/events"),
        "/api/v1/repos/main/events".to_owned(),
    ];
    for (target, made) in targets.into_iter().zip(made) {
        let id = text(&made, "id")?;
        served.token = text(&made, "token")?;
        // It is still there when something else happens, and when other tokens end.
        let address = served.address;
        let revoke = |body: String| {
            let ask = Ask::new("POST", "/api/v1/tokens/revoke").token(&admin);
            ask.body(body).send(address)
        };
        let ended = thread::scope(|scope| {
            let listening = scope.spawn(|| {
                // The last chunk is empty.
                let ended = |text: &str| text.ends_with("\r\n0\r\n\r\n");
                listen(&served, &target, None, ended).map_err(|error| error.to_string())
            });
            thread::sleep(Duration::from_millis(300));
            revoke(format!(r#"{{"ids": ["{}"]}}"#, "0".repeat(32)))?.expect(200)?;
            thread::sleep(Duration::from_millis(300));
            assert!(!listening.is_finished(), "another token was revoked");
            let asked = if target.contains("repos") {
                r#"{"all": true}"#.to_owned()
            } else {
                format!(r#"{{"ids": ["{id}"]}}"#)
            };
            revoke(asked)?.expect(200)?;
            let ended = listening.join().map_err(|_| "a thread panicked")?;
            Ok::<_, Box<dyn Error>>(ended)
        })?;
        ended?;
    }
    Ok(())
}
