//! The server as a process: what it tells of itself, TLS, how it ends, and what is left when it is killed.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bindery::base::id::PackId;

use crate::server::released;
use crate::server::uploads::{open_build, pack, put};
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, files_beneath};

/// How long a test waits for what must come.
const WAIT: Duration = Duration::from_secs(30);
/// How long a request needs to reach the server.
const ARRIVAL: Duration = Duration::from_millis(300);
/// Clients that push at a time.
const CLIENTS: usize = 4;
/// Builds that each of them makes.
const BUILDS: usize = 3;
/// Files in each build.
const FILES: usize = 20;

/// The value of a figure.
fn figure(text: &str, name: &str) -> Result<f64, Box<dyn Error>> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.ok_or_else(|| format!("no {name} in {text}"))?;
    Ok(value.trim().parse()?)
}

#[test]
fn the_figures_say_what_happened() -> Outcome {
    let (scratch, served) = released("")?;
    let build = open_build(&served)?;
    let bytes = pack(&[&[b"one"]])?;
    put(&served, build, PackId::of(&bytes), 1, &bytes)?.expect(200)?;
    let purge = format!("/api/v1/builds/{build}");
    served.ask("DELETE", &purge, "")?.expect(200)?;
    served.get("/nothing")?.expect(404)?;
    let text = served.get("/metrics")?.expect(200)?.text();
    for (name, least) in [
        ("bindery_publish_to_visible_seconds_count ", 1.0),
        ("bindery_uploads_total ", 2.0),
        ("bindery_upload_stored_bytes_total ", 1.0),
        ("bindery_purged_bytes_total ", 1.0),
        ("bindery_stored_bytes ", 1.0),
        ("bindery_objects ", 1.0),
        ("bindery_free_bytes ", 1.0),
        ("bindery_connections ", 1.0),
        ("bindery_errors_total{code=\"not_found\"} ", 1.0),
        (
            "bindery_requests_total{method=\"DELETE\",route=\"/api/v1/builds/{build}\",status=\"200\"} ",
            1.0,
        ),
    ] {
        assert!(figure(&text, name)? >= least, "{name} in {text}");
    }
    for name in ["uploads_running", "work_waiting", "work_oldest_seconds"] {
        assert!(figure(&text, &format!("bindery_{name} "))? < 1.0, "{name}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    served.end_sound(&scratch)
}

#[test]
fn from_elsewhere_only_administrators_see_the_figures() -> Outcome {
    let scratch = Scratch::new()?;
    let reader = scratch.ok("token create --repo * --ref * --can read")?;
    let served = Served::start(&scratch, "")?;
    let ask = || Ask::new("GET", "/metrics").header("X-Forwarded-For", "127.0.0.1");
    ask().send(served.address)?.expect(401)?;
    ask()
        .token(&served.token)
        .send(served.address)?
        .expect(200)?;
    let refused = ask().token(reader.text()).send(served.address)?;
    assert!([403, 404].contains(&refused.status), "{refused:?}");
    Ok(())
}

fn openssl(scratch: &Scratch, line: &str) -> Outcome {
    let mut command = Command::new("openssl");
    command.args(line.split(' ')).current_dir(scratch.path(""));
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// A key and its certificate for this machine, as `<name>.key` and `<name>.pem`.
fn certificate(scratch: &Scratch, name: &str) -> Outcome {
    let line = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout {name}.key -out {name}.pem"
    );
    openssl(scratch, &line)
}

#[test]
fn tls_is_spoken_with_the_certificate_that_is_named() -> Outcome {
    let scratch = Scratch::new()?;
    certificate(&scratch, "one")?;
    certificate(&scratch, "two")?;
    let (pem, key) = (scratch.path("one.pem"), scratch.path("one.key"));
    let options = format!(
        "--tls-certificate {} --tls-key {}",
        pem.display(),
        key.display()
    );
    let served = Served::start_with(&scratch, &options)?;
    let ask = |trusted: &str| -> Result<String, Box<dyn Error>> {
        let line = format!(
            "s_client -quiet -verify_return_error -connect {} -CAfile {trusted}",
            served.address
        );
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(scratch.path(""));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn()?;
        let mut input = child.stdin.take().ok_or("its input")?;
        // One that does not trust the server has gone before it is asked.
        input
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .ok();
        let output = child.wait_with_output()?;
        drop(input);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(ask("one.pem")?.starts_with("HTTP/1.1 200 "));
    assert_eq!(ask("two.pem")?, "", "another's certificate proves nothing");
    let clear = served.get("/healthz");
    assert!(
        clear.map_or(true, |reply| reply.status != 200),
        "clear text"
    );
    assert!(ask("one.pem")?.starts_with("HTTP/1.1 200 "), "it goes on");
    served.end_sound(&scratch)
}

#[test]
fn a_certificate_is_renewed_and_its_authority_is_named() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", crate::server::TREE)?;
    for name in ["one", "two"] {
        certificate(&scratch, name)?;
    }
    let replace = |name: &str| -> Outcome {
        for end in ["pem", "key"] {
            let from = scratch.path(format!("{name}.{end}"));
            fs::copy(from, scratch.path(format!("shown.{end}")))?;
        }
        Ok(())
    };
    replace("one")?;
    let (pem, key) = (scratch.path("shown.pem"), scratch.path("shown.key"));
    let options = format!(
        "--tls-certificate {} --tls-key {}",
        pem.display(),
        key.display()
    );
    let served = Served::start(&scratch, &options)?;
    let push = |authority: &str| {
        let url = format!("https://{}", served.address);
        let line = format!("push tree --ref stable --publish --remote {url} --ca-file {authority}");
        served.run(&scratch, &line)
    };
    push("one.pem")?.expect_code(0)?;
    push("two.pem")?.expect_failure(8, &["cannot reach"])?;
    push("one.key")?.expect_failure(2, &["0 certificates"])?;
    push("gone.pem")?.expect_failure(3, &["gone.pem"])?;
    let without = format!("push tree --ref stable --remote https://{}", served.address);
    served
        .run(&scratch, &without)?
        .expect_failure(8, &["cannot reach"])?;
    // Files of no use change nothing; good ones are shown to whoever connects next.
    fs::write(&key, "nothing")?;
    served.hang_up()?;
    served.wait_for_word("stay as they were")?;
    push("one.pem")?.expect_code(0)?;
    replace("two")?;
    served.hang_up()?;
    served.wait_for_word("were read again")?;
    push("two.pem")?.expect_code(0)?;
    push("one.pem")?.expect_failure(8, &["cannot reach"])?;
    served.end_sound(&scratch)
}

#[test]
fn certificates_and_keys_that_do_not_fit_are_refused() -> Outcome {
    let scratch = Scratch::new()?;
    certificate(&scratch, "one")?;
    certificate(&scratch, "two")?;
    fs::write(scratch.path("no.pem"), "nothing")?;
    let serve = |certificate: &str, key: &str| {
        let (certificate, key) = (scratch.path(certificate), scratch.path(key));
        let (certificate, key) = (certificate.display(), key.display());
        format!("serve --listen 127.0.0.1:0 --tls-certificate {certificate} --tls-key {key}")
    };
    let useless = "of no use for TLS";
    scratch.fails(&serve("one.pem", "two.key"), 2, &["two.key", useless])?;
    scratch.fails(&serve("no.pem", "one.key"), 2, &["no.pem", useless])?;
    scratch.fails(&serve("one.pem", "no.pem"), 2, &["no.pem", useless])?;
    scratch.fails(&serve("gone.pem", "one.key"), 3, &["gone.pem"])?;
    scratch.fails("serve --tls-key one.key", 2, &["--tls-certificate"])?;
    Ok(())
}

/// Begins to send a pack, and sends all but its last byte.
fn begin_upload(served: &Served, build: u64, bytes: &[u8]) -> Result<TcpStream, Box<dyn Error>> {
    let mut stream = TcpStream::connect(served.address)?;
    stream.set_read_timeout(Some(WAIT))?;
    write!(
        stream,
        "PUT /api/v1/builds/{build}/packs/{}?frames=1 HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        PackId::of(bytes),
        served.token,
        bytes.len()
    )?;
    stream.write_all(&bytes[..bytes.len() - 1])?;
    thread::sleep(ARRIVAL);
    Ok(stream)
}

#[test]
fn a_server_that_ends_finishes_what_it_was_asked() -> Outcome {
    let (scratch, served) = released("")?;
    let build = open_build(&served)?;
    let bytes = pack(&[&[b"one"]])?;
    let mut listens = TcpStream::connect(served.address)?;
    listens.set_read_timeout(Some(WAIT))?;
    write!(
        listens,
        "GET /api/v1/builds/{build}/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\r\n",
        served.token
    )?;
    let mut upload = begin_upload(&served, build, &bytes)?;
    served.ask_to_end()?;
    thread::sleep(ARRIVAL);
    assert!(TcpStream::connect(served.address).is_err(), "nobody new");
    upload.write_all(&bytes[bytes.len() - 1..])?;
    let mut answer = String::new();
    upload.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut told = String::new();
    listens.read_to_string(&mut told)?;
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    served.end_sound(&scratch)
}

#[test]
fn a_server_that_is_killed_while_packs_arrive_goes_on_where_it_was() -> Outcome {
    let (scratch, served) = released("")?;
    let build = open_build(&served)?;
    let (one, two) = (pack(&[&[b"one"]])?, pack(&[&[b"two"]])?);
    put(&served, build, PackId::of(&one), 1, &one)?.expect(200)?;
    let broken = begin_upload(&served, build, &two)?;
    let token = served.token.clone();
    served.kill()?;
    drop(broken);
    scratch.ok("fsck --counts")?;
    scratch.expect_sound()?;
    let mut served = Served::start_with(&scratch, "")?;
    served.token = token;
    let again = put(&served, build, PackId::of(&one), 1, &one)?;
    assert_eq!(again.expect(200)?.json()?["new_objects"], 0, "it was kept");
    let sent = put(&served, build, PackId::of(&two), 1, &two)?;
    assert_eq!(sent.expect(200)?.json()?["new_objects"], 1, "it was not");
    served.end_sound(&scratch)?;
    let left = files_beneath(&scratch.store().join("tmp"))?;
    assert!(left.is_empty(), "{left:?}");
    scratch.expect_checkout("stable", "out", "tree")
}

#[test]
fn many_clients_fill_builds_at_once_and_none_is_lost() -> Outcome {
    let scratch = Scratch::new()?;
    for client in 0..CLIENTS {
        for file in 0..FILES {
            let folder = scratch.path(format!("client-{client}/{}", file % 3));
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(file.to_string()), format!("{client} {file}"))?;
        }
    }
    let served = Served::start(&scratch, "")?;
    let push = |client: usize| -> Result<(), String> {
        let url = served.url();
        let line = format!("push client-{client} --ref stable --commit --remote {url}");
        for _ in 0..BUILDS {
            let pushed = served.run(&scratch, &line);
            let pushed = pushed.and_then(|answer| answer.expect_code(0));
            pushed.map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let push = &push;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || push(client)))
            .collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| "a client panicked".to_owned())?)
    })?;
    let listed = served.ask("GET", "/api/v1/builds?state=ready", "")?;
    let listed = listed.expect(200)?.json()?;
    let builds = listed["builds"].as_array().ok_or("builds")?;
    assert_eq!(builds.len(), CLIENTS * BUILDS);
    for build in builds {
        assert_eq!(build["staged"]["files"], FILES, "{build}");
    }
    served.end_sound(&scratch)
}

#[test]
fn who_does_not_reach_a_server_is_told_what_is_in_the_way() -> Outcome {
    let scratch = Scratch::new()?;
    certificate(&scratch, "one")?;
    let (pem, key) = (scratch.path("one.pem"), scratch.path("one.key"));
    let (pem, key) = (pem.display(), key.display());
    let options = format!("--tls-certificate {pem} --tls-key {key}");
    let served = Served::start_with(&scratch, &options)?;
    let port = served.address.port();
    for (line, hint) in [
        (format!("https://127.0.0.1:{port}"), "--ca-file"),
        (format!("http://127.0.0.1:{port}"), "with https://"),
        (
            format!("https://localhost:{port} --ca-file {pem}"),
            "a name in the URL",
        ),
    ] {
        scratch.fails(&format!("refs --remote {line}"), 8, &["hint: ", hint])?;
    }
    served.end()?;
    let served = Served::start_with(&scratch, "")?;
    let port = served.address.port();
    let line = format!("refs --remote https://127.0.0.1:{port}");
    scratch.fails(&line, 8, &["hint: ", "with http://"])?;
    scratch.ok("--store other init")?;
    let line = format!("--store other serve --listen 127.0.0.1:{port}");
    scratch.fails(
        &line,
        1,
        &[
            "cannot listen at 127.0.0.1",
            "name another address with --listen",
        ],
    )?;
    served.end_sound(&scratch)
}
