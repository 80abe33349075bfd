//! That a frame makes what it names from what it names, and nothing else.

use super::*;
use crate::object::frame::Frame;
use crate::object::patch::tests::made::{noise, program};
use crate::object::patch::{Effort, Method, Pair, encode};

fn target(base: &[u8], target: &[u8]) -> PatchTarget {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    PatchTarget {
        id: Hash::of(target),
        length: length(target),
        base: (!base.is_empty()).then(|| PatchBase {
            id: Hash::of(base),
            length: length(base),
        }),
    }
}

/// A frame that makes the second of each pair from the first.
fn sealed(method: Method, pairs: &[(&[u8], &[u8])]) -> Result<SealedFrame> {
    let targets: Vec<_> = pairs
        .iter()
        .map(|(base, wanted)| target(base, wanted))
        .collect();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(base, target)| Pair { base, target })
        .collect();
    PatchFrame::seal(&targets, &encode(method, &pairs, Effort::Quick)?)
}

fn apply(stored: &[u8], bases: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
    let frame = PatchFrame::decode(stored)?;
    let mut targets = vec![Vec::new(); frame.targets().len()];
    frame.apply(bases, &mut |number, piece| {
        targets[number].extend_from_slice(piece);
        Ok(())
    })?;
    Ok(targets)
}

#[test]
fn a_sealed_frame_makes_its_targets() -> Result<()> {
    let (old, new) = (program(1, 20), program(2, 22));
    let pairs = [
        (&old[..], &new[..]),
        (b"", b"new"),
        (&old, b""),
        (b"a", b"b"),
    ];
    for method in [Method::Difference, Method::Prefix] {
        let sealed = sealed(method, &pairs)?;
        let targets = apply(sealed.stored(), &pairs.map(|pair| pair.0))?;
        assert!(targets.iter().eq(pairs.iter().map(|pair| pair.1)));
        let frame = PatchFrame::decode(sealed.stored())?.into_owned();
        assert_eq!(frame.objects()?, sealed.objects());
        assert_eq!(sealed.objects()[1].start, 20 + sealed.objects()[0].length);
        assert_eq!(sealed.raw_bytes() as usize, 20 + new.len() + 4);
        assert!(
            Frame::decode(sealed.stored()).is_err(),
            "no frame of a store"
        );
    }
    Ok(())
}

#[test]
fn a_base_that_is_not_the_named_one_is_refused_before_anything_is_made() -> Result<()> {
    let old = noise(1, 500);
    let sealed = sealed(Method::Difference, &[(&old, &old[5..]), (b"", b"new")])?;
    let frame = PatchFrame::decode(sealed.stored())?;
    let other = noise(2, 500);
    for (bases, reason) in [
        (vec![&other[..], b""], "other bytes"),
        (vec![&old[1..], b""], "shorter"),
        (vec![&old, &old], "one where there is none"),
        (vec![b"", b""], "none where there is one"),
        (vec![&old], "too few"),
        (vec![&old, b"", b""], "too many"),
    ] {
        let mut made = 0;
        let outcome = frame.apply(&bases, &mut |_, _| {
            made += 1;
            Ok(())
        });
        assert!(outcome.is_err() && made == 0, "{reason}");
    }
    Ok(())
}

#[test]
fn a_target_that_is_not_the_named_one_is_refused() -> Result<()> {
    let (old, new) = (noise(1, 500), noise(2, 300));
    let pairs = [
        Pair {
            base: &old,
            target: &new,
        },
        Pair {
            base: &[],
            target: &old,
        },
    ];
    let patch = encode(Method::Difference, &pairs, Effort::Quick)?;
    let good = [target(&old, &new), target(b"", &old)];
    let renamed = |at: usize| {
        let mut targets = good;
        targets[at].id = Hash::of(b"other");
        targets
    };
    assert!(apply(PatchFrame::seal(&good, &patch)?.stored(), &[&old, b""]).is_ok());
    for at in [0, 1] {
        let sealed = PatchFrame::seal(&renamed(at), &patch)?;
        let refused = apply(sealed.stored(), &[&old, b""]);
        let reason = refused.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(reason.contains(" instead of "), "{at}: {reason}");
    }
    Ok(())
}

#[test]
fn no_truncation_and_no_flipped_bit_gives_other_targets() -> Result<()> {
    let (old, new) = (noise(1, 60), noise(2, 20));
    let new = [&old[..40], &new, &old[40..]].concat();
    let pairs = [(&old[..], &new[..]), (b"", b"new")];
    let bases = [&old[..], b""];
    let good = sealed(Method::Difference, &pairs)?;
    let wanted = apply(good.stored(), &bases)?;
    let mut stored = good.stored().to_vec();
    for end in 0..stored.len() {
        assert!(apply(&stored[..end], &bases).is_err(), "cut at {end}");
    }
    for bit in 0..8 * stored.len() {
        stored[bit / 8] ^= 1 << (bit % 8);
        let targets = apply(&stored, &bases);
        assert!(
            targets.is_err() || targets.is_ok_and(|targets| targets == wanted),
            "{bit}"
        );
        stored[bit / 8] ^= 1 << (bit % 8);
    }
    Ok(())
}

#[test]
fn a_frame_is_refused_above_its_limits_and_taken_at_them() {
    let one = |length| PatchTarget {
        length,
        ..target(b"", b"x")
    };
    let most = u32::try_from(PATCH_BYTES_MAX).unwrap_or_default();
    let with_base = |length| PatchTarget {
        base: Some(PatchBase {
            id: Hash::of(b""),
            length,
        }),
        ..one(1)
    };
    for (targets, patch_bytes, good, reason) in [
        (vec![one(most)], 9, true, "the largest target"),
        (vec![one(most + 1)], 9, false, "a larger one"),
        (vec![with_base(most)], 9, true, "the largest base"),
        (vec![with_base(most + 1)], 9, false, "a larger one"),
        (vec![one(0), one(1)], 9, true, "one empty target"),
        (vec![one(0), one(0)], 9, false, "two"),
        (vec![one(1); PATCH_TARGETS_MAX], 9, true, "the most targets"),
        (vec![one(1); PATCH_TARGETS_MAX + 1], 9, false, "one more"),
        (vec![], 9, false, "none"),
        (vec![one(1)], 64 << 10, true, "a large patch"),
        (
            vec![one(1)],
            (64 << 10) + 200,
            false,
            "one larger than need be",
        ),
    ] {
        let sealed = PatchFrame::seal(&targets, &vec![1; patch_bytes]);
        assert_eq!(sealed.is_ok(), good, "{reason}");
        if let Ok(sealed) = sealed {
            assert!(PatchFrame::decode(sealed.stored()).is_ok(), "{reason}");
        }
    }
}
