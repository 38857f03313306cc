//! `type_is`: the value is, or reads as, one of a type.

use super::column::{Family, subject};
use super::judge::{Check, each_text, judged};
use super::sentence::{meaning, sql, unlike};
use super::time::read_moment;
use super::{CommonKey, DefectPolicy, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes, ValueType};
use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Schema};
use fieldmark_document::{MapReader, Node, Placed, Problems};
use fieldmark_model::canonical::{canonical_text, decimal_parts};
use serde::de::IgnoredAny;
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "type_is",
    reference: "A row passes when the column's value is of the type, or is a text that reads as it: `integer` (`-12`, any length), \
                `decimal` (`12.50`, `1e3`; no NaN), `boolean` (true, false, t, f, yes, no, y, n, on, off, 1, 0 in any case), `date` \
                (`2024-02-29`, in the calendar), `timestamp` (a date and a time of day, with or without zone), `uuid` (with \
                hyphens, either case), `json`. NULL is unknown. Spaces around a value do not read. A column that is not text is asked \
                about its values' canonical text, so an integer column is `integer` and `decimal` throughout, and a column of 0 and \
                1 is `boolean`. Refused on bytes, lists and structures (`type_mismatch`).",
    example: "type_is: { column: payload, type: json }",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect, CommonKey::Nulls],
    without: super::ROW_BY_ROW,
    form: Form::Keys {
        keys: &[
            Key::required("column", Takes::Column, "the column"),
            Key::required("type", Takes::ValueType, "what its values are, or read as"),
        ],
        at_least_one: &[],
    },
    read,
};

#[derive(Debug)]
struct TypeIs {
    column: Placed<String>,
    value_type: ValueType,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`type_is`", problems)?;
    let column = map.require_text("column", problems);
    let value_type = map.require("type", problems).and_then(|node| node.read_word("type", &ValueType::WORDS, problems));
    map.finish(problems);
    let (column, value_type) = (column?, value_type?.value);
    Some(vec![Reading {
        meaning: meaning([("column", column.value.clone()), ("type", value_type.as_str().to_owned())]),
        label: Some(column.value.clone()),
        part: None,
        kind: Arc::new(TypeIs { column, value_type }),
    }])
}

impl Kind for TypeIs {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        vec![&self.column.value]
    }
    fn placed_columns(&self) -> Vec<&Placed<String>> {
        vec![&self.column]
    }
    fn plan(&self, schema: &Schema) -> Result<Plan, Refusal> {
        let column = subject(schema, &self.column.value)?;
        let how = match column.family {
            Family::Text | Family::NumberAsText | Family::OtherAsText => How::Text,
            Family::Integer if matches!(self.value_type, ValueType::Integer | ValueType::Decimal) => How::Always(true),
            Family::Boolean => How::Always(self.value_type == ValueType::Boolean),
            Family::Date => How::Always(self.value_type == ValueType::Date),
            Family::Timestamp => How::Always(self.value_type == ValueType::Timestamp),
            Family::Integer | Family::Float | Family::Decimal => How::Canonical,
            Family::Other => return Err(column.refuse("only text, numbers, booleans and times read as a type")),
        };
        let condition = judged(ReadsAs { value_type: self.value_type, how }, column.expr);
        Ok(Plan::Row { condition, defects: DefectPolicy::ReadsAs(self.value_type) })
    }
    fn failing_sql(&self, dialect: Dialect) -> Option<String> {
        let column = sql(&self.column);
        let pattern = match self.value_type {
            ValueType::Integer => "^[+-]?[0-9]+$",
            ValueType::Decimal => r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$",
            ValueType::Boolean => {
                "^([tT]|[fF]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[yY]|[nN]|[yY][eE][sS]|[nN][oO]|[oO][nN]|[oO][fF][fF]|1|0)$"
            }
            ValueType::Date => "^-?[0-9]{4,6}-[0-9]{2}-[0-9]{2}$",
            ValueType::Uuid => "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
            ValueType::Timestamp => {
                "^-?[0-9]{4,6}-[0-9]{2}-[0-9]{2}[ Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?( ?(Z|z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?$"
            }
            ValueType::Json => {
                return Some(match dialect {
                    Dialect::Postgres => format!("{column} IS NOT JSON /* PostgreSQL 16 and later */"),
                    Dialect::Sqlite | Dialect::MySql | Dialect::Files => format!("NOT json_valid({column})"),
                });
            }
        };
        let text = match dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => "text",
            Dialect::MySql => "char",
        };
        Some(format!("CAST({column} AS {text}) {} '{pattern}'", unlike(dialect)))
    }
    fn wording(&self) -> String {
        format!("{} reads as {}", self.column.value, self.value_type.as_str())
    }
}

/// Whether a text reads as a value of the type.
pub(super) fn reads(value_type: ValueType, text: &str) -> bool {
    match value_type {
        ValueType::Integer => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        ValueType::Decimal => decimal_parts(text).is_some(),
        ValueType::Boolean => {
            const WORDS: [&str; 12] = ["true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0"];
            WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
        }
        ValueType::Date => read_moment(text).is_some_and(|moment| !moment.has_time),
        ValueType::Timestamp => read_moment(text).is_some_and(|moment| moment.has_time),
        ValueType::Uuid => {
            let mut groups = text.split('-');
            let sized = [8, 4, 4, 4, 12].into_iter().all(|length| {
                groups
                    .next()
                    .is_some_and(|group| group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
            });
            sized && groups.next().is_none()
        }
        ValueType::Json => serde_json::from_str::<IgnoredAny>(text).is_ok(),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ReadsAs {
    value_type: ValueType,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum How {
    /// Every value answers alike.
    Always(bool),
    /// By the text itself.
    Text,
    /// By the value's canonical text.
    Canonical,
}

impl Check for ReadsAs {
    const NAME: &'static str = "fieldmark_reads_as";

    fn answers(&self, values: &ArrayRef) -> Option<BooleanArray> {
        match self.how {
            How::Always(answer) => {
                let answers =
                    if answer { BooleanBuffer::new_set(values.len()) } else { BooleanBuffer::new_unset(values.len()) };
                Some(BooleanArray::new(answers, values.logical_nulls()))
            }
            How::Text => each_text(values, |text| reads(self.value_type, text)),
            How::Canonical => {
                let one = |row| -> Result<Option<bool>, DataType> {
                    Ok(canonical_text(values, row)?.map(|text| reads(self.value_type, &text)))
                };
                (0..values.len()).map(one).collect::<Result<_, _>>().ok()
            }
        }
    }
}
