//! `check`: every rule of every table of a source, answered.
//!
//! A table is read once for all its rules (`reading`), rows are judged by DataFusion, values are looked up in the table
//! itself (`lookup`), counts become outcomes (`outcome`). Nothing here owns a command line: a call with a [`Reader`],
//! which can be cancelled.

mod blinded;
mod draw;
mod example;
mod fixes;
mod gathered;
mod known;
mod lookup;
mod measured;
mod outcome;
mod passes;
mod plan;
mod reading;
mod recent;
mod segments;
mod setting;
mod sql;
mod table;
mod texts;
mod values;
mod walked;
mod whole;

pub(crate) use blinded::help;
pub use draw::{Drawn, DrawnBlocks};
pub(crate) use example::show_row;
pub(crate) use outcome::fill;
pub use plan::{Planned, TablePlan};
pub use reading::Reading;
pub use recent::HighWater;
pub use setting::{RunFacts, Settings};

use crate::progress::Progress;
use crate::reader::Reader;
use crate::report::words;
use crate::state::{Counted, FailingRows, RowCount, SourceState};
use fieldmark_engine::language::resolve_table;
use fieldmark_engine::rule::TableRules;
use fieldmark_model::{Catalogue, Outcome, RuleId, TableName};
use fieldmark_source::Error;
use fieldmark_statistics::Population;
use reading::Taking;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
pub(crate) use table::{MOST_KNOWN, TableCheck};
pub(crate) use values::Values;

/// What a check of one source gave.
#[derive(Debug, Default)]
pub struct Checked {
    /// Outcomes, in the order of the rule files.
    pub outcomes: Vec<Outcome>,
    /// How each table was read.
    pub readings: Vec<(TableName, Reading)>,
    /// Sentences for the report.
    pub notes: Vec<String>,
    /// Rows of tables, to be remembered for `row_count: { change: … }`.
    pub row_counts: Vec<(TableName, RowCount)>,
    /// Rules for which a pass over a whole table was made, with their fingerprints, to be remembered for `full_every`.
    pub passes: Vec<(RuleId, String)>,
    /// Rows that fail, to be read again by the next check.
    pub failing: Vec<(TableName, FailingRows)>,
    /// How many rows fail each rule that counts rows, to be held against the baseline.
    pub counts: Vec<(RuleId, Counted)>,
    /// Rows kept for a mark that fail a rule, where that is known row by row, in the order in which they were kept.
    pub marked_failing: Vec<(TableName, BTreeMap<RuleId, Vec<u64>>)>,
}

/// One source being checked.
pub struct SourceCheck<'a> {
    /// How it is read.
    pub reader: &'a mut Reader,
    /// Its tables.
    pub catalogue: &'a Catalogue,
    /// Its settings.
    pub settings: &'a Settings,
    /// The run.
    pub run: &'a RunFacts,
    /// What is remembered of it.
    pub state: &'a SourceState,
    /// Where progress is shown.
    pub progress: &'a Progress,
}

/// Keeps the seeds of tables apart (the golden ratio's bits).
const APART: u64 = 0x9E37_79B9_7F4A_7C15;

impl Checked {
    /// Takes what the check of another table gave.
    fn append(&mut self, other: Self) {
        self.outcomes.extend(other.outcomes);
        self.readings.extend(other.readings);
        self.notes.extend(other.notes);
        self.row_counts.extend(other.row_counts);
        self.passes.extend(other.passes);
        self.failing.extend(other.failing);
        self.counts.extend(other.counts);
        self.marked_failing.extend(other.marked_failing);
    }
}

impl SourceCheck<'_> {
    /// Checks all these tables.
    ///
    /// # Errors
    /// The run was cancelled; everything else is in the outcomes.
    pub async fn check(&mut self, tables: &[&TableRules]) -> Result<Checked, Error> {
        let mut checked = Checked::default();
        if self.settings.connections > 1 && tables.len() > 1 {
            match self.reader.beside().await {
                Ok(mut second) => return self.check_by_two(&mut second, tables).await,
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => checked.notes.push(format!("read over one connection, not two: {error}")),
            }
        }
        for rules in tables {
            self.check_table(rules, None, &mut checked).await?;
        }
        Ok(checked)
    }

    /// Checks all these tables over two connections: whichever is free takes the next.
    async fn check_by_two(&mut self, second: &mut Reader, tables: &[&TableRules]) -> Result<Checked, Error> {
        let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        let worked = {
            let (catalogue, settings, run, state, progress) =
                (self.catalogue, self.settings, self.run, self.state, self.progress);
            let by = |reader| SourceCheck { reader, catalogue, settings, run, state, progress };
            let (one, other) = (by(&mut *self.reader), by(&mut *second));
            futures::future::join(one.work(tables, &next, &done), other.work(tables, &next, &done)).await
        };
        self.reader.account(second.usage());
        worked.0.and(worked.1)?;
        let mut checked = Checked::default();
        // in the order of the rule files, whoever was first
        for (_, of_table) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
            checked.append(of_table);
        }
        Ok(checked)
    }

    /// Checks tables until none is left.
    async fn work(
        mut self,
        tables: &[&TableRules],
        next: &AtomicUsize,
        done: &Mutex<BTreeMap<usize, Checked>>,
    ) -> Result<(), Error> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(rules) = tables.get(at) else { return Ok(()) };
            // what a seed draws of a table does not depend on who reads it
            self.reader.reseed(self.run.seed ^ (at as u64 + 1).wrapping_mul(APART));
            let mut checked = Checked::default();
            self.check_table(rules, None, &mut checked).await?;
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, checked);
        }
    }

    /// Checks one table. Its rows, all columns of them, are kept in `keep` where that is given.
    ///
    /// # Errors
    /// As [`SourceCheck::check`].
    pub async fn check_table(
        &mut self,
        rules: &TableRules,
        keep: Option<&mut Vec<Drawn>>,
        checked: &mut Checked,
    ) -> Result<(), Error> {
        let default_schema = self.reader.facts().default_schema.clone();
        let Ok(table) = resolve_table(rules, self.catalogue, default_schema.as_deref()) else {
            let missing = rules.rules.iter().map(|rule| outcome::table_missing(rules, rule, self.settings.detect));
            checked.outcomes.extend(missing);
            return Ok(());
        };
        let for_mark = keep.is_some();
        let mut check = TableCheck::new(rules, table, self.catalogue, self.run, self.settings, self.state, for_mark);
        let reading = if for_mark || check.needs_rows() {
            let task = self.progress.task(format!("reading {}", table.name), table.estimated_rows);
            let read = Taking { check: &mut check, keep, task: &task }.read(self.reader).await;
            task.finish();
            if matches!(read, Err(reading::Unread::Source(Error::Cancelled))) {
                return Err(Error::Cancelled);
            }
            if let Ok(reading) = &read
                && self.settings.watermarks
                && !reading.is_whole()
            {
                // any other error: what is not known to be healed stays known
                if let Err(Error::Cancelled) = check.read_known_failing(self.reader).await {
                    return Err(Error::Cancelled);
                }
            }
            Some(read)
        } else {
            None
        };
        let previous = self.state.row_counts.get(&table.name).copied();
        checked.outcomes.extend(check.outcomes(self.reader, reading.as_ref(), previous).await);
        checked.counts.append(&mut check.counts);
        let rule_id = |index: usize| check.rule(index).map(|rule| rule.id.clone());
        let passed = check.states.iter().enumerate().filter(|(_, state)| state.passed_over);
        let passed = passed.filter_map(|(index, _)| check.rule(index));
        checked.passes.extend(passed.map(|rule| (rule.id.clone(), rule.fingerprint.clone())));
        if let Some(Ok(reading)) = reading {
            if let (Some(wished), Some(most)) = (reading.wished, self.settings.rows_per_check) {
                let (wished, most) = (words::count(wished), words::count(most));
                let name = format!("{} {}", rules.source, table.name);
                checked
                    .notes
                    .push(format!("{name}: of the {wished} rows that its sample wishes rows_per_check allows {most}"));
            }
            if self.settings.watermarks {
                checked.failing.push((table.name.clone(), check.failing_rows(reading.is_whole())));
            }
            if for_mark {
                let known = check.states.iter().enumerate();
                let known = known.filter_map(|(index, state)| Some((rule_id(index)?, state.failing_rows.clone()?)));
                checked.marked_failing.push((table.name.clone(), known.collect()));
            }
            let exact = matches!(reading.population, Population::Exact { .. });
            let rows = reading.population.rows().round() as u64;
            let known = exact || reading.population.interval().width().is_finite();
            if known {
                checked.row_counts.push((table.name.clone(), RowCount { rows, exact, time: self.run.now }));
            }
            checked.readings.push((table.name.clone(), reading));
        }
        if self.reader.cancel_token().is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}
