//! What one migration did to rows, rules and lineage.

use super::badge::{self, Badge};
use super::difference::{Lineage, seen};
use super::migrations::{Line, known};
use super::outcome::{ratio, short};
use super::shell::Shell;
use super::time::Time;
use super::wrong::Wrong;
use super::{Answer, link, shown};
use crate::Collector;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use fieldmark_model::SourceName;
use fieldmark_model::migration::{
    ColumnChange, ColumnFate, Expectation, LossKind, MigrationReport, RuleChange, TableChange,
};
use fieldmark_model::number::{count, estimate, interval};
use fieldmark_model::observation::Phase;

/// Lines of each list.
const MOST: usize = 200;

#[derive(Template)]
#[template(path = "migration.html", whitespace = "minimize")]
struct View {
    shell: Shell,
    line: Line,
    id: String,
    agent: String,
    takes_back: Option<(String, String)>,
    changes: Vec<String>,
    unjudged: Option<String>,
    judged: Option<Judged>,
    lineage: Option<Lineage>,
}

/// What the report says.
struct Judged {
    reasons: Vec<String>,
    marked: Time,
    recaptured: Time,
    tables: Vec<TableLine>,
    added: Vec<String>,
    rules: Vec<RuleLine>,
    rules_more: usize,
}

struct TableLine {
    name: String,
    link: String,
    renamed_from: Option<String>,
    verdict: Badge,
    reasons: Vec<String>,
    marked: String,
    unchanged: String,
    changed: String,
    vanished: String,
    rows: String,
    columns: Vec<ColumnLine>,
}

struct ColumnLine {
    name: String,
    fate: String,
    types: String,
    changed: String,
    ratio: String,
    losses: String,
    expectation: Badge,
    reason: String,
}

struct RuleLine {
    table: String,
    rule: String,
    link: String,
    before: Badge,
    after: Badge,
    ratio_before: String,
    ratio_after: String,
    reason: String,
}

pub(super) async fn page(
    State(collector): State<Collector>,
    Extension(shell): Extension<Shell>,
    Path((source, id)): Path<(String, String)>,
) -> Answer {
    let source = SourceName::new(source);
    let (all, _) = known(&collector, Some(source.clone())).await?;
    let nowhere =
        || Wrong::unknown(format!("No migration {id} of {source} is known. It may be older than what is kept."));
    let known = all.into_iter().find(|known| known.seen.id == id).ok_or_else(nowhere)?;
    let (unjudged, judged, told) = match &known.seen.phase {
        Phase::Judged { report } => (None, Some(Judged::of(report, &shell)), report.lineage.as_ref()),
        Phase::Unjudged { why } => (Some(why.clone()), None, None),
        Phase::Open { .. } | Phase::Ended { .. } => (None, None, None),
    };
    let lineage = match told {
        Some(change) => Some(Lineage::told(change)),
        None => seen(&collector, &known).await?,
    };
    let view = View {
        line: Line::of(&known, shell.now),
        id: known.seen.id.clone(),
        agent: known.agent.clone(),
        takes_back: known.seen.takes_back.as_ref().map(|id| (id.clone(), link::migration(&known.seen.source, id))),
        changes: known.changes.clone(),
        unjudged,
        judged,
        lineage,
        shell: shell.titled(known.name(), "/migrations"),
    };
    Ok(shown(&view))
}

impl Judged {
    fn of(report: &MigrationReport, shell: &Shell) -> Self {
        let told = |rule: &&RuleChange| {
            rule.before.status != rule.after.status || badge::of_outcome(&rule.after).class == "bad"
        };
        let rules: Vec<&RuleChange> = report.rules.iter().filter(told).collect();
        Self {
            reasons: report.reasons.clone(),
            marked: Time::of(report.marked_at, shell.now),
            recaptured: Time::of(report.recaptured_at, shell.now),
            tables: report.tables.iter().take(MOST).map(|table| TableLine::of(report, table)).collect(),
            added: report.tables_added.iter().map(ToString::to_string).collect(),
            rules_more: rules.len().saturating_sub(MOST),
            rules: rules.into_iter().take(MOST).map(RuleLine::of).collect(),
        }
    }
}

impl TableLine {
    fn of(report: &MigrationReport, table: &TableChange) -> Self {
        let rows = |rows: Option<u64>, estimated: bool| match rows {
            Some(rows) => format!("{}{}", if estimated { "about " } else { "" }, count(rows)),
            None => "unknown".to_owned(),
        };
        let [before, after] = table.rows_estimated;
        let vanished = match table.vanished_interval {
            Some(bounds) if table.vanished > 0 => {
                format!("{} ({} of the rows)", count(table.vanished), interval(bounds))
            }
            Some(_) | None => count(table.vanished),
        };
        let changed = |column: &&ColumnChange| {
            column.fate != ColumnFate::Kept || column.expectation != Expectation::Unchanged || column.changed > 0
        };
        Self {
            name: table.table.to_string(),
            link: link::table(&report.source, &table.table),
            renamed_from: table.renamed_from.as_ref().map(ToString::to_string),
            verdict: badge::of_verdict(table.verdict),
            reasons: table.reasons.clone(),
            marked: count(table.marked),
            unchanged: count(table.unchanged),
            changed: count(table.changed),
            vanished,
            rows: format!("{} → {}", rows(table.rows_before, before), rows(table.rows_after, after)),
            columns: table.columns.iter().filter(changed).take(MOST).map(ColumnLine::of).collect(),
        }
    }
}

impl ColumnLine {
    fn of(column: &ColumnChange) -> Self {
        let fate = match &column.fate {
            ColumnFate::Kept => "kept".to_owned(),
            ColumnFate::Dropped => "dropped".to_owned(),
            ColumnFate::Added => "added".to_owned(),
            ColumnFate::Renamed { from, .. } => format!("renamed from {from}"),
            ColumnFate::Retyped => "retyped".to_owned(),
            ColumnFate::RenamedAndRetyped { from, .. } => format!("renamed from {from} and retyped"),
        };
        let types = match (&column.type_before, &column.type_after) {
            (Some(before), Some(after)) if before == after => after.clone(),
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "unknown".to_owned(),
        };
        let losses = column.losses.iter().map(|loss| format!("{} in {}", loss_words(loss.kind), count(loss.rows)));
        Self {
            name: column.column.clone(),
            fate,
            types,
            changed: format!("{} of {}", count(column.changed), count(column.compared)),
            ratio: match (column.fraction, column.interval) {
                (Some(fraction), Some(bounds)) => short(&estimate(fraction, bounds, None)),
                (_, None) | (None, _) => String::new(),
            },
            losses: losses.collect::<Vec<_>>().join(", "),
            expectation: match column.expectation {
                Expectation::Unchanged if column.compared == 0 => badge::NOT_COMPARED,
                Expectation::Unchanged => badge::UNCHANGED,
                Expectation::Declared => badge::DECLARED,
                Expectation::Ordinary => badge::ORDINARY,
                Expectation::Surprising => badge::SURPRISING,
                Expectation::Undecided => badge::UNDECIDED,
            },
            reason: column.reason.clone(),
        }
    }
}

fn loss_words(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Precision => "precision lost",
        LossKind::Length => "cut short",
        LossKind::TimeZone => "time zone lost",
        LossKind::Encoding => "encoding lost",
        LossKind::ToNull => "became NULL",
        LossKind::NullToValue => "NULL became a value",
        LossKind::Form => "form lost",
        LossKind::Value => "another value",
    }
}

impl RuleLine {
    fn of(rule: &RuleChange) -> Self {
        Self {
            table: rule.after.table.to_string(),
            rule: rule.after.rule.to_string(),
            link: link::rule(&rule.after.source, &rule.after.table, &rule.after.rule),
            before: badge::of_outcome(&rule.before),
            after: badge::of_outcome(&rule.after),
            ratio_before: ratio(&rule.before),
            ratio_after: ratio(&rule.after),
            reason: rule.after.reason.clone(),
        }
    }
}
