//! Every variant of the library's error, and the test that provokes it.
//!
//! # Invariants
//!
//! - A variant that is added without a test, or a test that is renamed, fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::Outcome;

/// Variant, file and test.
const PROVOKED: &[(&str, &str, &str)] = &[
    (
        "Contradiction",
        "tests/it/remote/lies.rs",
        "two_statements_of_one_number_are_kept_as_evidence",
    ),
    (
        "Remote",
        "tests/it/server/builds.rs",
        "a_push_without_a_token_says_what_is_missing",
    ),
    ("TooMany", "src/server/events.rs", "listeners_are_counted"),
    (
        "Unreachable",
        "tests/it/server/pulling.rs",
        "an_update_takes_five_requests_and_nothing_new_three",
    ),
    (
        "Io",
        "tests/it/crash/faults.rs",
        "a_staging_fails_and_is_done_again",
    ),
    (
        "Jobs",
        "tests/it/deltas.rs",
        "jobs_prepare_deltas_and_a_job_that_fails_does_not_touch_what_is_published",
    ),
    (
        "Usage",
        "tests/it/bad_input/names.rs",
        "what_makes_no_sense_is_refused_as_usage",
    ),
    (
        "Name",
        "tests/it/bad_input/names.rs",
        "what_makes_no_sense_is_refused_as_usage",
    ),
    (
        "Path",
        "tests/it/bad_input/sources.rs",
        "a_path_is_at_most_4095_bytes_long",
    ),
    (
        "Time",
        "tests/it/bad_input/settings.rs",
        "a_time_that_is_no_time_is_refused",
    ),
    (
        "NotFound",
        "tests/it/bad_input/names.rs",
        "what_is_not_there_is_named_with_the_command_that_lists_what_is",
    ),
    (
        "Ambiguous",
        "src/build/spec/tests.rs",
        "a_prefix_of_several_snapshots_is_ambiguous",
    ),
    (
        "Exists",
        "tests/it/bad_input/states.rs",
        "a_store_is_not_made_where_something_else_is",
    ),
    (
        "State",
        "tests/it/bad_input/states.rs",
        "nothing_changes_what_a_build_is_after_its_commit",
    ),
    (
        "Conflict",
        "tests/it/life/publishing.rs",
        "an_older_build_never_silently_overwrites_a_newer_one",
    ),
    (
        "Untested",
        "tests/it/life/publishing.rs",
        "a_tree_that_was_not_tested_is_refused_where_that_is_required",
    ),
    (
        "Unchecked",
        "tests/it/life/checks.rs",
        "a_check_that_fails_rejects_a_build_until_it_passes",
    ),
    (
        "Missing",
        "tests/it/bad_input/states.rs",
        "what_went_from_under_an_open_build_is_listed_and_can_be_staged_again",
    ),
    (
        "Refused",
        "tests/it/bad_input/states.rs",
        "an_empty_build_is_not_committed",
    ),
    (
        "NotAllowed",
        "tests/it/crash/faults.rs",
        "a_read_only_disk_is_read_and_refuses_everything_else",
    ),
    (
        "Busy",
        "tests/it/bad_input/processes.rs",
        "a_second_process_hears_who_holds_the_store",
    ),
    (
        "Malformed",
        "tests/it/life/repos.rs",
        "a_key_moves_to_another_store",
    ),
    (
        "Damaged",
        "tests/it/bad_input/damage.rs",
        "damaged_content_is_named_by_its_id_and_path_and_never_given_out",
    ),
    (
        "Untrusted",
        "tests/it/bad_input/damage.rs",
        "a_changed_note_is_not_trusted",
    ),
    (
        "Source",
        "tests/it/bad_input/sources.rs",
        "a_file_that_vanishes_before_it_is_read_is_refused",
    ),
    (
        "Limit",
        "tests/it/bad_input/settings.rs",
        "settings_that_are_no_text_or_too_large_are_refused",
    ),
    (
        "NewerFormat",
        "tests/it/bad_input/settings.rs",
        "a_store_of_a_newer_format_is_left_alone",
    ),
    (
        "Settings",
        "tests/it/bad_input/settings.rs",
        "a_setting_that_is_not_known_is_answered_with_the_nearest_one",
    ),
    (
        "Catalog",
        "tests/it/bad_input/damage.rs",
        "a_catalog_that_is_no_catalog_is_not_overwritten",
    ),
    // Nothing from outside provokes a fault of the program, or answers a question that is asked on a terminal only.
    (
        "Internal",
        "src/bin/bindery/failure.rs",
        "every_kind_has_a_code_of_its_own",
    ),
    (
        "Interrupted",
        "src/bin/bindery/failure.rs",
        "every_kind_has_a_code_of_its_own",
    ),
];

fn read(file: &str) -> std::io::Result<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
}

/// The names of the variants of `enum Error`.
fn variants() -> std::io::Result<BTreeSet<String>> {
    let text = read("src/base/error.rs")?;
    let body = text.split("pub enum Error {").nth(1).unwrap_or_default();
    let body = body.split("\n}").next().unwrap_or_default();
    let names = body.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?;
        let name = name.trim_end_matches(" {").trim_end_matches(',');
        let name = name.split('(').next()?;
        let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then(|| name.to_owned())
    });
    Ok(names.collect())
}

#[test]
fn every_variant_of_the_error_is_provoked_by_a_test() -> Outcome {
    let listed: BTreeSet<String> = PROVOKED
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .collect();
    assert_eq!(variants()?, listed);
    for (variant, file, test) in PROVOKED {
        let is_there = read(file)?.contains(&format!("fn {test}("));
        assert!(is_there, "{variant}: no test {test} in {file}");
    }
    Ok(())
}
