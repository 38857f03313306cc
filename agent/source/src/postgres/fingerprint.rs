//! Whether anything of the schemas is another one: first by how often the catalogue's tables were written, which is cheap to ask for
//! however many tables there are; and only if that has moved, by a digest of all that is in them. What ANALYZE and vacuum write is
//! not in it, nor where a table's rows lie.

use super::courtesy::{Call, Purpose};
use super::literal::names;
use super::{Fingerprint, PostgresSource};
use crate::Error;
use crate::label::Name;

/// Rows written in tables of the catalogue; a standby has no such counters, there it is how far it has come.
const PULSE: &str = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text \
    ELSE (SELECT pg_catalog.sum(pg_catalog.pg_stat_get_tuples_inserted(t.o) OPERATOR(pg_catalog.+) \
    pg_catalog.pg_stat_get_tuples_updated(t.o) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_tuples_deleted(t.o))::pg_catalog.text \
    FROM pg_catalog.unnest('{pg_catalog.pg_attrdef,pg_catalog.pg_attribute,pg_catalog.pg_class,pg_catalog.pg_constraint,\
pg_catalog.pg_enum,pg_catalog.pg_index,pg_catalog.pg_inherits,pg_catalog.pg_namespace,pg_catalog.pg_policy,pg_catalog.pg_proc,\
pg_catalog.pg_rewrite,pg_catalog.pg_trigger,pg_catalog.pg_type}'::pg_catalog.regclass[]::pg_catalog.oid[]) AS t(o)) END";

fn statement(schemas: &[String]) -> String {
    let schemas = names(schemas);
    let of = |alias: &str| format!("JOIN space ON space.oid = {alias}");
    format!(
        "WITH space AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY ({schemas})), \
         rel AS (SELECT c.* FROM pg_class c {}), parts AS ( \
         SELECT format('n %s', nspname) AS part FROM space \
         UNION ALL SELECT format('r %s %s %s %s %s %s %s', oid, relnamespace, relname, relkind, relrowsecurity, relacl, reloptions) FROM rel \
         WHERE relkind <> 'S' \
         UNION ALL SELECT format('a %s %s %s %s %s %s %s %s %s', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, \
         a.attidentity, a.attgenerated, a.attacl) FROM pg_attribute a JOIN rel ON rel.oid = a.attrelid WHERE a.attnum > 0 \
         UNION ALL SELECT format('d %s %s %s', d.adrelid, d.adnum, md5(d.adbin::text)) FROM pg_attrdef d JOIN rel ON rel.oid = d.adrelid \
         UNION ALL SELECT format('c %s %s %s %s %s %s %s %s', k.conrelid, k.conname, k.contype, k.convalidated, k.conkey, k.confrelid, \
         k.confkey, md5(k.conbin::text)) FROM pg_constraint k {} \
         UNION ALL SELECT format('i %s %s %s %s %s %s %s', i.indrelid, i.indexrelid, i.indkey, i.indisunique, i.indisvalid, \
         md5(i.indexprs::text), md5(i.indpred::text)) FROM pg_index i JOIN rel ON rel.oid = i.indrelid \
         UNION ALL SELECT format('h %s %s', h.inhrelid, h.inhparent) FROM pg_inherits h JOIN rel ON rel.oid = h.inhrelid \
         UNION ALL SELECT format('v %s %s', w.ev_class, md5(w.ev_action::text)) FROM pg_rewrite w JOIN rel ON rel.oid = w.ev_class \
         UNION ALL SELECT format('t %s %s %s %s', g.tgrelid, g.tgname, g.tgfoid, g.tgenabled) FROM pg_trigger g JOIN rel ON rel.oid = g.tgrelid \
         WHERE NOT g.tgisinternal \
         UNION ALL SELECT format('p %s %s %s %s', p.oid, p.proname, md5(p.prosrc), p.proacl) FROM pg_proc p {} \
         UNION ALL SELECT format('e %s %s %s', e.enumtypid, e.enumsortorder, e.enumlabel) FROM pg_enum e \
         JOIN pg_type y ON y.oid = e.enumtypid {}) \
         SELECT md5(string_agg(part, ',' ORDER BY part COLLATE \"C\")) FROM parts",
        of("c.relnamespace"),
        of("k.connamespace"),
        of("p.pronamespace"),
        of("y.typnamespace"),
    )
}

impl PostgresSource {
    pub(super) async fn read_fingerprint(
        &mut self,
        call: &Call,
        known: Option<&Fingerprint>,
    ) -> Result<Fingerprint, Error> {
        let first = |rows: Vec<Vec<Option<String>>>| rows.into_iter().flatten().next().flatten();
        let pulse = first(self.session.glance(call, Name::Pulse, PULSE).await?);
        if let Some(known) = known.filter(|known| pulse.is_some() && known.pulse == pulse) {
            return Ok(known.clone());
        }
        let transaction = self.session.begin(call, Purpose::Catalogue, false).await?;
        let schema = first(transaction.finish(Name::Fingerprint, &statement(&self.schemas)).await?);
        Ok(Fingerprint { pulse, schema: schema.unwrap_or_default() })
    }
}
