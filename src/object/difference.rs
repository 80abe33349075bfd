//! What two directories, or two trees, differ in.
//!
//! # Invariants
//!
//! - Nodes and subtrees with equal ids are never loaded, so the cost is that of what differs.
//! - Differences come by name, each name once.
//!
//! # Not here
//!
//! What differences mean for a build (`build`), how they are shown (the command line).

use std::cmp::Ordering;

use crate::base::Result;
use crate::base::name::EntryName;
use crate::base::path::TreePath;

use super::census::Census;
use super::cursor::{Cursor, Place, TreeSource};
use super::directory::join;
use super::tree::{Entry, TreeRef};

/// A name under which two directories have different entries, or only one has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The name.
    pub name: EntryName,
    /// The entry of the first directory.
    pub a: Option<Entry>,
    /// The entry of the second directory.
    pub b: Option<Entry>,
}

/// Lists what differs between the directories `a` and `b`, by name; `None` is a directory that does not exist. Says
/// nothing about what is in their subdirectories, beyond that their ids differ. After an error the list ends.
///
/// # Errors
///
/// Each item may be an [`Error::Malformed`](crate::base::Error::Malformed) for nodes that do not fit together, or an
/// error of the source.
pub fn differing(
    source: &dyn TreeSource,
    a: Option<TreeRef>,
    b: Option<TreeRef>,
) -> Differences<'_> {
    Differences {
        source,
        roots: (a != b).then_some((a, b)),
        a: None,
        b: None,
    }
}

/// What differs between two directories, by name; made by [`differing`].
pub struct Differences<'s> {
    source: &'s dyn TreeSource,
    /// The roots until they are opened.
    roots: Option<(Option<TreeRef>, Option<TreeRef>)>,
    a: Option<Cursor<'s>>,
    b: Option<Cursor<'s>>,
}

/// What to do at the current places of two cursors.
enum Move {
    /// Both are at the same line or entry.
    SkipBoth,
    IntoA,
    IntoB,
    IntoBoth,
    /// The entry of the first comes before all that is left in the second.
    GiveA,
    GiveB,
    /// Two entries of one name.
    GiveBoth,
    End,
}

impl Differences<'_> {
    fn advance(&mut self) -> Result<Option<Difference>> {
        if let Some((a, b)) = self.roots.take() {
            let open = |tree| Cursor::open(self.source, tree);
            self.a = a.map(open).transpose()?;
            self.b = b.map(open).transpose()?;
        }
        loop {
            match next_move(self.a.as_ref(), self.b.as_ref()) {
                Move::SkipBoth => {
                    skip(&mut self.a);
                    skip(&mut self.b);
                }
                Move::IntoA => descend(&mut self.a)?,
                Move::IntoB => descend(&mut self.b)?,
                Move::IntoBoth => {
                    descend(&mut self.a)?;
                    descend(&mut self.b)?;
                }
                Move::GiveA => return Ok(give(take(&mut self.a), None)),
                Move::GiveB => return Ok(give(None, take(&mut self.b))),
                Move::GiveBoth => return Ok(give(take(&mut self.a), take(&mut self.b))),
                Move::End => return Ok(None),
            }
        }
    }
}

impl Iterator for Differences<'_> {
    type Item = Result<Difference>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if !matches!(item, Some(Ok(_))) {
            (self.a, self.b) = (None, None);
        }
        item
    }
}

fn next_move(a: Option<&Cursor<'_>>, b: Option<&Cursor<'_>>) -> Move {
    match (a.and_then(Cursor::place), b.and_then(Cursor::place)) {
        (None, None) => Move::End,
        (Some(Place::Entry(_)), None) => Move::GiveA,
        (None, Some(Place::Entry(_))) => Move::GiveB,
        (Some(Place::Entry(x)), Some(Place::Entry(y))) => match x.name().cmp(y.name()) {
            Ordering::Less => Move::GiveA,
            Ordering::Greater => Move::GiveB,
            Ordering::Equal if x == y => Move::SkipBoth,
            Ordering::Equal => Move::GiveBoth,
        },
        (Some(Place::Line(x)), Some(Place::Line(y))) => {
            if x.tree_ref() == y.tree_ref() {
                return Move::SkipBoth;
            }
            // The node that reaches further may have the other one beneath it.
            let reach = x.last().cmp(y.last());
            match reach.then(x.entries().cmp(&y.entries())) {
                Ordering::Less => Move::IntoB,
                Ordering::Greater => Move::IntoA,
                Ordering::Equal => Move::IntoBoth,
            }
        }
        (Some(Place::Line(_)), _) => Move::IntoA,
        (_, Some(Place::Line(_))) => Move::IntoB,
    }
}

fn skip(cursor: &mut Option<Cursor<'_>>) {
    if let Some(cursor) = cursor {
        cursor.skip();
    }
}

fn descend(cursor: &mut Option<Cursor<'_>>) -> Result<()> {
    match cursor {
        Some(cursor) => cursor.descend().map(drop),
        None => Ok(()),
    }
}

/// Takes the entry that comes next.
fn take(cursor: &mut Option<Cursor<'_>>) -> Option<Entry> {
    let cursor = cursor.as_mut()?;
    let Some(Place::Entry(entry)) = cursor.place() else {
        return None;
    };
    let entry = entry.clone();
    cursor.skip();
    Some(entry)
}

fn give(a: Option<Entry>, b: Option<Entry>) -> Option<Difference> {
    let name = a.as_ref().or(b.as_ref())?.name().clone();
    Some(Difference { name, a, b })
}

/// Visits what differs beneath the trees `a` and `b`, by path, down to files, links and empty directories: a directory
/// that only one of them has is visited as everything in it. Where one has a file and the other a directory, the file
/// comes first.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) for a path that is too long or too deep and for nodes that do
/// not fit together, the errors of the source and those of `visit`. The walk ends at the first.
pub fn changed_paths(
    source: &dyn TreeSource,
    a: Option<TreeRef>,
    b: Option<TreeRef>,
    visit: &mut dyn FnMut(&TreePath, &Difference) -> Result<()>,
) -> Result<()> {
    let mut census = Census::new(source, [a, b]);
    changed_beneath(source, a, b, &TreePath::root(), &mut census, visit)
}

fn changed_beneath(
    source: &dyn TreeSource,
    a: Option<TreeRef>,
    b: Option<TreeRef>,
    directory: &TreePath,
    census: &mut Census<'_>,
    visit: &mut dyn FnMut(&TreePath, &Difference) -> Result<()>,
) -> Result<()> {
    for difference in differing(source, a, b) {
        let difference = difference?;
        census.visit()?;
        let path = join(directory, &difference.name)?;
        let tree_a = difference.a.as_ref().and_then(Entry::tree_ref);
        let tree_b = difference.b.as_ref().and_then(Entry::tree_ref);
        if tree_a.is_none() || tree_b.is_none() {
            let whole = Difference {
                name: difference.name,
                a: difference.a.filter(is_visited),
                b: difference.b.filter(is_visited),
            };
            if whole.a.is_some() || whole.b.is_some() {
                visit(&path, &whole)?;
            }
        }
        changed_beneath(source, tree_a, tree_b, &path, census, visit)?;
    }
    Ok(())
}

/// Whether an entry is visited itself, and not as what is in it.
fn is_visited(entry: &Entry) -> bool {
    entry.tree_ref().is_none_or(|tree| tree == TreeRef::empty())
}

#[cfg(test)]
mod tests {
    use super::super::cutter::Shape;
    use super::super::edit::create_shaped;
    use super::super::memory::{AnyError, MemoryTrees, directory, file};
    use super::super::tree::Totals;
    use super::*;
    use crate::base::Error;

    type Outcome = Result<(), AnyError>;

    /// `name` for the first, second or both sides, each with its size.
    fn shown(difference: &Difference) -> String {
        let side =
            |entry: &Option<Entry>| entry.as_ref().map_or(-1, |entry| i128::from(entry.size()));
        format!(
            "{} {} {}",
            difference.name,
            side(&difference.a),
            side(&difference.b)
        )
    }

    fn list(
        trees: &MemoryTrees,
        a: Option<TreeRef>,
        b: Option<TreeRef>,
    ) -> Result<Vec<String>, AnyError> {
        let list = differing(trees, a, b).map(|item| Ok(shown(&item?)));
        list.collect()
    }

    #[test]
    fn each_name_that_differs_comes_once() -> Outcome {
        let trees = MemoryTrees::default();
        let a = trees.directory([file("a", "1")?, file("b", "1")?, file("c", "1")?])?;
        let b = trees.directory([file("b", "12")?, file("c", "1")?, file("d", "123")?])?;
        let (a, b) = (Some(a.tree), Some(b.tree));
        assert_eq!(list(&trees, a, b)?, ["a 1 -1", "b 1 2", "d -1 3"]);
        assert_eq!(list(&trees, b, a)?, ["a -1 1", "b 2 1", "d 3 -1"]);
        assert_eq!(list(&trees, None, a)?, ["a -1 1", "b -1 1", "c -1 1"]);
        assert_eq!(list(&trees, a, None)?, ["a 1 -1", "b 1 -1", "c 1 -1"]);
        trees.counts();
        assert!(list(&trees, a, a)?.is_empty());
        assert!(list(&trees, None, None)?.is_empty());
        assert_eq!(trees.counts(), (0, 0), "equal trees are not loaded");
        Ok(())
    }

    #[test]
    fn wide_directories_are_compared_where_they_differ() -> Outcome {
        let trees = MemoryTrees::default();
        let wide = |skip: usize, add: &str| {
            let names = (0..20_000).filter(|number| *number != skip);
            let mut files: Vec<_> = names
                .map(|number| file(&format!("{number:05}"), ""))
                .collect::<Result<_, _>>()?;
            files.push(file(add, "new")?);
            Ok::<_, AnyError>(trees.directory(files)?.tree)
        };
        let a = wide(100, "0010x")?;
        let b = wide(15_000, "19000y")?;
        trees.counts();
        assert_eq!(
            list(&trees, Some(a), Some(b))?,
            ["00100 -1 0", "0010x 3 -1", "15000 0 -1", "19000y -1 3"]
        );
        let (loads, _) = trees.counts();
        assert!(loads <= 10, "{loads} loads");
        Ok(())
    }

    #[test]
    fn directories_of_many_levels_are_compared_where_they_differ() -> Outcome {
        // Numbers much smaller than those of the format make six levels of a hundred names.
        let shape = Shape {
            uncut: 4,
            lines: 8,
            bits: 1,
        };
        let trees = MemoryTrees::default();
        let names: Vec<_> = (100..300).map(|number| number.to_string()).collect();
        let mut before = trees.directory([])?.tree;
        for count in 1..=names.len() {
            let files = names[..count]
                .iter()
                .map(|name| file(name, "").map_err(|_| Error::Interrupted));
            let after = create_shaped(shape, &mut &trees, files)?.tree;
            trees.counts();
            let expected = format!("{} -1 0", names[count - 1]);
            assert_eq!(list(&trees, Some(before), Some(after))?, [expected]);
            let (loads, _) = trees.counts();
            assert!(loads <= 25, "{loads} loads at {count}");
            before = after;
        }
        Ok(())
    }

    #[test]
    fn a_wide_directory_can_become_narrow() -> Outcome {
        let trees = MemoryTrees::default();
        let files = |count: usize| {
            let files = (0..count).map(|number| file(&format!("{number:05}"), "x"));
            let files = files.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, AnyError>(trees.directory(files)?.tree)
        };
        let (wide, narrow) = (files(5000)?, files(500)?);
        assert_eq!(list(&trees, Some(wide), Some(narrow))?.len(), 4500);
        assert_eq!(list(&trees, Some(narrow), Some(wide))?.len(), 4500);
        Ok(())
    }

    #[test]
    fn changed_paths_end_at_files_and_empty_directories() -> Outcome {
        let trees = MemoryTrees::default();
        let empty = trees.directory([])?;
        let same = trees.directory([file("s", "s")?])?;
        let old = trees.directory([file("x", "1")?, directory("same", same)?])?;
        let new = trees.directory([
            file("y", "1")?,
            directory("same", same)?,
            directory("void", empty)?,
        ])?;
        let a = trees.directory([
            file("a", "1")?,
            directory("gone", old)?,
            directory("turn", same)?,
            directory("dir", old)?,
        ])?;
        let b = trees.directory([file("turn", "22")?, directory("dir", new)?])?;
        assert_eq!(a.totals, Totals::new(6, 6)?);
        let mut seen = Vec::new();
        trees.counts();
        changed_paths(
            &trees,
            Some(a.tree),
            Some(b.tree),
            &mut |path, difference| {
                seen.push(format!("{path}: {}", shown(difference)));
                Ok(())
            },
        )?;
        assert_eq!(
            seen,
            [
                "a: a 1 -1",
                "dir/void: void -1 19",
                "dir/x: x 1 -1",
                "dir/y: y -1 1",
                "gone/same/s: s 1 -1",
                "gone/x: x 1 -1",
                "turn: turn -1 2",
                "turn/s: s 1 -1",
            ]
        );
        Ok(())
    }

    #[test]
    fn an_error_ends_the_list() {
        let trees = MemoryTrees::default();
        let absent = TreeRef::of(b"absent");
        let mut differences = differing(&trees, Some(absent), None);
        assert!(differences.next().is_some_and(|item| item.is_err()));
        assert!(differences.next().is_none());
    }
}
