//! Columns by their declaration alone: what the catalogue of a database would say of a column of such a type.

use super::types::BaseType;
use fieldmark_model::Column;

/// A type by its names.
struct Named {
    /// The name that `format_type` writes, then all others.
    names: &'static [&'static str],
    /// Its oid; 0 where it has no fixed one.
    oid: u32,
    takes: Takes,
}

/// What may stand in parentheses behind a type's name.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    /// Number of characters or bits.
    Length,
    /// Digits after the point of a second.
    Seconds,
    /// Precision and scale.
    Digits,
}

const fn named(names: &'static [&'static str], oid: u32, takes: Takes) -> Named {
    Named { names, oid, takes }
}

/// Types by name. Those from `interval` on are not decoded: they travel as the text that their output function writes.
static TYPES: [Named; 38] = [
    named(&["smallint", "int2", "smallserial"], 21, Takes::Nothing),
    named(&["integer", "int", "int4", "serial"], 23, Takes::Nothing),
    named(&["bigint", "int8", "bigserial"], 20, Takes::Nothing),
    named(&["numeric", "decimal", "dec"], 1700, Takes::Digits),
    named(&["real", "float4"], 700, Takes::Nothing),
    named(&["double precision", "float8", "float"], 701, Takes::Nothing),
    named(&["boolean", "bool"], 16, Takes::Nothing),
    named(&["text"], 25, Takes::Nothing),
    named(&["character varying", "varchar"], 1043, Takes::Length),
    named(&["character", "char"], 1042, Takes::Length),
    named(&["bpchar"], 1042, Takes::Nothing),
    named(&["name"], 19, Takes::Nothing),
    named(&["date"], 1082, Takes::Nothing),
    named(&["time without time zone", "time"], 1083, Takes::Seconds),
    named(&["timestamp without time zone", "timestamp"], 1114, Takes::Seconds),
    named(&["timestamp with time zone", "timestamptz"], 1184, Takes::Seconds),
    named(&["uuid"], 2950, Takes::Nothing),
    named(&["json"], 114, Takes::Nothing),
    named(&["jsonb"], 3802, Takes::Nothing),
    named(&["bytea"], 17, Takes::Nothing),
    named(&["oid"], 26, Takes::Nothing),
    named(&["interval"], 1186, Takes::Nothing),
    named(&["time with time zone", "timetz"], 1266, Takes::Seconds),
    named(&["money"], 790, Takes::Nothing),
    named(&["inet"], 869, Takes::Nothing),
    named(&["cidr"], 650, Takes::Nothing),
    named(&["macaddr"], 829, Takes::Nothing),
    named(&["macaddr8"], 774, Takes::Nothing),
    named(&["bit"], 1560, Takes::Length),
    named(&["bit varying", "varbit"], 1562, Takes::Length),
    named(&["xml"], 142, Takes::Nothing),
    named(&["point"], 600, Takes::Nothing),
    named(&["tsvector"], 3614, Takes::Nothing),
    named(&["int4range"], 3904, Takes::Nothing),
    named(&["daterange"], 3912, Takes::Nothing),
    named(&["tstzrange"], 3910, Takes::Nothing),
    named(&["citext"], 0, Takes::Nothing),
    named(&["hstore"], 0, Takes::Nothing),
];

/// Names of types that [`declared_column`] knows.
pub fn declared_types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().flat_map(|named| named.names.iter().copied())
}

/// A column that is declared so (`numeric(12,2)`, `timestamptz`, `text[]`), as the catalogue would give it; `None` for a type that has no
/// such name, or that takes no such numbers. Types of a database's own have no name here: an enum travels as `text`, a domain as its
/// base type.
pub fn declared_column(name: impl Into<String>, declared: &str, nullable: bool) -> Option<Column> {
    let lower = declared.trim().to_lowercase();
    let element = lower.trim_end_matches("[]").trim_end();
    let is_array = element.len() != lower.len();
    let (words, numbers) = parts(element)?;
    let named = TYPES.iter().find(|named| named.names.contains(&words.as_str()))?;
    let (numbers, modifier) = modifier(named, numbers)?;
    let spelled = spelled(named.names.first()?, &numbers);
    // an array is one value whose text its output function writes
    let oid = if is_array { 0 } else { named.oid };
    let (data_type, canonical_text) = BaseType { oid, modifier, is_enum: false, variable: true }.family().arrow();
    Some(Column {
        name: name.into(),
        identity: None,
        declared: if is_array { format!("{spelled}[]") } else { spelled },
        data_type,
        canonical_text,
        nullable,
        readable: true,
    })
}

/// The words of a declaration with one space between them, and the numbers in its parentheses.
fn parts(declared: &str) -> Option<(String, Vec<i32>)> {
    let (words, numbers) = match declared.split_once('(') {
        Some((before, rest)) => {
            let (inside, after) = rest.split_once(')')?;
            let numbers = inside.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<i32>>>()?;
            (format!("{before} {after}"), numbers)
        }
        None => (declared.to_owned(), Vec::new()),
    };
    Some((words.split_whitespace().collect::<Vec<_>>().join(" "), numbers))
}

/// The numbers as they are shown, and the modifier that the catalogue has for them.
fn modifier(named: &Named, numbers: Vec<i32>) -> Option<(Vec<i32>, i32)> {
    let modifier = match (named.takes, numbers.as_slice()) {
        // a bare `char` has one character, a bare `bit` one bit
        (Takes::Length, []) if matches!(named.oid, 1042 | 1560) => return Some((vec![1], 5)),
        (_, []) => -1,
        (Takes::Length, [length]) if (1..=10_485_760).contains(length) => *length + 4,
        (Takes::Seconds, [digits]) if (0..=6).contains(digits) => *digits,
        (Takes::Digits, [precision]) if (1..=1000).contains(precision) => {
            return Some((vec![*precision, 0], (*precision << 16) + 4));
        }
        (Takes::Digits, [precision, scale]) if (1..=1000).contains(precision) && (-1000..=1000).contains(scale) => {
            ((*precision << 16) | (*scale & 0x7ff)) + 4
        }
        (Takes::Nothing | Takes::Length | Takes::Seconds | Takes::Digits, _) => return None,
    };
    Some((numbers, modifier))
}

/// As `format_type` writes it: `timestamp(3) with time zone`.
fn spelled(name: &str, numbers: &[i32]) -> String {
    if numbers.is_empty() {
        return name.to_owned();
    }
    let inside = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    match name.split_once(" with") {
        Some((first, rest)) => format!("{first}({inside}) with{rest}"),
        None => format!("{name}({inside})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, TimeUnit};

    #[test]
    fn declarations_are_what_the_catalogue_says() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (declared, spelled, data_type, canonical) in [
            ("bigint", "bigint", DataType::Int64, false),
            ("INT", "integer", DataType::Int32, false),
            ("serial", "integer", DataType::Int32, false),
            ("numeric(12,2)", "numeric(12,2)", DataType::Decimal128(12, 2), false),
            ("Decimal ( 12 , 2 )", "numeric(12,2)", DataType::Decimal128(12, 2), false),
            ("numeric(5)", "numeric(5,0)", DataType::Decimal128(5, 0), false),
            ("numeric(3,-2)", "numeric(3,-2)", DataType::Decimal128(5, 0), false),
            ("numeric(40,2)", "numeric(40,2)", DataType::Decimal256(40, 2), false),
            ("numeric", "numeric", DataType::Utf8, true),
            ("double  precision", "double precision", DataType::Float64, false),
            ("varchar(20)", "character varying(20)", DataType::Utf8, false),
            ("char", "character(1)", DataType::Utf8, false),
            ("timestamptz", "timestamp with time zone", zoned.clone(), false),
            ("timestamp(3) with time zone", "timestamp(3) with time zone", zoned.clone(), false),
            ("timestamptz(3)", "timestamp(3) with time zone", zoned, false),
            ("time", "time without time zone", DataType::Time64(TimeUnit::Microsecond), false),
            ("uuid", "uuid", DataType::Utf8, false),
            ("jsonb", "jsonb", DataType::Utf8, false),
            ("bytea", "bytea", DataType::Binary, false),
            ("oid", "oid", DataType::UInt32, false),
            ("text[]", "text[]", DataType::Utf8, true),
            ("numeric(12,2)[][]", "numeric(12,2)[]", DataType::Utf8, true),
            ("inet", "inet", DataType::Utf8, true),
            ("citext", "citext", DataType::Utf8, true),
        ] {
            let column = declared_column("c", declared, true).unwrap_or_else(|| panic!("{declared}"));
            assert_eq!(
                (column.declared.as_str(), column.data_type, column.canonical_text),
                (spelled, data_type, canonical)
            );
        }
        for declared in ["", "bigin", "text(3)", "varchar(0)", "numeric(1,2,3)", "numeric(", "numeric(x)", "[]", "mood"]
        {
            assert!(declared_column("c", declared, true).is_none(), "{declared}");
        }
    }

    #[test]
    fn every_type_is_known_by_each_of_its_names() {
        for name in declared_types() {
            assert!(declared_column("c", name, true).is_some(), "{name}");
        }
    }
}
