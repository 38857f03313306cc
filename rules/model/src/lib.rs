//! The vocabulary of Fieldmark: names, catalogue, outcomes, observations, migration verdicts.
//!
//! Plain values only. Nothing here reads a file, a socket, a clock or a random number. Types that leave the process
//! (JSON reports, the spool, the protocol) are serialised with serde and carry a version where they are stored.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod canonical;
pub mod catalogue;
pub mod chunk;
pub mod code;
pub mod counters;
pub mod dialect;
pub mod finding;
pub mod lineage;
pub mod metric;
pub mod migration;
pub mod name;
pub mod number;
pub mod observation;
pub mod outcome;
pub mod shape;

pub use catalogue::{Catalogue, Column, Table, TableKind};
pub use chunk::{Cell, CellText, Chunk, Defect, DefectKind};
pub use counters::Counters;
pub use dialect::Dialect;
pub use finding::Finding;
pub use name::{RuleId, SourceName, TableName};
pub use outcome::{NotEvaluated, Outcome, Severity, Status};
