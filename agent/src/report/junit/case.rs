//! What becomes a testcase, and whether it has passed.

use super::xml::Xml;
use crate::report::conclusion::{GOOD, UNKNOWN};
use crate::report::words::{self, Standing, count};
use crate::report::{Conclusion, ErrorSummary};
use fieldmark_model::migration::{ColumnChange, Expectation, TableChange, Verdict};
use fieldmark_model::{Finding, NotEvaluated, Outcome, Severity, Status};

/// One testcase.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) mark: Mark,
    /// What was seen, in a line.
    pub(super) message: String,
    /// All there is to say.
    pub(super) text: String,
}

/// Whether a testcase passed; else the type of its failure or error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Passed,
    /// Known to the baseline: neither red nor passed.
    Skipped,
    Failure(&'static str),
    Error(&'static str),
}

impl Case {
    pub(super) fn write(&self, xml: &mut Xml, classname: &str) {
        xml.element("testcase", &[("classname", classname), ("name", self.name.as_str()), ("time", "0")], |xml| {
            let what = |kind| [("message", self.message.as_str()), ("type", kind)];
            match self.mark {
                Mark::Passed => xml.text("system-out", &[], &self.text),
                Mark::Skipped => xml.text("skipped", &[("message", self.message.as_str())], &self.text),
                Mark::Failure(kind) => xml.text("failure", &what(kind), &self.text),
                Mark::Error(kind) => xml.text("error", &what(kind), &self.text),
            }
        });
    }
}

/// What a rule gave.
pub(super) fn of_rule(outcome: &Outcome) -> Case {
    let message = format!("{}: {}", Standing::of(outcome).word(), seen(outcome));
    Case { name: outcome.rule.to_string(), mark: mark(outcome), text: told(outcome, &message), message }
}

/// What a declared transition gave.
pub(super) fn of_transition(outcome: &Outcome) -> Case {
    Case { name: format!("transition {}", outcome.rule), ..of_rule(outcome) }
}

fn mark(outcome: &Outcome) -> Mark {
    match (outcome.severity, outcome.status) {
        (_, Status::Failed) if outcome.is_known() => Mark::Skipped,
        (Severity::Info, _) | (_, Status::Passed) => Mark::Passed,
        (severity, Status::Failed) => Mark::Failure(severity.as_str()),
        (_, Status::Inconclusive) => Mark::Error("inconclusive"),
        (_, Status::NotEvaluated) => Mark::Error(outcome.not_evaluated.map_or("not_evaluated", NotEvaluated::as_str)),
    }
}

/// What was seen, with all that bounds it.
fn seen(outcome: &Outcome) -> String {
    let mut parts = vec![words::seen(outcome)];
    if outcome.tolerance > 0.0 {
        parts.push(format!("tolerance {}", words::percent(outcome.tolerance)));
    }
    parts.extend(words::unknown(outcome));
    parts.extend(words::baseline(outcome));
    parts.join("; ")
}

fn told(outcome: &Outcome, message: &str) -> String {
    let mut lines = vec![message.to_owned()];
    lines.extend(words::further_reason(outcome).map(|reason| format!("why: {reason}")));
    if outcome.status != Status::Passed {
        lines.extend(outcome.description.as_ref().map(|description| format!("rule: {description}")));
        lines.extend(rows(&outcome.examples));
        lines.push(format!("owner: {}", words::owner(outcome)));
        lines.extend(outcome.runbook.as_ref().map(|runbook| format!("runbook: {runbook}")));
        lines.extend(outcome.sql.as_ref().map(|sql| format!("sql: {}", sql.trim())));
    }
    lines.join("\n")
}

fn rows(keys: &[String]) -> Option<String> {
    (!keys.is_empty()).then(|| format!("rows: {}", keys.join(", ")))
}

/// What became of a table's marked rows. `fails`: whether a surprising change fails the run and does not only warn.
pub(super) fn of_table(table: &TableChange, fails: bool) -> Case {
    let verdict = table.verdict;
    let surprising = verdict == Verdict::Surprising
        || table.columns.iter().any(|column| column.expectation == Expectation::Surprising);
    let mark = match verdict {
        Verdict::Broken | Verdict::RestoredWithLoss => Mark::Failure(verdict.as_str()),
        Verdict::Inconclusive | Verdict::NotComparable => Mark::Error(verdict.as_str()),
        Verdict::Surprising | Verdict::Clean | Verdict::AsDeclared | Verdict::Restored if surprising && fails => {
            Mark::Failure(Verdict::Surprising.as_str())
        }
        Verdict::Surprising | Verdict::Clean | Verdict::AsDeclared | Verdict::Restored => Mark::Passed,
    };
    let why = match table.reasons.as_slice() {
        [] => words::verdict_meaning(verdict).to_owned(),
        reasons => reasons.join("; "),
    };
    let message = format!("{}: {why}", words::verdict(verdict));
    let (unchanged, changed) = (count(table.unchanged), count(table.changed));
    let mut lines = vec![message.clone()];
    lines.extend(table.renamed_from.as_ref().map(|from| format!("was: {from}")));
    lines.extend(words::rows_before_after(table));
    lines.push(format!(
        "{} marked: {unchanged} unchanged, {changed} changed, {}",
        words::plural(table.marked, "row"),
        words::vanished(table)
    ));
    lines.extend(table.written.as_ref().and_then(words::written));
    lines.extend(table.columns.iter().filter(|column| words::is_notable(column)).map(column_line));
    lines.extend(words::other_columns(&table.columns));
    lines.extend(rows(&table.examples));
    Case { name: "migration".into(), mark, message, text: lines.join("\n") }
}

/// `surprising: status: 412 of 9 993 rows changed`.
fn column_line(column: &ColumnChange) -> String {
    let parts = [
        words::fate(&column.fate, column.type_before.as_deref(), column.type_after.as_deref()),
        words::column_rows(column).unwrap_or_default(),
        words::losses(&column.losses),
        column.reason.clone(),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}: {}: {}", words::expectation(column.expectation), column.column, parts.join("; "))
}

/// How the guarded command ended.
pub(super) fn of_command(status: i32) -> Case {
    let (mark, message) = match status {
        0 => (Mark::Passed, "the guarded command ended well".to_owned()),
        _ => (Mark::Failure("command_failed"), format!("the guarded command failed with status {status}")),
    };
    Case { name: "guarded command".into(), mark, text: message.clone(), message }
}

/// What is wrong and not about rows, where that is what the run was for.
pub(super) fn of_finding(finding: &Finding) -> Case {
    let place = [Some(finding.source.to_string()), finding.table.as_ref().map(ToString::to_string)];
    let name = place.into_iter().flatten().fold(finding.id.clone(), |name, part| format!("{name} {part}"));
    let text = format!("{}\n{}", finding.what, finding.remedy);
    Case { name, mark: Mark::Failure("finding"), message: finding.what.clone(), text }
}

/// What could not be done.
pub(super) fn of_error(error: &ErrorSummary) -> Case {
    let place = [error.source.as_ref().map(ToString::to_string), error.table.as_ref().map(ToString::to_string)];
    let name = place.into_iter().flatten().fold("could not check".to_owned(), |name, part| format!("{name} {part}"));
    let text = match &error.remedy {
        Some(remedy) => format!("{}\n{remedy}", error.what),
        None => error.what.clone(),
    };
    Case { name, mark: Mark::Error("could_not_check"), message: error.what.clone(), text }
}

/// What fails the run; `None` where nothing does.
pub(super) fn of_conclusion(conclusion: &Conclusion) -> Option<Case> {
    let mark = match conclusion.code {
        GOOD => return None,
        UNKNOWN => Mark::Error("could_not_tell"),
        _ => Mark::Failure("failed"),
    };
    let (message, text) = (conclusion.reasons.join("; "), conclusion.reasons.join("\n"));
    Some(Case { name: "conclusion".into(), mark, message, text })
}
