//! Small parts that several kinds share: one spelling of a meaning for fingerprints, names in sentences, lists of columns.

use super::Dialect;
use fieldmark_document::{Node, Place, Placed, Problem, Problems, shown};
use fieldmark_model::name::quote_identifier;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A kind's settings in one spelling. Every part says its length, so that two meanings never render alike.
pub(super) fn meaning<'a>(parts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut rendered = String::new();
    for (name, value) in parts {
        // writing to a String cannot fail
        writeln!(rendered, "{name} {}:{value}", value.len()).ok();
    }
    rendered
}

/// A text as an SQL literal.
pub(super) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The operator that is true where a text does not fit a pattern. SQLite's is known to its command line and to whoever defines
/// a function `regexp`.
pub(super) fn unlike(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "!~",
        Dialect::Sqlite | Dialect::MySql | Dialect::Files => "NOT REGEXP",
    }
}

/// A column's name as SQL.
pub(super) fn sql(column: &Placed<String>) -> String {
    quote_identifier(&column.value)
}

/// Columns joined for sentences and ids.
pub(super) fn joined(columns: &[Placed<String>]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.value.as_str()).collect();
    names.join(",")
}

/// `between` as SQL that is true outside: `x < min OR x > max`, with what there is of bounds.
pub(super) fn outside(value: &str, min: Option<&str>, max: Option<&str>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("{value} < {min} OR {value} > {max}"),
        (Some(min), None) => format!("{value} < {min}"),
        (None, Some(max)) => format!("{value} > {max}"),
        (None, None) => "FALSE".to_owned(),
    }
}

/// `at least 1 and at most 5`, with what there is of bounds.
pub(super) fn bounds(min: Option<&str>, max: Option<&str>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "anything".to_owned(),
    }
}

/// Columns that a list may name: more than a table has.
pub(crate) const MOST_COLUMNS: usize = 2000;

/// A list of columns, none of them twice and at least one; a single name counts as a list of one.
pub(crate) fn read_columns(node: &Node, key: &str, problems: &mut Problems) -> Option<Vec<Placed<String>>> {
    let columns = node.read_texts(key, problems)?.value;
    if columns.is_empty() {
        problems.push(Problem::new(format!("`{key}` names no column"), &node.place).allowed("at least one"));
        return None;
    }
    if columns.len() > MOST_COLUMNS {
        problems.push(too_many_columns(key, columns.len(), &node.place));
        return None;
    }
    let before = problems.len();
    check_names(&columns, key, problems);
    (problems.len() == before).then_some(columns)
}

/// Adds a problem for each column without a name, and for each that stands there already.
fn check_names(columns: &[Placed<String>], key: &str, problems: &mut Problems) {
    let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
    for column in columns {
        if column.value.is_empty() {
            problems.push(Problem::new(format!("`{key}` has a column without a name"), &column.place));
        }
        if let Some(first) = seen.get(column.value.as_str()) {
            let problem = Problem::new(format!("`{key}` names a column twice"), &column.place);
            problems.push(problem.value(shown(&column.value)).also("first at", first));
        } else {
            seen.insert(&column.value, &column.place);
        }
    }
}

/// The problem of a list that is longer than any table is wide.
pub(crate) fn too_many_columns(key: &str, columns: usize, place: &Place) -> Problem {
    Problem::new(format!("`{key}` names {columns} columns"), place).allowed(format!("at most {MOST_COLUMNS}"))
}
