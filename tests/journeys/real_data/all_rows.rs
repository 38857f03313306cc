//! On all rows every number is the one that SQL counts.

use super::{Loaded, RULES, Truth};
use crate::journeys::shop::outcome;
use serde_json::Value;
use std::collections::BTreeSet;

/// Holds the report of `--full` against SQL, rule by rule, and gives it back.
async fn findings_are_those_of_sql(loaded: &mut Loaded) -> Value {
    let tables = ["movies", "flights"];
    let report = loaded.check(&["--full", "--table", tables[0], "--table", tables[1]]).await;
    let (mut wrong, mut kinds, mut told) = (Vec::new(), BTreeSet::new(), 0);
    for table in tables {
        for rule in RULES.iter().filter(|rule| rule.is_of(table)) {
            let id = rule.id_in(table);
            let outcome = outcome(&report, &id);
            let truth = loaded.truth(rule, table).await;
            let status = status(truth, rule.tolerance, rule.is_about_rows());
            let count = |key: &str| outcome[key].as_u64();
            let found = (
                count("checked"),
                count("failed"),
                count("unknown"),
                outcome["unknown_by"]["expression_error"].as_u64(),
            );
            let expected = if rule.is_about_rows() {
                (Some(truth.checked), Some(truth.failed), Some(truth.unknown), Some(truth.errors))
            } else {
                // of the table as a whole: it fails or it does not
                (None, Some(truth.failed.min(1)), Some(0), Some(0))
            };
            if found != expected || outcome["status"] != status || !outcome["interval"].is_null() {
                wrong.push(format!("{id}: {found:?}, and not {expected:?} and {status}: {outcome:#}"));
            }
            kinds.insert(outcome["kind"].as_str().unwrap().to_owned());
            told += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(kinds.len(), 11, "every kind: {kinds:?}");
    assert!(told >= 30, "{told}");
    assert_eq!(report["outcomes"].as_array().unwrap().len(), told, "an outcome without SQL");
    report
}

/// What a rule has to say of all rows. What nobody can tell counts neither as failing nor as passing.
fn status(truth: Truth, tolerance: f64, about_rows: bool) -> &'static str {
    if !about_rows {
        return if truth.failed > 0 { "failed" } else { "passed" };
    }
    let fraction = |rows: u64| rows as f64 / truth.checked as f64;
    if fraction(truth.failed) > tolerance {
        "failed"
    } else if fraction(truth.failed + truth.errors) > tolerance {
        "inconclusive"
    } else {
        "passed"
    }
}

/// The SQL that a failed rule prints shows its rows, a hundred at most.
async fn printed_sql_shows_the_rows(loaded: &mut Loaded, report: &Value) {
    for outcome in report["outcomes"].as_array().unwrap() {
        // where a row is an error to the rule, it is one to PostgreSQL, too
        let Some(sql) = outcome["sql"].as_str().filter(|_| outcome["unknown_by"]["expression_error"] == 0) else {
            continue;
        };
        let failed = outcome["failed"].as_u64().unwrap();
        let [shown] = loaded.numbers(&format!("SELECT count(*) FROM ({sql}) AS shown")).await;
        assert_eq!(shown, failed.min(100), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_sqlite_all_findings_are_those_of_sql() {
    findings_are_those_of_sql(&mut Loaded::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_postgres_all_findings_are_those_of_sql() {
    let mut loaded = Loaded::postgres().await;
    let report = findings_are_those_of_sql(&mut loaded).await;
    printed_sql_shows_the_rows(&mut loaded, &report).await;
}
