//! Random chains over a small world: no token is wider than the one it was made from.
//!
//! A second, plain reading of what blocks mean ([`Plain`]) is compared with the first. It works on the text of lines, and
//! shares no code with what it checks.

use zeroize::Zeroizing;

use super::block::Block;
use super::capability::Capability;
use super::key::TokenKey;
use super::request::Request;
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Chains that are tried.
const CHAINS: usize = 10_000;
/// Blocks added to a first one, at most.
const ADDED_MAX: u64 = 3;

const CANS: [&str; 4] = ["*", "stage", "publish", "stage publish"];
const REPOS: [&str; 4] = ["*", "main", "tools", "main tools"];
const REFS: [&str; 5] = ["*", "a", "a/b", "ab", "a/b ab"];
const BUILDS: [&str; 3] = ["*", "1", "1 2"];
const PATHS: [&str; 3] = ["p", "p/q", "pq"];
const BYTES: [&str; 2] = ["0", "10"];
const TIMES: [&str; 3] = [
    "2026-11-27T01:00:00Z",
    "2026-11-27T02:00:00Z",
    "2026-11-27T03:00:00Z",
];

/// A plain generator of numbers (xorshift, Marsaglia 2003), the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let place = self.below(choices.len() as u64);
        choices[usize::try_from(place).unwrap_or_default()]
    }
}

/// The lines of a random block; the first of a chain states more.
fn random_lines(dice: &mut Dice, is_first: bool) -> String {
    let mut lines = String::new();
    let mut line = |word: &str, value: &str| lines.extend([word, " ", value, "\n"]);
    line("id", &format!("{:032x}", dice.below(1 << 40)));
    for (word, choices, mandatory) in [
        ("exp", TIMES.as_slice(), true),
        ("can", &CANS, true),
        ("repo", &REPOS, true),
        ("ref", &REFS, true),
        ("build", &BUILDS, false),
        ("path", &PATHS, false),
        ("bytes", &BYTES, false),
    ] {
        if (is_first && mandatory) || dice.below(3) == 0 {
            line(word, dice.one_of(choices));
        }
    }
    lines
}

/// What is asked for, as texts: capability, repo, ref, build, path, bytes, time.
#[derive(Clone, Copy, Debug)]
struct Asked {
    can: &'static str,
    repo: Option<&'static str>,
    name: Option<&'static str>,
    build: Option<&'static str>,
    path: Option<&'static str>,
    bytes: Option<&'static str>,
    now: &'static str,
}

/// Every request of the world.
fn world() -> Vec<Asked> {
    let mut asked = Vec::new();
    for can in ["stage", "publish"] {
        for repo in [None, Some("main"), Some("tools")] {
            for name in [None, Some("a"), Some("a/b"), Some("ab")] {
                for build in [None, Some("1"), Some("3")] {
                    for path in [None, Some(""), Some("p/q")] {
                        for (bytes, now) in [(None, TIMES[0]), (Some("10"), TIMES[1])] {
                            asked.push(Asked {
                                can,
                                repo,
                                name,
                                build,
                                path,
                                bytes,
                                now,
                            });
                        }
                    }
                }
            }
        }
    }
    asked
}

/// Whether `whole` is `prefix`, or goes on after a slash.
fn goes_on(prefix: &str, whole: &str) -> bool {
    format!("{whole}/").starts_with(&format!("{prefix}/"))
}

/// One block as lines of words.
struct Plain(Vec<(String, Vec<String>)>);

impl Plain {
    fn of(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            (words.next().unwrap_or_default(), words.collect())
        };
        Self(text.lines().map(line).collect())
    }

    fn allows(&self, asked: &Asked) -> bool {
        self.0.iter().all(|(word, values)| {
            let any = |asked: Option<&str>, fits: &dyn Fn(&str, &str) -> bool| {
                values[0] == "*"
                    || asked.is_some_and(|asked| values.iter().any(|one| fits(one, asked)))
            };
            let same = |one: &str, asked: &str| one == asked;
            match word.as_str() {
                "exp" => asked.now < values[0].as_str(),
                "can" => any(Some(asked.can), &same),
                "repo" => any(asked.repo, &same),
                "ref" => any(asked.name, &goes_on),
                "build" => any(asked.build, &same),
                "path" => asked.path.is_none_or(|path| goes_on(&values[0], path)),
                "bytes" => asked
                    .bytes
                    .is_none_or(|bytes| bytes.parse::<u64>().ok() <= values[0].parse().ok()),
                _ => true,
            }
        })
    }
}

/// A request with the values that it borrows.
struct Ready {
    asked: Asked,
    can: Capability,
    repo: Option<RepoName>,
    name: Option<RefName>,
    path: Option<TreePath>,
    now: Time,
}

impl Ready {
    fn of(asked: Asked) -> Outcome<Self> {
        Ok(Self {
            asked,
            can: asked.can.parse()?,
            repo: asked.repo.map(str::parse).transpose()?,
            name: asked.name.map(str::parse).transpose()?,
            path: asked.path.map(str::parse).transpose()?,
            now: asked.now.parse()?,
        })
    }

    fn request(&self) -> Request<'_> {
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        Request {
            repo: self.repo.as_ref(),
            reference: self.name.as_ref(),
            build: number(self.asked.build),
            path: self.path.as_ref(),
            bytes: number(self.asked.bytes),
            ..Request::new(self.can, self.now)
        }
    }
}

#[test]
fn no_chain_is_wider_than_the_one_it_was_made_from() -> Outcome {
    let key = TokenKey::from_secret(Zeroizing::new([7; 32]));
    let world: Vec<Ready> = world().into_iter().map(Ready::of).collect::<Outcome<_>>()?;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut allowed, mut narrowed) = (0_u64, 0_u64);
    for _ in 0..CHAINS {
        let first = random_lines(&mut dice, true);
        let mut plain = vec![Plain::of(&first)];
        let mut token = key.issue(first.parse::<Block>()?)?;
        // What the chain so far allows, in the order of the world.
        let mut parent: Option<Vec<bool>> = None;
        for added in 0..=ADDED_MAX {
            let verified = key.verify(&token)?;
            let answers: Vec<bool> = world
                .iter()
                .map(|one| verified.allows(&one.request()).is_ok())
                .collect();
            for (place, (one, answer)) in world.iter().zip(&answers).enumerate() {
                let expected = plain.iter().all(|block| block.allows(&one.asked));
                assert_eq!(*answer, expected, "{:?} of {token:?}", one.asked);
                let before = parent.as_ref().is_none_or(|parent| parent[place]);
                assert!(before || !answer, "{:?} of {token:?}", one.asked);
                allowed += u64::from(*answer);
                narrowed += u64::from(before && !answer);
            }
            parent = Some(answers);
            if added == ADDED_MAX || dice.below(3) == 0 {
                break;
            }
            let lines = random_lines(&mut dice, false);
            plain.push(Plain::of(&lines));
            token = token.narrow(lines.parse::<Block>()?)?;
        }
    }
    // A world in which all is allowed, or nothing, would show nothing.
    assert!(
        allowed > 100_000 && narrowed > 100_000,
        "{allowed} {narrowed}"
    );
    Ok(())
}
