//! Contexts: what a handler knows of a request beside its route and body.

use std::sync::Arc;

use super::access::{Caller, admit_change};
use super::answer::Failure;
use super::app::App;
use super::content::Wish;
use super::scope::Scope;
use crate::trust::token::capability::Capability;

/// What a handler knows of a request beside its route and body.
#[derive(Debug)]
pub struct Context {
    /// Who asks.
    pub caller: Caller,
    /// What is to be done, for the audit log.
    pub act: String,
    /// What the headers say.
    pub wish: Wish,
}

impl Context {
    /// Lets a change in, or refuses it, as [`admit_change`] does.
    ///
    /// # Errors
    ///
    /// As [`admit_change`].
    pub async fn admit(
        &self,
        app: &Arc<App>,
        capability: Capability,
        scope: Scope,
    ) -> Result<(), Failure> {
        admit_change(app, &self.caller, capability, scope, &self.act).await
    }
}
