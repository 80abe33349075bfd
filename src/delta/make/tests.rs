//! Deltas made in one store and applied in another.

use super::*;
use crate::base::Error;
use crate::base::id::Hash;
use crate::base::progress::Silent;
use crate::build::sandbox::{AnyError, Sandbox, large_file, time};
use crate::build::testing::noise;
use crate::delta::apply::apply;
use crate::delta::complete::{self, Checked};
use crate::delta::unpack::{Route, unpack};
use crate::object::pack_reader::PackReader;
use crate::store::rows::BuildRow;

type Outcome = Result<(), AnyError>;

/// Files of one release.
pub(super) type Files<'f> = &'f [(&'f str, &'f [u8])];

/// A store that published some releases of `stable`, each instead of the one before.
pub(super) fn published(releases: &[Files<'_>]) -> Result<Sandbox, AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    for files in releases {
        sandbox.replace("main", "stable", files)?;
    }
    Ok(sandbox)
}

/// The snapshots that `stable` showed, oldest first.
pub(super) fn snapshots(sandbox: &Sandbox) -> Result<Vec<SnapshotRef>, AnyError> {
    let reader = sandbox.store()?.reader()?;
    let releases = reader.releases(&reader.repo(&"main".parse()?)?, &"stable".parse()?)?;
    Ok(releases.iter().map(|release| release.snapshot).collect())
}

pub(super) fn made(
    sandbox: &Sandbox,
    from: Option<SnapshotRef>,
    to: SnapshotRef,
) -> Result<(Vec<u8>, DeltaSummary), AnyError> {
    let view = sandbox.store()?.view(&"main".parse()?, &[])?;
    let mut out = Vec::new();
    let summary = make(&view, from, to, &MakeOptions::default(), &mut out, &Silent)?;
    assert_eq!(summary.pack.bytes, out.len() as u64);
    Ok((out, summary))
}

pub(super) fn applied(sandbox: &Sandbox, delta: &[u8]) -> crate::base::Result<BuildRow> {
    let internal = |error: AnyError| Error::internal(error.to_string());
    let (store, repo) = (
        sandbox.store().map_err(internal)?,
        sandbox.repo("main").map_err(internal)?,
    );
    let pack = PackReader::open(delta)?;
    let now = time(100).map_err(internal)?;
    apply(store, &repo, None, &pack, now, &Silent)
}

/// Makes the delta of two releases, applies it where only the first is known, and compares.
pub(super) fn check(a: Files<'_>, b: Files<'_>) -> Result<DeltaSummary, AnyError> {
    let maker = published(&[a, b])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let (delta, summary) = made(&maker, Some(from), to)?;
    let receiver = published(&[a])?;
    let build = applied(&receiver, &delta)?;
    assert_eq!(
        build.committed.map(|committed| committed.snapshot),
        Some(to)
    );
    let store = receiver.store()?;
    let view = store.view(&build.repo, &[build.id])?;
    let whole = complete_from_nothing(&view, to)?;
    assert_eq!(whole, view.snapshot_of_size(to)?.totals.files());
    let report = receiver.fsck()?;
    assert!(
        report.problems.is_empty() && report.repaired.is_empty(),
        "{report:?}"
    );
    Ok(summary)
}

/// Reads every file of a snapshot; gives their number.
pub(super) fn complete_from_nothing(view: &View<'_>, to: SnapshotRef) -> Result<u64, AnyError> {
    let snapshot = complete::check(view, &Checked::default(), to, &Silent)?;
    let mut files = 0;
    crate::object::walk::walk(view, snapshot.tree, &mut |_, entry| {
        if entry.tree_ref().is_none() {
            files += 1;
            let id = crate::base::id::BlobId::new(entry.id());
            view.read_blob(id, entry.size(), &mut |_| Ok(()))?;
        }
        Ok(crate::object::walk::Step::Into)
    })?;
    Ok(files)
}

#[test]
fn a_delta_makes_exactly_the_second_snapshot() -> Outcome {
    let large = large_file()?;
    let mut larger = large.clone();
    larger.splice(1_000_000..1_000_000, *b"inserted");
    let text = b"the same line\n".repeat(1000);
    let other = [&text[..], b"and another one\n"].concat();
    let cases: [(Files<'_>, Files<'_>, &str); 12] = [
        (&[], &[("a", b"1")], "from an empty tree"),
        (&[("a", b"1")], &[], "to an empty tree"),
        (&[("a", b"1")], &[("a", b"1")], "the same tree"),
        (
            &[("a", b"1")],
            &[("a/b", b"1")],
            "a file becomes a directory",
        ),
        (&[("a/b", b"1")], &[("a", b"2")], "and back"),
        (&[("a", b"1")], &[("a*", b"1")], "the executable bit"),
        (&[("a", b"x")], &[("a@", b"x")], "a link of the same bytes"),
        (&[("a/b", &text)], &[("c/d", &text)], "moved"),
        (&[("a/b", &text)], &[("a/c", &other)], "moved and changed"),
        (&[("a", b"")], &[("a", b""), ("b", b"")], "empty files"),
        (&[("l", &large)], &[("l", &larger)], "a large file"),
        (
            &[("l", b"x")],
            &[("l", &large), ("m", &large)],
            "new large files",
        ),
    ];
    for (a, b, reason) in cases {
        check(a, b).map_err(|error| format!("{reason}: {error}"))?;
    }
    Ok(())
}

#[test]
fn a_content_in_many_pieces_is_one_that_comes_whole() -> Outcome {
    let large = large_file()?;
    let files: Files<'_> = &[("large", &large), ("same", &large), ("small", b"1")];
    let maker = published(&[&[("old", b"1")], files])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let (delta, all) = made(&maker, None, to)?;
    assert_eq!((all.files, all.patched, all.whole), (3, 0, 2));
    let objects = PackReader::open(&delta[..])?.objects();
    assert!(objects > 10, "it is in pieces: {objects}");
    let (_, new) = made(&maker, Some(from), to)?;
    assert_eq!((new.files, new.patched, new.whole), (3, 0, 1));
    Ok(())
}

#[test]
fn a_large_content_that_a_delta_makes_is_known_to_be_hashed() -> Outcome {
    let large = large_file()?;
    let mut larger = large.clone();
    larger.splice(1_000_000..1_000_000, *b"inserted");
    let files: Files<'_> = &[
        ("large", &larger),
        ("small", b"2"),
        ("strange", &noise(5000)),
    ];
    let maker = published(&[&[("large", &large), ("small", b"1")], files])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let assembled = |from: Option<SnapshotRef>| -> Result<Vec<Hash>, AnyError> {
        let (delta, _) = made(&maker, from, to)?;
        let receiver = published(&[&[("large", &large), ("small", b"1")]])?;
        let view = receiver.store()?.view(&"main".parse()?, &[])?;
        let mut intake = receiver.store()?.intake();
        let pack = PackReader::open(&delta[..])?;
        let unpacked = unpack(&pack, Route { from, to: None }, &view, &mut intake, &Silent)?;
        Ok(unpacked.assembled.into_iter().collect())
    };
    assert_eq!(assembled(Some(from))?, [Hash::of(&larger)]);
    // What came in pieces was not put together yet.
    assert_eq!(assembled(None)?, []);
    Ok(())
}
