//! Tests of merging: against rules played on maps, against what the rules promise, and for what it costs.

use proptest::prelude::*;

use super::super::model::{
    Contents, Outcome as Tested, Thing, any_changes, any_contents, any_path, as_case, changed,
    contents, files, read, set, write,
};
use super::*;
use crate::object::memory::{AnyError, MemoryTrees, file};

/// The rules, on maps: every name of every directory is looked at, and nothing is left out by its id.
struct Rules<'a> {
    claims: &'a [String],
    winner: Winner,
    conflicts: Vec<String>,
}

/// Whether `path` is `directory` or beneath it.
fn is_within(path: &str, directory: &str) -> bool {
    directory.is_empty() || path == directory || path.starts_with(&format!("{directory}/"))
}

impl Rules<'_> {
    fn is_claimed(&self, path: &str) -> bool {
        self.claims.iter().any(|claim| is_within(path, claim))
    }

    fn merge_directories(
        &mut self,
        path: &str,
        [base, wanted, current]: [&Contents; 3],
    ) -> Contents {
        let names: BTreeSet<&String> = base
            .keys()
            .chain(wanted.keys())
            .chain(current.keys())
            .collect();
        let mut merged = Contents::new();
        for name in names {
            let versions = [base, wanted, current].map(|contents| contents.get(name));
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}/{name}")
            };
            if let Some(thing) = self.merge(&path, versions) {
                merged.insert(name.clone(), thing);
            }
        }
        merged
    }

    fn merge(&mut self, path: &str, versions: [Option<&Thing>; 3]) -> Option<Thing> {
        let [base, wanted, current] = versions;
        let directories = versions.map(|thing| thing.and_then(Thing::directory));
        let is_claimed = self.is_claimed(path);
        let claims_beneath = self.claims.iter().any(|claim| is_within(claim, path));
        let has_things =
            |directory: Option<&Contents>| directory.is_some_and(|directory| !directory.is_empty());
        let is_held = is_claimed
            || (claims_beneath && (has_things(directories[1]) || has_things(directories[2])));
        if wanted == current || (wanted == base && !is_held) {
            return current.cloned();
        }
        if current == base {
            return wanted.cloned();
        }
        let empty = Contents::new();
        let [old, new, now] = directories.map(|directory| directory.unwrap_or(&empty));
        let is_leaf = |directory: &Contents| is_claimed && directory.is_empty();
        let was_file = base.is_some() && directories[0].is_none();
        match (directories, wanted, current) {
            ([_, Some(_), Some(_)], ..) => Some(Thing::Directory(
                self.merge_directories(path, [old, new, now]),
            )),
            ([_, Some(only), _], _, None) | ([_, _, Some(only)], None, _)
                if !was_file && !is_leaf(only) =>
            {
                let left = self.merge_directories(path, [old, new, now]);
                (!left.is_empty()).then_some(Thing::Directory(left))
            }
            _ => {
                self.conflicts.push(path.to_owned());
                let won = if self.winner == Winner::Build {
                    wanted
                } else {
                    current
                };
                won.cloned()
            }
        }
    }
}

/// A base, what the build wants, and what the ref shows.
type Sides<'a> = [&'a Contents; 3];

/// Merges trees, checks the result against the rules, and gives it with its conflicts.
fn merge(
    sides: Sides<'_>,
    claims: &[String],
    winner: Winner,
) -> Result<(Contents, Vec<String>), AnyError> {
    let trees = MemoryTrees::default();
    let tree = |contents| write(&trees, contents);
    let [base, wanted, current] = [tree(sides[0])?, tree(sides[1])?, tree(sides[2])?];
    let paths = claims
        .iter()
        .map(|claim| claim.parse())
        .collect::<Result<Vec<TreePath>, _>>()?;
    let merged = three_way(&trees, &mut &trees, base, wanted, current, &paths, winner)?;
    let mut rules = Rules {
        claims,
        winner,
        conflicts: Vec::new(),
    };
    let expected = rules.merge_directories("", sides);
    assert_eq!(read(&trees, merged.tree)?, expected);
    assert_eq!(
        write(&trees, &expected)?,
        merged.tree,
        "the tree is canonical"
    );
    let conflicts: Vec<String> = merged.conflicts.iter().map(TreePath::to_string).collect();
    assert_eq!(conflicts, rules.conflicts);
    assert_eq!(merged.total, conflicts.len() as u64);
    Ok((expected, conflicts))
}

/// Checks what the rules promise, in terms of single files.
fn check_promises(sides: Sides<'_>, claims: &[String]) -> Tested {
    let (for_build, conflicts) = merge(sides, claims, Winner::Build)?;
    let (for_ref, same_conflicts) = merge(sides, claims, Winner::Ref)?;
    assert_eq!(conflicts, same_conflicts);
    let [base, wanted, current] = sides.map(files);
    let (for_build, for_ref) = (files(&for_build), files(&for_ref));
    let all = [&base, &wanted, &current, &for_build, &for_ref];
    let paths: BTreeSet<&String> = all.into_iter().flat_map(BTreeMap::keys).collect();
    for path in paths {
        let [b, w, c] = [&base, &wanted, &current].map(|side| side.get(path));
        let conflict = conflicts.iter().find(|conflict| is_within(path, conflict));
        if conflict.is_some() {
            assert!(for_build.get(path) == w, "the build wins {path}");
            assert!(for_ref.get(path) == c, "the ref wins {path}");
            continue;
        }
        let is_claimed = claims.iter().any(|claim| is_within(path, claim));
        let expected = if w == b && !is_claimed { c } else { w };
        assert_eq!(for_build.get(path), expected, "{path}");
        assert_eq!(for_ref.get(path), expected, "{path} whoever wins");
    }
    for conflict in &conflicts {
        let names: Vec<&str> = conflict.split('/').collect();
        let [b, w, c] = sides.map(|side| super::super::model::get(side, &names));
        let is_held = claims
            .iter()
            .any(|claim| is_within(conflict, claim) || is_within(claim, conflict));
        assert!(
            w != c && c != b && (w != b || is_held),
            "{conflict} is a conflict"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_follows_the_rules_and_keeps_its_promises(
        base in any_contents(),
        wanted in any_changes(),
        current in any_changes(),
        claims in prop::collection::vec(any_path(), 0..3),
        claims_root in prop::bool::weighted(0.05),
    ) {
        let (wanted, current) = (changed(&base, &wanted), changed(&base, &current));
        let mut claims: Vec<String> = claims.iter().map(|names| names.join("/")).collect();
        as_case(check_promises([&base, &wanted, &current], &[]))?;
        if claims_root {
            claims.push(String::new());
        }
        as_case(check_promises([&base, &wanted, &current], &claims))?;
    }

    #[test]
    fn a_side_that_changed_nothing_takes_what_the_other_has(a in any_contents(), b in any_contents()) {
        for winner in [Winner::Build, Winner::Ref] {
            let side = |sides| merge(sides, &[], winner).map_err(|error| TestCaseError::fail(error.to_string()));
            prop_assert_eq!(side([&a, &a, &b])?, (b.clone(), vec![]));
            prop_assert_eq!(side([&a, &b, &a])?, (b.clone(), vec![]));
            prop_assert_eq!(side([&a, &b, &b])?, (b.clone(), vec![]));
        }
    }
}

/// What the build wants, what the ref shows, what they become if the build wins and if the ref does, the conflicts, and
/// the rule.
type Example = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

const EXAMPLES: &[Example] = &[
    (
        &["d/a=2", "d/b=1", "e/", "f=1"],
        &["d/a=1", "d/b=3", "e/", "f=1"],
        &["d/a=2", "d/b=3", "e/", "f=1"],
        &["d/a=2", "d/b=3", "e/", "f=1"],
        &[],
        "different files of one directory",
    ),
    (
        &["d/a=2", "d/b=1", "e/", "f=1"],
        &["d/a=3", "d/b=1", "e/", "f=1"],
        &["d/a=2", "d/b=1", "e/", "f=1"],
        &["d/a=3", "d/b=1", "e/", "f=1"],
        &["d/a"],
        "one file to different things",
    ),
    (
        &["e/", "f=1"],
        &["d/a=3", "d/b=1", "e/", "f=1"],
        &["e/", "f=1"],
        &["d/a=3", "e/", "f=1"],
        &["d/a"],
        "a directory removed, a file in it changed",
    ),
    (
        &["e/", "f=1"],
        &["d/a=1", "d/b=1", "d/n=1", "e/", "f=1"],
        &["d/n=1", "e/", "f=1"],
        &["d/n=1", "e/", "f=1"],
        &[],
        "a directory removed, a file added to it",
    ),
    (
        &["d=2", "e/", "f=1"],
        &["d/a=3", "d/b=1", "e/", "f=1"],
        &["d=2", "e/", "f=1"],
        &["d/a=3", "d/b=1", "e/", "f=1"],
        &["d"],
        "a file where a changed directory is",
    ),
    (
        &["d/b=1", "e/", "f=1"],
        &["d/a=1", "e/", "f=1"],
        &["d/", "e/", "f=1"],
        &["d/", "e/", "f=1"],
        &[],
        "a directory that is emptied stays",
    ),
    (
        &["d/a=1", "d/b=1", "f=1"],
        &["d/a=1", "d/b=1", "e/", "f=2"],
        &["d/a=1", "d/b=1", "f=2"],
        &["d/a=1", "d/b=1", "f=2"],
        &[],
        "an empty directory is removed like a file",
    ),
    (
        &["d/a=1", "d/b=1", "e/", "f=1", "n/x=1", "n/z=1"],
        &["d/a=1", "d/b=1", "e/", "f=1", "n/y=1", "n/z=2"],
        &["d/a=1", "d/b=1", "e/", "f=1", "n/x=1", "n/y=1", "n/z=1"],
        &["d/a=1", "d/b=1", "e/", "f=1", "n/x=1", "n/y=1", "n/z=2"],
        &["n/z"],
        "a directory that both made",
    ),
];

#[test]
fn each_rule_has_an_example() -> Tested {
    let base = contents(&["d/a=1", "d/b=1", "e/", "f=1"]);
    for (wanted, current, for_build, for_ref, conflicts, reason) in EXAMPLES {
        let (wanted, current) = (contents(wanted), contents(current));
        for (winner, expected) in [(Winner::Build, for_build), (Winner::Ref, for_ref)] {
            let merged = merge([&base, &wanted, &current], &[], winner)?;
            let conflicts = conflicts.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(merged, (contents(expected), conflicts), "{reason}");
        }
        check_promises([&base, &wanted, &current], &[])?;
    }
    Ok(())
}

#[test]
fn what_a_build_replaced_whole_is_not_mixed_with_later_changes() -> Tested {
    let base = contents(&["d/a=1", "d/b=1", "f=1"]);
    let current = contents(&["d/a=2", "d/n=1", "f=2"]);
    let claims = ["d".to_owned()];
    let (merged, conflicts) = merge([&base, &base, &current], &claims, Winner::Build)?;
    assert_eq!(merged, contents(&["d/a=1", "d/b=1", "f=2"]));
    assert_eq!(
        conflicts,
        ["d/a", "d/b", "d/n"],
        "changed, removed and added since"
    );
    let (merged, _) = merge([&base, &base, &current], &claims, Winner::Ref)?;
    assert_eq!(merged, current);
    let unclaimed = merge([&base, &base, &current], &["g".to_owned()], Winner::Build)?;
    assert_eq!(
        unclaimed,
        (current, vec![]),
        "a claim elsewhere changes nothing"
    );
    Ok(())
}

#[test]
fn no_more_conflicts_are_listed_than_fit_a_message() -> Tested {
    let trees = MemoryTrees::default();
    let side = |number: u8| {
        let names: Vec<String> = (0..300)
            .map(|place| format!("{place:03}={number}"))
            .collect();
        contents(&names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let [base, wanted, current] = [
        write(&trees, &side(1))?,
        write(&trees, &side(2))?,
        write(&trees, &side(3))?,
    ];
    let merged = three_way(
        &trees,
        &mut &trees,
        base,
        wanted,
        current,
        &[],
        Winner::Build,
    )?;
    assert_eq!(
        (merged.conflicts.len(), merged.total),
        (LISTED_PATHS_MAX, 300)
    );
    assert_eq!(merged.tree, wanted);
    Ok(())
}

/// A directory of `width` files, some of them changed, in a directory of its own.
fn wide(width: usize, changes: &[(&str, Option<u8>)]) -> Contents {
    let mut under: Contents = (0..width)
        .map(|number| (format!("{number:05}"), Thing::File(1)))
        .collect();
    for (name, number) in changes {
        set(&mut under, &[*name], number.map(Thing::File));
    }
    Contents::from([("w".to_owned(), Thing::Directory(under))])
}

#[test]
fn wide_directories_merge_by_the_same_rules() -> Tested {
    for width in [500, 513, 2049, 5000] {
        let base = wide(width, &[]);
        let wanted = wide(
            width,
            &[
                ("00001", Some(2)),
                ("00100", None),
                ("00200a", Some(2)),
                ("00300", Some(2)),
            ],
        );
        let current = wide(
            width,
            &[
                ("00001", Some(3)),
                ("00101", None),
                ("00200b", Some(3)),
                ("00300", None),
            ],
        );
        let (_, conflicts) = merge([&base, &wanted, &current], &[], Winner::Build)?;
        assert_eq!(conflicts, ["w/00001", "w/00300"], "{width}");
        check_promises([&base, &wanted, &current], &["w".to_owned()])?;
        check_promises([&base, &Contents::new(), &current], &[])?;
        check_promises([&base, &wanted, &Contents::new()], &[])?;
        check_promises([&base, &wanted, &wide(width / 2, &[])], &[])?;
        check_promises([&Contents::new(), &wanted, &current], &[])?;
    }
    Ok(())
}

#[test]
fn merging_one_change_into_a_wide_directory_touches_a_few_nodes() -> Tested {
    let trees = MemoryTrees::default();
    let side = |name: &str, content: &str| -> Result<TreeRef, AnyError> {
        let files = (0..20_000).map(|number| file(&format!("{number:05}"), "x"));
        let files = files
            .chain([file(name, content)])
            .collect::<Result<Vec<_>, _>>()?;
        Ok(trees.directory(files)?.tree)
    };
    let base = side("10000", "x")?;
    for (wanted, current, most, reason) in [
        (side("10000", "y")?, side("10000a", "z")?, 20, "in one node"),
        (
            side("00003", "y")?,
            side("19999z", "z")?,
            20,
            "at both ends",
        ),
        (side("10000", "y")?, side("10000", "z")?, 20, "a conflict"),
        (side("10000", "y")?, base, 0, "nothing changed in the ref"),
        (base, side("10000", "z")?, 0, "nothing changed in the build"),
    ] {
        trees.counts();
        three_way(
            &trees,
            &mut &trees,
            base,
            wanted,
            current,
            &[],
            Winner::Build,
        )?;
        let (loads, puts) = trees.counts();
        assert!(
            loads <= most && puts <= 3,
            "{reason}: {loads} loads, {puts} puts"
        );
    }
    let (removed, changed) = (write(&trees, &Contents::new())?, side("10000", "z")?);
    let nest = |tree| {
        trees
            .directory([crate::object::memory::directory("w", tree)?])
            .map_err(AnyError::from)
    };
    let totals = |tree| {
        Ok::<_, AnyError>(Written {
            tree,
            totals: crate::object::directory::totals(&trees, tree)?,
        })
    };
    let (base, changed) = (nest(totals(base)?)?.tree, nest(totals(changed)?)?.tree);
    trees.counts();
    let merged = three_way(
        &trees,
        &mut &trees,
        base,
        removed,
        changed,
        &[],
        Winner::Ref,
    )?;
    let (loads, _) = trees.counts();
    assert!(
        merged.total == 1 && loads <= 20,
        "a removed directory: {loads} loads"
    );
    Ok(())
}
