//! What a role may do in a database, to be held against what it needs.

use fieldmark_model::TableName;

/// What the connected role may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Its name.
    pub role: String,
    /// The database.
    pub database: String,
    /// It may do anything.
    pub superuser: bool,
    /// Row security does not apply to it.
    pub bypass_row_security: bool,
    /// It may make roles or databases, or replicate.
    pub administers: bool,
    /// It sees when transactions of others began.
    pub reads_all_statistics: bool,
    /// It may write whatever there is.
    pub writes_all_data: bool,
    /// It may run programs, or write files, on the server.
    pub runs_programs: bool,
    /// It may make schemas.
    pub creates_in_database: bool,
    /// The source's schemas that there are.
    pub schemas: Vec<SchemaPrivileges>,
    /// Other schemas, of types that columns of the source's tables have.
    pub type_schemas: Vec<SchemaPrivileges>,
    /// Tables, views and their kind in the source's schemas.
    pub tables: Vec<TablePrivileges>,
}

/// What it may do in a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaPrivileges {
    /// The schema.
    pub name: String,
    /// It may use what is in it.
    pub usage: bool,
    /// It may make tables in it.
    pub create: bool,
}

/// What it may do with a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePrivileges {
    /// The table.
    pub name: TableName,
    /// It may read all of it.
    pub select: bool,
    /// It may read some columns at least.
    pub some_columns: bool,
    /// What of INSERT, UPDATE, DELETE and TRUNCATE it may do.
    pub writes: Vec<&'static str>,
    /// Row security hides rows from it.
    pub row_security: bool,
    /// It owns the table.
    pub owned: bool,
    /// The partitioned table that it is a part of.
    pub part_of: Option<TableName>,
}
