//! `snapshot: true` and `scan_connections: 2` at a source of PostgreSQL.

use super::served::Served;
use crate::server::postgres::{Server, USER};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;

const TABLES: usize = 4;
const ROWS: i64 = 60_000;

async fn served(settings: &str) -> Served {
    let server = Server::get().await.unwrap();
    let database = server.database("template kinds").await.unwrap();
    let mut shop = Served::of(&server.url(USER, &database)).await;
    let configuration = shop.read("fieldmark.yaml").replace("\" }", &format!("\", {settings} }}"));
    shop.write("fieldmark.yaml", &configuration);
    for table in 0..TABLES {
        shop.sql(&format!(
            "create table t{table} (id bigint primary key, v integer not null, pad text not null);
             insert into t{table} select i, i % 100, repeat('x', 200) from generate_series(1, {ROWS}) i; analyze t{table}"
        ))
        .await;
        shop.rules(
            &format!("t{table}"),
            &format!(
                "sample: all\nrules:\n  - {{ id: range{table}, in_range: {{ column: v, max: {} }} }}\n",
                99 - table
            ),
        );
    }
    shop
}

/// What became of each rule, in order.
fn told(report: &Value) -> Vec<(Value, Value, Value, Value)> {
    let part = |outcome: &Value, key: &str| outcome[key].clone();
    let outcomes = report["outcomes"].as_array().unwrap();
    outcomes.iter().map(|o| (part(o, "rule"), part(o, "status"), part(o, "checked"), part(o, "failed"))).collect()
}

/// Two tables are read at the same time, and the answers are the same; three connections are the most.
#[tokio::test(flavor = "multi_thread")]
async fn two_connections_give_the_same_answers() {
    let mut shop = served("scan_connections: 2").await;
    let check = ["check", "--duty", "100%", "--seed", "7"];
    let mut run = shop.program(&[&check[..], &["--output", "json"]].concat()).stdout(Stdio::piped()).spawn().unwrap();
    let ours = "from pg_stat_activity where datname = current_database() and application_name like 'fieldmark%'";
    let mut most = 0;
    let mut at_once = false;
    while run.try_wait().unwrap().is_none() {
        most = most.max(shop.number(&format!("select count(*) {ours}")).await);
        // from when to when each has read last: of two at the same time the one had begun before the other had ended
        let reads = format!(
            "select pid, query_start as begun, case state when 'active' then clock_timestamp() else state_change end as ended \
             {ours} and query like '%statement=''rows''%'"
        );
        let both = "one.pid < other.pid and one.begun < other.ended and other.begun < one.ended";
        let pairs =
            format!("with reads as materialized ({reads}) select count(*) from reads one join reads other on {both}");
        at_once |= shop.number(&pairs).await > 0;
    }
    assert!(at_once, "two never read at the same time");
    assert!(most <= 3, "{most} connections");
    let output = run.wait_with_output().await.unwrap();
    let by_two: Value = serde_json::from_slice(&output.stdout).unwrap();
    let configuration = shop.read("fieldmark.yaml").replace("scan_connections: 2", "scan_connections: 1");
    shop.write("fieldmark.yaml", &configuration);
    let by_one = shop.json(&check[..], 1).await;
    assert_eq!(told(&by_two), told(&by_one));
    assert_eq!(told(&by_one).len(), TABLES);
    assert_eq!(told(&by_one)[3].3, json!(ROWS * 3 / 100));
    // both are accounted for
    let rows = |report: &Value| report["sources"][0]["rows_read"].clone();
    assert_eq!(rows(&by_two), rows(&by_one));
    let samples = |report: &Value| -> BTreeMap<String, Value> {
        let samples = report["samples"].as_array().unwrap().iter();
        samples.map(|sample| (sample["table"].as_str().unwrap().to_owned(), sample["rows"].clone())).collect()
    };
    assert_eq!(samples(&by_two), samples(&by_one));
}

/// Rows that are written and moved all the time: of a pass in one snapshot each is there once, and nothing is said to move.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_in_a_snapshot_counts_one_instant() {
    let mut shop = served("snapshot: true, budget: { server_time: 100%, blocks_per_minute: 100000000 }").await;
    shop.rules("t0", "sample: all\nrules:\n  - { id: range0, expect: \"v <= 98\" }\n  - { id: many, row_count: { min: 60000, max: 60000 } }\n");
    let mut writer = shop.another().await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut round = 0i64;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            // as many rows as before, at other places
            let (from, to) = (round * 977 % ROWS, round * 977 % ROWS + 500);
            let sql = format!("update t0 set pad = pad || 'y' where id between {from} and {to}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut writer).await.unwrap();
            round += 1;
        }
        round
    });
    let report = shop.json(&["check", "--table", "t0", "--duty", "100%"], 1).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(writing.await.unwrap() > 1, "nothing was written");
    let told = told(&report);
    assert_eq!(told[0], (json!("range0"), json!("failed"), json!(ROWS), json!(ROWS / 100)));
    assert_eq!(told[1].1, json!("passed"), "{report:#}");
    assert!(report["outcomes"].as_array().unwrap().iter().all(|outcome| outcome["moving"] == false), "{report:#}");
    shop.until_fieldmark_has_gone().await;
}
