//! The report for a terminal: one line a rule, wrapped where the terminal is narrow, nothing cut off.

mod migration;
mod paint;

use super::words::{self, Standing, count, how_many, plural};
use super::{Report, SampleSummary, conclusion};
use anstyle::Style;
use fieldmark_model::{Outcome, SourceName, Status, TableName};
use paint::{BOLD, DIM, GREEN, RED, Span, YELLOW, columns, spans_columns};
pub(crate) use paint::{PLAIN, Page, span};
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Columns where the output is no terminal.
pub const DEFAULT_WIDTH: usize = 100;
/// Lines wider than this are hard to read.
const WIDEST: usize = 120;

/// How to show a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns to use.
    pub width: usize,
    /// Whether to use colours.
    pub color: bool,
    /// Where the HTML report was written, to say so at the end.
    pub html: Option<String>,
}

impl Look {
    /// As the stream is: the width of the terminal, and colours where it is one, `NO_COLOR` is unset and they are not
    /// unwanted.
    pub fn of(stream: &(impl AsFd + IsTerminal), no_color: bool) -> Self {
        let terminal = stream.is_terminal();
        let width = terminal_width(stream).map_or(DEFAULT_WIDTH, |width| width.min(WIDEST));
        let unwanted = no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        Self { width, color: terminal && !unwanted && !dumb, html: None }
    }
}

/// Columns of the terminal that a stream is.
fn terminal_width(stream: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// A page for what commands print that make no report: as wide as the terminal; where there is none, nothing is wrapped, so that one line
/// says one thing to whatever reads it.
pub(crate) fn page() -> Page {
    Page::new(terminal_width(&std::io::stdout()).unwrap_or(usize::MAX), false)
}

/// The report as text, with a line break at its end.
pub fn render(report: &Report, look: &Look) -> String {
    let mut page = Page::new(look.width, look.color);
    if let Some(migration) = &report.migration {
        migration::section(&mut page, report, migration);
    }
    for (source, table, outcomes) in report.outcomes_by_table() {
        page.gap();
        let spans = table_header(report, source, table, &outcomes);
        page.paragraph(0, 2, &spans);
        rules(&mut page, &outcomes);
    }
    findings(&mut page, report);
    remarks(&mut page, report);
    summary(&mut page, report, look);
    page.finish()
}

/// `shop public.orders · 200 000 rows · sample 10 000`.
fn table_header(report: &Report, source: &SourceName, table: &TableName, outcomes: &[&Outcome]) -> Vec<Span> {
    let mut spans = vec![span(format!("{source} "), DIM), span(table.to_string(), BOLD)];
    for fact in sample_facts(&report.samples_of(source, table), outcomes) {
        spans.push(span(format!(" · {fact}"), PLAIN));
    }
    spans
}

/// Rows of the table, and how many of them were read.
pub(in crate::report) fn sample_facts(samples: &[&SampleSummary], outcomes: &[&Outcome]) -> Vec<String> {
    let mut facts = Vec::new();
    let body = samples.first().copied();
    let recent = samples.iter().find(|sample| sample.stratum == "recent");
    let population = match (body, recent) {
        (Some(sample), None) => sample.population.map(|rows| (rows, sample.population_exact)),
        _ => outcomes.iter().find_map(|outcome| outcome.population.map(|rows| (rows, !outcome.sampled))),
    };
    if let Some((rows, exact)) = population {
        facts.push(format!("{}{}", if exact { "" } else { "about " }, plural(rows, "row")));
    }
    let sampled = outcomes.iter().any(|outcome| outcome.sampled);
    let read = body.map(|sample| sample.rows).or_else(|| outcomes.iter().filter_map(|outcome| outcome.checked).max());
    match read {
        Some(rows) if sampled => {
            let blocks = body.and_then(|sample| sample.blocks);
            let blocks = blocks.map(|blocks| format!(" of {}", plural(blocks, "block"))).unwrap_or_default();
            facts.push(format!("sample {}{blocks}", count(rows)));
            if let Some(recent) = recent {
                let all = if recent.population_exact { "all " } else { "" };
                facts.push(format!("and {all}{} since the last check", count(recent.rows)));
            }
        }
        Some(_) if outcomes.iter().any(|outcome| outcome.checked.is_some()) => facts.push("all rows read".into()),
        Some(_) | None => {}
    }
    facts
}

/// The style of a standing.
fn style(standing: Standing) -> Style {
    match standing {
        Standing::Passed => GREEN,
        Standing::Failed => RED,
        Standing::Known | Standing::Inconclusive => YELLOW,
        Standing::NotEvaluated => DIM,
    }
}

fn standing_span(outcome: &Outcome) -> Span {
    let standing = Standing::of(outcome);
    span(format!("{} {}", standing.glyph(), standing.word()), style(standing))
}

/// The rules of one table: status, id and what was seen, in columns where there is room.
fn rules(page: &mut Page, outcomes: &[&Outcome]) {
    let rows: Vec<Row> = outcomes
        .iter()
        .map(|outcome| Row {
            head: vec![standing_span(outcome)],
            id: outcome.rule.to_string(),
            body: rule_body(outcome),
        })
        .collect();
    let columns = Columns::fitting(page, 2, &rows);
    for (row, outcome) in rows.iter().zip(outcomes) {
        columns.row(page, row);
        rule_details(page, 6, outcome);
    }
}

/// What was seen of a rule, its tolerance and unknown rows.
fn rule_body(outcome: &Outcome) -> Vec<Span> {
    let mut spans = vec![span(words::seen(outcome), PLAIN)];
    if outcome.tolerance > 0.0 {
        spans.push(span(format!("; tolerance {}", words::percent(outcome.tolerance)), PLAIN));
    }
    if let Some(unknown) = words::unknown(outcome) {
        spans.push(span(format!("; {unknown}"), YELLOW));
    }
    if let Some(known) = words::baseline(outcome) {
        spans.push(span(format!("; {known}"), YELLOW));
    }
    spans
}

/// What belongs under a rule that did not pass.
fn rule_details(page: &mut Page, indent: usize, outcome: &Outcome) {
    let at = indent + 6;
    let mut detail = |label: &str, text: &str| {
        page.hang(&[span(format!("{:indent$}{label}", ""), DIM)], at, at, &[span(text, PLAIN)]);
    };
    if let Some(reason) = words::further_reason(outcome) {
        detail("why", reason);
    }
    if outcome.status != Status::Failed {
        return;
    }
    if let Some(description) = &outcome.description {
        detail("rule", description);
    }
    if !outcome.examples.is_empty() {
        detail("rows", &outcome.examples.join(" · "));
    }
    detail("owner", &words::owner(outcome));
    if let Some(runbook) = &outcome.runbook {
        detail("read", runbook);
    }
    if let Some(sql) = &outcome.sql {
        sql_lines(page, sql, indent);
    }
}

/// SQL to copy: wrapped only at spaces outside of quotes, and not at all where it holds a comment.
fn sql_lines(page: &mut Page, sql: &str, indent: usize) {
    let at = indent + 6;
    let sql = sql.trim();
    let mut lines: Vec<String> = Vec::new();
    if sql.contains("--") || sql.contains("/*") {
        lines.extend(sql.lines().map(str::to_owned));
    } else {
        for word in sql_words(sql) {
            match lines.last_mut() {
                Some(line) if at + columns(line) + 1 + columns(&word) <= page.width() => {
                    line.push(' ');
                    line.push_str(&word);
                }
                Some(_) | None => lines.push(word),
            }
        }
    }
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { format!("{:indent$}sql   ", "") } else { " ".repeat(at) };
        page.line(&[span(label, DIM), span(line, PLAIN)]);
    }
}

/// SQL split at white space outside of quotes.
fn sql_words(sql: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in sql.chars() {
        match (quote, c) {
            (None, ' ' | '\n' | '\t' | '\r') => words.push(String::new()),
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some(_), _) => {}
        }
        if (quote.is_some() || !c.is_ascii_whitespace())
            && let Some(word) = words.last_mut()
        {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A line of a table: a short head, an id, and text.
struct Row {
    head: Vec<Span>,
    id: String,
    body: Vec<Span>,
}

/// Where the columns of a table stand.
struct Columns {
    /// Column of the head.
    indent: usize,
    /// Column of the id.
    id: usize,
    /// Column of the text; `None` where there is too little room beside the ids and it goes below.
    body: Option<usize>,
}

impl Columns {
    /// Columns for these rows on that page. Ids too long for any column do not push the others aside.
    fn fitting(page: &Page, indent: usize, rows: &[Row]) -> Self {
        const LEAST: usize = 34;
        let head = rows.iter().map(|row| spans_columns(&row.head)).max().unwrap_or(0);
        let id = indent + head + 2;
        let fits = |wide: &usize| id + wide + 2 + LEAST <= page.width();
        let widest = rows.iter().map(|row| columns(&row.id)).filter(fits).max();
        Self { indent, id, body: widest.map(|wide| id + wide + 2) }
    }

    fn row(&self, page: &mut Page, row: &Row) {
        let mut head = vec![span(" ".repeat(self.indent), PLAIN)];
        head.extend(row.head.iter().cloned());
        match self.body {
            Some(body) if self.id + columns(&row.id) + 2 <= body => {
                let pad = self.id.saturating_sub(spans_columns(&head));
                head.push(span(" ".repeat(pad), PLAIN));
                head.push(span(&row.id, BOLD));
                page.hang(&head, body, body, &row.body);
            }
            Some(_) | None => {
                let below = self.indent + 4;
                let at = if self.body.is_some() { self.id } else { spans_columns(&head) + 2 };
                page.hang(&head, at, below, &[span(&row.id, BOLD)]);
                page.paragraph(self.body.unwrap_or(below), self.body.unwrap_or(below), &row.body);
            }
        }
    }
}

fn findings(page: &mut Page, report: &Report) {
    if report.findings.is_empty() {
        return;
    }
    page.gap();
    page.paragraph(0, 2, &[span("Findings", BOLD)]);
    for finding in &report.findings {
        let mut place = finding.source.to_string();
        if let Some(table) = &finding.table {
            place.push_str(&format!(" {table}"));
        }
        if let Some(column) = &finding.column {
            place.push_str(&format!(" {column}"));
        }
        let spans =
            [span(&finding.id, BOLD), span(format!(" {place}"), DIM), span(format!(": {}", finding.what), PLAIN)];
        page.hang(&[span("  ! ", YELLOW)], 4, 4, &spans);
        if !finding.remedy.is_empty() {
            page.hang(&[span("    → ", DIM)], 6, 6, &[span(&finding.remedy, PLAIN)]);
        }
    }
}

fn remarks(page: &mut Page, report: &Report) {
    let warnings = conclusion(report).warnings;
    if report.errors.is_empty() && report.notes.is_empty() && warnings.is_empty() {
        return;
    }
    page.gap();
    for error in &report.errors {
        let mut spans = vec![span("could not check ", BOLD)];
        if let Some(source) = &error.source {
            spans.push(span(format!("{source} "), BOLD));
        }
        if let Some(table) = &error.table {
            spans.push(span(format!("{table} "), BOLD));
        }
        spans.push(span(format!("· {}", error.what), PLAIN));
        page.hang(&[span("– ", YELLOW)], 2, 2, &spans);
        if let Some(remedy) = &error.remedy {
            page.hang(&[span("  → ", DIM)], 4, 4, &[span(remedy, PLAIN)]);
        }
    }
    for warning in &warnings {
        page.hang(&[span("! ", YELLOW)], 2, 2, &[span("warning: ", YELLOW), span(warning, PLAIN)]);
    }
    for note in &report.notes {
        page.hang(&[span("· ", DIM)], 2, 2, &[span(note, PLAIN)]);
    }
}

/// The last lines: how many rules gave what, how long it took, where the other report is, what the exit code means.
fn summary(page: &mut Page, report: &Report, look: &Look) {
    page.gap();
    if !report.outcomes.is_empty() {
        let mut spans = Vec::new();
        let rules = how_many(&report.outcomes);
        spans.push(span(plural(rules, "rule"), BOLD));
        for (index, (standing, n)) in words::tally(report.outcomes.iter()).into_iter().enumerate() {
            spans.push(span(if index == 0 { ": " } else { ", " }, PLAIN));
            spans.push(span(format!("{} {}", count(n), standing.word()), style(standing)));
        }
        page.paragraph(0, 2, &spans);
    } else if report.findings_fail && report.findings.is_empty() && report.errors.is_empty() {
        page.paragraph(0, 2, &[span("✔ nothing was found", GREEN)]);
    } else if report.migration.is_none() && !report.findings_fail {
        page.paragraph(0, 2, &[span("no rule was checked", YELLOW)]);
    }
    let rows = report.sources.iter().map(|source| source.rows_read).sum();
    let took = words::between(report.started, report.finished);
    let mut facts = format!("{} read in {took} · seed {}", plural(rows, "row"), report.seed);
    if let Some(level) = words::level(&report.outcomes) {
        facts.push_str(&format!(" · intervals of {level} confidence"));
    }
    page.paragraph(0, 2, &[span(facts, DIM)]);
    for source in &report.sources {
        page.paragraph(0, 2, &[span(format!("{}: {}", source.name, words::cost(source)), DIM)]);
    }
    let conclusion = conclusion(report);
    if conclusion.code != 0 {
        let style = if conclusion.code == super::conclusion::UNKNOWN { YELLOW } else { RED };
        let mut spans = vec![span(format!("exit code {}", conclusion.code), style)];
        spans.push(span(format!(": {}", conclusion.reasons.join("; ")), PLAIN));
        page.paragraph(0, 2, &spans);
    }
    if let Some(html) = &look.html {
        page.paragraph(0, 2, &[span("HTML report: ", PLAIN), span(html, BOLD)]);
    }
}

#[cfg(test)]
mod tests;
