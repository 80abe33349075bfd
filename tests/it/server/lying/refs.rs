//! Steps 2 and 3 of a pull: the heads statement, and the list of refs that it names.

use std::collections::BTreeMap;
use std::error::Error;

use bindery::base::id::StatementId;
use bindery::base::name::RefName;
use bindery::trust::refs_list::RefsEntry;

use super::liar::{instead, ok};
use super::table::rows;
use super::world::{Left, World};
use crate::support::forge::{self, flipped, new_key};
use crate::support::{Outcome, files_beneath};

/// The note of heads, with bytes in front or behind or without some.
type Twist = fn(&[u8]) -> Vec<u8>;

#[test]
fn what_is_no_heads_statement_is_refused() -> Outcome {
    let world = World::new()?;
    let twists: [(&str, &str, Twist); 6] = [
        ("nothing", "malformed note", |_| Vec::new()),
        ("half of it", "malformed note", |good| {
            good[..good.len() / 2].to_vec()
        }),
        ("a flipped byte", "signature", |good| {
            flipped(good.to_vec(), 100)
        }),
        ("a byte in front", "signature", |good| [b"x", good].concat()),
        ("a line behind", "malformed note", |good| {
            [good, b"x\n"].concat()
        }),
        ("twice", "", |good| good.repeat(2)),
    ];
    for (lie, said, twist) in twists {
        world.liar.tell(instead("trust/heads", twist));
        world.check(lie, 7, &[said])?;
    }
    let keyset = world.second.keyset(1)?.to_vec();
    world
        .liar
        .tell(instead("trust/heads", move |_| keyset.clone()));
    world.check(
        "a keyset in its place, signed by the same key",
        7,
        &["malformed heads"],
    )?;
    let statement = world.second.statement("stable")?.to_vec();
    world
        .liar
        .tell(instead("trust/heads", move |_| statement.clone()));
    world.check(
        "a statement in its place, signed by the same key",
        7,
        &["malformed heads"],
    )?;
    world.finish()
}

/// What a liar changes in heads, and the key of the repo signs. It is 22:13:20 on 14 November 2023.
const HEADS: &str = "
of another repo             | it is for       | repo other
of another root             | it is for       | repo-id 0000000000000000000000000000000000000000000000000000000000000000
of another keyset           | it is for       | keyset 2
of another epoch            | it is for       | epoch 2
from the future             | it was made at  | time 2023-11-14T22:18:21Z
expired                     | it expired at   | time 2023-11-13T22:13:20Z; expires 2023-11-14T22:13:20Z
expired before it was made  | malformed heads | expires 2023-11-13T22:13:20Z
with a list above the limit | malformed heads | refs 99999999999 0000000000000000000000000000000000000000000000000000000000000000
of no version               | malformed heads | version 0
of a version that is none   | malformed heads | version 18446744073709551616
";

#[test]
fn heads_are_of_this_repo_and_of_now() -> Outcome {
    let world = World::new()?;
    let (key, stranger) = (&world.key, &new_key("main")?);
    let heads = |lines: &str| Ok::<_, Box<dyn Error>>(world.second.heads_lines()?.with(lines));
    for [lie, said, lines] in rows(HEADS)? {
        world.check_site(lie, 7, &[said], |site| {
            site.put("trust/heads", heads(lines)?.sign(&[key])?);
            Ok(())
        })?;
    }
    world.check_site("a stranger signed it", 7, &["no known key"], |site| {
        site.put_heads(&[stranger], |_| {})
    })?;
    // At the limit, it is no lie.
    let mut site = world.second.clone();
    let soon = heads("time 2023-11-14T22:18:20Z")?;
    site.put("trust/heads", soon.sign(&[key])?);
    world.liar.show(site.files);
    let pull = format!("--store copy pull {}", world.liar.url());
    assert_eq!(world.scratch.ok(&pull)?.stdout, "stable@2\n");
    world.liar.show(world.first.files.clone());
    world.check("what was shown before", 7, &["it goes back"])?;
    let mut old = world.first.clone();
    old.put_heads(&[key], |heads| heads.time = heads.time.plus_seconds(9))?;
    world.liar.show(old.files);
    world.check("an old version, new", 7, &["it goes back"])
}

#[test]
fn two_heads_of_one_version_are_both_kept() -> Outcome {
    let world = World::new()?;
    let mut site = world.second.clone();
    site.put_heads(&[&world.key], |heads| heads.version -= 1)?;
    world.liar.show(site.files.clone());
    let url = world.liar.url();
    let said = ["heads 1", "another one was seen before"];
    world.check_pull(
        "another one of the version that was seen",
        &url,
        7,
        &said,
        Left::Evidence,
    )?;
    let kept = files_beneath(&world.scratch.path("copy/repos/main/trust/evidence"))?;
    let mut kept: Vec<Vec<u8>> = kept.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let mut both = vec![
        world.first.get("trust/heads")?.to_vec(),
        site.get("trust/heads")?.to_vec(),
    ];
    kept.sort();
    both.sort();
    assert_eq!(kept, both);
    world.finish()
}

/// What a liar changes in what a list says of a ref.
type Change = fn(&mut RefsEntry);

/// What a list of refs says.
type Refs = BTreeMap<RefName, RefsEntry>;

fn stable(entries: &mut Refs, change: impl FnOnce(&mut RefsEntry)) {
    if let Some(entry) = entries.values_mut().next() {
        change(entry);
    }
}

#[test]
fn the_list_of_refs_is_the_one_that_heads_name() -> Outcome {
    let world = World::new()?;
    let list = format!("objects/{}", world.second.heads()?.refs.hash);
    let old = world
        .first
        .get(&format!("objects/{}", world.first.heads()?.refs.hash))?;
    let (old, said) = (old.to_vec(), "it is not the one that heads 2 names");
    let lists: [(&str, &str, Vec<u8>); 6] = [
        ("nothing", said, Vec::new()),
        ("a byte less", said, world.second.get(&list)?[1..].to_vec()),
        (
            "a byte more",
            "more than",
            [world.second.get(&list)?, b"\n"].concat(),
        ),
        (
            "a flipped byte",
            said,
            flipped(world.second.get(&list)?.to_vec(), 9),
        ),
        ("the one before", said, old),
        ("a page for people", "", b"<html>".repeat(1000)),
    ];
    for (lie, said, bytes) in lists {
        world.check_site(lie, 7, &[said], |site| {
            site.put(&list, bytes);
            Ok(())
        })?;
    }
    world.check_site("it is not there", 7, &["no list of refs at"], |site| {
        site.files.retain(|path, _| !path.ends_with(&list));
        Ok(())
    })?;
    world.check_site("another size", 7, &["more than"], |site| {
        site.put_heads(&[&world.key], |heads| heads.refs.size -= 1)
    })?;
    world.check_site("no list at all, and named", 7, &["malformed"], |site| {
        let refs = forge::named(b"<html>\n");
        site.put(&format!("objects/{}", refs.hash), b"<html>\n".to_vec());
        site.put_heads(&[&world.key], |heads| heads.refs = refs)
    })?;
    let listed = world.second.get(&list)?.to_vec();
    world.check_site("a ref twice", 7, &["malformed"], |site| {
        let twice = listed.repeat(2);
        let refs = forge::named(&twice);
        site.put(&format!("objects/{}", refs.hash), twice);
        site.put_heads(&[&world.key], |heads| heads.refs = refs)
    })?;
    world.finish()
}

#[test]
fn a_ref_that_is_followed_stays_listed_and_does_not_go_back() -> Outcome {
    let world = World::new()?;
    let key = &world.key;
    let listed = |change: Change| move |list: &mut Refs| stable(list, change);
    let none = "no statement at";
    let lies: [(&str, &str, Change); 5] = [
        ("another size", "not what the list", |entry| entry.size -= 1),
        ("another seq", "not what the list", |entry| entry.seq += 1),
        ("another epoch", "not what the list", |entry| {
            entry.epoch += 1;
        }),
        ("seq 1, and not it", "two statements", |entry| entry.seq = 1),
        ("seq 1, and nothing", none, |entry| {
            (entry.seq, entry.id) = (1, StatementId::of(b"nothing"));
        }),
    ];
    world.check_site("it is gone", 7, &["no longer there"], |site| {
        site.put_refs(&[key], BTreeMap::clear)
    })?;
    for (lie, said, change) in lies {
        world.check_site(lie, 7, &[said], |site| {
            site.put_refs(&[key], listed(change))
        })?;
    }
    world.finish()?;
    let old = world.first.entry("stable")?;
    world.check_site(
        "an older list under newer heads",
        7,
        &["it goes back from seq 2 to seq 1"],
        |site| {
            site.put_refs(&[key], |list| stable(list, |entry| *entry = old))?;
            site.put_heads(&[key], |heads| heads.version += 1)
        },
    )?;
    Ok(())
}

#[test]
fn a_list_that_anybody_else_signs_for_is_refused() -> Outcome {
    let world = World::new()?;
    world.liar.tell(|asked, good| match good {
        Some(good) if asked.path.contains("objects/") => ok(&good.to_ascii_uppercase()),
        good => super::liar::honest(good),
    });
    world.check("in another spelling", 7, &["it is not the one that heads"])?;
    world.finish()
}
