//! Releases of many files of all kinds, which follow from each other.

use super::tests::{Files, applied, complete_from_nothing, made, snapshots};
use super::*;
use crate::base::error::Kind;
use crate::base::progress::Silent;
use crate::build::commit::commit;
use crate::build::sandbox::{AnyError, Sandbox, time};
use crate::build::testing::noise;
use crate::delta::unpack::{Route, unpack};
use crate::object::frame_builder::FrameBuilder;
use crate::object::pack_reader::PackReader;
use crate::object::pack_writer::PackWriter;
use crate::object::script_frame::{DeltaFrame, seal_group, seal_text};
use crate::store::rows::BuildRow;

type Outcome = Result<(), AnyError>;

/// Contents of many kinds, which change a little from round to round.
fn many_files(round: usize) -> Vec<(String, Vec<u8>)> {
    let text = |number: usize, lines: usize| -> Vec<u8> {
        let line = |line: usize| {
            let is_changed = line % 37 == (round * number) % 37;
            let marker = if is_changed { round } else { 0 };
            format!("line {line} of file {number}, changed in round {marker}\n")
        };
        (0..lines).map(line).collect::<String>().into_bytes()
    };
    let mut files = Vec::new();
    for number in 0..60 {
        let name = match number % 5 {
            0 => format!("same/{number}.txt"),
            1 => format!("lib/lib{number}_1.{round}.so"),
            2 => format!("moved-{}/{number}.txt", round % 3),
            3 => format!("round/{}", number * round),
            _ => format!("bin/tool-{number}*"),
        };
        let lines = if number % 5 == 0 { 10 } else { 3 + number * 40 };
        files.push((name, text(number + 1, lines)));
    }
    let link = format!("link-{}@", round % 2);
    files.push((link, format!("target-{round}").into_bytes()));
    let known = noise(300_000 + 1000 * round);
    let changed = [&known[round * 100..], b"end"].concat();
    files.push((format!("unlike-{round}"), changed));
    files
}

fn release(sandbox: &mut Sandbox, round: usize) -> Outcome {
    let files = many_files(round);
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (&name[..], &bytes[..]))
        .collect();
    sandbox.replace("main", "stable", &files)?;
    Ok(())
}

/// A store with the releases of the first rounds, and their snapshots.
fn released(rounds: usize) -> Result<(Sandbox, Vec<SnapshotRef>), AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    for round in 1..=rounds {
        release(&mut sandbox, round)?;
    }
    let snapshots = snapshots(&sandbox)?;
    Ok((sandbox, snapshots))
}

#[test]
fn releases_follow_from_each_other_and_the_bytes_do_not_depend_on_threads() -> Outcome {
    let (maker, snapshots) = released(4)?;
    for (a, b) in [(0, 1), (2, 1), (0, 3)] {
        let (from, to) = (Some(snapshots[a]), snapshots[b]);
        let with_threads = |threads| -> Result<(Vec<u8>, DeltaSummary), AnyError> {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()?;
            let made = || made(&maker, from, to).map_err(|error| error.to_string());
            Ok(pool.install(made)?)
        };
        let (delta, summary) = with_threads(1)?;
        // Nothing is remembered of what another number of threads made.
        forget(&maker)?;
        assert!(delta == with_threads(2)?.0, "{a} to {b}");
        forget(&maker)?;
        assert!(delta == with_threads(7)?.0, "{a} to {b}");
        assert!(summary.patched > 20, "{summary:?}");
        let (whole, _) = made(&maker, None, to)?;
        let bytes = (delta.len(), whole.len());
        assert!(bytes.0 * 2 < bytes.1, "{bytes:?}");
        let (receiver, _) = released(a + 1)?;
        let build = applied(&receiver, &delta)?;
        let committed = build.committed.map(|committed| committed.snapshot);
        assert_eq!(committed, Some(to));
        let view = receiver.store()?.view(&build.repo, &[build.id])?;
        assert!(complete_from_nothing(&view, to)? > 60);
    }
    Ok(())
}

/// Removes what the store keeps because it can be made again.
fn forget(sandbox: &Sandbox) -> Outcome {
    for file in std::fs::read_dir(sandbox.root().join("cache"))? {
        std::fs::remove_file(file?.path())?;
    }
    Ok(())
}

#[test]
fn a_delta_that_was_made_before_is_remembered() -> Outcome {
    let (sandbox, snapshots) = released(2)?;
    let (from, to) = (snapshots[0], snapshots[1]);
    let (first, made_first) = made(&sandbox, Some(from), to)?;
    let (again, made_again) = made(&sandbox, Some(from), to)?;
    assert!(first == again);
    assert_eq!(made_first.remembered, 0);
    assert_eq!(made_again.remembered, 2, "small files and others");
    let (_, backwards) = made(&sandbox, Some(to), from)?;
    assert_eq!(backwards.remembered, 0);
    Ok(())
}

/// Every file of a store but the catalog, with its bytes.
fn files_of(sandbox: &Sandbox) -> Result<Vec<(std::path::PathBuf, Vec<u8>)>, AnyError> {
    let mut files = Vec::new();
    let mut folders = ["packs", "tmp"]
        .map(|name| sandbox.root().join(name))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), std::fs::read(path)?));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[test]
fn a_damaged_delta_is_refused_and_leaves_nothing_behind() -> Outcome {
    let (maker, snapshots) = released(2)?;
    let (delta, _) = made(&maker, Some(snapshots[0]), snapshots[1])?;
    let (receiver, _) = released(1)?;
    let before = files_of(&receiver)?;
    let cuts = (0..delta.len()).step_by(delta.len() / 40);
    let cut = cuts.map(|end| delta[..end].to_vec());
    let flips = (0..delta.len()).step_by(delta.len() / 60 + 1);
    let flipped = flips.map(|at| {
        let mut bad = delta.clone();
        bad[at] ^= 1 << (at % 8);
        bad
    });
    for (number, bad) in cut.chain(flipped).enumerate() {
        let refused = applied(&receiver, &bad);
        let kind = refused.err().map(|error| error.kind());
        // A changed salt names a snapshot that is not there.
        let is_refused = matches!(kind, Some(Kind::Integrity | Kind::NotFound));
        assert!(is_refused, "case {number}: {kind:?}");
    }
    assert!(files_of(&receiver)? == before, "nothing is left over");
    assert_eq!(receiver.store()?.reader()?.builds()?.len(), 1);
    applied(&receiver, &delta)?;
    Ok(())
}

#[test]
fn a_delta_needs_the_snapshot_that_it_starts_from() -> Outcome {
    let (maker, snapshots) = released(3)?;
    let (delta, _) = made(&maker, Some(snapshots[1]), snapshots[2])?;
    let (receiver, _) = released(1)?;
    let before = files_of(&receiver)?;
    let missing = applied(&receiver, &delta).err().ok_or("it is refused")?;
    assert_eq!(missing.kind(), Kind::NotFound, "{missing}");
    let (store, repo) = (receiver.store()?, receiver.repo("main")?);
    let view = store.view(&repo.name, &[])?;
    // Whoever says that it starts from another snapshot is told so.
    let (pack, mut intake) = (PackReader::open(&delta)?, store.intake());
    let route = Route {
        from: Some(snapshots[0]),
        to: None,
    };
    let wrong = unpack(&pack, route, &view, &mut intake, &Silent);
    assert!(wrong.is_err_and(|error| error.to_string().contains("another snapshot")));
    // Whoever wants another one follows nothing: the snapshot that it starts from is not even looked for.
    let route = Route {
        from: Some(snapshots[1]),
        to: Some(snapshots[1]),
    };
    let wrong = unpack(&pack, route, &view, &mut intake, &Silent);
    let told = wrong.err().map(|error| error.to_string());
    let expected = format!(
        "another snapshot, {} instead of {}",
        snapshots[2].id, snapshots[1].id
    );
    assert!(
        told.as_ref().is_some_and(|told| told.contains(&expected)),
        "{told:?}"
    );
    drop(intake);
    assert!(files_of(&receiver)? == before);
    Ok(())
}

#[test]
fn a_delta_from_an_unpublished_build_makes_a_build_that_does_not_depend_on_it() -> Outcome {
    let files: Files<'_> = &[("a", b"one content"), ("b", b"another")];
    let changed: Files<'_> = &[("a", b"one content"), ("b", b"another one")];
    let committed = |sandbox: &mut Sandbox, files: Files<'_>| -> Result<BuildRow, AnyError> {
        let build = sandbox.stage("main", "stable", files)?;
        Ok(commit(sandbox.store()?, build.id, "", time(7)?)?)
    };
    let snapshot = |build: &BuildRow| build.committed.map(|committed| committed.snapshot);
    let mut maker = Sandbox::with_repo()?;
    let (one, two) = (
        committed(&mut maker, files)?,
        committed(&mut maker, changed)?,
    );
    let view = maker.store()?.view(&one.repo, &[one.id, two.id])?;
    let (mut delta, to) = (Vec::new(), snapshot(&two).ok_or("committed")?);
    let options = MakeOptions::default();
    make(&view, snapshot(&one), to, &options, &mut delta, &Silent)?;
    let mut receiver = Sandbox::with_repo()?;
    let base = committed(&mut receiver, files)?;
    assert_eq!(snapshot(&base), snapshot(&one));
    let build = applied(&receiver, &delta)?;
    receiver.store()?.purge_build(base.id, time(8)?)?;
    let view = receiver.store()?.view(&build.repo, &[build.id])?;
    assert_eq!(complete_from_nothing(&view, to)?, 2);
    Ok(())
}

#[test]
fn a_delta_with_more_than_its_snapshot_needs_is_refused() -> Outcome {
    let (maker, snapshots) = released(1)?;
    let (delta, _) = made(&maker, None, snapshots[0])?;
    let (pack, mut packing) = (PackReader::open(&delta)?, Vec::new());
    let mut writer = PackWriter::new(&mut packing, pack.salt())?;
    let entries = pack.entries_by_place()?;
    for (number, entries) in
        (0..).zip(entries.chunk_by(|a, b| a.location.frame == b.location.frame))
    {
        writer.append(&pack.sealed_frame(number, entries)?)?;
    }
    let mut more = FrameBuilder::new();
    more.push(
        ObjectKind::Blob,
        crate::base::id::Hash::of(b"more"),
        b"more",
    )?;
    writer.append(&more.seal()?)?;
    writer.finish()?;
    let receiver = Sandbox::with_repo()?;
    let refused = applied(&receiver, &packing).err().ok_or("it is refused")?;
    assert_eq!(refused.kind(), Kind::Integrity);
    assert!(refused.to_string().contains("does not need"), "{refused}");
    assert!(files_of(&receiver)?.is_empty());
    applied(&receiver, &delta)?;
    Ok(())
}

/// The delta with another script, or, without a text, with none.
fn with_script(delta: &[u8], text: &str) -> Result<Vec<u8>, AnyError> {
    let (pack, mut forged) = (PackReader::open(delta)?, Vec::new());
    let mut writer = PackWriter::new(&mut forged, pack.salt())?;
    let entries = pack.entries_by_place()?;
    for number in 0..pack.frames() {
        match pack.delta_part(number)? {
            DeltaFrame::Whole => {
                let own = entries
                    .iter()
                    .filter(|entry| entry.location.frame == number);
                let own: Vec<_> = own.copied().collect();
                writer.append(&pack.sealed_frame(number, &own)?)?;
            }
            DeltaFrame::Group(group) => {
                let (contents, bytes) = (group.contents as usize, group.bytes.into());
                writer.append(&seal_group(group.patch, contents, bytes)?)?;
            }
            DeltaFrame::Text(_) => {}
        }
    }
    for part in seal_text(text)? {
        writer.append(&part)?;
    }
    writer.finish()?;
    Ok(forged)
}

#[test]
fn a_script_that_claims_what_is_not_so_is_refused_and_leaves_nothing_behind() -> Outcome {
    let old = noise(2000);
    let mut new = old.clone();
    new[1000] ^= 1;
    let files: Files<'_> = &[("a", &old), ("d/b", b"another")];
    let changed: Files<'_> = &[("a", &new), ("new", b"it is new")];
    let sandbox = |releases: &[Files<'_>]| super::tests::published(releases);
    let maker = sandbox(&[files, changed])?;
    let all = snapshots(&maker)?;
    let (delta, _) = made(&maker, Some(all[0]), all[1])?;
    let receiver = sandbox(&[files])?;
    let before = files_of(&receiver)?;
    let good = "bindery script 1\nf p 0 0 a\n- d\nf n 0 9 new\n";
    assert!(
        with_script(&delta, good)? == delta,
        "the script is the one that was made"
    );
    for (bad, reason) in [
        (String::new(), "groups without a script"),
        (
            good.replace("n 0 9", "n 0 999999999999"),
            "more than may be made",
        ),
        (
            good.replace("n 0 9", "n 0 18446744073709551615"),
            "more than there can be",
        ),
        (good.replace("n 0 9", "n 0 8"), "less than the group makes"),
        (good.replace("n 0 9", "n 1 9"), "a group that is not there"),
        (good.replace("p 0 0", "p 0 -2001"), "fewer bytes than none"),
        (
            good.replace("p 0 0 a", "p 0 0 absent"),
            "a base that is not there",
        ),
        (good.replace("p 0 0 a", "p 0 0 d"), "a directory as a base"),
        (good.replace("f n 0 9 new\n", ""), "a content too few"),
        (good.replace("- d\n", ""), "something left that should go"),
        (good.replace(" new\n", " other\n"), "another name"),
        (good.replace("f n", "x n"), "another mode"),
        (good.replace("script 1", "script 2"), "another version"),
    ] {
        let refused = applied(&receiver, &with_script(&delta, &bad)?);
        let kind = refused.err().map(|error| error.kind());
        assert_eq!(kind, Some(Kind::Integrity), "{reason}");
        assert!(files_of(&receiver)? == before, "{reason}");
    }
    applied(&receiver, &delta)?;
    Ok(())
}
