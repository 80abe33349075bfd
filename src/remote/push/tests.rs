//! Pushes to a store on this machine, which counts what it is asked and handed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::base::Error;
use crate::base::id::Hash;
use crate::base::name::RefName;
use crate::base::progress::Silent;
use crate::build::stage::{StageOptions, stage};
use crate::build::testing::{Outcome, Scene, noise};
use crate::disk::exclude::Excludes;
use crate::object::kind::ObjectKind;
use crate::object::pack_reader::PackReader;
use crate::object::tree::TreeRef;
use crate::remote::builds::Parcel;
use crate::remote::store_builds::StoreBuilds;
use crate::store::rows::Operation;

/// A window that a few of the files fill.
const SMALL_WINDOW: u64 = 4096;

/// Builds that count what they are handed, and refuse some of it.
struct Counting<'s> {
    builds: StoreBuilds<'s>,
    asked: AtomicU64,
    received: AtomicU64,
    /// Packs that are taken in before one is refused.
    refuses_after: u64,
}

impl<'s> Counting<'s> {
    fn of(scene: &'s Scene, refuses_after: u64) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            builds: StoreBuilds::new(&scene.store, "r".parse()?, scene.time),
            asked: AtomicU64::new(0),
            received: AtomicU64::new(0),
            refuses_after,
        })
    }

    fn objects_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Builds for Counting<'_> {
    fn place(&self) -> String {
        self.builds.place()
    }

    fn create(&self, target: &RefName, labels: &BTreeMap<String, String>) -> Result<u64> {
        self.builds.create(target, labels)
    }

    fn missing(&self, build: u64, objects: &[(ObjectKind, Hash)]) -> Result<Vec<bool>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.builds.missing(build, objects)
    }

    fn receive(&self, build: u64, parcel: &Parcel) -> Result<u64> {
        let objects = u64::from(PackReader::open(parcel.bytes.as_slice())?.objects());
        if self.received.fetch_add(objects, Ordering::Relaxed) >= self.refuses_after {
            return Err(Error::refused("enough"));
        }
        self.builds.receive(build, parcel)
    }

    fn target(&self, build: u64) -> Result<Option<RefName>> {
        self.builds.target(build)
    }

    fn stage(
        &self,
        build: u64,
        at: &TreePath,
        tree: TreeRef,
        mode: StageMode,
    ) -> Result<Option<RefName>> {
        self.builds.stage(build, at, tree, mode)
    }

    fn commit(&self, build: u64, message: &str) -> Result<Committed> {
        self.builds.commit(build, message)
    }

    fn publish(&self, build: u64) -> Result<PublishAnswer> {
        self.builds.publish(build)
    }
}

fn open(scene: &Scene, path: &str) -> Result<Source> {
    let path = scene.source().join(path);
    Source::open(&path, &TreePath::root(), &Excludes::none())
}

/// Sends sources and stages them; checks that the build holds what staging them here would make.
fn check_sent(
    scene: &Scene,
    to: &Counting<'_>,
    sources: &[Source],
) -> Result<Sent, Box<dyn std::error::Error>> {
    let (written, sent) = send(sources, to, scene.build, SMALL_WINDOW, &Silent)?;
    for (written, source) in written.iter().zip(sources) {
        let root = TreePath::root();
        to.stage(scene.build, &root, written.tree, StageMode::Merge)?;
        let here = Scene::new()?;
        let paths = [source.directory().ok_or("a directory")?.to_owned()];
        let options = StageOptions::default();
        stage(
            &here.store,
            here.build,
            &paths,
            &options,
            &Silent,
            here.time,
        )?;
        let staged = here.store.operations(here.build)?.pop();
        let expected = Operation::Merge {
            at: root,
            tree: written.tree.into(),
        };
        assert_eq!(staged, Some(expected));
    }
    Ok(sent)
}

fn write_files(scene: &Scene, folder: &str, numbers: std::ops::Range<u32>) -> std::io::Result<()> {
    for number in numbers {
        let bytes = format!("{number} ").repeat(200);
        scene.write(
            &format!("{folder}/{}/{number}", number % 7),
            bytes.as_bytes(),
        )?;
    }
    Ok(())
}

#[test]
fn a_new_tree_is_read_once_and_everything_is_sent_once() -> Outcome {
    let scene = Scene::new()?;
    write_files(&scene, "new", 0..100)?;
    // The same contents, and none at all, are one object each.
    write_files(&scene, "new/again", 0..30)?;
    scene.write("new/empty", b"")?;
    scene.write("new/none", b"")?;
    let to = Counting::of(&scene, u64::MAX)?;
    let sent = check_sent(&scene, &to, &[open(&scene, "new")?])?;
    let (blobs, trees) = (100 + 1, 7 + 7 + 1 + 1);
    assert_eq!((sent.files, sent.objects), (132, blobs + trees));
    assert_eq!(to.objects_received(), sent.objects);
    assert_eq!(
        sent.requests,
        to.asked.load(Ordering::Relaxed) + 1,
        "and one pack"
    );
    let again = check_sent(&scene, &to, &[open(&scene, "new")?])?;
    assert_eq!((again.objects, again.bytes), (0, 0));
    Ok(())
}

#[test]
fn of_the_next_version_only_what_is_new_is_sent() -> Outcome {
    let scene = Scene::new()?;
    let large = noise(9 << 20);
    write_files(&scene, "one", 0..100)?;
    scene.write("one/x/large", &large)?;
    let to = Counting::of(&scene, u64::MAX)?;
    check_sent(&scene, &to, &[open(&scene, "one")?])?;
    let before = to.objects_received();

    write_files(&scene, "two", 0..101)?;
    scene.write("two/zz/new", b"new")?;
    scene.write("two/zz/same", b"new")?;
    // A chunk more at the end, and the last one before is another.
    scene.write("two/x/large", &[large.as_slice(), &noise(1 << 16)].concat())?;
    let asked = to.asked.load(Ordering::Relaxed);
    let sent = check_sent(&scene, &to, &[open(&scene, "two")?])?;
    let (blobs, recipes, trees) = (2, 1, 4);
    let chunks = sent.objects - blobs - recipes - trees;
    assert!((1..=2).contains(&chunks), "{chunks} chunks");
    assert_eq!(to.objects_received() - before, sent.objects);
    // One window, the trees, what the new ones hold, and the chunks of the large file.
    assert_eq!(to.asked.load(Ordering::Relaxed) - asked, 4);
    Ok(())
}

#[test]
fn of_several_sources_what_they_share_is_sent_once() -> Outcome {
    let scene = Scene::new()?;
    write_files(&scene, "one", 0..50)?;
    write_files(&scene, "two", 0..60)?;
    let to = Counting::of(&scene, u64::MAX)?;
    let sources = [open(&scene, "one")?, open(&scene, "two")?];
    let sent = check_sent(&scene, &to, &sources)?;
    // The ten files that only the second has lie in all of its seven folders.
    let (blobs, trees) = (60, 8 + 8);
    assert_eq!((sent.files, sent.objects), (110, blobs + trees));
    Ok(())
}

/// Changes a file as soon as files are to be read again.
struct Meddling<'s> {
    scene: &'s Scene,
    expected: AtomicU64,
}

impl Progress for Meddling<'_> {
    fn expect(&self, _bytes: u64) {
        if self.expected.fetch_add(1, Ordering::Relaxed) == 1 {
            // Whoever looks at the outcome sees whether this went well.
            self.scene.write("two/zz/new", b"old").ok();
        }
    }

    fn advance(&self, _bytes: u64) {}
}

#[test]
fn a_file_that_changes_before_it_is_read_again_is_named() -> Outcome {
    let scene = Scene::new()?;
    write_files(&scene, "one", 0..100)?;
    write_files(&scene, "two", 0..100)?;
    scene.write("two/zz/new", b"new")?;
    let to = Counting::of(&scene, u64::MAX)?;
    check_sent(&scene, &to, &[open(&scene, "one")?])?;
    let meddling = Meddling {
        scene: &scene,
        expected: AtomicU64::new(0),
    };
    let source = open(&scene, "two")?;
    let failed = send(&[source], &to, scene.build, SMALL_WINDOW, &meddling);
    let Err(Error::Source { path, .. }) = failed else {
        return Err(format!("{failed:?}").into());
    };
    assert_eq!(path, scene.source().join("two/zz/new"));
    Ok(())
}

#[test]
fn what_the_other_side_refuses_is_the_error_and_the_next_push_goes_on() -> Outcome {
    let scene = Scene::new()?;
    // Several packs.
    for number in 0..4_u8 {
        let mut bytes = noise(8 << 20);
        bytes[0] = number;
        scene.write(&format!("new/{number}"), &bytes)?;
    }
    for folder in 0..4 {
        write_files(
            &scene,
            &format!("new/{folder}x"),
            folder * 100..folder * 100 + 100,
        )?;
    }
    let all = {
        let elsewhere = Scene::new()?;
        let to = Counting::of(&elsewhere, u64::MAX)?;
        let source = open(&scene, "new")?;
        send(&[source], &to, elsewhere.build, SMALL_WINDOW, &Silent)?.1
    };
    let to = Counting::of(&scene, 1)?;
    let source = open(&scene, "new")?;
    let failed = send(&[source], &to, scene.build, SMALL_WINDOW, &Silent);
    assert!(matches!(&failed, Err(Error::Refused { .. })), "{failed:?}");
    let arrived = scene.packs()?.len();
    assert_eq!(arrived, 1, "the first pack alone");
    let to = Counting::of(&scene, u64::MAX)?;
    let sent = check_sent(&scene, &to, &[open(&scene, "new")?])?;
    assert!(sent.objects < all.objects && sent.objects > 0, "{sent:?}");
    Ok(())
}
