//! One column of values: from the server's text into an Arrow builder, or a defect.

use super::types::Family;
use crate::Error;
use arrow::array::{
    ArrayRef, BinaryBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    UInt64Builder,
};
use arrow::datatypes::{DataType, i256};
use chrono::{NaiveDate, NaiveTime, Timelike as _};
use fieldmark_model::canonical::hexadecimal;
use fieldmark_model::chunk::DefectKind;
use std::str::FromStr as _;
use std::sync::Arc;

/// Why a value is not in its column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) kind: DefectKind,
    pub(super) canonical: Option<String>,
    pub(super) bytes: Option<u64>,
}

impl Flaw {
    pub(super) fn too_large(bytes: u64) -> Self {
        Self { kind: DefectKind::ValueTooLarge, canonical: None, bytes: Some(bytes) }
    }

    fn unrepresentable(text: &str) -> Self {
        Self { kind: DefectKind::Unrepresentable, canonical: Some(text.to_owned()), bytes: None }
    }
}

enum Builder {
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt64(UInt64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal128(Decimal128Builder, i8),
    Decimal256(Decimal256Builder, i8),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    /// And what its texts end in.
    Timestamp(TimestampMicrosecondBuilder, &'static str),
}

/// A column being filled.
pub(super) struct Cells {
    builder: Builder,
}

/// A value that the column's type cannot have: the table's column is another one than it was.
pub(super) struct Foreign;

impl Cells {
    #[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: a family has no other types")]
    pub(super) fn new(family: Family) -> Result<Self, Error> {
        let made = |error: arrow::error::ArrowError| Error::Internal { what: format!("a column of decimals: {error}") };
        let (data_type, _) = family.arrow();
        let builder = match data_type {
            DataType::Int16 => Builder::Int16(Int16Builder::new()),
            DataType::Int32 => Builder::Int32(Int32Builder::new()),
            DataType::Int64 => Builder::Int64(Int64Builder::new()),
            DataType::UInt64 => Builder::UInt64(UInt64Builder::new()),
            DataType::Float32 => Builder::Float(Float32Builder::new()),
            DataType::Float64 => Builder::Double(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => Builder::Decimal128(
                Decimal128Builder::new().with_precision_and_scale(precision, scale).map_err(made)?,
                scale,
            ),
            DataType::Decimal256(precision, scale) => Builder::Decimal256(
                Decimal256Builder::new().with_precision_and_scale(precision, scale).map_err(made)?,
                scale,
            ),
            DataType::Utf8 => Builder::Text(StringBuilder::new()),
            DataType::Binary => Builder::Bytes(BinaryBuilder::new()),
            DataType::Date32 => Builder::Date(Date32Builder::new()),
            DataType::Time64(_) => Builder::Time(Time64MicrosecondBuilder::new()),
            DataType::Timestamp(_, zone) => {
                let end = if zone.is_some() { "Z" } else { "" };
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone_opt(zone), end)
            }
            other => return Err(Error::Internal { what: format!("no column of MariaDB travels as {other}") }),
        };
        Ok(Self { builder })
    }

    pub(super) fn null(&mut self) {
        match &mut self.builder {
            Builder::Int16(builder) => builder.append_null(),
            Builder::Int32(builder) => builder.append_null(),
            Builder::Int64(builder) => builder.append_null(),
            Builder::UInt64(builder) => builder.append_null(),
            Builder::Float(builder) => builder.append_null(),
            Builder::Double(builder) => builder.append_null(),
            Builder::Decimal128(builder, _) => builder.append_null(),
            Builder::Decimal256(builder, _) => builder.append_null(),
            Builder::Text(builder) => builder.append_null(),
            Builder::Bytes(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Time(builder) => builder.append_null(),
            Builder::Timestamp(builder, _) => builder.append_null(),
        }
    }

    /// Appends a value as the server sends it; a flaw where Arrow cannot hold it, which then is NULL.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Flaw>, Foreign> {
        if let Builder::Bytes(builder) = &mut self.builder {
            builder.append_value(bytes);
            return Ok(None);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.null();
            let canonical = Some(hexadecimal(bytes));
            return Ok(Some(Flaw { kind: DefectKind::InvalidEncoding, canonical, bytes: None }));
        };
        let read = match &mut self.builder {
            Builder::Bytes(_) => return Err(Foreign),
            Builder::Text(builder) => {
                builder.append_value(text);
                return Ok(None);
            }
            Builder::Int16(builder) => text.parse().map(|value| builder.append_value(value)).map_err(|_| Foreign),
            Builder::Int32(builder) => text.parse().map(|value| builder.append_value(value)).map_err(|_| Foreign),
            Builder::Int64(builder) => text.parse().map(|value| builder.append_value(value)).map_err(|_| Foreign),
            Builder::UInt64(builder) => text.parse().map(|value| builder.append_value(value)).map_err(|_| Foreign),
            // the text is that of a double that is a float
            Builder::Float(builder) => {
                text.parse::<f64>().map(|value| builder.append_value(value as f32)).map_err(|_| Foreign)
            }
            Builder::Double(builder) => text.parse().map(|value| builder.append_value(value)).map_err(|_| Foreign),
            Builder::Decimal128(builder, scale) => unscaled(text, *scale)
                .and_then(|digits| digits.parse().ok())
                .map(|value| builder.append_value(value))
                .ok_or(Foreign),
            Builder::Decimal256(builder, scale) => unscaled(text, *scale)
                .and_then(|digits| i256::from_str(&digits).ok())
                .map(|value| builder.append_value(value))
                .ok_or(Foreign),
            Builder::Date(builder) => match days(text) {
                Some(days) => {
                    builder.append_value(days);
                    Ok(())
                }
                None => return Ok(Some(self.unfit(text))),
            },
            Builder::Time(builder) => match time_of_day(text) {
                Some(microseconds) => {
                    builder.append_value(microseconds);
                    Ok(())
                }
                None => return Ok(Some(self.unfit(short(text)))),
            },
            Builder::Timestamp(builder, end) => match moment(text) {
                Some(microseconds) => {
                    builder.append_value(microseconds);
                    Ok(())
                }
                None => {
                    let text = format!("{}{end}", short(text).replacen(' ', "T", 1));
                    return Ok(Some(self.unfit(&text)));
                }
            },
        };
        read.map(|()| None)
    }

    /// A date that is none, or a time of more than a day.
    fn unfit(&mut self, text: &str) -> Flaw {
        self.null();
        Flaw::unrepresentable(text)
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        match &mut self.builder {
            Builder::Int16(builder) => Arc::new(builder.finish()),
            Builder::Int32(builder) => Arc::new(builder.finish()),
            Builder::Int64(builder) => Arc::new(builder.finish()),
            Builder::UInt64(builder) => Arc::new(builder.finish()),
            Builder::Float(builder) => Arc::new(builder.finish()),
            Builder::Double(builder) => Arc::new(builder.finish()),
            Builder::Decimal128(builder, _) => Arc::new(builder.finish()),
            Builder::Decimal256(builder, _) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Bytes(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder, _) => Arc::new(builder.finish()),
        }
    }
}

/// A time without zeros at the end of its fraction.
fn short(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// The digits of a decimal that has so many after the point.
fn unscaled(text: &str, scale: i8) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let missing = usize::try_from(scale).ok()?.checked_sub(fraction.len())?;
    Some(format!("{whole}{fraction}{}", "0".repeat(missing)))
}

/// Days since 1970-01-01; `None` for `0000-00-00` and the like, which are no dates.
fn days(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds since midnight; `None` below zero and from 24 hours on.
fn time_of_day(text: &str) -> Option<i64> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1_000))
}

/// Microseconds since 1970-01-01.
fn moment(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    i64::from(days(date)?).checked_mul(86_400_000_000)?.checked_add(time_of_day(time)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldmark_model::canonical::canonical_text;

    fn read(declared: &str, text: &[u8]) -> String {
        let mut cells = Cells::new(Family::of(declared)).unwrap();
        let flaw = cells.push(text).ok().unwrap();
        let array = cells.finish();
        match flaw {
            Some(flaw) => format!("!{}", flaw.canonical.unwrap_or_default()),
            None => canonical_text(&array, 0).unwrap().unwrap(),
        }
    }

    #[test]
    fn values_are_read_or_told_apart() {
        assert_eq!(read("decimal(65,30)", b"-1.500000000000000000000000000000"), "-1.5");
        assert_eq!(read("decimal(12,2)", b"12.50"), "12.5");
        assert_eq!(read("float", b"0.10000000149011612"), "0.1");
        assert_eq!(read("date", b"2024-02-29"), "2024-02-29");
        assert_eq!(read("date", b"0000-00-00"), "!0000-00-00");
        assert_eq!(read("date", b"2024-00-10"), "!2024-00-10");
        assert_eq!(read("time(2)", b"10:00:00.25"), "10:00:00.25");
        assert_eq!(read("time(2)", b"-10:00:00.25"), "!-10:00:00.25");
        assert_eq!(read("time", b"838:59:59"), "!838:59:59");
        assert_eq!(read("timestamp(6)", b"2024-01-01 00:00:00.500000"), "2024-01-01T00:00:00.5Z");
        assert_eq!(read("datetime", b"0000-00-00 00:00:00"), "!0000-00-00T00:00:00");
        assert_eq!(read("varchar(3)", b"a\xff"), "!\\x61ff");
        assert_eq!(read("blob", b"a\xff"), "\\x61ff");
        let mut cells = Cells::new(Family::Int32).unwrap();
        assert!(cells.push(b"twelve").is_err());
    }
}
