//! Older statements: those before one, for whoever walks back from there to what they know.

use super::origin::Origin;
use crate::base::id::StatementId;
use crate::base::limits::STATEMENT_CHAIN_MAX;
use crate::base::{Error, Result};
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::ref_statement::RefStatement;
use crate::trust::signed::verify_under;

/// Looks for the note of a statement that is at hand already; says also where that is, for messages.
pub(super) type AtHand<'h> = &'h dyn Fn(StatementId) -> Result<Option<(Vec<u8>, String)>>;

/// The notes of `newest` and of the statements before it, newest first: as far as they are at hand or `origin` has them, and no
/// further than clients walk back.
///
/// # Errors
///
/// [`Error::Untrusted`] if one does not hold under the keysets, or is not the one that was asked for.
pub(super) fn statements_from(
    origin: &dyn Origin,
    keysets: &[TrustedKeyset],
    newest: StatementId,
    at_hand: AtHand<'_>,
) -> Result<Vec<(StatementId, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut next = Some(newest);
    while let Some(id) = next.filter(|_| found.len() < STATEMENT_CHAIN_MAX) {
        let (note, place) = match at_hand(id)? {
            Some(known) => known,
            None => match origin.statement(id) {
                Err(Error::NotFound { .. }) => break,
                note => (note?, origin.place()),
            },
        };
        let signed = verify_under::<RefStatement>(&note, keysets)?;
        if signed.id() != id {
            return Err(Error::Untrusted {
                what: format!("statement {id}"),
                reason: format!("{place} shows the statement {}", signed.id()),
            });
        }
        next = signed.value().prev;
        found.push((id, note));
    }
    Ok(found)
}
