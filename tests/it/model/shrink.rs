//! Shrinking: the fewest steps that still fail.
//!
//! Runs of steps are left out, long ones first, as long as what is left fails (delta debugging, after Zeller and
//! Hildebrandt, "Simplifying and isolating failure-inducing input", 2002; without its complements, which the runs make
//! up for).
//!
//! # Invariants
//!
//! - What comes out fails. If nobody interrupts it, leaving out any one step of it makes it pass.

/// Steps of all attempts together, at most: a shorter failure is worth minutes, not hours.
const STEPS_MAX: usize = 200_000;

/// Leaves out of `steps`, which fail, whatever `fails` does not need.
pub fn shrink<T: Clone>(steps: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut steps = steps.to_vec();
    let mut tried = 0;
    let mut run = steps.len().next_power_of_two();
    while run > 0 {
        let mut is_shorter = false;
        let mut start = 0;
        while start < steps.len() && tried < STEPS_MAX {
            let end = (start + run).min(steps.len());
            let rest = [&steps[..start], &steps[end..]].concat();
            tried += rest.len();
            if fails(&rest) {
                steps = rest;
                is_shorter = true;
            } else {
                start = end;
            }
        }
        // What could not be left out may be, now that others are gone.
        if !is_shorter || run > 1 {
            run /= 2;
        }
    }
    steps
}

#[test]
fn only_what_a_failure_needs_is_left() {
    let numbers: Vec<u32> = (0..500).collect();
    for needed in [
        vec![],
        vec![0],
        vec![499],
        vec![3, 250, 251],
        vec![0, 1, 2, 497],
    ] {
        let mut attempts = 0;
        let found = shrink(&numbers, |rest| {
            attempts += 1;
            needed.iter().all(|number| rest.contains(number))
        });
        assert_eq!(found, needed);
        assert!(attempts < 200, "{needed:?} took {attempts} attempts");
    }
}

#[test]
fn a_step_that_only_another_had_needed_goes_too() {
    // Every odd number needs the one before it: a pair goes together or not at all, but for the one in the end.
    let is_whole = |rest: &[u32]| {
        let has = |number: u32| rest.contains(&number);
        has(7) && rest.iter().all(|number| number % 2 == 0 || has(number - 1))
    };
    let found = shrink(&(0..32).collect::<Vec<u32>>(), is_whole);
    assert_eq!(found, [6, 7]);
}

#[test]
fn a_failure_that_takes_long_to_shrink_is_given_up() {
    let mut tried = 0;
    let numbers: Vec<usize> = (0..4000).collect();
    let found = shrink(&numbers, |rest| {
        tried += rest.len();
        false
    });
    assert_eq!(found, numbers);
    assert!((STEPS_MAX..STEPS_MAX + numbers.len()).contains(&tried));
}
