//! The commands: one file per noun, or per verb that has none.
//!
//! Each file has the arguments of its command, as `clap` parses them, and a `run` that calls the library and prints the
//! answer.

pub mod audit;
pub mod build;
mod build_answer;
pub mod build_check;
pub mod build_purge;
pub mod build_stage;
pub mod bundle;
pub mod cat;
pub mod checkout;
pub mod completions;
pub mod delta;
mod delta_show;
pub mod demo;
mod demo_story;
pub mod diff;
pub mod export;
pub mod fsck;
pub mod help;
pub mod hold;
pub mod init;
pub mod job;
pub mod key;
pub mod list;
pub mod log;
pub mod man;
pub mod mirror;
pub mod publish;
pub mod publish_plan;
pub mod pull;
pub mod push;
pub mod refs;
mod reindex;
mod repair;
pub mod repo;
pub mod retire;
pub mod rollback;
pub mod run_jobs;
pub mod serve;
pub mod show;
pub mod stats;
pub mod token;
mod token_inspect;
mod token_log;
mod token_revoke;
mod trouble;
pub mod verify;
pub mod withdraw;
