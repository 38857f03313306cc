//! Servers that go away while they are read.

use super::served::Served;
use super::shop::Run;
use crate::server::standby::Pair;
use serde_json::{Value, json};
use std::process::Stdio;

/// A check whose server restarts in the middle: it goes on where it was, and tells what it would have told anyhow.
async fn goes_on_after_a_restart(mode: &str) {
    let pair = Pair::start().await.unwrap();
    let mut served = Served::of(&pair.primary()).await;
    let rows = "create table t (id bigint primary key, n integer, a text);
        insert into t select i, nullif(i % 1000, 7), 'a value of row ' || i from generate_series(1, 300000) i; analyze t;";
    served.sql(rows).await;
    served.rules(
        "t",
        "rules:\n  - not_null: n\n  - { id: texts, matches: { column: a, pattern: '^a value of row [0-9]+$' } }\n",
    );
    let mut program = served.program(&["check", "--full", "--output", "json"]);
    let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    served.until_it_runs(&mut child, "FROM ONLY \"public\".\"t\"").await;
    pair.restart(mode).unwrap();
    let report = Run::of(child.wait_with_output().await.unwrap()).gives(1).json();
    let told: Vec<(&Value, &Value)> = (report["outcomes"].as_array().unwrap().iter())
        .map(|outcome| (&outcome["checked"], &outcome["failed"]))
        .collect();
    assert_eq!(told, [(&json!(300_000), &json!(300)), (&json!(300_000), &json!(0))], "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_goes_on_after_a_fast_restart() {
    goes_on_after_a_restart("fast").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_goes_on_after_a_crash() {
    goes_on_after_a_restart("immediate").await;
}
