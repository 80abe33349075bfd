//! Stems: what is left of a file's name without its version and without hashes, by which a file is found again that has
//! another name in every release.
//!
//! # Not here
//!
//! What a stem is used for (`delta::plan`).

/// Characters of the shortest word of hex digits that is taken for a hash, if it has letters and digits.
const HEX_MIN: usize = 6;
/// Characters of the shortest word that is taken for a hash because letters of both cases and digits are mixed in it, or
/// because it has hex digits alone.
const HASH_MIN: usize = 8;

/// The stem of a name; `None` if nothing is left of it.
pub(super) fn stem(name: &str) -> Option<String> {
    let words = name.split(|character: char| !character.is_alphanumeric());
    let kept: Vec<&str> = words
        .filter(|word| !word.is_empty() && !is_version(word) && !is_hash(word))
        .collect();
    (!kept.is_empty()).then(|| kept.join("-"))
}

/// Whether a word is a number, or starts like one: `24`, `3rc1`, `v2`.
fn is_version(word: &str) -> bool {
    let word = word.strip_prefix(['v', 'V']).unwrap_or(word);
    word.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether a word looks like a hash, or a part of one.
fn is_hash(word: &str) -> bool {
    let has = |test: fn(&char) -> bool| word.chars().any(|character| test(&character));
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (digits, letters) = (has(char::is_ascii_digit), has(char::is_ascii_alphabetic));
    let is_mixed = digits && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    match word.len() {
        HASH_MIN.. => is_hex || is_mixed,
        HEX_MIN.. => is_hex && digits && letters,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_hashes_are_left_out() {
        for (name, expected, reason) in [
            ("libgl1_24.1.deb", Some("libgl1-deb"), "a package"),
            (
                "libgl1_24.1-2+b3_amd64.deb",
                Some("libgl1-b3-amd64-deb"),
                "a rebuild of one",
            ),
            ("main-3f9a2c.js", Some("main-js"), "a script with its hash"),
            (
                "index.BxY3kq9Z.css",
                Some("index-css"),
                "another form of hash",
            ),
            ("foo-1.2.3.so.4", Some("foo-so"), "a library"),
            ("foo-1.2.3rc1.tar.gz", Some("foo-tar-gz"), "a candidate"),
            ("app-v2.zip", Some("app-zip"), "a version with a v"),
            ("deadbeefcafe.bin", Some("bin"), "a hash without digits"),
            ("decade.txt", Some("decade-txt"), "a word of hex digits"),
            ("facade99", None, "a hash and nothing else"),
            ("vmlinuz", Some("vmlinuz"), "no version at all"),
            ("1.2.3", None, "a version and nothing else"),
            ("...", None, "no word"),
        ] {
            assert_eq!(stem(name).as_deref(), expected, "{name}: {reason}");
        }
    }
}
