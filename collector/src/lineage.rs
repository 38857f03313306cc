//! What is asked of the lineage of a fleet, and the answers.

pub mod downstream;
pub mod impact;

use chrono::{DateTime, Utc};
use fieldmark_model::SourceName;
use fieldmark_model::lineage::{Certainty, Kind, LineageTable, Origin, OriginKind, Unresolved};
use serde::{Deserialize, Serialize};

/// A column of a source, as it is called at the time that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnOf {
    /// The source.
    pub source: SourceName,
    /// `schema.table`; of what only reads, the name of its origin.
    pub table: String,
    /// The column; empty: of no column.
    pub column: String,
}

/// Against the flow, or with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What it is made from.
    Up,
    /// What is made from it.
    Down,
}

/// What is asked: from columns, in a direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    /// Of this source; `None`: of whichever has such columns.
    pub source: Option<SourceName>,
    /// `schema.table`, or the table alone.
    pub table: String,
    /// The column; `None`: all of the table's.
    pub column: Option<String>,
    /// Whither.
    pub direction: Direction,
    /// So many steps at most.
    pub depth: u32,
    /// Over edges alone whose value goes on.
    pub direct: bool,
    /// As it was then; `None`: now.
    pub as_of: Option<DateTime<Utc>>,
    /// So many columns at most.
    pub limit: usize,
}

/// A column that was reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reached {
    /// The column.
    #[serde(flatten)]
    pub column: ColumnOf,
    /// Steps to it, by the shortest way.
    pub depth: u32,
    /// Whether values go all the way; else rows are decided somewhere on it.
    pub direct: bool,
    /// How the last step goes.
    pub kind: Kind,
    /// Whether the value cannot be read back after the last step.
    pub masked: bool,
    /// The place of the column before it in the answer, from zero; `None`: a column that was asked for.
    pub via: Option<usize>,
    /// What makes the last step.
    pub origin: OriginOf,
}

/// What makes an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OriginOf {
    /// Its name in its source.
    pub name: String,
    /// What it is.
    pub kind: OriginKind,
    /// How its edges were learnt.
    pub certainty: Certainty,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How often it was seen to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// When it was last seen.
    pub last_seen: DateTime<Utc>,
}

/// The answer to a [`Walk`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Walked {
    /// The columns that were asked for, as they are called.
    pub from: Vec<ColumnOf>,
    /// In order of depth.
    pub reached: Vec<Reached>,
    /// Whether more would have been reached than were asked for.
    pub cut_off: bool,
}

/// An edge as it is exported, and in a difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EdgeOf {
    /// What goes in.
    pub source: ColumnOf,
    /// What comes out.
    pub target: ColumnOf,
    /// How.
    pub kind: Kind,
    /// Whether the value cannot be read back.
    pub masked: bool,
    /// What makes it.
    pub origin: String,
    /// How it was learnt.
    pub certainty: Certainty,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A column that has another name, and is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// What it was called.
    pub from: ColumnOf,
    /// What it is called.
    pub to: ColumnOf,
}

/// What became of the lineage of a source between two times.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Edges that there are at the second alone.
    pub added: Vec<EdgeOf>,
    /// At the first alone.
    pub removed: Vec<EdgeOf>,
    /// Columns with another name.
    pub renamed: Vec<Renamed>,
}

impl Difference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.renamed.is_empty()
    }
}

/// What is known of one origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OriginRow {
    /// Its source.
    pub source: SourceName,
    /// What it is.
    #[serde(flatten)]
    pub origin: OriginOf,
    /// Edges that it makes.
    pub edges: u64,
    /// What of it could not be resolved.
    pub unresolved: Vec<Unresolved>,
}

/// An edge between columns of whichever sources: what goes in, what comes out, how, and whether it cannot be read back.
pub type BetweenSources = (ColumnOf, ColumnOf, Kind, bool);

/// What a job of somebody else said of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The source that it is told as a part of: its namespace.
    pub source: SourceName,
    /// The job, without edges.
    pub origin: Origin,
    /// Its edges.
    pub edges: Vec<BetweenSources>,
    /// Tables that it told the columns of.
    pub tables: Vec<(SourceName, LineageTable)>,
    /// When.
    pub time: DateTime<Utc>,
}

/// Where the database of a source is, as OpenLineage names places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The source.
    pub source: SourceName,
    /// `postgres://host:port`.
    pub namespace: String,
    /// What is before `schema.table` in the name of a data set: the database; or nothing.
    pub prefix: String,
}

/// A column that nothing is seen to read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unused {
    /// The column.
    #[serde(flatten)]
    pub column: ColumnOf,
    /// Since when it is known.
    pub since: DateTime<Utc>,
}
