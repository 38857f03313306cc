//! Migrations on PostgreSQL while another connection keeps writing.

mod all;
mod beyond;
mod writer;

use super::json;
use crate::server::postgres::{Server, USER};
use sqlx::{Connection as _, PgConnection};
use std::time::Duration;
use writer::{Order, Writer};

const ROWS: u64 = 40_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupted_column_is_blamed_and_ordinary_writes_are_not() {
    let server = Server::get().await.unwrap();
    let database = server.database("").await.unwrap();
    let url = server.url(USER, &database);
    let mut setup = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(
        "create table items (id bigint primary key, price numeric(12,2) not null, touched bigint not null default 0);
         insert into items select i, i % 9973 + 0.25, 0 from generate_series(1, 40000) i;
         analyze items;",
    )
    .execute(&mut setup)
    .await
    .unwrap();

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let configuration = format!("version: 1\nsources:\n  db: {{ url: \"{url}\" }}\nrules: [\"rules/*.yaml\"]\n");
    std::fs::write(folder.path().join("fieldmark.yaml"), configuration).unwrap();
    std::fs::write(
        folder.path().join("rules/items.yaml"),
        "version: 1\ntable: db.items\nsample: { rows: 5000 }\nrules:\n  - in_range: { column: price, min: 0 }\n\
         across_migrations: { undeclared_changes: fail }\n",
    )
    .unwrap();

    let touch = "update items set touched = touched + 1 where id = {n}".to_owned();
    let writer = Writer::begin(server, &database, vec![touch], Duration::from_millis(10), (Order::Chance, ROWS)).await;

    let place = folder.path().to_owned();
    let before = tokio::task::spawn_blocking(move || json(&place, &["before", "--control", "4s"], 0)).await.unwrap();
    assert_eq!(before["outcomes"][0]["status"], "passed");
    // 2 % of the prices, as a careless migration would
    sqlx::raw_sql("update items set price = price + 0.01 where id % 50 = 7").execute(&mut setup).await.unwrap();
    let place = folder.path().to_owned();
    let after = tokio::task::spawn_blocking(move || json(&place, &["after", "--control", "4s"], 1)).await.unwrap();
    writer.end().await;

    assert_eq!(after["verdict"], "surprising", "{after:#}");
    let columns = after["tables"][0]["columns"].as_array().unwrap();
    let column = |name: &str| columns.iter().find(|column| column["column"] == name).unwrap();
    let price = column("price");
    assert_eq!(price["expectation"], "surprising", "{price:#}");
    // of 5 000 rows about 100: what a draw misses once in ten thousand times is 39 of them
    let changed = price["changed"].as_u64().unwrap();
    assert!((61..=139).contains(&changed), "{price:#}");
    let interval: Vec<f64> = serde_json::from_value(price["interval"].clone()).unwrap();
    let drawn = changed as f64 / 5000.0;
    assert!(interval[0] < drawn && drawn < interval[1] && interval[1] - interval[0] < 0.01, "{price:#}");
    assert_ne!(column("touched")["expectation"], "surprising", "an ordinary write was blamed");
}
