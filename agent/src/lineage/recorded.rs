//! A source's lineage, taken into the store beside it.

use super::{Snapshot, Told};
use chrono::{DateTime, Utc};
use fieldmark_collector::lineage::Difference;
use fieldmark_collector::store::{Store, StoreError};
use fieldmark_model::SourceName;
use fieldmark_model::lineage::{ColumnName, LineagePart, LineageSeen, Origin};
use fieldmark_model::migration::{LineageChange, LineageEdge};
use std::collections::BTreeSet;

/// Takes a source's lineage as it is now; what it says no more has ended.
///
/// # Errors
/// The store's.
pub(crate) async fn record(store: &dyn Store, source: &SourceName, snapshot: Snapshot) -> Result<(), StoreError> {
    // against what the store has, and not what an agent has told
    let origins: BTreeSet<String> = snapshot.origins.iter().map(|origin| origin.name.clone()).collect();
    let tables: BTreeSet<String> = snapshot.tables.iter().map(|table| table.name.clone()).collect();
    let before = store.origins(Some(source.clone())).await?;
    let known: BTreeSet<String> = before.into_iter().map(|row| row.origin.name).collect();
    let ended: Vec<String> =
        known.iter().filter(|name| !is_of_others(name) && !origins.contains(*name)).cloned().collect();
    // what reads has columns of its own name, and so has a function
    let has_none = |name: &String| known.contains(name) || origins.contains(name) || name.ends_with("()");
    let gone: Vec<String> = store
        .lineage_tables(source.clone())
        .await?
        .into_iter()
        .filter(|name| !tables.contains(name) && !has_none(name) && name != ColumnName::UNKNOWN)
        .collect();
    let (mut pieces, _) = Told::default().new_of(source, snapshot, None);
    let seen = |part| LineageSeen { source: source.clone(), migration: None, part };
    if !gone.is_empty() {
        pieces.push(seen(LineagePart::Tables { tables: Vec::new(), gone }));
    }
    if !ended.is_empty() {
        pieces.push(seen(LineagePart::Gone { origins: ended }));
    }
    store.record_lineage(pieces, Utc::now()).await
}

/// Takes what a migration's scripts say.
///
/// # Errors
/// The store's.
pub(crate) async fn record_planned(
    store: &dyn Store,
    source: &SourceName,
    origins: &[Origin],
) -> Result<(), StoreError> {
    let one = |origin: &Origin| LineageSeen {
        source: source.clone(),
        migration: None,
        part: LineagePart::Origin(Box::new(origin.clone())),
    };
    store.record_lineage(origins.iter().map(one).collect(), Utc::now()).await
}

/// Whether an origin was told by somebody else, or once: a source does not say whether it is still there.
fn is_of_others(name: &str) -> bool {
    ["job ", "dataset ", "dbt ", "consumer ", "migration "].iter().any(|begins| name.starts_with(begins))
}

/// What became of a source's lineage since a time; `None`: nothing of it was known then.
///
/// # Errors
/// The store's.
pub(crate) async fn changed(
    store: &dyn Store,
    source: &SourceName,
    since: DateTime<Utc>,
) -> Result<Option<LineageChange>, StoreError> {
    if !store.lineage_known(source.clone(), since).await? {
        return Ok(None);
    }
    let Difference { added, removed, renamed } = store.lineage_difference(source.clone(), since, Utc::now()).await?;
    let column = |column: fieldmark_collector::lineage::ColumnOf| ColumnName::new(column.table, column.column);
    let edge = |edge: fieldmark_collector::lineage::EdgeOf| LineageEdge {
        source: column(edge.source),
        target: column(edge.target),
        kind: edge.kind,
        origin: edge.origin,
    };
    Ok(Some(LineageChange {
        renamed: renamed.into_iter().map(|one| [column(one.from), column(one.to)]).collect(),
        removed: removed.into_iter().map(edge).collect(),
        added: added.into_iter().map(edge).collect(),
    }))
}
