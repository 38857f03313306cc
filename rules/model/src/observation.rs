//! The envelope of everything that an agent reports.

use crate::finding::Finding;
use crate::lineage::LineageSeen;
use crate::migration::MigrationReport;
use crate::name::{RuleId, SourceName, TableName};
use crate::outcome::{Fix, Nature, Outcome, Severity};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Version of the envelope that this build writes. One that is one less or one more is read as well: what is not known of it is left out.
pub const VERSION: u32 = 1;

/// Unique id of an observation: who, which life of it, the how-manieth.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObservationId {
    /// The agent's configured name.
    pub agent: String,
    /// Another one each time the agent starts.
    pub incarnation: u64,
    /// Counts up by one, over all incarnations that share a spool; a gap that no [`Loss`] explains is a loss.
    pub sequence: u64,
}

/// Anything that an agent reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Unique id.
    #[serde(flatten)]
    pub id: ObservationId,
    /// When it was observed, by the agent's clock.
    pub time: DateTime<Utc>,
    /// What was observed.
    pub body: Body,
}

/// What was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// What a rule gave, without anything of a row.
    Outcome(Box<Outcome>),
    /// A problem that is not about rows.
    Finding(Finding),
    /// How a migration goes.
    Migration(Box<MigrationSeen>),
    /// A rule on a table is in another state.
    State(StateChange),
    /// A source can be read, or cannot.
    Source(SourceSeen),
    /// A mark was taken.
    Mark(MarkSeen),
    /// All that the agent holds to be wrong.
    Unwell(Unwell),
    /// The agent lives.
    Heartbeat(Health),
    /// Observations were lost.
    Loss(Loss),
    /// A piece of the lineage of a source.
    Lineage(Box<LineageSeen>),
}

impl Body {
    /// The word of an outcome.
    pub const OUTCOME: &str = "outcome";
    /// The word of a finding.
    pub const FINDING: &str = "finding";
    /// The word of a migration.
    pub const MIGRATION: &str = "migration";
    /// The word of a change of state.
    pub const STATE: &str = "state";
    /// The word of a source.
    pub const SOURCE: &str = "source";
    /// The word of a mark.
    pub const MARK: &str = "mark";
    /// The word of all that is wrong.
    pub const UNWELL: &str = "unwell";
    /// The word of a heartbeat.
    pub const HEARTBEAT: &str = "heartbeat";
    /// The word of a loss.
    pub const LOSS: &str = "loss";
    /// The word of a piece of lineage.
    pub const LINEAGE: &str = "lineage";

    /// Its word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Outcome(_) => Self::OUTCOME,
            Self::Finding(_) => Self::FINDING,
            Self::Migration(_) => Self::MIGRATION,
            Self::State(_) => Self::STATE,
            Self::Source(_) => Self::SOURCE,
            Self::Mark(_) => Self::MARK,
            Self::Unwell(_) => Self::UNWELL,
            Self::Heartbeat(_) => Self::HEARTBEAT,
            Self::Loss(_) => Self::LOSS,
            Self::Lineage(_) => Self::LINEAGE,
        }
    }

    /// The source that it is about, if it is about one.
    pub fn source(&self) -> Option<&SourceName> {
        match self {
            Self::Outcome(outcome) => Some(&outcome.source),
            Self::Finding(finding) => Some(&finding.source),
            Self::Migration(seen) => Some(&seen.source),
            Self::State(change) => Some(&change.source),
            Self::Source(seen) => Some(&seen.source),
            Self::Mark(seen) => Some(&seen.source),
            Self::Lineage(seen) => Some(&seen.source),
            Self::Unwell(_) | Self::Heartbeat(_) | Self::Loss(_) => None,
        }
    }

    /// The table that it is about, if it is about one.
    pub fn table(&self) -> Option<&TableName> {
        match self {
            Self::Outcome(outcome) => Some(&outcome.table),
            Self::Finding(finding) => finding.table.as_ref(),
            Self::State(change) => change.table.as_ref(),
            Self::Migration(_)
            | Self::Source(_)
            | Self::Mark(_)
            | Self::Unwell(_)
            | Self::Heartbeat(_)
            | Self::Loss(_)
            | Self::Lineage(_) => None,
        }
    }

    /// The rule that it is about, if it is about one.
    pub fn rule(&self) -> Option<&RuleId> {
        match self {
            Self::Outcome(outcome) => Some(&outcome.rule),
            Self::State(change) => change.rule.as_ref(),
            Self::Finding(_)
            | Self::Migration(_)
            | Self::Source(_)
            | Self::Mark(_)
            | Self::Unwell(_)
            | Self::Heartbeat(_)
            | Self::Loss(_)
            | Self::Lineage(_) => None,
        }
    }

    /// The same without anything that could show a row: examples, and SQL with a rule's literals in it.
    #[must_use]
    pub fn without_rows(mut self) -> Self {
        match &mut self {
            Self::Outcome(outcome) => outcome.leave_out_rows(),
            Self::Migration(seen) => {
                if let Phase::Judged { report } = &mut seen.phase {
                    for table in &mut report.tables {
                        table.examples.clear();
                        table.columns.iter_mut().for_each(|column| column.shape = None);
                        table.transitions.iter_mut().for_each(Outcome::leave_out_rows);
                    }
                    for rule in &mut report.rules {
                        rule.before.leave_out_rows();
                        rule.after.leave_out_rows();
                    }
                }
            }
            Self::Finding(_)
            | Self::State(_)
            | Self::Source(_)
            | Self::Mark(_)
            | Self::Unwell(_)
            | Self::Heartbeat(_)
            | Self::Loss(_)
            | Self::Lineage(_) => {}
        }
        self
    }
}

/// How a migration goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MigrationSeen {
    /// The source.
    pub source: SourceName,
    /// Its id: unique for the agent.
    pub id: String,
    /// What it is called, where anybody said.
    pub name: Option<String>,
    /// How it was noticed.
    pub noticed_by: NoticedBy,
    /// When it began, or was first seen.
    pub began: DateTime<Utc>,
    /// An earlier one that it takes back, with all that came after that: the tables are as they were before it. Known when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_back: Option<String>,
    /// How far it is.
    pub phase: Phase,
}

/// How a migration was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticedBy {
    /// Somebody opened it.
    Opened,
    /// The catalogue changed.
    Catalogue,
}

impl NoticedBy {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Catalogue => "catalogue",
        }
    }
}

/// How far a migration is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It goes on.
    Open {
        /// What changed so far, in words: names of tables and columns.
        changes: Vec<String>,
    },
    /// It is over.
    Ended {
        /// When.
        at: DateTime<Utc>,
        /// What changed, in words.
        changes: Vec<String>,
    },
    /// What it did to marked rows.
    Judged {
        /// The verdict, with everything under it.
        report: Box<MigrationReport>,
    },
    /// What it did cannot be told.
    Unjudged {
        /// Why.
        why: String,
    },
}

/// State of a rule on a table, or of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is wrong.
    Ok,
    /// Something may be wrong.
    Suspect,
    /// Something was wrong, and is not any more.
    Transient,
    /// Something is wrong that will not go away by itself.
    Systemic,
    /// It comes and goes.
    Flapping,
    /// What was systemic is not any more.
    Resolved,
}

impl State {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Suspect => "suspect",
            Self::Transient => "transient",
            Self::Systemic => "systemic",
            Self::Flapping => "flapping",
            Self::Resolved => "resolved",
        }
    }
}

/// A rule on a table is in another state, or a source as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateChange {
    /// The source.
    pub source: SourceName,
    /// The table; `None`: the source as a whole.
    pub table: Option<TableName>,
    /// The rule; `None`: the source as a whole.
    pub rule: Option<RuleId>,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// The reason in words and numbers.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How much a failure matters.
    pub severity: Severity,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The migration that is suspected, by its id.
    pub migration: Option<String>,
    /// What that is called, where anybody said.
    #[serde(default)]
    pub migration_name: Option<String>,
    /// The rule's description, from its author.
    #[serde(default)]
    pub description: Option<String>,
    /// Its runbook.
    #[serde(default)]
    pub runbook: Option<String>,
    /// The route that it escalates to.
    #[serde(default)]
    pub escalation: Option<String>,
    /// What may help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

/// All that an agent holds to be wrong: told when it starts and every hour, so that whoever has missed a change knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unwell {
    /// Each of its sources; one that is not among them is not its concern any more.
    pub sources: Vec<UnwellSource>,
}

/// What is wrong of one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnwellSource {
    /// The source.
    pub source: SourceName,
    /// What is suspected, systemic or flapping, as changes from the state to itself.
    pub states: Vec<StateChange>,
}

/// A source can be read, or cannot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSeen {
    /// The source.
    pub source: SourceName,
    /// Database and version (`PostgreSQL 15.6`); `None` where it was never read.
    pub database: Option<String>,
    /// Where it is, without secrets.
    pub address: Option<String>,
    /// What is wrong; `None`: it can be read.
    pub fault: Option<SourceFault>,
    /// Tables of it that rules are about.
    pub tables: u64,
    /// How many rules there are.
    pub rules: u64,
}

/// Why a source cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceFault {
    /// The reason in words; codes of the database, and nothing of a row.
    pub what: String,
    /// Whether waiting may help.
    pub nature: Nature,
    /// What may help.
    pub remedy: String,
}

/// A mark was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarkSeen {
    /// The source.
    pub source: SourceName,
    /// The mark's id.
    pub mark: String,
    /// Tables in it.
    pub tables: u64,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of it.
    pub bytes: u64,
}

/// How an agent is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Version of the program.
    pub version: String,
    /// When it started.
    pub started: Option<DateTime<Utc>>,
    /// Bytes in its spool.
    pub spool_bytes: u64,
    /// Observations in its spool.
    pub spool_records: u64,
    /// Age of the oldest of them, in seconds.
    pub spool_age_seconds: f64,
    /// Observations lost so far.
    pub lost: u64,
    /// What is not as it should be, in words.
    pub degraded: Vec<String>,
}

/// Observations were lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Why: `full`, `damaged`, `cut_off`, `never_written`, `refused`.
    pub why: String,
    /// Of which class they all were, where that is known.
    pub class: Option<String>,
    /// The first sequence number among them; 0 where they had none.
    pub first: u64,
    /// And the last. Not all between need to be lost.
    pub last: u64,
    /// How many there were; 0 where that is not known.
    pub records: u64,
}

/// What an agent sends at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Version of the envelope.
    pub version: u32,
    /// Who sends.
    pub agent: String,
    /// Which life of it sends: those of the observations may be earlier ones.
    pub incarnation: u64,
    /// When it is sent, by the agent's clock.
    #[serde(default)]
    pub sent: Option<DateTime<Utc>>,
    /// In the order of their sequence numbers.
    pub observations: Vec<Observation>,
}

/// What the collector answers when a batch is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Of whom.
    pub agent: String,
    /// Which life of it sent the batch.
    pub incarnation: u64,
    /// The first sequence number of the batch.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// SHA-256 of the batch's JSON as it was before compression, in hexadecimal digits.
    pub sha256: String,
    /// How many of the observations were there already.
    pub repeated: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Status;

    fn observation(body: Body) -> Observation {
        Observation {
            id: ObservationId { agent: "db-1".into(), incarnation: 3, sequence: 7 },
            time: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            body,
        }
    }

    #[test]
    fn an_envelope_is_read_back_as_written() {
        let loss = Loss { why: "full".into(), class: None, first: 1, last: 4, records: 2 };
        let observation = observation(Body::Loss(loss));
        let json = serde_json::to_string(&observation).unwrap();
        assert_eq!(
            json,
            r#"{"agent":"db-1","incarnation":3,"sequence":7,"time":"2023-11-14T22:13:20Z","body":{"loss":{"why":"full","class":null,"first":1,"last":4,"records":2}}}"#
        );
        assert_eq!(serde_json::from_str::<Observation>(&json).unwrap(), observation);
    }

    #[test]
    fn nothing_of_a_row_is_left() {
        let blank = Outcome::blank(SourceName::new("s"), TableName::new("a", "b"), RuleId::new("r"), "not_null");
        let outcome = Outcome {
            status: Status::Failed,
            examples: vec!["id=4711".into()],
            sql: Some("SELECT 4711".into()),
            ..blank
        };
        let sent = serde_json::to_string(&observation(Body::Outcome(Box::new(outcome)).without_rows())).unwrap();
        assert!(!sent.contains("4711") && sent.contains("failed"), "{sent}");
    }
}
