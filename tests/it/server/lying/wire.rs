//! The wire: answers that no server gives, or gives to another question.

use std::time::Instant;

use super::liar::{Liar, Said, at, honest, ok, reply};
use super::table::rows;
use super::world::World;
use crate::hostile::forged::measured;
use crate::support::Outcome;

/// The only file that changes at its place.
const HEADS: &str = "trust/heads";

/// An answer as it is sent.
fn raw(head: &str, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), body].concat()
}

/// What is answered when heads are asked for: the status, a header if there is one, and the body.
const ANSWERS: &str = "
a page for people                | 7 | malformed note     | 200 OK            |                                  | <html>welcome</html>
an empty answer                  | 7 | malformed note     | 200 OK            |                                  |
an answer without a body         | 8 | status 204         | 204 No Content    |                                  |
a part, which was not asked      | 8 | status 206         | 206 Partial       | Content-Range: bytes 0-9/10      | 0123456789
several answers in one           | 8 | status 207         | 207 Multi-Status  |                                  | <multistatus/>
a choice                         | 8 | status 300         | 300 Choose        |                                  | <html>
a way to another server          | 8 | go elsewhere: http | 302 Found         | Location: {elsewhere}            |
a way to another server for good | 8 | go elsewhere: http | 308 Moved         | Location: {elsewhere}            |
a circle                         | 8 | go elsewhere: /r/  | 301 Moved         | Location: /r/main/trust/heads    |
a way to a file here             | 8 | go elsewhere: file | 307 Moved         | Location: file:///etc/passwd     |
a way to nowhere                 | 8 | status 302         | 302 Found         |                                  |
nothing new, which was not asked | 8 | status 304         | 304 Not Modified  |                                  |
who are you                      | 8 | status 401         | 401 Unauthorized  | WWW-Authenticate: Basic realm=x  |
nothing there                    | 3 | no release at      | 404 Not Found     |                                  | <html>
gone for good                    | 8 | status 410         | 410 Gone          |                                  |
a teapot                         | 8 | status 418         | 418 I'm a teapot  |                                  |
too much, come again never       | 8 | status 429         | 429 Slow down     | Retry-After: never               |
a fault                          | 8 | status 500         | 500 Oh            |                                  | no
a fault of a proxy               | 8 | status 502         | 502 Bad Gateway   |                                  | <html>
come again in a million years    | 8 | status 503         | 503 Busy          | Retry-After: 31536000000000      |
a status that there is not       | 8 | status 999         | 999 What          |                                  |
";

#[test]
fn what_is_answered_instead_of_a_file_is_found_out() -> Outcome {
    let world = World::new()?;
    let elsewhere = Liar::start(world.second.files.clone())?;
    for [lie, code, words, status, header, body] in rows(ANSWERS)? {
        let header = header.replace("{elsewhere}", &elsewhere.url());
        let headers = [header.as_str(), "\r\n"].concat();
        let headers = if header.is_empty() { "" } else { &headers };
        let answer = reply(status, headers, body.as_bytes());
        world
            .liar
            .tell(at(HEADS, move |_| Said::All(answer.clone())));
        let started = Instant::now();
        world.check(lie, code.parse()?, &[words])?;
        assert!(
            started.elapsed().as_secs() < 10,
            "{lie}: it is not waited for"
        );
    }
    assert_eq!(elsewhere.asked(), [], "nobody goes where a liar says");
    world.finish()
}

#[test]
fn what_is_no_http_is_found_out() -> Outcome {
    let world = World::new()?;
    let liar = &world.liar;
    let many: Vec<String> = (0..10_000).map(|number| format!("X-{number}: x")).collect();
    let many = many.join("\r\n");
    let answers: [(&str, Vec<u8>); 11] = [
        ("no HTTP", b"not http at all\r\n\r\n".to_vec()),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        ("zeros", vec![0; 1000]),
        ("no end of the line", vec![b'x'; 1_000_000]),
        (
            "a header of a million bytes",
            raw(
                &format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)),
                b"",
            ),
        ),
        (
            "ten thousand headers",
            raw(&format!("HTTP/1.1 200 OK\r\n{many}\r\n\r\n"), b""),
        ),
        (
            "a head of interim answers without end",
            b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000),
        ),
        (
            "a length that is no number",
            raw("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", b"x"),
        ),
        (
            "a length below zero",
            raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"x"),
        ),
        (
            "a name with a space",
            raw("HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", b"x"),
        ),
    ];
    for (lie, answer) in answers {
        liar.tell(at(HEADS, move |_| Said::All(answer.clone())));
        world.check(lie, 8, &["cannot reach"])?;
    }
    liar.tell(at(HEADS, |_| Said::Nothing));
    world.check("no answer", 8, &["cannot reach"])?;
    world.finish()
}

/// The headers of a good body, which is `{body}` and has `{length}` bytes, and what is sent after them.
const BODIES: &str = "
fewer bytes than promised        | 8 | cannot reach | Content-Length: {more}                                 | {body}
more bytes than promised         | 7 | malformed    | Content-Length: {less}                                 | {body}
a length that no number holds    | 8 | cannot reach | Content-Length: 99999999999999999999                   | {body}
two lengths                      | 8 | cannot reach | Content-Length: {length}; Content-Length: {less}       | {body}
a length and chunks              | 8 | cannot reach | Transfer-Encoding: chunked; Content-Length: {length}   | {body}
chunks without end               | 8 | cannot reach | Transfer-Encoding: chunked                             | {hex};{body};
half a chunk                     | 8 | cannot reach | Transfer-Encoding: chunked                             | fff;{body}
a chunk of no length             | 8 | cannot reach | Transfer-Encoding: chunked                             | xyz;{body};0;;
a chunk of more than there is    | 8 | cannot reach | Transfer-Encoding: chunked                             | ffffffffffffffff;{body};0;;
a chunk with a negative length   | 8 | cannot reach | Transfer-Encoding: chunked                             | -1;{body};0;;
an encoding that was not asked   | 7 | malformed    | Content-Encoding: gzip; Content-Length: 5              | xxxxx
chunks in an unknown encoding    | 7 | malformed    | Transfer-Encoding: brainfold                           | {hex};{body};0;;
";

#[test]
fn bodies_of_another_length_or_form_are_found_out() -> Outcome {
    let world = World::new()?;
    let good = String::from_utf8(world.second.get(HEADS)?.to_vec())?;
    let length = good.len();
    let filled = |text: &str| {
        let text = text.replace("{length}", &length.to_string());
        let text = text.replace("{more}", &(length + 10).to_string());
        let text = text.replace("{less}", &(length - 10).to_string());
        let text = text.replace("{hex}", &format!("{length:x}"));
        text.replace(';', "\r\n").replace("{body}", &good)
    };
    for [lie, code, words, headers, body] in rows(BODIES)? {
        let headers = filled(&headers.replace("; ", ";"));
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{}", filled(body));
        let answer = answer.into_bytes();
        world
            .liar
            .tell(at(HEADS, move |_| Said::All(answer.clone())));
        world.check(lie, code.parse()?, &[words])?;
    }
    world.liar.tell(at(HEADS, |good| {
        ok(&[good, &vec![b'x'; 10_000_000]].concat())
    }));
    world.check("an endless answer", 7, &["more than"])?;
    world.finish()
}

#[test]
fn what_never_ends_costs_little_time_and_memory() -> Outcome {
    let world = World::new()?;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n", "x".repeat(0x1_0000).as_bytes(), b"\r\n"].concat();
    let closed = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let headers = b"X-Header: and so on\r\n".repeat(1000);
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    let lies: [(&str, i32, &str, &str, Vec<u8>); 5] = [
        ("a body", 7, "more than", closed, vec![b'x'; 0x1_0000]),
        ("chunks", 7, "more than", chunked, chunk),
        (
            "a header",
            8,
            "cannot reach",
            "HTTP/1.1 200 OK\r\nX: ",
            vec![b'x'; 0x1_0000],
        ),
        ("headers", 8, "cannot reach", "HTTP/1.1 200 OK\r\n", headers),
        ("interim answers", 8, "cannot reach", "", interim),
    ];
    for part in ["keyset/2", HEADS, "objects/", "statements/"] {
        for (lie, code, said, first, again) in lies.clone() {
            world.liar.tell(at(part, move |_| {
                Said::Endlessly(first.as_bytes().to_vec(), again.clone())
            }));
            let started = Instant::now();
            let pull = format!("--store copy pull {}", world.liar.url());
            let refused = measured(&world.scratch, &pull)?.expect_failure(code, &[said]);
            refused.map_err(|error| format!("{part}: {lie}: {error}"))?;
            assert!(
                started.elapsed().as_secs() < 20,
                "{part}: {lie}: it is read for long"
            );
        }
    }
    world.finish()
}

#[test]
fn a_pack_without_end_is_read_up_to_its_limit_and_leaves_nothing() -> Outcome {
    let world = World::new()?;
    let before = world.state("copy")?;
    let chunk = [&b"10000\r\n"[..], &vec![b'x'; 0x1_0000], b"\r\n"].concat();
    for headers in ["", "ETag: \"one\"\r\n"] {
        let again = chunk.clone();
        world.liar.tell(at("full.pack", move |_| {
            let head = format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");
            Said::Endlessly(head.into_bytes(), again.clone())
        }));
        let pull = format!("--store copy pull {}", world.liar.url());
        let words = "bytes, and all that is in it has at most";
        measured(&world.scratch, &pull)?.expect_failure(7, &[words])?;
        assert_eq!(world.state("copy")?, before);
    }
    world.finish()
}

#[test]
fn what_a_liar_says_does_not_reach_the_terminal_as_it_is() -> Outcome {
    let world = World::new()?;
    let problem = |status: u16, code: &str, detail: &str| {
        let body = format!(
            r#"{{"type":"about:blank","title":"x","status":{status},"code":"{code}","detail":"{detail}"}}"#
        );
        let head = "Content-Type: application/problem+json\r\n";
        reply(&format!("{status} X"), head, body.as_bytes())
    };
    let red = r"\u001b[31mred\u0007\u009b1m\r\n\u202ebackwards";
    let long = "x".repeat(100_000);
    let answers: [(&str, i32, &str, Vec<u8>); 6] = [
        ("colours", 5, "red", problem(409, "conflict", red)),
        (
            "a kind that there is not",
            5,
            "red",
            problem(409, "\\u001b[0m", red),
        ),
        (
            "a hundred thousand letters",
            4,
            "xxx",
            problem(403, "denied", &long),
        ),
        (
            "as if it were a fault of this program",
            8,
            "red",
            problem(500, "internal", red),
        ),
        (
            "a way with colours",
            8,
            "cannot reach",
            reply("302 Found", "Location: http://x/\x1b[31m\r\n", b""),
        ),
        (
            "a reason with colours",
            8,
            "",
            reply("500 \x1b[31m", "", b""),
        ),
    ];
    for (lie, code, words, answer) in answers {
        world
            .liar
            .tell(at(HEADS, move |_| Said::All(answer.clone())));
        world.check(lie, code, &[words])?;
    }
    world.finish()
}

#[test]
fn a_token_goes_to_nobody_that_a_liar_names() -> Outcome {
    let world = World::new()?;
    let other = Liar::start(world.second.files.clone())?;
    let token = world.scratch.ok("token create --repo * --ref * --can *")?;
    let to = format!("Location: {}/trust/heads\r\n", other.url());
    world
        .liar
        .tell(at(HEADS, move |_| Said::All(reply("307 Moved", &to, b""))));
    let line = format!("--store copy pull {}", world.liar.url());
    let mut command = world.scratch.command(line.split(' '));
    command.env("BINDERY_TOKEN", token.text());
    let refused = crate::support::Answer::of(&mut command)?.expect_code(8)?;
    assert!(!refused.stderr.contains(token.text()), "{}", refused.stderr);
    assert_eq!(other.asked(), []);
    world
        .liar
        .tell(|_, good| good.map_or_else(|| honest(None), ok));
    world.finish()
}
