//! Parquet and CSV files as a [`Source`]: each table is one file, or the files that a pattern fits, one after the other in the order of
//! their paths. They lie on this machine or in a bucket of an S3-compatible store ([`Pattern`]).
//!
//! A table is read in full, in chunks, and memory is bounded by the chunk; or, where all of its files are Parquet, by random row groups
//! (its blocks) and random rows of each. A file that is changed while it is read ends the read with [`Error::SchemaChanged`]. Rows have
//! numbers, over all files of a table, by which they are found again; there are no keys and no indexes, no statistics, no roles and no
//! queries.
//!
//! # How values travel
//!
//! Parquet, by the Arrow type that it is read as:
//!
//! | Parquet | Arrow | Remarks |
//! |---|---|---|
//! | booleans, integers of any width and sign, floats | the same | a half float as `Float32` |
//! | decimals | `Decimal128`, `Decimal256` | |
//! | strings, dictionaries of strings | `Utf8` | |
//! | bytes, of fixed size or not | `Binary` | |
//! | dates | `Date32` | |
//! | times, timestamps of any unit | `Time64(us)`, `Timestamp(us)`, `Timestamp(us, "UTC")` | parts of a microsecond are unrepresentable |
//! | lists, structs, maps, all else | `Utf8`, canonical | as Arrow prints them |
//!
//! CSV has texts alone; a column has the narrowest type that the first 10 000 rows of each file fit:
//!
//! | All values like | Arrow |
//! |---|---|
//! | `true`, `false` | `Boolean` |
//! | `-12`, without leading zeros | `Int64` |
//! | `12.50` | `Decimal128(38, 9)` |
//! | `1.5e3`, `NaN` | `Float64` |
//! | `2024-02-29` | `Date32` |
//! | `2024-02-29 10:00:00`, with `T` and fractions, too | `Timestamp(us)` |
//! | the same with `Z` or an offset | `Timestamp(us, "UTC")` |
//! | anything else | `Utf8` |
//!
//! An empty value is NULL. A later value that does not fit its column's type is unrepresentable, bytes that are no UTF-8 are
//! `InvalidEncoding`. The first line names the columns; the separator is a tab in `.tsv`, and in `.csv` a comma, or a semicolon where the
//! first line has no comma.

mod at;
mod bucket;
mod convert;
mod csv;
mod parquet;
mod pattern;
mod table;

pub use bucket::StoreSettings;
pub use pattern::{Pattern, Refused};

use crate::draw::drawn;
use crate::label::Label;
use crate::memory::texts;
use crate::request::Place;
use crate::{BlockDraw, BlockSample, Cancel, Cursor, Error, Facts, Pace, Read, Reference, ScanChunk, Source};
use arrow::array::{ArrayRef, AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use at::At;
use bucket::{Bucket, Interrupt};
use fieldmark_model::{Catalogue, Chunk, Dialect, Table, TableName};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use table::{File, Files, Held, malformed};

/// The schema of every table.
pub const SCHEMA: &str = "files";

/// Where a pass over a table stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScanPlace {
    /// The file, by its number among the table's.
    file: usize,
    /// Rows of it that have been given.
    row: u64,
    /// Rows of the files before it.
    before: u64,
    /// Where its next row begins, in a CSV file.
    at: Option<::csv::Position>,
}

/// Files as a [`Source`].
pub struct FilesSource {
    facts: Facts,
    /// Names, and the patterns of their files.
    tables: Vec<(TableName, Pattern)>,
    store: StoreSettings,
    buckets: HashMap<String, Arc<Bucket>>,
    known: HashMap<TableName, Arc<Files>>,
    /// Where a pass goes on.
    held: Option<Held>,
    interrupt: Arc<Interrupt>,
}

/// Files by the names of their tables, and where buckets of theirs are. Nothing is opened yet, and no store asked.
pub fn open(tables: impl IntoIterator<Item = (String, Pattern)>, store: StoreSettings) -> FilesSource {
    let tables: Vec<(TableName, Pattern)> =
        tables.into_iter().map(|(name, pattern)| (TableName::new(SCHEMA, name), pattern)).collect();
    let shown: Vec<String> = tables.iter().map(|(_, pattern)| pattern.to_string()).collect();
    let facts = Facts {
        dialect: Dialect::Files,
        version: String::new(),
        address: shown.join(", "),
        default_schema: Some(SCHEMA.to_owned()),
        chunk: Pace::TARGET,
        pooled: false,
    };
    let interrupt = Arc::new(Interrupt::default());
    FilesSource { facts, tables, store, buckets: HashMap::new(), known: HashMap::new(), held: None, interrupt }
}

impl FilesSource {
    async fn files(&mut self, name: &TableName) -> Result<Arc<Files>, Error> {
        if let Some(files) = self.known.get(name) {
            return Ok(Arc::clone(files));
        }
        let pattern = self.tables.iter().find(|(own, _)| own == name).map(|(_, pattern)| pattern.clone());
        let pattern = pattern.ok_or_else(|| Error::SchemaChanged { code: "no such table".to_owned() })?;
        let found = self.find(&pattern).await?;
        if found.is_empty() {
            return Err(malformed(&pattern, "there is no such file"));
        }
        let looks = stream::iter(found).map(|at| blocking(move || File::look(at))).buffered(LOOKS);
        let files = Arc::new(Files::of(looks.try_collect().await?)?);
        self.known.insert(name.clone(), Arc::clone(&files));
        Ok(files)
    }

    /// The files that a pattern fits, in the order of their names.
    async fn find(&mut self, pattern: &Pattern) -> Result<Vec<At>, Error> {
        match pattern {
            Pattern::Folder(path) => {
                let path = path.clone();
                blocking(move || on_disk(&path)).await
            }
            Pattern::Bucket { bucket: name, keys } => {
                let bucket = match self.buckets.get(name) {
                    Some(bucket) => Arc::clone(bucket),
                    None => Bucket::new(name, &self.store, Arc::clone(&self.interrupt))?,
                };
                self.buckets.insert(name.clone(), Arc::clone(&bucket));
                Ok(bucket.find(keys).await?.into_iter().map(At::Bucket).collect())
            }
        }
    }
}

/// Files that are looked at at the same time.
const LOOKS: usize = 8;

/// Files of this machine that a pattern fits, in the order of their paths.
fn on_disk(pattern: &Path) -> Result<Vec<At>, Error> {
    let shown = pattern.display();
    let text = pattern.to_str().ok_or_else(|| malformed(&shown, "the pattern is no text"))?;
    let found = glob::glob(text).map_err(|error| malformed(&shown, format!("no pattern: {}", error.msg)))?;
    let paths = found.collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(|error| malformed(error.path().display(), error.error()))?;
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.into_iter().map(At::disk).collect()
}

/// Rows that a pass of ours reads at once.
const ROWS: usize = 8_192;

impl FilesSource {
    /// The next rows of a pass.
    async fn step(&mut self, read: &Read<'_>, from: &Cursor, rows: usize) -> Result<ScanChunk, Error> {
        let place = match &from.0 {
            Place::Start => ScanPlace::default(),
            Place::Files(place) => place.clone(),
            Place::Sqlite(_) | Place::Postgres(_) | Place::MySql(_) | Place::Memory(_) => {
                return Err(Error::Internal { what: "a cursor of another source".to_owned() });
            }
        };
        let files = self.files(&read.table.name).await?;
        files.has(read)?;
        let want = table::Want::of(read, rows.max(1))?;
        let held = self.held.take();
        let (chunk, next, held) = blocking(move || files.read(&want, place, held)).await?;
        self.held = held;
        Ok(ScanChunk { chunk, next: next.map(|place| Cursor(Place::Files(place))) })
    }

    /// The rows that have a key of these.
    async fn rows_of(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error> {
        let Some(numbers) = numbers(read.table, key, keys)? else { return self.by_values(read, key, keys).await };
        let files = self.files(&read.table.name).await?;
        files.has(read)?;
        let want = table::Want::of(read, numbers.len())?;
        blocking(move || files.rows(&want, &numbers)).await
    }

    /// The rows that have a key of these: one pass over the table.
    async fn by_values(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error> {
        let internal = |error: arrow::error::ArrowError| Error::Internal { what: error.to_string() };
        let names: Vec<String> = keys.schema().fields().iter().map(|field| field.name().clone()).collect();
        let wanted: BTreeSet<Vec<String>> = texts(&Chunk::whole(keys.clone()), &names)?.into_iter().flatten().collect();
        let mut columns = read.columns.to_vec();
        columns.extend(key.iter().filter(|name| !read.columns.contains(name)).cloned());
        let all = Read { columns: &columns, ..*read };
        let (mut found, mut cursor) = (Vec::new(), Some(Cursor::start()));
        while let Some(from) = cursor {
            let scanned = self.step(&all, &from, ROWS).await?;
            let own = texts(&scanned.chunk, key)?;
            let is_wanted = |own: &Option<Vec<String>>| own.as_ref().is_some_and(|own| wanted.contains(own));
            let rows: Vec<usize> =
                own.iter().enumerate().filter(|(_, own)| is_wanted(own)).map(|(row, _)| row).collect();
            if !rows.is_empty() {
                found.push(scanned.chunk.take(&rows).and_then(|rows| rows.project(read.columns)).map_err(internal)?);
            }
            cursor = scanned.next;
        }
        Chunk::concat(&read.table.arrow_schema(read.columns.iter().map(String::as_str)), &found).map_err(internal)
    }

    /// Random row groups, and random rows of each.
    async fn draw_groups(&mut self, read: &Read<'_>, draw: &BlockDraw) -> Result<BlockSample, Error> {
        let files = self.files(&read.table.name).await?;
        files.has(read)?;
        let Some(groups) = files.groups() else { return unsupported("drawing random row groups") };
        let mut random = ChaCha12Rng::seed_from_u64(draw.seed);
        let (mut numbers, mut block_of_row, mut live) = (Vec::new(), Vec::new(), Vec::new());
        for group in drawn(&mut random, groups.len() as u64, draw.skip, draw.blocks) {
            let Some((before, rows)) = usize::try_from(group).ok().and_then(|group| groups.get(group)) else {
                continue;
            };
            // each group by a seed of its own, so that its rows are the same whatever was drawn before it
            let mut random = ChaCha12Rng::seed_from_u64(draw.seed);
            random.set_stream(group + 1);
            let all = usize::try_from(*rows).unwrap_or(usize::MAX);
            let picked = rand::seq::index::sample(&mut random, all, all.min(draw.per_block as usize));
            let mut picked: Vec<u64> = picked.into_iter().map(|at| before + 1 + at as u64).collect();
            picked.sort_unstable();
            block_of_row.extend(std::iter::repeat_n(u32::try_from(live.len()).unwrap_or(u32::MAX), picked.len()));
            numbers.append(&mut picked);
            live.push(u32::try_from(*rows).unwrap_or(u32::MAX));
        }
        let want = table::Want::of(read, numbers.len())?;
        let chunk = blocking(move || files.rows(&want, &numbers)).await?;
        Ok(BlockSample { chunk, block_of_row, live, table_blocks: groups.len() as u64 })
    }

    /// Those of some values that the referred table has: one pass over it.
    async fn among(
        &mut self,
        reference: &Reference<'_>,
        wanted: BTreeSet<Vec<String>>,
    ) -> Result<BTreeSet<Vec<String>>, Error> {
        let mut found = BTreeSet::new();
        let read = Read::new(reference.to, reference.to_columns);
        let mut cursor = Cursor::start();
        while found.len() < wanted.len() {
            let scanned = self.step(&read, &cursor, ROWS).await?;
            let own = texts(&scanned.chunk, reference.to_columns)?;
            found.extend(own.into_iter().flatten().filter(|own| wanted.contains(own)));
            match scanned.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        Ok(found)
    }
}

/// Numbers of rows, in order; `None` where they are to be found by another key.
fn numbers(table: &Table, key: &[String], keys: &RecordBatch) -> Result<Option<Vec<u64>>, Error> {
    let own = table.row_number.as_ref();
    let (true, Some(array)) = (key.len() == 1 && key.first() == own, keys.columns().first()) else { return Ok(None) };
    let array = array.as_primitive_opt::<Int64Type>();
    let array = array.ok_or_else(|| Error::Internal { what: "a number of a row that is none".to_owned() })?;
    let numbers: BTreeSet<u64> = array.iter().flatten().filter_map(|number| u64::try_from(number).ok()).collect();
    Ok(Some(numbers.into_iter().collect()))
}

/// Runs what waits for a disk where it keeps nobody else from running.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::Internal { what: "reading a file broke off".to_owned() }))
}

#[async_trait]
impl Cancel for Interrupt {
    async fn cancel(&self) {
        self.token().cancel();
    }
}

fn unsupported<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Unsupported { what })
}

#[async_trait]
impl Source for FilesSource {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.interrupt) as Arc<dyn Cancel>
    }

    fn label(&mut self, _: Label) {}

    async fn catalogue(&mut self) -> Result<Catalogue, Error> {
        self.interrupt.enter();
        self.known.clear();
        self.held = None;
        let names: Vec<TableName> = self.tables.iter().map(|(name, _)| name.clone()).collect();
        let mut tables = Vec::new();
        for name in names {
            let files = self.files(&name).await?;
            tables.push(files.table(name));
        }
        tables.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Catalogue::of(tables))
    }

    async fn scan(&mut self, read: &Read<'_>, from: &Cursor, rows: usize) -> Result<ScanChunk, Error> {
        self.interrupt.enter();
        self.step(read, from, rows).await
    }

    async fn by_key(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error> {
        self.interrupt.enter();
        self.rows_of(read, key, keys).await
    }

    async fn extremes(&mut self, table: &Table, column: &str) -> Result<Chunk, Error> {
        if table.row_number.as_deref() != Some(column) {
            return unsupported("finding the least and greatest value");
        }
        self.interrupt.enter();
        let files = self.files(&table.name).await?;
        let rows = blocking(move || files.count()).await?;
        let bound = |row: u64| (rows > 0).then(|| i64::try_from(row).unwrap_or(i64::MAX));
        let array = |row: u64| Arc::new(Int64Array::from(vec![bound(row)])) as ArrayRef;
        let batch = RecordBatch::try_from_iter_with_nullable([("min", array(1), true), ("max", array(rows), true)]);
        Ok(Chunk::whole(batch.map_err(|error| Error::Internal { what: error.to_string() })?))
    }

    async fn blocks(&mut self, read: &Read<'_>, draw: &BlockDraw) -> Result<BlockSample, Error> {
        self.interrupt.enter();
        self.draw_groups(read, draw).await
    }

    async fn key_after(
        &mut self,
        _: &Table,
        _: &[String],
        _: Option<&RecordBatch>,
        _: u64,
    ) -> Result<RecordBatch, Error> {
        unsupported("walking over keys")
    }

    async fn between(
        &mut self,
        _: &Read<'_>,
        _: &[String],
        _: (Option<&RecordBatch>, Option<&RecordBatch>),
        _: usize,
    ) -> Result<Chunk, Error> {
        unsupported("reading between two keys")
    }

    async fn sharing(&mut self, _: &Read<'_>, _: &[String], _: &RecordBatch, _: u32) -> Result<Chunk, Error> {
        unsupported("finding rows by a value")
    }

    async fn has_parent(&mut self, reference: &Reference<'_>, values: &RecordBatch) -> Result<Vec<bool>, Error> {
        self.interrupt.enter();
        let names: Vec<String> = values.schema().fields().iter().map(|field| field.name().clone()).collect();
        let wanted = texts(&Chunk::whole(values.clone()), &names)?;
        let found = self.among(reference, wanted.iter().flatten().cloned().collect()).await?;
        Ok(wanted.iter().map(|value| value.as_ref().is_some_and(|value| found.contains(value))).collect())
    }

    async fn orphans(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
        reference: &Reference<'_>,
    ) -> Result<Chunk, Error> {
        self.interrupt.enter();
        let mut names = read.columns.to_vec();
        names.extend(reference.columns.iter().filter(|name| !read.columns.contains(name)).cloned());
        let rows = self.rows_of(&Read { columns: &names, ..*read }, key, keys).await?;
        let referring = texts(&rows, reference.columns)?;
        let found = self.among(reference, referring.iter().flatten().cloned().collect()).await?;
        let orphan =
            |(_, value): &(usize, &Option<Vec<String>>)| value.as_ref().is_some_and(|value| !found.contains(value));
        let orphans: Vec<usize> = referring.iter().enumerate().filter(orphan).map(|(row, _)| row).collect();
        let chunk = rows.take(&orphans).and_then(|rows| rows.project(read.columns));
        chunk.map_err(|error| Error::Internal { what: error.to_string() })
    }
}
