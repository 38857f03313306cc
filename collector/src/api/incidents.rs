//! What somebody has to know of, who was told, and what people do about it.

use super::Problem;
use super::shown::{AskedFor, asked};
use crate::lineage::downstream::{Downstream, downstream};
use crate::route::Matches;
use crate::store::{Audited, DeliveryRow, Shown, SilenceRow, Silenced, StoreError, WantedIncidents};
use crate::{Collector, Principal};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::incident::{Acknowledged, Incident};
use fieldmark_model::SourceName;
use serde::{Deserialize, Serialize};

/// Letters of what somebody says, at most.
const WORDS: usize = 1_000;
/// How long a silence may be.
const LONGEST: TimeDelta = TimeDelta::days(366);

/// Incidents as they are now.
async fn shown(collector: &Collector, incidents: Vec<Incident>) -> Result<Vec<Shown>, StoreError> {
    let now = collector.clock.now();
    let silences = if incidents.is_empty() { Vec::new() } else { collector.silences(now).await? };
    Ok(incidents.into_iter().map(|incident| Shown::of(incident, &silences, now)).collect())
}

pub(super) async fn incidents(
    State(collector): State<Collector>,
    query: AskedFor,
) -> Result<Json<Vec<Shown>>, Problem> {
    let asked = asked(query)?;
    let (open, limit) = (asked.open.unwrap_or(false), asked.limit());
    let wanted = WantedIncidents { open, source: asked.source.map(SourceName::new), limit };
    let incidents = collector.store.incidents(wanted).await?;
    Ok(Json(shown(&collector, incidents).await?))
}

pub(super) async fn incident(
    State(collector): State<Collector>,
    Path(id): Path<String>,
) -> Result<Json<Shown>, Problem> {
    let incident = collector.store.incident(id).await?;
    one(&collector, incident).await
}

async fn one(collector: &Collector, incident: Option<Incident>) -> Result<Json<Shown>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "there is no such incident");
    shown(collector, incident.into_iter().collect()).await?.pop().map(Json).ok_or_else(unknown)
}

/// What is made from what it is about.
#[derive(Debug, Serialize)]
pub(super) struct DownstreamOf {
    incident: String,
    downstream: Vec<Downstream>,
}

pub(super) async fn downstream_of(
    State(collector): State<Collector>,
    Path(id): Path<String>,
) -> Result<Json<DownstreamOf>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "there is no such incident");
    let incident = collector.store.incident(id).await?.ok_or_else(unknown)?;
    let downstream = downstream(collector.store.as_ref(), &incident).await?;
    Ok(Json(DownstreamOf { incident: incident.id, downstream }))
}

/// What somebody says of it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Note {
    note: Option<String>,
}

/// What somebody says, without what no reader sees.
pub(crate) fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(WORDS).collect::<String>().trim().to_owned()
}

pub(super) async fn acknowledge(
    State(collector): State<Collector>,
    Extension(by): Extension<Principal>,
    Path(id): Path<String>,
    body: Result<Json<Note>, JsonRejection>,
) -> Result<Json<Shown>, Problem> {
    let wrong = |_| Problem::new(StatusCode::BAD_REQUEST, "an object, with a `note` or without one");
    let Json(Note { note }) = body.map_err(wrong)?;
    let incident = take_up(&collector, by, id, note.as_deref()).await?;
    one(&collector, Some(incident)).await
}

/// Somebody takes an incident up, and may say something of it.
pub(crate) async fn take_up(
    collector: &Collector,
    by: Principal,
    id: String,
    note: Option<&str>,
) -> Result<Incident, StoreError> {
    let note = note.map(words).filter(|note| !note.is_empty());
    let now = collector.clock.now();
    let who = by.name.clone();
    let incident = collector.store.acknowledge(id.clone(), Acknowledged { by: by.name, at: now, note }).await?;
    collector.store.audit(Audited { time: now, who, what: "acknowledged".to_owned(), detail: id }).await?;
    collector.fresh.notify_one();
    Ok(incident)
}

pub(super) async fn silences(State(collector): State<Collector>) -> Result<Json<Vec<SilenceRow>>, Problem> {
    Ok(Json(collector.store.silences(collector.clock.now()).await?))
}

/// What somebody does not want to be told of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSilence {
    matches: Matches,
    #[serde(default)]
    from: Option<DateTime<Utc>>,
    until: DateTime<Utc>,
    why: String,
}

pub(super) async fn silence(
    State(collector): State<Collector>,
    Extension(by): Extension<Principal>,
    body: Result<Json<NewSilence>, JsonRejection>,
) -> Result<(StatusCode, Json<SilenceRow>), Problem> {
    let wrong = |what: &str| Problem::new(StatusCode::BAD_REQUEST, what.to_owned());
    let form = "a silence has `matches` (an object of owner, severity, source, table, rule, agent, class, incident), `until` \
                (RFC 3339) and `why`, and may have `from`";
    let Json(new) = body.map_err(|_| wrong(form))?;
    let (now, why) = (collector.clock.now(), words(&new.why));
    let silenced = silenced(new.matches, (new.from, new.until), by.name, why, now).map_err(|what| wrong(&what))?;
    Ok((StatusCode::CREATED, Json(keep(&collector, silenced).await?)))
}

/// Keeps a silence.
pub(crate) async fn keep(collector: &Collector, silenced: Silenced) -> Result<SilenceRow, StoreError> {
    let id = collector.store.silence(silenced.clone()).await?;
    let detail = format!("{id} until {}", silenced.until.to_rfc3339());
    let (time, who) = (collector.clock.now(), silenced.by.clone());
    collector.store.audit(Audited { time, who, what: "silenced".to_owned(), detail }).await?;
    Ok(SilenceRow { id, silenced })
}

/// A silence of these, from then (or now) until then.
///
/// # Errors
/// What it lacks.
pub fn silenced(
    matches: Matches,
    (from, until): (Option<DateTime<Utc>>, DateTime<Utc>),
    by: String,
    why: String,
    now: DateTime<Utc>,
) -> Result<Silenced, String> {
    let from = from.unwrap_or(now).max(now);
    if matches.is_blank() {
        return Err("a silence says what it is of: `source`, `table`, `owner`, or one of the others".to_owned());
    }
    if why.is_empty() {
        return Err("a silence says why".to_owned());
    }
    if until <= from || until - now > LONGEST {
        return Err("a silence has to end after it begins, and within a year".to_owned());
    }
    Ok(Silenced { matches, from, until, by, why, ended_by: None })
}

pub(super) async fn unsilence(
    State(collector): State<Collector>,
    Extension(by): Extension<Principal>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let now = collector.clock.now();
    collector.store.unsilence(id, by.name.clone(), now).await?;
    let detail = id.to_string();
    collector.store.audit(Audited { time: now, who: by.name, what: "unsilenced".to_owned(), detail }).await?;
    collector.fresh.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn deliveries(
    State(collector): State<Collector>,
    query: AskedFor,
) -> Result<Json<Vec<DeliveryRow>>, Problem> {
    Ok(Json(collector.store.deliveries(asked(query)?.limit()).await?))
}
