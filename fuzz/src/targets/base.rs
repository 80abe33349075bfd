//! Words: names, paths, hashes and times.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use bindery::base::clock::Time;
use bindery::base::id::Hash;
use bindery::base::name::{CheckName, EntryName, KeyName, RefName, RepoName};
use bindery::base::path::TreePath;
use bindery::base::profile::{check_portable_names, check_portable_target};
use bindery::base::remark::Remark;

use crate::Verdict;

/// A name in a tree.
#[must_use]
pub fn entry_name(data: &[u8]) -> Verdict {
    Verdict::of(data, EntryName::parse(data), |name| name.as_str().into())
}

/// A hash in hex digits.
#[must_use]
pub fn hash(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<Hash>, ToString::to_string)
}

/// A path in a tree. A leading or trailing slash is taken and dropped, so a path must only keep its own spelling.
#[must_use]
pub fn path(data: &[u8]) -> Verdict {
    let parsed = std::str::from_utf8(data).map(str::parse::<TreePath>);
    let Ok(Ok(path)) = parsed else {
        return Verdict::Refused;
    };
    let text = path.to_string();
    Verdict::of_text(text.as_bytes(), str::parse::<TreePath>, ToString::to_string)
}

/// The name of a ref.
#[must_use]
pub fn ref_name(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<RefName>, ToString::to_string)
}

/// The name of a repo.
#[must_use]
pub fn repo_name(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<RepoName>, ToString::to_string)
}

/// The name of a key.
#[must_use]
pub fn key_name(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<KeyName>, ToString::to_string)
}

/// The name of a check.
#[must_use]
pub fn check_name(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<CheckName>, ToString::to_string)
}

/// What a check says, in one line.
#[must_use]
pub fn remark(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<Remark>, |remark| {
        remark.as_str().to_owned()
    })
}

/// The names of a directory, one a line, that are to be portable.
///
/// # Panics
///
/// If two are taken that differ only in case: that is a finding.
#[must_use]
pub fn portable_names(data: &[u8]) -> Verdict {
    let names: Result<Vec<_>, _> = data
        .split(|byte| *byte == b'\n')
        .map(EntryName::parse)
        .collect();
    let Ok(names) = names else {
        return Verdict::Refused;
    };
    if check_portable_names(&names).is_err() {
        return Verdict::Refused;
    }
    let lower: BTreeSet<String> = names
        .iter()
        .map(|name| name.as_str().to_lowercase())
        .collect();
    assert!(lower.len() == names.len(), "names differ not only in case");
    Verdict::Accepted
}

/// The target of a link that is to be portable, behind a byte with the depth of the link.
///
/// # Panics
///
/// If a target is taken that leaves the tree: that is a finding.
#[must_use]
pub fn link_target(data: &[u8]) -> Verdict {
    let Some((depth, target)) = data.split_first() else {
        return Verdict::Refused;
    };
    let depth = usize::from(depth % 8);
    let Ok(target) = std::str::from_utf8(target) else {
        return Verdict::Refused;
    };
    if check_portable_target(target, depth).is_err() {
        return Verdict::Refused;
    }
    let mut names_above = depth;
    for component in Path::new(target).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => names_above += 1,
            Component::ParentDir => {
                assert!(names_above > 0, "a link does not climb above the root");
                names_above -= 1;
            }
            Component::RootDir | Component::Prefix(_) => {
                assert!(target.is_empty(), "a link does not start at the root");
            }
        }
    }
    Verdict::Accepted
}

/// A moment.
#[must_use]
pub fn time(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<Time>, ToString::to_string)
}
