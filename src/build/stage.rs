//! Stage: put files into an open build.
//!
//! Each PATH is walked, its files are read once, hashed, and stored as far as the repo does not show them already; then
//! trees are made from the bottom up, and the build gets one operation per PATH.
//!
//! # Invariants
//!
//! - A staging that fails records nothing; the build is as it was.
//! - The same files give the same packs, whatever the number of threads.
//! - Nothing is read that the stat cache vouches for and the repo shows.
//!
//! # Not here
//!
//! What the operations do to a tree (`build::merge`), finding and reading files (`disk::walk`, `disk::source`).

mod batch;
mod believe;
mod cache;
mod children;
mod content;
mod in_order;
mod lacking;
mod listing;
mod packer;
mod pipeline;
mod recall;
pub(crate) mod recipes;
mod remember;
mod remove;
mod settle;
mod stream;
mod trees;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

#[doc(hidden)]
pub use self::believe::believe as believe_stat_cache;
#[doc(hidden)]
pub use self::cache::respell as respell_stat_cache;
pub use self::content::{CONTENT_BYTES_EXTRA, Chunk, Content, ContentSink};
pub use self::in_order::{Threads, on_all_threads};
use self::lacking::Lacking;
pub use self::listing::Source;
pub use self::packer::{FrameSink, Packer};
pub use self::pipeline::{take_again, take_all};
use self::recall::Recalled;
use self::remember::remember;
pub use self::remove::remove;
use super::open::open_build;
use crate::base::clock::{Time, file_clock_ns};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::disk::exclude::Excludes;
use crate::disk::findings::Dropped;
use crate::object::edit::Written;
use crate::store::Store;
use crate::store::builds::Staging;
use crate::store::rows::{BuildRow, Operation, Staged};

/// How files are to be staged.
#[derive(Clone, Debug, Default)]
pub struct StageOptions {
    /// The directory of the tree that takes them.
    pub at: TreePath,
    /// What becomes of that directory.
    pub mode: StageMode,
    /// What of the given directories to leave out.
    pub excludes: Excludes,
}

/// What becomes of the directory that files are staged into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StageMode {
    /// The files are added to it, or replace same-named ones.
    #[default]
    Merge,
    /// It becomes what is staged, and loses the rest.
    Replace,
}

/// What was staged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageAnswer {
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that the repo did not have: contents and directories.
    pub new_objects: u64,
    /// Their bytes, expanded.
    pub new_bytes: u64,
    /// Bytes of the packs that hold them.
    pub stored_bytes: u64,
    /// What was left out because trees do not hold it.
    pub dropped: Dropped,
}

/// Puts `paths` into an open build: a directory adds its contents at [`StageOptions::at`], a file itself. A path that is
/// a symbolic link is what it leads to; links beneath a directory stay links. Stagings add up, and a later one wins.
///
/// # Errors
///
/// [`Error::Usage`] without a path, or with several to replace one directory; [`Error::State`] if the build is not open;
/// [`Error::Source`] for the first file that has no legal name, cannot be read, or changes while it is read; [`Error::Io`]
/// if a path leads nowhere. Nothing is recorded then.
pub fn stage(
    store: &Store,
    build: u64,
    paths: &[PathBuf],
    options: &StageOptions,
    progress: &dyn Progress,
    time: Time,
) -> Result<StageAnswer> {
    check_paths(paths, options.mode)?;
    let row = open_build(store, build, "stage into")?;
    let walk_started_ns = file_clock_ns();
    let mut sources = Vec::with_capacity(paths.len());
    for path in paths {
        let source = Source::open(path, &options.at, &options.excludes)?;
        progress.expect(source.bytes());
        sources.push(source);
    }
    let (staging, recalled) = take_in(store, &row, &sources, options, progress)?;
    let mut answer = StageAnswer {
        files: staging.sums.files,
        bytes: staging.sums.bytes,
        new_objects: staging.sums.new_objects,
        new_bytes: staging.sums.new_bytes,
        stored_bytes: staging.sums.stored_bytes,
        dropped: Dropped::default(),
    };
    store.record_staging(build, staging, time)?;
    for (source, recalled) in sources.into_iter().zip(recalled) {
        remember(
            store,
            &source,
            &options.excludes,
            &recalled,
            walk_started_ns,
        );
        answer.dropped.absorb(source.into_dropped());
    }
    Ok(answer)
}

/// Checks that there are as many paths as staging them so takes.
///
/// # Errors
///
/// [`Error::Usage`] without a path, or with several to replace one directory.
pub fn check_paths(paths: &[PathBuf], mode: StageMode) -> Result<()> {
    match (paths.len(), mode) {
        (0, _) => Err(Error::usage(
            "there is nothing to stage: name a directory or a file",
        )),
        (1, _) | (_, StageMode::Merge) => Ok(()),
        (number, StageMode::Replace) => Err(Error::usage(format!(
            "one path can replace a directory, not {number}"
        ))),
    }
}

/// Takes in the files and trees of all sources; also says which ids their files have.
fn take_in(
    store: &Store,
    row: &BuildRow,
    sources: &[Source],
    options: &StageOptions,
    progress: &dyn Progress,
) -> Result<(Staging, Vec<Recalled>)> {
    let view = store.view(&row.repo, &[row.id])?;
    let mut sums = Staged::default();
    let (landing, operations, recalled) = on_all_threads(|scope| -> Result<_> {
        let mut packer = Packer::new(Lacking::new(store.intake(), &view), scope);
        let (mut operations, mut all_recalled) = (Vec::new(), Vec::new());
        for source in sources {
            let mut recalled = Recalled::of(store, &view, source, &options.excludes)?;
            let written = pipeline::take_in(scope, source, &mut recalled, &mut packer, progress)?;
            sums.files += written.totals.files();
            sums.bytes += written.totals.bytes();
            operations.push(operation(options, written));
            all_recalled.push(recalled);
        }
        Ok((packer.finish()?.finish()?, operations, all_recalled))
    })?;
    sums.operations = u32::try_from(operations.len()).unwrap_or(u32::MAX);
    sums.new_objects = landing.objects;
    sums.new_bytes = landing.expanded_bytes;
    sums.stored_bytes = landing.stored_bytes;
    let staging = Staging {
        landing,
        operations,
        sums,
    };
    Ok((staging, recalled))
}

fn operation(options: &StageOptions, written: Written) -> Operation {
    let (at, tree) = (options.at.clone(), written.tree.into());
    match options.mode {
        StageMode::Merge => Operation::Merge { at, tree },
        StageMode::Replace => Operation::Replace { at, tree },
    }
}
