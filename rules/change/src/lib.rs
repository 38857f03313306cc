//! What a migration did to marked rows: the verdict, and nothing else.
//!
//! Pure: no clock, no input or output, no randomness, no DataFusion. One idea per module.
//!
//! The way through: [`pair_tables`] and [`pair_columns`] say which table and column became which, [`key_after`] how the marked
//! rows are found again; the caller reads them; [`align()`] matches the rows, [`compare_column`] the values, [`StampEvidence`] and
//! [`ControlEvidence`] tell the migration's doing from ordinary writes; [`judge`] puts all of it together into one
//! [`TableChange`](fieldmark_model::migration::TableChange) a table, [`overall()`] into the migration's verdict.
//!
//! No text that leaves this crate holds a row's value: reasons speak of tables, columns and counts. How values lie
//! ([`ColumnShape`](fieldmark_model::shape::ColumnShape)) is told as [`Shapes`] allows.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod align;
#[cfg(test)]
mod cases;
pub mod cell;
mod column;
pub mod compare;
pub mod control;
pub mod design;
pub mod difference;
pub mod error;
pub mod gone;
mod infer;
pub mod input;
mod instant;
mod json;
mod loss;
mod number;
mod observe;
pub mod overall;
pub mod pair;
mod rollback;
mod rules;
mod shape;
#[cfg(test)]
mod simulation;
pub mod stamp;
#[cfg(test)]
mod testing;
mod transition;
pub mod verdict;
mod words;
mod written;

pub use align::{Alignment, Duplicate, Match, NotFollowed, align, key_after};
pub use cell::{Difference, Kind, compare_cells};
pub use compare::{ChangedCell, ColumnComparison, compare_column};
pub use control::{ControlEvidence, Slice};
pub use design::{MarkDesign, MarkRow, MarkStratum};
pub use difference::{changed_tables, differences};
pub use error::ChangeError;
pub use gone::{Gone, GoneColumn, NewName, gone, gone_on};
pub use infer::infer_renames;
pub use input::{
    Declared, Direction, Marks, NewlyFailing, Rename, RowsDeclared, Same, ShapeDetail, Shapes, TableInput, Transition,
    Undeclared,
};
pub use overall::{gravest, overall};
pub use pair::{ColumnHints, ColumnPairs, TablePair, TablePairing, pair_columns, pair_tables};
pub use stamp::{Attribution, Stamp, StampEvidence};
pub use verdict::{Judged, Suspect, judge};
