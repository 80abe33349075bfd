//! Older statements: those before one, for whoever walks back from there to what they know.

use super::origin::Origin;
use crate::base::id::StatementId;
use crate::base::limits::STATEMENT_CHAIN_MAX;
use crate::base::{Error, Result};
use crate::trust::keyset_chain::TrustedKeyset;
use crate::trust::ref_statement::RefStatement;
use crate::trust::signed::verify_under;

/// The notes of `newest` and of the statements before it, newest first: as far as `origin` has them and they are not known, and no
/// further than clients walk back.
///
/// # Errors
///
/// [`Error::Untrusted`] if one does not hold under the keysets, or is not the one that was asked for.
pub(super) fn statements_from(
    origin: &dyn Origin,
    keysets: &[TrustedKeyset],
    newest: StatementId,
    is_known: &dyn Fn(StatementId) -> Result<bool>,
) -> Result<Vec<(StatementId, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut next = Some(newest);
    while let Some(id) = next.filter(|_| found.len() < STATEMENT_CHAIN_MAX) {
        if is_known(id)? {
            break;
        }
        let note = match origin.statement(id) {
            Err(Error::NotFound { .. }) => break,
            note => note?,
        };
        let signed = verify_under::<RefStatement>(&note, keysets)?;
        if signed.id() != id {
            return Err(Error::Untrusted {
                what: format!("statement {id}"),
                reason: format!("{} shows the statement {}", origin.place(), signed.id()),
            });
        }
        next = signed.value().prev;
        found.push((id, note));
    }
    Ok(found)
}
