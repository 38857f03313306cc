//! The catalogue: what the file says about its tables.
//!
//! Left out: SQLite's own tables (`sqlite_...`), the shadow tables in which a virtual table keeps its data, hidden columns, and
//! views or virtual tables that this build of SQLite cannot read (a missing module, function or table).

use super::connect::Session;
use super::failure::failure;
use super::types;
use crate::Error;
use crate::label::{Name, SharedLabel};
use fieldmark_model::catalogue::ForeignKey;
use fieldmark_model::{Catalogue, Column, Table, TableKind, TableName};
use rusqlite::{Connection, Params, Row};
use std::collections::HashMap;

/// The schema of the file that was opened.
pub(super) const SCHEMA: &str = "main";
/// Times the schema may change while it is read.
const ATTEMPTS: usize = 5;

impl Session {
    /// Every table, as of one version of the schema.
    pub(super) fn catalogue(&mut self) -> Result<Catalogue, Error> {
        let (connection, _, label) = self.parts()?;
        let connection = Labelled { connection, label };
        for _ in 0..ATTEMPTS {
            let version = schema_version(&connection)?;
            let tables = tables(&connection);
            if schema_version(&connection)? == version {
                return Ok(Catalogue::of(tables?));
            }
        }
        Err(Error::SchemaChanged { code: "the schema changes again and again".to_owned() })
    }
}

/// A connection with what its statements say of themselves.
struct Labelled<'a> {
    connection: &'a Connection,
    label: &'a SharedLabel,
}

fn schema_version(connection: &Labelled<'_>) -> Result<i64, Error> {
    let version = query(connection, (Name::SchemaVersion, "PRAGMA main.schema_version"), [], |row| row.get(0))?;
    version.first().copied().ok_or_else(|| Error::Internal { what: "a schema without a version".to_owned() })
}

fn query<T>(
    connection: &Labelled<'_>,
    (name, sql): (Name, &str),
    params: impl Params,
    each: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let sql = connection.label.labelled(name, sql);
    let mut statement = connection.connection.prepare(&sql).map_err(failure)?;
    let rows = statement.query_map(params, each).map_err(failure)?;
    rows.collect::<Result<_, _>>().map_err(failure)
}

/// What the file stores of views, triggers and tables: kind, name, table and statement, which is empty where it is longer than this.
pub(super) fn stored(session: &mut Session, longest: usize) -> Result<Vec<(String, String, String, String)>, Error> {
    let (connection, _, label) = session.parts()?;
    let connection = Labelled { connection, label };
    let sql = format!(
        "SELECT s.type, s.name, s.tbl_name, CASE WHEN length(s.sql) <= {longest} THEN s.sql ELSE '' END FROM main.sqlite_schema AS s \
         WHERE s.type IN ('view', 'trigger', 'table') AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND s.sql IS NOT NULL ORDER BY s.name"
    );
    query(&connection, (Name::Definitions, &sql), [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
}

/// A relation as `PRAGMA table_list` gives it.
struct Relation {
    name: String,
    kind: TableKind,
    without_rowid: bool,
}

fn tables(connection: &Labelled<'_>) -> Result<Vec<Table>, Error> {
    // with a real table in it, the statement notices a schema that somebody else changed
    let sql = "SELECT l.name, l.type, l.wr FROM (SELECT 1 FROM main.sqlite_schema LIMIT 1) AS s \
               CROSS JOIN pragma_table_list AS l WHERE l.schema = 'main' AND l.type <> 'shadow' \
               AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name COLLATE BINARY";
    let relations = query(connection, (Name::Tables, sql), [], |row| {
        let kind = match row.get_ref(1)?.as_str()? {
            "view" => TableKind::View,
            "virtual" => TableKind::Virtual,
            _ => TableKind::Table,
        };
        Ok(Relation { name: row.get(0)?, kind, without_rowid: row.get(2)? })
    })?;
    let mut estimates = estimates(connection)?;
    let mut tables = Vec::new();
    let mut references = Vec::new();
    for relation in relations {
        match table(connection, &relation) {
            Ok(mut table) => {
                table.estimated_rows = estimates.remove(&relation.name);
                references.push(foreign_keys(connection, &relation.name)?);
                tables.push(table);
            }
            // it cannot be read by anybody with this SQLite, and is no reason to know nothing of the others
            Err(Error::SchemaChanged { .. } | Error::Unsupported { .. } | Error::Database { .. })
                if relation.kind != TableKind::Table => {}
            Err(error) => return Err(error),
        }
    }
    let resolved: Vec<_> = references.into_iter().map(|declared| resolve(&tables, declared)).collect();
    for (table, foreign_keys) in tables.iter_mut().zip(resolved) {
        table.foreign_keys = foreign_keys;
    }
    Ok(tables)
}

fn table(connection: &Labelled<'_>, relation: &Relation) -> Result<Table, Error> {
    struct Declared {
        column: Column,
        key: i64,
        hidden: i64,
    }
    let sql = "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let mut declared = query(connection, (Name::Columns, sql), [&relation.name], |row| {
        let key = row.get(3)?;
        let not_null: bool = row.get(2)?;
        let nullable = !not_null && (key == 0 || !relation.without_rowid);
        Ok(Declared { column: types::column(row.get(0)?, row.get(1)?, nullable), key, hidden: row.get(4)? })
    })?;
    // 1: hidden columns of virtual tables; 2 and 3 are generated columns, which can be read
    declared.retain(|declared| declared.hidden != 1);
    let mut key: Vec<(i64, String)> = declared
        .iter()
        .filter(|declared| declared.key > 0)
        .map(|declared| (declared.key, declared.column.name.clone()))
        .collect();
    key.sort();
    let key: Vec<String> = key.into_iter().map(|(_, name)| name).collect();
    let mut columns: Vec<Column> = declared.into_iter().map(|declared| declared.column).collect();
    let (mut unique, mut indexes, key_has_index) = indexes(connection, &relation.name)?;
    if !key.is_empty() && !key_has_index {
        // no index of its own: the key is the rowid, or (WITHOUT ROWID of a later SQLite) the table itself
        if let [only] = key.as_slice()
            && let Some(column) = columns.iter_mut().find(|column| column.name == *only)
        {
            column.nullable = false;
        }
        indexes.insert(0, key.clone());
        unique.insert(0, key.clone());
    }
    let named_rowid = columns.iter().any(|column| column.name.eq_ignore_ascii_case(types::ROWID));
    let has_rowid = relation.kind == TableKind::Table && !relation.without_rowid && !named_rowid;
    Ok(Table {
        name: TableName::new(SCHEMA, &relation.name),
        identity: None,
        storage: None,
        kind: relation.kind,
        columns,
        row_number: has_rowid.then(|| types::ROWID.to_owned()),
        primary_key: (!key.is_empty()).then_some(key),
        unique,
        indexes,
        foreign_keys: Vec::new(),
        estimated_rows: None,
        pages: None,
    })
}

/// Unique sets of columns, columns of all indexes, and whether the primary key is among them; the key first.
type Indexes = (Vec<Vec<String>>, Vec<Vec<String>>, bool);

fn indexes(connection: &Labelled<'_>, table: &str) -> Result<Indexes, Error> {
    let sql = "SELECT l.seq, l.\"unique\", l.origin = 'pk', x.name FROM pragma_index_list(?1, 'main') AS l \
               CROSS JOIN pragma_index_xinfo(l.name, 'main') AS x WHERE l.partial = 0 AND x.key = 1 \
               ORDER BY l.origin = 'pk' DESC, l.seq DESC, x.seqno";
    let rows = query(connection, (Name::Indexes, sql), [table], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get::<_, bool>(2)?, row.get::<_, Option<String>>(3)?))
    })?;
    let mut key_has_index = false;
    let mut unique = Vec::new();
    let mut indexes: Vec<Vec<String>> = Vec::new();
    for index in rows.chunk_by(|a, b| a.0 == b.0) {
        key_has_index |= index.iter().any(|(_, _, key, _)| *key);
        // an expression has no name
        let Some(columns) = index.iter().map(|(.., name)| name.clone()).collect::<Option<Vec<_>>>() else { continue };
        if index.iter().any(|(_, unique, ..)| *unique) && !unique.contains(&columns) {
            unique.push(columns.clone());
        }
        if !indexes.contains(&columns) {
            indexes.push(columns);
        }
    }
    Ok((unique, indexes, key_has_index))
}

/// Rows of tables as the last ANALYZE left them in `sqlite_stat1`: the first number of an index's statistics, which a partial
/// index has smaller.
fn estimates(connection: &Labelled<'_>) -> Result<HashMap<String, u64>, Error> {
    let sql = "SELECT tbl, stat FROM main.sqlite_stat1 WHERE typeof(tbl) = 'text' AND typeof(stat) = 'text'";
    let rows = match query(connection, (Name::Estimates, sql), [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    }) {
        Ok(rows) => rows,
        // never analysed
        Err(Error::SchemaChanged { .. }) => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let mut estimates = HashMap::new();
    for (table, statistics) in rows {
        if let Some(rows) = statistics.split(' ').next().and_then(|first| first.parse::<u64>().ok()) {
            let estimate = estimates.entry(table).or_insert(rows);
            *estimate = rows.max(*estimate);
        }
    }
    Ok(estimates)
}

/// A foreign key as declared: the spelling of table and columns is the statement's own, and the columns may be left out.
struct Declared {
    table: String,
    columns: Vec<(String, Option<String>)>,
}

fn foreign_keys(connection: &Labelled<'_>, table: &str) -> Result<Vec<Declared>, Error> {
    let sql = "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') \
               ORDER BY id DESC, seq";
    let rows = query(connection, (Name::ForeignKeys, sql), [table], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<String>>(3)?,
        ))
    })?;
    let mut keys = Vec::new();
    for key in rows.chunk_by(|a, b| a.0 == b.0) {
        if let Some((_, table, ..)) = key.first() {
            let columns = key.iter().map(|(.., from, to)| (from.clone(), to.clone())).collect();
            keys.push(Declared { table: table.clone(), columns });
        }
    }
    Ok(keys)
}

/// Foreign keys whose table is there, spelled as the catalogue spells it.
fn resolve(tables: &[Table], declared: Vec<Declared>) -> Vec<ForeignKey> {
    let resolve = |declared: Declared| {
        let to = tables.iter().find(|table| table.name.name.eq_ignore_ascii_case(&declared.table))?;
        let spelled = |name: &String| {
            to.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)).map(|column| column.name.clone())
        };
        let implicit = to.primary_key.clone().unwrap_or_default();
        let mut columns = Vec::new();
        let mut to_columns = Vec::new();
        for (at, (from, to)) in declared.columns.into_iter().enumerate() {
            columns.push(from);
            to_columns.push(match to {
                Some(to) => spelled(&to)?,
                None => implicit.get(at)?.clone(),
            });
        }
        Some(ForeignKey { columns, table: to.name.clone(), to: to_columns })
    };
    declared.into_iter().filter_map(resolve).collect()
}
