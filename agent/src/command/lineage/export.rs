//! Edges in the forms of others.

use chrono::{DateTime, Utc};
use fieldmark_collector::lineage::{ColumnOf, EdgeOf, Place};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// RFC 4180; what a spreadsheet would take for a formula is told as a text.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

pub(super) fn csv(edges: &[EdgeOf]) -> String {
    let mut text = String::from(
        "source,source_table,source_column,target_source,target_table,target_column,type,subtype,masked,origin,certainty,since\n",
    );
    for edge in edges {
        let fields = [
            edge.source.source.as_str(),
            &edge.source.table,
            &edge.source.column,
            edge.target.source.as_str(),
            &edge.target.table,
            &edge.target.column,
            edge.kind.type_word(),
            edge.kind.subtype(),
            if edge.masked { "true" } else { "false" },
            &edge.origin,
            edge.certainty.as_str(),
            &edge.since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        ];
        let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn label(column: &ColumnOf) -> String {
    format!("{}: {}.{}", column.source, column.table, column.column)
}

/// Columns by numbers, in order of name.
fn numbered(edges: &[EdgeOf]) -> BTreeMap<&ColumnOf, usize> {
    let mut all: BTreeMap<&ColumnOf, usize> =
        edges.iter().flat_map(|edge| [(&edge.source, 0), (&edge.target, 0)]).collect();
    all.values_mut().enumerate().for_each(|(number, own)| *own = number);
    all
}

pub(super) fn dot(edges: &[EdgeOf]) -> String {
    let quoted = |text: String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let all = numbered(edges);
    let mut text = String::from("digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n");
    for (column, number) in &all {
        // writing to a String cannot fail
        writeln!(text, "  c{number} [label={}];", quoted(label(column))).ok();
    }
    for edge in edges {
        let (from, to) = (all.get(&edge.source).unwrap_or(&0), all.get(&edge.target).unwrap_or(&0));
        let style = if edge.kind.is_direct() { "solid" } else { "dashed" };
        writeln!(text, "  c{from} -> c{to} [style={style}, label={}];", quoted(edge.kind.subtype().to_lowercase()))
            .ok();
    }
    text.push_str("}\n");
    text
}

pub(super) fn mermaid(edges: &[EdgeOf]) -> String {
    // entities are the one way to write any letter
    let quoted = |text: String| {
        text.chars().fold(String::new(), |mut text, letter| {
            if letter.is_alphanumeric() || " :._-".contains(letter) {
                text.push(letter);
            } else {
                write!(text, "#{};", u32::from(letter)).ok();
            }
            text
        })
    };
    let all = numbered(edges);
    let mut text = String::from("flowchart LR\n");
    for (column, number) in &all {
        writeln!(text, "  c{number}[\"{}\"]", quoted(label(column))).ok();
    }
    for edge in edges {
        let (from, to) = (all.get(&edge.source).unwrap_or(&0), all.get(&edge.target).unwrap_or(&0));
        let arrow = if edge.kind.is_direct() { "-->" } else { "-.->" };
        writeln!(text, "  c{from} {arrow}|{}| c{to}", edge.kind.subtype().to_lowercase()).ok();
    }
    text
}

/// Events of OpenLineage: one for each table that is made, with the facets `columnLineage` and `schema`.
pub(super) fn openlineage(edges: &[EdgeOf], places: &[Place], now: DateTime<Utc>) -> String {
    let mut by_table: BTreeMap<(String, String), Vec<&EdgeOf>> = BTreeMap::new();
    for edge in edges {
        by_table.entry((edge.target.source.to_string(), edge.target.table.clone())).or_default().push(edge);
    }
    let mut text = String::new();
    for ((source, table), edges) in by_table {
        let event = crate::openlineage::dataset_event(&source, &table, &edges, places, now);
        text.push_str(&event.to_string());
        text.push('\n');
    }
    text
}
