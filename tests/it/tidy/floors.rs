//! Who may know what: imports go down the floors only and never in a circle, and each outside thing has one door.
//!
//! # Not here
//!
//! Which doors there are: the table in `docs/ARCHITECTURE.md` says it, and [`doors`] reads it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::Source;

/// The floors of the library, from below.
const FLOORS: [&str; 9] = [
    "base", "object", "trust", "disk", "store", "build", "delta", "remote", "server",
];

/// The folder of the command line: a crate of its own that imports the library as others do.
const COMMAND_LINE: &str = "src/bin/bindery";

/// An outside thing, and the places that may name it.
pub struct Door {
    /// A crate or path, such as `std::fs`.
    pub thing: String,
    /// Folders or files below `src`.
    pub places: Vec<String>,
}

/// Which files each file imports from its own crate.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Complains of imports from a higher floor.
pub fn upward_imports(sources: &[Source]) -> Vec<String> {
    let floor_of = |path: &str| {
        let folder = path.strip_prefix("src/")?.split('/').next()?;
        FLOORS.iter().position(|floor| *floor == folder)
    };
    let mut complaints = Vec::new();
    for (file, targets) in imports(sources) {
        for target in targets {
            if let (Some(own), Some(other)) = (floor_of(&file), floor_of(&target))
                && other > own
            {
                complaints.push(format!("{file} imports {target} from a higher floor"));
            }
        }
    }
    complaints
}

/// Complains of files that import each other in a circle, with the shortest circle that each file is in.
pub fn circles(sources: &[Source]) -> Vec<String> {
    let imports = imports(sources);
    let mut seen = BTreeSet::new();
    let mut complaints = Vec::new();
    for file in imports.keys() {
        if let Some(circle) = shortest_circle(&imports, file) {
            let members: BTreeSet<&str> = circle.iter().copied().collect();
            if seen.insert(members) {
                complaints.push(circle.join(" imports "));
            }
        }
    }
    complaints
}

/// The shortest way from `file` back to `file`, both included.
fn shortest_circle<'i>(imports: &'i Imports, file: &'i str) -> Option<Vec<&'i str>> {
    let mut ways = VecDeque::from([vec![file]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let last = way.last().copied()?;
        for target in imports.get(last).into_iter().flatten() {
            let longer = [&way[..], &[target.as_str()]].concat();
            if target == file {
                return Some(longer);
            }
            if seen.insert(target) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// Reads the table in the section `Doors`: rows of `| thing | places | reason |`. Things and places stand in backquotes; `anywhere`
/// is every place, and other words are none.
pub fn doors(architecture: &str) -> Vec<Door> {
    let quoted = |cell: &str| -> Vec<String> {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    let section = architecture
        .split("\n## ")
        .find_map(|text| text.strip_prefix("Doors\n"));
    let mut doors = Vec::new();
    for line in section.unwrap_or_default().lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", things, places, reason, ""] = cells[..]
            && things.starts_with('`')
            && !reason.is_empty()
        {
            let places = match places {
                "anywhere" => vec![String::new()],
                _ => quoted(places),
            };
            doors.extend(quoted(things).into_iter().map(|thing| Door {
                thing,
                places: places.clone(),
            }));
        }
    }
    doors
}

/// Complains of files that name an outside thing and are not its door.
pub fn by_other_doors(sources: &[Source], doors: &[Door]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in production(sources) {
        let Some(place) = source.path.strip_prefix("src/") else {
            continue;
        };
        let paths: BTreeSet<String> = source.paths().iter().map(|path| path.join("::")).collect();
        for door in doors {
            let allowed = door.places.iter().any(|folder| place.starts_with(folder));
            let thing = door.thing.replace('-', "_");
            let within = |path: &&String| {
                let rest = path.strip_prefix(&thing);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            };
            if let Some(path) = paths.iter().find(within).filter(|_| !allowed) {
                complaints.push(format!("{} names {path}", source.path));
            }
        }
    }
    complaints
}

/// The sources without those that are tests as a whole.
fn production(sources: &[Source]) -> impl Iterator<Item = &Source> {
    let tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| {
            let folder = source.children();
            let modules = source.test_modules.iter();
            modules.map(move |module| format!("{folder}/{module}.rs"))
        })
        .collect();
    sources.iter().filter(move |s| !tests.contains(&s.path))
}

fn imports(sources: &[Source]) -> Imports {
    let files: BTreeMap<&str, &str> = production(sources)
        .map(|source| (source.children(), source.path.as_str()))
        .collect();
    let mut imports = Imports::new();
    for source in production(sources).filter(|source| source.path.starts_with("src/")) {
        let targets = source
            .paths()
            .iter()
            .filter_map(|path| imported_file(source, path, &files))
            .filter(|file| *file != source.path)
            .collect();
        imports.insert(source.path.clone(), targets);
    }
    imports
}

/// The file that `path` leads to from `source`, if it is one of the same crate.
fn imported_file(source: &Source, path: &[String], files: &BTreeMap<&str, &str>) -> Option<String> {
    let root = if source.path.starts_with(COMMAND_LINE) {
        COMMAND_LINE
    } else {
        "src"
    };
    let mut place = source.children().to_owned();
    let mut names = path;
    match names.first()?.as_str() {
        "crate" => {
            root.clone_into(&mut place);
            names = &names[1..];
        }
        "self" => names = &names[1..],
        "super" => {
            while names.first().is_some_and(|name| name == "super") {
                place.truncate(place.rfind('/')?);
                names = &names[1..];
            }
        }
        // Without a keyword a path starts at an outside crate, at a type, or at a child of this file.
        name if files.contains_key(format!("{place}/{name}").as_str()) => {}
        _ => return None,
    }
    for name in names {
        let next = format!("{place}/{name}");
        if !files.contains_key(next.as_str()) {
            break;
        }
        place = next;
    }
    files.get(place.as_str()).map(|file| (*file).to_owned())
}

#[test]
fn an_import_from_above_is_found() {
    let check = |from: &str, line: &str| {
        let sources = [
            Source::new(from, line),
            Source::new("src/store/mod.rs", ""),
            Source::new("src/store/view.rs", ""),
            Source::new("src/disk/lock.rs", ""),
        ];
        upward_imports(&sources).len()
    };
    for (from, line, expected, reason) in [
        ("src/object/a.rs", "use crate::store::view::View;", 1, "up"),
        (
            "src/object/a.rs",
            "use crate::{store::Store};",
            1,
            "up in a group",
        ),
        (
            "src/object/a.rs",
            "let x = crate::store::view::f();",
            1,
            "up, without use",
        ),
        (
            "src/object/a.rs",
            "use super::super::store::Store;",
            1,
            "up, by super",
        ),
        ("src/build/a.rs", "use crate::store::view::View;", 0, "down"),
        ("src/store/a.rs", "use super::view::View;", 0, "beside"),
        (
            "src/object/a.rs",
            "#[cfg(test)]\nmod t { use crate::store::Store; }",
            0,
            "a test",
        ),
        (
            "src/object/a.rs",
            "//! [`x`](crate::store::Store)",
            0,
            "a comment",
        ),
    ] {
        assert_eq!(check(from, line), expected, "{reason}");
    }
}

#[test]
fn a_circle_of_imports_is_found() {
    let check = |one: &str, two: &str, three: &str| {
        let sources = [
            Source::new("src/base/one.rs", one),
            Source::new("src/base/two.rs", two),
            Source::new("src/base/mod.rs", three),
        ];
        circles(&sources).len()
    };
    for (one, two, three, expected, reason) in [
        (
            "use super::two::A;",
            "use super::one::B;",
            "",
            1,
            "two files",
        ),
        (
            "use super::A;",
            "use super::one::B;",
            "pub use two::A;",
            1,
            "through mod.rs",
        ),
        ("use super::A;", "", "pub use self::two::A;", 0, "a chain"),
        (
            "use super::two::A;",
            "",
            "pub use one::B;\npub use two::A;",
            0,
            "a roof",
        ),
    ] {
        assert_eq!(check(one, two, three), expected, "{reason}");
    }
}

#[test]
fn a_thing_that_comes_in_by_another_door_is_found() {
    let table = "\n## Doors\n\n| thing | only in | because |\n|---|---|---|\n| `redb`, `x-y` | `store/` | rows |\n\
                 | `std::fs` | `disk/`, `bin/bindery/demo.rs` | files |\n| `bad` | `store/` | |";
    let doors = doors(table);
    assert_eq!(doors.len(), 3, "a row without a reason is none");
    for (path, line, expected, reason) in [
        ("src/build/a.rs", "use redb::Key;", 1, "another floor"),
        ("src/build/a.rs", "x_y::f();", 1, "a dash in the name"),
        (
            "src/build/a.rs",
            "use std::{io, fs::File};",
            1,
            "a path in a group",
        ),
        ("src/build/a.rs", "use std::fsx::A;", 0, "another path"),
        ("src/store/a.rs", "use redb::Key;", 0, "the door"),
        (
            "src/bin/bindery/demo.rs",
            "std::fs::f();",
            0,
            "the second door",
        ),
        (
            "src/bin/bindery/a.rs",
            "std::fs::f();",
            1,
            "beside the second door",
        ),
        (
            "src/build/a.rs",
            "#[cfg(test)]\nfn t() { std::fs::f(); }",
            0,
            "a test",
        ),
    ] {
        let found = by_other_doors(&[Source::new(path, line)], &doors);
        assert_eq!(found.len(), expected, "{reason}");
    }
}
