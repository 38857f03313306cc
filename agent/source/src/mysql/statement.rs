//! Statements about rows, made from typed requests.

use super::literal::{Keys, bounded, columns, quoted, reference};
use super::rows::{select_list, selected};
use super::types::Family;
use crate::{Error, Read, Reference};
use arrow::array::RecordBatch;
use fieldmark_model::{Column, Table};

/// Rows of a view, or of a table without a key, that one statement reads at most.
pub(super) const WHOLE_ROWS: usize = 100_000;

/// What a pass follows: a key, or nothing.
pub(super) fn order(table: &Table) -> Vec<String> {
    let key = table.kind.is_stored().then(|| table.key()).flatten();
    key.map(<[String]>::to_vec).unwrap_or_default()
}

/// The next rows of a pass, after these values of the key that it follows.
pub(super) fn scan(read: &Read<'_>, key: &[String], after: &[String], rows: usize) -> Result<String, Error> {
    let list = select_list("t", &columns(read.table, read.columns)?, read.value_limit_bytes);
    let from = format!("{} AS t", quoted(&read.table.name));
    if key.is_empty() {
        return Ok(format!("SELECT {list} FROM {from} LIMIT {}", WHOLE_ROWS + 1));
    }
    let places: Vec<String> = place(read.table, key)?;
    let order: Vec<String> = key.iter().map(|name| reference("t", name)).collect();
    let condition =
        if after.is_empty() { String::new() } else { format!(" WHERE {}", bounded(read.table, key, after, true)?) };
    Ok(format!(
        "SELECT {}, {list} FROM {from}{condition} ORDER BY {} LIMIT {rows}",
        places.join(", "),
        order.join(", ")
    ))
}

/// The columns of a key as their canonical texts.
fn place(table: &Table, key: &[String]) -> Result<Vec<String>, Error> {
    let columns = columns(table, key)?;
    Ok(columns.iter().map(|column| canonical(&reference("t", &column.name), Family::of(&column.declared))).collect())
}

/// SQL for the text by which a value of a key is written again.
fn canonical(value: &str, family: Family) -> String {
    match family {
        Family::Bytes => format!("CONCAT(X'5C78', HEX({value}))"),
        Family::Float => format!("CAST({value} AS DOUBLE)"),
        Family::Bits => format!("{value}+0"),
        Family::Int16
        | Family::Int32
        | Family::Int64
        | Family::UInt64
        | Family::Double
        | Family::Decimal { .. }
        | Family::Text
        | Family::Date
        | Family::Time
        | Family::Datetime
        | Family::Timestamp
        | Family::Geometry
        | Family::Other => value.to_owned(),
    }
}

/// The rows that have a key of `keys`.
pub(super) fn by_key(read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<String, Error> {
    let list = select_list("t", &columns(read.table, read.columns)?, read.value_limit_bytes);
    let found = Keys::new(read.table, key, keys)?.among("t");
    Ok(format!("SELECT {list} FROM {} AS t WHERE {found}", quoted(&read.table.name)))
}

/// As [`by_key`], only rows that refer to something which is not there.
pub(super) fn orphans(
    read: &Read<'_>,
    key: &[String],
    keys: &RecordBatch,
    reference_: &Reference<'_>,
) -> Result<String, Error> {
    let from: Vec<String> = reference_.columns.iter().map(|name| reference("t", name)).collect();
    let present: Vec<String> = from.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let same: Vec<String> = (reference_.to_columns.iter().zip(&from))
        .map(|(to, from)| format!("{} = {from}", reference("p", to)))
        .collect();
    if same.len() != reference_.columns.len() || same.len() != reference_.to_columns.len() {
        return Err(Error::Internal { what: "a reference from and to different numbers of columns".to_owned() });
    }
    columns(reference_.to, reference_.to_columns)?;
    Ok(format!(
        "{} AND {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
        by_key(read, key, keys)?,
        present.join(" AND "),
        quoted(&reference_.to.name),
        same.join(" AND ")
    ))
}

/// The numbers of the rows of `values` that the referred table has: one look-up each, under the parent's own collation, as a foreign key
/// is looked up. `None` where no row can have any of them.
pub(super) fn has_parent(reference_: &Reference<'_>, values: &RecordBatch) -> Result<Option<String>, Error> {
    // the values have the types of the referring columns, and are compared with those referred to
    let keys = Keys::new(reference_.from, reference_.columns, values)?.named(reference_.to_columns)?;
    columns(reference_.to, reference_.to_columns)?;
    let to = quoted(&reference_.to.name);
    let lookups: Vec<String> = keys
        .rows
        .iter()
        .enumerate()
        .filter_map(|(number, row)| Some((number, keys.same("p", row.as_ref()?, false)?)))
        .map(|(number, same)| format!("SELECT {number} FROM DUAL WHERE EXISTS (SELECT 1 FROM {to} AS p WHERE {same})"))
        .collect();
    Ok((!lookups.is_empty()).then(|| lookups.join(" UNION ALL ")))
}

/// Up to `at_most` rows for each of the values: through the index of the values, then by the rows' key. `None` where no row can have any.
pub(super) fn sharing(
    read: &Read<'_>,
    names: &[String],
    values: &RecordBatch,
    at_most: u32,
) -> Result<Option<String>, Error> {
    let table = read.table;
    let mut keys = Keys::new(table, names, values)?;
    let mut seen = std::collections::BTreeSet::new();
    keys.rows.retain(|row| seen.insert(row.clone()));
    let list = select_list("t", &columns(table, read.columns)?, read.value_limit_bytes);
    let name = quoted(&table.name);
    let identity = order(table);
    let branch = |row: &Vec<String>| {
        if identity.is_empty() {
            let same = keys.same("t", row, true)?;
            return Some(format!("(SELECT {list} FROM {name} AS t WHERE {same} LIMIT {at_most})"));
        }
        let same = keys.same("s", row, true)?;
        let places: Vec<String> =
            identity.iter().enumerate().map(|(at, name)| format!("{} AS k{at}", reference("s", name))).collect();
        Some(format!("(SELECT {} FROM {name} AS s WHERE {same} LIMIT {at_most})", places.join(", ")))
    };
    let branches: Vec<String> = keys.rows.iter().flatten().filter_map(branch).collect();
    if branches.is_empty() {
        return Ok(None);
    }
    let all = branches.join(" UNION ALL ");
    if identity.is_empty() {
        return Ok(Some(if branches.len() == 1 { format!("SELECT * FROM {all} AS u") } else { all }));
    }
    let joined: Vec<String> =
        identity.iter().enumerate().map(|(at, name)| format!("{} = v.k{at}", reference("t", name))).collect();
    let found = if branches.len() == 1 { all } else { format!("({all})") };
    Ok(Some(format!("SELECT {list} FROM {found} AS v JOIN {name} AS t ON {}", joined.join(" AND "))))
}

/// Least and greatest value, the columns of the result, in one row.
pub(super) fn extremes(table: &Table, name: &str, limit: usize) -> Result<(String, Vec<Column>), Error> {
    let names = [name.to_owned()];
    let found = columns(table, &names)?;
    let column = found.first().ok_or_else(|| Error::Internal { what: "no column".to_owned() })?;
    let family = Family::of(&column.declared);
    let value = reference("t", name);
    let list = [selected("m.a", family, limit), selected("m.b", family, limit)].concat().join(", ");
    let sql = format!(
        "SELECT {list} FROM (SELECT MIN({value}) AS a, MAX({value}) AS b FROM {} AS t) AS m",
        quoted(&table.name)
    );
    let called = |name: &str| Column { name: name.to_owned(), ..(*column).clone() };
    Ok((sql, vec![called("min"), called("max")]))
}

/// The key `step` rows after another one.
pub(super) fn key_after(
    table: &Table,
    key: &[String],
    after: Option<&[String]>,
    (step, limit): (u64, usize),
) -> Result<String, Error> {
    let columns = columns(table, key)?;
    let list = select_list("t", &columns, limit);
    let order: Vec<String> = key.iter().map(|name| reference("t", name)).collect();
    let condition = match after {
        Some(after) => format!(" WHERE {}", bounded(table, key, after, true)?),
        None => String::new(),
    };
    Ok(format!(
        "SELECT {list} FROM {} AS t{condition} ORDER BY {} LIMIT 1 OFFSET {}",
        quoted(&table.name),
        order.join(", "),
        step.saturating_sub(1)
    ))
}

/// Rows between two keys, in key order.
pub(super) fn between(
    read: &Read<'_>,
    key: &[String],
    (after, to): (Option<&[String]>, Option<&[String]>),
    rows: usize,
) -> Result<String, Error> {
    let list = select_list("t", &columns(read.table, read.columns)?, read.value_limit_bytes);
    let order: Vec<String> = key.iter().map(|name| reference("t", name)).collect();
    let mut conditions = Vec::new();
    if let Some(after) = after {
        conditions.push(bounded(read.table, key, after, true)?);
    }
    if let Some(to) = to {
        conditions.push(bounded(read.table, key, to, false)?);
    }
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    Ok(format!(
        "SELECT {list} FROM {} AS t{condition} ORDER BY {} LIMIT {rows}",
        quoted(&read.table.name),
        order.join(", ")
    ))
}
