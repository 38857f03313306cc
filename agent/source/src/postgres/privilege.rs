//! What the role may do, as the catalogue says; nothing is tried.

use super::PostgresSource;
use super::courtesy::Call;
use super::layout::DOMAINS;
use super::literal::names;
use super::statement::copy;
use crate::Error;
use crate::label::Name;
use crate::privilege::{Privileges, SchemaPrivileges, TablePrivileges};
use fieldmark_model::TableName;

/// The role itself, in one row.
const ROLE: &str = "SELECT r.rolname::text, r.rolsuper, r.rolbypassrls, r.rolcreaterole OR r.rolcreatedb OR r.rolreplication, \
    pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE'), pg_has_role(r.oid, 'pg_write_all_data', 'USAGE'), \
    has_database_privilege(current_database(), 'CREATE'), current_database()::text, pg_has_role(r.oid, 'pg_execute_server_program', 'USAGE') OR \
    pg_has_role(r.oid, 'pg_write_server_files', 'USAGE') \
    FROM pg_roles r WHERE r.rolname = current_user";

impl PostgresSource {
    pub(super) async fn granted(&mut self, call: &Call) -> Result<Privileges, Error> {
        let list = names(&self.schemas);
        let schemas = format!(
            "SELECT n.nspname::text, has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE') \
             FROM pg_namespace n WHERE n.nspname = ANY ({list}) ORDER BY 1"
        );
        // of types with operators of their own the schema is needed, too
        let types = format!(
            "{DOMAINS} SELECT DISTINCT m.nspname::text, has_schema_privilege(m.oid, 'USAGE') FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
             AND NOT a.attisdropped LEFT JOIN domain d ON d.oid = a.atttypid \
             JOIN pg_type t ON t.oid = coalesce(d.base, a.atttypid) CROSS JOIN LATERAL (SELECT t.typnamespace UNION \
             SELECT p.oprnamespace FROM pg_opclass o JOIN pg_amop x ON x.amopfamily = o.opcfamily AND x.amopstrategy = 3 \
             AND x.amoplefttype = o.opcintype AND x.amoprighttype = o.opcintype JOIN pg_operator p ON p.oid = x.amopopr \
             WHERE o.opcmethod = 403 AND o.opcdefault AND o.opcintype = t.oid) AS used(schema) \
             JOIN pg_namespace m ON m.oid = used.schema \
             WHERE n.nspname = ANY ({list}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND m.nspname <> 'pg_catalog' ORDER BY 1"
        );
        let tables = format!(
            "SELECT n.nspname::text, c.relname::text, has_table_privilege(c.oid, 'SELECT'), \
             has_any_column_privilege(c.oid, 'SELECT'), has_any_column_privilege(c.oid, 'INSERT'), \
             has_any_column_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE'), \
             has_table_privilege(c.oid, 'TRUNCATE'), c.relrowsecurity AND row_security_active(c.oid), \
             pg_get_userbyid(c.relowner) = current_user, \
             CASE WHEN c.relispartition THEN (SELECT json_build_array(m.nspname, r.relname)::text FROM pg_class r \
             JOIN pg_namespace m ON m.oid = r.relnamespace WHERE r.oid = pg_partition_root(c.oid)) END \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY ({list}) \
             AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
             ORDER BY 1, 2"
        );
        let statements = [ROLE.to_owned(), schemas, types, tables].map(|query| (Name::Privileges, copy(&query)));
        let [role, schemas, types, tables] = self.answers(call, &statements).await?;
        let role = role.first().ok_or_else(|| Error::Internal { what: "a session without a role".to_owned() })?;
        let schema = |answer: &super::Answer| {
            Some(SchemaPrivileges { name: answer.text(0)?, usage: answer.truth(1), create: answer.truth(2) })
        };
        let type_schema = |answer: &super::Answer| {
            Some(SchemaPrivileges { name: answer.text(0)?, usage: answer.truth(1), create: false })
        };
        let table = |answer: &super::Answer| {
            let writes = ["INSERT", "UPDATE", "DELETE", "TRUNCATE"].into_iter().enumerate();
            Some(TablePrivileges {
                name: TableName::new(answer.text(0)?, answer.text(1)?),
                select: answer.truth(2),
                some_columns: answer.truth(3),
                writes: writes.filter(|(at, _)| answer.truth(4 + at)).map(|(_, word)| word).collect(),
                row_security: answer.truth(8),
                owned: answer.truth(9),
                part_of: answer.text(10).and_then(|root| {
                    let (schema, name) = serde_json::from_str::<(String, String)>(&root).ok()?;
                    Some(TableName::new(schema, name))
                }),
            })
        };
        Ok(Privileges {
            role: role.text(0).unwrap_or_default(),
            database: role.text(7).unwrap_or_default(),
            superuser: role.truth(1),
            bypass_row_security: role.truth(2),
            administers: role.truth(3),
            reads_all_statistics: role.truth(4),
            writes_all_data: role.truth(5),
            creates_in_database: role.truth(6),
            runs_programs: role.truth(8),
            schemas: schemas.iter().filter_map(schema).collect(),
            type_schemas: types.iter().filter_map(type_schema).collect(),
            tables: tables.iter().filter_map(table).collect(),
        })
    }
}
