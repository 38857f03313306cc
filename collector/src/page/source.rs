//! One source: whether it can be read, its tables, migrations and findings.

use super::badge::{self, Badge};
use super::incidents::{self, Line as IncidentLine};
use super::migrations::{self, Line as MigrationLine};
use super::outcome::rank;
use super::paging::Paging;
use super::shell::Shell;
use super::tally::Tally;
use super::time::Time;
use super::wrong::Wrong;
use super::{Answer, link, shown};
use crate::Collector;
use crate::store::{RuleNow, Wanted, WantedIncidents};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use fieldmark_model::observation::{Body, Observation};
use fieldmark_model::{SourceName, TableName};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Migrations and findings that are told of here.
const FEW: usize = 5;
const FINDINGS: usize = 50;

#[derive(Template)]
#[template(path = "source.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    name: String,
    q: String,
    status: String,
    seen: Vec<Seen>,
    tally: Tally,
    open: Vec<IncidentLine>,
    tables: Vec<TableLine>,
    paging: Paging,
    migrations: Vec<MigrationLine>,
    migrations_link: String,
    findings: Vec<FindingLine>,
    lineage: String,
}

/// A source as one agent sees it.
struct Seen {
    agent: String,
    health: Badge,
    database: Option<String>,
    address: Option<String>,
    fault: Option<String>,
    remedy: Option<String>,
    tables: u64,
    rules: u64,
    time: Time,
}

/// One table.
struct TableLine {
    name: String,
    link: String,
    tally: Tally,
    worst: Badge,
    owners: Vec<String>,
    last: Time,
    rank: (u8, std::cmp::Reverse<fieldmark_model::Severity>),
}

/// A problem that is not about rows.
pub(super) struct FindingLine {
    pub(super) id: String,
    pub(super) about: String,
    pub(super) link: Option<String>,
    pub(super) what: String,
    pub(super) remedy: String,
    pub(super) time: Time,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    page: String,
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let source = SourceName::new(name);
    let mut told = collector.sources_seen().await?;
    told.retain(|seen| seen.body.source() == Some(&source));
    let rules = collector.store.rules(Some(source.clone())).await?;
    if told.is_empty() && rules.is_empty() {
        return Err(Wrong::unknown(format!("No source {source} is known: no agent has told of it.")));
    }
    let wanted = WantedIncidents { open: true, source: Some(source.clone()), limit: incidents::MOST };
    let open = collector.store.incidents(wanted).await?;
    let silences = collector.silences(shell.now).await?;
    let (known, _) = migrations::known(&collector, Some(source.clone())).await?;
    let findings = findings(&collector, &source, None, shell.now).await?;
    let tally = Tally::of(rules.iter().map(|rule| &rule.outcome));
    let wanted = asked.q.trim().to_lowercase();
    let fits = |line: &TableLine| {
        line.name.to_lowercase().contains(&wanted) && (asked.status.is_empty() || line.worst.word == asked.status)
    };
    let found = tables(&rules, shell.now).into_iter().filter(fits).collect();
    let said = [("q", asked.q.as_str()), ("status", &asked.status)];
    let (tables, paging) = Paging::of(found, asked.page.parse().unwrap_or(1), &link::source(&source), &said);
    let view = View {
        seen: told.iter().filter_map(|seen| Seen::of(seen, shell.now)).collect(),
        tally,
        open: open.iter().map(|incident| IncidentLine::of(incident, &silences, shell.now)).collect(),
        tables,
        paging,
        migrations: known.iter().take(FEW).map(|known| MigrationLine::of(known, shell.now)).collect(),
        migrations_link: format!("/migrations{}", link::query(&[("source", source.as_str())])),
        findings,
        lineage: format!("/lineage{}", link::query(&[("source", source.as_str())])),
        name: source.to_string(),
        q: asked.q,
        status: asked.status,
        shell: shell.titled(source.to_string(), "/fleet"),
    };
    Ok(shown(&view))
}

impl Seen {
    fn of(told: &Observation, now: DateTime<Utc>) -> Option<Self> {
        let Body::Source(seen) = &told.body else { return None };
        Some(Self {
            agent: told.id.agent.clone(),
            health: if seen.fault.is_some() { badge::UNREADABLE } else { badge::READABLE },
            database: seen.database.clone(),
            address: seen.address.clone(),
            fault: seen.fault.as_ref().map(|fault| format!("{} ({})", fault.what, fault.nature.as_str())),
            remedy: seen.fault.as_ref().map(|fault| fault.remedy.clone()),
            tables: seen.tables,
            rules: seen.rules,
            time: Time::of(told.time, now),
        })
    }
}

/// Tables that rules are about, the worst first.
fn tables(rules: &[RuleNow], now: DateTime<Utc>) -> Vec<TableLine> {
    let mut by: BTreeMap<&TableName, Vec<&RuleNow>> = BTreeMap::new();
    for rule in rules {
        by.entry(&rule.outcome.table).or_default().push(rule);
    }
    let line = |(table, rules): (&TableName, Vec<&RuleNow>)| {
        let worst = rules.iter().min_by_key(|rule| rank(&rule.outcome))?;
        let owners: BTreeSet<String> = rules.iter().filter_map(|rule| rule.outcome.owner.clone()).collect();
        Some(TableLine {
            name: table.to_string(),
            link: link::table(&worst.outcome.source, table),
            tally: Tally::of(rules.iter().map(|rule| &rule.outcome)),
            worst: badge::of_outcome(&worst.outcome),
            owners: owners.into_iter().collect(),
            last: Time::of(rules.iter().map(|rule| rule.time).max()?, now),
            rank: rank(&worst.outcome),
        })
    };
    let mut lines: Vec<TableLine> = by.into_iter().filter_map(line).collect();
    lines.sort_by_key(|line| line.rank);
    lines
}

/// Problems of a source, or of one table of it, the same once, newest first.
pub(super) async fn findings(
    collector: &Collector,
    source: &SourceName,
    table: Option<&TableName>,
    now: DateTime<Utc>,
) -> Result<Vec<FindingLine>, Wrong> {
    let wanted = Wanted {
        kind: Some(Body::FINDING.to_owned()),
        source: Some(source.clone()),
        table: table.cloned(),
        limit: 500,
        ..Wanted::default()
    };
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    for told in collector.store.observations(wanted).await? {
        let Body::Finding(finding) = told.body else { continue };
        let about = match (&finding.table, &finding.column) {
            (Some(table), Some(column)) => format!("{table}.{column}"),
            (Some(table), None) => table.to_string(),
            (None, _) => finding.source.to_string(),
        };
        if lines.len() < FINDINGS && seen.insert((finding.id.clone(), about.clone(), finding.what.clone())) {
            lines.push(FindingLine {
                id: finding.id,
                about,
                link: finding.table.as_ref().map(|table| link::table(source, table)),
                what: finding.what,
                remedy: finding.remedy,
                time: Time::of(told.time, now),
            });
        }
    }
    Ok(lines)
}
