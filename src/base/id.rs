//! Ids: the BLAKE3 hashes by which everything is named.
//!
//! # Invariants
//!
//! - The text of a hash is 64 lower-case hex digits: what `b3sum` prints. No other spelling parses.
//! - An id knows its kind: an `Id<Tree>` never becomes an `Id<Blob>` by accident.
//!
//! This is the one door to the `blake3` crate.
//!
//! # Not here
//!
//! What the bytes of each kind look like (`object`).

use std::fmt;
use std::hash::Hash as StdHash;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Length of a hash, in bytes.
pub const HASH_BYTES: usize = 32;

/// A BLAKE3-256 hash.
///
/// ```
/// # use bindery::base::id::Hash;
/// let hash = Hash::of(b"abc");
/// assert_eq!(hash.to_string().parse::<Hash>()?, hash);
/// # Ok::<(), bindery::base::id::IdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, StdHash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; HASH_BYTES]);

/// Why a text is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hex digits")]
pub struct IdError;

impl Hash {
    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Takes 32 bytes that are known to be a hash, such as a field of a checked index.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// Shows the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Shows the first ten hex digits, for messages that people read.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(10);
        text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 2 * HASH_BYTES];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::from_digits(text.as_bytes())
    }
}

impl Hash {
    /// Reads 64 lower-case hex digits.
    ///
    /// # Errors
    ///
    /// [`IdError`] for anything else.
    pub fn from_digits(digits: &[u8]) -> Result<Self, IdError> {
        if digits.len() != 2 * HASH_BYTES {
            return Err(IdError);
        }
        let mut bytes = [0u8; HASH_BYTES];
        let mut wrong = 0;
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (
                DIGIT_VALUES[usize::from(pair[0])],
                DIGIT_VALUES[usize::from(pair[1])],
            );
            wrong |= high | low;
            *byte = high << 4 | low & 15;
        }
        // One check for all: a commit reads as many ids as there are files.
        if wrong & NO_DIGIT == 0 {
            Ok(Self(bytes))
        } else {
            Err(IdError)
        }
    }
}

/// Marks a byte that is no lower-case hex digit.
const NO_DIGIT: u8 = 0x80;

/// What each byte is worth as a digit.
const DIGIT_VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0;
    while value < 16 {
        values[digits[value as usize] as usize] = value;
        value += 1;
    }
    values
};

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

/// A hash in the making, for bytes that arrive in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts with no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes the next bytes with all cores; worth it from about 256 KiB.
    pub fn update_parallel(&mut self, bytes: &[u8]) {
        self.0.update_rayon(bytes);
    }

    /// The hash of all bytes taken so far. The hasher can go on afterwards.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}

/// A marker type that says what an [`Id`] points at.
pub trait IdKind {
    /// The kind's name in messages, such as `tree`.
    const NAME: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $alias:ident $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, StdHash)]
        pub enum $kind {}

        impl IdKind for $kind {
            const NAME: &'static str = $name;
        }

        #[doc = concat!("The id of a ", $name, ".")]
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    /// Marks ids of file contents.
    Blob BlobId "blob";
    /// Marks ids of directories, or of nodes of wide ones.
    Tree TreeId "tree";
    /// Marks ids of snapshots.
    Snapshot SnapshotId "snapshot";
    /// Marks ids of packs: the hash of the whole file.
    Pack PackId "pack";
    /// Marks ids of statements: the hash of their text, without signatures.
    Statement StatementId "statement";
}

/// The hash of a thing of kind `K`.
///
/// ```compile_fail
/// use bindery::base::id::{BlobId, Hash, TreeId};
/// let blob: BlobId = BlobId::new(Hash::of(b""));
/// let tree: TreeId = blob; // an id knows its kind
/// ```
pub struct Id<K> {
    hash: Hash,
    kind: PhantomData<fn() -> K>,
}

impl<K: IdKind> Id<K> {
    /// Says that `hash` names a thing of kind `K`.
    #[must_use]
    pub const fn new(hash: Hash) -> Self {
        Self {
            hash,
            kind: PhantomData,
        }
    }

    /// Names `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(Hash::of(bytes))
    }

    /// Shows the hash alone.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.hash.cmp(&other.hash)
    }
}
impl<K> StdHash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.fmt(f)
    }
}
impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", K::NAME, self.hash)
    }
}
impl<K: IdKind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Ok(Self::new(text.parse()?))
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.hash.serialize(serializer)
    }
}
impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(Hash::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_hash_is_what_b3sum_prints() {
        assert_eq!(
            Hash::of(b"").to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }

    #[test]
    fn only_one_spelling_of_a_hash_parses() {
        let text = Hash::of(b"x").to_string();
        assert_eq!(text.parse(), Ok(Hash::of(b"x")));
        for bad in [
            text.to_uppercase(),
            text[1..].to_string(),
            format!("{text}0"),
            text.replace(&text[..1], "g"),
        ] {
            assert_eq!(bad.parse::<Hash>(), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn a_hash_in_pieces_equals_the_hash_of_the_whole() {
        let mut hasher = Hasher::new();
        hasher.update(b"one ");
        hasher.update_parallel(b"two");
        assert_eq!(hasher.hash(), Hash::of(b"one two"));
    }
}
