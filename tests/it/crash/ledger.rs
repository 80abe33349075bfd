//! The ledger of everything that was ever signed, also what was lost before anybody could see it.
//!
//! Statements are looked for in all bytes that were written to the disk: in notes, and in the pages of the catalog that
//! record them before they are written out.
//!
//! # Not here
//!
//! What else must hold (`invariants`).

use std::collections::BTreeMap;

use bindery::base::Result;
use bindery::base::id::StatementId;
use bindery::store::notes::Notes;
use bindery::trust::heads::Heads;
use bindery::trust::ref_statement::RefStatement;
use bindery::trust::signed::{Signed, Unverified};

use crate::shelf::repo_name;
use crate::support::simulated_disk::SimulatedDisk;

/// How the text of a ref statement begins.
const STATEMENT: &str = "bindery/ref/v1\n";
/// How the text of a heads statement begins.
const HEADS: &str = "bindery/heads/v1\n";
/// How each signature of a note begins.
const SIGNATURE: &str = "\u{2014} ";

/// Ref (or heads), epoch and number of a statement.
type Place = (String, u64, u64);

/// What was signed, by place.
#[derive(Clone, Debug, Default)]
pub struct Ledger(BTreeMap<Place, StatementId>);

impl Ledger {
    /// Adds what was written to the disk `watched` and is signed with the keys that `disk` shows.
    ///
    /// # Panics
    ///
    /// **I5**: if a place has another statement already.
    pub fn add(
        &mut self,
        disk: &SimulatedDisk,
        watched: &SimulatedDisk,
        place: &str,
    ) -> Result<()> {
        let repo = repo_name()?;
        // Before the first keyset is written nothing can be signed.
        let Ok(notes) = Notes::open(disk, &repo, None) else {
            return Ok(());
        };
        for bytes in watched.written() {
            let text = String::from_utf8_lossy(&bytes);
            for note in notes_in(&text, STATEMENT) {
                if let Some(signed) = verified::<RefStatement>(&notes, note) {
                    let value = signed.value();
                    let at = (value.ref_name.to_string(), value.epoch, value.seq);
                    self.insert(&at, signed.id(), place);
                }
            }
            for note in notes_in(&text, HEADS) {
                if let Some(signed) = verified::<Heads>(&notes, note) {
                    let at = (
                        "heads".to_owned(),
                        signed.value().epoch,
                        signed.value().version,
                    );
                    self.insert(&at, signed.id(), place);
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, at: &Place, id: StatementId, place: &str) {
        let before = *self.0.entry(at.clone()).or_insert(id);
        assert_eq!(
            before, id,
            "I5: two statements are signed for {at:?}, {place}"
        );
    }
}

fn verified<T: bindery::trust::signed::Governed>(
    notes: &Notes<'_>,
    note: &str,
) -> Option<Signed<T, bindery::trust::signed::Verified>> {
    let unverified = Signed::<T, Unverified>::parse(note.as_bytes()).ok()?;
    unverified.verify(notes.keysets().last()?).ok()
}

/// The notes in a text whose own text begins with `begin`.
fn notes_in<'t>(text: &'t str, begin: &str) -> Vec<&'t str> {
    let starts = text.match_indices(begin).map(|(at, _)| at);
    starts.filter_map(|at| note_at(&text[at..])).collect()
}

/// The note with which a text begins: up to the end of its last signature.
fn note_at(text: &str) -> Option<&str> {
    let mut end = text.find("\n\n")? + 2;
    let signed = end;
    while let Some(line) = text[end..].strip_prefix(SIGNATURE) {
        end += SIGNATURE.len() + line.find('\n')? + 1;
    }
    (end > signed).then(|| &text[..end])
}
