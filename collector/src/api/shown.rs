//! What is told of agents, sources, rules and migrations.

use super::Problem;
use crate::Collector;
use crate::store::{AgentRow, Hour, RuleNow, StoreError, Wanted};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use fieldmark_model::metric::By;
use fieldmark_model::observation::{Body, Observation};
use fieldmark_model::{RuleId, SourceName, TableName};
use fieldmark_telemetry::Scrape;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What may follow `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    agent: Option<String>,
    pub(super) source: Option<String>,
    table: Option<String>,
    rule: Option<String>,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) before: Option<DateTime<Utc>>,
    limit: Option<usize>,
    pub(super) open: Option<bool>,
}

pub(super) type AskedFor = Result<Query<Asked>, QueryRejection>;

/// Told where nothing else is said.
const LIMIT: usize = 100;
const MOST: usize = 1_000;
/// Observations of sources that are looked through for the latest of each.
const SOURCES: usize = 10_000;

pub(super) fn asked(query: AskedFor) -> Result<Asked, Problem> {
    let wrong = |rejection: QueryRejection| {
        let what: String = rejection.body_text().chars().filter(|c| !c.is_control()).take(200).collect();
        Problem::new(StatusCode::BAD_REQUEST, format!("{what}; /openapi.json says what may follow `?`"))
    };
    query.map(|Query(asked)| asked).map_err(wrong)
}

fn table(name: &str) -> Result<TableName, Problem> {
    named(name).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "a table is named schema.table"))
}

/// The table of this name, where it can be one's.
pub(crate) fn named(name: &str) -> Option<TableName> {
    match TableName::split(name)?.as_slice() {
        [schema, name] => Some(TableName::new(schema, name)),
        [name] => Some(TableName::new("", name)),
        _ => None,
    }
}

impl Asked {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT).min(MOST)
    }

    fn wanted(self, kind: &str) -> Result<Wanted, Problem> {
        let limit = self.limit();
        Ok(Wanted {
            kind: Some(kind.to_owned()),
            agent: self.agent,
            source: self.source.map(SourceName::new),
            table: self.table.as_deref().map(table).transpose()?,
            rule: self.rule.map(RuleId::new),
            since: self.since,
            before: self.before,
            limit,
        })
    }
}

async fn of_kind(collector: &Collector, kind: &str, query: AskedFor) -> Result<Json<Vec<Observation>>, Problem> {
    let wanted = asked(query)?.wanted(kind)?;
    Ok(Json(collector.store.observations(wanted).await?))
}

pub(super) async fn health() -> Json<&'static str> {
    Json("alive")
}

pub(super) async fn ready(State(collector): State<Collector>) -> Result<Json<&'static str>, Problem> {
    collector.store.check().await?;
    Ok(Json("ready"))
}

pub(super) async fn metrics(State(collector): State<Collector>) -> Result<Response, Problem> {
    let off = "metrics are not told here: `telemetry: { prometheus: true }`";
    let scrape = collector.scrape.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, off))?;
    let text = scrape.text(By::Collector).map_err(|why| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why))?;
    Ok(([(header::CONTENT_TYPE, Scrape::CONTENT_TYPE)], text).into_response())
}

pub(super) async fn agents(State(collector): State<Collector>) -> Result<Json<Vec<AgentRow>>, Problem> {
    Ok(Json(collector.store.agents().await?))
}

pub(super) async fn sources(State(collector): State<Collector>) -> Result<Json<Vec<Observation>>, Problem> {
    Ok(Json(collector.sources_seen().await?))
}

impl Collector {
    /// Each source as each of its agents saw it last, by name.
    pub(crate) async fn sources_seen(&self) -> Result<Vec<Observation>, StoreError> {
        let wanted = Wanted { kind: Some(Body::SOURCE.to_owned()), limit: SOURCES, ..Wanted::default() };
        let mut seen = BTreeSet::new();
        let mut latest = self.store.observations(wanted).await?;
        latest.retain(|observation| {
            let source = observation.body.source().map(|source| (observation.id.agent.clone(), source.clone()));
            source.is_some_and(|source| seen.insert(source))
        });
        latest.sort_by(|one, other| one.body.source().cmp(&other.body.source()));
        Ok(latest)
    }
}

pub(super) async fn rules(State(collector): State<Collector>, query: AskedFor) -> Result<Json<Vec<RuleNow>>, Problem> {
    let source = asked(query)?.source.map(SourceName::new);
    Ok(Json(collector.store.rules(source).await?))
}

pub(super) async fn hours(
    State(collector): State<Collector>,
    Path((source, of_table, rule)): Path<(String, String, String)>,
    query: AskedFor,
) -> Result<Json<Vec<Hour>>, Problem> {
    let since = asked(query)?.since.unwrap_or(DateTime::UNIX_EPOCH);
    let (source, table, rule) = (SourceName::new(source), table(&of_table)?, RuleId::new(rule));
    Ok(Json(collector.store.hours(source, table, rule, since).await?))
}

pub(super) async fn outcomes(
    State(collector): State<Collector>,
    query: AskedFor,
) -> Result<Json<Vec<Observation>>, Problem> {
    of_kind(&collector, Body::OUTCOME, query).await
}

pub(super) async fn states(
    State(collector): State<Collector>,
    query: AskedFor,
) -> Result<Json<Vec<Observation>>, Problem> {
    of_kind(&collector, Body::STATE, query).await
}

pub(super) async fn migrations(
    State(collector): State<Collector>,
    query: AskedFor,
) -> Result<Json<Vec<Observation>>, Problem> {
    of_kind(&collector, Body::MIGRATION, query).await
}

pub(super) async fn findings(
    State(collector): State<Collector>,
    query: AskedFor,
) -> Result<Json<Vec<Observation>>, Problem> {
    of_kind(&collector, Body::FINDING, query).await
}

pub(super) async fn losses(
    State(collector): State<Collector>,
    query: AskedFor,
) -> Result<Json<Vec<Observation>>, Problem> {
    of_kind(&collector, Body::LOSS, query).await
}
