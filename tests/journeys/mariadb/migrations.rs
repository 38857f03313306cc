//! Marks and recaptures on MariaDB.

use super::Market;
use serde_json::{Value, json};
use sqlx::Connection as _;

const TABLES: &str = "
    create table orders (
        id bigint primary key auto_increment, code varchar(20) not null, total decimal(10,2), note varchar(40), born date,
        placed_at timestamp not null default current_timestamp on update current_timestamp);
    insert into orders (code, total, note, born)
        select concat('o', seq), seq / 4, if(seq % 5, concat('n', seq), null), '2024-02-29' from seq_1_to_5000;
    create table items (a int, b varchar(20) collate utf8mb4_bin, v int, primary key (a, b));
    insert into items select seq % 40, concat('k', seq), seq from seq_1_to_2000;
    analyze table orders, items;";

const RULES: &str = "rules:
  - { id: short, length: { column: code, max: 9 } }
across_migrations:
  same: [code]
  renamed: { total_cents: total }
  expect:
    - { id: cents, that: after.total_cents = round(before.total * 100) }
";

/// What is declared is as declared; what is not is told, with its rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_tells_what_a_migration_did() {
    let mut market = Market::new(TABLES).await;
    market.rules("orders", RULES);
    market.rules("items", "rules:\n  - not_null: v\n");
    market.json(&["before", "--control", "200ms"], 0);
    market
        .sql(
            "alter table orders add column total_cents bigint;
             update orders set total_cents = round(total * 100), placed_at = placed_at;
             alter table orders drop column total",
        )
        .await;
    let report = market.json(&["after", "--control", "200ms"], 0);
    assert_eq!(report["verdict"], "as_declared", "{report:#}");
    market.json(&["before", "--control", "200ms"], 0);
    market
        .sql(
            "update orders set total_cents = -total_cents, code = upper(code) where id % 2 = 0;
             delete from orders where id % 3 = 0; update items set b = concat(b, ' ') where a = 7;
             alter table items modify v bigint",
        )
        .await;
    let report = market.json(&["after", "--control", "200ms"], 1);
    assert_eq!(report["verdict"], "broken", "{report:#}");
    let table = |name: &str| {
        let tables = report["tables"].as_array().unwrap();
        tables.iter().find(|table| table["table"].as_str().unwrap().ends_with(name)).unwrap().clone()
    };
    let orders = table("orders");
    assert_eq!((&orders["marked"], &orders["vanished"]), (&json!(5000), &json!(1666)), "{orders:#}");
    let of = |name: &str| -> Value {
        let columns = orders["columns"].as_array().unwrap();
        columns.iter().find(|column| column["column"] == name).unwrap().clone()
    };
    // half of those that are left; a change of case alone is one, whatever the collation says
    assert_eq!((&of("code")["changed"], &of("total_cents")["changed"]), (&json!(1667), &json!(1667)), "{orders:#}");
    let items = table("items");
    assert_eq!((&items["marked"], &items["vanished"]), (&json!(2000), &json!(50)), "{items:#}");
    market.close().await;
}

/// The guarded command is the server's own client; what it did is told when it ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_client_is_judged() {
    let mut market = Market::new(TABLES).await;
    market.rules("orders", "rules:\n  - not_null: code\n");
    let script = "update orders set note = null where id <= 100";
    market.write("up.sql", script);
    let server = crate::server::mariadb::Server::get().await.unwrap();
    let client = format!(
        "exec mariadb --no-defaults -h 127.0.0.1 -P {} -u {} -p{} {} < up.sql",
        server.port(),
        crate::server::mariadb::USER,
        super::PASSWORD,
        market.database
    );
    let report = market.json(&["guard", "--control", "200ms", "--", "sh", "-c", &client], 0);
    assert_eq!(report["verdict"], "surprising", "{report:#}");
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains("n42"), "a value is told: {report:#}");
    market.sql("drop table orders").await;
    market.close().await;
}

/// A schema change is not waited for, and what holds it up is none of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_being_changed_is_left_alone() {
    let mut market = Market::new(TABLES).await;
    market.rules("orders", "rules:\n  - not_null: code\n");
    market.rules("items", "rules:\n  - not_null: v\n");
    let mut changer = market.another().await;
    sqlx::raw_sql("lock tables orders write").execute(&mut changer).await.unwrap();
    let report = market.json(&["check"], 2);
    let of = |rule: &str| {
        let outcomes = report["outcomes"].as_array().unwrap();
        outcomes.iter().find(|outcome| outcome["rule"].as_str().unwrap().contains(rule)).unwrap().clone()
    };
    assert_eq!(of("items")["status"], "passed", "{report:#}");
    assert_eq!(of("orders")["reason"], "yielded_to_migration", "{report:#}");
    sqlx::raw_sql("unlock tables").execute(&mut changer).await.unwrap();
    changer.close().await.unwrap();
    market.sql("analyze table orders").await;
    market.json(&["check"], 0);
    market.close().await;
}
