//! Releases of archives, which are told by what is in them.

use std::io::Write;

use super::tests::{Files, applied, made, published, snapshots};
use super::*;
use crate::base::progress::Silent;
use crate::build::sandbox::{AnyError, Sandbox, large_file};
use crate::delta::show::show;
use crate::object::pack_reader::PackReader;
use crate::object::script::Content;

type Outcome = Result<(), AnyError>;

fn gzip(plain: &[u8]) -> Result<Vec<u8>, AnyError> {
    let level = flate2::Compression::new(6);
    let mut out = flate2::write::GzEncoder::new(Vec::new(), level);
    out.write_all(plain)?;
    Ok(out.finish()?)
}

fn without(sandbox: &Sandbox, from: SnapshotRef, to: SnapshotRef) -> Result<Vec<u8>, AnyError> {
    let view = sandbox.store()?.view(&"main".parse()?, &[])?;
    let options = MakeOptions {
        archives: Archives::Whole,
        ..MakeOptions::default()
    };
    let mut out = Vec::new();
    make(&view, Some(from), to, &options, &mut out, &Silent)?;
    Ok(out)
}

/// Lines, a few of which change from round to round.
fn text(round: usize) -> Vec<u8> {
    let line = |line: usize| match line % 1201 {
        0 => format!("line {line}, changed in round {round}\n"),
        _ => format!("line {line}, {}\n", line * line * 7919),
    };
    (0..4000).map(line).collect::<String>().into_bytes()
}

/// The steps of a delta that tell archives.
fn archives(delta: &[u8]) -> Result<usize, AnyError> {
    let shown = show(&PackReader::open(delta)?)?;
    let contents = shown.steps.iter().filter_map(|step| step.put.as_ref());
    let archives = contents.filter(|put| matches!(put.content, Content::Archive { .. }));
    Ok(archives.count())
}

/// Applies a delta where only the first release is known.
fn check(delta: &[u8], first: Files<'_>, to: SnapshotRef) -> Outcome {
    let receiver = published(&[first])?;
    let build = applied(&receiver, delta)?;
    let committed = build.committed.map(|committed| committed.snapshot);
    assert_eq!(committed, Some(to));
    let report = receiver.fsck()?;
    assert!(report.problems.is_empty(), "{report:?}");
    Ok(())
}

#[test]
fn archives_are_patched_by_what_is_in_them() -> Outcome {
    let (one, two) = (text(1), text(2));
    let [packed, changed] = [gzip(&one)?, gzip(&two)?];
    let first: Files<'_> = &[("a-1.gz", &packed), ("plain", &one)];
    let maker = published(&[first, &[("a-2.gz", &changed), ("plain", &two)]])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let (delta, summary) = made(&maker, Some(from), to)?;
    assert_eq!(summary.patched, 2, "{summary:?}");
    assert_eq!(archives(&delta)?, 1);
    let plain = without(&maker, from, to)?;
    let bytes = (delta.len(), plain.len());
    assert!(bytes.0 * 4 < bytes.1, "{bytes:?}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let again = || made(&maker, Some(from), to).map_err(|error| error.to_string());
    assert!(pool.install(again)?.0 == delta, "one thread");
    check(&delta, first, to)?;
    check(&plain, first, to)
}

#[test]
fn small_archives_share_a_group_and_are_found_again() -> Outcome {
    let packed = |round| -> Result<Vec<Vec<u8>>, AnyError> {
        let names = ["one", "two", "three"].into_iter();
        let content = |name: &str| [name.as_bytes(), &text(round)].concat();
        names.map(|name| gzip(&content(name))).collect()
    };
    let (one, two) = (packed(1)?, packed(2)?);
    let first: Files<'_> = &[("a.gz", &one[0]), ("b.gz", &one[1]), ("c.gz", &one[2])];
    let second: Files<'_> = &[("a.gz", &two[0]), ("b.gz", &two[1]), ("c.gz", &two[2])];
    let maker = published(&[first, second])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let (delta, summary) = made(&maker, Some(from), to)?;
    assert_eq!((summary.patched, summary.remembered), (3, 0));
    let shown = show(&PackReader::open(&delta[..])?)?;
    let contents = shown.steps.iter().filter_map(|step| step.put.as_ref());
    let is_in_first =
        |put: &crate::object::script::Put| matches!(put.content, Content::Archive { group: 0, .. });
    assert!(contents.clone().count() == 3 && contents.clone().all(is_in_first));
    check(&delta, first, to)?;
    let (again, summary) = made(&maker, Some(from), to)?;
    assert!(again == delta && summary.remembered == 1);
    // What is kept of the files is enough for another base; without it the delta is the same.
    let cache = maker.root().join("cache");
    let (back, _) = made(&maker, Some(to), from)?;
    std::fs::remove_dir_all(&cache)?;
    std::fs::create_dir(&cache)?;
    assert!(made(&maker, Some(to), from)?.0 == back);
    Ok(())
}

#[test]
fn an_archive_may_be_stored_as_chunks() -> Outcome {
    let noise = large_file()?;
    let file = |round| gzip(&[&noise[..], &text(round)].concat());
    let (one, two) = (file(1)?, file(2)?);
    let first: Files<'_> = &[("a.gz", &one)];
    let maker = published(&[first, &[("a.gz", &two)]])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let (delta, _) = made(&maker, Some(from), to)?;
    assert_eq!(archives(&delta)?, 1);
    check(&delta, first, to)
}

#[test]
fn archives_that_cannot_be_made_again_leave_the_delta_as_it_was() -> Outcome {
    let file = |round: u8| -> Result<Vec<u8>, AnyError> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        for part in 0..50_u8 {
            out.write_all(&[part ^ round, 3, 1].repeat(500))?;
            out.flush()?;
        }
        Ok(out.finish()?)
    };
    let (one, two) = (file(1)?, file(2)?);
    let maker = published(&[&[("a.gz", &one)], &[("a.gz", &two)]])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    assert!(made(&maker, Some(from), to)?.0 == without(&maker, from, to)?);
    Ok(())
}
