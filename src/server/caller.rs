//! Callers: who asks, and what the token of a caller allows.
//!
//! # Not here
//!
//! What a request is let in for, and what is written down of it (`server::access`).

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::anonymous::Anonymous;
use super::answer::Failure;
use super::app::App;
use super::scope::Scope;
use crate::base::clock::Time;
use crate::base::id::Hash;
use crate::base::name::RepoName;
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::remote::store_builds::CountOn;
use crate::store::audit::record::Actor;
use crate::store::rows::BuildRow;
use crate::trust::token::basic::password_of;
use crate::trust::token::capability::Capability;
use crate::trust::token::{Denied, Request, Token, Verified};

/// Who asks.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Somebody without a token.
    Anybody,
    /// The holder of a token.
    Holder(Box<Holder>),
}

/// Somebody who shows a token that is no good.
#[derive(Debug)]
pub struct Unwelcome {
    /// What is answered.
    pub failure: Failure,
    /// Who it is, for the audit log: a token that was revoked is known.
    pub actor: Actor,
}

impl Unwelcome {
    fn unknown(reason: &str) -> Self {
        Self {
            failure: Failure::unknown_caller(reason),
            actor: Actor::Unknown,
        }
    }
}

impl From<Unwelcome> for Failure {
    fn from(unwelcome: Unwelcome) -> Self {
        unwelcome.failure
    }
}

/// The holder of a token.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The token.
    pub token: Arc<Token>,
    /// What it allows.
    pub verified: Verified,
}

impl Caller {
    /// Who sends these headers.
    ///
    /// # Errors
    ///
    /// [`Unwelcome`] asks for another token if there is one and it is not genuine, or was revoked.
    pub async fn of(app: &Arc<App>, head: &HeaderMap) -> Result<Self, Unwelcome> {
        let Some(authorization) = head.get(AUTHORIZATION) else {
            return Ok(Self::Anybody);
        };
        let text = authorization.to_str().ok().and_then(secret_of);
        let text = text.ok_or_else(|| {
            Unwelcome::unknown("say 'Bearer TOKEN', or 'Basic' with the token as password")
        })?;
        let token = Token::parse(&text);
        let token = token.map_err(|error| Unwelcome::unknown(&error.to_string()))?;
        let token = Arc::new(token);
        let checked = Arc::clone(&token);
        let verified = app.work(move |app| {
            let verified = app.token_key()?.verify(&checked)?;
            let revoked = app.store.tokens().check_good(&verified).err();
            Ok((verified, revoked))
        });
        match verified.await {
            Ok((verified, None)) => Ok(Self::Holder(Box::new(Holder { token, verified }))),
            Ok((verified, Some(Error::NotAllowed { reason }))) => Err(Unwelcome {
                failure: Failure::unknown_caller(&reason),
                actor: Actor::Token(verified.ids()),
            }),
            Err(Error::NotAllowed { reason }) => Err(Unwelcome::unknown(&reason)),
            Ok((_, Some(error))) | Err(error) => Err(Unwelcome {
                failure: error.into(),
                actor: Actor::Unknown,
            }),
        }
    }

    /// The holder of a token, where one is needed.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that asks for a token.
    pub fn holder(&self) -> Result<&Holder, Failure> {
        match self {
            Self::Holder(holder) => Ok(holder),
            Self::Anybody => Err(Failure::unknown_caller("this needs a token")),
        }
    }

    /// When the token ends, if there is one.
    #[must_use]
    pub fn expires(&self) -> Option<Time> {
        match self {
            Self::Anybody => None,
            Self::Holder(holder) => holder.verified.expires(),
        }
    }

    /// Checks that a token that was good still is: it was not revoked since, alone or with all others.
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`] if it was; what the store answers if that cannot be known.
    pub fn check_good(&self, app: &App) -> Result<()> {
        let Self::Holder(holder) = self else {
            return Ok(());
        };
        let tokens = app.store.tokens();
        tokens.verify(&*app.token_key()?, &holder.token).map(drop)
    }

    /// A name for the caller that others do not have, for what is counted or kept for each.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Anybody => String::new(),
            Self::Holder(holder) => {
                let ids = holder.verified.ids();
                ids.first().map(ToString::to_string).unwrap_or_default()
            }
        }
    }

    /// A name for this very token, which those made from it do not have: what one of them is answered is not for another.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Anybody => String::new(),
            Self::Holder(holder) => Hash::of(holder.token.to_text().as_bytes()).to_string(),
        }
    }

    /// Whether something may be done, without a line in the audit log: for lists, which show what the caller may see.
    ///
    /// # Errors
    ///
    /// [`Error::Time`] if the clock cannot be read.
    pub fn may_read(&self, app: &App, open_to: Anonymous, scope: &Scope) -> Result<bool> {
        if app.anonymous >= open_to {
            return Ok(true);
        }
        let Self::Holder(holder) = self else {
            return Ok(false);
        };
        let now = app.now()?;
        Ok(holder.may(Capability::Read, scope, now).is_ok())
    }

    /// Whether what is published in a repo, or on one ref of it, may be read. A mirror copies it, and so reads it.
    ///
    /// # Errors
    ///
    /// As [`may_read`](Self::may_read).
    pub fn may_read_published(&self, app: &App, scope: &Scope) -> Result<bool> {
        if self.may_read(app, Anonymous::Published, scope)? {
            return Ok(true);
        }
        let Self::Holder(holder) = self else {
            return Ok(false);
        };
        let now = app.now()?;
        Ok(holder.may(Capability::Mirror, scope, now).is_ok())
    }

    /// The directories that the caller may read alone, where reading takes a token at all: what is to be read lies beneath all of
    /// them.
    #[must_use]
    pub fn bounds(&self, app: &App, open_to: Anonymous) -> Vec<TreePath> {
        match self {
            Self::Holder(holder) if app.anonymous < open_to => {
                holder.verified.paths().cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// What the caller need not send into a build, and may be told of: who may read what is published in its repo, or the build's
    /// test repository, which shows that too, need not send it.
    ///
    /// # Errors
    ///
    /// As [`may_read`](Self::may_read).
    pub fn counts_on(&self, app: &App, row: &BuildRow) -> Result<CountOn> {
        let repo = Scope::in_repo(row.repo.clone(), None).whole();
        let reads_published = self.may_read_published(app, &repo)?;
        let is_told = reads_published
            || self.may_read(app, Anonymous::Builds, &Scope::of_build(row).whole())?;
        Ok(if is_told {
            CountOn::Published
        } else {
            CountOn::Nothing
        })
    }

    /// Whether a list of repos shows this one: what is published in it may be read, or a token is for it.
    ///
    /// # Errors
    ///
    /// As [`may_read`](Self::may_read).
    pub fn is_shown(&self, app: &App, repo: &RepoName) -> Result<bool> {
        if app.anonymous >= Anonymous::Published {
            return Ok(true);
        }
        match self {
            Self::Anybody => Ok(false),
            Self::Holder(holder) => Ok(holder.is_for(repo, app.now()?)),
        }
    }
}

impl Holder {
    /// Whether the token allows something.
    pub(super) fn may(
        &self,
        capability: Capability,
        scope: &Scope,
        now: Time,
    ) -> Result<(), Denied> {
        self.verified.allows(&Request {
            capability,
            repo: scope.repo.as_ref(),
            reference: scope.moves.as_ref().or(scope.target.as_ref()),
            build: scope.build,
            path: scope.path.as_ref(),
            // They are counted for each block: see `server::brought`.
            bytes: None,
            now,
        })
    }

    /// As [`may`](Self::may); and what a build holds comes to another ref than its own only by who sees the build.
    pub(super) fn may_change(
        &self,
        app: &App,
        capability: Capability,
        scope: &Scope,
        now: Time,
    ) -> Result<(), Denied> {
        let is_told = app.anonymous >= scope.open_to() || self.sees(scope, now);
        if scope.moves.is_some() && !is_told {
            self.may(capability, &scope.itself(), now)?;
        }
        self.may(capability, scope, now)?;
        scope.over.clone().map_or(Ok(()), Err)
    }

    /// Whether the token is good and is for a repo: it may do something in it.
    fn is_for(&self, repo: &RepoName, now: Time) -> bool {
        let mut all = Capability::ALL.into_iter();
        self.verified.allows_moment(now).is_ok()
            && all.any(|capability| self.verified.reaches(capability, repo))
    }

    /// Whether the token shows that a thing is there: it allows something with the build, or is for the repo.
    fn sees(&self, scope: &Scope, now: Time) -> bool {
        match (scope.build, &scope.repo) {
            (Some(_), _) => {
                let itself = scope.itself();
                let mut all = Capability::ALL.into_iter();
                all.any(|capability| self.may(capability, &itself, now).is_ok())
            }
            (None, Some(repo)) => self.is_for(repo, now),
            // That a server can be looked after is no secret.
            (None, None) => true,
        }
    }

    /// What is said to a holder who may not do something about a thing that is shown to anybody where so much is open.
    pub(super) fn refusal(
        &self,
        app: &App,
        open_to: Anonymous,
        scope: &Scope,
        denied: Denied,
        now: Time,
    ) -> Failure {
        match denied {
            Denied::Expired { .. } => Failure::unknown_caller(&denied.to_string()),
            denied if app.anonymous >= open_to || self.sees(scope, now) => {
                Error::from(denied).into()
            }
            _ => scope.not_found().into(),
        }
    }
}

/// The token in a header `Authorization`: that of `Bearer`, or the password of `Basic`, which is all that some clients can
/// send.
fn secret_of(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return password_of(value.trim());
    }
    None
}
