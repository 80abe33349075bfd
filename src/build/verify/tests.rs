//! Verifying what was published by the real verbs, whole and damaged.

use std::fs;

use super::*;
use crate::base::Kind;
use crate::base::progress::Silent;
use crate::build::rollback::rollback;
use crate::build::sandbox::{AnyError, Sandbox, flip, large_file, time};
use crate::store::layout;

type Outcome = Result<(), AnyError>;

/// A store with two refs that share files, and one file that is cut into pieces.
fn published() -> Result<Sandbox, AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    let large = large_file()?;
    let files: [(&str, &[u8]); 3] = [
        ("usr/bin/tool*", b"#!/bin/sh\n"),
        ("usr/share/text", b"some text"),
        ("image", &large),
    ];
    sandbox.publish("main", "stable", &files)?;
    sandbox.publish("main", "stable", &[("usr/share/text", b"other text")])?;
    sandbox.publish("main", "testing", &files)?;
    Ok(sandbox)
}

fn verify_stable(sandbox: &Sandbox) -> Result<VerifyAnswer, AnyError> {
    let (repo, name) = (sandbox.repo("main")?, "stable".parse()?);
    Ok(verify_ref(sandbox.store()?, &repo, &name, &Silent)?)
}

/// The error that verifying `stable` gives.
fn refusal(sandbox: &Sandbox) -> Result<Error, AnyError> {
    let (repo, name) = (sandbox.repo("main")?, "stable".parse()?);
    let verified = verify_ref(sandbox.store()?, &repo, &name, &Silent);
    Ok(verified.err().ok_or("it was verified")?)
}

#[test]
fn what_was_published_is_verified() -> Outcome {
    let sandbox = published()?;
    let answer = verify_stable(&sandbox)?;
    assert_eq!(answer.statements, 4, "a keyset, heads, two ref statements");
    assert_eq!(answer.snapshots, 1);
    assert!(answer.objects > 10, "pieces count: {}", answer.objects);
    assert_eq!(answer.notes.len(), 1);
    assert!(answer.notes[0].contains("does not expire"), "{answer:?}");
    let all = verify_repo(sandbox.store()?, &sandbox.repo("main")?, &Silent)?;
    assert_eq!((all.statements, all.snapshots), (5, 2));
    assert!(
        all.bytes < answer.bytes + 4096,
        "what both refs show is read once: {} after {}",
        all.bytes,
        answer.bytes
    );
    Ok(())
}

#[test]
fn a_rollback_is_followed_back_too() -> Outcome {
    let sandbox = published()?;
    let (repo, name) = ("main".parse()?, "stable".parse()?);
    rollback(sandbox.store()?, &repo, &name, 1, None, time(9)?)?;
    assert_eq!(verify_stable(&sandbox)?.statements, 5);
    Ok(())
}

#[test]
fn a_committed_build_is_verified_before_it_is_published() -> Outcome {
    let mut sandbox = published()?;
    let build = sandbox.stage("main", "stable", &[("new", b"new")])?;
    let store = sandbox.store()?;
    let row = crate::build::commit::commit(store, build.id, "", time(8)?)?;
    let snapshot = row.committed.ok_or("it is committed")?.snapshot;
    let view = store.view(&row.repo, &[row.id])?;
    assert_eq!(verify_snapshot(&view, snapshot, &Silent)?.snapshots, 1);
    let blind = store.view(&row.repo, &[])?;
    let unseen = verify_snapshot(&blind, snapshot, &Silent);
    assert!(
        matches!(
            unseen,
            Err(Error::Damaged {
                what: "snapshot",
                ..
            })
        ),
        "others do not see it: {unseen:?}"
    );
    Ok(())
}

#[test]
fn a_ref_that_shows_nothing_is_not_found() -> Outcome {
    let sandbox = published()?;
    let name = "none".parse()?;
    let verified = verify_ref(sandbox.store()?, &sandbox.repo("main")?, &name, &Silent);
    assert!(matches!(verified, Err(Error::NotFound { what: "ref", .. })));
    Ok(())
}

#[test]
fn a_damaged_object_is_named_with_a_path_that_needs_it() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish(
        "main",
        "stable",
        &[("usr/text", b"some text"), ("other", b"2")],
    )?;
    let packs = sandbox.packs()?;
    let mut named = 0;
    for pack in &packs {
        let length = fs::read(pack)?.len();
        for at in 0..length {
            flip(pack, at)?;
            let verified = verify_stable(&sandbox);
            flip(pack, at)?;
            // Not every byte of a pack is read by whoever looks for single objects.
            let Err(error) = verified else { continue };
            let error = error.downcast::<Error>()?;
            assert_eq!(error.kind(), Kind::Integrity, "byte {at}: {error}");
            named += 1;
            assert!(
                error.to_string().contains("needed by /"),
                "byte {at}: {error}"
            );
            assert!(
                error.to_string().contains(" in stable@1"),
                "byte {at}: {error}"
            );
        }
    }
    assert!(named > 100, "{named}");
    Ok(())
}

#[test]
fn a_missing_pack_is_told_by_what_needs_it() -> Outcome {
    let mut sandbox = published()?;
    sandbox.close();
    for pack in sandbox.packs()? {
        fs::rename(&pack, pack.with_extension("away"))?;
        sandbox.reopen()?;
        let error = match verify_stable(&sandbox) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        let is_told = error.contains("the file is missing") && error.contains("needed by /");
        // A pack of `testing` alone is not missed.
        assert!(is_told || error.is_empty(), "{error}");
        fs::rename(pack.with_extension("away"), &pack)?;
    }
    Ok(())
}

#[test]
fn notes_that_were_changed_are_not_trusted() -> Outcome {
    let mut sandbox = published()?;
    let repo = sandbox.repo("main")?;
    let row = sandbox
        .store()?
        .reader()?
        .find_ref(&repo, &"stable".parse()?)?;
    let current = row.and_then(|row| row.current).ok_or("it is published")?;
    for (path, reason) in [
        (layout::keyset(&repo.name, 1), "the trust root"),
        (layout::heads(&repo.name), "what is current"),
        (layout::statement(&repo.name, current.statement), "the ref"),
    ] {
        let file = sandbox.root().join(path);
        let whole = fs::read(&file)?;
        for at in (0..whole.len()).step_by(7) {
            flip(&file, at)?;
            let error = refusal(&sandbox)?;
            assert!(
                matches!(error, Error::Untrusted { .. }),
                "{reason}: {error}"
            );
            fs::write(&file, &whole)?;
        }
        fs::remove_file(&file)?;
        let error = refusal(&sandbox)?;
        assert!(
            matches!(error, Error::Untrusted { .. }),
            "{reason}: {error}"
        );
        fs::write(&file, &whole)?;
    }
    sandbox.reopen()?;
    verify_stable(&sandbox)?;
    Ok(())
}

#[test]
fn an_old_heads_statement_is_not_taken_for_the_newest() -> Outcome {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &[("a", b"1")])?;
    let heads = sandbox.root().join(layout::heads(&"main".parse()?));
    let old = fs::read(&heads)?;
    sandbox.publish("main", "stable", &[("a", b"2")])?;
    fs::write(&heads, old)?;
    let error = refusal(&sandbox)?;
    assert_eq!(
        error.to_string(),
        "cannot trust heads of main: it has version 1, the catalog 2"
    );
    Ok(())
}
