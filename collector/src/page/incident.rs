//! One incident: its evidence, what happened when, what is made from what it is about, and what may help.

use super::act;
use super::badge::{self, Badge};
use super::incidents::Line;
use super::shell::Shell;
use super::time::Time;
use super::timeline::{Event, events};
use super::wrong::Wrong;
use super::{Answer, link, shown};
use crate::Collector;
use crate::lineage::downstream::{Downstream, downstream};
use crate::store::Wanted;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::incident::{Cause, Incident, Part};
use fieldmark_model::observation::Body;
use std::collections::BTreeSet;

/// Parts, and lines of other lists, that are shown.
const MOST: usize = 200;
/// Changes of state that are looked through, of each source, and what was told.
const CHANGES: usize = 1_000;

#[derive(Template)]
#[template(path = "incident.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    line: Line,
    note: Option<String>,
    taken_up: Option<Time>,
    cause: &'static str,
    migration: Option<(String, String)>,
    parts: Vec<PartLine>,
    parts_more: usize,
    fixes: Vec<FixLine>,
    events: Vec<Event>,
    events_cut: bool,
    downstream: Vec<Below>,
    silences: [(i64, &'static str); 5],
}

struct PartLine {
    about: String,
    link: Option<String>,
    place: String,
    state: Badge,
    severity: Badge,
    reason: String,
    since: Time,
    changed: Time,
    owner: Option<String>,
    agent: String,
    description: Option<String>,
    runbook: Option<String>,
    runbook_is_link: bool,
    lineage: Option<String>,
}

struct FixLine {
    about: String,
    what: String,
    text: String,
}

/// What is made from one part of it.
struct Below {
    about: String,
    columns: String,
    hit: Vec<HitLine>,
    cut_off: bool,
}

struct HitLine {
    table: String,
    link: String,
    source: String,
    steps: u32,
    how: &'static str,
    origin: String,
    owner: Option<String>,
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Path(id): Path<String>,
) -> Answer {
    let nowhere = || Wrong::unknown(format!("There is no incident {id}. It may be older than what is kept."));
    let incident = collector.store.incident(id.clone()).await?.ok_or_else(nowhere)?;
    let silences = collector.silences(shell.now).await?;
    let deliveries = collector.store.deliveries(CHANGES).await?;
    let mut changes = Vec::new();
    let since = incident.parts.iter().map(|part| part.since).min().unwrap_or(incident.opened);
    for source in incident.sources().collect::<BTreeSet<_>>() {
        let wanted = Wanted {
            kind: Some(Body::STATE.to_owned()),
            source: Some(source.clone()),
            since: Some(since - TimeDelta::minutes(1)),
            before: incident.resolved.map(|time| time + TimeDelta::minutes(10)),
            limit: CHANGES,
            ..Wanted::default()
        };
        changes.extend(collector.store.observations(wanted).await?);
    }
    let below = downstream(collector.store.as_ref(), &incident).await?;
    let migration = match &incident.cause {
        Cause::Migration { id, name } => incident
            .sources()
            .next()
            .map(|source| (name.clone().unwrap_or_else(|| id.clone()), link::migration(source, id))),
        Cause::Source | Cause::Agent | Cause::Table(_) | Cause::Rule(..) => None,
    };
    let line = Line::of(&incident, &silences, shell.now);
    let view = View {
        note: incident.acknowledged.as_ref().and_then(|by| by.note.clone()),
        taken_up: incident.acknowledged.as_ref().map(|by| Time::of(by.at, shell.now)),
        cause: cause(&incident.cause),
        migration,
        parts: incident.parts.iter().take(MOST).map(|part| PartLine::of(part, shell.now)).collect(),
        parts_more: incident.parts.len().saturating_sub(MOST),
        fixes: fixes(&incident),
        events_cut: deliveries.len() == CHANGES,
        events: events(&incident, &changes, &deliveries, shell.now),
        downstream: below.into_iter().map(Below::of).collect(),
        silences: act::SILENCES,
        shell: shell.titled(line.summary.clone(), "/incidents"),
        line,
    };
    Ok(shown(&view))
}

fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::Migration { .. } => "what failed after a migration",
        Cause::Source => "the source cannot be checked",
        Cause::Agent => "nothing is heard of the agent",
        Cause::Table(_) => "rules on a table cannot be checked",
        Cause::Rule(..) => "one rule on one table",
    }
}

impl PartLine {
    fn of(part: &Part, now: DateTime<Utc>) -> Self {
        let link = match (&part.source, &part.table, &part.rule) {
            (Some(source), Some(table), Some(rule)) => Some(link::rule(source, table, rule)),
            (Some(source), Some(table), None) => Some(link::table(source, table)),
            (Some(source), None, _) => Some(link::source(source)),
            (None, _, _) => None,
        };
        let lineage = part.source.as_ref().zip(part.table.as_ref());
        // whatever an author writes there, a browser goes to no other kind of place
        let is_link = |text: &String| text.starts_with("https://") || text.starts_with("http://");
        Self {
            about: part.about(),
            link,
            place: part.place().to_owned(),
            state: badge::of_state(Some(part.state)),
            severity: badge::of_severity(part.severity),
            reason: part.reason.clone(),
            since: Time::of(part.since, now),
            changed: Time::of(part.changed, now),
            owner: part.owner.clone(),
            agent: part.agent.clone(),
            description: part.description.clone(),
            runbook_is_link: part.runbook.as_ref().is_some_and(is_link),
            runbook: part.runbook.clone(),
            lineage: lineage.map(|(source, table)| link::lineage(source, &table.to_string(), "")),
        }
    }
}

/// What may help, of what is open; the same once.
fn fixes(incident: &Incident) -> Vec<FixLine> {
    let mut seen = BTreeSet::new();
    let open = incident.parts.iter().filter(|part| !part.is_over() || !incident.is_open());
    let all = open.flat_map(|part| part.fixes.iter().map(move |fix| (part, fix)));
    let fresh = all.filter(|(_, fix)| seen.insert((fix.what.clone(), fix.text.clone())));
    let line = |(part, fix): (&Part, &fieldmark_model::outcome::Fix)| FixLine {
        about: part.about(),
        what: fix.what.clone(),
        text: fix.text.clone(),
    };
    fresh.take(MOST).map(line).collect()
}

impl Below {
    fn of(own: Downstream) -> Self {
        let about = match &own.rule {
            Some(rule) => format!("{rule} on {}", own.table),
            None => own.table.to_string(),
        };
        let hit = own.hit.into_iter().take(MOST).map(|hit| HitLine {
            link: link::lineage(&hit.source, &hit.table, ""),
            table: hit.table,
            source: hit.source.to_string(),
            steps: hit.depth,
            how: if hit.direct { "values go there" } else { "it decides which rows there are" },
            origin: format!("{} ({})", hit.origin.name, hit.origin.certainty.as_str()),
            owner: hit.origin.owner,
        });
        Self { about, columns: own.columns.join(", "), hit: hit.collect(), cut_off: own.cut_off }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use fieldmark_classify::incident::Acknowledged;
    use fieldmark_model::observation::State;
    use fieldmark_model::outcome::Fix;
    use fieldmark_model::{RuleId, Severity, SourceName, TableName};

    /// One that somebody has taken up.
    pub(in crate::page) fn incident() -> Incident {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let fix = Fix { what: "look at the rows".into(), text: "SELECT 1".into() };
        let part = Part {
            agent: "db-1".into(),
            source: Some(SourceName::new("shop")),
            table: Some(TableName::new("public", "orders")),
            rule: Some(RuleId::new("paid")),
            state: State::Systemic,
            since: at(0),
            changed: at(10),
            reason: "3 of 100 rows fail".into(),
            severity: Severity::Page,
            owner: None,
            description: None,
            runbook: Some("javascript:alert(1)".into()),
            escalation: None,
            fixes: vec![fix.clone(), fix],
        };
        Incident {
            id: "5f".into(),
            cause: Cause::Rule(TableName::new("public", "orders"), RuleId::new("paid")),
            class: State::Systemic,
            severity: Severity::Page,
            opened: at(20),
            resolved: None,
            acknowledged: Some(Acknowledged { by: "ann".into(), at: at(40), note: Some("on it".into()) }),
            parts: vec![part],
        }
    }

    #[test]
    fn a_fix_is_told_once_and_a_runbook_is_a_link_only_where_it_is_one() {
        assert_eq!(fixes(&incident()).len(), 1);
        let part = PartLine::of(&incident().parts[0], DateTime::UNIX_EPOCH);
        assert!(!part.runbook_is_link);
        assert_eq!(part.link.as_deref(), Some("/rules/shop/public.orders/paid"));
    }
}
