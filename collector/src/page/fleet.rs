//! The fleet: sources and agents, what is open, what passes and what does not.

use super::badge::{self, Badge};
use super::paging::Paging;
use super::shell::Shell;
use super::tally::Tally;
use super::time::Time;
use super::{Answer, incidents, link, shown};
use crate::Collector;
use crate::store::{AgentRow, RuleNow, WantedIncidents};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use fieldmark_classify::incident::Incident;
use fieldmark_model::SourceName;
use fieldmark_model::number::{bytes, count};
use fieldmark_model::observation::{Body, Health, Observation, SourceSeen};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Open incidents that are told of on the first page.
const OPEN: usize = 10;

#[derive(Template)]
#[template(path = "fleet.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    q: String,
    tally: Tally,
    last: Option<Time>,
    sources_count: String,
    unreadable: usize,
    open: Vec<incidents::Line>,
    open_more: usize,
    sources: Vec<Line>,
    paging: Paging,
    agents: Vec<AgentLine>,
}

/// One source.
#[derive(Debug)]
struct Line {
    name: String,
    link: String,
    health: Badge,
    fault: Option<String>,
    database: Option<String>,
    agents: Vec<String>,
    tally: Tally,
    open: usize,
    last: Option<Time>,
}

/// One agent.
struct AgentLine {
    name: String,
    version: Option<String>,
    last: Option<Time>,
    health: Badge,
    spool: Option<String>,
    lost: Option<String>,
    degraded: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Query(asked): Query<Asked>,
) -> Answer {
    let seen = collector.sources_seen().await?;
    let rules = collector.store.rules(None).await?;
    let wanted = WantedIncidents { open: true, source: None, limit: incidents::MOST };
    let open = collector.store.incidents(wanted).await?;
    let silences = collector.silences(shell.now).await?;
    let agents = collector.store.agents().await?;
    let lines = lines(&seen, &rules, &open, shell.now);
    let unreadable = lines.iter().filter(|line| line.fault.is_some()).count();
    let sources_count = count(lines.len() as u64);
    let wanted = asked.q.trim().to_lowercase();
    let found: Vec<Line> = lines.into_iter().filter(|line| line.name.to_lowercase().contains(&wanted)).collect();
    let (sources, paging) = Paging::of(found, asked.page.parse().unwrap_or(1), "/fleet", &[("q", &asked.q)]);
    let first = open.iter().take(OPEN);
    let view = View {
        q: asked.q,
        tally: Tally::of(rules.iter().map(|rule| &rule.outcome)),
        last: rules.iter().map(|rule| rule.time).max().map(|time| Time::of(time, shell.now)),
        sources_count,
        unreadable,
        open: first.map(|incident| incidents::Line::of(incident, &silences, shell.now)).collect(),
        open_more: open.len().saturating_sub(OPEN),
        sources,
        paging,
        agents: agents.into_iter().map(|agent| AgentLine::of(agent, shell.now)).collect(),
        shell: shell.titled("Fleet", "/fleet"),
    };
    Ok(shown(&view))
}

/// Every source that an agent has told of, or a rule.
fn lines(seen: &[Observation], rules: &[RuleNow], open: &[Incident], now: DateTime<Utc>) -> Vec<Line> {
    #[derive(Default)]
    struct Known<'a> {
        seen: Vec<(&'a str, &'a SourceSeen)>,
        tally: Tally,
        last: Option<DateTime<Utc>>,
        agents: Vec<&'a str>,
    }
    let mut known: BTreeMap<&SourceName, Known<'_>> = BTreeMap::new();
    for observation in seen {
        if let Body::Source(source) = &observation.body {
            let own = known.entry(&source.source).or_default();
            own.seen.push((&observation.id.agent, source));
            own.agents.push(&observation.id.agent);
        }
    }
    for rule in rules {
        let own = known.entry(&rule.outcome.source).or_default();
        own.tally.add(&rule.outcome);
        own.last = own.last.max(Some(rule.time));
        own.agents.push(&rule.agent);
    }
    let line = |(source, mut own): (&SourceName, Known<'_>)| {
        own.agents.sort_unstable();
        own.agents.dedup();
        let fault = own.seen.iter().find_map(|(_, seen)| seen.fault.as_ref()).map(|fault| fault.what.clone());
        let health = match (&fault, own.seen.is_empty()) {
            (Some(_), _) => badge::UNREADABLE,
            (None, false) => badge::READABLE,
            (None, true) => badge::UNKNOWN,
        };
        Line {
            name: source.to_string(),
            link: link::source(source),
            health,
            fault,
            database: own.seen.iter().find_map(|(_, seen)| seen.database.clone()),
            agents: own.agents.into_iter().map(str::to_owned).collect(),
            tally: own.tally,
            open: open.iter().filter(|incident| incident.sources().any(|own| own == source)).count(),
            last: own.last.map(|time| Time::of(time, now)),
        }
    };
    let mut lines: Vec<Line> = known.into_iter().map(line).collect();
    // what may have to be looked at comes first
    lines.sort_by_key(|line| (line.fault.is_none(), std::cmp::Reverse((line.open, line.tally.failed))));
    lines
}

impl AgentLine {
    fn of(agent: AgentRow, now: DateTime<Utc>) -> Self {
        let health: Option<Health> = agent.health.and_then(|health| serde_json::from_value(health).ok());
        let degraded = health.as_ref().map(|health| health.degraded.clone()).unwrap_or_default();
        let badge = match &health {
            None => badge::UNKNOWN,
            Some(_) if degraded.is_empty() => badge::WELL,
            Some(_) => badge::DEGRADED,
        };
        Self {
            name: agent.name,
            version: agent.version,
            last: agent.last_seen.map(|time| Time::of(time, now)),
            health: badge,
            spool: health.as_ref().map(|own| format!("{} in {}", count(own.spool_records), bytes(own.spool_bytes))),
            lost: health.as_ref().map(|own| count(own.lost)),
            degraded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::failing;
    use super::*;
    use fieldmark_model::Outcome;
    use fieldmark_model::observation::{ObservationId, SourceFault};
    use fieldmark_model::outcome::Nature;

    fn seen(source: &str, fault: Option<SourceFault>) -> Observation {
        let id = ObservationId { agent: "db-1".into(), incarnation: 1, sequence: 1 };
        let source = SourceSeen {
            source: SourceName::new(source),
            database: Some("PostgreSQL 15.6".into()),
            address: None,
            fault,
            tables: 1,
            rules: 1,
        };
        Observation { id, time: DateTime::UNIX_EPOCH, body: Body::Source(source) }
    }

    fn rule(source: &str) -> RuleNow {
        RuleNow {
            time: DateTime::UNIX_EPOCH,
            agent: "db-1".into(),
            outcome: Outcome { source: SourceName::new(source), ..failing() },
            state: None,
            state_reason: None,
            state_since: None,
        }
    }

    #[test]
    fn a_source_that_nobody_told_of_is_unknown_and_one_that_cannot_be_read_comes_first() {
        let fault = SourceFault { what: "08006".into(), nature: Nature::Transient, remedy: "wait".into() };
        let seen = [seen("a", None), seen("b", Some(fault))];
        let lines = lines(&seen, &[rule("a"), rule("c")], &[], DateTime::UNIX_EPOCH);
        let told: Vec<_> = lines.iter().map(|line| (line.name.as_str(), line.health, line.tally.failed)).collect();
        assert_eq!(
            told,
            [("b", badge::UNREADABLE, 0), ("a", badge::READABLE, 1), ("c", badge::UNKNOWN, 1)],
            "{lines:?}"
        );
        assert_eq!((&lines[0].last, &lines[0].database), (&None, &Some("PostgreSQL 15.6".to_owned())));
    }
}
