//! Checkouts into new directories, earlier ones, and ones that somebody touched.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::base::progress::Silent;
use crate::build::stage::{StageMode, StageOptions, stage};
use crate::build::testing::{Outcome, Scene, noise};
use crate::store::rows::Operation;

type AnyError = Box<dyn std::error::Error>;

/// A scene with a target beside the files to stage.
struct Checkouts {
    scene: Scene,
}

impl Checkouts {
    fn new() -> Result<Self, AnyError> {
        Ok(Self {
            scene: Scene::new()?,
        })
    }

    /// The place of `path` in the target.
    fn at(&self, path: &str) -> PathBuf {
        self.scene.folder().join("target").join(path)
    }

    /// Empties the directory with files, writes these, and stages them; a path that ends with a slash is a directory,
    /// and a content that starts with `->` is the target of a link.
    fn stage(&self, files: &[(&str, &str)]) -> Result<TreeRef, AnyError> {
        let source = self.scene.source();
        fs::remove_dir_all(&source)?;
        fs::create_dir(&source)?;
        for (path, content) in files {
            let place = source.join(path);
            if path.ends_with('/') {
                fs::create_dir_all(place)?;
            } else if let Some(target) = content.strip_prefix("->") {
                fs::create_dir_all(place.parent().ok_or("a path has a directory")?)?;
                symlink(target, place)?;
            } else {
                self.scene.write(path, content.as_bytes())?;
            }
        }
        self.stage_source()
    }

    fn stage_source(&self) -> Result<TreeRef, AnyError> {
        let options = StageOptions {
            mode: StageMode::Replace,
            ..StageOptions::default()
        };
        let (store, build) = (&self.scene.store, self.scene.build);
        let paths = [self.scene.source()];
        stage(store, build, &paths, &options, &Silent, self.scene.time)?;
        match store.operations(build)?.pop() {
            Some(Operation::Replace { tree, .. }) => Ok(tree.into()),
            other => Err(format!("{other:?}").into()),
        }
    }

    fn check_out_path(&self, root: TreeRef, path: &str) -> Result<CheckoutAnswer> {
        let path: TreePath = path.parse().map_err(|source| Error::Path {
            text: path.to_owned(),
            source,
        })?;
        let snapshot = SnapshotId::of(b"snapshot");
        let target = self.at("");
        checkout(
            &self.scene.view()?,
            root,
            snapshot,
            &path,
            &target,
            Links::All,
            &Silent,
        )
    }

    fn check_out(&self, root: TreeRef) -> Result<CheckoutAnswer> {
        self.check_out_path(root, "")
    }

    /// Checks out and counts: written, removed, unchanged.
    #[track_caller]
    fn check(&self, root: TreeRef, expected: (u64, u64, u64)) -> Outcome {
        let answer = self.check_out(root)?;
        let found = (answer.written, answer.removed, answer.unchanged);
        assert_eq!(found, expected);
        assert_eq!(answer.files, answer.written + answer.unchanged);
        Ok(())
    }

    /// What is in the target, without the marker.
    fn target(&self) -> Result<BTreeMap<String, String>, AnyError> {
        let mut found = listing(&self.at(""))?;
        assert!(found.remove(".bindery").is_some());
        Ok(found)
    }
}

/// Every path beneath `top`: its content, the target of a link after an arrow, the mode of a file if it is not 0644.
fn listing(top: &Path) -> Result<BTreeMap<String, String>, AnyError> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(top)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            let below = listing(&path)?;
            found.insert(format!("{name}/"), String::new());
            found.extend(
                below
                    .into_iter()
                    .map(|(path, content)| (format!("{name}/{path}"), content)),
            );
        } else if kind.is_symlink() {
            found.insert(name, format!("->{}", fs::read_link(path)?.display()));
        } else {
            let mode = entry.metadata()?.permissions().mode() & 0o7777;
            let mut content = String::from_utf8_lossy(&fs::read(path)?).into_owned();
            if mode != 0o644 {
                content = format!("{mode:o}:{content}");
            }
            found.insert(name, content);
        }
    }
    Ok(found)
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(path, content): &(&str, &str)| (path.to_string(), content.to_string());
    files.iter().map(owned).collect()
}

#[test]
fn a_new_checkout_is_what_was_staged() -> Outcome {
    let checkouts = Checkouts::new()?;
    let scene = &checkouts.scene;
    for number in 0..600 {
        scene.write(&format!("many/{number}"), &noise(number * 10))?;
    }
    for (path, bytes) in [
        ("deep/er/large", noise(9 << 20)),
        ("zeros", vec![0; 20 << 20]),
    ] {
        scene.write(path, &bytes)?;
    }
    scene.write("deep/tool", b"#!")?;
    fs::set_permissions(
        scene.source().join("deep/tool"),
        fs::Permissions::from_mode(0o755),
    )?;
    fs::create_dir(scene.source().join("empty"))?;
    symlink("/etc/passwd", scene.source().join("deep/link"))?;
    let tree = checkouts.stage_source()?;
    let answer = checkouts.check_out(tree)?;
    assert_eq!(
        (answer.files, answer.written, answer.removed),
        (604, 604, 0)
    );
    assert!(
        checkouts.target()? == listing(&scene.source())?,
        "both are the same"
    );
    checkouts.check(tree, (0, 0, 604))
}

#[test]
fn an_earlier_checkout_gets_only_what_changed() -> Outcome {
    let checkouts = Checkouts::new()?;
    let first = checkouts.stage(&[
        ("a", "1"),
        ("d/b", "2"),
        ("d/c", "3"),
        ("e/x", "4"),
        ("l", "->a"),
    ])?;
    checkouts.check(first, (5, 0, 0))?;
    let inode = fs::metadata(checkouts.at("d/b"))?.ino();
    let files = [
        ("a", "9"),
        ("d/", ""),
        ("d/b", "2"),
        ("l", "->d"),
        ("new/", ""),
        ("new/y", "5"),
    ];
    let second = checkouts.stage(&files)?;
    checkouts.check(second, (3, 2, 1))?;
    assert_eq!(checkouts.target()?, expected(&files));
    assert_eq!(fs::metadata(checkouts.at("d/b"))?.ino(), inode);
    checkouts.check(second, (0, 0, 4))?;
    checkouts.check(first, (4, 1, 1))
}

#[test]
fn what_was_changed_by_hand_is_restored() -> Outcome {
    let checkouts = Checkouts::new()?;
    let files = [
        ("changed", "same size"),
        ("d/", ""),
        ("d/emptied", "x"),
        ("gone", "x"),
        ("link", "->changed"),
        ("mode", "x"),
        ("to-dir", "x"),
        ("to-link", "x"),
        ("untouched", "x"),
    ];
    let tree = checkouts.stage(&files)?;
    checkouts.check(tree, (8, 0, 0))?;
    let at = |path: &str| checkouts.at(path);
    // Written in place at once, within the same tick of the clock.
    fs::write(at("changed"), "Same Size")?;
    fs::remove_dir_all(at("d"))?;
    symlink("..", at("d"))?;
    fs::remove_file(at("gone"))?;
    fs::remove_file(at("link"))?;
    symlink("nowhere", at("link"))?;
    fs::set_permissions(at("mode"), fs::Permissions::from_mode(0o600))?;
    fs::remove_file(at("to-link"))?;
    symlink("untouched", at("to-link"))?;
    checkouts.check(tree, (6, 0, 2))?;
    assert_eq!(checkouts.target()?, expected(&files));
    Ok(())
}

#[test]
fn what_no_checkout_wrote_stays() -> Outcome {
    let checkouts = Checkouts::new()?;
    let first = checkouts.stage(&[("a", "1"), ("d/deep/b", "2"), ("gone/c", "3")])?;
    checkouts.check_out(first)?;
    fs::write(checkouts.at("mine"), "mine")?;
    fs::write(checkouts.at("d/mine"), "mine")?;
    fs::create_dir(checkouts.at("gone/mine"))?;
    let second = checkouts.stage(&[("a", "1")])?;
    checkouts.check(second, (0, 2, 1))?;
    let left = [
        ("a", "1"),
        ("d/", ""),
        ("d/mine", "mine"),
        ("gone/", ""),
        ("gone/mine/", ""),
        ("mine", "mine"),
    ];
    assert_eq!(checkouts.target()?, expected(&left));
    Ok(())
}

#[test]
fn what_is_in_the_way_and_not_ours_is_refused_before_anything_changes() -> Outcome {
    let checkouts = Checkouts::new()?;
    let first = checkouts.stage(&[("a", "1"), ("d/b", "2"), ("e/f/c", "3")])?;
    checkouts.check_out(first)?;
    fs::write(checkouts.at("d/mine"), "mine")?;
    fs::write(checkouts.at("mine"), "mine")?;
    symlink("nowhere", checkouts.at("e/link"))?;
    fs::create_dir(checkouts.at("e/f/empty"))?;
    let before = checkouts.target()?;
    let check = |files: &[(&str, &str)], place: &str| -> Outcome {
        let tree = checkouts.stage(files)?;
        let refused = checkouts.check_out(tree);
        assert!(
            matches!(&refused, Err(Error::Refused { reason }) if reason.contains(place)),
            "{refused:?}"
        );
        assert_eq!(checkouts.target()?, before);
        Ok(())
    };
    check(&[("d", "a file")], "target/d is in the way")?;
    check(&[("mine", "a file")], "target/mine is in the way")?;
    check(&[("mine/x", "a directory")], "target/mine is in the way")?;
    check(&[("e/link", "->nowhere")], "e/link is in the way")?;
    check(&[("e/f", "->d")], "e/f is in the way")?;
    fs::remove_dir(checkouts.at("e/f/empty"))?;
    fs::remove_file(checkouts.at("d/mine"))?;
    let last = [("d", "a file"), ("e/", ""), ("e/f", "->d")];
    let tree = checkouts.stage(&last)?;
    checkouts.check(tree, (2, 3, 0))?;
    let mut left = expected(&last);
    left.extend(expected(&[("e/link", "->nowhere"), ("mine", "mine")]));
    assert_eq!(checkouts.target()?, left);
    Ok(())
}

#[test]
fn a_name_that_becomes_another_kind_is_replaced() -> Outcome {
    let checkouts = Checkouts::new()?;
    fs::create_dir(checkouts.scene.folder().join("outside"))?;
    let first = [
        ("dir/", ""),
        ("dir/x", "1"),
        ("file", "2"),
        ("link", "->../outside"),
    ];
    let second = [
        ("dir", "->file"),
        ("file/", ""),
        ("file/x", "1"),
        ("link/", ""),
        ("link/x", "3"),
    ];
    let third = [("dir", "2"), ("file", "->dir"), ("link", "2")];
    for files in [first.as_slice(), &second, &third, &first] {
        let tree = checkouts.stage(files)?;
        checkouts.check_out(tree)?;
        assert_eq!(checkouts.target()?, expected(files));
    }
    assert_eq!(
        fs::read_dir(checkouts.scene.folder().join("outside"))?.count(),
        0
    );
    Ok(())
}

#[test]
fn a_part_of_a_tree_is_checked_out_alone() -> Outcome {
    let checkouts = Checkouts::new()?;
    let tree = checkouts.stage(&[("usr/bin/tool", "1"), ("usr/lib/x", "2"), ("etc", "3")])?;
    checkouts.check_out_path(tree, "usr/bin")?;
    assert_eq!(checkouts.target()?, expected(&[("tool", "1")]));
    let answer = checkouts.check_out_path(tree, "usr/lib/x")?;
    assert_eq!((answer.written, answer.removed), (1, 1));
    assert_eq!(checkouts.target()?, expected(&[("x", "2")]));
    let marker = fs::read(checkouts.at(".bindery"))?;
    assert!(String::from_utf8_lossy(&marker).contains("\nstate complete\n"));
    assert!(String::from_utf8_lossy(&marker).contains("\npath usr/lib/x\n\n"));
    for gone in ["usr/lib/y", "etc/x"] {
        let found = checkouts.check_out_path(tree, gone);
        assert!(matches!(found, Err(Error::NotFound { what: "path", .. })));
    }
    assert_eq!(checkouts.target()?, expected(&[("x", "2")]));
    Ok(())
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_left_alone() -> Outcome {
    let checkouts = Checkouts::new()?;
    let tree = checkouts.stage(&[("a", "1")])?;
    fs::create_dir(checkouts.at(""))?;
    fs::write(checkouts.at("mine"), "x")?;
    let refused = |expected: &str| {
        let refused = checkouts.check_out(tree);
        assert!(
            matches!(&refused, Err(Error::Refused { reason }) if reason.contains(expected)),
            "{refused:?}"
        );
    };
    refused("choose a new or empty directory");
    fs::write(checkouts.at(".bindery"), "not a marker")?;
    refused("choose a new or empty directory");
    let left = expected(&[(".bindery", "not a marker"), ("mine", "x")]);
    assert_eq!(listing(&checkouts.at(""))?, left);
    Ok(())
}

#[test]
fn a_checkout_that_failed_is_completed_by_the_next() -> Outcome {
    let checkouts = Checkouts::new()?;
    let scene = &checkouts.scene;
    scene.write("a/first", &noise(600_000))?;
    scene.write("b/second", &noise(700_000))?;
    let first = checkouts.stage_source()?;
    let packs = scene.packs()?;
    let pack = packs.first().ok_or("a staging has a pack")?;
    let path = scene
        .folder()
        .join("store/packs")
        .join(&pack[..2])
        .join(pack);
    let overwrite = |byte: u8| -> std::io::Result<()> {
        let mut file = fs::File::options().write(true).open(&path)?;
        file.seek(SeekFrom::Start(650_000))?;
        file.write_all(&[byte])
    };
    let byte = fs::read(&path)?[650_000];
    overwrite(!byte)?;
    let damaged = checkouts.check_out(first);
    assert!(matches!(damaged, Err(Error::Damaged { .. })), "{damaged:?}");
    assert!(!checkouts.at("b/second").exists());
    let marker = fs::read(checkouts.at(".bindery"))?;
    assert!(String::from_utf8_lossy(&marker).contains("\nstate incomplete\n"));
    // What the first one wrote, or may have written, is known to a checkout of another tree.
    fs::write(checkouts.at("b/second"), "half")?;
    let second = checkouts.stage(&[("c", "1")])?;
    overwrite(byte)?;
    checkouts.check_out(second)?;
    assert_eq!(checkouts.target()?, expected(&[("c", "1")]));
    checkouts.check(first, (2, 1, 0))?;
    assert_eq!(fs::read(checkouts.at("b/second"))?, noise(700_000));
    Ok(())
}
