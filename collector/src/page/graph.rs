//! Columns around a column, and the edges between them: what a script draws.

use super::link;
use crate::lineage::{ColumnOf, Difference, EdgeOf};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Columns that are drawn at most: the nearest.
pub(super) const MOST: usize = 150;

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    /// For the script.
    pub(super) data: String,
    /// Columns in it.
    pub(super) columns: usize,
    /// Columns that are left out.
    pub(super) left_out: usize,
}

/// What became of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Same,
    Added,
    Removed,
}

impl Fate {
    fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

impl Graph {
    /// Of columns, those that were asked for first and then the nearest, with the edges that are between any two of them.
    pub(super) fn of(
        focus: &[ColumnOf],
        others: &[ColumnOf],
        edges: &[EdgeOf],
        difference: Option<&Difference>,
    ) -> Self {
        let mut places: BTreeMap<ColumnOf, usize> = BTreeMap::new();
        let mut all = BTreeSet::new();
        for column in focus.iter().chain(others) {
            all.insert(column.clone());
            let next = places.len();
            if next < MOST {
                places.entry(column.clone()).or_insert(next);
            }
        }
        let mut drawn: Vec<(usize, usize, &EdgeOf, Fate)> = Vec::new();
        let is_new = |edge: &EdgeOf| difference.is_some_and(|own| own.added.iter().any(|added| same(added, edge)));
        for edge in edges {
            if let (Some(from), Some(to)) = (places.get(&edge.source), places.get(&edge.target)) {
                drawn.push((*from, *to, edge, if is_new(edge) { Fate::Added } else { Fate::Same }));
            }
        }
        // what is no more is drawn where one end of it is there still
        for edge in difference.map(|own| own.removed.as_slice()).unwrap_or_default() {
            if places.contains_key(&edge.source) || places.contains_key(&edge.target) {
                let mut place = |column: &ColumnOf| {
                    let next = places.len();
                    *places.entry(column.clone()).or_insert(next)
                };
                drawn.push((place(&edge.source), place(&edge.target), edge, Fate::Removed));
            }
        }
        let mut columns: Vec<(&ColumnOf, &usize)> = places.iter().collect();
        columns.sort_by_key(|(_, place)| **place);
        let node = |(column, _): &(&ColumnOf, &usize)| {
            json!({
                "source": column.source, "table": column.table, "column": column.column,
                "focus": focus.contains(column),
                "link": link::lineage(&column.source, &column.table, &column.column),
            })
        };
        let edge = |(from, to, edge, fate): &(usize, usize, &EdgeOf, Fate)| {
            json!({
                "from": from, "to": to, "kind": edge.kind.subtype().to_lowercase().replace('_', " "),
                "direct": edge.kind.is_direct(), "masked": edge.masked, "origin": edge.origin,
                "certainty": edge.certainty.as_str(), "fate": fate.as_str(),
            })
        };
        let nodes: Vec<Value> = columns.iter().map(node).collect();
        let edges: Vec<Value> = drawn.iter().map(edge).collect();
        let left_out = all.len().saturating_sub(MOST);
        Self { columns: nodes.len(), data: json!({ "nodes": nodes, "edges": edges }).to_string(), left_out }
    }
}

fn same(one: &EdgeOf, other: &EdgeOf) -> bool {
    (&one.source, &one.target, one.kind, &one.origin) == (&other.source, &other.target, other.kind, &other.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use fieldmark_model::SourceName;
    use fieldmark_model::lineage::{Certainty, Kind};

    fn column(table: &str) -> ColumnOf {
        ColumnOf { source: SourceName::new("shop"), table: table.into(), column: "c".into() }
    }

    fn edge(from: &str, to: &str) -> EdgeOf {
        EdgeOf {
            source: column(from),
            target: column(to),
            kind: Kind::GroupBy,
            masked: false,
            origin: "view".into(),
            certainty: Certainty::Exact,
            since: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn every_edge_between_what_is_drawn_is_drawn_and_no_other() {
        // a diamond, of which a walk tells one way alone
        let edges = [edge("a", "b"), edge("a", "c"), edge("b", "d"), edge("c", "d"), edge("d", "far")];
        let difference = Difference { added: vec![edge("c", "d")], removed: vec![edge("a", "gone")], renamed: vec![] };
        let others = ["b", "c", "d"].map(column);
        let graph = Graph::of(&[column("a")], &others, &edges, Some(&difference));
        let data: Value = serde_json::from_str(&graph.data).unwrap();
        let told: Vec<_> =
            data["edges"].as_array().unwrap().iter().map(|e| json!([e["from"], e["to"], e["fate"]])).collect();
        let wanted = [[0, 1], [0, 2], [1, 3], [2, 3], [0, 4]].iter().zip(["same", "same", "same", "added", "removed"]);
        assert_eq!(told, wanted.map(|([from, to], fate)| json!([from, to, fate])).collect::<Vec<_>>());
        assert_eq!((graph.columns, graph.left_out), (5, 0));
        assert_eq!((&data["nodes"][0]["focus"], &data["edges"][0]["kind"]), (&json!(true), &json!("group by")));
        let many: Vec<ColumnOf> = (0..400).map(|n| column(&n.to_string())).collect();
        let graph = Graph::of(&[column("a")], &many, &[], None);
        assert_eq!((graph.columns, graph.left_out), (150, 251));
    }
}
