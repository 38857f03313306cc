//! The report as JUnit XML, as Jenkins and GitLab read it.
//!
//! A suite for each table, a testcase for each rule, each declared transition and each table's verdict; and a suite for
//! what belongs to no table. What fails the run is a failure, what could not be told is an error, a failure that the
//! baseline knows is skipped. All else has passed, and says in its output what was seen: that a rule of severity `info`
//! failed, and what bounds a pass on a sample.

mod case;
pub(crate) mod xml;

use super::words;
use super::{Report, conclusion};
use case::{Case, Mark};
use fieldmark_model::{SourceName, TableName};
use xml::Xml;

/// The suite of what belongs to no table.
const RUN: &str = "fieldmark";

/// The report as XML, with a line break at its end.
pub fn render(report: &Report) -> String {
    let suites = suites(report);
    let counts = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let name = format!("{RUN} {}", report.command);
    let time = format!("{:.3}", words::seconds(report.finished - report.started).max(0.0));
    // readers want the time without a zone; it is that of UTC
    let begun = report.started.format("%Y-%m-%dT%H:%M:%S").to_string();
    let mut xml = Xml::new();
    xml.element("testsuites", &counts.attributes(&[("name", name.as_str()), ("time", time.as_str())]), |xml| {
        for suite in &suites {
            suite.write(xml, &begun);
        }
    });
    xml.finish()
}

/// Testcases that belong together.
struct Suite {
    name: String,
    classname: String,
    cases: Vec<Case>,
}

impl Suite {
    fn write(&self, xml: &mut Xml, begun: &str) {
        let counts = Counts::of(&self.cases);
        // rules of a table are checked together: no time is any one rule's own
        let own = [("name", self.name.as_str()), ("time", "0"), ("timestamp", begun)];
        xml.element("testsuite", &counts.attributes(&own), |xml| {
            for case in &self.cases {
                case.write(xml, &self.classname);
            }
        });
    }
}

/// How many testcases there are, and of what kind.
struct Counts {
    tests: String,
    failures: String,
    errors: String,
    skipped: String,
}

impl Counts {
    fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let (mut tests, mut failures, mut errors, mut skipped) = (0_u64, 0_u64, 0_u64, 0_u64);
        for case in cases {
            tests += 1;
            match case.mark {
                Mark::Passed => {}
                Mark::Skipped => skipped += 1,
                Mark::Failure(_) => failures += 1,
                Mark::Error(_) => errors += 1,
            }
        }
        let [tests, failures, errors, skipped] = [tests, failures, errors, skipped].map(|n| n.to_string());
        Self { tests, failures, errors, skipped }
    }

    /// These attributes and the counts.
    fn attributes<'a>(&'a self, own: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
        let counts = [
            ("tests", &self.tests),
            ("failures", &self.failures),
            ("errors", &self.errors),
            ("skipped", &self.skipped),
        ];
        let counts = counts.into_iter().map(|(name, count)| (name, count.as_str()));
        own.iter().copied().chain(counts).collect()
    }
}

/// All suites, that of the run first, without empty ones.
fn suites(report: &Report) -> Vec<Suite> {
    let mut suites: Vec<Suite> = Vec::new();
    for outcome in &report.outcomes {
        add(&mut suites, &outcome.source, &outcome.table, case::of_rule(outcome));
    }
    for source in report.migration.iter().flat_map(|migration| &migration.sources) {
        for table in &source.tables {
            let fails = report.strict || table.undeclared_changes_fail;
            add(&mut suites, &source.source, &table.table, case::of_table(table, fails));
            for outcome in &table.transitions {
                add(&mut suites, &source.source, &table.table, case::of_transition(outcome));
            }
        }
    }
    let mut run = run(report);
    // what fails the run and shows in none of them
    if suites
        .iter()
        .flat_map(|suite| &suite.cases)
        .chain(&run)
        .all(|case| matches!(case.mark, Mark::Passed | Mark::Skipped))
    {
        run.extend(case::of_conclusion(&conclusion(report)));
    }
    if !run.is_empty() {
        suites.insert(0, Suite { name: RUN.into(), classname: RUN.into(), cases: run });
    }
    suites
}

/// What belongs to no table: the guarded command, findings that fail the run, and what could not be done.
fn run(report: &Report) -> Vec<Case> {
    let status = report.migration.as_ref().and_then(|migration| migration.command_status);
    let findings = report.findings.iter().filter(|_| report.findings_fail).map(case::of_finding);
    status.map(case::of_command).into_iter().chain(findings).chain(report.errors.iter().map(case::of_error)).collect()
}

fn add(suites: &mut Vec<Suite>, source: &SourceName, table: &TableName, case: Case) {
    let name = format!("{source} {table}");
    match suites.iter_mut().find(|suite| suite.name == name) {
        Some(suite) => suite.cases.push(case),
        None => suites.push(Suite { name, classname: format!("{source}.{table}"), cases: vec![case] }),
    }
}

#[cfg(test)]
mod tests;
