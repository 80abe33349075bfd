//! Corpora: inputs that are worth keeping, because between them they reach all the code that is known to be reached.
//!
//! A corpus is one file, `corpus/<target>.txt`, with one input a line: printable ASCII as it is, a backslash doubled, LF
//! as `\n`, and every other byte as `\xNN`. So most of it can be read, and a change of it be seen.
//!
//! # Invariants
//!
//! - What was written is read as the same bytes.
//!
//! # Not here
//!
//! Inputs that people wrote, which must be accepted: `seeds/<target>/`.

use std::fmt::Write;

/// Bytes of one corpus.
pub const CORPUS_BYTES_MAX: usize = 10 * 1024;

/// Writes inputs, the shortest first, as many as [`CORPUS_BYTES_MAX`] hold.
#[must_use]
pub fn encode(mut inputs: Vec<Vec<u8>>) -> String {
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let mut text = String::new();
    for input in &inputs {
        let line = escape(input);
        if text.len() + line.len() < CORPUS_BYTES_MAX {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// Reads inputs; `None` if a line is not one.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<Vec<u8>>> {
    text.lines().map(unescape).collect()
}

fn escape(input: &[u8]) -> String {
    let mut line = String::new();
    for byte in input {
        match byte {
            b'\n' => line.push_str("\\n"),
            b'\\' => line.push_str("\\\\"),
            b' '..=b'~' => line.push(char::from(*byte)),
            // Writing to a text cannot fail.
            _ => write!(line, "\\x{byte:02x}").unwrap_or(()),
        }
    }
    line
}

fn unescape(line: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = line.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let byte = digit(high)? * 16 + digit(low)?;
                (u8::try_from(byte).ok()?, after)
            }
            (b' '..=b'~', _) if *first != b'\\' => (*first, after),
            _ => return None,
        };
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

#[test]
fn what_was_written_is_read() {
    let inputs = vec![
        Vec::new(),
        b"\n\\x".to_vec(),
        b"plain text".to_vec(),
        (0..=u8::MAX).collect(),
    ];
    assert_eq!(decode(&encode(inputs.clone())), Some(inputs));
    for bad in ["\\", "\\x0", "\\xg0", "\\q", "\u{e9}"] {
        assert_eq!(decode(bad), None, "{bad}");
    }
}

#[test]
fn a_corpus_ends_at_its_limit() {
    let inputs = (0..1000)
        .map(|number: u32| vec![b'a'; 20 + number as usize])
        .collect();
    let text = encode(inputs);
    assert!(text.len() <= CORPUS_BYTES_MAX && text.len() > CORPUS_BYTES_MAX / 2);
}
