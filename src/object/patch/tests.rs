//! What the codec promises as a whole: every target comes back, and nothing but targets does.

mod hostile;
pub(in crate::object) mod linked;
pub(crate) mod made;
mod predicted;
pub(in crate::object) mod slow;
mod surrounded;

use proptest::prelude::*;

use self::linked::{Target, linked};
use self::made::{applied, noise, object_file, program};
use super::*;
use crate::base::error::{Error, Result};
use crate::base::limits::{PATCH_BYTES_MAX, PATCH_GROUP_BYTES_MAX, PATCH_TARGETS_MAX};

/// Every method.
const METHODS: [Method; 3] = [Method::Difference, Method::Prefix, Method::Surroundings];

/// Encodes a group with each method, and checks that all give the targets back, by the slow applier too.
fn check_round_trip(pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<[usize; METHODS.len()]> {
    let group: Vec<Pair<'_>> = pairs
        .iter()
        .map(|(base, target)| Pair { base, target })
        .collect();
    let mut bytes = [0; METHODS.len()];
    for (method, bytes) in METHODS.iter().zip(&mut bytes) {
        let patch = encode(*method, &group, Effort::Quick)?;
        let targets = applied(&patch, &group)?;
        let wanted = group.iter().map(|pair| pair.target);
        assert!(
            targets.iter().eq(wanted),
            "{method:?} gives the targets back"
        );
        assert!(
            slow::apply(&patch, &group)? == targets,
            "so does the slow applier"
        );
        *bytes = patch.len();
    }
    Ok(bytes)
}

fn check_one(base: &[u8], target: &[u8]) -> Result<[usize; METHODS.len()]> {
    check_round_trip(&[(base.to_vec(), target.to_vec())])
}

#[test]
fn every_kind_of_pair_gives_its_target_back() -> Result<()> {
    let random = noise(1, 300_000);
    let other = noise(2, 200_000);
    let swapped = [&random[150_000..], &random[..150_000]].concat();
    let inserted = [&random[..100_000], &other[..50], &random[100_000..]].concat();
    let deleted = [&random[..100_000], &random[100_050..]].concat();
    let (sevens, nines) = (vec![7; 500_001], vec![9; 400_000]);
    let mut sprinkled = random.clone();
    sprinkled
        .iter_mut()
        .step_by(37)
        .for_each(|byte| *byte = byte.wrapping_add(1));
    for (base, target, bytes_max, reason) in [
        (&[][..], &[][..], 30, "nothing from nothing"),
        (&random, &[], 30, "nothing from something"),
        (&[], &other, 201_000, "something from nothing"),
        (&random, &random, 100, "the same"),
        (&random, &other, 201_000, "nothing in common"),
        (&random, &swapped, 200, "halves that changed places"),
        (&random, &inserted, 300, "an insertion"),
        (&random, &deleted, 200, "a deletion"),
        (&random, &sprinkled, 3_000, "every 37th byte is one more"),
        (&random[..7], &random[..9], 60, "shorter than a word"),
        (&sevens[..400_000], &sevens, 200, "a run that grew"),
        (&sevens, &nines, 200, "a run of something else"),
        (&random, &random[299_993..], 60, "the last bytes alone"),
    ] {
        let [difference, ..] = check_one(base, target)?;
        assert!(difference <= bytes_max, "{reason}: {difference} bytes");
    }
    Ok(())
}

#[test]
fn a_change_that_is_the_same_in_many_files_costs_once() -> Result<()> {
    let change = noise(3, 2_000);
    let pairs: Vec<_> = (10..30)
        .map(|seed| {
            let base = noise(seed, 20_000);
            let target = [&base[..9_000], &change, &base[9_000..]].concat();
            (base, target)
        })
        .collect();
    for bytes in check_round_trip(&pairs)? {
        assert!(bytes < 3_500, "{bytes}");
    }
    Ok(())
}

/// The words of a line of a text that does not repeat itself.
fn words(line: u64) -> [String; 4] {
    [0, 1, 2, 3].map(|word| {
        let noise = noise(4 * line + word, 4);
        format!(
            "{:08x}",
            u32::from_le_bytes([noise[0], noise[1], noise[2], noise[3]])
        )
    })
}

#[test]
fn what_is_new_costs_little_where_it_resembles_what_stands_around_it() -> Result<()> {
    let line = |line| words(line).join(" ") + "\n";
    let base: String = (0..2_000).map(line).collect();
    let target = (0..2_000).map(|number| {
        // Now and then a line is followed by one that has the words of others nearby.
        let [[one, ..], [_, _, two, _], [_, three, ..]] =
            [number, number + 2, number + 4].map(words);
        let new = format!("{three} {one} {two}\n");
        line(number) + if number % 50 == 20 { &new } else { "" }
    });
    let target: String = target.collect();
    let [difference, prefix, surroundings] = check_one(base.as_bytes(), target.as_bytes())?;
    assert!(
        surroundings * 10 < difference * 9 && surroundings * 10 < prefix * 9,
        "{difference} {prefix} {surroundings}"
    );
    Ok(())
}

#[test]
fn a_group_may_hold_files_of_every_kind() -> Result<()> {
    let code = noise(4, 3_000);
    check_round_trip(&[
        (Vec::new(), b"new".to_vec()),
        (program(1, 200), program(2, 210)),
        (code.clone(), Vec::new()),
        (object_file(5, 90), object_file(6, 100)),
        (program(1, 200), code.clone()),
        (code, program(3, 50)),
        (program(2, 210), program(1, 200)),
    ])?;
    Ok(())
}

#[test]
fn threads_make_the_same_patches() -> Result<()> {
    let pairs: Vec<_> = (0..4)
        .map(|n| (program(n, 300), program(n + 9, 300)))
        .collect();
    let make = |(base, target): &(Vec<u8>, Vec<u8>)| {
        let pair = Pair { base, target };
        encode(Method::Difference, &[pair], Effort::Thorough)
    };
    let alone: Vec<_> = pairs.iter().map(make).collect::<Result<_>>()?;
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = pairs
            .iter()
            .map(|pair| scope.spawn(|| make(pair)))
            .collect();
        let joined = |thread: std::thread::ScopedJoinHandle<'_, Result<Vec<u8>>>| {
            thread
                .join()
                .map_err(|_| Error::internal("a thread failed"))?
        };
        threads.into_iter().map(joined).collect::<Result<_>>()
    })?;
    assert!(alone == together);
    let again: Vec<_> = pairs.iter().map(make).collect::<Result<_>>()?;
    assert!(alone == again);
    Ok(())
}

#[test]
fn a_group_is_refused_above_its_limits_and_taken_at_them() {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let (most, group) = (size(PATCH_BYTES_MAX), size(PATCH_GROUP_BYTES_MAX));
    for (lengths, good, reason) in [
        (vec![(most, most)], true, "one pair at its limits"),
        (vec![(most + 1, 1)], false, "a larger base"),
        (vec![(1, most + 1)], false, "a larger target"),
        (vec![(1, group), (1, 0)], true, "a full group"),
        (vec![(1, group), (1, 1)], false, "a larger group"),
        (vec![(most, 1), (1, 1)], false, "larger bases"),
        (vec![(0, 0); PATCH_TARGETS_MAX], true, "as many as may be"),
        (vec![(0, 0); PATCH_TARGETS_MAX + 1], false, "one more"),
        (vec![], false, "none"),
    ] {
        assert_eq!(
            pair::check_group(lengths.into_iter()).is_ok(),
            good,
            "{reason}"
        );
    }
    let refused = encode(Method::Difference, &[], Effort::Quick);
    assert!(matches!(refused, Err(Error::Malformed { .. })));
}

/// An edit of a file.
#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, Vec<u8>),
    Delete(usize, usize),
    Move(usize, usize, usize),
    Add(usize, usize, u8),
    Fill(usize, usize, u8),
}

impl Edit {
    fn any() -> impl Strategy<Value = Self> {
        let (at, length) = (0..20_000_usize, 0..2_000_usize);
        prop_oneof![
            (at.clone(), prop::collection::vec(any::<u8>(), 0..300))
                .prop_map(|(a, b)| Self::Insert(a, b)),
            (at.clone(), length.clone()).prop_map(|(a, n)| Self::Delete(a, n)),
            (at.clone(), at.clone(), length.clone()).prop_map(|(a, b, n)| Self::Move(a, b, n)),
            (at.clone(), length.clone(), any::<u8>()).prop_map(|(a, n, b)| Self::Add(a, n, b)),
            (at, length, any::<u8>()).prop_map(|(a, n, b)| Self::Fill(a, n, b)),
        ]
    }

    fn apply(&self, file: &mut Vec<u8>) {
        let range = |at: usize, length: usize, file: &[u8]| {
            let start = at.min(file.len());
            start..(start + length).min(file.len())
        };
        match self {
            Self::Insert(at, bytes) => {
                let at = range(*at, 0, file);
                file.splice(at, bytes.iter().copied());
            }
            Self::Delete(at, length) => drop(file.drain(range(*at, *length, file))),
            Self::Move(from, to, length) => {
                let moved: Vec<u8> = file.drain(range(*from, *length, file)).collect();
                let to = range(*to, 0, file);
                file.splice(to, moved);
            }
            Self::Add(at, length, by) => {
                let range = range(*at, *length, file);
                file[range]
                    .iter_mut()
                    .step_by(5)
                    .for_each(|byte| *byte = byte.wrapping_add(*by));
            }
            Self::Fill(at, length, byte) => {
                let range = range(*at, *length, file);
                file[range].fill(*byte);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn edited_files_come_back(
        seed in any::<u64>(),
        kind in 0..6_u8,
        length in 0..20_000_usize,
        edits in prop::collection::vec(Edit::any(), 0..8),
    ) {
        let base = match kind {
            0 => noise(seed, length),
            1 => vec![7; length],
            2 => program(seed, length / 32),
            3 => object_file(seed, length / 64),
            4 => linked(Target::X86, &numbers(length / 64)),
            _ => linked(Target::Arm64, &numbers(length / 64)),
        };
        let mut target = base.clone();
        for edit in &edits {
            edit.apply(&mut target);
        }
        let checked = check_one(&base, &target).and_then(|_| check_one(&target, &base));
        prop_assert!(checked.is_ok(), "{checked:?}");
    }

    #[test]
    fn programs_come_back_whose_functions_moved(
        is_x86 in any::<bool>(),
        functions in 1..200_usize,
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..5),
        new in prop::collection::vec((any::<prop::sample::Index>(), 0..1000_u64), 0..10),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let machine = if is_x86 { Target::X86 } else { Target::Arm64 };
        let mut order = numbers(functions);
        let base = linked(machine, &order);
        for at in gone {
            order.remove(at.index(order.len()));
            order.push(1000);
        }
        for (from, to) in moves {
            let length = order.len();
            order[from.index(length)..].rotate_left(to.index(length - from.index(length)));
        }
        for (at, number) in new {
            order.insert(at.index(order.len()), number);
        }
        let target = linked(machine, &order);
        let checked = check_one(&base, &target).and_then(|_| check_one(&target, &base));
        prop_assert!(checked.is_ok(), "{checked:?}");
    }
}

/// The numbers of functions, far enough from each other that others fit between.
fn numbers(count: usize) -> Vec<u64> {
    (0..count.max(1) as u64).map(|number| number * 7).collect()
}

#[test]
fn an_estimate_tells_what_is_alike_from_what_is_not() -> Result<()> {
    for (base, target, is_alike, reason) in [
        (
            noise(1, 90_000),
            noise(1, 100_000),
            true,
            "the start is the same",
        ),
        (
            noise(1, 90_000),
            noise(2, 100_000),
            false,
            "nothing is the same",
        ),
        (program(1, 2000), program(2, 2010), true, "code that moved"),
        (Vec::new(), noise(1, 5000), false, "there is no base"),
    ] {
        let pair = |base| Pair {
            base,
            target: &target,
        };
        let (with_base, without) = (estimate(pair(&base))?, estimate(pair(&[]))?);
        assert_eq!(
            with_base * 2 < without,
            is_alike,
            "{reason}: {with_base}, {without}"
        );
    }
    Ok(())
}

#[test]
fn memory_is_told_as_a_whole() {
    let mib = 1 << 20;
    let needed = |base, target| {
        let group = GroupBytes::of_pair(base, target);
        encode_memory_bytes(group, Effort::Quick)
    };
    assert!(needed(96 * mib, 100 * mib) < 700 * mib);
    assert!(needed(0, 0) > 0);
    assert!(needed(u64::MAX, u64::MAX) == u64::MAX);
}
