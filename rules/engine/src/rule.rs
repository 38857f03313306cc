//! A rule as checked: nothing in these types can be misspelled, out of range or of the wrong type any more.

use crate::kind::Kind;
use fieldmark_document::Place;
pub use fieldmark_document::Placed;
use fieldmark_model::{RuleId, Severity, SourceName};
use std::sync::Arc;
use std::time::Duration;

/// All that rule files say about one table.
#[derive(Clone, Debug)]
pub struct TableRules {
    /// The source that the table belongs to.
    pub source: SourceName,
    /// The schema; `None` where the file leaves it to the source's default.
    pub schema: Option<String>,
    /// The table's name.
    pub table: String,
    /// Whether schema and table are patterns, in which `*` stands for any characters: rules of every table that fits.
    pub pattern: Pattern,
    /// Where `table:` stands.
    pub place: Place,
    /// Who answers for it.
    pub owner: Option<String>,
    /// A route's name.
    pub escalation: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// Columns to mark rows by; `None`: the table's own key.
    pub key: Option<Placed<Vec<String>>>,
    /// How much to read; `None`: the source's setting.
    pub sample: Option<SampleWish>,
    /// Columns kept in marks only as keyed digests.
    pub pii: Vec<Placed<String>>,
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// What has to hold between before and after.
    pub across: AcrossMigrations,
    /// Where a section `across_migrations` stands, if one does.
    pub across_place: Option<Place>,
}

/// Which parts of a table's name are patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// The schema is one.
    pub schema: bool,
    /// The table is one.
    pub table: bool,
}

impl Pattern {
    /// Whether any part is one.
    pub fn is_any(self) -> bool {
        self.schema || self.table
    }
}

/// How many rows to read of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleWish {
    /// Every row.
    All,
    /// So many rows; of each block `per_block`, where blocks are drawn.
    Rows {
        /// Rows wanted.
        rows: u64,
        /// Rows kept of a drawn block; `None`: the source's setting.
        per_block: Option<u32>,
    },
    /// This fraction of the table's rows.
    Fraction {
        /// Over 0, below 1.
        fraction: f64,
        /// Rows kept of a drawn block; `None`: the source's setting.
        per_block: Option<u32>,
    },
}

/// One rule: its kind with that kind's own settings, and the keys common to all kinds.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Stable id.
    pub id: RuleId,
    /// Changes when the rule's meaning does.
    pub fingerprint: String,
    /// What it demands.
    pub kind: Arc<dyn Kind>,
    /// Rows that it speaks of.
    pub filter: Option<Expression>,
    /// Failing fraction that is allowed, 0 to 1.
    pub tolerance: f64,
    /// Failing fraction that a sampled pass must exclude; `None`: the source's.
    pub detect: Option<f64>,
    /// How much a failure matters.
    pub severity: Severity,
    /// What a NULL counts as.
    pub nulls: Nulls,
    /// The author's words.
    pub description: Option<String>,
    /// Time limit of a statement of this rule.
    pub timeout: Option<Duration>,
    /// How often a pass over the whole table may answer it; `None`: the source's.
    pub full_every: Option<Duration>,
    /// Where the rule stands.
    pub place: Place,
}

/// What rows count as for which a rule is unknown because of NULL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nulls {
    /// As passed, like a SQL CHECK.
    #[default]
    Pass,
    /// As failed.
    Fail,
    /// Across migrations: as failed where every column of `before` that is read has a value, which was lost then; else as passed.
    Lost,
}

/// A SQL expression over a row's columns, and where it stands.
pub type Expression = Placed<String>;

/// What has to hold between the rows of a mark and the same rows afterwards.
#[derive(Clone, Debug, Default)]
pub struct AcrossMigrations {
    /// Whether marked rows may vanish.
    pub rows: RowsAcross,
    /// Columns whose values must not change.
    pub same: Vec<AcrossSame>,
    /// (name after, name before) where it cannot be known otherwise.
    pub renamed: Vec<(Placed<String>, Placed<String>)>,
    /// Boolean expressions over `before.` and `after.` columns.
    pub expect: Vec<AcrossExpectation>,
    /// What a change that nobody declared means.
    pub undeclared_changes: UndeclaredChanges,
}

/// Whether marked rows may vanish.
#[derive(Clone, Debug, Default)]
pub enum RowsAcross {
    /// They may not.
    #[default]
    Kept,
    /// They may.
    MayVanish,
    /// Those may of which this is true before.
    MayVanishWhere(Expression),
}

/// A column whose values must not change.
#[derive(Clone, Debug)]
pub struct AcrossSame {
    /// Stable id.
    pub id: RuleId,
    /// Changes when its meaning does.
    pub fingerprint: String,
    /// The column, by its name after.
    pub column: Placed<String>,
}

/// One declared transition.
#[derive(Clone, Debug)]
pub struct AcrossExpectation {
    /// Stable id.
    pub id: RuleId,
    /// Changes when its meaning does.
    pub fingerprint: String,
    /// The expression.
    pub that: Expression,
    /// How much a failure matters.
    pub severity: Severity,
    /// Failing fraction that is allowed, 0 to 1.
    pub tolerance: f64,
    /// What a NULL counts as.
    pub nulls: Nulls,
    /// The author's words.
    pub description: Option<String>,
}

/// What a change that nobody declared means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UndeclaredChanges {
    /// Exit code 1.
    Fail,
    /// A warning.
    #[default]
    Warn,
    /// Nothing: it is not reported as surprising.
    Allow,
}
