//! The lines: one JSON object each, as `alertbench` gives and scores them.

use serde::{Deserialize, Serialize};

/// The version of the lines.
pub const VERSION: u64 = 1;

/// Something that happened to a fleet.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Line {
    /// The version of the lines.
    #[serde(default)]
    pub v: Option<u64>,
    /// Which story it is of; each is for itself.
    pub case: String,
    /// Its number in the story.
    #[serde(default)]
    pub seq: u64,
    /// When, in seconds, by the clock of whoever collects.
    #[serde(default)]
    pub t: f64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A rule was checked.
    Check(Box<Check>),
    /// A migration began, ended, or was taken back.
    Migration {
        /// Of which source.
        db: String,
        /// Its name.
        id: String,
        /// Which of these.
        phase: Phase,
        /// The tables that it changes.
        tables: Vec<String>,
    },
    /// An agent lives.
    Heartbeat {
        /// Which.
        agent: String,
        /// The source that it watches.
        db: String,
    },
    /// An agent stops or starts.
    Agent {
        /// Which.
        agent: String,
        /// The source that it watches.
        db: String,
        /// Which of these.
        event: Turn,
    },
    /// Time has passed.
    Tick,
    /// The story is over.
    End,
}

/// How far a migration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It begins.
    Start,
    /// It is over.
    End,
    /// It was taken back.
    Rollback,
}

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// It stops, as it was told to.
    Stop,
    /// It starts.
    Start,
}

/// One check of one rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Check {
    /// Of which source.
    pub db: String,
    /// `postgresql`, `mysql`, `sqlite`.
    pub engine: String,
    /// By whom.
    pub agent: String,
    /// `schema.table`.
    pub table: String,
    /// The rule.
    pub rule: String,
    /// The fraction of rows that may fail.
    pub tolerance: f64,
    /// Whether it could be checked.
    pub status: Status,
    /// Rows sampled.
    #[serde(default)]
    pub n: u64,
    /// Of those, rows that fail.
    #[serde(default)]
    pub k: u64,
    /// How often it was tried.
    #[serde(default)]
    pub attempt: Option<u64>,
    /// The codes of the tries before the last.
    #[serde(default)]
    pub retried: Vec<String>,
    /// On an error: its SQLSTATE.
    #[serde(default)]
    pub sqlstate: Option<String>,
    /// On an error: the vendor's number.
    #[serde(default)]
    pub code: Option<i64>,
    /// Rows that failed in the check before and were read again.
    #[serde(default)]
    pub recheck_of: Option<u64>,
    /// Of those, rows that still fail.
    #[serde(default)]
    pub recheck_bad: Option<u64>,
}

/// Whether a rule could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was.
    Ok,
    /// It was not.
    Error,
}

/// What is said of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Of which story.
    pub case: String,
    /// When.
    pub t: f64,
    /// `page`: it wakes somebody; `state`: it does not.
    pub action: &'static str,
    /// The state that it is in.
    pub class: &'static str,
    /// What it is about: a source,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db: Option<String>,
    /// a table of it, and a rule of that,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// (both or neither)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// or several rules, each as `source|table|rule`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The incident that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// The reason in words and numbers.
    pub evidence: String,
}
