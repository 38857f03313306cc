//! What can be asked of a source, and what it answers.

use crate::files;
use crate::memory;
use crate::mysql;
use crate::postgres;
use crate::sqlite;
use fieldmark_model::{Chunk, Dialect, Table, TableName};
use std::time::Duration;

/// What kind of database it is and where. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Kind.
    pub dialect: Dialect,
    /// Version as the database tells it.
    pub version: String,
    /// Where it is, without user name and password (`postgres://db/shop`, a file's path).
    pub address: String,
    /// The schema that is meant where a rule file names none.
    pub default_schema: Option<String>,
    /// About how long a chunk is to take: whoever has to wait for one waits half of it in the mean.
    pub chunk: Duration,
    /// Whether a pooler stands before the server.
    pub pooled: bool,
}

/// Which columns of which table.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// The table, from the catalogue.
    pub table: &'a Table,
    /// Names of its columns, in the order in which they are wanted.
    pub columns: &'a [String],
    /// Values of more bytes than this are not read: NULL with a defect.
    pub value_limit_bytes: usize,
    /// Whether rows come with the transaction that wrote them last ([`Chunk::stamps`]), where the database tells.
    pub stamps: bool,
}

impl<'a> Read<'a> {
    /// Largest value that is read whole unless told otherwise.
    pub const VALUE_LIMIT_BYTES: usize = 1 << 20;

    /// These columns under the ordinary value limit.
    pub fn new(table: &'a Table, columns: &'a [String]) -> Self {
        Self { table, columns, value_limit_bytes: Self::VALUE_LIMIT_BYTES, stamps: false }
    }

    /// The same with or without stamps.
    #[must_use]
    pub fn stamped(self, stamps: bool) -> Self {
        Self { stamps, ..self }
    }
}

/// Where a pass over a table stands. Made by [`Cursor::start`] and by [`ScanChunk::next`].
#[derive(Clone, Debug, Default)]
pub struct Cursor(pub(crate) Place);

#[derive(Clone, Debug, Default)]
pub(crate) enum Place {
    #[default]
    Start,
    Sqlite(sqlite::ScanPlace),
    Postgres(postgres::ScanPlace),
    MySql(mysql::ScanPlace),
    Files(files::ScanPlace),
    Memory(memory::ScanPlace),
}

impl Cursor {
    /// The table's beginning.
    pub fn start() -> Self {
        Self::default()
    }
}

/// One chunk of a pass.
#[derive(Clone, Debug)]
pub struct ScanChunk {
    /// The rows.
    pub chunk: Chunk,
    /// Where to go on; `None` at the end. A chunk without rows is not yet the end.
    pub next: Option<Cursor>,
}

/// A wish for random blocks.
#[derive(Clone, Copy, Debug)]
pub struct BlockDraw {
    /// Blocks of the same seed that were read before and are left out: a draw that is gone on with reads other blocks.
    pub skip: u64,
    /// How many blocks, about.
    pub blocks: u64,
    /// How many rows to keep of each.
    pub per_block: u32,
    /// Seed of the draw.
    pub seed: u64,
}

/// Random blocks and the rows kept of them.
#[derive(Clone, Debug)]
pub struct BlockSample {
    /// The kept rows.
    pub chunk: Chunk,
    /// For each kept row, the index of its block in `live`.
    pub block_of_row: Vec<u32>,
    /// For each block that was read, how many live rows it has (0 for an empty block).
    pub live: Vec<u32>,
    /// Blocks of the whole table at that time.
    pub table_blocks: u64,
}

/// A reference from one table's columns to another's.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// Referring table.
    pub from: &'a Table,
    /// Its columns.
    pub columns: &'a [String],
    /// Table referred to.
    pub to: &'a Table,
    /// Its columns, in the same order.
    pub to_columns: &'a [String],
}

/// A query of a rule's own.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// One query in the database's own SQL, without a semicolon.
    pub sql: &'a str,
    /// How long it may take.
    pub time: Duration,
    /// Rows that are counted at most.
    pub count: u64,
    /// Rows that are handed over at most.
    pub show: usize,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The table.
    pub table: TableName,
    /// Columns that it is about; where the database does not tell them apart, other words of its condition, too.
    pub columns: Vec<String>,
}

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Rows, counted up to the limit.
    pub rows: u64,
    /// Whether there are more than were counted.
    pub more: bool,
    /// Some of them: names of columns with their values as text.
    pub shown: Vec<Vec<(String, Option<String>)>>,
}
