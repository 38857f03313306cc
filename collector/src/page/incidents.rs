//! What somebody has, or had, to know of.

use super::badge::{self, Badge};
use super::paging::Paging;
use super::shell::Shell;
use super::time::Time;
use super::{Answer, link, shown};
use crate::Collector;
use crate::route::summary;
use crate::store::{Hush, Shown, Silenced, WantedIncidents};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use fieldmark_classify::incident::Incident;
use fieldmark_model::SourceName;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Incidents that are looked through.
pub(super) const MOST: usize = 1_000;

#[derive(Template)]
#[template(path = "incidents.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    state: String,
    severity: String,
    source: String,
    owner: String,
    lines: Vec<Line>,
    paging: Paging,
    cut_off: bool,
}

/// One incident.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) link: String,
    pub(super) summary: String,
    pub(super) severity: Badge,
    pub(super) class: Badge,
    pub(super) state: Badge,
    pub(super) reason: String,
    pub(super) opened: Time,
    pub(super) resolved: Option<Time>,
    pub(super) owners: Vec<String>,
    pub(super) acknowledged: Option<String>,
    pub(super) silenced: Option<Hush>,
    pub(super) until: Option<Time>,
}

impl Line {
    pub(super) fn of(incident: &Incident, silences: &[Silenced], now: DateTime<Utc>) -> Self {
        let Shown { incident, silenced } = Shown::of(incident.clone(), silences, now);
        let owners: BTreeSet<&String> = incident.parts.iter().filter_map(|part| part.owner.as_ref()).collect();
        Self {
            link: link::incident(&incident.id),
            summary: summary(&incident),
            severity: badge::of_severity(incident.severity),
            class: badge::of_state(Some(incident.class)),
            state: if incident.resolved.is_none() { badge::OPEN } else { badge::OVER },
            reason: incident.parts.first().map(|part| part.reason.clone()).unwrap_or_default(),
            opened: Time::of(incident.opened, now),
            resolved: incident.resolved.map(|time| Time::of(time, now)),
            owners: owners.into_iter().cloned().collect(),
            acknowledged: incident.acknowledged.as_ref().map(|by| by.by.clone()),
            until: silenced.as_ref().map(|hush| Time::of(hush.until, now)),
            silenced,
            id: incident.id,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    state: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    page: String,
}

impl Asked {
    fn wants(&self, incident: &Incident) -> bool {
        let owned = |owner: &str| incident.parts.iter().any(|part| part.owner.as_deref() == Some(owner));
        (self.state != "over" || incident.resolved.is_some())
            && (self.severity.is_empty() || incident.severity.as_str() == self.severity)
            && (self.owner.is_empty() || owned(&self.owner))
    }
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Query(asked): Query<Asked>,
) -> Answer {
    let source = (!asked.source.is_empty()).then(|| SourceName::new(&asked.source));
    let open = !matches!(asked.state.as_str(), "all" | "over");
    let all = collector.store.incidents(WantedIncidents { open, source, limit: MOST }).await?;
    let cut_off = all.len() == MOST;
    let silences = if all.is_empty() { Vec::new() } else { collector.silences(shell.now).await? };
    let wanted = all.into_iter().filter(|incident| asked.wants(incident)).collect();
    let said = [
        ("state", asked.state.as_str()),
        ("severity", &asked.severity),
        ("source", &asked.source),
        ("owner", &asked.owner),
    ];
    let (piece, paging) = Paging::of::<Incident>(wanted, asked.page.parse().unwrap_or(1), "/incidents", &said);
    let lines = piece.iter().map(|incident| Line::of(incident, &silences, shell.now)).collect();
    let Asked { state, severity, source, owner, .. } = asked;
    let shell = shell.titled("Incidents", "/incidents");
    Ok(shown(&View { shell, state, severity, source, owner, lines, paging, cut_off }))
}
