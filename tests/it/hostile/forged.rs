//! Forging: a store whose build shows a tree that no staging would make, and commands measured on it.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use bindery::base::id::Hash;
use bindery::base::path::TreePath;
use bindery::base::{Error, Result};
use bindery::disk::real::RealDisk;
use bindery::object::frame_builder::SealedFrame;
use bindery::object::kind::ObjectKind;
use bindery::object::snapshot::{Labels, Snapshot};
use bindery::object::totals::Totals;
use bindery::object::tree::TreeRef;
use bindery::store::builds::Staging;
use bindery::store::reach::{snapshot_edge, tree_edge};
use bindery::store::rows::{Committed, Operation, Staged};

use crate::shelf::{Shelf, moment};
use crate::support::{Answer, Scratch};

/// Bytes of memory that a command may take to refuse what is hostile.
const MEMORY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Runs a command and says last on standard error how many KiB of memory it took at most.
const MEASURE: &str = "import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)";

/// A scratch folder with a store that is also open as a shelf.
pub struct Forge {
    pub scratch: Scratch,
    pub shelf: Shelf,
}

impl Forge {
    pub fn new() -> std::result::Result<Self, Box<dyn std::error::Error>> {
        let scratch = Scratch::empty()?;
        let disk = RealDisk::new(scratch.store());
        let shelf = Shelf::create(Arc::new(disk))?;
        Ok(Self { scratch, shelf })
    }

    /// Puts objects, and frames as they are, into a new build, which stages `tree` at its root; returns the build.
    pub fn stage(
        &self,
        objects: &[(ObjectKind, Hash, Vec<u8>)],
        frames: &[SealedFrame],
        tree: TreeRef,
    ) -> Result<u64> {
        let build = self.shelf.build("stable")?;
        let mut intake = self.shelf.store.intake();
        for (kind, id, bytes) in objects {
            intake.put(*kind, *id, bytes)?;
        }
        frames.iter().try_for_each(|frame| intake.append(frame))?;
        let (at, tree) = (TreePath::root(), tree.into());
        let staging = Staging {
            landing: intake.finish()?,
            operations: vec![Operation::Merge { at, tree }],
            sums: Staged::default(),
        };
        self.shelf
            .store
            .record_staging(build, staging, moment(2)?)?;
        Ok(build)
    }

    /// Commits a build with the tree that it stages, without any of the checks that a commit makes.
    pub fn force_commit(&self, build: u64, tree: TreeRef, totals: Totals) -> Result<()> {
        let store = &self.shelf.store;
        let view = store.view(&self.shelf.repo, &[build])?;
        let mut intake = store.intake();
        let snapshot = Snapshot {
            tree,
            totals,
            depth: 100,
            parents: Vec::new(),
            time: moment(3)?,
            labels: Labels::default(),
            message: String::new(),
        };
        let committed = Committed {
            snapshot: intake.put_snapshot(&view, &snapshot)?,
            root: tree.into(),
            wanted: tree.into(),
            files: totals.files(),
            bytes: totals.bytes(),
            onto: None,
            conflicts: 0,
            time: moment(3)?,
        };
        let landing = intake.finish()?;
        let roots = [snapshot_edge(committed.snapshot), tree_edge(tree)];
        let reach = view.with(&landing)?.reach(&roots)?;
        let row = store.reader()?.build(build)?;
        let dropped = BTreeSet::new();
        store.record_commit(&row, committed, landing, &reach, &dropped)?;
        Ok(())
    }

    /// Closes the shelf, so that commands can write.
    pub fn close(self) -> Scratch {
        self.scratch
    }
}

/// Runs a command line whose words have no spaces, and expects it to take little memory.
pub fn measured(
    scratch: &Scratch,
    line: &str,
) -> std::result::Result<Answer, Box<dyn std::error::Error>> {
    let mut command = Command::new("python3");
    command.args(["-c", MEASURE, env!("CARGO_BIN_EXE_bindery")]);
    command.args(line.split(' '));
    scratch.isolate(&mut command);
    let answer = Answer::of(&mut command)?;
    let last = answer.stderr.lines().last().unwrap_or_default();
    let kib: u64 = last
        .parse()
        .map_err(|_| Error::internal(format!("{answer:?}")))?;
    assert!(kib * 1024 <= MEMORY_BYTES_MAX, "{kib} KiB: {answer:?}");
    Ok(answer)
}
