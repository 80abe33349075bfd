//! Names that people choose: entries of directories, refs, repos, keys, checks.
//!
//! A name arrives as text from a command line, a file or a peer, and leaves as a table key or a path component. This is
//! the only place where text becomes a name, so every floor above uses names without checking them again.
//!
//! # Invariants
//!
//! - An [`EntryName`] is 1 to 255 bytes of UTF-8 that no file system mistakes for something else: never `.`, `..` or
//!   `.bindery` in any disguise, without `/` and control characters.
//! - A [`RefName`] or [`RepoName`] is 1 to [`REF_NAME_BYTES_MAX`] bytes of `A-Z a-z 0-9 - _ . +` in components between
//!   slashes; none is empty or starts with a dot or a dash, so no name climbs out of a directory.
//! - A [`KeyName`] or [`CheckName`] is one such component, so it is one part of a URL and one word of a command line.
//!
//! # Not here
//!
//! Paths of entries (`base::path`), the stricter rules of portable repos (`base::profile`), whether a ref exists
//! (`store`).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::{CHECK_NAME_BYTES_MAX, KEY_NAME_BYTES_MAX, NAME_BYTES_MAX, REF_NAME_BYTES_MAX};

/// Why a text is not a name. Every `at` is a byte offset into the rejected text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text has no bytes.
    #[error("name is empty")]
    Empty,
    /// The text is longer than its kind allows.
    #[error("name has {bytes} bytes, more than {max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The bytes are not UTF-8.
    #[error("name is not valid UTF-8 at byte {at}")]
    NotUtf8 {
        /// Where the first wrong byte is.
        at: usize,
    },
    /// The name is `.` or `..`.
    #[error("name is '.' or '..'")]
    Dots,
    /// The name contains a slash.
    #[error("name has a '/' at byte {at}")]
    Slash {
        /// Where it is.
        at: usize,
    },
    /// The name contains U+0000-001F or U+007F-009F.
    #[error("name has a control character at byte {at}")]
    Control {
        /// Where it is.
        at: usize,
    },
    /// The name is `.bindery`, or looks like it to some file system.
    #[error("name is reserved: '.bindery' marks a checkout")]
    Reserved,
    /// A character that refs, repos or keys may not have.
    #[error("name has a character other than A-Z a-z 0-9 - _ . + at byte {at}")]
    Character {
        /// Where it is.
        at: usize,
    },
    /// A component between slashes is empty, or starts with a dot or a dash.
    #[error("name has a component at byte {at} that is empty or starts with '.' or '-'")]
    Component {
        /// Where the component starts.
        at: usize,
    },
}

/// The name of one entry of a directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryName(Box<str>);

impl EntryName {
    /// Checks bytes as they come from a directory or a tree.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule the bytes break.
    pub fn parse(bytes: &[u8]) -> Result<Self, NameError> {
        if bytes.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong {
                bytes: bytes.len(),
                max: NAME_BYTES_MAX,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| NameError::NotUtf8 {
            at: error.valid_up_to(),
        })?;
        match text {
            "" => return Err(NameError::Empty),
            "." | ".." => return Err(NameError::Dots),
            _ => {}
        }
        for (at, character) in text.char_indices() {
            match character {
                '/' => return Err(NameError::Slash { at }),
                _ if character.is_control() => return Err(NameError::Control { at }),
                _ => {}
            }
        }
        if is_reserved(text) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// Shows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of the folder that marks a checkout; no entry may have it.
pub const RESERVED_NAME: &str = ".bindery";

/// Whether some file system would open `.bindery` when asked for `text`: HFS+ ignores invisible code points, Windows
/// ignores letter case, trailing dots and spaces and takes `:` for the start of a stream's name.
fn is_reserved(text: &str) -> bool {
    // Nearly all names end here: only those with invisible code points can start with something else than the dot.
    if text.is_ascii() && !text.starts_with('.') {
        return false;
    }
    let invisible = |c: &char| matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    let visible: String = text.chars().filter(|c| !invisible(c)).collect();
    let name = visible.split(':').next().unwrap_or_default();
    name.trim_end_matches(['.', ' '])
        .eq_ignore_ascii_case(RESERVED_NAME)
}

impl FromStr for EntryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text.as_bytes())
    }
}

impl Borrow<str> for EntryName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A character of refs, repos and keys.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+')
}

fn check_components(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > REF_NAME_BYTES_MAX {
        return Err(NameError::TooLong {
            bytes: text.len(),
            max: REF_NAME_BYTES_MAX,
        });
    }
    if let Some(at) = text
        .bytes()
        .position(|byte| byte != b'/' && !is_plain(byte))
    {
        return Err(NameError::Character { at });
    }
    let mut at = 0;
    for component in text.split('/') {
        if component.is_empty() || component.starts_with(['.', '-']) {
            return Err(NameError::Component { at });
        }
        at += component.len() + 1;
    }
    Ok(())
}

macro_rules! plain_names {
    ($($(#[$doc:meta])* $name:ident $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl $name {
            /// Shows the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )*};
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }
    )*};
}

plain_names! {
    /// The name of a line of releases, such as `app/org.example.Editor/x86_64`.
    ///
    /// ```
    /// # use bindery::base::name::RefName;
    /// let name: RefName = "app/editor/stable".parse()?;
    /// assert_eq!(name.components().next(), Some("app"));
    /// # Ok::<(), bindery::base::name::NameError>(())
    /// ```
    ///
    /// There is no way around the checks:
    ///
    /// ```compile_fail
    /// let name = bindery::base::name::RefName("../key".into());
    /// ```
    RefName check_components;

    /// The name of a repo, such as `example.org/os`.
    RepoName check_components;

    /// The name of a key in notes and keysets, such as `ana`.
    KeyName check_key_name;

    /// The name of an outside check of builds, such as `lint`.
    CheckName check_check_name;
}

as_text! { EntryName RefName RepoName KeyName CheckName }

fn check_key_name(text: &str) -> Result<(), NameError> {
    // The signed-note format gives '+' a meaning of its own in key names.
    check_component(text, KEY_NAME_BYTES_MAX, |byte| {
        is_plain(byte) && byte != b'+'
    })
}

fn check_check_name(text: &str) -> Result<(), NameError> {
    check_component(text, CHECK_NAME_BYTES_MAX, is_plain)
}

fn check_component(text: &str, max: usize, is_legal: fn(u8) -> bool) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let bytes = text.len();
    if bytes > max {
        return Err(NameError::TooLong { bytes, max });
    }
    match text.bytes().position(|byte| !is_legal(byte)) {
        Some(at) => Err(NameError::Character { at }),
        None if text.starts_with(['.', '-']) => Err(NameError::Component { at: 0 }),
        None => Ok(()),
    }
}

macro_rules! slashed {
    ($($name:ident)*) => {$(
        impl $name {
            /// The parts between slashes.
            pub fn components(&self) -> impl Iterator<Item = &str> {
                self.0.split('/')
            }

            /// Whether one of the two names is a path prefix of the other, so that the two cannot be beside each other in one folder.
            #[must_use]
            pub fn nests_with(&self, other: &Self) -> bool {
                self != other
                    && self
                        .components()
                        .zip(other.components())
                        .all(|(a, b)| a == b)
            }
        }
    )*};
}

slashed! { RefName RepoName }

#[cfg(test)]
mod tests {
    use super::super::testing::check_spelling;
    use super::*;

    #[test]
    fn an_entry_name_is_what_every_file_system_takes_for_itself() {
        let longest = "x".repeat(NAME_BYTES_MAX);
        let too_long = "x".repeat(NAME_BYTES_MAX + 1);
        for (text, expected) in [
            ("a", Ok(())),
            ("with space", Ok(())),
            ("\"quoted\" it's", Ok(())),
            ("emoji \u{1F600}", Ok(())),
            ("-leading-dash", Ok(())),
            ("back\\slash", Ok(())),
            (longest.as_str(), Ok(())),
            (
                too_long.as_str(),
                Err(NameError::TooLong {
                    bytes: 256,
                    max: 255,
                }),
            ),
            ("", Err(NameError::Empty)),
            (".", Err(NameError::Dots)),
            ("..", Err(NameError::Dots)),
            ("a/b", Err(NameError::Slash { at: 1 })),
            ("a\nb", Err(NameError::Control { at: 1 })),
            ("a\u{7f}", Err(NameError::Control { at: 1 })),
            ("a\u{85}", Err(NameError::Control { at: 1 })),
            (".bindery", Err(NameError::Reserved)),
            (".BinderY", Err(NameError::Reserved)),
            (".bindery. .", Err(NameError::Reserved)),
            (".bindery::$DATA", Err(NameError::Reserved)),
            (".bin\u{200c}dery", Err(NameError::Reserved)),
            (".bindery\u{feff}", Err(NameError::Reserved)),
            (".bindery2", Ok(())),
            ("bindery", Ok(())),
        ] {
            assert_eq!(text.parse::<EntryName>().map(|_| ()), expected, "{text:?}");
        }
        assert_eq!(
            EntryName::parse(b"a\xff"),
            Err(NameError::NotUtf8 { at: 1 })
        );
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        check_spelling::<EntryName>("caf\u{e9} .bindery");
        check_spelling::<RefName>("app/org.example.Editor/x86_64");
        check_spelling::<RepoName>("example.org/os");
        check_spelling::<KeyName>("ana-2026.b");
        check_spelling::<CheckName>("lint-c++_1.2");
    }

    #[test]
    fn a_ref_name_cannot_climb_out_of_a_directory() {
        for (text, expected) in [
            ("stable", Ok(())),
            ("app/org.example.Editor/x86_64", Ok(())),
            ("v1.2+rc", Ok(())),
            ("", Err(NameError::Empty)),
            ("/a", Err(NameError::Component { at: 0 })),
            ("a//b", Err(NameError::Component { at: 2 })),
            ("a/", Err(NameError::Component { at: 2 })),
            ("a/../b", Err(NameError::Component { at: 2 })),
            ("a/-b", Err(NameError::Component { at: 2 })),
            ("a b", Err(NameError::Character { at: 1 })),
            ("a:b", Err(NameError::Character { at: 1 })),
            ("a@1", Err(NameError::Character { at: 1 })),
            ("a~1", Err(NameError::Character { at: 1 })),
        ] {
            assert_eq!(text.parse::<RefName>().map(|_| ()), expected, "{text:?}");
        }
        assert!("x".repeat(256).parse::<RefName>().is_err());
    }

    #[test]
    fn a_key_name_has_no_plus_and_no_slash() {
        for (text, good) in [
            ("ana", true),
            ("a.b-c_1", true),
            ("a+b", false),
            ("a/b", false),
            ("", false),
            (".a", false),
        ] {
            assert_eq!(text.parse::<KeyName>().is_ok(), good, "{text:?}");
        }
        assert!("k".repeat(65).parse::<KeyName>().is_err());
    }

    #[test]
    fn a_check_name_is_one_part_of_a_url() {
        for (text, expected) in [
            ("lint", Ok(())),
            ("c++-lint_2.0", Ok(())),
            ("", Err(NameError::Empty)),
            ("a/b", Err(NameError::Character { at: 1 })),
            ("two words", Err(NameError::Character { at: 3 })),
            ("..", Err(NameError::Component { at: 0 })),
            ("--pass", Err(NameError::Component { at: 0 })),
        ] {
            assert_eq!(text.parse::<CheckName>().map(|_| ()), expected, "{text:?}");
        }
        assert!(
            "k".repeat(CHECK_NAME_BYTES_MAX)
                .parse::<CheckName>()
                .is_ok()
        );
        assert!(
            "k".repeat(CHECK_NAME_BYTES_MAX + 1)
                .parse::<CheckName>()
                .is_err()
        );
    }

    #[test]
    fn refs_nest_by_whole_components() {
        let nests =
            |a: &str, b: &str| Ok::<_, NameError>(a.parse::<RefName>()?.nests_with(&b.parse()?));
        assert_eq!(nests("app", "app/x"), Ok(true));
        assert_eq!(nests("app/x", "app"), Ok(true));
        assert_eq!(nests("app", "apple"), Ok(false));
        assert_eq!(nests("app", "app"), Ok(false));
    }
}
