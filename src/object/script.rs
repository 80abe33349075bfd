//! Scripts: one tree told in terms of another, for those who have the other.
//!
//! ```text
//! bindery script 1
//! - <path>                               nothing is at this path any more
//! f <content> <path>                     a file; x an executable file, l a symbolic link, d a directory
//! < <path>                               before such a line: the path in the first tree that its content refers to,
//!                                        if that is not the line's own
//! ```
//!
//! | content | is |
//! |---|---|
//! | `=` | what the first tree has at the path referred to; of a directory, all of it |
//! | `+` | what an earlier line put at the path referred to, which is one of the second tree |
//! | `p <group> <growth>` | made by a patch of the group, from what the first tree has at the path referred to |
//! | `a <group> <base> <form> <size>` | an archive, refolded of what a patch of the group makes from the one, unpacked, that the first tree has |
//! |   | at the path referred to: bytes of that base, of the form, and of the file |
//! | `n <group> <size>` | made by a patch of the group, from nothing |
//! | `w <size> <id>` | an object that comes whole |
//! | `e` | an empty directory |
//!
//! Ids are left out wherever they follow from contents: that a script was followed rightly shows in the id of the tree that
//! it makes. Growth is the size less that of the base, with its sign. The contents of a group stand in the order in which the
//! patch makes them. Lines ascend by path; what is not told is as it was.
//!
//! # Invariants
//!
//! - A script has one spelling: what [`Script::decode`] takes, [`Script::encode`] makes.
//!
//! # Not here
//!
//! Frames that hold scripts and groups (`object::script_frame`), following a script (`delta`).

use std::fmt::Write;

use super::entry::EntryKind;
use crate::base::error::{Error, Result, check_limit};
use crate::base::id::Hash;
use crate::base::limits::{SCRIPT_NAMES_MAX, SCRIPT_STEPS_MAX};
use crate::base::path::TreePath;
use crate::base::text::{Fields, Lines, TextError};

/// The first line.
const FIRST_LINE: &str = "bindery script 1\n";

/// One tree told in terms of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What is otherwise, ascending by path.
    pub steps: Vec<Step>,
}

/// Something that is otherwise in the second tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where.
    pub path: TreePath,
    /// What is there; nothing if `None`.
    pub put: Option<Put>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Whether it is a file, a link or a directory.
    pub kind: EntryKind,
    /// The path that the content refers to, if that is another than its own.
    pub at: Option<TreePath>,
    /// Its content.
    pub content: Content,
}

/// Where a content comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The first tree has it.
    Old,
    /// An earlier step put it.
    Again,
    /// A patch of a content of the first tree.
    Patched {
        /// The group, counted from 0.
        group: u32,
        /// Bytes that it has more than its base.
        growth: i64,
    },
    /// An archive, of which a patch makes the unfolded form from an unpacked content of the first tree.
    Archive {
        /// The group, counted from 0.
        group: u32,
        /// Bytes of the base, unpacked.
        base: u64,
        /// Bytes of the unfolded form.
        form: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// A patch of nothing.
    Made {
        /// The group, counted from 0.
        group: u32,
        /// Its bytes.
        size: u64,
    },
    /// An object that comes whole.
    Whole {
        /// Its bytes.
        size: u64,
        /// Its id.
        id: Hash,
    },
    /// An empty directory.
    Empty,
}

impl Content {
    /// Bytes of a content that comes whole; 0 of any other.
    #[must_use]
    pub const fn whole_bytes(&self) -> u64 {
        match self {
            Self::Whole { size, .. } => *size,
            _ => 0,
        }
    }
}

impl Script {
    /// The text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::from(FIRST_LINE);
        for step in &self.steps {
            // Writing to a string cannot fail.
            write_step(&mut text, step).ok();
        }
        text
    }

    /// Checks that it has no more steps and names than readers take.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] above [`SCRIPT_STEPS_MAX`] or [`SCRIPT_NAMES_MAX`].
    pub fn check_size(&self) -> Result<()> {
        let mut size = Size::default();
        self.steps.iter().try_for_each(|step| size.add(step))
    }

    /// Reads the text of a script.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if `text` is not exactly what [`Self::encode`] makes, or its steps do not ascend; [`Error::Limit`] as
    /// [`Self::check_size`].
    pub fn decode(text: &[u8]) -> Result<Self> {
        let mut lines = Lines::new(text);
        let first = lines.next_with("bindery").and_then(|mut first| {
            first.word("script")?;
            first.version(1)?;
            first.end()
        });
        first.map_err(Error::text("script"))?;
        let mut script = Self::default();
        let mut size = Size::default();
        while !lines.is_at_end() {
            let step = parse_step(&mut lines).map_err(Error::text("script"))?;
            size.add(&step)?;
            if script
                .steps
                .last()
                .is_some_and(|last| !is_before(&last.path, &step.path))
            {
                return Err(malformed(format!("/{} comes out of order", step.path)));
            }
            script.steps.push(step);
        }
        if script.encode().as_bytes() == text {
            Ok(script)
        } else {
            Err(malformed("it is not written in the one way it can be"))
        }
    }
}

/// What steps take in memory: a little for each, and for each name in their paths.
#[derive(Default)]
struct Size {
    steps: usize,
    names: usize,
}

impl Size {
    fn add(&mut self, step: &Step) -> Result<()> {
        let at = step.put.as_ref().and_then(|put| put.at.as_ref());
        let names = |path: &TreePath| path.names().len();
        self.steps += 1;
        self.names += names(&step.path) + at.map_or(0, names);
        for (what, found, max) in [
            ("steps of a script", self.steps, SCRIPT_STEPS_MAX),
            ("names in a script", self.names, SCRIPT_NAMES_MAX),
        ] {
            check_limit(what, found as u64, max as u64)?;
        }
        Ok(())
    }
}

/// Whether one path comes before another: by names, a directory before what is in it.
fn is_before(one: &TreePath, other: &TreePath) -> bool {
    one.names().lt(other.names())
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("script", reason)
}

fn write_step(text: &mut String, step: &Step) -> std::fmt::Result {
    let path = &step.path;
    let Some(put) = &step.put else {
        return writeln!(text, "- {path}");
    };
    if let Some(at) = &put.at {
        writeln!(text, "< {at}")?;
    }
    write!(text, "{} ", letter(put.kind))?;
    match put.content {
        Content::Old => write!(text, "=")?,
        Content::Again => write!(text, "+")?,
        Content::Patched { group, growth } => write!(text, "p {group} {growth}")?,
        Content::Archive {
            group,
            base,
            form,
            size,
        } => write!(text, "a {group} {base} {form} {size}")?,
        Content::Made { group, size } => write!(text, "n {group} {size}")?,
        Content::Whole { size, id } => write!(text, "w {size} {id}")?,
        Content::Empty => write!(text, "e")?,
    }
    writeln!(text, " {path}")
}

const fn letter(kind: EntryKind) -> char {
    match kind {
        EntryKind::File => 'f',
        EntryKind::Executable => 'x',
        EntryKind::Link => 'l',
        EntryKind::Directory => 'd',
    }
}

fn parse_step(lines: &mut Lines<'_>) -> Result<Step, TextError> {
    if lines.starts_with("-") {
        let path = path(&mut lines.next_with("-")?)?;
        return Ok(Step { path, put: None });
    }
    let at = if lines.starts_with("<") {
        Some(path(&mut lines.next_with("<")?)?)
    } else {
        None
    };
    let mut line = lines.next_line()?;
    let kind = match line.field()? {
        b"f" => EntryKind::File,
        b"x" => EntryKind::Executable,
        b"l" => EntryKind::Link,
        b"d" => EntryKind::Directory,
        _ => return Err(line.expected("f, x, l, d, - or <")),
    };
    let content = match line.field()? {
        b"=" => Content::Old,
        b"+" => Content::Again,
        b"p" => Content::Patched {
            group: line.value("a group")?,
            growth: line.value("a growth")?,
        },
        b"a" => Content::Archive {
            group: line.value("a group")?,
            base: line.number()?,
            form: line.number()?,
            size: line.number()?,
        },
        b"n" => Content::Made {
            group: line.value("a group")?,
            size: line.number()?,
        },
        b"w" => Content::Whole {
            size: line.number()?,
            id: line.value("an id")?,
        },
        b"e" => Content::Empty,
        _ => return Err(line.expected("=, +, p, a, n, w or e")),
    };
    let path = path(&mut line)?;
    if at.as_ref() == Some(&path) {
        return Err(line.wrong("it refers to its own path, which is not said"));
    }
    let put = Some(Put { kind, at, content });
    Ok(Step { path, put })
}

/// The path at the end of a line.
fn path(line: &mut Fields<'_>) -> Result<TreePath, TextError> {
    let text = std::str::from_utf8(line.remainder()?).ok();
    let path = text.and_then(|text| text.parse::<TreePath>().ok());
    path.filter(|path| !path.is_root())
        .ok_or_else(|| line.expected("a path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> String {
        let id = Hash::of(b"x");
        format!(
            "bindery script 1\n\
             < old place\n\
             d = a\n\
             f p 0 -12 b/a file\n\
             < c\n\
             x p 0 3 b/c\n\
             - b/d\n\
             l n 1 7 b.x\n\
             < b\n\
             f a 2 900 1000 300 b.zip\n\
             f w 9000000 {id} big\n\
             < b/c\n\
             f + copy\n\
             d e void\n"
        )
    }

    #[test]
    fn only_the_canonical_text_is_a_script() -> Result<()> {
        let good = good();
        let script = Script::decode(good.as_bytes())?;
        assert_eq!(script.encode(), good);
        assert_eq!(script.steps.len(), 9);
        assert_eq!(Script::decode(b"bindery script 1\n")?, Script::default());
        for (bad, reason) in [
            (good.replace("script 1", "script 2"), "another version"),
            (good.replace("p 0 -12", "p 0 -012"), "a leading zero"),
            (good.replace("p 0 3", "p 0 +3"), "a sign too many"),
            (good.replace("p 0 3", "p 4294967296 3"), "a large group"),
            (good.replace("b/a file", "b//a file"), "two slashes"),
            (good.replace("b/a file", "b/a file/"), "a slash at the end"),
            (good.replace("a 2 900", "a 2"), "a number less"),
            (good.replace("a 2 900", "a 2 -900"), "a number with a sign"),
            (good.replace("- b/d", "- b/../d"), "a way up"),
            (good.replace("- b/d", "- "), "no path"),
            (good.replace("- b/d", "- a"), "out of order"),
            (good.replace("- b/d", "- b/c"), "twice"),
            (good.replace("l n 1", "s n 1"), "an unknown kind"),
            (good.replace("l n 1", "l q 1"), "an unknown content"),
            (good.replace("d e void\n", "d e void"), "no end of line"),
            (good.replace("d e void\n", "< x\n"), "a reference alone"),
            (good.replace("< c\n", "< b/c\n"), "a reference to itself"),
            (String::new(), "nothing"),
        ] {
            assert!(Script::decode(bad.as_bytes()).is_err(), "{reason}");
        }
        Ok(())
    }

    #[test]
    fn a_script_has_so_many_steps_and_names() -> Result<()> {
        let script = Script::decode(good().as_bytes())?;
        script.check_size()?;
        let step = &script.steps[0];
        assert_eq!(step.path.names().len(), 1);
        for (steps, names, is_taken) in [
            (SCRIPT_STEPS_MAX - 1, SCRIPT_NAMES_MAX - 2, true),
            (SCRIPT_STEPS_MAX, 0, false),
            (0, SCRIPT_NAMES_MAX - 1, false),
        ] {
            let mut size = Size { steps, names };
            // Its own name and the one that it refers to.
            let added = size.add(step);
            assert_eq!(added.is_ok(), is_taken, "{steps} and {names}: {added:?}");
        }
        Ok(())
    }

    #[test]
    fn a_changed_text_is_refused_or_means_what_it_says() {
        let good = good().into_bytes();
        for end in 0..good.len() {
            if let Ok(script) = Script::decode(&good[..end]) {
                assert_eq!(script.encode().as_bytes(), &good[..end], "cut at {end}");
            }
        }
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(script) = Script::decode(&bad) {
                assert_eq!(script.encode().as_bytes(), bad, "bit {bit}");
            }
        }
    }
}
