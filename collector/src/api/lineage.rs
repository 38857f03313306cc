//! Questions about lineage, and what others say of theirs.

use super::Problem;
use crate::Collector;
use crate::lineage::{Difference, Direction, EdgeOf, OriginRow, Unused, Walk, Walked, impact};
use crate::openlineage;
use crate::store::Wanted;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::SourceName;
use fieldmark_model::observation::Body;
use serde::{Deserialize, Serialize};

/// What may follow `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    source: Option<String>,
    table: Option<String>,
    column: Option<String>,
    depth: Option<u32>,
    direct: Option<bool>,
    as_of: Option<DateTime<Utc>>,
    change: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    migration: Option<String>,
    limit: Option<usize>,
}

type AskedFor = Result<Query<Asked>, QueryRejection>;

/// Columns that are told where nothing else is said, and at most.
const LIMIT: usize = 1_000;
const MOST: usize = 10_000;
/// Steps, where nothing else is said.
const DEPTH: u32 = 64;

fn asked(query: AskedFor) -> Result<Asked, Problem> {
    let wrong = |rejection: QueryRejection| {
        let what: String = rejection.body_text().chars().filter(|c| !c.is_control()).take(200).collect();
        Problem::new(StatusCode::BAD_REQUEST, format!("{what}; /openapi.json says what may follow `?`"))
    };
    query.map(|Query(asked)| asked).map_err(wrong)
}

fn missing(what: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("`{what}` is missing after `?`"))
}

impl Asked {
    fn walk(self, direction: Direction) -> Result<Walk, Problem> {
        Ok(Walk {
            source: self.source.map(SourceName::new),
            table: self.table.ok_or_else(|| missing("table"))?,
            column: self.column,
            direction,
            depth: self.depth.unwrap_or(DEPTH),
            direct: self.direct.unwrap_or(false),
            as_of: self.as_of,
            limit: self.limit.unwrap_or(LIMIT).min(MOST),
        })
    }
}

async fn walked(collector: &Collector, walk: Walk) -> Result<Walked, Problem> {
    let name = match &walk.column {
        Some(column) => format!("{}.{column}", walk.table),
        None => walk.table.clone(),
    };
    let walked = collector.store.walk(walk).await?;
    if walked.from.is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("no lineage is known of {name}")));
    }
    Ok(walked)
}

pub(super) async fn up(State(collector): State<Collector>, query: AskedFor) -> Result<Json<Walked>, Problem> {
    Ok(Json(walked(&collector, asked(query)?.walk(Direction::Up)?).await?))
}

pub(super) async fn down(State(collector): State<Collector>, query: AskedFor) -> Result<Json<Walked>, Problem> {
    Ok(Json(walked(&collector, asked(query)?.walk(Direction::Down)?).await?))
}

/// What a change of a column does to others.
#[derive(Debug, Serialize)]
pub(super) struct Impact {
    change: impact::Change,
    #[serde(flatten)]
    walked: Walked,
    effects: Vec<impact::Effect>,
}

pub(super) async fn impact_of(State(collector): State<Collector>, query: AskedFor) -> Result<Json<Impact>, Problem> {
    let mut asked = asked(query)?;
    let word = asked.change.take().unwrap_or_else(|| "dropped".to_owned());
    let change = impact::Change::of(&word).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "`change` is one of dropped, renamed, retyped and not_null")
    })?;
    let walked = walked(&collector, asked.walk(Direction::Down)?).await?;
    let effects = change.effects(&walked.reached);
    Ok(Json(Impact { change, walked, effects }))
}

pub(super) async fn difference(
    State(collector): State<Collector>,
    query: AskedFor,
) -> Result<Json<Difference>, Problem> {
    let asked = asked(query)?;
    let source = SourceName::new(asked.source.ok_or_else(|| missing("source"))?);
    let (from, to) = match (asked.migration, asked.from) {
        (Some(id), _) => around(&collector, &source, &id).await?,
        (None, Some(from)) => (from, asked.to.unwrap_or_else(Utc::now)),
        (None, None) => return Err(missing("from` or `migration")),
    };
    Ok(Json(collector.store.lineage_difference(source, from, to).await?))
}

/// From before a migration until the next one, or now.
pub(crate) async fn around(
    collector: &Collector,
    source: &SourceName,
    id: &str,
) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
    let wanted = Wanted {
        kind: Some(Body::MIGRATION.to_owned()),
        source: Some(source.clone()),
        limit: MOST,
        ..Wanted::default()
    };
    let seen = collector.store.observations(wanted).await?;
    let began = |of: &dyn Fn(&str) -> bool| {
        let all = seen.iter().filter_map(|observation| {
            let Body::Migration(seen) = &observation.body else { return None };
            of(&seen.id).then_some(seen.began)
        });
        all.collect::<Vec<_>>()
    };
    let own = began(&|other| other == id).into_iter().min();
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("no migration {id} of {source} is known"));
    let own = own.ok_or_else(unknown)?;
    let next = began(&|other| other != id).into_iter().filter(|other| *other > own).min();
    Ok((own - TimeDelta::microseconds(1), next.unwrap_or_else(Utc::now)))
}

/// How much of the statements of a source is resolved.
#[derive(Debug, Serialize)]
pub(super) struct Coverage {
    resolved: u64,
    unresolved: u64,
    origins: Vec<OriginRow>,
}

pub(super) async fn coverage(State(collector): State<Collector>, query: AskedFor) -> Result<Json<Coverage>, Problem> {
    let asked = asked(query)?;
    let origins = collector.store.origins(asked.source.map(SourceName::new)).await?;
    let unresolved = origins.iter().filter(|row| !row.unresolved.is_empty()).count() as u64;
    Ok(Json(Coverage { resolved: origins.len() as u64 - unresolved, unresolved, origins }))
}

pub(super) async fn unused(State(collector): State<Collector>, query: AskedFor) -> Result<Json<Vec<Unused>>, Problem> {
    let asked = asked(query)?;
    Ok(Json(collector.store.unused(asked.source.map(SourceName::new)).await?))
}

pub(super) async fn edges(State(collector): State<Collector>, query: AskedFor) -> Result<Json<Vec<EdgeOf>>, Problem> {
    let asked = asked(query)?;
    Ok(Json(collector.store.edges(asked.source.map(SourceName::new), asked.as_of).await?))
}

pub(super) async fn event(State(collector): State<Collector>, body: Bytes) -> Result<StatusCode, Problem> {
    let places = collector.store.places().await?;
    let event = openlineage::read(&body, &places).map_err(|why| Problem::new(StatusCode::BAD_REQUEST, why))?;
    if let Some(job) = event {
        collector.store.record_job(job, collector.clock.now()).await?;
    }
    Ok(StatusCode::CREATED)
}

pub(super) async fn events(State(collector): State<Collector>, body: Bytes) -> Result<StatusCode, Problem> {
    let places = collector.store.places().await?;
    let events = openlineage::read_all(&body, &places).map_err(|why| Problem::new(StatusCode::BAD_REQUEST, why))?;
    for job in events {
        collector.store.record_job(job, collector.clock.now()).await?;
    }
    Ok(StatusCode::CREATED)
}
