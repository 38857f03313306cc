//! All rules of one table over the rows that come of it.

use super::draw::Drawn;
use super::example::show;
use super::lookup::Lookup;
use super::setting::{RunFacts, Settings};
use super::texts;
use crate::config::{Examples, SAMPLE_ROWS};
use crate::reader::Reader;
use crate::state::{Counted, SourceState};
use arrow::array::BooleanArray;
use fieldmark_engine::evaluate::{Names, RowProgram, RowVerdict, RowVerdicts, check_expression};
use fieldmark_engine::kind::{Plan, Refusal};
use fieldmark_engine::rule::{Rule, SampleWish, TableRules};
use fieldmark_model::outcome::KnownFailing;
use fieldmark_model::{Catalogue, Chunk, NotEvaluated, RuleId, Status, Table};
use fieldmark_source::{Error, Read};
use fieldmark_statistics::mean::MeanTally;
use fieldmark_statistics::{
    Criterion, Decision, Design, DrawnUnit, Level, RowCounts, StratumEvidence, Tally, decide, estimate,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The rules of one table, being answered.
pub(crate) struct TableCheck<'a> {
    pub(crate) rules: &'a TableRules,
    pub(crate) table: &'a Table,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) run: &'a RunFacts,
    pub(crate) settings: &'a Settings,
    /// What is remembered of the source.
    pub(crate) state: &'a SourceState,
    /// Columns that rows are marked by, and known by between two checks; empty where the table has no key.
    pub(crate) key: Vec<String>,
    /// Columns that rows are shown by: the key, else the row's number, where there is such.
    pub(super) shown_by: Vec<String>,
    /// Columns by which rows are read again, known to tell them apart whatever `key:` names; empty where there are none.
    pub(super) identity: Vec<String>,
    /// Columns that are read, in the table's order; the row's number last, where it is needed.
    pub(crate) columns: Vec<String>,
    /// Whether rows are read for a mark: with all columns and stamps.
    pub(crate) for_mark: bool,
    pub(crate) program: RowProgram,
    /// Rules that cannot be evaluated here, by index, with the reason.
    pub(crate) refused: Vec<(usize, Refusal)>,
    /// One for each compiled rule.
    pub(crate) states: Vec<State>,
    /// Keys of rows that were known to fail and are still there; `None` until they were read again.
    pub(super) known_there: Option<Vec<Vec<String>>>,
    /// Rows read so far.
    pub(crate) rows_read: u64,
    /// How many rows fail each rule, once that is known.
    pub(crate) counts: Vec<(RuleId, Counted)>,
}

/// What is known of one compiled rule.
pub(crate) struct State {
    /// Index among the table's rules.
    pub(crate) rule: usize,
    pub(crate) plan: Plan,
    /// Counts, one of each stratum.
    pub(crate) tallies: Vec<Tally>,
    pub(crate) examples: Vec<String>,
    /// Keys of failing rows, to be read again by the next check: [`MOST_KNOWN`] at most, those that are shown among them.
    pub(crate) failing_keys: Vec<Vec<String>>,
    /// Of all rows taken, in order, those that fail; `None` where that is not known row by row.
    pub(crate) failing_rows: Option<Vec<u64>>,
    /// What became of rows that were known to fail.
    pub(crate) known: Option<KnownFailing>,
    /// Why it cannot be answered after all.
    pub(crate) stopped: Option<Refusal>,
    pub(crate) lookup: Lookup,
    /// Whether a pass over a whole table was made for it.
    pub(crate) passed_over: bool,
    /// Time that statements of its own have taken, for its `timeout`.
    pub(crate) spent: Duration,
    /// Values of a `distribution`, one of each stratum.
    pub(super) means: Vec<MeanTally>,
    /// Values that cannot be added up.
    pub(super) unaveraged: u64,
}

impl State {
    fn new(rule: usize, plan: Plan) -> Self {
        Self {
            rule,
            plan,
            tallies: Vec::new(),
            examples: Vec::new(),
            failing_keys: Vec::new(),
            failing_rows: Some(Vec::new()),
            known: None,
            stopped: None,
            lookup: Lookup::None,
            passed_over: false,
            spent: Duration::ZERO,
            means: Vec::new(),
            unaveraged: 0,
        }
    }

    /// The counts of a stratum.
    pub(crate) fn tally(&mut self, stratum: usize) -> Option<&mut Tally> {
        if self.tallies.len() <= stratum {
            self.tallies.resize_with(stratum + 1, Tally::new);
        }
        self.tallies.get_mut(stratum)
    }

    /// The evidence of all strata.
    pub(crate) fn evidence(&self, strata: &[Design]) -> Vec<StratumEvidence> {
        let tally = |at: usize| self.tallies.get(at).cloned().unwrap_or_default();
        let evidence = |(at, design): (usize, &Design)| StratumEvidence {
            method: design.method,
            population: design.population,
            tally: tally(at),
        };
        strata.iter().enumerate().map(evidence).collect()
    }
}

/// A table of at most so many times the wanted rows is read whole.
pub(super) const SMALL: u64 = 5;
/// Failing rows shown of a rule.
pub(crate) const MOST_EXAMPLES: usize = 5;
/// Failing rows of a rule that the next checks read again: a rule is not well before these are.
pub(crate) const MOST_KNOWN: usize = 100;
/// Time of a rule's own query where the rule does not say.
pub(super) const SQL_TIMEOUT: Duration = Duration::from_secs(5);

impl<'a> TableCheck<'a> {
    /// Plans the rules for the table as it is now. `for_mark` reads every column, and stamps.
    pub(crate) fn new(
        rules: &'a TableRules,
        table: &'a Table,
        catalogue: &'a Catalogue,
        run: &'a RunFacts,
        settings: &'a Settings,
        state: &'a SourceState,
        for_mark: bool,
    ) -> Self {
        let key: Vec<String> = match &rules.key {
            Some(key) => key.value.clone(),
            None => table.key().map(<[String]>::to_vec).unwrap_or_default(),
        };
        let shown_by = if key.is_empty() { table.row_number.iter().cloned().collect() } else { key.clone() };
        let mut wanted: BTreeSet<String> = key.iter().cloned().collect();
        if settings.watermarks {
            wanted.extend(state.watermarks.get(&table.name).map(|watermark| watermark.column.clone()));
        }
        let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
        let looked_up = rules.rules.iter().any(|rule| rule.kind.looks_up());
        let identity = if looked_up { table.row_identity().unwrap_or_default() } else { Vec::new() };
        wanted.extend(identity.iter().cloned());
        // of each rule the first column that the role may not read
        let mut hidden: BTreeMap<usize, String> = BTreeMap::new();
        for (index, rule) in rules.rules.iter().enumerate() {
            let mut needed: BTreeSet<String> = rule.kind.columns().into_iter().map(str::to_owned).collect();
            let plan = rule.kind.plan(&schema);
            let mut texts: Vec<&str> = rule.filter.iter().map(|filter| filter.value.as_str()).collect();
            if let Ok(Plan::Expression { text }) = &plan {
                texts.push(text);
            }
            if let Ok(names) = Names::of_table(&schema) {
                let read = texts.iter().filter_map(|text| check_expression(text, &names).ok()).flatten();
                needed.extend(read.map(|(_, column)| column));
            }
            let denied = |name: &&String| table.column(name).is_some_and(|column| !column.readable);
            hidden.extend(needed.iter().find(denied).map(|name| (index, name.clone())));
            wanted.extend(needed);
        }
        // one that the role may not read is missed by the rules that are about it alone; a mark is of all columns
        let is_number = |name: &&String| table.column(name).is_none();
        let numbers: BTreeSet<&String> = identity.iter().chain(&shown_by).filter(is_number).collect();
        let columns: Vec<String> = (table.columns.iter().filter(|column| for_mark || column.readable))
            .map(|column| &column.name)
            .filter(|name| for_mark || wanted.contains(*name))
            .chain(numbers)
            .cloned()
            .collect();
        let schema = table.arrow_schema(columns.iter().map(String::as_str));
        let (program, skipped) = RowProgram::compile(&rules.rules, &schema, run.now);
        let states = program.rules().map(|(rule, plan)| State::new(rule, plan.clone())).collect();
        let refused = skipped.into_iter().map(|skipped| match hidden.get(&skipped.rule) {
            Some(name) => (
                skipped.rule,
                Refusal {
                    why: NotEvaluated::PermissionDenied,
                    reason: format!("the role may not read the column {name}"),
                },
            ),
            None => (skipped.rule, skipped.refusal),
        });
        let refused = refused.collect();
        Self {
            rules,
            table,
            catalogue,
            run,
            settings,
            state,
            key,
            shown_by,
            identity,
            columns,
            for_mark,
            program,
            refused,
            states,
            known_there: None,
            rows_read: 0,
            counts: Vec::new(),
        }
    }

    /// What is read of each row.
    pub(crate) fn read(&self) -> Read<'_> {
        Read::new(self.table, &self.columns).stamped(self.for_mark)
    }

    /// The rule behind a state.
    pub(crate) fn rule(&self, index: usize) -> Option<&'a Rule> {
        self.states.get(index).and_then(|state| self.rules.rules.get(state.rule))
    }

    /// Whether some rule needs rows at all; `fresh` and `sql` alone do not.
    pub(crate) fn needs_rows(&self) -> bool {
        self.states.iter().any(|state| state.plan.needs_rows())
    }

    /// Forgets every row seen, for another way of reading.
    pub(crate) fn forget(&mut self) {
        for state in &mut self.states {
            *state = State { spent: state.spent, ..State::new(state.rule, state.plan.clone()) };
        }
        self.rows_read = 0;
    }

    /// Whether no rule would be helped by more rows of this draw. A rule that has to wait for a pass over a table takes what the others
    /// need.
    pub(crate) fn decided(&self, strata: &[Design], level: Level) -> bool {
        self.states.iter().all(|state| {
            let waits = matches!(state.lookup, Lookup::Waiting(_));
            if waits
                || state.stopped.is_some()
                || !state.plan.needs_rows()
                || matches!(state.plan, Plan::RowCount { .. })
            {
                return true;
            }
            if let Plan::Distribution { .. } = state.plan {
                return state.measured(strata, level).status != Status::Inconclusive;
            }
            let decision = decide(&estimate(&state.evidence(strata), level), self.criterion(state.rule));
            !matches!(decision, Decision::Inconclusive { .. })
        })
    }

    /// How much is to be read of the table.
    pub(crate) fn wish(&self) -> SampleWish {
        self.settings.override_sample.or(self.rules.sample).unwrap_or(self.settings.sample)
    }

    /// A table of at most so many rows is read whole without a thought.
    pub(crate) fn small_rows(&self) -> u64 {
        let wanted = match self.wish() {
            SampleWish::Rows { rows, .. } => rows.max(1),
            SampleWish::All | SampleWish::Fraction { .. } => SAMPLE_ROWS,
        };
        wanted.saturating_mul(SMALL)
    }

    /// What a rule asks.
    pub(crate) fn criterion(&self, rule: usize) -> Criterion {
        let rule = self.rules.rules.get(rule);
        Criterion {
            tolerance: rule.map_or(0.0, |rule| rule.tolerance),
            detect: rule.and_then(|rule| rule.detect).unwrap_or(self.settings.detect),
        }
    }

    /// Takes the rows of a draw from a stratum: judges them, looks values up, counts by drawn unit. Rows that are `left_out` do not belong
    /// to the stratum, and count as drawn all the same.
    ///
    /// # Errors
    /// The source's, where it concerns the whole table; a fault of one rule's look-up stops that rule alone.
    pub(crate) async fn take_drawn(
        &mut self,
        reader: &mut Reader,
        stratum: usize,
        drawn: &Drawn,
        left_out: Option<&BooleanArray>,
    ) -> Result<(), Error> {
        let mut verdicts = self.program.evaluate(&drawn.chunk);
        if let Some(left_out) = left_out {
            for verdicts in &mut verdicts {
                for (verdict, left_out) in verdicts.rows.iter_mut().zip(left_out) {
                    if left_out == Some(true) {
                        *verdict = RowVerdict::LeftOut;
                    }
                }
            }
        }
        for (index, verdicts) in verdicts.iter_mut().enumerate() {
            if self.has_stopped(index) {
                continue;
            }
            self.begin_own(reader, index);
            let answer = self.look_up_drawn(reader, index, (stratum, drawn), verdicts).await;
            self.end_own(reader, index);
            let waits = matches!(answer, Ok(true));
            self.settle(index, answer.map(|_| ()))?;
            if !waits {
                self.count_drawn(index, stratum, drawn, verdicts);
            }
        }
        self.rows_read += drawn.chunk.rows() as u64;
        Ok(())
    }

    /// Counts drawn rows of one rule by drawn unit.
    pub(crate) fn count_drawn(&mut self, index: usize, stratum: usize, drawn: &Drawn, verdicts: &RowVerdicts) {
        self.note_failing(index, verdicts, &drawn.chunk);
        if let Some(state) = self.states.get_mut(index) {
            state.average(stratum, &drawn.chunk, drawn.blocks.as_ref(), verdicts);
        }
        let Some(tally) = self.states.get_mut(index).and_then(|state| state.tally(stratum)) else { return };
        match &drawn.blocks {
            None => tally.add_rows(verdicts.total()),
            Some(blocks) => {
                let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); blocks.live.len()];
                for (row, block) in blocks.of_row.iter().enumerate() {
                    if let Some(rows) = rows_of.get_mut(*block as usize) {
                        rows.push(row);
                    }
                }
                for (rows, live) in rows_of.into_iter().zip(&blocks.live) {
                    tally.add_unit(DrawnUnit { live: u64::from(*live), rows: verdicts.counts(rows) });
                }
            }
        }
    }

    /// Takes one chunk of a pass over all rows.
    ///
    /// # Errors
    /// As [`TableCheck::take_drawn`].
    pub(crate) async fn take_all(&mut self, reader: &mut Reader, chunk: &Chunk) -> Result<(), Error> {
        let mut verdicts = self.program.evaluate(chunk);
        for (index, verdicts) in verdicts.iter_mut().enumerate() {
            if self.has_stopped(index) {
                continue;
            }
            self.begin_own(reader, index);
            let answer = self.look_up_all(reader, index, chunk, verdicts).await;
            self.end_own(reader, index);
            self.settle(index, answer)?;
            self.note_failing(index, verdicts, chunk);
            if let Some(state) = self.states.get_mut(index) {
                state.average(0, chunk, None, verdicts);
            }
            if let Some(tally) = self.states.get_mut(index).and_then(|state| state.tally(0)) {
                tally.add_rows(verdicts.total());
            }
        }
        self.rows_read += chunk.rows() as u64;
        Ok(())
    }

    /// Ends a pass over all rows: what only shows when every row was seen. `moving`: rows were written meanwhile.
    ///
    /// # Errors
    /// As [`TableCheck::take_drawn`].
    pub(crate) async fn end_all(&mut self, reader: &mut Reader, moving: bool) -> Result<(), Error> {
        for index in 0..self.states.len() {
            if self.has_stopped(index) {
                continue;
            }
            self.begin_own(reader, index);
            let answer = self.end_gathered(reader, index, moving).await;
            self.end_own(reader, index);
            let answer = match answer {
                Ok(Some(confirmed)) => {
                    let Some(state) = self.states.get_mut(index) else { continue };
                    // what fails is known by key, and not by the row's place in the pass
                    state.failing_rows = None;
                    let counts = state.tally(0).map(|tally| tally.counts()).unwrap_or_default();
                    let mut tally = Tally::new();
                    tally.add_rows(RowCounts { failed: confirmed.rows.min(counts.checked), ..counts });
                    state.tallies = vec![tally];
                    let room = MOST_EXAMPLES.saturating_sub(state.examples.len());
                    state.examples.extend(confirmed.examples.into_iter().take(room));
                    let room = MOST_KNOWN.saturating_sub(state.failing_keys.len());
                    state.failing_keys.extend(confirmed.keys.into_iter().take(room));
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(fault) => Err(fault),
            };
            self.settle(index, answer)?;
        }
        Ok(())
    }

    /// Ends a draw: answers the rules that wait for a pass over a table.
    ///
    /// # Errors
    /// As [`TableCheck::take_drawn`].
    pub(crate) async fn end_drawn(&mut self, reader: &mut Reader) -> Result<(), Error> {
        for index in 0..self.states.len() {
            if self.has_stopped(index) {
                continue;
            }
            self.begin_own(reader, index);
            let answer = self.end_waiting(reader, index).await;
            self.end_own(reader, index);
            self.settle(index, answer)?;
        }
        Ok(())
    }

    fn has_stopped(&self, index: usize) -> bool {
        self.states.get(index).is_some_and(|state| state.stopped.is_some())
    }

    /// From now on statements are a rule's own: what is left of its `timeout` limits them.
    pub(super) fn begin_own(&self, reader: &mut Reader, index: usize) {
        let Some((rule, state)) = self.rule(index).zip(self.states.get(index)) else { return };
        let timeout = rule.timeout.or(matches!(state.plan, Plan::Sql { .. }).then_some(SQL_TIMEOUT));
        reader.begin_own(rule.id.as_str(), timeout.map(|timeout| timeout.saturating_sub(state.spent)));
    }

    /// They are no longer.
    pub(super) fn end_own(&mut self, reader: &mut Reader, index: usize) {
        let spent = reader.end_own();
        if let Some(state) = self.states.get_mut(index) {
            state.spent += spent;
        }
    }

    /// A fault of one rule's look-up stops that rule; a lost connection or a cancelled run stops the table.
    fn settle(&mut self, index: usize, answer: Result<(), LookupFault>) -> Result<(), Error> {
        let refusal = match answer {
            Ok(()) => return Ok(()),
            Err(LookupFault::Source(error)) if error.ends_reading() => return Err(error),
            Err(LookupFault::Source(error)) => Refusal { why: error.not_evaluated(), reason: error.to_string() },
            Err(LookupFault::Refused(refusal)) => refusal,
        };
        if let Some(state) = self.states.get_mut(index) {
            state.stopped.get_or_insert(refusal);
            state.failing_rows = None;
        }
        Ok(())
    }

    /// Takes note of failing rows: how they are shown, their keys, for a mark their places.
    fn note_failing(&mut self, index: usize, verdicts: &RowVerdicts, chunk: &Chunk) {
        let shown = self.rule(index).map(|rule| rule.kind.columns()).unwrap_or_default();
        let hidden = self.hides_key();
        let Some(state) = self.states.get_mut(index) else { return };
        let of_rows = state.plan.is_of_rows();
        for row in verdicts.failing() {
            let (to_show, to_know) = (state.examples.len() < MOST_EXAMPLES, state.failing_keys.len() < MOST_KNOWN);
            let (to_show, to_know) =
                (to_show && self.settings.examples != Examples::None, to_know && !hidden && of_rows);
            if !to_show && !to_know {
                break;
            }
            if to_know {
                state.failing_keys.extend(texts::texts(chunk, row, &self.key));
            }
            if to_show {
                state.examples.extend(show(chunk, row, &self.shown_by, &shown, self.rules, self.settings, self.run));
            }
        }
        if !of_rows {
            state.failing_rows = None;
        }
        if let (true, Some(rows)) = (self.for_mark, &mut state.failing_rows) {
            rows.extend(verdicts.failing().map(|row| self.rows_read + row as u64));
        }
    }

    /// Takes note of rows that were known to fail and still do, before those that were drawn.
    pub(crate) fn note_known_failing(&mut self, index: usize, chunk: &Chunk, still: &[(usize, Vec<String>)]) {
        let shown = self.rule(index).map(|rule| rule.kind.columns()).unwrap_or_default();
        let Some(state) = self.states.get_mut(index) else { return };
        let new: Vec<Vec<String>> = std::mem::take(&mut state.failing_keys);
        state.failing_keys = still.iter().map(|(_, key)| key.clone()).collect();
        state.failing_keys.extend(new.into_iter().filter(|key| !still.iter().any(|(_, known)| known == key)));
        state.failing_keys.truncate(MOST_KNOWN);
        if self.settings.examples != Examples::None {
            for (row, _) in still {
                let example = show(chunk, *row, &self.shown_by, &shown, self.rules, self.settings, self.run);
                let new = example.filter(|example| !state.examples.contains(example));
                state.examples.extend(new.filter(|_| state.examples.len() < MOST_EXAMPLES));
            }
        }
    }

    /// Whether keys of rows are not to be kept: there is none, or it is `pii`.
    pub(crate) fn hides_key(&self) -> bool {
        self.key.is_empty() || self.rules.pii.iter().any(|pii| self.key.contains(&pii.value))
    }

    /// Judges rows that were read for another reason (known failing ones, marked ones): of each rule those that fail, where that can be
    /// told row by row and through an index.
    ///
    /// # Errors
    /// As [`TableCheck::take_drawn`].
    pub(crate) async fn judge_rows(
        &mut self,
        reader: &mut Reader,
        chunk: &Chunk,
    ) -> Result<Vec<Option<Vec<usize>>>, Error> {
        let mut verdicts = self.program.evaluate(chunk);
        let mut failing = Vec::with_capacity(verdicts.len());
        for (index, verdicts) in verdicts.iter_mut().enumerate() {
            self.begin_own(reader, index);
            let answer = self.look_up_by_index(reader, index, chunk, verdicts).await;
            self.end_own(reader, index);
            failing.push(match answer {
                Ok(true) => Some(verdicts.failing().collect()),
                Ok(false) | Err(LookupFault::Refused(_)) => None,
                Err(LookupFault::Source(error)) if error.ends_reading() => return Err(error),
                Err(LookupFault::Source(_)) => None,
            });
        }
        Ok(failing)
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
