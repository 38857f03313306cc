//! Passes over whole tables.
//!
//! Tables with rowids are read in ranges of rowids, tables without in the order of their primary key. A view or a virtual
//! table has no order that a later chunk could take up without reading all rows before it: it is read in one statement,
//! and refused where it has more than [`WHOLE_ROWS`] rows.

use super::cells::Cells;
use super::connect::Session;
use super::failure::failure;
use super::keys::Stored;
use super::statement::{Statement, columns, expect, references, row_value, select_list};
use crate::label::Name;
use crate::request::Place;
use crate::{Cursor, Error, Read, ScanChunk};
use fieldmark_model::{Table, TableKind};
use rusqlite::OptionalExtension as _;
use std::ops::ControlFlow;

/// Rows of a view or virtual table that one chunk may have.
pub(super) const WHOLE_ROWS: usize = 10_000;
/// Bytes after which a chunk of a scan ends, whatever its rows.
const ENOUGH_BYTES: usize = 16 << 20;

/// Where a pass over a SQLite table stands.
#[derive(Clone, Debug)]
pub(crate) struct ScanPlace {
    order: Order,
    after: Vec<Stored>,
}

/// What a pass follows.
#[derive(Clone, Debug)]
enum Order {
    /// The rowid, by a name that no column has.
    Rowid(&'static str),
    /// Columns that identify a row and are never NULL.
    Key(Vec<String>),
    /// Nothing: one statement reads all.
    Whole,
}

/// The statement of a first chunk.
pub(super) fn first(read: &Read<'_>) -> Result<Statement, Error> {
    const ROWS: usize = 2_048;
    let order = match (read.table.kind, rowid_name(read.table)) {
        (TableKind::View | TableKind::Virtual, _) => Order::Whole,
        (_, Some(name)) if read.table.row_number.is_some() => Order::Rowid(name),
        (_, _) => Order::Key(key(read.table)?),
    };
    statement(read, &ScanPlace { order, after: Vec::new() }, ROWS)
}

impl Session {
    /// One chunk of a pass.
    pub(super) fn scan(&mut self, read: &Read<'_>, from: &Cursor, rows: usize) -> Result<ScanChunk, Error> {
        let place = match &from.0 {
            Place::Start => ScanPlace { order: self.order(read.table)?, after: Vec::new() },
            Place::Sqlite(place) => place.clone(),
            Place::Postgres(_) | Place::MySql(_) | Place::Files(_) | Place::Memory(_) => {
                return Err(Error::Internal { what: "a cursor of another source".to_owned() });
            }
        };
        let rows = if matches!(place.order, Order::Whole) { WHOLE_ROWS + 1 } else { rows.max(1) };
        let statement = statement(read, &place, rows)?;
        let keys = place.order.columns();
        let mut cells = Cells::new(columns(read.table, read.columns)?)?;
        let mut last = Vec::new();
        let mut full = false;
        self.rows(&statement, |row| {
            last.clear();
            for at in 0..keys {
                last.push(Stored::from_ref(row.get_ref(at)?));
            }
            cells.push(row, keys)?;
            full = cells.rows() >= rows || cells.bytes() >= ENOUGH_BYTES;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if full && matches!(place.order, Order::Whole) {
            return Err(Error::Unsupported {
                what: "a scan of a view or virtual table of more than 10000 rows or 16 MiB",
            });
        }
        let next = full.then_some(Cursor(Place::Sqlite(ScanPlace { order: place.order, after: last })));
        Ok(ScanChunk { chunk: cells.finish()?, next })
    }

    /// What a pass over this relation follows, asked of the database: the catalogue does not tell.
    fn order(&mut self, table: &Table) -> Result<Order, Error> {
        // with a real table in it, the statement notices a schema that somebody else changed
        let sql = "SELECT l.type, l.wr FROM (SELECT 1 FROM main.sqlite_schema LIMIT 1) AS s \
                   CROSS JOIN pragma_table_list(?1) AS l WHERE l.schema = 'main'";
        let (connection, _, label) = self.parts()?;
        let mut prepared = connection.prepare(&label.labelled(Name::Parts, sql)).map_err(failure)?;
        let found =
            prepared.query_row([&table.name.name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)));
        let Some((kind, without_rowid)) = found.optional().map_err(failure)? else {
            return Err(Error::SchemaChanged { code: "no such table".to_owned() });
        };
        match (kind.as_str(), rowid_name(table)) {
            ("view" | "virtual", _) => Ok(Order::Whole),
            (_, Some(name)) if !without_rowid => Ok(Order::Rowid(name)),
            _ => key(table).map(Order::Key),
        }
    }
}

/// A key that is never NULL.
fn key(table: &Table) -> Result<Vec<String>, Error> {
    let never_null = |name: &String| table.column(name).is_some_and(|column| !column.nullable);
    let key = table.key().filter(|key| key.iter().all(never_null));
    let what = "a scan of a table without a visible rowid or a key that is never NULL";
    key.map(<[String]>::to_vec).ok_or(Error::Unsupported { what })
}

/// A name of the rowid that no column has.
fn rowid_name(table: &Table) -> Option<&'static str> {
    let taken = |name: &str| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name))
}

impl Order {
    fn columns(&self) -> usize {
        match self {
            Self::Rowid(_) => 1,
            Self::Key(columns) => columns.len(),
            Self::Whole => 0,
        }
    }
}

/// The statement of one chunk: first the columns of the order, then those that were asked for.
fn statement(read: &Read<'_>, place: &ScanPlace, rows: usize) -> Result<Statement, Error> {
    let table = read.table;
    let list = select_list("t", table, read.columns, read.value_limit_bytes);
    let name = table.name.quoted();
    let mut used: Vec<&[String]> = vec![read.columns];
    let sql = match &place.order {
        Order::Whole => format!("SELECT {list} FROM {name} AS t LIMIT {rows}"),
        Order::Rowid(rowid) => {
            let after = if place.after.is_empty() { String::new() } else { format!("WHERE t.{rowid} > ?1") };
            // an index that has all the columns would need a sort
            format!("SELECT t.{rowid}, {list} FROM {name} AS t NOT INDEXED {after} ORDER BY t.{rowid} LIMIT {rows}")
        }
        Order::Key(key) => {
            used.push(key);
            let columns = references("t", table, key);
            let order = columns.join(", ");
            let after = if place.after.is_empty() {
                String::new()
            } else {
                let places: Vec<String> = (1..=key.len()).map(|at| format!("?{at}")).collect();
                format!("WHERE {} > {}", row_value(&columns), row_value(&places))
            };
            format!("SELECT {order}, {list} FROM {name} AS t {after} ORDER BY {order} LIMIT {rows}")
        }
    };
    Ok(Statement { name: Name::Rows, sql, params: place.after.clone(), expects: vec![expect(table, &used)?] })
}

/// SQL of what identifies a row of `t`: a key that is never NULL, or the rowid.
pub(super) fn identity(table: &Table) -> Option<Vec<String>> {
    if !matches!(table.kind, TableKind::Table) {
        return None;
    }
    if let Ok(key) = key(table) {
        return Some(references("t", table, &key));
    }
    Some(vec![format!("t.{}", rowid_name(table)?)])
}
