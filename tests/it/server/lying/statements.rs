//! Steps 4 and 5 of a pull: the statement of a ref, the chain back to the one that was seen, and what it does.

use bindery::trust::ref_statement::Action;
use bindery::trust::secret_key::SecretKey;

use super::liar::instead;
use super::site::Site;
use super::table::rows;
use super::world::{Left, World};
use crate::support::Outcome;
use crate::support::files_beneath;
use crate::support::forge::{flipped, new_key};

#[test]
fn what_is_no_statement_is_refused() -> Outcome {
    let world = World::new()?;
    let note = format!("statements/{}", world.second.entry("stable")?.id);
    let good = world.second.get(&note)?.to_vec();
    let lies: [(&str, &str, Vec<u8>); 6] = [
        ("nothing", "malformed note", Vec::new()),
        (
            "half of it",
            "malformed note",
            good[..good.len() / 2].to_vec(),
        ),
        ("a flipped byte", "signature", flipped(good.clone(), 80)),
        ("a million bytes", "more than", vec![b'x'; 1_000_000]),
        ("a keyset", "", world.second.keyset(1)?.to_vec()),
        (
            "the one before",
            "it is ",
            world.first.statement("stable")?.to_vec(),
        ),
    ];
    for (lie, said, bytes) in lies {
        world.check_site(lie, 7, &[said], |site| {
            site.put(&note, bytes);
            Ok(())
        })?;
    }
    world.check_site("it is not there", 7, &["no statement at"], |site| {
        site.files.retain(|path, _| !path.ends_with(&note));
        Ok(())
    })?;
    world.liar.show(world.second.files.clone());
    world
        .liar
        .tell(instead("statements/", |good| [b"\n", good].concat()));
    world.check("a line in front", 7, &["signature"])?;
    world.finish()
}

/// What a liar changes in the statement, and the key of the repo signs.
const LINES: &str = "
of another ref               | 7 | it is of the ref testing     | ref testing
of another repo              | 7 | it is for                    | repo other
of another root              | 7 | it is for                    | repo-id 0000000000000000000000000000000000000000000000000000000000000000
of another keyset            | 7 | it is for                    | keyset 2
of another epoch             | 7 | it is for                    | epoch 2
after nothing                | 7 | it does not follow stable@1  | prev -
after one that is not there  | 7 | no statement at              | prev 0000000000000000000000000000000000000000000000000000000000000000
with a number that is none   | 7 | malformed ref statement      | seq 02
with an action there is not  | 7 | malformed ref statement      | action replace
expired                      | 7 | it expired at 2023-11-14T22  | time 2023-11-13T22:13:20Z; expires 2023-11-14T22:13:20Z
an older release again       | 5 | --allow-rewind               | action rewind
the end                      | 5 | ends its ref                 | action end; snapshot -
a snapshot that is not there | 7 | no object at                 | snapshot 9 0000000000000000000000000000000000000000000000000000000000000000
a snapshot of another size   | 7 | leads to another snapshot    | snapshot 9 {id}
a snapshot above the limit   | 7 | malformed ref statement      | snapshot 99999999 {id}
";

#[test]
fn a_statement_is_of_this_ref_and_does_what_it_may() -> Outcome {
    let world = World::new()?;
    let key = &world.key;
    let shown = world.second.statement_lines()?.text();
    let snapshot = shown.lines().find(|line| line.starts_with("snapshot "));
    let id = snapshot
        .and_then(|line| line.split(' ').nth(2))
        .ok_or("id")?;
    for [lie, code, said, lines] in rows(LINES)? {
        world.check_site(lie, code.parse()?, &[said], |site| {
            let lines = site.statement_lines()?.with(&lines.replace("{id}", id));
            site.put_statement_lines(&lines, &[key], &[key])
        })?;
    }
    let stranger = new_key("main")?;
    world.check_site("a stranger signed it", 7, &["no known key"], |site| {
        let lines = site.statement_lines()?;
        site.put_statement_lines(&lines, &[&stranger], &[key])
    })?;
    world.check_site(
        "after itself, as it was",
        7,
        &["it follows seq 2"],
        |site| {
            let lines = site.statement_lines()?;
            let lines = lines.clone().set("prev", lines.entry()?.id);
            site.put_statement_lines(&lines, &[key], &[key])
        },
    )?;
    world.finish()
}

/// Puts so many more statements on top of the one that `stable` shows, all of the same snapshot.
fn pile(site: &mut Site, key: &SecretKey, count: u64) -> Outcome {
    for _ in 0..count {
        let before = site.entry("stable")?;
        site.put_statement(&[key], &[key], |statement| {
            statement.prev = Some(before.id);
            statement.seq = before.seq + 1;
        })?;
    }
    Ok(())
}

#[test]
fn a_chain_leads_back_to_what_was_seen_in_so_many_steps() -> Outcome {
    let world = World::new()?;
    let key = &world.key;
    world.check_site("one too many", 7, &["more than 256 statements"], |site| {
        pile(site, key, 256)
    })?;
    world.check_site("one of them is missing", 7, &["no statement at"], |site| {
        let second = site.entry("stable")?.id;
        pile(site, key, 2)?;
        site.files
            .retain(|path, _| !path.contains(&second.to_string()));
        Ok(())
    })?;
    world.check_site(
        "one of them does not go up",
        7,
        &["it follows seq 9"],
        |site| {
            site.put_statement(&[key], &[key], |statement| statement.seq = 9)?;
            let ninth = site.entry("stable")?.id;
            site.put_statement(&[key], &[key], |statement| {
                (statement.seq, statement.prev) = (3, Some(ninth));
            })
            .map(drop)
        },
    )?;
    world.check_site(
        "one of them ends the ref",
        7,
        &["it follows the end"],
        |site| {
            site.put_statement(&[key], &[key], |statement| statement.action = Action::End)?;
            let truth = world.second.statement("stable")?.to_vec();
            let end = site.entry("stable")?.id;
            let (entry, note) = crate::support::forge::statement(&truth, &[key], |statement| {
                (statement.seq, statement.prev) = (3, Some(end));
            })?;
            site.put(&format!("statements/{}", entry.id), note);
            let name = "stable".parse()?;
            site.put_refs(&[key], |list| {
                list.insert(name, entry);
            })
        },
    )?;
    world.check_site(
        "it goes past the one that was seen",
        7,
        &["and not stable@1"],
        |site| {
            // Another first release, and one that follows it.
            site.put_statement(&[key], &[key], |statement| {
                (statement.seq, statement.prev) = (1, None);
            })?;
            pile(site, key, 1)
        },
    )?;
    // As many as may be, it is no lie.
    let mut site = world.second.clone();
    pile(&mut site, key, 255)?;
    world.liar.show(site.files);
    let line = format!("--store copy pull {}", world.liar.url());
    assert_eq!(world.scratch.ok(&line)?.stdout, "stable@257\n");
    Ok(())
}

#[test]
fn two_statements_of_one_number_end_the_pull_and_are_kept() -> Outcome {
    let world = World::new()?;
    let key = &world.key;
    let mut site = world.second.clone();
    let entry = site.put_statement(&[key], &[key], |statement| {
        (statement.seq, statement.prev) = (1, None);
    })?;
    world.liar.show(site.files);
    let said = ["seq 1 is", "two statements have one number"];
    let url = world.liar.url();
    world.check_pull("a second first release", &url, 7, &said, Left::Evidence)?;
    let kept = files_beneath(&world.scratch.path("copy/repos/main/trust/evidence"))?;
    assert!(
        kept.iter().any(|path| path.ends_with(entry.id.to_string())),
        "{kept:?}"
    );
    let held = format!(
        "copy/repos/main/trust/statements/{}",
        world.first.entry("stable")?.id
    );
    assert!(
        world.scratch.path(held).exists(),
        "the one that was seen is kept, too"
    );
    // A statement of a stranger proves nothing of the signers, and is not kept.
    let (stranger, mut site) = (new_key("main")?, world.second.clone());
    let entry = site.put_statement(&[&stranger], &[key], |statement| {
        (statement.seq, statement.prev) = (1, None);
        statement.time = statement.time.plus_seconds(1);
    })?;
    world.liar.show(site.files);
    world.check_pull("a stranger's first release", &url, 7, &said, Left::Nothing)?;
    let kept = files_beneath(&world.scratch.path("copy/repos/main/trust/evidence"))?;
    assert!(!kept.iter().any(|path| path.ends_with(entry.id.to_string())));
    world.finish()
}

#[test]
fn a_key_that_was_replaced_signs_nothing_more() -> Outcome {
    let world = World::new()?;
    let (old, new) = (&world.key, &new_key("new")?);
    let scratch = &world.scratch;
    // The repo goes over to another key, and the copy sees it.
    let mut site = world.second.clone();
    let second = site.keyset_after(1)?.all_roles(&[new]);
    site.put_keyset(2, &second, &[old, new])?;
    site.put_heads(&[new], |heads| heads.keyset = 2)?;
    world.liar.show(site.files.clone());
    let line = format!("--store copy pull {}", world.liar.url());
    assert_eq!(scratch.ok(&line)?.stdout, "stable@2\n");
    let before = site.entry("stable")?;
    let next = |keyset: u64, by: &SecretKey, heads_by: &SecretKey| {
        let mut site = site.clone();
        site.put_statement(&[by], &[heads_by], |statement| {
            (statement.seq, statement.prev) = (3, Some(before.id));
            statement.keyset = keyset;
        })?;
        site.put_heads(&[heads_by], |heads| heads.version += 1)?;
        Ok::<_, Box<dyn std::error::Error>>(site.files)
    };
    world.liar.show(next(1, old, new)?);
    world.check(
        "the old key publishes, as of when it could",
        7,
        &["keyset 1", "keyset 2 was seen"],
    )?;
    world.liar.show(next(2, old, new)?);
    world.check(
        "the old key publishes, as if it could",
        7,
        &["no known key"],
    )?;
    world.liar.show(next(2, new, old)?);
    world.check("the old key says what is current", 7, &["no known key"])?;
    world.liar.show(next(2, new, new)?);
    assert_eq!(scratch.ok(&line)?.stdout, "stable@3\n");
    scratch.ok("--store copy verify --all")?;
    Ok(())
}
