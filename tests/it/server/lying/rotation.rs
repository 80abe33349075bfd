//! Keys that are replaced, thresholds, epochs and dates: what an honest repo does is followed, and what falls short of it is
//! refused. The cases of key rotation are those of the TUF conformance suite (docs/tuf.md).

use std::error::Error;

use bindery::base::clock::Time;
use bindery::trust::secret_key::SecretKey;

use super::site::Site;
use super::world::World;
use crate::support::forge::{Lines, new_key};
use crate::support::{Answer, Outcome, TIME_S};

/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// Which keys there are, how many must sign, and which do.
struct Step {
    keys: &'static [usize],
    threshold: usize,
    signers: &'static [usize],
}

const fn step(keys: &'static [usize], threshold: usize, signers: &'static [usize]) -> Step {
    Step {
        keys,
        threshold,
        signers,
    }
}

/// Whether the last step is followed, and why.
type Case = (&'static str, bool, &'static [Step]);

const FIVE: &[usize] = &[0, 1, 2, 3, 4];
const OTHER_FIVE: &[usize] = &[0, 1, 3, 4, 5];

/// Keysets that follow each other; the first is signed by the key before, too.
const ROOTS: [Case; 15] = [
    (
        "another key",
        true,
        &[
            step(&[1], 1, &[1]),
            step(&[2], 1, &[2, 1]),
            step(&[2], 1, &[2]),
        ],
    ),
    (
        "another key, and lines of keys that are not listed",
        true,
        &[
            step(&[1], 1, &[3, 1, 4]),
            step(&[2], 1, &[3, 2, 1, 4]),
            step(&[2], 1, &[3, 2, 4]),
        ],
    ),
    (
        "any three of five",
        true,
        &[
            step(FIVE, 3, &[0, 2, 4]),
            step(FIVE, 3, &[0, 4, 1]),
            step(FIVE, 3, &[0, 1, 3]),
        ],
    ),
    (
        "one of five is replaced",
        true,
        &[step(FIVE, 3, &[0, 2, 4]), step(OTHER_FIVE, 3, &[0, 4, 1])],
    ),
    (
        "one of five is replaced, and signs",
        true,
        &[
            step(FIVE, 3, &[0, 2, 4]),
            step(OTHER_FIVE, 3, &[0, 2, 4, 5]),
            step(OTHER_FIVE, 3, &[0, 4, 5]),
        ],
    ),
    (
        "all of five are replaced",
        true,
        &[
            step(FIVE, 3, &[0, 2, 4]),
            step(&[5, 6, 7, 8, 9], 3, &[0, 2, 4, 5, 6, 7]),
            step(&[5, 6, 7, 8, 9], 3, &[5, 6, 7]),
        ],
    ),
    (
        "two of three where one was enough",
        true,
        &[step(&[1, 2, 3], 1, &[1]), step(&[1, 2, 3], 2, &[1, 2])],
    ),
    (
        "one of three where two were needed",
        true,
        &[
            step(&[1, 2, 3], 2, &[1, 2]),
            step(&[1, 2, 3], 1, &[1, 2]),
            step(&[1, 2, 3], 1, &[1]),
        ],
    ),
    (
        "a second key",
        true,
        &[step(&[1], 1, &[1]), step(&[1, 2], 2, &[1, 2])],
    ),
    (
        "not signed by the old key",
        false,
        &[step(&[1], 1, &[1]), step(&[2], 1, &[2, 3, 4])],
    ),
    (
        "not signed by the new key",
        false,
        &[step(&[1], 1, &[1]), step(&[2], 1, &[1, 3, 4])],
    ),
    (
        "by too few new ones",
        false,
        &[step(FIVE, 3, &[0, 2, 4]), step(OTHER_FIVE, 3, &[0, 2, 4])],
    ),
    (
        "by too few old ones",
        false,
        &[step(FIVE, 3, &[0, 2, 4]), step(OTHER_FIVE, 3, &[0, 4, 5])],
    ),
    (
        "by too few for what it asks",
        false,
        &[step(&[1, 2, 3], 1, &[1]), step(&[1, 2, 3], 2, &[2])],
    ),
    (
        "by too few for what was asked",
        false,
        &[step(&[1, 2, 3], 2, &[1, 2]), step(&[1, 2, 3], 1, &[1])],
    ),
];

/// Who may sign heads or statements, and who does.
const OTHERS: [(&str, bool, Step); 11] = [
    ("another key", true, step(&[2], 1, &[2])),
    (
        "lines of keys that are not listed",
        true,
        step(&[1], 1, &[3, 1, 4]),
    ),
    (
        "not signed by the new key",
        false,
        step(&[2], 1, &[1, 3, 4]),
    ),
    (
        "one of three is of no role",
        false,
        step(OTHER_FIVE, 3, &[0, 2, 4]),
    ),
    ("two of three", false, step(OTHER_FIVE, 3, &[0, 4])),
    (
        "one of three, three times",
        false,
        step(FIVE, 3, &[0, 0, 0]),
    ),
    ("any three of five", true, step(FIVE, 3, &[0, 2, 4])),
    ("a line twice", true, step(FIVE, 3, &[0, 2, 4, 4])),
    ("another three of five", true, step(FIVE, 3, &[0, 4, 1])),
    ("in another order", true, step(FIVE, 3, &[3, 1, 0])),
    ("all of five", true, step(FIVE, 3, &[0, 1, 2, 3, 4])),
];

struct Keys(Vec<SecretKey>);

impl Keys {
    fn new() -> Result<Self, Box<dyn Error>> {
        let keys = (0..10).map(|number| new_key(&format!("k{number}")));
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    fn of(&self, numbers: &[usize]) -> Vec<&SecretKey> {
        numbers
            .iter()
            .filter_map(|number| self.0.get(*number))
            .collect()
    }
}

/// A pull into a copy of its own.
fn pull(world: &World, copy: &str, site: Site) -> Result<Answer, Box<dyn Error>> {
    world.another_copy(copy)?;
    world.liar.show(site.files);
    let line = format!("--store {copy} pull {}", world.liar.url());
    world.scratch.run(line.split(' '))
}

/// Puts a keyset whose root, or other role, is that of a step; the key of the world keeps the other roles.
fn put_step(
    site: &mut Site,
    version: u64,
    (world, keys): (&World, &Keys),
    role: &str,
    step: &Step,
) -> Outcome {
    let listed = keys.of(step.keys);
    let all = [&[&world.key], listed.as_slice()].concat();
    let lines: Lines = site.keyset_after(version - 1)?;
    let lines = lines.keys(&all).role(role, step.threshold, &listed);
    let mut signers = keys.of(step.signers);
    if version == 2 {
        signers.push(&world.key);
    }
    site.put_keyset(version, &lines, &signers)
}

#[test]
fn keysets_follow_each_other_as_far_as_both_sides_sign() -> Outcome {
    let (world, keys) = (World::new()?, Keys::new()?);
    for (number, (case, good, steps)) in ROOTS.into_iter().enumerate() {
        let mut site = world.second.clone();
        let mut version = 1;
        for step in steps {
            version += 1;
            put_step(&mut site, version, (&world, &keys), "root", step)?;
        }
        site.put_heads(&[&world.key], |heads| heads.keyset = version)?;
        let answer = pull(&world, &format!("copy{number}"), site.clone())?;
        if good {
            let answer = answer
                .expect_code(0)
                .map_err(|error| format!("{case}: {error}"))?;
            assert_eq!(answer.stdout, "stable@2\n", "{case}");
            let line = format!("--store copy{number} verify --all");
            world
                .scratch
                .ok(&line)
                .map_err(|error| format!("{case}: {error}"))?;
        } else {
            world.check(case, 7, &["cannot trust"])?;
        }
    }
    world.finish()
}

#[test]
fn heads_and_statements_are_signed_by_as_many_keys_of_their_role_as_it_needs() -> Outcome {
    let (world, keys) = (World::new()?, Keys::new()?);
    let base = &world.key;
    for (number, (case, good, step)) in OTHERS.into_iter().enumerate() {
        for role in ["heads", "publish **"] {
            let mut site = world.second.clone();
            put_step(&mut site, 2, (&world, &keys), role, &step)?;
            let signers = keys.of(step.signers);
            if role == "heads" {
                site.put_heads(&signers, |heads| heads.keyset = 2)?;
            } else {
                site.put_statement(&signers, &[base], |statement| statement.keyset = 2)?;
                site.put_heads(&[base], |heads| heads.keyset = 2)?;
            }
            let case = format!("{role}: {case}");
            let copy = format!("{}{number}", &role[..1]);
            let answer = pull(&world, &copy, site)?;
            if good {
                let answer = answer
                    .expect_code(0)
                    .map_err(|error| format!("{case}: {error}"))?;
                assert_eq!(answer.stdout, "stable@2\n", "{case}");
            } else {
                world.check(&case, 7, &["cannot trust"])?;
            }
        }
    }
    world.finish()
}

#[test]
fn a_number_that_ran_away_is_taken_back_by_a_new_epoch_and_by_nothing_else() -> Outcome {
    let (world, new) = (World::new()?, new_key("new")?);
    let (key, new) = (&world.key, &new);
    // Somebody has the key, and makes numbers that nobody can go beyond.
    let mut away = world.second.clone();
    away.put_statement(&[key], &[key], |statement| statement.seq = u64::MAX)?;
    away.put_heads(&[key], |heads| heads.version = u64::MAX)?;
    world.liar.show(away.files.clone());
    let line = format!("--store copy pull {}", world.liar.url());
    assert_eq!(
        world.scratch.ok(&line)?.stdout,
        format!("stable@{}\n", u64::MAX)
    );
    let last = away.entry("stable")?;
    let cured = |epoch: u64| {
        let mut site = away.clone();
        let second = site.keyset_after(1)?.all_roles(&[new]).set("epoch", epoch);
        site.put_keyset(2, &second, &[key, new])?;
        site.put_statement(&[new], &[new], |statement| {
            (statement.keyset, statement.epoch, statement.seq) = (2, epoch, 1);
            statement.prev = (epoch > 1).then_some(last.id);
        })?;
        site.put_heads(&[new], |heads| {
            (heads.keyset, heads.epoch, heads.version) = (2, epoch, 1);
        })?;
        Ok::<_, Box<dyn Error>>(site)
    };
    world.liar.show(cured(1)?.files);
    world.check("lower numbers in the same epoch", 7, &["it goes back"])?;
    world.liar.show(cured(2)?.files);
    assert_eq!(world.scratch.ok(&line)?.stdout, "stable@1\n");
    world.scratch.ok("--store copy verify --all")?;
    world.liar.show(away.files.clone());
    world.check("what had run away", 7, &["no known key"])?;
    Ok(())
}

/// A pull so many days later.
fn pull_later(world: &World, days: u64) -> Result<Answer, Box<dyn Error>> {
    let line = format!("--store copy pull {}", world.liar.url());
    world.scratch.later(days * DAY_S, &line)
}

#[test]
fn what_expired_here_is_replaced_by_what_has_not() -> Outcome {
    let world = World::new()?;
    let key = &world.key;
    let expires = |days: u64| Time::from_seconds(TIME_S + days * DAY_S);
    let site = |version: u64, expires: Time| {
        let mut site = world.second.clone();
        for number in 2..=version {
            let next = site.keyset_after(number - 1)?.set("expires", expires);
            site.put_keyset(number, &next, &[key])?;
        }
        site.put_heads(&[key], |heads| {
            (heads.keyset, heads.version) = (version, heads.version + version);
            heads.expires = Some(expires);
        })?;
        Ok::<_, Box<dyn Error>>(site)
    };
    let seven = site(2, expires(7)?)?;
    world.liar.show(seven.files.clone());
    assert_eq!(pull_later(&world, 0)?.expect_code(0)?.stdout, "stable@2\n");
    pull_later(&world, 6)?.expect_code(0)?;
    pull_later(&world, 7)?.expect_failure(7, &["keyset 2", "it expired at"])?;
    pull_later(&world, 18)?.expect_failure(7, &["keyset 2", "it expired at"])?;
    let mut next = seven;
    let third = next.keyset_after(2)?.set("expires", expires(21)?);
    next.put_keyset(3, &third, &[key])?;
    next.put_heads(&[key], |heads| {
        (heads.keyset, heads.version) = (3, heads.version + 1);
    })?;
    world.liar.show(next.files.clone());
    pull_later(&world, 18)?.expect_failure(7, &["heads", "it expired at"])?;
    next.put_heads(&[key], |heads| {
        heads.expires = expires(21).ok();
        heads.version += 1;
    })?;
    world.liar.show(next.files);
    pull_later(&world, 18)?.expect_code(0)?;
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}

#[test]
fn lines_that_have_no_meaning_yet_are_signed_and_kept_as_they_are() -> Outcome {
    let world = World::new()?;
    let key = &world.key;
    let mut site = world.second.clone();
    let second = site.keyset_after(1)?.set("x-note", "any text");
    site.put_keyset(2, &second, &[key])?;
    site.put_heads(&[key], |heads| heads.keyset = 2)?;
    let (keyset, heads) = (site.keyset(2)?.to_vec(), site.get("trust/heads")?.to_vec());
    world.liar.show(site.files);
    let line = format!("--store copy pull {}", world.liar.url());
    assert_eq!(world.scratch.ok(&line)?.stdout, "stable@2\n");
    // What is kept are the bytes that came.
    let trust = world.scratch.path("copy/repos/main/trust");
    assert_eq!(std::fs::read(trust.join("keyset/2"))?, keyset);
    assert_eq!(std::fs::read(trust.join("heads"))?, heads);
    world.scratch.ok("--store copy verify --all")?;
    Ok(())
}
