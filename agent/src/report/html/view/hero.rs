//! What stands at the top: the conclusion in a few words.

use super::verdict_class;
use crate::report::conclusion::{BAD, COMMAND_FAILED, GOOD, UNKNOWN};
use crate::report::words::{self, Standing, count, how_many, plural};
use crate::report::{Conclusion, Report};
use fieldmark_model::{Outcome, Severity};

pub(super) struct Hero {
    pub(super) class: &'static str,
    pub(super) glyph: &'static str,
    pub(super) headline: String,
    pub(super) meaning: String,
    pub(super) reasons: Vec<String>,
}

pub(super) fn hero(report: &Report, conclusion: &Conclusion) -> Hero {
    if let Some(migration) = &report.migration {
        let Some(verdict) = migration.verdict else {
            let rows = migration.marks.iter().map(|mark| mark.rows).sum();
            let (class, glyph, headline) = if migration.marks.is_empty() {
                ("warn", "?", "No mark was taken".into())
            } else if conclusion.code != GOOD {
                ("warn", "!", format!("{} marked", plural(rows, "row")))
            } else {
                ("good", "✔", format!("{} marked", plural(rows, "row")))
            };
            let meaning = if conclusion.reasons.is_empty() {
                "After the migration the same rows are read again.".into()
            } else {
                format!("Exit code {}: {}", conclusion.code, conclusion.reasons.join("; "))
            };
            return Hero { class, glyph, headline, meaning, reasons: Vec::new() };
        };
        let mut headline = words::verdict(verdict).to_owned();
        if let Some(first) = headline.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let mut class = verdict_class(verdict);
        let mut glyph = words::verdict_glyph(verdict);
        let mut reasons: Vec<String> =
            migration.sources.iter().flat_map(|source| source.reasons.iter().cloned()).collect();
        // nothing that fails the run may stand under a green heading
        if conclusion.code == COMMAND_FAILED {
            (class, glyph) = ("bad", "✘");
            headline = format!("The command failed; the rows: {}", words::verdict(verdict));
            reasons = conclusion.reasons.iter().cloned().chain(reasons).collect();
        } else if conclusion.code != GOOD && class == "good" {
            (class, glyph) = ("warn", "!");
            reasons = conclusion.reasons.iter().cloned().chain(reasons).collect();
        }
        return Hero { class, glyph, headline, meaning: words::verdict_meaning(verdict).into(), reasons };
    }
    let rules = plural(how_many(&report.outcomes), "rule");
    let of = |standing| how_many(report.outcomes.iter().filter(|outcome| Standing::of(outcome) == standing));
    let (passed, failed) = (of(Standing::Passed), of(Standing::Failed));
    let (class, glyph, headline) = match conclusion.code {
        GOOD if report.findings_fail => ("good", "✔", "Nothing was found".into()),
        BAD if report.findings_fail => ("bad", "✘", plural(how_many(&report.findings), "finding")),
        GOOD if report.outcomes.is_empty() => ("none", "–", "No rule was checked".into()),
        GOOD if passed == how_many(&report.outcomes) => ("good", "✔", format!("{rules} passed")),
        // rules of severity info and known failures do not fail a run, and have not passed all the same
        GOOD => ("warn", "!", format!("{} of {rules} passed", count(passed))),
        UNKNOWN => ("warn", "?", "Could not tell".into()),
        _ => ("bad", "✘", format!("{} of {rules} failed", count(failed))),
    };
    let rows = report.sources.iter().map(|source| source.rows_read).sum();
    let meaning = format!("{} read in {}.", plural(rows, "row"), words::between(report.started, report.finished));
    Hero { class, glyph, headline, meaning, reasons: worst(report) }
}

/// The rules that decide the exit code, each with what was seen, failed ones first.
pub(super) fn worst(report: &Report) -> Vec<String> {
    const SHOWN: usize = 5;
    let decides = |outcome: &&Outcome| {
        !matches!(Standing::of(outcome), Standing::Known | Standing::Passed) && outcome.severity != Severity::Info
    };
    let mut all: Vec<&Outcome> = report.outcomes.iter().filter(decides).collect();
    all.sort_by_key(|outcome| Standing::of(outcome));
    let mut lines: Vec<String> = all
        .iter()
        .take(SHOWN)
        .map(|outcome| {
            format!("{} {} {}: {}", outcome.table, outcome.rule, Standing::of(outcome).word(), words::seen(outcome))
        })
        .collect();
    if all.len() > SHOWN {
        lines.push(format!("and {} more", all.len() - SHOWN));
    }
    lines
}
