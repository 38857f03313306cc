//! Reads by values: keys, look-ups, extremes, boundaries; and the database's own counters.

use super::courtesy::{Call, Purpose};
use super::layout::{self, Expected, LayoutColumn};
use super::literal::Keys;
use super::rows::Extras;
use super::statement::Bound;
use super::{Fetch, PostgresSource, scan, statement};
use crate::label::Name;
use crate::{Error, Read, Reference};
use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use fieldmark_model::{Chunk, Counters, Table, TableKind};
use std::sync::Arc;

/// By the index where there is one; else the planner knows better than to look up value by value.
fn purpose(table: &Table, columns: &[String]) -> Purpose {
    if table.indexed(columns) { Purpose::Indexed } else { Purpose::Rows }
}

fn nothing(table: &Table, columns: &[String]) -> Chunk {
    Chunk::whole(RecordBatch::new_empty(table.arrow_schema(columns.iter().map(String::as_str))))
}

/// The texts of a batch of one key.
fn one_key(key: &RecordBatch, targets: &[&LayoutColumn]) -> Result<Vec<String>, Error> {
    let keys = Keys::new(key, targets, false)?;
    let texts: Vec<String> = keys.columns.iter().filter_map(|texts| texts.first().cloned()).collect();
    if keys.origin.len() != 1 || texts.len() != targets.len() {
        return Err(Error::Internal { what: "a place in key order that is no key".to_owned() });
    }
    Ok(texts)
}

impl PostgresSource {
    pub(super) async fn rows_by_key(
        &mut self,
        call: &Call,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
    ) -> Result<Chunk, Error> {
        let layout = self.layout(call, read.table, &[read.columns, key]).await?;
        let columns = layout.columns(read.table, read.columns)?;
        let targets = layout.columns(read.table, key)?;
        let keys = Keys::new(keys, &targets, true)?;
        if keys.is_empty() {
            return Ok(nothing(read.table, read.columns));
        }
        let extras = Extras { stamp: read.stamps && layout.stamped, ..Extras::default() };
        let list = statement::select_list(&columns, read.value_limit_bytes, extras, &[]);
        let fetch = Fetch {
            purpose: purpose(read.table, key),
            extras,
            sql: statement::copy(&statement::by_key(&layout.name, &list, &keys, &targets)),
            expected: vec![Expected::columns(&layout.name, &[columns.as_slice(), &targets].concat())],
            columns,
            ..Fetch::rows(Name::RowsByKey, read.value_limit_bytes)
        };
        self.chunk(call, &fetch, read.table, read.columns).await
    }

    pub(super) async fn rows_sharing(
        &mut self,
        call: &Call,
        read: &Read<'_>,
        shared: &[String],
        values: &RecordBatch,
        at_most: u32,
    ) -> Result<Chunk, Error> {
        let layout = self.layout(call, read.table, &[read.columns, shared]).await?;
        let columns = layout.columns(read.table, read.columns)?;
        let targets = layout.columns(read.table, shared)?;
        let keys = Keys::new(values, &targets, true)?;
        if keys.is_empty() {
            return Ok(nothing(read.table, read.columns));
        }
        let how = (at_most, read.table.indexed(shared));
        let sql = statement::sharing(&layout.name, &columns, read.value_limit_bytes, (&keys, &targets), how);
        let fetch = Fetch {
            purpose: purpose(read.table, shared),
            sql: statement::copy(&sql),
            expected: vec![Expected::columns(&layout.name, &[columns.as_slice(), &targets].concat())],
            columns,
            ..Fetch::rows(Name::Sharing, read.value_limit_bytes)
        };
        self.chunk(call, &fetch, read.table, read.columns).await
    }

    pub(super) async fn found_parents(
        &mut self,
        call: &Call,
        reference: &Reference<'_>,
        values: &RecordBatch,
    ) -> Result<Vec<bool>, Error> {
        let layout = self.layout(call, reference.to, &[reference.to_columns]).await?;
        let targets = layout.columns(reference.to, reference.to_columns)?;
        let keys = Keys::new(values, &targets, false)?;
        let mut found = vec![false; values.num_rows()];
        if keys.is_empty() {
            return Ok(found);
        }
        let counter = scan::counter();
        let fetch = Fetch {
            purpose: purpose(reference.to, reference.to_columns),
            sql: statement::copy(&statement::has_parent(&layout, &keys, &targets)),
            expected: vec![Expected::columns(&layout.name, &targets)],
            columns: vec![&counter],
            ..Fetch::rows(Name::Parents, Read::VALUE_LIMIT_BYTES)
        };
        let (rows, _) = self.fetch(call, &fetch, &|_| None).await?;
        let batch = rows.snapshot()?;
        let numbers = batch.columns().first().and_then(|column| column.as_primitive_opt::<Int64Type>());
        for number in numbers.into_iter().flat_map(|numbers| numbers.values().iter()) {
            let origin = usize::try_from(number - 1).ok().and_then(|at| keys.origin.get(at));
            if let Some(found) = origin.and_then(|row| found.get_mut(*row)) {
                *found = true;
            }
        }
        Ok(found)
    }

    pub(super) async fn rows_without_parent(
        &mut self,
        call: &Call,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
        reference: &Reference<'_>,
    ) -> Result<Chunk, Error> {
        let layout = self.layout(call, read.table, &[read.columns, key, reference.columns]).await?;
        let to = self.layout(call, reference.to, &[reference.to_columns]).await?;
        let columns = layout.columns(read.table, read.columns)?;
        let targets = layout.columns(read.table, key)?;
        let referring = layout.columns(read.table, reference.columns)?;
        let referred = to.columns(reference.to, reference.to_columns)?;
        if referring.len() != referred.len() || referring.is_empty() {
            return Err(Error::Internal { what: "a reference from and to different numbers of columns".to_owned() });
        }
        let keys = Keys::new(keys, &targets, true)?;
        if keys.is_empty() {
            return Ok(nothing(read.table, read.columns));
        }
        let list = statement::select_list(&columns, read.value_limit_bytes, Extras::default(), &[]);
        let parent = purpose(reference.to, reference.to_columns);
        let look_up = (to.as_ref(), referred.as_slice(), parent == Purpose::Indexed);
        let query = statement::orphans(&layout.name, &list, (&keys, &targets), &referring, look_up);
        let fetch = Fetch {
            purpose: if parent == Purpose::Indexed { purpose(read.table, key) } else { Purpose::Rows },
            sql: statement::copy(&query),
            expected: vec![
                Expected::columns(&layout.name, &[columns.as_slice(), &targets, &referring].concat()),
                Expected::columns(&to.name, &referred),
            ],
            columns,
            ..Fetch::rows(Name::Orphans, read.value_limit_bytes)
        };
        self.chunk(call, &fetch, read.table, read.columns).await
    }

    pub(super) async fn least_and_greatest(
        &mut self,
        call: &Call,
        table: &Table,
        column: &str,
    ) -> Result<Chunk, Error> {
        let name = [column.to_owned()];
        let layout = self.layout(call, table, &[&name]).await?;
        let columns = layout.columns(table, &name)?;
        let [column] = columns.as_slice() else {
            return Err(Error::Internal { what: "extremes of no column".to_owned() });
        };
        let fetch = Fetch {
            purpose: purpose(table, &name),
            sql: statement::copy(&statement::extremes(&layout.name, column, Read::VALUE_LIMIT_BYTES)),
            expected: vec![Expected::columns(&layout.name, &columns)],
            columns: vec![*column, *column],
            ..Fetch::rows(Name::Extremes, Read::VALUE_LIMIT_BYTES)
        };
        let (rows, _) = self.fetch(call, &fetch, &|_| None).await?;
        let schema = table.arrow_schema([column.name.as_str()]);
        let field = schema.field(0);
        let fields = vec![field.clone().with_name("min"), field.clone().with_name("max")];
        rows.finish(Arc::new(Schema::new(fields)))
    }

    pub(super) async fn boundary(
        &mut self,
        call: &Call,
        table: &Table,
        key: &[String],
        after: Option<&RecordBatch>,
        step: u64,
    ) -> Result<RecordBatch, Error> {
        let layout = self.layout(call, table, &[key]).await?;
        let targets = layout.columns(table, key)?;
        let place = after.map(|after| one_key(after, &targets)).transpose()?;
        let list = statement::select_list(&targets, Read::VALUE_LIMIT_BYTES, Extras::default(), &[]);
        let bounds: Vec<Bound<'_>> = place.as_deref().map(Bound::After).into_iter().collect();
        let query = statement::in_key_order(&layout.name, &list, &targets, &bounds, (step.saturating_sub(1), 1));
        let fetch = Fetch {
            purpose: purpose(table, key),
            sql: statement::copy(&query),
            expected: vec![Expected::columns(&layout.name, &targets)],
            columns: targets,
            ..Fetch::rows(Name::KeyAfter, Read::VALUE_LIMIT_BYTES)
        };
        let chunk = self.chunk(call, &fetch, table, key).await?;
        if chunk.defects.is_empty() {
            Ok(chunk.batch)
        } else {
            Err(Error::Unsupported { what: "a walk over keys that their columns' types cannot hold" })
        }
    }

    pub(super) async fn rows_between(
        &mut self,
        call: &Call,
        read: &Read<'_>,
        key: &[String],
        (after, to): (Option<&RecordBatch>, Option<&RecordBatch>),
        rows: usize,
    ) -> Result<Chunk, Error> {
        let layout = self.layout(call, read.table, &[read.columns, key]).await?;
        let columns = layout.columns(read.table, read.columns)?;
        let targets = layout.columns(read.table, key)?;
        let after = after.map(|after| one_key(after, &targets)).transpose()?;
        let to = to.map(|to| one_key(to, &targets)).transpose()?;
        let bounds: Vec<Bound<'_>> =
            after.as_deref().map(Bound::After).into_iter().chain(to.as_deref().map(Bound::UpTo)).collect();
        let extras = Extras { stamp: read.stamps && layout.stamped, ..Extras::default() };
        let list = statement::select_list(&columns, read.value_limit_bytes, extras, &[]);
        let fetch = Fetch {
            purpose: purpose(read.table, key),
            extras,
            sql: statement::copy(&statement::in_key_order(&layout.name, &list, &targets, &bounds, (0, rows))),
            expected: vec![Expected::columns(&layout.name, &[columns.as_slice(), &targets].concat())],
            columns,
            ..Fetch::rows(Name::RowsBetween, read.value_limit_bytes)
        };
        self.chunk(call, &fetch, read.table, read.columns).await
    }

    /// The statistics' counters, of all parts of a table together. They follow the writes by up to a second.
    pub(super) async fn row_counters(&mut self, call: &Call, table: &Table) -> Result<Counters, Error> {
        if !matches!(table.kind, TableKind::Table | TableKind::Partitioned) {
            return Ok(Counters::default());
        }
        let sum = |function: &str| format!("sum({function}(c.oid))::int8");
        let statement = statement::copy(&format!(
            "WITH RECURSIVE tree(part) AS (SELECT {} UNION ALL SELECT i.inhrelid FROM tree t JOIN pg_inherits i \
             ON i.inhparent = t.part) SELECT count(*), {}, {}, {} FROM tree t JOIN pg_class c ON c.oid = t.part",
            layout::relation(&table.name),
            sum("pg_stat_get_tuples_inserted"),
            sum("pg_stat_get_tuples_updated"),
            sum("pg_stat_get_tuples_deleted"),
        ));
        let [answers] = self.answers(call, &[(Name::Counters, statement)]).await?;
        let answer = answers.first().filter(|answer| answer.integer(0) > Some(0));
        let answer = answer.ok_or_else(|| Error::SchemaChanged { code: "42P01".to_owned() })?;
        let counter = |at| answer.integer(at).and_then(|count| u64::try_from(count).ok());
        Ok(Counters { inserted: counter(1), updated: counter(2), deleted: counter(3), rows: None })
    }
}
