//! The scenarios of others' suites: each is in a table with the test of ours that plays it, which is there, or with the reason
//! why there is none.

use std::collections::HashSet;

/// Where tests lie whose file is named without a folder.
const FOLDER: &str = "tests/it/server/lying/";

/// A row of the tables.
pub struct Scenario {
    names: Vec<String>,
    here: String,
    /// Files, and the tests in them.
    tests: Vec<(String, String)>,
}

/// The rows of the tables of a page whose first cell names scenarios.
pub fn scenarios(page: &str) -> Vec<Scenario> {
    let cells = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<String>>();
    let rows = page.lines().filter(|line| line.starts_with("| `test_"));
    let scenario = |line: &str| {
        let cells = cells(line);
        let cell = |at: usize| cells.get(at).map_or("", String::as_str).trim();
        Scenario {
            names: spans(cell(1)),
            here: cell(2).to_owned(),
            tests: tests(cell(3)),
        }
    };
    rows.map(scenario).collect()
}

/// What stands between backquotes.
fn spans(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Tests that are named after their files.
fn tests(cell: &str) -> Vec<(String, String)> {
    let mut file = String::new();
    let mut tests = Vec::new();
    for span in spans(cell) {
        let is_file = span.rsplit_once('.').is_some_and(|(_, end)| end == "rs");
        match (is_file, span.contains('/')) {
            (false, _) => tests.push((file.clone(), span)),
            (true, true) => file = span,
            (true, false) => file = [FOLDER, &span].concat(),
        }
    }
    tests
}

/// Complains of scenarios that are listed twice, that neither a test plays nor a reason explains, and of tests that are not
/// where they are said to be. `read` gives the text of a file.
pub fn unplayed(scenarios: &[Scenario], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut seen = HashSet::new();
    for scenario in scenarios {
        for name in &scenario.names {
            if !seen.insert(name) {
                complaints.push(format!("{name} is listed twice"));
            }
        }
        let names = scenario.names.join(", ");
        if scenario.tests.is_empty() && !scenario.here.starts_with("no: ") {
            complaints.push(format!("{names}: no test, and no reason"));
        }
        for (file, test) in &scenario.tests {
            let needle = format!("#[test]\nfn {test}(");
            let text = read(file).unwrap_or_default();
            let text: String = text
                .lines()
                .flat_map(|line| [line.trim_start(), "\n"])
                .collect();
            if !text.contains(&needle) {
                complaints.push(format!("{names}: no test {test} in {file}"));
            }
        }
    }
    complaints
}

#[test]
fn a_scenario_without_a_test_is_found() {
    let read =
        |file: &str| (file == "src/a.rs").then(|| "    #[test]\n    fn is_there() {}".into());
    for (row, expected) in [
        ("| `test_a` | the same | `src/a.rs`: `is_there` |", 0),
        ("| `test_a` | no: there is no such thing | |", 0),
        ("| `test_a` | the same | |", 1),
        ("| `test_a` | the same | `src/a.rs`: `is_not_there` |", 1),
        ("| `test_a` | the same | `a.rs`: `is_there` |", 1),
        ("| `test_a`, `test_a` | no: twice | |", 1),
    ] {
        let found = unplayed(&scenarios(row), read);
        assert_eq!(found.len(), expected, "{row}: {found:?}");
    }
}
