//! Tests of copying: in a store, with the other build purged before the new one is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::commit::commit;
use super::super::create::{CreateOptions, create as create_build};
use super::super::model::{self, Contents, Outcome, contents};
use super::super::publish::{PublishOptions, publish};
use super::super::repo::create_repo;
use super::*;
use crate::base::clock::Time;
use crate::base::id::{BlobId, Hash};
use crate::base::limits::WHOLE_BLOB_BYTES_MAX;
use crate::base::profile::Profile;
use crate::object::edges::edges_of_node;
use crate::object::frame_builder::FrameBuilder;
use crate::object::kind::ObjectKind;
use crate::object::memory::{AnyError, MemoryTrees, directory};
use crate::object::recipe::{Piece, Recipe};
use crate::object::tree::EntryKind;
use crate::object::walk::{Step as Walk, walk};
use crate::store::Patience;
use crate::store::intake::Intake;
use crate::store::retire::Mode;
use crate::store::rows::Receipt;

/// A store with one repo, in a folder that goes with it.
struct Shop {
    store: Store,
    _folder: tempfile::TempDir,
}

/// An operation, with what it stages.
enum Step<'a> {
    Merge(&'a str, &'a [&'a str]),
    Remove(&'a str),
}

impl Shop {
    fn open() -> Result<Self, AnyError> {
        let folder = tempfile::tempdir()?;
        let patience = Patience {
            wait: Duration::ZERO,
            holder: "a test".into(),
            tell: None,
        };
        let store = Store::create(&folder.path().join("store"), &patience)?;
        create_repo(&store, "main".parse()?, Profile::Posix, None, now()?)?;
        Ok(Self {
            store,
            _folder: folder,
        })
    }

    fn create(&self, target: &str, from: Option<u64>) -> Result<BuildRow, AnyError> {
        let options = CreateOptions {
            repo: "main".parse()?,
            target: Some(target.parse()?),
            labels: BTreeMap::new(),
            from,
        };
        Ok(create_build(&self.store, options, now()?)?)
    }

    /// Makes a build and stages into it.
    fn staged(&self, target: &str, steps: &[Step<'_>]) -> Result<BuildRow, AnyError> {
        let mut build = self.create(target, None)?;
        for step in steps {
            let trees = MemoryTrees::default();
            let operation = match step {
                Step::Merge(at, lines) => {
                    let tree = model::write(&trees, &contents(lines))?.into();
                    let at = at.parse()?;
                    Operation::Merge { at, tree }
                }
                Step::Remove(path) => Operation::Remove {
                    path: path.parse()?,
                },
            };
            build = self.stage(&build, &trees, operation)?;
        }
        Ok(build)
    }

    /// Stages one operation with the trees that it needs.
    fn stage(
        &self,
        build: &BuildRow,
        trees: &MemoryTrees,
        operation: Operation,
    ) -> Result<BuildRow, AnyError> {
        let view = self.store.view(&build.repo, &[build.id])?;
        let mut intake = self.store.intake();
        if let Operation::Merge { tree, .. } = &operation {
            keep(&view, &mut intake, trees, (*tree).into())?;
        }
        let staging = Staging {
            landing: intake.finish()?,
            operations: vec![operation],
            sums: Staged {
                operations: 1,
                ..Staged::default()
            },
        };
        Ok(self.store.record_staging(build.id, staging, now()?)?)
    }

    fn commit(&self, build: u64) -> Result<BuildRow, AnyError> {
        Ok(commit(&self.store, build, "", now()?)?)
    }

    fn publish(&self, build: u64) -> Outcome {
        publish(&self.store, build, &PublishOptions::default(), now()?)?;
        Ok(())
    }

    fn purge(&self, build: u64) -> Result<Receipt, AnyError> {
        Ok(self.store.purge_build(build, now()?)?)
    }

    /// Reads the whole tree that a committed build shows, every file with it.
    fn shown(&self, build: &BuildRow) -> Result<Contents, AnyError> {
        let view = self.store.view(&build.repo, &[build.id])?;
        let root = build.committed.ok_or("a build that is not committed")?.root;
        let trees = MemoryTrees::default();
        walk(&view, root.into(), &mut |_, entry| {
            if entry.tree_ref().is_none() {
                let id = BlobId::new(entry.id());
                view.read_blob(id, entry.size(), &mut |_| Ok(()))?;
            }
            Ok(Walk::Into)
        })?;
        copy_nodes(&view, &trees, root.into())?;
        model::read(&trees, root.into())
    }
}

fn now() -> Result<Time, AnyError> {
    Ok("2026-11-22T09:00:00Z".parse()?)
}

fn copy_nodes(view: &View<'_>, trees: &MemoryTrees, tree: TreeRef) -> Outcome {
    let node = view.node(tree)?;
    trees.store(&node);
    for edge in edges_of_node(&node) {
        if edge.kind == ObjectKind::Tree {
            let id = crate::base::id::TreeId::new(edge.id);
            copy_nodes(
                view,
                trees,
                TreeRef {
                    id,
                    size: edge.size,
                },
            )?;
        }
    }
    Ok(())
}

/// Takes in a tree of small files; a blob of `n` bytes is `n` times the letter x.
fn keep(view: &View<'_>, intake: &mut Intake<'_>, trees: &MemoryTrees, tree: TreeRef) -> Outcome {
    let node = trees.node(tree)?;
    for edge in edges_of_node(&node) {
        let id = edge.id;
        match edge.kind {
            ObjectKind::Tree => {
                let id = crate::base::id::TreeId::new(id);
                keep(
                    view,
                    intake,
                    trees,
                    TreeRef {
                        id,
                        size: edge.size,
                    },
                )?;
            }
            ObjectKind::Blob if intake.wants(view, ObjectKind::Blob, id)? => {
                let mut frame = FrameBuilder::new();
                let bytes = "x".repeat(usize::try_from(edge.size)?);
                frame.push(ObjectKind::Blob, id, bytes.as_bytes())?;
                intake.append(&frame.seal()?)?;
            }
            _ => {}
        }
    }
    if intake.wants(view, ObjectKind::Tree, tree.id.hash())? {
        intake.put(ObjectKind::Tree, tree.id.hash(), &node.encode())?;
    }
    Ok(())
}

/// What the ref `stable` shows before the builds that are copied.
const BEFORE: &[&str] = &["d/a=1", "d/b=1", "f=1", "g/x=1", "h=1", "s=9"];

/// What a build does to that: it changes, adds and removes files, and swaps a file for a directory.
const STEPS: &[Step<'_>] = &[
    Step::Merge("", &["d/a=2", "n/m=3", "h/i=4"]),
    Step::Remove("d/b"),
    Step::Remove("g"),
    Step::Remove("f"),
];

/// What it shows then.
const AFTER: &[&str] = &["d/a=2", "h/i=4", "n/m=3", "s=9"];

/// A store in which `stable` shows [`BEFORE`], and an open build of [`STEPS`].
fn prepared() -> Result<(Shop, BuildRow), AnyError> {
    let shop = Shop::open()?;
    let first = shop.staged("stable", &[Step::Merge("", BEFORE)])?;
    shop.commit(first.id)?;
    shop.publish(first.id)?;
    let build = shop.staged("stable", STEPS)?;
    Ok((shop, build))
}

/// The operations of a build as text, such as `- d/b`.
fn operations(shop: &Shop, build: u64) -> Result<Vec<String>, AnyError> {
    let operations = shop.store.operations(build)?;
    let text = operations.iter().map(|operation| match operation {
        Operation::Merge { at, .. } => format!("+ /{at}"),
        Operation::Replace { at, .. } => format!("= /{at}"),
        Operation::Remove { path } => format!("- /{path}"),
    });
    Ok(text.collect())
}

#[test]
fn an_open_build_is_copied_as_it_was_staged() -> Outcome {
    let (shop, from) = prepared()?;
    let into = shop.create("stable", Some(from.id))?;
    assert_eq!(
        shop.store.operations(into.id)?,
        shop.store.operations(from.id)?
    );
    assert!(into.staged.new_objects > 0);
    assert!(shop.purge(from.id)?.objects > 0);
    let into = shop.commit(into.id)?;
    assert_eq!(shop.shown(&into)?, contents(AFTER));
    Ok(())
}

#[test]
fn a_committed_build_is_copied_as_what_it_changed() -> Outcome {
    let (shop, from) = prepared()?;
    shop.commit(from.id)?;
    let into = shop.create("stable", Some(from.id))?;
    assert_eq!(
        operations(&shop, into.id)?,
        ["- /d/b", "- /f", "- /g", "+ /"]
    );
    assert_eq!((into.staged.files, into.staged.bytes), (3, 9));
    shop.purge(from.id)?;
    let into = shop.commit(into.id)?;
    assert_eq!(shop.shown(&into)?, contents(AFTER));
    shop.publish(into.id)?;
    Ok(())
}

#[test]
fn what_is_published_is_pointed_at() -> Outcome {
    let (shop, from) = prepared()?;
    shop.commit(from.id)?;
    shop.publish(from.id)?;
    let into = shop.create("beta", Some(from.id))?;
    assert_eq!(
        operations(&shop, into.id)?,
        ["- /d/b", "- /f", "- /g", "+ /"]
    );
    assert_eq!(
        into.staged.new_objects, 1,
        "the root alone has another content"
    );
    let into = shop.commit(into.id)?;
    let changes = contents(&["d/a=2", "h/i=4", "n/m=3"]);
    assert_eq!(shop.shown(&into)?, changes, "beta showed nothing before");
    Ok(())
}

#[test]
fn a_build_that_changed_nothing_gives_an_empty_one() -> Outcome {
    let (shop, _) = prepared()?;
    let same = shop.staged("stable", &[Step::Merge("", &["f=1"])])?;
    shop.commit(same.id)?;
    let into = shop.create("stable", Some(same.id))?;
    assert_eq!(
        (operations(&shop, into.id)?, into.staged),
        (vec![], Staged::default())
    );
    Ok(())
}

#[test]
fn nothing_is_copied_from_a_purged_build() -> Outcome {
    let (shop, from) = prepared()?;
    shop.purge(from.id)?;
    let from = shop.store.reader()?.build(from.id)?;
    let refused = copy_changes(&shop.store, &from).map(drop);
    assert!(matches!(refused, Err(Error::State { .. })), "{refused:?}");
    Ok(())
}

#[test]
fn nothing_is_copied_from_a_retired_release() -> Outcome {
    let (shop, from) = prepared()?;
    let later = shop.staged("stable", &[Step::Merge("", &["z=1"])])?;
    for build in [from.id, later.id] {
        shop.commit(build)?;
        shop.publish(build)?;
    }
    let reader = shop.store.reader()?;
    let repo = reader.repo(&from.repo)?;
    let from = reader.build(from.id)?;
    let published = from.published.clone().ok_or("it is published")?;
    let release = (published.target, published.epoch, published.seq);
    shop.store.retire_releases(&repo, &[release], Mode::Apply)?;
    let refused = copy_changes(&shop.store, &from).map(drop);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    Ok(())
}

#[test]
fn large_files_are_copied_in_their_pieces() -> Outcome {
    let shop = Shop::open()?;
    let halves = [1_u8, 2]
        .map(|byte| vec![byte; usize::try_from(WHOLE_BLOB_BYTES_MAX / 2 + 1).unwrap_or_default()]);
    let piece = |bytes: &Vec<u8>| Piece {
        bytes: bytes.len() as u64,
        id: BlobId::of(bytes),
    };
    let whole = halves.concat();
    let (id, size) = (Hash::of(&whole), whole.len() as u64);
    let recipe = Recipe::new(BlobId::new(id), halves.iter().map(piece).collect())?;
    let trees = MemoryTrees::default();
    let file = Child::file(Entry::new(EntryKind::File, size, id, "large".parse()?)?)?;
    let tree = trees
        .directory([directory("d", trees.directory([file])?)?])?
        .tree;

    let from = shop.create("stable", None)?;
    let view = shop.store.view(&from.repo, &[])?;
    let mut intake = shop.store.intake();
    for half in &halves {
        let mut frame = FrameBuilder::new();
        frame.push(ObjectKind::Blob, Hash::of(half), half)?;
        intake.append(&frame.seal()?)?;
    }
    intake.put(ObjectKind::Recipe, id, &recipe.encode())?;
    keep(&view, &mut intake, &trees, tree)?;
    let staging = Staging {
        landing: intake.finish()?,
        operations: vec![Operation::Merge {
            at: TreePath::root(),
            tree: tree.into(),
        }],
        sums: Staged {
            operations: 1,
            ..Staged::default()
        },
    };
    shop.store.record_staging(from.id, staging, now()?)?;

    let into = shop.create("stable", Some(from.id))?;
    assert_eq!(
        into.staged.new_objects, 5,
        "two pieces, the recipe and two trees"
    );
    shop.purge(from.id)?;
    let into = shop.commit(into.id)?;
    let view = shop.store.view(&into.repo, &[into.id])?;
    let mut read = Vec::new();
    view.read_blob(BlobId::new(id), size, &mut |bytes| {
        read.extend_from_slice(bytes);
        Ok(())
    })?;
    assert!(read == whole, "the file is whole");
    Ok(())
}
