//! What the collector's metrics are made of: what it does anyway, looked at from the side.

use crate::store::{AgentRow, Settled, Stored};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Utc};
use fieldmark_classify::incident::{Incident, Notice};
use fieldmark_model::metric::{
    AGENT_CLOCK_AHEAD, AGENT_DEGRADED, AGENT_LAST_SEEN, AGENT_LOST, AGENT_SILENT, DELIVERIES, INCIDENT_TIME_TO_DETECT,
    INCIDENT_TIME_TO_RESTORE, INCIDENTS_OPEN, INGEST_REFUSED, INGESTED, Label, NOTICES_AGE, NOTICES_WAITING,
    REQUESTS_DURATION, SILENCES, STORE_REMOVED, STORE_SIZE, STORE_UP,
};
use fieldmark_model::observation::Health;
use fieldmark_telemetry::{Count as _, Lie as _, Measure as _};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1e3
}

/// A batch of an agent was stored: what of it, when it was sent by the agent's clock, and the last heartbeat in it.
pub(crate) fn stored(
    agent: &str,
    stored: Stored,
    sent: Option<DateTime<Utc>>,
    health: Option<&Health>,
    now: DateTime<Utc>,
) {
    INGESTED.add([agent, "stored"], stored.new);
    INGESTED.add([agent, "repeated"], stored.repeated);
    AGENT_LAST_SEEN.set([agent], seconds(now));
    if let Some(sent) = sent {
        AGENT_CLOCK_AHEAD.set([agent], (sent - now).as_seconds_f64());
    }
    if let Some(health) = health {
        is(agent, health);
    }
}

fn is(agent: &str, health: &Health) {
    AGENT_DEGRADED.set([agent], health.degraded.len() as f64);
    AGENT_LOST.set([agent], health.lost as f64);
}

/// A batch was not stored.
pub(crate) fn refused(why: &'static str) {
    INGEST_REFUSED.add([why], 1);
}

/// The agents as the store has them; others are told no more.
pub(crate) fn agents(agents: &[AgentRow]) {
    for agent in agents {
        if let Some(seen) = agent.last_seen {
            AGENT_LAST_SEEN.set([&agent.name], seconds(seen));
        }
        let health = agent.health.clone().and_then(|health| serde_json::from_value::<Health>(health).ok());
        if let Some(health) = health {
            is(&agent.name, &health);
        }
    }
    let known: BTreeSet<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
    for gauge in [AGENT_LAST_SEEN, AGENT_DEGRADED, AGENT_LOST, AGENT_CLOCK_AHEAD] {
        gauge.forget(|told| !known.contains(told.get(Label::Agent)));
    }
}

/// The incidents that are open.
pub(crate) fn incidents(open: &[Incident]) {
    let mut count: BTreeMap<[&str; 5], u64> = BTreeMap::new();
    for incident in open {
        let (class, severity) = (incident.class.as_str(), incident.severity.as_str());
        let labels = [incident.agent(), incident.source(), incident.owner(), class, severity];
        *count.entry(labels).or_default() += 1;
    }
    INCIDENTS_OPEN.forget(|told| {
        let labels = [Label::Agent, Label::Source, Label::Owner, Label::Class, Label::Severity];
        !count.contains_key(&labels.map(|label| told.get(label)))
    });
    for (labels, count) in count {
        INCIDENTS_OPEN.set(labels, count as f64);
    }
}

/// An incident was opened, or is over.
pub(crate) fn noticed(notice: Notice, time: DateTime<Utc>, incident: &Incident) {
    let labels = [incident.source(), incident.severity.as_str()];
    let between = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).as_seconds_f64().max(0.0);
    match notice {
        Notice::Opened => {
            let began = incident.parts.iter().map(|part| part.since).min().unwrap_or(incident.opened);
            INCIDENT_TIME_TO_DETECT.record(labels, between(began, incident.opened));
        }
        Notice::Resolved => {
            INCIDENT_TIME_TO_RESTORE.record(labels, between(incident.opened, incident.resolved.unwrap_or(time)));
        }
        Notice::Risen
        | Notice::Joined
        | Notice::Reopened
        | Notice::Acknowledged
        | Notice::Escalated
        | Notice::Migrated => {}
    }
}

/// Somebody was told, or was not.
pub(crate) fn delivered(route: &str, settled: &Settled) {
    let result = match settled {
        Settled::Taken => "taken",
        Settled::Later(..) => "later",
        Settled::Refused(_) => "refused",
        // nobody was told of what is over
        Settled::Passed => return,
    };
    DELIVERIES.add([route, result], 1);
}

/// What waits to be told, and since when the oldest of it does.
pub(crate) fn waiting((notices, oldest): (u64, Option<DateTime<Utc>>), now: DateTime<Utc>) {
    NOTICES_WAITING.set([], notices as f64);
    NOTICES_AGE.set([], oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0)));
}

/// Silences that are in force, and agents that are silent among those that are known.
pub(crate) fn quiet(silences: u64, agents: &[AgentRow], silent: &BTreeSet<String>) {
    SILENCES.set([], silences as f64);
    AGENT_SILENT.forget(|told| !agents.iter().any(|agent| agent.name == told.get(Label::Agent)));
    for agent in agents {
        AGENT_SILENT.set([&agent.name], f64::from(u8::from(silent.contains(&agent.name))));
    }
}

/// A route is there: what becomes of telling over it is counted from the beginning on.
pub(crate) fn route(route: &str) {
    for result in ["taken", "later", "refused"] {
        DELIVERIES.add([route, result], 0);
    }
}

/// How the store is.
pub(crate) fn store(up: bool, size: Option<u64>) {
    STORE_UP.set([], f64::from(u8::from(up)));
    if let Some(size) = size {
        STORE_SIZE.set([], size as f64);
    }
}

/// Observations were removed because of their age.
pub(crate) fn removed(observations: u64) {
    STORE_REMOVED.add([], observations);
}

/// Times every request, by its path's pattern: whatever somebody asks for, there are no more series than paths.
pub(crate) async fn timed(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        // the convention's word for what nobody knows
        _ => "_OTHER",
    };
    let response = next.run(request).await;
    let route = route.as_deref().unwrap_or_default();
    REQUESTS_DURATION.record([method, route, response.status().as_str()], began.elapsed().as_secs_f64());
    response
}
