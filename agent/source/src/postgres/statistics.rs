//! What the server's own statistics say of reading: blocks that were touched in tables, by anybody.

use super::PostgresSource;
use super::courtesy::Call;
use super::literal::{array_literal, quote_literal};
use super::statement::copy;
use crate::Error;
use crate::label::Name;
use fieldmark_model::{Table, TableKind};

impl PostgresSource {
    /// Blocks of tables, their indexes and their TOAST, read and hit. A session's share comes late, and is asked for; before PostgreSQL 15
    /// that cannot be.
    pub(super) async fn blocks_by_statistics(&mut self, call: &Call, tables: &[&Table]) -> Result<Option<u64>, Error> {
        if self.version < 150_000 {
            return Ok(None);
        }
        self.session.glance(call, Name::Flush, "SELECT pg_catalog.pg_stat_force_next_flush()").await?;
        let stored = |table: &&&Table| {
            matches!(table.kind, TableKind::Table | TableKind::Partitioned | TableKind::MaterializedView)
        };
        let names: Vec<String> = tables.iter().filter(stored).map(|table| table.name.quoted()).collect();
        let list = quote_literal(&array_literal(names.iter().map(|name| Some(name.as_str()))));
        let blocks =
            ["heap_blks_read", "heap_blks_hit", "idx_blks_read", "idx_blks_hit", "toast_blks_read", "toast_blks_hit"];
        let sum: Vec<String> = blocks.iter().map(|blocks| format!("coalesce(s.{blocks}, 0)")).collect();
        let statement = copy(&format!(
            "WITH RECURSIVE tree(part) AS (SELECT to_regclass(n)::oid FROM unnest({list}::text[]) AS n UNION SELECT i.inhrelid \
             FROM tree t JOIN pg_inherits i ON i.inhparent = t.part) \
             SELECT sum({})::int8 FROM tree t JOIN pg_statio_all_tables s ON s.relid = t.part",
            sum.join(" + ")
        ));
        let [answers] = self.answers(call, &[(Name::Touched, statement)]).await?;
        Ok(answers.first().and_then(|answer| answer.integer(0)).and_then(|blocks| u64::try_from(blocks).ok()))
    }
}
