//! What is SQLite's own: plans of the statements, files that are none, tables of unusual make. What every source has to do is
//! in the conformance suite.

mod files;
mod plans;
mod tables;
mod values;

use super::{Address, Limits, SqliteSource, open_with};
use crate::{Cursor, Error, Read, Source};
use arrow::array::RecordBatch;
use fieldmark_model::canonical::canonical_text;
use fieldmark_model::{Chunk, Table, TableName};
use rusqlite::Connection;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A database file with a connection of its application.
struct File {
    folder: TempDir,
    writer: Connection,
}

impl File {
    fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = Connection::open(folder.path().join("a.db")).unwrap();
        writer.execute_batch(sql).unwrap();
        Self { folder, writer }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.db")
    }

    fn run(&self, sql: &str) {
        self.writer.execute_batch(sql).unwrap();
    }

    async fn open(&self) -> SqliteSource {
        let limits = Limits { read: Duration::from_secs(20), catalogue: Duration::from_secs(20) };
        open_with(&Address::file(self.path()), limits).await.unwrap()
    }
}

async fn table(source: &mut SqliteSource, name: &str) -> Table {
    source.catalogue().await.unwrap().table(&TableName::new("main", name)).unwrap().clone()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn all_columns(table: &Table) -> Vec<String> {
    table.columns.iter().map(|column| column.name.clone()).collect()
}

/// All rows, in chunks of so many, joined by `|`; NULL as `-`.
async fn pass(source: &mut SqliteSource, table: &Table, columns: &[String], rows: usize) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    let mut cursor = Cursor::start();
    loop {
        let chunk = source.scan(&Read::new(table, columns), &cursor, rows).await?;
        all.extend(texts(&chunk.chunk.batch));
        match chunk.next {
            Some(next) => cursor = next,
            None => return Ok(all),
        }
    }
}

fn texts(batch: &RecordBatch) -> Vec<String> {
    let text = |row, column| canonical_text(column, row).unwrap().unwrap_or_else(|| "-".to_owned());
    let row = |row| batch.columns().iter().map(|column| text(row, column)).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(row).collect()
}

fn sorted(chunk: &Chunk) -> Vec<String> {
    let mut rows = texts(&chunk.batch);
    rows.sort();
    rows
}
