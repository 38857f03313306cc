//! Who answers for what, and how it is.

use super::badge::{self, Badge};
use super::incidents::MOST;
use super::paging::Paging;
use super::shell::Shell;
use super::tally::Tally;
use super::{Answer, link, shown};
use crate::Collector;
use crate::store::{RuleNow, WantedIncidents};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use fieldmark_classify::incident::Incident;
use fieldmark_model::{SourceName, TableName};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Tables that are named of each owner.
const NAMED: usize = 5;

#[derive(Template)]
#[template(path = "owners.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    lines: Vec<Line>,
    paging: Paging,
}

/// One owner.
#[derive(Debug)]
struct Line {
    /// None: rules of which nobody says whose they are.
    owner: Option<String>,
    tally: Tally,
    open: usize,
    open_link: String,
    worst: Option<Badge>,
    tables: Vec<(String, String)>,
    more: usize,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    page: String,
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Query(asked): Query<Asked>,
) -> Answer {
    let rules = collector.store.rules(None).await?;
    let open = collector.store.incidents(WantedIncidents { open: true, source: None, limit: MOST }).await?;
    let (lines, paging) = Paging::of(lines(&rules, &open), asked.page.parse().unwrap_or(1), "/owners", &[]);
    Ok(shown(&View { shell: shell.titled("Owners", "/owners"), lines, paging }))
}

/// Every owner that a rule names; last, what nobody owns.
fn lines(rules: &[RuleNow], open: &[Incident]) -> Vec<Line> {
    type Own<'a> = (Tally, BTreeSet<(&'a SourceName, &'a TableName)>);
    let mut by: BTreeMap<Option<&String>, Own<'_>> = BTreeMap::new();
    for rule in rules {
        let (tally, tables) = by.entry(rule.outcome.owner.as_ref()).or_default();
        tally.add(&rule.outcome);
        tables.insert((&rule.outcome.source, &rule.outcome.table));
    }
    let line = |(owner, (tally, tables)): (Option<&String>, Own<'_>)| {
        let is_own = |incident: &&Incident| incident.parts.iter().any(|part| part.owner.as_ref() == owner);
        let own: Vec<&Incident> = open.iter().filter(is_own).collect();
        let name =
            |(source, table): &(&SourceName, &TableName)| (format!("{source} {table}"), link::table(source, table));
        Line {
            open: own.len(),
            open_link: format!("/incidents{}", link::query(&[("owner", owner.map_or("", String::as_str))])),
            worst: own.iter().map(|incident| incident.severity).max().map(badge::of_severity),
            more: tables.len().saturating_sub(NAMED),
            tables: tables.iter().take(NAMED).map(name).collect(),
            owner: owner.cloned(),
            tally,
        }
    };
    let mut lines: Vec<Line> = by.into_iter().map(line).collect();
    lines.sort_by_key(|line| (line.owner.is_none(), std::cmp::Reverse((line.open, line.tally.failed))));
    lines
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::failing;
    use super::*;
    use chrono::DateTime;
    use fieldmark_model::Outcome;

    #[test]
    fn what_nobody_owns_is_told_last() {
        let rule = |owner: Option<&str>| RuleNow {
            time: DateTime::UNIX_EPOCH,
            agent: "db-1".into(),
            outcome: Outcome { owner: owner.map(str::to_owned), ..failing() },
            state: None,
            state_reason: None,
            state_since: None,
        };
        let lines = lines(&[rule(None), rule(Some("payments")), rule(Some("payments"))], &[]);
        let told: Vec<_> = lines.iter().map(|line| (line.owner.as_deref(), line.tally.failed)).collect();
        assert_eq!(told, [(Some("payments"), 2), (None, 1)]);
        assert_eq!(lines[0].tables[0].1, "/tables/shop/public.%22%3Cscript%3E%22");
    }
}
