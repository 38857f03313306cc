//! The fleet's server: takes what agents observe, keeps it, and tells it to people and programs.
//!
//! It knows the vocabulary of `fieldmark-model` and nothing of databases or rules: no DataFusion and no driver is in it (a test holds
//! that). An agent without a collector of its own runs this one inside itself.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod api;
mod clock;
mod ingest;
mod principal;
mod prompt;
mod refusals;
mod serve;
pub mod store;
mod tls;

pub use api::is_name;
pub use clock::Clock;
pub use principal::{Principal, Role, Token, TokenHash};
pub use serve::{Listening, Refused, Served, serve};
pub use tls::{Certificate, TlsError};

use refusals::Refusals;
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// Bounds of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as it is sent.
    pub body: usize,
    /// Bytes of a body that was compressed.
    pub decompressed: usize,
    /// Observations of a batch.
    pub observations: usize,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long a body may take, and its answer.
    pub request: Duration,
    /// Connections at a time.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 << 20,
            decompressed: 64 << 20,
            observations: 10_000,
            head: Duration::from_secs(10),
            request: Duration::from_secs(30),
            connections: 1_024,
        }
    }
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Single outcomes.
    pub outcomes: Duration,
    /// Their sums by the hour, and all that is no outcome.
    pub rollups: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self { outcomes: Duration::from_secs(30 * 86_400), rollups: Duration::from_secs(400 * 86_400) }
    }
}

/// A collector: its store, its clock, its bounds. Clones are the same one.
#[derive(Clone)]
pub struct Collector {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    refusals: Refusals,
}

impl Collector {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock, limits: Limits) -> Self {
        Self { store, clock, limits, refusals: Refusals::default() }
    }

    /// Takes note of something that was refused, unless the same was just now.
    pub(crate) async fn refused(&self, who: &str, what: &'static str, detail: &str) -> Result<(), store::StoreError> {
        // whatever was sent is shown in short
        let detail: String = detail.chars().filter(|c| !c.is_control()).take(200).collect();
        let now = self.clock.now();
        if !self.refusals.is_new(who, what, &detail, now) {
            return Ok(());
        }
        self.store.audit(store::Audited { time: now, who: who.to_owned(), what: what.to_owned(), detail }).await
    }

    /// Its store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Removes what is older than it is to be kept.
    ///
    /// # Errors
    /// The store's.
    pub async fn retain(&self, keep: Keep) -> Result<u64, store::StoreError> {
        self.store.retain(self.clock.now(), keep).await
    }
}
