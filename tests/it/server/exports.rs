//! Mirrors, and exports that any web server can hold: what is pulled from either is verified as from anywhere.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::server::released;
use crate::support::Node::File;
use crate::support::served::Served;
use crate::support::{Node, Outcome, Scratch, files_beneath, noise, number};

/// Python's own web server, which knows neither ranges nor tags, on a folder of a test.
pub struct PlainServer {
    child: Child,
    pub url: String,
}

impl PlainServer {
    pub fn start(scratch: &Scratch, folder: &str) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new("python3");
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]);
        scratch.isolate(&mut command);
        command.current_dir(scratch.path(folder));
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut line = String::new();
        let said = child.stdout.take().ok_or("its output")?;
        BufReader::new(said).read_line(&mut line)?;
        let port = line
            .split_whitespace()
            .skip_while(|word| *word != "port")
            .nth(1);
        let url = format!("http://127.0.0.1:{}", port.ok_or("a port")?);
        Ok(Self { child, url })
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Publishes the folder `tree` once more, with a file that says which time it is.
fn release_again(scratch: &Scratch, text: &str) -> Outcome {
    scratch.write("tree", &[("again", File(text))])?;
    scratch.publish("stable", "tree")?;
    Ok(())
}

#[test]
fn an_export_is_pulled_from_any_web_server_and_brought_up_to_date() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", crate::server::TREE)?;
    release_again(&scratch, "1")?;
    scratch.ok("export --static www --url http://example.org/r/main")?;
    let pin = fs::read_to_string(scratch.path("www/r/main/pin"))?;
    assert!(pin.contains("url http://example.org/r/main"), "{pin}");
    let file = fs::read_to_string(scratch.path("www/r/main/files/stable/index.txt"))?;
    assert_eq!(file, "0123456789");
    let plain = PlainServer::start(&scratch, "www")?;
    scratch.ok("--store copy init --no-repo")?;
    let line = format!(
        "--store copy pull {}/r/main --pin www/r/main/pin",
        plain.url
    );
    assert_eq!(scratch.ok(&line)?.stdout, "stable@1\n");
    release_again(&scratch, "2")?;
    scratch.ok("run-jobs")?;
    scratch.ok("export --static www")?;
    let update = format!("--store copy pull {}/r/main", plain.url);
    let pulled = scratch.json(&update)?;
    assert_eq!(
        (number(&pulled, "requests")?, &pulled["refs"][0]["seq"]),
        (5, &2.into())
    );
    // Without a delta there is still the pack of everything.
    release_again(&scratch, "3")?;
    scratch.ok("export --static www")?;
    assert_eq!(scratch.ok(&update)?.stdout, "stable@3\n");
    scratch.ok("--store copy verify --all")?;
    scratch.ok("--store copy checkout stable out")?;
    scratch.ok("verify stable --against out")?;
    // Exporting what was exported writes nothing.
    let again = scratch.json("export --static www")?;
    assert_eq!(number(&again, "new_packs")?, 0);
    let packs = files_beneath(&scratch.path("www/r/main/packs"))?;
    assert!(
        packs.len() <= 4,
        "what nobody is led to any more is gone: {packs:?}"
    );
    scratch.expect_sound()
}

#[test]
fn what_was_exported_once_can_be_pulled_by_who_read_the_heads_of_before() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", crate::server::TREE)?;
    release_again(&scratch, "1")?;
    scratch.write("other", &[("f", File("f"))])?;
    scratch.publish("testing", "other")?;
    scratch.ok("export --static www stable")?;
    let packs = |scratch: &Scratch| -> Result<Vec<_>, Box<dyn Error>> {
        Ok(files_beneath(&scratch.path("www/r/main/packs"))?)
    };
    let of_first = packs(&scratch)?;
    // Two releases later, and with another ref named: what the heads before lead to is still there.
    release_again(&scratch, "2")?;
    release_again(&scratch, "3")?;
    scratch.ok("export --static www testing")?;
    let now = packs(&scratch)?;
    assert!(of_first.iter().all(|pack| now.contains(pack)), "{now:?}");
    let plain = PlainServer::start(&scratch, "www")?;
    scratch.ok("--store copy init --no-repo")?;
    let line = format!(
        "--store copy pull {}/r/main --pin www/r/main/pin",
        plain.url
    );
    assert_eq!(scratch.ok(&line)?.stdout, "stable@3\ntesting@1\n");
    // And after one more it is not.
    scratch.ok("export --static www")?;
    assert!(!packs(&scratch)?.contains(&of_first[0]));
    Ok(())
}

#[test]
fn a_token_goes_to_the_server_that_it_is_for_alone() -> Outcome {
    let scratch = Scratch::new()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let other = listener.local_addr()?;
    let heard = std::thread::spawn(move || {
        let (stream, _) = listener.accept().map_err(|error| error.to_string())?;
        let mut lines = BufReader::new(stream).lines();
        let mut head = String::new();
        while let Some(Ok(line)) = lines.next() {
            if line.is_empty() {
                break;
            }
            head.extend([line.as_str(), "\n"]);
        }
        Ok::<_, String>(head)
    });
    let token = scratch.ok("token create --ref *")?.text().to_owned();
    let line =
        format!("pull http://127.0.0.1:1/r/main --mirror http://{other}/r/main --trust-first");
    let mut command = scratch.command(line.split(' '));
    command.env("BINDERY_TOKEN", &token);
    crate::support::Answer::of(&mut command)?.expect_code(8)?;
    let said = heard.join().map_err(|_| "it panicked")??;
    assert!(
        said.contains("GET /r/main/trust/keyset/1") && !said.contains("bnd1_"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_folder_that_is_somebodys_own_is_not_exported_into() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", crate::server::TREE)?;
    scratch.fails("export --static www", 3, &["no release"])?;
    release_again(&scratch, "1")?;
    scratch.fails("export --static www2 nowhere", 3, &["no ref nowhere"])?;
    scratch.fails("export --static tree", 5, &["is no export"])?;
    assert!(!scratch.path("tree/r").exists());
    scratch.expect_sound()
}

#[test]
fn an_export_that_was_changed_is_found_out() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", crate::server::TREE)?;
    release_again(&scratch, "1")?;
    scratch.ok("export --static www")?;
    let plain = PlainServer::start(&scratch, "www")?;
    scratch.ok("--store copy init --no-repo")?;
    let line = format!(
        "--store copy pull {}/r/main --pin www/r/main/pin",
        plain.url
    );
    let pack = files_beneath(&scratch.path("www/r/main/packs"))?;
    let snapshot = pack.first().and_then(|pack| pack.parent()?.file_name());
    let snapshot = snapshot.ok_or("a pack lies in the folder of its snapshot")?;
    for file in files_beneath(&scratch.path("www/r/main"))? {
        // Of a pack that is not large nobody asks how large it may be.
        if file.ends_with(Path::new("objects").join(snapshot)) {
            continue;
        }
        if file.components().any(|part| part.as_os_str() == "files") || file.ends_with("pin") {
            continue;
        }
        let good = fs::read(&file)?;
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&file, &bad)?;
        scratch.fails(&line, 7, &[])?;
        fs::write(&file, &good)?;
    }
    assert_eq!(scratch.ok(&line)?.stdout, "stable@1\n");
    Ok(())
}

#[test]
fn a_mirror_follows_all_refs_and_another_follows_the_mirror() -> Outcome {
    let (scratch, served) = released("")?;
    let url = served.url();
    let pin = served.get("/r/main/pin")?.expect(200)?.body;
    fs::write(scratch.path("main.bindery"), pin)?;
    scratch.ok("--store mirror init --no-repo")?;
    let line = format!("--store mirror mirror {url} --pin main.bindery");
    assert_eq!(scratch.ok(&line)?.stdout, "stable@1\n");
    scratch.write("app", &[("f", File("f"))])?;
    for (target, tree) in [("app/editor", "app"), ("stable", "app")] {
        let line = format!("push {tree} --ref {target} --publish --remote {url}");
        served.run(&scratch, &line)?.expect_code(0)?;
    }
    // One that follows some refs alone, and one that follows all.
    scratch.ok("--store some init --no-repo")?;
    let some = format!("--store some mirror {url} --ref app/** --pin main.bindery");
    assert_eq!(scratch.ok(&some)?.stdout, "app/editor@1\n");
    assert_eq!(scratch.ok(&line)?.stdout, "app/editor@1\nstable@2\n");
    // The owners moved it back: so does the mirror.
    served
        .ask(
            "POST",
            "/api/v1/repos/main/refs/stable/rollback",
            r#"{"to": 1}"#,
        )?
        .expect(200)?;
    assert_eq!(scratch.ok(&line)?.stdout, "stable@3\n");
    served.end_sound(&scratch)?;
    let mirror = Served::start_with(&scratch, "--store mirror")?;
    scratch.ok("--store second init --no-repo")?;
    let line = format!("--store second mirror {} --pin main.bindery", mirror.url());
    assert_eq!(scratch.ok(&line)?.stdout, "app/editor@1\nstable@3\n");
    scratch.ok("--store second verify --all")?;
    mirror.end()?;
    scratch.fails(
        &format!("--store second mirror {url}"),
        8,
        &["cannot reach"],
    )?;
    scratch.fails(
        &format!("--store second mirror {url} --interval 10ms"),
        2,
        &[],
    )?;
    Ok(())
}

#[test]
fn an_export_leads_nobody_out_of_the_tree() -> Outcome {
    let scratch = Scratch::new()?;
    let links = [
        ("inside", "dir/../dir/f"),
        ("deep/up", "../dir"),
        ("out", "../../../../../../../../../../etc/hostname"),
        ("root", "/etc/hostname"),
        // By its letters it stays inside, and it does not.
        ("here", "dir/.."),
        ("deep/round", "up/../../out"),
        ("other", "../testing/f"),
        ("nowhere", "gone"),
        ("circle", "circle"),
    ];
    let mut tree = vec![("dir/f", File("f"))];
    tree.extend(links.map(|(name, target)| (name, Node::Link(target))));
    scratch.write("tree", &tree)?;
    scratch.publish("stable", "tree")?;
    scratch.publish("testing", "tree")?;
    scratch.ok("export --static www")?;
    let plain = PlainServer::start(&scratch, "www")?;
    let served = Served::start(&scratch, "")?;
    for (name, ..) in links {
        let there = scratch.path(format!("www/r/main/files/stable/{name}"));
        let is_there = fs::symlink_metadata(&there).is_ok();
        let expected = ["inside", "deep/up", "here"].contains(&name);
        assert_eq!(is_there, expected, "{name}");
        let status = served.get(&format!("/r/main/files/stable/{name}"))?.status;
        assert_eq!(status != 404, expected, "{name} is served with {status}");
    }
    // Whoever pulls has all of them.
    scratch.ok("--store copy init --no-repo")?;
    let url = format!("{}/r/main", plain.url);
    scratch.ok(&format!(
        "--store copy pull {url} --pin www/r/main/pin stable"
    ))?;
    scratch.ok("--store copy checkout main:stable out")?;
    crate::support::expect_same_tree(&scratch.path("tree"), &scratch.path("out"))
}

#[test]
fn refs_that_show_nearly_the_same_bring_it_once() -> Outcome {
    let (scratch, served) = released("")?;
    let large = noise(300_000);
    fs::write(scratch.path("tree/large"), &large)?;
    for target in ["beta", "nightly", "stable"] {
        fs::write(scratch.path("tree/version"), target)?;
        let line = format!(
            "push tree --ref {target} --publish --remote {}",
            served.url()
        );
        served.run(&scratch, &line)?.expect_code(0)?;
    }
    scratch.write("unlike", &[("f", File("f"))])?;
    let line = format!("push unlike --ref app --publish --remote {}", served.url());
    served.run(&scratch, &line)?.expect_code(0)?;
    scratch.ok("--store copy init --no-repo")?;
    let line = format!("--store copy mirror {} --trust-first", served.url());
    let pulled = scratch.json(&line)?;
    let received = number(&pulled, "received_bytes")?;
    assert!(
        (300_000..330_000).contains(&received),
        "{received} bytes for 300,000"
    );
    scratch.ok("--store copy verify")?;
    Ok(())
}
