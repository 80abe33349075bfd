//! Notes: texts with signatures, as C2SP signed-note specifies them (<https://c2sp.org/signed-note>).
//!
//! ```text
//! the text, which ends in LF
//!
//! — <key name> <base64(key hash, 4 bytes || signature)>
//! ```
//!
//! # Invariants
//!
//! - A [`Note`] that was parsed encodes to exactly the bytes it was parsed from.
//! - The text is UTF-8, ends in LF and has no other control character; that also forbids U+007F to U+009F, which the
//!   specification leaves open, because notes are shown on terminals.
//! - There are 1 to [`NOTE_SIGNATURES_MAX`] signatures, each line of at most [`NOTE_LINE_BYTES_MAX`] bytes.
//! - Lines of unknown keys may have any name and length the specification allows, so that witnesses of other kinds can
//!   add theirs; only a known key's line must be a name and signature of ours.
//!
//! # Not here
//!
//! What the text says (`trust::statement`), whose signatures are needed (`trust::keyset`).

use base64ct::{Base64, Encoding};

use super::key::{KEY_HASH_BYTES, PublicKey};
use super::secret_key::SecretKey;
use crate::base::error::check_limit;
use crate::base::limits::NOTE_SIGNATURES_MAX;
use crate::base::{Error, Result};

/// Bytes of one signature line with its LF: the largest signatures in use (post-quantum ones) have 5 kB before base64.
pub const NOTE_LINE_BYTES_MAX: usize = 8 * 1024;

/// Every signature line starts so: an em dash and a space.
const LINE_START: &str = "\u{2014} ";

/// A text and signatures, of which nothing is proven until [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line of a note: whose it claims to be, and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_hash: [u8; KEY_HASH_BYTES],
    signature: Vec<u8>,
}

/// Bytes of a whole note whose text has at most `text_bytes_max`: what a reader of files must be ready to hold.
#[must_use]
pub const fn note_bytes_max(text_bytes_max: u64) -> u64 {
    text_bytes_max + 1 + NOTE_SIGNATURES_MAX as u64 * NOTE_LINE_BYTES_MAX as u64
}

impl Note {
    /// Signs `text` with each of `keys`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if `text` cannot be the text of a note or `keys` is empty, [`Error::Limit`] if there are too
    /// many keys.
    pub fn sign(text: String, keys: &[&SecretKey]) -> Result<Self> {
        check_text(&text)?;
        check_limit(
            "note, in signatures,",
            keys.len() as u64,
            NOTE_SIGNATURES_MAX as u64,
        )?;
        if keys.is_empty() {
            return Err(malformed("it has no signature"));
        }
        let signature = |key: &&SecretKey| NoteSignature {
            name: key.name().to_string(),
            key_hash: key.public().key_hash(),
            signature: key.sign(text.as_bytes()).to_vec(),
        };
        let signatures = keys.iter().map(signature).collect();
        Ok(Self { text, signatures })
    }

    /// Reads a note whose text has at most `text_bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the bytes are no note, or larger.
    pub fn parse(bytes: &[u8], text_bytes_max: u64) -> Result<Self> {
        check_size(bytes.len(), note_bytes_max(text_bytes_max))?;
        let note = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let blank = note
            .rfind("\n\n")
            .ok_or_else(|| malformed("no blank line ends its text"))?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        check_size(text.len(), text_bytes_max)?;
        check_text(text)?;
        let mut signatures = Vec::new();
        for line in lines.split_inclusive('\n') {
            if signatures.len() == NOTE_SIGNATURES_MAX {
                return Err(malformed("it has too many signatures"));
            }
            signatures.push(NoteSignature::parse(line)?);
        }
        if signatures.is_empty() {
            return Err(malformed("it has no signature"));
        }
        let text = text.to_owned();
        Ok(Self { text, signatures })
    }

    /// The bytes of the note.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut note = format!("{}\n", self.text);
        for signature in &self.signatures {
            note.push_str(&signature.to_line());
        }
        note.into_bytes()
    }

    /// The text, with its last LF: exactly what is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in the order of their lines.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Checks the signatures of `keys`, and returns those keys that signed, each public key once.
    ///
    /// A line is one of `keys`' if name and key hash are equal; lines of other keys are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if a line of one of `keys` has a wrong signature, whatever the other lines say, or if none
    /// of `keys` signed.
    pub fn verify<'k>(&self, keys: &'k [PublicKey]) -> Result<Vec<&'k PublicKey>> {
        let mut signers: Vec<&PublicKey> = Vec::new();
        for signature in &self.signatures {
            for key in keys.iter().filter(|key| signature.claims(key)) {
                key.verify(self.text.as_bytes(), &signature.signature)
                    .map_err(|error| untrusted(format!("{}: {error}", key.name())))?;
                if signers
                    .iter()
                    .all(|known| known.as_bytes() != key.as_bytes())
                {
                    signers.push(key);
                }
            }
        }
        if signers.is_empty() {
            return Err(untrusted("no known key signed it"));
        }
        Ok(signers)
    }
}

impl NoteSignature {
    /// The name of the key, as the line says.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes of the signature, without the key hash: 64 for our keys.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.signature
    }

    fn claims(&self, key: &PublicKey) -> bool {
        self.name == key.name().as_str() && self.key_hash == key.key_hash()
    }

    fn parse(line: &str) -> Result<Self> {
        check_size(line.len(), NOTE_LINE_BYTES_MAX as u64)?;
        let line = line
            .strip_suffix('\n')
            .ok_or_else(|| malformed("its last line does not end in LF"))?;
        let (name, body) = line
            .strip_prefix(LINE_START)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| malformed("a signature line is not '\u{2014} <name> <base64>'"))?;
        let in_name = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if name.is_empty() || !name.chars().all(in_name) {
            return Err(malformed("a key's name is empty or has a space or '+'"));
        }
        let bytes = Base64::decode_vec(body)
            .map_err(|_| malformed("a signature is not canonical base64"))?;
        match bytes.split_first_chunk() {
            Some((key_hash, signature)) if !signature.is_empty() => Ok(Self {
                name: name.to_owned(),
                key_hash: *key_hash,
                signature: signature.to_vec(),
            }),
            _ => Err(malformed("a signature has no bytes after its key hash")),
        }
    }

    fn to_line(&self) -> String {
        let bytes = [self.key_hash.as_slice(), &self.signature].concat();
        format!(
            "{LINE_START}{} {}\n",
            self.name,
            Base64::encode_string(&bytes)
        )
    }
}

fn check_text(text: &str) -> Result<()> {
    if !text.ends_with('\n') {
        return Err(malformed("its text does not end in LF"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(malformed("its text has a control character"));
    }
    Ok(())
}

fn check_size(bytes: usize, max: u64) -> Result<()> {
    if bytes as u64 > max {
        return Err(malformed(format!(
            "{bytes} bytes, where {max} are the most"
        )));
    }
    Ok(())
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("note", reason)
}

fn untrusted(reason: impl Into<String>) -> Error {
    Error::Untrusted {
        what: "note".to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::testing::{mutations, secret_key};

    /// The example of golang.org/x/mod/sumdb/note, the reference implementation.
    const REFERENCE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const REFERENCE_KEY: &str =
        "bindery-secret-key-1 ed25519 PeterNeumann gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=\n";
    /// The example of the specification; its key is not published.
    const SPECIFICATION: &str = "Ognuno sta solo sul cuor della terra\n\
        trafitto da un raggio di sole:\n\
        \n\
        ed \u{e8} subito sera.\n\
        \n\
        \u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

    fn signers(note: &[u8], keys: &[PublicKey]) -> Result<Vec<String>> {
        let note = Note::parse(note, 1000)?;
        let signers = note.verify(keys)?;
        Ok(signers.iter().map(|key| key.name().to_string()).collect())
    }

    #[test]
    fn the_note_of_the_reference_implementation_is_ours() -> Result<()> {
        let key = SecretKey::parse(REFERENCE_KEY)?;
        let note = Note::parse(REFERENCE.as_bytes(), 1000)?;
        assert_eq!(Note::sign(note.text().to_owned(), &[&key])?, note);
        assert_eq!(note.encode(), REFERENCE.as_bytes());
        assert_eq!(
            signers(REFERENCE.as_bytes(), &[key.public().clone()])?,
            ["PeterNeumann"]
        );
        Ok(())
    }

    #[test]
    fn the_note_of_the_specification_is_read_and_not_trusted() -> Result<()> {
        let note = Note::parse(SPECIFICATION.as_bytes(), 1000)?;
        assert!(
            note.text().ends_with("subito sera.\n"),
            "its text has a blank line"
        );
        assert_eq!(note.signatures()[0].name(), "quasimodo.example/salvatore");
        assert_eq!(note.signatures()[0].bytes().len(), 64);
        assert_eq!(note.encode(), SPECIFICATION.as_bytes());
        assert!(
            note.verify(&[secret_key("ana", 1)?.public().clone()])
                .is_err()
        );
        Ok(())
    }

    #[test]
    fn every_damage_to_a_signed_note_is_noticed() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let note = Note::sign("one\n\ntwo \u{e8}\n".to_owned(), &[&key])?.encode();
        let keys = [key.public().clone()];
        assert!(signers(&note, &keys).is_ok());
        for bytes in mutations(&note) {
            assert!(
                signers(&bytes, &keys).is_err(),
                "{}",
                String::from_utf8_lossy(&bytes)
            );
            if let Ok(note) = Note::parse(&bytes, 1000) {
                assert_eq!(note.encode(), bytes);
            }
        }
        Ok(())
    }

    #[test]
    fn only_the_one_spelling_of_a_note_is_read() -> Result<()> {
        let note =
            String::from_utf8(Note::sign("text\n".to_owned(), &[&secret_key("ana", 1)?])?.encode())
                .map_err(|_| malformed("UTF-8"))?;
        assert!(Note::parse(note.as_bytes(), 5).is_ok());
        for (bad, reason) in [
            (note.replace('\u{2014}', "-"), "a hyphen for the dash"),
            (note.replace("\n\n", "\n"), "no blank line"),
            (note.replace("text\n", "text\r\n"), "a control character"),
            (
                note.replace("text", "t\u{85}xt"),
                "a control character past ASCII",
            ),
            (note.replace("text\n", "texts\n"), "text above the limit"),
            (note.replace("text\n", ""), "no text"),
            (note.replace(" ana ", "  ana "), "two spaces"),
            (note.replace(" ana ", " a+a "), "a plus in the name"),
            (note.replace(" ana ", " a\u{a0}a "), "a space in the name"),
            (note.replace(" ana ", " "), "no name"),
            (note.replace("=\n", "\n"), "base64 without padding"),
            (note.replace("=\n", "= \n"), "a space at the end"),
            (format!("{note}\n"), "a blank line at the end"),
            (format!("{note}\u{2014} ana AAAAAA==\n"), "only a key hash"),
            (
                format!("{note}\u{2014} ana {}\n", "AAAA".repeat(2048)),
                "a long line",
            ),
            (format!("{note}x\n"), "something other than a signature"),
            ("text\n\n".to_owned(), "no signature"),
            (String::new(), "nothing"),
        ] {
            assert!(Note::parse(bad.as_bytes(), 5).is_err(), "{reason}");
        }
        Ok(())
    }

    #[test]
    fn a_note_has_a_limited_number_of_signatures() -> Result<()> {
        let key = secret_key("ana", 1)?;
        let full = vec![&key; NOTE_SIGNATURES_MAX];
        let note = Note::sign("text\n".to_owned(), &full)?.encode();
        assert!(note.len() as u64 <= note_bytes_max(5));
        assert_eq!(
            signers(&note, &[key.public().clone()])?,
            ["ana"],
            "one key counts once"
        );
        assert!(Note::sign("text\n".to_owned(), &[full.as_slice(), &[&key]].concat()).is_err());
        assert!(Note::sign("text\n".to_owned(), &[]).is_err());
        let line = &note[note.len() - (note.len() - 6) / NOTE_SIGNATURES_MAX..];
        assert!(Note::parse(&[note.as_slice(), line].concat(), 5).is_err());
        Ok(())
    }

    #[test]
    fn a_text_that_could_not_be_read_again_is_not_signed() -> Result<()> {
        for text in ["", "no end", "tab\t\n", "return\r\n", "delete\u{7f}\n"] {
            assert!(
                Note::sign(text.to_owned(), &[&secret_key("ana", 1)?]).is_err(),
                "{text:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn public_keys_are_counted_and_not_names_or_lines() -> Result<()> {
        let (ana, ben, alias) = (
            secret_key("ana", 1)?,
            secret_key("ben", 2)?,
            secret_key("alias", 1)?,
        );
        let keys = [&ana, &ben, &alias].map(|key| key.public().clone());
        for (by, expected, reason) in [
            (vec![&ana, &ben], vec!["ana", "ben"], "two keys"),
            (vec![&ana, &ana], vec!["ana"], "one key, two lines"),
            (vec![&ana, &alias], vec!["ana"], "one key, two names"),
        ] {
            let note = Note::sign("text\n".to_owned(), &by)?.encode();
            assert_eq!(signers(&note, &keys)?, expected, "{reason}");
        }
        Ok(())
    }

    #[test]
    fn a_wrong_line_of_a_known_key_refuses_the_note_and_that_of_an_unknown_key_does_not()
    -> Result<()> {
        let (ana, ben) = (secret_key("ana", 1)?, secret_key("ben", 2)?);
        let mut note = Note::sign("text\n".to_owned(), &[&ana, &ben])?;
        note.signatures[1].signature[0] ^= 1;
        let note = note.encode();
        let [ana, ben] = [ana, ben].map(|key| key.public().clone());
        assert_eq!(signers(&note, std::slice::from_ref(&ana))?, ["ana"]);
        assert!(signers(&note, &[ana, ben]).is_err());
        Ok(())
    }
}
