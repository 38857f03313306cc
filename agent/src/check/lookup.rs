//! Look-ups: asking the table itself about values, so that a sample never invents a failure of the whole table.
//!
//! Whatever a first look-up suspects is read again, row and look-up in one statement, before it counts.

use super::duplicates::{Duplicates, Group};
use super::example::show;
use super::table::{LookupFault, TableCheck};
use super::values::Values;
use crate::reader::Reader;
use fieldmark_engine::evaluate::RowVerdicts;
use fieldmark_engine::kind::{Plan, Refusal};
use fieldmark_model::{Chunk, NotEvaluated, TableName};
use fieldmark_source::{Cursor, Reference};
use std::collections::{HashMap, HashSet};

/// Values looked up in one statement.
const VALUES_A_STATEMENT: usize = 500;
/// Rows of one value that are read where a `where` decides which of them count.
const ROWS_OF_A_VALUE: u32 = 1_000;
/// Values known to have a parent that are remembered from chunk to chunk.
const KNOWN_PARENTS: usize = 200_000;
/// Duplicate groups of a pass over all rows that are read again.
const GROUPS_CONFIRMED: usize = 1_000;

/// What a cross-row rule keeps between chunks.
#[derive(Default)]
pub(crate) enum Lookup {
    /// Nothing yet.
    #[default]
    None,
    /// Hashes of all values, for `unique` over all rows.
    Duplicates(Values, Box<Duplicates>),
    /// Hashes of values that have a parent.
    Parents(HashSet<u128>),
}

/// Key bytes of rows that refer to nothing.
pub(crate) type Orphans = HashSet<Box<[u8]>>;

/// Duplicate rows that a second reading confirmed.
#[derive(Default)]
pub(crate) struct Confirmed {
    pub(crate) rows: u64,
    pub(crate) examples: Vec<String>,
}

impl TableCheck<'_> {
    /// Rows of a chunk that a rule's `where` keeps now.
    fn kept(&self, index: usize, chunk: &Chunk) -> Vec<usize> {
        let rule = self.states.get(index).map_or(usize::MAX, |state| state.rule);
        self.program.evaluate_one(rule, chunk).map(|verdicts| verdicts.kept().collect()).unwrap_or_default()
    }

    /// `unique` on sampled rows.
    pub(crate) async fn unique_of_sample(
        &mut self,
        reader: &mut Reader,
        index: usize,
        columns: &[String],
        chunk: &Chunk,
        verdicts: &mut RowVerdicts,
    ) -> Result<(), LookupFault> {
        let values = Values::new(&chunk.batch.schema(), columns)?;
        let hashes = values.hashes(chunk)?;
        let mut first_row: HashMap<u128, usize> = HashMap::new();
        for row in verdicts.kept() {
            if let Some(Some(hash)) = hashes.get(row) {
                first_row.entry(*hash).or_insert(row);
            }
        }
        let suspected = if self.table.indexed(columns) {
            let asked: Vec<usize> = first_row.values().copied().collect();
            let suspected = self.shared(reader, index, columns, chunk, &asked).await?;
            let again: Vec<usize> = suspected.iter().filter_map(|hash| first_row.get(hash).copied()).collect();
            self.shared(reader, index, columns, chunk, &again).await?
        } else {
            self.shared_by_pass(reader, index, &values, &first_row).await?
        };
        for (row, verdict) in verdicts.rows.iter_mut().enumerate() {
            let shared = hashes.get(row).copied().flatten().is_some_and(|hash| suspected.contains(&hash));
            if shared && *verdict == fieldmark_engine::evaluate::RowVerdict::Passed {
                *verdict = fieldmark_engine::evaluate::RowVerdict::Failed;
            }
        }
        Ok(())
    }

    /// Hashes of those rows' values that two rows or more have at one instant.
    async fn shared(
        &self,
        reader: &mut Reader,
        index: usize,
        columns: &[String],
        chunk: &Chunk,
        rows: &[usize],
    ) -> Result<HashSet<u128>, LookupFault> {
        let rule = self.states.get(index).and_then(|state| self.rules.rules.get(state.rule));
        let at_most = if rule.is_some_and(|rule| rule.filter.is_some()) { ROWS_OF_A_VALUE } else { 2 };
        let mut shared = HashSet::new();
        for rows in rows.chunks(VALUES_A_STATEMENT) {
            let asked = chunk.take(rows)?.project(columns)?;
            let found = reader.sharing(&self.read(), columns, &asked.batch, at_most).await?;
            let hashes = Values::new(&found.batch.schema(), columns)?.hashes(&found)?;
            let mut seen: HashMap<u128, u32> = HashMap::new();
            for row in self.kept(index, &found) {
                if let Some(Some(hash)) = hashes.get(row) {
                    *seen.entry(*hash).or_default() += 1;
                }
            }
            shared.extend(seen.into_iter().filter(|(_, rows)| *rows > 1).map(|(hash, _)| hash));
        }
        Ok(shared)
    }

    /// The same without an index: one courteous pass that counts only the sampled values, then a second reading by key.
    async fn shared_by_pass(
        &self,
        reader: &mut Reader,
        index: usize,
        values: &Values,
        wanted: &HashMap<u128, usize>,
    ) -> Result<HashSet<u128>, LookupFault> {
        if self.key.is_empty() {
            return Err(too_expensive("no index leads to the values, and the table has no key to read rows again by"));
        }
        let budget = self.settings.rows_per_check.unwrap_or(u64::MAX);
        if self.table.estimated_rows.is_some_and(|rows| rows > budget) {
            return Err(too_expensive(
                "no index leads to the values, and a pass over the table is more than rows_per_check allows; --full allows it",
            ));
        }
        let mut members: HashMap<u128, Vec<Box<[u8]>>> = HashMap::new();
        let mut cursor = Cursor::start();
        let mut rows = 0u64;
        loop {
            let scanned = reader.scan(&self.read(), &cursor).await?;
            rows += scanned.chunk.rows() as u64;
            if rows > budget {
                return Err(too_expensive(
                    "no index leads to the values, and a pass over the table is more than rows_per_check allows; --full allows it",
                ));
            }
            let hashes = values.hashes(&scanned.chunk)?;
            let keys = Values::new(&scanned.chunk.batch.schema(), &self.key)?.bytes(&scanned.chunk)?;
            for row in self.kept(index, &scanned.chunk) {
                let (Some(Some(hash)), Some(Some(key))) = (hashes.get(row), keys.get(row)) else { continue };
                if wanted.contains_key(hash) {
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
        let schema = self.table.arrow_schema(self.columns.iter().map(String::as_str));
        let batch = Values::new(&schema, &self.key)?.batch(&schema, keys.iter().map(AsRef::as_ref))?;
        Ok(reader.by_key(&self.read(), &self.key, &batch).await?)
    }

    /// Reads duplicate groups of a pass again: rows that were never there together, or have changed since, do not count.
    pub(crate) async fn confirm_duplicates(
        &self,
        reader: &mut Reader,
        index: usize,
        duplicates: Duplicates,
    ) -> Result<Confirmed, fieldmark_source::Error> {
        let mut groups = Vec::new();
        let mut more_rows = 0;
        let sorted = duplicates
            .finish(|group| if groups.len() < GROUPS_CONFIRMED { groups.push(group) } else { more_rows += group.rows });
        if let Err(error) = sorted {
            return Err(fieldmark_source::Error::Internal { what: format!("sorting values: {}", error.kind()) });
        }
        let mut confirmed = Confirmed { rows: more_rows, examples: Vec::new() };
        if self.key.is_empty() {
            // nothing to read the rows again by: they count as they were read
            confirmed.rows += groups.iter().map(|group| group.rows).sum::<u64>();
            return Ok(confirmed);
        }
        let Some(Plan::Unique { columns }) = self.states.get(index).map(|state| &state.plan) else {
            return Ok(confirmed);
        };
        let mut batch: Vec<&Group> = Vec::new();
        let mut keys_in_batch = 0;
        for (at, group) in groups.iter().enumerate() {
            keys_in_batch += group.keys.len();
            batch.push(group);
            let last = at + 1 == groups.len();
            if keys_in_batch >= VALUES_A_STATEMENT || last {
                let keys: Vec<Box<[u8]>> = batch.iter().flat_map(|group| group.keys.iter().cloned()).collect();
                match self.confirm(reader, index, columns, &keys, &mut confirmed).await {
                    Ok(()) => {}
                    Err(LookupFault::Source(error)) => return Err(error),
                    Err(LookupFault::Refused(refusal)) => {
                        return Err(fieldmark_source::Error::Internal { what: refusal.reason });
                    }
                }
                let unread: u64 = batch.iter().map(|group| group.rows.saturating_sub(group.keys.len() as u64)).sum();
                confirmed.rows += unread;
                batch.clear();
                keys_in_batch = 0;
            }
        }
        Ok(confirmed)
    }

    async fn confirm(
        &self,
        reader: &mut Reader,
        index: usize,
        columns: &[String],
        keys: &[Box<[u8]>],
        confirmed: &mut Confirmed,
    ) -> Result<(), LookupFault> {
        let again = self.rows_of_keys(reader, keys).await?;
        let hashes = Values::new(&again.batch.schema(), columns)?.hashes(&again)?;
        let mut rows_of: HashMap<u128, Vec<usize>> = HashMap::new();
        for row in self.kept(index, &again) {
            if let Some(Some(hash)) = hashes.get(row) {
                rows_of.entry(*hash).or_default().push(row);
            }
        }
        let shown: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut failing: Vec<usize> = rows_of.into_values().filter(|rows| rows.len() > 1).flatten().collect();
        failing.sort_unstable();
        confirmed.rows += failing.len() as u64;
        for row in failing.into_iter().take(5usize.saturating_sub(confirmed.examples.len())) {
            confirmed.examples.extend(show(&again, row, &self.key, &shown, self.rules, self.settings, self.run));
        }
        Ok(())
    }

    /// `references`, on sampled rows and on chunks of a pass alike.
    pub(crate) async fn references(
        &mut self,
        reader: &mut Reader,
        index: usize,
        plan: &Plan,
        chunk: &Chunk,
        verdicts: &mut RowVerdicts,
    ) -> Result<(), LookupFault> {
        let Plan::References { columns, to_schema, to_table, to_columns } = plan else { return Ok(()) };
        let schema = to_schema.as_ref().unwrap_or(&self.table.name.schema);
        let name = TableName::new(schema.as_str(), to_table.as_str());
        let Some(to) = self.catalogue.table(&name) else {
            let reason = format!("there is no table {name} to refer to");
            return Err(LookupFault::Refused(Refusal { why: NotEvaluated::TableMissing, reason }));
        };
        if let Some(missing) = to_columns.iter().find(|column| to.column(column).is_none()) {
            let reason = format!("{name} has no column {missing}");
            return Err(LookupFault::Refused(Refusal { why: NotEvaluated::ColumnMissing, reason }));
        }
        let reference = Reference { from: self.table, columns, to, to_columns };
        let values = Values::new(&chunk.batch.schema(), columns)?;
        let hashes = values.hashes(chunk)?;
        let mut known = match self.states.get_mut(index).map(|state| std::mem::take(&mut state.lookup)) {
            Some(Lookup::Parents(known)) => known,
            _ => HashSet::new(),
        };
        let mut first_row: HashMap<u128, usize> = HashMap::new();
        for row in verdicts.kept() {
            if let Some(Some(hash)) = hashes.get(row).filter(|hash| hash.is_none_or(|hash| !known.contains(&hash))) {
                first_row.entry(*hash).or_insert(row);
            }
        }
        let mut asked: Vec<(u128, usize)> = first_row.into_iter().collect();
        asked.sort_by_key(|(_, row)| *row);
        let mut missing: HashSet<u128> = HashSet::new();
        for asked in asked.chunks(VALUES_A_STATEMENT) {
            let rows: Vec<usize> = asked.iter().map(|(_, row)| *row).collect();
            let batch = chunk.take(&rows)?.project(columns)?.batch;
            let found = reader.has_parent(&reference, &batch).await?;
            for ((hash, _), found) in asked.iter().zip(found) {
                if !found {
                    missing.insert(*hash);
                } else if known.len() < KNOWN_PARENTS {
                    known.insert(*hash);
                }
            }
        }
        if let Some(state) = self.states.get_mut(index) {
            state.lookup = Lookup::Parents(known);
        }
        if missing.is_empty() {
            return Ok(());
        }
        // the rows themselves, again: row and look-up in one statement
        let by: &[String] = if self.key.is_empty() { columns } else { &self.key };
        let keys = Values::new(&chunk.batch.schema(), by)?.bytes(chunk)?;
        let suspected: Vec<usize> = verdicts
            .kept()
            .filter(|row| hashes.get(*row).copied().flatten().is_some_and(|hash| missing.contains(&hash)))
            .collect();
        let mut orphans = Orphans::new();
        for rows in suspected.chunks(VALUES_A_STATEMENT) {
            let batch = chunk.take(rows)?.project(by)?.batch;
            let found = reader.orphans(&self.read(), by, &batch, &reference).await?;
            let found_keys = Values::new(&found.batch.schema(), by)?.bytes(&found)?;
            for row in self.kept(index, &found) {
                orphans.extend(found_keys.get(row).cloned().flatten());
            }
        }
        Self::fail_rows(verdicts, &orphans, &keys);
        Ok(())
    }
}

fn too_expensive(reason: &str) -> LookupFault {
    LookupFault::Refused(Refusal { why: NotEvaluated::TooExpensive, reason: reason.to_owned() })
}
