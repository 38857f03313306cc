//! One rule on one table, over time.

use super::badge::{self, Badge};
use super::chart::{Chart, Check, RANGES, range};
use super::migrations;
use super::outcome::Row;
use super::shell::Shell;
use super::table::{checks, marks};
use super::time::Time;
use super::wrong::Wrong;
use super::{Answer, link, shown};
use crate::Collector;
use crate::api::named;
use crate::store::{Hour, RuleNow, Wanted};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use fieldmark_model::number::{amount, count, percent};
use fieldmark_model::observation::Body;
use fieldmark_model::{Outcome, RuleId, SourceName};
use serde::Deserialize;

/// Checks that are looked through, and that are listed.
const CHECKS: usize = 10_000;
const LISTED: usize = 30;
/// Hours and changes of state that are listed.
const HOURS: usize = 48;
const CHANGES: usize = 50;

#[derive(Template)]
#[template(path = "rule.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    row: Row,
    description: Option<String>,
    facts: Vec<(&'static str, String)>,
    source: String,
    source_link: String,
    ranges: Vec<(&'static str, String, bool)>,
    others: Vec<(String, String)>,
    chart: Option<Chart>,
    cut_off: bool,
    checks: Vec<Check>,
    hours: Vec<HourLine>,
    changes: Vec<ChangeLine>,
}

struct HourLine {
    hour: Time,
    checks: String,
    said: String,
    rows: String,
    worst: String,
}

struct ChangeLine {
    time: Time,
    from: Badge,
    to: Badge,
    reason: String,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    range: String,
    #[serde(default)]
    agent: String,
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Path((source, name, rule)): Path<(String, String, String)>,
    Query(asked): Query<Asked>,
) -> Answer {
    let (source, rule) = (SourceName::new(source), RuleId::new(rule));
    let nowhere = || Wrong::unknown(format!("No rule {rule} on {name} of {source} is known: it was never checked."));
    let table = named(&name).ok_or_else(nowhere)?;
    let mut own = collector.store.rules(Some(source.clone())).await?;
    own.retain(|now| now.outcome.table == table && now.outcome.rule == rule);
    let chosen = own.iter().find(|now| now.agent == asked.agent).or_else(|| own.first()).ok_or_else(nowhere)?;
    let (word, length) = range(&asked.range);
    let during = (shell.now - length, shell.now);
    let wanted = |kind: &str, limit| Wanted {
        kind: Some(kind.to_owned()),
        agent: Some(chosen.agent.clone()),
        source: Some(source.clone()),
        table: Some(table.clone()),
        rule: Some(rule.clone()),
        limit,
        ..Wanted::default()
    };
    let told = collector.store.observations(Wanted { since: Some(during.0), ..wanted(Body::OUTCOME, CHECKS) }).await?;
    let states = collector.store.observations(wanted(Body::STATE, CHANGES)).await?;
    let mut hours = collector.store.hours(source.clone(), table.clone(), rule.clone(), during.0).await?;
    hours.retain(|hour| hour.agent == chosen.agent);
    let (known, _) = migrations::known(&collector, Some(source.clone())).await?;
    let found = checks(&told);
    let here = link::rule(&source, &table, &rule);
    let there = |range: &str, agent: &str| format!("{here}{}", link::query(&[("range", range), ("agent", agent)]));
    let view = View {
        row: Row::of(chosen, shell.now),
        description: chosen.outcome.description.clone(),
        facts: facts(chosen),
        source_link: link::source(&source),
        ranges: RANGES.into_iter().map(|(own, said, _)| (said, there(own, &asked.agent), own == word)).collect(),
        others: own.iter().map(|now| (now.agent.clone(), there(word, &now.agent))).collect(),
        chart: Chart::of(rule.as_str(), &found, &marks(&known), during),
        cut_off: told.len() == CHECKS,
        checks: found.iter().take(LISTED).map(|(time, outcome)| Check::of(*time, outcome, shell.now)).collect(),
        hours: hours.iter().rev().take(HOURS).map(|hour| HourLine::of(hour, shell.now)).collect(),
        changes: states.iter().filter_map(|state| ChangeLine::of(&state.body, state.time, shell.now)).collect(),
        source: source.to_string(),
        shell: shell.titled(format!("{rule} on {table}"), "/fleet"),
    };
    Ok(shown(&view))
}

/// How sure the last outcome is, and why.
fn facts(now: &RuleNow) -> Vec<(&'static str, String)> {
    let Outcome { population, checked, failed, unknown, design_effect, tolerance, detect, sampled, moving, .. } =
        &now.outcome;
    let known = |number: &Option<u64>| number.map_or_else(|| "unknown".to_owned(), count);
    let mut facts = vec![
        ("read", if *sampled { "a sample".to_owned() } else { "every row".to_owned() }),
        ("rows checked", known(checked)),
        ("rows that failed", count(*failed)),
        ("rows of which it could not be told", count(*unknown)),
        ("rows of the table", known(population)),
        ("tolerated", percent(*tolerance)),
    ];
    if *sampled {
        let effect = design_effect.map_or_else(|| "unknown".to_owned(), amount);
        facts.push(("a pass excludes", percent(*detect)));
        facts.push(("design effect", effect));
    }
    if *moving {
        facts.push(("meanwhile", "the table was written to".to_owned()));
    }
    if let Some(baseline) = now.outcome.baseline {
        facts.push(("known failures", count(baseline.rows)));
    }
    facts
}

impl HourLine {
    fn of(hour: &Hour, now: DateTime<Utc>) -> Self {
        let parts = [
            (hour.passed, "passed"),
            (hour.failed, "failed"),
            (hour.inconclusive, "inconclusive"),
            (hour.not_evaluated, "not evaluated"),
        ];
        let said = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", count(n)));
        Self {
            hour: Time::of(hour.hour, now),
            checks: count(hour.checks),
            said: said.collect::<Vec<_>>().join(", "),
            rows: format!("{} of {}", count(hour.failed_rows), count(hour.checked_rows)),
            worst: hour.worst.map_or_else(|| "unknown".to_owned(), percent),
        }
    }
}

impl ChangeLine {
    fn of(body: &Body, time: DateTime<Utc>, now: DateTime<Utc>) -> Option<Self> {
        let Body::State(change) = body else { return None };
        let (from, to) = (badge::of_state(Some(change.from)), badge::of_state(Some(change.to)));
        Some(Self { time: Time::of(time, now), from, to, reason: change.reason.clone() })
    }
}
