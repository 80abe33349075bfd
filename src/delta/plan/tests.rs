//! Plans of trees in memory: which steps, and which bases.

use std::collections::BTreeMap;

use super::*;
use crate::object::edit::Child;
use crate::object::memory::{AnyError, MemoryTrees, directory, file};
use crate::object::script::Script;

type Outcome = Result<(), AnyError>;

/// A directory of files, each a path of up to two names and its content.
fn tree(trees: &MemoryTrees, files: &[(&str, &str)]) -> Result<TreeRef, AnyError> {
    let mut folders: BTreeMap<&str, Vec<Child>> = BTreeMap::new();
    let mut children = Vec::new();
    for (path, content) in files {
        match path.split_once('/') {
            Some((folder, name)) => folders
                .entry(folder)
                .or_default()
                .push(file(name, content)?),
            None => children.push(file(path, content)?),
        }
    }
    for (name, files) in folders {
        children.push(directory(name, trees.directory(files)?)?);
    }
    Ok(trees.directory(children)?.tree)
}

fn plan(a: &[(&str, &str)], b: &[(&str, &str)]) -> Result<Plan, AnyError> {
    let trees = MemoryTrees::default();
    let (a, b) = (tree(&trees, a)?, tree(&trees, b)?);
    Ok(Plan::of(&trees, a, b)?)
}

/// The paths of the bases of the one new content.
fn bases(a: &[(&str, &str)], b: &[(&str, &str)]) -> Result<Vec<String>, AnyError> {
    let plan = plan(a, b)?;
    let [wanted] = &plan.wanted[..] else {
        return Err(format!("{} new contents", plan.wanted.len()).into());
    };
    Ok(wanted
        .bases
        .iter()
        .map(|base| base.path.to_string())
        .collect())
}

#[test]
fn bases_are_found_by_path_and_by_name_without_version() -> Outcome {
    let new = "the new content";
    for (a, b, expected, reason) in [
        (
            &[("f", "1")][..],
            &[("f", new)][..],
            &["f"][..],
            "the same path",
        ),
        (&[("f", "")], &[("f", new)], &[], "nothing is no base"),
        (
            &[("libgl1_24.1.deb", "1")],
            &[("libgl1_24.2.deb", new)],
            &["libgl1_24.1.deb"],
            "a version",
        ),
        (
            &[("main-3f9a2c.js", "1")],
            &[("main-77b1e0.js", new)],
            &["main-3f9a2c.js"],
            "a hash",
        ),
        (
            &[("a/foo.so.1", "1")],
            &[("b/foo.so.2", new)],
            &["a/foo.so.1"],
            "another directory",
        ),
        (
            &[("a/x-1", "1"), ("b/x-1", "12")],
            &[("b/x-2", new)],
            &["b/x-1", "a/x-1"],
            "the nearest directory first",
        ),
        (
            &[("a-1", "1"), ("a-2", "12"), ("a-3", "123"), ("a-4", "1234")],
            &[("a-9", new)],
            &["a-4", "a-3", "a-2"],
            "at most three, the nearest sizes first",
        ),
        (
            &[("f", "1"), ("f-1", "12")],
            &[("f", new)],
            &["f", "f-1"],
            "the path before the name",
        ),
        (
            &[("one", "1")],
            &[("other", new)],
            &[],
            "names without anything in common",
        ),
    ] {
        assert_eq!(bases(a, b)?, expected, "{reason}");
    }
    Ok(())
}

#[test]
fn what_the_first_tree_has_is_referred_to() -> Outcome {
    let id = crate::base::id::Hash::of(b"22");
    for (a, b, expected, reason) in [
        (&[("f", "1")][..], &[("f", "1")][..], String::new(), "equal"),
        (&[("f", "1")], &[], "- f\n".into(), "removed"),
        (
            &[("f", "1")],
            &[("g", "1")],
            "- f\n< f\nf = g\n".into(),
            "moved",
        ),
        (
            &[("f", "1"), ("g", "22")],
            &[("f", "22"), ("g", "1")],
            "< g\nf = f\n< f\nf = g\n".into(),
            "swapped",
        ),
        (
            &[("d/f", "1"), ("d/g", "2")],
            &[("e/f", "1"), ("e/g", "2")],
            "- d\n< d\nd = e\n".into(),
            "a whole directory moved",
        ),
        (
            &[("f", "1")],
            &[("f", "1"), ("x", "22"), ("y", "22")],
            format!("f w 2 {id} x\n< x\nf + y\n"),
            "one new content at two paths",
        ),
        (
            &[("d/f", "1")],
            &[("d", "1")],
            "< d/f\nf = d\n".into(),
            "a directory becomes a file",
        ),
        (
            &[("d", "1")],
            &[("d/f", "1")],
            "< d\nf = d/f\n".into(),
            "a file becomes a directory",
        ),
    ] {
        let plan = plan(a, b)?;
        let mut script = Script { steps: plan.steps };
        for wanted in &plan.wanted {
            if let Some(put) = &mut script.steps[wanted.step].put {
                let (size, id) = (wanted.bytes, wanted.id);
                put.content = Content::Whole { size, id };
            }
        }
        let text = script.encode();
        assert_eq!(text, format!("bindery script 1\n{expected}"), "{reason}");
        assert_eq!(Script::decode(text.as_bytes())?, script, "{reason}");
    }
    Ok(())
}

#[test]
fn a_copy_of_what_is_as_it_was_is_found_where_that_pays() -> Outcome {
    let long = "a long content ".repeat(100);
    for (content, expected) in [(&long[..], 0), ("short", 1)] {
        let plan = plan(&[("f", content)], &[("f", content), ("g", content)])?;
        assert_eq!(plan.wanted.len(), expected, "{content:.5}");
        assert_eq!(plan.files, 1);
    }
    Ok(())
}
