//! Pages for people, lists with dates, and what a build's test repository says about its repo.

use std::error::Error;
use std::sync::Arc;

use bindery::disk::real::RealDisk;
use bindery::server::api::refs::PAGE_REFS_MAX;
use serde_json::Value;

use crate::server::{released, served};
use crate::shelf::{Shelf, ref_name};
use crate::support::Node::File;
use crate::support::http::{Ask, Reply};
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number, text};

fn json(served: &Served, target: &str) -> Result<Value, Box<dyn Error>> {
    json_for(&served.token, served, target)
}

/// What a token is shown as a document.
fn json_for(token: &str, served: &Served, target: &str) -> Result<Value, Box<dyn Error>> {
    let ask = Ask::new("GET", target).header("Accept", "application/json");
    let reply = ask.token(token).send(served.address)?;
    reply.expect(200)?.json()
}

fn html(served: &Served, target: &str) -> Result<String, Box<dyn Error>> {
    let reply: Reply = served.ask("GET", target, "")?.expect(200)?;
    assert!(
        reply.header("content-type").starts_with("text/html"),
        "{target}"
    );
    Ok(reply.text())
}

#[test]
fn whoever_goes_to_the_server_sees_where_to_go_on() -> Outcome {
    let (scratch, served) = released("--anonymous builds")?;
    assert!(html(&served, "/")?.contains("<a href=\"./r/main/\">main</a>"));
    assert_eq!(json(&served, "/")?["repos"][0]["repo"], "main");
    let repo = html(&served, "/r/main/")?;
    assert!(
        repo.contains("<a href=\"./files/stable/\">stable</a> release 1 of 20"),
        "{repo}"
    );
    assert!(repo.contains("<a href=\"./pin\">"), "{repo}");
    assert_eq!(json(&served, "/r/main/")?["shown"][0]["ref"], "stable");
    let build = html(&served, "/b/1/")?;
    for words in [
        "published",
        "stable@1",
        "<a href=\"./files/stable/\">Files</a>",
    ] {
        assert!(build.contains(words), "{build}");
    }
    assert_eq!(json(&served, "/b/1/")?["build"], 1);
    served.get("/b/1/files/stable/")?.expect(200)?;
    for (target, to) in [("/r/main", "main/"), ("/b/1", "1/")] {
        assert_eq!(served.get(target)?.expect(301)?.header("location"), to);
    }
    for target in [
        "/r/nowhere/",
        "/r/nowhere",
        "/r/main/nonsense",
        "/b/9/",
        "/b/x/",
    ] {
        served.get(target)?.expect(404)?;
    }
    served.end_sound(&scratch)
}

#[test]
fn a_page_shows_what_the_caller_may_see_alone() -> Outcome {
    let (scratch, served) = released("--anonymous nothing")?;
    let page = served.get("/")?.expect(200)?;
    assert!(!page.text().contains("main"), "{}", page.text());
    for target in ["/r/main/", "/r/main", "/b/1/", "/b/1"] {
        served.get(target)?.expect(401)?;
    }
    assert!(html(&served, "/")?.contains("main"));
    served.end_sound(&scratch)
}

#[test]
fn lists_for_programs_have_dates_as_those_for_people() -> Outcome {
    let (scratch, served) = released("")?;
    let log = json(&served, "/api/v1/repos/main/refs/stable/log")?;
    let date = &log["releases"][0]["time"];
    let files = json(&served, "/r/main/files/stable/")?;
    let entries = files["entries"].as_array().ok_or("entries")?;
    assert_eq!(entries.len(), 3);
    assert!(
        entries.iter().all(|entry| entry["date"] == *date),
        "{files}"
    );
    let refs = json(&served, "/r/main/files/")?;
    assert_eq!(refs["entries"][0]["date"], *date);
    let page = html(&served, "/r/main/files/")?;
    assert!(page.contains(date.as_str().ok_or("a date")?), "{page}");
    served.end_sound(&scratch)
}

#[test]
fn the_test_repository_of_a_build_tells_who_signs_its_repo() -> Outcome {
    let (scratch, served) = released("--anonymous builds")?;
    let heads = served.get("/r/main/trust/heads")?.expect(200)?;
    let log = json(&served, "/api/v1/repos/main/refs/stable/log")?;
    let statement = log["releases"][0]["statement"].as_str().ok_or("an id")?;
    for path in [
        "trust/heads",
        "trust/keyset/1",
        "pin",
        &format!("statements/{statement}"),
    ] {
        let of_repo = served.get(&format!("/r/main/{path}"))?.expect(200)?;
        let of_build = served.get(&format!("/b/1/{path}"))?.expect(200)?;
        assert_eq!(of_build.text(), of_repo.text(), "{path}");
    }
    assert!(heads.text().starts_with("bindery/heads/v1"));
    served.get("/b/1/trust/keyset/2")?.expect(404)?;
    served.get("/b/9/trust/heads")?.expect(404)?;
    // Nothing in it is signed, so it is nothing that could be pulled.
    let line = format!("pull {}/b/1 --trust-first", served.url());
    let refused = served.run(&scratch, &line)?;
    refused.expect_failure(2, &["a build is not signed", "bindery checkout build:1"])?;
    served.end_sound(&scratch)
}

#[test]
fn what_is_not_held_is_released_as_often_as_asked() -> Outcome {
    let (scratch, served) = released("")?;
    let refs = "/api/v1/repos/main/refs";
    let said = |name: &str, verb: &str, body: &str| {
        served.ask("POST", &format!("{refs}/{name}/{verb}"), body)
    };
    let missing = said("nowhere", "release", "{}")?.expect(404)?.json()?;
    assert_eq!(missing["detail"], "no ref nowhere");
    said("stable", "hold", r#"{"reason": "look"}"#)?.expect(200)?;
    for _ in 0..2 {
        said("stable", "release", "{}")?.expect(200)?;
    }
    served.end_sound(&scratch)?;
    scratch.ok("release stable")?;
    scratch.fails("release nowhere", 3, &["no ref nowhere"])?;
    Ok(())
}

#[test]
fn a_token_is_looked_at_while_the_store_is_served() -> Outcome {
    let (scratch, served) = served("")?;
    let inspect = |token: &str| {
        let mut command = scratch.command("token inspect --lock-wait 0s --json".split(' '));
        command.env("BINDERY_TOKEN", token);
        crate::support::Answer::of(&mut command)?
            .expect_code(0)?
            .json()
    };
    let said = inspect(&served.token)?;
    assert_eq!(said["verdict"], "valid");
    let id = said["blocks"][0]["id"].as_str().ok_or("an id")?;
    let body = format!(r#"{{"ids": ["{id}"]}}"#);
    served
        .ask("POST", "/api/v1/tokens/revoke", &body)?
        .expect(200)?;
    assert_eq!(inspect(&served.token)?["verdict"], "revoked");
    served.end_sound(&scratch)
}

/// The names of the refs on a page of a repo.
fn names(page: &Value) -> Vec<&str> {
    let shown = page["shown"].as_array().into_iter().flatten();
    shown.filter_map(|shown| shown["ref"].as_str()).collect()
}

#[test]
fn refs_that_the_caller_may_not_see_take_no_room_on_a_page_and_are_not_counted() -> Outcome {
    let scratch = Scratch::empty()?;
    let shelf = Shelf::create(Arc::new(RealDisk::new(scratch.store())))?;
    let row = shelf.row()?;
    let repo = row.name.clone();
    for number in 0..PAGE_REFS_MAX {
        let name = ref_name(&format!("app/{number:04}"))?;
        let reason = Some("no release yet".to_owned());
        shelf.store.record_hold(&row, &name, reason)?;
    }
    drop(shelf);
    scratch.write("tree", &[("file", File("text"))])?;
    scratch.publish("zoo", "tree")?;
    let line = format!("token create --repo {repo} --ref zoo --can read");
    let of_zoo = scratch.ok(&line)?.text().to_owned();
    let served = Served::start(&scratch, "--anonymous nothing")?;
    let page = format!("/r/{repo}/");

    // For one ref, there is no other.
    let shown = json_for(&of_zoo, &served, &page)?;
    assert_eq!((names(&shown), number(&shown, "refs")?), (vec!["zoo"], 1));
    assert!(shown["next"].is_null(), "{shown}");
    for target in ["/", "/api/v1/repos"] {
        let listed = json_for(&of_zoo, &served, target)?;
        assert_eq!(number(&listed["repos"][0], "refs")?, 1, "{target}");
    }
    let seen = Ask::new("GET", &page).token(&of_zoo).send(served.address)?;
    assert!(seen.text().contains(">zoo</a> release 1 of"));
    assert!(!seen.text().contains("after="), "{}", seen.text());

    // For all of them, there are two pages.
    let first = json(&served, &page)?;
    let all = PAGE_REFS_MAX as u64 + 1;
    assert_eq!(number(&first, "refs")?, all);
    assert_eq!(names(&first).len(), PAGE_REFS_MAX);
    let next = text(&first, "next")?;
    assert_eq!(next, "app/0999");
    let more = "<a href=\"?after=app%2F0999\">more</a>";
    assert!(html(&served, &page)?.contains(more));
    let second = json(&served, &format!("{page}?after=app%2F0999"))?;
    assert_eq!(
        (names(&second), number(&second, "refs")?),
        (vec!["zoo"], all)
    );
    assert!(second["next"].is_null(), "{second}");
    assert!(html(&served, &format!("{page}?after=app%2F0999"))?.contains(">zoo</a>"));
    served
        .ask("GET", &format!("{page}?after=.."), "")?
        .expect(400)?;
    served.end_sound(&scratch)
}
