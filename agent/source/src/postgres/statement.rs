//! The SQL text of reads. Names go through [`quote_identifier`], values through [`quote_literal`].

use super::layout::{Layout, LayoutColumn};
use super::literal::{Keys, array_literal, quote_literal};
use super::rows::{Extras, Tid};
use fieldmark_model::TableName;
use fieldmark_model::name::quote_identifier;

/// `COPY (..) TO STDOUT`.
pub(super) fn copy(query: &str) -> String {
    format!("COPY ({query}) TO STDOUT (FORMAT binary)")
}

/// `t."name"`.
pub(super) fn reference(alias: &str, column: &LayoutColumn) -> String {
    format!("{alias}.{}", quote_identifier(&column.name))
}

/// A column as an operand of its type's operators. A domain is named as its base type, since operators of any enum or any
/// array do not take a domain over one; indexes do not mind.
fn operand(alias: &str, column: &LayoutColumn) -> String {
    let reference = reference(alias, column);
    if column.is_domain { format!("{reference}::{}", column.cast) } else { reference }
}

/// The select list that [`Rows`](super::rows::Rows) reads: sizes of values over the limit if there are any, extras, columns.
/// A value over the limit is NULL. `key` are the columns of [`Extras::key`].
pub(super) fn select_list(
    columns: &[&LayoutColumn],
    limit_bytes: usize,
    extras: Extras,
    key: &[&LayoutColumn],
) -> String {
    let values: Vec<String> = columns.iter().map(|column| reference("t", column)).collect();
    select_values(columns, &values, limit_bytes, extras, key)
}

/// As [`select_list`], with the values' SQL given.
pub(super) fn select_values(
    columns: &[&LayoutColumn],
    values: &[String],
    limit_bytes: usize,
    extras: Extras,
    key: &[&LayoutColumn],
) -> String {
    let sizes: Vec<Option<String>> =
        columns.iter().zip(values).map(|(column, value)| column.family.size(value)).collect();
    let mut list = Vec::new();
    let known: Vec<&String> = sizes.iter().flatten().collect();
    if !known.is_empty() {
        let over: Vec<String> = known.iter().map(|size| format!("{size} > {limit_bytes}")).collect();
        let all: Vec<String> = known.iter().map(|size| format!("{size}::int8")).collect();
        list.push(format!("CASE WHEN {} THEN ARRAY[{}] END", over.join(" OR "), all.join(", ")));
    }
    if extras.tid {
        list.push("t.ctid".to_owned());
    }
    if extras.stamp {
        list.push("t.xmin".to_owned());
    }
    list.extend(key.iter().map(|column| format!("format('%s', {})", reference("t", column))));
    for ((column, value), size) in columns.iter().zip(values).zip(&sizes) {
        let sent = column.family.sent(value);
        list.push(match size {
            Some(size) => format!("CASE WHEN {size} <= {limit_bytes} THEN {sent} END"),
            None => sent,
        });
    }
    list.join(", ")
}

/// A table as a statement reads it.
pub(super) fn from(name: &TableName, only: bool) -> String {
    format!("{}{} AS t", if only { "ONLY " } else { "" }, name.quoted())
}

/// Rows whose place is in `from..to`.
pub(super) fn within(from: Tid, to: Tid) -> String {
    format!("t.ctid >= {} AND t.ctid < {}", tid(from), tid(to))
}

/// A place as a constant.
pub(super) fn tid(tid: Tid) -> String {
    format!("'({},{})'::tid", tid.block, tid.position)
}

/// Places as one array constant.
pub(super) fn tids(tids: &[Tid]) -> String {
    let texts: Vec<String> = tids.iter().map(|tid| format!("({},{})", tid.block, tid.position)).collect();
    format!("{}::tid[]", quote_literal(&array_literal(texts.iter().map(|text| Some(text.as_str())))))
}

/// Whether there is a row at `from` or after it. The scan of that open range ends at the table's last block, which the server
/// knows and we do not, or at the first row.
pub(super) fn any_row_from(name: &TableName, only: bool, from: Tid) -> String {
    format!("EXISTS (SELECT FROM {} WHERE t.ctid >= {})", self::from(name, only), tid(from))
}

/// Key values as a relation `v(k0, k1, .., n)`, `n` the number of the row from 1.
fn relation(keys: &Keys, targets: &[&LayoutColumn]) -> String {
    let arrays: Vec<String> = keys.columns.iter().zip(targets).map(|(texts, target)| array(texts, target)).collect();
    let names: Vec<String> = (0..targets.len()).map(|at| format!("k{at}")).collect();
    format!("unnest({}) WITH ORDINALITY AS v({}, n)", arrays.join(", "), names.join(", "))
}

fn array(texts: &[String], target: &LayoutColumn) -> String {
    let cast = if target.is_array { "text" } else { target.cast.as_str() };
    format!("{}::{cast}[]", quote_literal(&array_literal(texts.iter().map(|text| Some(text.as_str())))))
}

/// `v.k0`, of the target's type. Arrays travel as text, since an array of arrays does not keep them apart.
fn value(at: usize, target: &LayoutColumn) -> String {
    if target.is_array { format!("v.k{at}::{}", target.cast) } else { format!("v.k{at}") }
}

/// Whether columns of `alias` equal the values of [`relation`].
fn equal(alias: &str, targets: &[&LayoutColumn]) -> String {
    let parts = targets
        .iter()
        .enumerate()
        .map(|(at, target)| format!("{} {} {}", operand(alias, target), target.operator("="), value(at, target)));
    parts.collect::<Vec<_>>().join(" AND ")
}

/// Whether a row's columns equal one of the keys.
fn among(keys: &Keys, targets: &[&LayoutColumn]) -> String {
    if let ([target], [texts]) = (targets, keys.columns.as_slice())
        && !target.is_array
    {
        return format!("{} {} ANY ({})", operand("t", target), target.operator("="), array(texts, target));
    }
    format!("EXISTS (SELECT FROM {} WHERE {})", relation(keys, targets), equal("t", targets))
}

/// Rows that have one of the keys.
pub(super) fn by_key(table: &TableName, list: &str, keys: &Keys, targets: &[&LayoutColumn]) -> String {
    format!("SELECT {list} FROM {} WHERE {}", from(table, false), among(keys, targets))
}

/// As [`by_key`], only rows that refer to nothing. Through an index, `OFFSET 0` keeps the look-up one by one; without one, the table
/// referred to is read once for all of them.
pub(super) fn orphans(
    table: &TableName,
    list: &str,
    (keys, targets): (&Keys, &[&LayoutColumn]),
    referring: &[&LayoutColumn],
    (to, to_columns, indexed): (&Layout, &[&LayoutColumn], bool),
) -> String {
    let set: Vec<String> =
        referring.iter().map(|column| format!("{} IS DISTINCT FROM NULL", reference("t", column))).collect();
    let same = to_columns
        .iter()
        .zip(referring)
        .map(|(to, from)| format!("{} {} {}", operand("p", to), to.operator("="), operand("t", from)))
        .collect::<Vec<_>>();
    format!(
        "{} AND {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {}{})",
        by_key(table, list, keys, targets),
        set.join(" AND "),
        to.name.quoted(),
        same.join(" AND "),
        if indexed { " OFFSET 0" } else { "" },
    )
}

/// Numbers of the values that the referred table has.
pub(super) fn has_parent(to: &Layout, keys: &Keys, to_columns: &[&LayoutColumn]) -> String {
    format!(
        "SELECT v.n FROM {} CROSS JOIN LATERAL (SELECT FROM {} AS p WHERE {} LIMIT 1) AS found",
        relation(keys, to_columns),
        to.name.quoted(),
        equal("p", to_columns),
    )
}

/// Up to so many rows for each of the values: through an index value by value, else in one pass that numbers them.
pub(super) fn sharing(
    table: &TableName,
    columns: &[&LayoutColumn],
    limit_bytes: usize,
    (keys, targets): (&Keys, &[&LayoutColumn]),
    (at_most, indexed): (u32, bool),
) -> String {
    if indexed {
        let list = select_list(columns, limit_bytes, Extras::default(), &[]);
        return format!(
            "SELECT r.* FROM {} CROSS JOIN LATERAL (SELECT {list} FROM {} WHERE {} LIMIT {at_most}) AS r",
            relation(keys, targets),
            from(table, false),
            equal("t", targets),
        );
    }
    let by: Vec<String> = targets.iter().map(|column| reference("t", column)).collect();
    // the rows' own columns, with the number beside them; sizes are asked of what is kept
    let list = select_list(columns, limit_bytes, Extras::default(), &[]);
    let mut inner: Vec<String> = columns.iter().map(|column| reference("t", column)).collect();
    inner.push(format!("row_number() OVER (PARTITION BY {}) AS {}", by.join(", "), quote_identifier(NUMBER)));
    format!(
        "SELECT {list} FROM (SELECT {} FROM {} WHERE {}) AS t WHERE t.{} <= {at_most}",
        inner.join(", "),
        from(table, false),
        among(keys, targets),
        quote_identifier(NUMBER),
    )
}

/// Name of a column beside the table's own; a table that has one of this name cannot be read that way.
const NUMBER: &str = "fieldmark row number";

/// A bound in key order.
#[derive(Clone, Copy)]
pub(super) enum Bound<'a> {
    /// Rows after this key.
    After(&'a [String]),
    /// Rows up to this key, those that have it included.
    UpTo(&'a [String]),
}

/// The condition for rows within a bound.
fn bounded(key: &[&LayoutColumn], bound: Bound<'_>) -> String {
    let (texts, strict, loose) = match bound {
        Bound::After(texts) => (texts, ">", ">="),
        Bound::UpTo(texts) => (texts, "<", "<="),
    };
    let constants: Vec<String> =
        key.iter().zip(texts).map(|(column, text)| format!("{}::{}", quote_literal(text), column.cast)).collect();
    let references: Vec<String> = key.iter().map(|column| operand("t", column)).collect();
    if key.iter().all(|column| column.operators.is_none()) {
        let operator = if matches!(bound, Bound::After(_)) { strict } else { loose };
        return format!("({}) {operator} ({})", references.join(", "), constants.join(", "));
    }
    // a row comparison takes its operators from one schema: spelled out, with the first column's bound for the index
    let compare = |at: usize, operator: &str| match (key.get(at), references.get(at), constants.get(at)) {
        (Some(column), Some(reference), Some(constant)) => {
            format!("{reference} {} {constant}", column.operator(operator))
        }
        _ => "false".to_owned(),
    };
    let mut cases: Vec<String> = (0..key.len())
        .map(|at| {
            let mut parts: Vec<String> = (0..at).map(|before| compare(before, "=")).collect();
            parts.push(compare(at, strict));
            format!("({})", parts.join(" AND "))
        })
        .collect();
    if matches!(bound, Bound::UpTo(_)) {
        let same: Vec<String> = (0..key.len()).map(|at| compare(at, "=")).collect();
        cases.push(format!("({})", same.join(" AND ")));
    }
    format!("{} AND ({})", compare(0, loose), cases.join(" OR "))
}

/// Rows within bounds, in key order.
pub(super) fn in_key_order(
    table: &TableName,
    list: &str,
    key: &[&LayoutColumn],
    bounds: &[Bound<'_>],
    (skip, limit): (u64, usize),
) -> String {
    let order: Vec<String> = key.iter().map(|column| reference("t", column)).collect();
    let conditions: Vec<String> = bounds.iter().map(|bound| bounded(key, *bound)).collect();
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!(
        "SELECT {list} FROM {}{condition} ORDER BY {} LIMIT {limit} OFFSET {skip}",
        from(table, false),
        order.join(", "),
    )
}

/// Least and greatest value by the type's own order (some types have an order, but no `min`).
pub(super) fn extremes(table: &TableName, column: &LayoutColumn, limit_bytes: usize) -> String {
    let value = reference("t", column);
    let end = |direction: &str| {
        let from = from(table, false);
        format!("(SELECT {value} FROM {from} WHERE {value} IS DISTINCT FROM NULL ORDER BY {value} {direction} LIMIT 1)")
    };
    let list =
        select_values(&[column, column], &["m.a".to_owned(), "m.b".to_owned()], limit_bytes, Extras::default(), &[]);
    format!("SELECT {list} FROM (SELECT {} AS a, {} AS b OFFSET 0) AS m", end("ASC"), end("DESC"))
}
