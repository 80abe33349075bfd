//! Tokens on the command line: made, narrowed, looked at, revoked, and what the audit log says about it.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Answer, Outcome, Scratch, number, text};

/// Makes a token with these options and writes it into the file `name`; gives its text.
fn create(
    scratch: &Scratch,
    options: &str,
    name: &str,
) -> Result<String, Box<dyn std::error::Error>> {
    let made = scratch.ok(&format!("token create {options}"))?;
    fs::write(scratch.path(name), &made.stdout)?;
    Ok(made.text().to_owned())
}

/// What `token inspect` says about the token in a file.
fn inspect(scratch: &Scratch, name: &str) -> Result<Value, Box<dyn std::error::Error>> {
    scratch.json(&format!("token inspect --token-file {name}"))
}

/// The id of the last block of the token in a file.
fn last_id(scratch: &Scratch, name: &str) -> Result<String, Box<dyn std::error::Error>> {
    let inspected = inspect(scratch, name)?;
    let last = inspected["blocks"]
        .as_array()
        .and_then(|blocks| blocks.last());
    text(last.ok_or("a token has blocks")?, "id")
}

/// Narrows the token in a file and writes the new one into another.
fn narrow(scratch: &Scratch, from: &str, options: &str, to: &str) -> Outcome {
    let made = scratch.ok(&format!("token narrow --token-file {from} {options}"))?;
    Ok(fs::write(scratch.path(to), &made.stdout)?)
}

#[test]
fn a_token_is_shown_once_and_is_for_ci_if_nothing_else_is_said() -> Outcome {
    let scratch = Scratch::new()?;
    let made = scratch.ok("token create --ref app/editor")?;
    assert_eq!(made.lines().len(), 1, "nothing but the token is printed");
    assert!(made.stderr.contains("shown once"), "{}", made.stderr);
    fs::write(scratch.path("t"), &made.stdout)?;
    let inspected = inspect(&scratch, "t")?;
    assert_eq!(text(&inspected, "verdict")?, "valid");
    assert_eq!(
        text(&inspected, "expires")?,
        "2023-11-15T02:13:20Z",
        "four hours"
    );
    let block = &inspected["blocks"][0];
    assert_eq!(block["can"], serde_json::json!(["stage", "commit"]));
    assert_eq!(block["repo"], serde_json::json!(["main"]));
    assert_eq!(block["ref"], serde_json::json!(["app/editor"]));
    // Neither the store nor the key's file has what makes the token a secret.
    let tag = made.text().rsplit('_').next().unwrap_or_default();
    let shown = scratch.ok("token inspect --token-file t")?;
    assert!(!shown.stdout.contains(tag) && !made.stderr.contains(tag));
    for folder in ["keys", "tokens", "tokens/revoked", "audit", "."] {
        for file in fs::read_dir(scratch.store().join(folder))
            .into_iter()
            .flatten()
        {
            let bytes = fs::read(file?.path()).unwrap_or_default();
            let found = bytes
                .windows(tag.len())
                .any(|window| window == tag.as_bytes());
            assert!(!found, "the tag lies in {folder}");
        }
    }
    Ok(())
}

#[test]
fn a_token_is_narrowed_without_a_store_and_judged_with_it() -> Outcome {
    let scratch = Scratch::new()?;
    create(&scratch, "--ref * --can * --expires 7d", "wide")?;
    let away = Scratch::empty()?;
    fs::copy(scratch.path("wide"), away.path("wide"))?;
    narrow(
        &away,
        "wide",
        "--can stage --build build:17 --path pool/main --bytes 1000",
        "narrow",
    )?;
    let unchecked = inspect(&away, "narrow")?;
    assert_eq!(text(&unchecked, "verdict")?, "unchecked");
    fs::copy(away.path("narrow"), scratch.path("narrow"))?;
    let inspected = inspect(&scratch, "narrow")?;
    assert_eq!(text(&inspected, "verdict")?, "valid");
    let block = &inspected["blocks"][1];
    assert_eq!(block["build"], serde_json::json!([17]));
    assert_eq!(text(block, "path")?, "pool/main");
    assert_eq!(number(block, "bytes")?, 1000);

    let other = Scratch::new()?;
    fs::copy(away.path("narrow"), other.path("narrow"))?;
    assert_eq!(text(&inspect(&other, "narrow")?, "verdict")?, "other_key");
    let forged = fs::read_to_string(away.path("narrow"))?;
    let end = if forged.ends_with("0\n") { "1" } else { "0" };
    fs::write(
        scratch.path("forged"),
        format!("{}{end}\n", &forged[..forged.len() - 2]),
    )?;
    assert_eq!(text(&inspect(&scratch, "forged")?, "verdict")?, "forged");
    Ok(())
}

#[test]
fn a_revoked_token_takes_those_made_from_it_along() -> Outcome {
    let scratch = Scratch::new()?;
    create(&scratch, "--ref app", "parent")?;
    narrow(&scratch, "parent", "--can stage", "child")?;
    narrow(&scratch, "parent", "--can commit", "sibling")?;
    let child = last_id(&scratch, "child")?;
    let planned = scratch.ok(&format!("token revoke {child} --dry-run"))?;
    assert_eq!(planned.text(), format!("would revoke {child}"));
    assert_eq!(text(&inspect(&scratch, "child")?, "verdict")?, "valid");
    scratch.ok(&format!("token revoke {child}"))?;
    let verdicts = |expected: [&str; 3]| -> Outcome {
        for (name, expected) in ["parent", "child", "sibling"].into_iter().zip(expected) {
            assert_eq!(
                text(&inspect(&scratch, name)?, "verdict")?,
                expected,
                "{name}"
            );
        }
        Ok(())
    };
    verdicts(["valid", "revoked", "valid"])?;
    // The catalog is lost, and with it nothing about tokens.
    fs::remove_file(scratch.store().join("catalog.redb"))?;
    scratch.ok("fsck --reindex")?;
    verdicts(["valid", "revoked", "valid"])?;
    scratch.ok(&format!("token revoke {}", last_id(&scratch, "parent")?))?;
    verdicts(["revoked", "revoked", "revoked"])?;
    create(&scratch, "--ref app", "parent")?;
    verdicts(["valid", "revoked", "revoked"])?;
    scratch.ok("token revoke --all")?;
    verdicts(["other_key", "other_key", "other_key"])
}

#[test]
fn a_token_comes_from_a_file_a_variable_or_standard_input() -> Outcome {
    let scratch = Scratch::new()?;
    let token = create(&scratch, "--ref from/variable", "of-variable")?;
    create(&scratch, "--ref from/file", "of-file")?;
    create(&scratch, "--ref from/input", "of-input")?;
    let run = |words: &[&str],
               variables: &[(&str, &str)]|
     -> Result<String, Box<dyn std::error::Error>> {
        let mut command = scratch.command(["token", "inspect", "--json"].iter().chain(words));
        command.envs(variables.iter().copied());
        command.stdin(Stdio::from(fs::File::open(scratch.path("of-input"))?));
        let answer = Answer::of(&mut command)?.expect_code(0)?;
        text(
            &serde_json::json!({"ref": answer.json()?["blocks"][0]["ref"][0]}),
            "ref",
        )
    };
    let (text, file) = (
        ("BINDERY_TOKEN", token.as_str()),
        ("BINDERY_TOKEN_FILE", "of-file"),
    );
    for (words, variables, expected) in [
        (&["--token-file", "of-file"][..], &[text][..], "from/file"),
        (&["--token-file", "-"], &[text, file], "from/input"),
        (&[], &[text, file], "from/variable"),
        (&[], &[("BINDERY_TOKEN", ""), file], "from/file"),
        (&[], &[], "from/input"),
    ] {
        assert_eq!(run(words, variables)?, expected, "{words:?} {variables:?}");
    }
    Ok(())
}

#[test]
fn an_expired_token_is_told_so() -> Outcome {
    let scratch = Scratch::new()?;
    create(&scratch, "--ref app --expires 30m", "t")?;
    let mut command = scratch.command(["token", "inspect", "--token-file", "t"]);
    command.env(
        "SOURCE_DATE_EPOCH",
        (crate::support::TIME_S + 1800).to_string(),
    );
    let answer = Answer::of(&mut command)?.expect_code(0)?;
    assert_eq!(
        answer.lines()[0],
        "token    expired: it ended at 2023-11-14T22:43:20Z"
    );
    Ok(())
}

#[test]
fn what_makes_no_token_is_refused_and_never_repeated() -> Outcome {
    let scratch = Scratch::new()?;
    let token = create(&scratch, "--ref app", "t")?;
    let tag = token.rsplit('_').next().unwrap_or_default();
    for (line, code, part) in [
        ("token create", 2, "--ref '*'"),
        ("token create --ref ../x", 2, "--ref"),
        ("token create --ref x --repo other", 3, "no repo other"),
        ("token create --ref x --can write", 2, "stage, commit"),
        (
            "token create --ref x --can * --can read",
            2,
            "leave the others out",
        ),
        ("token create --ref x --expires 366d", 2, "at most 365d"),
        (
            "token narrow --token-file t",
            2,
            "say what the new token may not do",
        ),
        (
            "token narrow --token-file t --can publish",
            2,
            "could do nothing",
        ),
        (
            "token narrow --token-file missing --can stage",
            3,
            "missing",
        ),
        ("token inspect", 7, "bnd1_KEY_BLOCKS_TAG"),
        ("token revoke", 2, "--all"),
        ("token revoke 0011", 2, "32 lower-case hex digits"),
        ("audit -n 0", 2, "at least 1"),
        ("audit --after 5", 2, "no cursor"),
    ] {
        scratch.fails(line, code, &[part])?;
    }
    let argument = format!("token revoke {token}");
    let answer = scratch.fails(&argument, 2, &["that is a token"])?;
    assert!(!answer.stderr.contains(tag), "{}", answer.stderr);
    let torn = &token[..token.len() - 1];
    fs::write(scratch.path("torn"), torn)?;
    let answer = scratch.fails("token inspect --token-file torn", 7, &["to its end"])?;
    assert!(!answer.stderr.contains(&tag[..20]), "{}", answer.stderr);
    Ok(())
}

#[test]
fn what_is_no_token_is_a_mistake_of_whoever_asks_with_it() -> Outcome {
    let scratch = Scratch::new()?;
    fs::write(scratch.path("file"), "not-a-token-8c1")?;
    let asks = "refs --remote http://127.0.0.1:1";
    for (option, variable, place) in [
        (
            "",
            Some(("BINDERY_TOKEN", "not-a-token-8c1")),
            "BINDERY_TOKEN",
        ),
        ("", Some(("BINDERY_TOKEN_FILE", "file")), "file:"),
        (" --token-file file", None, "file:"),
        (" --token-file -", None, "standard input"),
    ] {
        let line = format!("{asks}{option}");
        let mut command = scratch.command(line.split(' '));
        command.envs(variable);
        let answer = Answer::of(&mut command)?.expect_failure(2, &["no token in", place])?;
        assert!(!answer.stderr.contains("8c1"), "{}", answer.stderr);
    }
    Ok(())
}

#[test]
fn the_audit_log_says_what_was_done_with_tokens() -> Outcome {
    let scratch = Scratch::new()?;
    assert!(scratch.ok("audit")?.stdout.is_empty());
    create(&scratch, "--ref app", "t")?;
    let id = last_id(&scratch, "t")?;
    scratch.ok(&format!("token revoke {id}"))?;
    assert_eq!(
        scratch.ok("audit")?.lines(),
        [
            format!("2023-11-14T22:13:20Z  local  granted  admin  create token {id}"),
            format!("2023-11-14T22:13:20Z  local  granted  admin  revoke token {id}"),
        ]
    );
    let first = scratch.json("audit --after 0 -n 1")?;
    assert_eq!(
        text(&first["records"][0], "act")?,
        format!("create token {id}")
    );
    assert_eq!(first["last"], false);
    let rest = scratch.json(&format!("audit --after {}", number(&first, "next")?))?;
    assert_eq!(rest["records"].as_array().map(Vec::len), Some(1));
    assert_eq!(text(&rest["records"][0], "actor")?, "local");
    assert_eq!((&rest["last"], &rest["gap"]), (&true.into(), &false.into()));
    // The catalog is lost, and the log is not.
    fs::remove_file(scratch.store().join("catalog.redb"))?;
    scratch.ok("fsck --reindex")?;
    assert_eq!(scratch.ok("audit -n 1")?.lines().len(), 1);
    scratch.expect_sound()
}
