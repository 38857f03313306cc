//! What became of lineage by a migration.

use super::migrations::Known;
use super::wrong::Wrong;
use crate::Collector;
use crate::lineage::{ColumnOf, Difference, EdgeOf};
use fieldmark_model::lineage::Kind;
use fieldmark_model::migration::LineageChange;
use std::collections::BTreeSet;

/// Edges, and other names, that are told at most.
const MOST: usize = 200;

/// What became of lineage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lineage {
    pub(super) renamed: Vec<[String; 2]>,
    pub(super) added: Vec<EdgeLine>,
    pub(super) removed: Vec<EdgeLine>,
    pub(super) more: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct EdgeLine {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) kind: String,
    pub(super) origin: String,
}

/// What the collector itself knows to have changed around it; none where it knew nothing before.
pub(super) async fn seen(collector: &Collector, known: &Known) -> Result<Option<Lineage>, Wrong> {
    let source = &known.seen.source;
    let Ok((from, to)) = crate::api::around(collector, source, &known.seen.id).await else { return Ok(None) };
    if !collector.store.lineage_known(source.clone(), from).await? {
        return Ok(None);
    }
    let difference = collector.store.lineage_difference(source.clone(), from, to).await?;
    Ok(Some(Lineage::found(&difference)))
}

fn words(kind: Kind) -> String {
    kind.subtype().to_lowercase().replace('_', " ")
}

impl Lineage {
    fn bounded(mut self) -> Self {
        for list in [&mut self.added, &mut self.removed] {
            self.more += list.len().saturating_sub(MOST);
            list.truncate(MOST);
        }
        self.more += self.renamed.len().saturating_sub(MOST);
        self.renamed.truncate(MOST);
        self
    }

    /// Of what was found, what is about these columns.
    pub(super) fn about(difference: &Difference, columns: &BTreeSet<&ColumnOf>) -> Self {
        let of = |edge: &&EdgeOf| columns.contains(&edge.source) || columns.contains(&edge.target);
        let edges = |all: &[EdgeOf]| all.iter().filter(of).cloned().collect();
        let renamed = difference.renamed.iter().filter(|renamed| columns.contains(&renamed.to)).cloned().collect();
        Self::found(&Difference { added: edges(&difference.added), removed: edges(&difference.removed), renamed })
    }

    /// What a report tells.
    pub(super) fn told(change: &LineageChange) -> Self {
        let edge = |edge: &fieldmark_model::migration::LineageEdge| EdgeLine {
            from: edge.source.to_string(),
            to: edge.target.to_string(),
            kind: words(edge.kind),
            origin: edge.origin.clone(),
        };
        let lineage = Self {
            renamed: change.renamed.iter().map(|pair| pair.each_ref().map(ToString::to_string)).collect(),
            added: change.added.iter().map(edge).collect(),
            removed: change.removed.iter().map(edge).collect(),
            more: 0,
        };
        lineage.bounded()
    }

    /// Of whatever was found.
    fn found(difference: &Difference) -> Self {
        let name = |column: &ColumnOf| format!("{}.{}", column.table, column.column);
        let edge = |edge: &EdgeOf| EdgeLine {
            from: name(&edge.source),
            to: name(&edge.target),
            kind: words(edge.kind),
            origin: edge.origin.clone(),
        };
        let lineage = Self {
            renamed: difference.renamed.iter().map(|renamed| [name(&renamed.from), name(&renamed.to)]).collect(),
            added: difference.added.iter().map(edge).collect(),
            removed: difference.removed.iter().map(edge).collect(),
            more: 0,
        };
        lineage.bounded()
    }

    /// Whether nothing did.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use fieldmark_model::SourceName;
    use fieldmark_model::lineage::Certainty;

    #[test]
    fn of_what_changed_that_is_told_which_is_about_the_columns() {
        let column =
            |table: &str| ColumnOf { source: SourceName::new("shop"), table: table.into(), column: "c".into() };
        let edge = |from: &str, to: &str| EdgeOf {
            source: column(from),
            target: column(to),
            kind: Kind::GroupBy,
            masked: false,
            origin: "view".into(),
            certainty: Certainty::Exact,
            since: DateTime::UNIX_EPOCH,
        };
        let difference =
            Difference { added: vec![edge("a", "b"), edge("x", "y")], removed: vec![edge("z", "a")], renamed: vec![] };
        let told = Lineage::about(&difference, &BTreeSet::from([&column("a")]));
        let said: Vec<_> =
            told.added.iter().chain(&told.removed).map(|edge| (edge.from.as_str(), edge.kind.as_str())).collect();
        assert_eq!(said, [("a.c", "group by"), ("z.c", "group by")]);
        assert!(Lineage::about(&difference, &BTreeSet::new()).is_empty());
    }
}
