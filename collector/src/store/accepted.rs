//! A batch that was read and may be stored.

use crate::principal::hexadecimal;
use chrono::{DateTime, Utc};
use fieldmark_model::observation::{Body, Health, Observation, ObservationId, VERSION};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// A batch, all parts of which can be stored.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Who sent it.
    pub agent: String,
    /// Which life of it.
    pub incarnation: u64,
    /// When it was sent, by the agent's clock, where it says so.
    pub sent: Option<DateTime<Utc>>,
    /// When it came.
    pub received: DateTime<Utc>,
    /// In the order of their sequence numbers; never empty.
    pub observations: Vec<AcceptedObservation>,
    /// SHA-256 of the whole, in hexadecimal digits.
    pub sha256: String,
}

/// One observation of it.
#[derive(Clone, Debug)]
pub struct AcceptedObservation {
    /// Its id.
    pub id: ObservationId,
    /// When it was made, by the agent's clock.
    pub time: DateTime<Utc>,
    /// SHA-256 of its body's JSON and its time.
    pub digest: [u8; 32],
    /// The word of its body.
    pub kind: String,
    /// Its body as it came.
    pub json: String,
    /// Its body, where this version knows it.
    pub body: Option<Body>,
}

/// Why a batch cannot be stored.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unacceptable {
    /// It is no batch.
    #[error("it is no batch: {0}")]
    Malformed(String),
    /// An observation makes no sense.
    #[error("observation {index}: {what}")]
    Observation {
        /// Its place in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        what: String,
    },
    /// It is of a version that is too far from this one.
    #[error("its version is {version}, and this collector reads {} to {}", VERSION - 1, VERSION + 1)]
    Version {
        /// The version.
        version: u32,
    },
    /// It has more observations than are taken at once.
    #[error("it has {count} observations, and {most} are the most")]
    TooMany {
        /// So many.
        count: usize,
        /// The bound.
        most: usize,
    },
}

#[derive(Deserialize)]
struct RawBatch<'b> {
    version: u32,
    agent: String,
    incarnation: u64,
    #[serde(default)]
    sent: Option<DateTime<Utc>>,
    #[serde(borrow)]
    observations: Vec<RawObservation<'b>>,
}

#[derive(Deserialize)]
struct RawObservation<'b> {
    agent: String,
    incarnation: u64,
    sequence: u64,
    time: DateTime<Utc>,
    #[serde(borrow)]
    body: &'b RawValue,
}

impl Accepted {
    /// Reads a batch from its JSON.
    ///
    /// # Errors
    /// What is wrong with it; nothing of its content.
    pub fn read(bytes: &[u8], received: DateTime<Utc>, most: usize) -> Result<Self, Unacceptable> {
        let batch: RawBatch<'_> = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        if batch.version.abs_diff(VERSION) > 1 {
            return Err(Unacceptable::Version { version: batch.version });
        }
        if batch.observations.is_empty() {
            return Err(Unacceptable::Malformed("it has no observations".to_owned()));
        }
        let count = batch.observations.len();
        if count > most {
            return Err(Unacceptable::TooMany { count, most });
        }
        let mut observations: Vec<AcceptedObservation> = Vec::with_capacity(count);
        for (index, raw) in batch.observations.into_iter().enumerate() {
            let wrong = |what: &str| Unacceptable::Observation { index, what: what.to_owned() };
            if raw.agent != batch.agent {
                return Err(wrong("it is of another agent than the batch"));
            }
            // numbers that the store can hold
            if raw.incarnation > i64::MAX as u64 || raw.sequence > i64::MAX as u64 || raw.sequence == 0 {
                return Err(wrong("its incarnation or its sequence number is out of range"));
            }
            if observations.last().is_some_and(|before| before.id.sequence >= raw.sequence) {
                return Err(wrong("its sequence number does not come after the one before it"));
            }
            let json = raw.body.get();
            let body = match serde_json::from_str::<Body>(json) {
                Ok(body) => Some(body),
                // a newer agent may tell of more than is known here
                Err(_) if batch.version > VERSION => None,
                Err(error) => return Err(wrong(&what_is_wrong(&error))),
            };
            let kind = match &body {
                Some(body) => body.kind().to_owned(),
                None => kind_of(json).ok_or_else(|| wrong("its body has no kind"))?,
            };
            let mut hash = Sha256::new();
            hash.update(raw.time.to_rfc3339().as_bytes());
            hash.update(json.as_bytes());
            observations.push(AcceptedObservation {
                id: ObservationId { agent: raw.agent, incarnation: raw.incarnation, sequence: raw.sequence },
                time: raw.time,
                digest: hash.finalize().into(),
                kind,
                json: json.to_owned(),
                body,
            });
        }
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        Ok(Self {
            agent: batch.agent,
            incarnation: batch.incarnation,
            sent: batch.sent,
            received,
            observations,
            sha256,
        })
    }

    /// The last heartbeat among them.
    pub(crate) fn health(&self) -> Option<&Health> {
        self.observations.iter().rev().find_map(|one| match &one.body {
            Some(Body::Heartbeat(health)) => Some(health),
            Some(_) | None => None,
        })
    }

    /// The first and the last sequence number.
    pub fn range(&self) -> (u64, u64) {
        let sequence = |observation: Option<&AcceptedObservation>| observation.map_or(0, |one| one.id.sequence);
        (sequence(self.observations.first()), sequence(self.observations.last()))
    }
}

impl AcceptedObservation {
    /// As it is told again; `None` where this version does not know it.
    pub fn observation(&self) -> Option<Observation> {
        Some(Observation { id: self.id.clone(), time: self.time, body: self.body.clone()? })
    }
}

/// Where and how, without the text that is wrong.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it could not be read",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data => "a value is missing, or not what is expected",
        serde_json::error::Category::Eof => "it ends too early",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

fn malformed(error: &serde_json::Error) -> Unacceptable {
    Unacceptable::Malformed(what_is_wrong(error))
}

/// The one key of a body.
fn kind_of(json: &str) -> Option<String> {
    let body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).ok()?;
    let mut keys = body.keys();
    let kind = keys.next().filter(|kind| kind.len() <= 40)?.clone();
    keys.next().is_none().then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Accepted, Unacceptable> {
        Accepted::read(json.as_bytes(), DateTime::UNIX_EPOCH, 3)
    }

    fn observation(sequence: u64, body: &str) -> String {
        format!(r#"{{"agent":"a","incarnation":5,"sequence":{sequence},"time":"2026-01-02T03:04:05Z","body":{body}}}"#)
    }

    fn batch(version: u32, observations: &[String]) -> String {
        let observations = observations.join(",");
        format!(r#"{{"version":{version},"agent":"a","incarnation":6,"observations":[{observations}]}}"#)
    }

    const LOSS: &str = r#"{"loss":{"why":"full","class":null,"first":0,"last":0,"records":2}}"#;

    #[test]
    fn a_batch_is_read_with_digests_of_its_parts() {
        let one = read(&batch(1, &[observation(3, LOSS), observation(4, LOSS)])).unwrap();
        assert_eq!((one.range(), one.incarnation, one.sha256.len()), ((3, 4), 6, 64));
        assert_eq!(one.observations[0].digest, one.observations[1].digest);
        assert_eq!(one.observations[0].kind, "loss");
        let other = read(&batch(1, &[observation(3, &LOSS.replace('2', "7"))])).unwrap();
        assert_ne!(other.observations[0].digest, one.observations[0].digest);
    }

    #[test]
    fn a_newer_agent_may_tell_of_more() {
        let new = observation(1, r#"{"weather":{"sunny":true}}"#);
        let accepted = read(&batch(2, std::slice::from_ref(&new))).unwrap();
        assert_eq!((accepted.observations[0].kind.as_str(), &accepted.observations[0].body), ("weather", &None));
        assert!(matches!(read(&batch(1, &[new])), Err(Unacceptable::Observation { index: 0, .. })));
        assert_eq!(read(&batch(3, &[observation(1, LOSS)])).unwrap_err(), Unacceptable::Version { version: 3 });
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_being_shown() {
        let deep = "[".repeat(100_000);
        let many: Vec<String> = (1..5).map(|sequence| observation(sequence, LOSS)).collect();
        let secret = observation(1, r#"{"loss":{"why":"hunter2"}}"#);
        for bad in [
            String::new(),
            "null".to_owned(),
            deep.clone(),
            batch(1, &[]),
            batch(1, &[observation(1, &deep)]),
            batch(1, &many),
            batch(1, &[observation(2, LOSS), observation(2, LOSS)]),
            batch(1, &[observation(0, LOSS)]),
            batch(1, &[observation(u64::MAX, LOSS)]),
            batch(1, &[observation(1, "NaN")]),
            batch(1, &[observation(1, LOSS).replace("\"a\"", "\"b\"")]),
            batch(1, &[observation(1, LOSS)])
                .replace("\"agent\":\"a\",\"incarnation\":6", "\"agent\":\"a\",\"agent\":\"a\",\"incarnation\":6"),
            batch(1, &[secret]),
        ] {
            let refused = read(&bad).unwrap_err();
            assert!(!refused.to_string().contains("hunter2") && refused.to_string().len() < 200, "{refused}");
        }
        assert!(Accepted::read(b"{\"version\":1,\"agent\":\"\xff\"}", DateTime::UNIX_EPOCH, 3).is_err());
    }
}
