//! Which server answers, and how far it has come.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stays while a server is the same one. `Standing::default()` where there is none, or where it tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerIdentity {
    /// The same on a server and on those that replicate its storage.
    pub cluster: String,
    /// Another one after each failover: what was written last before it may be gone.
    pub timeline: u32,
}

impl ServerIdentity {
    /// Whether both are the same data, of which one may lack the last transactions of the other.
    pub fn failed_over(&self, before: &Self) -> bool {
        self.cluster == before.cluster && self.timeline != before.timeline
    }
}

/// How far a server's log has come: of each stream of it (MariaDB's replication domains; PostgreSQL has one) the last number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(BTreeMap<u32, u64>);

impl Position {
    /// Of a log that is one stream.
    pub(crate) fn of_one(number: u64) -> Self {
        Self(BTreeMap::from([(0, number)]))
    }

    /// MariaDB's `domain-server-number`, with commas between; `None` where that is none.
    pub(crate) fn of_gtids(text: &str) -> Option<Self> {
        let one = |gtid: &str| {
            let mut parts = gtid.trim().split('-');
            let (domain, _server, number) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?.parse().ok()?);
            parts.next().is_none().then_some((domain, number))
        };
        let all: Option<BTreeMap<u32, u64>> = text.split(',').map(one).collect();
        all.filter(|all| !all.is_empty()).map(Self)
    }

    /// Whether it has come as far as another one, in each of its streams.
    pub fn has_reached(&self, goal: &Self) -> bool {
        goal.0.iter().all(|(stream, goal)| self.0.get(stream).is_some_and(|own| own >= goal))
    }
}

/// Where a server stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Which server it is.
    pub server: Option<ServerIdentity>,
    /// It replays what another one writes.
    pub replica: bool,
    /// How far what can be read has come.
    pub position: Option<Position>,
    /// On a replica, how far what has arrived reaches.
    pub arrived: Option<Position>,
    /// On a replica, how many seconds ago the last transaction that it shows was committed; 0 where it
    /// shows all that has arrived, and more can arrive.
    pub behind_seconds: Option<f64>,
    /// How many of these it is told to be.
    pub delay_seconds: f64,
}

impl Standing {
    /// By how many seconds it is more behind than it is told to be, where that can be told: one that gets its log in files, and not by a stream, shows an idle
    /// primary as it would show one that it does not follow.
    pub fn late_seconds(&self) -> Option<f64> {
        let told = self.behind_seconds.filter(|_| self.replica && self.arrived.is_some());
        told.map(|behind| (behind - self.delay_seconds).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_to_be_behind_is_late_when_it_is_more_than_that() {
        let arrived = Some(Position::of_one(7));
        let replica =
            Standing { replica: true, arrived, behind_seconds: Some(90.0), delay_seconds: 60.0, ..Standing::default() };
        assert_eq!(replica.late_seconds(), Some(30.0));
        assert_eq!(Standing { behind_seconds: Some(20.0), ..replica.clone() }.late_seconds(), Some(0.0));
        assert_eq!(Standing { arrived: None, ..replica.clone() }.late_seconds(), None, "it has no stream");
        assert_eq!(Standing { replica: false, ..replica }.late_seconds(), None);
    }

    #[test]
    fn a_position_is_reached_in_each_of_its_streams() {
        let of = |text| Position::of_gtids(text).unwrap();
        assert!(of("0-1-42").has_reached(&of("0-2-42")), "whichever server wrote it");
        assert!(!of("0-1-41").has_reached(&of("0-1-42")));
        assert!(of("0-1-50,7-3-9").has_reached(&of("7-3-9")));
        assert!(!of("0-1-50").has_reached(&of("0-1-50,7-3-9")));
        for wrong in ["", "0-1", "0-1-2-3", "a-b-c", "0-1-42,,"] {
            assert_eq!(Position::of_gtids(wrong), None, "{wrong}");
        }
    }
}
