//! What one rule gave on one sample.

use crate::name::{RuleId, SourceName, TableName};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How much a failure matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Goes to metrics only.
    Info,
    /// Goes to the quiet channel.
    #[default]
    Ticket,
    /// Worth waking somebody.
    Page,
}

impl Severity {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// The four statuses of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The rule holds: on all rows, or with an interval that excludes what has to be excluded.
    Passed,
    /// More rows fail than are tolerated.
    Failed,
    /// The sample cannot tell.
    Inconclusive,
    /// The rule could not be checked; see [`NotEvaluated`].
    NotEvaluated,
}

impl Status {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::NotEvaluated => "not_evaluated",
        }
    }
}

/// Why a rule was not evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotEvaluated {
    /// The table lacks a column of the rule.
    ColumnMissing,
    /// The rule has no meaning for the column's type.
    TypeMismatch,
    /// The source lacks the table.
    TableMissing,
    /// The role may not read it.
    PermissionDenied,
    /// Row security hides rows from the role.
    CoverageLimited,
    /// The statement's time was up.
    Timeout,
    /// A migration wanted the table.
    YieldedToMigration,
    /// The database went away.
    ConnectionLost,
    /// No affordable way to answer.
    TooExpensive,
    /// The source's budget is spent.
    BudgetSpent,
    /// The table offers no way to draw rows fairly.
    NotSampleable,
    /// A replica had not caught up.
    StaleReplica,
    /// Too many values that Arrow cannot hold.
    Unrepresentable,
    /// A fault of Fieldmark's own.
    Internal,
}

/// Whether waiting may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// May go away by itself.
    Transient,
    /// Stays until somebody changes something.
    Permanent,
    /// Somebody has to give more of something, mostly: a disk that is full.
    Resource,
}

impl Nature {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Resource => "resource",
        }
    }
}

impl NotEvaluated {
    /// Whether waiting may help.
    pub fn nature(self) -> Nature {
        match self {
            Self::Timeout
            | Self::YieldedToMigration
            | Self::ConnectionLost
            | Self::BudgetSpent
            | Self::StaleReplica => Nature::Transient,
            Self::ColumnMissing
            | Self::TypeMismatch
            | Self::TableMissing
            | Self::PermissionDenied
            | Self::CoverageLimited
            | Self::TooExpensive
            | Self::NotSampleable
            | Self::Unrepresentable
            | Self::Internal => Nature::Permanent,
        }
    }

    /// The word of the JSON report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ColumnMissing => "column_missing",
            Self::TypeMismatch => "type_mismatch",
            Self::TableMissing => "table_missing",
            Self::PermissionDenied => "permission_denied",
            Self::CoverageLimited => "coverage_limited",
            Self::Timeout => "timeout",
            Self::YieldedToMigration => "yielded_to_migration",
            Self::ConnectionLost => "connection_lost",
            Self::TooExpensive => "too_expensive",
            Self::BudgetSpent => "budget_spent",
            Self::NotSampleable => "not_sampleable",
            Self::StaleReplica => "stale_replica",
            Self::Unrepresentable => "unrepresentable",
            Self::Internal => "internal",
        }
    }
}

/// Rows for which a rule is neither true nor false, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownBy {
    /// A NULL took part.
    pub null: u64,
    /// The expression had an error on the row.
    pub expression_error: u64,
    /// A value was too large to be read.
    pub value_too_large: u64,
    /// A value has no Arrow representation.
    pub unrepresentable: u64,
}

impl UnknownBy {
    /// Rows unknown for a cause other than NULL: these widen the interval.
    pub fn unsettled(&self) -> u64 {
        self.expression_error + self.value_too_large + self.unrepresentable
    }
    /// All unknown rows.
    pub fn total(&self) -> u64 {
        self.null + self.unsettled()
    }
}

/// Rows that failed a rule in an earlier check, read again by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFailing {
    /// Rows asked for again.
    pub known: u64,
    /// Of those, rows that still fail. The others pass, are gone, or are no longer concerned.
    pub failing: u64,
    /// Since when rows are known to fail the rule.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
}

/// Failing rows that were recorded as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// At most so many rows of the table were known to fail.
    pub rows: u64,
    /// When they were recorded.
    pub since: DateTime<Utc>,
    /// Whether more fail now, for certain.
    pub grown: bool,
}

/// Something that may help, to be looked at by somebody. Nothing of a row is in it, and none of a rule's literals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// What it does.
    pub what: String,
    /// A statement, or a command.
    pub text: String,
}

/// What one rule gave on one sample. Field names are those of the JSON report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The source.
    pub source: SourceName,
    /// `schema.table`.
    pub table: TableName,
    /// The rule's id.
    pub rule: RuleId,
    /// The rule's kind (`not_null`).
    pub kind: String,
    /// Changes when the rule's meaning does.
    pub fingerprint: String,
    /// Passed, failed, inconclusive or not evaluated.
    pub status: Status,
    /// Why it was not evaluated, if it was not.
    pub not_evaluated: Option<NotEvaluated>,
    /// The reason in words and numbers.
    pub reason: String,
    /// Rows of the table, exact or estimated; `null` where unknown.
    pub population: Option<u64>,
    /// Rows that the rule was asked about (`where` was true).
    pub checked: Option<u64>,
    /// Rows that fail.
    pub failed: u64,
    /// Rows for which the rule is unknown.
    pub unknown: u64,
    /// Unknown rows by cause.
    pub unknown_by: UnknownBy,
    /// Estimated failing fraction of the table.
    pub fraction: Option<f64>,
    /// Interval of that fraction; `null` where all rows were read.
    pub interval: Option<[f64; 2]>,
    /// Joint confidence of the interval; `null` where there is none.
    pub level: Option<f64>,
    /// By how many rows of the sample one independent row is worth as much; `null` where nothing was estimated.
    #[serde(default)]
    pub design_effect: Option<f64>,
    /// Failing fraction that is allowed.
    pub tolerance: f64,
    /// Failing fraction that a sampled pass must exclude.
    pub detect: f64,
    /// How much a failure matters.
    pub severity: Severity,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The route that its failures escalate to.
    #[serde(default)]
    pub escalation: Option<String>,
    /// Whether a sample was read and not all rows.
    pub sampled: bool,
    /// Whether the table was being written while all its rows were read.
    pub moving: bool,
    /// Rows that were known to fail and were read again; `null` where none was known. They have no weight in `fraction` and `interval`.
    #[serde(default)]
    pub known_failing: Option<KnownFailing>,
    /// What was measured, of kinds that measure (`row_count`: rows, `fresh`: lag in seconds, `distribution`: the statistic).
    pub value: Option<f64>,
    /// Interval of `value`, where that was estimated from a sample.
    #[serde(default)]
    pub value_interval: Option<[f64; 2]>,
    /// Failing rows that the baseline knows; `null` where the rule has none, or does not fail.
    #[serde(default)]
    pub baseline: Option<Baseline>,
    /// Up to five failing rows, shown as the source's `examples` setting says.
    pub examples: Vec<String>,
    /// SQL that shows the failing rows, with the rule's literals and never a row's.
    pub sql: Option<String>,
    /// The rule's description, from its author.
    pub description: Option<String>,
    /// The runbook, from the rule file.
    pub runbook: Option<String>,
    /// What may help, where it fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

impl Outcome {
    /// Leaves out what could show a row: examples, and SQL with the rule's literals in it.
    pub fn leave_out_rows(&mut self) {
        self.examples.clear();
        self.sql = None;
    }

    /// Whether it fails by rows that the baseline knows, and by no more than those: shown, and no alarm.
    pub fn is_known(&self) -> bool {
        self.status == Status::Failed && self.baseline.is_some_and(|baseline| !baseline.grown)
    }

    /// An outcome that says nothing yet: status `not_evaluated`, nothing counted.
    pub fn blank(source: SourceName, table: TableName, rule: RuleId, kind: impl Into<String>) -> Self {
        Self {
            source,
            table,
            rule,
            kind: kind.into(),
            fingerprint: String::new(),
            status: Status::NotEvaluated,
            not_evaluated: None,
            reason: String::new(),
            population: None,
            checked: None,
            failed: 0,
            unknown: 0,
            unknown_by: UnknownBy::default(),
            fraction: None,
            interval: None,
            level: None,
            design_effect: None,
            tolerance: 0.0,
            detect: 0.0,
            severity: Severity::default(),
            owner: None,
            escalation: None,
            sampled: false,
            moving: false,
            known_failing: None,
            value: None,
            value_interval: None,
            baseline: None,
            examples: Vec::new(),
            sql: None,
            description: None,
            runbook: None,
            fixes: Vec::new(),
        }
    }
}
