//! Which tables are made from which, as far as it is known: what a migration that changes one of them may break.

use fieldmark_model::TableName;
use fieldmark_model::lineage::Origin;
use std::collections::{BTreeMap, BTreeSet};

/// Of each table those that are made from it, or decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flows(BTreeMap<TableName, BTreeSet<TableName>>);

fn table(spelled: &str) -> Option<TableName> {
    match TableName::split(spelled)?.as_slice() {
        [schema, name] => Some(TableName::new(schema, name)),
        [name] => Some(TableName::new("", name)),
        _ => None,
    }
}

impl Flows {
    pub(crate) fn of(origins: &[Origin]) -> Self {
        let mut flows: BTreeMap<TableName, BTreeSet<TableName>> = BTreeMap::new();
        for edge in
            origins.iter().flat_map(|origin| &origin.edges).filter(|edge| edge.source.table != edge.target.table)
        {
            if let (Some(from), Some(to)) = (table(&edge.source.table), table(&edge.target.table)) {
                flows.entry(from).or_default().insert(to);
            }
        }
        Self(flows)
    }

    /// These tables, and whatever is made from them over any number of steps.
    pub(crate) fn with_downstream(&self, tables: BTreeSet<TableName>) -> BTreeSet<TableName> {
        let mut waiting: Vec<TableName> = tables.iter().cloned().collect();
        let mut all = tables;
        while let Some(from) = waiting.pop() {
            for to in self.0.get(&from).into_iter().flatten() {
                if all.insert(to.clone()) {
                    waiting.push(to.clone());
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldmark_model::lineage::{Certainty, ColumnName, Edge, Kind, OriginKind};

    #[test]
    fn what_is_made_from_a_table_is_found_over_any_number_of_steps() {
        let edge = |from: &str, to: &str| Edge {
            source: ColumnName::new(from, "a"),
            target: ColumnName::new(to, "b"),
            kind: Kind::Identity,
            masked: false,
        };
        let origin = Origin {
            name: "view".into(),
            kind: OriginKind::View,
            certainty: Certainty::Exact,
            edges: vec![
                edge("s.a", "s.b"),
                edge("s.b", "s.c"),
                edge("s.c", "s.a"),
                edge("s.x", "s.y"),
                edge("?", "s.z"),
            ],
            unresolved: Vec::new(),
            owner: None,
            calls: None,
        };
        let flows = Flows::of(&[origin]);
        let tables = |names: &[&str]| names.iter().map(|name| TableName::new("s", *name)).collect::<BTreeSet<_>>();
        assert_eq!(flows.with_downstream(tables(&["b"])), tables(&["a", "b", "c"]));
        assert_eq!(flows.with_downstream(tables(&["y"])), tables(&["y"]));
    }
}
