//! Step 1 of a pull, the keysets: each follows from the one before, and is signed by both.

use bindery::trust::secret_key::SecretKey;

use super::liar::{instead, ok};
use super::site::Site;
use super::table::rows;
use super::world::World;
use crate::support::Outcome;
use crate::support::forge::{Lines, flipped, new_key};

/// What a liar changes in the keyset that would follow the first.
type Change<'c> = &'c dyn Fn(Lines) -> Lines;

#[test]
fn what_is_no_keyset_is_not_the_next_one() -> Outcome {
    let world = World::new()?;
    let first = world.second.keyset(1)?.to_vec();
    let lies: [(&str, Vec<u8>, &[&str]); 6] = [
        (
            "the first once more",
            first.clone(),
            &["it does not follow version 1"],
        ),
        ("a page for people", b"<html>".to_vec(), &["malformed note"]),
        ("nothing at all", Vec::new(), &["malformed note"]),
        ("a flipped byte", flipped(first.clone(), 60), &["signature"]),
        (
            "half of one",
            first[..first.len() / 2].to_vec(),
            &["malformed note"],
        ),
        ("a million bytes", vec![b'x'; 1_000_000], &["more than"]),
    ];
    for (lie, note, words) in lies {
        world.liar.tell(move |asked, good| {
            if asked.path.ends_with("keyset/2") {
                ok(&note)
            } else {
                super::liar::honest(good)
            }
        });
        world.check(lie, 7, words)?;
    }
    let heads = world.second.get("trust/heads")?.to_vec();
    world.check_site("heads in its place", 7, &["malformed keyset"], |site| {
        site.put("trust/keyset/2", heads);
        Ok(())
    })?;
    world
        .liar
        .tell(instead("keyset/1", |good| flipped(good.to_vec(), 60)));
    world.check("a flipped byte of the first", 7, &["keyset"])?;
    world.finish()
}

/// What a liar changes in the keyset that would follow the first, and the key of the repo signs.
const LINES: &str = "
it skips a version                | 7 | it does not follow version 1 | version 3
it follows another                | 7 | its prev is not version 1    | prev 0000000000000000000000000000000000000000000000000000000000000000
it follows nothing                | 7 | malformed keyset             | prev -
of another repo                   | 7 | it is of repo other          | repo other
of no epoch                       | 7 | malformed keyset             | epoch 0
of a newer format                 | 8 | format 2                     | format 2
it expired                        | 7 | it expired at 2023-11-14T22  | time 2023-11-13T22:13:20Z; expires 2023-11-14T22:13:20Z
it needs more keys than there are | 7 | malformed keyset             | role root 2 main
it needs no key at all            | 7 | malformed keyset             | role root 0 main
one key twice in a role           | 7 | malformed keyset             | role root 2 main main
a key that is of no role          | 7 | malformed keyset             | role heads 1 other
a key of small order              | 7 | malformed keyset             | key main ed25519 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
";

#[test]
fn a_keyset_that_does_not_follow_from_the_one_before_is_refused() -> Outcome {
    let world = World::new()?;
    for [lie, code, said, lines] in rows(LINES)? {
        world.check_site(lie, code.parse()?, &[said], |site| {
            let next = site.keyset_after(1)?.with(lines);
            site.put_keyset(2, &next, &[&world.key])
        })?;
    }
    world.finish()
}

#[test]
fn a_keyset_is_signed_by_the_root_before_and_by_its_own() -> Outcome {
    let world = World::new()?;
    let (key, stranger) = (&world.key, &new_key("other")?);
    let same: Change<'_> = &|lines| lines;
    let theirs: Change<'_> = &|lines| lines.all_roles(&[stranger]);
    let both: Change<'_> = &|lines| {
        let keys = [key, stranger];
        lines.keys(&keys).role("root", 2, &keys)
    };
    let main = key.public().to_string();
    let alias = main.replacen("main", "alias", 1);
    let twice: Change<'_> = &|lines| {
        let lines = lines.set("key main", format!("{}\nkey {alias}", &main[5..]));
        lines.with("role root 2 main alias")
    };
    let lies: [(&str, &str, Change<'_>, Vec<&SecretKey>); 6] = [
        (
            "one under two names",
            "under another name",
            twice,
            vec![key],
        ),
        ("a stranger", "no known key", same, vec![stranger]),
        ("the new alone", "no known key", theirs, vec![stranger]),
        ("the old alone", "no known key", theirs, vec![key]),
        ("one of two", "2 are needed", both, vec![key]),
        ("one of two, twice", "2 are needed", both, vec![key, key]),
    ];
    for (lie, said, change, keys) in lies {
        world.check_site(lie, 7, &[said], |site| {
            site.put_keyset(2, &change(site.keyset_after(1)?), &keys)
        })?;
    }
    world.finish()
}

/// A site with a second keyset, in an epoch of its own.
fn second_epoch(site: &mut Site, key: &SecretKey) -> Outcome {
    let second = site.keyset_after(1)?.set("epoch", 2);
    site.put_keyset(2, &second, &[key])
}

#[test]
fn a_walk_of_keysets_is_refused_as_a_whole() -> Outcome {
    let world = World::new()?;
    let key = &world.key;
    world.check_site(
        "an epoch that goes down",
        7,
        &["its epoch 1 is below 2"],
        |site| {
            second_epoch(site, key)?;
            let third = site.keyset_after(2)?.set("epoch", 1);
            site.put_keyset(3, &third, &[key])
        },
    )?;
    let said = ["heads 2", "it is for", "keyset 1"];
    world.check_site("a newer keyset for older heads", 7, &said, |site| {
        site.put_keyset(2, &site.keyset_after(1)?, &[key])
    })?;
    let said = ["heads 2", "it is for", "keyset 2"];
    world.check_site("a keyset that is held back", 7, &said, |site| {
        site.put_heads(&[key], |heads| heads.keyset = 2)
    })?;
    world.check_site(
        "one in between is held back",
        7,
        &["it is for", "keyset 3"],
        |site| {
            second_epoch(site, key)?;
            site.put_keyset(3, &site.keyset_after(2)?, &[key])?;
            site.files.retain(|path, _| !path.ends_with("keyset/2"));
            site.put_heads(&[key], |heads| (heads.keyset, heads.epoch) = (3, 2))
        },
    )?;
    world.check_site("keysets without end", 1, &["in keysets", "1024"], |site| {
        for version in 1..=1024 {
            let next = site.keyset_after(version)?;
            site.put_keyset(version + 1, &next, &[key])?;
        }
        Ok(())
    })?;
    world.finish()
}

#[test]
fn first_contact_is_with_the_one_keyset_that_was_named() -> Outcome {
    let world = World::new()?;
    let stranger = &new_key("main")?;
    let scratch = &world.scratch;
    scratch.ok("--store fresh init --no-repo")?;
    let empty = scratch.ok("--store fresh repo list")?.stdout;
    let pin = scratch.path("www/r/main/pin").display().to_string();
    let lies: [(&str, &str, Change<'_>, &SecretKey); 4] = [
        (
            "another root",
            "its id is",
            &|l| l.all_roles(&[stranger]),
            stranger,
        ),
        ("not signed by its key", "no known key", &|l| l, stranger),
        (
            "not the first",
            "its id is",
            &|l| l.with("version 2"),
            &world.key,
        ),
        (
            "of another name",
            "its id is",
            &|l| l.with("repo other"),
            &world.key,
        ),
    ];
    for (lie, said, change, key) in lies {
        let mut site = world.second.clone();
        let first = change(Lines::of(site.keyset(1)?)?);
        site.put_keyset(1, &first, &[key])?;
        world.liar.show(site.files);
        let pull = format!("--store fresh pull {} --pin {pin}", world.liar.url());
        let refused = scratch.fails(&pull, 7, &[said]);
        refused.map_err(|error| format!("{lie}: {error}"))?;
        assert_eq!(
            scratch.ok("--store fresh repo list")?.stdout,
            empty,
            "{lie}"
        );
    }
    Ok(())
}

#[test]
fn a_pin_is_read_strictly_and_says_how_far_an_origin_must_have_come() -> Outcome {
    let world = World::new()?;
    let scratch = &world.scratch;
    scratch.ok("--store fresh init --no-repo")?;
    let url = world.liar.url();
    let unnamed = format!("--store fresh pull {url}");
    scratch.fails(&unnamed, 2, &["--root", "--pin", "--trust-first"])?;
    let text = std::fs::read_to_string(scratch.path("www/r/main/pin"))?;
    for (find, replace, said) in [
        ("keyset 1 ", "keyset ", "malformed pin file"),
        ("keyset 1 ", "keyset 2 ", "keyset 2 is not there"),
    ] {
        std::fs::write(scratch.path("bad.pin"), text.replace(find, replace))?;
        world.liar.asked();
        let pull = format!("--store fresh pull {url} --pin bad.pin");
        scratch.fails(&pull, 7, &[said])?;
        let is_read = said.starts_with("keyset");
        assert_eq!(world.liar.asked().is_empty(), !is_read, "{said}");
    }
    scratch.ok(&format!("--store fresh pull {url} --pin www/r/main/pin"))?;
    Ok(())
}
