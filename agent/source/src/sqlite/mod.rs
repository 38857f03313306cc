//! SQLite, read with rusqlite on a thread of its own.
//!
//! The file is opened read only (`mode=ro`, never created), with `query_only`, a busy timeout of 50 ms and an authorizer that
//! denies whatever is no read. Every call is one statement that has ended when the call returns: no read transaction is
//! held, so that a write-ahead log does not grow and a writer waits for one chunk at most. A statement that runs longer than
//! [`Limits`] allow is interrupted; so is one whose future was dropped. A file that another one took the place of is opened
//! anew.
//!
//! # How values travel
//!
//! SQLite stores any value in any column; a declared type is a hint. The driver goes by SQLite's own rules for it:
//!
//! | Declared (first that fits) | Arrow | Stored values that fit |
//! |---|---|---|
//! | contains `INT` | `Int64` | integers |
//! | contains `CHAR`, `CLOB` or `TEXT` | `Utf8` | all, as canonical text (a blob as `\x..`) |
//! | contains `BLOB` | `Binary` | blobs |
//! | nothing, or `ANY` | `Utf8`, canonical | all, as canonical text |
//! | contains `REAL`, `FLOA` or `DOUB` | `Float64` | reals, and integers up to 2^53 |
//! | `BOOLEAN`, `BOOL` | `Int64` | integers |
//! | `DECIMAL(p,s)`, `NUMERIC(p,s)`, `DEC(p,s)`, p at most 38 | `Decimal128(p,s)` | numbers and texts that are such a decimal exactly; a real goes by its shortest decimal |
//! | `DATE`, `TIME`, `DATETIME`, `TIMESTAMP..`, `JSON`, `JSONB`, `UUID`, `GUID`, `STRING` | `Utf8` | all, as canonical text |
//! | anything else (`NUMERIC`, `MONEY`) | `Utf8`, canonical | all, as canonical text |
//!
//! "Canonical" columns are marked [`canonical_text`](fieldmark_model::Column::canonical_text). What does not fit is NULL with
//! a defect `Unrepresentable` and its canonical text; text that is no UTF-8 is `InvalidEncoding` with its bytes; a value over
//! the limit, or one with which the chunk would exceed 64 MiB, is `ValueTooLarge` with its size. A real that is no number
//! does not exist: SQLite stores NULL for it.
//!
//! # What is read how
//!
//! Passes follow the rowid, or the primary key where there is none; a view or virtual table is read in one statement, up to
//! 10 000 rows and 16 MiB, else [`Error::Unsupported`]. A chunk ends at 16 MiB even if it has fewer rows than wanted. Where a table has no
//! column of that name, `rowid` can be asked for as a column, a key, or the column of `extremes`.
//!
//! Values are compared exactly: a key column with a collation such as `NOCASE` finds rows by its index and keeps those that
//! are the same byte by byte. References are compared as SQLite's foreign keys do, under the parent's affinity and collation.

mod address;
mod cells;
mod checks;
mod connect;
mod definition;
mod failure;
mod inspect;
mod keys;
mod query;
mod read;
mod sample;
mod statement;
#[cfg(test)]
mod tests;
mod types;
mod worker;

pub use crate::options::Limits;
pub use address::Address;
pub(crate) use read::ScanPlace;

use crate::definition::Definition;
use crate::label::{Label, SharedLabel};
use crate::preview::stand_in;
use crate::{
    Answered, Cancel, Check, Cursor, Error, Facts, Horizon, Name, Preview, Query, Read, Reference, ScanChunk, Source,
};
use arrow::array::RecordBatch;
use async_trait::async_trait;
use cells::Cells;
use connect::Session;
use fieldmark_model::{Catalogue, Chunk, Dialect, Table};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use worker::{Control, Worker};

/// A column that is declared so, as the catalogue would give it: any text is a type to SQLite. See the table above.
pub fn declared_column(
    name: impl Into<String>,
    declared: impl Into<String>,
    nullable: bool,
) -> fieldmark_model::Column {
    types::column(name.into(), declared.into(), nullable)
}

/// About how long a chunk takes: with a rollback journal a writer waits until it ends.
const CHUNK: Duration = Duration::from_millis(20);

/// A SQLite file as a [`Source`].
pub struct SqliteSource {
    facts: Facts,
    limits: Limits,
    worker: Worker,
    label: SharedLabel,
}

/// Opens a file under the default [`Limits`].
///
/// # Errors
/// [`Error::Unreachable`] where there is no such file or it is no SQLite database, [`Error::Locked`] where a writer has it to
/// itself just now.
pub async fn open(address: &Address) -> Result<SqliteSource, Error> {
    open_with(address, Limits::default()).await
}

/// Opens a file under limits of one's own. Errors as of [`open`].
pub async fn open_with(address: &Address, limits: Limits) -> Result<SqliteSource, Error> {
    let control = Arc::new(Control::default());
    let label = SharedLabel::default();
    let session = Session::new(address.clone(), Arc::clone(&control), label.clone());
    let mut worker = Worker::start(session, control)?;
    worker.run(limits.catalogue, |_| Ok(())).await?;
    let facts = Facts {
        dialect: Dialect::Sqlite,
        version: rusqlite::version().to_owned(),
        address: address.shown(),
        default_schema: Some(inspect::SCHEMA.to_owned()),
        chunk: CHUNK,
        pooled: false,
    };
    Ok(SqliteSource { facts, limits, worker, label })
}

impl SqliteSource {
    async fn chunk(
        &mut self,
        statement: statement::Statement,
        columns: Vec<fieldmark_model::Column>,
    ) -> Result<Chunk, Error> {
        self.worker.run(self.limits.read, move |session| session.chunk(&statement, columns)).await
    }
}

#[async_trait]
impl Source for SqliteSource {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        self.worker.control()
    }

    fn label(&mut self, label: Label) {
        self.label.set(label);
    }

    async fn catalogue(&mut self) -> Result<Catalogue, Error> {
        self.worker.run(self.limits.catalogue, Session::catalogue).await
    }

    async fn definitions(&mut self) -> Result<Vec<Definition>, Error> {
        self.worker.run(self.limits.catalogue, Session::definitions).await
    }

    async fn scan(&mut self, read: &Read<'_>, from: &Cursor, rows: usize) -> Result<ScanChunk, Error> {
        let (table, columns, from) = (read.table.clone(), read.columns.to_vec(), from.clone());
        let value_limit_bytes = read.value_limit_bytes;
        let scan = move |session: &mut Session| {
            let read = Read { value_limit_bytes, ..Read::new(&table, &columns) };
            session.scan(&read, &from, rows)
        };
        self.worker.run(self.limits.read, scan).await
    }

    async fn by_key(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error> {
        let statement = sample::by_key(read, key, keys)?;
        self.chunk(statement, statement::columns(read.table, read.columns)?).await
    }

    async fn extremes(&mut self, table: &Table, column: &str) -> Result<Chunk, Error> {
        let (statement, columns) = sample::extremes(table, column)?;
        self.chunk(statement, columns).await
    }

    async fn key_after(
        &mut self,
        table: &Table,
        key: &[String],
        after: Option<&RecordBatch>,
        step: u64,
    ) -> Result<RecordBatch, Error> {
        let (statement, columns) = sample::key_after(table, key, after, step)?;
        let walk = move |session: &mut Session| {
            let mut cells = Cells::new(columns.clone())?;
            let mut lost = false;
            session.rows(&statement, |row| {
                cells.push(row, 0)?;
                for (at, column) in columns.iter().enumerate() {
                    lost |= !sample::unambiguous(column, row.get_ref(2 * columns.len() + at)?.as_str()?);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if lost || cells.has_defects() {
                return Err(Error::Unsupported { what: "a walk over keys that their columns' types cannot hold" });
            }
            Ok(cells.finish()?.batch)
        };
        self.worker.run(self.limits.read, walk).await
    }

    async fn between(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        bounds: (Option<&RecordBatch>, Option<&RecordBatch>),
        rows: usize,
    ) -> Result<Chunk, Error> {
        let statement = sample::between(read, key, bounds, rows)?;
        self.chunk(statement, statement::columns(read.table, read.columns)?).await
    }

    async fn sharing(
        &mut self,
        read: &Read<'_>,
        columns: &[String],
        values: &RecordBatch,
        at_most: u32,
    ) -> Result<Chunk, Error> {
        let statement = sample::sharing(read, columns, values, at_most)?;
        self.chunk(statement, statement::columns(read.table, read.columns)?).await
    }

    async fn has_parent(&mut self, reference: &Reference<'_>, values: &RecordBatch) -> Result<Vec<bool>, Error> {
        let statement = sample::has_parent(reference, values)?;
        let mut found = vec![false; values.num_rows()];
        let look_up = move |session: &mut Session| {
            session.rows(&statement, |row| {
                if let Some(found) = usize::try_from(row.get::<_, i64>(0)?).ok().and_then(|at| found.get_mut(at)) {
                    *found = true;
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(found)
        };
        self.worker.run(self.limits.read, look_up).await
    }

    async fn orphans(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
        reference: &Reference<'_>,
    ) -> Result<Chunk, Error> {
        let statement = sample::orphans(read, key, keys, reference)?;
        self.chunk(statement, statement::columns(read.table, read.columns)?).await
    }

    async fn horizon(&mut self) -> Result<Horizon, Error> {
        // one writer at a time, and rows are seen in the order in which they were written
        Ok(Horizon::default())
    }

    async fn query(&mut self, query: &Query<'_>) -> Result<Answered, Error> {
        let (statement, most, show) = (query::statement(query), query.count, query.show);
        let mut answered = self.worker.run(query.time, move |session| session.answer(&statement, most)).await?;
        answered.shown.truncate(show);
        Ok(answered)
    }

    async fn expected_cost(&mut self, query: &Query<'_>) -> Result<Option<f64>, Error> {
        // SQLite says how it would go about it, and not what that costs; whether it can be understood at all it does say
        let statement = query::explain(query);
        self.worker
            .run(self.limits.read, move |session| session.rows(&statement, |_| Ok(ControlFlow::Break(()))))
            .await?;
        Ok(None)
    }

    async fn preview(&mut self, read: &Read<'_>, ask: Preview<'_>) -> Result<Vec<(Name, String)>, Error> {
        let stand_in = |names: &[String]| stand_in(read.table, names);
        let statement = match ask {
            Preview::Pass => read::first(read)?,
            Preview::Keys(key) => sample::by_key(read, key, &stand_in(key)?)?,
            Preview::Blocks => return Ok(Vec::new()),
            Preview::Segments(key) => {
                let bound = stand_in(key)?;
                let (boundary, _) = sample::key_after(read.table, key, Some(&bound), 1)?;
                let between = sample::between(read, key, (Some(&bound), Some(&bound)), 1)?;
                return Ok(vec![(boundary.name, boundary.sql), (between.name, between.sql)]);
            }
            Preview::Sharing(columns) => sample::sharing(read, columns, &stand_in(columns)?, 2)?,
            Preview::Parents(reference) => sample::has_parent(reference, &stand_in(reference.columns)?)?,
            Preview::Extremes(column) => sample::extremes(read.table, column)?.0,
            Preview::Query(query) => query::statement(query),
        };
        Ok(vec![(statement.name, statement.sql)])
    }

    async fn checks(&mut self) -> Result<Vec<Check>, Error> {
        self.worker.run(self.limits.catalogue, Session::checks).await
    }
}
