//! What a role may do, judged. Pure.

use super::remedy::Remedies;
use fieldmark_model::{Dialect, Finding, SourceName};
use fieldmark_source::{Grant, Privileges};

/// What was told to be no finding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    pub(super) superuser: bool,
    pub(super) writes: bool,
}

/// Names of tables that a sentence holds.
const NAMED: usize = 5;

/// What is missing, and what is too much.
pub(super) fn examine(
    source: &SourceName,
    (dialect, role): (Dialect, &Privileges),
    needed: &[Grant],
    allowed: Allowed,
) -> Vec<Finding> {
    let mut findings = Findings { source, found: Vec::new() };
    let remedies = Remedies::of(role, dialect);
    if role.superuser {
        if !allowed.superuser {
            findings.add(
                "superuser",
                (
                    format!("{} is a superuser: it may do anything to this database", role.role),
                    "let a role of its own connect: `fieldmark doctor --grants NAME` prints what that needs".to_owned(),
                ),
            );
        }
        // of a superuser all else is true as well, and says nothing more
        return findings.found;
    }
    if role.administers && !allowed.superuser {
        findings.add("administers", remedies.administers());
    }
    if !allowed.writes {
        writes(&mut findings, role, &remedies);
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
                remedy: remedies.row_security(),
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
    fn add(&mut self, id: &str, (what, remedy): (String, String)) {
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

fn writes(findings: &mut Findings<'_>, role: &Privileges, remedies: &Remedies<'_>) {
    if role.writes_all_data {
        findings.add("writes_all_data", remedies.writes_all_data());
    }
    if role.runs_programs {
        findings.add("runs_programs", remedies.runs_programs());
    }
    let owned: Vec<String> =
        role.tables.iter().filter(|table| table.owned).map(|table| table.name.to_string()).collect();
    if !owned.is_empty() {
        findings.add(
            "owner",
            (
                format!("{} owns {}: it may change and drop them", role.role, some(&owned)),
                "let a role connect that owns nothing here".to_owned(),
            ),
        );
    }
    let written: Vec<&fieldmark_source::TablePrivileges> =
        role.tables.iter().filter(|table| !table.writes.is_empty() && !table.owned).collect();
    if !written.is_empty() && !role.writes_all_data {
        let names: Vec<String> = written.iter().map(|table| table.name.to_string()).collect();
        let revoke = written.iter().map(|table| remedies.writes(table)).collect();
        findings.add(
            "writes",
            (
                format!("{} may write to {}", role.role, some(&names)),
                format!("{} ({})", shown(revoke), remedies.writes_from()),
            ),
        );
    }
    if role.creates_in_database {
        findings.add("creates", remedies.creates_in_database());
    }
    // who may do it in all of MariaDB's databases was told of once
    let everywhere = remedies.dialect == Dialect::MySql && role.creates_in_database;
    for schema in role.schemas.iter().filter(|schema| schema.create && !everywhere) {
        findings.add("creates", remedies.creates_in_schema(&schema.name));
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
    use fieldmark_source::{SchemaPrivileges, TablePrivileges, grants};

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
        found_in(Dialect::Postgres, change, allowed).into_iter().map(|finding| finding.id).collect()
    }

    fn found_in(dialect: Dialect, change: impl FnOnce(&mut Privileges), allowed: Allowed) -> Vec<Finding> {
        let mut role = role();
        change(&mut role);
        let table = TableName::new("public", "orders");
        let needed = grants(dialect, &role.role, &role, &[&table]);
        examine(&SourceName::new("shop"), (dialect, &role), &needed, allowed)
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

    /// What takes it away is in the words of the database.
    #[test]
    fn of_mariadb() {
        let no = Allowed::default();
        let remedy = |change: fn(&mut Privileges)| {
            let own = |role: &mut Privileges| {
                role.role = "fm@10.0.0.%".into();
                change(role);
            };
            found_in(Dialect::MySql, own, no)
                .into_iter()
                .map(|finding| (finding.id, finding.remedy))
                .collect::<Vec<_>>()
        };
        let one = |id: &str, remedy: &str| vec![(id.to_owned(), remedy.to_owned())];
        assert_eq!(remedy(|_| {}), vec![]);
        assert_eq!(
            remedy(|role| role.runs_programs = true),
            one("runs_programs", "REVOKE FILE ON *.* FROM 'fm'@'10.0.0.%';")
        );
        let created = remedy(|role| (role.creates_in_database, role.schemas[0].create) = (true, true));
        assert_eq!(created, one("creates", "REVOKE CREATE ON *.* FROM 'fm'@'10.0.0.%';"));
        let created = remedy(|role| role.schemas[0].create = true);
        assert_eq!(created, one("creates", "REVOKE CREATE ON `public`.* FROM 'fm'@'10.0.0.%';"));
        assert_eq!(
            remedy(|role| role.tables[0].select = false),
            one("select", "GRANT SELECT ON `public`.`orders` TO 'fm'@'10.0.0.%';")
        );
        let written = remedy(|role| role.tables[0].writes = vec!["DELETE"]);
        assert!(written[0].1.starts_with("REVOKE DELETE ON `public`.`orders` FROM 'fm'@'10.0.0.%'; ("), "{written:?}");
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
