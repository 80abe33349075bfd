//! Deltas that are wrong where they lie, for ever: the pack of everything beside them is taken instead.

use std::fs;

use super::liar::{honest, ok};
use super::packs::{full, snapshot};
use super::world::World;
use crate::support::forge::flipped;
use crate::support::{Outcome, Scratch, files_beneath, noise};

#[test]
fn a_delta_that_is_wrong_for_ever_leaves_the_pack_of_everything() -> Outcome {
    let world = World::new()?;
    let whole = full(&world.second)?;
    let place = format!(
        "{}/{}.pack",
        snapshot(&world.second)?,
        snapshot(&world.first)?
    );
    let lies: [(&str, Vec<u8>); 5] = [
        ("nothing", Vec::new()),
        ("a flipped byte of a frame", flipped(whole.clone(), 200)),
        ("a byte less", whole[..whole.len() - 1].to_vec()),
        ("the pack of another release", full(&world.first)?),
        ("a page for people", b"<html>".to_vec()),
    ];
    for (number, (lie, bytes)) in lies.into_iter().enumerate() {
        let copy = format!("copy{number}");
        world.another_copy(&copy)?;
        let (place, said) = (place.clone(), bytes.clone());
        world.liar.tell(move |asked, good| {
            if asked.path.ends_with(&place) {
                ok(&said)
            } else {
                honest(good)
            }
        });
        let line = format!("--store {copy} pull {}", world.liar.url());
        let pulled = world
            .scratch
            .ok(&line)
            .map_err(|error| format!("{lie}: {error}"))?;
        assert_eq!(pulled.stdout, "stable@2\n", "{lie}");
        let said = &pulled.stderr;
        assert!(
            said.starts_with("passed over: malformed")
                && said.contains(&world.liar.url())
                && said.contains("all of it is fetched instead"),
            "{lie}: {said}"
        );
        world.scratch.ok(&format!("--store {copy} verify --all"))?;
        // If that is wrong, too, nothing is left.
        world.liar.tell(move |asked, good| {
            if asked.path.contains("packs/") {
                ok(&bytes)
            } else {
                honest(good)
            }
        });
        world.check(lie, 7, &["malformed"])?;
    }
    world.finish()
}

#[test]
fn what_is_damaged_here_is_not_passed_over() -> Outcome {
    let scratch = Scratch::new()?;
    let large = noise(300_000);
    scratch.write("tree", &[])?;
    fs::write(scratch.path("tree/large"), &large)?;
    scratch.publish("stable", "tree")?;
    scratch.ok("--store copy init --no-repo")?;
    let origin = scratch.store();
    let origin = origin.display();
    scratch.ok(&format!("--store copy pull {origin} --trust-first"))?;
    for pack in files_beneath(&scratch.path("copy/packs"))? {
        let bytes = fs::read(&pack)?;
        if let Some(at) = bytes.windows(64).position(|window| window == &large[..64]) {
            fs::write(&pack, flipped(bytes, at + 9))?;
        }
    }
    fs::write(scratch.path("tree/large"), [&large[..], b"more"].concat())?;
    scratch.publish("stable", "tree")?;
    let pulled = scratch.fails(&format!("--store copy pull {origin}"), 7, &["fsck"])?;
    assert!(!pulled.stderr.contains("passed over"), "{}", pulled.stderr);
    Ok(())
}
