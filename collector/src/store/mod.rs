//! What is kept. One trait; one suite for every store (`suite.rs`).

mod accepted;
pub mod sqlite;
#[cfg(test)]
mod suite;

pub use accepted::{Accepted, AcceptedObservation, Unacceptable};

use crate::{Keep, Principal, Role, TokenHash};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use fieldmark_model::observation::{Observation, State};
use fieldmark_model::{Outcome, RuleId, SourceName, TableName};
use serde::Serialize;
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
    /// There is nobody of that name.
    #[error("{name} is not enrolled")]
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

    /// Removes what is older than it is to be kept, with it what was audited; how many observations. A batch that is sent again stays known as repeated.
    ///
    /// # Errors
    /// The store's.
    async fn retain(&self, now: DateTime<Utc>, keep: Keep) -> Result<u64, StoreError>;

    /// Whether it can be written to.
    ///
    /// # Errors
    /// Why not.
    async fn check(&self) -> Result<(), StoreError>;
}
