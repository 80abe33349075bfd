//! Turns: of those who want to change what a ref shows, one at a time does.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::base::name::{RefName, RepoName};

/// Whose turn it is to make visible what is pending, for each ref that somebody waits for.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<(RepoName, RefName), Turn>>);

/// The turn of one ref.
pub type Turn = Arc<Mutex<()>>;

impl Turns {
    /// The turn of a ref: whoever locks it has it.
    pub async fn of(&self, repo: &RepoName, target: &RefName) -> Turn {
        let mut turns = self.0.lock().await;
        // Nobody waits for a turn that only this table knows.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        let key = (repo.clone(), target.clone());
        Arc::clone(turns.entry(key).or_default())
    }
}
