//! Values as SQL text: the one place that quotes a literal, and how the values of a batch become one.

use super::layout::LayoutColumn;
use super::types::Family;
use crate::Error;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use fieldmark_model::canonical::{canonical_text, date, decimal_parts, time};
use std::collections::HashSet;

/// A string constant. Right under either setting of `standard_conforming_strings`.
pub(super) fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// An array constant's text, to be quoted in turn: `{"a","b\"c",NULL}`. Every element is in double quotes, so that `NULL`,
/// braces, commas, blanks and the empty string are themselves.
pub(super) fn array_literal<'a>(elements: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let mut text = String::from("{");
    for (at, element) in elements.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        match element {
            None => text.push_str("NULL"),
            Some(element) => {
                text.push('"');
                for c in element.chars() {
                    if matches!(c, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(c);
                }
                text.push('"');
            }
        }
    }
    text.push('}');
    text
}

/// `'{...}'::name[]` of names.
pub(super) fn names(names: &[String]) -> String {
    format!("{}::name[]", quote_literal(&array_literal(names.iter().map(|name| Some(name.as_str())))))
}

/// Rows of key values as texts that the columns' types read.
pub(super) struct Keys {
    /// One vector of texts per column, all of the same length.
    pub(super) columns: Vec<Vec<String>>,
    /// For each row, the row of the batch that it came from.
    pub(super) origin: Vec<usize>,
}

impl Keys {
    /// The batch's rows, without those that no row of the table can equal: a NULL, a character that PostgreSQL cannot
    /// store, a number outside the column's type. With `distinct`, equal rows once.
    pub(super) fn new(batch: &RecordBatch, targets: &[&LayoutColumn], distinct: bool) -> Result<Self, Error> {
        if batch.num_columns() != targets.len() || targets.is_empty() {
            return Err(Error::Internal { what: "key values and key columns differ in number".to_owned() });
        }
        let mut seen = HashSet::new();
        let mut keys = Self { columns: vec![Vec::new(); targets.len()], origin: Vec::new() };
        for row in 0..batch.num_rows() {
            let mut texts = Vec::with_capacity(targets.len());
            for (column, target) in batch.columns().iter().zip(targets) {
                texts.extend(value_text(column, row)?.filter(|text| target.family.may_hold(text)));
            }
            if texts.len() < targets.len() || (distinct && !seen.insert(texts.clone())) {
                continue;
            }
            keys.origin.push(row);
            for (column, text) in keys.columns.iter_mut().zip(texts) {
                column.push(text);
            }
        }
        Ok(keys)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.origin.is_empty()
    }
}

/// A value as its column's input function reads it; `None` for NULL.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other type has the canonical text that the database reads")]
fn value_text(array: &ArrayRef, row: usize) -> Result<Option<String>, Error> {
    if array.is_null(row) {
        return Ok(None);
    }
    Ok(match array.data_type() {
        DataType::Date32 => Some(era(&date(i64::from(array.as_primitive::<Date32Type>().value(row))), "")),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            const DAY: i64 = 86_400_000_000;
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let zone = if zone.is_some() { "+00" } else { "" };
            Some(era(&date(value.div_euclid(DAY)), &format!(" {}{zone}", time(value.rem_euclid(DAY)))))
        }
        _ => canonical_text(array, row)
            .map_err(|kind| Error::Internal { what: format!("a key of type {kind} has no text") })?,
    })
}

/// A canonical date (`-0043-03-15`, astronomical years) the way PostgreSQL reads it (`0044-03-15 BC`).
fn era(date: &str, rest: &str) -> String {
    let (negative, digits) = date.strip_prefix('-').map_or((false, date), |digits| (true, digits));
    match digits.split_once('-').and_then(|(year, day)| Some((year.parse::<i64>().ok()?, day))) {
        Some((year, day)) if negative || year == 0 => format!("{:04}-{day}{rest} BC", year + 1),
        _ => format!("{date}{rest}"),
    }
}

impl Family {
    /// Whether the text can be a value of the type at all; where it cannot, comparing with it would be an error instead of
    /// "not equal".
    fn may_hold(&self, text: &str) -> bool {
        let within =
            |least: i64, greatest: i64| text.parse::<i64>().is_ok_and(|value| (least..=greatest).contains(&value));
        match self {
            Self::Int2 => within(i16::MIN.into(), i16::MAX.into()),
            Self::Int4 => within(i32::MIN.into(), i32::MAX.into()),
            Self::Int8 => within(i64::MIN, i64::MAX),
            Self::Oid => within(0, u32::MAX.into()),
            Self::Decimal { .. } | Self::Numeric | Self::Float8 => {
                decimal_parts(text).is_some() || matches!(text, "NaN" | "Infinity" | "-Infinity")
            }
            Self::Float4 => text.parse::<f32>().is_ok(),
            Self::Uuid => text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'),
            Self::Bool => matches!(text, "true" | "false"),
            // a time of day is lost in a date, and equals none
            Self::Date => {
                text.split(' ').nth(1).is_none_or(|time| time == "BC" || time.trim_end_matches("+00") == "00:00:00")
            }
            Self::Bytea | Self::Time | Self::Timestamp | Self::TimestampTz => true,
            Self::Text | Self::Padded | Self::Name | Self::Json | Self::Jsonb | Self::Enum | Self::Output { .. } => {
                !text.contains('\0')
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_quoted_for_either_setting() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\'b"), r" E'a\\''b'");
        assert_eq!(quote_literal(""), "''");
    }

    #[test]
    fn array_elements_are_themselves() {
        let text = array_literal([Some("a"), None, Some("NULL"), Some(""), Some(r#"x"y\z,{}"#)]);
        assert_eq!(text, r#"{"a",NULL,"NULL","","x\"y\\z,{}"}"#);
    }

    #[test]
    fn years_before_the_first_have_an_era() {
        assert_eq!(era("-0043-03-15", ""), "0044-03-15 BC");
        assert_eq!(era("0000-01-01", " 10:00:00"), "0001-01-01 10:00:00 BC");
        assert_eq!(era("2024-02-29", ""), "2024-02-29");
    }
}
