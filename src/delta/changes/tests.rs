//! Trees in memory, and what is seen of them.

use std::collections::BTreeSet;

use super::*;
use crate::object::cutter::Written;
use crate::object::memory::{AnyError, MemoryTrees, directory, file};

type Outcome = Result<(), AnyError>;

/// The entries that are seen, each with the sizes of both sides, and the nodes of both sides.
type All = (Vec<String>, BTreeSet<TreeId>, BTreeSet<TreeId>);

fn seen(trees: &MemoryTrees, a: Option<TreeRef>, b: Option<TreeRef>) -> Result<All, AnyError> {
    let (mut entries, mut old, mut new) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    changes(trees, a, b, &mut |seen| {
        match seen {
            Seen::Directory { .. } => {}
            Seen::OldNode(node) => assert!(old.insert(node.id)),
            Seen::NewNode(node) => assert!(new.insert(node.id)),
            Seen::Entry { path, a, b } => {
                let side = |entry: Option<&Entry>| match entry {
                    Some(entry) if entry.tree_ref().is_some() => "d".to_owned(),
                    Some(entry) => entry.size().to_string(),
                    None => "-".to_owned(),
                };
                entries.push(format!("{path} {} {}", side(a), side(b)));
            }
        }
        Ok(Way::Into)
    })?;
    Ok((entries, old, new))
}

#[test]
fn differences_come_by_path_with_the_directories_on_the_way() -> Outcome {
    let trees = MemoryTrees::default();
    let same = trees.directory([file("s", "s")?])?;
    let old = trees.directory([file("x", "1")?, directory("same", same)?])?;
    let new = trees.directory([file("x", "22")?, directory("same", same)?])?;
    let a = trees.directory([directory("d", old)?, file("gone", "1")?, file("k", "1")?])?;
    let b = trees.directory([directory("d", new)?, directory("k", same)?])?;
    let (entries, old_nodes, new_nodes) = seen(&trees, Some(a.tree), Some(b.tree))?;
    assert_eq!(
        entries,
        ["d d d", "d/x 1 2", "gone 1 -", "k 1 d", "k/s - 1"]
    );
    let ids = |trees: &[Written]| trees.iter().map(|written| written.tree.id).collect();
    let expected: [BTreeSet<TreeId>; 2] = [ids(&[a, old]), ids(&[b, new, same])];
    assert_eq!([old_nodes, new_nodes], expected);
    Ok(())
}

#[test]
fn a_directory_that_grew_more_levels_differs_where_it_does() -> Outcome {
    let trees = MemoryTrees::default();
    let wide = |count: usize| {
        let files = (0..count).map(|number| file(&format!("{number:05}"), ""));
        Ok::<_, AnyError>(trees.directory(files.collect::<Result<Vec<_>, _>>()?)?.tree)
    };
    let (wide, wider) = (wide(5000)?, wide(5001)?);
    // The first leaf of a wide directory can be a whole narrow one.
    let Node::Index(index) = &*trees.node(wide)? else {
        return Err("an index".into());
    };
    let first = &index.lines()[0];
    let narrow = first.tree_ref();
    for (a, b, count) in [
        (wide, wider, 1),
        (narrow, wide, 5000 - first.entries()),
        (wide, narrow, 5000 - first.entries()),
    ] {
        let (entries, old, new) = seen(&trees, Some(a), Some(b))?;
        assert_eq!(entries.len() as u64, count);
        assert!(old.is_disjoint(&new));
        assert!(!old.contains(&narrow.id) && !new.contains(&narrow.id));
    }
    trees.counts();
    seen(&trees, Some(wide), Some(wider))?;
    assert!(trees.counts().0 <= 6, "only what differs is loaded");
    Ok(())
}

#[test]
fn what_is_passed_by_is_not_loaded() -> Outcome {
    let trees = MemoryTrees::default();
    let inner = trees.directory([file("f", "1")?])?;
    let root = trees.directory([directory("d", inner)?])?;
    let mut paths = Vec::new();
    trees.counts();
    changes(&trees, None, Some(root.tree), &mut |seen| {
        if let Seen::Entry { path, .. } = seen {
            paths.push(path.to_string());
        }
        Ok(Way::Past)
    })?;
    assert_eq!((paths, trees.counts().0), (vec!["d".to_owned()], 1));
    Ok(())
}
