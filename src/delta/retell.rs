//! Retelling: the second tree out of the first and a script, once the contents that the script makes are known.
//!
//! # Invariants
//!
//! - What is written is a function of the first tree and the script; directories that lose all they had stay, empty.
//! - What a script puts beneath a path that it tells, or takes from where nothing is, refuses it.
//! - Of the directories that change, those on the way to one path are in memory; the others are written.
//!
//! # Not here
//!
//! Making the contents (`delta::follow`), how directories are written (`object::edit`).

use std::collections::{BTreeMap, HashMap};

use super::parts::malformed;
use crate::base::id::Hash;
use crate::base::name::EntryName;
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::object::directory::{Found, TreeSource, find, find_path};
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

/// Writes the tree that `script` makes of the tree `a`. `told` are the contents that groups made, by step. `source` needs to
/// hold what `a` has, and not what is written.
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
        sink,
        a,
        told,
        put: HashMap::new(),
        at: Vec::new(),
        open: vec![Folder::of(Some(a))],
    };
    for (number, step) in script.steps.iter().enumerate() {
        telling.step(number, step)?;
    }
    telling.finish()
}

/// A script that is being followed.
struct Telling<'t, S, K> {
    source: &'t S,
    sink: &'t mut K,
    a: TreeRef,
    told: &'t HashMap<usize, Told>,
    /// Contents that were put, by path.
    put: HashMap<&'t TreePath, Told>,
    /// The directory that the last step changed.
    at: Vec<&'t EntryName>,
    /// The root, and the directories on the way there. As steps ascend, all others are done.
    open: Vec<Folder>,
}

/// A directory in which something is otherwise.
struct Folder {
    /// What it was, if it was one.
    old: Option<TreeRef>,
    edits: BTreeMap<EntryName, Edit>,
}

impl Folder {
    fn of(old: Option<TreeRef>) -> Self {
        let edits = BTreeMap::new();
        Self { old, edits }
    }

    /// Writes what it becomes.
    fn write<S: TreeSource, K: TreeSink>(self, source: &S, sink: &mut K) -> Result<Written> {
        if let Some(old) = self.old {
            return update(source, sink, old, self.edits);
        }
        let children = self.edits.into_values().filter_map(|edit| match edit {
            Edit::Put(child) => Some(Ok(child)),
            Edit::Remove => None,
        });
        create(sink, children)
    }
}

impl<'t, S: TreeSource, K: TreeSink> Telling<'t, S, K> {
    fn step(&mut self, number: usize, step: &'t Step) -> Result<()> {
        let path = &step.path;
        let mut names = path.names();
        let name = names
            .next_back()
            .ok_or_else(|| malformed("a step changes the root"))?;
        self.enter(path, names)?;
        let edit = match &step.put {
            None => Edit::Remove,
            Some(put) => {
                let entry = self.put(number, path, put)?;
                Edit::Put(child(self.source, self.sink, entry)?)
            }
        };
        match self.innermost()?.edits.insert(name.clone(), edit) {
            None => Ok(()),
            Some(_) => Err(malformed(format!("/{path} is told twice"))),
        }
    }

    /// Goes to the directory `folder` in which `path` lies, and writes those that are left on the way.
    fn enter(
        &mut self,
        path: &TreePath,
        folder: impl ExactSizeIterator<Item = &'t EntryName>,
    ) -> Result<()> {
        let folder: Vec<_> = folder.collect();
        let known = self.at.iter().zip(&folder);
        let known = known.take_while(|(one, other)| one == other).count();
        while self.at.len() > known {
            self.leave()?;
        }
        for name in folder.into_iter().skip(known) {
            let source = self.source;
            let above = self.innermost()?;
            if above.edits.contains_key(name) {
                let reason = format!("/{path} lies beneath a path that is told before it");
                return Err(malformed(reason));
            }
            let old = match above.old {
                Some(old) => find(source, old, name)?,
                None => None,
            };
            let old = old.as_ref().and_then(Entry::tree_ref);
            self.at.push(name);
            self.open.push(Folder::of(old));
        }
        Ok(())
    }

    /// Writes the innermost directory, and notes it in the one above.
    fn leave(&mut self) -> Result<()> {
        let unopened = || Error::internal("each directory on the way is open");
        let name = self.at.pop().ok_or_else(unopened)?;
        let folder = self.open.pop().ok_or_else(unopened)?;
        let written = folder.write(self.source, self.sink)?;
        let child = Child::directory(name.clone(), written)?;
        let above = self.innermost()?;
        above.edits.insert(name.clone(), Edit::Put(child));
        Ok(())
    }

    fn innermost(&mut self) -> Result<&mut Folder> {
        let open = self.open.last_mut();
        open.ok_or_else(|| Error::internal("the root is open"))
    }

    fn finish(mut self) -> Result<TreeRef> {
        while !self.at.is_empty() {
            self.leave()?;
        }
        let root = std::mem::replace(self.innermost()?, Folder::of(None));
        Ok(root.write(self.source, self.sink)?.tree)
    }

    fn put(&mut self, number: usize, path: &'t TreePath, put: &'t Put) -> Result<Entry> {
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
            return Ok(entry.renamed(name));
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
        Entry::new(put.kind, bytes, id, name)
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
