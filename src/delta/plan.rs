//! The plan: how a second tree follows from a first, path by path, and which contents of the first may be bases of those
//! that are new.
//!
//! # Invariants
//!
//! - Pure: a function of the two trees, over any source of nodes.
//! - Each new content is planned once, however many paths have it.
//! - A content has at most [`BASES_MAX`] bases to be tried: the one at its own path first, then those of its stem.
//!
//! # Not here
//!
//! Bases by content (`delta::bases`); which base is taken, and whether any (`delta::group`).

use std::collections::HashMap;

use super::changes::{Seen, Way, changes};
use super::stem::stem;
use crate::base::Result;
use crate::base::id::{Hash, TreeId};
use crate::base::path::TreePath;
use crate::object::directory::TreeSource;
use crate::object::script::{Content, Put, Step};
use crate::object::tree::{Entry, EntryKind, TreeRef};
use crate::object::walk::{Step as Walk, walk};

/// Bases that are tried for one content.
pub(super) const BASES_MAX: usize = 3;
/// Files of one stem that are looked at for one content.
const NAMESAKES_MAX: usize = 64;
/// Bytes of contents at new paths for which it pays to look at one file of the first tree: perhaps it has them somewhere.
pub(super) const BYTES_PER_LOOK: u64 = 64;

/// A content of the first tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) path: TreePath,
    pub(super) id: Hash,
    pub(super) bytes: u64,
}

/// A content that only the second tree has.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) id: Hash,
    pub(super) bytes: u64,
    /// The first step that puts it.
    pub(super) step: usize,
    /// What may be its base, the likeliest first.
    pub(super) bases: Vec<Base>,
}

/// How a second tree follows from a first.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What the script says. What the new contents are made of is not known yet: they stand as [`Content::Again`] without a
    /// path.
    pub(super) steps: Vec<Step>,
    /// The new contents, in the order of the steps.
    pub(super) wanted: Vec<Wanted>,
    /// Files of the first tree at paths where the second has none: what may be bases by name or content.
    pub(super) gone: Vec<Base>,
    /// Files of the first tree at paths where the second has other ones.
    pub(super) changed: Vec<Base>,
    /// Contents of the first tree at paths where the second has others, or none.
    pub(super) old: Vec<(Hash, u64)>,
    /// Files and links that differ.
    pub(super) files: u64,
}

impl Plan {
    /// Compares two trees.
    ///
    /// # Errors
    ///
    /// Those of the source.
    pub(super) fn of(source: &dyn TreeSource, a: TreeRef, b: TreeRef) -> Result<Self> {
        let mut plan = Self::default();
        let mut known = Known::of(source, a, b, &mut plan)?;
        let strangers = plan.follow(source, a, b, &mut known)?;
        let files = source.node(a)?.totals().files();
        if files > 0 && strangers / BYTES_PER_LOOK >= files {
            // Perhaps they are copies of what is as it was.
            known.look_everywhere(source, a)?;
            (plan.steps, plan.wanted, plan.files) = Default::default();
            known.put.clear();
            plan.follow(source, a, b, &mut known)?;
        }
        plan.find_namesakes();
        Ok(plan)
    }

    /// Writes the steps; gives the bytes of new contents at paths where the first tree has nothing.
    fn follow(
        &mut self,
        source: &dyn TreeSource,
        a: TreeRef,
        b: TreeRef,
        known: &mut Known,
    ) -> Result<u64> {
        let mut strangers = 0;
        changes(source, Some(a), Some(b), &mut |seen| {
            let Seen::Entry { path, a, b } = seen else {
                return Ok(Way::Into);
            };
            let Some(b) = b else {
                let path = path.clone();
                self.steps.push(Step { path, put: None });
                return Ok(Way::Past);
            };
            if let Some(tree) = b.tree_ref() {
                return Ok(self.directory(path, tree, known));
            }
            self.files += 1;
            if self.file(path, a, b, known) && a.is_none() {
                strangers += b.size();
            }
            Ok(Way::Past)
        })?;
        Ok(strangers)
    }

    fn directory(&mut self, path: &TreePath, tree: TreeRef, known: &Known) -> Way {
        let (at, content) = match known.trees.get(&tree.id) {
            _ if tree == TreeRef::empty() => (None, Content::Empty),
            Some(old) => (Some(old.clone()), Content::Old),
            None => return Way::Into,
        };
        self.put(path, EntryKind::Directory, at, content);
        Way::Past
    }

    /// Puts a file or link; says whether its content is new.
    fn file(&mut self, path: &TreePath, a: Option<&Entry>, b: &Entry, known: &mut Known) -> bool {
        let (id, kind) = (b.id(), b.kind());
        if let Some(old) = known.contents.get(&id) {
            let is_here = a.is_some_and(|a| a.id() == id);
            let at = (!is_here).then(|| old.clone());
            self.put(path, kind, at, Content::Old);
            return false;
        }
        if let Some(first) = known.put.get(&id) {
            self.put(path, kind, Some(first.clone()), Content::Again);
            return false;
        }
        known.put.insert(id, path.clone());
        let same_path = a.filter(|a| is_base(a)).map(|a| Base::of(path, a));
        self.wanted.push(Wanted {
            id,
            bytes: b.size(),
            step: self.steps.len(),
            bases: same_path.into_iter().collect(),
        });
        self.put(path, kind, None, Content::Again);
        true
    }

    fn put(&mut self, path: &TreePath, kind: EntryKind, at: Option<TreePath>, content: Content) {
        let put = Some(Put { kind, at, content });
        let path = path.clone();
        self.steps.push(Step { path, put });
    }

    /// Adds bases by stem, for contents that have room for one.
    fn find_namesakes(&mut self) {
        let mut by_stem: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, gone) in self.gone.iter().enumerate() {
            if let Some(stem) = stem_of(&gone.path) {
                by_stem.entry(stem).or_default().push(number);
            }
        }
        for wanted in &mut self.wanted {
            let path = &self.steps[wanted.step].path;
            let Some(namesakes) = stem_of(path).and_then(|stem| by_stem.get(&stem)) else {
                continue;
            };
            let namesakes = namesakes.iter().take(NAMESAKES_MAX);
            let mut namesakes: Vec<&Base> = namesakes.map(|number| &self.gone[*number]).collect();
            namesakes.sort_by_key(|base| {
                let distance = usize::MAX - names_in_common(path, &base.path);
                (distance, base.bytes.abs_diff(wanted.bytes))
            });
            wanted.add_bases(namesakes);
        }
    }
}

impl Base {
    /// The content that an entry of the first tree names.
    pub(super) fn of(path: &TreePath, entry: &Entry) -> Self {
        Self {
            path: path.clone(),
            id: entry.id(),
            bytes: entry.size(),
        }
    }
}

impl Wanted {
    /// Adds bases, as far as there is room and they are not there already.
    pub(super) fn add_bases<'b>(&mut self, bases: impl IntoIterator<Item = &'b Base>) {
        for base in bases {
            if self.bases.len() < BASES_MAX && !self.bases.iter().any(|known| known.id == base.id) {
                self.bases.push(base.clone());
            }
        }
    }
}

/// The stem of the name at the end of a path.
pub(super) fn stem_of(path: &TreePath) -> Option<String> {
    stem(path.names().next_back()?.as_str())
}

/// Names that two paths have in common, from the front and, in what is left, from the back: directories get versions, too.
fn names_in_common(one: &TreePath, other: &TreePath) -> usize {
    let equal = |(a, b): &(_, _)| a == b;
    let front = one.names().zip(other.names()).take_while(equal).count();
    let left = one.names().len().min(other.names().len()) - front;
    let back = one.names().rev().zip(other.names().rev()).take(left);
    front + back.take_while(equal).count()
}

/// Whether an entry's content may be a base: a file that is not empty.
pub(super) fn is_base(entry: &Entry) -> bool {
    matches!(entry.kind(), EntryKind::File | EntryKind::Executable) && entry.size() > 0
}

/// What the first tree has, and where.
struct Known {
    contents: HashMap<Hash, TreePath>,
    trees: HashMap<TreeId, TreePath>,
    /// New contents, and the first path that has each.
    put: HashMap<Hash, TreePath>,
}

impl Known {
    /// What the first tree has at paths where the second differs.
    fn of(source: &dyn TreeSource, a: TreeRef, b: TreeRef, plan: &mut Plan) -> Result<Self> {
        let mut known = Self {
            contents: HashMap::new(),
            trees: HashMap::new(),
            put: HashMap::new(),
        };
        changes(source, Some(a), Some(b), &mut |seen| {
            match seen {
                Seen::Directory { at, a: Some(a), .. } if !at.is_root() => {
                    known.trees.entry(a.id).or_insert_with(|| at.clone());
                }
                Seen::Entry {
                    path,
                    a: Some(a),
                    b,
                } if a.tree_ref().is_none() => {
                    known.contents.entry(a.id()).or_insert_with(|| path.clone());
                    plan.old.push((a.id(), a.size()));
                    let base = is_base(a).then(|| Base::of(path, a));
                    match b.filter(|b| b.tree_ref().is_none()) {
                        Some(_) => plan.changed.extend(base),
                        None => plan.gone.extend(base),
                    }
                }
                _ => {}
            }
            Ok(Way::Into)
        })?;
        Ok(known)
    }

    /// Adds what the first tree has anywhere.
    fn look_everywhere(&mut self, source: &dyn TreeSource, a: TreeRef) -> Result<()> {
        walk(source, a, &mut |path, entry| {
            match entry.tree_ref() {
                Some(tree) => {
                    self.trees.entry(tree.id).or_insert_with(|| path.clone());
                }
                None => {
                    // Only what is wanted is worth remembering.
                    if self.put.contains_key(&entry.id()) {
                        self.contents
                            .entry(entry.id())
                            .or_insert_with(|| path.clone());
                    }
                }
            }
            Ok(Walk::Into)
        })
    }
}

#[cfg(test)]
mod tests;
