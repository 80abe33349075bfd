//! The project as a whole: what lies at its top level, and why each dependency is there.

use super::floors::Door;

/// What may lie at the top level beside what `.gitignore` names.
const TOP_LEVEL: [&str; 14] = [
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "docs",
    "fuzz",
    "src",
    "tests",
];

/// Complains of things at the top level that do not belong there.
pub fn stray_names(names: &[String], ignored: &str) -> Vec<String> {
    let belongs = |name: &&String| {
        !TOP_LEVEL.contains(&name.as_str())
            && !ignored.lines().any(|line| line.trim_matches('/') == **name)
    };
    let complaint = |name: &String| format!("{name} does not belong at the top level");
    names.iter().filter(belongs).map(complaint).collect()
}

/// Complains of dependencies that no row of the table of doors gives a reason for.
pub fn unexplained_dependencies(manifest: &str, doors: &[Door]) -> Vec<String> {
    let has_reason = |name: &&str| !doors.iter().any(|door| door.thing == **name);
    let complaint = |name: &str| format!("{name} has no line of reason in docs/ARCHITECTURE.md");
    dependencies(manifest)
        .into_iter()
        .filter(has_reason)
        .map(complaint)
        .collect()
}

/// The names in the sections of dependencies of a `Cargo.toml`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut within = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.trim_matches(['[', ']']).ends_with("dependencies");
        } else if let Some((name, _)) = line.split_once('=')
            && within
        {
            names.push(name.trim());
        }
    }
    names
}

#[test]
fn a_stray_file_is_found() {
    for (name, expected) in [("src", 0), ("target", 0), ("notes.txt", 1)] {
        let found = stray_names(&[name.to_owned()], "/target\n/fuzz/target\n");
        assert_eq!(found.len(), expected, "{name}");
    }
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let manifest =
        "[package]\nname = \"a\"\n[dependencies]\nredb = \"4\"\n[dev-dependencies]\nx = \"1\"\n";
    let redb = Door {
        thing: "redb".into(),
        places: Vec::new(),
    };
    let found = unexplained_dependencies(manifest, &[redb]);
    assert_eq!(found, ["x has no line of reason in docs/ARCHITECTURE.md"]);
}
