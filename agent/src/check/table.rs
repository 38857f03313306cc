//! All rules of one table over the rows that come of it.

use super::draw::Drawn;
use super::duplicates::Duplicates;
use super::example::show;
use super::lookup::{Lookup, Orphans};
use super::setting::{RunFacts, Settings};
use super::values::Values;
use crate::config::Examples;
use crate::reader::Reader;
use fieldmark_engine::evaluate::{Names, RowProgram, RowVerdict, RowVerdicts, check_expression};
use fieldmark_engine::kind::{Plan, Refusal};
use fieldmark_engine::rule::TableRules;
use fieldmark_model::{Catalogue, Chunk, NotEvaluated, Table};
use fieldmark_source::{Error, Read};
use fieldmark_statistics::{
    Criterion, Decision, DrawnUnit, Level, Method, Population, RowCounts, StratumEvidence, Tally, decide, estimate,
};
use std::collections::BTreeSet;

/// The rules of one table, being answered.
pub(crate) struct TableCheck<'a> {
    pub(crate) rules: &'a TableRules,
    pub(crate) table: &'a Table,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) run: &'a RunFacts,
    pub(crate) settings: &'a Settings,
    /// Columns that rows are marked and shown by; empty where the table has no key.
    pub(crate) key: Vec<String>,
    /// Columns that are read, in the table's order.
    pub(crate) columns: Vec<String>,
    /// Whether rows are read for a mark: with all columns and stamps.
    pub(crate) for_mark: bool,
    pub(crate) program: RowProgram,
    /// Rules that cannot be evaluated here, by index, with the reason.
    pub(crate) refused: Vec<(usize, Refusal)>,
    /// One for each compiled rule.
    pub(crate) states: Vec<State>,
    /// Rows read so far.
    pub(crate) rows_read: u64,
}

/// What is known of one compiled rule.
pub(crate) struct State {
    /// Index among the table's rules.
    pub(crate) rule: usize,
    pub(crate) plan: Plan,
    pub(crate) tally: Tally,
    pub(crate) examples: Vec<String>,
    /// Why it cannot be answered after all.
    pub(crate) stopped: Option<Refusal>,
    pub(crate) lookup: Lookup,
}

/// Failing rows shown of a rule.
const MOST_EXAMPLES: usize = 5;

impl<'a> TableCheck<'a> {
    /// Plans the rules for the table as it is now. `for_mark` reads every column, and stamps.
    pub(crate) fn new(
        rules: &'a TableRules,
        table: &'a Table,
        catalogue: &'a Catalogue,
        run: &'a RunFacts,
        settings: &'a Settings,
        for_mark: bool,
    ) -> Self {
        let key: Vec<String> = match &rules.key {
            Some(key) => key.value.clone(),
            None => table.key().map(<[String]>::to_vec).unwrap_or_default(),
        };
        let mut wanted: BTreeSet<String> = key.iter().cloned().collect();
        let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
        for rule in &rules.rules {
            wanted.extend(rule.kind.columns().into_iter().map(str::to_owned));
            let plan = rule.kind.plan(&schema);
            let mut texts: Vec<&str> = rule.filter.iter().map(|filter| filter.value.as_str()).collect();
            if let Ok(Plan::Expression { text }) = &plan {
                texts.push(text);
            }
            if let Ok(names) = Names::of_table(&schema) {
                let read = texts.iter().filter_map(|text| check_expression(text, &names).ok()).flatten();
                wanted.extend(read.map(|(_, column)| column));
            }
        }
        let columns: Vec<String> = (table.columns.iter().map(|column| &column.name))
            .filter(|name| for_mark || wanted.contains(*name))
            .cloned()
            .collect();
        let schema = table.arrow_schema(columns.iter().map(String::as_str));
        let (program, skipped) = RowProgram::compile(&rules.rules, &schema, run.now);
        let states = program
            .rules()
            .map(|(rule, plan)| State {
                rule,
                plan: plan.clone(),
                tally: Tally::new(),
                examples: Vec::new(),
                stopped: None,
                lookup: Lookup::None,
            })
            .collect();
        Self {
            rules,
            table,
            catalogue,
            run,
            settings,
            key,
            columns,
            for_mark,
            program,
            refused: skipped.into_iter().map(|skipped| (skipped.rule, skipped.refusal)).collect(),
            states,
            rows_read: 0,
        }
    }

    /// What is read of each row.
    pub(crate) fn read(&self) -> Read<'_> {
        Read::new(self.table, &self.columns).stamped(self.for_mark)
    }

    /// Whether some rule needs rows at all; `fresh` alone does not.
    pub(crate) fn needs_rows(&self) -> bool {
        self.states.iter().any(|state| !matches!(state.plan, Plan::Fresh { .. }))
    }

    /// Forgets every row seen, for another way of reading.
    pub(crate) fn forget(&mut self) {
        for state in &mut self.states {
            state.tally = Tally::new();
            state.examples.clear();
            state.stopped = None;
            state.lookup = Lookup::None;
        }
    }

    /// Whether no rule would be helped by more rows of this draw.
    pub(crate) fn decided(&self, method: Method, population: Population, level: Level) -> bool {
        self.states.iter().all(|state| {
            if state.stopped.is_some() || matches!(state.plan, Plan::Fresh { .. } | Plan::RowCount { .. }) {
                return true;
            }
            let evidence = StratumEvidence { method, population, tally: state.tally.clone() };
            let decision = decide(&estimate(&[evidence], level), self.criterion(state.rule));
            !matches!(decision, Decision::Inconclusive { .. })
        })
    }

    /// What a rule asks.
    pub(crate) fn criterion(&self, rule: usize) -> Criterion {
        let rule = self.rules.rules.get(rule);
        Criterion {
            tolerance: rule.map_or(0.0, |rule| rule.tolerance),
            detect: rule.and_then(|rule| rule.detect).unwrap_or(self.settings.detect),
        }
    }

    /// Takes the rows of a draw: judges them, looks values up, counts by drawn unit.
    ///
    /// # Errors
    /// The source's, where it concerns the whole table; a fault of one rule's look-up stops that rule alone.
    pub(crate) async fn take_drawn(&mut self, reader: &mut Reader, drawn: &Drawn) -> Result<(), Error> {
        let mut verdicts = self.program.evaluate(&drawn.chunk);
        self.look_up(reader, &drawn.chunk, &mut verdicts).await?;
        self.rows_read += drawn.chunk.rows() as u64;
        for (index, verdicts) in verdicts.iter().enumerate() {
            self.note_examples(index, verdicts, &drawn.chunk);
            let Some(state) = self.states.get_mut(index) else { continue };
            match &drawn.blocks {
                None => state.tally.add_rows(verdicts.total()),
                Some(blocks) => {
                    let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); blocks.live.len()];
                    for (row, block) in blocks.of_row.iter().enumerate() {
                        if let Some(rows) = rows_of.get_mut(*block as usize) {
                            rows.push(row);
                        }
                    }
                    for (rows, live) in rows_of.into_iter().zip(&blocks.live) {
                        state.tally.add_unit(DrawnUnit { live: u64::from(*live), rows: verdicts.counts(rows) });
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one chunk of a pass over all rows.
    ///
    /// # Errors
    /// As [`TableCheck::take_drawn`].
    pub(crate) async fn take_all(&mut self, reader: &mut Reader, chunk: &Chunk) -> Result<(), Error> {
        let mut verdicts = self.program.evaluate(chunk);
        self.look_up_all(reader, chunk, &mut verdicts).await?;
        self.rows_read += chunk.rows() as u64;
        for (index, verdicts) in verdicts.iter().enumerate() {
            self.note_examples(index, verdicts, chunk);
            if let Some(state) = self.states.get_mut(index) {
                state.tally.add_rows(verdicts.total());
            }
        }
        Ok(())
    }

    /// Ends a pass over all rows: what only shows when every row was seen.
    ///
    /// # Errors
    /// As [`TableCheck::take_drawn`].
    pub(crate) async fn end_all(&mut self, reader: &mut Reader) -> Result<(), Error> {
        for index in 0..self.states.len() {
            let Some(state) = self.states.get_mut(index) else { continue };
            let Lookup::Duplicates(_, duplicates) = std::mem::take(&mut state.lookup) else { continue };
            let confirmed = self.confirm_duplicates(reader, index, *duplicates).await?;
            let Some(state) = self.states.get_mut(index) else { continue };
            let counts = state.tally.counts();
            state.tally = Tally::new();
            state.tally.add_rows(RowCounts { failed: confirmed.rows.min(counts.checked), ..counts });
            let room = MOST_EXAMPLES.saturating_sub(state.examples.len());
            state.examples.extend(confirmed.examples.into_iter().take(room));
        }
        Ok(())
    }

    async fn look_up(&mut self, reader: &mut Reader, chunk: &Chunk, verdicts: &mut [RowVerdicts]) -> Result<(), Error> {
        for index in 0..self.states.len() {
            let Some(plan) = self.states.get(index).map(|state| state.plan.clone()) else { continue };
            let Some(verdicts) = verdicts.get_mut(index) else { continue };
            let answer = match &plan {
                Plan::Unique { columns } => self.unique_of_sample(reader, index, columns, chunk, verdicts).await,
                Plan::References { .. } => self.references(reader, index, &plan, chunk, verdicts).await,
                Plan::Row { .. } | Plan::Expression { .. } | Plan::Fresh { .. } | Plan::RowCount { .. } => Ok(()),
            };
            self.settle(index, answer)?;
        }
        Ok(())
    }

    async fn look_up_all(
        &mut self,
        reader: &mut Reader,
        chunk: &Chunk,
        verdicts: &mut [RowVerdicts],
    ) -> Result<(), Error> {
        for index in 0..self.states.len() {
            let Some(plan) = self.states.get(index).map(|state| state.plan.clone()) else { continue };
            let Some(verdicts) = verdicts.get_mut(index) else { continue };
            let answer = match &plan {
                Plan::Unique { columns } => self.collect(index, columns, chunk, verdicts),
                Plan::References { .. } => self.references(reader, index, &plan, chunk, verdicts).await,
                Plan::Row { .. } | Plan::Expression { .. } | Plan::Fresh { .. } | Plan::RowCount { .. } => Ok(()),
            };
            self.settle(index, answer)?;
        }
        Ok(())
    }

    /// A fault of one rule's look-up stops that rule; a lost connection or a cancelled run stops the table.
    fn settle(&mut self, index: usize, answer: Result<(), LookupFault>) -> Result<(), Error> {
        let refusal = match answer {
            Ok(()) => return Ok(()),
            Err(LookupFault::Source(error @ (Error::Cancelled | Error::ConnectionLost { .. }))) => return Err(error),
            Err(LookupFault::Source(error)) => Refusal { why: error.not_evaluated(), reason: error.to_string() },
            Err(LookupFault::Refused(refusal)) => refusal,
        };
        if let Some(state) = self.states.get_mut(index) {
            state.stopped.get_or_insert(refusal);
        }
        Ok(())
    }

    /// Collects hashes of a chunk's values, for `unique` over all rows.
    fn collect(
        &mut self,
        index: usize,
        columns: &[String],
        chunk: &Chunk,
        verdicts: &RowVerdicts,
    ) -> Result<(), LookupFault> {
        let schema = chunk.batch.schema();
        let key = self.key.clone();
        let folder = self.run.spill_folder.clone();
        let Some(state) = self.states.get_mut(index) else { return Ok(()) };
        if matches!(state.lookup, Lookup::None) {
            let values = Values::new(&schema, columns)?;
            let duplicates = Duplicates::new(folder, super::duplicates::MEMORY_BYTES);
            state.lookup = Lookup::Duplicates(values, Box::new(duplicates));
        }
        let Lookup::Duplicates(values, duplicates) = &mut state.lookup else { return Ok(()) };
        let keys = Values::new(&schema, &key)?.bytes(chunk)?;
        let hashes = values.hashes(chunk)?;
        for row in verdicts.kept() {
            if let Some(Some(hash)) = hashes.get(row) {
                let key = keys.get(row).and_then(Option::as_deref).unwrap_or(&[]);
                duplicates.push(*hash, key).map_err(|error| {
                    LookupFault::Refused(Refusal {
                        why: NotEvaluated::Internal,
                        reason: format!("no room to sort values in the state folder: {}", error.kind()),
                    })
                })?;
            }
        }
        Ok(())
    }

    fn note_examples(&mut self, index: usize, verdicts: &RowVerdicts, chunk: &Chunk) {
        let Some(state) = self.states.get_mut(index) else { return };
        if self.settings.examples == Examples::None || state.examples.len() >= MOST_EXAMPLES {
            return;
        }
        let shown = self.rules.rules.get(state.rule).map(|rule| rule.kind.columns()).unwrap_or_default();
        for row in verdicts.failing().take(MOST_EXAMPLES - state.examples.len()) {
            state.examples.extend(show(chunk, row, &self.key, &shown, self.rules, self.settings, self.run));
        }
    }

    /// Marks the rows of a chunk as failing whose key bytes are among these.
    pub(crate) fn fail_rows(verdicts: &mut RowVerdicts, failing: &Orphans, keys: &[Option<Box<[u8]>>]) {
        for (row, key) in keys.iter().enumerate() {
            let found = key.as_ref().is_some_and(|key| failing.contains(key));
            if let Some(verdict) = verdicts.rows.get_mut(row).filter(|verdict| found && **verdict == RowVerdict::Passed)
            {
                *verdict = RowVerdict::Failed;
            }
        }
    }
}

/// Why a look-up gave no answer.
pub(crate) enum LookupFault {
    /// The source's fault.
    Source(Error),
    /// It is not possible here, or too expensive.
    Refused(Refusal),
}

impl From<Error> for LookupFault {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

impl From<arrow::error::ArrowError> for LookupFault {
    fn from(_: arrow::error::ArrowError) -> Self {
        // the error's text may hold a value
        Self::Refused(Refusal {
            why: NotEvaluated::TypeMismatch,
            reason: "values of these columns cannot be compared with each other".to_owned(),
        })
    }
}
