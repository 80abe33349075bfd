//! Which base is chosen.

use super::*;
use crate::build::sandbox::{AnyError, Sandbox};
use crate::build::testing::noise;
use crate::delta::plan::Base;

/// Longer than the two ends by which short contents are known.
const CONTENT_BYTES: usize = 600_000;

#[test]
fn of_several_bases_of_a_large_content_the_one_with_its_middle_is_taken() -> Result<(), AnyError> {
    let all = noise(2 * CONTENT_BYTES);
    let (other, content) = all.split_at(CONTENT_BYTES);
    // Both ends are those of the other.
    let ends = 150_000;
    let middle = &content[ends..CONTENT_BYTES - ends];
    let new = [&other[..ends], middle, &other[CONTENT_BYTES - ends..]].concat();
    let mut sandbox = Sandbox::with_repo()?;
    sandbox.replace("main", "stable", &[("other", other), ("content", content)])?;
    let base = |name: &str, bytes: &[u8]| -> Result<Base, AnyError> {
        Ok(Base {
            path: name.parse()?,
            id: Hash::of(bytes),
            bytes: bytes.len() as u64,
        })
    };
    let view = sandbox.store()?.view(&"main".parse()?, &[])?;
    let chosen = |bases: Vec<Base>, ends_bytes_max| -> Result<Option<usize>, AnyError> {
        let wanted = Wanted {
            id: Hash::of(&new),
            bytes: new.len() as u64,
            step: 0,
            bases,
        };
        let chosen = Chosen::of(&view, &wanted, new.clone(), ends_bytes_max)?;
        Ok(chosen.base.map(|(number, _)| number))
    };
    let bases = || -> Result<Vec<Base>, AnyError> {
        Ok(vec![base("other", other)?, base("content", content)?])
    };
    assert_eq!(chosen(bases()?, 100_000)?, Some(1));
    assert_eq!(chosen(bases()?, ENDS_BYTES_MAX)?, Some(0), "by its ends");
    Ok(())
}

#[test]
fn only_methods_that_take_a_group_are_tried_and_only_where_they_may_win() {
    use Method::{Difference, Prefix, Surroundings};
    let (small, text, large) = (vec![b'a'; 1_000], vec![b'a'; 100_000], vec![0; 1_000_000]);
    // As much as no method takes that has all bases before it.
    let huge = vec![0; 150_000_000];
    let code = crate::object::patch::tests::made::program(1, 20);
    for (base, target, expected, reason) in [
        (&small, &small, &[Difference, Surroundings][..], "small"),
        (&text, &text, &[Difference, Surroundings], "text"),
        (&large, &large, &[Difference], "larger than texts are"),
        (&code, &code, &[Difference], "code"),
        (
            &Vec::new(),
            &small,
            &[Difference, Surroundings, Prefix],
            "new",
        ),
        (&huge, &small, &[Difference], "of a huge base"),
    ] {
        assert_eq!(methods(&[Pair { base, target }]), expected, "{reason}");
    }
}
