//! The story that `bindery demo` tells: files to write, and commands to type.
//!
//! # Invariants
//!
//! - Build ids and release numbers are those that a new store gives: the first build is 1, the first release `stable@1`.

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something is explained.
    Say(&'static str),
    /// A file is written in the scratch folder.
    Write(&'static str, &'static str),
    /// A command is typed, and does what it is asked for.
    Type(&'static str),
    /// A command is typed, and is refused as a conflict.
    Refused(&'static str),
    /// The store is served to others, at the URL that the story calls [`URL`].
    Serve,
    /// The server ends.
    End,
}

/// How the story calls the URL of its server.
pub const URL: &str = "http://SERVER";

/// How what is shown is named in commands: the story says this where the user's own directory stands.
pub const TREE: &str = "app";

/// The files of the small tree that is shown when the user has none.
pub const SMALL_TREE: &[(&str, &str)] = &[
    ("app/README", "Hello, the program that greets.\n"),
    ("app/bin/hello", "#!/bin/sh\necho Hello, world\n"),
    ("app/share/words", "hello\nworld\n"),
];

use Step::{End, Refused, Say, Serve, Type, Write};

/// The whole life of a build.
pub const STORY: &[Step] = &[
    Say("A store, with one repo and the key that signs its releases."),
    Type("init"),
    Say("A build: files on their way to the ref 'stable'. Nobody sees it yet."),
    Type("build create --ref stable"),
    Type("build stage 1 app"),
    Say(
        "Commit checks the build and freezes it. It can be looked at exactly as users would get it.",
    ),
    Type("build commit 1 -m 'The first version'"),
    Type("ls -r build:1"),
    Say("Publish signs the tree that was looked at, and moves the ref to it in one step."),
    Type("publish 1"),
    Say("Two people go on from there at the same time, both changing the file NEWS."),
    Write("ana/NEWS", "2: greets everyone\n"),
    Write("ben/NEWS", "2: greets nobody\n"),
    Write("ben/PLANS", "greet more\n"),
    Type("build create --ref stable"),
    Type("build create --ref stable"),
    Type("build stage 2 ana"),
    Type("build stage 3 ben"),
    Type("build commit 2 -m 'News from Ana'"),
    Type("build commit 3 -m 'News from Ben'"),
    Say("What would the build of Ana change?"),
    Type("diff stable build:2"),
    Type("publish 2"),
    Say("The build of Ben was made before that: it does not silently overwrite what came between."),
    Refused("publish 3"),
    Say("Nobody needs it any more. What only it held is free again before the command returns."),
    Type("build purge 3"),
    Say("The second release was a mistake: show the first one again, as a new release."),
    Type("rollback stable --to 1"),
    Type("log stable"),
    Say("Every signature, every tree and every byte can be checked at any time."),
    Type("verify"),
    Say(
        "A server shows it to others. Somebody else pulls from there, and verifies all that comes.",
    ),
    Serve,
    Type("-s elsewhere init --no-repo"),
    Type("-s elsewhere pull http://SERVER/r/main --trust-first"),
    Type("-s elsewhere checkout stable out"),
    Type("-s elsewhere verify stable --against out"),
    End,
];

/// The words of a command line, as a shell takes it apart. Single quotes hold words together.
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::from("bindery")];
    for (place, part) in line.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::Cli;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("a  b"), ["bindery", "a", "b"]);
        assert_eq!(
            words("commit -m 'two words' x"),
            ["bindery", "commit", "-m", "two words", "x"]
        );
    }

    #[test]
    fn every_command_of_the_story_can_be_typed() -> Result<(), clap::Error> {
        for step in STORY {
            if let Type(line) | Refused(line) = step {
                Cli::try_parse_from(words(line))?;
            }
        }
        Ok(())
    }
}
