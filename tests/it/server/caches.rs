//! Caches in between: what was answered because of a token is for whoever showed it.

use crate::server::TREE;
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, Scratch};

/// What may be kept by others if it is read without a token.
const PUBLIC: &[&str] = &[
    "/r/main/objects/{snapshot}",
    "/r/main/packs/{snapshot}/full.pack",
    "/r/main/statements/{statement}",
    "/r/main/trust/keyset/1",
    "/r/main/trust/heads",
    "/r/main/pin",
    "/r/main/files/stable@1/index.txt",
    "/r/main/files/stable/index.txt",
    "/r/main/files/stable/",
    "/r/main/files",
    "/r/main/",
];
/// What is of a build.
const OF_BUILD: &[&str] = &[
    "/b/{build}/objects/{tested}",
    "/b/{build}/packs/{tested}/full.pack",
    "/b/{build}/files/-/index.txt",
    "/b/{build}/trust/keyset/1",
];

#[test]
fn what_needs_a_token_is_kept_by_nobody_in_between() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    scratch.publish("stable", "tree")?;
    scratch.write("tree", &[("new", crate::support::Node::File("new"))])?;
    let build = scratch.commit("stable", "tree")?;
    let log = scratch.json("log stable")?;
    let release = &log["releases"][0];
    let id = |value: &serde_json::Value| {
        let id = if value.is_string() {
            value
        } else {
            &value["id"]
        };
        id.as_str().map(str::to_owned).ok_or("an id")
    };
    let (snapshot, statement) = (id(&release["snapshot"])?, id(&release["statement"])?);
    let shown = scratch.json(&format!("build show {build}"))?;
    let tested = id(&shown["committed"]["snapshot"])?;
    for (anonymous, opens_published, opens_builds) in [
        ("nothing", false, false),
        ("published", true, false),
        ("builds", true, true),
    ] {
        let served = Served::start(&scratch, &format!("--anonymous {anonymous}"))?;
        let all = PUBLIC.iter().map(|target| (target, opens_published));
        let all = all.chain(OF_BUILD.iter().map(|target| (target, opens_builds)));
        for (target, is_open) in all {
            let target = target
                .replace("{snapshot}", &snapshot)
                .replace("{statement}", &statement)
                .replace("{tested}", &tested)
                .replace("{build}", &build.to_string());
            let reply = Ask::new("GET", &target)
                .token(&served.token)
                .send(served.address)?;
            let words = reply.header("cache-control");
            assert!(
                [200, 301].contains(&reply.status),
                "{target}: {}",
                reply.text()
            );
            let is_kept = words.contains("public");
            let is_private = words.contains("private") || words == "no-store";
            let is_right = if is_open {
                !words.contains("private")
            } else {
                is_private && !is_kept
            };
            assert!(is_right, "{anonymous} {target}: {words}");
            // As if somebody in between asked whether it is still so.
            let again = Ask::new("GET", &target).token(&served.token);
            let again = again
                .header("If-None-Match", reply.header("etag"))
                .send(served.address)?;
            assert_eq!(again.header("cache-control"), words, "{target}");
            let without = served.get(&target)?;
            assert_eq!(without.status == 401, !is_open, "{target}");
        }
        served.end_sound(&scratch)?;
    }
    Ok(())
}
