//! `matches`: the text fits a pattern.

use super::column::{Family, subject};
use super::judge::{Check, each_text, judged};
use super::sentence::{meaning, quote_text, sql, unlike};
use super::{CommonKey, DefectPolicy, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::Schema;
use fieldmark_document::{MapReader, Node, Placed, Problem, Problems};
use regex::Regex;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "matches",
    reference: "A row passes when the pattern is found anywhere in the column's text (write `^` and `$` for the whole of it), and is \
                unknown when the column is NULL. The pattern is a regular expression of Rust's `regex`: no look-around, no \
                back-references, `\\d` and `\\w` know Unicode, `$` is the end of the text and not of a line. Databases' own dialects \
                differ, so the SQL shown for failing rows is an approximation. Text columns, and columns that travel as \
                text because their type is not decoded (enums, uuid, unconstrained numeric); refused on others (`type_mismatch`).",
    example: r"matches: { column: email, pattern: '^[^@\s]+@[^@\s]+$' }",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect, CommonKey::Nulls],
    without: super::ROW_BY_ROW,
    form: Form::Keys {
        keys: &[
            Key::required("column", Takes::Column, "the column"),
            Key::required("pattern", Takes::Text, "a regular expression of Rust's `regex`"),
        ],
        at_least_one: &[],
    },
    read,
};

#[derive(Debug)]
struct Matches {
    column: Placed<String>,
    regex: Regex,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`matches`", problems)?;
    let column = map.require_text("column", problems);
    let pattern = map.require_text("pattern", problems);
    map.finish(problems);
    let regex = pattern.and_then(|pattern| compiled(&pattern, problems));
    let (column, regex) = (column?, regex?);
    Some(vec![Reading {
        meaning: meaning([("column", column.value.clone()), ("pattern", regex.as_str().to_owned())]),
        label: Some(column.value.clone()),
        part: None,
        kind: Arc::new(Matches { column, regex }),
    }])
}

fn compiled(pattern: &Placed<String>, problems: &mut Problems) -> Option<Regex> {
    let error = match Regex::new(&pattern.value) {
        Ok(regex) => return Some(regex),
        Err(error) => error.to_string(),
    };
    // the message underlines the place in its third line, four columns in; its last line says what is wrong
    let characters = error.lines().nth(2).and_then(|line| line.find('^')).and_then(|at| at.checked_sub(4));
    let start = characters
        .and_then(|at| pattern.value.char_indices().map(|(byte, _)| byte).nth(at))
        .unwrap_or(pattern.value.len());
    let end = pattern
        .value
        .len()
        .min(start + pattern.value.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8));
    let what = error.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
    let place =
        pattern.place.within(&pattern.value, if characters.is_some() { start..end } else { 0..pattern.value.len() });
    let shown: String = pattern.value.chars().flat_map(char::escape_default_unless_plain).collect();
    problems.push(Problem::new("`pattern` is no regular expression", &place).value(format!("`{shown}`")).help(what));
    None
}

trait Plain {
    fn escape_default_unless_plain(self) -> Vec<char>;
}

impl Plain for char {
    fn escape_default_unless_plain(self) -> Vec<char> {
        if self.is_control() { self.escape_default().collect() } else { vec![self] }
    }
}

impl Kind for Matches {
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
        if !matches!(column.family, Family::Text | Family::NumberAsText | Family::OtherAsText) {
            return Err(column.refuse("a pattern needs text"));
        }
        let condition = judged(Found { regex: self.regex.clone() }, column.expr);
        Ok(Plan::Row { condition, defects: DefectPolicy::Unknown })
    }
    fn failing_sql(&self, dialect: Dialect) -> Option<String> {
        Some(format!("{} {} {}", sql(&self.column), unlike(dialect), quote_text(self.regex.as_str())))
    }
    fn wording(&self) -> String {
        format!("{} matches {}", self.column.value, self.regex)
    }
}

#[derive(Debug)]
struct Found {
    regex: Regex,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Found {}

impl Hash for Found {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.regex.as_str().hash(state);
    }
}

impl Check for Found {
    const NAME: &'static str = "fieldmark_matches";

    fn answers(&self, values: &ArrayRef) -> Option<BooleanArray> {
        each_text(values, |text| self.regex.is_match(text))
    }
}
