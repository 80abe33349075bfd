//! Tests of applying operations: against maps on which the same is played, and for what it costs.

use proptest::prelude::*;

use super::super::model::{
    Contents, Outcome, Thing, any_contents, any_path, as_case, contents, get, read, set, write,
};
use super::*;
use crate::object::memory::{AnyError, MemoryTrees, file};

/// An operation on maps.
#[derive(Clone, Debug)]
enum Step {
    Merge(Vec<String>, Contents),
    Replace(Vec<String>, Contents),
    Remove(Vec<String>),
}

fn any_step() -> impl Strategy<Value = Step> {
    let at = || prop_oneof![4 => any_path(), 1 => Just(Vec::new())];
    prop_oneof![
        3 => (at(), any_contents()).prop_map(|(at, staged)| Step::Merge(at, staged)),
        1 => (at(), any_contents()).prop_map(|(at, staged)| Step::Replace(at, staged)),
        2 => at().prop_map(Step::Remove),
    ]
}

impl Step {
    fn play(&self, contents: &mut Contents) {
        let (Self::Merge(at, _) | Self::Replace(at, _) | Self::Remove(at)) = self;
        let at: Vec<&str> = at.iter().map(String::as_str).collect();
        match self {
            Self::Merge(_, staged) => {
                let under = match at.as_slice() {
                    [] => Some(&*contents),
                    at => get(contents, at).and_then(Thing::directory),
                };
                let mut under = under.cloned().unwrap_or_default();
                lay(&mut under, staged);
                put(contents, &at, under);
            }
            Self::Replace(_, staged) => put(contents, &at, staged.clone()),
            Self::Remove(_) if at.is_empty() => contents.clear(),
            Self::Remove(_) => set(contents, &at, None),
        }
    }

    fn operation(&self, trees: &MemoryTrees) -> Result<Operation, AnyError> {
        let path = |names: &Vec<String>| names.join("/").parse::<TreePath>();
        Ok(match self {
            Self::Merge(at, staged) => Operation::Merge {
                at: path(at)?,
                tree: write(trees, staged)?.into(),
            },
            Self::Replace(at, staged) => Operation::Replace {
                at: path(at)?,
                tree: write(trees, staged)?.into(),
            },
            Self::Remove(at) => Operation::Remove { path: path(at)? },
        })
    }
}

/// Makes a path a directory with `under` in it.
fn put(contents: &mut Contents, at: &[&str], under: Contents) {
    match at {
        [] => *contents = under,
        at => set(contents, at, Some(Thing::Directory(under))),
    }
}

fn lay(under: &mut Contents, over: &Contents) {
    for (name, thing) in over {
        match (under.get_mut(name), thing) {
            (Some(Thing::Directory(under)), Thing::Directory(over)) => lay(under, over),
            _ => drop(under.insert(name.clone(), thing.clone())),
        }
    }
}

/// Checks that operations give what the same steps give on maps.
fn check(base: &Contents, steps: &[Step]) -> Outcome {
    let trees = MemoryTrees::default();
    let tree = write(&trees, base)?;
    let operations = steps.iter().map(|step| step.operation(&trees));
    let operations = operations.collect::<Result<Vec<_>, _>>()?;
    let applied = apply(&trees, &mut &trees, tree, &operations)?;
    let mut expected = base.clone();
    for step in steps {
        step.play(&mut expected);
    }
    assert_eq!(read(&trees, applied)?, expected);
    assert_eq!(write(&trees, &expected)?, applied, "the tree is canonical");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn operations_give_what_they_give_on_maps(
        base in any_contents(),
        steps in prop::collection::vec(any_step(), 0..6),
    ) {
        as_case(check(&base, &steps))?;
    }
}

fn path(text: &str) -> Vec<String> {
    text.split_terminator('/').map(str::to_owned).collect()
}

#[test]
fn every_kind_of_operation_does_what_it_says() -> Outcome {
    let base = contents(&["d/a=1", "d/b=1", "f=1", "w/x/y=1"]);
    let staged = contents(&["b=2", "c=2"]);
    for (steps, expected, reason) in [
        (
            vec![Step::Merge(path("d"), staged.clone())],
            contents(&["d/a=1", "d/b=2", "d/c=2", "f=1", "w/x/y=1"]),
            "files are added and replaced",
        ),
        (
            vec![Step::Replace(path("d"), staged.clone())],
            contents(&["d/b=2", "d/c=2", "f=1", "w/x/y=1"]),
            "what is not staged is lost",
        ),
        (
            vec![Step::Merge(path("f/g"), staged.clone())],
            contents(&["d/a=1", "d/b=1", "f/g/b=2", "f/g/c=2", "w/x/y=1"]),
            "a file on the way gives way",
        ),
        (
            vec![Step::Merge(path(""), contents(&["w/x=3", "d=3"]))],
            contents(&["d=3", "f=1", "w/x=3"]),
            "a file takes the place of a directory",
        ),
        (
            vec![
                Step::Remove(path("w/x/y")),
                Step::Remove(path("no/such/path")),
            ],
            contents(&["d/a=1", "d/b=1", "f=1", "w/x/"]),
            "an emptied directory stays, and what is missing is not made",
        ),
        (
            vec![Step::Remove(path("f/g")), Step::Remove(path("d"))],
            contents(&["f=1", "w/x/y=1"]),
            "nothing is beneath a file",
        ),
        (
            vec![
                Step::Merge(path("n"), staged.clone()),
                Step::Remove(path("n/b")),
            ],
            contents(&["d/a=1", "d/b=1", "f=1", "n/c=2", "w/x/y=1"]),
            "a later operation sees an earlier one",
        ),
        (
            vec![Step::Merge(path("n"), Contents::new())],
            contents(&["d/a=1", "d/b=1", "f=1", "n/", "w/x/y=1"]),
            "an empty directory can be staged",
        ),
        (
            vec![Step::Remove(path(""))],
            Contents::new(),
            "the root becomes empty",
        ),
    ] {
        let mut played = base.clone();
        for step in &steps {
            step.play(&mut played);
        }
        assert_eq!(played, expected, "{reason}");
        check(&base, &steps)?;
    }
    Ok(())
}

#[test]
fn nothing_is_loaded_or_written_where_the_tree_has_nothing() -> Outcome {
    let trees = MemoryTrees::default();
    let empty = write(&trees, &Contents::new())?;
    let staged = write(&trees, &contents(&["a/b/c=1", "d=1"]))?;
    let merge = |at: &str| -> Result<_, AnyError> {
        let (at, tree) = (at.parse()?, staged.into());
        Ok([Operation::Merge { at, tree }])
    };
    trees.counts();
    assert_eq!(apply(&trees, &mut &trees, empty, &merge("")?)?, staged);
    assert_eq!(apply(&trees, &mut &trees, staged, &merge("")?)?, staged);
    assert_eq!(apply(&trees, &mut &trees, staged, &[])?, staged);
    assert_eq!(trees.counts(), (0, 0), "the staged tree is taken as it is");
    let placed = apply(&trees, &mut &trees, empty, &merge("x/y")?)?;
    assert_eq!(
        trees.counts(),
        (1, 2),
        "its totals are read, x and the root are written"
    );
    assert_eq!(read(&trees, placed)?, contents(&["x/y/a/b/c=1", "x/y/d=1"]));
    Ok(())
}

#[test]
fn one_file_staged_into_a_wide_directory_touches_a_few_nodes() -> Outcome {
    let trees = MemoryTrees::default();
    let files = (0..20_000).map(|number| file(&format!("{number:05}"), "x"));
    let wide = trees.directory(files.collect::<Result<Vec<_>, _>>()?)?;
    let staged = write(&trees, &contents(&["10000=2", "10000a=2"]))?;
    let operations = [
        Operation::Merge {
            at: TreePath::root(),
            tree: staged.into(),
        },
        Operation::Remove {
            path: "00007".parse()?,
        },
    ];
    trees.counts();
    let applied = apply(&trees, &mut &trees, wide.tree, &operations)?;
    let (loads, puts) = trees.counts();
    assert!(loads <= 24 && puts <= 4, "{loads} loads, {puts} puts");
    assert_eq!(
        crate::object::directory::entries(&trees, applied).count(),
        20_000
    );
    Ok(())
}

#[test]
fn many_operations_write_each_directory_once() -> Outcome {
    let trees = MemoryTrees::default();
    let empty = write(&trees, &Contents::new())?;
    let staged = write(&trees, &contents(&["f=1"]))?;
    let merge = |number: u32| -> Result<_, AnyError> {
        let (at, tree) = (format!("pool/{number:04}").parse()?, staged.into());
        Ok(Operation::Merge { at, tree })
    };
    let operations = (0..3000).map(merge).collect::<Result<Vec<_>, _>>()?;
    trees.counts();
    let applied = apply(&trees, &mut &trees, empty, &operations)?;
    let (_, puts) = trees.counts();
    assert!(puts <= 30, "{puts} puts: the nodes of `pool` and the root");
    assert_eq!(totals(&trees, applied)?.files(), 3000);
    Ok(())
}

#[test]
fn a_path_that_becomes_too_deep_is_refused() -> Outcome {
    let trees = MemoryTrees::default();
    let deep = |depth: usize| vec!["d"; depth].join("/");
    let empty = write(&trees, &Contents::new())?;
    let half = write(&trees, &contents(&[format!("{}/f=1", deep(70)).as_str()]))?;
    let half_more = write(&trees, &contents(&[format!("{}/g=1", deep(70)).as_str()]))?;
    let at: TreePath = deep(70).parse()?;
    let merge = |tree: TreeRef| Operation::Merge {
        at: at.clone(),
        tree: tree.into(),
    };
    let refused = apply(&trees, &mut &trees, empty, &[merge(half), merge(half_more)]);
    assert!(
        matches!(refused, Err(crate::base::Error::Malformed { .. })),
        "{refused:?}"
    );
    Ok(())
}
