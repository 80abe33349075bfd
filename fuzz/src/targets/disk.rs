//! What people type to leave files out.

use std::path::Path;

use bindery::disk::exclude::Excludes;
use bindery::disk::stat::FileKind;

use crate::Verdict;

/// Paths that every set of patterns is asked about.
const PATHS: [&str; 3] = ["a", "src/a.o", "usr/share/doc/caf\u{e9}/x"];

/// Patterns to exclude, one a line.
///
/// # Panics
///
/// If the patterns are not kept as they were typed: that is a finding.
#[must_use]
pub fn exclude(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    let patterns: Vec<&str> = text.split('\n').collect();
    let Ok(excludes) = Excludes::parse(&patterns) else {
        return Verdict::Refused;
    };
    assert!(
        excludes.texts().eq(patterns.iter().copied()),
        "patterns are kept as they are"
    );
    for path in PATHS.map(Path::new) {
        let as_file = excludes.matches(path, FileKind::Regular);
        let as_directory = excludes.matches(path, FileKind::Directory);
        assert!(
            as_directory || !as_file,
            "what excludes a file excludes a directory"
        );
    }
    Verdict::Accepted
}
