//! What became of lineage by a migration.

use super::migrations::Known;
use super::wrong::Wrong;
use crate::Collector;
use crate::lineage::Difference;
use fieldmark_model::lineage::Kind;
use fieldmark_model::migration::LineageChange;

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

    fn found(difference: &Difference) -> Self {
        let name = |column: &crate::lineage::ColumnOf| format!("{}.{}", column.table, column.column);
        let edge = |edge: &crate::lineage::EdgeOf| EdgeLine {
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
