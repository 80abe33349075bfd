//! The rules of the house that the compiler does not check, each with a test that it finds what it looks for.
//!
//! # Invariants
//!
//! - There is no list of exceptions. The doors are read from `docs/ARCHITECTURE.md`, so the page cannot go stale.
//!
//! # Not here
//!
//! What the compiler and clippy check (`[lints]` in `Cargo.toml`).

use std::path::Path;

mod floors;
mod project;
mod scenarios;
mod shape;
mod source;

use self::source::{Source, read_sources};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The folders with Rust files.
const FOLDERS: [&str; 4] = ["src", "tests", "benches", "fuzz"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> Outcome<String> {
    Ok(std::fs::read_to_string(root().join(name))?)
}

/// Fails with one line for each of `complaints`.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Holds every Rust file against `rule`.
fn check(rule: impl Fn(&[Source]) -> Vec<String>) -> Outcome {
    none(&rule(&read_sources(root(), &FOLDERS)?));
    Ok(())
}

#[test]
fn imports_go_down_only() -> Outcome {
    check(floors::upward_imports)
}

#[test]
fn no_files_import_each_other_in_a_circle() -> Outcome {
    check(floors::circles)
}

#[test]
fn each_outside_thing_has_one_door() -> Outcome {
    let doors = floors::doors(&read("docs/ARCHITECTURE.md")?);
    check(|sources| floors::by_other_doors(sources, &doors))
}

#[test]
fn every_file_says_what_it_is_for() -> Outcome {
    check(shape::missing_headers)
}

#[test]
fn no_file_is_longer_than_one_idea() -> Outcome {
    check(shape::long_files)
}

#[test]
fn every_function_fits_a_screen() -> Outcome {
    check(shape::long_functions)
}

#[test]
fn no_public_function_takes_a_flag() -> Outcome {
    check(shape::public_flags)
}

#[test]
fn nothing_is_left_unfinished() -> Outcome {
    check(shape::unfinished)
}

#[test]
fn the_name_of_a_test_is_a_sentence() -> Outcome {
    check(shape::short_test_names)
}

#[test]
fn nothing_strays_at_the_top_level() -> Outcome {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root())? {
        names.push(entry?.file_name().display().to_string());
    }
    none(&project::stray_names(&names, &read(".gitignore")?));
    Ok(())
}

#[test]
fn every_scenario_of_tuf_is_played_or_does_not_apply() -> Outcome {
    let scenarios = scenarios::scenarios(&read("docs/tuf.md")?);
    assert!(scenarios.len() > 30, "the tables are found");
    none(&scenarios::unplayed(&scenarios, |file| read(file).ok()));
    Ok(())
}

#[test]
fn every_dependency_has_a_reason() -> Outcome {
    let doors = floors::doors(&read("docs/ARCHITECTURE.md")?);
    none(&project::unexplained_dependencies(
        &read("Cargo.toml")?,
        &doors,
    ));
    Ok(())
}
