//! Rule kinds: one file each, one line each in [`KINDS`].
//!
//! A kind is facts (name, reference text, an example, which common keys have a meaning for it) and a reader of its own
//! settings ([`Facts`]). What it reads is a [`Kind`], which says how rows are judged ([`Plan`]). From the one list come
//! parsing, the reference and the JSON schema.

mod column;
mod defect;
mod distribution;
mod expect;
mod form;
mod fresh;
mod in_range;
mod in_set;
mod judge;
mod length;
mod literal;
mod matches;
mod not_null;
mod references;
mod row_count;
mod sentence;
mod sql;
mod time;
mod type_is;
mod unique;

pub use distribution::Statistic;
pub use form::{Form, Key, Takes};
pub use in_range::Range;
pub(crate) use sentence::{MOST_COLUMNS, read_columns, too_many_columns};
pub use time::{Moment, read_moment};

use arrow::datatypes::Schema;
use datafusion_expr::Expr;
use fieldmark_document::{Node, Place, Placed, Problems};
pub(crate) use fieldmark_model::Dialect;
use fieldmark_model::NotEvaluated;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Every kind that rule files may use, in the order of the reference.
pub static KINDS: [&Facts; 13] = [
    &not_null::FACTS,
    &unique::FACTS,
    &in_set::FACTS,
    &in_range::FACTS,
    &matches::FACTS,
    &length::FACTS,
    &type_is::FACTS,
    &references::FACTS,
    &fresh::FACTS,
    &row_count::FACTS,
    &distribution::FACTS,
    &expect::FACTS,
    &sql::FACTS,
];

/// Why statements of a rule's own have no meaning for kinds that are judged row by row.
const ROW_BY_ROW: &[(CommonKey, &str)] = &[
    (CommonKey::Timeout, "it is judged on the rows read for the sample and sends no statement of its own"),
    (CommonKey::FullEvery, "it is judged on the rows read for the sample and needs no pass over the table"),
];

/// Everything about a kind that is not about one rule of it.
#[derive(Debug)]
pub struct Facts {
    /// Its name in rule files.
    pub name: &'static str,
    /// One paragraph for the reference: what passes, what fails, what is unknown, which column types it takes.
    pub reference: &'static str,
    /// One rule of it in YAML.
    pub example: &'static str,
    /// Keys that have a meaning for it, beside `id`, `severity` and `description`, which every rule may carry.
    pub keys: &'static [CommonKey],
    /// Keys that have none, and why.
    pub without: &'static [(CommonKey, &'static str)],
    /// The form of its settings, for the JSON schema; a test holds it against what `read` takes.
    pub form: Form,
    /// Reads its settings; problems are added, `None` where there is one.
    pub read: fn(&Node, &mut Problems) -> Option<Vec<Reading>>,
}

/// A key that is not a kind's own but has a meaning for several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommonKey {
    /// Which rows the rule speaks of.
    Where,
    /// The failing fraction that is allowed.
    Tolerance,
    /// The failing fraction that a sampled pass must exclude.
    Detect,
    /// What a NULL counts as.
    Nulls,
    /// Time limit of the rule's own statement.
    Timeout,
    /// How often a pass over the whole table may answer it.
    FullEvery,
}

impl CommonKey {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Where, Self::Tolerance, Self::Detect, Self::Nulls, Self::Timeout, Self::FullEvery];

    /// Its spelling in rule files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Where => "where",
            Self::Tolerance => "tolerance",
            Self::Detect => "detect",
            Self::Nulls => "nulls",
            Self::Timeout => "timeout",
            Self::FullEvery => "full_every",
        }
    }

    /// What it is, in a few words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Where => "an SQL expression over the row's columns: the rule speaks of the rows for which it is true",
            Self::Tolerance => "failing fraction that is allowed (default 0)",
            Self::Detect => "failing fraction that a sampled pass has to rule out (default: the source's, 0.1%)",
            Self::Nulls => "what a row counts as for which the rule is NULL (default: pass, as in a SQL CHECK)",
            Self::Timeout => "time that the rule's own statements may take in one check, all of them together",
            Self::FullEvery => "how often a pass over a whole table may answer the rule (default: the source's, 24h)",
        }
    }
}

/// One rule as its kind reads it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it demands.
    pub kind: Arc<dyn Kind>,
    /// Its settings in one spelling, whatever the file's: what the fingerprint is made of.
    pub meaning: String,
    /// What follows table and kind in an id that the rule does not give itself: its columns, or a digest of its meaning.
    pub label: Option<String>,
    /// What follows a given id (`id/a`), where one entry of the file makes several rules.
    pub part: Option<String>,
}

/// What one rule of a kind demands, with that kind's settings.
pub trait Kind: fmt::Debug + Send + Sync {
    /// The kind's name in rule files (`in_set`).
    fn name(&self) -> &'static str;
    /// Columns of the rule's own table that it reads, without those of `where` and of expressions.
    fn columns(&self) -> Vec<&str>;
    /// The same columns with their places in the rule file; empty where they have none.
    fn placed_columns(&self) -> Vec<&Placed<String>> {
        Vec::new()
    }
    /// The SQL expression that it is, with its place in the rule file; `None` where it is none.
    fn placed_expression(&self) -> Option<&Placed<String>> {
        None
    }
    /// Where the rule file names the table that it refers to; `None` where it refers to none.
    fn placed_target(&self) -> Option<&Place> {
        None
    }
    /// How it is answered on a table with these columns.
    ///
    /// # Errors
    /// Why it cannot be evaluated there.
    fn plan(&self, schema: &Schema) -> Result<Plan, Refusal>;
    /// Whether other rows than the one judged have a say: it is looked up in tables.
    fn looks_up(&self) -> bool {
        false
    }
    /// SQL condition that is true for a failing row, for people to run on the database itself, in its dialect; only the rule's own
    /// literals, identifiers quoted. `None` where the kind does not speak of single rows of its own table.
    fn failing_sql(&self, dialect: Dialect) -> Option<String>;
    /// SQL of the statistic that it is about, for people to run; `None` where it is about none.
    fn statistic_sql(&self) -> Option<String> {
        None
    }
    /// What the rule demands, as a sentence of few words for reports (`status is one of 4 values`).
    fn wording(&self) -> String;
}

/// How a rule is answered.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Row by row, by DataFusion: TRUE passes, FALSE fails, NULL is unknown.
    Row {
        /// The condition over the row's columns.
        condition: Expr,
        /// How a cell is judged that Arrow could not hold.
        defects: DefectPolicy,
    },
    /// Row by row, by DataFusion, from an SQL expression over the row's columns.
    Expression {
        /// The expression's text.
        text: String,
    },
    /// By looking whether other rows share the values.
    Unique {
        /// The columns.
        columns: Vec<String>,
    },
    /// By looking the values up in another table.
    References {
        /// Referring columns.
        columns: Vec<String>,
        /// Schema of the table referred to; `None`: the referring table's.
        to_schema: Option<String>,
        /// The table referred to.
        to_table: String,
        /// Its columns, in the same order.
        to_columns: Vec<String>,
    },
    /// By the table's maximum.
    Fresh {
        /// A date or timestamp column.
        column: String,
        /// How old it may be.
        within: Duration,
    },
    /// By the number of rows.
    RowCount {
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
        /// Largest relative change against the last stored count.
        change: Option<f64>,
    },
    /// By a statistic of a column over the rows that `where` keeps.
    Distribution {
        /// The column.
        column: String,
        /// What is measured.
        statistic: Statistic,
        /// At least.
        low: Option<f64>,
        /// At most.
        high: Option<f64>,
    },
    /// By a query of the database's own: the rows that it gives fail.
    Sql {
        /// The query, without a semicolon.
        text: String,
    },
}

impl Plan {
    /// Whether it speaks of single rows, and not only of the table as a whole.
    pub fn is_of_rows(&self) -> bool {
        match self {
            Self::Row { .. } | Self::Expression { .. } | Self::Unique { .. } | Self::References { .. } => true,
            Self::Fresh { .. } | Self::RowCount { .. } | Self::Distribution { .. } | Self::Sql { .. } => false,
        }
    }

    /// Whether the rows that are read for the table have a part in its answer.
    pub fn needs_rows(&self) -> bool {
        !matches!(self, Self::Fresh { .. } | Self::Sql { .. })
    }
}

/// How a row is judged in which a column of the rule has a defect (a value that its Arrow column could not hold).
#[derive(Clone, Debug, PartialEq)]
pub enum DefectPolicy {
    /// The row is unknown, by the defect's cause.
    Unknown,
    /// There is a value, which is all that matters: the row passes.
    Present,
    /// By the size in bytes, as far as that decides the number of characters.
    Length {
        /// At least so many characters.
        min: Option<u64>,
        /// At most so many.
        max: Option<u64>,
    },
    /// By the canonical text, where it was read.
    ReadsAs(ValueType),
    /// By the canonical text against these bounds.
    InRange(Arc<Range>),
}

/// What a text may read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// true or false.
    Boolean,
    /// A calendar date.
    Date,
    /// A date with a time of day.
    Timestamp,
    /// A UUID.
    Uuid,
    /// A JSON text.
    Json,
}

/// Why a rule cannot be evaluated on a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The word for it.
    pub why: NotEvaluated,
    /// In a sentence: what, and what would be allowed.
    pub reason: String,
}

impl ValueType {
    /// All of them with their spelling in rule files.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("integer", Self::Integer),
        ("decimal", Self::Decimal),
        ("boolean", Self::Boolean),
        ("date", Self::Date),
        ("timestamp", Self::Timestamp),
        ("uuid", Self::Uuid),
        ("json", Self::Json),
    ];

    /// Its spelling in rule files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Json => "json",
        }
    }
}

#[cfg(test)]
mod tests;
