//! Names of snapshots are read, and lead to what they say, in a store with releases and builds.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::Kind;
use crate::base::clock::Time;
use crate::base::id::SnapshotId;
use crate::base::profile::Profile;
use crate::base::progress::Silent;
use crate::build::commit::commit;
use crate::build::create::{CreateOptions, create};
use crate::build::publish::{PublishOptions, publish};
use crate::build::repo::create_repo;
use crate::build::stage::{StageOptions, stage};
use crate::store::Patience;

/// Commits a build that differs from others in its message; gives its snapshot.
fn commit_one(
    store: &Store,
    repo: &RepoName,
    file: &Path,
    message: &str,
) -> Result<(u64, SnapshotId)> {
    let time = Time::from_seconds(0)?;
    let options = CreateOptions {
        repo: repo.clone(),
        target: None,
        labels: BTreeMap::new(),
        from: None,
    };
    let id = create(store, options, time)?.id;
    let paths = [file.to_owned()];
    stage(store, id, &paths, &StageOptions::default(), &Silent, time)?;
    let committed = commit(store, id, message, time)?.committed;
    let committed = committed.ok_or_else(|| Error::internal("a build was committed"))?;
    Ok((id, committed.snapshot.id))
}

#[test]
fn a_prefix_of_several_snapshots_is_ambiguous()
-> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("file");
    std::fs::write(&file, b"content")?;
    let patience = Patience {
        wait: Duration::ZERO,
        holder: "test".into(),
        tell: None,
    };
    let store = Store::create(&folder.path().join("store"), &patience)?;
    let name: RepoName = "main".parse()?;
    let time = Time::from_seconds(0)?;
    let repo = create_repo(&store, name.clone(), Profile::Posix, None, time)?;
    // Of 17 ids two have the same first digit. Every other one is published, the rest only committed.
    let mut by_digit: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..17 {
        let (build, snapshot) = commit_one(&store, &name, &file, &number.to_string())?;
        if number % 2 == 0 {
            let options = PublishOptions {
                target: Some(format!("ref-{number}").parse()?),
                ..PublishOptions::default()
            };
            publish(&store, build, &options, time)?;
        }
        let id = snapshot.to_string();
        by_digit.entry(id[..1].to_owned()).or_default().push(id);
    }
    let reader = store.reader()?;
    for (digit, ids) in by_digit {
        let found = of_prefix(&reader, repo.clone(), &digit, &|_| true);
        let [only] = ids.as_slice() else {
            assert!(
                matches!(&found, Err(error @ Error::Ambiguous { matches, .. })
                    if error.kind() == Kind::Usage
                        && matches.len() == ids.len()
                        && ids.iter().all(|id| matches.contains(id))),
                "{digit}: {found:?}"
            );
            continue;
        };
        assert_eq!(found?.snapshot.id.to_string(), *only);
    }
    Ok(())
}

#[test]
fn a_spec_is_taken_apart_at_its_marks() -> Result<()> {
    let spec = |repo: Option<&str>, name: &str, which| -> Result<Spec> {
        let repo = repo.map(|repo| parse_name("repo name", repo)).transpose()?;
        Ok(Spec::Ref {
            repo,
            name: parse_name("ref name", name)?,
            which,
        })
    };
    for (text, expected) in [
        ("stable", spec(None, "stable", Which::Newest)?),
        ("stable@3", spec(None, "stable", Which::Seq(3))?),
        ("app/x~", spec(None, "app/x", Which::Back(1))?),
        ("app/x~2", spec(None, "app/x", Which::Back(2))?),
        (
            "example.org/os:stable",
            spec(Some("example.org/os"), "stable", Which::Newest)?,
        ),
        ("build:17", Spec::Build(17)),
    ] {
        assert_eq!(text.parse::<Spec>()?, expected, "{text}");
    }
    for bad in [
        "",
        "build:x",
        "stable@",
        "stable@-1",
        "stable@+1",
        "stable~+1",
        "build:+1",
        "stable~x",
        "a b",
        "..",
        ":x",
        "build:",
    ] {
        assert!(bad.parse::<Spec>().is_err(), "{bad:?}");
    }
    Ok(())
}
