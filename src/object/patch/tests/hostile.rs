//! Patches that nobody's encoder made.

use super::linked::{Target, linked};
use super::made::{applied, noise, program};
use super::{Effort, METHODS, Method, PATCH_VERSION, Pair, apply, encode, segment, stream, varint};
use crate::base::error::{Error, Result};
use crate::base::id::Hash;
use crate::object::patch::range::FlagEncoder;
use crate::object::patch::segment::Segment;

/// A patch of differences with these streams.
fn patch(control: &[u64], difference: usize, extra: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for number in control {
        varint::push(&mut bytes, *number);
    }
    streams(&[bytes, vec![0; difference], vec![1; extra]])
}

/// A patch of these streams; nothing was taken out of the literals.
fn streams(first: &[Vec<u8>; 3]) -> Result<Vec<u8>> {
    let mut streams = first.to_vec();
    streams.extend([(); 5].map(|()| Vec::new()));
    patch_of(PATCH_VERSION, &streams)
}

fn patch_of(version: u8, streams: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut patch = vec![version, Method::Difference as u8];
    stream::push_all(&mut patch, streams, &[], 1)?;
    Ok(patch)
}

/// Applies to a base of 100 bytes and a target of 40, and gives what was handed on if that went well.
fn outcome(patch: &[u8]) -> Result<Vec<u8>> {
    let mut target = Vec::new();
    let outcome = apply(patch, &[&[5; 100]], &[40], &mut |_, piece| {
        target.extend_from_slice(piece);
        Ok(())
    });
    assert!(target.len() <= 40, "never more than was declared");
    outcome.map(|()| target)
}

const FAR: u64 = 1 << 40;

#[test]
fn control_that_leaves_base_or_target_is_refused() -> Result<()> {
    let back = varint::zigzag;
    assert_eq!(
        outcome(&patch(&[0, 30, 10, back(70)], 30, 10)?)?,
        [&[5; 30][..], &[1; 10]].concat()
    );
    for (control, difference, extra, reason) in [
        (&[][..], 0, 0, "nothing"),
        (&[0, 30, 9, 0], 30, 9, "a byte too few"),
        (&[0, 30, 11, 0], 30, 10, "a byte too many"),
        (
            &[0, 30, 10, back(71)],
            30,
            10,
            "a copy over the end of the base",
        ),
        (&[0, 30, 10, back(-1)], 30, 10, "a copy before the base"),
        (
            &[0, 10, 10, back(50), 20, 0, back(-61)],
            30,
            10,
            "a copy before the base later",
        ),
        (&[0, 30, 10, back(i64::MAX)], 30, 10, "a copy far away"),
        (&[0, 30, 10, back(i64::MIN)], 30, 10, "a copy far before"),
        (&[0, FAR, 10, 0], 30, 10, "an endless copy"),
        (&[0, 30, FAR, 0], 30, 10, "endless literals"),
        (&[0, 0, 0, 0, 30, 10, 0], 30, 10, "an empty segment"),
        (
            &[0, 10, 0, 0, 3, 4, 0, 13, 10, 0],
            26,
            14,
            "a segment that is too short",
        ),
        (
            &[0, 30, 10, 0, 0],
            30,
            10,
            "control behind the last segment",
        ),
        (&[0, 30, 10, 0], 31, 10, "a difference too many"),
        (&[0, 30, 10, 0], 29, 10, "a difference too few"),
        (&[0, 30, 10, 0], 30, 11, "a literal too many"),
        (&[0, 30, 10, 0], 30, 9, "a literal too few"),
        (
            &[1, 30, 10, 0],
            30,
            10,
            "a prediction for what is no program",
        ),
        (&[66, 30, 10, 0], 30, 10, "too many loaded segments"),
        (
            &[2, FAR, 0, 0, 30, 10, 0],
            30,
            10,
            "a loaded segment far away",
        ),
        (
            &[3, 9, 1, 1, 9, 1, 1, 30, 10, 0],
            30,
            10,
            "loaded segments that do not ascend",
        ),
    ] {
        let patch = patch(control, difference, extra)?;
        assert!(outcome(&patch).is_err(), "{reason}");
    }
    Ok(())
}

#[test]
fn streams_that_claim_too_much_are_refused_before_they_are_expanded() -> Result<()> {
    let bomb = streams(&[vec![0; 100_000], vec![0; 10], vec![0; 10]])?;
    assert!(
        matches!(outcome(&bomb), Err(Error::Limit { .. })),
        "control"
    );
    let bomb = streams(&[vec![0], vec![0; 1 << 24], vec![0; 10]])?;
    assert!(
        matches!(outcome(&bomb), Err(Error::Limit { .. })),
        "difference"
    );
    let bomb = streams(&[vec![0], vec![0; 10], vec![0; 1 << 24]])?;
    assert!(matches!(outcome(&bomb), Err(Error::Limit { .. })), "extra");
    let good = patch(&[0, 30, 10, 0], 30, 10)?;
    for (patch, reason) in [
        ([&good[..], &[0]].concat(), "a byte behind"),
        ([&[0], &good[1..]].concat(), "no version"),
        ([&[3], &good[1..]].concat(), "a later version"),
        ([&[2, 0], &good[2..]].concat(), "another method"),
        (
            [&[2, 3], &good[2..]].concat(),
            "the streams of another method",
        ),
        ([&[2, 4], &good[2..]].concat(), "a fourth method"),
        (
            [&[2, 2], &good[2..]].concat(),
            "the streams of the other method",
        ),
        (
            [&good[..2], &[0x84, 0], &good[3..]].concat(),
            "an overlong number",
        ),
        (
            [&good[..2], &[0xff; 9], &[1], &good[3..]].concat(),
            "an endless stream",
        ),
        ([&good[..2], &[0; 16]].concat(), "no streams"),
        (
            [&good[..2], &[0, 1], &[0; 14], &[7]].concat(),
            "an empty stream that is stored",
        ),
    ] {
        assert!(outcome(&patch).is_err(), "{reason}");
    }
    Ok(())
}

#[test]
fn a_wrong_number_of_bases_is_refused() -> Result<()> {
    let good = patch(&[0, 30, 10, 0], 30, 10)?;
    let mut ignore = |_: usize, _: &[u8]| Ok(());
    let base = &[5; 100][..];
    assert!(apply(&good, &[base], &[40], &mut ignore).is_ok());
    for (bases, lengths, reason) in [
        (&[][..], &[40][..], "no base"),
        (&[base, base], &[40], "two bases"),
        (&[base], &[], "no target"),
        (&[], &[], "neither"),
        (&[&base[..29]], &[40], "a shorter base"),
        (&[base], &[41], "a longer target"),
        (&[base], &[39], "a shorter target"),
        (&[base], &[u32::MAX], "a target beyond the limits"),
    ] {
        assert!(
            apply(&good, bases, lengths, &mut ignore).is_err(),
            "{reason}"
        );
    }
    Ok(())
}

#[test]
fn what_the_sink_answers_ends_the_applying() -> Result<()> {
    let good = patch(&[0, 30, 10, 0], 30, 10)?;
    let mut calls = 0;
    let outcome = apply(&good, &[&[5; 100]], &[40], &mut |_, _| {
        calls += 1;
        Err(Error::Interrupted)
    });
    assert!(matches!(outcome, Err(Error::Interrupted)) && calls == 1);
    Ok(())
}

#[test]
fn no_truncation_and_no_flipped_byte_gives_another_target_unnoticed() -> Result<()> {
    let (base, target) = (program(1, 6), program(2, 7));
    let other = noise(1, 50);
    let pairs = [
        Pair {
            base: &base,
            target: &target,
        },
        Pair {
            base: &other,
            target: &other[9..],
        },
    ];
    for method in METHODS {
        let good = encode(method, &pairs, Effort::Quick)?;
        let wanted = applied(&good, &pairs)?;
        let is_right = |patch: &[u8]| applied(patch, &pairs).is_ok_and(|targets| targets == wanted);
        for end in 0..good.len() {
            assert!(applied(&good[..end], &pairs).is_err(), "cut at {end}");
        }
        let mut right = 0;
        for (at, flip) in (0..good.len()).flat_map(|at| [(at, 1 << (at % 8)), (at, 0xff)]) {
            let mut bad = good.clone();
            bad[at] ^= flip;
            // zstd frames have bits that mean nothing; every other gives an error or other bytes, which hashes tell.
            right += usize::from(is_right(&bad));
        }
        assert!(right < 12, "{right} of {} mean nothing", 2 * good.len());
        assert_eq!(Hash::of(&wanted[0]), Hash::of(&target));
    }
    Ok(())
}

#[test]
fn the_shortest_segments_fill_the_longest_control_stream() {
    let segment = Segment {
        base_start: 0,
        copied: 4,
        literal: 4,
    };
    let mut control = Vec::new();
    segment::push_all(&mut control, &[segment; 1000]);
    assert!(control.len() as u64 <= segment::control_bytes_max(1, 8 * 1000));
    let jump = Segment {
        base_start: 0,
        copied: u32::MAX,
        literal: u32::MAX,
    };
    control.clear();
    segment::push_all(&mut control, &[jump, jump]);
    assert_eq!(control.len(), 2 * 15 - 4);
}

#[test]
fn a_patch_has_the_streams_of_its_version() -> Result<()> {
    let control = vec![0, 30, 10, 0];
    let first = [control, vec![0; 30], vec![1; 10]];
    let mut all = first.to_vec();
    for (version, count, good) in [(1, 3, true), (1, 8, false), (2, 3, false), (2, 8, true)] {
        all.resize(count, Vec::new());
        let outcome = outcome(&patch_of(version, &all)?);
        assert_eq!(
            outcome.is_ok(),
            good,
            "{count} streams in version {version}"
        );
    }
    Ok(())
}

/// The parts of a program that calls: its streams behind the literals, and the target that they make.
struct Called {
    base: Vec<u8>,
    control: Vec<u8>,
    target: Vec<u8>,
}

impl Called {
    /// A target without copies: a call, a jump, a conditional jump, an operand, and a byte that leads nowhere.
    fn new() -> Self {
        let base = linked(Target::X86, &[1, 2]);
        let target = [
            &[0xe8, 1, 0, 0, 0][..],
            &[0xe9, 2, 0, 0, 0],
            &[0x0f, 0x84, 3, 0, 0, 0],
            &[0x05, 4, 0, 0, 0],
            &[0xe8, 0, 0, 0, 0],
        ]
        .concat();
        let mut control = vec![2, 0, 60, 0];
        for number in [0, target.len() as u64, 0] {
            varint::push(&mut control, number);
        }
        Self {
            base,
            control,
            target,
        }
    }

    /// Applies with these streams behind that of control and an empty one.
    fn outcome(&self, streams: &[Vec<u8>; 6]) -> Result<Vec<u8>> {
        let mut all = vec![self.control.clone(), Vec::new()];
        all.extend_from_slice(streams);
        let patch = patch_of(2, &all)?;
        let pair = Pair {
            base: &self.base,
            target: &self.target,
        };
        let mut made = applied(&patch, &[pair])?;
        Ok(made.remove(0))
    }
}

/// The streams of [`Called`]: literals, flags, and words.
fn called() -> [Vec<u8>; 6] {
    let mut flags = FlagEncoder::new(1024);
    // The bytes before the leads are the last of the distances, 0.
    for (context, flag) in [(0, true), (256, true), (512, true), (768, true), (0, false)] {
        flags.put(context, flag);
    }
    let literals = vec![0xe8, 0xe9, 0x0f, 0x84, 0x05, 0xe8, 0, 0, 0, 0];
    let operand = vec![0, 0, 0, 4 + 21];
    [
        literals,
        flags.finish(),
        vec![0, 0, 0, 1 + 5],
        vec![0, 0, 0, 4],
        vec![0, 0, 0, 6],
        operand,
    ]
}

#[test]
fn distances_come_back_from_streams_that_are_just_long_enough() -> Result<()> {
    let program = Called::new();
    assert_eq!(program.outcome(&called())?, program.target);
    for number in 0..6 {
        let mut short = called();
        short[number].pop();
        assert!(program.outcome(&short).is_err(), "stream {number} is short");
        for more in [1, 4] {
            let mut long = called();
            let length = long[number].len() + more;
            long[number].resize(length, 0);
            assert!(
                program.outcome(&long).is_err(),
                "stream {number} has {more} more"
            );
        }
        let mut none = called();
        none[number].clear();
        assert!(program.outcome(&none).is_err(), "stream {number} is empty");
    }
    Ok(())
}

#[test]
fn no_flipped_bit_of_a_stream_gives_the_same_target() {
    let program = Called::new();
    for number in 0..6 {
        for bit in 0..8 * called()[number].len() {
            let mut bad = called();
            bad[number][bit / 8] ^= 1 << (bit % 8);
            let made = program.outcome(&bad);
            assert!(
                made.is_err() || made.is_ok_and(|made| made != program.target),
                "bit {bit} of stream {number}"
            );
        }
    }
}

#[test]
fn flags_that_no_encoder_makes_are_refused() {
    let program = Called::new();
    for (at, to, reason) in [(0, 1, "the first byte"), (5, 0xff, "the last byte")] {
        let mut bad = called();
        let at = at.min(bad[1].len() - 1);
        bad[1][at] = to;
        assert!(program.outcome(&bad).is_err(), "{reason} is {to}");
    }
    let mut endless = called();
    endless[1] = vec![0; 1 << 16];
    assert!(matches!(
        program.outcome(&endless),
        Err(Error::Limit { .. })
    ));
    for number in 2..6 {
        let mut endless = called();
        endless[number] = vec![0; 1 << 16];
        assert!(matches!(
            program.outcome(&endless),
            Err(Error::Limit { .. })
        ));
    }
}
