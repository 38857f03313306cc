//! Rows of SQLite into Arrow columns. A cell that its column cannot hold becomes NULL and a defect; nothing fails a chunk.

use crate::Error;
use arrow::array::{
    ArrayRef, BinaryBuilder, Decimal128Builder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions,
    StringBuilder,
};
use arrow::datatypes::{DataType, Schema};
use fieldmark_model::canonical::{decimal, decimal_parts, hexadecimal};
use fieldmark_model::chunk::DefectKind;
use fieldmark_model::{Cell, Chunk, Column, Defect};
use rusqlite::Row;
use rusqlite::types::ValueRef;
use std::sync::Arc;

/// Values of one chunk that are kept, in bytes; what would go beyond is [`DefectKind::ValueTooLarge`]. Holds memory (and
/// Arrow's 32-bit offsets) whatever is asked for. A scan ends its chunk long before.
pub(super) const CHUNK_BYTES: usize = 64 << 20;

/// SQL of a value under the limit and of its size over the limit: two result columns. `octet_length` looks at the row's
/// header only and loads no overflow page.
pub(super) fn guarded(value: &str, limit: usize) -> [String; 2] {
    // 1 000 000 000 bytes are SQLite's own limit
    let large = format!("octet_length({value}) > {}", limit.min(1_000_000_000));
    [
        format!("CASE WHEN {large} THEN NULL ELSE {value} END"),
        format!("CASE WHEN {large} THEN octet_length({value}) END"),
    ]
}

/// The columns of a chunk while its rows come in. Each takes the two result columns of [`guarded`].
pub(super) struct Cells {
    columns: Vec<Column>,
    builders: Vec<Builder>,
    defects: Vec<Defect>,
    rows: usize,
    bytes: usize,
}

enum Builder {
    Integer(Int64Builder),
    Real(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
}

/// Why a value is not in its column, and its canonical text.
type Unfit = (DefectKind, String);

impl Cells {
    pub(super) fn new(columns: Vec<Column>) -> Result<Self, Error> {
        let builders = columns.iter().map(|column| Builder::new(&column.data_type)).collect::<Result<_, _>>()?;
        Ok(Self { columns, builders, defects: Vec::new(), rows: 0, bytes: 0 })
    }

    /// Number of rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of texts and blobs so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a value so far could not be held.
    pub(super) fn has_defects(&self) -> bool {
        !self.defects.is_empty()
    }

    /// Takes a row, whose result columns begin at `first`.
    pub(super) fn push(&mut self, row: &Row<'_>, first: usize) -> rusqlite::Result<()> {
        for (at, builder) in self.builders.iter_mut().enumerate() {
            let value = row.get_ref(first + 2 * at)?;
            let cell = Cell { row: self.rows, column: at };
            let size = size(&value);
            if let ValueRef::Integer(bytes) = row.get_ref(first + 2 * at + 1)? {
                builder.null();
                let bytes = u64::try_from(bytes).ok();
                self.defects.push(Defect { cell, kind: DefectKind::ValueTooLarge, canonical: None, bytes });
            } else if size.is_some_and(|size| self.bytes > 0 && self.bytes.saturating_add(size) > CHUNK_BYTES) {
                builder.null();
                let bytes = size.and_then(|size| u64::try_from(size).ok());
                self.defects.push(Defect { cell, kind: DefectKind::ValueTooLarge, canonical: None, bytes });
            } else {
                let bytes = size.and_then(|size| u64::try_from(size).ok());
                match builder.push(value) {
                    Ok(kept) => self.bytes += kept,
                    Err((kind, canonical)) => {
                        self.bytes += canonical.len();
                        builder.null();
                        self.defects.push(Defect { cell, kind, canonical: Some(canonical), bytes });
                    }
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Chunk, Error> {
        let fields: Vec<_> = self.columns.iter().map(Column::arrow_field).collect();
        let arrays = self.builders.iter_mut().map(Builder::finish).collect::<Result<Vec<_>, Error>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(internal)?;
        Ok(Chunk { batch, defects: self.defects, stamps: Vec::new() })
    }
}

fn internal(error: arrow::error::ArrowError) -> Error {
    Error::Internal { what: format!("Arrow refused a column: {error}") }
}

fn size(value: &ValueRef<'_>) -> Option<usize> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.len()),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    }
}

impl Builder {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the driver makes columns of these types only")]
    fn new(data_type: &DataType) -> Result<Self, Error> {
        Ok(match data_type {
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Real(Float64Builder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            DataType::Decimal128(precision, scale) => {
                let builder =
                    Decimal128Builder::new().with_precision_and_scale(*precision, *scale).map_err(internal)?;
                Self::Decimal(builder, *precision, *scale)
            }
            other => return Err(Error::Internal { what: format!("no column of SQLite travels as {other}") }),
        })
    }

    fn null(&mut self) {
        match self {
            Self::Integer(builder) => builder.append_null(),
            Self::Real(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
        }
    }

    /// Appends a value and says how many bytes of text or blob are kept.
    fn push(&mut self, value: ValueRef<'_>) -> Result<usize, Unfit> {
        if matches!(value, ValueRef::Null) {
            self.null();
            return Ok(0);
        }
        match self {
            Self::Integer(builder) => match value {
                ValueRef::Integer(value) => builder.append_value(value),
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => return Err(unfit(value)),
            },
            Self::Real(builder) => match value {
                ValueRef::Real(value) => builder.append_value(value),
                ValueRef::Integer(value) if exact(value) => builder.append_value(value as f64),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
                    return Err(unfit(value));
                }
            },
            Self::Decimal(builder, precision, scale) => match decimal_value(value, *precision, *scale) {
                Some(value) => builder.append_value(value),
                None => return Err(unfit(value)),
            },
            Self::Bytes(builder) => match value {
                ValueRef::Blob(bytes) => {
                    builder.append_value(bytes);
                    return Ok(bytes.len());
                }
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => {
                    return Err(unfit(value));
                }
            },
            Self::Text(builder) => {
                let text = text(value)?;
                builder.append_value(&text);
                return Ok(text.len());
            }
        }
        Ok(0)
    }

    fn finish(&mut self) -> Result<ArrayRef, Error> {
        Ok(match self {
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Real(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
        })
    }
}

fn unfit(value: ValueRef<'_>) -> Unfit {
    match text(value) {
        Ok(text) => (DefectKind::Unrepresentable, text.into_owned()),
        Err(unfit) => unfit,
    }
}

/// Canonical text of a value that is not NULL.
fn text(value: ValueRef<'_>) -> Result<std::borrow::Cow<'_, str>, Unfit> {
    Ok(match value {
        ValueRef::Null => "".into(),
        ValueRef::Integer(value) => value.to_string().into(),
        ValueRef::Real(value) => real(value).into(),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => return Err((DefectKind::InvalidEncoding, hexadecimal(bytes))),
        },
        ValueRef::Blob(bytes) => hexadecimal(bytes).into(),
    })
}

/// Canonical text of a REAL. SQLite stores no NaN.
pub(super) fn real(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    decimal(&format!("{value}"))
}

/// Whether an integer is a double too.
fn exact(value: i64) -> bool {
    value.unsigned_abs() <= 1 << 53
}

/// The value times ten to the power of `scale`, if it has at most `scale` digits after the point and `precision` in all.
fn decimal_value(value: ValueRef<'_>, precision: u8, scale: i8) -> Option<i128> {
    let scale = u32::try_from(scale).ok()?;
    let limit = 10i128.checked_pow(u32::from(precision))?;
    let unscaled = match value {
        ValueRef::Integer(value) => i128::from(value).checked_mul(10i128.checked_pow(scale)?)?,
        ValueRef::Real(value) if value.is_finite() => match short(value, scale) {
            Some(unscaled) => unscaled,
            None => unscaled(&format!("{value}"), scale)?,
        },
        ValueRef::Text(bytes) => unscaled(std::str::from_utf8(bytes).ok()?, scale)?,
        ValueRef::Real(_) | ValueRef::Null | ValueRef::Blob(_) => return None,
    };
    (unscaled.checked_abs()? < limit).then_some(unscaled)
}

/// The same without text, for doubles of at most 15 digits: a decimal of so many digits is the shortest one of its double, and
/// the quotient of two whole doubles is the double nearest to it.
fn short(value: f64, scale: u32) -> Option<i128> {
    let power = 10f64.powi(i32::try_from(scale).ok().filter(|scale| *scale <= 15)?);
    let whole = (value * power).round();
    (whole.abs() < 1e15 && whole / power == value).then_some(whole as i128)
}

fn unscaled(text: &str, scale: u32) -> Option<i128> {
    let parts = decimal_parts(text)?;
    let missing = scale.checked_sub(u32::try_from(parts.scale()).ok()?)?;
    let digits = parts.to_string().replace('.', "").parse::<i128>().ok()?;
    digits.checked_mul(10i128.checked_pow(missing)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (value, expected) in [
            (ValueRef::Integer(12), Some(1200)),
            (ValueRef::Real(0.1), Some(10)),
            (ValueRef::Real(-19.99), Some(-1999)),
            (ValueRef::Real(0.001), None),
            (ValueRef::Real(f64::INFINITY), None),
            (ValueRef::Real(1e30), None),
            (ValueRef::Integer(i64::MAX), None),
            (ValueRef::Integer(99_999_999), None),
            (ValueRef::Text(b"12.5"), Some(1250)),
            (ValueRef::Text(b"1e2"), Some(10_000)),
            (ValueRef::Text(b"-0.00"), Some(0)),
            (ValueRef::Text(b"twelve"), None),
            (ValueRef::Text(b"\xff"), None),
            (ValueRef::Blob(b"1"), None),
        ] {
            assert_eq!(decimal_value(value, 9, 2), expected, "{value:?}");
        }
        for cents in (-2_000_000..2_000_000i64).step_by(37) {
            let value = cents as f64 / 100.0;
            assert_eq!(short(value, 2), Some(i128::from(cents)));
            assert_eq!(unscaled(&format!("{value}"), 2), Some(i128::from(cents)));
            for other in [value.next_up(), value.next_down()] {
                assert_eq!((short(other, 2), unscaled(&format!("{other}"), 2)), (None, None), "{other:e}");
            }
        }
        assert_eq!(decimal_value(ValueRef::Integer(1), 38, 37), Some(10i128.pow(37)));
        assert_eq!(decimal_value(ValueRef::Integer(i64::MAX), 38, 37), None);
    }
}
