//! What a role needs, as the statements that give it.

use crate::privilege::Privileges;
use crate::{mysql, postgres};
use fieldmark_model::{Dialect, TableName};

/// One thing that a role needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The point that fails without it (`schema_usage`).
    pub point: &'static str,
    /// What it is for.
    pub what: String,
    /// The statement that gives it.
    pub sql: String,
    /// The table, where it is about one.
    pub table: Option<TableName>,
    /// Whether the role that asked has it.
    pub given: bool,
}

/// What `role` needs to read these tables of such a database, and nothing else. What is there already is that of the role that asked.
/// A file needs nothing.
pub fn grants(dialect: Dialect, role: &str, privileges: &Privileges, tables: &[&TableName]) -> Vec<Grant> {
    match dialect {
        Dialect::Postgres => postgres::grants(role, privileges, tables),
        Dialect::MySql => mysql::grants(role, privileges, tables),
        Dialect::Sqlite | Dialect::Files => Vec::new(),
    }
}

/// The statements as a script.
pub fn script(grants: &[Grant]) -> String {
    grants.iter().map(|grant| format!("{}  -- {}\n", grant.sql, grant.what.replace(['\n', '\r'], " "))).collect()
}
