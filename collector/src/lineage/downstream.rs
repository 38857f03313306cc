//! What is made from what an incident is about.

use super::{Direction, OriginOf, Reached, Walk};
use crate::store::{Store, StoreError};
use fieldmark_classify::incident::{Incident, Part};
use fieldmark_model::{RuleId, SourceName, TableName};
use serde::Serialize;
use std::collections::BTreeMap;

/// Columns that are followed from one part, at most.
const MOST: usize = 1_000;

/// What is made from the columns of one part of an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Downstream {
    /// The part's source.
    pub source: SourceName,
    /// Its table.
    pub table: TableName,
    /// Its rule; `None`: the table as a whole.
    pub rule: Option<RuleId>,
    /// The columns from which it was followed: those that the rule reads, or all of the table's.
    pub columns: Vec<String>,
    /// What is made from them, nearest first; of a table, or of whatever reads, its nearest column.
    pub hit: Vec<Hit>,
    /// Whether there is more.
    pub cut_off: bool,
}

/// A table that is made from it, or something that reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// Its source.
    pub source: SourceName,
    /// `schema.table`; of what only reads, the name of its origin.
    pub table: String,
    /// Steps to it.
    pub depth: u32,
    /// Whether values go there; else they decide which rows there are.
    pub direct: bool,
    /// What makes the last step.
    pub origin: OriginOf,
}

/// What is made from what an incident is about, part by part; of a source as a whole, that is everything, and nothing is told.
///
/// # Errors
/// The store's.
pub async fn downstream(store: &dyn Store, incident: &Incident) -> Result<Vec<Downstream>, StoreError> {
    let mut all = Vec::new();
    for part in incident.parts.iter().filter(|part| !part.is_over() || !incident.is_open()) {
        let Part { source: Some(source), table: Some(table), rule, .. } = part else { continue };
        let columns = match rule {
            None => vec![None],
            Some(rule) => {
                let reads = walk(source, format!("rule {rule} on {table}"), None, Direction::Up);
                let read = store.walk(Walk { depth: 1, ..reads }).await?.reached;
                read.into_iter().map(|reached| Some(reached.column.column)).collect()
            }
        };
        let mut own = Downstream {
            source: source.clone(),
            table: table.clone(),
            rule: rule.clone(),
            columns: Vec::new(),
            hit: Vec::new(),
            cut_off: false,
        };
        let mut hit: BTreeMap<(SourceName, String), Hit> = BTreeMap::new();
        for column in columns {
            let walked = store.walk(walk(source, table.to_string(), column, Direction::Down)).await?;
            own.cut_off |= walked.cut_off;
            own.columns.extend(walked.from.into_iter().map(|from| from.column));
            for Reached { column, depth, direct, origin, .. } in walked.reached {
                // rules of the same table are no news
                if column.table.starts_with("rule ") && column.table.ends_with(&format!(" on {table}")) {
                    continue;
                }
                let new = Hit { source: column.source, table: column.table, depth, direct, origin };
                let near = |hit: &Hit| (hit.depth, !hit.direct);
                let known = hit.entry((new.source.clone(), new.table.clone())).or_insert_with(|| new.clone());
                if near(&new) < near(known) {
                    *known = new;
                }
            }
        }
        own.hit = hit.into_values().collect();
        own.hit.sort_by_key(|hit| hit.depth);
        if !own.columns.is_empty() {
            all.push(own);
        }
    }
    Ok(all)
}

fn walk(source: &SourceName, table: String, column: Option<String>, direction: Direction) -> Walk {
    Walk {
        source: Some(source.clone()),
        table,
        column,
        direction,
        depth: u32::MAX,
        direct: false,
        as_of: None,
        limit: MOST,
    }
}
