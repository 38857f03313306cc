//! What people do about an incident.

use super::form::Form;
use super::wrong::Wrong;
use super::{Answer, link};
use crate::api::{keep, silenced, take_up, words};
use crate::route::Matches;
use crate::{Collector, Principal};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect};
use chrono::TimeDelta;

/// For how long an incident can be silenced here: hours, and in words.
pub(super) const SILENCES: [(i64, &str); 5] =
    [(1, "1 hour"), (4, "4 hours"), (24, "1 day"), (72, "3 days"), (168, "7 days")];

pub(super) async fn acknowledge(
    State(collector): State<Collector>,
    Extension(who): Extension<Principal>,
    Extension(form): Extension<Form>,
    Path(id): Path<String>,
) -> Answer {
    take_up(&collector, who, id.clone(), Some(form.field("note"))).await?;
    Ok(Redirect::to(&link::incident(&id)).into_response())
}

pub(super) async fn silence(
    State(collector): State<Collector>,
    Extension(who): Extension<Principal>,
    Extension(form): Extension<Form>,
    Path(id): Path<String>,
) -> Answer {
    let nowhere = || Wrong::unknown(format!("There is no incident {id}, so nothing was silenced."));
    let incident = collector.store.incident(id.clone()).await?.ok_or_else(nowhere)?;
    let wrong = |what: String| {
        Wrong::new(StatusCode::BAD_REQUEST, format!("Nothing was silenced: {what}. Go back and say it."))
    };
    let hours = SILENCES.into_iter().find(|(hours, _)| form.field("hours") == hours.to_string());
    let (hours, _) = hours.ok_or_else(|| wrong("a silence says for how long".to_owned()))?;
    let now = collector.clock.now();
    let matches = Matches { incident: Some(incident.id), ..Matches::default() };
    let until = now + TimeDelta::hours(hours);
    let silenced = silenced(matches, (None, until), who.name, words(form.field("why")), now).map_err(wrong)?;
    keep(&collector, silenced).await?;
    Ok(Redirect::to(&link::incident(&id)).into_response())
}
