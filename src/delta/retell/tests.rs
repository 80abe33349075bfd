//! Random trees, told in terms of each other.

use proptest::prelude::*;

use super::*;
use crate::build::model::{Contents, any_changes, any_contents, as_case, changed, write};
use crate::delta::plan::Plan;
use crate::object::memory::{AnyError, MemoryTrees};

/// Plans how `b` follows from `a`, writes that down, reads it again, and follows it.
fn told_again(a: &Contents, b: &Contents) -> Result<(), AnyError> {
    let trees = MemoryTrees::default();
    let (a, b) = (write(&trees, a)?, write(&trees, b)?);
    let plan = Plan::of(&trees, a, b)?;
    let mut script = Script { steps: plan.steps };
    let mut told = HashMap::new();
    for (number, wanted) in plan.wanted.iter().enumerate() {
        let (size, id) = (wanted.bytes, wanted.id);
        let put = script.steps[wanted.step].put.as_mut().ok_or("it is put")?;
        // Some come whole, and some are made.
        put.content = if number % 2 == 0 {
            Content::Whole { size, id }
        } else {
            told.insert(wanted.step, (id, size));
            Content::Made { group: 0, size }
        };
    }
    let read = Script::decode(script.encode().as_bytes())?;
    let made = retell(&trees, &mut &trees, a, &read, &told)?;
    if made == b {
        Ok(())
    } else {
        Err(format!("{} is no {}", made.id, b.id).into())
    }
}

proptest! {
    #[test]
    fn any_tree_follows_from_any_other(a in any_contents(), b in any_contents()) {
        as_case(told_again(&a, &b))?;
    }

    #[test]
    fn a_changed_tree_follows_from_what_it_was(a in any_contents(), changes in any_changes()) {
        as_case(told_again(&a, &changed(&a, &changes)))?;
        as_case(told_again(&changed(&a, &changes), &a))?;
    }
}

#[test]
fn a_script_that_does_not_suit_the_tree_is_refused() -> Result<(), AnyError> {
    let trees = MemoryTrees::default();
    let a = write(
        &trees,
        &crate::build::model::contents(&["d/f=1", "g=2", "void/"]),
    )?;
    let id = Hash::of(b"x");
    for (text, reason) in [
        ("f = absent\n".into(), "a path that is not there"),
        ("< d\nf = new\n".into(), "a directory as a file"),
        ("< g\nd = new\n".into(), "a file as a directory"),
        ("f + new\n".into(), "what was not put"),
        ("f e new\n".into(), "an empty file of this form"),
        ("f n 0 5 new\n".into(), "a group that is not there"),
        (format!("d w 1 {id} new\n"), "a directory that comes whole"),
        (
            format!("f w 1 {id} new\nf w 1 {id} new/below\n"),
            "beneath a file",
        ),
        (format!("l w 0 {id} new\n"), "an empty link"),
    ] as [(String, &str); 9]
    {
        let script = Script::decode(format!("bindery script 1\n{text}").as_bytes())?;
        let made = retell(&trees, &mut &trees, a, &script, &HashMap::new());
        assert!(made.is_err(), "{reason}");
    }
    Ok(())
}
