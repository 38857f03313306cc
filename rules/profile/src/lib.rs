//! From a sample of a table to proposed rules, each with its evidence.
//!
//! Pure: rows come in as an Arrow batch, the time as an argument. [`profile()`] looks at every column by itself, [`propose()`] at all of them
//! together and at the other tables. What is proposed is a guess: whoever writes it into a file asks the database first whether it holds
//! (`fieldmark init` runs every proposal, and keeps those that pass).
//!
//! Only what the database does not enforce itself is proposed: a NOT NULL column needs no `not_null`, a foreign key no `references`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod column;
mod form;
mod nice;
mod propose;
mod relation;
mod word;
pub mod yaml;

pub use column::{ColumnProfile, profile};
pub use propose::{Checked, Proposal, Subject, merged, personal, propose};
