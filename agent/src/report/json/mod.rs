//! The report for programs. The form is `docs/report-json.md`; a test holds the two together.
//!
//! It is written by types of its own, so that a change of the inner types cannot change it unseen.

mod shape;

use super::words;
use super::{ErrorSummary, MarkSummary, Report, SampleSummary, SourceSummary, exit_code};
use chrono::{DateTime, Utc};
use fieldmark_model::lineage::ColumnName;
use fieldmark_model::migration::{
    ColumnChange, ColumnFate, Expectation, LineageChange, LineageEdge, Loss, MigrationReport, RenameEvidence,
    TableChange, Verdict,
};
use fieldmark_model::outcome::{Baseline, KnownFailing, UnknownBy};
use fieldmark_model::{Counters, Finding, Outcome, RuleId, Severity, SourceName, Status, TableName};
use serde::Serialize;
use shape::JsonShape;
use std::borrow::Cow;

/// The report as one JSON object, with a line break at its end. The same report always gives the same bytes.
///
/// # Errors
/// None that the types allow; the serializer's signature has one.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&JsonReport::of(report))?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct JsonReport<'a> {
    version: u32,
    fieldmark: &'a str,
    command: &'a str,
    started: DateTime<Utc>,
    finished: DateTime<Utc>,
    seed: u64,
    strict: bool,
    exit_code: u8,
    sources: &'a [SourceSummary],
    samples: &'a [SampleSummary],
    outcomes: Vec<JsonOutcome<'a>>,
    findings: &'a [Finding],
    errors: &'a [ErrorSummary],
    notes: Vec<String>,
    // before, after and guard only
    #[serde(skip_serializing_if = "Option::is_none")]
    migration: Option<JsonMigration<'a>>,
    /// Missing for `check`, `null` for `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Option<Verdict>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<Vec<JsonTable<'a>>>,
}

impl<'a> JsonReport<'a> {
    fn of(report: &'a Report) -> Self {
        let migration = report.migration.as_ref();
        Self {
            version: report.version,
            fieldmark: &report.fieldmark,
            command: &report.command,
            started: report.started,
            finished: report.finished,
            seed: report.seed,
            strict: report.strict,
            exit_code: exit_code(report),
            sources: &report.sources,
            samples: &report.samples,
            outcomes: report.outcomes.iter().map(JsonOutcome::of).collect(),
            findings: &report.findings,
            errors: &report.errors,
            notes: report.notes.iter().map(|note| words::plain(note)).collect(),
            migration: migration.map(|migration| JsonMigration {
                command_status: migration.command_status,
                marks: &migration.marks,
                sources: migration.sources.iter().map(JsonRecapture::of).collect(),
            }),
            verdict: migration.map(|migration| migration.verdict),
            tables: migration.map(|migration| {
                let of = |source: &'a MigrationReport| source.tables.iter().map(|table| JsonTable::of(source, table));
                migration.sources.iter().flat_map(of).collect()
            }),
        }
    }
}

#[derive(Serialize)]
struct JsonOutcome<'a> {
    source: &'a SourceName,
    table: &'a TableName,
    rule: &'a RuleId,
    kind: &'a str,
    fingerprint: &'a str,
    status: Status,
    reason: Cow<'a, str>,
    detail: Cow<'a, str>,
    population: Option<u64>,
    checked: Option<u64>,
    failed: u64,
    unknown: u64,
    unknown_by: UnknownBy,
    fraction: Option<f64>,
    interval: Option<[f64; 2]>,
    level: Option<f64>,
    design_effect: Option<f64>,
    value: Option<f64>,
    value_interval: Option<[f64; 2]>,
    baseline: Option<Baseline>,
    tolerance: f64,
    detect: f64,
    severity: Severity,
    owner: Option<&'a str>,
    escalation: Option<&'a str>,
    sampled: bool,
    moving: bool,
    known_failing: Option<KnownFailing>,
    examples: &'a [String],
    sql: Option<&'a str>,
    description: Option<&'a str>,
    runbook: Option<&'a str>,
}

impl<'a> JsonOutcome<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let detail = || match outcome.reason.trim() {
            "" => Cow::Owned(words::plain(&words::seen(outcome))),
            reason if reason.contains(words::NARROW) => Cow::Owned(words::plain(reason)),
            reason => Cow::Borrowed(reason),
        };
        Self {
            source: &outcome.source,
            table: &outcome.table,
            rule: &outcome.rule,
            kind: &outcome.kind,
            fingerprint: &outcome.fingerprint,
            status: outcome.status,
            // programs branch on why a rule was not evaluated: there the reason is the word and the sentence is the detail
            reason: outcome.not_evaluated.map_or_else(detail, |why| Cow::Borrowed(why.as_str())),
            detail: detail(),
            population: outcome.population,
            checked: outcome.checked,
            failed: outcome.failed,
            unknown: outcome.unknown,
            unknown_by: outcome.unknown_by,
            fraction: outcome.fraction,
            interval: outcome.interval,
            level: outcome.level,
            design_effect: outcome.design_effect,
            value: outcome.value,
            value_interval: outcome.value_interval,
            baseline: outcome.baseline,
            tolerance: outcome.tolerance,
            detect: outcome.detect,
            severity: outcome.severity,
            owner: outcome.owner.as_deref(),
            escalation: outcome.escalation.as_deref(),
            sampled: outcome.sampled,
            moving: outcome.moving,
            known_failing: outcome.known_failing,
            examples: &outcome.examples,
            sql: outcome.sql.as_deref(),
            description: outcome.description.as_deref(),
            runbook: outcome.runbook.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct JsonMigration<'a> {
    command_status: Option<i32>,
    marks: &'a [MarkSummary],
    sources: Vec<JsonRecapture<'a>>,
}

#[derive(Serialize)]
struct JsonRecapture<'a> {
    source: &'a SourceName,
    verdict: Verdict,
    reasons: &'a [String],
    mark: &'a str,
    marked_at: DateTime<Utc>,
    recaptured_at: DateTime<Utc>,
    tables_added: &'a [TableName],
    lineage: Option<JsonLineage>,
}

#[derive(Serialize)]
struct JsonLineage {
    renamed: Vec<JsonRenamed>,
    removed: Vec<JsonEdge>,
    added: Vec<JsonEdge>,
}

#[derive(Serialize)]
struct JsonRenamed {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct JsonEdge {
    source: String,
    target: String,
    r#type: &'static str,
    subtype: &'static str,
    origin: String,
}

impl JsonLineage {
    fn of(change: &LineageChange) -> Self {
        let edge = |edge: &LineageEdge| JsonEdge {
            source: edge.source.to_string(),
            target: edge.target.to_string(),
            r#type: edge.kind.type_word(),
            subtype: edge.kind.subtype(),
            origin: edge.origin.clone(),
        };
        let renamed = |[from, to]: &[ColumnName; 2]| JsonRenamed { from: from.to_string(), to: to.to_string() };
        Self {
            renamed: change.renamed.iter().map(renamed).collect(),
            removed: change.removed.iter().map(edge).collect(),
            added: change.added.iter().map(edge).collect(),
        }
    }
}

impl<'a> JsonRecapture<'a> {
    fn of(source: &'a MigrationReport) -> Self {
        Self {
            source: &source.source,
            verdict: source.verdict,
            reasons: &source.reasons,
            mark: &source.mark,
            marked_at: source.marked_at,
            recaptured_at: source.recaptured_at,
            tables_added: &source.tables_added,
            lineage: source.lineage.as_ref().map(JsonLineage::of),
        }
    }
}

#[derive(Serialize)]
struct JsonTable<'a> {
    source: &'a SourceName,
    table: &'a TableName,
    renamed_from: Option<&'a TableName>,
    verdict: Verdict,
    reasons: &'a [String],
    undeclared_changes_fail: bool,
    marked: u64,
    kept: u64,
    unchanged: u64,
    changed: u64,
    vanished: u64,
    vanished_explained: u64,
    vanished_interval: Option<[f64; 2]>,
    rows_before: Option<u64>,
    rows_after: Option<u64>,
    rows_before_estimated: bool,
    rows_after_estimated: bool,
    written: Option<Counters>,
    rewritten: bool,
    columns: Vec<JsonColumn<'a>>,
    transitions: Vec<JsonOutcome<'a>>,
    rules: Vec<JsonRule<'a>>,
    examples: &'a [String],
}

impl<'a> JsonTable<'a> {
    fn of(source: &'a MigrationReport, table: &'a TableChange) -> Self {
        Self {
            source: &source.source,
            table: &table.table,
            renamed_from: table.renamed_from.as_ref(),
            verdict: table.verdict,
            reasons: &table.reasons,
            undeclared_changes_fail: table.undeclared_changes_fail,
            marked: table.marked,
            kept: table.unchanged.saturating_add(table.changed),
            unchanged: table.unchanged,
            changed: table.changed,
            vanished: table.vanished,
            vanished_explained: table.vanished_explained,
            vanished_interval: table.vanished_interval,
            rows_before: table.rows_before,
            rows_after: table.rows_after,
            rows_before_estimated: table.rows_before.is_some() && table.rows_estimated[0],
            rows_after_estimated: table.rows_after.is_some() && table.rows_estimated[1],
            written: table.written,
            rewritten: table.rewritten,
            columns: table.columns.iter().map(JsonColumn::of).collect(),
            transitions: table.transitions.iter().map(JsonOutcome::of).collect(),
            rules: source
                .rules
                .iter()
                .filter(|rule| rule.after.table == table.table)
                .map(|rule| JsonRule { before: JsonOutcome::of(&rule.before), after: JsonOutcome::of(&rule.after) })
                .collect(),
            examples: &table.examples,
        }
    }
}

#[derive(Serialize)]
struct JsonRule<'a> {
    before: JsonOutcome<'a>,
    after: JsonOutcome<'a>,
}

#[derive(Serialize)]
struct JsonColumn<'a> {
    column: &'a str,
    fate: &'static str,
    renamed_from: Option<&'a str>,
    renamed_by: Option<RenameEvidence>,
    type_before: Option<&'a str>,
    type_after: Option<&'a str>,
    compared: u64,
    changed: u64,
    ordinary: u64,
    fraction: Option<f64>,
    interval: Option<[f64; 2]>,
    smallest_detectable: Option<f64>,
    losses: &'a [Loss],
    expectation: Expectation,
    reason: &'a str,
    shape: Option<JsonShape<'a>>,
}

impl<'a> JsonColumn<'a> {
    fn of(column: &'a ColumnChange) -> Self {
        let (fate, renamed) = match &column.fate {
            ColumnFate::Kept => ("kept", None),
            ColumnFate::Dropped => ("dropped", None),
            ColumnFate::Added => ("added", None),
            ColumnFate::Renamed { from, by } => ("renamed", Some((from.as_str(), *by))),
            ColumnFate::Retyped => ("retyped", None),
            ColumnFate::RenamedAndRetyped { from, by } => ("renamed_and_retyped", Some((from.as_str(), *by))),
        };
        Self {
            column: &column.column,
            fate,
            renamed_from: renamed.map(|(from, _)| from),
            renamed_by: renamed.map(|(_, by)| by),
            type_before: column.type_before.as_deref(),
            type_after: column.type_after.as_deref(),
            compared: column.compared,
            changed: column.changed,
            ordinary: column.ordinary,
            fraction: column.fraction,
            interval: column.interval,
            smallest_detectable: column.smallest_detectable,
            losses: &column.losses,
            expectation: column.expectation,
            reason: &column.reason,
            shape: column.shape.as_ref().map(JsonShape::of),
        }
    }
}

/// The JSON Schema of what [`render`] gives.
///
/// # Errors
/// It is no JSON; a test holds that it is.
pub fn schema() -> serde_json::Result<serde_json::Value> {
    serde_json::from_str(include_str!("../../../schema/report.json"))
}

#[cfg(test)]
mod tests;
