//! Retelling: the second tree out of the first and a script, once the contents that the script makes are known.
//!
//! # Invariants
//!
//! - What is written is a function of the first tree and the script; directories that lose all they had stay, empty.
//! - What a script puts beneath a file, or takes from where nothing is, refuses it.
//!
//! # Not here
//!
//! Making the contents (`delta::follow`), how directories are written (`object::edit`).

use std::collections::{BTreeMap, HashMap};

use super::parts::malformed;
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::name::EntryName;
use crate::base::path::TreePath;
use crate::object::directory::{Found, TreeSource, find_path};
use crate::object::edit::{Child, Edit, TreeSink, Written, create, update};
use crate::object::script::{Content, Put, Script, Step};
use crate::object::tree::{EMPTY_TREE, Entry, EntryKind, Node, TreeRef};

/// A content that a script put: its id and its bytes.
pub(super) type Told = (Hash, u64);

/// What the first tree has at a path.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if it has nothing there, and the errors of the source.
pub(super) fn old_entry(source: &dyn TreeSource, a: TreeRef, path: &TreePath) -> Result<Entry> {
    match find_path(source, a, path)? {
        Some(Found::Entry(entry)) => Ok(entry),
        _ => Err(malformed(format!(
            "it refers to /{path}, which the snapshot it starts from has not"
        ))),
    }
}

/// Writes the tree that `script` makes of the tree `a`. `told` are the contents that groups made, by step.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) if the script does not suit the tree, and the errors of source and
/// sink.
pub(super) fn retell<S: TreeSource, K: TreeSink>(
    source: &S,
    sink: &mut K,
    a: TreeRef,
    script: &Script,
    told: &HashMap<usize, Told>,
) -> Result<TreeRef> {
    let mut telling = Telling {
        source,
        a,
        told,
        put: HashMap::new(),
        root: Folder::default(),
    };
    for (number, step) in script.steps.iter().enumerate() {
        telling.step(number, step)?;
    }
    let root = telling.root;
    Ok(root.write(source, sink, Some(a))?.tree)
}

/// A script that is being followed.
struct Telling<'t> {
    source: &'t dyn TreeSource,
    a: TreeRef,
    told: &'t HashMap<usize, Told>,
    /// Contents that were put, by path.
    put: HashMap<&'t TreePath, Told>,
    root: Folder,
}

impl<'t> Telling<'t> {
    fn step(&mut self, number: usize, step: &'t Step) -> Result<()> {
        let change = match &step.put {
            None => Change::Remove,
            Some(put) => self.put(number, &step.path, put)?,
        };
        let (folder, name) = step
            .path
            .split_last()
            .ok_or_else(|| malformed("a step changes the root"))?;
        let mut at = &mut self.root;
        for name in folder.names() {
            let change = at.changes.entry(name.clone());
            at = match change.or_insert_with(|| Change::Within(Folder::default())) {
                Change::Within(folder) => folder,
                Change::Remove | Change::Put(_) => {
                    return Err(malformed(format!("/{} lies in a file", step.path)));
                }
            };
        }
        match at.changes.insert(name.clone(), change) {
            None => Ok(()),
            Some(_) => Err(malformed(format!("/{} is told twice", step.path))),
        }
    }

    fn put(&mut self, number: usize, path: &'t TreePath, put: &'t Put) -> Result<Change> {
        let name = path.names().next_back().cloned();
        let name = name.ok_or_else(|| malformed("a step changes the root"))?;
        let at = put.at.as_ref().unwrap_or(path);
        let is_directory = put.kind == EntryKind::Directory;
        if is_directory {
            let entry = match put.content {
                Content::Old => old_entry(self.source, self.a, at)?,
                Content::Empty => Entry::directory(name.clone(), TreeRef::empty())?,
                _ => {
                    return Err(malformed(format!(
                        "/{path} has a content that no directory has"
                    )));
                }
            };
            if entry.tree_ref().is_none() {
                return Err(malformed(format!("/{at} is no directory")));
            }
            let entry = entry.renamed(name);
            return Ok(Change::Put(entry));
        }
        let (id, bytes) = match put.content {
            Content::Old => {
                let old = old_entry(self.source, self.a, at)?;
                match old.tree_ref() {
                    None => (old.id(), old.size()),
                    Some(_) => return Err(malformed(format!("/{at} is a directory"))),
                }
            }
            Content::Again => *self.put.get(at).ok_or_else(|| {
                malformed(format!("/{path} refers to /{at}, which was not put before"))
            })?,
            Content::Whole { size, id } => (id, size),
            Content::Patched { .. } | Content::Archive { .. } | Content::Made { .. } => *self
                .told
                .get(&number)
                .ok_or_else(|| malformed(format!("/{path} is in a group that is not there")))?,
            Content::Empty => return Err(malformed(format!("/{path} is no directory"))),
        };
        self.put.insert(path, (id, bytes));
        Ok(Change::Put(Entry::new(put.kind, bytes, id, name)?))
    }
}

/// What becomes of a directory.
#[derive(Default)]
struct Folder {
    changes: BTreeMap<EntryName, Change>,
}

/// What becomes of a name.
enum Change {
    Remove,
    Put(Entry),
    Within(Folder),
}

impl Folder {
    /// Writes the directory that `old` becomes.
    fn write<S: TreeSource, K: TreeSink>(
        self,
        source: &S,
        sink: &mut K,
        old: Option<TreeRef>,
    ) -> Result<Written> {
        let mut edits = BTreeMap::new();
        for (name, change) in self.changes {
            let edit = match change {
                Change::Remove => Edit::Remove,
                Change::Put(entry) => Edit::Put(child(source, sink, entry)?),
                Change::Within(folder) => {
                    let below = match old {
                        Some(old) => crate::object::directory::find(source, old, &name)?,
                        None => None,
                    };
                    let below = below.as_ref().and_then(Entry::tree_ref);
                    let written = folder.write(source, sink, below)?;
                    Edit::Put(Child::directory(name.clone(), written)?)
                }
            };
            edits.insert(name, edit);
        }
        if let Some(old) = old {
            return update(source, sink, old, edits);
        }
        let children = edits.into_values().filter_map(|edit| match edit {
            Edit::Put(child) => Some(Ok(child)),
            Edit::Remove => None,
        });
        create(sink, children)
    }
}

/// An entry with its totals. An empty directory is written: the first tree may have none.
fn child<S: TreeSource, K: TreeSink>(source: &S, sink: &mut K, entry: Entry) -> Result<Child> {
    if entry.tree_ref() == Some(TreeRef::empty()) {
        sink.put(
            TreeRef::empty(),
            EMPTY_TREE.to_vec(),
            Node::decode(EMPTY_TREE)?,
        )?;
        let written = create(sink, [])?;
        return Child::directory(entry.name().clone(), written);
    }
    Child::load(source, entry)
}

#[cfg(test)]
mod tests;
