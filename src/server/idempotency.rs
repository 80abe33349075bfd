//! Idempotency: a POST that is sent again with the same `Idempotency-Key` is not done again, and is answered as before.
//!
//! Answers are kept for a while, and until the server is started anew. After that a request that is repeated is done again,
//! which the states of builds make harmless for all but the making of a build.
//!
//! # Invariants
//!
//! - While a request is being done, another with its key waits for its answer, also if whoever asked first has gone: that is
//!   when a request is sent again (`server::under_way` sees it through).
//! - A key means one request of one caller: with another body, or elsewhere, it is refused or means something else.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;

use super::answer::{Answer, Failure};
use super::turns::Turns;
use crate::base::cache::Cache;
use crate::base::id::Hash;
use crate::base::{Error, Result};

/// The header that names a request.
pub const KEY_HEADER: &str = "idempotency-key";
/// Characters of a key.
pub const KEY_CHARACTERS_MAX: usize = 255;
/// Bytes of answers that are kept.
const KEPT_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that an answer counts beside its body.
const ANSWER_BYTES: usize = 512;

/// A request that was named: by whom, with which key, for which URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named(Hash);

impl Named {
    /// The name of a request, if it has one.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it cannot be one.
    pub fn of(head: &HeaderMap, caller: &str, target: &str) -> Result<Option<Self>> {
        let Some(key) = head.get(KEY_HEADER) else {
            return Ok(None);
        };
        let key = key.to_str().ok().filter(|key| {
            (1..=KEY_CHARACTERS_MAX).contains(&key.len()) && !key.chars().any(char::is_control)
        });
        let key = key.ok_or_else(|| {
            Error::usage(format!(
                "an Idempotency-Key has 1 to {KEY_CHARACTERS_MAX} ASCII characters"
            ))
        })?;
        // Lengths keep the parts apart.
        let name = format!("{} {caller} {} {target} {key}", caller.len(), target.len());
        Ok(Some(Self(Hash::of(name.as_bytes()))))
    }
}

#[derive(Clone, Debug)]
struct Kept {
    body: Hash,
    status: StatusCode,
    headers: HeaderMap,
    answer: Bytes,
}

/// Requests that were done lately, or are being done.
#[derive(Debug)]
pub struct Done {
    kept: Cache<Named, Kept>,
    doing: Turns<Named>,
}

impl Default for Done {
    fn default() -> Self {
        Self {
            kept: Cache::new(KEPT_BYTES),
            doing: Turns::default(),
        }
    }
}

impl Done {
    /// Does a request, or answers it as before.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the name was used for another body; what `work` answers.
    pub async fn once<W>(
        &self,
        named: Named,
        body: Vec<u8>,
        work: impl FnOnce(Body) -> W,
    ) -> Result<Answer, Failure>
    where
        W: Future<Output = Result<Answer, Failure>>,
    {
        let _turn = self.doing.of(named.clone()).await;
        self.once_in_turn(&named, body, work).await
    }

    async fn once_in_turn<W>(
        &self,
        named: &Named,
        body: Vec<u8>,
        work: impl FnOnce(Body) -> W,
    ) -> Result<Answer, Failure>
    where
        W: Future<Output = Result<Answer, Failure>>,
    {
        let hash = Hash::of(&body);
        if let Some(kept) = self.kept.find(named) {
            if kept.body != hash {
                let reason = "this Idempotency-Key was used for another request";
                return Err(Error::refused(reason).into());
            }
            return Ok(kept.answer());
        }
        let answer = work(Body::from(body)).await;
        let answer = answer.unwrap_or_else(|failure| failure.answer());
        // What failed for want of something is tried again.
        if answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await;
        let bytes = bytes.map_err(|error| Error::internal(error.to_string()))?;
        let kept = Kept {
            body: hash,
            status: head.status,
            headers: head.headers,
            answer: bytes.to_bytes(),
        };
        let answer = kept.answer();
        let bytes = ANSWER_BYTES + kept.answer.len();
        self.kept.keep(named.clone(), kept, bytes);
        Ok(answer)
    }
}

impl Kept {
    fn answer(&self) -> Answer {
        let mut answer = Answer::new(Body::from(self.answer.clone()));
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers.clone();
        answer
    }
}
