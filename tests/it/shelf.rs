//! A shelf: a small store with one repo, and short words for what tests do with it.
//!
//! Files are pairs of a path and a text. They are put into builds object by object, without a folder to stage from, so a
//! store can stand on any disk and the same calls give the same bytes.
//!
//! # Not here
//!
//! Staging from real folders (`model`), the command line (`life`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bindery::base::clock::Time;
use bindery::base::id::{BlobId, Hash, SnapshotId};
use bindery::base::name::{RefName, RepoName};
use bindery::base::profile::Profile;
use bindery::base::progress::Silent;
use bindery::base::remark::Remark;
use bindery::base::{Error, Result};
use bindery::build::commit::commit;
use bindery::build::create::{CreateOptions, create};
use bindery::build::publish::{PublishAnswer, PublishOptions, publish};
use bindery::build::repo::create_repo;
use bindery::disk::files::Disk;
use bindery::disk::whole::write_whole;
use bindery::object::edit::{self, Child, TreeSink, Written};
use bindery::object::frame_builder::FrameBuilder;
use bindery::object::kind::ObjectKind;
use bindery::object::tree::{Entry, EntryKind, TreeRef};
use bindery::object::walk::{Step, walk};
use bindery::store::builds::Staging;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::checks::CheckReport;
use bindery::store::fsck::{Counts, FsckOptions};
use bindery::store::intake::{Intake, Workshop};
use bindery::store::layout;
use bindery::store::retire::Mode;
use bindery::store::rows::{BuildRow, Operation, Receipt, RepoRow, SnapshotRef, Staged};
use bindery::store::settings::INITIAL;
use bindery::store::view::View;
use bindery::store::{Access, Store};

/// A ref that asks for [`CHECKS`] where it is set up so.
pub const CHECKED: &str = "checked";
/// Another, whose builds are published by themselves when they passed.
pub const PLANNED: &str = "planned";
/// What both ask for.
pub const CHECKS: [&str; 2] = ["licence", "lint"];

/// Texts by path.
pub type Files = BTreeMap<String, String>;

/// Files from pairs of path and text.
pub fn files(pairs: &[(&str, &str)]) -> Files {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    pairs.iter().map(owned).collect()
}

/// A moment so many seconds after a fixed one.
pub fn moment(seconds: u64) -> Result<Time> {
    Ok(Time::from_seconds(1_795_338_000 + seconds)?)
}

/// A small store with one repo.
#[derive(Debug)]
pub struct Shelf {
    pub store: Store,
    pub repo: RepoName,
}

impl Shelf {
    /// Makes a store with a repo on an empty disk.
    pub fn create(disk: Arc<dyn Disk>) -> Result<Self> {
        let store = Store::create_on(disk, None)?;
        let repo = repo_name()?;
        create_repo(&store, repo.clone(), Profile::Posix, None, moment(0)?)?;
        Ok(Self { store, repo })
    }

    /// The same, with the refs [`CHECKED`] and [`PLANNED`] that ask for checks.
    pub fn create_checked(disk: Arc<dyn Disk>) -> Result<Self> {
        drop(Self::create(Arc::clone(&disk))?);
        let checks = CHECKS.join("\", \"");
        let policy = |name| format!("[[ref]]\npattern = \"{name}\"\nchecks = [\"{checks}\"]\n");
        let (checked, planned) = (policy(CHECKED), policy(PLANNED));
        let settings = format!("{INITIAL}{checked}{planned}publish_after = \"1h\"\n");
        write_whole(&*disk, Path::new(layout::SETTINGS), settings.as_bytes())?;
        Self::open(disk)
    }

    /// Opens the store on a disk.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self> {
        let store = Store::open_on(disk, Access::Write, None)?;
        let repo = repo_name()?;
        Ok(Self { store, repo })
    }

    /// The row of the repo.
    pub fn row(&self) -> Result<RepoRow> {
        self.store.reader()?.repo(&self.repo)
    }

    /// Makes an open build for a ref.
    pub fn build(&self, target: &str) -> Result<u64> {
        let options = CreateOptions {
            repo: self.repo.clone(),
            target: Some(ref_name(target)?),
            labels: BTreeMap::new(),
            from: None,
        };
        Ok(create(&self.store, options, moment(1)?)?.id)
    }

    /// Puts files into an open build, as one staged directory merged at the root.
    pub fn put(&self, build: u64, files: &Files) -> Result<()> {
        let view = self.store.view(&self.repo, &[build])?;
        let mut intake = self.store.intake();
        put_blobs(&mut intake, &view, files)?;
        let written = {
            let workshop = Workshop::new(&mut intake, &view);
            put_tree(&mut &workshop, &nested(files)?)?
        };
        let landing = intake.finish()?;
        let sums = Staged {
            operations: 1,
            files: written.totals.files(),
            bytes: written.totals.bytes(),
            ..Staged::default()
        };
        let (at, tree) = (bindery::base::path::TreePath::root(), written.tree.into());
        let operations = vec![Operation::Merge { at, tree }];
        let staging = Staging {
            landing,
            operations,
            sums,
        };
        self.store.record_staging(build, staging, moment(2)?)?;
        Ok(())
    }

    /// Commits a build.
    pub fn commit(&self, build: u64) -> Result<()> {
        commit(&self.store, build, "", moment(3)?).map(drop)
    }

    /// Makes and commits a build with files.
    pub fn committed(&self, target: &str, files: &Files) -> Result<u64> {
        let build = self.build(target)?;
        self.put(build, files)?;
        self.commit(build)?;
        Ok(build)
    }

    /// Reports what a check found in what a build has.
    pub fn check_build(&self, build: u64, name: &str, outcome: CheckOutcome) -> Result<BuildRow> {
        report(&self.store, build, name, outcome, moment(3)?)
    }

    /// Publishes a build to the ref that it is for.
    pub fn publish(&self, build: u64) -> Result<PublishAnswer> {
        publish(&self.store, build, &PublishOptions::default(), moment(4)?)
    }

    /// Makes, commits and publishes a build with files; returns its id.
    pub fn release(&self, target: &str, files: &Files) -> Result<u64> {
        let build = self.committed(target, files)?;
        self.publish(build)?;
        Ok(build)
    }

    /// Lets go of a release.
    pub fn retire(&self, target: &str, seq: u64) -> Result<Receipt> {
        let release = (ref_name(target)?, 1, seq);
        self.store
            .retire_releases(&self.row()?, &[release], Mode::Apply)
    }

    /// The files that a ref shows; none before its first release.
    pub fn shown(&self, target: &str) -> Result<Files> {
        let row = self
            .store
            .reader()?
            .find_ref(&self.row()?, &ref_name(target)?)?;
        match row.and_then(|row| row.current) {
            Some(current) => self.snapshot(&[], current.snapshot),
            None => Ok(Files::new()),
        }
    }

    /// The files that a committed build shows.
    pub fn tested(&self, build: u64) -> Result<Files> {
        let row = self.store.reader()?.build(build)?;
        let committed = row
            .committed
            .ok_or_else(|| Error::not_found("commit", build))?;
        self.snapshot(&[build], committed.snapshot)
    }

    /// The files of a snapshot that is published or in the packs of `builds`.
    pub fn snapshot(&self, builds: &[u64], snapshot: SnapshotRef) -> Result<Files> {
        let view = self.store.view(&self.repo, builds)?;
        read_files(&view, view.snapshot_of_size(snapshot)?.tree)
    }

    /// Checks everything that must hold after each verb and each crash.
    pub fn check(&self) -> Result<()> {
        let options = FsckOptions {
            counts: Counts::Recompute,
        };
        let report = self.store.fsck(options, &Silent)?;
        assert_eq!(report.problems, [], "I1 to I4");
        assert_eq!(report.repaired, [""; 0], "I3: no count drifts up");
        assert_eq!(report.strays, [""; 0], "I9: nothing is left behind");
        let mut packs = 0;
        for folder in self.store.disk().list(Path::new("packs"))? {
            let path = Path::new("packs").join(folder.name);
            packs += self.store.disk().list(&path)?.len() as u64;
        }
        assert_eq!(self.store.reader()?.totals()?.packs, packs, "I9: packs");
        let unfinished = self.store.disk().list(Path::new("tmp"))?;
        assert_eq!(unfinished, [], "I9: unfinished files");
        Ok(())
    }
}

/// Reports what a check found in what a build has.
pub fn report(
    store: &Store,
    build: u64,
    name: &str,
    outcome: CheckOutcome,
    time: Time,
) -> Result<BuildRow> {
    let committed = store.reader()?.build(build)?.committed;
    // A build without a snapshot takes no reports, whatever they say.
    let snapshot = committed.map_or(SnapshotId::of(b""), |committed| committed.snapshot.id);
    let report = CheckReport {
        name: parse(name)?,
        outcome,
        snapshot,
        message: Remark::default(),
    };
    store.report_check(build, report, time)
}

/// The name of the repo.
pub fn repo_name() -> Result<RepoName> {
    parse("example.org/os")
}

/// Parses the name of a ref.
pub fn ref_name(name: &str) -> Result<RefName> {
    parse(name)
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse()
        .map_err(|_| Error::usage(format!("{text:?} is no name or path")))
}

/// Puts the blobs of files that the view does not show into an intake.
fn put_blobs(intake: &mut Intake<'_>, view: &View<'_>, files: &Files) -> Result<()> {
    let mut frame = FrameBuilder::new();
    for text in files.values() {
        let id = Hash::of(text.as_bytes());
        if intake.wants(view, ObjectKind::Blob, id)? {
            frame.push(ObjectKind::Blob, id, text.as_bytes())?;
        }
    }
    if frame.is_empty() {
        return Ok(());
    }
    intake.append(&frame.seal()?)
}

/// A file, or a directory of more.
enum Node {
    File(String),
    Directory(BTreeMap<String, Node>),
}

fn nested(files: &Files) -> Result<BTreeMap<String, Node>> {
    let mut root = BTreeMap::new();
    for (path, text) in files {
        let mut directory = &mut root;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                directory.insert(name.to_owned(), Node::File(text.clone()));
                break;
            }
            let below = directory
                .entry(name.to_owned())
                .or_insert_with(|| Node::Directory(BTreeMap::new()));
            let Node::Directory(below) = below else {
                return Err(Error::usage(format!("{path}: a file is in the way")));
            };
            directory = below;
        }
    }
    Ok(root)
}

fn put_tree(sink: &mut dyn TreeSink, nodes: &BTreeMap<String, Node>) -> Result<Written> {
    let mut children = Vec::new();
    for (name, node) in nodes {
        children.push(match node {
            Node::File(text) => {
                let id = Hash::of(text.as_bytes());
                let size = text.len() as u64;
                Child::file(Entry::new(EntryKind::File, size, id, parse(name)?)?)
            }
            Node::Directory(nodes) => Child::directory(parse(name)?, put_tree(sink, nodes)?),
        });
    }
    edit::create(sink, children)
}

/// Reads every file of a tree.
pub fn read_files(view: &View<'_>, tree: TreeRef) -> Result<Files> {
    let mut files = Files::new();
    walk(view, tree, &mut |path, entry| {
        if entry.kind() != EntryKind::Directory {
            let mut text = Vec::new();
            view.read_blob(BlobId::new(entry.id()), entry.size(), &mut |bytes| {
                text.extend_from_slice(bytes);
                Ok(())
            })?;
            let text = String::from_utf8_lossy(&text).into_owned();
            files.insert(path.to_string(), text);
        }
        Ok(Step::Into)
    })?;
    Ok(files)
}
