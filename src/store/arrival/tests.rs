//! What is kept of packs, and for how long.

use std::io::Write;
use std::path::Path;

use super::{Arrival, KEPT_BYTES_MAX, KEPT_MAX, Promise, TAG_BYTES_MAX};
use crate::build::sandbox::{AnyError, Sandbox};
use crate::store::{Store, layout};

const PLACE: &str = "http://here/r/os";
const URL: &str = "http://here/r/os/packs/a/full.pack";

fn promise(bytes: u64, tag: &str) -> Result<Promise, AnyError> {
    Ok(Promise::new(Some(bytes), Some(tag)).ok_or("a promise")?)
}

fn names(store: &Store, folder: &str) -> Result<Vec<String>, AnyError> {
    let mut names: Vec<String> = store
        .disk()
        .list(Path::new(folder))?
        .into_iter()
        .map(|file| file.name)
        .collect();
    names.sort();
    Ok(names)
}

/// Leaves the first bytes of a pack, as a process does that is killed.
fn left(store: &Store, url: &str, promise: &Promise, bytes: &[u8]) -> Result<(), AnyError> {
    let mut arrival = Arrival::new(store, PLACE);
    arrival.begin(url, Some(promise))?;
    arrival.write_all(bytes)?;
    arrival.leave();
    Ok(())
}

#[test]
fn what_was_left_is_gone_on_with_and_goes_when_it_is_dropped() -> Result<(), AnyError> {
    let sandbox = Sandbox::new()?;
    let store = sandbox.store()?;
    let whole = promise(6, "\"one\"")?;
    left(store, URL, &whole, b"abc")?;
    let mut arrival = Arrival::new(store, PLACE);
    assert_eq!(arrival.kept("http://here/r/os/packs/b/full.pack"), None);
    assert_eq!(arrival.kept(URL), Some((3, whole.clone())));
    assert!(arrival.is_resumed());
    assert_eq!(
        Arrival::new(store, PLACE).kept(URL),
        None,
        "it is on its way"
    );
    arrival.write_all(b"def")?;
    assert_eq!(&*arrival.map()?, b"abcdef");
    drop(arrival);
    assert_eq!(Arrival::new(store, PLACE).kept(URL), None);
    assert_eq!(
        (names(store, layout::CACHE)?, names(store, layout::TMP)?),
        (vec![], vec![])
    );
    Ok(())
}

#[test]
fn what_begins_anew_has_nothing_of_what_was_left() -> Result<(), AnyError> {
    let sandbox = Sandbox::new()?;
    let store = sandbox.store()?;
    left(store, URL, &promise(6, "\"one\"")?, b"abc")?;
    let mut arrival = Arrival::new(store, PLACE);
    arrival.kept(URL).ok_or("what was left")?;
    arrival.begin(URL, Some(&promise(4, "\"two\"")?))?;
    assert!(!arrival.is_resumed());
    arrival.write_all(b"xy")?;
    assert_eq!(&*arrival.map()?, b"xy");
    arrival.leave();
    let mut arrival = Arrival::new(store, PLACE);
    assert_eq!(arrival.kept(URL), Some((2, promise(4, "\"two\"")?)));
    arrival.start_over();
    assert_eq!(arrival.kept(URL), None, "what was left is of no use");
    assert_eq!(names(store, layout::CACHE)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn what_cannot_be_known_again_is_not_kept() -> Result<(), AnyError> {
    let longest = format!("\"{}\"", "x".repeat(TAG_BYTES_MAX - 2));
    let longer = format!("\"{}\"", "x".repeat(TAG_BYTES_MAX - 1));
    for (bytes, tag, expected, reason) in [
        (Some(1), Some("\"a\""), true, "a length and a tag"),
        (None, Some("\"a\""), false, "no length"),
        (Some(1), None, false, "no tag"),
        (Some(1), Some("W/\"a\""), false, "a weak tag"),
        (Some(1), Some("\""), false, "half a tag"),
        (Some(1), Some(longest.as_str()), true, "the longest tag"),
        (Some(1), Some(longer.as_str()), false, "a longer one"),
        (Some(KEPT_BYTES_MAX), Some("\"a\""), true, "the most bytes"),
        (Some(KEPT_BYTES_MAX + 1), Some("\"a\""), false, "one more"),
    ] {
        let promise = Promise::new(bytes, tag);
        assert_eq!(promise.is_some(), expected, "{reason}");
        if let Some(promise) = promise {
            assert_eq!(Promise::parse(&promise.words()), Some(promise), "{reason}");
        }
    }
    for words in [
        "",
        "1",
        "1-",
        "1-2",
        "01-2261 22",
        "1-226122x",
        "+1-226122",
        "01-226122",
        "1-22F122",
        "1-226",
    ] {
        assert_eq!(Promise::parse(words), None, "{words:?}");
    }
    let sandbox = Sandbox::new()?;
    let store = sandbox.store()?;
    let mut arrival = Arrival::new(store, PLACE);
    arrival.begin(URL, None)?;
    arrival.write_all(b"abc")?;
    assert_eq!(names(store, layout::CACHE)?, Vec::<String>::new());
    arrival.leave();
    assert_eq!(names(store, layout::TMP)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn what_is_torn_or_foreign_is_removed() -> Result<(), AnyError> {
    let sandbox = Sandbox::new()?;
    let store = sandbox.store()?;
    let key = Arrival::new(store, PLACE).key(URL);
    for (end, bytes) in [
        ("4-226122", &b"longer"[..]),
        ("4-226122", b""),
        ("nonsense", b"ab"),
    ] {
        let path = layout::arrival(&format!("{key}{end}"));
        std::fs::write(store.root().join(&path), bytes)?;
        assert_eq!(Arrival::new(store, PLACE).kept(URL), None, "{end}");
        assert_eq!(names(store, layout::CACHE)?, Vec::<String>::new(), "{end}");
    }
    Ok(())
}

#[test]
fn there_is_room_for_a_number_of_packs_and_bytes() -> Result<(), AnyError> {
    let sandbox = Sandbox::new()?;
    let store = sandbox.store()?;
    let url = |number: usize| format!("{URL}{number}");
    for number in 0..=KEPT_MAX {
        left(store, &url(number), &promise(10, "\"a\"")?, b"x")?;
    }
    assert_eq!(names(store, layout::CACHE)?.len(), KEPT_MAX);
    assert!(
        Arrival::new(store, PLACE).kept(&url(KEPT_MAX)).is_some(),
        "the newest is there"
    );
    // One that is on its way stays, and what has no room beside it is not kept.
    let mut arrival = Arrival::new(store, PLACE);
    arrival.begin(&url(50), Some(&promise(KEPT_BYTES_MAX - 5, "\"a\"")?))?;
    assert_eq!(names(store, layout::CACHE)?.len(), 1);
    let mut other = Arrival::new(store, PLACE);
    other.begin(&url(51), Some(&promise(6, "\"a\"")?))?;
    assert_eq!(
        (
            names(store, layout::CACHE)?.len(),
            names(store, layout::TMP)?.len()
        ),
        (1, 1)
    );
    other.begin(&url(51), Some(&promise(5, "\"a\"")?))?;
    assert_eq!(
        (
            names(store, layout::CACHE)?.len(),
            names(store, layout::TMP)?.len()
        ),
        (2, 0)
    );
    Ok(())
}

#[test]
fn what_is_kept_of_an_origin_is_forgotten_and_that_of_others_is_not() -> Result<(), AnyError> {
    let sandbox = Sandbox::new()?;
    let store = sandbox.store()?;
    left(store, URL, &promise(6, "\"a\"")?, b"x")?;
    store.forget_arrivals("http://elsewhere/r/os");
    assert_eq!(names(store, layout::CACHE)?.len(), 1);
    let mut arrival = Arrival::new(store, PLACE);
    arrival.kept(URL).ok_or("it is there")?;
    store.forget_arrivals(PLACE);
    assert_eq!(names(store, layout::CACHE)?.len(), 1, "it is on its way");
    arrival.leave();
    store.forget_arrivals(PLACE);
    assert_eq!(names(store, layout::CACHE)?.len(), 0);
    Ok(())
}
