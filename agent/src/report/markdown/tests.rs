use super::*;
use crate::report::fixture;
use crate::report::words::Standing;
use fieldmark_model::migration::{MigrationReport, Verdict};
use fieldmark_model::{NotEvaluated, Outcome, RuleId, Severity, SourceName, Status, TableName};

/// With ordinary spaces in its numbers.
fn plain(report: &Report) -> String {
    render(report).replace(words::NARROW, " ")
}

fn first_line(report: &Report) -> String {
    plain(report).lines().next().unwrap().to_owned()
}

fn shown(text: &str, part: &str) {
    assert!(text.contains(part), "{part}\nis not in\n{text}");
}

#[test]
fn a_check_says_the_conclusion_first() {
    let text = plain(&fixture::check());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "## ✘ Fieldmark: 2 of 8 rules failed");
    assert_eq!(lines[1], "");
    assert_eq!(lines[2], "8 rules: 2 failed, 1 inconclusive, 1 not evaluated, 4 passed; 14 000 rows read in 8 s.");
    assert_eq!(
        *lines.last().unwrap(),
        "<sub>Fieldmark 0.1.0 · check · 2026-03-14 09<span>:</span>26<span>:</span>53 UTC, 8 s · seed 7203114559 · \
         shop: 61 statements of 1.8 s, about 7 310 blocks touched (by all sessions 9 882) · \
         intervals of 95 % confidence · exit code 1</sub>"
    );
    assert!(text.ends_with("</sub>\n"));
}

#[test]
fn rules_that_did_not_pass_are_in_a_table() {
    let text = plain(&fixture::check());
    let table = text.split_once("### Rules that did not pass\n\n").unwrap().1.split_once("\n\n").unwrap().0;
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[..2], ["| Status | Rule | What was seen | Owner |", "|---|---|---|---|"]);
    assert_eq!(
        rows[2],
        "| ✘ failed | <code>total&#95;adds&#95;up</code><br>shop <code>public.orders</code> | 27 of 2 843 fail: 0.95 % \
         (0.63 % to 1.4 %); tolerance 0.1 %; 12 unknown: 9 NULL, 3 expression errors; more than the 19 rows known since 2026-03-01 | team-payments (page) |"
    );
    let starts: Vec<&str> = rows.iter().skip(3).map(|row| row.split_once("</code>").unwrap().0).collect();
    assert_eq!(
        starts,
        [
            "| ✘ failed | <code>customers.matches.email&#95;address&#95;of&#95;the&#95;person&#95;who&#95;pays&#95;for\
             &#95;all&#95;orders",
            "| ? inconclusive | <code>orders.in&#95;set.status",
            "| – not evaluated | <code>orders.type&#95;is.payload",
        ]
    );
    shown(table, "; about 3 688 rows without a failure would tell; the plan ended at 2 900 |");
    shown(table, "a column is missing: public.orders has no column &#96;payload&#96;");
    shown(table, "| no owner (info) |");
}

#[test]
fn what_passed_and_what_helps_is_folded_away() {
    let text = plain(&fixture::check());
    let folded = |summary: &str| {
        let inside = text.split_once(&format!("<details><summary>{summary}</summary>\n\n")).unwrap().1;
        inside.split_once("\n\n</details>\n\n").unwrap().0.to_owned()
    };
    let passed = folded("4 rules passed");
    assert_eq!(passed.lines().count(), 6, "{passed}");
    shown(
        &passed,
        "| <code>customers.length.country</code><br>shop <code>public.customers</code> | all 4 000 rows pass |",
    );
    let details = folded("Failing rows and SQL");
    shown(
        &details,
        "**Rule** <code>total&#95;adds&#95;up</code> of shop <code>public.orders</code>\n\nThe total is the sum of its \
         parts.\n\nRows: <code>id=10241</code> · <code>id=58113</code>",
    );
    shown(&details, "Runbook: <code>https<span>:</span>//runbooks.example/orders/total</code>");
    shown(&details, "```sql\nSELECT \"id\" FROM \"public\".\"orders\" WHERE (status <> 'draft  one')");
    shown(&details, "WHERE NOT (\"email\" ~ '@')\n```");
    assert_eq!(details.matches("**Rule**").count(), 2, "{details}");
}

#[test]
fn what_is_not_about_a_rule_is_said() {
    let text = plain(&fixture::check());
    let what = "no answer from billing.example<span>:</span>5432 in 5 s";
    shown(&text, &format!("- **could not check** billing: {what}<br>→ Check that the server runs"));
    shown(
        &text,
        "- **finding** shop <code>public.customers</code> <code>name</code>: invalid&#95;encoding: 3 values hold bytes",
    );
    shown(&text, "- **warning**: 1 rule of severity info failed\n");
    shown(&text, "### Notes\n\n- public.audit&#95;log has no key: it was left out");
}

#[test]
fn a_migration_is_told_table_by_table() {
    let text = plain(&fixture::guard());
    let head = text.split_once("\n\n- ").unwrap().0;
    assert_eq!(
        head,
        "## ✘ Fieldmark: the migration is broken\n\nRows, rules or declared transitions did not survive the migration. \
         2 tables with 14 000 marked rows: 3 988 unchanged, 10 003 changed, 9 vanished; 2 rules after it: 1 failed, 1 \
         passed; 14 000 rows read in 4 min 52 s."
    );
    shown(&text, "\n- public.orders: rows vanished, a declared transition does not hold, a rule fails\n");
    assert!(!text.contains("\n- the migration is broken\n"), "that is the heading already");
    shown(
        &text,
        "**✘ broken** · shop <code>public.orders</code> · 200 000 → about 199 873 rows · 10 000 marked · storage was \
         rewritten\n\nMarked rows: 0 unchanged, 9 993 changed, 7 vanished: 0.07 % (0.028 % to 0.14 %); the \
         table's own counters",
    );
    shown(&text, "\n- cents&#95;from&#95;total does not hold for 27 of 9 993 rows\n");
    shown(&text, "| ✘ surprising | <code>coupon&#95;code</code> | dropped, was text; 4 120 of 10 000 marked rows");
    shown(&text, "| ✔ declared | <code>total&#95;cents</code> | renamed from total, numeric(10,2) → bigint; 9 993 of");
    shown(&text, "27 values lost precision, 3 became NULL; renamed: and expect: of the rule file");
    shown(&text, "\n3 other columns: no change in 9 993 rows; a change of 0.037 % would have shown.\n");
    shown(&text, "\nFor example <code>id=3314 vanished</code> · <code>id=9071 vanished</code>\n");
    shown(
        &text,
        "**✔ as declared** · shop <code>public.customers</code> · was <code>public.clients</code> · 4 000 rows",
    );
    shown(&text, "| ✔ → ✘ failed | <code>total&#95;adds&#95;up</code><br>shop");
    shown(&text, "; before: no failure in 10 000 rows; at most 0.037 % can fail | team-payments (page) |");
    shown(
        &text,
        "| ✘ failed | <code>cents&#95;from&#95;total</code><br>declared transition of shop <code>public.orders",
    );
    shown(&text, "<details><summary>1 rule and 1 declared transition passed</summary>");
    shown(&text, "- **new table** shop <code>public.order&#95;totals</code>: appeared");
}

#[test]
fn the_worst_table_comes_first() {
    let mut report = fixture::guard();
    report.migration.as_mut().unwrap().sources[0].tables.reverse();
    let text = plain(&report);
    assert!(text.find("**✘ broken**").unwrap() < text.find("**✔ as declared**").unwrap(), "{text}");
}

#[test]
fn marks_are_told_before_the_migration() {
    let text = plain(&fixture::before());
    assert!(
        text.starts_with(
            "## ✔ Fieldmark: 14 000 rows marked\n\nAfter the migration the same rows are read again. 1 rule: 1 passed; \
             14 000 rows read in 4 min 52 s.\n\n- shop: mark <code>shop-20260314T092653Z-6d1f0c</code>, 14 000 rows of \
             2 tables, 1.4 MiB, "
        ),
        "{text}"
    );
    assert!(!text.contains("### "), "{text}");
}

/// A `check` of one rule.
fn one_rule(status: Status, severity: Severity) -> Report {
    let outcome = Outcome { status, severity, ..fixture::passed("r", 10) };
    Report { outcomes: vec![outcome], errors: Vec::new(), findings: Vec::new(), ..fixture::check() }
}

#[test]
fn every_status_has_its_heading() {
    use Severity::{Info, Page, Ticket};
    for (status, severity, heading) in [
        (Status::Passed, Ticket, "## ✔ Fieldmark: 1 rule passed"),
        (Status::Failed, Page, "## ✘ Fieldmark: 1 of 1 rule failed"),
        (Status::Failed, Info, "## ! Fieldmark: 0 of 1 rule passed"),
        (Status::Inconclusive, Ticket, "## ? Fieldmark: could not tell"),
        (Status::NotEvaluated, Ticket, "## ? Fieldmark: could not tell"),
        (Status::NotEvaluated, Info, "## ! Fieldmark: 0 of 1 rule passed"),
    ] {
        let report = one_rule(status, severity);
        let standing = Standing::of(&report.outcomes[0]);
        let text = plain(&report);
        assert_eq!(text.lines().next().unwrap(), heading);
        let row = format!("| {} {} | <code>r</code>", standing.glyph(), standing.word());
        assert_eq!(text.contains(&row), status != Status::Passed, "{text}");
        assert_eq!(text.contains("<summary>1 rule passed</summary>"), status == Status::Passed, "{text}");
    }
    let nothing = Report { outcomes: Vec::new(), ..one_rule(Status::Passed, Ticket) };
    assert_eq!(first_line(&nothing), "## – Fieldmark: no rule was checked");
}

#[test]
fn every_reason_of_not_evaluated_is_in_words() {
    let mut report = one_rule(Status::NotEvaluated, Severity::Page);
    report.outcomes[0].not_evaluated = Some(NotEvaluated::PermissionDenied);
    shown(&plain(&report), "| permission denied | team-payments (page) |");
}

/// A `guard` whose one table, source and conclusion are that.
fn with_verdict(verdict: Verdict) -> Report {
    let mut report = fixture::guard();
    report.outcomes.clear();
    let migration = report.migration.as_mut().unwrap();
    migration.verdict = Some(verdict);
    for source in &mut migration.sources {
        source.verdict = verdict;
        source.rules.clear();
        source.tables.truncate(1);
        for table in &mut source.tables {
            table.verdict = verdict;
            table.columns.clear();
        }
    }
    report
}

#[test]
fn every_verdict_has_its_heading() {
    for (verdict, glyph, words) in [
        (Verdict::Clean, "✔", "clean"),
        (Verdict::AsDeclared, "✔", "as declared"),
        // the table of the fixture says undeclared_changes: fail
        (Verdict::Surprising, "✘", "surprising"),
        (Verdict::Broken, "✘", "broken"),
        (Verdict::Inconclusive, "?", "inconclusive"),
        (Verdict::NotComparable, "–", "not comparable"),
        (Verdict::Restored, "✔", "restored"),
        (Verdict::RestoredWithLoss, "✘", "restored with loss"),
    ] {
        let report = with_verdict(verdict);
        assert_eq!(first_line(&report), format!("## {glyph} Fieldmark: the migration is {words}"));
        shown(&plain(&report), &format!("{words}** · shop <code>public.orders</code>"));
    }
}

#[test]
fn nothing_that_fails_the_run_stands_under_a_green_heading() {
    let mut report = with_verdict(Verdict::Clean);
    report.outcomes = one_rule(Status::Inconclusive, Severity::Page).outcomes;
    assert_eq!(first_line(&report), "## ! Fieldmark: not all could be told; the migration is clean");
    shown(&plain(&report), "\n- 1 rule inconclusive\n");
    report.outcomes = one_rule(Status::Failed, Severity::Page).outcomes;
    assert_eq!(first_line(&report), "## ✘ Fieldmark: not all is well; the migration is clean");
    report.migration.as_mut().unwrap().command_status = Some(7);
    assert_eq!(first_line(&report), "## ✘ Fieldmark: the command failed; the rows: clean");
    shown(&plain(&report), "\n- the guarded command failed with status 7\n");
}

#[test]
fn a_sampled_pass_has_its_bound() {
    let text = plain(&fixture::check());
    let bounded = text.matches("no failure in 10 000 rows; at most 0.037 % can fail").count();
    assert_eq!((text.matches("no failure in 10 000 rows").count(), bounded), (2, 2));
}

const HOSTILE: &str = "# @team #1 a|b\\|c `d` *e* _f_ ~~g~~ [h](https://i.example) ![j](k) <script>l</script> \
                       </details>\n\n- | m |\n```\nGH-2 www.n.example o@p.example $q$ :tada: \u{202e}\u{0}&lt;";

/// A `guard` in which every text that comes from outside is hostile.
fn hostile() -> Report {
    let (mut report, check) = (fixture::guard(), fixture::check());
    report.outcomes.extend(check.outcomes);
    (report.findings, report.errors) = (check.findings, check.errors);
    let text = || HOSTILE.to_owned();
    (report.command, report.notes) = (text(), vec![text()]);
    for finding in &mut report.findings {
        (finding.id, finding.what, finding.remedy, finding.column) = (text(), text(), text(), Some(text()));
    }
    for error in &mut report.errors {
        (error.what, error.remedy, error.source) = (text(), Some(text()), Some(SourceName::new(text())));
    }
    let migration = report.migration.as_mut().unwrap();
    let recaptured = migration.sources.iter_mut().flat_map(|source| {
        source.source = SourceName::new(text());
        (source.reasons, source.tables_added) = (vec![text()], vec![TableName::new(text(), text())]);
        source.tables.iter_mut().flat_map(|table| {
            (table.reasons, table.examples) = (vec![text()], vec![text()]);
            table.renamed_from = Some(TableName::new("s", text()));
            for column in &mut table.columns {
                (column.column, column.reason, column.type_before) = (text(), text(), Some(text()));
            }
            &mut table.transitions
        })
    });
    for outcome in report.outcomes.iter_mut().chain(recaptured) {
        (outcome.rule, outcome.source, outcome.reason) = (RuleId::new(text()), SourceName::new(text()), text());
        (outcome.owner, outcome.sql, outcome.description) = (Some(text()), Some(text()), Some(text()));
        (outcome.runbook, outcome.examples) = (Some(text()), vec![text()]);
    }
    report
}

/// The text without its fenced blocks; checks that each of them is closed.
fn without_fences(text: &str) -> String {
    let mut outside = String::new();
    let mut fence = None;
    for line in text.lines() {
        match &fence {
            None if line.starts_with("```") => fence = Some(line.strip_suffix("sql").unwrap().to_owned()),
            None => outside.push_str(&format!("{line}\n")),
            Some(open) if line == open => fence = None,
            Some(_) => {}
        }
    }
    assert_eq!(fence, None);
    outside
}

#[test]
fn nothing_that_comes_from_outside_becomes_markup() {
    let text = page(&hostile(), &mut Room::unbounded());
    let outside = without_fences(&text);
    assert!(text.lines().any(|line| line == "````sql"), "the fence is longer than the backticks inside");
    for forbidden in ["`", "~", "[", "]", "\\", "_", "@", "$", "www.", "GH-", "://", "\u{202e}", "\u{0}"] {
        assert!(!outside.contains(forbidden), "{forbidden}");
    }
    assert!(!outside.replace("**", "").contains('*'));
    let mut open: Vec<&str> = Vec::new();
    for tag in outside.split('<').skip(1).map(|piece| piece.split_once('>').unwrap().0) {
        match tag.strip_prefix('/') {
            None if tag == "br" => {}
            None => open.push(tag),
            Some(name) => assert_eq!(open.pop(), Some(name)),
        }
        assert!(["br", "code", "span", "details", "summary", "sub"].contains(&tag.trim_start_matches('/')), "<{tag}>");
    }
    assert_eq!(open, Vec::<&str>::new());
    for line in outside.lines().filter(|line| line.starts_with('|')) {
        let bars = line.matches('|').count();
        assert!((3..=5).contains(&bars) && line.ends_with('|'), "{line}");
    }
    for line in outside.lines().filter(|line| line.contains('#')) {
        let bare = line.trim_start_matches('#').replace("&#", "");
        assert!(!bare.contains('#'), "{line}");
    }
}

/// Many failing rules, of which one has more to show than any comment can hold.
fn many(rules: usize) -> Report {
    let mut report = fixture::check();
    let failing = report.outcomes.iter().find(|outcome| outcome.status == Status::Failed).unwrap().clone();
    report.outcomes = (0..rules)
        .map(|n| Outcome {
            rule: RuleId::new(format!("rule{n}")),
            examples: vec![format!("id={n}")],
            ..failing.clone()
        })
        .collect();
    report.outcomes.extend((0..rules).map(|n| fixture::passed(&format!("good{n}"), 10)));
    report
}

fn left_out(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.split_once(" are left out for want of room."))
        .map(|(head, _)| head.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap())
        .collect()
}

#[test]
fn what_fits_is_not_left_out() {
    let text = render(&many(20));
    assert!(!text.contains("left out for want of room"), "{text}");
    assert_eq!((text.matches("| ✘ failed |").count(), text.matches("```sql").count()), (20, 20));
}

#[test]
fn what_does_not_fit_is_left_out_whole_and_counted() {
    let text = plain(&many(2_000));
    let size = text.chars().count();
    assert!(size < LIMIT && size > LIMIT * 2 / 3, "{size}");
    assert_eq!(text.lines().next().unwrap(), "## ✘ Fieldmark: 2 000 of 4 000 rules failed");
    shown(&text, "4 000 rules: 2 000 failed, 2 000 passed; 14 000 rows read in 8 s.");
    shown(&text, "exit code 1</sub>");
    shown(&text, "- **could not check** billing");
    let not_passed = text.matches("| ✘ failed |").count() as u64;
    let details = text.matches("**Rule** ").count() as u64;
    let passed = text.matches("| all 10 rows pass |").count() as u64;
    assert!(not_passed > 0 && details > 0 && passed > 0, "{not_passed} {details} {passed}");
    assert_eq!(left_out(&text), [2_000 - not_passed, 2_000 - details, 2_000 - passed]);
    assert_eq!(text.matches("```").count() as u64, 2 * details);
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
}

#[test]
fn an_entry_that_is_too_large_is_left_out_alone() {
    let mut report = many(3);
    report.outcomes[1].sql = Some("SELECT 1; ".repeat(10_000));
    report.notes = vec!["n".repeat(70_000), "short".into()];
    let text = plain(&report);
    assert!(text.chars().count() < LIMIT);
    shown(&text, "1 rule is left out for want of room.\n\n</details>");
    shown(&text, "- short\n\n1 note is left out for want of room.\n");
    assert_eq!((text.matches("| ✘ failed |").count(), text.matches("```sql").count()), (3, 2));
}

#[test]
fn tables_that_do_not_fit_are_counted() {
    let mut report = fixture::guard();
    let source: &mut MigrationReport = &mut report.migration.as_mut().unwrap().sources[0];
    let (broken, good) = (source.tables[0].clone(), source.tables[1].clone());
    source.tables = vec![good; 1_000];
    source.tables.push(broken);
    let text = plain(&report);
    assert!(text.chars().count() < LIMIT);
    shown(&text, "**✘ broken** · shop <code>public.orders</code>");
    shown(&text, "1 001 tables with 4 010 000 marked rows");
    let kept = text.matches("**✔ as declared**").count() as u64;
    assert!(kept > 10, "{kept}");
    assert_eq!(left_out(&text), [1_000 - kept]);
}
