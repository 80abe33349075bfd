//! How a command that did not fail ended.

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was asked for.
    Done,
    /// It found differences, and was asked to say so by the exit code.
    Differences,
}
