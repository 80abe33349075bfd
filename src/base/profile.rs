//! Profiles: how strict a repo is about the names in its trees.
//!
//! The `posix` profile takes every legal [`EntryName`], because real system trees need them: the Linux sources have
//! names that differ only in case, and unit files have backslashes. The `portable` profile takes only what every common
//! file system can hold side by side.
//!
//! # Not here
//!
//! What every name must be whatever the profile (`base::name`); who walks a tree to apply a profile (`build::commit`).

use std::collections::HashMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::name::EntryName;

/// How strict a repo is about names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Every legal name.
    #[default]
    Posix,
    /// Only names that all common file systems can hold, and tell apart, in one directory.
    Portable,
}

/// Why a directory is not portable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortableError {
    /// Two names are the same to a file system that ignores case or normal form.
    #[error("{0:?} and {1:?} are one name on file systems that ignore case or normalise")]
    Same(EntryName, EntryName),
    /// The name ends with a dot or a space.
    #[error("{0:?} ends with a dot or a space")]
    Trailing(EntryName),
    /// The name has a character that Windows gives a meaning.
    #[error("{0:?} contains one of < > : \" | ? * \\")]
    Character(EntryName),
    /// The name is that of a Windows device.
    #[error("{0:?} is the name of a device on Windows")]
    Device(EntryName),
    /// The name starts with a dash.
    #[error("{0:?} starts with '-'")]
    Dash(EntryName),
    /// A link's target is absolute or leaves the tree.
    #[error("link target {0:?} is absolute or leaves the tree")]
    Escapes(String),
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "posix" => Ok(Self::Posix),
            "portable" => Ok(Self::Portable),
            _ => Err(format!("{text:?} is no profile: it is posix or portable")),
        }
    }
}

/// Checks the names of one directory against the portable profile.
///
/// # Errors
///
/// [`PortableError`] for the first name that breaks a rule.
pub fn check_portable_names<'a>(
    names: impl IntoIterator<Item = &'a EntryName>,
) -> Result<(), PortableError> {
    let mut seen: HashMap<String, &EntryName> = HashMap::new();
    for name in names {
        check_portable_name(name)?;
        // Folding can undo a normal form and the other way round, so both are applied again after folding.
        let folded = caseless::default_case_fold_str(&name.as_str().nfc().collect::<String>());
        if let Some(other) = seen.insert(folded.nfc().collect(), name) {
            return Err(PortableError::Same(other.clone(), name.clone()));
        }
    }
    Ok(())
}

fn check_portable_name(name: &EntryName) -> Result<(), PortableError> {
    let text = name.as_str();
    if text.ends_with(['.', ' ']) {
        return Err(PortableError::Trailing(name.clone()));
    }
    if text.starts_with('-') {
        return Err(PortableError::Dash(name.clone()));
    }
    if text.contains(['<', '>', ':', '"', '|', '?', '*', '\\']) {
        return Err(PortableError::Character(name.clone()));
    }
    if is_windows_device(text) {
        return Err(PortableError::Device(name.clone()));
    }
    Ok(())
}

/// Windows looks only at the part before the first dot, without trailing spaces, and takes superscript digits for digits.
fn is_windows_device(text: &str) -> bool {
    let stem = text
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end_matches(' ')
        .to_ascii_uppercase();
    let numbered = |prefix: &str| {
        let mut rest = stem.strip_prefix(prefix).unwrap_or_default().chars();
        matches!(
            rest.next(),
            Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}')
        ) && rest.next().is_none()
    };
    matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) || numbered("COM")
        || numbered("LPT")
}

/// Checks that the target of a link at depth `depth` (names above the link) stays inside the tree.
///
/// # Errors
///
/// [`PortableError::Escapes`] if it is absolute or climbs above the root.
pub fn check_portable_target(target: &str, depth: usize) -> Result<(), PortableError> {
    let escapes = || PortableError::Escapes(target.to_owned());
    if target.starts_with('/') || target.contains(['\\', ':']) {
        return Err(escapes());
    }
    let mut left = depth;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => left = left.checked_sub(1).ok_or_else(escapes)?,
            _ => left += 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str]) -> Result<Result<(), PortableError>, crate::base::name::NameError> {
        let names = names
            .iter()
            .map(|name| name.parse())
            .collect::<Result<Vec<EntryName>, _>>()?;
        Ok(check_portable_names(&names))
    }

    #[test]
    fn portable_names_live_side_by_side_everywhere() -> Result<(), crate::base::name::NameError> {
        assert_eq!(
            check(&["a", "b.txt", "Straße", "comet", "com10", "con-text"])?,
            Ok(())
        );
        for bad in [
            vec!["a", "A"],
            vec!["é", "e\u{301}"],
            vec!["STRASSE", "straße"],
            vec!["dot."],
            vec!["space "],
            vec!["a:b"],
            vec!["a\\b"],
            vec!["-a"],
            vec!["nul.txt"],
            vec!["Com1"],
            vec!["LPT\u{b2}"],
        ] {
            assert!(check(&bad)?.is_err(), "{bad:?}");
        }
        Ok(())
    }

    #[test]
    fn a_portable_link_stays_inside() {
        for (target, depth, good) in [
            ("a", 0, true),
            ("../a", 1, true),
            ("../a", 0, false),
            ("a/../../b", 0, false),
            ("a/../../b", 1, true),
            ("/a", 3, false),
            ("C:\\a", 0, false),
        ] {
            assert_eq!(
                check_portable_target(target, depth).is_ok(),
                good,
                "{target} at {depth}"
            );
        }
    }
}
