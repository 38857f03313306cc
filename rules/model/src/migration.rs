//! What happened to marked rows and their tables between a mark and its recapture.

use crate::catalogue::Column;
use crate::counters::Counters;
use crate::lineage::{ColumnName, Kind};
use crate::name::{SourceName, TableName};
use crate::outcome::Outcome;
use crate::shape::ColumnShape;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What is concluded of a migration, or of one table of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing changed that the migration could be blamed for.
    Clean,
    /// Everything that changed was declared or predicted.
    AsDeclared,
    /// Something changed that nobody declared.
    Surprising,
    /// A rule that passed now fails, rows vanished, or a declared transition does not hold.
    Broken,
    /// The evidence does not decide.
    Inconclusive,
    /// Before and after cannot be compared.
    NotComparable,
    /// After a way back: everything is as the mark says.
    Restored,
    /// After a way back: something is lost.
    RestoredWithLoss,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Clean,
        Self::AsDeclared,
        Self::Surprising,
        Self::Broken,
        Self::Inconclusive,
        Self::NotComparable,
        Self::Restored,
        Self::RestoredWithLoss,
    ];

    /// The word of the JSON report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::AsDeclared => "as_declared",
            Self::Surprising => "surprising",
            Self::Broken => "broken",
            Self::Inconclusive => "inconclusive",
            Self::NotComparable => "not_comparable",
            Self::Restored => "restored",
            Self::RestoredWithLoss => "restored_with_loss",
        }
    }
}

/// What became of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnFate {
    /// Same name, same type.
    Kept,
    /// Not there any more.
    Dropped,
    /// Not there before.
    Added,
    /// Another name.
    Renamed {
        /// The name before.
        from: String,
        /// How that is known.
        by: RenameEvidence,
    },
    /// Same name, another type.
    Retyped,
    /// Another name and another type.
    RenamedAndRetyped {
        /// The name before.
        from: String,
        /// How that is known.
        by: RenameEvidence,
    },
}

/// How a rename is known, most exact first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenameEvidence {
    /// The catalogue's identity of the column.
    Catalogue,
    /// `renamed:` of the rule file.
    Declared,
    /// The migration's statements.
    Statements,
    /// Equal values: shown as inferred.
    Inferred,
}

/// Whether a change was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Nothing changed.
    Unchanged,
    /// The rule file declares it.
    Declared,
    /// Ordinary writes explain it.
    Ordinary,
    /// Nobody declared it.
    Surprising,
    /// The evidence does not decide whose doing it is.
    Undecided,
}

/// What was seen in one column of the marked rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnChange {
    /// Name after (before, where it was dropped).
    pub column: String,
    /// What became of the column.
    pub fate: ColumnFate,
    /// Declared type before.
    pub type_before: Option<String>,
    /// Declared type after.
    pub type_after: Option<String>,
    /// Marked rows whose value could be compared.
    pub compared: u64,
    /// Of those, rows whose value differs.
    pub changed: u64,
    /// Changed rows that ordinary writes explain, by the rows' own stamps or by the control test.
    pub ordinary: u64,
    /// Fraction of the table's rows that changed other than by ordinary writes, with its 95 % interval.
    pub fraction: Option<f64>,
    /// Its interval.
    pub interval: Option<[f64; 2]>,
    /// Smallest changed fraction that would have been noticed here.
    pub smallest_detectable: Option<f64>,
    /// What values lost in a change of type, by kind of loss.
    pub losses: Vec<Loss>,
    /// Whether it was expected.
    pub expectation: Expectation,
    /// The reason in words and numbers.
    pub reason: String,
    /// How its values lay and lie, where the migration changed them and the source's owner lets that be shown.
    #[serde(default)]
    pub shape: Option<ColumnShape>,
}

/// A loss that values suffered, and in how many marked rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// What was lost.
    pub kind: LossKind,
    /// Marked rows concerned.
    pub rows: u64,
}

/// What a value can lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Digits after the point, or seconds' fractions.
    Precision,
    /// Characters at the end.
    Length,
    /// The time zone.
    TimeZone,
    /// Characters that became other characters.
    Encoding,
    /// A value became NULL.
    ToNull,
    /// NULL became a value.
    NullToValue,
    /// Leading zeros, case or spaces of a text.
    Form,
    /// None of these: another value.
    Value,
}

/// What was seen of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableChange {
    /// Name after (before, where it was dropped).
    pub table: TableName,
    /// The name before, where it is another one.
    pub renamed_from: Option<TableName>,
    /// Conclusion for the table.
    pub verdict: Verdict,
    /// The reasons, most important first.
    pub reasons: Vec<String>,
    /// How many of them say that something is not well.
    #[serde(default)]
    pub against: u64,
    /// Marked rows.
    pub marked: u64,
    /// Of those, still there with every compared value the same.
    pub unchanged: u64,
    /// Still there, a value differs.
    pub changed: u64,
    /// Not there any more.
    pub vanished: u64,
    /// Vanished rows that ordinary deletes or a declaration explain.
    pub vanished_explained: u64,
    /// Fraction of the table's rows that vanished otherwise, with its interval.
    pub vanished_interval: Option<[f64; 2]>,
    /// Rows of the table before, estimated or counted.
    pub rows_before: Option<u64>,
    /// Rows of the table after.
    pub rows_after: Option<u64>,
    /// Whether the rows before and those after are estimates.
    pub rows_estimated: [bool; 2],
    /// Rows written between mark and recapture by the table's own counters.
    pub written: Option<Counters>,
    /// Whether storage was rewritten.
    pub rewritten: bool,
    /// Columns, in their order after; dropped ones last.
    pub columns: Vec<ColumnChange>,
    /// Outcomes of declared transitions (`same`, `expect` of `across_migrations:`).
    pub transitions: Vec<Outcome>,
    /// Whether a surprising change here fails the run (`undeclared_changes: fail`) and does not only warn.
    #[serde(default)]
    pub undeclared_changes_fail: bool,
    /// Up to five changed or vanished rows, shown as the source's `examples` setting says.
    pub examples: Vec<String>,
}

/// A migration as a report tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MigrationReport {
    /// The source.
    pub source: SourceName,
    /// Id of the mark that the rows were compared with.
    pub mark: String,
    /// When the mark was taken.
    pub marked_at: DateTime<Utc>,
    /// When the rows were read again.
    pub recaptured_at: DateTime<Utc>,
    /// The guarded command's exit status, where there was a command.
    pub command_status: Option<i32>,
    /// Conclusion.
    pub verdict: Verdict,
    /// The reasons, most important first.
    pub reasons: Vec<String>,
    /// Every marked table.
    pub tables: Vec<TableChange>,
    /// Tables that appeared.
    pub tables_added: Vec<TableName>,
    /// What became of lineage; `None`: it is not known.
    #[serde(default)]
    pub lineage: Option<LineageChange>,
    /// Rules before and after: (before, after) of every rule of the marked tables.
    pub rules: Vec<RuleChange>,
}

/// What became of the lineage of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineageChange {
    /// Columns with another name: before, after.
    pub renamed: Vec<[ColumnName; 2]>,
    /// Edges that are no more.
    pub removed: Vec<LineageEdge>,
    /// Edges that are new.
    pub added: Vec<LineageEdge>,
}

/// An edge, and what makes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineageEdge {
    /// What goes in.
    pub source: ColumnName,
    /// What comes out.
    pub target: ColumnName,
    /// How.
    pub kind: Kind,
    /// What makes it.
    pub origin: String,
}

/// One rule's outcome before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleChange {
    /// Outcome when the mark was taken.
    pub before: Outcome,
    /// Outcome at the recapture.
    pub after: Outcome,
}

/// A column before and after, paired by whatever evidence there is.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnPair {
    /// The column before; `None` where it was added.
    pub before: Option<Column>,
    /// The column after; `None` where it was dropped.
    pub after: Option<Column>,
    /// What became of it.
    pub fate: ColumnFate,
}
