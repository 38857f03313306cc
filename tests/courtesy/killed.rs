//! An agent that is killed, or frozen, in the middle of a read: what it held is given back without it.

use super::FAR_TOO_LONG;
use crate::journeys::{Market, Served};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

const RULES: &str = "rules:\n  - not_null: b\n  - unique: a\n";
const PASS: [&str; 4] = ["check", "--full", "--duty", "100%"];

fn start(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

fn signal(child: &Child, signal: &str) {
    let kill = format!("kill -s {signal} {}", child.id().unwrap());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// A frozen agent may cost 5 s, a killed one the time of a statement; a busy machine as much again.
fn held(what: &str, began: Instant, most: Duration) {
    println!("{what}: {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    assert!(began.elapsed() < most + FAR_TOO_LONG, "{what}: {:?}", began.elapsed());
}

async fn on_postgres(how: &str, most: Duration) {
    let rows = "create table t (id bigint primary key, n integer, a text, b text);
        insert into t select i, i, 'a value of row ' || i, md5(i::text) from generate_series(1, 300000) i; analyze t;";
    let mut served = Served::new(rows).await;
    served.rules("t", RULES);
    let mut child = start(served.program(&PASS));
    served.until_it_runs(&mut child, "FROM ONLY \"public\".\"t\"").await;
    signal(&child, "STOP");
    if how == "KILL" {
        signal(&child, how);
    }
    let began = Instant::now();
    served.sql("set lock_timeout = '30s'; alter table t add column c integer").await;
    held(&format!("PostgreSQL, {how}"), began, most);
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_holds_nothing_on_postgres() {
    on_postgres("KILL", Duration::from_millis(1_500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_agent_holds_nothing_for_long_on_postgres() {
    on_postgres("STOP", Duration::from_secs(5)).await;
}

/// The server asks every half second whether anybody is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_a_killed_agent_ends_on_postgres() {
    let mut served = Served::new("create table t (id integer primary key); insert into t values (1)").await;
    served.write("fieldmark.yaml", &served.read("fieldmark.yaml").replace("\" }", "\", sql: allow }"));
    served.rules("t", "rules:\n  - { id: slow, sql: 'select t.id from t, pg_sleep(100)', timeout: 120s }\n");
    let mut child = start(served.program(&["check"]));
    served.until_it_runs(&mut child, "pg_sleep").await;
    child.kill().await.unwrap();
    let began = Instant::now();
    served.sql("set lock_timeout = '30s'; alter table t add column c integer").await;
    held("PostgreSQL, a query of a rule's own, KILL", began, Duration::from_millis(1_500));
}

async fn on_mariadb(how: &str, most: Duration) {
    let rows = "create table t (id bigint primary key, n int, a varchar(60), b varchar(60));
        insert into t select seq, seq, concat('a value of row ', seq), md5(seq) from seq_1_to_200000; analyze table t;";
    let mut market = Market::new(rows).await;
    market.rules("t", RULES);
    let mut child = start(Command::from(market.command(&PASS)));
    market.until_it_reads("%FROM%`t`%").await;
    signal(&child, "STOP");
    if how == "KILL" {
        signal(&child, how);
    }
    let began = Instant::now();
    market.sql("set session lock_wait_timeout = 30; alter table t add column c int").await;
    held(&format!("MariaDB, {how}"), began, most);
    child.kill().await.unwrap();
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_holds_nothing_on_mariadb() {
    on_mariadb("KILL", Duration::from_millis(1_500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_agent_holds_nothing_for_long_on_mariadb() {
    on_mariadb("STOP", Duration::from_secs(5)).await;
}
