//! What the template shows.

mod bar;
mod change;
mod chart;
mod edges;
mod facts;
mod hero;
mod remark;
mod rule;

use crate::report::terminal::sample_facts;
use crate::report::words::{self, Standing, count, how_many};
use crate::report::{Report, conclusion};
use askama::Template;
use bar::{Tick, ticks_over_rules};
use change::Change;
use facts::{Fact, facts};
use fieldmark_model::Outcome;
use fieldmark_model::migration::Verdict;
use hero::{Hero, hero};
use remark::{Remark, alerts, notes};
use rule::Rule;

#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page {
    title: String,
    command: String,
    finished: String,
    finished_iso: String,
    hero: Hero,
    counts: Vec<Count>,
    rules: String,
    rules_word: &'static str,
    alerts: Vec<Remark>,
    notes: Vec<Remark>,
    changes: Vec<Change>,
    tables: Vec<Table>,
    has_bars: bool,
    level: String,
    facts: Vec<Fact>,
}

struct Count {
    class: &'static str,
    n: String,
    word: &'static str,
}

struct Mark {
    class: &'static str,
    glyph: &'static str,
    word: &'static str,
}

struct Table {
    source: String,
    name: String,
    facts: String,
    ticks: Vec<Tick>,
    rules: Vec<Rule>,
}

fn standing_class(standing: Standing) -> &'static str {
    match standing {
        Standing::Passed => "good",
        Standing::Failed => "bad",
        Standing::Known | Standing::Inconclusive => "warn",
        Standing::NotEvaluated => "none",
    }
}

fn standing_mark(outcome: &Outcome) -> Mark {
    let standing = Standing::of(outcome);
    Mark { class: standing_class(standing), glyph: standing.glyph(), word: standing.word() }
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean | Verdict::AsDeclared | Verdict::Restored => "good",
        Verdict::Broken | Verdict::RestoredWithLoss => "bad",
        Verdict::Surprising | Verdict::Inconclusive => "warn",
        Verdict::NotComparable => "none",
    }
}

fn verdict_mark(verdict: Verdict) -> Mark {
    Mark { class: verdict_class(verdict), glyph: words::verdict_glyph(verdict), word: words::verdict(verdict) }
}

impl Page {
    pub(super) fn of(report: &Report) -> Self {
        let conclusion = conclusion(report);
        let hero = hero(report, &conclusion);
        let changes: Vec<Change> = report
            .migration
            .iter()
            .flat_map(|migration| &migration.sources)
            .flat_map(|source| source.tables.iter().map(|table| Change::of(report, source, table)))
            .collect();
        let tables: Vec<Table> = report
            .outcomes_by_table()
            .into_iter()
            .map(|(source, table, outcomes)| {
                let facts = sample_facts(&report.samples_of(source, table), &outcomes).join(" · ");
                let rules: Vec<Rule> = outcomes.into_iter().map(Rule::of).collect();
                Table {
                    source: source.to_string(),
                    name: table.to_string(),
                    facts,
                    ticks: ticks_over_rules(&rules),
                    rules,
                }
            })
            .collect();
        let rules = || {
            let of_changes = changes.iter().flat_map(|change| change.transitions.iter().chain(&change.rules));
            tables.iter().flat_map(|table| &table.rules).chain(of_changes)
        };
        let has_bars = rules().any(|rule| rule.bar.is_some())
            || changes.iter().flat_map(|change| &change.columns).any(|column| column.bar.is_some());
        Self {
            title: format!("{} · Fieldmark {}", hero.headline, report.command),
            command: report.command.clone(),
            finished: words::instant(report.finished),
            finished_iso: report.finished.to_rfc3339(),
            counts: words::tally(report.outcomes.iter())
                .into_iter()
                .map(|(standing, n)| Count { class: standing_class(standing), n: count(n), word: standing.word() })
                .collect(),
            rules: count(how_many(&report.outcomes)),
            rules_word: match (report.outcomes.len(), report.migration.as_ref().is_some_and(|m| m.verdict.is_some())) {
                (1, false) => "rule",
                (_, false) => "rules",
                (1, true) => "rule after the migration",
                (_, true) => "rules after the migration",
            },
            alerts: alerts(report, &conclusion),
            notes: notes(report),
            facts: facts(report),
            level: words::level(&report.outcomes).map(|level| format!(" of {level} confidence")).unwrap_or_default(),
            hero,
            has_bars,
            changes,
            tables,
        }
    }
}
