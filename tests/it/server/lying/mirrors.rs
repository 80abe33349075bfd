//! Several mirrors: one that lies is passed over for one that does not, and signers who contradict themselves end the pull.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use super::liar::{Liar, Said, at, honest, instead, ok, reply};
use super::world::{Left, World};
use crate::support::Outcome;
use crate::support::forge::flipped;

/// What the first mirror lies about.
type Tell = fn(&Liar);

/// Each lie, and what is said when it is passed over.
const LIES: [(&str, &str, Tell); 12] = [
    ("it is not there", "cannot reach", |liar| {
        liar.tell(|_, _| Said::Nothing);
    }),
    ("it has a fault", "status 500", |liar| {
        liar.tell(at("trust/", |_| Said::All(reply("500 Oh", "", b""))));
    }),
    ("it is full", "status 503", |liar| {
        liar.tell(at("heads", |_| {
            Said::All(reply("503 No", "Retry-After: 99999999\r\n", b""))
        }));
    }),
    ("it has no such repo", "no repo at", |liar| {
        liar.show(super::liar::Files::new());
    }),
    ("it goes elsewhere", "go elsewhere", |liar| {
        liar.tell(at("heads", |_| {
            Said::All(reply("302 F", "Location: http://x/\r\n", b""))
        }));
    }),
    ("it has a page for people", "malformed note", |liar| {
        liar.tell(|_, _| Said::All(reply("200 OK", "", b"<html>")));
    }),
    (
        "it breaks off when asked for the next keyset",
        "cannot reach",
        |liar| {
            liar.tell(|asked, good| match good {
                None if asked.path.contains("keyset/2") => Said::Nothing,
                good => honest(good),
            });
        },
    ),
    ("its heads are flipped", "signature", |liar| {
        liar.tell(instead("heads", |good| flipped(good.to_vec(), 100)));
    }),
    ("its list is another", "it is not the one", |liar| {
        liar.tell(instead("objects/", |good| flipped(good.to_vec(), 9)));
    }),
    ("its statement is flipped", "signature", |liar| {
        liar.tell(instead("statements/", |good| flipped(good.to_vec(), 100)));
    }),
    ("its packs are damaged", "malformed", |liar| {
        liar.tell(instead("packs/", |good| flipped(good.to_vec(), 100)));
    }),
    ("its packs never end", "it has 99999999999 bytes", |liar| {
        liar.tell(at("packs/", |_| {
            Said::All(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec())
        }));
    }),
];

#[test]
fn a_mirror_that_lies_is_passed_over() -> Outcome {
    let world = World::new()?;
    let honest_one = Liar::start(world.second.files.clone())?;
    for (number, (lie, words, tell)) in LIES.into_iter().enumerate() {
        let copy = format!("copy{number}");
        world.another_copy(&copy)?;
        world.liar.show(world.second.files.clone());
        tell(&world.liar);
        let line = format!(
            "--store {copy} pull {} --mirror {}",
            world.liar.url(),
            honest_one.url()
        );
        let pulled = world
            .scratch
            .ok(&line)
            .map_err(|error| format!("{lie}: {error}"))?;
        assert_eq!(pulled.stdout, "stable@2\n", "{lie}");
        let said = pulled.stderr.lines().next().unwrap_or_default();
        assert!(
            said.starts_with("passed over: ") && said.contains(words),
            "{lie}: {said}"
        );
        world.scratch.ok(&format!("--store {copy} verify --all"))?;
    }
    Ok(())
}

#[test]
fn a_mirror_that_lags_behind_is_passed_over_and_one_that_knows_no_more_is_not() -> Outcome {
    let world = World::new()?;
    let old = Liar::start(world.first.files.clone())?;
    let (new, old) = (world.liar.url(), old.url());
    let behind = format!("--store copy pull {old} --mirror {new}");
    // What it shows was seen already, and is not wrong.
    let pulled = world.scratch.ok(&behind)?;
    assert!(
        pulled.stderr.contains("nothing is new"),
        "{}",
        pulled.stderr
    );
    let ahead = format!("--store copy pull {new} --mirror {old}");
    assert_eq!(world.scratch.ok(&ahead)?.stdout, "stable@2\n");
    let pulled = world.scratch.ok(&behind)?;
    assert!(pulled.stderr.contains("it goes back"), "{}", pulled.stderr);
    assert!(
        pulled.stderr.contains("nothing is new"),
        "{}",
        pulled.stderr
    );
    Ok(())
}

#[test]
fn when_all_lie_each_is_told_and_the_gravest_decides() -> Outcome {
    let world = World::new()?;
    let [flips, gone, empty] = [(); 3].map(|()| Liar::start(world.second.files.clone()));
    let (flips, gone, empty) = (flips?, gone?, empty?);
    flips.tell(instead("heads", |good| flipped(good.to_vec(), 100)));
    gone.tell(|_, _| Said::Nothing);
    empty.tell(instead("heads", |_| Vec::new()));
    let url = |liar: &Liar| liar.url();
    let (flips, gone, empty) = (url(&flips), url(&gone), url(&empty));
    for (places, code) in [
        ([&flips, &gone, &empty], 7),
        ([&gone, &flips, &empty], 7),
        ([&empty, &flips, &gone], 7),
        ([&gone, &gone, &gone], 8),
    ] {
        let [first, second, third] = places;
        let pull = format!("{first} --mirror {second} --mirror {third}");
        let refused = world.check_pull("all lie", &pull, code, &[], Left::Nothing)?;
        let said = &refused.stderr;
        let passed_over = said.matches("passed over: ").count();
        // One place is asked once.
        let others = BTreeSet::from(places).len() - 1;
        assert!(passed_over >= others && said.contains("error: "), "{said}");
        for (place, words) in [
            (&flips, "signature"),
            (&gone, "cannot reach"),
            (&empty, "malformed note"),
        ] {
            assert_eq!(
                said.contains(words),
                places.contains(&place),
                "{words} in {said}"
            );
        }
    }
    world.finish()
}

#[test]
fn mirrors_that_show_two_statements_of_one_number_end_the_pull() -> Outcome {
    let world = World::new()?;
    let key = &world.key;
    world.finish()?;
    // Another second release, signed by the same key: shown to others, as it were.
    let mut site = world.second.clone();
    site.put_statement(&[key], &[key], |statement| {
        statement.time = statement.time.plus_seconds(1);
    })?;
    site.put_heads(&[key], |heads| heads.version += 1)?;
    let other = Liar::start(site.files)?;
    world.liar.asked();
    let pull = format!("{} --mirror {}", other.url(), world.liar.url());
    let said = ["seq 2 is", "two statements have one number"];
    world.check_pull("two second releases", &pull, 7, &said, Left::Evidence)?;
    assert_eq!(world.liar.asked(), [], "it ends there");
    let evidence = world.scratch.path("copy/repos/main/trust/evidence");
    assert_eq!(crate::support::files_beneath(&evidence)?.len(), 1);
    // The same of heads.
    let mut site = world.second.clone();
    site.put_heads(&[key], |heads| heads.time = heads.time.plus_seconds(1))?;
    let other = Liar::start(site.files)?;
    let pull = format!("{} --mirror {}", other.url(), world.liar.url());
    let said = ["heads 2", "another one was seen before"];
    world.check_pull("two heads", &pull, 7, &said, Left::Evidence)?;
    assert_eq!(world.liar.asked(), [], "it ends there");
    world.liar.show(world.second.files.clone());
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn the_places_that_a_pin_names_are_mirrors_too() -> Outcome {
    let world = World::new()?;
    let honest_one = Liar::start(world.second.files.clone())?;
    world
        .liar
        .tell(instead("heads", |good| flipped(good.to_vec(), 100)));
    let pin = std::fs::read_to_string(world.scratch.path("www/r/main/pin"))?;
    let url = |liar: &Liar| format!("url {}\n", liar.url());
    let pin = [pin, url(&world.liar), url(&honest_one)].concat();
    std::fs::write(world.scratch.path("mirrors.pin"), pin)?;
    world.scratch.ok("--store fresh init --no-repo")?;
    let nowhere = "--store fresh pull http://127.0.0.1:1/r/main --pin mirrors.pin";
    let pulled = world.scratch.ok(nowhere)?;
    assert_eq!(pulled.stdout, "stable@2\n");
    let said: Vec<&str> = pulled.stderr.lines().collect();
    assert!(said[0].contains("cannot reach"), "{said:?}");
    assert!(said[1].contains("signature"), "{said:?}");
    world.scratch.ok("--store fresh verify --all")?;
    Ok(())
}

#[test]
fn a_server_that_does_not_say_which_repo_it_has_is_passed_over() -> Outcome {
    let (scratch, served) = crate::server::released("")?;
    let liar = Liar::start(super::liar::Files::new())?;
    let (lying, honest_one) = (liar.url().replace("/r/main", ""), served.url());
    let answers: [(&str, Tell); 4] = [
        ("nothing", |liar| liar.tell(|_, _| Said::Nothing)),
        ("a fault", |liar| {
            liar.tell(|_, _| Said::All(reply("500 Oh", "", b"")));
        }),
        ("a page for people", |liar| {
            liar.tell(|_, _| Said::All(reply("200 OK", "", b"<html>")));
        }),
        ("another repo", |liar| {
            liar.tell(|_, _| {
                let repo = r#"{"repos":[{"repo":"other","repo_id":""}]}"#;
                Said::All(reply("200 OK", "", repo.as_bytes()))
            });
        }),
    ];
    for (number, (lie, tell)) in answers.into_iter().enumerate() {
        tell(&liar);
        let copy = format!("copy{number}");
        scratch.ok(&format!("--store {copy} init --no-repo"))?;
        let alone = format!("--store {copy} pull {lying} --trust-first");
        let refused = scratch.run(alone.split(' '))?;
        assert!([3, 7, 8].contains(&refused.code), "{lie}: {refused:?}");
        for (first, second) in [(&lying, &honest_one), (&honest_one, &lying)] {
            let line = format!("--store {copy} pull {first} --mirror {second} --trust-first");
            let pulled = scratch
                .ok(&line)
                .map_err(|error| format!("{lie}: {error}"))?;
            let is_passed_over = pulled.stderr.contains("passed over");
            assert_eq!(is_passed_over, first == &lying, "{lie}: {}", pulled.stderr);
        }
    }
    served.end_sound(&scratch)
}

#[test]
fn who_is_busy_for_a_moment_is_asked_again() -> Outcome {
    for (busy_for, code) in [("1", 0), ("11", 8)] {
        let world = World::new()?;
        let asked = AtomicU32::new(0);
        world.liar.tell(at("heads", move |good| {
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Said::All(reply(
                    "503 Busy",
                    &format!("Retry-After: {busy_for}\r\n"),
                    b"",
                )),
                _ => ok(good),
            }
        }));
        let line = format!("--store copy pull {}", world.liar.url());
        world.scratch.run(line.split(' '))?.expect_code(code)?;
    }
    Ok(())
}
