//! One statement: made from a typed request, run to its end (or reset) before the call returns, and only on the tables
//! that the request meant.

use super::cells::{Cells, guarded};
use super::connect::{KnownColumns, Session};
use super::failure::failure;
use super::keys::Stored;
use super::types::{ROWID, rowid};
use crate::Error;
use crate::label::{Name, SharedLabel};
use fieldmark_model::name::quote_identifier;
use fieldmark_model::{Chunk, Column, Table, TableName};
use rusqlite::{Connection, Row, params_from_iter};
use std::ops::ControlFlow;

/// A statement and what has to be true of the schema for it to mean what was asked.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) name: Name,
    pub(super) sql: String,
    pub(super) params: Vec<Stored>,
    /// Columns of each table that it uses.
    pub(super) expects: Vec<(TableName, Vec<Column>)>,
}

impl Session {
    /// Runs a statement and hands each row over until there is none, or enough.
    pub(super) fn rows(
        &mut self,
        statement: &Statement,
        mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<ControlFlow<()>>,
    ) -> Result<(), Error> {
        let (connection, known, label) = self.parts()?;
        let mut prepared = connection.prepare(&label.labelled(statement.name, &statement.sql)).map_err(failure)?;
        let mut rows = prepared.query(params_from_iter(&statement.params)).map_err(failure)?;
        let mut verified = false;
        while let Some(row) = rows.next().map_err(failure)? {
            if !verified {
                // inside the statement's own read transaction: the same state of the schema
                verify(connection, label, known, &statement.expects)?;
                verified = true;
            }
            if each(row).map_err(failure)?.is_break() {
                return Ok(());
            }
        }
        if verified { Ok(()) } else { verify(connection, label, known, &statement.expects) }
    }

    /// Runs a statement that gives these columns only.
    pub(super) fn chunk(&mut self, statement: &Statement, columns: Vec<Column>) -> Result<Chunk, Error> {
        let mut cells = Cells::new(columns)?;
        self.rows(statement, |row| cells.push(row, 0).map(ControlFlow::Continue))?;
        cells.finish()
    }
}

/// SQLite would read a column that was retyped, or another one of the same name, without a word.
fn verify(
    connection: &Connection,
    label: &SharedLabel,
    known: &mut KnownColumns,
    expects: &[(TableName, Vec<Column>)],
) -> Result<(), Error> {
    let sql = label.labelled(Name::SchemaVersion, "PRAGMA main.schema_version");
    let version: i64 = connection.query_row(&sql, [], |row| row.get(0)).map_err(failure)?;
    for (table, columns) in expects {
        if known.get(table).is_none_or(|(of, _)| *of != version) {
            known.insert(table.clone(), (version, declared(connection, label, table)?));
        }
        let there = known.get(table).map(|(_, columns)| columns.as_slice()).unwrap_or_default();
        let same = |column: &Column| there.iter().any(|(name, of)| *name == column.name && *of == column.declared);
        if !columns.iter().all(same) {
            return Err(Error::SchemaChanged { code: "another table than in the catalogue".to_owned() });
        }
    }
    Ok(())
}

fn declared(connection: &Connection, label: &SharedLabel, table: &TableName) -> Result<Vec<(String, String)>, Error> {
    let sql = label.labelled(Name::Verify, "SELECT name, type FROM pragma_table_xinfo(?1, 'main')");
    let mut statement = connection.prepare(&sql).map_err(failure)?;
    let rows = statement.query_map([&table.name], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failure)?;
    rows.collect::<Result<_, _>>().map_err(failure)
}

/// Named columns of a table; `rowid` too, where the table has no column of that name.
pub(super) fn columns(table: &Table, names: &[String]) -> Result<Vec<Column>, Error> {
    let find = |name: &String| match table.column(name) {
        Some(column) => Ok(column.clone()),
        None if is_rowid(table, name) => Ok(rowid()),
        None => Err(Error::SchemaChanged { code: "no such column in the catalogue".to_owned() }),
    };
    names.iter().map(find).collect()
}

fn is_rowid(table: &Table, name: &str) -> bool {
    name == ROWID && !table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(ROWID))
}

/// SQL of a column. Always with the table's alias: alone, SQLite takes a quoted name that it does not know for a text.
pub(super) fn reference(alias: &str, table: &Table, name: &str) -> String {
    if is_rowid(table, name) { format!("{alias}.rowid") } else { format!("{alias}.{}", quote_identifier(name)) }
}

/// SQL of several columns.
pub(super) fn references<'a>(alias: &str, table: &Table, names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    names.into_iter().map(|name| reference(alias, table, name)).collect()
}

/// The select list of columns that [`Cells`] takes; something to select where there is none.
pub(super) fn select_list(alias: &str, table: &Table, names: &[String], limit: usize) -> String {
    if names.is_empty() {
        return "1".to_owned();
    }
    let pairs: Vec<String> = references(alias, table, names).iter().flat_map(|column| guarded(column, limit)).collect();
    pairs.join(", ")
}

/// One value as it is, several as a row value.
pub(super) fn row_value(values: &[String]) -> String {
    match values {
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    }
}

/// What a statement expects of a table. The rowid is no column of it.
pub(super) fn expect(table: &Table, names: &[&[String]]) -> Result<(TableName, Vec<Column>), Error> {
    let mut used = columns(table, &names.concat())?;
    used.retain(|column| !is_rowid(table, &column.name));
    Ok((table.name.clone(), used))
}
