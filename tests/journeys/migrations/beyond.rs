//! What no mark holds: tables without a key, rows that come later, rules that are others now.

use crate::journeys::served::Served;
use serde_json::Value;

fn table<'a>(report: &'a Value, name: &str) -> &'a Value {
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(|table| table["table"] == format!("public.{name}")).unwrap_or_else(|| panic!("{report:#}"))
}

async fn shop() -> Served {
    Served::new(
        "create table orders (id integer primary key, total integer not null);
         insert into orders select i, i from generate_series(1, 60000) i;
         create table log (line text);
         insert into log select 'l' || i from generate_series(1, 1000) i;
         analyze",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_key_is_not_forgotten() {
    let mut shop = shop().await;
    shop.rules("orders", "rules: [ not_null: total ]\n");
    let before = shop.json(&["before", "--control", "1s"], 0).await;
    assert!(before["notes"].to_string().contains("shop public.log is not marked"), "{before:#}");
    let after = shop.json(&["after", "--control", "1s"], 0).await;
    assert_eq!(after["verdict"], "clean");
    assert!(after["notes"].to_string().contains("shop public.log is not marked"), "{after:#}");
    shop.sql("alter table log rename column line to entry").await;
    let renamed = shop.json(&["after", "--control", "1s"], 0).await;
    assert_eq!((&renamed["verdict"], &table(&renamed, "log")["verdict"]), (&"surprising".into(), &"surprising".into()));
    // what its rule file declares holds of it, too
    shop.rules("log", "across_migrations: { renamed: { entry: line }, rows: may_vanish }\n");
    let declared = shop.json(&["after", "--control", "1s"], 0).await;
    assert_eq!(declared["verdict"], "as_declared", "{declared:#}");
    shop.rules("log", "rules: []\n");
    shop.sql("drop table log").await;
    let dropped = shop.json(&["after", "--control", "1s"], 1).await;
    assert_eq!(dropped["verdict"], "broken");
    assert!(table(&dropped, "log")["reasons"][0].as_str().unwrap().contains("the table was dropped"), "{dropped:#}");
}

/// A backfill that ran twice: the marked rows are as they were, and there are twice as many.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_came_later_are_told_by_the_counters() {
    let mut shop = shop().await;
    // a session tells of what it wrote when it ends
    shop.reconnect().await;
    shop.rules("orders", "rules: [ not_null: total ]\n");
    shop.json(&["before", "--control", "1s"], 0).await;
    shop.sql("insert into orders select id + 100000, total from orders").await;
    shop.reconnect().await;
    let after = shop.json(&["after", "--control", "1s"], 0).await;
    let orders = table(&after, "orders");
    assert_eq!((&after["verdict"], &orders["changed"]), (&"surprising".into(), &0.into()));
    let reason = orders["reasons"][0].as_str().unwrap();
    assert!(reason.contains("counters say 60 000 rows were inserted"), "{reason}");
    // a way back that leaves them there has not restored the table
    let back = shop.json(&["after", "--rollback", "--control", "1s"], 1).await;
    assert_eq!(back["verdict"], "restored_with_loss");
}

/// The branch with the migration tightens a rule, too: that old rows fail it now is not the migration's doing.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_another_one_now_is_not_compared() {
    let shop = shop().await;
    shop.rules("orders", "rules: [ { in_range: { column: total, max: 60000 } } ]\n");
    shop.json(&["before", "--control", "1s"], 0).await;
    shop.rules("orders", "rules: [ { in_range: { column: total, max: 30000 } } ]\n");
    let after = shop.json(&["after", "--control", "1s"], 1).await;
    assert_eq!((&after["verdict"], &after["outcomes"][0]["status"]), (&"clean".into(), &"failed".into()), "{after:#}");
}

/// The first migration of a new project has nothing to lose.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_migration_of_an_empty_database_is_clean() {
    let mut shop = Served::new("select 1").await;
    shop.json(&["before", "--control", "1s"], 0).await;
    shop.sql("create table orders (id integer primary key)").await;
    let after = shop.json(&["after", "--control", "1s"], 0).await;
    assert_eq!(after["verdict"], "clean");
    assert_eq!(after["migration"]["sources"][0]["tables_added"], serde_json::json!(["public.orders"]));
}

/// Rules of the table as a whole are not excused by rows that are new: that is what they are about.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_outgrew_its_rule_is_broken() {
    let mut shop = shop().await;
    shop.rules("orders", "rules: [ { row_count: { max: 61000 }, id: size } ]\n");
    shop.json(&["before", "--control", "1s"], 0).await;
    shop.sql("insert into orders select id + 100000, total from orders; analyze").await;
    let after = shop.json(&["after", "--control", "1s"], 1).await;
    assert_eq!(after["verdict"], "broken", "{after:#}");
    assert!(after["tables"].to_string().contains("the rule size passed before and fails now"), "{after:#}");
}
