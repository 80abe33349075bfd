//! What others say, as it may be shown: a terminal obeys nothing of it.

use serde::{Deserialize, Deserializer};

/// Characters of one such text.
pub const CHARACTERS_MAX: usize = 4096;

/// What a server says, without what a terminal would obey or show in another order than it was written in; at most
/// [`CHARACTERS_MAX`] characters.
#[must_use]
pub fn printable(text: &str) -> String {
    let shown = |character: char| {
        let turns = matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            ' '
        } else {
            character
        }
    };
    text.chars().take(CHARACTERS_MAX).map(shown).collect()
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
        let said = "a\u{1b}[2J\nb\u{9b}c\u{202e}d \u{e9}";
        assert_eq!(printable(said), "a [2J b c d \u{e9}");
        assert_eq!(printable(&"x".repeat(5000)).len(), CHARACTERS_MAX);
    }
}
