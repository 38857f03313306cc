//! `length`: the text has so many characters.

use super::column::subject;
use super::judge::{Check, each_text, judged};
use super::literal::{End, check_order};
use super::sentence::{bounds, meaning, outside, sql};
use super::{CommonKey, DefectPolicy, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::Schema;
use fieldmark_document::{MapReader, Node, Placed, Problem, Problems};
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "length",
    reference: "A row passes when the column's text has at least `min` and at most `max` characters; one of them may be left out. NULL \
                is unknown. A character is a Unicode code point (a scalar value): `é` written as one is 1, as letter and accent 2. \
                The padding of `char(n)` counts as the driver delivers it. A text too large to be read whole is judged by its size \
                in bytes, as far as that decides. Text columns, and columns of types that are not known (enums, \
                domains); refused on others (`type_mismatch`).",
    example: "length: { column: country, min: 2, max: 2 }",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect, CommonKey::Nulls],
    without: super::ROW_BY_ROW,
    form: Form::Keys {
        keys: &[
            Key::required("column", Takes::Column, "the column"),
            Key::optional("min", Takes::Count, "fewest characters"),
            Key::optional("max", Takes::Count, "most characters"),
        ],
        at_least_one: &["min", "max"],
    },
    read,
};

#[derive(Debug)]
struct Length {
    column: Placed<String>,
    min: Option<u64>,
    max: Option<u64>,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`length`", problems)?;
    let column = map.require_text("column", problems);
    let before = problems.len();
    let min = map.count("min", problems);
    let max = map.count("max", problems);
    let place = map.place().clone();
    map.finish(problems);
    if problems.len() > before {
        return None;
    }
    if min.is_none() && max.is_none() {
        problems.push(Problem::new("`length` has neither `min` nor `max`", &place).allowed("one of them or both"));
        return None;
    }
    if !check_order(min.as_ref().map(End::of), max.as_ref().map(End::of), problems) {
        return None;
    }
    let column = column?;
    let (min, max) = (min.map(|min| min.value), max.map(|max| max.value));
    let ends = [min.map(|min| ("min", min.to_string())), max.map(|max| ("max", max.to_string()))];
    Some(vec![Reading {
        meaning: meaning([("column", column.value.clone())].into_iter().chain(ends.into_iter().flatten())),
        label: Some(column.value.clone()),
        part: None,
        kind: Arc::new(Length { column, min, max }),
    }])
}

impl Kind for Length {
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
        if !column.is_written_text() {
            return Err(column.refuse("only text has a length"));
        }
        let (min, max) = (self.min, self.max);
        let condition = judged(Characters { min, max }, column.expr);
        Ok(Plan::Row { condition, defects: DefectPolicy::Length { min, max } })
    }
    fn failing_sql(&self, dialect: Dialect) -> Option<String> {
        let (min, max) = (self.min.map(|min| min.to_string()), self.max.map(|max| max.to_string()));
        let length = match dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => "length",
            // whose `length` counts bytes
            Dialect::MySql => "char_length",
        };
        Some(outside(&format!("{length}({})", sql(&self.column)), min.as_deref(), max.as_deref()))
    }
    fn wording(&self) -> String {
        let (min, max) = (self.min.map(|min| min.to_string()), self.max.map(|max| max.to_string()));
        format!("{} has {} characters", self.column.value, bounds(min.as_deref(), max.as_deref()))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Characters {
    min: Option<u64>,
    max: Option<u64>,
}

impl Check for Characters {
    const NAME: &'static str = "fieldmark_length";

    fn answers(&self, values: &ArrayRef) -> Option<BooleanArray> {
        each_text(values, |text| {
            let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            self.min.is_none_or(|min| characters >= min) && self.max.is_none_or(|max| characters <= max)
        })
    }
}
