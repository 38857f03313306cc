//! The parts of a table that have storage of their own, and how each can be read.

use super::layout;
use super::rows::Answer;
use super::statement::copy;
use fieldmark_model::{Table, TableName};

/// One part: the table itself, a partition, an heir.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: TableName,
    pub(super) by: By,
    /// The file that its rows lie in, where that is one.
    pub(super) storage: Option<i64>,
    /// Whether it can be locked by name: a materialized view cannot.
    pub(super) lockable: bool,
}

/// How a part is read in bounded pieces.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum By {
    /// By ranges of blocks.
    Place {
        /// This relation alone, so that rows come in the order of their places; else with all its heirs.
        only: bool,
        /// Blocks, as the last vacuum left them.
        blocks: u32,
        /// Rows of a block, where the database has an estimate.
        density: Option<f64>,
    },
    /// In key order.
    Key(Vec<String>),
    /// In one statement.
    Whole { only: bool },
}

/// Everything of a table's parts, in one statement.
pub(super) fn statement(name: &TableName) -> String {
    copy(&format!(
        "WITH RECURSIVE tree(part) AS (SELECT {} UNION ALL SELECT i.inhrelid FROM tree t JOIN pg_inherits i \
         ON i.inhparent = t.part WHERE NOT i.inhdetachpending) \
         SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relfilenode::int8, c.reltuples::float8, c.relpages, \
         has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') \
         FROM tree t JOIN pg_class c ON c.oid = t.part JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY c.oid",
        layout::relation(name)
    ))
}

struct Relation {
    name: TableName,
    kind: String,
    storage: i64,
    rows: f64,
    blocks: u32,
    granted: bool,
}

/// The parts, from the answer; none where there is no such table.
///
/// Places need SELECT on the whole of a relation (`ctid` is a column that no column grant covers). A role that may read a parent but
/// not its partitions reads the same range of blocks of all of them at once, through the parent.
pub(super) fn parts(table: &Table, answers: &[Answer]) -> Option<Vec<Part>> {
    let read = |answer: &Answer| {
        Some(Relation {
            name: TableName::new(answer.text(0)?, answer.text(1)?),
            kind: answer.text(2)?,
            storage: answer.integer(3)?,
            rows: answer.float(4)?,
            blocks: u32::try_from(answer.integer(5)?).unwrap_or(0),
            granted: answer.truth(6),
        })
    };
    let relations: Vec<Relation> = answers.iter().filter_map(read).collect();
    let root = relations.iter().find(|relation| relation.name == table.name)?;
    let part = |by: By| vec![Part { name: table.name.clone(), by, storage: None, lockable: root.kind != "m" }];
    if !table.kind.is_stored() {
        return Some(part(By::Whole { only: false }));
    }
    let stored: Vec<&Relation> = relations.iter().filter(|relation| relation.kind != "p").collect();
    let density = |rows: f64, blocks: u32| (rows >= 0.0 && blocks > 0).then(|| rows / f64::from(blocks));
    let foreign = |relation: &Relation| !matches!(relation.kind.as_str(), "r" | "m");
    if stored.iter().all(|relation| relation.granted) {
        let each = stored.iter().map(|relation| Part {
            name: relation.name.clone(),
            by: if foreign(relation) {
                By::Whole { only: true }
            } else {
                By::Place { only: true, blocks: relation.blocks, density: density(relation.rows, relation.blocks) }
            },
            storage: (!foreign(relation)).then_some(relation.storage),
            lockable: relation.kind != "m",
        });
        return Some(each.collect());
    }
    Some(if root.granted && !stored.iter().any(|relation| foreign(relation)) {
        let blocks = stored.iter().map(|relation| relation.blocks).max().unwrap_or(0);
        let known = stored.iter().all(|relation| relation.rows >= 0.0);
        let rows = if known { stored.iter().map(|relation| relation.rows).sum() } else { -1.0 };
        part(By::Place { only: false, blocks, density: density(rows, blocks) })
    } else if let (false, Some(key)) = (root.granted, table.key()) {
        part(By::Key(key.to_vec()))
    } else {
        part(By::Whole { only: false })
    })
}
