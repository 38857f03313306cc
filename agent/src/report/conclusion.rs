//! What a report means for whoever runs the command: the exit code, and why.

use super::words::{self, Standing, count, how_many, plural};
use super::{ErrorSummary, Report};
use fieldmark_model::Severity;
use fieldmark_model::migration::{Expectation, TableChange, Verdict};

/// Good.
pub const GOOD: u8 = 0;
/// Bad: a failed rule, a broken migration.
pub const BAD: u8 = 1;
/// Could not tell.
pub const UNKNOWN: u8 = 2;
/// The guarded command failed.
pub const COMMAND_FAILED: u8 = 3;

/// An exit code with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The exit code: 3 beats 1 beats 2 beats 0.
    pub code: u8,
    /// What led to that code, in words and numbers; empty for 0.
    pub reasons: Vec<String>,
    /// What is not counted in the code, and has to be said nevertheless.
    pub warnings: Vec<String>,
}

/// The exit code of a report: 0 good, 1 bad, 2 could not tell, 3 the guarded command failed.
pub fn exit_code(report: &Report) -> u8 {
    conclusion(report).code
}

/// The exit code of a report with its reasons.
///
/// Rules of severity `info` never change it. A surprising change is bad where the table's `undeclared_changes` is
/// `fail` or the run is strict, else a warning.
pub fn conclusion(report: &Report) -> Conclusion {
    let mut command = Vec::new();
    let mut bad = Vec::new();
    let mut unknown = Vec::new();
    let mut warnings = Vec::new();

    // what fails before a migration is in the mark, and no reason not to migrate
    let only_marks = report.command == "before";
    for (standing, rules) in words::tally(report.outcomes.iter().filter(|outcome| outcome.severity != Severity::Info)) {
        let rules = plural(rules, "rule");
        match standing {
            Standing::Failed | Standing::Inconclusive | Standing::NotEvaluated if only_marks => {
                warnings.push(format!("{rules} {} before the migration", standing.word()));
            }
            Standing::Failed => bad.push(format!("{rules} {}", standing.word())),
            Standing::Inconclusive | Standing::NotEvaluated => unknown.push(format!("{rules} {}", standing.word())),
            Standing::Known => warnings.push(format!("{rules} failed by no more rows than the baseline knows")),
            Standing::Passed => {}
        }
    }
    for (standing, rules) in words::tally(report.outcomes.iter().filter(|outcome| outcome.severity == Severity::Info)) {
        if !matches!(standing, Standing::Known | Standing::Passed) {
            warnings.push(format!("{} of severity info {}", plural(rules, "rule"), standing.word()));
        }
    }
    if report.findings_fail && !report.findings.is_empty() {
        bad.push(plural(how_many(&report.findings), "finding"));
    }
    unknown.extend(report.errors.iter().map(ErrorSummary::told));
    if let Some(migration) = &report.migration {
        if let Some(status) = migration.command_status.filter(|status| *status != 0) {
            command.push(format!("the guarded command failed with status {status}"));
        }
        let tables = || migration.sources.iter().flat_map(|source| &source.tables);
        let verdicts = migration.verdict.into_iter().chain(migration.sources.iter().map(|source| source.verdict));
        // the worst table is bad whatever was concluded of all; what could not be told of one table is for the conclusion
        // over all of them to weigh
        for verdict in [Verdict::Broken, Verdict::RestoredWithLoss] {
            if verdicts.clone().chain(tables().map(|table| table.verdict)).any(|each| each == verdict) {
                bad.push(format!("the migration is {}", words::verdict(verdict)));
            }
        }
        for verdict in [Verdict::Inconclusive, Verdict::NotComparable] {
            if verdicts.clone().any(|each| each == verdict) {
                unknown.push(format!("the migration is {}", words::verdict(verdict)));
            }
        }
        let surprising: Vec<&TableChange> = tables().filter(|table| is_surprising(table)).collect();
        let fails = |table: &&TableChange| report.strict || table.undeclared_changes_fail;
        for table in surprising.iter().copied().filter(fails) {
            bad.push(surprise(table));
        }
        for table in surprising.iter().copied().filter(|table| !fails(table)) {
            warnings.push(format!("{} (undeclared_changes: warn)", surprise(table)));
        }
        // a surprise that no single table shows (a table that appeared, say) has no setting of its own
        if surprising.is_empty() && verdicts.clone().any(|each| each == Verdict::Surprising) {
            let reasons = if report.strict { &mut bad } else { &mut warnings };
            reasons.push(format!("the migration is {}", words::verdict(Verdict::Surprising)));
        }
    }

    let (code, reasons) = [(COMMAND_FAILED, command), (BAD, bad), (UNKNOWN, unknown)].into_iter().fold(
        (GOOD, Vec::new()),
        |(code, mut all), (next, reasons)| {
            let decided = if code == GOOD && !reasons.is_empty() { next } else { code };
            all.extend(reasons);
            (decided, all)
        },
    );
    Conclusion { code, reasons, warnings }
}

/// Whether something surprising was seen in a table, be its own verdict that or a worse one.
fn is_surprising(table: &TableChange) -> bool {
    table.verdict == Verdict::Surprising
        || table.columns.iter().any(|column| column.expectation == Expectation::Surprising)
}

fn surprise(table: &TableChange) -> String {
    let columns = how_many(table.columns.iter().filter(|column| column.expectation == Expectation::Surprising));
    match columns {
        0 => format!("{}: changes that nobody declared", table.table),
        1 => format!("{}: 1 column changed that nobody declared", table.table),
        _ => format!("{}: {} columns changed that nobody declared", table.table, count(columns)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::report::{ErrorSummary, MigrationSummary};
    use fieldmark_model::SourceName;
    use fieldmark_model::Status;

    /// A report with nothing to complain of.
    fn good() -> Report {
        let mut report = fixture::check();
        report.errors.clear();
        report.outcomes.retain(|outcome| outcome.status == Status::Passed);
        assert!(!report.outcomes.is_empty());
        report
    }

    fn with_rule(status: Status, severity: Severity) -> Report {
        let mut report = good();
        let mut outcome = report.outcomes[0].clone();
        outcome.status = status;
        outcome.severity = severity;
        report.outcomes.push(outcome);
        report
    }

    fn with_verdict(verdict: Option<Verdict>) -> Report {
        let mut report = good();
        let mut migration = fixture::guard().migration.unwrap();
        migration.verdict = verdict;
        migration.command_status = Some(0);
        migration.sources.clear();
        report.migration = Some(migration);
        report
    }

    fn surprising(fail: bool, strict: bool) -> Report {
        let mut report = with_verdict(Some(Verdict::Surprising));
        let mut source = fixture::guard().migration.unwrap().sources.remove(0);
        source.verdict = Verdict::Surprising;
        source.tables.truncate(1);
        for table in &mut source.tables {
            table.verdict = Verdict::Surprising;
            table.undeclared_changes_fail = fail;
        }
        report.migration.as_mut().unwrap().sources = vec![source];
        report.strict = strict;
        report
    }

    fn edit(mut report: Report, change: impl FnOnce(&mut Report)) -> Report {
        change(&mut report);
        report
    }

    fn migration(report: &mut Report) -> &mut MigrationSummary {
        report.migration.as_mut().unwrap()
    }

    #[test]
    fn exit_codes_are_those_of_the_table() {
        use Severity::{Info, Page, Ticket};
        use Status::{Failed, Inconclusive, NotEvaluated, Passed};
        let error = || ErrorSummary {
            source: Some(SourceName::new("shop")),
            table: None,
            what: "no answer in 5 s".into(),
            remedy: None,
            nature: None,
        };
        let cases = [
            ("nothing", good(), 0),
            ("passed", with_rule(Passed, Page), 0),
            ("failed page", with_rule(Failed, Page), 1),
            ("failed ticket", with_rule(Failed, Ticket), 1),
            ("failed info", with_rule(Failed, Info), 0),
            ("inconclusive", with_rule(Inconclusive, Ticket), 2),
            ("inconclusive info", with_rule(Inconclusive, Info), 0),
            ("not evaluated", with_rule(NotEvaluated, Page), 2),
            ("not evaluated info", with_rule(NotEvaluated, Info), 0),
            ("strict without migration", edit(good(), |r| r.strict = true), 0),
            ("error", edit(good(), |r| r.errors.push(error())), 2),
            ("failed and error", edit(with_rule(Failed, Page), |r| r.errors.push(error())), 1),
            ("before", with_verdict(None), 0),
            ("before, failed", edit(with_rule(Failed, Page), |r| r.command = "before".into()), 0),
            ("before, not evaluated", edit(with_rule(NotEvaluated, Page), |r| r.command = "before".into()), 0),
            ("before, error", edit(good(), |r| (r.command, r.errors) = ("before".into(), vec![error()])), 2),
            ("clean", with_verdict(Some(Verdict::Clean)), 0),
            ("as declared", with_verdict(Some(Verdict::AsDeclared)), 0),
            ("broken", with_verdict(Some(Verdict::Broken)), 1),
            ("inconclusive verdict", with_verdict(Some(Verdict::Inconclusive)), 2),
            ("not comparable", with_verdict(Some(Verdict::NotComparable)), 2),
            ("restored", with_verdict(Some(Verdict::Restored)), 0),
            ("restored with loss", with_verdict(Some(Verdict::RestoredWithLoss)), 1),
            ("surprising, warn", surprising(false, false), 0),
            ("surprising, fail", surprising(true, false), 1),
            ("surprising, strict", surprising(false, true), 1),
            ("surprising, no table", with_verdict(Some(Verdict::Surprising)), 0),
            ("surprising, no table, strict", edit(with_verdict(Some(Verdict::Surprising)), |r| r.strict = true), 1),
            (
                "surprising under fail, inconclusive over all",
                edit(surprising(true, false), |r| migration(r).verdict = Some(Verdict::Inconclusive)),
                1,
            ),
            (
                "one table not comparable, clean over all",
                edit(surprising(false, false), |r| {
                    migration(r).verdict = Some(Verdict::Clean);
                    let source = &mut migration(r).sources[0];
                    source.verdict = Verdict::Clean;
                    source.tables[0].verdict = Verdict::NotComparable;
                    source.tables[0].columns.clear();
                }),
                0,
            ),
            (
                "command failed, clean",
                edit(with_verdict(Some(Verdict::Clean)), |r| migration(r).command_status = Some(7)),
                3,
            ),
            (
                "command failed, broken",
                edit(with_verdict(Some(Verdict::Broken)), |r| migration(r).command_status = Some(1)),
                3,
            ),
            (
                "broken and inconclusive rule",
                {
                    let mut report = with_verdict(Some(Verdict::Broken));
                    report.outcomes.extend(with_rule(Inconclusive, Page).outcomes);
                    report
                },
                1,
            ),
        ];
        for (name, report, expected) in cases {
            let conclusion = conclusion(&report);
            assert_eq!(conclusion.code, expected, "{name}: {conclusion:?}");
            assert_eq!(conclusion.reasons.is_empty(), expected == 0, "{name}: {conclusion:?}");
        }
    }

    #[test]
    fn a_surprise_that_only_warns_is_said() {
        let conclusion = conclusion(&surprising(false, false));
        assert_eq!(
            conclusion.warnings,
            ["public.orders: 2 columns changed that nobody declared (undeclared_changes: warn)"]
        );
    }
}
