//! What no index answers: one courteous pass over a table, at most once per `full_every`.
//!
//! A sample's values wait until all of them are drawn; the pass then counts only those. Where all rows of the table were read, their
//! values are gathered and brought together, with those of the table referred to. What is suspected is read again by key before
//! it counts.

use super::draw::Drawn;
use super::example::show;
use super::gathered::{Gathered, Group, share};
use super::lookup::{Lookup, Referred, VALUES_A_STATEMENT, among, fail, first_rows};
use super::table::{LookupFault, MOST_EXAMPLES, MOST_KNOWN, State, TableCheck};
use super::texts;
use super::values::Values;
use crate::reader::Reader;
use crate::report::words;
use arrow::array::{Array as _, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::not_distinct;
use fieldmark_engine::evaluate::RowVerdicts;
use fieldmark_engine::kind::{Plan, Refusal};
use fieldmark_engine::rule::Rule;
use fieldmark_model::{Chunk, NotEvaluated, Table};
use fieldmark_source::{Cursor, Error, Read, Reference};
use std::collections::{HashMap, HashSet};

/// Groups of rows of one value that are read again; of those beyond, as many count as their share of these that were confirmed.
const GROUPS_CONFIRMED: usize = 100_000;
/// Rows looked up again in one statement where no index helps.
const ROWS_WITHOUT_INDEX: usize = 4;

/// Drawn rows whose values wait for a pass.
pub(crate) struct Waiting(Vec<(usize, Drawn, RowVerdicts)>);

/// Failing rows that a second reading confirmed.
#[derive(Default)]
pub(crate) struct Confirmed {
    pub(crate) rows: u64,
    pub(crate) examples: Vec<String>,
    pub(crate) keys: Vec<Vec<String>>,
}

/// A pass over a whole table: as far as it may go, and how far it has come.
pub(super) struct Pass {
    /// Rows that a table has at most which is read whole without a thought.
    small: u64,
    /// Why it may not go further than that now.
    refusal: Option<Refusal>,
    rows: u64,
}

impl Pass {
    /// So many more rows.
    pub(super) fn over(&mut self, rows: usize) -> Result<(), Refusal> {
        self.rows += rows as u64;
        match &self.refusal {
            Some(refusal) if self.rows > self.small => Err(refusal.clone()),
            _ => Ok(()),
        }
    }

    /// Whether it was one of those that are rare.
    pub(super) fn counts(&self) -> bool {
        self.rows > self.small
    }
}

impl TableCheck<'_> {
    /// A pass over a whole table to answer a rule: over a small one always, over another once per `full_every`.
    pub(super) fn pass_for(&self, rule: &Rule) -> Pass {
        let lifted = self.settings.full_every.is_zero();
        let every = rule.full_every.filter(|_| !lifted).unwrap_or(self.settings.full_every);
        let last = self.state.passed_over(&rule.id, &rule.fingerprint);
        let age = last.map(|last| (self.run.now - last).to_std().unwrap_or_default());
        let refusal = age.filter(|age| *age < every).map(|age| Refusal {
            why: NotEvaluated::TooExpensive,
            reason: format!(
                "no index leads to its answer, and the last pass over the table was {} ago (full_every: {}); --full makes another",
                words::duration(age.as_secs_f64()),
                words::duration(every.as_secs_f64())
            ),
        });
        Pass { small: self.small_rows(), refusal, rows: 0 }
    }

    /// Takes note of a pass: one that came to its end, or that cost all that it may cost, is not made again before its time.
    pub(super) fn passed<T>(
        &mut self,
        index: usize,
        pass: &Pass,
        answer: Result<T, LookupFault>,
    ) -> Result<T, LookupFault> {
        let spent = matches!(answer, Err(LookupFault::Source(Error::BudgetSpent | Error::RuleTimeout)));
        if let (true, Some(state)) = (pass.counts() && (answer.is_ok() || spent), self.states.get_mut(index)) {
            state.passed_over = true;
        }
        answer
    }

    /// Lets drawn rows wait, with the columns that are needed of them.
    pub(super) fn wait(
        &mut self,
        index: usize,
        stratum: usize,
        drawn: &Drawn,
        verdicts: &RowVerdicts,
    ) -> Result<(), LookupFault> {
        let own = self.rule(index).map(|rule| rule.kind.columns()).unwrap_or_default();
        let needed = self.columns.iter().filter(|column| {
            self.shown_by.contains(column)
                || self.key.contains(column)
                || self.identity.contains(column)
                || own.contains(&column.as_str())
        });
        let chunk = drawn.chunk.project(&needed.cloned().collect::<Vec<_>>())?;
        let drawn = Drawn { chunk, blocks: drawn.blocks.clone() };
        if let Some(state) = self.states.get_mut(index) {
            if let Lookup::Waiting(waiting) = &mut state.lookup {
                waiting.0.push((stratum, drawn, verdicts.clone()));
            } else {
                state.lookup = Lookup::Waiting(Waiting(vec![(stratum, drawn, verdicts.clone())]));
            }
            // known when the pass is over, by value
            state.failing_rows = None;
        }
        Ok(())
    }

    /// Answers a rule whose drawn rows wait.
    pub(super) async fn end_waiting(&mut self, reader: &mut Reader, index: usize) -> Result<(), LookupFault> {
        let Some(state) = self.states.get_mut(index) else { return Ok(()) };
        if !matches!(state.lookup, Lookup::Waiting(_)) {
            return Ok(());
        }
        let Lookup::Waiting(Waiting(mut drawn)) = std::mem::take(&mut state.lookup) else { return Ok(()) };
        let (Some(plan), Some(rule)) = (self.plan(index), self.rule(index)) else { return Ok(()) };
        let mut pass = self.pass_for(rule);
        match &plan {
            Plan::Unique { columns } => {
                let shared = self.shared_by_pass(reader, index, columns, &drawn, &mut pass).await;
                let shared = self.passed(index, &pass, shared)?;
                for (_, drawn, verdicts) in &mut drawn {
                    let hashes = Values::new(&drawn.chunk.batch.schema(), columns)?.hashes(&drawn.chunk)?;
                    fail(verdicts, |row| among(&hashes, row, &shared));
                }
            }
            Plan::References { columns, .. } => {
                let Some(referred) = self.referred(&plan)? else { return Ok(()) };
                let missing = missing_by_pass(reader, columns, referred, &drawn, &mut pass).await;
                let missing = self.passed(index, &pass, missing)?;
                let reference = Reference { from: self.table, columns, to: referred.0, to_columns: referred.1 };
                for (_, drawn, verdicts) in &mut drawn {
                    let hashes = referring(&drawn.chunk, columns, referred)?;
                    let suspected = verdicts.kept().filter(|row| among(&hashes, *row, &missing));
                    // each look-up reads the table referred to: of every value one row is read again, and stands for the others
                    let mut firsts: Vec<usize> = first_rows(suspected, &hashes).into_values().collect();
                    firsts.sort_unstable();
                    let suspects = (&drawn.chunk, firsts.as_slice());
                    let failing = self.orphans(reader, index, &reference, suspects, ROWS_WITHOUT_INDEX).await?;
                    let values: HashSet<u128> =
                        failing.iter().filter_map(|row| hashes.get(*row).copied().flatten()).collect();
                    fail(verdicts, |row| among(&hashes, row, &values));
                }
            }
            Plan::Row { .. }
            | Plan::Expression { .. }
            | Plan::Fresh { .. }
            | Plan::RowCount { .. }
            | Plan::Distribution { .. }
            | Plan::Sql { .. } => {}
        }
        for (stratum, drawn, verdicts) in &drawn {
            self.count_drawn(index, *stratum, drawn, verdicts);
        }
        Ok(())
    }

    /// Hashes of the waiting values that two rows or more have: one pass that counts them alone, then the rows again by key.
    async fn shared_by_pass(
        &self,
        reader: &mut Reader,
        index: usize,
        columns: &[String],
        drawn: &[(usize, Drawn, RowVerdicts)],
        pass: &mut Pass,
    ) -> Result<HashSet<u128>, LookupFault> {
        if self.identity.is_empty() {
            return Err(no_key());
        }
        let mut wanted = HashSet::new();
        for (_, drawn, verdicts) in drawn {
            let hashes = Values::new(&drawn.chunk.batch.schema(), columns)?.hashes(&drawn.chunk)?;
            wanted.extend(first_rows(verdicts.kept(), &hashes).into_keys());
        }
        let schema = self.table.arrow_schema(self.columns.iter().map(String::as_str));
        let (values, keys) = (Values::new(&schema, columns)?, Values::new(&schema, &self.identity)?);
        let mut members: HashMap<u128, Vec<Box<[u8]>>> = HashMap::new();
        let mut cursor = Cursor::start();
        loop {
            let scanned = reader.scan(&self.read(), &cursor).await?;
            pass.over(scanned.chunk.rows()).map_err(LookupFault::Refused)?;
            let hashes = values.hashes(&scanned.chunk)?;
            let keys = keys.bytes(&scanned.chunk)?;
            for row in self.kept(index, &scanned.chunk) {
                let (Some(Some(hash)), Some(Some(key))) = (hashes.get(row), keys.get(row)) else { continue };
                if wanted.contains(hash) {
                    let keys = members.entry(*hash).or_default();
                    if keys.len() < Group::MOST_KEYS && !keys.contains(key) {
                        keys.push(key.clone());
                    }
                }
            }
            match scanned.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        let mut confirmed = HashSet::new();
        for (hash, keys) in members.into_iter().filter(|(_, keys)| keys.len() > 1) {
            let again = self.rows_of_keys(reader, &keys).await?;
            let hashes = values.hashes(&again)?;
            let same = self.kept(index, &again).into_iter().filter(|row| hashes.get(*row) == Some(&Some(hash))).count();
            if same > 1 {
                confirmed.insert(hash);
            }
        }
        Ok(confirmed)
    }

    async fn rows_of_keys(&self, reader: &mut Reader, keys: &[Box<[u8]>]) -> Result<Chunk, LookupFault> {
        Ok(reader.by_key(&self.read(), &self.identity, &self.batch_of_keys(keys)?).await?)
    }

    fn batch_of_keys(&self, keys: &[Box<[u8]>]) -> Result<RecordBatch, LookupFault> {
        let schema = self.table.arrow_schema(self.columns.iter().map(String::as_str));
        Ok(Values::new(&schema, &self.identity)?.batch(&schema, keys.iter().map(AsRef::as_ref))?)
    }

    /// Gathers the values of a chunk's rows, given their hashes.
    pub(super) fn gather(
        &mut self,
        index: usize,
        hashes: &[Option<u128>],
        chunk: &Chunk,
        verdicts: &RowVerdicts,
    ) -> Result<(), LookupFault> {
        let keys = Values::new(&chunk.batch.schema(), &self.identity)?.bytes(chunk)?;
        let folder = &self.run.state_folder;
        let gathering = |state: &&State| matches!(state.plan, Plan::Unique { .. } | Plan::References { .. });
        let memory = share(self.states.iter().filter(gathering).count());
        let Some(state) = self.states.get_mut(index) else { return Ok(()) };
        if matches!(state.lookup, Lookup::None) {
            state.lookup = Lookup::Gathered(Box::new(Gathered::new(folder.clone(), memory)));
        }
        let Lookup::Gathered(gathered) = &mut state.lookup else { return Ok(()) };
        for row in verdicts.kept() {
            if let Some(Some(hash)) = hashes.get(row) {
                let key = keys.get(row).and_then(Option::as_deref).unwrap_or(&[]);
                gathered.push(*hash, key).map_err(|error| no_room(&error))?;
            }
        }
        Ok(())
    }

    /// Answers a rule whose values were gathered; `None` where there is none.
    pub(super) async fn end_gathered(
        &mut self,
        reader: &mut Reader,
        index: usize,
        moving: bool,
    ) -> Result<Option<Confirmed>, LookupFault> {
        let Some(state) = self.states.get_mut(index) else { return Ok(None) };
        if !matches!(state.lookup, Lookup::Gathered(..)) {
            return Ok(None);
        }
        let Lookup::Gathered(mut gathered) = std::mem::take(&mut state.lookup) else { return Ok(None) };
        let (Some(plan), Some(rule)) = (self.plan(index), self.rule(index)) else { return Ok(None) };
        match &plan {
            Plan::Unique { columns } => {
                let suspected = Suspected::of(*gathered, |group| group.keyed + group.unkeyed > 1)?;
                self.duplicates(reader, index, columns, (suspected, moving)).await.map(Some)
            }
            Plan::References { columns, .. } => {
                let Some(referred) = self.referred(&plan)? else { return Ok(None) };
                if self.identity.is_empty() {
                    return Err(no_key());
                }
                let mut pass = self.pass_for(rule);
                let parent = |hash| gathered.push(hash, &[]).map_err(|error| no_room(&error));
                let over = pass_over(reader, referred, &mut pass, parent).await;
                self.passed(index, &pass, over)?;
                let suspected = Suspected::of(*gathered, |group| group.unkeyed == 0)?;
                let reference = Reference { from: self.table, columns, to: referred.0, to_columns: referred.1 };
                self.without_parent(reader, index, &reference, suspected).await.map(Some)
            }
            Plan::Row { .. }
            | Plan::Expression { .. }
            | Plan::Fresh { .. }
            | Plan::RowCount { .. }
            | Plan::Distribution { .. }
            | Plan::Sql { .. } => Ok(None),
        }
    }

    /// Reads groups of rows with one value again: rows that were never there together, or have changed since, do not count.
    async fn duplicates(
        &self,
        reader: &mut Reader,
        index: usize,
        columns: &[String],
        (suspected, moving): (Suspected, bool),
    ) -> Result<Confirmed, LookupFault> {
        let mut confirmed = Confirmed::default();
        if self.identity.is_empty() {
            if moving && !suspected.groups.is_empty() {
                return Err(LookupFault::Refused(Refusal {
                    why: NotEvaluated::NotSampleable,
                    reason: "values were met twice while the table was written, and it has no key to read their rows again by"
                        .to_owned(),
                }));
            }
            confirmed.rows = suspected.rows() + suspected.more_rows;
            return Ok(confirmed);
        }
        for groups in batches(&suspected.groups, VALUES_A_STATEMENT) {
            let keys: Vec<Box<[u8]>> = groups.iter().flat_map(|group| group.keys.iter().cloned()).collect();
            let again = self.rows_of_keys(reader, &keys).await?;
            let hashes = Values::new(&again.batch.schema(), columns)?.hashes(&again)?;
            let mut rows_of: HashMap<u128, Vec<usize>> = HashMap::new();
            for row in self.kept(index, &again) {
                if let Some(Some(hash)) = hashes.get(row) {
                    rows_of.entry(*hash).or_default().push(row);
                }
            }
            let mut failing: Vec<usize> = rows_of.into_values().filter(|rows| rows.len() > 1).flatten().collect();
            failing.sort_unstable();
            confirmed.add(self, index, &again, &failing);
            if !failing.is_empty() {
                // more rows of one value than keys are kept of
                confirmed.rows +=
                    groups.iter().map(|group| group.keyed.saturating_sub(group.keys.len() as u64)).sum::<u64>();
            }
        }
        confirmed.extrapolate(&suspected);
        Ok(confirmed)
    }

    /// Reads rows again that seem to refer to nothing, row and look-up in one statement.
    async fn without_parent(
        &self,
        reader: &mut Reader,
        index: usize,
        reference: &Reference<'_>,
        suspected: Suspected,
    ) -> Result<Confirmed, LookupFault> {
        let mut confirmed = Confirmed::default();
        // each look-up reads the table referred to: of every value one row is read again, and stands for those that shared it
        let firsts: Vec<(&Group, &Box<[u8]>)> =
            suspected.groups.iter().filter_map(|group| Some((group, group.keys.first()?))).collect();
        for firsts in firsts.chunks(ROWS_WITHOUT_INDEX) {
            let keys: Vec<Box<[u8]>> = firsts.iter().map(|(_, key)| (*key).clone()).collect();
            let found = reader.orphans(&self.read(), &self.identity, &self.batch_of_keys(&keys)?, reference).await?;
            let failing = self.kept(index, &found);
            confirmed.add(self, index, &found, &failing);
            let keys = Values::new(&found.batch.schema(), &self.identity)?.bytes(&found)?;
            let there = |key: &[u8]| failing.iter().any(|row| keys.get(*row).and_then(Option::as_deref) == Some(key));
            let others = firsts.iter().filter(|(_, key)| there(key)).map(|(group, _)| group.keyed.saturating_sub(1));
            confirmed.rows += others.sum::<u64>();
        }
        confirmed.extrapolate(&suspected);
        Ok(confirmed)
    }
}

impl Confirmed {
    /// Rows of groups that were not read again count by the share of those that were confirmed.
    fn extrapolate(&mut self, suspected: &Suspected) {
        let read = suspected.rows();
        if read > 0 && suspected.more_rows > 0 {
            self.rows += (suspected.more_rows as f64 * (self.rows as f64 / read as f64).min(1.0)).round() as u64;
        }
    }

    fn add(&mut self, check: &TableCheck<'_>, index: usize, chunk: &Chunk, failing: &[usize]) {
        let shown = check.rule(index).map(|rule| rule.kind.columns()).unwrap_or_default();
        self.rows += failing.len() as u64;
        for row in failing.iter().take(MOST_KNOWN.saturating_sub(self.keys.len())) {
            if self.examples.len() < MOST_EXAMPLES {
                self.examples.extend(show(
                    chunk,
                    *row,
                    &check.shown_by,
                    &shown,
                    check.rules,
                    check.settings,
                    check.run,
                ));
            }
            if !check.hides_key() {
                self.keys.extend(texts::texts(chunk, *row, &check.key));
            }
        }
    }
}

/// Values whose rows have to be read again.
struct Suspected {
    groups: Vec<Group>,
    /// Rows of those beyond [`GROUPS_CONFIRMED`].
    more_rows: u64,
}

impl Suspected {
    fn rows(&self) -> u64 {
        self.groups.iter().map(|group| group.keyed + group.unkeyed).sum()
    }

    fn of(gathered: Gathered, suspect: impl Fn(&Group) -> bool) -> Result<Self, LookupFault> {
        let mut suspected = Self { groups: Vec::new(), more_rows: 0 };
        let sorted = gathered.finish(|group| {
            if !suspect(&group) {
            } else if suspected.groups.len() < GROUPS_CONFIRMED {
                suspected.groups.push(group);
            } else {
                suspected.more_rows += group.keyed + group.unkeyed;
            }
        });
        sorted.map_err(|error| no_room(&error))?;
        Ok(suspected)
    }
}

/// Groups with about so many keys together.
fn batches(groups: &[Group], keys: usize) -> impl Iterator<Item = &[Group]> {
    let mut rest = groups;
    std::iter::from_fn(move || {
        let mut count = 0;
        let fit = rest.iter().take_while(|group| {
            let fits = count < keys;
            count += group.keys.len();
            fits
        });
        let (batch, after) = rest.split_at(fit.count());
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// A value that the type of the column referred to cannot hold: nothing there equals it.
const OUTSIDE: u128 = u128::MAX;

/// Hashes of referring values as values of the columns referred to, whose types may be others; `None` where one is NULL.
pub(super) fn referring(
    chunk: &Chunk,
    columns: &[String],
    (to, to_columns): Referred<'_, '_>,
) -> Result<Vec<Option<u128>>, LookupFault> {
    let own = chunk.project(columns)?;
    let schema = to.arrow_schema(to_columns.iter().map(String::as_str));
    let mut arrays = Vec::new();
    let mut outside = vec![false; chunk.rows()];
    for (array, field) in own.batch.columns().iter().zip(schema.fields()) {
        let there = cast(array, field.data_type())?;
        // what does not come back as it was has lost digits on the way, and equals nothing there
        let back = cast(&there, array.data_type())?;
        let same = not_distinct(array, &back)?;
        for (row, outside) in outside.iter_mut().enumerate() {
            *outside |= array.is_valid(row) && (there.is_null(row) || !same.value(row));
        }
        arrays.push(there);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(chunk.rows()));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?;
    let there = Chunk { batch, defects: own.defects.clone(), stamps: Vec::new() };
    let hashes = Values::new(&schema, to_columns)?.hashes(&there)?;
    let own = Values::new(&own.batch.schema(), columns)?.hashes(&own)?;
    let hash = |((own, there), outside): ((Option<u128>, Option<u128>), bool)| {
        own.and(if outside { Some(OUTSIDE) } else { there })
    };
    Ok(own.into_iter().zip(hashes).zip(outside).map(hash).collect())
}

/// Hashes of the waiting values that the table referred to does not have, by one pass over it.
async fn missing_by_pass(
    reader: &mut Reader,
    columns: &[String],
    referred: Referred<'_, '_>,
    drawn: &[(usize, Drawn, RowVerdicts)],
    pass: &mut Pass,
) -> Result<HashSet<u128>, LookupFault> {
    let mut missing = HashSet::new();
    for (_, drawn, verdicts) in drawn {
        let hashes = referring(&drawn.chunk, columns, referred)?;
        missing.extend(first_rows(verdicts.kept(), &hashes).into_keys());
    }
    pass_over(reader, referred, pass, |hash| {
        missing.remove(&hash);
        Ok(())
    })
    .await?;
    Ok(missing)
}

/// Hands over the hashes of all values that a table has in these columns.
async fn pass_over(
    reader: &mut Reader,
    (table, columns): (&Table, &[String]),
    pass: &mut Pass,
    mut each: impl FnMut(u128) -> Result<(), LookupFault>,
) -> Result<(), LookupFault> {
    let values = Values::new(&table.arrow_schema(columns.iter().map(String::as_str)), columns)?;
    let mut cursor = Cursor::start();
    loop {
        let scanned = reader.scan(&Read::new(table, columns), &cursor).await?;
        pass.over(scanned.chunk.rows()).map_err(LookupFault::Refused)?;
        for hash in values.hashes(&scanned.chunk)?.into_iter().flatten() {
            each(hash)?;
        }
        match scanned.next {
            Some(next) => cursor = next,
            None => return Ok(()),
        }
    }
}

fn no_key() -> LookupFault {
    LookupFault::Refused(Refusal {
        why: NotEvaluated::TooExpensive,
        reason: "no index leads to the values, and the table has no key to read rows again by".to_owned(),
    })
}

fn no_room(error: &std::io::Error) -> LookupFault {
    LookupFault::Refused(Refusal {
        why: NotEvaluated::Internal,
        reason: format!("no room to sort values in the state folder: {}", error.kind()),
    })
}
