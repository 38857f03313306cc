//! The envelope of everything that an agent reports.

use crate::finding::Finding;
use crate::migration::MigrationReport;
use crate::outcome::Outcome;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Version of the envelope that this build writes.
pub const VERSION: u32 = 1;

/// Unique id of an observation: who, which life of it, the how-manieth.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObservationId {
    /// The agent's configured name.
    pub agent: String,
    /// Changes each time the agent starts with a new state folder or after a loss of state.
    pub incarnation: u64,
    /// Counts up by one within an incarnation; a gap is a loss.
    pub sequence: u64,
}

/// Anything that an agent reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Version of this envelope.
    pub version: u32,
    /// Unique id.
    #[serde(flatten)]
    pub id: ObservationId,
    /// When it was observed.
    pub time: DateTime<Utc>,
    /// What was observed.
    pub body: Body,
}

/// What was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Body {
    /// What a rule gave.
    Outcome(Box<Outcome>),
    /// A problem that is not about rows.
    Finding(Finding),
    /// How a migration went.
    Migration(Box<MigrationReport>),
    /// The agent lives.
    Heartbeat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_read_back_as_written() {
        let observation = Observation {
            version: VERSION,
            id: ObservationId { agent: "db-1".into(), incarnation: 3, sequence: 7 },
            time: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            body: Body::Heartbeat,
        };
        let json = serde_json::to_string(&observation).unwrap();
        assert_eq!(
            json,
            r#"{"version":1,"agent":"db-1","incarnation":3,"sequence":7,"time":"2023-11-14T22:13:20Z","body":"heartbeat"}"#
        );
        assert_eq!(serde_json::from_str::<Observation>(&json).unwrap(), observation);
    }
}
