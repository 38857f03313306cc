//! Row counters that a database keeps of a table by itself.

use serde::{Deserialize, Serialize};

/// Rows written to a table since the statistics began. `None` where the database keeps no such counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Rows inserted.
    pub inserted: Option<u64>,
    /// Rows updated.
    pub updated: Option<u64>,
    /// Rows deleted.
    pub deleted: Option<u64>,
    /// Rows that the table has, where that was counted exactly and not estimated.
    pub rows: Option<u64>,
}
