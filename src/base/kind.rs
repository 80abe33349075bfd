//! Kinds of failure: what an error means to whoever asked.
//!
//! The kind decides the exit code of the command line and the status of HTTP; its word is the `code` of both.

/// What an error means to whoever asked; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It did not work.
    Failed,
    /// The request makes no sense.
    Usage,
    /// There is no such thing.
    NotFound,
    /// The caller, or the system, does not allow it.
    NotAllowed,
    /// It contradicts what is there.
    Conflict,
    /// Another process holds the store.
    Busy,
    /// Bytes or signatures are not what they should be.
    Integrity,
    /// The storage, or the other side, cannot be used.
    Unavailable,
    /// A check, hook or job failed.
    Check,
    /// A fault of this program.
    Internal,
    /// The user asked to stop.
    Interrupted,
}

impl Kind {
    /// Every kind, in the order of the exit codes.
    pub const ALL: [Self; 11] = [
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::NotAllowed,
        Self::Conflict,
        Self::Busy,
        Self::Integrity,
        Self::Unavailable,
        Self::Check,
        Self::Internal,
        Self::Interrupted,
    ];

    /// The word for this kind in JSON and HTTP errors.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::NotAllowed => "not_allowed",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Integrity => "integrity",
            Self::Unavailable => "unavailable",
            Self::Check => "check",
            Self::Internal => "internal",
            Self::Interrupted => "interrupted",
        }
    }
}
