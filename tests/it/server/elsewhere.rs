//! Builds that were made for one ref and go, or went, to another: who may do something about the first alone moves nothing of the
//! second.

use std::error::Error;

use bindery::server::route_table::ROUTES;

use crate::server::TREE;
use crate::support::http::{Ask, Reply};
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, number};

/// What is done with a build by its URL alone: the method, the end of the template, and whether it changes what the other ref shows, or
/// is to show, once the build was published there, and while it is to be.
const VERBS: &[(&str, &str, bool, bool)] = &[
    ("POST", "/withdraw", true, true),
    ("POST", "/hold", true, true),
    ("POST", "/release", true, true),
    ("DELETE", "", true, true),
    // What a build is made of, and what was found in it, is its own.
    ("POST", "/commit", false, false),
    ("PUT", "/checks/{check}", false, false),
    // These say in their bodies to which ref, and take the build away from where it is, or was to go.
    ("POST", "/publish", true, true),
    ("POST", "/schedule", true, true),
    ("POST", "/stage", false, false),
    ("PUT", "/packs/{pack}", false, false),
    // What is taken back was to go to the other one.
    ("DELETE", "/schedule", false, true),
];

/// A build for `ch`, committed.
fn build(scratch: &Scratch, served: &Served) -> Result<u64, Box<dyn Error>> {
    let push = format!(
        "push tree --ref ch --commit --json --remote {}",
        served.url()
    );
    number(
        &served.run(scratch, &push)?.expect_code(0)?.json()?,
        "build",
    )
}

fn ask(
    served: &Served,
    token: &str,
    row: (&str, &str),
    build: u64,
) -> Result<Reply, Box<dyn Error>> {
    let (method, end) = row;
    let end = end.replace("{check}", "lint");
    let body = match end.as_str() {
        "/hold" => r#"{"reason": "a test"}"#,
        "/schedule" if method == "POST" => r#"{"after_seconds": 9000}"#,
        _ => "",
    };
    let target = format!("/api/v1/builds/{build}{end}");
    let ask = Ask::new(method, &target).token(token).body(body);
    ask.send(served.address)
}

#[test]
fn who_may_change_the_ref_that_a_build_was_made_for_changes_none_that_it_went_to() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.write("tree", TREE)?;
    let create = "token create --repo main --can * --ref";
    let narrow = scratch.ok(&format!("{create} ch"))?.text().to_owned();
    let wide = scratch
        .ok(&format!("{create} ch --ref prod"))?
        .text()
        .to_owned();
    let served = Served::start(&scratch, "")?;
    for (method, end, after, before) in VERBS {
        for (is_changed, how, body) in [
            (*after, "publish?wait", r#"{"ref": "prod"}"#),
            (
                *before,
                "schedule",
                r#"{"after_seconds": 9000, "how": {"ref": "prod"}}"#,
            ),
        ] {
            if !is_changed {
                continue;
            }
            let build = build(&scratch, &served)?;
            let target = format!("/api/v1/builds/{build}/{how}");
            served.ask("POST", &target, body)?.expect(200)?;
            let refused = ask(&served, &narrow, (method, end), build)?;
            let refused = refused.expect_problem(403, "not_allowed", "not for ref prod");
            refused.map_err(|error| format!("{method} {end} after {how}: {error}"))?;
            let reply = ask(&served, &wide, (method, end), build)?;
            // Whether it can be done is another question.
            assert!(
                ![401, 403, 404].contains(&reply.status),
                "{method} {end}: {reply:?}"
            );
        }
    }
    served.end_sound(&scratch)
}

#[test]
fn every_change_of_a_build_is_in_the_list() {
    let below = "/api/v1/builds/{build}";
    let changes = ROUTES.iter().filter(|row| row.is_change());
    let ends = changes.filter_map(|row| Some((row.method, row.template.strip_prefix(below)?)));
    for (method, end) in ends {
        let listed = VERBS.iter().any(|row| (row.0, row.1) == (method, end));
        assert!(
            listed,
            "{method} {below}{end}: say what it does to the ref that a build went to"
        );
    }
}
