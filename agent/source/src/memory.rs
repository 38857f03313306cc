//! Tables in memory, for rules that are tried on rows of a file: no database, no limits, nothing that could be in the way.

use crate::label::Label;
use crate::request::Place;
use crate::{Cancel, Cursor, Error, Facts, Pace, Read, Reference, ScanChunk, Source};
use arrow::array::{Array, RecordBatch};
use arrow::compute::{SortOptions, sort_to_indices};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use async_trait::async_trait;
use fieldmark_model::{Catalogue, Cell, CellText, Chunk, Dialect, Table, TableName};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Tables with their rows, all columns of them in the table's order.
pub struct MemorySource {
    facts: Facts,
    tables: Vec<(Table, Chunk)>,
}

/// Where a pass stands: rows that have been given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanPlace {
    given: usize,
}

struct Nothing;

#[async_trait]
impl Cancel for Nothing {
    async fn cancel(&self) {}
}

impl MemorySource {
    /// A source of these tables; names without a schema mean this one.
    pub fn new(default_schema: impl Into<String>, tables: Vec<(Table, Chunk)>) -> Self {
        let facts = Facts {
            dialect: Dialect::Postgres,
            version: String::new(),
            address: "memory".to_owned(),
            default_schema: Some(default_schema.into()),
            chunk: Pace::TARGET,
            pooled: false,
        };
        Self { facts, tables }
    }

    fn rows(&self, table: &TableName) -> Result<&Chunk, Error> {
        let found = self.tables.iter().find(|(own, _)| own.name == *table);
        found.map(|(_, rows)| rows).ok_or_else(|| Error::SchemaChanged { code: "no such table".to_owned() })
    }
}

fn internal(error: &ArrowError) -> Error {
    let kind = format!("{error:?}").split(['(', ' ', '{']).next().unwrap_or("").to_owned();
    Error::Internal { what: format!("rows in memory: {kind}") }
}

/// Texts of these columns of each row; `None` where one is NULL.
pub(crate) fn texts(chunk: &Chunk, names: &[String]) -> Result<Vec<Option<Vec<String>>>, Error> {
    let chunk = chunk.project(names).map_err(|error| internal(&error))?;
    let text = |row: usize, column: usize| match chunk.text(Cell { row, column }) {
        CellText::Text(text) => Some(text),
        CellText::Null | CellText::TooLarge(_) => None,
    };
    Ok((0..chunk.rows()).map(|row| (0..names.len()).map(|column| text(row, column)).collect()).collect())
}

/// The rows among the texts of a batch.
fn wanted(batch: &RecordBatch) -> Result<Vec<Option<Vec<String>>>, Error> {
    let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    texts(&Chunk::whole(batch.clone()), &names)
}

#[async_trait]
impl Source for MemorySource {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::new(Nothing)
    }

    fn label(&mut self, _: Label) {}

    async fn catalogue(&mut self) -> Result<Catalogue, Error> {
        let mut tables: Vec<Table> = self.tables.iter().map(|(table, _)| table.clone()).collect();
        tables.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Catalogue::of(tables))
    }

    async fn scan(&mut self, read: &Read<'_>, from: &Cursor, rows: usize) -> Result<ScanChunk, Error> {
        let given = match &from.0 {
            Place::Start => 0,
            Place::Memory(place) => place.given,
            Place::Sqlite(_) | Place::Postgres(_) | Place::MySql(_) | Place::Files(_) => {
                return Err(Error::Internal { what: "a cursor of another source".to_owned() });
            }
        };
        let all = self.rows(&read.table.name)?;
        let end = all.rows().min(given + rows.max(1));
        let chunk = all.take(&(given..end).collect::<Vec<_>>()).and_then(|chunk| chunk.project(read.columns));
        let next = (end < all.rows()).then_some(Cursor(Place::Memory(ScanPlace { given: end })));
        Ok(ScanChunk { chunk: chunk.map_err(|error| internal(&error))?, next })
    }

    async fn by_key(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error> {
        let all = self.rows(&read.table.name)?;
        let wanted: BTreeSet<Vec<String>> = wanted(keys)?.into_iter().flatten().collect();
        let own = texts(all, key)?;
        let found: Vec<usize> = own
            .iter()
            .enumerate()
            .filter(|(_, own)| own.as_ref().is_some_and(|own| wanted.contains(own)))
            .map(|(row, _)| row)
            .collect();
        all.take(&found).and_then(|chunk| chunk.project(read.columns)).map_err(|error| internal(&error))
    }

    async fn extremes(&mut self, table: &Table, column: &str) -> Result<Chunk, Error> {
        let all = self.rows(&table.name)?.project(&[column.to_owned()]).map_err(|error| internal(&error))?;
        let values = all.batch.column(0);
        let order = sort_to_indices(values, Some(SortOptions { descending: false, nulls_first: true }), None);
        let order = order.map_err(|error| internal(&error))?;
        let present: Vec<usize> =
            order.values().iter().map(|row| *row as usize).filter(|row| values.is_valid(*row)).collect();
        let (Some(least), Some(greatest)) = (present.first(), present.last()) else {
            let field = all.batch.schema().field(0).clone();
            let schema = Schema::new(vec![field.clone().with_name("min"), field.with_name("max")]);
            return Ok(Chunk::whole(RecordBatch::new_empty(Arc::new(schema))));
        };
        let at = |row: usize| values.slice(row, 1);
        let batch = RecordBatch::try_from_iter_with_nullable([("min", at(*least), true), ("max", at(*greatest), true)]);
        Ok(Chunk::whole(batch.map_err(|error| internal(&error))?))
    }

    async fn key_after(
        &mut self,
        _: &Table,
        _: &[String],
        _: Option<&RecordBatch>,
        _: u64,
    ) -> Result<RecordBatch, Error> {
        Err(Error::Unsupported { what: "walking over keys" })
    }

    async fn between(
        &mut self,
        _: &Read<'_>,
        _: &[String],
        _: (Option<&RecordBatch>, Option<&RecordBatch>),
        _: usize,
    ) -> Result<Chunk, Error> {
        Err(Error::Unsupported { what: "reading between two keys" })
    }

    async fn sharing(
        &mut self,
        read: &Read<'_>,
        columns: &[String],
        values: &RecordBatch,
        at_most: u32,
    ) -> Result<Chunk, Error> {
        let all = self.rows(&read.table.name)?;
        let mut left: HashMap<Vec<String>, u32> =
            wanted(values)?.into_iter().flatten().map(|value| (value, at_most)).collect();
        let mut found = Vec::new();
        for (row, own) in texts(all, columns)?.into_iter().enumerate() {
            if let Some(left) = own.and_then(|own| left.get_mut(&own)).filter(|left| **left > 0) {
                *left -= 1;
                found.push(row);
            }
        }
        all.take(&found).and_then(|chunk| chunk.project(read.columns)).map_err(|error| internal(&error))
    }

    async fn has_parent(&mut self, reference: &Reference<'_>, values: &RecordBatch) -> Result<Vec<bool>, Error> {
        let there: BTreeSet<Vec<String>> =
            texts(self.rows(&reference.to.name)?, reference.to_columns)?.into_iter().flatten().collect();
        Ok(wanted(values)?.into_iter().map(|value| value.is_some_and(|value| there.contains(&value))).collect())
    }

    async fn orphans(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
        reference: &Reference<'_>,
    ) -> Result<Chunk, Error> {
        let all = self.rows(&read.table.name)?;
        let there: BTreeSet<Vec<String>> =
            texts(self.rows(&reference.to.name)?, reference.to_columns)?.into_iter().flatten().collect();
        let wanted: BTreeSet<Vec<String>> = wanted(keys)?.into_iter().flatten().collect();
        let (own, referring) = (texts(all, key)?, texts(all, reference.columns)?);
        let orphan = |(own, referring): (&Option<Vec<String>>, &Option<Vec<String>>)| {
            own.as_ref().is_some_and(|own| wanted.contains(own))
                && referring.as_ref().is_some_and(|referring| !there.contains(referring))
        };
        let found: Vec<usize> =
            own.iter().zip(&referring).enumerate().filter(|(_, pair)| orphan(*pair)).map(|(row, _)| row).collect();
        all.take(&found).and_then(|chunk| chunk.project(read.columns)).map_err(|error| internal(&error))
    }
}
