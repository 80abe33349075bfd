//! Proof without Bindery: OpenSSL, which shares no code with us, takes our signatures and no others.
//!
//! # Not here
//!
//! The bundle for people and its script (`bindery prove`).

use std::path::Path;
use std::process::Command;

use bindery::trust::note::Note;
use bindery::trust::secret_key::SecretKey;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Whether OpenSSL takes `signature` for the signature of `text` by the key in `pem`. A missing OpenSSL is an error.
fn openssl_verifies(dir: &Path, pem: &str, text: &[u8], signature: &[u8]) -> Outcome<bool> {
    for (name, bytes) in [
        ("key.pem", pem.as_bytes()),
        ("sig", signature),
        ("text", text),
    ] {
        std::fs::write(dir.join(name), bytes)?;
    }
    let output = Command::new("openssl")
        .args([
            "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key.pem", "-sigfile", "sig",
            "-in", "text",
        ])
        .current_dir(dir)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), said.trim()) {
        (true, "Signature Verified Successfully") => Ok(true),
        (false, "Signature Verification Failure") => Ok(false),
        _ => Err(format!("openssl could not even try: {output:?}").into()),
    }
}

#[test]
fn openssl_takes_a_signed_text_and_no_changed_one() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (ana, ben) = (
        SecretKey::generate("ana".parse()?)?,
        SecretKey::generate("ben".parse()?)?,
    );
    let text = "bindery/ref/v1\nrepo example.org/os\n";
    let note = Note::sign(text.to_owned(), &[&ana])?;
    let signature = note.signatures()[0].bytes();
    let mut changed = signature.to_vec();
    changed[0] ^= 1;
    for (key, text, signature, expected, reason) in [
        (&ana, text, signature, true, "as signed"),
        (
            &ana,
            &text[..text.len() - 1],
            signature,
            false,
            "the text without its LF",
        ),
        (
            &ana,
            &text.replace("os", "ot"),
            signature,
            false,
            "one letter changed",
        ),
        (
            &ana,
            text,
            changed.as_slice(),
            false,
            "one bit of the signature changed",
        ),
        (&ben, text, signature, false, "another key"),
    ] {
        let found = openssl_verifies(dir.path(), &key.public().pem(), text.as_bytes(), signature)?;
        assert_eq!(found, expected, "{reason}");
    }
    Ok(())
}
