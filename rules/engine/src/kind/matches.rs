//! `matches`: the text fits a pattern.

use super::column::{Family, subject};
use super::judge::{Check, each_text, judged};
use super::sentence::{meaning, quote_text, sql, unlike};
use super::{CommonKey, DefectPolicy, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::Schema;
use fieldmark_document::{MapReader, Node, Placed, Problem, Problems, shown};
use regex::{Regex, RegexBuilder};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

pub(super) static FACTS: Facts = Facts {
    name: "matches",
    reference: "A row passes when the pattern is found anywhere in the column's text (write `^` and `$` for the whole of it), and \
                is unknown when the column is NULL. The pattern is a regular expression of Rust's `regex`: no look-around, no \
                back-references, `\\d` and `\\w` know Unicode, `$` is the end of the text and not of a line. A pattern that takes \
                more than 1 MiB when compiled is refused, as some twenty `\\w` do. Databases' own dialects differ, so the SQL \
                shown for failing rows is an approximation. Text columns, and columns that travel as text because their type is \
                not decoded (enums, uuid, unconstrained numeric); refused on others (`type_mismatch`).",
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

/// What a pattern may take when it is compiled, in bytes; `\w`, which knows all letters of Unicode, takes about a sixteenth.
const MOST_COMPILED: usize = 1 << 20;

#[derive(Debug)]
struct Matches {
    column: Placed<String>,
    /// Known to compile. Of many rules most are never asked, so it is compiled when the first values come.
    pattern: String,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`matches`", problems)?;
    let column = map.require_text("column", problems);
    let pattern = map.require_text("pattern", problems);
    map.finish(problems);
    let pattern = pattern.filter(|pattern| compiles(pattern, problems));
    let (column, pattern) = (column?, pattern?.value);
    Some(vec![Reading {
        meaning: meaning([("column", column.value.clone()), ("pattern", pattern.clone())]),
        label: Some(column.value.clone()),
        part: None,
        kind: Arc::new(Matches { column, pattern }),
    }])
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(MOST_COMPILED).build()
}

/// Whether a pattern is a regular expression; a problem where it is none.
fn compiles(pattern: &Placed<String>, problems: &mut Problems) -> bool {
    let Err(error) = compile(&pattern.value) else { return true };
    if let regex::Error::CompiledTooBig(limit) = error {
        let place = pattern.place.within(&pattern.value, 0..pattern.value.len());
        let problem = Problem::new("`pattern` is too large", &place).value(shown(&pattern.value));
        let mut why = format!("it takes more than {limit} bytes when compiled");
        if pattern.value.contains(r"\w") {
            why.push_str(r"; `\w` knows all of Unicode: `[0-9A-Za-z_]` takes far less");
        } else if pattern.value.contains(r"\p{") {
            why.push_str("; a property of Unicode has many characters: a list of those that are meant takes far less");
        }
        problems.push(problem.help(why));
        return false;
    }
    let error = error.to_string();
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
    let problem = Problem::new("`pattern` is no regular expression", &place).value(shown(&pattern.value));
    problems.push(problem.help(what));
    false
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
        let found = Found { pattern: self.pattern.clone(), regex: OnceLock::new() };
        let condition = judged(found, column.expr);
        Ok(Plan::Row { condition, defects: DefectPolicy::Unknown })
    }
    fn failing_sql(&self, dialect: Dialect) -> Option<String> {
        let pattern = match dialect {
            Dialect::Postgres | Dialect::MySql => self.pattern.clone(),
            Dialect::Sqlite | Dialect::Files => without_classes(&self.pattern),
        };
        Some(format!("{} {} {}", sql(&self.column), unlike(dialect), quote_text(&pattern)))
    }
    fn wording(&self) -> String {
        format!("{} matches {}", self.column.value, self.pattern)
    }
}

/// A pattern whose brackets have no classes in them: the program `sqlite3` knows `\\s` and the like outside of brackets alone.
fn without_classes(pattern: &str) -> String {
    let mut plain = String::new();
    let (mut inside, mut characters) = (false, pattern.chars());
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                let next = characters.next();
                let class = match next.filter(|_| inside) {
                    Some('s') => Some(" \\t\\n\\r"),
                    Some('d') => Some("0-9"),
                    Some('w') => Some("0-9A-Za-z_"),
                    _ => None,
                };
                match class {
                    Some(class) => plain.push_str(class),
                    None => plain.extend(std::iter::once(c).chain(next)),
                }
                continue;
            }
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        plain.push(c);
    }
    plain
}

#[derive(Debug)]
struct Found {
    pattern: String,
    regex: OnceLock<Option<Regex>>,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Found {}

impl Hash for Found {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pattern.hash(state);
    }
}

impl Check for Found {
    const NAME: &'static str = "fieldmark_matches";

    fn answers(&self, values: &ArrayRef) -> Option<BooleanArray> {
        let regex = self.regex.get_or_init(|| compile(&self.pattern).ok()).as_ref()?;
        each_text(values, |text| regex.is_match(text))
    }
}
