//! What rules and declared transitions gave, those that did not pass first.

use super::blocks;
use super::escape::{code, fenced, text};
use super::room::Room;
use crate::report::Report;
use crate::report::words::{self, Standing, how_many, plural};
use fieldmark_model::Outcome;
use std::cmp::Reverse;

/// What a rule gave, and what it gave before the migration; or what a declared transition gave.
struct Line<'a> {
    outcome: &'a Outcome,
    before: Option<&'a Outcome>,
    transition: bool,
}

/// All rules, and all declared transitions.
fn lines(report: &Report) -> Vec<Line<'_>> {
    let rule = |outcome| Line { outcome, before: before(report, outcome), transition: false };
    let tables = report.migration.iter().flat_map(|migration| &migration.sources).flat_map(|source| &source.tables);
    let transitions = tables.flat_map(|table| &table.transitions);
    let transition = |outcome| Line { outcome, before: None, transition: true };
    report.outcomes.iter().map(rule).chain(transitions.map(transition)).collect()
}

/// What the rule gave when the mark was taken.
fn before<'a>(report: &'a Report, after: &Outcome) -> Option<&'a Outcome> {
    let sources = report.migration.iter().flat_map(|migration| &migration.sources);
    sources
        .filter(|source| source.source == after.source)
        .flat_map(|source| &source.rules)
        .find(|rule| rule.after.table == after.table && rule.after.rule == after.rule)
        .map(|rule| &rule.before)
}

/// The lines of these standings, in order of standing and severity.
fn with_standing(report: &Report, wanted: impl Fn(Standing) -> bool) -> Vec<Line<'_>> {
    let mut lines = lines(report);
    lines.retain(|line| wanted(line.standing()));
    lines.sort_by_key(|line| (line.standing(), Reverse(line.outcome.severity)));
    lines
}

/// `4 rules and 1 declared transition`.
fn how_many_of_each(lines: &[Line<'_>]) -> String {
    let transitions = how_many(lines.iter().filter(|line| line.transition));
    let rules = how_many(lines.iter().filter(|line| !line.transition));
    let named = [(rules, "rule"), (transitions, "declared transition")];
    let named: Vec<String> = named.into_iter().filter(|(n, _)| *n > 0).map(|(n, noun)| plural(n, noun)).collect();
    named.join(" and ")
}

/// The rules that did not pass, as a table.
pub(super) fn not_passed(report: &Report, room: &mut Room) -> String {
    let lines = with_standing(report, |standing| standing != Standing::Passed);
    if lines.is_empty() {
        return String::new();
    }
    let (rows, left_out) = room.fill("rule", lines.iter().map(Line::row));
    let table = format!("| Status | Rule | What was seen | Owner |\n|---|---|---|---|\n{rows}");
    blocks(["### Rules that did not pass".to_owned(), table, left_out])
}

/// The keys and the SQL of the rules that failed, folded away.
pub(super) fn details(report: &Report, room: &mut Room) -> String {
    let lines = with_standing(report, |standing| matches!(standing, Standing::Failed | Standing::Known));
    let details: Vec<String> = lines.iter().filter_map(Line::details).collect();
    if details.is_empty() {
        return String::new();
    }
    let (details, left_out) = room.fill("rule", details);
    folded("Failing rows and SQL", [details, left_out])
}

/// The rules that passed, folded away.
pub(super) fn passed(report: &Report, room: &mut Room) -> String {
    let lines = with_standing(report, |standing| standing == Standing::Passed);
    if lines.is_empty() {
        return String::new();
    }
    let (rows, left_out) = room.fill("rule", lines.iter().map(Line::passed_row));
    let table = format!("| Rule | What was seen |\n|---|---|\n{rows}");
    folded(&format!("{} passed", how_many_of_each(&lines)), [table, left_out])
}

/// Blocks that open on a click; the summary is ours.
fn folded(summary: &str, inside: [String; 2]) -> String {
    blocks([format!("<details><summary>{summary}</summary>"), blocks(inside), "</details>".into()])
}

impl Line<'_> {
    fn row(&self) -> String {
        let owner = text(&words::owner(self.outcome));
        format!("| {} | {} | {} | {owner} |\n", self.status(), self.name("<br>"), text(&self.seen()))
    }

    fn passed_row(&self) -> String {
        format!("| {} | {} |\n", self.name("<br>"), text(&self.seen()))
    }

    fn standing(&self) -> Standing {
        Standing::of(self.outcome)
    }

    /// `✘ failed`, or `✔ → ✘ failed` where it was otherwise before.
    fn status(&self) -> String {
        let standing = self.standing();
        let before = self.changed_from().map(|before| format!("{} → ", Standing::of(before).glyph()));
        format!("{}{} {}", before.unwrap_or_default(), standing.glyph(), standing.word())
    }

    /// What the rule gave before, where that is another status.
    fn changed_from(&self) -> Option<&Outcome> {
        self.before.filter(|before| before.status != self.outcome.status)
    }

    /// The rule and its table.
    fn name(&self, between: &str) -> String {
        let outcome = self.outcome;
        let what = if self.transition { "declared transition of " } else { "" };
        let (rule, table) = (code(outcome.rule.as_str()), code(&outcome.table.to_string()));
        format!("{rule}{between}{what}{} {table}", text(outcome.source.as_str()))
    }

    /// What was seen, with all that bounds it.
    fn seen(&self) -> String {
        let outcome = self.outcome;
        let mut parts = vec![words::seen(outcome)];
        if outcome.tolerance > 0.0 {
            parts.push(format!("tolerance {}", words::percent(outcome.tolerance)));
        }
        parts.extend(words::unknown(outcome));
        parts.extend(words::baseline(outcome));
        parts.extend(words::further_reason(outcome).map(str::to_owned));
        parts.extend(self.changed_from().map(|before| format!("before: {}", words::seen(before))));
        parts.join("; ")
    }

    /// What helps to see the failure; `None` where there is nothing.
    fn details(&self) -> Option<String> {
        let outcome = self.outcome;
        let keys: Vec<String> = outcome.examples.iter().map(|key| code(key)).collect();
        let parts = [
            outcome.description.as_deref().map(text),
            (!keys.is_empty()).then(|| format!("Rows: {}", keys.join(" · "))),
            outcome.runbook.as_ref().map(|runbook| format!("Runbook: {}", code(runbook))),
            outcome.sql.as_deref().map(fenced),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let title = format!("**Rule** {}", self.name(" of "));
        (!parts.is_empty()).then(|| format!("{}\n\n", blocks(std::iter::once(title).chain(parts))))
    }
}
