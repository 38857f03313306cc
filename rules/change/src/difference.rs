//! What of a catalogue is another than before, in words: for a line that says what a migration did to a schema.

use crate::pair::{ColumnHints, TablePair, pair_columns, pair_tables};
use fieldmark_model::migration::{ColumnFate, ColumnPair};
use fieldmark_model::{Catalogue, TableName};
use std::collections::BTreeSet;

/// Every table and column that came, went, or is another one, in order; nothing where none is.
#[must_use]
pub fn differences(before: &Catalogue, after: &Catalogue) -> Vec<String> {
    let mut words = Vec::new();
    for pair in pair_tables(before, after) {
        match (pair.before, pair.after) {
            (None, None) => {}
            (None, Some(after)) => words.push(format!("{} added", after.name)),
            (Some(before), None) => words.push(format!("{} dropped", before.name)),
            (Some(before), Some(after)) => {
                if before.name != after.name {
                    words.push(format!("{} renamed to {}", before.name, after.name));
                }
                of_columns(&after.name, pair, &mut words);
            }
        }
    }
    words
}

/// The tables of those, by their names before and after.
#[must_use]
pub fn changed_tables(before: &Catalogue, after: &Catalogue) -> BTreeSet<TableName> {
    let mut tables = BTreeSet::new();
    for pair in pair_tables(before, after) {
        let mut words = Vec::new();
        match (pair.before, pair.after) {
            (Some(before), Some(after)) if before.name == after.name => of_columns(&after.name, pair, &mut words),
            (None, None) => {}
            (before, after) => {
                tables.extend(before.into_iter().chain(after).map(|table| table.name.clone()));
            }
        }
        let name = pair.after.map(|after| after.name.clone()).filter(|_| !words.is_empty());
        tables.extend(name);
    }
    tables
}

fn of_columns(table: &TableName, pair: TablePair<'_>, words: &mut Vec<String>) {
    for column in pair_columns(pair, ColumnHints::default()).pairs {
        let of = column.after.as_ref().or(column.before.as_ref()).map(|column| column.name.clone()).unwrap_or_default();
        let types = types(&column);
        match &column.fate {
            ColumnFate::Kept => {
                let nullable = column.before.as_ref().zip(column.after.as_ref()).map(|(a, b)| (a.nullable, b.nullable));
                match nullable {
                    Some((true, false)) => words.push(format!("{table}.{of} not null")),
                    Some((false, true)) => words.push(format!("{table}.{of} nullable")),
                    Some(_) | None => {}
                }
            }
            ColumnFate::Dropped => words.push(format!("{table}.{of} dropped")),
            ColumnFate::Added => words.push(format!("{table}.{of} added")),
            ColumnFate::Renamed { from, .. } => words.push(format!("{table}.{from} renamed to {of}")),
            ColumnFate::Retyped => words.push(format!("{table}.{of} retyped from {types}")),
            ColumnFate::RenamedAndRetyped { from, .. } => {
                words.push(format!("{table}.{from} renamed to {of} and retyped from {types}"));
            }
        }
    }
}

fn types(column: &ColumnPair) -> String {
    match (&column.before, &column.after) {
        (Some(before), Some(after)) => format!("{} to {}", before.declared, after.declared),
        (Some(_) | None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use fieldmark_model::{Column, Table};

    fn table(name: &str, identity: u64, columns: &[(&str, u32, &str, bool)]) -> Table {
        let column = |(name, identity, declared, nullable): &(&str, u32, &str, bool)| Column {
            nullable: *nullable,
            ..testing::column(name, declared, Some((*identity).into()))
        };
        let columns: Vec<Column> = columns.iter().map(column).collect();
        Table { identity: Some(identity), primary_key: None, ..testing::table(name, &columns) }
    }

    #[test]
    fn each_difference_is_said_once() {
        let before = Catalogue::of(vec![
            table("gone", 1, &[("id", 1, "text", false)]),
            table("orders", 2, &[("id", 1, "integer", false), ("note", 2, "text", true), ("old", 3, "text", true)]),
            table("people", 3, &[("id", 1, "integer", false)]),
        ]);
        let after = Catalogue::of(vec![
            table("customers", 3, &[("id", 1, "integer", false)]),
            table("new", 4, &[("id", 1, "text", false)]),
            table(
                "orders",
                2,
                &[("id", 1, "bigint", false), ("note", 2, "text", false), ("total", 4, "numeric", true)],
            ),
        ]);
        let mut said = differences(&before, &after);
        said.sort();
        assert_eq!(
            said,
            [
                "public.gone dropped",
                "public.new added",
                "public.orders.id retyped from integer to bigint",
                "public.orders.note not null",
                "public.orders.old dropped",
                "public.orders.total added",
                "public.people renamed to public.customers",
            ]
        );
        assert!(differences(&after, &after).is_empty());
        let names: Vec<String> = changed_tables(&before, &after).iter().map(ToString::to_string).collect();
        assert!(said.iter().all(|line| names.iter().any(|name| line.starts_with(name.as_str()))), "{names:?}");
        assert!(!names.is_empty() && changed_tables(&after, &after).is_empty());
    }
}
