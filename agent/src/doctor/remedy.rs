//! Statements that take from a role what it should not have, in the words of its database.

use fieldmark_model::name::quote_identifier;
use fieldmark_model::{Dialect, TableName};
use fieldmark_source::{Privileges, TablePrivileges, mysql};

/// The role that something is taken from.
pub(super) struct Remedies<'a> {
    role: &'a Privileges,
    pub(super) dialect: Dialect,
    /// As the database spells it in statements.
    quoted: String,
}

impl<'a> Remedies<'a> {
    pub(super) fn of(role: &'a Privileges, dialect: Dialect) -> Self {
        let quoted = match dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => quote_identifier(&role.role),
            Dialect::MySql => mysql::account(&role.role),
        };
        Self { role, dialect, quoted }
    }

    pub(super) fn administers(&self) -> (String, String) {
        let (role, quoted) = (&self.role.role, &self.quoted);
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => (
                format!("{role} may make roles or databases, or replicate"),
                format!("ALTER ROLE {quoted} NOCREATEROLE NOCREATEDB NOREPLICATION;"),
            ),
            Dialect::MySql => (
                format!("{role} may make users, replicate, or stop and reload the server"),
                format!("REVOKE CREATE USER, RELOAD, SHUTDOWN, REPLICATION SLAVE ADMIN ON *.* FROM {quoted};"),
            ),
        }
    }

    pub(super) fn writes_all_data(&self) -> (String, String) {
        let (role, quoted) = (&self.role.role, &self.quoted);
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => (
                format!("{role} is in pg_write_all_data: it may write whatever there is"),
                format!("REVOKE pg_write_all_data FROM {quoted};"),
            ),
            Dialect::MySql => (
                format!("{role} may write to every database of the server"),
                format!("REVOKE INSERT, UPDATE, DELETE, DROP, ALTER ON *.* FROM {quoted};"),
            ),
        }
    }

    pub(super) fn runs_programs(&self) -> (String, String) {
        let (role, quoted) = (&self.role.role, &self.quoted);
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => (
                format!("{role} may run programs, or write files, on the server"),
                format!("REVOKE pg_execute_server_program, pg_write_server_files FROM {quoted};"),
            ),
            Dialect::MySql => {
                (format!("{role} may read and write files on the server"), format!("REVOKE FILE ON *.* FROM {quoted};"))
            }
        }
    }

    /// What takes the right to write to a table.
    pub(super) fn writes(&self, table: &TablePrivileges) -> String {
        let (words, quoted) = (table.writes.join(", "), &self.quoted);
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => {
                format!("REVOKE {words} ON TABLE {} FROM {quoted};", table.name.quoted())
            }
            Dialect::MySql => format!("REVOKE {words} ON {} FROM {quoted};", in_backticks(&table.name)),
        }
    }

    /// Where the right to write may come from instead.
    pub(super) fn writes_from(&self) -> String {
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => {
                "of PUBLIC or another role that it is in, where it comes from there".to_owned()
            }
            Dialect::MySql => {
                format!("on the whole database where it was given so: SHOW GRANTS FOR {} tells", self.quoted)
            }
        }
    }

    pub(super) fn creates_in_database(&self) -> (String, String) {
        let (role, quoted) = (&self.role.role, &self.quoted);
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => (
                format!("{role} may make schemas in this database"),
                format!("REVOKE CREATE ON DATABASE {} FROM {quoted};", quote_identifier(&self.role.database)),
            ),
            Dialect::MySql => (format!("{role} may make databases"), format!("REVOKE CREATE ON *.* FROM {quoted};")),
        }
    }

    pub(super) fn creates_in_schema(&self, schema: &str) -> (String, String) {
        let (role, quoted) = (&self.role.role, &self.quoted);
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => (
                format!("{role} may make tables in the schema {schema}"),
                format!("REVOKE CREATE ON SCHEMA {} FROM {quoted}; -- and FROM PUBLIC", quote_identifier(schema)),
            ),
            Dialect::MySql => (
                format!("{role} may make tables in the database {schema}"),
                format!("REVOKE CREATE ON {}.* FROM {quoted};", mysql::quote(schema)),
            ),
        }
    }

    /// Row security is PostgreSQL's alone.
    pub(super) fn row_security(&self) -> String {
        format!("ALTER ROLE {} BYPASSRLS; (no policy can promise that it hides nothing)", self.quoted)
    }
}

fn in_backticks(name: &TableName) -> String {
    format!("{}.{}", mysql::quote(&name.schema), mysql::quote(&name.name))
}
