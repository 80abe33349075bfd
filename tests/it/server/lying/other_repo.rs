//! Mirrors that show another repo than the one that is asked for: whole, signed, and not what was wanted.

use super::liar::{Files, Liar, Said};
use super::site::Site;
use super::world::World;
use crate::support::Outcome;

/// The files of a repo in the store `store`, shown where `main` would be.
fn disguised(world: &World, store: &str, repo: &str) -> Result<Files, Box<dyn std::error::Error>> {
    let scratch = &world.scratch;
    scratch.ok(&format!("--store {store} init --repo {repo}"))?;
    scratch.ok(&format!(
        "--store {store} push tree --ref stable --publish --repo {repo}"
    ))?;
    let out = format!("{store}-www");
    let Site { files } = super::world::exported_from(scratch, store, &out)?;
    let from = format!("/r/{repo}/");
    let files = files.into_iter();
    Ok(files
        .map(|(path, bytes)| (path.replace(&from, "/r/main/"), bytes))
        .collect())
}

#[test]
fn a_mirror_that_shows_another_repo_is_passed_over() -> Outcome {
    let world = World::new()?;
    let scratch = &world.scratch;
    let honest_one = Liar::start(world.second.files.clone())?;
    let known = Liar::start(world.first.files.clone())?;
    for (number, name) in ["followed", "unknown", "own"].into_iter().enumerate() {
        let evil = Liar::start(disguised(&world, &format!("store{number}"), name)?)?;
        for (place, is_known) in [(&known, true), (&world.liar, false)] {
            let copy = format!("copy{number}{is_known}");
            scratch.ok(&format!("--store {copy} init --no-repo"))?;
            // What tells which repo is meant is the place it was copied from, or else the name in the URL.
            let from = if is_known { &known } else { &honest_one };
            from.show(world.first.files.clone());
            scratch.ok(&format!(
                "--store {copy} pull {} --pin www/r/main/pin",
                from.url()
            ))?;
            let beside = match name {
                "followed" => format!("pull store{number} --trust-first"),
                "own" => "repo create own".to_owned(),
                _ => "refs --repo main".to_owned(),
            };
            scratch.ok(&format!("--store {copy} {beside}"))?;
            from.show(world.second.files.clone());
            honest_one.show(world.second.files.clone());
            place.tell(|_, _| Said::Nothing);
            for command in ["pull", "mirror"] {
                let line = format!(
                    "--store {copy} {command} {} --mirror {} --mirror {}",
                    place.url(),
                    evil.url(),
                    honest_one.url()
                );
                let pulled = scratch
                    .ok(&line)
                    .map_err(|error| format!("{name}: {error}"))?;
                let said = format!("keyset 1 from {}: its id is", evil.url());
                assert!(pulled.stderr.contains(&said), "{name}: {}", pulled.stderr);
                assert!(pulled.stderr.contains("pulled main"), "{}", pulled.stderr);
            }
            let shown = scratch.ok(&format!("--store {copy} log stable --repo main"))?;
            assert!(shown.stdout.contains("stable@2"), "{}", shown.stdout);
            scratch.ok(&format!("--store {copy} verify --all"))?;
            place.show(world.second.files.clone());
        }
    }
    Ok(())
}

/// A place that shows another repo where `main` would be, and under its own name.
fn evil(world: &World) -> Result<Liar, Box<dyn std::error::Error>> {
    let mut files = disguised(world, "store", "evil")?;
    let own = files.iter();
    let own = own.map(|(path, bytes)| (path.replace("/r/main/", "/r/evil/"), bytes.clone()));
    let own: Vec<_> = own.collect();
    files.extend(own);
    Liar::start(files)
}

#[test]
fn a_mirror_whose_own_repo_is_followed_here_does_not_say_which_one_is_meant() -> Outcome {
    let world = World::new()?;
    let scratch = &world.scratch;
    let evil = evil(&world)?;
    let known = Liar::start(world.first.files.clone())?;
    let honest_one = Liar::start(world.second.files.clone())?;
    for (number, place) in ["/r/main", "/r/evil"].into_iter().enumerate() {
        let mirror = evil.server() + place;
        for command in ["pull", "mirror"] {
            let copy = format!("copy{number}{command}");
            known.show(world.first.files.clone());
            scratch.ok(&format!("--store {copy} init --no-repo"))?;
            scratch.ok(&format!(
                "--store {copy} pull {} --pin www/r/main/pin",
                known.url()
            ))?;
            scratch.ok(&format!("--store {copy} pull {mirror} --trust-first"))?;
            // The server of the first place is silent, and does not say which repo it has.
            known.tell(|_, _| Said::Nothing);
            let line = format!(
                "--store {copy} {command} {} --mirror {mirror}",
                known.server()
            );
            let refused = scratch.run(line.split(' '))?;
            assert!([7, 8].contains(&refused.code), "{line}: {refused:?}");
            assert!(!refused.stderr.contains("pulled evil"), "{refused:?}");
            // Another spelling of a place: what it was copied from does not tell which repo is meant, and the name does.
            let line = format!(
                "--store {copy} {command} {} --mirror {mirror}",
                honest_one.url()
            );
            let pulled = scratch.ok(&line)?;
            assert_eq!(pulled.stdout, "stable@2\n", "{line}: {}", pulled.stderr);
            assert!(pulled.stderr.contains("pulled main"), "{}", pulled.stderr);
            // And the mirror that comes after the one that lies is asked.
            let line = format!(
                "--store {copy} {command} {} --mirror {mirror} --mirror {}",
                known.server(),
                honest_one.url()
            );
            let pulled = scratch.ok(&line)?;
            assert!(pulled.stderr.contains("pulled main"), "{}", pulled.stderr);
        }
    }
    Ok(())
}

#[test]
fn at_first_contact_the_first_place_that_answers_says_which_repo_it_is() -> Outcome {
    let world = World::new()?;
    let evil = Liar::start(disguised(&world, "store", "other")?)?;
    world.scratch.ok("--store fresh init --no-repo")?;
    world
        .liar
        .tell(super::liar::instead("packs/", |_| Vec::new()));
    let line = format!(
        "--store fresh pull {} --mirror {} --trust-first",
        world.liar.url(),
        evil.url()
    );
    let said = ["malformed", "keyset 1 from", "its id is"];
    world.scratch.fails(&line, 7, &said)?;
    world.scratch.fails("--store fresh refs", 3, &["no repo"])?;
    Ok(())
}
