//! Stagings of real directories.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::cache::cache_path;
use super::remember::encode;
use super::*;
use crate::base::id::{BlobId, Hash};
use crate::base::progress::Silent;
use crate::build::testing::{Outcome, Scene, noise};
use crate::disk::whole::write_whole;
use crate::object::directory::{Found, find_path};
use crate::object::tree::{EntryKind, TreeRef};
use crate::object::walk::{self, Step};

/// Every file and empty directory of a staged tree: its letter, and its bytes.
fn contents(scene: &Scene, tree: TreeRef) -> Result<BTreeMap<String, (char, Vec<u8>)>> {
    let view = scene.view()?;
    let mut found = BTreeMap::new();
    walk::walk(&view, tree, &mut |path, entry| {
        let mut bytes = Vec::new();
        if entry.kind() == EntryKind::Directory {
            if entry.tree_ref() != Some(TreeRef::empty()) {
                return Ok(Step::Into);
            }
        } else {
            view.read_blob(BlobId::new(entry.id()), entry.size(), &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
        }
        found.insert(path.to_string(), (entry.kind().letter(), bytes));
        Ok(Step::Into)
    })?;
    Ok(found)
}

fn stage_with(scene: &Scene, paths: &[&Path], options: &StageOptions) -> Result<StageAnswer> {
    let paths: Vec<_> = paths.iter().map(|path| path.to_path_buf()).collect();
    stage(
        &scene.store,
        scene.build,
        &paths,
        options,
        &Silent,
        scene.time,
    )
}

fn stage_all(scene: &Scene) -> Result<StageAnswer> {
    stage_with(scene, &[&scene.source()], &StageOptions::default())
}

/// The tree of the last operation.
fn last_tree(scene: &Scene) -> Result<TreeRef> {
    match scene.store.operations(scene.build)?.pop() {
        Some(Operation::Merge { tree, .. } | Operation::Replace { tree, .. }) => Ok(tree.into()),
        other => Err(Error::internal(format!("no staging but {other:?}"))),
    }
}

#[test]
fn a_staged_directory_is_what_it_was() -> Outcome {
    let scene = Scene::new()?;
    let large = noise(20 << 20);
    for (path, bytes) in [
        ("a", b"same".as_slice()),
        ("deep/er/b", b"same"),
        ("deep/c", b""),
        ("deep/large", &large),
        ("zeros", &vec![0; 9 << 20]),
        ("z", b"after the large ones"),
    ] {
        scene.write(path, bytes)?;
    }
    fs::set_permissions(scene.source().join("a"), fs::Permissions::from_mode(0o700))?;
    fs::create_dir(scene.source().join("deep/empty"))?;
    symlink("../nowhere", scene.source().join("deep/link"))?;
    let answer = stage_all(&scene)?;
    assert_eq!(answer.files, 7);
    let found = contents(&scene, last_tree(&scene)?)?;
    let summary: Vec<_> = found
        .iter()
        .map(|(path, (letter, bytes))| (path.as_str(), *letter, bytes.len()))
        .collect();
    let expected = [
        ("a", 'x', 4),
        ("deep/c", 'f', 0),
        ("deep/empty", 'd', 0),
        ("deep/er/b", 'f', 4),
        ("deep/large", 'f', 20 << 20),
        ("deep/link", 'l', 10),
        ("z", 'f', 20),
        ("zeros", 'f', 9 << 20),
    ];
    assert_eq!(summary, expected);
    assert_eq!(found["deep/large"].1, large);
    assert_eq!(found["deep/link"].1, b"../nowhere");
    assert_eq!(
        answer.bytes,
        expected
            .iter()
            .map(|(.., bytes)| *bytes as u64)
            .sum::<u64>()
    );
    assert!(answer.stored_bytes > 20 << 20 && answer.stored_bytes < 21 << 20);
    Ok(())
}

#[test]
fn what_is_there_is_not_stored_again() -> Outcome {
    let scene = Scene::new()?;
    for number in 0..100 {
        scene.write(&format!("dir{}/file{number}", number % 7), &[number; 100])?;
    }
    let first = stage_all(&scene)?;
    assert_eq!((first.files, first.new_objects), (100, 100 + 7 + 1));
    let again = stage_all(&scene)?;
    assert_eq!(
        (again.files, again.new_objects, again.stored_bytes),
        (100, 0, 0)
    );
    scene.write("dir0/file0", b"changed")?;
    let changed = stage_all(&scene)?;
    assert_eq!(changed.new_objects, 3, "a blob, its directory and the root");
    assert_eq!(
        scene.store.reader()?.build(scene.build)?.staged.operations,
        3
    );
    Ok(())
}

#[test]
fn the_same_files_give_the_same_packs_on_any_machine() -> Outcome {
    let mut packs = Vec::new();
    for threads in [1, 4] {
        let scene = Scene::new()?;
        for number in 0..5000_u32 {
            scene.write(&format!("{}/{number}", number % 10), &number.to_le_bytes())?;
        }
        for number in 0..40 {
            scene.write(&format!("m{number:02}"), &noise(600_000 + number))?;
        }
        scene.write("a-large-one", &noise(9 << 20))?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()?;
        let answer = pool.install(|| stage_all(&scene))?;
        assert_eq!(answer.files, 5041);
        packs.push((answer.stored_bytes, scene.packs()?));
    }
    assert_eq!(packs[0], packs[1]);
    Ok(())
}

#[test]
fn several_paths_and_stagings_add_up() -> Outcome {
    let scene = Scene::new()?;
    scene.write("dir/a", b"1")?;
    scene.write("dir/skipped.o", b"1")?;
    scene.write("file", b"22")?;
    symlink("dir", scene.source().join("to-dir"))?;
    symlink("file", scene.source().join("to-file"))?;
    let place = |name: &str| scene.source().join(name);
    let options = StageOptions {
        at: "usr/share".parse()?,
        excludes: Excludes::parse(&["*.o"])?,
        ..StageOptions::default()
    };
    let answer = stage_with(&scene, &[&place("to-dir"), &place("to-file")], &options)?;
    assert_eq!((answer.files, answer.bytes), (2, 3));
    let replace = StageOptions {
        mode: StageMode::Replace,
        ..StageOptions::default()
    };
    stage_with(&scene, &[&place("file")], &replace)?;
    let mut names = Vec::new();
    for operation in scene.store.operations(scene.build)? {
        let (at, tree) = match operation {
            Operation::Merge { at, tree } => (format!("merge /{at}"), tree),
            Operation::Replace { at, tree } => (format!("replace /{at}"), tree),
            Operation::Remove { path } => return Err(path.to_string().into()),
        };
        let files: Vec<_> = contents(&scene, tree.into())?.into_keys().collect();
        names.push(format!("{at}: {}", files.join(" ")));
    }
    assert_eq!(
        names,
        [
            "merge /usr/share: a",
            "merge /usr/share: to-file",
            "replace /: file"
        ]
    );
    Ok(())
}

#[test]
fn a_staging_that_fails_records_nothing() -> Outcome {
    let scene = Scene::new()?;
    scene.write("good", b"1")?;
    scene.write("bad\nname", b"1")?;
    let source = scene.source();
    let gone = source.join("gone");
    let replace = StageOptions {
        mode: StageMode::Replace,
        ..StageOptions::default()
    };
    let merge = StageOptions::default();
    assert!(matches!(
        stage_with(&scene, &[], &merge),
        Err(Error::Usage { .. })
    ));
    let two = stage_with(&scene, &[&source, &source], &replace);
    assert!(matches!(two, Err(Error::Usage { .. })));
    assert!(matches!(stage_all(&scene), Err(Error::Source { .. })));
    let good = source.join("good");
    let half = stage_with(&scene, &[&good, &gone], &merge);
    assert!(half.is_err_and(|error| error.is_file_not_found()));
    let none = stage(
        &scene.store,
        99,
        std::slice::from_ref(&good),
        &merge,
        &Silent,
        scene.time,
    );
    assert!(matches!(none, Err(Error::NotFound { .. })));
    assert!(scene.store.operations(scene.build)?.is_empty());
    assert!(scene.packs()?.is_empty());
    assert!(stage_with(&scene, &[&good], &merge).is_ok());
    scene.store.purge_build(scene.build, scene.time)?;
    let purged = stage_with(&scene, &[&good], &merge);
    assert!(matches!(
        purged,
        Err(Error::State {
            verb: "stage into",
            ..
        })
    ));
    Ok(())
}

/// Writes the stat cache that a staging long after the last change would leave, with these ids.
fn remember_as(scene: &Scene, ids: &[Hash]) -> Outcome {
    let excludes = Excludes::none();
    let source = Source::open(&scene.source(), &TreePath::root(), &excludes)?;
    let ids: Vec<_> = ids.iter().copied().map(Some).collect();
    let bytes = encode(Vec::new(), source.contents(), &ids, i64::MAX)?;
    let directory = source.directory().ok_or("a directory was walked")?;
    write_whole(
        scene.store.disk(),
        &cache_path(directory, &excludes),
        &bytes,
    )?;
    Ok(())
}

#[test]
fn what_the_cache_knows_and_the_repo_shows_is_not_read() -> Outcome {
    let scene = Scene::new()?;
    scene.write("a", b"a")?;
    scene.write("b", b"b")?;
    stage_all(&scene)?;
    let (a, b) = (Hash::of(b"a"), Hash::of(b"b"));
    // A cache that lies shows whether it was asked.
    let check = |ids: [Hash; 2], expected: [Hash; 2], reason: &str| -> Outcome {
        remember_as(&scene, &ids)?;
        stage_all(&scene)?;
        let tree = last_tree(&scene)?;
        for (name, id) in ["a", "b"].into_iter().zip(expected) {
            let found = find_path(&scene.view()?, tree, &name.parse()?)?;
            let found = found.and_then(|found| match found {
                Found::Entry(entry) => Some(entry.id()),
                Found::Root(_) => None,
            });
            assert_eq!(found, Some(id), "{reason}");
        }
        Ok(())
    };
    check([b, a], [b, a], "both blobs are there")?;
    check(
        [a, Hash::of(b"unknown")],
        [a, b],
        "a blob that is not there is read again",
    )?;
    remember_as(&scene, &[b, a])?;
    scene.write("a", b"c")?;
    assert_eq!(
        stage_all(&scene)?.new_objects,
        2,
        "a file that changed is read"
    );
    Ok(())
}

#[test]
fn a_cache_that_is_torn_is_no_cache() -> Outcome {
    let scene = Scene::new()?;
    scene.write("a", b"a")?;
    stage_all(&scene)?;
    let expected = last_tree(&scene)?;
    let path = cache_path(&scene.source(), &Excludes::none());
    for bytes in [b"".as_slice(), b"torn", &[0; 200]] {
        write_whole(scene.store.disk(), &path, bytes)?;
        stage_all(&scene)?;
        assert_eq!(last_tree(&scene)?, expected);
    }
    Ok(())
}

#[test]
fn what_the_build_knows_can_be_removed() -> Outcome {
    let scene = Scene::new()?;
    scene.write("dir/a", b"1")?;
    let at = StageOptions {
        at: "usr/share".parse()?,
        ..StageOptions::default()
    };
    stage_with(&scene, &[&scene.source()], &at)?;
    let try_remove = |path: &str| -> Result<Result<()>, crate::base::path::PathError> {
        let paths = [path.parse()?];
        Ok(remove(&scene.store, scene.build, &paths, scene.time))
    };
    for path in ["usr/share/dir/a", "usr/share/dir", "usr/share", "usr"] {
        assert!(try_remove(path)?.is_ok(), "{path}");
    }
    for path in ["usr/share/dir/b", "usr/lib", "dir/a", "usr/share/dir/a/b"] {
        let removed = try_remove(path)?;
        assert!(
            matches!(removed, Err(Error::NotFound { what: "path", .. })),
            "{path}"
        );
    }
    assert!(matches!(try_remove("/")?, Err(Error::Usage { .. })));
    let nothing = remove(&scene.store, scene.build, &[], scene.time);
    assert!(matches!(nothing, Err(Error::Usage { .. })));
    assert_eq!(scene.store.operations(scene.build)?.len(), 5);
    scene.store.purge_build(scene.build, scene.time)?;
    assert!(matches!(try_remove("usr")?, Err(Error::State { .. })));
    Ok(())
}
