//! Problems: what a check of a whole store finds wrong. They are facts to be listed, not errors: the check goes on.

use std::fmt;

use crate::base::limits::LISTED_PATHS_MAX;

/// One thing that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in a few words, such as `damaged blob`.
    pub what: String,
    /// The file, or the part of the catalog.
    pub place: String,
    /// What was found, which object it is about, and what needs it.
    pub detail: String,
}

impl Problem {
    /// Says what is wrong where.
    pub fn new(
        what: impl Into<String>,
        place: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            place: place.into(),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.what, self.place, self.detail)
    }
}

/// The first [`LISTED_PATHS_MAX`] of `problems`; the others are counted in one more.
pub(super) fn bounded(what: &str, place: &str, problems: Vec<Problem>) -> Vec<Problem> {
    let more = problems.len().saturating_sub(LISTED_PATHS_MAX);
    let mut first: Vec<Problem> = problems.into_iter().take(LISTED_PATHS_MAX).collect();
    if more > 0 {
        let detail = format!("and {more} more");
        first.push(Problem::new(what, place, detail));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_ends_with_the_number_of_the_others() {
        for (found, listed, last) in [
            (1, 1, "x"),
            (LISTED_PATHS_MAX, LISTED_PATHS_MAX, "x"),
            (LISTED_PATHS_MAX + 1, LISTED_PATHS_MAX + 1, "and 1 more"),
            (LISTED_PATHS_MAX + 2, LISTED_PATHS_MAX + 1, "and 2 more"),
        ] {
            let problems = vec![Problem::new("row", "catalog", "x"); found];
            let problems = bounded("row", "catalog", problems);
            assert_eq!(problems.len(), listed);
            assert_eq!(
                problems.last().map(|problem| problem.detail.as_str()),
                Some(last)
            );
        }
    }
}
