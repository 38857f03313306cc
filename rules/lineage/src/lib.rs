//! Column-level lineage: which column is made from which, and which decide it. Pure: text and a catalogue in, edges out.
//!
//! Two readers share one algebra. [`tree`] reads the query trees that PostgreSQL itself stores, in which every name is resolved already;
//! [`sql`] resolves the text of any statement against a catalogue. Neither guesses: what is not certain is [`Unresolved`], with its place and
//! the reason.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod batch;
mod catalogue;
mod deps;
pub mod sql;
pub mod tree;

pub use catalogue::Catalogue;
pub use fieldmark_model::lineage::{ColumnName, Edge, Kind, Place, Unresolved};
