//! Names as they stand in URLs.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Characters that a name may not have as they are: those that mean something in a URL or in HTML.
const IN_NAME: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A name as it stands in a URL.
#[must_use]
pub fn in_url(name: &str) -> String {
    utf8_percent_encode(name, IN_NAME).to_string()
}
