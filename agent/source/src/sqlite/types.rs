//! What a declared type means, in SQLite's own order of rules, and the Arrow type that its values travel in.

use arrow::datatypes::DataType;
use fieldmark_model::Column;

/// SQLite's column affinity (<https://www.sqlite.org/datatype3.html>, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affinity {
    /// Declared as some `INT`.
    Integer,
    /// Declared as some `CHAR`, `CLOB` or `TEXT`.
    Text,
    /// Declared as some `BLOB`.
    Blob,
    /// Declared as some `REAL`, `FLOA` or `DOUB`.
    Real,
    /// Anything else: text that reads as a number is stored as one.
    Numeric,
    /// No type (and `ANY`, which in a STRICT table converts nothing): whatever was given is stored.
    None,
}

/// The affinity of a declared type.
pub(super) fn affinity(declared: &str) -> Affinity {
    let declared = declared.to_ascii_uppercase();
    let any = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
    if any(&["INT"]) {
        Affinity::Integer
    } else if any(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if any(&["BLOB"]) {
        Affinity::Blob
    } else if declared.trim().is_empty() || declared.trim() == "ANY" {
        Affinity::None
    } else if any(&["REAL", "FLOA", "DOUB"]) {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// Names of NUMERIC affinity whose values are text by convention, so that they travel as text of their own and not as the
/// canonical text of a number.
const WRITTEN_AS_TEXT: [&str; 10] =
    ["DATE", "DATETIME", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "JSON", "JSONB", "UUID", "GUID", "STRING"];

/// A column of a table. See the table in [`crate::sqlite`].
pub(super) fn column(name: String, declared: String, nullable: bool) -> Column {
    let (data_type, canonical_text) = match affinity(&declared) {
        Affinity::Integer => (DataType::Int64, false),
        Affinity::Text => (DataType::Utf8, false),
        Affinity::Blob => (DataType::Binary, false),
        Affinity::Real => (DataType::Float64, false),
        Affinity::None => (DataType::Utf8, true),
        Affinity::Numeric => numeric(&declared),
    };
    Column { name, identity: None, declared, data_type, canonical_text, nullable, readable: true }
}

fn numeric(declared: &str) -> (DataType, bool) {
    let upper = declared.to_ascii_uppercase();
    let base = upper.split(['(', ' ']).next().unwrap_or_default();
    if matches!(base, "BOOLEAN" | "BOOL") {
        return (DataType::Int64, false);
    }
    if matches!(base, "DECIMAL" | "NUMERIC" | "DEC")
        && let Some((precision, scale)) = precision_and_scale(&upper)
    {
        return (DataType::Decimal128(precision, scale), false);
    }
    (DataType::Utf8, !WRITTEN_AS_TEXT.contains(&base))
}

/// `(12,2)`, or `(12)` for scale 0; `None` where there is none or Arrow has no such decimal.
fn precision_and_scale(declared: &str) -> Option<(u8, i8)> {
    let (_, rest) = declared.split_once('(')?;
    let (inner, _) = rest.split_once(')')?;
    let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
    let precision = precision.trim().parse::<u8>().ok()?;
    let scale = scale.trim().parse::<i8>().ok()?;
    let fits = (1..=38).contains(&precision) && scale >= 0 && scale.unsigned_abs() <= precision;
    fits.then_some((precision, scale))
}

/// The name by which a rowid can be asked for where the table has no column of that name.
pub(super) const ROWID: &str = "rowid";

/// The rowid as a column.
pub(super) fn rowid() -> Column {
    Column::row_number(ROWID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_travel_as_documented() {
        for (declared, expected, canonical) in [
            ("INTEGER", DataType::Int64, false),
            ("bigint", DataType::Int64, false),
            ("UNSIGNED BIG INT", DataType::Int64, false),
            ("Boolean", DataType::Int64, false),
            ("FLOATING POINT", DataType::Int64, false), // POINT contains INT: SQLite's own rule
            ("REAL", DataType::Float64, false),
            ("double precision", DataType::Float64, false),
            ("DECIMAL(12,2)", DataType::Decimal128(12, 2), false),
            ("numeric ( 38 , 38 )", DataType::Decimal128(38, 38), false),
            ("NUMERIC(5)", DataType::Decimal128(5, 0), false),
            ("NUMERIC(39,2)", DataType::Utf8, true),
            ("NUMERIC(5,6)", DataType::Utf8, true),
            ("NUMERIC(5,-1)", DataType::Utf8, true),
            ("NUMERIC", DataType::Utf8, true),
            ("MONEY", DataType::Utf8, true),
            ("VARCHAR(20)", DataType::Utf8, false),
            ("TIMESTAMP WITH TIME ZONE", DataType::Utf8, false),
            ("DATE", DataType::Utf8, false),
            ("uuid", DataType::Utf8, false),
            ("BLOB", DataType::Binary, false),
            ("", DataType::Utf8, true),
            ("ANY", DataType::Utf8, true),
        ] {
            let column = column("c".into(), declared.into(), true);
            assert_eq!((column.data_type, column.canonical_text), (expected, canonical), "{declared}");
        }
    }
}
