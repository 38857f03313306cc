//! Kinds of databases.

use serde::{Deserialize, Serialize};

/// The kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// PostgreSQL 14 or later.
    Postgres,
    /// MariaDB 10.5 or later.
    #[serde(rename = "mysql")]
    MySql,
    /// SQLite 3.
    Sqlite,
    /// Parquet and CSV files, which answer no SQL.
    Files,
}

impl Dialect {
    /// Whether a column takes values of its declared type alone.
    pub fn is_typed(self) -> bool {
        match self {
            Self::Postgres | Self::MySql | Self::Files => true,
            Self::Sqlite => false,
        }
    }

    /// Whether foreign keys that are declared hold, whoever writes.
    pub fn sees_to_references(self) -> bool {
        match self {
            Self::Postgres => true,
            // only for writers that ask for it; and unless they ask for none
            Self::Sqlite | Self::MySql => false,
            Self::Files => false,
        }
    }

    /// Whether people name the schema of a table.
    pub fn has_schemas(self) -> bool {
        match self {
            Self::Postgres | Self::MySql => true,
            Self::Sqlite | Self::Files => false,
        }
    }
}
