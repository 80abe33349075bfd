//! Contexts: what a handler knows of a request beside its route and body.

use std::sync::Arc;

use super::access::{Caller, admit_change};
use super::answer::Failure;
use super::app::App;
use super::content::Wish;
use super::scope::Scope;
use super::scrape::Asker;
use crate::base::name::RefName;
use crate::store::rows::BuildRow;
use crate::trust::token::capability::Capability;

/// What a handler knows of a request beside its route and body.
#[derive(Debug)]
pub struct Context {
    /// Who asks.
    pub caller: Caller,
    /// From where.
    pub asker: Asker,
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

    /// Lets publishing a build to a ref in, or to its own with none; and that it leaves where it was published to, or was to be.
    ///
    /// # Errors
    ///
    /// As [`admit_change`].
    pub async fn admit_publishing(
        &self,
        app: &Arc<App>,
        row: &BuildRow,
        target: Option<&RefName>,
    ) -> Result<(), Failure> {
        let scope = Scope {
            moves: target.cloned(),
            ..Scope::of_build(row)
        };
        self.admit(app, Capability::Publish, scope).await?;
        let before = Scope::of_published(row);
        if before.moves.is_none() || before.moves.as_ref() == target {
            return Ok(());
        }
        self.admit(app, Capability::Publish, before).await
    }
}
