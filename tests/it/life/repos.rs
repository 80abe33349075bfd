//! Several repos in one store: each is its own world.

use std::fs;

use super::SMALL;
use crate::support::Node::File;
use crate::support::{Outcome, Scratch, number};

/// Makes a second repo, `tools`, and publishes to a ref of the same name in both.
fn with_two_repos() -> Result<Scratch, Box<dyn std::error::Error>> {
    let scratch = Scratch::new()?;
    scratch.ok("repo create tools")?;
    for repo in ["main", "tools"] {
        scratch.write(repo, &[("name", File(repo))])?;
        let line = format!("build create --repo {repo} --ref stable");
        let build = number(&scratch.json(&line)?, "build")?;
        scratch.ok(&format!("build stage {build} {repo}"))?;
        scratch.ok(&format!("build commit {build}"))?;
        scratch.ok(&format!("publish {build}"))?;
    }
    Ok(scratch)
}

#[test]
fn a_ref_is_named_with_its_repo() -> Outcome {
    let scratch = with_two_repos()?;
    for repo in ["main", "tools"] {
        assert_eq!(scratch.ok(&format!("cat {repo}:stable name"))?.stdout, repo);
        assert_eq!(
            scratch
                .ok(&format!("cat stable name --repo {repo}"))?
                .stdout,
            repo
        );
        assert_eq!(scratch.ok(&format!("log {repo}:stable"))?.lines().len(), 1);
        scratch.ok(&format!("checkout {repo}:stable@1 out-{repo}"))?;
        assert_eq!(
            fs::read_to_string(scratch.path(format!("out-{repo}/name")))?,
            repo
        );
    }
    scratch.fails("ls stable", 2, &["several repos", "main:", "tools"])?;
    scratch.fails("build create --ref stable", 2, &["several repos"])?;
    scratch.fails(
        "ls other:stable",
        3,
        &["no repo other", "bindery repo list"],
    )?;
    scratch.ok("verify --all")?;
    scratch.expect_sound()
}

#[test]
fn nothing_is_shared_between_repos() -> Outcome {
    let scratch = with_two_repos()?;
    scratch.write("tree", SMALL)?;
    let staged = |repo: &str| -> Result<u64, Box<dyn std::error::Error>> {
        let line = format!("build create --repo {repo} --ref stable");
        let build = number(&scratch.json(&line)?, "build")?;
        let staged = scratch.json(&format!("build stage {build} tree"))?;
        scratch.ok(&format!("build commit {build}"))?;
        scratch.ok(&format!("publish {build}"))?;
        number(&staged, "new_objects")
    };
    let first = staged("main")?;
    assert!(first > 0);
    assert_eq!(
        staged("tools")?,
        first,
        "the other repo's objects are not looked up"
    );
    assert_eq!(
        staged("tools")?,
        1,
        "the repo's own ones are: only the root differs, without the file name"
    );
    scratch.fails("diff main:stable tools:stable", 2, &["two repos"])?;
    let line = "build create --repo tools --ref stable --from 1";
    scratch.fails(line, 5, &["build 1 is of the repo main"])?;
    scratch.expect_sound()
}

#[test]
fn repos_and_keys_are_listed_and_made_once() -> Outcome {
    let scratch = with_two_repos()?;
    let repos = scratch.json("repo list")?["repos"].clone();
    let names: Vec<_> = repos
        .as_array()
        .ok_or("no repos")?
        .iter()
        .map(|repo| &repo["repo"])
        .collect();
    assert_eq!(names, ["main", "tools"]);
    scratch.fails("repo create tools", 5, &["there is already a repo tools"])?;
    scratch.fails("repo show other", 3, &["no repo other"])?;
    scratch.ok("key generate ana")?;
    scratch.fails("key generate ana", 5, &["there is already a key ana"])?;
    let keys = scratch.ok("key list")?;
    assert_eq!(keys.lines().len(), 3, "two of the repos, and ana");
    scratch.ok("repo create signed/by-ana --key ana")?;
    scratch.fails("repo create other --key bob", 3, &["no key bob"])?;
    Ok(())
}

#[test]
fn a_key_moves_to_another_store() -> Outcome {
    let (from, to) = (Scratch::new()?, Scratch::new()?);
    from.ok("key generate ana")?;
    let public = from.ok("key export ana")?.stdout;
    let secret = from.ok("key export ana --secret")?.stdout;
    fs::write(to.path("ana.key"), &secret)?;
    assert_eq!(to.ok("key import ana.key")?.stdout, public);
    assert_eq!(to.ok("key export ana")?.stdout, public);
    to.fails("key import ana.key", 5, &["there is already a key ana"])?;
    fs::write(to.path("bad.key"), &secret[..secret.len() / 2])?;
    to.fails("key import bad.key", 7, &["malformed secret key"])?;
    assert!(
        from.ok("key export ana --pem")?
            .stdout
            .starts_with("-----BEGIN PUBLIC KEY-----\n")
    );
    Ok(())
}
