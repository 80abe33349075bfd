//! Following: pins, proxies, repos of one name, and what is said when a ref or a round cannot be followed.

use std::fs;
use std::process::Command;

use crate::server::released;
use crate::support::Node::File;
use crate::support::{Answer, Outcome, Scratch};

#[test]
fn the_places_that_a_pin_of_a_server_names_are_those_of_the_repo() -> Outcome {
    let places = "--url http://127.0.0.1:1/ --url http://127.0.0.1:2/r/main";
    let (scratch, served) = released(places)?;
    let pin = served.get("/r/main/pin")?.expect(200)?.text();
    let urls: Vec<&str> = pin.lines().filter(|line| line.contains("url")).collect();
    assert_eq!(
        urls,
        [
            "url http://127.0.0.1:1/r/main",
            "url http://127.0.0.1:2/r/main"
        ]
    );
    // With another repo beside it, the server alone does not say which one is meant, and the pin does.
    let line = format!("repo create tools --remote {}", served.url());
    served.run(&scratch, &line)?.expect_code(0)?;
    // A place of another repo is none of this one.
    let beside = served.get("/r/tools/pin")?.expect(200)?.text();
    let urls: Vec<&str> = beside.lines().filter(|line| line.contains("url")).collect();
    assert_eq!(urls, ["url http://127.0.0.1:1/r/tools"]);
    let pin = format!("{pin}url {}\n", served.url());
    fs::write(scratch.path("main.bindery"), pin)?;
    for command in ["pull", "mirror"] {
        scratch.ok(&format!("--store {command} init --no-repo"))?;
        let line =
            format!("--store {command} {command} http://127.0.0.1:1/r/main --pin main.bindery");
        let pulled = scratch.ok(&line)?;
        assert_eq!(pulled.stdout, "stable@1\n", "{command}");
        let said = &pulled.stderr;
        assert_eq!(said.matches("passed over").count(), 2, "{command}: {said}");
    }
    served.end_sound(&scratch)
}

#[test]
fn a_ref_that_was_moved_back_keeps_no_other_from_being_followed() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.ok("--store copy init --no-repo")?;
    for content in ["one", "two"] {
        scratch.write("tree", &[("file", File(content))])?;
        scratch.publish("stable", "tree")?;
    }
    scratch.publish("app", "tree")?;
    scratch.ok("--store copy pull .bindery --trust-first")?;
    scratch.ok("rollback stable --to 1")?;
    scratch.write("tree", &[("file", File("three"))])?;
    scratch.publish("app", "tree")?;
    let pull = "--store copy pull .bindery";
    let words = ["stable@3 shows an older release again", "--allow-rewind"];
    let pulled = scratch.run(pull.split(' '))?.expect_code(5)?;
    assert_eq!(pulled.stdout, "app@2\n");
    let is_said = words.iter().all(|words| pulled.stderr.contains(words));
    assert!(is_said, "{}", pulled.stderr);
    scratch.fails(pull, 5, &words)?;
    let verified = scratch.ok("--store copy verify --all")?;
    let note = "stable@2 was not followed to @3";
    assert!(verified.stderr.contains(note), "{}", verified.stderr);
    scratch.ok("--store copy fsck --counts")?;
    let pulled = scratch.ok(&format!("{pull} --allow-rewind"))?;
    assert_eq!(pulled.stdout, "stable@3\n");
    scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn a_round_of_a_mirror_that_fails_is_said_also_to_the_quiet() -> Outcome {
    let scratch = Scratch::new()?;
    let line = "-q mirror http://127.0.0.1:1/r/main --trust-first --interval 1s";
    // It ends by itself, whatever it says.
    let mut mirror = Command::new("timeout");
    mirror.arg("5").arg(env!("CARGO_BIN_EXE_bindery"));
    scratch.isolate(mirror.args(line.split(' ')));
    let said = Answer::of(&mut mirror)?.expect_code(124)?.stderr;
    assert!(said.starts_with("error: cannot reach"), "{said}");
    Ok(())
}

#[test]
fn repos_of_one_name_are_told_apart_and_nobody_is_said_to_lie() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("one"))])?;
    scratch.publish("stable", "tree")?;
    let hint = "hint: keep it in a store of its own: 'bindery init --no-repo";
    scratch.ok("--store other init")?;
    scratch.ok("--store other push tree --ref stable --publish")?;
    let line = "--store other pull .bindery --trust-first";
    scratch.fails(line, 5, &["this store's own", hint])?;
    scratch.ok("--store copy init --no-repo")?;
    scratch.ok("--store copy pull .bindery --trust-first")?;
    let line = "--store copy pull other --trust-first";
    scratch.fails(line, 5, &["main is the name of another repo here", hint])?;
    Ok(())
}

#[test]
fn each_repo_of_a_store_on_this_machine_is_followed() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", &[("file", File("one"))])?;
    scratch.publish("stable", "tree")?;
    scratch.ok("repo create other")?;
    scratch.ok("push tree --ref beta --publish --repo other")?;
    scratch.ok("--store copy init --no-repo")?;
    for (repo, shown) in [("main", "stable@1\n"), ("other", "beta@1\n")] {
        let line = format!("--store copy pull .bindery --repo {repo} --trust-first");
        assert_eq!(scratch.ok(&line)?.stdout, shown);
    }
    scratch.write("tree", &[("file", File("two"))])?;
    scratch.ok("push tree --ref beta --publish --repo other")?;
    let again = |repo: &str| scratch.ok(&format!("--store copy pull .bindery --repo {repo}"));
    assert!(again("main")?.stderr.contains("nothing is new"));
    assert_eq!(again("other")?.stdout, "beta@2\n");
    scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn what_names_nothing_is_said() -> Outcome {
    let (scratch, served) = released("")?;
    let url = served.url();
    let hint = ["no repo main/", "without /r/"];
    scratch.fails(&format!("refs --remote {url}/r/main"), 3, &hint)?;
    scratch.ok("--store copy init --no-repo")?;
    let line = format!("--store copy mirror {url} --ref zzz/** --ref stable --trust-first");
    let mirrored = scratch.ok(&line)?;
    assert_eq!(mirrored.stdout, "stable@1\n");
    let said = &mirrored.stderr;
    assert!(said.contains("no ref of main matches zzz/**"), "{said}");
    assert_eq!(said.matches("matches").count(), 1, "{said}");
    served.hang_up()?;
    served.wait_for_word("no certificate to be read again")?;
    served.end_sound(&scratch)
}

#[test]
fn a_proxy_is_not_between_this_machine_and_itself_and_is_named_where_it_is() -> Outcome {
    let (scratch, served) = released("")?;
    scratch.ok("--store copy init --no-repo")?;
    for variable in ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        let pull = |url: &str, unproxied: &str| {
            let line = format!("--store copy pull {url}/r/main --trust-first");
            let mut pull = scratch.command(line.split(' '));
            pull.env(variable, "http://somebody:secret@127.0.0.1:1");
            pull.env("NO_PROXY", unproxied);
            Answer::of(&mut pull)
        };
        pull(&served.url(), "")?.expect_code(0)?;
        // No address of any machine: nothing but the proxy is asked.
        let refused = pull("http://192.0.2.1", "example.org")?;
        let words = ["cannot reach", "by way of the proxy 127.0.0.1:1"];
        let refused = refused.expect_failure(8, &words)?;
        assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
    }
    served.end_sound(&scratch)
}
