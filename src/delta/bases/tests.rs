//! Which contents bases are looked for, and what is found of them.

use super::*;
use crate::base::progress::Silent;
use crate::build::sandbox::{AnyError, Sandbox};
use crate::build::testing::noise;

type Outcome = std::result::Result<(), AnyError>;

const FILES: usize = 64;
const FILE_BYTES: usize = 4000;
/// Of so many files one is in the sample.
const STRIDE: usize = 8;

/// How many new files find a base, out of [`FILES`] of which those that `is_copy` are edited copies of old ones.
fn found(is_copy: fn(usize) -> bool, sample_bytes: u64) -> std::result::Result<usize, AnyError> {
    let all = noise(2 * FILES * FILE_BYTES);
    let (old, strange) = all.split_at(FILES * FILE_BYTES);
    let old: Vec<&[u8]> = old.chunks(FILE_BYTES).collect();
    let new = strange.chunks(FILE_BYTES).enumerate();
    let new: Vec<Vec<u8>> = new
        .map(|(number, strange)| {
            if is_copy(number) {
                [b"edited", old[number]].concat()
            } else {
                strange.to_vec()
            }
        })
        .collect();
    let names: Vec<String> = (0..FILES).map(|number| format!("{number:03}")).collect();
    let kept = |number: usize| format!("kept/{}", names[number]);
    let kept: Vec<String> = (0..FILES).map(kept).collect();
    let a: Vec<(&str, &[u8])> = kept.iter().map(|name| &name[..]).zip(old).collect();
    let added = names.iter().map(|name| &name[..]);
    let added = added.zip(new.iter().map(|content| &content[..]));
    let b: Vec<(&str, &[u8])> = a.iter().copied().chain(added).collect();
    let mut sandbox = Sandbox::with_repo()?;
    let mut trees = Vec::new();
    for files in [&a, &b] {
        sandbox.replace("main", "stable", files)?;
        let reader = sandbox.store()?.reader()?;
        let releases = reader.releases(&reader.repo(&"main".parse()?)?, &"stable".parse()?)?;
        trees.extend(releases.last().map(|release| release.snapshot));
    }
    let view = sandbox.store()?.view(&"main".parse()?, &[])?;
    let [a, b] = [0, 1].map(|side| view.snapshot_of_size(trees[side]));
    let (a, b) = (a?.tree, b?.tree);
    let mut plan = Plan::of(&view, a, b)?;
    let bounds = Bounds {
        sample_bytes,
        ..Bounds::DEFAULT
    };
    find_by_content(&view, a, &mut plan, &bounds, &Silent)?;
    let mut with_base = 0;
    for wanted in plan.wanted.iter().filter(|wanted| !wanted.bases.is_empty()) {
        let number = names.iter().position(|name| {
            let path = &plan.steps[wanted.step].path;
            path.to_string() == *name
        });
        let number = number.ok_or("a new file")?;
        assert_eq!(wanted.bases[0].path.to_string(), kept[number]);
        with_base += 1;
    }
    Ok(with_base)
}

#[test]
fn what_is_like_nothing_in_the_sample_is_not_looked_for_further() -> Outcome {
    let a_part = (FILES * FILE_BYTES / STRIDE) as u64;
    let all = (FILES * FILE_BYTES * 2) as u64;
    assert_eq!(found(|_| true, a_part)?, FILES);
    assert_eq!(found(|number| number == STRIDE, a_part)?, 1);
    let others = |number: usize| !number.is_multiple_of(STRIDE);
    assert_eq!(
        found(others, a_part)?,
        0,
        "all that have a base are left out"
    );
    assert_eq!(found(others, all)?, FILES - FILES / STRIDE);
    let half = |number: usize| number > FILES / 2;
    assert_eq!(found(half, a_part)?, FILES / 2 - 1);
    Ok(())
}
