//! `references`: the value is there in another table.

use super::column::present;
use super::sentence::{joined, meaning, read_columns};
use super::{CommonKey, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::datatypes::Schema;
use fieldmark_document::{MapReader, Node, Place, Placed, Problem, Problems, shown};
use fieldmark_model::TableName;
use fieldmark_model::name::quote_identifier;
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "references",
    reference: "A row passes when the table that `to` names has a row with the same values; a row with a NULL among its columns \
                passes (MATCH SIMPLE). `to` is `table.column` or `schema.table.column` of the same source, with `columns` it is \
                `table.(a, b)`; odd names stand in SQL double quotes, and inside of `{ }` the whole text needs quotes where it has a \
                comma. The sampled values are looked up there, through an index where there is one, else by one pass at most once \
                per `full_every`.",
    example: "references: { column: customer_id, to: customers.id }",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect, CommonKey::Timeout, CommonKey::FullEvery],
    without: &[(CommonKey::Nulls, "a row with a NULL among the columns passes (MATCH SIMPLE)")],
    form: Form::Keys {
        keys: &[
            Key::optional("column", Takes::Column, "the referring column"),
            Key::optional("columns", Takes::Columns, "the referring columns, where there are several"),
            Key::required("to", Takes::Text, "`table.column`, `schema.table.column` or `table.(a, b)`"),
        ],
        at_least_one: &["column", "columns"],
    },
    read,
};

#[derive(Debug)]
struct References {
    columns: Vec<Placed<String>>,
    to: Target,
    to_place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    schema: Option<String>,
    table: String,
    columns: Vec<String>,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`references`", problems)?;
    let before = problems.len();
    let one = map.text("column", problems);
    let several = map.node("columns").and_then(|node| read_columns(node, "columns", problems));
    let to = map.require_text("to", problems);
    let place = map.place().clone();
    map.finish(problems);
    let to = to.and_then(|to| {
        let target = target(&to.value);
        if target.is_none() {
            let problem = Problem::new("`to` has to name a table and its columns", &to.place)
                .value(shown(&to.value))
                .allowed("`table.column`, `schema.table.column` or `table.(a, b)`");
            problems.push(if to.value.contains('(') && !to.value.contains(')') {
                // what follows a comma has become a key
                problem.help("inside of `{ }` it needs quotes")
            } else if to.value.contains('(') && !to.value.contains(".(") {
                problem.help("write `customers.id` or `customers.(id)`")
            } else {
                problem
            });
        }
        Some((Placed::new(target?, to.place), shown(&to.value)))
    });
    let columns = match (one, several) {
        (Some(_), Some(_)) => {
            problems.push(Problem::new("`references` has both `column` and `columns`", &place).allowed("one of them"));
            None
        }
        (Some(column), None) => Some(vec![column]),
        (None, Some(columns)) => Some(columns),
        (None, None) => {
            if problems.len() == before {
                problems.push(
                    Problem::new("`references` has neither `column` nor `columns`", &place).allowed("one of them"),
                );
            }
            None
        }
    };
    let (columns, (to, written)) = (columns?, to?);
    if columns.len() != to.value.columns.len() {
        let what = format!("{} columns refer to {}", columns.len(), to.value.columns.len());
        let problem = Problem::new(what, &to.place).value(written);
        problems.push(problem.help("`to` names as many columns, in the same order"));
    }
    if problems.len() > before {
        return None;
    }
    let Placed { value: to, place: to_place } = to;
    let mut pairs: Vec<(&str, &str)> =
        columns.iter().map(|column| column.value.as_str()).zip(to.columns.iter().map(String::as_str)).collect();
    pairs.sort_unstable();
    let table = [("schema", to.schema.clone().unwrap_or_default()), ("table", to.table.clone())];
    let pairs = pairs.into_iter().flat_map(|(column, to)| [("column", column.to_owned()), ("to", to.to_owned())]);
    Some(vec![Reading {
        meaning: meaning(table.into_iter().chain(pairs)),
        label: Some(joined(&columns)),
        part: None,
        kind: Arc::new(References { columns, to, to_place }),
    }])
}

/// Reads `table.column`, `schema.table.column`, `table.(a, b)` or `schema.table.(a, b)`.
fn target(text: &str) -> Option<Target> {
    let (table, columns) = match text.strip_suffix(')') {
        Some(open) => {
            let (table, columns) = open.rsplit_once(".(")?;
            (TableName::split(table)?, listed(columns)?)
        }
        None => {
            let mut parts = TableName::split(text)?;
            let column = parts.pop()?;
            if column.contains(['(', ')']) && !text.ends_with('"') {
                return None;
            }
            (parts, vec![column])
        }
    };
    match <[String; 2]>::try_from(table) {
        Ok([schema, table]) => Some(Target { schema: Some(schema), table, columns }),
        Err(table) => match <[String; 1]>::try_from(table) {
            Ok([table]) => Some(Target { schema: None, table, columns }),
            Err(_) => None,
        },
    }
}

/// Names between commas, with SQL double quotes where they are odd.
fn listed(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut quoted = false;
    let mut part = String::new();
    for c in text.chars().chain([',']) {
        match c {
            '"' => {
                quoted = !quoted;
                part.push(c);
            }
            ',' if !quoted => {
                let name = part.trim();
                let plain = !name.starts_with('"') && !name.is_empty();
                names.push(if plain {
                    name.to_owned()
                } else {
                    <[String; 1]>::try_from(TableName::split(name)?).ok()?.concat()
                });
                part.clear();
            }
            _ => part.push(c),
        }
    }
    (!quoted).then_some(names)
}

impl Kind for References {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.value.as_str()).collect()
    }
    fn placed_columns(&self) -> Vec<&Placed<String>> {
        self.columns.iter().collect()
    }
    fn placed_target(&self) -> Option<&Place> {
        Some(&self.to_place)
    }
    fn plan(&self, schema: &Schema) -> Result<Plan, Refusal> {
        present(schema, &self.columns())?;
        Ok(Plan::References {
            columns: self.columns.iter().map(|column| column.value.clone()).collect(),
            to_schema: self.to.schema.clone(),
            to_table: self.to.table.clone(),
            to_columns: self.to.columns.clone(),
        })
    }
    fn looks_up(&self) -> bool {
        true
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        None
    }
    fn wording(&self) -> String {
        let table = match &self.to.schema {
            Some(schema) => TableName::new(schema, &self.to.table).to_string(),
            None if self.to.table.contains('.') => quote_identifier(&self.to.table),
            None => self.to.table.clone(),
        };
        format!("{} is in {table} ({})", joined(&self.columns).replace(',', ", "), self.to.columns.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (text, expected) in [
            ("customers.id", Some((None, "customers", columns(&["id"])))),
            ("shop.customers.id", Some((Some("shop"), "customers", columns(&["id"])))),
            ("t.(a, b)", Some((None, "t", columns(&["a", "b"])))),
            ("s.t.(a,\"b, c\")", Some((Some("s"), "t", columns(&["a", "b, c"])))),
            ("public.\"a.b\".id", Some((Some("public"), "a.b", columns(&["id"])))),
            ("t.\"x(y)\"", Some((None, "t", columns(&["x(y)"])))),
            ("customers", None),
            ("a.b.c.d", None),
            ("t.(a", None),
            ("t.(a,)", None),
            ("t.()", None),
            ("t.(\"a)", None),
            ("", None),
            (".id", None),
        ] {
            let expected = expected.map(|(schema, table, columns)| Target {
                schema: schema.map(str::to_owned),
                table: table.to_owned(),
                columns,
            });
            assert_eq!(target(text), expected, "{text}");
        }
    }
}
