//! What happens to the daemon, and what it has done.

use super::episodes::Episodes;
use super::remembered::Remembered;
use crate::config::Config;
use crate::lineage::Told;
use crate::report::SourceSummary;
use chrono::{DateTime, Utc};
use fieldmark_classify::Patience;
use fieldmark_model::migration::MigrationReport;
use fieldmark_model::observation::{Body, SourceFault};
use fieldmark_model::outcome::Fix;
use fieldmark_model::{SourceName, TableName};
use fieldmark_source::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::oneshot;

/// What time it is: for people, and since the start, by a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall: DateTime<Utc>,
    pub(super) up: Duration,
    /// When it was started by the clock for people, and so long after: nobody puts it forward or back while it runs.
    pub(super) steady: DateTime<Utc>,
}

/// How often what is done.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) sources: Vec<Known>,
    pub(super) every: Duration,
    /// How long things are given to heal by themselves.
    pub(super) patience: Patience,
    /// Zero: no rolling marks.
    pub(super) marks_every: Duration,
    pub(super) catalogue_every: Duration,
}

/// A source, and what is remembered of it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) source: SourceName,
    pub(super) remembered: Option<Remembered>,
    pub(super) episodes: Option<Episodes>,
}

impl Plan {
    pub(super) fn of(config: &Config, sources: Vec<Known>) -> Self {
        Self {
            sources,
            patience: Patience::new(config.agent.patience.value),
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
    /// The rules of these tables, of which something is suspected.
    Recheck { tables: Vec<TableName> },
    /// The rows of a mark, and what became of them.
    Recapture { mark: String },
    /// What is new of the lineage, after this migration where there was one.
    Lineage { migration: Option<String> },
}

/// What a job gave.
#[derive(Debug)]
pub(super) enum Done {
    /// The schema, and what of it is another one than before, in words; of which tables, where that is known; by how many seconds a replica
    /// is late, where it is one that tells.
    Looked { fingerprint: Fingerprint, changes: Vec<String>, tables: Option<BTreeSet<TableName>>, late: Option<f64> },
    /// A mark, and the schema while it was taken; `None`: it changed meanwhile.
    Marked { mark: String, tables: u64, rows: u64, bytes: u64, fingerprint: Option<Fingerprint> },
    /// No mark was taken, and why.
    Unmarked { why: String },
    /// All rules were checked; what somebody has to look at is `unwell`.
    Checked { bodies: Vec<Body>, database: String, address: String, tables: u64, rules: u64, unwell: Vec<String> },
    /// Rules of some tables were checked again.
    Rechecked { bodies: Vec<Body> },
    /// The verdict, what rules gave after the migration, and what it leaves.
    Judged { judged: Box<Judged>, bodies: Vec<Body>, left: Left },
    /// What is new of the lineage, and what is told with it.
    Lineage { bodies: Vec<Body>, told: Box<Told> },
    /// It could not be done: the source's fault, or what is wrong with what was asked.
    Failed { fault: SourceFault },
    /// It was not done: the daemon is ending.
    Cancelled,
}

/// What a migration leaves, beside its verdict.
#[derive(Debug)]
pub(super) struct Left {
    /// The tables before it and after it, as a catalogue tells of them, where they were seen.
    pub(super) tables: (Option<Fingerprint>, Option<Fingerprint>),
    /// How its scripts are taken back, or why that is not known.
    pub(super) ways_back: Result<Vec<Fix>, String>,
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
    Judged(Box<Judged>),
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
    /// A job, by the source's worker; of this migration, where it is a step of one.
    Run { source: SourceName, job: Job, migration: Option<String> },
    /// These observations are kept until the collector has them.
    Record { time: DateTime<Utc>, bodies: Vec<Body> },
    /// What is to be known after a restart.
    Remember { source: SourceName, remembered: Remembered },
    /// The same of what fails, once everything that was recorded before is on the disk.
    Keep { source: SourceName, episodes: Box<Episodes> },
    /// The same of the lineage that was told.
    KeepLineage { source: SourceName, told: Box<Told> },
    /// An answer to whoever asked.
    Answer { ticket: u64, answer: Result<Answer, String> },
    /// A line for whoever looks at the process.
    Say(String),
    /// The same of what somebody may have to do something about.
    Warn(String),
}
