//! The lineage of a source: what its database, its rules and others say of which column is made from which.
//!
//! `snapshot` is all of it as it is now; `told` is what was said of it before, so that only what is new is told.

mod dbt;
mod flows;
mod place;
mod planned;
mod read;
mod recorded;
mod snapshot;
mod told;

pub(crate) use dbt::models;
pub(crate) use flows::Flows;
pub(crate) use place::{place, whereabouts};
pub(crate) use planned::{Planned, PlannedRename};
pub(crate) use planned::{Unplanned, planned, renames};
pub(crate) use read::read;
pub(crate) use recorded::{changed, record, record_planned};
pub(crate) use snapshot::Snapshot;
pub(crate) use told::Told;

use fieldmark_model::TableName;

/// A table as lineage names it: with its schema, where its database has such.
pub(crate) fn spelled(table: &TableName) -> String {
    if table.schema.is_empty() { table.name.clone() } else { format!("{}.{}", table.schema, table.name) }
}
