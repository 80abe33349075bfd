//! Reached: what a path below a root leads to, links followed as far as they stay in the tree.
//!
//! Whoever reads a tree from elsewhere, over HTTP, must not be led out of it: neither to files of the machine nor to those of
//! another ref.

use std::collections::VecDeque;

use super::contents::Contents;
use crate::base::Result;
use crate::base::id::BlobId;
use crate::base::name::EntryName;
use crate::base::path::TreePath;
use crate::object::directory::find;
use crate::object::entry::{Entry, EntryKind, TreeRef};

/// Links that are followed on one path; more are taken for a circle, as systems do.
pub const LINKS_MAX: usize = 40;
/// Names on one path, those of links counted.
const NAMES_MAX: usize = 4096;
/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// A directory.
    Directory(TreeRef),
    /// A file.
    File(Entry),
    /// Nothing.
    Nothing,
}

/// Follows a path from a root.
///
/// # Errors
///
/// [`Error::Damaged`](crate::base::Error::Damaged) if a tree or link cannot be read.
pub fn follow(contents: &dyn Contents, root: TreeRef, names: &[String]) -> Result<Reached> {
    Ok(follow_to(contents, root, names)?.0)
}

/// Follows a path from a root, for who may read what lies beneath all of some directories alone: what is elsewhere, by its own
/// name or by that of a link, is not there.
///
/// # Errors
///
/// As [`follow`].
pub fn follow_within(
    contents: &dyn Contents,
    root: TreeRef,
    names: &[String],
    bounds: &[TreePath],
) -> Result<Reached> {
    let (reached, place) = follow_to(contents, root, names)?;
    let is_within = TreePath::of_names(&place)
        .is_ok_and(|place| bounds.iter().all(|bound| bound.contains(&place)));
    Ok(if is_within { reached } else { Reached::Nothing })
}

/// Follows a path; says also by which names what it leads to is reached without links.
fn follow_to(
    contents: &dyn Contents,
    root: TreeRef,
    names: &[String],
) -> Result<(Reached, Vec<String>)> {
    let mut names: VecDeque<String> = names.iter().cloned().collect();
    let nothing = || Ok((Reached::Nothing, Vec::new()));
    let (mut above, mut place) = (Vec::new(), Vec::new());
    let (mut here, mut links) = (root, 0);
    while let Some(name) = names.pop_front() {
        match name.as_str() {
            "" | "." => continue,
            ".." => match above.pop() {
                Some(directory) => {
                    here = directory;
                    place.pop();
                    continue;
                }
                None => return nothing(),
            },
            _ => {}
        }
        let Ok(name) = EntryName::parse(name.as_bytes()) else {
            return nothing();
        };
        let Some(entry) = find(contents, here, &name)? else {
            return nothing();
        };
        if let Some(tree) = entry.tree_ref() {
            above.push(here);
            place.push(name.as_str().to_owned());
            here = tree;
        } else if entry.kind() == EntryKind::Link {
            links += 1;
            let mut target = Vec::new();
            contents.read_file(BlobId::new(entry.id()), entry.size(), &mut |bytes| {
                target.extend_from_slice(bytes);
                Ok(())
            })?;
            let target = String::from_utf8_lossy(&target).into_owned();
            // What leads out of the tree leads nowhere for those who read it from here.
            if target.starts_with('/') || links > LINKS_MAX {
                return nothing();
            }
            for part in target.rsplit('/') {
                names.push_front(part.to_owned());
            }
            if names.len() > NAMES_MAX {
                return nothing();
            }
        } else if names.iter().all(String::is_empty) {
            place.push(name.as_str().to_owned());
            return Ok((Reached::File(entry), place));
        } else {
            return nothing();
        }
    }
    Ok((Reached::Directory(here), place))
}
