//! What commands about tokens write into the audit log.

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::store::Store;
use bindery::store::audit::record::{Actor, AuditRecord, Decision};
use bindery::trust::token::capability::Capability;

/// Writes what was done with tokens into the audit log, before anything of it can be used.
///
/// # Errors
///
/// [`Error::Io`] if the disk fails.
pub fn log(store: &Store, time: Time, act: String) -> Result<()> {
    store.audit().append(&AuditRecord {
        time,
        actor: Actor::Local,
        capability: Capability::Admin,
        act,
        repo: None,
        reference: None,
        build: None,
        decision: Decision::Granted,
    })
}
