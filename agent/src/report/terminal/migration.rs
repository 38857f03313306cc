//! What became of marked rows, for a terminal: the verdict first, then table by table.

use super::paint::{BOLD, DIM, GREEN, PLAIN, Page, RED, Span, YELLOW, span};
use super::{Columns, Row, rule_body, rule_details, standing_span};
use crate::report::words::{self, Standing, count, how_many, plural};
use crate::report::{MigrationSummary, Report};
use anstyle::Style;
use fieldmark_model::migration::{ColumnChange, Expectation, MigrationReport, RuleChange, TableChange, Verdict};

/// Verdict, marks and tables.
pub(super) fn section(page: &mut Page, report: &Report, migration: &MigrationSummary) {
    if let Some(verdict) = migration.verdict {
        let spans = [
            span(
                format!("{} {}", words::verdict_glyph(verdict), words::verdict(verdict).to_uppercase()),
                style(verdict).bold(),
            ),
            span(format!(" · {}", words::verdict_meaning(verdict)), PLAIN),
        ];
        page.paragraph(0, 2, &spans);
    }
    if let Some(status) = migration.command_status {
        let spans = if status == 0 {
            [span("  the guarded command ended well", PLAIN), span("", PLAIN)]
        } else {
            [span("  the guarded command failed", RED), span(format!(" with status {status}"), PLAIN)]
        };
        page.paragraph(2, 4, &spans);
    }
    for source in &migration.sources {
        for reason in &source.reasons {
            page.hang(&[span("  • ", style(source.verdict))], 4, 4, &[span(reason, PLAIN)]);
        }
        let age = words::between(source.marked_at, source.recaptured_at);
        let when = words::instant(source.marked_at);
        let text = format!("{}: mark {} of {when}, {age} before the recapture", source.source, source.mark);
        page.paragraph(2, 4, &[span(text, DIM)]);
    }
    if migration.sources.is_empty() {
        marks(page, migration);
    }
    for source in &migration.sources {
        for change in &source.tables {
            page.gap();
            table(page, report, source, change);
        }
        if !source.tables_added.is_empty() {
            page.gap();
            let names: Vec<String> = source.tables_added.iter().map(ToString::to_string).collect();
            let text = format!("{} appeared: {}", plural(how_many(&source.tables_added), "table"), names.join(", "));
            page.paragraph(0, 2, &[span(format!("{} ", source.source), DIM), span(text, PLAIN)]);
        }
        let lineage: Vec<String> = source.lineage.iter().flat_map(words::lineage).collect();
        if !lineage.is_empty() {
            page.gap();
        }
        for line in lineage {
            page.paragraph(0, 2, &[span(format!("{} lineage: ", source.source), DIM), span(line, PLAIN)]);
        }
    }
}

fn marks(page: &mut Page, migration: &MigrationSummary) {
    for mark in &migration.marks {
        let spans = [
            span("marked ", GREEN),
            span(mark.source.to_string(), BOLD),
            span(format!(" · {} of {}", plural(mark.rows, "row"), plural(mark.tables, "table")), PLAIN),
            span(format!(" · {} · {}", words::bytes(mark.bytes), words::instant(mark.taken)), PLAIN),
        ];
        page.paragraph(0, 2, &spans);
        page.hang(&[span("  mark", DIM)], 8, 8, &[span(&mark.id, BOLD)]);
        page.hang(&[span("  in", DIM)], 8, 8, &[span(&mark.path, PLAIN)]);
    }
    if !migration.marks.is_empty() && migration.verdict.is_none() {
        page.hang(&[span("  next", DIM)], 8, 8, &[span("run the migration, then `fieldmark after`", PLAIN)]);
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Clean | Verdict::AsDeclared | Verdict::Restored => GREEN,
        Verdict::Broken | Verdict::RestoredWithLoss => RED,
        Verdict::Surprising | Verdict::Inconclusive | Verdict::NotComparable => YELLOW,
    }
}

fn expectation_style(expectation: Expectation, fails: bool) -> Style {
    match expectation {
        Expectation::Surprising if fails => RED,
        Expectation::Surprising | Expectation::Undecided => YELLOW,
        Expectation::Declared => GREEN,
        Expectation::Unchanged | Expectation::Ordinary => DIM,
    }
}

fn expectation_glyph(expectation: Expectation) -> &'static str {
    match expectation {
        Expectation::Surprising => "!",
        Expectation::Undecided => "?",
        Expectation::Declared => "✔",
        Expectation::Ordinary => "~",
        Expectation::Unchanged => "=",
    }
}

fn table(page: &mut Page, report: &Report, source: &MigrationReport, change: &TableChange) {
    let mut spans = vec![span(format!("{} ", source.source), DIM), span(change.table.to_string(), BOLD)];
    if let Some(from) = &change.renamed_from {
        spans.push(span(format!(" (was {from})"), PLAIN));
    }
    spans.extend(words::rows_before_after(change).map(|rows| span(format!(" · {rows}"), PLAIN)));
    spans.push(span(format!(" · {} marked", count(change.marked)), PLAIN));
    spans.push(span(" · ", PLAIN));
    let verdict = change.verdict;
    spans.push(span(format!("{} {}", words::verdict_glyph(verdict), words::verdict(verdict)), style(verdict)));
    page.paragraph(0, 2, &spans);
    for reason in &change.reasons {
        page.hang(&[span("  • ", style(verdict))], 4, 4, &[span(reason, PLAIN)]);
    }
    rows(page, change);
    columns(page, &change.columns, report.strict || change.undeclared_changes_fail);

    let transitions: Vec<Row> = change
        .transitions
        .iter()
        .map(|outcome| Row {
            head: vec![standing_span(outcome)],
            id: outcome.rule.to_string(),
            body: rule_body(outcome),
        })
        .collect();
    heading(page, "declared transitions", !transitions.is_empty());
    let at = Columns::fitting(page, 4, &transitions);
    for (row, outcome) in transitions.iter().zip(&change.transitions) {
        at.row(page, row);
        rule_details(page, 8, outcome);
    }

    let changes: Vec<&RuleChange> = report.rule_changes(source, change).collect();
    let rules: Vec<Row> = changes
        .iter()
        .map(|rule| Row { head: before_after(rule), id: rule.after.rule.to_string(), body: rule_change_body(rule) })
        .collect();
    heading(page, "rules before → after", !rules.is_empty());
    let at = Columns::fitting(page, 4, &rules);
    for (row, rule) in rules.iter().zip(&changes) {
        at.row(page, row);
        rule_details(page, 8, &rule.after);
    }
}

fn heading(page: &mut Page, text: &str, wanted: bool) {
    if wanted {
        page.paragraph(2, 2, &[span(text, DIM.underline())]);
    }
}

/// How many marked rows are as they were.
fn rows(page: &mut Page, change: &TableChange) {
    let mut spans = vec![
        span(format!("{} unchanged", count(change.unchanged)), PLAIN),
        span(format!(", {} changed, ", count(change.changed)), PLAIN),
    ];
    let alarming = change.vanished > change.vanished_explained;
    spans.push(span(words::vanished(change), if alarming { RED } else { PLAIN }));
    page.hang(&[span("  rows", DIM)], 8, 8, &spans);
    let mut facts: Vec<String> = change.written.as_ref().and_then(words::written).into_iter().collect();
    if change.rewritten {
        facts.push("storage was rewritten".into());
    }
    if !facts.is_empty() {
        page.paragraph(8, 8, &[span(facts.join("; "), DIM)]);
    }
    if !change.examples.is_empty() {
        page.hang(&[span("  e.g.", DIM)], 8, 8, &[span(change.examples.join(" · "), PLAIN)]);
    }
}

fn columns(page: &mut Page, columns: &[ColumnChange], fails: bool) {
    let notable: Vec<&ColumnChange> = columns.iter().filter(|column| words::is_notable(column)).collect();
    let rows: Vec<Row> = notable
        .iter()
        .map(|column| {
            let (glyph, word) = (expectation_glyph(column.expectation), words::expectation(column.expectation));
            Row {
                head: vec![span(format!("{glyph} {word}"), expectation_style(column.expectation, fails))],
                id: column.column.clone(),
                body: column_body(column),
            }
        })
        .collect();
    let others = words::other_columns(columns);
    heading(page, "columns", !rows.is_empty() || others.is_some());
    let at = Columns::fitting(page, 4, &rows);
    for (row, column) in rows.iter().zip(&notable) {
        at.row(page, row);
        if !column.reason.is_empty() {
            page.hang(&[span("        why", DIM)], 14, 14, &[span(&column.reason, PLAIN)]);
        }
    }
    if let Some(others) = others {
        page.paragraph(4, 6, &[span(format!("= {others}"), DIM)]);
    }
}

fn column_body(column: &ColumnChange) -> Vec<Span> {
    let fate = words::fate(&column.fate, column.type_before.as_deref(), column.type_after.as_deref());
    let mut parts: Vec<Span> = Vec::new();
    for text in [fate, words::column_rows(column).unwrap_or_default()] {
        if !text.is_empty() {
            parts.extend((!parts.is_empty()).then(|| span("; ", PLAIN)));
            parts.push(span(text, PLAIN));
        }
    }
    if !column.losses.is_empty() {
        parts.push(span(format!("; {}", words::losses(&column.losses)), RED));
    }
    parts
}

/// `✔ → ✘ failed`.
fn before_after(rule: &RuleChange) -> Vec<Span> {
    let before = span(format!("{} → ", Standing::of(&rule.before).glyph()), DIM);
    vec![before, standing_span(&rule.after)]
}

fn rule_change_body(rule: &RuleChange) -> Vec<Span> {
    let mut spans = rule_body(&rule.after);
    if rule.before.status != rule.after.status {
        spans.push(span(format!("; before: {}", words::seen(&rule.before)), DIM));
    }
    spans
}
