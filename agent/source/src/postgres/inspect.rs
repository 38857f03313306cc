//! The catalogue: five statements over one snapshot, whatever the number of tables.

use super::layout::{DOMAINS, family};
use super::literal::names;
use super::rows::Answer;
use super::statement::copy;
use crate::Check;
use crate::label::Name;
use fieldmark_model::catalogue::ForeignKey;
use fieldmark_model::{Catalogue, Column, Table, TableKind, TableName};
use std::collections::HashMap;

/// The statements, in the order in which [`catalogue`] takes their answers.
pub(super) fn statements(schemas: &[String]) -> [(Name, String); 5] {
    // partitions are not tables of their own: their parent is
    let relations = format!(
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY ({}) \
         AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
         AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition",
        names(schemas)
    );
    let wanted = format!("(SELECT c.oid, c.relkind, c.relhassubclass {relations}) AS r");
    [
        (
            Name::Tables,
            copy(&format!(
                "SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relfilenode::int8, \
             c.reltuples::float8, c.relpages {relations}"
            )),
        ),
        // rows and pages of a parent are those of its parts
        (
            Name::Sums,
            copy(&format!(
                "WITH RECURSIVE tree(root, part) AS (SELECT r.oid, r.oid FROM {wanted} WHERE r.relkind = 'p' OR r.relhassubclass \
             UNION ALL SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.part) \
             SELECT t.root::int8, sum(c.reltuples)::float8, sum(c.relpages)::int8, bool_or(c.reltuples < 0) FROM tree t \
             JOIN pg_class c ON c.oid = t.part WHERE c.relkind <> 'p' GROUP BY t.root"
            )),
        ),
        // PostgreSQL 18 says attnotnull of a constraint that old rows may break
        (
            Name::Columns,
            copy(&format!(
                "{DOMAINS} SELECT a.attrelid::int8, a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod), \
             a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' \
             AND NOT k.convalidated AND k.conkey = ARRAY[a.attnum]), \
             t.oid::int8, CASE WHEN d.oid IS NULL THEN a.atttypmod ELSE d.modifier END, t.typtype = 'e', t.typlen, \
             has_column_privilege(a.attrelid, a.attnum, 'SELECT') FROM {wanted} JOIN pg_attribute a ON a.attrelid = r.oid LEFT JOIN domain d ON d.oid = a.atttypid \
             JOIN pg_type t ON t.oid = coalesce(d.base, a.atttypid) \
             WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"
            )),
        ),
        // b-trees alone: other indexes give no order, and most no equality. Those of a parent say nothing of its heirs' rows
        (
            Name::Indexes,
            copy(&format!(
                "SELECT i.indrelid::int8, i.indisprimary, i.indisunique, i.indnkeyatts, i.indkey::text FROM {wanted} \
             JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class x ON x.oid = i.indexrelid \
             WHERE x.relam = 403 AND i.indisvalid AND i.indislive AND i.indpred IS NULL \
             AND NOT (r.relkind = 'r' AND r.relhassubclass AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = r.oid)) \
             ORDER BY i.indexrelid"
            )),
        ),
        // a key that is not validated is not one that all rows follow; those of partitions repeat their parent's
        (
            Name::ForeignKeys,
            copy(&format!(
                "SELECT k.conrelid::int8, n.nspname::text, c.relname::text, \
             (SELECT json_agg(a.attname ORDER BY u.n)::text FROM unnest(k.conkey) WITH ORDINALITY u(num, n) \
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num), \
             (SELECT json_agg(a.attname ORDER BY u.n)::text FROM unnest(k.confkey) WITH ORDINALITY u(num, n) \
              JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num) \
             FROM {wanted} JOIN pg_constraint k ON k.conrelid = r.oid JOIN pg_class c ON c.oid = k.confrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE k.contype = 'f' AND k.convalidated AND k.conparentid = 0 ORDER BY k.conname"
            )),
        ),
    ]
}

/// Columns of CHECK constraints that all rows follow, and columns whose type is a domain with one.
pub(super) fn checks(schemas: &[String]) -> String {
    let list = names(schemas);
    copy(&format!(
        "WITH RECURSIVE checked(oid) AS (SELECT k.contypid FROM pg_constraint k WHERE k.contype = 'c' AND k.convalidated \
         AND k.contypid <> 0 UNION SELECT t.oid FROM checked JOIN pg_type t ON t.typbasetype = checked.oid) \
         SELECT n.nspname::text, c.relname::text, (SELECT json_agg(a.attname)::text FROM unnest(k.conkey) u(num) \
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num) \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = ANY ({list}) AND k.contype = 'c' AND k.convalidated AND k.conkey IS NOT NULL \
         UNION SELECT n.nspname::text, c.relname::text, json_build_array(a.attname)::text \
         FROM checked JOIN pg_attribute a ON a.atttypid = checked.oid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = ANY ({list}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1, 2, 3"
    ))
}

/// One of them, from its answer.
pub(super) fn check(answer: &Answer) -> Option<Check> {
    let columns = serde_json::from_str(&answer.text(2)?).ok()?;
    Some(Check { table: TableName::new(answer.text(0)?, answer.text(1)?), columns })
}

/// The tables, from the answers.
pub(super) fn catalogue(answers: &[Vec<Answer>; 5]) -> Catalogue {
    let [relations, sums, columns, indexes, foreign_keys] = answers;
    let mut tables: HashMap<i64, Table> = relations.iter().filter_map(relation).collect();
    for answer in sums {
        if let Some(table) = answer.integer(0).and_then(|oid| tables.get_mut(&oid)) {
            let known = !answer.truth(3);
            table.estimated_rows = answer.float(1).filter(|_| known).map(|rows| rows as u64);
            table.pages = answer.integer(2).filter(|_| known).and_then(|pages| u64::try_from(pages).ok());
        }
    }
    for answer in columns {
        if let (Some(table), Some(column)) = (answer.integer(0).and_then(|oid| tables.get_mut(&oid)), column(answer)) {
            table.columns.push(column);
        }
    }
    for answer in indexes {
        if let Some(table) = answer.integer(0).and_then(|oid| tables.get_mut(&oid)) {
            index(table, answer);
        }
    }
    for answer in foreign_keys {
        let list = |at| serde_json::from_str::<Vec<String>>(&answer.text(at)?).ok();
        let parts = (answer.text(1), answer.text(2), list(3), list(4));
        if let (Some(table), (Some(schema), Some(name), Some(columns), Some(to))) =
            (answer.integer(0).and_then(|oid| tables.get_mut(&oid)), parts)
        {
            table.foreign_keys.push(ForeignKey { columns, table: TableName::new(schema, name), to });
        }
    }
    let mut tables: Vec<Table> = tables.into_values().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Catalogue::of(tables)
}

fn relation(answer: &Answer) -> Option<(i64, Table)> {
    let oid = answer.integer(0)?;
    let kind = match answer.text(3)?.as_str() {
        "r" => TableKind::Table,
        "p" => TableKind::Partitioned,
        "v" => TableKind::View,
        "m" => TableKind::MaterializedView,
        _ => TableKind::Foreign,
    };
    // a table that was never vacuumed or analysed says -1 rows and 0 pages, a view says 0 of both
    let counted = matches!(kind, TableKind::Table | TableKind::MaterializedView);
    let rows = answer.float(5).filter(|rows| *rows >= 0.0 && kind != TableKind::View && kind != TableKind::Partitioned);
    let table = Table {
        name: TableName::new(answer.text(1)?, answer.text(2)?),
        identity: u64::try_from(oid).ok(),
        storage: answer.integer(4).and_then(|file| u64::try_from(file).ok()).filter(|file| *file != 0),
        kind,
        columns: Vec::new(),
        row_number: None,
        primary_key: None,
        unique: Vec::new(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        estimated_rows: rows.map(|rows| rows as u64),
        pages: answer.integer(6).filter(|_| counted && rows.is_some()).and_then(|pages| u64::try_from(pages).ok()),
    };
    Some((oid, table))
}

fn column(answer: &Answer) -> Option<Column> {
    let (data_type, canonical_text) = family(answer, 5)?.arrow();
    Some(Column {
        identity: answer.integer(1).and_then(|number| u64::try_from(number).ok()),
        name: answer.text(2)?,
        declared: answer.text(3)?,
        nullable: !answer.truth(4),
        data_type,
        canonical_text,
        readable: answer.truth(9),
    })
}

/// Takes note of an index. `NULLS NOT DISTINCT` is not told apart; neither is a deferrable constraint.
fn index(table: &mut Table, answer: &Answer) {
    let numbers = answer.text(4).unwrap_or_default();
    let keys = answer.integer(3).and_then(|keys| usize::try_from(keys).ok()).unwrap_or(0);
    let numbers: Vec<u64> = numbers.split(' ').take(keys).map(|number| number.parse().unwrap_or(0)).collect();
    let name = |number: &u64| {
        let found = table.columns.iter().find(|column| column.identity == Some(*number));
        found.map(|column| column.name.clone())
    };
    // number 0 is an expression: what stands before it can still be looked up
    let columns: Vec<String> = numbers.iter().map_while(name).collect();
    if columns.is_empty() {
        return;
    }
    if answer.truth(2) && columns.len() == numbers.len() {
        if answer.truth(1) {
            table.primary_key = Some(columns.clone());
        }
        if !table.unique.contains(&columns) {
            table.unique.push(columns.clone());
        }
    }
    if !table.indexes.contains(&columns) {
        table.indexes.push(columns);
    }
}
