//! Predictions: that they are made, and what they save.

use super::linked::{Target, linked};
use super::made::{noise, object_file, program};
use super::{check_one, frames, numbers};
use crate::base::error::{Error, Result};
use crate::object::patch::code::{CODE_WORD_BYTES, Code, Cursor, Meaning, Moves, Numbering};
use crate::object::patch::frames::Distance;
use crate::object::patch::version::Version;

/// The same file, but no longer marked as an executable.
fn unmarked(file: &[u8]) -> Vec<u8> {
    [&[0], &file[1..]].concat()
}

#[test]
fn code_that_moved_costs_a_fraction_of_what_it_costs_unpredicted() -> Result<()> {
    for (base, target, at_most, reason) in [
        (program(1, 2000), program(2, 2010), 75, "a program"),
        (
            object_file(1, 2000),
            object_file(2, 2010),
            75,
            "an object file",
        ),
        (
            linked(Target::Arm64, &numbers(800)),
            linked(Target::Arm64, &grown(800)),
            45,
            "a program for ARM64",
        ),
        (
            linked(Target::X86, &numbers(800)),
            linked(Target::X86, &grown(800)),
            30,
            "a program with tables of jumps",
        ),
    ] {
        let [predicted, ..] = check_one(&base, &target)?;
        let [unpredicted, ..] = check_one(&unmarked(&base), &unmarked(&target))?;
        assert!(
            predicted * 100 < unpredicted * at_most,
            "{reason}: {predicted} bytes instead of {unpredicted}"
        );
    }
    Ok(())
}

/// Functions as [`numbers`] gives them, with one more here and there.
fn grown(count: usize) -> Vec<u64> {
    let numbers = numbers(count).into_iter();
    let is_followed = |number: u64| number.is_multiple_of(700);
    numbers
        .flat_map(|number| [Some(number), is_followed(number).then_some(number + 3)])
        .flatten()
        .collect()
}

/// How many words of each meaning a file has.
fn counts(file: &[u8]) -> Result<[usize; 9]> {
    let code =
        Code::of(file, Version::MADE).ok_or_else(|| Error::internal("nothing is understood"))?;
    let (mut from, mut cursor, mut counts) = (0, Cursor::default(), [0; 9]);
    while let Some(place) = code.next(from, file.len()) {
        from = place + CODE_WORD_BYTES;
        counts[match code.meaning(place, &mut cursor) {
            Meaning::Ahead {
                moves: Moves::WithCopy,
                ..
            } => 0,
            Meaning::Ahead {
                moves: Moves::WithPlace,
                ..
            } => 1,
            Meaning::Ahead {
                moves: Moves::Not, ..
            } => 2,
            Meaning::Back { .. } => 3,
            Meaning::Row => 4,
            Meaning::Number(Numbering::Symbols) => 5,
            Meaning::Number(Numbering::Names | Numbering::Types) => 6,
            Meaning::Plain => 7,
            Meaning::Instruction { .. } => 8,
        }] += 1;
    }
    Ok(counts)
}

#[test]
fn the_words_of_a_file_are_found_and_told_apart() -> Result<()> {
    let [
        copy,
        place,
        fixed,
        back,
        row,
        symbol,
        number,
        plain,
        instruction,
    ] = counts(&program(1, 100))?;
    // Two calls and an operand of each function, two distances of each frame; random bytes may look like more.
    assert!((500..560).contains(&copy), "{copy}");
    assert_eq!((place, fixed, back, row), (100, 100, 100, 100), "no tables");
    assert_eq!((symbol, number, plain, instruction), (100, 0, 0, 0));
    let [
        copy,
        place,
        fixed,
        back,
        row,
        symbol,
        number,
        plain,
        instruction,
    ] = counts(&object_file(1, 90))?;
    assert!((180..300).contains(&copy), "{copy}");
    // Of each relocation its place, and its addend if its symbol is a section; of each symbol its name and value.
    assert_eq!((place, plain), (90 + 60 + 2 * 91 + 1, 31));
    assert_eq!((fixed, back, row, symbol), (0, 0, 0, 90));
    // Four names and four types for each function.
    assert_eq!((number, instruction), (90 * 9, 0));
    // Two calls and two addresses of each function; random bytes may look like more.
    let [copy, place, ..] = counts(&linked(Target::X86, &numbers(50)))?;
    assert!((200..230).contains(&copy), "{copy}");
    assert!((100..350).contains(&place), "{place} words of 50 tables");
    // Two calls, two pages, an `add` and a load of each function.
    let counts = counts(&linked(Target::Arm64, &numbers(50)))?;
    assert_eq!(counts, [0, 0, 0, 0, 0, 0, 0, 0, 50 * 6]);
    Ok(())
}

#[test]
fn no_damage_to_the_headers_of_a_base_does_more_than_to_predict_badly() -> Result<()> {
    let (base, target) = (object_file(3, 12), object_file(4, 12));
    let headers = (0..64).chain(base.len() - 7 * 64..base.len());
    for at in headers.step_by(9) {
        for byte in [0, 0xff] {
            let mut damaged = base.clone();
            damaged[at] = byte;
            check_one(&damaged, &target)?;
        }
    }
    for length in (0..base.len()).step_by(501) {
        check_one(&base[..length], &target)?;
        check_one(&target, &base[..length])?;
    }
    Ok(())
}

#[test]
fn frames_that_cannot_be_read_end_the_walk() {
    let found = |section: &[u8]| {
        let mut found = Vec::new();
        frames::distances(section, &mut |at, distance| found.push((at, distance)));
        found
    };
    let record = [
        &20_u32.to_le_bytes()[..],
        &[9, 0, 0, 0],
        &[0; 8],
        &[4],
        &[0; 7],
    ]
    .concat();
    let (back, ahead) = (Distance::Back, Distance::Ahead);
    assert_eq!(found(&record), [(4, back), (8, ahead), (17, ahead)]);
    assert_eq!(found(&record[..record.len() - 1]), [], "cut short");
    assert_eq!(
        found(&[&[3, 0, 0, 0], &record[..]].concat()),
        [],
        "a short record"
    );
    assert_eq!(found(&[0xff; 40]), [], "a record without end");
    assert_eq!(found(&noise(1, 3)), [], "less than a word");
}
