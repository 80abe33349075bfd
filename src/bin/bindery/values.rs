//! Values of arguments: text becomes a typed value here, before anything is done.

use std::str::FromStr;

/// The id of a build, as `17` or `build:17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildId(pub u64);

impl FromStr for BuildId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("build:").unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number
            .then(|| digits.parse().ok().map(Self))
            .flatten()
            .ok_or_else(|| "a build is named by its number, such as 17 or build:17".to_owned())
    }
}

/// A label, as `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What comes before the first `=`.
    pub key: String,
    /// What comes after it.
    pub value: String,
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self {
                key: key.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("a label is written KEY=VALUE".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_named_by_its_number() {
        for (text, expected) in [
            ("17", Some(17)),
            ("build:17", Some(17)),
            ("0", Some(0)),
            ("18446744073709551616", None),
            ("build:", None),
            ("", None),
            ("+17", None),
            ("Build:17", None),
            ("stable", None),
        ] {
            assert_eq!(text.parse().ok(), expected.map(BuildId), "{text:?}");
        }
    }

    #[test]
    fn the_first_equals_sign_ends_the_key() {
        let parse = |text: &str| {
            text.parse::<Label>()
                .map(|label| (label.key, label.value))
                .ok()
        };
        let pair = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
        assert_eq!(parse("commit=abc"), pair("commit", "abc"));
        assert_eq!(parse("url=a?b=c"), pair("url", "a?b=c"));
        assert_eq!(parse("empty="), pair("empty", ""));
        assert_eq!(parse("=value"), None);
        assert_eq!(parse("key"), None);
    }
}
