use super::*;
use crate::report::fixture;
use crate::report::words::Standing;
use fieldmark_model::migration::{Expectation, TableChange, Verdict};
use fieldmark_model::{NotEvaluated, Outcome, RuleId, Severity, Status};
use std::collections::BTreeMap;

#[derive(Debug)]
struct Element {
    name: String,
    depth: usize,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// Text as it was before it was escaped; checks that it holds nothing that XML forbids.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        plain.push_str(before);
        let (name, after) = entity.split_once(';').unwrap();
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "#9" => '\t',
            "#10" => '\n',
            "#13" => '\r',
            _ => panic!("&{name};"),
        });
        rest = after;
    }
    plain.push_str(rest);
    let forbidden = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}');
    assert!(!plain.contains(forbidden), "{plain:?}");
    plain
}

fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let mut pieces = text.split('"');
    while let (Some(key), Some(value)) = (pieces.next(), pieces.next()) {
        let key = key.trim().strip_suffix('=').unwrap().to_owned();
        assert!(!value.contains(['\n', '\t', '\r']), "{value:?}");
        assert_eq!(attributes.insert(key, unescaped(value)), None, "{text}");
    }
    attributes
}

/// The elements in their order; checks that there is one root and that each tag is closed in order.
fn elements(xml: &str) -> Vec<Element> {
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    while let Some((text, tail)) = rest.split_once('<') {
        match open.last() {
            Some(at) => elements[*at].text.push_str(&unescaped(text)),
            None => assert_eq!(text, ""),
        }
        let (tag, after) = tail.split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(elements[open.pop().unwrap()].name, name);
            continue;
        }
        assert_eq!(open.is_empty(), elements.is_empty(), "one root: <{tag}>");
        let (name, text) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "<{tag}>");
        let (depth, attributes) = (open.len(), attributes(text));
        open.push(elements.len());
        elements.push(Element { name: name.to_owned(), depth, attributes, text: String::new() });
    }
    assert_eq!((open.len(), rest), (0, "\n"));
    elements
}

/// What is inside an element.
fn inside(elements: &[Element], at: usize) -> Vec<&Element> {
    elements.iter().skip(at + 1).take_while(|each| each.depth > elements[at].depth).collect()
}

/// The report's elements; checks that all numbers are counts, and that each testcase says one thing.
fn checked(report: &Report) -> Vec<Element> {
    let elements = elements(&render(report));
    for (at, element) in elements.iter().enumerate() {
        let inside = inside(&elements, at);
        match element.name.as_str() {
            "testsuites" | "testsuite" => {
                for (attribute, tag) in
                    [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
                {
                    let n = inside.iter().filter(|each| each.name == tag).count();
                    assert_eq!(element.attributes[attribute], n.to_string(), "{attribute} of {element:?}");
                }
            }
            "testcase" => assert_eq!(inside.len(), 1, "{element:?}"),
            _ => assert!(["failure", "error", "system-out"].contains(&element.name.as_str()), "{element:?}"),
        }
    }
    elements
}

/// The numbers of the whole: testcases, failures, errors.
fn totals(elements: &[Element]) -> [&str; 3] {
    ["tests", "failures", "errors"].map(|attribute| elements[0].attributes[attribute].as_str())
}

/// What a testcase says.
fn said<'a>(elements: &'a [Element], classname: &str, name: &str) -> &'a Element {
    let of = |element: &Element, attribute: &str| element.attributes.get(attribute).cloned().unwrap_or_default();
    let at = elements
        .iter()
        .position(|each| each.name == "testcase" && of(each, "classname") == classname && of(each, "name") == name);
    &elements[at.unwrap_or_else(|| panic!("{classname} {name} is not in {elements:#?}")) + 1]
}

fn tag(element: &Element) -> (&str, &str) {
    (element.name.as_str(), element.attributes.get("type").map_or("", String::as_str))
}

const ORDERS: &str = "shop.public.orders";

#[test]
fn a_check_has_a_suite_for_each_table() {
    let elements = checked(&fixture::check());
    assert_eq!(totals(&elements), ["9", "1", "3"]);
    let suites: Vec<&Element> = elements.iter().filter(|each| each.name == "testsuite").collect();
    let names: Vec<&str> = suites.iter().map(|suite| suite.attributes["name"].as_str()).collect();
    assert_eq!(names, ["fieldmark", "shop public.orders", "shop public.customers"]);
    assert!(suites.iter().all(|suite| suite.attributes["timestamp"] == "2026-03-14T09:26:53"), "{suites:?}");
    assert_eq!(elements[0].attributes["name"], "fieldmark check");
    assert_eq!(elements[0].attributes["time"], "8.000");
}

#[test]
fn a_failure_says_what_was_seen_and_how_to_see_it() {
    let elements = checked(&fixture::check());
    let failure = said(&elements, ORDERS, "total_adds_up");
    assert_eq!(tag(failure), ("failure", "page"));
    let message = "failed: 27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %); tolerance 0.1 %; 12 unknown: 9 NULL, 3 \
                   expression errors; more than the 19 rows known since 2026-03-01";
    assert_eq!(failure.attributes["message"], message);
    assert_eq!(
        failure.text,
        format!(
            "{message}\nrule: The total is the sum of its parts.\nrows: id=10241, id=58113, id=91460, id=120077, \
             id=188902\nowner: team-payments (page)\nrunbook: https://runbooks.example/orders/total\nsql: SELECT \
             \"id\" FROM \"public\".\"orders\" WHERE (status <> 'draft  one') AND NOT (total_cents = \
             subtotal_cents + tax_cents)"
        )
    );
}

#[test]
fn what_could_not_be_told_is_an_error() {
    let elements = checked(&fixture::check());
    let inconclusive = said(&elements, ORDERS, "orders.in_set.status");
    assert_eq!(tag(inconclusive), ("error", "inconclusive"));
    assert!(inconclusive.text.contains("\nwhy: about 3 688 rows without a failure would tell"), "{inconclusive:?}");
    let missing = said(&elements, ORDERS, "orders.type_is.payload");
    assert_eq!(tag(missing), ("error", "column_missing"));
    assert!(missing.attributes["message"].starts_with("not evaluated: a column is missing: "), "{missing:?}");
    let error = said(&elements, "fieldmark", "could not check billing");
    assert_eq!(tag(error), ("error", "could_not_check"));
    assert_eq!(error.attributes["message"], "no answer from billing.example:5432 in 5 s");
    assert!(error.text.ends_with("\nCheck that the server runs and that its firewall lets this machine in."));
}

#[test]
fn a_sampled_pass_has_its_bound() {
    let elements = checked(&fixture::check());
    let passed = said(&elements, ORDERS, "orders.unique.order_no");
    assert_eq!(tag(passed), ("system-out", ""));
    assert_eq!(passed.text, "passed: no failure in 10 000 rows; at most 0.037 % can fail");
}

/// A `check` of one rule.
fn one_rule(status: Status, severity: Severity) -> Report {
    let outcome = Outcome { status, severity, ..fixture::passed("r", 10) };
    Report { outcomes: vec![outcome], errors: Vec::new(), ..fixture::check() }
}

#[test]
fn every_status_is_passed_or_failure_or_error() {
    use Severity::{Info, Page, Ticket};
    for (status, severity, expected, numbers) in [
        (Status::Passed, Page, ("system-out", ""), ["1", "0", "0"]),
        (Status::Passed, Info, ("system-out", ""), ["1", "0", "0"]),
        (Status::Failed, Page, ("failure", "page"), ["1", "1", "0"]),
        (Status::Failed, Ticket, ("failure", "ticket"), ["1", "1", "0"]),
        (Status::Failed, Info, ("system-out", ""), ["1", "0", "0"]),
        (Status::Inconclusive, Ticket, ("error", "inconclusive"), ["1", "0", "1"]),
        (Status::Inconclusive, Info, ("system-out", ""), ["1", "0", "0"]),
        (Status::NotEvaluated, Page, ("error", "not_evaluated"), ["1", "0", "1"]),
        (Status::NotEvaluated, Info, ("system-out", ""), ["1", "0", "0"]),
    ] {
        let report = one_rule(status, severity);
        let standing = Standing::of(&report.outcomes[0]);
        let elements = checked(&report);
        let said = said(&elements, ORDERS, "r");
        assert_eq!((tag(said), totals(&elements)), (expected, numbers), "{status:?} {severity:?}");
        assert!(said.text.starts_with(&format!("{}: ", standing.word())), "{said:?}");
    }
    let mut report = one_rule(Status::NotEvaluated, Severity::Ticket);
    report.outcomes[0].not_evaluated = Some(NotEvaluated::Timeout);
    assert_eq!(tag(said(&checked(&report), ORDERS, "r")), ("error", "timeout"));
}

#[test]
fn a_migration_has_its_verdicts_and_transitions() {
    let elements = checked(&fixture::guard());
    assert_eq!(totals(&elements), ["7", "3", "0"]);
    let broken = said(&elements, ORDERS, "migration");
    assert_eq!(tag(broken), ("failure", "broken"));
    assert!(broken.attributes["message"].starts_with("broken: 7 of 10 000 marked rows vanished"), "{broken:?}");
    for line in [
        "200 000 → about 199 873 rows",
        "10 000 rows marked: 0 unchanged, 9 993 changed, 7 vanished: 0.07 % (0.028 % to 0.14 %)",
        "surprising: coupon_code: dropped, was text; 4 120 of 10 000 marked rows had a value in it",
        "3 other columns: no change in 9 993 rows; a change of 0.037 % would have shown",
        "rows: id=3314 vanished, id=9071 vanished",
    ] {
        assert!(broken.text.lines().any(|each| each == line), "{line} is not in {}", broken.text);
    }
    assert_eq!(tag(said(&elements, ORDERS, "transition cents_from_total")), ("failure", "page"));
    assert_eq!(tag(said(&elements, ORDERS, "transition orders.same.customer_id")), ("system-out", ""));
    assert_eq!(tag(said(&elements, ORDERS, "total_adds_up")), ("failure", "page"));
    assert_eq!(tag(said(&elements, "shop.public.customers", "migration")), ("system-out", ""));
    assert_eq!(tag(said(&elements, "fieldmark", "guarded command")), ("system-out", ""));
}

/// A `guard` of one table without rules and transitions.
fn one_table(change: impl FnOnce(&mut TableChange)) -> Report {
    let mut report = fixture::guard();
    report.outcomes.clear();
    let migration = report.migration.as_mut().unwrap();
    let source = &mut migration.sources[0];
    source.rules.clear();
    source.tables.truncate(1);
    let table = &mut source.tables[0];
    table.columns.clear();
    table.transitions.clear();
    change(table);
    (source.verdict, migration.verdict) = (table.verdict, Some(table.verdict));
    report
}

#[test]
fn every_verdict_is_passed_or_failure_or_error() {
    let passed = ("system-out", "");
    for (verdict, warns, fails) in [
        (Verdict::Clean, passed, passed),
        (Verdict::AsDeclared, passed, passed),
        (Verdict::Restored, passed, passed),
        (Verdict::Surprising, passed, ("failure", "surprising")),
        (Verdict::Broken, ("failure", "broken"), ("failure", "broken")),
        (Verdict::RestoredWithLoss, ("failure", "restored_with_loss"), ("failure", "restored_with_loss")),
        (Verdict::Inconclusive, ("error", "inconclusive"), ("error", "inconclusive")),
        (Verdict::NotComparable, ("error", "not_comparable"), ("error", "not_comparable")),
    ] {
        for (fail, strict, expected) in [(false, false, warns), (true, false, fails), (false, true, fails)] {
            let mut report = one_table(|table| {
                (table.verdict, table.undeclared_changes_fail) = (verdict, fail);
            });
            report.strict = strict;
            let elements = checked(&report);
            assert_eq!(tag(said(&elements, ORDERS, "migration")), expected, "{verdict:?} {fail} {strict}");
            assert_eq!(totals(&elements)[0], "2", "the verdict and the guarded command");
        }
    }
}

#[test]
fn a_surprising_column_fails_whatever_the_verdict_is() {
    let columns = fixture::guard().migration.unwrap().sources.remove(0).tables.remove(0).columns;
    assert!(columns.iter().any(|column| column.expectation == Expectation::Surprising));
    let report = one_table(|table| {
        (table.verdict, table.undeclared_changes_fail, table.columns) = (Verdict::Clean, true, columns);
    });
    assert_eq!(tag(said(&checked(&report), ORDERS, "migration")), ("failure", "surprising"));
}

#[test]
fn a_guarded_command_that_failed_is_a_failure() {
    let mut report = one_table(|table| table.verdict = Verdict::Clean);
    report.migration.as_mut().unwrap().command_status = Some(7);
    let elements = checked(&report);
    let failure = said(&elements, "fieldmark", "guarded command");
    assert_eq!(tag(failure), ("failure", "command_failed"));
    assert_eq!(failure.attributes["message"], "the guarded command failed with status 7");
    assert_eq!(totals(&elements), ["2", "1", "0"]);
}

#[test]
fn what_fails_the_run_is_never_green() {
    for (verdict, expected) in
        [(Verdict::Broken, ("failure", "failed")), (Verdict::Inconclusive, ("error", "could_not_tell"))]
    {
        let mut report = one_table(|table| table.verdict = verdict);
        report.migration.as_mut().unwrap().sources.clear();
        let elements = checked(&report);
        let said = said(&elements, "fieldmark", "conclusion");
        assert_eq!(tag(said), expected);
        assert_eq!(said.attributes["message"], format!("the migration is {}", words::verdict(verdict)));
    }
    let elements = checked(&one_table(|table| table.verdict = Verdict::Clean));
    assert!(!elements.iter().any(|each| each.attributes.get("name").is_some_and(|name| name == "conclusion")));
}

#[test]
fn a_report_of_nothing_is_xml() {
    let report = Report { outcomes: Vec::new(), ..one_rule(Status::Passed, Severity::Page) };
    let elements = checked(&report);
    assert_eq!((elements.len(), totals(&elements)), (1, ["0", "0", "0"]));
}

#[test]
fn nothing_that_comes_from_outside_becomes_markup() {
    const HOSTILE: &str = "]]><a b='c'>&amp;\"<!--\u{0}\u{1b}[m\n\t\r\u{ffff}\u{202e}é";
    let shown = HOSTILE.replace('\u{0}', "\\u{0}").replace('\u{1b}', "\\u{1b}").replace('\u{ffff}', "\\u{ffff}");
    let text = || HOSTILE.to_owned();
    let mut report = fixture::guard();
    report.errors = fixture::check().errors;
    report.command = text();
    for error in &mut report.errors {
        (error.source, error.what, error.remedy) = (Some(SourceName::new(text())), text(), Some(text()));
    }
    for source in &mut report.migration.as_mut().unwrap().sources {
        source.source = SourceName::new(text());
        for table in &mut source.tables {
            (table.table, table.reasons, table.examples) = (TableName::new(text(), text()), vec![text()], vec![text()]);
            for column in &mut table.columns {
                (column.column, column.reason, column.type_before) = (text(), text(), Some(text()));
            }
        }
    }
    for outcome in &mut report.outcomes {
        (outcome.rule, outcome.source) = (RuleId::new(text()), SourceName::new(text()));
        (outcome.owner, outcome.sql, outcome.description) = (Some(text()), Some(text()), Some(text()));
        (outcome.runbook, outcome.examples) = (Some(text()), vec![text()]);
    }
    let elements = checked(&report);
    assert_eq!(
        tag(said(&elements, &format!("{shown}.public.orders"), &shown)),
        ("system-out", ""),
        "the one that passed"
    );
    let failure = elements.iter().find(|each| each.name == "failure").unwrap();
    assert!(failure.text.ends_with(&format!("\nsql: {shown}")), "{failure:?}");
    assert!(said(&elements, "fieldmark", &format!("could not check {shown}")).text.contains(&shown));
    assert_eq!(elements[0].attributes["name"], format!("fieldmark {shown}"));
}
