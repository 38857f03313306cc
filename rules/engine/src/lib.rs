//! The rule language and its evaluation on DataFusion.
//!
//! Everything here is pure: rule files come in as text, rows as Arrow batches, the time of the run as an argument.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod evaluate;
pub mod kind;
pub mod language;
pub mod rule;
