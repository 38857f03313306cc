//! Reports: what a run gave, for people and for programs.
//!
//! A command fills one [`Report`]. [`terminal`], [`json`], [`html`], [`markdown`] and [`junit`] render it, each a pure
//! function of the report and of nothing else; [`exit_code`] says what it means for the shell. What numbers mean in words is decided once, in
//! [`words`], so that no format can show a sampled pass without its bound.

pub mod conclusion;
#[cfg(test)]
mod fixture;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod terminal;
pub mod words;

pub use conclusion::{Conclusion, conclusion, exit_code};

use chrono::{DateTime, Utc};
use fieldmark_model::migration::{MigrationReport, RuleChange, TableChange, Verdict};
use fieldmark_model::outcome::Nature;
use fieldmark_model::{Finding, Outcome, SourceName, TableName};
use serde::{Deserialize, Serialize};

/// Version of the JSON report.
pub const VERSION: u32 = 1;

/// All that one run of a command gave. Programs get it in the form of [`json`], which has types of its own.
#[derive(Clone, Debug)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// Fieldmark's version.
    pub fieldmark: String,
    /// The command (`check`, `before`, `after`, `guard`).
    pub command: String,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// The seed of its draws: enough to tell draws apart, not to repeat one once rows are written.
    pub seed: u64,
    /// Whether `--strict` was given: a surprising change fails the run whatever the rule files say.
    pub strict: bool,
    /// Whether a finding fails the run: it is what the run was for.
    pub findings_fail: bool,
    /// The sources that were read.
    pub sources: Vec<SourceSummary>,
    /// How the rows of each table were drawn, in order of source and table.
    pub samples: Vec<SampleSummary>,
    /// Every rule's outcome, in order of source, table and rule file; after a migration those of the recapture.
    pub outcomes: Vec<Outcome>,
    /// Problems that are not about rows.
    pub findings: Vec<Finding>,
    /// Of `before`, `after` and `guard`.
    pub migration: Option<MigrationSummary>,
    /// What could not be done: a source that does not answer, a mark that cannot be read. Never about rows.
    pub errors: Vec<ErrorSummary>,
    /// What a reader has to know besides: warnings, in sentences.
    pub notes: Vec<String>,
}

impl Report {
    /// How the rows of that table were drawn, stratum by stratum, the body first.
    pub fn samples_of(&self, source: &SourceName, table: &TableName) -> Vec<&SampleSummary> {
        self.samples.iter().filter(|sample| sample.source == *source && sample.table == *table).collect()
    }

    /// The rules of a recaptured table, before and after.
    pub fn rule_changes<'a>(
        &'a self,
        source: &'a MigrationReport,
        table: &'a TableChange,
    ) -> impl Iterator<Item = &'a RuleChange> {
        source.rules.iter().filter(|rule| rule.after.table == table.table)
    }

    /// Outcomes in the report's order, those of one table together, without those that stand beside a recaptured table.
    pub fn outcomes_by_table(&self) -> Vec<(&SourceName, &TableName, Vec<&Outcome>)> {
        let mut groups: Vec<(&SourceName, &TableName, Vec<&Outcome>)> = Vec::new();
        for outcome in self.outcomes.iter().filter(|outcome| !self.shown_with_migration(outcome)) {
            match groups.iter_mut().find(|(source, table, _)| **source == outcome.source && **table == outcome.table) {
                Some((_, _, group)) => group.push(outcome),
                None => groups.push((&outcome.source, &outcome.table, vec![outcome])),
            }
        }
        groups
    }

    /// Whether an outcome stands already beside its recaptured table, as what a rule gave after the migration.
    pub fn shown_with_migration(&self, outcome: &Outcome) -> bool {
        self.migration.iter().flat_map(|migration| &migration.sources).any(|source| {
            source.source == outcome.source
                && source.tables.iter().any(|table| table.table == outcome.table)
                && source.rules.iter().any(|rule| rule.after.table == outcome.table && rule.after.rule == outcome.rule)
        })
    }
}

/// How the rows of one table were drawn.
#[derive(Clone, Debug, Serialize)]
pub struct SampleSummary {
    /// The source.
    pub source: SourceName,
    /// The table.
    pub table: TableName,
    /// Which rows: `table`; or, of two strata, `body` and `recent` (written since the last check).
    pub stratum: String,
    /// How: `all rows`, `random keys`, `blocks`.
    pub method: String,
    /// Rows of the stratum, as far as known; of a body drawn by blocks those of the table.
    pub population: Option<u64>,
    /// Whether the population was counted and not estimated.
    pub population_exact: bool,
    /// Rows that were read and kept.
    pub rows: u64,
    /// Blocks that were drawn, where blocks are the unit drawn at random.
    pub blocks: Option<u64>,
}

/// Something that could not be done.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorSummary {
    /// The source concerned, if one is.
    pub source: Option<SourceName>,
    /// The table concerned, if one is.
    pub table: Option<TableName>,
    /// What went wrong and why; never a row value or a secret.
    pub what: String,
    /// What to do about it, where that is known.
    pub remedy: Option<String>,
    /// Whether waiting may help, where that is known.
    #[serde(skip)]
    pub nature: Option<Nature>,
}

impl ErrorSummary {
    /// What could not be done, with its source: `shop: no answer`.
    pub fn told(&self) -> String {
        match &self.source {
            Some(source) => format!("{source}: {}", self.what),
            None => self.what.clone(),
        }
    }
}

/// One source as a report names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSummary {
    /// Its name in the configuration.
    pub name: SourceName,
    /// Kind and version of the database (`PostgreSQL 15.18`).
    pub database: String,
    /// Where, without secrets.
    pub address: String,
    /// Tables that have rules.
    pub tables: u64,
    /// Rows read from it in this run.
    pub rows_read: u64,
    /// Statements sent to it.
    pub statements: u64,
    /// Wall time of our statements in seconds.
    pub statement_seconds: f64,
    /// Blocks that our statements touched, cached ones included, as they can be told from what was asked and what came; `null` where the
    /// database has no blocks.
    pub blocks: Option<u64>,
    /// Blocks that were touched meanwhile in the tables of rules and those they refer to, by anybody, as the server's own statistics have
    /// it; `null` where it has none.
    pub server_blocks: Option<u64>,
    /// What was done for others who waited.
    #[serde(default)]
    pub courtesy: CourtesySummary,
}

/// What was done for others who waited for what our statements held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CourtesySummary {
    /// Statements of ours that were ended for them.
    pub gave_way: u64,
    /// Statements of ours that waited for a lock, and gave up.
    pub lock_timeouts: u64,
    /// How long others may have waited, at most, in seconds.
    pub imposed_wait_seconds: f64,
    /// Longest time in which nobody looked whether somebody waits, while a statement ran, in seconds.
    pub watchdog_lag_seconds: f64,
}

/// What became of the marked rows, over all sources.
#[derive(Clone, Debug, Default)]
pub struct MigrationSummary {
    /// Conclusion over all sources; `None` after `before`.
    pub verdict: Option<Verdict>,
    /// The guarded command's exit status.
    pub command_status: Option<i32>,
    /// Marks taken by this run: source and id.
    pub marks: Vec<MarkSummary>,
    /// One for each source that was recaptured.
    pub sources: Vec<MigrationReport>,
}

/// A mark as a report names it.
#[derive(Clone, Debug, Serialize)]
pub struct MarkSummary {
    /// The source.
    pub source: SourceName,
    /// The mark's id.
    pub id: String,
    /// When it was taken.
    pub taken: DateTime<Utc>,
    /// Where it is kept.
    pub path: String,
    /// Tables in it.
    pub tables: u64,
    /// Rows in it.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
}
