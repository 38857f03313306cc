//! Whether a cell before and a cell after hold the same value, and what was lost where they do not.
//!
//! Equal canonical text is equal, whatever the types. Where a change of type respells a value without losing anything, both
//! spellings are one. This is the whole table of such lossless equivalences:
//!
//! | Types | Equal |
//! |---|---|
//! | timestamp, timestamp with time zone, date, text | the same instant; UTC where no zone is stated; a date is its midnight |
//! | boolean, number | `true` and 1, `false` and 0 |
//! | boolean, text | `true t yes y on 1`, `false f no n off 0`, in any case |
//! | number to text | the same number, however spelled (from text to number the spelling is lost: [`LossKind::Form`]) |
//! | real, double precision | the same number once both are double precision |
//! | character(n), other text | the same but for trailing blanks |
//! | json, jsonb, text | the same value, blanks and order of keys apart |
//! | uuid to text | the same in any case |
//! | uuid, bytes | the same 16 bytes |
//! | bytes, text | the same bytes in UTF-8 |

use crate::loss::loss;
use crate::{instant, json, number};
use arrow::datatypes::DataType;
use fieldmark_model::canonical::{decimal, hexadecimal};
use fieldmark_model::migration::LossKind;
use fieldmark_model::{CellText, Column};

/// What databases read as true, in any case.
pub(crate) const TRUE_WORDS: [&str; 6] = ["true", "t", "yes", "y", "on", "1"];
/// What databases read as false, in any case.
pub(crate) const FALSE_WORDS: [&str; 6] = ["false", "f", "no", "n", "off", "0"];

/// Kinds of values that are respelled in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `true`, `false`.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Decimals.
    Decimal,
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
    /// Text.
    Text,
    /// Text whose trailing blanks mean nothing (`character(n)`).
    PaddedText,
    /// Bytes.
    Bytes,
    /// Dates.
    Date,
    /// Times of day.
    Time,
    /// Points in time without a zone.
    Timestamp,
    /// Points in time with one.
    TimestampZone,
    /// UUIDs.
    Uuid,
    /// JSON, in text or binary form.
    Json,
    /// Anything else, in the database's own spelling.
    Other,
}

/// What two cells are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The same value.
    Same,
    /// Another value, and what it lost.
    Changed(LossKind),
    /// Nobody can tell: one of them was not read whole.
    NotCompared,
}

impl Kind {
    /// The kind of a column's values.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "Arrow's types, most of which no driver delivers")]
    pub fn of(column: &Column) -> Self {
        let declared = column.declared.as_str();
        match &column.data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Decimal128(..) | DataType::Decimal256(..) => Self::Decimal,
            DataType::Date32 => Self::Date,
            DataType::Time64(_) => Self::Time,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampZone,
            DataType::Binary | DataType::LargeBinary => Self::Bytes,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => match declared {
                "uuid" => Self::Uuid,
                "json" | "jsonb" => Self::Json,
                "bpchar" | "character" => Self::PaddedText,
                _ if declared.starts_with("character(") => Self::PaddedText,
                _ if !column.canonical_text => Self::Text,
                _ if declared.starts_with("numeric") || declared.starts_with("decimal") => Self::Decimal,
                _ => Self::Other,
            },
            other if other.is_integer() => Self::Integer,
            _ => Self::Other,
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Float32 | Self::Float64)
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::PaddedText)
    }

    pub(crate) fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampZone)
    }
}

/// Compares two cells. `kinds` are those of the column before and after.
#[must_use]
pub fn compare_cells(before: &CellText, after: &CellText, kinds: (Kind, Kind)) -> Difference {
    let size = |text: &str| if kinds.0.is_text() && kinds.1.is_text() { Some(text.len() as u64) } else { None };
    let by_size = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) if one != other => Difference::Changed(LossKind::Value),
        _ => Difference::NotCompared,
    };
    match (before, after) {
        (CellText::Null, CellText::Null) => Difference::Same,
        (_, CellText::Null) => Difference::Changed(LossKind::ToNull),
        (CellText::Null, _) => Difference::Changed(LossKind::NullToValue),
        (CellText::TooLarge(one), CellText::TooLarge(other)) => by_size(*one, *other),
        (CellText::TooLarge(one), CellText::Text(text)) | (CellText::Text(text), CellText::TooLarge(one)) => {
            by_size(*one, size(text))
        }
        (CellText::Text(one), CellText::Text(other)) if one == other || is_lossless(one, other, kinds) => {
            Difference::Same
        }
        (CellText::Text(one), CellText::Text(other)) => Difference::Changed(loss(one, other, kinds)),
    }
}

/// Whether two different spellings are one value, by the table above.
fn is_lossless(before: &str, after: &str, (old, new): (Kind, Kind)) -> bool {
    let either = |kind: Kind| old == kind || new == kind;
    // json and jsonb are one kind; of the others two spellings of one type are two values
    if either(Kind::Json) {
        return json::canonical(before).is_some_and(|one| json::canonical(after) == Some(one));
    }
    if old == new {
        return false;
    }
    if old.is_temporal() || new.is_temporal() {
        return matches!((instant::parse(before), instant::parse(after)),
            (Some(one), Some(other)) if one.microseconds == other.microseconds);
    }
    if either(Kind::Boolean) {
        let (truth, other, kind) = if old == Kind::Boolean { (before, after, new) } else { (after, before, old) };
        let other = other.to_lowercase();
        let words: [&[&str]; 2] = if kind.is_number() {
            [&["1"], &["0"]]
        } else if kind.is_text() {
            [&TRUE_WORDS, &FALSE_WORDS]
        } else {
            [&[], &[]]
        };
        return words.iter().zip(["true", "false"]).any(|(words, is)| truth == is && words.contains(&other.as_str()));
    }
    match (old, new) {
        (Kind::Float32, Kind::Float64) => number::is_widened(before, after),
        (Kind::Float64, Kind::Float32) => number::is_widened(after, before),
        (old, new) if old.is_number() && new.is_text() => decimal(after.trim_end_matches(' ')) == before,
        (Kind::Uuid, Kind::Bytes) => same_bytes(before, after),
        (Kind::Bytes, Kind::Uuid) => same_bytes(after, before),
        (Kind::Uuid, new) if new.is_text() => before.eq_ignore_ascii_case(after.trim_end_matches(' ')),
        (Kind::Bytes, new) if new.is_text() => before == hexadecimal(after.as_bytes()),
        (old, Kind::Bytes) if old.is_text() => hexadecimal(before.as_bytes()) == after,
        (old, new) if old == Kind::PaddedText || new == Kind::PaddedText => {
            before.trim_end_matches(' ') == after.trim_end_matches(' ')
        }
        _ => false,
    }
}

fn same_bytes(uuid: &str, bytes: &str) -> bool {
    bytes.strip_prefix("\\x").is_some_and(|hex| hex.eq_ignore_ascii_case(&uuid.replace('-', "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Difference::{Changed, NotCompared, Same};
    use LossKind::{Encoding, Form, Length, NullToValue, Precision, TimeZone, ToNull, Value};

    fn compared(before: &str, after: &str, kinds: (Kind, Kind)) -> Difference {
        let cell = |text: &str| match text {
            "NULL" => CellText::Null,
            text => CellText::Text(text.into()),
        };
        compare_cells(&cell(before), &cell(after), kinds)
    }

    #[test]
    fn the_table_of_equivalences_and_losses() {
        use Kind::*;
        let uuid = "0aef0000-0000-4000-8000-0000000000ff";
        for (old, new, before, after, expected) in [
            (Decimal, Decimal, "1.5", "1.5", Same),
            (Integer, Text, "42", "42", Same),
            (Integer, Text, "42", "042", Same),
            (Text, Integer, "042", "42", Changed(Form)),
            (Decimal, Text, "1.5", "1.50", Same),
            (Boolean, Integer, "true", "1", Same),
            (Integer, Boolean, "0", "false", Same),
            (Integer, Boolean, "2", "true", Changed(Value)),
            (Boolean, Text, "true", "T", Same),
            (Boolean, Integer, "true", "0", Changed(Value)),
            (Float32, Float64, "0.1", "0.10000000149011612", Same),
            (Float64, Float32, "0.1", "0.1", Same),
            (Float64, Float32, "0.123456789", "0.12345679", Changed(Precision)),
            (Decimal, Float64, "12345678901234567.89", "12345678901234568", Changed(Precision)),
            (Decimal, Integer, "12.7", "13", Changed(Precision)),
            (Decimal, Integer, "12.7", "14", Changed(Value)),
            (Decimal, Integer, "12.5", "1250", Changed(Value)),
            (Integer, Integer, "123", "12", Changed(Value)),
            (Timestamp, TimestampZone, "2024-02-29T10:00:00", "2024-02-29T10:00:00Z", Same),
            (TimestampZone, Timestamp, "2024-02-29T10:00:00Z", "2024-02-29T12:00:00", Changed(TimeZone)),
            (Timestamp, TimestampZone, "2024-02-29T10:00:00", "2024-02-29T04:15:00Z", Changed(TimeZone)),
            (Timestamp, TimestampZone, "2024-02-29T10:00:00", "2024-02-29T10:01:00Z", Changed(Value)),
            (Timestamp, Timestamp, "2024-02-29T10:00:00", "2024-02-29T12:00:00", Changed(Value)),
            (Timestamp, Timestamp, "2024-02-29T10:00:00.123456", "2024-02-29T10:00:00.123", Changed(Precision)),
            (Timestamp, Timestamp, "2024-02-29T10:00:00.9996", "2024-02-29T10:00:01", Changed(Precision)),
            (Timestamp, Date, "2024-02-29T10:00:00", "2024-02-29", Changed(Precision)),
            (Timestamp, Date, "2024-02-29T00:00:00", "2024-02-29", Same),
            (Text, TimestampZone, "2024-02-29 12:00:00+02", "2024-02-29T10:00:00Z", Same),
            (Time, Time, "10:00:00.5", "10:00:00", Changed(Precision)),
            (Time, Time, "10:00:00", "10:01:00", Changed(Value)),
            (Text, Text, "abcdef", "abc", Changed(Length)),
            (Text, Text, "abc", "abcdef", Changed(Value)),
            (Text, Text, "abc", "", Changed(Value)),
            (Text, Text, " Abc", "abc", Changed(Form)),
            (Text, Text, "007", "7", Changed(Form)),
            (Text, Text, "1.50", "1.5", Changed(Length)),
            (Text, Decimal, "1.50", "1.5", Changed(Form)),
            (Text, Text, "Zoë", "Zo?", Changed(Encoding)),
            (Text, Text, "Zoë", "Zo\u{fffd}", Changed(Encoding)),
            (Text, Text, "Zoë", "ZoÃ«", Changed(Encoding)),
            (Text, Text, "ZoÃ«", "Zoë", Changed(Encoding)),
            (Text, Text, "10 €", "10 â‚¬", Changed(Encoding)),
            (Text, Text, "abc", "abd", Changed(Value)),
            (Text, Text, "NULL", "", Changed(NullToValue)),
            (Text, Text, "x", "NULL", Changed(ToNull)),
            (Text, Text, "NULL", "NULL", Same),
            (PaddedText, Text, "ab  ", "ab", Same),
            (Text, PaddedText, "ab", "ab  ", Same),
            (Json, Json, r#"{"a": 1}"#, r#"{"a":1}"#, Same),
            (Text, Json, r#"{"b":1,"a":2}"#, r#"{"a":2, "b":1}"#, Same),
            (Json, Json, r#"{"a":1}"#, r#"{"a":2}"#, Changed(Value)),
            (Uuid, Text, uuid, &uuid.to_uppercase(), Same),
            (Text, Uuid, &uuid.to_uppercase(), uuid, Changed(Form)),
            (Bytes, Uuid, "\\x0aef00000000400080000000000000ff", uuid, Same),
            (Bytes, Bytes, "\\x0aef", "\\x0a", Changed(Length)),
            (Text, Bytes, "é", "\\xc3a9", Same),
        ] {
            assert_eq!(compared(before, after, (old, new)), expected, "{old:?} {before} to {new:?} {after}");
        }
    }

    #[test]
    fn cells_not_read_whole_are_told_apart_by_size_only() {
        let text = (Kind::Text, Kind::Text);
        let large = CellText::TooLarge;
        assert_eq!(compare_cells(&large(Some(5)), &large(Some(6)), text), Changed(Value));
        assert_eq!(compare_cells(&large(Some(5)), &large(Some(5)), text), NotCompared);
        assert_eq!(compare_cells(&large(None), &large(Some(5)), text), NotCompared);
        assert_eq!(compare_cells(&large(Some(5)), &CellText::Text("abc".into()), text), Changed(Value));
        assert_eq!(compare_cells(&large(Some(5)), &CellText::Null, text), Changed(ToNull));
        let bytes = (Kind::Bytes, Kind::Bytes);
        assert_eq!(compare_cells(&large(Some(5)), &CellText::Text("\\x00".into()), bytes), NotCompared);
    }
}
