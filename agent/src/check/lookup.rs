//! Look-ups: asking the table itself about values, so that a sample never invents a failure of the whole table.
//!
//! Through an index where there is one: in bounded batches, for `unique` up to the second row. Whatever a first look-up suspects is
//! read again, row and look-up in one statement, before it counts. What no index answers waits for a pass (`passes`).

use super::draw::Drawn;
use super::gathered::Gathered;
use super::passes::{Waiting, referring};
use super::table::{LookupFault, TableCheck};
use super::values::Values;
use crate::reader::Reader;
use arrow::datatypes::DataType;
use fieldmark_engine::evaluate::{RowVerdict, RowVerdicts};
use fieldmark_engine::kind::{Plan, Refusal};
use fieldmark_model::{Chunk, Column, NotEvaluated, Table, TableName};
use fieldmark_source::Reference;
use std::collections::{HashMap, HashSet};

/// Values looked up in one statement.
pub(super) const VALUES_A_STATEMENT: usize = 500;
/// Rows of one value that are read where a `where` decides which of them count.
const ROWS_OF_A_VALUE: u32 = 1_000;
/// Values known to have a parent that are remembered from chunk to chunk.
const KNOWN_PARENTS: usize = 200_000;

/// What a cross-row rule keeps between chunks.
#[derive(Default)]
pub(crate) enum Lookup {
    /// Nothing yet.
    #[default]
    None,
    /// Hashes of all values, to be brought together when every row was seen.
    Gathered(Box<Gathered>),
    /// Hashes of values that have a parent.
    Parents(HashSet<u128>),
    /// Drawn rows whose values no index leads to.
    Waiting(Waiting),
}

/// Key bytes of rows that refer to nothing.
type Orphans = HashSet<Box<[u8]>>;

/// A table referred to, and its columns.
pub(super) type Referred<'a, 'p> = (&'a Table, &'p [String]);

impl<'a> TableCheck<'a> {
    /// Rows of a chunk that a rule's `where` keeps now.
    pub(super) fn kept(&self, index: usize, chunk: &Chunk) -> Vec<usize> {
        let rule = self.states.get(index).map_or(usize::MAX, |state| state.rule);
        self.program.evaluate_one(rule, chunk).map(|verdicts| verdicts.kept().collect()).unwrap_or_default()
    }

    pub(super) fn plan(&self, index: usize) -> Option<Plan> {
        self.states.get(index).map(|state| state.plan.clone())
    }

    /// The table that a `references` refers to.
    pub(super) fn referred<'p>(&self, plan: &'p Plan) -> Result<Option<Referred<'a, 'p>>, LookupFault> {
        let Plan::References { to_schema, to_table, to_columns, .. } = plan else { return Ok(None) };
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
        let text = |column: Option<&Column>| {
            column.filter(|column| !column.canonical_text).map(|column| column.data_type == DataType::Utf8)
        };
        let Plan::References { columns, .. } = plan else { return Ok(None) };
        let unlike = |(own, other): &(&String, &String)| {
            let both = text(self.table.column(own)).zip(text(to.column(other)));
            both.is_some_and(|(own, other)| own != other)
        };
        // SQLite compares them, and finds what its affinities make equal
        let comparable = self.table.row_number.is_some() || to.row_number.is_some();
        if let Some((own, other)) = columns.iter().zip(to_columns).find(unlike).filter(|_| !comparable) {
            let reason = format!("text and another type cannot be compared: {own} and {other} of {name}");
            return Err(LookupFault::Refused(Refusal { why: NotEvaluated::TypeMismatch, reason }));
        }
        Ok(Some((to, to_columns)))
    }

    /// Whether the values of a cross-row rule can be looked up through an index.
    fn has_index(&self, plan: &Plan) -> Result<bool, LookupFault> {
        match plan {
            Plan::Unique { columns } => Ok(self.table.indexed(columns)),
            Plan::References { .. } => Ok(self.referred(plan)?.is_some_and(|(to, columns)| to.indexed(columns))),
            Plan::Row { .. }
            | Plan::Expression { .. }
            | Plan::Fresh { .. }
            | Plan::RowCount { .. }
            | Plan::Distribution { .. }
            | Plan::Sql { .. } => Ok(true),
        }
    }

    /// Looks the values of drawn rows up; those that no index leads to wait. Whether they do.
    pub(super) async fn look_up_drawn(
        &mut self,
        reader: &mut Reader,
        index: usize,
        (stratum, drawn): (usize, &Drawn),
        verdicts: &mut RowVerdicts,
    ) -> Result<bool, LookupFault> {
        if self.look_up_by_index(reader, index, &drawn.chunk, verdicts).await? {
            return Ok(false);
        }
        self.wait(index, stratum, drawn, verdicts).map(|()| true)
    }

    /// The same for a chunk of a pass over all rows: `unique`, and what no index leads to, is gathered.
    pub(super) async fn look_up_all(
        &mut self,
        reader: &mut Reader,
        index: usize,
        chunk: &Chunk,
        verdicts: &mut RowVerdicts,
    ) -> Result<(), LookupFault> {
        let Some(plan) = self.plan(index) else { return Ok(()) };
        match &plan {
            Plan::Unique { columns } => {
                let hashes = Values::new(&chunk.batch.schema(), columns)?.hashes(chunk)?;
                self.gather(index, &hashes, chunk, verdicts)
            }
            Plan::References { columns, .. } => match self.referred(&plan)? {
                Some(referred) if !referred.0.indexed(referred.1) => {
                    let hashes = referring(chunk, columns, referred)?;
                    self.gather(index, &hashes, chunk, verdicts)
                }
                _ => self.references(reader, index, &plan, chunk, verdicts).await,
            },
            Plan::Row { .. }
            | Plan::Expression { .. }
            | Plan::Fresh { .. }
            | Plan::RowCount { .. }
            | Plan::Distribution { .. }
            | Plan::Sql { .. } => Ok(()),
        }
    }

    /// Looks the values of rows up through an index; false where there is none.
    pub(super) async fn look_up_by_index(
        &mut self,
        reader: &mut Reader,
        index: usize,
        chunk: &Chunk,
        verdicts: &mut RowVerdicts,
    ) -> Result<bool, LookupFault> {
        let Some(plan) = self.plan(index) else { return Ok(true) };
        if !self.has_index(&plan)? {
            return Ok(false);
        }
        match &plan {
            Plan::Unique { columns } => return self.unique(reader, index, columns, chunk, verdicts).await,
            Plan::References { .. } => self.references(reader, index, &plan, chunk, verdicts).await?,
            Plan::Row { .. }
            | Plan::Expression { .. }
            | Plan::Fresh { .. }
            | Plan::RowCount { .. }
            | Plan::Distribution { .. }
            | Plan::Sql { .. } => {}
        }
        Ok(true)
    }

    /// `unique` through an index; false where it leads to too many rows to tell.
    async fn unique(
        &mut self,
        reader: &mut Reader,
        index: usize,
        columns: &[String],
        chunk: &Chunk,
        verdicts: &mut RowVerdicts,
    ) -> Result<bool, LookupFault> {
        let hashes = Values::new(&chunk.batch.schema(), columns)?.hashes(chunk)?;
        let first_row = first_rows(verdicts.kept(), &hashes);
        let asked: Vec<usize> = first_row.values().copied().collect();
        let Some(suspected) = self.shared(reader, index, columns, chunk, &asked).await? else { return Ok(false) };
        let again: Vec<usize> = suspected.iter().filter_map(|hash| first_row.get(hash).copied()).collect();
        let Some(shared) = self.shared(reader, index, columns, chunk, &again).await? else { return Ok(false) };
        fail(verdicts, |row| among(&hashes, row, &shared));
        Ok(true)
    }

    /// Hashes of those rows' values that two rows or more have at one instant; `None` where a value has more rows than are read, and
    /// those that are read do not tell.
    async fn shared(
        &self,
        reader: &mut Reader,
        index: usize,
        columns: &[String],
        chunk: &Chunk,
        rows: &[usize],
    ) -> Result<Option<HashSet<u128>>, LookupFault> {
        let filtered = self.rule(index).is_some_and(|rule| rule.filter.is_some());
        let at_most = if filtered { ROWS_OF_A_VALUE } else { 2 };
        let mut shared = HashSet::new();
        for rows in rows.chunks(VALUES_A_STATEMENT) {
            let asked = chunk.take(rows)?.project(columns)?;
            let found = reader.sharing(&self.read(), columns, &asked.batch, at_most).await?;
            let hashes = Values::new(&found.batch.schema(), columns)?.hashes(&found)?;
            let mut read: HashMap<u128, u32> = HashMap::new();
            hashes.iter().flatten().for_each(|hash| *read.entry(*hash).or_default() += 1);
            let mut seen: HashMap<u128, u32> = HashMap::new();
            for row in self.kept(index, &found) {
                if let Some(Some(hash)) = hashes.get(row) {
                    *seen.entry(*hash).or_default() += 1;
                }
            }
            let told = |hash: &u128| seen.get(hash).is_some_and(|rows| *rows > 1);
            if filtered && read.iter().any(|(hash, rows)| *rows >= at_most && !told(hash)) {
                return Ok(None);
            }
            shared.extend(seen.into_iter().filter(|(_, rows)| *rows > 1).map(|(hash, _)| hash));
        }
        Ok(Some(shared))
    }

    /// `references` through an index.
    async fn references(
        &mut self,
        reader: &mut Reader,
        index: usize,
        plan: &Plan,
        chunk: &Chunk,
        verdicts: &mut RowVerdicts,
    ) -> Result<(), LookupFault> {
        let (Plan::References { columns, .. }, Some((to, to_columns))) = (plan, self.referred(plan)?) else {
            return Ok(());
        };
        let reference = Reference { from: self.table, columns, to, to_columns };
        let hashes = Values::new(&chunk.batch.schema(), columns)?.hashes(chunk)?;
        let mut known = match self.states.get_mut(index).map(|state| std::mem::take(&mut state.lookup)) {
            Some(Lookup::Parents(known)) => known,
            _ => HashSet::new(),
        };
        let unknown = verdicts
            .kept()
            .filter(|row| hashes.get(*row).copied().flatten().is_some_and(|hash| !known.contains(&hash)));
        let mut asked: Vec<(u128, usize)> = first_rows(unknown, &hashes).into_iter().collect();
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
        let suspected: Vec<usize> = verdicts.kept().filter(|row| among(&hashes, *row, &missing)).collect();
        let failing = self.orphans(reader, index, &reference, (chunk, &suspected), VALUES_A_STATEMENT).await?;
        fail(verdicts, |row| failing.contains(&row));
        Ok(())
    }

    /// Of rows that are suspected to refer to nothing those that do, by the rows themselves: row and look-up in one statement.
    pub(super) async fn orphans(
        &self,
        reader: &mut Reader,
        index: usize,
        reference: &Reference<'_>,
        (chunk, suspected): (&Chunk, &[usize]),
        a_statement: usize,
    ) -> Result<HashSet<usize>, LookupFault> {
        if suspected.is_empty() {
            return Ok(HashSet::new());
        }
        let there =
            |names: &[String]| !names.is_empty() && names.iter().all(|name| chunk.batch.column_by_name(name).is_some());
        // rows of a mark come without the row's number
        let by: &[String] = match () {
            () if there(&self.identity) => &self.identity,
            () if there(&self.key) => &self.key,
            () => reference.columns,
        };
        let mut orphans = Orphans::new();
        for rows in suspected.chunks(a_statement) {
            let batch = chunk.take(rows)?.project(by)?.batch;
            let found = reader.orphans(&self.read(), by, &batch, reference).await?;
            let found_keys = Values::new(&found.batch.schema(), by)?.bytes(&found)?;
            for row in self.kept(index, &found) {
                orphans.extend(found_keys.get(row).cloned().flatten());
            }
        }
        let keys = Values::new(&chunk.batch.schema(), by)?.bytes(chunk)?;
        let failing = (0..chunk.rows())
            .filter(|row| keys.get(*row).and_then(Option::as_ref).is_some_and(|key| orphans.contains(key)));
        Ok(failing.collect())
    }
}

/// The first row of each value.
pub(super) fn first_rows(rows: impl Iterator<Item = usize>, hashes: &[Option<u128>]) -> HashMap<u128, usize> {
    let mut first = HashMap::new();
    for row in rows {
        if let Some(Some(hash)) = hashes.get(row) {
            first.entry(*hash).or_insert(row);
        }
    }
    first
}

/// Whether a row's value is one of these.
pub(super) fn among(hashes: &[Option<u128>], row: usize, values: &HashSet<u128>) -> bool {
    hashes.get(row).copied().flatten().is_some_and(|hash| values.contains(&hash))
}

/// Rows that passed as far as they go by themselves fail where a look-up says so.
pub(super) fn fail(verdicts: &mut RowVerdicts, fails: impl Fn(usize) -> bool) {
    for (row, verdict) in verdicts.rows.iter_mut().enumerate() {
        if *verdict == RowVerdict::Passed && fails(row) {
            *verdict = RowVerdict::Failed;
        }
    }
}
