//! Rows of one table that failed a rule, by their keys, to be read again: a rule has not healed while one still fails.

use chrono::{DateTime, Utc};
use fieldmark_model::RuleId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Known failing rows of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingRows {
    /// Columns of the keys.
    pub key: Vec<String>,
    /// By rule.
    pub rules: BTreeMap<RuleId, FailingRule>,
}

/// Known failing rows of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingRule {
    /// The rule's fingerprint: rows that failed another meaning say nothing.
    pub fingerprint: String,
    /// Since when rows are known to fail.
    pub since: DateTime<Utc>,
    /// Keys as canonical texts, one for each of [`FailingRows::key`].
    pub rows: Vec<Vec<String>>,
}
