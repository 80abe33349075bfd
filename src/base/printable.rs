//! What others say, as it may be shown: a terminal obeys nothing of it, and nothing of it stands elsewhere than where it was
//! written.
//!
//! # Not here
//!
//! Texts that are refused where they come in (`base::remark`, `base::name`, `object::label`); file names and answers to `--json`,
//! which say exactly what is there.

use serde::{Deserialize, Deserializer};

/// Characters of one such text.
pub const CHARACTERS_MAX: usize = 4096;

/// A character, or a space for one that a terminal obeys, that ends a line, or that turns the order in which others are
/// shown (Unicode Standard Annex 9, section 2).
const fn shown(character: char) -> char {
    match character {
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => ' ',
        other => other,
    }
}

/// What somebody says, on one line, without what a terminal would obey or show in another order than it was written in; at
/// most [`CHARACTERS_MAX`] characters.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().take(CHARACTERS_MAX).map(shown).collect()
}

/// The same for a text that may have several lines, which stay lines; all of it.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    let line_stays = |character| match character {
        '\n' => '\n',
        other => shown(other),
    };
    text.chars().map(line_stays).collect()
}

/// Reads a text of a server's document, if there is one, as [`printable`] makes it.
///
/// # Errors
///
/// That of the document, if it has something else there.
pub fn said<'d, D: Deserializer<'d>>(document: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(document)?;
    Ok(text.as_deref().map(printable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_becomes_a_space() {
        let said = "a\u{1b}[2J\nb\u{9b}c\u{202e}d\u{7}e\rf\u{2067}g \u{e9}";
        assert_eq!(printable(said), "a [2J b c d e f g \u{e9}");
        assert_eq!(printable_lines(said), "a [2J\nb c d e f g \u{e9}");
        assert_eq!(printable(&"x".repeat(5000)).len(), CHARACTERS_MAX);
        assert_eq!(printable_lines(&"x".repeat(5000)).len(), 5000);
    }

    #[test]
    fn every_control_character_is_one_of_them() {
        for character in (0..0x3000).filter_map(char::from_u32) {
            let is_shown_as_it_is = shown(character) == character;
            assert!(
                !(is_shown_as_it_is && character.is_control()),
                "{character:?}"
            );
        }
    }
}
