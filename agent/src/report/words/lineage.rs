//! What became of lineage, in words.

use fieldmark_model::migration::{LineageChange, LineageEdge};

/// Edges of one kind that are named, at most.
const NAMED: usize = 5;

/// What a migration did to lineage: a line each for other names, for edges that are no more and for those that are new.
pub fn lineage(change: &LineageChange) -> Vec<String> {
    let renamed = change.renamed.iter().map(|[from, to]| format!("{from} is {to}")).collect();
    let edges = |edges: &[LineageEdge]| edges.iter().map(edge).collect();
    [
        ("column has another name", "columns have other names", renamed),
        ("edge is no more", "edges are no more", edges(&change.removed)),
        ("edge is new", "edges are new", edges(&change.added)),
    ]
    .into_iter()
    .filter_map(|(one, several, all): (&str, &str, Vec<String>)| line(one, several, &all))
    .collect()
}

fn line(one: &str, several: &str, all: &[String]) -> Option<String> {
    let what = match all.len() {
        0 => return None,
        1 => format!("1 {one}"),
        number => format!("{number} {several}"),
    };
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    let more = all.len().checked_sub(NAMED).filter(|more| *more > 0);
    let more = more.map(|more| format!("; and {more} more"));
    Some(format!("{what}: {named}{}", more.unwrap_or_default()))
}

fn edge(edge: &LineageEdge) -> String {
    let kind = edge.kind.subtype().to_lowercase().replace('_', " ");
    format!("{} <- {} ({kind}, {})", edge.target, edge.source, edge.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldmark_model::lineage::{ColumnName, Kind};

    #[test]
    fn a_few_are_named_and_all_are_counted() {
        let edge = |number: usize| LineageEdge {
            source: ColumnName::new("public.orders", format!("c{number}")),
            target: ColumnName::new("public.sums", "total"),
            kind: Kind::GroupBy,
            origin: "view public.sums".into(),
        };
        let change = LineageChange {
            renamed: vec![[ColumnName::new("public.orders", "a"), ColumnName::new("public.orders", "b")]],
            removed: vec![edge(0)],
            added: (0..7).map(edge).collect(),
        };
        let lines = lineage(&change);
        assert_eq!(lines[0], "1 column has another name: public.orders.a is public.orders.b");
        assert_eq!(lines[1], "1 edge is no more: public.sums.total <- public.orders.c0 (group by, view public.sums)");
        assert!(lines[2].starts_with("7 edges are new: ") && lines[2].ends_with("; and 2 more"), "{}", lines[2]);
        assert!(lineage(&LineageChange::default()).is_empty());
    }
}
