//! What is kept. One trait; one suite for every store (`suite.rs`).

mod accepted;
pub mod sqlite;
#[cfg(test)]
pub(crate) mod suite;
#[cfg(test)]
mod suite_lineage;

pub use accepted::{Accepted, AcceptedObservation, Unacceptable};

use crate::lineage::{Difference, EdgeOf, Job, OriginRow, Place, Unused, Walk, Walked};
use crate::route::Matches;
use crate::{Keep, Principal, Role, TokenHash};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use fieldmark_classify::incident::{Acknowledged, Incident, Notice, Silence};
use fieldmark_model::lineage::LineageSeen;
use fieldmark_model::observation::{Observation, State};
use fieldmark_model::{Outcome, RuleId, SourceName, TableName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a store did not do as it was asked. It is then as it was before.
#[derive(Debug, Error)]
pub enum StoreError {
    /// An observation has an id that another one has.
    #[error("observation {incarnation}/{sequence} of {agent} was another one before")]
    AnotherDigest {
        /// Whose.
        agent: String,
        /// Which life's.
        incarnation: u64,
        /// Which.
        sequence: u64,
    },
    /// Another process has taken the agent's name since.
    #[error(
        "another process has begun to report as {agent}; the newest one may. Where that is not meant, end it and restart this one"
    )]
    Fenced {
        /// The agent.
        agent: String,
    },
    /// The name is taken.
    #[error("{name} is enrolled already")]
    Taken {
        /// The name.
        name: String,
    },
    /// It is over.
    #[error("the incident {id} is over")]
    Over {
        /// Its id.
        id: String,
    },
    /// There is no such thing, or nobody of that name.
    #[error("{name} is not known")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Another version of Fieldmark made it.
    #[error("the store is of version {version}, which this Fieldmark does not know")]
    Newer {
        /// Its version.
        version: i64,
    },
    /// It does not work.
    #[error("the store failed: {what}")]
    Failed {
        /// The database's words, which hold nothing that was stored.
        what: String,
    },
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Observations that were new.
    pub new: u64,
    /// Observations that were there already.
    pub repeated: u64,
}

/// A life of an agent, that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Whose.
    pub agent: String,
    /// Its number.
    pub incarnation: u64,
    /// Version of the program.
    pub version: String,
}

/// An agent as it is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentRow {
    /// Its name.
    pub name: String,
    /// Version of the program.
    pub version: Option<String>,
    /// When it last sent anything.
    pub last_seen: Option<DateTime<Utc>>,
    /// Its last heartbeat's health.
    pub health: Option<serde_json::Value>,
}

/// Somebody who is, or was, enrolled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrincipalRow {
    /// The name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was enrolled.
    pub enrolled: DateTime<Utc>,
    /// By whom.
    pub enrolled_by: String,
    /// When its token was revoked.
    pub revoked: Option<DateTime<Utc>>,
    /// By whom.
    pub revoked_by: Option<String>,
}

/// Something that somebody did, or was refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audited {
    /// When.
    pub time: DateTime<Utc>,
    /// Who; `-`: nobody known.
    pub who: String,
    /// What, in a word.
    pub what: String,
    /// To what, or why.
    pub detail: String,
}

/// Which observations are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this kind ([`fieldmark_model::observation::Body::kind`]).
    pub kind: Option<String>,
    /// Of this agent.
    pub agent: Option<String>,
    /// Of this source.
    pub source: Option<SourceName>,
    /// Of this table.
    pub table: Option<TableName>,
    /// Of this rule.
    pub rule: Option<RuleId>,
    /// Observed then or later.
    pub since: Option<DateTime<Utc>>,
    /// Observed before.
    pub before: Option<DateTime<Utc>>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// One rule on one table, as it was last checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleNow {
    /// When it was last checked.
    pub time: DateTime<Utc>,
    /// By whom.
    pub agent: String,
    /// What it gave.
    pub outcome: Outcome,
    /// The state that it is in, where its agent has told one.
    pub state: Option<State>,
    /// Why.
    pub state_reason: Option<String>,
    /// Since when.
    pub state_since: Option<DateTime<Utc>>,
}

/// Which incidents are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedIncidents {
    /// Those alone that are open.
    pub open: bool,
    /// Of this source.
    pub source: Option<SourceName>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// Something that is to be told of an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notified {
    /// Its number.
    pub id: i64,
    /// What is told.
    pub notice: Notice,
    /// Since when it is to be told.
    pub time: DateTime<Utc>,
    /// Of what, as it was then.
    #[serde(flatten)]
    pub about: About,
}

/// What a notice is of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Somebody has to know of it.
    Incident(Box<Incident>),
    /// It is over.
    Migration(Box<Migrated>),
}

impl About {
    /// What is told in order: the incident's id, or the migration's.
    pub fn id(&self) -> &str {
        match self {
            Self::Incident(incident) => &incident.id,
            Self::Migration(migrated) => &migrated.id,
        }
    }
}

/// A migration that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Migrated {
    /// Who saw it.
    pub agent: String,
    /// Of which source.
    pub source: SourceName,
    /// Its id.
    pub id: String,
    /// What it is called, where anybody said.
    pub name: Option<String>,
    /// When it began, or was first seen.
    pub began: DateTime<Utc>,
    /// When it was judged, or given up.
    pub ended: DateTime<Utc>,
    /// The verdict; `None`: it is not judged.
    pub verdict: Option<String>,
}

/// A notice on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// Over which route.
    pub route: String,
    /// How often it was tried.
    pub tries: u64,
    /// The incident is over by now.
    pub over: bool,
    /// What is told.
    pub notified: Notified,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was taken.
    Taken,
    /// It is tried again then; why it was not taken.
    Later(DateTime<Utc>, String),
    /// It is not tried again, and why.
    Refused(String),
    /// It does not matter any more.
    Passed,
}

/// A notice on its way, or told, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryRow {
    /// Of which incident.
    pub incident: String,
    /// What is told of it.
    pub notice: String,
    /// Over which route.
    pub route: String,
    /// How often it was tried.
    pub tries: u64,
    /// When it is tried again.
    pub due: Option<DateTime<Utc>>,
    /// When it was taken or refused.
    pub settled: Option<DateTime<Utc>>,
    /// `waiting`, `taken`, or why it was not taken.
    pub result: String,
}

/// What nobody is to be told of for a while: it is seen, and pages nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silenced {
    /// Which incidents.
    pub matches: Matches,
    /// From when on: a maintenance window begins later.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// Who ended it before its time.
    pub ended_by: Option<String>,
}

impl Silenced {
    /// Whether an incident is not to be told of now.
    pub fn hushes(&self, incident: &Incident, now: DateTime<Utc>) -> bool {
        self.from <= now && now < self.until && self.matches.hold_all(incident)
    }
}

/// An incident as it is shown: with what keeps it from being told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// The silence that is in force; of several, the one that ends last.
    pub silenced: Option<Hush>,
}

/// That nobody is told of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hush {
    /// Until when.
    pub until: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Shown {
    /// As it is now, with these silences.
    pub fn of(incident: Incident, silences: &[Silenced], now: DateTime<Utc>) -> Self {
        let last = silences.iter().filter(|own| own.hushes(&incident, now)).max_by_key(|own| own.until);
        let silenced = last.map(|own| Hush { until: own.until, by: own.by.clone(), why: own.why.clone() });
        Self { incident, silenced }
    }
}

/// A silence as it is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SilenceRow {
    /// Its number.
    pub id: i64,
    /// What it says.
    #[serde(flatten)]
    pub silenced: Silenced,
}

/// An open incident that nobody has taken up.
#[derive(Clone, Debug, PartialEq)]
pub struct Unanswered {
    /// The incident.
    pub incident: Incident,
    /// A route that told of it,
    pub route: String,
    /// and when it did first.
    pub told: DateTime<Utc>,
}

/// What one rule gave in one hour to one agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hour {
    /// Who checked it.
    pub agent: String,
    /// When it began.
    pub hour: DateTime<Utc>,
    /// Checks.
    pub checks: u64,
    /// Of those, that passed.
    pub passed: u64,
    /// That failed.
    pub failed: u64,
    /// That could not tell.
    pub inconclusive: u64,
    /// That could not be made.
    pub not_evaluated: u64,
    /// Rows that were checked.
    pub checked_rows: u64,
    /// Rows that failed.
    pub failed_rows: u64,
    /// The greatest failing fraction of them.
    pub worst: Option<f64>,
}

/// A place where what agents observe is kept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Keeps a batch: all of it or, where it cannot be, nothing. Durable when this has returned. What is there already is left.
    ///
    /// # Errors
    /// [`StoreError::AnotherDigest`], [`StoreError::Fenced`], or the store's.
    async fn ingest(&self, batch: Accepted) -> Result<Stored, StoreError>;

    /// A life of an agent begins: from now on no other life's process may report for it.
    ///
    /// # Errors
    /// The store's.
    async fn begin_life(&self, life: Life, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Who has this token, if it was not revoked.
    ///
    /// # Errors
    /// The store's.
    async fn principal(&self, token: TokenHash) -> Result<Option<Principal>, StoreError>;

    /// Enrols somebody. A name whose token was revoked can be enrolled again.
    ///
    /// # Errors
    /// [`StoreError::Taken`], or the store's.
    async fn enrol(
        &self,
        principal: Principal,
        token: TokenHash,
        by: String,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Revokes somebody's token.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or the store's.
    async fn revoke(&self, name: String, by: String, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Everybody, by name.
    ///
    /// # Errors
    /// The store's.
    async fn principals(&self) -> Result<Vec<PrincipalRow>, StoreError>;

    /// Takes note of something that somebody did.
    ///
    /// # Errors
    /// The store's.
    async fn audit(&self, audited: Audited) -> Result<(), StoreError>;

    /// The latest of those, newest first.
    ///
    /// # Errors
    /// The store's.
    async fn audits(&self, limit: usize) -> Result<Vec<Audited>, StoreError>;

    /// Agents that have reported anything, by name.
    ///
    /// # Errors
    /// The store's.
    async fn agents(&self) -> Result<Vec<AgentRow>, StoreError>;

    /// Observations, newest first.
    ///
    /// # Errors
    /// The store's.
    async fn observations(&self, wanted: Wanted) -> Result<Vec<Observation>, StoreError>;

    /// Every rule on every table, of one source or of all, as each agent last checked it.
    ///
    /// # Errors
    /// The store's.
    async fn rules(&self, source: Option<SourceName>) -> Result<Vec<RuleNow>, StoreError>;

    /// What one rule gave, hour by hour, oldest first, each agent's for itself: two may call different sources by one name.
    ///
    /// # Errors
    /// The store's.
    async fn hours(
        &self,
        source: SourceName,
        table: TableName,
        rule: RuleId,
        since: DateTime<Utc>,
    ) -> Result<Vec<Hour>, StoreError>;

    /// Takes note of pieces of lineage that came by no agent's batch, as of this time.
    ///
    /// # Errors
    /// The store's.
    async fn record_lineage(&self, seen: Vec<LineageSeen>, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Takes note of what a job of somebody else said of itself.
    ///
    /// # Errors
    /// The store's.
    async fn record_job(&self, job: Job, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Where the databases of sources are.
    ///
    /// # Errors
    /// The store's.
    async fn places(&self) -> Result<Vec<Place>, StoreError>;

    /// Columns up or down of a column, nearest first.
    ///
    /// # Errors
    /// The store's.
    async fn walk(&self, walk: Walk) -> Result<Walked, StoreError>;

    /// Tables, views and whatever else has columns in a source now, as they are spelled.
    ///
    /// # Errors
    /// The store's.
    async fn lineage_tables(&self, source: SourceName) -> Result<Vec<String>, StoreError>;

    /// Whether anything was known of a source's lineage then.
    ///
    /// # Errors
    /// The store's.
    async fn lineage_known(&self, source: SourceName, at: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Every edge of a source, or of all, as it was then or is now.
    ///
    /// # Errors
    /// The store's.
    async fn edges(&self, source: Option<SourceName>, as_of: Option<DateTime<Utc>>) -> Result<Vec<EdgeOf>, StoreError>;

    /// What became of the lineage of a source between two times.
    ///
    /// # Errors
    /// The store's.
    async fn lineage_difference(
        &self,
        source: SourceName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Difference, StoreError>;

    /// What makes edges: how many, and what of it could not be resolved.
    ///
    /// # Errors
    /// The store's.
    async fn origins(&self, source: Option<SourceName>) -> Result<Vec<OriginRow>, StoreError>;

    /// Columns that nothing is seen to read.
    ///
    /// # Errors
    /// The store's.
    async fn unused(&self, source: Option<SourceName>) -> Result<Vec<Unused>, StoreError>;

    /// Names and types of the columns of a table, as it was then or is now.
    ///
    /// # Errors
    /// The store's.
    async fn columns(
        &self,
        source: SourceName,
        table: String,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Vec<(String, String)>, StoreError>;

    /// Incidents, newest first.
    ///
    /// # Errors
    /// The store's.
    async fn incidents(&self, wanted: WantedIncidents) -> Result<Vec<Incident>, StoreError>;

    /// One of them.
    ///
    /// # Errors
    /// The store's.
    async fn incident(&self, id: String) -> Result<Option<Incident>, StoreError>;

    /// Nothing is heard of an agent any more, or something is again: its incident, and what is to be told of it.
    ///
    /// # Errors
    /// The store's.
    async fn silent(&self, agent: String, silence: Silence, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Somebody takes an incident up; as it is then.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Over`], or the store's.
    async fn acknowledge(&self, id: String, by: Acknowledged) -> Result<Incident, StoreError>;

    /// Keeps what it matches from being told; its number.
    ///
    /// # Errors
    /// The store's.
    async fn silence(&self, silenced: Silenced) -> Result<i64, StoreError>;

    /// Silences that are in force then, or will be; the newest first.
    ///
    /// # Errors
    /// The store's.
    async fn silences(&self, then: DateTime<Utc>) -> Result<Vec<SilenceRow>, StoreError>;

    /// Ends one before its time.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or the store's.
    async fn unsilence(&self, id: i64, by: String, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// A notice is told then at the earliest.
    ///
    /// # Errors
    /// The store's.
    async fn hold(&self, notice: i64, until: DateTime<Utc>) -> Result<(), StoreError>;

    /// Open incidents that nobody has taken up, each with every route that told of it.
    ///
    /// # Errors
    /// The store's.
    async fn unanswered(&self) -> Result<Vec<Unanswered>, StoreError>;

    /// Tells of an incident over one more route for want of an answer, once; whether it was not told over it before.
    ///
    /// # Errors
    /// The store's.
    async fn escalate(&self, incident: String, route: String, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Notices that are on no way yet and not held, oldest first.
    ///
    /// # Errors
    /// The store's.
    async fn undispatched(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Notified>, StoreError>;

    /// The routes are others: of each open incident that is on no way and was never on one, the last notice is to be sent on its way again.
    ///
    /// # Errors
    /// The store's.
    async fn untold(&self) -> Result<(), StoreError>;

    /// Sends a notice on its way over these routes, once; over none, where there is none. `incident`: as it is by now, which is told.
    ///
    /// # Errors
    /// The store's.
    async fn dispatch(
        &self,
        notice: i64,
        routes: Vec<String>,
        incident: Option<Incident>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// It is about to be told: whatever happens then, it may have been.
    ///
    /// # Errors
    /// The store's.
    async fn tries(&self, delivery: i64) -> Result<(), StoreError>;

    /// An agent is not waited for any more: whatever it held to be wrong is over.
    ///
    /// # Errors
    /// The store's.
    async fn departs(&self, agent: String, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// The routes over which it was told, or is to be, that an incident began.
    ///
    /// # Errors
    /// The store's.
    async fn told_over(&self, incident: String) -> Result<Vec<String>, StoreError>;

    /// The routes over which it was told that an incident began, of those that are open.
    ///
    /// # Errors
    /// The store's.
    async fn told_open(&self) -> Result<Vec<(Incident, Vec<String>)>, StoreError>;

    /// How many notices wait to be told, and since when the oldest of them does.
    ///
    /// # Errors
    /// The store's.
    async fn waiting(&self) -> Result<(u64, Option<DateTime<Utc>>), StoreError>;

    /// Sends a notice on one more way, unless it is on it.
    ///
    /// # Errors
    /// The store's.
    async fn reroute(&self, notice: i64, route: String, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// What is to be told now, so many over each route at most: of each incident over each route what came first, before the rest.
    ///
    /// # Errors
    /// The store's.
    async fn due(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Delivery>, StoreError>;

    /// Takes note of what became of a try.
    ///
    /// # Errors
    /// The store's.
    async fn settle(&self, delivery: i64, settled: Settled, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// What was told or is to be, newest first.
    ///
    /// # Errors
    /// The store's.
    async fn deliveries(&self, limit: usize) -> Result<Vec<DeliveryRow>, StoreError>;

    /// Removes what is older than it is to be kept, with it what was audited; how many observations. A batch that is sent again stays known as repeated.
    ///
    /// # Errors
    /// The store's.
    async fn retain(&self, now: DateTime<Utc>, keep: Keep) -> Result<u64, StoreError>;

    /// Its bytes on a disk, where it has some of its own.
    ///
    /// # Errors
    /// The store's.
    async fn size(&self) -> Result<Option<u64>, StoreError>;

    /// Whether it can be written to.
    ///
    /// # Errors
    /// Why not.
    async fn check(&self) -> Result<(), StoreError>;
}
