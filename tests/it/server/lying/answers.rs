//! What a server says of its snapshots, refs and repos to commands that look into it, when that is not true: it stands between
//! a true server and the commands, and leads their questions elsewhere or changes the answers.

use std::error::Error;

use serde_json::Value;

use super::liar::{Files, Liar, Said, reply};
use crate::support::Node::File;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number, text};

/// A store with two releases of `stable`, one of `zzz`, a build, and another repo; a server of it, and the liar in between.
struct Between {
    scratch: Scratch,
    served: Served,
    liar: Liar,
}

/// Where a question is led to.
type Lead = Box<dyn Fn(&str) -> String + Send>;
/// What becomes of an answer: its path, status and body.
type Twist = Box<dyn Fn(&str, u16, Vec<u8>) -> (u16, Vec<u8>) + Send>;

impl Between {
    fn new() -> Result<Self, Box<dyn Error>> {
        let scratch = Scratch::new()?;
        scratch.write("one", crate::server::TREE)?;
        scratch.publish("stable", "one")?;
        scratch.write("two", &[("index.txt", File("9"))])?;
        scratch.publish("stable", "two")?;
        scratch.write("three", &[("index.txt", File("3"))])?;
        scratch.publish("zzz", "three")?;
        let build = scratch.commit("stable", "three")?;
        assert_eq!(build, 4);
        scratch.ok("repo create evil")?;
        scratch.write("evil", &[("index.txt", File("evil"))])?;
        scratch.ok("push evil --ref stable --repo evil --publish")?;
        scratch.ok("repo create empty")?;
        scratch.ok("run-jobs")?;
        let served = Served::start(&scratch, "--anonymous builds")?;
        let liar = Liar::start(Files::new())?;
        Ok(Self {
            scratch,
            served,
            liar,
        })
    }

    fn lie(&self, lead: Lead, twist: Twist) {
        let address = self.served.address;
        self.liar.tell(
            move |asked, _| match Ask::new("GET", &lead(&asked.path)).send(address) {
                Ok(said) => {
                    let (status, body) = twist(&asked.path, said.status, said.body);
                    Said::All(reply(&format!("{status} said"), "", &body))
                }
                Err(_) => Said::Nothing,
            },
        );
    }

    /// Answers questions for one thing with another.
    fn swap(&self, from: &'static str, to: &'static str) {
        let lead = move |path: &str| path.replace(from, to);
        self.lie(Box::new(lead), Box::new(|_, status, body| (status, body)));
    }

    /// Replaces words in what is said at paths that have `part` in them.
    fn reword(&self, part: &'static str, from: &'static str, to: &'static str) {
        let twist = move |path: &str, status, body: Vec<u8>| {
            if !path.contains(part) {
                return (status, body);
            }
            let text = String::from_utf8_lossy(&body).replace(from, to);
            (status, text.into_bytes())
        };
        self.lie(Box::new(str::to_owned), Box::new(twist));
    }

    fn line(&self, line: &str) -> String {
        format!("{line} --remote {}", self.liar.server())
    }

    fn refused(&self, line: &str, code: i32, words: &[&str]) -> Outcome {
        let refused = self.scratch.fails(&self.line(line), code, words);
        let refused = refused.map_err(|error| format!("{line}: {error}"))?;
        assert_eq!(refused.stdout, "", "{line}");
        Ok(())
    }

    fn json(&self, line: &str) -> Result<Value, Box<dyn Error>> {
        self.scratch.json(&self.line(line))
    }

    /// Expects the truth to be shown, then ends the server.
    fn finish(self) -> Outcome {
        self.swap("", "");
        self.scratch.ok(&self.line("verify --repo main"))?;
        self.scratch.ok(&self.line("verify main:stable"))?;
        self.scratch.ok(&self.line("log main:stable"))?;
        self.served.end_sound(&self.scratch)
    }
}

#[test]
fn an_answer_about_another_snapshot_is_refused() -> Outcome {
    let world = Between::new()?;
    let first = text(&world.json_here("show main:stable@1")?, "snapshot")?;
    let lies = [
        ("stable".to_owned(), "spec=stable", "spec=zzz"),
        ("stable".to_owned(), "/main/snapshots", "/evil/snapshots"),
        ("stable@1".to_owned(), "spec=stable%401", "spec=stable%402"),
        ("stable~1".to_owned(), "spec=stable%7E1", "spec=zzz"),
        ("build:4".to_owned(), "/builds/4/", "/builds/1/"),
        (first.clone(), "spec=", "spec=stable&x="),
        (first[..12].to_owned(), "spec=", "spec=zzz&x="),
    ];
    for (spec, from, to) in lies {
        let lead = move |path: &str| {
            let path = path.replace(from, to);
            path.split('&').next().unwrap_or_default().to_owned()
        };
        let lead: Lead = Box::new(lead);
        world.lie(lead, Box::new(|_, status, body| (status, body)));
        for verb in [
            "show SPEC",
            "ls SPEC",
            "cat SPEC index.txt",
            "verify SPEC",
            "diff SPEC SPEC",
            "checkout SPEC out",
        ] {
            let line = format!("{} --repo main", verb.replace("SPEC", &spec));
            world.refused(&line, 7, &["answers with something else"])?;
        }
        assert!(!world.scratch.path("out").exists());
    }
    world.reword("/snapshots", "\"stable@2\"", "\"stable@2\\u001b[2J\"");
    world.refused("show main:stable", 7, &["answers with something else"])?;
    world.finish()
}

impl Between {
    /// What this machine's store says: the server holds it, so that is asked.
    fn json_here(&self, line: &str) -> Result<Value, Box<dyn Error>> {
        self.scratch
            .json(&format!("{line} --remote {}", self.served.url()))
    }
}

#[test]
fn a_server_has_no_say_in_whether_signatures_are_checked() -> Outcome {
    let world = Between::new()?;
    let count = |said: &Value| number(said, "statements");
    let expected = count(&world.json_here("verify --repo main")?)?;
    world.reword("/api/v1/repos", "\"refs\":2", "\"refs\":0");
    assert_eq!(count(&world.json("verify --repo main")?)?, expected);
    assert!(count(&world.json("verify --all")?)? > expected);
    let gone = |path: &str, status, body| {
        if path.ends_with("main/trust/heads") {
            (404, Vec::new())
        } else {
            (status, body)
        }
    };
    world.lie(Box::new(str::to_owned), Box::new(gone));
    world.refused("verify --repo main", 3, &["no release at"])?;
    world.refused("verify main:stable", 3, &["no release at"])?;
    let nothing = world.json("verify --repo empty")?;
    assert_eq!(count(&nothing)?, 0);
    let notes = nothing["notes"].to_string();
    assert!(notes.contains("nothing was verified"), "{notes}");
    // One ref was asked for, and the others are no news.
    let one = world.json_here("verify main:stable")?;
    let notes = one["notes"].to_string();
    assert!(!notes.contains("not copied"), "{notes}");
    world.finish()
}

#[test]
fn a_repo_that_is_another_one_is_refused() -> Outcome {
    let world = Between::new()?;
    world.swap("/r/main/", "/r/evil/");
    for line in [
        "verify --repo main",
        "verify main:stable",
        "export --static site --repo main",
        "repo pin main",
    ] {
        world.refused(line, 7, &["/r/main", "it shows the repo evil"])?;
    }
    assert!(!world.scratch.path("site/r/evil").exists());
    world.finish()
}

#[test]
fn what_a_snapshot_names_and_is_not_shown_is_no_path_that_was_wrong() -> Outcome {
    let world = Between::new()?;
    let root = text(&world.json_here("show main:stable")?, "root")?;
    let lost = move |path: &str, status, body| {
        if path.contains("/packs/") || path.ends_with(&root) {
            (404, Vec::new())
        } else {
            (status, body)
        }
    };
    world.lie(Box::new(str::to_owned), Box::new(lost));
    for line in [
        "ls main:stable -r -l",
        "cat main:stable index.txt",
        "diff main:stable~1 main:stable",
        "verify main:stable@2",
        "verify main:stable",
        "verify --repo main",
        "checkout main:stable out",
        "checkout main:stable out --path bin",
    ] {
        world.refused(line, 7, &["it may have been retired"])?;
    }
    // What is not in a tree that is shown is still not found.
    world.swap("", "");
    world.refused("cat main:stable nowhere", 3, &["nowhere"])?;
    world.finish()
}

#[test]
fn a_log_ends_and_has_nothing_that_a_terminal_obeys() -> Outcome {
    let world = Between::new()?;
    let control = r#""note":"a\u001b[2J\nb\u202e","tag":"c\u001b[2J\nd""#;
    world.reword("/log", r#""note":null"#, control);
    let said = world.scratch.ok(&world.line("log main:stable"))?;
    assert_eq!(said.lines().len(), 2);
    let is_obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!said.stdout.chars().any(is_obeyed), "{:?}", said.stdout);
    assert!(said.stdout.contains("[tag c"), "{:?}", said.stdout);
    world.reword("/refs", "\"held\":null", r#""held":"e\u001b[2J\nf""#);
    let said = world.scratch.ok(&world.line("refs --repo main"))?;
    assert!(!said.stdout.chars().any(is_obeyed), "{:?}", said.stdout);
    assert!(said.stdout.contains("e [2J f"), "{:?}", said.stdout);
    world.liar.asked();
    for next in ["5", "1", "0"] {
        let next: &'static str = match next {
            "5" => "\"next\":5",
            "1" => "\"next\":1",
            _ => "\"next\":0",
        };
        world.reword("/log", "\"next\":null", next);
        world.refused("log main:stable", 7, &["does not go on as it should"])?;
    }
    // A full page, again and again.
    let again = |path: &str| path.split("&cursor").next().unwrap_or_default().to_owned();
    let full = |path: &str, status, body: Vec<u8>| {
        if !path.contains("/log") {
            return (status, body);
        }
        let mut page: Value = serde_json::from_slice(&body).unwrap_or_default();
        let one = page["releases"][0].clone();
        page["releases"] = vec![one; 1000].into();
        page["next"] = 5.into();
        (status, page.to_string().into_bytes())
    };
    world.lie(Box::new(again), Box::new(full));
    world.refused("log main:stable", 7, &["does not go on as it should"])?;
    // More than was asked for.
    world.swap("?number=1", "?number=2");
    world.refused("log main:stable -n 1", 7, &["does not go on as it should"])?;
    let asked = world.liar.asked().len();
    assert!(asked < 20, "{asked} requests");
    world.finish()
}
