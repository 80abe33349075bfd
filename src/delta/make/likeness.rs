//! Releases whose new files are like files of the first one that have another name.

use super::tests::{Files, applied, made, published, snapshots};
use super::*;
use crate::build::sandbox::{AnyError, large_file};
use crate::build::testing::noise;
use crate::delta::show::{Planned, plan};

type Outcome = Result<(), AnyError>;

/// Makes the delta between two releases, and applies it where only the first is known.
fn delta(a: Files<'_>, b: Files<'_>) -> Result<(Vec<u8>, DeltaSummary), AnyError> {
    let maker = published(&[a, b])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let (delta, summary) = made(&maker, Some(from), to)?;
    let build = applied(&published(&[a])?, &delta)?;
    let committed = build.committed.map(|committed| committed.snapshot);
    assert_eq!(committed, Some(to));
    Ok((delta, summary))
}

#[test]
fn a_copy_that_was_edited_is_a_patch_of_what_it_was_copied_from() -> Outcome {
    // A file of 6 MB, copied under another name and edited, took 1.5 MB: only files that were gone could be its base.
    let original = noise(400_000);
    let mut copy = original.clone();
    copy.splice(200_000..200_010, *b"edited and longer than before");
    let readme = b"some other file".repeat(10_000);
    let a: Files<'_> = &[("bin/original.bin", &original), ("readme", &readme)];
    let b: Files<'_> = &[
        ("bin/original.bin", &original),
        ("other/copy", &copy),
        ("readme", &readme),
    ];
    let (delta, summary) = delta(a, b)?;
    assert_eq!((summary.patched, summary.whole), (1, 0));
    assert!(delta.len() < 3000, "{}", delta.len());
    Ok(())
}

#[test]
fn a_large_file_with_another_name_is_a_patch_of_the_one_that_is_gone() -> Outcome {
    // An executable of 96 MB that was given another name came whole: bases were looked for up to 8 MiB.
    let old = large_file()?;
    let new = [
        b"another start",
        &old[20..5_000_000],
        b"inserted",
        &old[5_000_000..],
        b"and another end",
    ]
    .concat();
    let maker = published(&[&[("oldname", &old)], &[("tool", &new)]])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let view = maker.store()?.view(&"main".parse()?, &[])?;
    let planned = plan(&view, from, to)?;
    let bases: Vec<_> = planned.iter().flat_map(|planned| &planned.bases).collect();
    assert_eq!(bases, [&"oldname".parse()?]);
    Ok(())
}

#[test]
fn a_base_that_is_far_too_short_is_not_the_only_one() -> Outcome {
    let (content, stub) = (noise(300_000), b"a stub of a few bytes");
    let new = [&content[..150_000], b"edited", &content[150_000..]].concat();
    let a: Files<'_> = &[("here", stub), ("there", &content)];
    let b: Files<'_> = &[("here", &new), ("there", &content)];
    let (delta, summary) = delta(a, b)?;
    assert_eq!((summary.patched, summary.whole), (1, 0));
    assert!(delta.len() < 3000, "{}", delta.len());
    Ok(())
}

#[test]
fn what_is_planned_does_not_depend_on_threads() -> Outcome {
    let known = noise(900_000);
    let piece = |number: usize, bytes: usize| known[number * 5000..][..bytes].to_vec();
    let name = |round: usize, number: usize| match number % 3 {
        0 => format!("d{}/kept-{number}.bin", number % 7),
        1 => format!("round{round}/x{}", number * round),
        _ => format!("r{round}-{number}/words.txt"),
    };
    let release = |round: usize| -> Vec<(String, Vec<u8>)> {
        let file = |number: usize| {
            let mut content = piece(number, 2000 + 700 * (number % 40));
            if !number.is_multiple_of(3) {
                let at = content.len() / 2;
                content.splice(at..at, format!("round {round}").into_bytes());
            }
            (name(round, number), content)
        };
        (0..100).map(file).collect()
    };
    let releases = [release(1), release(2)];
    let [a, b] = releases.each_ref().map(|files| {
        let files = files.iter();
        let files = files.map(|(name, bytes)| (&name[..], &bytes[..]));
        files.collect::<Vec<_>>()
    });
    let maker = published(&[&a, &b])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let with_threads = |threads| -> Result<Vec<_>, AnyError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let plan = || {
            let view = maker.store()?.view(&"main".parse()?, &[])?;
            Ok::<_, AnyError>(plan(&view, from, to)?)
        };
        let planned = pool
            .build()?
            .install(|| plan().map_err(|error| error.to_string()));
        let bases = planned?
            .into_iter()
            .map(|Planned { step, bases, .. }| (step.path, bases));
        Ok(bases.collect())
    };
    let one = with_threads(1)?;
    let found = one.iter().filter(|(_, bases)| !bases.is_empty()).count();
    assert!(found > 60, "{found} of {}", one.len());
    assert!(one == with_threads(2)?);
    assert!(one == with_threads(7)?);
    Ok(())
}
