//! Sampled values on their way back into SQLite: one JSON parameter for a whole batch, whatever its size.
//!
//! A row of the batch becomes `[n, a, b, ..]`, with its number and a value for each column. Columns that travel as canonical
//! text do not say in which storage class the value was stored: such a row becomes one element for each class that it can
//! have been (`[0, "12"]` and `[0, 12]`), under the column's affinity, so that no row of the table equals two of them.

use super::cells::real;
use super::types::{Affinity, affinity};
use crate::Error;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use fieldmark_model::canonical::{canonical_text, decimal, decimal_parts};
use fieldmark_model::{Column, TableName};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use std::collections::BTreeSet;

/// A value as SQLite stores it. Text is bytes, because SQLite's need not be UTF-8.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stored {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Stored {
    pub(super) fn from_ref(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(bytes) => Self::Text(bytes.to_vec()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }

    fn json(&self) -> Result<String, Error> {
        Ok(match self {
            Self::Null => "null".to_owned(),
            Self::Integer(value) => value.to_string(),
            // SQLite's reading of decimals is off by a bit now and then
            Self::Real(value) => format!("{{\"r\":{}}}", value.to_bits().cast_signed()),
            Self::Text(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                serde_json::to_string(&text).map_err(|error| Error::Internal { what: format!("JSON: {error}") })?
            }
            Self::Blob(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{{\"x\":\"{hex}\"}}")
            }
        })
    }
}

impl ToSql for Stored {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A batch of values as a JSON parameter, and how statements get at them.
pub(super) struct Keys {
    /// The parameter.
    pub(super) json: Stored,
    /// For each column, whether some of its values are doubles or blobs, which JSON does not have: objects stand for them.
    objects: Vec<bool>,
}

impl Keys {
    /// Values of these columns of a table. Rows with a NULL equal nothing and are left out, rows that are the same come once.
    pub(super) fn distinct(table: &TableName, columns: &[Column], values: &RecordBatch) -> Result<Self, Error> {
        Self::new(table, columns, values, true)
    }

    /// As [`Self::distinct`], with every row under its own number.
    pub(super) fn numbered(table: &TableName, columns: &[Column], values: &RecordBatch) -> Result<Self, Error> {
        Self::new(table, columns, values, false)
    }

    fn new(table: &TableName, columns: &[Column], values: &RecordBatch, distinct: bool) -> Result<Self, Error> {
        if values.num_columns() != columns.len() {
            let what = format!("{} columns of {table} were named and {} given", columns.len(), values.num_columns());
            return Err(Error::Internal { what });
        }
        let mut objects = vec![false; columns.len()];
        let mut seen = BTreeSet::new();
        let mut elements = Vec::new();
        for row in 0..values.num_rows() {
            let mut alternatives = vec![String::new()];
            for ((column, array), objects) in columns.iter().zip(values.columns()).zip(&mut objects) {
                let mut longer = Vec::new();
                for value in stored(column, array, row)? {
                    *objects |= matches!(value, Stored::Real(_) | Stored::Blob(_));
                    let json = value.json()?;
                    longer.extend(alternatives.iter().map(|before| format!("{before},{json}")));
                }
                alternatives = longer;
            }
            for alternative in alternatives {
                if !distinct || !seen.contains(&alternative) {
                    elements.push(format!("[{row}{alternative}]"));
                    seen.insert(alternative);
                }
            }
        }
        Ok(Self { json: Stored::Text(format!("[{}]", elements.join(",")).into_bytes()), objects })
    }

    /// SQL of the values of an element of `v`, a `json_each(?1)`. They have no affinity, so that the other side's holds.
    pub(super) fn values(&self) -> Vec<String> {
        let value = |(at, objects): (usize, &bool)| {
            let at = at + 1;
            if *objects {
                format!(
                    "CASE json_type(v.value, '$[{at}]') WHEN 'object' THEN coalesce(unhex(v.value ->> '$[{at}].x'), \
                     {DOUBLE}(v.value ->> '$[{at}].r')) ELSE (v.value ->> {at}) END"
                )
            } else {
                format!("(v.value ->> {at})")
            }
        };
        self.objects.iter().enumerate().map(value).collect()
    }
}

/// The function that makes a double of its bits.
const DOUBLE: &str = "fieldmark_double";

/// Gives a connection the function that makes a double of its bits. Statements have it, views and triggers do not.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(DOUBLE, 1, flags, |context| {
        Ok(context.get::<Option<i64>>(0)?.map(|bits| f64::from_bits(bits.cast_unsigned())))
    })
}

/// What may be stored where a column gave this value: one, or one for each storage class; nothing for NULL.
pub(super) fn stored(column: &Column, array: &ArrayRef, row: usize) -> Result<Vec<Stored>, Error> {
    if array.is_null(row) {
        return Ok(Vec::new());
    }
    let canonical = || {
        let text = canonical_text(array, row).ok().flatten();
        text.ok_or_else(|| Error::Internal { what: format!("no key can be made of {}", array.data_type()) })
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other type goes by its canonical text")]
    Ok(match array.data_type() {
        DataType::Boolean => vec![Stored::Integer(i64::from(array.as_boolean().value(row)))],
        DataType::Float32 => vec![float(f64::from(array.as_primitive::<Float32Type>().value(row)))],
        DataType::Float64 => vec![float(array.as_primitive::<Float64Type>().value(row))],
        DataType::Binary => vec![Stored::Blob(array.as_binary::<i32>().value(row).to_vec())],
        DataType::LargeBinary => vec![Stored::Blob(array.as_binary::<i64>().value(row).to_vec())],
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => by_text(&canonical()?, affinity(&column.declared)),
        _ => {
            let text = canonical()?;
            vec![number(&text).unwrap_or_else(|| Stored::Text(text.into_bytes()))]
        }
    })
}

fn float(value: f64) -> Stored {
    // one spelling of zero; SQLite takes NaN for NULL, which equals nothing
    if value == 0.0 {
        Stored::Real(0.0)
    } else if value.is_nan() {
        Stored::Null
    } else {
        Stored::Real(value)
    }
}

/// The number of which this is the canonical text.
fn number(text: &str) -> Option<Stored> {
    match text {
        "Infinity" => return Some(Stored::Real(f64::INFINITY)),
        "-Infinity" => return Some(Stored::Real(f64::NEG_INFINITY)),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') || decimal(text) != text {
        return None;
    }
    if let Ok(value) = text.parse::<i64>() {
        return Some(Stored::Integer(value));
    }
    text.parse::<f64>().ok().map(Stored::Real)
}

/// Whether SQLite would take the text for a number, as `012` or ` 1e2 `.
fn reads_as_number(text: &str) -> bool {
    decimal_parts(text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b')).is_some()
}

/// Every stored value with this canonical text that a column of this affinity can hold.
fn by_text(text: &str, affinity: Affinity) -> Vec<Stored> {
    let plain = Stored::Text(text.as_bytes().to_vec());
    let mut values = match (affinity, number(text)) {
        // such a text is stored as another one, of which this is not the canonical text
        (Affinity::Integer | Affinity::Real | Affinity::Numeric, None) if reads_as_number(text) => Vec::new(),
        (Affinity::Text, _) | (_, None) => vec![plain],
        // text that reads as a number is stored as one, and `Infinity` is no number to SQLite
        (Affinity::Integer | Affinity::Real | Affinity::Numeric, Some(number)) if !text.ends_with("Infinity") => {
            vec![number]
        }
        (Affinity::Integer | Affinity::Real | Affinity::Numeric | Affinity::Blob | Affinity::None, Some(number)) => {
            // a double whose shortest decimal is another one was never written so
            let other = matches!(number, Stored::Real(value) if real(value) != text);
            if other { vec![plain] } else { vec![plain, number] }
        }
    };
    values.extend(blob(text));
    values
}

fn blob(text: &str) -> Option<Stored> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if digits.len() % 2 != 0 {
        return None;
    }
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? * 16 + digit(low)?),
        _ => None,
    };
    digits.chunks(2).map(pair).collect::<Option<Vec<u8>>>().map(Stored::Blob)
}
