//! `unique` over all rows, in a pass over a table that is being written.

use crate::journeys::served::Served;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Statuses of the only rule in some runs over all rows, while a writer goes through these statements again and again.
async fn statuses(served: &mut Served, rounds: Vec<String>) -> Vec<Value> {
    let stop = Arc::new(AtomicBool::new(false));
    let (mut writer, stopped) = (served.another().await, Arc::clone(&stop));
    let task = tokio::spawn(async move {
        for sql in rounds.into_iter().cycle() {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut writer).await.unwrap();
        }
    });
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let run = served.run(&["check", "--full", "--duty", "100%", "--output", "json"]).await;
        statuses.push(run.json()["outcomes"][0]["status"].clone());
    }
    stop.store(true, Ordering::Relaxed);
    task.await.unwrap();
    let truth = "select count(*) from (select from t group by code having count(*) > 1) g";
    assert_eq!(served.number(truth).await, 0);
    statuses
}

/// A row that is written during a pass moves to another place, and may be met there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_met_twice_is_no_duplicate_even_where_the_table_has_no_key() {
    let mut served = Served::new(
        "create table t (code integer not null, touched integer not null, filler text not null);
         alter table t alter filler set storage plain;
         insert into t select i, 0, repeat('x', 200) from generate_series(1, 20000) i; analyze",
    )
    .await;
    served.rules("t", "rules:\n  - { unique: [code], id: code }\n");
    let mut rounds: Vec<String> =
        (0..50).map(|round| format!("update t set touched = touched + 1 where code % 50 = {round}")).collect();
    rounds.push("vacuum (truncate off) t".to_owned());
    let statuses = statuses(&mut served, rounds).await;
    assert!(statuses.iter().all(|status| status != "failed"), "{statuses:?}");
}

/// Values that go from rows which the pass has met to rows which it has not, in numbers.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_values_met_twice_are_no_duplicates() {
    let mut served = Served::new(
        "create table t (id integer primary key, code integer not null, unique (code) deferrable);
         insert into t select i, i from generate_series(1, 100000) i; analyze",
    )
    .await;
    served.rules("t", "rules:\n  - { unique: [code], id: code }\n");
    let mut rounds: Vec<String> = (0..50)
        .map(|round| {
            let range = format!("between {} and {}", round * 1000 + 1, round * 1000 + 1000);
            format!(
                "update t a set code = b.code from t b where (a.id {range} and b.id = a.id + 50000) \
                 or (a.id - 50000 {range} and b.id = a.id - 50000)"
            )
        })
        .collect();
    rounds.push("vacuum (truncate off) t".to_owned());
    let statuses = statuses(&mut served, rounds).await;
    assert!(statuses.iter().all(|status| status != "failed"), "{statuses:?}");
}
