//! The audit log: who was granted or refused a change, one line each.
//!
//! From below: [`record`] (what a line says), [`parts`] (the files it lies in), [`page`] (reading), [`log`] (writing).
//!
//! # Invariants
//!
//! - The log is not in the catalog, so that a new catalog does not forget who did what.
//! - It is bounded: at most [`PARTS_MAX`](parts::PARTS_MAX) files of [`PART_BYTES_MAX`](parts::PART_BYTES_MAX) bytes; the
//!   oldest goes when a new one is begun. Whoever needs lines for longer reads them by cursor and keeps them elsewhere.
//! - A granted change is durable in the log when [`append`](log::AuditLog::append) returns. A refusal is so with the next
//!   grant, or after 64 KiB: it changed nothing, and who is refused a thousand times a second must not make the disk sync as
//!   often.

pub mod log;
pub mod page;
pub mod parts;
pub mod record;
#[cfg(test)]
mod tests;
