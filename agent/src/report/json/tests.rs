use super::*;
use crate::report::fixture;
use serde_json::Value;
use std::collections::BTreeSet;

const REFERENCE: &str = include_str!("../../../../docs/report-json.md");

fn value(report: &Report) -> Value {
    serde_json::from_str(&render(report).unwrap()).unwrap()
}

/// Paths of all keys (`tables[].columns[].fate`), without those of the outcomes inside of tables.
fn paths(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                if !path.starts_with("tables[].transitions[].") && !path.starts_with("tables[].rules[].") {
                    into.insert(path.clone());
                    paths(inner, &path, into);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{at}[]"), into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A guard's report in which nothing is empty.
fn full() -> Report {
    let check = fixture::check();
    Report { findings: check.findings, errors: check.errors, ..fixture::guard() }
}

#[test]
fn the_documented_example_has_the_keys_that_are_written() {
    let example = REFERENCE.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let (mut documented, mut written) = (BTreeSet::new(), BTreeSet::new());
    paths(&example, "", &mut documented);
    paths(&value(&full()), "", &mut written);
    assert_eq!(documented, written);
}

#[test]
fn every_key_is_described() {
    let mut written = BTreeSet::new();
    paths(&value(&full()), "", &mut written);
    for path in written {
        let name = path.rsplit(['.', ']']).next().unwrap();
        assert!(REFERENCE.contains(&format!("`{name}`")), "{path}");
    }
}

#[test]
fn outcomes_have_one_form_wherever_they_stand() {
    let report = value(&full());
    let outcome = keys(&report["outcomes"][0]);
    for name in [
        "source",
        "table",
        "rule",
        "kind",
        "status",
        "reason",
        "population",
        "checked",
        "failed",
        "unknown",
        "unknown_by",
        "fraction",
        "interval",
        "level",
        "design_effect",
        "tolerance",
        "detect",
        "severity",
        "owner",
        "escalation",
        "sampled",
        "examples",
        "sql",
        "value",
    ] {
        assert!(outcome.contains(&name), "{name}");
    }
    let table = &report["tables"][0];
    assert_eq!(keys(&table["transitions"][0]), outcome);
    assert_eq!(keys(&table["rules"][0]["before"]), outcome);
    assert_eq!(keys(&table["rules"][0]["after"]), outcome);
}

#[test]
fn a_check_has_no_keys_of_a_migration() {
    let report = value(&fixture::check());
    for key in ["migration", "verdict", "tables"] {
        assert!(report.get(key).is_none(), "{key}");
    }
    assert_eq!(report["version"], 1);
    assert_eq!(report["exit_code"], 1);
}

#[test]
fn a_mark_without_a_recapture_has_a_verdict_of_null() {
    let report = value(&fixture::before());
    assert_eq!(report["verdict"], Value::Null);
    assert_eq!(report["tables"], Value::Array(Vec::new()));
    assert!(report.as_object().unwrap().contains_key("verdict"));
}

#[test]
fn the_reason_of_what_was_not_evaluated_is_the_word() {
    let report = value(&fixture::check());
    let outcomes = report["outcomes"].as_array().unwrap();
    let outcome = outcomes.iter().find(|outcome| outcome["status"] == "not_evaluated").unwrap();
    assert_eq!(outcome["reason"], "column_missing");
    assert_eq!(outcome["detail"], "public.orders has no column `payload`; the nearest is `payload_json`");
    assert_eq!(outcome["checked"], Value::Null);
}

#[test]
fn a_reason_is_never_empty() {
    for report in [fixture::check(), fixture::guard()] {
        for outcome in value(&report)["outcomes"].as_array().unwrap() {
            assert_ne!(outcome["reason"], "", "{outcome}");
        }
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    assert_eq!(render(&full()).unwrap(), render(&full()).unwrap());
}

#[test]
fn numbers_that_json_lacks_become_null() {
    let mut report = fixture::check();
    report.outcomes[0].fraction = Some(f64::NAN);
    assert_eq!(value(&report)["outcomes"][0]["fraction"], Value::Null);
}

#[test]
fn the_form_is_this_one() {
    let mut report = fixture::check();
    report.outcomes.truncate(1);
    report.samples.truncate(1);
    report.findings.clear();
    report.errors.clear();
    report.notes.clear();
    insta::assert_snapshot!(render(&report).unwrap(), @r#"
    {
      "version": 1,
      "fieldmark": "0.1.0",
      "command": "check",
      "started": "2026-03-14T09:26:53Z",
      "finished": "2026-03-14T09:27:01Z",
      "seed": 7203114559,
      "strict": false,
      "exit_code": 0,
      "sources": [
        {
          "name": "shop",
          "database": "PostgreSQL 15.18",
          "address": "db.example:5432/shop",
          "tables": 2,
          "rows_read": 14000,
          "statements": 61,
          "statement_seconds": 1.84,
          "blocks": 7310,
          "server_blocks": 9882,
          "courtesy": {
            "gave_way": 1,
            "lock_timeouts": 0,
            "imposed_wait_seconds": 0.031,
            "watchdog_lag_seconds": 0.024
          }
        }
      ],
      "samples": [
        {
          "source": "shop",
          "table": "public.orders",
          "stratum": "table",
          "method": "random keys",
          "population": 200000,
          "population_exact": false,
          "rows": 10000,
          "blocks": null
        }
      ],
      "outcomes": [
        {
          "source": "shop",
          "table": "public.orders",
          "rule": "orders.not_null.customer_id",
          "kind": "not_null",
          "fingerprint": "8c1f2a90",
          "status": "passed",
          "reason": "no failure in 10 000 rows; at most 0.037 % can fail",
          "detail": "no failure in 10 000 rows; at most 0.037 % can fail",
          "population": 200000,
          "checked": 10000,
          "failed": 0,
          "unknown": 0,
          "unknown_by": {
            "null": 0,
            "expression_error": 0,
            "value_too_large": 0,
            "unrepresentable": 0
          },
          "fraction": 0.0,
          "interval": [
            0.0,
            0.0003688
          ],
          "level": 0.95,
          "design_effect": 1.4,
          "value": null,
          "value_interval": null,
          "baseline": null,
          "tolerance": 0.0,
          "detect": 0.001,
          "severity": "ticket",
          "owner": "team-payments",
          "escalation": "payments-oncall",
          "sampled": true,
          "moving": false,
          "known_failing": null,
          "examples": [],
          "sql": null,
          "description": null,
          "runbook": null
        }
      ],
      "findings": [],
      "errors": [],
      "notes": []
    }
    "#);
}

/// Every key is in the schema, and the schema has no other.
#[test]
fn the_schema_has_the_keys_that_are_written() {
    let schema = schema().unwrap();
    let outcome: BTreeSet<&str> = keys(&schema["$defs"]["outcome"]["properties"]).into_iter().collect();
    let report = value(&full());
    assert_eq!(outcome, keys(&report["outcomes"][0]).into_iter().collect());
    assert_eq!(
        keys(&schema["$defs"]["column"]["properties"]).into_iter().collect::<BTreeSet<_>>(),
        keys(&report["tables"][0]["columns"][0]).into_iter().collect()
    );
}
