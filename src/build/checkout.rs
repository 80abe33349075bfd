//! Checkout: write a snapshot's files into a directory, or what differs into an earlier checkout.
//!
//! # Order
//!
//! 1. The tree is read and the directory surveyed. Whatever is refused is refused here.
//! 2. The marker lists all that may be there from now on, and says *incomplete*.
//! 3. What earlier checkouts wrote and is not wanted is removed; directories are made.
//! 4. Files are written in the order in which they lie in packs, large ones after them, links last.
//! 5. The marker says *complete*, with what the file system says of each file.
//!
//! A checkout that is cut short is completed by the next one, of whatever snapshot.
//!
//! # Invariants
//!
//! - Only a new or empty directory, or one with a marker, is written into, and nothing outside it is ever touched.
//! - What a checkout wrote is ours: it is written again if it was changed by hand, and removed if it is not wanted. What
//!   no checkout wrote is neither written over nor removed, and so the directories it lies in stay.
//! - Every byte was hashed on its way out.
//!
//! # Not here
//!
//! Following names safely (`disk::checkout`, `disk::target_dir`), reading objects (`store::view`).

mod earlier;
mod marker;
mod prepare;
mod survey;
mod wanted;
mod write;

#[cfg(test)]
mod tests;

use std::path::Path;

use self::earlier::EarlierDir;
#[doc(hidden)]
pub use self::marker::respell as respell_marker;
use self::marker::{MARKER_BYTES_MAX, Marker};
use self::prepare::prepare;
use self::survey::survey;
use self::wanted::Wanted;
use super::contents::Stock;
use super::reached::{Reached, follow};
use crate::base::clock::file_clock_ns;
use crate::base::id::SnapshotId;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::disk::checkout::Target;
use crate::object::tree::{EntryKind, TreeRef};

/// How far the times of written files lie before the checkout, in nanoseconds: so far that any later change gives a file
/// another time, even on a file system that counts pairs of seconds.
const FILES_AGE_NS: i64 = 2_000_000_000;

/// Which links are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// All, as they are.
    All,
    /// Those that lead to something in the tree: others read the directory through a web server, which follows links.
    Inside,
}

/// What a checkout did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckoutAnswer {
    /// Files and links that are there now.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files and links that were written.
    pub written: u64,
    /// Files and links of an earlier checkout that were removed.
    pub removed: u64,
    /// Files and links that were as they should be.
    pub unchanged: u64,
}

/// What of an earlier checkout may stay in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: there is none, or it broke off before the first file was known to be whole.
    Nothing,
    /// Files that are still wanted.
    Files,
}

/// Looks whether `dir` can be checked out into, and what of it may stay. Nothing is changed.
///
/// # Errors
///
/// [`Error::Refused`] if it is neither new, empty nor an earlier checkout; [`Error::Io`] if it cannot be read.
pub fn look(dir: &Path) -> Result<Kept> {
    let earlier = match Target::find(dir)? {
        Some(target) => earlier(&target, dir)?,
        None => None,
    };
    Ok(match earlier {
        Some(earlier) if earlier.has_whole_file() => Kept::Files,
        Some(_) | None => Kept::Nothing,
    })
}

/// What earlier checkouts wrote, if there were any.
fn earlier(target: &Target, dir: &Path) -> Result<Option<EarlierDir>> {
    let marker = target.read_marker(MARKER_BYTES_MAX)?;
    let earlier = marker.map(|bytes| marker::decode(&bytes).map_err(|error| not_ours(dir, &error)));
    earlier.transpose()
}

/// Writes what lies at `path` in the tree `root`, which `stock` has, into the directory `dir`: the contents of a directory, or one file under
/// its name. In an earlier checkout, files that are still as it wrote them and are still wanted are left alone.
///
/// # Errors
///
/// [`Error::NotFound`] if there is nothing at `path`; [`Error::Refused`] if `dir` is neither new, empty nor an earlier
/// checkout, or something in it that no checkout wrote is in the way: nothing was changed. After [`Error::Damaged`] and
/// [`Error::Io`], checking out again completes it.
pub fn checkout(
    stock: &dyn Stock,
    root: TreeRef,
    snapshot: SnapshotId,
    path: &TreePath,
    dir: &Path,
    links: Links,
    progress: &dyn Progress,
) -> Result<CheckoutAnswer> {
    let wanted = Wanted::find(stock, root, path, &|at, entry| {
        if links == Links::All || entry.kind() != EntryKind::Link {
            return Ok(true);
        }
        let names = at.names().chain([entry.name()]);
        let names: Vec<String> = names.map(|name| name.as_str().to_owned()).collect();
        Ok(follow(stock, root, &names)? != Reached::Nothing)
    })?;
    let mtime_ns = file_clock_ns().saturating_sub(FILES_AGE_NS);
    let target = Target::create(dir)?;
    let earlier = earlier(&target, dir)?;
    let mut survey = survey(target.top(), &wanted, earlier.as_ref())?;
    let marker = Marker {
        snapshot,
        root,
        path,
    };
    target.write_marker(&marker.incomplete(&wanted, earlier.as_ref())?)?;
    let (unchanged, unchanged_bytes) = survey.unchanged;
    progress.expect(wanted.bytes.saturating_sub(unchanged_bytes));
    let removed = prepare(target.top(), &wanted, earlier.as_ref(), &survey)?;
    let mut written = 0;
    stock.with_blobs(&survey.blobs(), &mut |view| {
        written = write::write(view, &target, &mut survey, mtime_ns, progress)?;
        Ok(())
    })?;
    target.write_marker(&marker.complete(&wanted, &survey.facts)?)?;
    Ok(CheckoutAnswer {
        files: wanted.files,
        bytes: wanted.bytes,
        written,
        removed,
        unchanged,
    })
}

fn not_ours(dir: &Path, error: &Error) -> Error {
    Error::refused(format!(
        "cannot check out into {}: its .bindery is no marker that this program wrote ({error}); choose a new or empty \
         directory",
        dir.display()
    ))
}
