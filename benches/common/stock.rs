//! A shop in stock: many tiny files are published in it, and builds of such files are made without files on disk.
//!
//! Files have numbers. A hundred of them lie in a directory, a hundred directories in one of the root's; what a file
//! holds follows from its number and a version. Frames and trees are made by all cores and taken in as staging takes
//! them in, so a store with millions of objects is filled in minutes.
//!
//! # Invariants
//!
//! - No two contents of different numbers or versions are alike, so nothing is taken in twice.

use bindery::base::id::Hash;
use bindery::base::name::EntryName;
use bindery::base::path::TreePath;
use bindery::object::edit::{Child, TreeSink, Written, create};
use bindery::object::entry::{Entry, EntryKind, TreeRef};
use bindery::object::frame_builder::{FrameBuilder, SealedFrame};
use bindery::object::kind::ObjectKind;
use bindery::object::tree::Node;
use bindery::store::builds::Staging;
use bindery::store::intake::{Intake, Workshop};
use bindery::store::rows::{Operation, Staged};
use bindery::store::view::View;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::Outcome;
use super::shop::Shop;

/// Files in a directory.
pub const DIRECTORY_FILES: u64 = 100;

/// Files in a directory of the root: these share a frame, which they leave half empty.
pub const GROUP_FILES: u64 = 100 * DIRECTORY_FILES;

/// Groups whose frames and trees are in memory at once.
const GROUPS_AT_ONCE: usize = 16;

/// Files that one build brings while a stock is filled: what publishing keeps of each is in memory meanwhile.
const FILL_FILES_MAX: u64 = 100 * GROUP_FILES;

/// A shop with published files.
#[derive(Debug)]
pub struct Stock {
    shop: Shop,
    files: u64,
}

impl Stock {
    /// Fills a new store until at least `objects` objects are published.
    pub fn fill(objects: u64) -> Outcome<Self> {
        let shop = Shop::open()?;
        // A directory is one more object.
        let files = objects.div_ceil(DIRECTORY_FILES + 1) * DIRECTORY_FILES;
        let stock = Self { shop, files };
        let mut first = 0;
        while first < files {
            let end = files.min(first + FILL_FILES_MAX);
            let numbers: Vec<u64> = (first..end).collect();
            stock.publish(&numbers, 0)?;
            first = end;
        }
        assert!(
            stock.objects()? >= objects,
            "each directory is an object, so there are enough"
        );
        Ok(stock)
    }

    /// The shop.
    pub const fn shop(&self) -> &Shop {
        &self.shop
    }

    /// The shop alone, to close it.
    pub fn into_shop(self) -> Shop {
        self.shop
    }

    /// Files that it was filled with: their numbers begin at 0, their version is 0.
    pub const fn files(&self) -> u64 {
        self.files
    }

    /// Objects that the store holds.
    pub fn objects(&self) -> Outcome<u64> {
        Ok(self.shop.store().reader()?.totals()?.objects)
    }

    /// Makes an open build of the files with these numbers, which ascend, in a version that nothing else has.
    pub fn stage(&self, numbers: &[u64], version: u64) -> Outcome<u64> {
        let store = self.shop.store();
        let build = self.shop.create()?;
        let view = store.view(self.shop.repo(), &[build])?;
        let mut intake = store.intake();
        let mut children = Vec::new();
        let groups: Vec<&[u64]> = numbers
            .chunk_by(|one, other| one / GROUP_FILES == other / GROUP_FILES)
            .collect();
        for some in groups.chunks(GROUPS_AT_ONCE) {
            let made = some.par_iter().map(|numbers| Group::make(numbers, version));
            let made: Vec<Group> = made.collect::<bindery::base::Result<_>>()?;
            for (numbers, group) in some.iter().zip(made) {
                let name = group_name(numbers[0]).parse()?;
                let written = group.take_in(&mut intake, &view)?;
                children.push(Child::directory(name, written)?);
            }
        }
        let sink = &mut &Workshop::new(&mut intake, &view);
        let Written { tree, totals } = create(sink, children.into_iter().map(Ok))?;
        let landing = intake.finish()?;
        let sums = Staged {
            operations: 1,
            files: totals.files(),
            bytes: totals.bytes(),
            new_objects: landing.objects,
            new_bytes: landing.expanded_bytes,
            stored_bytes: landing.stored_bytes,
        };
        let (at, tree) = (TreePath::root(), tree.into());
        let staging = Staging {
            landing,
            operations: vec![Operation::Merge { at, tree }],
            sums,
        };
        drop(view);
        store.record_staging(build, staging, self.shop.time())?;
        Ok(build)
    }

    /// Makes a committed build; otherwise as [`stage`](Self::stage).
    pub fn commit(&self, numbers: &[u64], version: u64) -> Outcome<u64> {
        let build = self.stage(numbers, version)?;
        self.shop.commit(build)?;
        Ok(build)
    }

    /// Publishes a build; otherwise as [`stage`](Self::stage).
    pub fn publish(&self, numbers: &[u64], version: u64) -> Outcome {
        let build = self.commit(numbers, version)?;
        self.shop.publish(build)?;
        Ok(())
    }

    /// The id of what the file with this number holds in a version.
    pub fn content_id(number: u64, version: u64) -> Hash {
        Hash::of(&content(number, version))
    }

    /// The path of the root's directory in which the file with this number lies.
    pub fn group_path(number: u64) -> Outcome<TreePath> {
        Ok(group_name(number).parse()?)
    }
}

/// The root's directory of files, as it will be taken in.
struct Group {
    blobs: SealedFrame,
    trees: Trees,
    written: Written,
}

impl Group {
    fn make(numbers: &[u64], version: u64) -> bindery::base::Result<Self> {
        let (mut frame, mut trees) = (FrameBuilder::new(), Trees::default());
        let mut children = Vec::new();
        for numbers in numbers.chunk_by(|a, b| a / DIRECTORY_FILES == b / DIRECTORY_FILES) {
            let mut files = Vec::with_capacity(numbers.len());
            for number in numbers {
                let content = content(*number, version);
                let (id, size) = (Hash::of(&content), content.len() as u64);
                frame.push(ObjectKind::Blob, id, &content)?;
                let name = name(&format!("{:02}", number % DIRECTORY_FILES))?;
                files.push(Child::file(Entry::new(EntryKind::File, size, id, name)?));
            }
            let written = create(&mut trees, files)?;
            let number = numbers[0] / DIRECTORY_FILES % (GROUP_FILES / DIRECTORY_FILES);
            let name = name(&format!("{number:02}"))?;
            children.push(Child::directory(name, written));
        }
        let written = create(&mut trees, children)?;
        Ok(Self {
            blobs: frame.seal()?,
            trees,
            written,
        })
    }

    fn take_in(self, intake: &mut Intake<'_>, view: &View<'_>) -> bindery::base::Result<Written> {
        intake.append(&self.blobs)?;
        for (tree, text) in self.trees.0 {
            let id = tree.id.hash();
            if intake.wants(view, ObjectKind::Tree, id)? {
                intake.put(ObjectKind::Tree, id, &text)?;
            }
        }
        Ok(self.written)
    }
}

/// Trees as they were made.
#[derive(Default)]
struct Trees(Vec<(TreeRef, Vec<u8>)>);

impl TreeSink for Trees {
    fn put(&mut self, tree: TreeRef, text: Vec<u8>, _: Node) -> bindery::base::Result<()> {
        self.0.push((tree, text));
        Ok(())
    }
}

fn content(number: u64, version: u64) -> [u8; 16] {
    let mut content = [0; 16];
    content[..8].copy_from_slice(&number.to_le_bytes());
    content[8..].copy_from_slice(&version.to_le_bytes());
    content
}

fn group_name(number: u64) -> String {
    format!("{:06}", number / GROUP_FILES)
}

fn name(text: &str) -> bindery::base::Result<EntryName> {
    text.parse().map_err(|source| bindery::base::Error::Name {
        what: "name of a file",
        text: text.to_owned(),
        source,
    })
}
