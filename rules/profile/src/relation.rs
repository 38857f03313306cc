//! What holds between columns of a row.

use crate::column::{ColumnProfile, Nature, almost};
use fieldmark_model::name::quote_identifier;

/// A condition over columns of a row, in how many rows it was seen, and in how many of them it did not hold.
pub(crate) struct Relation {
    pub(crate) expect: String,
    pub(crate) filter: Option<String>,
    pub(crate) rows: u64,
    pub(crate) contrary: u64,
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

/// Columns that are the sum or the product of two others, in every row that has all three, or in almost every one.
pub(crate) fn sums(columns: &[&ColumnProfile]) -> Vec<Relation> {
    // what travels as text cannot be calculated with
    let exact = |column: &&&ColumnProfile| {
        matches!(column.nature, Nature::Integer | Nature::Decimal) && !column.column.canonical_text
    };
    // what hardly varies adds up by accident
    let varied = |column: &&&ColumnProfile| column.distinct().is_none_or(|distinct| distinct >= 5);
    let numbers: Vec<&&ColumnProfile> = columns.iter().filter(exact).filter(varied).take(MOST_NUMBERS).collect();
    let mut found: Vec<Relation> = Vec::new();
    for (at, one) in numbers.iter().enumerate() {
        for other in numbers.iter().skip(at + 1) {
            for sum in numbers.iter().filter(|sum| sum.name() != one.name() && sum.name() != other.name()) {
                for (sign, apply) in [("+", add as fn(f64, f64) -> f64), ("*", multiply)] {
                    let Some((rows, contrary)) = holds((sum, one, other), apply) else { continue };
                    let expect =
                        format!("{} = {} {sign} {}", named(sum.name()), named(one.name()), named(other.name()));
                    let columns = [sum.name(), one.name(), other.name()].map(str::to_owned).to_vec();
                    found.push(Relation { expect, filter: None, rows, contrary, columns });
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

/// In how many rows a relation was to be seen, and in how many of them it does not hold; `None` where it does not hold at all, or where
/// nothing tells it from chance.
fn holds(
    (sum, one, other): (&ColumnProfile, &ColumnProfile, &ColumnProfile),
    apply: fn(f64, f64) -> f64,
) -> Option<(u64, u64)> {
    let most = almost(sum.numbers.len() as u64);
    let (mut rows, mut contrary, mut telling) = (0, 0, 0);
    let mut varied = false;
    let mut first = None;
    for ((sum, one), other) in sum.numbers.iter().zip(&one.numbers).zip(&other.numbers) {
        let (Some(sum), Some(one), Some(other)) = (sum, one, other) else { continue };
        rows += 1;
        if (sum - apply(*one, *other)).abs() > 1e-9 * sum.abs().max(1.0) {
            contrary += 1;
            if contrary > most {
                return None;
            }
            continue;
        }
        let both = *one != 0.0 && *other != 0.0;
        varied |= first.is_some_and(|first| first != (*one, *other)) && both;
        first.get_or_insert((*one, *other));
        // where one part changes nothing, the other is the whole by itself
        telling += u64::from(both && apply(*one, *other) != *one && apply(*one, *other) != *other);
    }
    let enough = if contrary == 0 { rows >= FEWEST } else { telling >= FEWEST && contrary <= almost(telling) };
    (enough && varied).then_some((rows, contrary))
}

/// Times of which one is never after the other, or hardly ever, and not always the same.
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
            let contrary = both().filter(|(one, other)| one > other).count() as u64;
            let strictly = both().filter(|(one, other)| one < other).count() as u64;
            let fewest = if contrary == 0 { 1 } else { FEWEST };
            if rows >= FEWEST && contrary <= almost(rows) && strictly >= fewest {
                let expect = format!("{} <= {}", named(earlier.name()), named(later.name()));
                let columns = [earlier.name(), later.name()].map(str::to_owned).to_vec();
                found.push(Relation { expect, filter: None, rows, contrary, columns });
            }
        }
    }
    found
}

/// Columns that always have a value where another one has a certain value of few, or almost always, and rarely elsewhere.
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
                let contrary = of_value().filter(|present| !present).count() as u64;
                let elsewhere = (column.values + contrary).saturating_sub(rows);
                let rarely = elsewhere * 2 < column.rows().saturating_sub(rows);
                if rows >= FEWEST && contrary <= almost(rows) && (contrary == 0 || rarely) {
                    found.push(Relation {
                        expect: format!("{} IS NOT NULL", named(column.name())),
                        filter: Some(format!("{} = '{}'", named(kind.name()), value.replace('\'', "''"))),
                        rows,
                        contrary,
                        columns: vec![column.name().to_owned(), kind.name().to_owned()],
                    });
                }
            }
        }
    }
    found
}
