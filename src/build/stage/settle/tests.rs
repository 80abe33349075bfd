//! Directories that are published: found as such, and not read again.
//!
//! # Invariants
//!
//! - A stat cache that lies shows what was read: ids of what was read are right, those of what was believed are not.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::base::path::TreePath;
use crate::base::progress::Silent;
use crate::build::sandbox::{AnyError, Sandbox, time, write_files};
use crate::build::stage::cache::cache_path;
use crate::build::stage::listing::Source;
use crate::build::stage::remember::encode;
use crate::build::stage::{StageAnswer, StageOptions, stage};
use crate::disk::exclude::Excludes;
use crate::disk::whole::write_whole;
use crate::object::directory::{self, find_path};
use crate::store::rows::Operation;

/// Four directories: the root, `a`, `b` and `b/c`, in the order of a listing.
const FILES: [(&str, &[u8]); 5] = [
    ("top", b"0"),
    ("a/1", b"1"),
    ("a/2", b"2"),
    ("b/c/3", b"3"),
    ("b/c/4", b"4"),
];

fn walked(folder: &Path) -> Result<Source> {
    Source::open(folder, &TreePath::root(), &Excludes::none())
}

/// The true id of each file, in the order of the listing.
fn true_ids() -> Vec<Option<Hash>> {
    let ids = FILES.iter().map(|(_, bytes)| Some(Hash::of(bytes)));
    ids.collect()
}

#[test]
fn the_largest_directories_are_found_whose_trees_are_published() -> Result<(), AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.publish("main", "stable", &FILES)?;
    let folder = tempfile::tempdir()?;
    write_files(folder.path(), &FILES)?;
    let source = walked(folder.path())?;
    let view = sandbox.store()?.view(&"main".parse()?, &[])?;
    let check = |file: usize, id: Option<Hash>, expected: &[[usize; 4]], reason: &str| {
        let mut ids = true_ids();
        ids[file] = id;
        let settled = settle(&view, source.contents(), &ids)?.into_iter();
        let found: Vec<[usize; 4]> = settled
            .map(|(dir, settled)| [dir, settled.first_file, settled.files, settled.dirs])
            .collect();
        assert_eq!(found, expected, "{reason}");
        Ok::<_, AnyError>(())
    };
    let (all, a, b) = ([0, 0, 5, 4], [1, 1, 2, 1], [2, 3, 2, 2]);
    check(0, true_ids()[0], &[all], "the root has all the others")?;
    check(0, None, &[a, b], "a file of the root is not known")?;
    check(1, None, &[b], "a file in a is not known")?;
    check(2, Some(Hash::of(b"x")), &[b], "no such a is published")?;
    check(4, None, &[a], "neither b nor c are known")?;
    Ok(())
}

#[test]
fn a_tree_that_only_a_build_has_settles_nothing() -> Result<(), AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    let build = sandbox.stage("main", "stable", &FILES)?;
    let folder = tempfile::tempdir()?;
    write_files(folder.path(), &FILES)?;
    let view = sandbox.store()?.view(&build.repo, &[build.id])?;
    let source = walked(folder.path())?;
    let settled = settle(&view, source.contents(), &true_ids())?;
    assert!(settled.is_empty(), "{settled:?}");
    Ok(())
}

/// The stat cache of a walked directory.
fn place_of_cache(source: &Source) -> Result<PathBuf, AnyError> {
    let directory = source.directory().ok_or("a directory was walked")?;
    Ok(cache_path(directory, &Excludes::none()))
}

/// Writes the stat cache that a staging of `folder` would leave long after the last change, with these ids.
fn remember_as(sandbox: &Sandbox, folder: &Path, ids: &[Option<Hash>]) -> Result<(), AnyError> {
    let source = walked(folder)?;
    let bytes = encode(Vec::new(), source.contents(), ids, i64::MAX)?;
    let disk = sandbox.store()?.disk();
    Ok(write_whole(disk, &place_of_cache(&source)?, &bytes)?)
}

/// The bytes of the stat cache of `folder`.
fn cache_of(sandbox: &Sandbox, folder: &Path) -> Result<Vec<u8>, AnyError> {
    let path = place_of_cache(&walked(folder)?)?;
    Ok(sandbox.store()?.disk().map(&path)?.to_vec())
}

/// Stages `folder` into an open build; says what was new, and which ids `files` have now.
fn stage_again(
    sandbox: &Sandbox,
    build: u64,
    folder: &Path,
    files: &[&str],
) -> Result<(StageAnswer, Vec<Hash>), AnyError> {
    let store = sandbox.store()?;
    let (paths, options) = ([folder.to_owned()], StageOptions::default());
    let answer = stage(store, build, &paths, &options, &Silent, time(9)?)?;
    let Some(Operation::Merge { tree, .. }) = store.operations(build)?.pop() else {
        return Err("a directory was merged".into());
    };
    let view = store.view(&"main".parse()?, &[build])?;
    let mut ids = Vec::new();
    for file in files {
        match find_path(&view, tree.into(), &file.parse()?)? {
            Some(directory::Found::Entry(entry)) => ids.push(entry.id()),
            _ => return Err(format!("{file} was staged").into()),
        }
    }
    Ok((answer, ids))
}

#[test]
fn a_directory_whose_tree_is_published_is_not_read_and_takes_in_nothing() -> Result<(), AnyError> {
    let mut sandbox = Sandbox::with_repo()?;
    // Published is 1 in a/2 and 2 in a/1; the folder has them the other way round, and the cache says what is published.
    let mut swapped = FILES;
    (swapped[1].1, swapped[2].1) = (FILES[2].1, FILES[1].1);
    sandbox.publish("main", "stable", &swapped)?;
    let build = sandbox.stage("main", "stable", &[("other", b"other")])?.id;
    let folder = tempfile::tempdir()?;
    write_files(folder.path(), &FILES)?;
    let mut lies = true_ids();
    lies.swap(1, 2);
    let names = ["a/1", "a/2", "b/c/3"];
    let [one, two, three] = [b"1", b"2", b"3"].map(|bytes| Hash::of(bytes));

    remember_as(&sandbox, folder.path(), &lies)?;
    let remembered = cache_of(&sandbox, folder.path())?;
    let (answer, ids) = stage_again(&sandbox, build, folder.path(), &names)?;
    assert_eq!(ids, [two, one, three], "no file was read");
    assert_eq!((answer.files, answer.new_objects), (5, 0));
    assert_eq!(answer.stored_bytes, 0, "there is no pack");
    let kept = cache_of(&sandbox, folder.path())?;
    assert_eq!(kept, remembered, "a cache that is right is left alone");

    fs::write(folder.path().join("b/c/3"), b"changed")?;
    let (answer, ids) = stage_again(&sandbox, build, folder.path(), &names)?;
    assert_eq!(
        ids,
        [two, one, Hash::of(b"changed")],
        "only b was looked at"
    );
    assert_eq!(answer.new_objects, 4, "the file, c, b and the root");
    Ok(())
}
