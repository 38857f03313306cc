//! Marks: keyed samples kept on disk, to find the same rows again after a migration.
//!
//! ```text
//! <marks of the source>/<id>/mark.json     what was read, when, how; outcomes of the rules; control slices
//! <marks of the source>/<id>/<n>.parquet   rows of the n-th table, with their types
//! ```
//!
//! A mark is written into a folder beside its place, synced, and renamed as a whole: there is no half mark. Its id is the
//! SHA-256 of `mark.json`, which holds that of every file; what does not match is damaged and refused. Columns that rule
//! files name as `pii` are in it as keyed digests only, which only the state folder with the same key can compare.

mod digest;
mod rows;
mod store;

pub use digest::digested;
pub(crate) use rows::{read as read_rows, write as write_rows};
pub use store::{MarkError, MarkStore, Stored};

use crate::lineage::Planned;
use chrono::{DateTime, Utc};
use fieldmark_change::{MarkDesign, MarkRow, MarkStratum, Slice};
use fieldmark_model::chunk::DefectKind;
use fieldmark_model::{Catalogue, Cell, Chunk, Counters, Defect, Outcome, RuleId, SourceName, TableName};
use fieldmark_source::ServerIdentity;
use fieldmark_statistics::{Method, Population};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of `mark.json` that this build writes.
pub const VERSION: u32 = 4;

/// One mark, without its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Version of this form.
    pub version: u32,
    /// The source.
    pub source: SourceName,
    /// When its last row was read.
    pub taken: DateTime<Utc>,
    /// The time that the rules were asked at: `now()` of their expressions.
    pub now: DateTime<Utc>,
    /// By how many seconds the database's clock was ahead of this machine's, where it was asked.
    #[serde(default)]
    pub clock_ahead: Option<f64>,
    /// Which server was read, where it tells.
    #[serde(default)]
    pub server: Option<ServerIdentity>,
    /// Transaction ids at that time, where the database has them.
    #[serde(default)]
    pub transactions: Transactions,
    /// The source's tables at that time.
    pub catalogue: Catalogue,
    /// Marked tables.
    pub tables: Vec<MarkedTable>,
    /// Tables that are not marked, and why.
    pub unmarked: Vec<(TableName, String)>,
    /// What the rules gave.
    pub outcomes: Vec<Outcome>,
    /// What the scripts of the migration say.
    #[serde(default)]
    pub planned: Planned,
}

/// Transaction ids around a mark (PostgreSQL).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transactions {
    /// The next id before the first row was read, if no transaction that had one was running: whatever is written to a marked row after
    /// it was read has an id from this one on.
    pub first: Option<u64>,
    /// The next id after the last row was read and the control period was over.
    pub next: Option<u64>,
}

/// One marked table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkedTable {
    /// The table.
    pub name: TableName,
    /// Columns that its rows are found again by.
    pub key: Vec<String>,
    /// When its rows were read.
    pub read_at: DateTime<Utc>,
    /// How rows were drawn.
    pub method: Method,
    /// Rows of the table at that time.
    pub population: Population,
    /// Units drawn, empty ones included.
    pub units_drawn: u64,
    /// Where blocks were drawn: of each row, its block's number and live rows.
    pub blocks: Option<Vec<(u64, u64)>>,
    /// The transaction that wrote each row last, where the database tells; empty where it does not.
    #[serde(default)]
    pub stamps: Vec<u64>,
    /// Of each rule whose answer is known row by row, the rows that fail it.
    #[serde(default)]
    pub failing: BTreeMap<RuleId, Vec<u64>>,
    /// Columns that are here as keyed digests.
    pub digested: Vec<String>,
    /// The table's own counters, when its rows had been read and ordinary writes watched: servers bring them up to date late.
    pub counters: Counters,
    /// When these were read.
    pub counted_at: DateTime<Utc>,
    /// Rows written while ordinary writes were watched, by the table's counters, and for how many seconds.
    #[serde(default)]
    pub ordinarily: Option<(Counters, f64)>,
    /// Cells that Parquet does not hold.
    pub defects: Vec<StoredDefect>,
    /// The same rows read again before the migration: what ordinary writes do.
    pub control: Vec<Slice>,
    /// When the last of those readings was; a row that none of them saw changing has not changed until then.
    #[serde(default)]
    pub watched_until: Option<DateTime<Utc>>,
    /// File of the rows.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Rows in it.
    pub rows: u64,
}

/// A cell that its column cannot hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredDefect {
    row: usize,
    column: usize,
    kind: DefectKind,
    canonical: Option<String>,
    bytes: Option<u64>,
}

impl From<&Defect> for StoredDefect {
    fn from(defect: &Defect) -> Self {
        Self {
            row: defect.cell.row,
            column: defect.cell.column,
            kind: defect.kind,
            canonical: defect.canonical.clone(),
            bytes: defect.bytes,
        }
    }
}

impl From<&StoredDefect> for Defect {
    fn from(stored: &StoredDefect) -> Self {
        Self {
            cell: Cell { row: stored.row, column: stored.column },
            kind: stored.kind,
            canonical: stored.canonical.clone(),
            bytes: stored.bytes,
        }
    }
}

impl MarkedTable {
    /// How its rows were drawn, as verdicts ask for it.
    pub fn design(&self) -> MarkDesign {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        match &self.blocks {
            None => {
                MarkDesign { strata: vec![self.stratum()], rows: vec![MarkRow { stratum: 0, unit: 0, live: 1 }; rows] }
            }
            Some(blocks) => MarkDesign {
                strata: vec![self.stratum()],
                rows: blocks.iter().map(|(unit, live)| MarkRow { stratum: 0, unit: *unit, live: *live }).collect(),
            },
        }
    }

    fn stratum(&self) -> MarkStratum {
        MarkStratum { method: self.method, population: self.population, units_drawn: self.units_drawn }
    }
}

/// A mark with its rows, one chunk for each marked table.
#[derive(Clone, Debug)]
pub struct MarkWithRows {
    /// The mark.
    pub mark: Mark,
    /// Rows of each table, in the order of [`Mark::tables`].
    pub rows: Vec<Chunk>,
}
