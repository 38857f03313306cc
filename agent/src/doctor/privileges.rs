//! What a role may do, judged. Pure.

use fieldmark_model::name::quote_identifier;
use fieldmark_model::{Finding, SourceName};
use fieldmark_source::Privileges;
use fieldmark_source::postgres::grants::Grant;

/// What was told to be no finding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    pub(super) superuser: bool,
    pub(super) writes: bool,
}

/// Names of tables that a sentence holds.
const NAMED: usize = 5;

/// What is missing, and what is too much.
pub(super) fn examine(source: &SourceName, role: &Privileges, needed: &[Grant], allowed: Allowed) -> Vec<Finding> {
    let mut findings = Findings { source, found: Vec::new() };
    let quoted = quote_identifier(&role.role);
    if role.superuser {
        if !allowed.superuser {
            findings.add(
                "superuser",
                format!("{} is a superuser: it may do anything to this database", role.role),
                "let a role of its own connect: `fieldmark doctor --grants NAME` prints what that needs".to_owned(),
            );
        }
        // of a superuser all else is true as well, and says nothing more
        return findings.found;
    }
    if role.administers && !allowed.superuser {
        findings.add(
            "administers",
            format!("{} may make roles or databases, or replicate", role.role),
            format!("ALTER ROLE {quoted} NOCREATEROLE NOCREATEDB NOREPLICATION;"),
        );
    }
    if !allowed.writes {
        writes(&mut findings, role, &quoted);
    }
    missing(&mut findings, needed);
    for table in role.tables.iter().filter(|table| table.row_security) {
        let needs = needed.iter().any(|grant| grant.table.as_ref() == Some(&table.name));
        if needs {
            findings.found.push(Finding {
                id: "row_security".to_owned(),
                source: source.clone(),
                table: Some(table.name.clone()),
                column: None,
                what: format!(
                    "row security hides rows of {} from {}: its rules are not evaluated",
                    table.name, role.role
                ),
                remedy: format!("ALTER ROLE {quoted} BYPASSRLS; (no policy can promise that it hides nothing)"),
            });
        }
    }
    findings.found
}

struct Findings<'a> {
    source: &'a SourceName,
    found: Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, id: &str, what: String, remedy: String) {
        self.found.push(Finding {
            id: id.to_owned(),
            source: self.source.clone(),
            table: None,
            column: None,
            what,
            remedy,
        });
    }
}

fn writes(findings: &mut Findings<'_>, role: &Privileges, quoted: &str) {
    if role.writes_all_data {
        findings.add(
            "writes_all_data",
            format!("{} is in pg_write_all_data: it may write whatever there is", role.role),
            format!("REVOKE pg_write_all_data FROM {quoted};"),
        );
    }
    if role.runs_programs {
        findings.add(
            "runs_programs",
            format!("{} may run programs, or write files, on the server", role.role),
            format!("REVOKE pg_execute_server_program, pg_write_server_files FROM {quoted};"),
        );
    }
    let owned: Vec<String> =
        role.tables.iter().filter(|table| table.owned).map(|table| table.name.to_string()).collect();
    if !owned.is_empty() {
        findings.add(
            "owner",
            format!("{} owns {}: it may change and drop them", role.role, some(&owned)),
            "let a role connect that owns nothing here".to_owned(),
        );
    }
    let written: Vec<&fieldmark_source::TablePrivileges> =
        role.tables.iter().filter(|table| !table.writes.is_empty() && !table.owned).collect();
    if !written.is_empty() && !role.writes_all_data {
        let names: Vec<String> = written.iter().map(|table| table.name.to_string()).collect();
        let revoke = written
            .iter()
            .map(|table| format!("REVOKE {} ON TABLE {} FROM {quoted};", table.writes.join(", "), table.name.quoted()));
        findings.add(
            "writes",
            format!("{} may write to {}", role.role, some(&names)),
            format!("{} (of PUBLIC or another role that it is in, where it comes from there)", shown(revoke.collect())),
        );
    }
    if role.creates_in_database {
        let database = quote_identifier(&role.database);
        findings.add(
            "creates",
            format!("{} may make schemas in this database", role.role),
            format!("REVOKE CREATE ON DATABASE {database} FROM {quoted};"),
        );
    }
    for schema in role.schemas.iter().filter(|schema| schema.create) {
        findings.add(
            "creates",
            format!("{} may make tables in the schema {}", role.role, schema.name),
            format!("REVOKE CREATE ON SCHEMA {0} FROM {quoted}; -- and FROM PUBLIC", quote_identifier(&schema.name)),
        );
    }
}

fn missing(findings: &mut Findings<'_>, needed: &[Grant]) {
    for grant in needed.iter().filter(|grant| !grant.given) {
        findings.found.push(Finding {
            id: grant.point.to_owned(),
            source: findings.source.clone(),
            table: grant.table.clone(),
            column: None,
            what: format!("missing, {}", grant.what),
            remedy: grant.sql.clone(),
        });
    }
}

/// The first of these, and how many more there are.
fn some(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn shown(statements: Vec<String>) -> String {
    match statements.len().saturating_sub(NAMED) {
        0 => statements.join(" "),
        more => {
            let first: Vec<String> = statements.into_iter().take(NAMED).collect();
            format!("{} and so on, {more} more", first.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldmark_model::TableName;
    use fieldmark_source::postgres::grants::grants;
    use fieldmark_source::{SchemaPrivileges, TablePrivileges};

    fn role() -> Privileges {
        let schema = SchemaPrivileges { name: "public".into(), usage: true, create: false };
        let table = TablePrivileges {
            name: TableName::new("public", "orders"),
            select: true,
            some_columns: true,
            writes: Vec::new(),
            row_security: false,
            owned: false,
            part_of: None,
        };
        Privileges {
            role: "fm".into(),
            database: "shop".into(),
            reads_all_statistics: true,
            schemas: vec![schema],
            tables: vec![table],
            ..Privileges::default()
        }
    }

    fn found(change: impl FnOnce(&mut Privileges), allowed: Allowed) -> Vec<String> {
        let mut role = role();
        change(&mut role);
        let table = TableName::new("public", "orders");
        let needed = grants(&role.role, &role, &[&table]);
        examine(&SourceName::new("shop"), &role, &needed, allowed).into_iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn each_point_has_its_name() {
        let no = Allowed::default();
        assert_eq!(found(|_| {}, no), [""; 0]);
        assert_eq!(found(|role| role.superuser = true, no), ["superuser"]);
        assert_eq!(found(|role| role.administers = true, no), ["administers"]);
        assert_eq!(found(|role| role.writes_all_data = true, no), ["writes_all_data"]);
        assert_eq!(found(|role| role.runs_programs = true, no), ["runs_programs"]);
        assert_eq!(found(|role| role.tables[0].owned = true, no), ["owner"]);
        assert_eq!(found(|role| role.tables[0].writes = vec!["DELETE"], no), ["writes"]);
        assert_eq!(found(|role| role.creates_in_database = true, no), ["creates"]);
        assert_eq!(found(|role| role.schemas[0].create = true, no), ["creates"]);
        assert_eq!(found(|role| role.schemas[0].usage = false, no), ["schema_usage"]);
        assert_eq!(found(|role| role.tables[0].select = false, no), ["select"]);
        assert_eq!(found(|role| role.reads_all_statistics = false, no), ["read_all_stats"]);
        assert_eq!(found(|role| role.tables[0].row_security = true, no), ["row_security"]);
    }

    #[test]
    fn what_was_allowed_is_no_finding() {
        let superuser = Allowed { superuser: true, writes: false };
        assert_eq!(found(|role| role.superuser = true, superuser), [""; 0]);
        let writes = Allowed { superuser: false, writes: true };
        assert_eq!(found(|role| role.tables[0].writes = vec!["INSERT"], writes), [""; 0]);
        assert_eq!(found(|role| role.superuser = true, writes), ["superuser"]);
    }
}
