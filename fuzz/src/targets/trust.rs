//! Who vouches: keys, notes and statements.

use std::sync::LazyLock;

use bindery::base::limits::KEYSET_BYTES_MAX;
use bindery::trust::heads::Heads;
use bindery::trust::key::PublicKey;
use bindery::trust::keyset::Keyset;
use bindery::trust::keyset_chain::TrustedKeyset;
use bindery::trust::note::Note;
use bindery::trust::pattern::RefPattern;
use bindery::trust::ref_statement::RefStatement;
use bindery::trust::refs_list::RefsList;
use bindery::trust::secret_key::SecretKey;
use bindery::trust::signed::{Signed, Unverified};
use bindery::trust::statement::Statement;
use bindery::trust::token::{Block, Token, TokenKey};

use crate::Verdict;

/// Who signs in [`ref_note`]: a key, and the keyset that gives it every role.
static AUTHORITY: LazyLock<(SecretKey, TrustedKeyset)> = LazyLock::new(|| {
    let key = SecretKey::parse(include_str!("../../seeds/secret-key/ana"));
    let keyset = TrustedKeyset::first(include_bytes!("../../seeds/keyset-note/one-key"), None);
    key.and_then(|key| Ok((key, keyset?)))
        .expect("because both are seeds of other targets")
});

/// A public key.
#[must_use]
pub fn public_key(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<PublicKey>, ToString::to_string)
}

/// A secret key.
#[must_use]
pub fn secret_key(data: &[u8]) -> Verdict {
    Verdict::of_text(data, SecretKey::parse, |key| key.to_text().to_string())
}

/// A token, as somebody sends it.
#[must_use]
pub fn token(data: &[u8]) -> Verdict {
    Verdict::of_text(data, Token::parse, |token| token.to_text().to_string())
}

/// Blocks of a token with an empty line between two: they reach the parser without base64, and then a token is made of them,
/// written, read and verified.
///
/// # Panics
///
/// If a token that was made cannot be read, is not genuine, or says something else: that is a finding.
#[must_use]
pub fn token_blocks(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    let mut texts = text.split("\n\n").collect::<Vec<_>>().into_iter();
    let last = texts.next_back().unwrap_or_default();
    let blocks = texts.map(|text| format!("{text}\n"));
    let blocks = blocks.chain([last.to_owned()]).map(|text| text.parse());
    let Ok(blocks) = blocks.collect::<Result<Vec<Block>, _>>() else {
        return Verdict::Refused;
    };
    let key = TokenKey::parse(include_str!("../../seeds/token-key/seven"))
        .expect("because it is a seed of another target");
    let mut blocks = blocks.into_iter();
    let first = blocks.next().unwrap_or_default();
    let chain = key
        .issue(first)
        .and_then(|first| blocks.try_fold(first, |token, block| token.narrow(block)));
    let Ok(token) = chain else {
        return Verdict::Refused;
    };
    let read = Token::parse(&token.to_text()).expect("because it was just made");
    let verified = key.verify(&read).expect("because it was just made");
    let said: Vec<String> = verified.blocks().iter().map(ToString::to_string).collect();
    assert!(said.join("\n") == text, "a token says something else");
    Verdict::Accepted
}

/// The key of tokens.
#[must_use]
pub fn token_key(data: &[u8]) -> Verdict {
    Verdict::of_text(data, TokenKey::parse, |key| key.to_text().to_string())
}

/// A pattern of ref names.
#[must_use]
pub fn ref_pattern(data: &[u8]) -> Verdict {
    Verdict::of_text(data, str::parse::<RefPattern>, ToString::to_string)
}

/// A note, with any text.
#[must_use]
pub fn note(data: &[u8]) -> Verdict {
    Verdict::of(data, Note::parse(data, KEYSET_BYTES_MAX), Note::encode)
}

/// The note of a first keyset: what an operator gets from outside and is to trust.
#[must_use]
pub fn keyset_note(data: &[u8]) -> Verdict {
    let encode = |keyset: &TrustedKeyset| keyset.note().encode();
    Verdict::of(data, TrustedKeyset::first(data, None), encode)
}

/// The text of a keyset.
#[must_use]
pub fn keyset(data: &[u8]) -> Verdict {
    statement::<Keyset>(data)
}

/// The text of a ref statement.
#[must_use]
pub fn ref_statement(data: &[u8]) -> Verdict {
    statement::<RefStatement>(data)
}

/// The note of a ref statement under a keyset. It is signed here, so that changes of its text get past the signature.
#[must_use]
pub fn ref_note(data: &[u8]) -> Verdict {
    let (key, keyset) = &*AUTHORITY;
    let text = std::str::from_utf8(data).map(str::to_owned);
    let Ok(Ok(note)) = text.map(|text| Note::sign(text, &[key])) else {
        return Verdict::Refused;
    };
    let note = note.encode();
    let signed = Signed::<RefStatement, Unverified>::parse(&note);
    let verified = signed.and_then(|signed| signed.verify(keyset));
    Verdict::of(data, verified, |signed| {
        let text = signed.value().encode();
        text.map(String::into_bytes).unwrap_or_default()
    })
}

/// The text of heads.
#[must_use]
pub fn heads(data: &[u8]) -> Verdict {
    statement::<Heads>(data)
}

/// The object that heads name.
#[must_use]
pub fn refs_list(data: &[u8]) -> Verdict {
    Verdict::of(data, RefsList::decode(data), RefsList::encode)
}

fn statement<T: Statement>(data: &[u8]) -> Verdict {
    let encode = |statement: &T| statement.encode().unwrap_or_default();
    Verdict::of_text(data, T::parse, encode)
}
