//! Trees as nested maps, for tests: the plainest thing that merging can be compared with.
//!
//! # Not here
//!
//! What merging should give: each test says so in terms of these maps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::base::Result;
use crate::object::directory::entries;
use crate::object::edit::Child;
use crate::object::memory::{AnyError, MemoryTrees, directory, file};
use crate::object::tree::{Entry, TreeRef};

/// What a test returns.
pub(crate) type Outcome = Result<(), AnyError>;

/// What a directory has under each name.
pub(crate) type Contents = BTreeMap<String, Thing>;

/// A file, told from others by the number of its bytes, or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    File(u8),
    Directory(Contents),
}

impl Thing {
    /// What is in a directory.
    pub(crate) fn directory(&self) -> Option<&Contents> {
        match self {
            Self::Directory(contents) => Some(contents),
            Self::File(_) => None,
        }
    }
}

/// Makes a tree from lines such as `a/b=1`, a file, and `d/`, an empty directory.
pub(crate) fn contents(lines: &[&str]) -> Contents {
    let mut contents = Contents::new();
    for line in lines {
        let (path, thing) = match line.split_once('=') {
            Some((path, number)) => (path, Thing::File(number.parse().unwrap_or_default())),
            None => (*line, Thing::Directory(Contents::new())),
        };
        let names: Vec<&str> = path.split_terminator('/').collect();
        set(&mut contents, &names, Some(thing));
    }
    contents
}

/// Makes a path show `thing`, as a file system would: directories are made on the way, and replace files. `None` removes
/// the path, if it is there.
pub(crate) fn set(contents: &mut Contents, names: &[&str], thing: Option<Thing>) {
    match (names, thing) {
        ([], _) => {}
        ([name], Some(thing)) => drop(contents.insert((*name).to_owned(), thing)),
        ([name], None) => drop(contents.remove(*name)),
        ([name, rest @ ..], Some(thing)) => {
            let under = contents.remove(*name);
            let mut under = under
                .and_then(|under| under.directory().cloned())
                .unwrap_or_default();
            set(&mut under, rest, Some(thing));
            contents.insert((*name).to_owned(), Thing::Directory(under));
        }
        ([name, rest @ ..], None) => {
            if let Some(Thing::Directory(under)) = contents.get_mut(*name) {
                set(under, rest, None);
            }
        }
    }
}

/// What a path shows; the root shows nothing.
pub(crate) fn get<'c>(contents: &'c Contents, names: &[&str]) -> Option<&'c Thing> {
    match names {
        [] => None,
        [name] => contents.get(*name),
        [name, rest @ ..] => get(contents.get(*name)?.directory()?, rest),
    }
}

/// The paths of all files, each with its number.
pub(crate) fn files(contents: &Contents) -> BTreeMap<String, u8> {
    let mut all = BTreeMap::new();
    for (name, thing) in contents {
        match thing {
            Thing::File(number) => drop(all.insert(name.clone(), *number)),
            Thing::Directory(under) => {
                let under = files(under).into_iter();
                all.extend(under.map(|(path, number)| (format!("{name}/{path}"), number)));
            }
        }
    }
    all
}

/// Writes a tree.
pub(crate) fn write(trees: &MemoryTrees, contents: &Contents) -> Result<TreeRef, AnyError> {
    let children = contents
        .iter()
        .map(|(name, thing)| child(trees, name, thing));
    let children = children.collect::<Result<Vec<_>, _>>()?;
    Ok(trees.directory(children)?.tree)
}

fn child(trees: &MemoryTrees, name: &str, thing: &Thing) -> Result<Child, AnyError> {
    match thing {
        Thing::File(number) => file(name, &"x".repeat(usize::from(*number))),
        Thing::Directory(under) => {
            let children = under.iter().map(|(name, thing)| child(trees, name, thing));
            let children = children.collect::<Result<Vec<_>, _>>()?;
            directory(name, trees.directory(children)?)
        }
    }
}

/// Reads a tree.
pub(crate) fn read(trees: &MemoryTrees, tree: TreeRef) -> Result<Contents, AnyError> {
    let thing = |entry: Entry| {
        Ok::<_, AnyError>(match entry.tree_ref() {
            Some(tree) => Thing::Directory(read(trees, tree)?),
            None => Thing::File(u8::try_from(entry.size())?),
        })
    };
    let named = entries(trees, tree).map(|entry| {
        let entry = entry?;
        Ok((entry.name().to_string(), thing(entry)?))
    });
    named.collect()
}

/// One of three names, so that different trees often have the same paths.
pub(crate) fn any_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

/// A path of one to three names.
pub(crate) fn any_path() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any_name(), 1..4)
}

/// A small tree.
pub(crate) fn any_contents() -> impl Strategy<Value = Contents> {
    let under = any_thing().prop_map(|thing| thing.directory().cloned().unwrap_or_default());
    (
        under,
        prop::collection::btree_map(any_name(), any_thing(), 0..3),
    )
        .prop_map(|(mut all, more)| {
            all.extend(more);
            all
        })
}

/// A file, or a small directory.
pub(crate) fn any_thing() -> impl Strategy<Value = Thing> {
    (1..4_u8)
        .prop_map(Thing::File)
        .prop_recursive(3, 12, 3, |inner| {
            prop::collection::btree_map(any_name(), inner, 0..4).prop_map(Thing::Directory)
        })
}

/// Some changes of paths; `None` removes one.
pub(crate) fn any_changes() -> impl Strategy<Value = Vec<(Vec<String>, Option<Thing>)>> {
    let thing = proptest::option::weighted(0.6, any_thing());
    prop::collection::vec((any_path(), thing), 0..4)
}

/// Makes changes of paths.
pub(crate) fn changed(contents: &Contents, changes: &[(Vec<String>, Option<Thing>)]) -> Contents {
    let mut made = contents.clone();
    for (path, thing) in changes {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        set(&mut made, &names, thing.clone());
    }
    made
}

/// Makes the error of a test one of a property.
pub(crate) fn as_case(outcome: Outcome) -> Result<(), TestCaseError> {
    outcome.map_err(|error| TestCaseError::fail(error.to_string()))
}
