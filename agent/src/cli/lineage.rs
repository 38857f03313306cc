//! Of `lineage`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Of `lineage`.
#[derive(Clone, Debug, Args)]
pub struct Lineage {
    /// What is asked.
    #[command(subcommand)]
    pub what: Question,
}

/// What is asked of the lineage.
#[derive(Clone, Debug, Subcommand)]
pub enum Question {
    /// What a column is made from, and what decides it
    Up(Reach),
    /// What is made from a column, or decided by it
    Down(Reach),
    /// What a change of a column does to what is made from it
    #[command(after_help = "\
Examples:
  fieldmark lineage impact public.orders.status
  fieldmark lineage impact public.orders.total --change retyped --output json")]
    Impact(Impact),
    /// What became of the lineage between two times
    #[command(after_help = "\
Examples:
  fieldmark lineage diff --from 2026-03-01T00:00:00Z
  fieldmark lineage diff --from 2026-03-01T00:00:00Z --to 2026-03-02T00:00:00Z --output json")]
    Diff(Diff),
    /// Columns that nothing is seen to read
    Unused(Reading),
    /// What makes columns from others, and what of it could not be resolved
    Coverage(Reading),
    /// Every edge, as CSV, JSON, OpenLineage, Graphviz or Mermaid
    Export(Export),
    /// The edges of statements on standard input, as JSON; reads no database
    #[command(after_help = "\
Examples:
  fieldmark lineage sql --dialect postgres --schema schema.json < statement.sql
  fieldmark lineage sql --batch < questions.jsonl > answers.jsonl

A schema is JSON: {\"public.orders\": {\"id\": \"bigint\", \"total\": \"numeric\"}}. A question of --batch is a line
{\"id\": 1, \"dialect\": \"postgres\", \"schema\": {…}, \"default_schema\": \"public\", \"sql\": \"…\"}.")]
    Sql(Sql),
}

/// How the lineage comes to be known.
#[derive(Clone, Debug, Args)]
pub struct Reading {
    /// Go by what was read before; connect to no database
    #[arg(long)]
    pub no_read: bool,
}

/// Of `lineage up` and `lineage down`.
#[derive(Clone, Debug, Args)]
pub struct Reach {
    /// `table.column`, `schema.table.column`, with `*` for all columns of the table
    #[arg(value_name = "COLUMN")]
    pub column: String,
    /// So many steps at most
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub depth: u32,
    /// Over edges alone whose value goes on, without what only decides rows
    #[arg(long)]
    pub direct: bool,
    /// As it was then (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<DateTime<Utc>>,
    /// How it comes to be known
    #[command(flatten)]
    pub reading: Reading,
}

/// Of `lineage impact`.
#[derive(Clone, Debug, Args)]
pub struct Impact {
    /// The column, and how far
    #[command(flatten)]
    pub reach: Reach,
    /// What is done to it
    #[arg(long, value_enum, default_value_t)]
    pub change: Change,
}

/// What is done to a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Change {
    /// It is dropped
    #[default]
    Dropped,
    /// It has another name
    Renamed,
    /// It has another type
    Retyped,
    /// It takes no NULL any more
    NotNull,
}

/// Of `lineage diff`.
#[derive(Clone, Debug, Args)]
pub struct Diff {
    /// As it was then (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub from: DateTime<Utc>,
    /// And then [default: now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<DateTime<Utc>>,
    /// How it comes to be known
    #[command(flatten)]
    pub reading: Reading,
}

/// Of `lineage export`.
#[derive(Clone, Debug, Args)]
pub struct Export {
    /// The form
    #[arg(long = "as", value_enum, default_value_t)]
    pub form: Form,
    /// As it was then (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<DateTime<Utc>>,
    /// How it comes to be known
    #[command(flatten)]
    pub reading: Reading,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Comma-separated values, with a line of names
    #[default]
    Csv,
    /// One JSON object
    Json,
    /// Events of OpenLineage, one a line
    Openlineage,
    /// A graph for Graphviz
    Dot,
    /// A graph for Mermaid
    Mermaid,
}

/// Of `lineage sql`.
#[derive(Clone, Debug, Args)]
pub struct Sql {
    /// postgres, mysql, mariadb, sqlite or datafusion; another is tried as the nearest, and that is said
    #[arg(long, value_name = "NAME", default_value = "postgres", conflicts_with = "batch")]
    pub dialect: String,
    /// A file with the tables, as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "batch")]
    pub schema: Option<PathBuf>,
    /// The schema of names that have none
    #[arg(long, value_name = "NAME", conflicts_with = "batch")]
    pub default_schema: Option<String>,
    /// Answer questions, one a line
    #[arg(long)]
    pub batch: bool,
}
