//! Migrations and their verdicts.

use super::badge::{self, Badge};
use super::paging::Paging;
use super::shell::Shell;
use super::time::Time;
use super::{Answer, link, shown};
use crate::Collector;
use crate::store::{StoreError, Wanted};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use fieldmark_model::SourceName;
use fieldmark_model::observation::{Body, MigrationSeen, Observation, Phase};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Observations of migrations that are looked through.
const MOST: usize = 2_000;

#[derive(Template)]
#[template(path = "migrations.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    source: String,
    verdict: String,
    lines: Vec<Line>,
    paging: Paging,
    cut_off: bool,
}

/// A migration as it is known: what was told of it last, and what changed.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) agent: String,
    pub(super) seen: MigrationSeen,
    pub(super) changes: Vec<String>,
    pub(super) ended: Option<DateTime<Utc>>,
}

/// One migration.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) source: String,
    pub(super) source_link: String,
    pub(super) verdict: Badge,
    pub(super) reason: String,
    pub(super) began: Time,
    pub(super) ended: Option<Time>,
    pub(super) noticed: &'static str,
}

impl Known {
    /// Each migration once, the newest first, of what was told of them, the newest first.
    pub(super) fn all(told: Vec<Observation>) -> Vec<Self> {
        let mut places: BTreeMap<(String, SourceName, String), usize> = BTreeMap::new();
        let mut all: Vec<Self> = Vec::new();
        for Observation { id, body, .. } in told {
            let Body::Migration(seen) = body else { continue };
            let key = (id.agent.clone(), seen.source.clone(), seen.id.clone());
            let (changes, ended) = match &seen.phase {
                Phase::Open { changes } => (changes.clone(), None),
                Phase::Ended { at, changes } => (changes.clone(), Some(*at)),
                Phase::Judged { .. } | Phase::Unjudged { .. } => (Vec::new(), None),
            };
            match places.get(&key).and_then(|place| all.get_mut(*place)) {
                Some(known) => {
                    if known.changes.is_empty() {
                        known.changes = changes;
                    }
                    known.ended = known.ended.or(ended);
                }
                None => {
                    places.insert(key, all.len());
                    all.push(Self { agent: id.agent, seen: *seen, changes, ended });
                }
            }
        }
        all.sort_by_key(|known| std::cmp::Reverse(known.seen.began));
        all
    }

    /// What is concluded of it, or how far it is.
    pub(super) fn badge(&self) -> Badge {
        match &self.seen.phase {
            Phase::Open { .. } => badge::GOES_ON,
            Phase::Ended { .. } => badge::ENDED,
            Phase::Judged { report } => badge::of_verdict(report.verdict),
            Phase::Unjudged { .. } => badge::UNJUDGED,
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        self.seen.name.clone().unwrap_or_else(|| self.seen.id.clone())
    }

    /// The most important reason, or what changed so far.
    fn reason(&self) -> String {
        match &self.seen.phase {
            Phase::Judged { report } => report.reasons.first().cloned().unwrap_or_default(),
            Phase::Unjudged { why } => why.clone(),
            Phase::Open { .. } | Phase::Ended { .. } => self.changes.join("; "),
        }
    }
}

impl Line {
    pub(super) fn of(known: &Known, now: DateTime<Utc>) -> Self {
        let seen = &known.seen;
        Self {
            name: known.name(),
            link: link::migration(&seen.source, &seen.id),
            source: seen.source.to_string(),
            source_link: link::source(&seen.source),
            verdict: known.badge(),
            reason: known.reason(),
            began: Time::of(seen.began, now),
            ended: known.ended.map(|time| Time::of(time, now)),
            noticed: seen.noticed_by.as_str(),
        }
    }
}

/// Those of a source, or of all, that are known; whether there may be more.
pub(super) async fn known(collector: &Collector, source: Option<SourceName>) -> Result<(Vec<Known>, bool), StoreError> {
    let wanted = Wanted { kind: Some(Body::MIGRATION.to_owned()), source, limit: MOST, ..Wanted::default() };
    let told = collector.store.observations(wanted).await?;
    let cut_off = told.len() == MOST;
    Ok((Known::all(told), cut_off))
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    source: String,
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    page: String,
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Query(asked): Query<Asked>,
) -> Answer {
    let source = (!asked.source.is_empty()).then(|| SourceName::new(&asked.source));
    let (all, cut_off) = known(&collector, source).await?;
    let wanted = all.into_iter().filter(|known| asked.verdict.is_empty() || known.badge().word == asked.verdict);
    let said = [("source", asked.source.as_str()), ("verdict", &asked.verdict)];
    let (piece, paging) = Paging::of(wanted.collect(), asked.page.parse().unwrap_or(1), "/migrations", &said);
    let lines = piece.iter().map(|known| Line::of(known, shell.now)).collect();
    let Asked { source, verdict, .. } = asked;
    Ok(shown(&View { shell: shell.titled("Migrations", "/migrations"), source, verdict, lines, paging, cut_off }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldmark_model::observation::{NoticedBy, ObservationId};

    #[test]
    fn what_was_told_of_a_migration_is_one_line() {
        let told = |sequence, phase| Observation {
            id: ObservationId { agent: "db-1".into(), incarnation: 1, sequence },
            time: DateTime::UNIX_EPOCH,
            body: Body::Migration(Box::new(MigrationSeen {
                source: SourceName::new("shop"),
                id: "m1".into(),
                name: None,
                noticed_by: NoticedBy::Catalogue,
                began: DateTime::UNIX_EPOCH,
                takes_back: None,
                phase,
            })),
        };
        let changes = vec!["public.orders: column note added".to_owned()];
        let told = vec![
            told(3, Phase::Unjudged { why: "no mark".into() }),
            told(2, Phase::Ended { at: DateTime::UNIX_EPOCH, changes: changes.clone() }),
            told(1, Phase::Open { changes: Vec::new() }),
        ];
        let all = Known::all(told);
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].badge(), &all[0].changes, all[0].ended),
            (badge::UNJUDGED, &changes, Some(DateTime::UNIX_EPOCH))
        );
        assert_eq!((all[0].name().as_str(), all[0].reason().as_str()), ("m1", "no mark"));
    }
}
