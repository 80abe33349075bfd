//! Patches by their surroundings that nobody's encoder made.

use super::{Effort, Method, encode, varint};
use crate::base::error::{Error, Result};
use crate::base::limits::{PATCH_REACH_BYTES_MAX, PATCH_TEXT_BYTES_MAX};
use crate::object::patch::stream::{Stored, push_stored};
use crate::object::patch::{Pair, apply};

const BASE: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// What such a patch says.
#[derive(Clone)]
struct Said {
    version: u8,
    reach: u64,
    copied: Vec<u64>,
    literal: Vec<u64>,
    distances: Vec<u64>,
    literals: &'static [u8],
    /// What the literals are compressed behind.
    surroundings: &'static [u8],
}

impl Said {
    /// Eight bytes from the start of the base, two literals, and eight from its end.
    fn new() -> Self {
        Self {
            version: 2,
            reach: 3,
            copied: vec![8, 8],
            literal: vec![2, 0],
            distances: vec![0, varint::zigzag(20)],
            literals: b"!?",
            // Around the places 0, 8, 28 and 36.
            surroundings: b"01256789apqrstuxyz",
        }
    }

    fn patch(&self) -> Result<Vec<u8>> {
        let mut patch = vec![self.version, Method::Surroundings as u8];
        varint::push(&mut patch, self.reach);
        let mut streams = Vec::new();
        for numbers in [&self.copied, &self.literal, &self.distances] {
            let mut bytes = Vec::new();
            for number in numbers {
                varint::push(&mut bytes, *number);
            }
            streams.push(Stored::compress(&bytes, &[], 1)?);
        }
        streams.push(Stored::compress(self.literals, self.surroundings, 19)?);
        push_stored(&mut patch, &streams);
        Ok(patch)
    }

    fn outcome(&self) -> Result<Vec<u8>> {
        outcome(&self.patch()?)
    }
}

/// A change for the worse.
type Change = fn(&mut Said);

/// Applies to the base and a target of 18 bytes, and gives what was handed on if that went well.
fn outcome(patch: &[u8]) -> Result<Vec<u8>> {
    let mut target = Vec::new();
    let outcome = apply(patch, &[BASE], &[18], &mut |_, piece| {
        target.extend_from_slice(piece);
        Ok(())
    });
    assert!(target.len() <= 18, "never more than was declared");
    outcome.map(|()| target)
}

#[test]
fn streams_that_do_not_fit_each_other_or_the_base_are_refused() -> Result<()> {
    let good = Said::new();
    assert_eq!(good.outcome()?, b"01234567!?stuvwxyz"[..].to_vec());
    let changes: [(Change, &str); 14] = [
        (|said| said.version = 1, "a version without this method"),
        (
            |said| said.reach = PATCH_REACH_BYTES_MAX + 1,
            "too far a reach",
        ),
        (|said| said.copied = vec![8], "a copy too few"),
        (|said| said.copied.push(0), "a copy too many"),
        (|said| said.copied = vec![7, 8], "a byte too few"),
        (|said| said.copied = vec![8, 9], "a byte too many"),
        (|said| said.literal = vec![2], "a run of literals too few"),
        (|said| said.literal = vec![2, 0, 0], "one too many"),
        (|said| said.literal = vec![1, 1 << 40], "endless literals"),
        (|said| said.literals = b"!", "a literal too few"),
        (|said| said.literals = b"!?!", "a literal too many"),
        (|said| said.distances = vec![0], "a distance too few"),
        (
            |said| said.distances = vec![0, varint::zigzag(21)],
            "a copy behind the base",
        ),
        (
            |said| said.distances = vec![0, varint::zigzag(-9)],
            "a copy before the base",
        ),
    ];
    for (change, reason) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(bad.outcome().is_err(), "{reason}");
    }
    Ok(())
}

#[test]
fn streams_have_no_more_bytes_than_their_targets_need() -> Result<()> {
    for number in 0..3 {
        let mut endless = Said::new();
        let numbers = [
            &mut endless.copied,
            &mut endless.literal,
            &mut endless.distances,
        ];
        for (at, numbers) in numbers.into_iter().enumerate() {
            if at == number {
                numbers.resize(1 << 20, 0);
            }
        }
        assert!(
            matches!(endless.outcome(), Err(Error::Limit { .. })),
            "{number}"
        );
    }
    let good = Said::new().patch()?;
    for cut in 0..good.len() {
        assert!(outcome(&good[..cut]).is_err(), "cut at {cut}");
    }
    assert!(
        outcome(&[&good[..], &[0]].concat()).is_err(),
        "a byte behind"
    );
    Ok(())
}

#[test]
fn surroundings_overlap_end_at_the_base_and_are_there_once() -> Result<()> {
    let literals = b"0123456789abcdefghijklmnopqrstuvwxyz".repeat(2);
    let target = [&BASE[..9], &literals, &BASE[10..]].concat();
    let pairs = [Pair {
        base: BASE,
        target: &target,
    }];
    for reach in [0, 1, 17, 36, 60_000] {
        let mut said = Said::new();
        (said.reach, said.copied, said.literal) = (reach, vec![9, 26], vec![72, 0]);
        said.distances = vec![0, varint::zigzag(1)];
        let surroundings: Vec<u8> = match reach {
            0 => Vec::new(),
            1 => b"089az".to_vec(),
            _ => BASE.to_vec(),
        };
        let mut patch = vec![2, Method::Surroundings as u8];
        varint::push(&mut patch, reach);
        let numbers = [[9, 26], [72, 0], [0, 2]];
        let mut streams = Vec::new();
        for numbers in numbers {
            streams.push(Stored::compress(&numbers, &[], 1)?);
        }
        streams.push(Stored::compress(&literals, &surroundings, 19)?);
        push_stored(&mut patch, &streams);
        assert_eq!(
            super::made::applied(&patch, &pairs)?,
            [&target[..]],
            "{reach}"
        );
        assert_eq!(
            super::slow::apply(&patch, &pairs)?,
            [&target[..]],
            "{reach}"
        );
    }
    Ok(())
}

#[test]
fn short_segments_and_large_groups_are_refused() -> Result<()> {
    for (inner, is_taken) in [(31, false), (32, true)] {
        let said = Said {
            copied: vec![1, inner, 1],
            literal: vec![0; 3],
            distances: vec![0; 3],
            literals: b"",
            ..Said::new()
        };
        let target = &BASE[..2 + usize::try_from(inner).unwrap_or(0)];
        let pair = [Pair { base: BASE, target }];
        let made = super::made::applied(&said.patch()?, &pair);
        assert_eq!(made.is_ok(), is_taken, "{inner}");
    }
    let huge = vec![0; usize::try_from(PATCH_TEXT_BYTES_MAX).unwrap_or(usize::MAX)];
    for (length, is_taken) in [(huge.len() - 18, true), (huge.len() - 17, false)] {
        let patch = Said {
            copied: vec![18],
            literal: vec![0],
            distances: vec![0],
            literals: b"",
            ..Said::new()
        };
        let outcome = apply(&patch.patch()?, &[&huge[..length]], &[18], &mut |_, _| {
            Ok(())
        });
        assert_eq!(outcome.is_ok(), is_taken, "{length}");
        let pair = Pair {
            base: &huge[..length],
            target: &huge[..18],
        };
        let made = encode(Method::Surroundings, &[pair], Effort::Quick);
        assert_eq!(made.is_ok(), is_taken, "{length}");
    }
    Ok(())
}
