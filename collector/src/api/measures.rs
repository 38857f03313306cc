//! Delivery measures, over HTTP.

use super::Problem;
use super::shown::{AskedFor, asked};
use crate::Collector;
use crate::measures::{Measures, Stored};
use crate::store::{Wanted, WantedIncidents};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use fieldmark_model::SourceName;
use fieldmark_model::observation::Body;

/// What is looked back at where nothing is said.
const FOUR_WEEKS: TimeDelta = TimeDelta::weeks(4);
/// Observations of migrations, and incidents, that are looked through, the newest.
const MOST: usize = 100_000;

pub(super) async fn measures(State(collector): State<Collector>, query: AskedFor) -> Result<Json<Measures>, Problem> {
    let asked = asked(query)?;
    let before = asked.before.unwrap_or_else(|| collector.clock.now());
    let since = asked.since.unwrap_or(before - FOUR_WEEKS);
    if since >= before {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "`since` has to be earlier than `before`"));
    }
    let source = asked.source.map(SourceName::new);
    let wanted =
        Wanted { kind: Some(Body::MIGRATION.to_owned()), source: source.clone(), limit: MOST, ..Wanted::default() };
    let migrations = collector.store.observations(wanted).await?;
    let wanted = WantedIncidents { open: false, source: source.clone(), limit: MOST };
    let incidents = collector.store.incidents(wanted).await?;
    let rules = collector.store.rules(source).await?;
    let outcomes = rules.into_iter().map(|rule| rule.outcome).collect();
    Ok(Json(Measures::of(&Stored { migrations, incidents, outcomes }, since, before)))
}
