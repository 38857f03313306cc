//! Which server answers, and how far it has come.

use serde::{Deserialize, Serialize};

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

/// Where a server stands. Positions are those of its log, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Which server it is.
    pub server: Option<ServerIdentity>,
    /// It replays what another one writes.
    pub replica: bool,
    /// How far what can be read has come.
    pub position: Option<u64>,
    /// On a replica, how far what has arrived reaches.
    pub arrived: Option<u64>,
}
