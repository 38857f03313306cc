//! What became of one table.

use super::bar::{Bar, Tick, at, ticks_over, ticks_over_rules};
use super::chart::Chart;
use super::rule::{Before, Rule};
use super::{Mark, standing_mark, verdict_mark};
use crate::report::Report;
use crate::report::words::{self, count, plural};
use fieldmark_model::Outcome;
use fieldmark_model::migration::{ColumnChange, Expectation, MigrationReport, TableChange};

pub(super) struct Change {
    pub(super) source: String,
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) facts: String,
    pub(super) reasons: Vec<String>,
    pub(super) fate: Vec<Part>,
    pub(super) fate_label: String,
    pub(super) legend: Vec<Legend>,
    pub(super) asides: Vec<String>,
    pub(super) examples: Vec<String>,
    pub(super) column_ticks: Vec<Tick>,
    pub(super) columns: Vec<Column>,
    pub(super) other_columns: Option<String>,
    pub(super) transition_ticks: Vec<Tick>,
    pub(super) transitions: Vec<Rule>,
    pub(super) rule_ticks: Vec<Tick>,
    pub(super) rules: Vec<Rule>,
}

pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) from: String,
    pub(super) width: String,
}

pub(super) struct Legend {
    pub(super) class: &'static str,
    pub(super) text: String,
}

pub(super) struct Column {
    pub(super) mark: Mark,
    pub(super) name: String,
    pub(super) fate: String,
    pub(super) rows: Option<String>,
    pub(super) losses: String,
    pub(super) reason: String,
    pub(super) bar: Option<Bar>,
    pub(super) chart: Option<Chart>,
}

impl Column {
    pub(super) fn of(column: &ColumnChange, fails: bool) -> Self {
        let (class, glyph) = match column.expectation {
            Expectation::Surprising if fails => ("bad", "!"),
            Expectation::Surprising => ("warn", "!"),
            Expectation::Undecided => ("warn", "?"),
            Expectation::Declared => ("good", "✔"),
            Expectation::Ordinary => ("none", "~"),
            Expectation::Unchanged => ("none", "="),
        };
        let shown = column.compared > 0 && column.changed > column.ordinary;
        Self {
            mark: Mark { class, glyph, word: words::expectation(column.expectation) },
            name: column.column.clone(),
            fate: words::fate(&column.fate, column.type_before.as_deref(), column.type_after.as_deref()),
            rows: words::column_rows(column),
            losses: words::losses(&column.losses),
            reason: column.reason.clone(),
            bar: shown.then(|| Bar::of(column.fraction, column.interval, None)),
            chart: column.shape.as_ref().map(|shape| Chart::of(&column.column, shape)),
        }
    }
}

impl Change {
    pub(super) fn of(report: &Report, source: &MigrationReport, table: &TableChange) -> Self {
        let mut facts: Vec<String> = Vec::new();
        facts.extend(table.renamed_from.as_ref().map(|from| format!("was {from}")));
        facts.extend(words::rows_before_after(table));
        facts.push(format!("{} marked", count(table.marked)));
        if table.rewritten {
            facts.push("storage was rewritten".into());
        }
        let explained = table.vanished_explained.min(table.vanished);
        let parts = [
            ("unchanged", table.unchanged),
            ("changed", table.changed),
            ("explained", explained),
            ("vanished", table.vanished - explained),
        ];
        let vanished = words::vanished(table);
        let mut legend = vec![
            Legend { class: "unchanged", text: format!("{} unchanged", count(table.unchanged)) },
            Legend { class: "changed", text: format!("{} changed", count(table.changed)) },
        ];
        let class = if explained > 0 && explained == table.vanished { "explained" } else { "vanished" };
        legend.push(Legend { class, text: vanished.clone() });
        let columns: Vec<Column> = table
            .columns
            .iter()
            .filter(|column| words::is_notable(column))
            .map(|column| Column::of(column, report.strict || table.undeclared_changes_fail))
            .collect();
        let transitions: Vec<Rule> = table.transitions.iter().map(Rule::of).collect();
        let before = |outcome: &Outcome, after: &Outcome| Before {
            mark: standing_mark(outcome),
            seen: words::seen(outcome),
            differs: outcome.status != after.status,
        };
        let rules: Vec<Rule> = report
            .rule_changes(source, table)
            .map(|rule| Rule { before: Some(before(&rule.before, &rule.after)), ..Rule::of(&rule.after) })
            .collect();
        Self {
            source: source.source.to_string(),
            name: table.table.to_string(),
            mark: verdict_mark(table.verdict),
            facts: facts.join(" · "),
            reasons: table.reasons.clone(),
            fate: fate(&parts),
            fate_label: format!(
                "Of {}: {} unchanged, {} changed, {vanished}",
                plural(table.marked, "marked row"),
                count(table.unchanged),
                count(table.changed)
            ),
            legend,
            asides: table.written.as_ref().and_then(words::written).into_iter().collect(),
            examples: table.examples.clone(),
            column_ticks: ticks_over(columns.iter().map(|column| &column.bar)),
            columns,
            other_columns: words::other_columns(&table.columns),
            transition_ticks: ticks_over_rules(&transitions),
            transitions,
            rule_ticks: ticks_over_rules(&rules),
            rules,
        }
    }
}

/// Parts of a bar whose widths are the parts' shares; a part that is there at all is wide enough to be seen.
pub(super) fn fate(parts: &[(&'static str, u64)]) -> Vec<Part> {
    const LEAST: f64 = 0.8;
    let total = parts.iter().map(|(_, rows)| *rows as f64).sum::<f64>().max(1.0);
    let wide: Vec<(&'static str, f64)> = parts
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(class, rows)| (*class, (100.0 * *rows as f64 / total).max(LEAST)))
        .collect();
    let sum: f64 = wide.iter().map(|(_, width)| width).sum::<f64>().max(1.0);
    let mut from = 0.0;
    wide.into_iter()
        .map(|(class, width)| {
            let width = 100.0 * width / sum;
            let part = Part { class, from: at(from), width: at(width) };
            from += width;
            part
        })
        .collect()
}
