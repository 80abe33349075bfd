//! Tokens as texts: nobody but the key and its holders makes one, and what is wrong with one is said.
//!
//! # Not here
//!
//! What chains allow, at random (`trust::token::chains`).

use zeroize::Zeroizing;

use super::block::Block;
use super::capability::Capability;
use super::chain::Token;
use super::error::{Dimension, TokenError};
use super::key::{TokenKey, Unverified};
use super::request::{Denied, Request};
use super::scope::Scope;
use crate::base::Error;
use crate::base::clock::Time;
use crate::base::limits::{TOKEN_BLOCKS_MAX, TOKEN_BYTES_MAX};
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::testing::mutations;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const FIRST: &str = "id 00112233445566778899aabbccddeeff\nexp 2026-11-27T04:00:00Z\ncan stage commit\nrepo main\nref app\n";
const SECOND: &str =
    "id ffeeddccbbaa99887766554433221100\nbuild 17\npath pool/main\nbytes 1000000\n";
/// The two blocks under a key of 32 bytes 7. It was made by a program that shares no code with this one.
const GOLDEN: &str = "bnd1_c742e9600b849cad_aWQgMDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmYKZXhwIDIwMjYtMTEtMjdUMDQ6MDA6MDBaCmNhbiBzdGFnZSBjb21taXQKcmVwbyBtYWluCnJlZiBhcHAKCmlkIGZmZWVkZGNjYmJhYTk5ODg3NzY2NTU0NDMzMjIxMTAwCmJ1aWxkIDE3CnBhdGggcG9vbC9tYWluCmJ5dGVzIDEwMDAwMDAK_66a79b86a40543f12b52d1b22c32b991599026101d1dd8fece3818afca0d506e";

fn key() -> TokenKey {
    TokenKey::from_secret(Zeroizing::new([7; 32]))
}

fn chain() -> Outcome<Token> {
    Ok(key().issue(FIRST.parse()?)?.narrow(SECOND.parse()?)?)
}

#[test]
fn a_token_has_the_text_it_always_had() -> Outcome {
    assert_eq!(*chain()?.to_text(), GOLDEN);
    let token = Token::parse(GOLDEN)?;
    let verified = key().verify(&token)?;
    let blocks: Vec<String> = verified.blocks().iter().map(Block::to_string).collect();
    assert_eq!(blocks, [FIRST, SECOND]);
    assert_eq!(verified.ids().len(), 2);
    assert_eq!(verified.expires(), Some("2026-11-27T04:00:00Z".parse()?));
    Ok(())
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() -> Outcome {
    let text = chain()?.to_text();
    for bytes in mutations(text.as_bytes()) {
        let Ok(changed) = std::str::from_utf8(&bytes) else {
            continue;
        };
        let believed = Token::parse(changed).is_ok_and(|token| key().verify(&token).is_ok());
        assert!(!believed, "{changed}");
    }
    Ok(())
}

#[test]
fn each_part_of_a_token_has_an_error_of_its_own() -> Outcome {
    let [start, key_id, payload, tag] = GOLDEN.split('_').collect::<Vec<_>>()[..] else {
        return Err("the golden token has four parts".into());
    };
    let encode = |blocks: &str| {
        use base64ct::{Base64UrlUnpadded, Encoding};
        Base64UrlUnpadded::encode_string(blocks.as_bytes())
    };
    let with = |payload: &str| format!("{start}_{key_id}_{payload}_{tag}");
    let nine = [FIRST, &"\ncan stage\n".repeat(TOKEN_BLOCKS_MAX)].concat();
    let open = FIRST.replace("ref app\n", "");
    for (text, expected) in [
        (String::new(), TokenError::Form),
        (GOLDEN.replace("bnd1", "bnd2"), TokenError::Form),
        ("bnd1_0".to_owned(), TokenError::Form),
        (GOLDEN.replace(key_id, "7"), TokenError::KeyId),
        (GOLDEN.replace(tag, &tag[1..]), TokenError::Tag),
        (format!("{GOLDEN}\n"), TokenError::Tag),
        (with(&format!("{payload}=")), TokenError::Base64),
        (with("Zh"), TokenError::Base64),
        (with("_w"), TokenError::NotText),
        (with(""), TokenError::EmptyBlock { block: 0 }),
        (
            with(&encode(&nine)),
            TokenError::TooManyBlocks { blocks: 9 },
        ),
        (
            with(&encode(&open)),
            TokenError::Incomplete {
                dimension: Dimension::Ref,
            },
        ),
        (
            with(&encode(&format!("{FIRST}\n\ncan stage\n"))),
            TokenError::UnknownLine {
                block: 1,
                line: String::new(),
            },
        ),
        (
            with(&encode(&format!("{FIRST}\n"))),
            TokenError::EmptyBlock { block: 1 },
        ),
        (
            "x".repeat(TOKEN_BYTES_MAX + 1),
            TokenError::TooLong {
                bytes: TOKEN_BYTES_MAX + 1,
            },
        ),
    ] {
        let error = Token::parse(&text).err();
        assert_eq!(error, Some(expected), "{text}");
        assert!(!format!("{error:?}").contains(tag), "{text}");
    }
    Ok(())
}

#[test]
fn a_token_says_whose_it_is_and_shows_no_tag() -> Outcome {
    let other = TokenKey::from_secret(Zeroizing::new([8; 32]));
    let token = chain()?;
    let (found, known) = (key().id(), other.id());
    assert_eq!(
        other.verify(&token),
        Err(Unverified::OtherKey { found, known })
    );
    let shown = format!("{token:?}");
    let text = token.to_text();
    let tag = text.rsplit('_').next().unwrap_or_default();
    assert!(shown.contains("00112233445566778899aabbccddeeff") && !shown.contains(tag));
    Ok(())
}

#[test]
fn a_token_ends_at_its_limits() -> Outcome {
    let mut token = key().issue(FIRST.parse()?)?;
    let block = || -> Outcome<Block> { Ok("can stage\n".parse()?) };
    for _ in 1..TOKEN_BLOCKS_MAX {
        token = token.narrow(block()?)?;
    }
    let blocks = TOKEN_BLOCKS_MAX + 1;
    assert_eq!(
        token.narrow(block()?).err(),
        Some(TokenError::TooManyBlocks { blocks })
    );
    let empty = TokenError::EmptyBlock { block: 8 };
    assert_eq!(token.narrow(Block::default()).err(), Some(empty));
    let names = (0..20).map(|number| format!("{}{number}", "x".repeat(150)).parse::<RefName>());
    let wide = Block {
        refs: Scope::some(names.collect::<Result<Vec<_>, _>>()?),
        ..FIRST.parse()?
    };
    assert!(matches!(key().issue(wide), Err(TokenError::TooLong { .. })));
    assert!(key().verify(&token).is_ok());
    Ok(())
}

#[test]
fn a_longest_token_is_written_and_read() -> Outcome {
    // What is made can be read again, up to the last byte that fits.
    let mut longest = 0;
    for bytes in 2700..3000 {
        let path: String = (1..=bytes)
            .map(|place| if place % 200 == 0 { '/' } else { 'x' })
            .collect();
        let block = Block {
            path: Some(path.parse()?),
            ..FIRST.parse()?
        };
        match key().issue(block) {
            Ok(token) => {
                let text = token.to_text();
                longest = longest.max(text.len());
                assert!(key().verify(&Token::parse(&text)?).is_ok());
            }
            Err(TokenError::TooLong { bytes }) => assert!(bytes > TOKEN_BYTES_MAX),
            Err(error) => return Err(error.into()),
        }
    }
    assert!(longest > TOKEN_BYTES_MAX - 4, "{longest}");
    Ok(())
}

/// What the golden token allows: the values that a request borrows.
struct Good {
    repo: RepoName,
    name: RefName,
    path: TreePath,
    now: Time,
}

impl Good {
    fn new() -> Outcome<Self> {
        Ok(Self {
            repo: "main".parse()?,
            name: "app/editor".parse()?,
            path: "pool/main/x".parse()?,
            now: "2026-11-27T03:59:59Z".parse()?,
        })
    }

    fn request(&self) -> Request<'_> {
        Request {
            repo: Some(&self.repo),
            reference: Some(&self.name),
            build: Some(17),
            path: Some(&self.path),
            bytes: Some(1_000_000),
            ..Request::new(Capability::Stage, self.now)
        }
    }
}

/// Checks what the golden token says to a good request that was changed by `change`.
fn check(change: impl Fn(&mut Request<'_>), expected: &Result<(), Denied>) -> Outcome {
    let good = Good::new()?;
    let mut request = good.request();
    change(&mut request);
    let verified = key().verify(&Token::parse(GOLDEN)?)?;
    assert_eq!(verified.allows(&request), *expected, "{request:?}");
    Ok(())
}

#[test]
fn what_every_block_allows_is_allowed() -> Outcome {
    check(|_| {}, &Ok(()))?;
    check(|request| request.path = None, &Ok(()))?;
    check(|request| request.bytes = None, &Ok(()))?;
    check(|request| request.bytes = Some(0), &Ok(()))?;
    check(|request| request.capability = Capability::Commit, &Ok(()))
}

#[test]
fn the_reason_that_is_told_is_the_first_that_holds() -> Outcome {
    let late: Time = "2026-11-27T04:00:00Z".parse()?;
    let wanted = Capability::Publish;
    let expired = |request: &mut Request<'_>| {
        request.capability = wanted;
        request.now = late;
    };
    check(expired, &Err(Denied::Expired { at: late }))?;
    let two_reasons = |request: &mut Request<'_>| {
        request.capability = wanted;
        request.build = None;
    };
    check(two_reasons, &Err(Denied::Capability { wanted }))?;
    let (found, max) = (1_000_001, 1_000_000);
    let large = |request: &mut Request<'_>| request.bytes = Some(found);
    check(large, &Err(Denied::Bytes { found, max }))
}

#[test]
fn what_is_of_no_single_repo_ref_or_build_needs_a_token_for_all() -> Outcome {
    check(
        |request| request.repo = None,
        &Err(Denied::Repo { repo: None }),
    )?;
    check(
        |request| request.reference = None,
        &Err(Denied::Ref { name: None }),
    )?;
    check(
        |request| request.build = None,
        &Err(Denied::Build { build: None }),
    )?;
    let error = Error::from(Denied::Build { build: None });
    assert_eq!(
        error.to_string(),
        "not allowed: the token is not for all builds: use the one that came with that build"
    );
    Ok(())
}

#[test]
fn what_is_beside_the_scope_is_denied_by_name() -> Outcome {
    let verified = key().verify(&Token::parse(GOLDEN)?)?;
    let good = Good::new()?;
    let (repo, name): (RepoName, RefName) = ("tools".parse()?, "apple".parse()?);
    let path: TreePath = "pool".parse()?;
    for (request, expected) in [
        (
            Request {
                repo: Some(&repo),
                ..good.request()
            },
            Denied::Repo {
                repo: Some(repo.clone()),
            },
        ),
        (
            Request {
                reference: Some(&name),
                ..good.request()
            },
            Denied::Ref {
                name: Some(name.clone()),
            },
        ),
        (
            Request {
                build: Some(18),
                ..good.request()
            },
            Denied::Build { build: Some(18) },
        ),
        (
            Request {
                path: Some(&path),
                ..good.request()
            },
            Denied::Path { path: path.clone() },
        ),
    ] {
        assert_eq!(verified.allows(&request), Err(expected));
    }
    Ok(())
}
