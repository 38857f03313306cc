//! What holds between columns of a row.

use crate::column::{ColumnProfile, Nature};
use fieldmark_model::name::quote_identifier;

/// A condition over columns of a row, and in how many rows it was seen to hold.
pub(crate) struct Relation {
    pub(crate) expect: String,
    pub(crate) filter: Option<String>,
    pub(crate) rows: u64,
    pub(crate) columns: Vec<String>,
}

/// Columns of numbers that are tried in threes.
const MOST_NUMBERS: usize = 14;
/// Rows in which a relation has to be seen.
const FEWEST: u64 = 30;

/// A column's name in an expression: as it is where that is read back, else quoted.
pub(crate) fn named(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&name);
    if plain { name.to_owned() } else { quote_identifier(name) }
}

/// Words of SQL that columns are called by, and that cannot stand for them without quotes.
const RESERVED: [&str; 24] = [
    "all", "and", "any", "array", "as", "between", "case", "cast", "check", "default", "desc", "end", "from", "group",
    "in", "interval", "is", "limit", "not", "null", "order", "table", "user", "when",
];

/// Columns that are the sum or the product of two others, in every row that has all three.
pub(crate) fn sums(columns: &[&ColumnProfile]) -> Vec<Relation> {
    let exact = |column: &&&ColumnProfile| matches!(column.nature, Nature::Integer | Nature::Decimal);
    // what hardly varies adds up by accident
    let varied = |column: &&&ColumnProfile| column.distinct().is_none_or(|distinct| distinct >= 5);
    let numbers: Vec<&&ColumnProfile> = columns.iter().filter(exact).filter(varied).take(MOST_NUMBERS).collect();
    let mut found: Vec<Relation> = Vec::new();
    for (at, one) in numbers.iter().enumerate() {
        for other in numbers.iter().skip(at + 1) {
            for sum in numbers.iter().filter(|sum| sum.name() != one.name() && sum.name() != other.name()) {
                for (sign, apply) in [("+", add as fn(f64, f64) -> f64), ("*", multiply)] {
                    let Some(rows) = holds(sum, one, other, apply) else { continue };
                    let expect =
                        format!("{} = {} {sign} {}", named(sum.name()), named(one.name()), named(other.name()));
                    let columns = [sum.name(), one.name(), other.name()].map(str::to_owned).to_vec();
                    found.push(Relation { expect, filter: None, rows, columns });
                }
            }
        }
    }
    found
}

fn add(one: f64, other: f64) -> f64 {
    one + other
}

fn multiply(one: f64, other: f64) -> f64 {
    one * other
}

fn holds(sum: &ColumnProfile, one: &ColumnProfile, other: &ColumnProfile, apply: fn(f64, f64) -> f64) -> Option<u64> {
    let mut rows = 0;
    let mut varied = false;
    let mut first = None;
    for ((sum, one), other) in sum.numbers.iter().zip(&one.numbers).zip(&other.numbers) {
        let (Some(sum), Some(one), Some(other)) = (sum, one, other) else { continue };
        if (sum - apply(*one, *other)).abs() > 1e-9 * sum.abs().max(1.0) {
            return None;
        }
        rows += 1;
        varied |= first.is_some_and(|first| first != (*one, *other)) && *one != 0.0 && *other != 0.0;
        first.get_or_insert((*one, *other));
    }
    (rows >= FEWEST && varied).then_some(rows)
}

/// Times of which one is never after the other, and not always the same.
pub(crate) fn orders(columns: &[&ColumnProfile]) -> Vec<Relation> {
    let times: Vec<&&ColumnProfile> = columns.iter().filter(|column| column.nature == Nature::Time).collect();
    let mut found = Vec::new();
    for earlier in &times {
        for later in times.iter().filter(|later| later.name() != earlier.name()) {
            // compared as the database has them: values of one type
            if earlier.column.data_type != later.column.data_type {
                continue;
            }
            let both = || earlier.numbers.iter().zip(&later.numbers).filter_map(|(one, other)| (*one).zip(*other));
            let rows = both().count() as u64;
            if rows >= FEWEST && both().all(|(one, other)| one <= other) && both().any(|(one, other)| one < other) {
                let expect = format!("{} <= {}", named(earlier.name()), named(later.name()));
                let columns = [earlier.name(), later.name()].map(str::to_owned).to_vec();
                found.push(Relation { expect, filter: None, rows, columns });
            }
        }
    }
    found
}

/// Columns that always have a value where another one has a certain value of few, and not elsewhere.
pub(crate) fn present_where(columns: &[&ColumnProfile], kinds: &[&ColumnProfile]) -> Vec<Relation> {
    let mut found = Vec::new();
    for kind in kinds {
        let mut values: Vec<&String> = kind.counts.keys().collect();
        values.sort();
        for column in
            columns.iter().filter(|column| column.nulls > 0 && column.values > 0 && column.name() != kind.name())
        {
            for value in &values {
                let of_value = || {
                    let pairs = kind.texts.iter().zip(&column.texts);
                    pairs.filter(|(own, _)| own.as_ref() == Some(*value)).map(|(_, text)| text.is_some())
                };
                let rows = of_value().count() as u64;
                if rows >= FEWEST && of_value().all(|present| present) {
                    found.push(Relation {
                        expect: format!("{} IS NOT NULL", named(column.name())),
                        filter: Some(format!("{} = '{}'", named(kind.name()), value.replace('\'', "''"))),
                        rows,
                        columns: vec![column.name().to_owned(), kind.name().to_owned()],
                    });
                }
            }
        }
    }
    found
}
