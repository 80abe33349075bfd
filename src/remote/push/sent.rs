//! What a push sent.

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Files and links that were looked at.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Questions, packs and stagings.
    pub requests: u64,
    /// Objects.
    pub objects: u64,
    /// Their bytes, expanded.
    pub expanded_bytes: u64,
    /// The bytes of the packs.
    pub bytes: u64,
}
