//! What people type to name a snapshot.

use bindery::build::spec::Spec;

use crate::Verdict;

/// A SPEC. It has several spellings, so it must only be taken or refused.
#[must_use]
pub fn spec(data: &[u8]) -> Verdict {
    let parsed = std::str::from_utf8(data).map(str::parse::<Spec>);
    if matches!(parsed, Ok(Ok(_))) {
        Verdict::Accepted
    } else {
        Verdict::Refused
    }
}
