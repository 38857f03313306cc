//! What is remembered of one source.

use super::atomic;
use super::baseline::Recorded;
use super::error::StateError;
use super::failing::FailingRows;
use super::watermark::Watermark;
use chrono::{DateTime, Utc};
use fieldmark_model::{Outcome, RuleId, TableName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Version of the file that this build writes.
const VERSION: u64 = 1;
/// More than any state file is.
const LARGEST: u64 = 64 << 20;

/// What is remembered of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceState {
    /// The last counted rows of a table, for `row_count: { change: … }`.
    #[serde(default)]
    pub row_counts: BTreeMap<TableName, RowCount>,
    /// When a whole table was last passed over to answer a rule that no index answers, for `full_every`.
    #[serde(default)]
    pub passes: BTreeMap<RuleId, Pass>,
    /// Up to where the rows of a table have been checked.
    #[serde(default)]
    pub watermarks: BTreeMap<TableName, Watermark>,
    /// Rows that failed, to be read again.
    #[serde(default)]
    pub failing: BTreeMap<TableName, FailingRows>,
    /// Failing rows that are known and may only become fewer.
    #[serde(default)]
    pub baselines: BTreeMap<RuleId, Recorded>,
    /// The last check.
    #[serde(default)]
    pub last_check: Option<LastCheck>,
    /// What is left of the source's budget of server time.
    #[serde(default)]
    pub server_time: Option<Balance>,
}

impl SourceState {
    /// When a whole table was last passed over for a rule, in the meaning that it has.
    pub fn passed_over(&self, rule: &RuleId, fingerprint: &str) -> Option<DateTime<Utc>> {
        self.passes.get(rule).filter(|pass| pass.fingerprint == fingerprint).map(|pass| pass.time)
    }

    /// Failing rows that are recorded of an outcome's rule, in the meaning that it has and on its table.
    pub fn baseline_of(&self, outcome: &Outcome) -> Option<&Recorded> {
        self.baselines.get(&outcome.rule).filter(|own| own.is_of(&outcome.fingerprint, &outcome.table))
    }
}

/// What is left of a budget that fills up again as time goes by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// Seconds of statements, under zero where more was used than there was.
    pub left_seconds: f64,
    /// When.
    pub time: DateTime<Utc>,
}

/// A pass over a whole table for a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The rule's fingerprint: what another meaning was answered says nothing.
    pub fingerprint: String,
    /// When.
    pub time: DateTime<Utc>,
}

/// What a check gave, in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCheck {
    /// When it began.
    pub time: DateTime<Utc>,
    /// Rules that passed.
    pub passed: u64,
    /// That failed, without those by known rows.
    pub failed: u64,
    /// That failed by rows that the baseline knows.
    pub known: u64,
    /// That a sample could not tell.
    pub inconclusive: u64,
    /// That were not evaluated.
    pub not_evaluated: u64,
}

/// The rows of a table at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCount {
    /// How many.
    pub rows: u64,
    /// Whether they were counted, and not estimated.
    pub exact: bool,
    /// When.
    pub time: DateTime<Utc>,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    #[serde(flatten)]
    state: &'a SourceState,
}

/// What a file gave.
pub(super) enum Found<T> {
    State(T),
    Absent,
    /// Why it cannot be understood.
    Damaged(String),
}

pub(super) fn read(path: &Path) -> Result<Found<SourceState>, StateError> {
    read_versioned(path, VERSION)
}

pub(super) fn write(path: &Path, state: &SourceState) -> Result<(), StateError> {
    if let Some(folder) = path.parent() {
        atomic::make_folder(folder)?;
    }
    write_json(path, &Written { version: VERSION, state })
}

pub(super) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), StateError> {
    let mut text = serde_json::to_vec_pretty(content)
        .map_err(|error| StateError::system("write", path, io::Error::new(io::ErrorKind::InvalidData, error)))?;
    text.push(b'\n');
    atomic::write(path, &text)
}

/// Reads a JSON file with a `version`. Absent and damaged are no errors; newer is.
pub(super) fn read_versioned<T: serde::de::DeserializeOwned>(path: &Path, known: u64) -> Result<Found<T>, StateError> {
    let failed = |error| StateError::system("read", path, error);
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > LARGEST => return Ok(Found::Damaged("it is far too large".to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
        Err(error) => return Err(failed(error)),
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
        Err(error) => return Err(failed(error)),
    };
    let value: serde_json::Value = match serde_json::from_slice(&bytes) {
        Ok(value) => value,
        Err(error) => {
            return Ok(Found::Damaged(format!("not JSON from line {}, column {}", error.line(), error.column())));
        }
    };
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(found) if found > known => Err(StateError::Newer { path: path.to_owned(), found, known }),
        Some(0) | None => Ok(Found::Damaged("it has no version".to_owned())),
        Some(_) => Ok(match serde_json::from_value(value) {
            Ok(state) => Found::State(state),
            Err(_) => Found::Damaged("it has not the form of its version".to_owned()),
        }),
    }
}
