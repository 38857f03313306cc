//! What lineage says: which column is made from which, or decided by it, and how that was learnt.

use crate::name::SourceName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a source column takes part in a target column. The words are OpenLineage's (`columnLineage`, 1-2-0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The value itself.
    Identity,
    /// The value goes into an expression.
    Transformation,
    /// Values of several rows become one.
    Aggregation,
    /// It decides which rows come together.
    Join,
    /// It decides which rows become one.
    GroupBy,
    /// It decides which rows there are.
    Filter,
    /// It decides the order of rows.
    Sort,
    /// It decides over which rows a window function goes.
    Window,
    /// It decides which of several values is taken.
    Conditional,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::Identity,
        Self::Transformation,
        Self::Aggregation,
        Self::Join,
        Self::GroupBy,
        Self::Filter,
        Self::Sort,
        Self::Window,
        Self::Conditional,
    ];

    /// Whether the source's value is in the target's, and does not only decide it.
    pub fn is_direct(self) -> bool {
        match self {
            Self::Identity | Self::Transformation | Self::Aggregation => true,
            Self::Join | Self::GroupBy | Self::Filter | Self::Sort | Self::Window | Self::Conditional => false,
        }
    }

    /// `DIRECT` or `INDIRECT`.
    pub fn type_word(self) -> &'static str {
        if self.is_direct() { "DIRECT" } else { "INDIRECT" }
    }

    /// The word of the subtype.
    pub fn subtype(self) -> &'static str {
        match self {
            Self::Identity => "IDENTITY",
            Self::Transformation => "TRANSFORMATION",
            Self::Aggregation => "AGGREGATION",
            Self::Join => "JOIN",
            Self::GroupBy => "GROUP_BY",
            Self::Filter => "FILTER",
            Self::Sort => "SORT",
            Self::Window => "WINDOW",
            Self::Conditional => "CONDITIONAL",
        }
    }

    /// The kind of that subtype, in capitals.
    pub fn of_subtype(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.subtype() == word)
    }

    /// What becomes of a part in a value, when that value takes part in another: what decides stays what decides, and the last that decides
    /// says how; a value that went into an expression or an aggregate stays so.
    #[must_use]
    pub fn through(self, outer: Self) -> Self {
        match (self.is_direct(), outer.is_direct()) {
            (_, false) => outer,
            (false, true) => self,
            (true, true) => self.max(outer),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.type_word(), self.subtype())
    }
}

/// A column of a table, as the catalogue spells both. The target of a bare query has an empty table; a source of which nobody knows the table
/// has the table `?`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnName {
    /// `schema.table`, with as many parts as the catalogue has.
    pub table: String,
    /// The column's own name.
    pub column: String,
}

impl ColumnName {
    /// The table of what nobody knows the table of.
    pub const UNKNOWN: &str = "?";

    /// A column of a table.
    pub fn new(table: impl Into<String>, column: impl Into<String>) -> Self {
        Self { table: table.into(), column: column.into() }
    }
}

impl fmt::Display for ColumnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

/// One column is made from another, or decided by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// What goes in.
    pub source: ColumnName,
    /// What comes out.
    pub target: ColumnName,
    /// How.
    pub kind: Kind,
    /// Whether the value cannot be read back from the target: it went through a digest or was counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
}

/// A place in a text: both count from one, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column in it.
    pub column: u64,
}

/// Something that could not be resolved: it is not guessed, and not left out without a word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unresolved {
    /// Why, in words, without any literal of the statement.
    pub reason: String,
    /// Where it is in the text that was given; of a stored tree, one and one.
    #[serde(flatten)]
    pub place: Place,
    /// What it is about: a name, or a word of the language. Never a literal.
    pub text: String,
}

/// What is read or written by itself: a view, a trigger, a statement of the log, a job of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A rule of PostgreSQL's rewriter.
    Rewrite,
    /// A function or procedure.
    Function,
    /// A trigger.
    Trigger,
    /// A column that the database computes from others.
    Generated,
    /// A foreign key.
    ForeignKey,
    /// A statement that somebody sends, by the database's own log.
    Statement,
    /// A statement of a migration.
    Migration,
    /// A rule of Fieldmark.
    Rule,
    /// A job or a model of somebody else.
    Job,
    /// Somebody who reads: an exposure, a dashboard.
    Consumer,
}

impl OriginKind {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::MaterializedView => "materialized_view",
            Self::Rewrite => "rewrite",
            Self::Function => "function",
            Self::Trigger => "trigger",
            Self::Generated => "generated",
            Self::ForeignKey => "foreign_key",
            Self::Statement => "statement",
            Self::Migration => "migration",
            Self::Rule => "rule",
            Self::Job => "job",
            Self::Consumer => "consumer",
        }
    }
}

/// How an edge was learnt, most exact first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// From the server's own analysed tree.
    Exact,
    /// From the text of a statement and the catalogue.
    Parsed,
    /// From a statement that was seen to be sent.
    Observed,
    /// Somebody said so.
    Declared,
}

impl Certainty {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Parsed => "parsed",
            Self::Observed => "observed",
            Self::Declared => "declared",
        }
    }
}

/// A table and its columns, with what survives a rename.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageTable {
    /// `schema.table`.
    pub name: String,
    /// What survives a rename (PostgreSQL: the relation's oid).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<u64>,
    /// In order.
    pub columns: Vec<LineageColumn>,
}

/// A column of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageColumn {
    /// Its name.
    pub name: String,
    /// What survives a rename inside the table (PostgreSQL: the column number).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<u64>,
    /// Its type, as the database declares it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub declared: String,
}

/// All that one origin says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Its name, unique in its source: `view public.v`.
    pub name: String,
    /// What it is.
    pub kind: OriginKind,
    /// How its edges were learnt.
    pub certainty: Certainty,
    /// Its edges. What only reads is a target of the origin's own name.
    pub edges: Vec<Edge>,
    /// What could not be resolved, without any literal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Unresolved>,
    /// Whose it is, where anybody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How often it was seen to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
}

/// A piece of the lineage of a source, as of the time of its observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineageSeen {
    /// The source.
    pub source: SourceName,
    /// The migration that it was seen with, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
    /// What was seen.
    pub part: LineagePart,
}

/// A piece of the lineage of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineagePart {
    /// Tables as they are now, and names of those that are no more.
    Tables {
        /// As they are.
        tables: Vec<LineageTable>,
        /// No more.
        gone: Vec<String>,
    },
    /// All that one origin says: what it said before and does not now is no more.
    Origin(Box<Origin>),
    /// Where the database is, as OpenLineage names places.
    Place {
        /// `postgres://host:port`.
        namespace: String,
        /// What is before `schema.table` in a data set's name: the database; or nothing.
        prefix: String,
    },
    /// Origins that are no more.
    Gone {
        /// Their names.
        origins: Vec<String>,
    },
}
