//! Transient or systemic: whether what fails will go away by itself, and who has to know of it.
//!
//! Two parts, each pure: what was seen and the time in, changes with their reasons in words and numbers out. [`episode`] is the life of what
//! fails of one rule on one table, or of one source as a whole, and runs in the agent on its own outcomes. [`incident`] groups changes of
//! state by their cause, and runs in the collector.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod blind;
#[cfg(test)]
mod chance;
pub mod episode;
pub mod incident;
pub mod outage;
pub mod rows;
pub mod silence;
pub mod stream;
mod words;

pub use blind::Blind;
pub use episode::{Around, Change, Episode, Evidence, Migration, Patience};
pub use outage::{Outage, Tries};
pub use rows::Rows;
