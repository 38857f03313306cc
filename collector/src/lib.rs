//! The fleet's server: takes what agents observe, keeps it, and tells it to people and programs.
//!
//! It knows the vocabulary of `fieldmark-model` and nothing of databases or rules: no DataFusion and no driver is in it (a test holds
//! that). An agent without a collector of its own runs this one inside itself.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod api;
mod clock;
mod deliver;
mod ingest;
pub mod lineage;
pub mod measures;
mod meters;
pub mod openlineage;
pub mod page;
mod principal;
mod prompt;
mod refusals;
pub mod route;
mod serve;
pub mod store;
mod tls;

pub use api::{is_name, silenced};
pub use clock::Clock;
pub use deliver::{Deliverer, Heartbeat};
pub use principal::{Principal, Role, Token, TokenHash};
pub use serve::{Listening, Refused, Served, serve};
pub use tls::{Certificate, TlsError};

use fieldmark_classify::Patience;
use fieldmark_classify::incident::Cause;
use fieldmark_classify::silence::Silences;
use fieldmark_model::observation::State;
use fieldmark_telemetry::Scrape;
use refusals::Refusals;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::Notify;

/// Open incidents that are counted.
const MOST_OPEN: usize = 10_000;

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
    pub(crate) scrape: Option<Scrape>,
    /// Told when there may be something to tell.
    pub(crate) fresh: Arc<Notify>,
    /// What nobody is to be told of for a while, as the configuration says.
    maintenance: Arc<[store::Silenced]>,
    refusals: Refusals,
    /// Who is signed in.
    pub(crate) sessions: page::Sessions,
    /// How long things are given to heal.
    patience: Patience,
    listening: Arc<tokio::sync::Mutex<Listens>>,
}

/// Which agents are heard of.
#[derive(Default)]
struct Listens {
    silences: Silences,
    /// What was told before this process is known.
    begun: bool,
    /// Those that nobody waits for any more.
    departed: BTreeSet<String>,
}

impl Collector {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock, limits: Limits, patience: Patience) -> Self {
        Self {
            store,
            clock,
            limits,
            scrape: None,
            fresh: Arc::default(),
            maintenance: Arc::from([]),
            refusals: Refusals::default(),
            sessions: page::Sessions::default(),
            patience,
            listening: Arc::default(),
        }
    }

    /// One that tells Prometheus its metrics.
    #[must_use]
    pub fn telling(self, scrape: Option<Scrape>) -> Self {
        Self { scrape, ..self }
    }

    /// Nobody is to be told of these for a while.
    #[must_use]
    pub fn maintained(self, maintenance: Vec<store::Silenced>) -> Self {
        Self { maintenance: maintenance.into(), ..self }
    }

    /// The silences that are in force then, or will be, those of maintenance among them.
    pub(crate) async fn silences(
        &self,
        then: chrono::DateTime<chrono::Utc>,
    ) -> Result<Vec<store::Silenced>, store::StoreError> {
        let silenced = self.store.silences(then).await?.into_iter().map(|row| row.silenced);
        Ok(silenced.chain(self.maintenance.iter().cloned()).collect())
    }

    /// Stores a batch.
    ///
    /// # Errors
    /// [`store::StoreError::AnotherDigest`], [`store::StoreError::Fenced`], or the store's.
    pub async fn take(&self, batch: store::Accepted) -> Result<store::Stored, store::StoreError> {
        let (agent, sent, health) = (batch.agent.clone(), batch.sent, batch.health().cloned());
        let stored = self.store.ingest(batch).await?;
        self.hears(&agent).await;
        self.fresh.notify_one();
        meters::stored(&agent, stored, sent, health.as_ref(), self.clock.now());
        Ok(stored)
    }

    /// Looks at how it is, for its metrics: every now and then.
    pub async fn goes_round(&self) {
        let up = self.store.check().await.is_ok();
        meters::store(up, self.store.size().await.ok().flatten());
        if let Ok(agents) = self.store.agents().await {
            meters::agents(&agents);
            if let Err(error) = self.listens(&agents).await {
                tracing::warn!("whether agents are silent cannot be kept: {error}");
            }
        }
        let open = store::WantedIncidents { open: true, source: None, limit: MOST_OPEN };
        if let Ok(open) = self.store.incidents(open).await {
            meters::incidents(&open);
        }
        fieldmark_telemetry::process::goes_round();
    }

    /// Something was heard of an agent.
    async fn hears(&self, agent: &str) {
        let now = self.clock.now();
        let mut listening = self.listening.lock().await;
        let mut silences = listening.silences.clone();
        if let Some(silence) = silences.hears(agent, now)
            && let Err(error) = self.store.silent(agent.to_owned(), silence, now).await
        {
            // it is silent still, until that can be kept
            tracing::warn!("that the agent {agent} is heard of again cannot be kept: {error}");
            return;
        }
        listening.silences = silences;
    }

    /// Whether all agents are heard of that are to be. What cannot be kept is as it was, and found again.
    async fn listens(&self, agents: &[store::AgentRow]) -> Result<(), store::StoreError> {
        let now = self.clock.now();
        let principals = self.store.principals().await?;
        let is_waited_for = |name: &str| {
            principals.iter().any(|own| own.name == name && own.role == Role::Agent && own.revoked.is_none())
        };
        let mut listening = self.listening.lock().await;
        let mut silences = listening.silences.clone();
        if !listening.begun {
            let open = store::WantedIncidents { open: true, source: None, limit: MOST_OPEN };
            let open = self.store.incidents(open).await?;
            for part in open.iter().filter(|own| own.cause == Cause::Agent).flat_map(|own| &own.parts) {
                silences.remembers(&part.agent, part.since);
            }
        }
        let mut told = Vec::new();
        let mut departed = Vec::new();
        for agent in agents {
            let is_known = silences.known().any(|own| own == agent.name);
            match (is_waited_for(&agent.name), is_known) {
                // whoever was silent while nobody listened is given its time
                (true, false) => drop(silences.hears(&agent.name, now)),
                (true, true) => {}
                // one that works beside this collector, in one process, is known by its voice alone
                (false, _) => {
                    let lately = agent.last_seen.is_some_and(|seen| now - seen <= self.patience.of_silence());
                    let enrolled = principals.iter().any(|own| own.name == agent.name);
                    told.extend(silences.forgets(&agent.name).map(|silence| (agent.name.clone(), silence)));
                    if (enrolled || !lately) && !listening.departed.contains(&agent.name) {
                        departed.push(agent.name.clone());
                    }
                }
            }
        }
        told.extend(silences.passes(now, self.patience));
        for (agent, silence) in told {
            if silence.to == State::Systemic {
                tracing::warn!("{agent}: {}", silence.reason);
            }
            self.store.silent(agent, silence, now).await?;
            self.fresh.notify_one();
        }
        for agent in departed {
            self.store.departs(agent.clone(), now).await?;
            listening.departed.insert(agent);
            self.fresh.notify_one();
        }
        let silent: BTreeSet<String> = silences.silent().map(str::to_owned).collect();
        (listening.silences, listening.begun) = (silences, true);
        drop(listening);
        let silences = self.store.silences(now).await?;
        let in_force = silences.iter().filter(|own| own.silenced.from <= now).count() as u64;
        meters::quiet(in_force, agents, &silent);
        Ok(())
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
        let removed = self.store.retain(self.clock.now(), keep).await?;
        meters::removed(removed);
        Ok(removed)
    }
}
