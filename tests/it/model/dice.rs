//! Dice: the steps of a random history, made from a seed alone.
//!
//! # Invariants
//!
//! - A seed gives the same steps for ever, and a longer history begins with the steps of a shorter one.
//!
//! # Not here
//!
//! What they do (`verb`).

use bindery::build::stage::StageMode;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::settings::OnConflict;

use super::history::{CHECK_NAMES, Deed, Extent, Hold, Line, Pick, Step, Trouble};
use crate::support::simulated_disk::{Kept, next_random};

/// Directories that are replaced whole; nothing but files is in them.
const CLAIMED: [&str; 2] = ["c0", "c1"];
/// Directories that files are added to.
const SHARED: [&str; 4] = ["", "d0", "d1", "d0/s0"];
/// Texts of files; few, so that many files have the same.
const TEXTS: u64 = 48;
/// Of so many stagings one is of a wide directory.
const WIDE: u64 = 80;

/// Throws dice.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice whose throws depend on `seed` alone.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        next_random(&mut self.0) % end
    }

    /// One of some things.
    fn one<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).unwrap_or_default()]
    }

    /// A number that is often small.
    fn small(&mut self) -> u64 {
        let bits = self.below(8);
        self.below(1 << bits)
    }

    fn pick(&mut self) -> Pick {
        let number = self.below(64);
        if self.below(12) == 0 {
            Pick::Any(number)
        } else {
            Pick::Fit(number)
        }
    }

    fn line(&mut self) -> Line {
        Line::nth(self.below(Line::COUNT as u64))
    }

    fn hold(&mut self) -> Hold {
        if self.below(4) == 0 {
            Hold::On
        } else {
            Hold::Off
        }
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        let trouble = match self.below(100) {
            0..10 => Trouble::Crash(self.small(), self.kept()),
            10..16 => Trouble::Fault(self.small()),
            _ => Trouble::None,
        };
        let deed = self.deed();
        Step { trouble, deed }
    }

    fn kept(&mut self) -> Kept {
        match self.below(7) {
            0 => Kept::Synced,
            1 => Kept::All,
            2 => Kept::Torn(self.below(1000)),
            3 => Kept::Zeroed,
            _ => Kept::Some(self.below(1000)),
        }
    }

    fn deed(&mut self) -> Deed {
        match self.below(1000) {
            0..130 => {
                let target = (self.below(8) > 0).then(|| self.line());
                let from = (self.below(5) == 0).then(|| self.pick());
                Deed::Create(target, from)
            }
            130..350 => self.stage(),
            350..400 => {
                let extent = if self.below(3) == 0 {
                    Extent::All
                } else {
                    Extent::One
                };
                Deed::Remove(self.pick(), self.below(64), extent)
            }
            400..500 => Deed::Commit(self.pick()),
            500..580 => {
                let build = self.pick();
                let outcome = match self.below(6) {
                    0 => CheckOutcome::Fail,
                    1 => CheckOutcome::Review,
                    _ => CheckOutcome::Pass,
                };
                Deed::Check(build, self.one(&CHECK_NAMES), outcome)
            }
            580..640 => {
                let (to, policy) = self.how();
                Deed::Publish(self.pick(), to, policy)
            }
            640..710 => {
                let (to, policy) = self.how();
                Deed::Import(self.pick(), to, policy)
            }
            710..760 => Deed::Update(self.line()),
            760..810 => Deed::Withdraw(self.pick()),
            810..840 => Deed::RollBack(self.line(), self.below(16), self.hold()),
            840..870 => Deed::Hold(self.line(), self.hold()),
            870..920 => Deed::Purge(self.pick()),
            920..960 => Deed::Retire(self.line(), self.below(3) + 1),
            960..970 => Deed::CheckOut(self.line()),
            970..973 => Deed::Reindex,
            _ => Deed::Reopen,
        }
    }

    fn how(&mut self) -> (Option<u64>, Option<OnConflict>) {
        let to = (self.below(8) == 0).then(|| self.below(4));
        let policies = [None, Some(OnConflict::Build), Some(OnConflict::Ref)];
        (to, self.one(&policies))
    }

    fn stage(&mut self) -> Deed {
        let build = self.pick();
        let (mode, at) = if self.below(4) == 0 {
            (StageMode::Replace, self.one(&CLAIMED))
        } else {
            (StageMode::Merge, self.one(&SHARED))
        };
        let is_flat = mode == StageMode::Replace || at.contains('/');
        let mut files = Vec::new();
        if !is_flat && self.below(WIDE) == 0 {
            files.push(("wide".to_owned(), self.below(600)));
        }
        for _ in 0..=self.below(4) {
            let name = format!("f{}", self.below(6));
            let name = match self.below(3) {
                0 if !is_flat => format!("d{}/{name}", self.below(2)),
                _ => name,
            };
            files.push((name, self.below(TEXTS)));
        }
        Deed::Stage(build, mode, at.to_owned(), files)
    }
}

/// The first steps of a seed.
pub fn steps_of(seed: u64, count: usize) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    (0..count).map(|_| dice.step()).collect()
}

#[test]
fn what_dice_make_can_be_written_down_and_read_again() {
    let steps = steps_of(1, 3000);
    let text = super::history::text_of(&steps);
    assert_eq!(super::history::parse_history(&text), Ok(steps));
    let verbs: std::collections::BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.rsplit(" | ").next()?.split(' ').next())
        .collect();
    assert_eq!(verbs.len(), 17, "every verb is tried: {verbs:?}");
}
