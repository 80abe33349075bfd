//! What is open to everybody.

/// What is read without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anonymous {
    /// Nothing.
    Nothing,
    /// What is published.
    #[default]
    Published,
    /// What is published, and builds with their test repositories.
    Builds,
}
