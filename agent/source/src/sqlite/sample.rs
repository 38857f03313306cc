//! Reads by sampled values: keys, look-ups, boundaries. Each is one statement; the values travel as one JSON parameter.

use super::cells::guarded;
use super::keys::{Keys, Stored, stored};
use super::read::identity;
use super::statement::{Statement, columns, expect, reference, references, row_value, select_list};
use super::types::{Affinity, affinity};
use crate::label::Name;
use crate::{Error, Read, Reference};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use fieldmark_model::{Column, Table};

/// The rows that have a key of `keys`.
pub(super) fn by_key(read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Statement, Error> {
    let key_columns = columns(read.table, key)?;
    let keys = Keys::distinct(&read.table.name, &key_columns, keys)?;
    let list = select_list("t", read.table, read.columns, read.value_limit_bytes);
    let found = among("t", read.table, &key_columns, &keys);
    Ok(Statement {
        name: Name::RowsByKey,
        sql: format!("SELECT {list} FROM {} AS t WHERE {found}", read.table.name.quoted()),
        params: vec![keys.json],
        expects: vec![expect(read.table, &[read.columns, key])?],
    })
}

/// As [`by_key`], only rows that refer to something which is not there.
pub(super) fn orphans(
    read: &Read<'_>,
    key: &[String],
    keys: &RecordBatch,
    reference: &Reference<'_>,
) -> Result<Statement, Error> {
    let mut statement = by_key(read, key, keys)?;
    statement.name = Name::Orphans;
    let from = references("t", read.table, reference.columns);
    let not_null: Vec<String> = from.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    // without its own affinity and collation the referring value is compared as SQLite's foreign keys do: by the parent's
    let from: Vec<String> = from.iter().map(|column| format!("+{column}")).collect();
    let parent = parent(reference, &from)?;
    statement.sql = format!("{} AND {} AND NOT {parent}", statement.sql, not_null.join(" AND "));
    statement.expects.push(expect(read.table, &[reference.columns])?);
    statement.expects.push(expect(reference.to, &[reference.to_columns])?);
    Ok(statement)
}

/// The numbers of the rows of `values` that the referred table has.
pub(super) fn has_parent(reference: &Reference<'_>, values: &RecordBatch) -> Result<Statement, Error> {
    let keys = Keys::numbered(&reference.from.name, &columns(reference.from, reference.columns)?, values)?;
    let parent = parent(reference, &keys.values())?;
    Ok(Statement {
        name: Name::Parents,
        sql: format!("SELECT v.value ->> 0 FROM json_each(?1) AS v WHERE {parent}"),
        params: vec![keys.json],
        expects: vec![expect(reference.to, &[reference.to_columns])?],
    })
}

fn parent(reference: &Reference<'_>, values: &[String]) -> Result<String, Error> {
    if reference.to_columns.len() != values.len() {
        return Err(Error::Internal { what: "a reference from and to different numbers of columns".to_owned() });
    }
    let to = references("p", reference.to, reference.to_columns);
    let same: Vec<String> = to.iter().zip(values).map(|(column, value)| format!("{column} = {value}")).collect();
    Ok(format!("EXISTS (SELECT 1 FROM {} AS p WHERE {})", reference.to.name.quoted(), same.join(" AND ")))
}

/// Up to `at_most` rows for each of the values.
///
/// Through an index: for each value the rows' identities, as many as wanted and no more. Without one: a single pass that
/// numbers the rows of each value.
pub(super) fn sharing(
    read: &Read<'_>,
    names: &[String],
    values: &RecordBatch,
    at_most: u32,
) -> Result<Statement, Error> {
    let table = read.table;
    let name = table.name.quoted();
    let shared = columns(table, names)?;
    let keys = Keys::distinct(&table.name, &shared, values)?;
    let sql = match identity(table).filter(|_| table.indexed(names)) {
        Some(identity) => {
            let list = select_list("t", table, read.columns, read.value_limit_bytes);
            let inner: Vec<String> = identity.iter().map(|column| column.replacen("t.", "s.", 1)).collect();
            let same = keys
                .values()
                .iter()
                .zip(&shared)
                .map(|(value, column)| same("s", table, column, value))
                .collect::<Vec<_>>();
            format!(
                "SELECT {list} FROM json_each(?1) AS v CROSS JOIN {name} AS t \
                 WHERE {} IN (SELECT {} FROM {name} AS s WHERE {} LIMIT {at_most})",
                row_value(&identity),
                inner.join(", "),
                same.join(" AND "),
            )
        }
        None => {
            let pairs = references("t", table, read.columns)
                .into_iter()
                .flat_map(|column| guarded(&column, read.value_limit_bytes));
            let mut inner: Vec<String> = pairs.enumerate().map(|(at, sql)| format!("{sql} AS c{at}")).collect();
            let mut list: Vec<String> = (0..inner.len()).map(|at| format!("n.c{at}")).collect();
            if list.is_empty() {
                list.push("1".to_owned());
            }
            let by: Vec<String> =
                references("t", table, names).iter().map(|column| format!("{column} COLLATE BINARY")).collect();
            inner.push(format!("row_number() OVER (PARTITION BY {}) AS n", by.join(", ")));
            format!(
                "SELECT {} FROM (SELECT {} FROM {name} AS t WHERE {}) AS n WHERE n.n <= {at_most}",
                list.join(", "),
                inner.join(", "),
                among("t", table, &shared, &keys),
            )
        }
    };
    Ok(Statement {
        name: Name::Sharing,
        sql,
        params: vec![keys.json],
        expects: vec![expect(table, &[read.columns, names])?],
    })
}

/// Whether a row's columns equal an element of the parameter. Text is compared twice: under the column's collation, by which
/// its index is sorted, and byte by byte, because the key `a` is not `A` whatever the collation says.
fn among(alias: &str, table: &Table, key: &[Column], keys: &Keys) -> String {
    let mut columns: Vec<String> = key.iter().map(|column| reference(alias, table, &column.name)).collect();
    let mut exact: Vec<String> = columns.iter().map(|column| format!("{column} COLLATE BINARY")).collect();
    let mut values = keys.values();
    for (at, column) in key.iter().enumerate().filter(|(_, column)| any_class(column)) {
        columns.push(is_text(&reference(alias, table, &column.name)));
        exact.push(is_text(&reference(alias, table, &column.name)));
        values.extend(values.get(at).map(|value| is_text(value)));
    }
    let values = format!("(SELECT {} FROM json_each(?1) AS v)", values.join(", "));
    let found = format!("{} IN {values}", row_value(&columns));
    if key.iter().any(collated) { format!("{found} AND {} IN {values}", row_value(&exact)) } else { found }
}

/// Whether one column equals one value, exactly.
fn same(alias: &str, table: &Table, column: &Column, value: &str) -> String {
    let name = reference(alias, table, &column.name);
    let mut same = format!("{name} = {value}");
    if collated(column) {
        same = format!("{same} AND {name} COLLATE BINARY = {value}");
    }
    if any_class(column) {
        same = format!("{same} AND {} = {}", is_text(&name), is_text(value));
    }
    same
}

/// Whether the text `12` and the number are two values of the column: SQLite would call them equal in a column declared
/// `ANY` outside a STRICT table.
fn any_class(column: &Column) -> bool {
    affinity(&column.declared) == Affinity::None
}

fn is_text(value: &str) -> String {
    format!("(typeof({value}) = 'text')")
}

fn collated(column: &Column) -> bool {
    matches!(column.data_type, DataType::Utf8)
}

/// Least and greatest value, the columns of the result, in one row.
pub(super) fn extremes(table: &Table, name: &str) -> Result<(Statement, Vec<Column>), Error> {
    let names = [name.to_owned()];
    let column = columns(table, &names)?.pop().ok_or_else(|| Error::Internal { what: "no column".to_owned() })?;
    let from = format!("{} AS t", table.name.quoted());
    let value = reference("t", table, name);
    // SQLite looks at one end of an index only where the statement asks for one extreme alone
    let both = if table.indexed(&names) || value == "t.rowid" {
        format!("SELECT (SELECT min({value}) FROM {from}) AS a, (SELECT max({value}) FROM {from}) AS b")
    } else {
        format!("SELECT min({value}) AS a, max({value}) AS b FROM {from}")
    };
    let list = [guarded("m.a", Read::VALUE_LIMIT_BYTES), guarded("m.b", Read::VALUE_LIMIT_BYTES)].concat().join(", ");
    let statement = Statement {
        name: Name::Extremes,
        sql: format!("WITH m AS MATERIALIZED ({both}) SELECT {list} FROM m"),
        params: Vec::new(),
        expects: vec![expect(table, &[&names])?],
    };
    let called = |name: &str| Column { name: name.to_owned(), ..column.clone() };
    Ok((statement, vec![called("min"), called("max")]))
}

/// The key `step` rows after another one, and how SQLite stores each of its values.
pub(super) fn key_after(
    table: &Table,
    key: &[String],
    after: Option<&RecordBatch>,
    step: u64,
) -> Result<(Statement, Vec<Column>), Error> {
    let key_columns = columns(table, key)?;
    let sql_columns = references("t", table, key);
    let order = sql_columns.join(", ");
    let list = select_list("t", table, key, Read::VALUE_LIMIT_BYTES);
    let classes: Vec<String> = sql_columns.iter().map(|column| format!("typeof({column})")).collect();
    // a key with a NULL in it, which SQLite allows, identifies nothing
    let nullable = sql_columns.iter().zip(&key_columns).filter(|(_, column)| column.nullable);
    let mut conditions: Vec<String> = nullable.map(|(sql, _)| format!("{sql} IS NOT NULL")).collect();
    let params = after.map(|after| boundary(&key_columns, after)).transpose()?.unwrap_or_default();
    if !params.is_empty() {
        let places: Vec<String> = (1..=params.len()).map(|at| format!("?{at}")).collect();
        conditions.push(format!("{} > {}", row_value(&sql_columns), row_value(&places)));
    }
    let condition = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    let statement = Statement {
        name: Name::KeyAfter,
        sql: format!(
            "SELECT {list}, {} FROM {} AS t {condition} ORDER BY {order} LIMIT 1 OFFSET {}",
            classes.join(", "),
            table.name.quoted(),
            step.saturating_sub(1).min(i64::MAX.unsigned_abs()),
        ),
        params,
        expects: vec![expect(table, &[key])?],
    };
    Ok((statement, key_columns))
}

/// The rows whose key lies after one key and up to another, in key order.
pub(super) fn between(
    read: &Read<'_>,
    key: &[String],
    (after, to): (Option<&RecordBatch>, Option<&RecordBatch>),
    rows: usize,
) -> Result<Statement, Error> {
    let key_columns = columns(read.table, key)?;
    let sql_columns = references("t", read.table, key);
    let list = select_list("t", read.table, read.columns, read.value_limit_bytes);
    let nullable = sql_columns.iter().zip(&key_columns).filter(|(_, column)| column.nullable);
    let mut conditions: Vec<String> = nullable.map(|(sql, _)| format!("{sql} IS NOT NULL")).collect();
    let mut params = Vec::new();
    for (bound, operator) in [(after, ">"), (to, "<=")] {
        let Some(bound) = bound else { continue };
        let values = boundary(&key_columns, bound)?;
        let places: Vec<String> = (1..=values.len()).map(|at| format!("?{}", params.len() + at)).collect();
        conditions.push(format!("{} {operator} {}", row_value(&sql_columns), row_value(&places)));
        params.extend(values);
    }
    let condition = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    Ok(Statement {
        name: Name::RowsBetween,
        sql: format!(
            "SELECT {list} FROM {} AS t {condition} ORDER BY {} LIMIT {rows}",
            read.table.name.quoted(),
            sql_columns.join(", "),
        ),
        params,
        expects: vec![expect(read.table, &[read.columns, key])?],
    })
}

/// A boundary as it is stored. [`unambiguous`] saw to it that there is one way only.
fn boundary(key: &[Column], after: &RecordBatch) -> Result<Vec<Stored>, Error> {
    if after.num_rows() != 1 || after.num_columns() != key.len() {
        return Err(Error::Internal {
            what: "a walk goes on from a batch of one row with the key's columns".to_owned(),
        });
    }
    let value = |(column, array): (&Column, _)| {
        stored(column, array, 0)?
            .into_iter()
            .next()
            .ok_or_else(|| Error::Internal { what: "a walk cannot go on from a NULL".to_owned() })
    };
    key.iter().zip(after.columns()).map(value).collect()
}

/// Whether a value's storage class can be told from its canonical text, so that a walk finds its way back to it.
pub(super) fn unambiguous(column: &Column, class: &str) -> bool {
    match affinity(&column.declared) {
        Affinity::None => class == "text",
        Affinity::Text | Affinity::Numeric => class != "blob" || column.data_type != DataType::Utf8,
        Affinity::Integer | Affinity::Real | Affinity::Blob => true,
    }
}
