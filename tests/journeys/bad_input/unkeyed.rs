//! Tables without a key to find rows again by.

use super::{TABLES, Untouched, says};
use crate::journeys::served::Served;
use crate::journeys::shop::Shop;
use serde_json::Value;

const WHY: &str = "it has no primary key and no unique index without NULLs to find rows again by; name one with `key:`";

/// Only the table with a key is in the mark.
#[track_caller]
fn marked_without_it(report: &Value, schema: &str) {
    assert_eq!(report["migration"]["marks"][0]["tables"], 1, "{report:#}");
    let note = format!("shop {schema}.unkeyed is not marked: {WHY}");
    assert!(report["notes"].as_array().unwrap().contains(&note.as_str().into()), "{report:#}");
}

#[test]
fn before_says_which_tables_it_cannot_mark() {
    let shop = Shop::new(TABLES);
    shop.write("rules/unkeyed.yaml", "version: 1\ntable: shop.unkeyed\nrules:\n  - not_null: [name]\n");
    let untouched = Untouched::of(&shop);
    marked_without_it(&shop.json(&["before", "--control", "0s"], 0), "main");
    says(&shop.run(&["before", "--control", "0s"]).gives(0), &["main.unkeyed is not marked", WHY]);
    untouched.holds(&shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_says_which_tables_of_postgres_it_cannot_mark() {
    let mut served = Served::new(TABLES).await;
    served.write("rules/unkeyed.yaml", "version: 1\ntable: shop.unkeyed\nrules:\n  - not_null: [name]\n");
    let before = served.writes().await;
    marked_without_it(&served.json(&["before", "--control", "0s"], 0).await, "public");
    says(&served.run(&["before", "--control", "0s"]).await.gives(0), &["public.unkeyed is not marked", WHY]);
    assert_eq!(served.writes().await, before);
}

/// With nothing to compare, nothing is begun and nothing is said to be well.
#[test]
fn a_migration_of_unkeyed_tables_alone_cannot_be_judged() {
    let shop = Shop::new("create table unkeyed (name text); insert into unkeyed values ('kingfisher')");
    let why = "no table could be marked";
    says(&shop.run(&["before", "--control", "0s"]).gives(2), &["main.unkeyed is not marked", WHY, why]);
    let run = shop.run(&["guard", "--control", "0s", "--", "touch", "started"]).gives(2);
    says(&run, &[why, "the command was not started", "--proceed-unmarked"]);
    assert!(!shop.path("started").exists());
    let run = shop.run(&["guard", "--control", "0s", "--proceed-unmarked", "--", "touch", "started"]).gives(2);
    says(&run, &[why]);
    assert!(shop.path("started").exists());
    let run = shop.run(&["after", "--control", "0s"]).gives(2);
    says(&run, &["cannot be compared", "no table was marked"]);
}

/// The first migration of all makes the tables: there is nothing to mark, and nothing to miss.
#[test]
fn the_first_migration_finds_no_table() {
    let shop = Shop::new("");
    let made = "create table t (id integer primary key)";
    rusqlite::Connection::open(shop.path("made.db")).unwrap().execute_batch(made).unwrap();
    let run = shop.run(&["guard", "--control", "0s", "--output", "json", "--", "cp", "made.db", "shop.db"]);
    let report = run.json();
    assert_eq!(report["migration"]["command_status"], 0, "{report:#}");
    assert_eq!(report["migration"]["sources"][0]["tables_added"][0], "main.t", "{report:#}");
}
