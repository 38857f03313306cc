//! What happens to the daemon, and what it has done.

use super::remembered::Remembered;
use crate::config::Config;
use crate::report::SourceSummary;
use chrono::{DateTime, Utc};
use fieldmark_model::SourceName;
use fieldmark_model::migration::MigrationReport;
use fieldmark_model::observation::{Body, SourceFault};
use fieldmark_source::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::oneshot;

/// What time it is: for people, and since the start, by a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall: DateTime<Utc>,
    pub(super) up: Duration,
}

/// How often what is done.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) sources: Vec<(SourceName, Option<Remembered>)>,
    pub(super) every: Duration,
    /// Zero: no rolling marks.
    pub(super) marks_every: Duration,
    pub(super) catalogue_every: Duration,
}

impl Plan {
    pub(super) fn of(config: &Config, sources: Vec<(SourceName, Option<Remembered>)>) -> Self {
        Self {
            sources,
            every: config.agent.every.value,
            marks_every: config.agent.marks_every.value,
            catalogue_every: config.agent.catalogue_every.value,
        }
    }
}

/// Something that a worker does for a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Whether the schema is another one.
    Look { known: Option<Fingerprint> },
    /// A rolling mark.
    Mark,
    /// All rules.
    Check,
    /// The rows of a mark, and what became of them.
    Recapture { mark: String },
}

/// What a job gave.
#[derive(Debug)]
pub(super) enum Done {
    /// The schema, and what of it is another one than before, in words.
    Looked { fingerprint: Fingerprint, changes: Vec<String> },
    /// A mark, and the schema while it was taken; `None`: it changed meanwhile.
    Marked { mark: String, tables: u64, rows: u64, bytes: u64, fingerprint: Option<Fingerprint> },
    /// No mark was taken, and why.
    Unmarked { why: String },
    /// All rules were checked; what somebody has to look at is `unwell`.
    Checked { bodies: Vec<Body>, database: String, address: String, tables: u64, rules: u64, unwell: Vec<String> },
    /// The verdict, and what rules gave after the migration.
    Judged { judged: Judged, bodies: Vec<Body> },
    /// It could not be done: the source's fault, or what is wrong with what was asked.
    Failed { fault: SourceFault },
    /// It was not done: the daemon is ending.
    Cancelled,
}

/// What comes to the loop.
pub(super) enum Coming {
    /// A job has ended.
    Event(Event),
    /// Somebody asks.
    Asked { ask: Ask, answer: oneshot::Sender<Result<Answer, String>> },
    /// How it is, all of it.
    Health { answer: oneshot::Sender<Value> },
}

/// What somebody asks of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A check now.
    Check(SourceName),
    /// A mark now.
    Mark(SourceName),
    /// A migration begins.
    Open { source: SourceName, name: Option<String> },
    /// It is over.
    Close(SourceName),
}

/// What is told to who asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// In a word: an id, or what was done.
    Told(String),
    /// What became of the migration that was closed.
    Judged(Judged),
}

/// What a recapture gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) migration: Box<MigrationReport>,
    /// The source, and what reading it has cost.
    pub(crate) source: Option<SourceSummary>,
    /// Of what was drawn.
    pub(crate) seed: u64,
}

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Time has passed.
    Tick,
    /// There is a configuration, at the start or a new one.
    Loaded(Plan),
    /// A job has ended.
    Done { source: SourceName, job: Job, done: Done },
    /// Somebody asks, and waits for the answer under this ticket.
    Asked { ask: Ask, ticket: u64 },
    /// The daemon is to end.
    Stop,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// A job, by the source's worker.
    Run { source: SourceName, job: Job },
    /// These observations are kept until the collector has them.
    Record { time: DateTime<Utc>, bodies: Vec<Body> },
    /// What is to be known after a restart.
    Remember { source: SourceName, remembered: Remembered },
    /// An answer to whoever asked.
    Answer { ticket: u64, answer: Result<Answer, String> },
    /// A line for whoever looks at the process.
    Say(String),
}
