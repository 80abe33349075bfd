//! Tokens of a store on a real disk: keys, revocations, and what a new catalog leaves of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::base::clock::Time;
use crate::base::{Kind, Result};
use crate::store::reindex::reindex;
use crate::store::{Access, Patience, Store};
use crate::trust::token::id::BlockId;
use crate::trust::token::{Block, Token, TokenKey};

type Outcome<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const FIRST: &str = "00000000000000000000000000000001";
const SECOND: &str = "00000000000000000000000000000002";
const SIBLING: &str = "00000000000000000000000000000003";

fn patience() -> Patience {
    Patience {
        wait: Duration::ZERO,
        holder: "a test".into(),
        tell: None,
    }
}

fn create(root: &Path) -> Result<Store> {
    Store::create(root, &patience())
}

fn open(root: &Path, access: Access) -> Result<Store> {
    Store::open(root, access, &patience())
}

fn first(key: &TokenKey) -> Outcome<Token> {
    let rest = "exp 2026-11-27T04:00:00Z\ncan stage\nrepo main\nref *\n";
    Ok(key.issue(format!("id {FIRST}\n{rest}").parse()?)?)
}

fn narrowed(token: &Token, id: &str) -> Outcome<Token> {
    Ok(token.narrow(format!("id {id}\n").parse::<Block>()?)?)
}

fn time(seconds: u64) -> Outcome<Time> {
    Ok(Time::from_seconds(1_795_338_000 + seconds)?)
}

/// The kind of error that verifying ends with.
fn verdict(store: &Store, key: &TokenKey, token: &Token) -> Result<(), Kind> {
    let verified = store.tokens().verify(key, token);
    verified.map(drop).map_err(|error| error.kind())
}

#[test]
fn a_key_is_made_once_and_only_its_owner_can_read_it() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = create(folder.path())?;
    assert!(store.tokens().key()?.is_none());
    let key = store.tokens().key_or_new()?;
    assert_eq!(store.tokens().key_or_new()?.id(), key.id());
    assert_eq!(store.key_names()?, [], "it is no key that signs");
    let files: Vec<_> = fs::read_dir(folder.path().join("keys"))?.collect::<Result<_, _>>()?;
    let [file] = &files[..] else {
        return Err("one file of a key".into());
    };
    assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o600);
    drop(store);
    let reading = open(folder.path(), Access::Read)?;
    let again = reading.tokens().key()?.map(|key| key.id());
    assert_eq!(again, Some(key.id()));
    Ok(())
}

#[test]
fn stores_that_share_a_folder_of_keys_do_not_share_tokens() -> Outcome {
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    let settings = format!("format = 1\nkeys = \"{}\"\n", keys.display());
    let mut stores = Vec::new();
    for name in ["staging", "production"] {
        let root = folder.path().join(name);
        drop(create(&root)?);
        fs::write(root.join("bindery.toml"), &settings)?;
        let store = open(&root, Access::Write)?;
        let key = store.tokens().key_or_new()?;
        stores.push((store, key));
    }
    let [(staging, one), (production, other)] = &stores[..] else {
        return Err("two stores".into());
    };
    assert_eq!(fs::read_dir(&keys)?.count(), 2);
    let token = first(one)?;
    assert_eq!(verdict(staging, one, &token), Ok(()));
    assert_eq!(verdict(production, other, &token), Err(Kind::NotAllowed));
    Ok(())
}

#[test]
fn a_revoked_block_takes_its_descendants_and_no_one_else() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = create(folder.path())?;
    let key = store.tokens().key_or_new()?;
    let parent = first(&key)?;
    let (child, sibling) = (narrowed(&parent, SECOND)?, narrowed(&parent, SIBLING)?);
    let grandchild = child.narrow("can stage\n".parse()?)?;
    let all = || [&parent, &child, &grandchild, &sibling].map(|token| verdict(&store, &key, token));
    assert_eq!(all(), [Ok(()); 4]);
    store.tokens().revoke(SECOND.parse()?, time(0)?)?;
    let gone = Err(Kind::NotAllowed);
    assert_eq!(all(), [Ok(()), gone, gone, Ok(())]);
    store.tokens().revoke(FIRST.parse()?, time(1)?)?;
    assert_eq!(all(), [gone; 4]);
    // Once more keeps the first time; a file that says nothing any more holds all the same.
    store.tokens().revoke(SECOND.parse()?, time(9)?)?;
    fs::write(folder.path().join("tokens/revoked").join(FIRST), b"")?;
    let told: Vec<(BlockId, Option<Time>)> = store
        .tokens()
        .revoked()?
        .into_iter()
        .map(|revoked| (revoked.id, revoked.time))
        .collect();
    assert_eq!(
        told,
        [(FIRST.parse()?, None), (SECOND.parse()?, Some(time(0)?))]
    );
    assert_eq!(all(), [gone; 4]);
    Ok(())
}

#[test]
fn a_new_catalog_gives_no_revoked_token_back_its_power() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = create(folder.path())?;
    let key = store.tokens().key_or_new()?;
    let (parent, child) = (first(&key)?, narrowed(&first(&key)?, SECOND)?);
    store.tokens().revoke(SECOND.parse()?, time(0)?)?;
    drop(store);
    fs::remove_file(folder.path().join("catalog.redb"))?;
    reindex(folder.path(), &patience())?;
    let store = open(folder.path(), Access::Write)?;
    let key = store.tokens().key()?.ok_or("the key is there")?;
    assert_eq!(verdict(&store, &key, &parent), Ok(()));
    assert_eq!(verdict(&store, &key, &child), Err(Kind::NotAllowed));
    Ok(())
}

#[test]
fn a_new_key_ends_all_tokens_and_needs_no_revocations() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = create(folder.path())?;
    let old = store.tokens().key_or_new()?;
    let token = first(&old)?;
    store.tokens().revoke(SECOND.parse()?, time(0)?)?;
    let new = store.tokens().replace_key()?;
    assert_eq!(store.tokens().key()?.map(|key| key.id()), Some(new.id()));
    assert_eq!(verdict(&store, &new, &token), Err(Kind::NotAllowed));
    assert_eq!(store.tokens().revoked()?, []);
    assert_eq!(fs::read_dir(folder.path().join("keys"))?.count(), 1);
    Ok(())
}

#[test]
fn what_cannot_be_looked_up_is_not_allowed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = create(folder.path())?;
    let key = store.tokens().key_or_new()?;
    fs::write(folder.path().join("tokens/revoked"), b"not a folder")?;
    assert!(verdict(&store, &key, &first(&key)?).is_err());
    fs::write(folder.path().join("tokens/key"), b"../elsewhere\n")?;
    let outcome = store.tokens().key().map_err(|error| error.kind());
    assert_eq!(outcome.map(drop), Err(Kind::Integrity));
    Ok(())
}

#[test]
fn a_store_that_is_open_to_read_makes_and_revokes_nothing() -> Outcome {
    let folder = tempfile::tempdir()?;
    drop(create(folder.path())?);
    let store = open(folder.path(), Access::Read)?;
    let tokens = store.tokens();
    let denied = Err(Kind::NotAllowed);
    assert_eq!(tokens.key_or_new().map(drop).map_err(|e| e.kind()), denied);
    assert_eq!(tokens.replace_key().map(drop).map_err(|e| e.kind()), denied);
    let revoked = tokens.revoke(FIRST.parse()?, time(0)?);
    assert_eq!(revoked.map_err(|e| e.kind()), denied);
    assert!(!folder.path().join("tokens").exists());
    Ok(())
}
