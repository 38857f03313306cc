//! Findings: stated problems that are not about rows.

use crate::name::{SourceName, TableName};
use serde::{Deserialize, Serialize};

/// A stated problem that is not about rows: schema drift, a privilege, an unsafe statement, bytes in no encoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable id of the check that found it (`invalid_encoding`).
    pub id: String,
    /// The source concerned.
    pub source: SourceName,
    /// The table concerned, if one is.
    pub table: Option<TableName>,
    /// The column concerned, if one is.
    pub column: Option<String>,
    /// What is wrong, in words and numbers; never a row value.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}
