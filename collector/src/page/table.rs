//! One table: its rules and what they gave, its columns, migrations, open incidents and findings.

use super::chart::Chart;
use super::incidents::{self, Line as IncidentLine};
use super::migrations::{self, Known, Line as MigrationLine};
use super::outcome::{Row, rank};
use super::paging::Paging;
use super::shell::Shell;
use super::source::{FindingLine, findings};
use super::tally::Tally;
use super::wrong::Wrong;
use super::{Answer, link, shown};
use crate::Collector;
use crate::api::named;
use crate::store::{RuleNow, Wanted, WantedIncidents};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::observation::{Body, Observation, Phase};
use fieldmark_model::{Outcome, SourceName, TableName};
use serde::Deserialize;

/// Rules whose fraction is drawn here.
const DRAWN: usize = 3;
/// Checks of each of them that are looked through.
const CHECKS: usize = 2_000;
/// Migrations that are told of here.
const FEW: usize = 10;
/// Columns that are told of here.
const COLUMNS: usize = 500;

#[derive(Template)]
#[template(path = "table.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    name: String,
    source: String,
    source_link: String,
    tally: Tally,
    rules: Vec<Row>,
    bars: bool,
    paging: Paging,
    charts: Vec<(String, String, Chart)>,
    columns: Vec<ColumnLine>,
    columns_more: usize,
    lineage: String,
    open: Vec<IncidentLine>,
    migrations: Vec<MigrationLine>,
    findings: Vec<FindingLine>,
}

struct ColumnLine {
    name: String,
    kind: String,
    up: String,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    page: String,
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Path((source, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Answer {
    let source = SourceName::new(source);
    let nowhere =
        || Wrong::unknown(format!("No table {name} of {source} is known: no rule and no lineage tells of it."));
    let table = named(&name).ok_or_else(nowhere)?;
    let mut rules = collector.store.rules(Some(source.clone())).await?;
    rules.retain(|rule| rule.outcome.table == table);
    let all = collector.store.columns(source.clone(), table.to_string(), None).await?;
    if rules.is_empty() && all.is_empty() {
        return Err(nowhere());
    }
    rules.sort_by_key(|rule| rank(&rule.outcome));
    let wanted = WantedIncidents { open: true, source: Some(source.clone()), limit: incidents::MOST };
    let mut open = collector.store.incidents(wanted).await?;
    open.retain(|incident| {
        let is_own = |part: &fieldmark_classify::incident::Part| {
            part.source.as_ref() == Some(&source) && part.table.as_ref().is_none_or(|own| *own == table)
        };
        incident.parts.iter().any(is_own)
    });
    let silences = collector.silences(shell.now).await?;
    let (mut known, _) = migrations::known(&collector, Some(source.clone())).await?;
    known.retain(|known| touches(known, &table));
    let charts = charts(&collector, &rules, &known, shell.now).await?;
    let findings = findings(&collector, &source, Some(&table), shell.now).await?;
    let tally = Tally::of(rules.iter().map(|rule| &rule.outcome));
    let (piece, paging) = Paging::of(rules, asked.page.parse().unwrap_or(1), &link::table(&source, &table), &[]);
    let columns_more = all.len().saturating_sub(COLUMNS);
    let column = |(name, kind): (String, String)| {
        let up = link::lineage(&source, &table.to_string(), &name);
        ColumnLine { name, kind, up }
    };
    let view = View {
        name: table.to_string(),
        source_link: link::source(&source),
        tally,
        bars: piece.iter().any(|rule| rule.outcome.interval.is_some()),
        rules: piece.iter().map(|rule| Row::of(rule, shell.now)).collect(),
        paging,
        charts,
        columns: all.into_iter().take(COLUMNS).map(column).collect(),
        columns_more,
        lineage: link::lineage(&source, &table.to_string(), ""),
        open: open.iter().map(|incident| IncidentLine::of(incident, &silences, shell.now)).collect(),
        migrations: known.iter().take(FEW).map(|known| MigrationLine::of(known, shell.now)).collect(),
        findings,
        source: source.to_string(),
        shell: shell.titled(table.to_string(), "/fleet"),
    };
    Ok(shown(&view))
}

/// Whether a migration is about a table: it was judged with it, or changes of it were told.
fn touches(known: &Known, table: &TableName) -> bool {
    let name = table.to_string();
    let said = known.changes.iter().any(|change| change.contains(&name));
    let judged = match &known.seen.phase {
        Phase::Judged { report } => report.tables.iter().any(|own| own.table == *table),
        Phase::Open { .. } | Phase::Ended { .. } | Phase::Unjudged { .. } => false,
    };
    said || judged
}

/// Marks of migrations, to be drawn.
pub(super) fn marks(known: &[Known]) -> Vec<(DateTime<Utc>, String, String)> {
    let mark = |known: &Known| (known.seen.began, known.name(), link::migration(&known.seen.source, &known.seen.id));
    known.iter().map(mark).collect()
}

/// The last day of the rules that are worst off, with the name and the page of each.
async fn charts(
    collector: &Collector,
    rules: &[RuleNow],
    known: &[Known],
    now: DateTime<Utc>,
) -> Result<Vec<(String, String, Chart)>, Wrong> {
    let mut charts = Vec::new();
    for rule in rules.iter().filter(|rule| rule.outcome.fraction.is_some()).take(DRAWN) {
        let outcome = &rule.outcome;
        let range = (now - TimeDelta::days(1), now);
        let wanted = Wanted {
            kind: Some(Body::OUTCOME.to_owned()),
            agent: Some(rule.agent.clone()),
            source: Some(outcome.source.clone()),
            table: Some(outcome.table.clone()),
            rule: Some(outcome.rule.clone()),
            since: Some(range.0),
            limit: CHECKS,
            ..Wanted::default()
        };
        let told = collector.store.observations(wanted).await?;
        let name = outcome.rule.to_string();
        if let Some(chart) = Chart::of(&name, &checks(&told), &marks(known), range) {
            charts.push((name, link::rule(&outcome.source, &outcome.table, &outcome.rule), chart));
        }
    }
    Ok(charts)
}

/// The outcomes among observations.
pub(super) fn checks(told: &[Observation]) -> Vec<(DateTime<Utc>, &Outcome)> {
    let mut checks = Vec::new();
    for own in told {
        if let Body::Outcome(outcome) = &own.body {
            checks.push((own.time, outcome.as_ref()));
        }
    }
    checks
}
