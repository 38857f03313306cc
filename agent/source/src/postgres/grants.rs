//! What a role needs, and nothing else, as the statements that give it.
//!
//! Each has the name of the point that fails without it; the conformance suite runs as a role with exactly these.

use crate::grant::Grant;
use crate::privilege::Privileges;
use fieldmark_model::TableName;
use fieldmark_model::name::quote_identifier;

/// What `role` needs to read these tables. What is there already is that of the role that asked.
pub(crate) fn grants(role: &str, privileges: &Privileges, tables: &[&TableName]) -> Vec<Grant> {
    let quoted = quote_identifier(role);
    let mut grants = vec![Grant {
        point: "connect",
        what: "to log in to the database".to_owned(),
        sql: format!("GRANT CONNECT ON DATABASE {} TO {quoted};", quote_identifier(&privileges.database)),
        table: None,
        given: true,
    }];
    let needed = |schema: &&crate::SchemaPrivileges| tables.iter().any(|table| table.schema == schema.name);
    let schemas = privileges.schemas.iter().filter(needed).map(|schema| (schema, "to see the tables in it"));
    let types =
        privileges.type_schemas.iter().map(|schema| (schema, "of types that columns have, with their operators"));
    for (schema, what) in schemas.chain(types) {
        let sql = format!("GRANT USAGE ON SCHEMA {} TO {quoted};", quote_identifier(&schema.name));
        if grants.iter().any(|own| own.sql == sql) {
            continue;
        }
        grants.push(Grant {
            point: "schema_usage",
            what: format!("schema {}, {what}", schema.name),
            sql,
            table: None,
            given: schema.usage,
        });
    }
    // rows are drawn by their places in the partitions themselves
    let parts = |name: &TableName| {
        let of_table = |table: &&crate::TablePrivileges| table.part_of.as_ref() == Some(name);
        privileges.tables.iter().filter(of_table).map(|table| &table.name).collect::<Vec<_>>()
    };
    let with_parts: Vec<&TableName> =
        tables.iter().flat_map(|name| std::iter::once(*name).chain(parts(name))).collect();
    for name in with_parts {
        let own = privileges.tables.iter().find(|table| table.name == *name);
        if grants.iter().any(|grant| grant.table.as_ref() == Some(name)) {
            continue;
        }
        grants.push(Grant {
            point: "select",
            what: format!("to read {name}"),
            sql: format!("GRANT SELECT ON TABLE {} TO {quoted};", name.quoted()),
            table: Some(name.clone()),
            given: own.is_some_and(|own| own.select),
        });
    }
    grants.push(Grant {
        point: "read_all_stats",
        what: "to see since when transactions of others run: rows that they commit late are not missed then".to_owned(),
        sql: format!("GRANT pg_read_all_stats TO {quoted};"),
        table: None,
        given: privileges.reads_all_statistics,
    });
    grants
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::script;
    use crate::{SchemaPrivileges, TablePrivileges};

    #[test]
    fn nothing_more_than_is_needed() {
        let schema = |name: &str, usage| SchemaPrivileges { name: name.into(), usage, create: false };
        let privileges = Privileges {
            role: "fm".into(),
            database: "shop".into(),
            schemas: vec![schema("public", true), schema("audit", false)],
            tables: vec![TablePrivileges {
                name: TableName::new("public", "odd name"),
                select: false,
                some_columns: true,
                writes: Vec::new(),
                row_security: false,
                owned: false,
                part_of: None,
            }],
            ..Privileges::default()
        };
        let table = TableName::new("public", "odd name");
        let grants = grants("field mark", &privileges, &[&table]);
        let told: Vec<(&str, bool)> = grants.iter().map(|grant| (grant.point, grant.given)).collect();
        assert_eq!(told, [("connect", true), ("schema_usage", true), ("select", false), ("read_all_stats", false)]);
        let script = script(&grants);
        assert!(
            script.contains("GRANT SELECT ON TABLE \"public\".\"odd name\" TO \"field mark\";  -- to read"),
            "{script}"
        );
        assert!(!script.contains("audit"), "{script}");
    }
}
