//! What stands at the top: the conclusion in a few words, the numbers in a sentence, and the reasons.

use super::blocks;
use super::escape::text;
use super::room::Room;
use crate::report::conclusion::{BAD, COMMAND_FAILED, GOOD, UNKNOWN};
use crate::report::words::{self, Standing, count, how_many, plural};
use crate::report::{Conclusion, MigrationSummary, Report};
use fieldmark_model::migration::{TableChange, Verdict};

/// Heading and numbers. Words and numbers of ours alone, so that they always fit.
pub(super) fn head(report: &Report, conclusion: &Conclusion) -> String {
    let (glyph, headline) = headline(report, conclusion);
    let mut sentences: Vec<String> = Vec::new();
    if let Some(migration) = &report.migration {
        sentences.push(match migration.verdict {
            Some(verdict) => words::verdict_meaning(verdict).into(),
            None => "After the migration the same rows are read again.".into(),
        });
    }
    sentences.push(numbers(report));
    blocks([format!("## {glyph} Fieldmark: {headline}"), sentences.join(" ")])
}

/// Why a migration is judged so, and why the exit code is what it is.
pub(super) fn reasons(report: &Report, conclusion: &Conclusion, room: &mut Room) -> String {
    let Some(migration) = &report.migration else { return String::new() };
    let (_, headline) = headline(report, conclusion);
    let of_code = conclusion.reasons.iter().filter(|reason| **reason != headline);
    let reasons = of_code.chain(migration.sources.iter().flat_map(|source| &source.reasons));
    let (list, left_out) = room.fill("reason", reasons.map(|reason| format!("- {}\n", text(reason))));
    blocks([list, left_out])
}

/// The conclusion in a few words, with the glyph that goes with it.
fn headline(report: &Report, conclusion: &Conclusion) -> (&'static str, String) {
    match &report.migration {
        Some(migration) => of_migration(migration, conclusion),
        None => of_rules(report, conclusion),
    }
}

fn of_migration(migration: &MigrationSummary, conclusion: &Conclusion) -> (&'static str, String) {
    let Some(verdict) = migration.verdict else {
        let rows = migration.marks.iter().map(|mark| mark.rows).sum();
        let marked = format!("{} marked", plural(rows, "row"));
        return match conclusion.code {
            COMMAND_FAILED => ("✘", "the command failed".into()),
            _ if migration.marks.is_empty() => ("?", "no mark was taken".into()),
            GOOD => ("✔", marked),
            _ => ("!", marked),
        };
    };
    let good = match verdict {
        Verdict::Clean | Verdict::AsDeclared | Verdict::Restored => true,
        Verdict::Surprising
        | Verdict::Broken
        | Verdict::Inconclusive
        | Verdict::NotComparable
        | Verdict::RestoredWithLoss => false,
    };
    let headline = format!("the migration is {}", words::verdict(verdict));
    match conclusion.code {
        COMMAND_FAILED => ("✘", format!("the command failed; the rows: {}", words::verdict(verdict))),
        // nothing that fails the run may stand under a green heading
        BAD if good => ("✘", format!("not all is well; {headline}")),
        UNKNOWN if good => ("!", format!("not all could be told; {headline}")),
        BAD => ("✘", headline),
        _ => (words::verdict_glyph(verdict), headline),
    }
}

fn of_rules(report: &Report, conclusion: &Conclusion) -> (&'static str, String) {
    let of = |standing| how_many(report.outcomes.iter().filter(|outcome| Standing::of(outcome) == standing));
    let (all, passed, failed) = (how_many(&report.outcomes), of(Standing::Passed), of(Standing::Failed));
    let rules = plural(all, "rule");
    match conclusion.code {
        GOOD if report.findings_fail => ("✔", "nothing was found".into()),
        BAD if report.findings_fail => ("✘", plural(how_many(&report.findings), "finding")),
        GOOD if all == 0 => ("–", "no rule was checked".into()),
        GOOD if passed == all => ("✔", format!("{rules} passed")),
        // rules of severity info and known failures do not fail a run, and have not passed all the same
        GOOD => ("!", format!("{} of {rules} passed", count(passed))),
        UNKNOWN => ("?", "could not tell".into()),
        _ => ("✘", format!("{} of {rules} failed", count(failed))),
    }
}

/// `8 rules: 2 failed, 6 passed; 14 000 rows read in 8 s.`
fn numbers(report: &Report) -> String {
    let migration = report.migration.as_ref();
    let mut parts: Vec<String> = Vec::new();
    parts.extend(migration.and_then(marked_rows));
    if !report.outcomes.is_empty() {
        let compared = migration.is_some_and(|migration| migration.verdict.is_some());
        let tally: Vec<String> = words::tally(report.outcomes.iter())
            .into_iter()
            .map(|(standing, n)| format!("{} {}", count(n), standing.word()))
            .collect();
        let rules = plural(how_many(&report.outcomes), "rule");
        parts.push(format!("{rules}{}: {}", if compared { " after it" } else { "" }, tally.join(", ")));
    }
    let rows = report.sources.iter().map(|source| source.rows_read).sum();
    parts.push(format!("{} read in {}", plural(rows, "row"), words::between(report.started, report.finished)));
    format!("{}.", parts.join("; "))
}

/// `2 tables with 14 000 marked rows: 3 988 unchanged, 10 003 changed, 9 vanished`; `None` where nothing was compared.
fn marked_rows(migration: &MigrationSummary) -> Option<String> {
    let tables: Vec<&TableChange> = migration.sources.iter().flat_map(|source| &source.tables).collect();
    if tables.is_empty() {
        return None;
    }
    let marked = plural(tables.iter().map(|table| table.marked).sum(), "marked row");
    let unchanged = count(tables.iter().map(|table| table.unchanged).sum());
    let changed = count(tables.iter().map(|table| table.changed).sum());
    let vanished = count(tables.iter().map(|table| table.vanished).sum());
    let tables = plural(how_many(&tables), "table");
    Some(format!("{tables} with {marked}: {unchanged} unchanged, {changed} changed, {vanished} vanished"))
}
