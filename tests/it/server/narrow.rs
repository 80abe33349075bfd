//! Tokens that are for a path, or for so many bytes.

use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::Node::{File, Link};
use crate::support::http::{Ask, Reply};
use crate::support::served::Served;
use crate::support::{Answer, Outcome, Scratch, number};

/// How long the server may take to notice that an upload has begun or broken off.
const PATIENCE: Duration = Duration::from_secs(30);

fn get(served: &Served, token: &str, target: &str) -> Result<Reply, Box<dyn Error>> {
    Ask::new("GET", target).token(token).send(served.address)
}

#[test]
fn a_token_for_a_path_reads_nothing_else() -> Outcome {
    let scratch = Scratch::new()?;
    let tree = [
        ("a/x", File("one")),
        ("a/to-y", Link("../b/y")),
        ("a/to-b", Link("../b")),
        ("a/to-x", Link("../a/./x")),
        ("b/y", File("two")),
        ("ab", File("three")),
    ];
    scratch.write("tree", &tree)?;
    scratch.publish("stable", "tree")?;
    let build = scratch.commit("stable", "tree")?;
    let root = scratch.json("log stable")?["releases"][0].clone();
    let token = "token create --repo main --ref * --can read --can mirror --path a";
    let token = scratch.ok(token)?.text().to_owned();
    let served = Served::start(&scratch, "--anonymous nothing")?;
    for base in [
        "/r/main/files/stable".to_owned(),
        format!("/b/{build}/files/-"),
        format!("/b/{build}/files/stable"),
    ] {
        for (path, status) in [
            ("a/x", 200),
            ("a/", 200),
            ("a/to-x", 200),
            // A link does not lead out of what may be read.
            ("a/to-y", 404),
            ("a/to-b/", 404),
            ("a/to-b/y", 404),
            ("b/y", 403),
            ("b/", 403),
            ("ab", 403),
            ("nothing", 403),
            ("", 403),
        ] {
            let reply = get(&served, &token, &format!("{base}/{path}"))?;
            assert_eq!(reply.status, status, "{base}/{path}: {}", reply.text());
        }
    }
    // What is of no path, or of all of them, is for those who may read all.
    let (snapshot, statement) = (&root["snapshot"], &root["statement"]);
    let [snapshot, statement] = [snapshot, statement].map(|id| {
        let id = if id.is_string() { id } else { &id["id"] };
        id.as_str().unwrap_or_default().to_owned()
    });
    for target in [
        format!("/r/main/objects/{snapshot}"),
        format!("/r/main/packs/{snapshot}/full.pack"),
        format!("/r/main/packs/{snapshot}/full.pack?path=b"),
        format!("/r/main/statements/{statement}"),
        "/r/main/pin".into(),
        "/r/main/trust/heads".into(),
        format!("/b/{build}/objects/{snapshot}"),
    ] {
        get(&served, &token, &target)?.expect_problem(403, "not_allowed", "not for the path")?;
    }
    let own = format!("/r/main/packs/{snapshot}/full.pack?path=a");
    get(&served, &token, &own)?.expect(200)?;
    let listed = get(&served, &token, "/r/main/files/")?.expect(200)?;
    assert!(listed.text().contains("stable"));
    served.end_sound(&scratch)
}

/// A text that hardly compresses, with so many characters.
pub fn letters(seed: u64, characters: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = seed;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(LETTERS[(state >> 58) as usize])
    };
    (0..characters).map(next).collect()
}

fn push(
    scratch: &Scratch,
    served: &Served,
    token: &str,
    seed: u64,
    characters: usize,
) -> Result<Answer, Box<dyn Error>> {
    let text = letters(seed, characters);
    let folder = format!("noise{seed}");
    scratch.write(&folder, &[("file", File(&text))])?;
    let line = format!("push {folder} --ref stable --remote {}", served.url());
    let mut command = scratch.command(line.split(' '));
    Answer::of(command.env("BINDERY_TOKEN", token))
}

#[test]
fn bytes_count_for_the_block_that_bounds_them_and_once_they_are_stored() -> Outcome {
    let scratch = Scratch::new()?;
    let parent = "token create --repo main --ref * --can stage --can read --bytes 9000000";
    let parent = scratch.ok(parent)?.text().to_owned();
    let narrow = |token: &str, bytes: u64| {
        let line = format!("token narrow --bytes {bytes}");
        let mut command = scratch.command(line.split(' '));
        let narrowed = Answer::of(command.env("BINDERY_TOKEN", token))?.expect_code(0)?;
        Ok::<_, Box<dyn Error>>(narrowed.text().to_owned())
    };
    let child = narrow(&parent, 250_000)?;
    let grandchild = narrow(&child, 240_000)?;
    let served = Served::start(&scratch, "")?;
    // What came with the parent is none of the child's.
    push(&scratch, &served, &parent, 1, 800_000)?.expect_code(0)?;
    // What breaks off, or is refused, is not stored and does not count.
    let ask = Ask::new("POST", "/api/v1/repos/main/builds").token(&child);
    let made = ask.body(r#"{"ref": "stable"}"#).send(served.address)?;
    let build = number(&made.expect(201)?.json()?, "build")?;
    let target = format!("/api/v1/builds/{build}/packs/{}?frames=1", "0".repeat(64));
    for _ in 0..3 {
        let wrong = Ask::new("PUT", &target)
            .token(&child)
            .body(vec![7; 200_000]);
        assert!(wrong.send(served.address)?.status >= 400);
    }
    push(&scratch, &served, &grandchild, 2, 200_000)?.expect_code(0)?;
    // What came with a token that was made from it is the child's, too.
    let refused = push(&scratch, &served, &child, 3, 200_000)?;
    refused.expect_failure(4, &["250000 bytes in all"])?;
    push(&scratch, &served, &parent, 4, 200_000)?.expect_code(0)?;
    served.end_sound(&scratch)
}

/// A served store with an open build, and a token that brings so many bytes into it.
struct Bounded {
    scratch: Scratch,
    served: Served,
    token: String,
    /// Where a pack is sent, which will be none.
    target: String,
}

impl Bounded {
    fn to(bytes: u64) -> Result<Self, Box<dyn Error>> {
        let scratch = Scratch::new()?;
        let token = format!("token create --repo main --ref * --can stage --bytes {bytes}");
        let token = scratch.ok(&token)?.text().to_owned();
        let served = Served::start(&scratch, "")?;
        let ask = Ask::new("POST", "/api/v1/repos/main/builds").token(&token);
        let made = ask.body(r#"{"ref": "stable"}"#).send(served.address)?;
        let build = number(&made.expect(201)?.json()?, "build")?;
        let target = format!("/api/v1/builds/{build}/packs/{}?frames=1", "0".repeat(64));
        Ok(Self {
            scratch,
            served,
            token,
            target,
        })
    }
}

#[test]
fn a_body_without_a_length_brings_no_more_than_is_left() -> Outcome {
    let Bounded {
        scratch,
        served,
        token,
        target,
    } = Bounded::to(1000)?;
    let chunked = |bytes: usize| {
        let mut body = format!("{bytes:x}\r\n").into_bytes();
        body.extend(vec![7; bytes]);
        body.extend_from_slice(b"\r\n0\r\n\r\n");
        let ask = Ask::new("PUT", &target).token(&token);
        let ask = ask.header("Transfer-Encoding", "chunked").body(body);
        ask.send(served.address)
    };
    // It is looked into, and is none; a longer one is refused for its length.
    let few = chunked(500)?;
    assert!(few.status == 400 || few.status == 422, "{few:?}");
    let many = chunked(200_000)?;
    assert!([400, 413, 422].contains(&many.status), "{many:?}");
    served.end_sound(&scratch)
}

#[test]
fn bytes_that_are_on_their_way_make_others_wait_and_refuse_none_for_good() -> Outcome {
    let Bounded {
        scratch,
        served,
        token,
        target,
    } = Bounded::to(3000)?;
    let hang = || {
        let mut stream = TcpStream::connect(served.address)?;
        let head = format!("PUT {target} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}");
        write!(stream, "{head}\r\nContent-Length: 2500\r\n\r\n")?;
        Ok::<_, Box<dyn Error>>(stream)
    };
    let second = || {
        let ask = Ask::new("PUT", &target).token(&token);
        ask.body(vec![7; 2500]).send(served.address)
    };
    let begun = Instant::now();
    let hanging = loop {
        // One that comes before the first has begun is in its way instead.
        let hanging = hang()?;
        thread::sleep(Duration::from_millis(100));
        let said = second()?;
        if said.status == 503 {
            assert!(!said.header("retry-after").is_empty(), "{said:?}");
            break hanging;
        }
        assert_eq!(said.status, 422, "{}", said.text());
        assert!(begun.elapsed() < PATIENCE, "none has to wait");
    };
    drop(hanging);
    // It is looked into, and is none.
    while second()?.status != 422 {
        assert!(begun.elapsed() < PATIENCE * 2, "it waits for nothing");
        thread::sleep(Duration::from_millis(20));
    }
    served.end_sound(&scratch)
}
