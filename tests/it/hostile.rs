//! Hostile trees and packs: whatever a tree holds and whoever changes the target meanwhile, nothing outside is touched; and
//! few bytes that promise very many are refused before they cost anything.
//!
//! # Not here
//!
//! Damaged stores (`bad_input::damage`), every decoder against every flipped bit (beside the code).

mod bombs;
mod deltas;
pub mod forged;
mod packs;
mod swapped;
mod trees;
mod watch;
