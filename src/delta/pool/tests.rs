//! Pools of trees in memory: which files are in them, and which are read.

use super::*;
use crate::base::limits::BLOB_BYTES_MAX;
use crate::base::progress::Silent;
use crate::object::edit::Child;
use crate::object::memory::{AnyError, MemoryTrees, directory, file};

type Outcome = Result<(), AnyError>;

/// Bounds that are no hindrance.
const FREE: Bounds = Bounds {
    files_max: 1000,
    wanted_bytes_min: 1,
    wanted_bytes_max: BLOB_BYTES_MAX,
    read_bytes_min: BLOB_BYTES_MAX,
    gone_per_wanted: 1,
    others_per_wanted: 1,
    look_bytes: 0,
    sample_bytes: BLOB_BYTES_MAX,
};

/// Files, each by its name and how many bytes it has; all are different.
fn children(files: &[(&str, usize)]) -> Result<Vec<Child>, AnyError> {
    let child = |(name, bytes): &(&str, usize)| file(name, &format!("{name:_>bytes$}"));
    files.iter().map(child).collect()
}

/// What is read of a tree with the files `gone`, and `kept` in a directory `d`, for contents that are new.
fn read(
    gone: &[(&str, usize)],
    kept: &[(&str, usize)],
    new: &[(&str, usize)],
    bounds: &Bounds,
) -> Result<Vec<String>, AnyError> {
    let trees = MemoryTrees::default();
    let kept = trees.directory(children(kept)?)?;
    let root = |files: Vec<Child>| -> Result<TreeRef, AnyError> {
        let files = files.into_iter().chain([directory("d", kept)?]);
        Ok(trees.directory(files)?.tree)
    };
    let (a, b) = (root(children(gone)?)?, root(children(new)?)?);
    let plan = Plan::of(&trees, a, b)?;
    let lonely = plan.wanted.iter().map(|wanted| Lonely {
        path: &plan.steps[wanted.step].path,
        bytes: wanted.bytes,
    });
    let lonely: Vec<Lonely<'_>> = lonely.collect();
    let pool = Pool::of(&trees, a, &plan, &lonely, bounds, &Silent)?;
    let mut reading = Reading::new(&pool, bounds);
    let likely = reading.more(&lonely).into_iter();
    Ok(likely
        .map(|file| pool.file(file).path.to_string())
        .collect())
}

#[test]
fn what_is_gone_is_read_first_and_what_is_near_next() -> Outcome {
    let kept = [
        ("a.bin", 1000),
        ("b.txt", 950),
        ("new-1.txt", 5000),
        ("c.txt", 20_000),
    ];
    for (gone, new, bounds, expected, reason) in [
        (
            &[("g", 3000), ("h", 30)][..],
            &[("new-2.txt", 1000)][..],
            FREE,
            &["g", "h", "d/a.bin", "d/b.txt", "d/new-1.txt"][..],
            "all but what is far too long",
        ),
        (
            &[("g", 3000), ("h", 900)],
            &[("new-2.txt", 1000)],
            Bounds {
                read_bytes_min: 0,
                ..FREE
            },
            &["h", "d/b.txt"],
            "the nearest, as far as there is room",
        ),
        (
            &[],
            &[("new-2.txt", 1000)],
            Bounds {
                others_per_wanted: 6,
                read_bytes_min: 0,
                ..FREE
            },
            &["d/b.txt", "d/new-1.txt"],
            "the same name, then the same kind, then any",
        ),
        (
            &[],
            &[("new-2.txt", 1000)],
            Bounds {
                read_bytes_min: 0,
                others_per_wanted: 2,
                look_bytes: 60,
                ..FREE
            },
            &["d/b.txt"],
            "what shares a frame counts",
        ),
        (
            &[("g", 100), ("h", 90)],
            &[("new-2.txt", 1000)],
            Bounds {
                files_max: 3,
                ..FREE
            },
            &["g", "h", "d/new-1.txt"],
            "so many files",
        ),
        (
            &[("g", 100)],
            &[("new-2.txt", 100)],
            FREE,
            &["g"],
            "too little is new to go through all files",
        ),
    ] {
        assert_eq!(read(gone, &kept, new, &bounds)?, expected, "{reason}");
    }
    Ok(())
}

#[test]
fn the_nearest_in_size_come_first_and_share_a_word() {
    let order = Order(vec![
        (1, 10, 0),
        (2, 5, 1),
        (2, 20, 2),
        (2, 21, 3),
        (2, 40, 4),
        (3, 20, 5),
    ]);
    assert_eq!(order.nearest(2, 20, 9), [2, 3, 1, 4]);
    assert_eq!(order.nearest(2, 100, 9), [4, 3, 2, 1]);
    assert_eq!(order.nearest(2, 0, 9), [1, 2, 3, 4]);
    assert_eq!(order.nearest(4, 20, 9), [0; 0]);
    let many = (0..100).map(|number| (1, number as u64, number)).collect();
    assert_eq!(Order(many).nearest(1, 50, 8).len(), 8);
}

#[test]
fn sizes_are_alike_up_to_a_factor() {
    let path = TreePath::root();
    let lonely = [1000, 100_000].map(|bytes| Lonely { path: &path, bytes });
    let sizes = Sizes::of(&lonely);
    for (bytes, expected) in [
        (124, false),
        (125, true),
        (8007, true),
        (8008, false),
        (12_499, false),
        (12_500, true),
        (800_000, true),
        (900_000, false),
        (u64::MAX, false),
    ] {
        assert_eq!(sizes.have_like(bytes), expected, "{bytes}");
    }
}
