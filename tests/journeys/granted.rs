//! A role that may read less than a table: what it may read is checked, and of the rest it is said that it may not.

use super::served::Served;
use super::shop::{Run, Shop, outcome};
use crate::server::postgres::{PASSWORD, Server};
use serde_json::Value;

/// A database with these tables and a role; `{role}` in the SQL is its name. A folder whose source connects as it.
async fn granted(sql: &str) -> (Served, Shop) {
    let mut owner = Served::new("select 1").await;
    let database = owner.url().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let role = format!("part_{database}");
    owner.sql(&format!("create role {role} login password '{PASSWORD}'")).await;
    owner.sql(&sql.replace("{role}", &role)).await;
    let shop = Shop::of(&Server::get().await.unwrap().url(&role, &database));
    (owner, shop)
}

async fn json(shop: &Shop, arguments: &[&str], code: i32) -> Value {
    let mut command = tokio::process::Command::from(shop.command(arguments));
    Run::of(command.args(["--output", "json"]).output().await.unwrap()).gives(code).json()
}

fn status(report: &Value, rule: &str) -> (String, String) {
    let outcome = outcome(report, rule);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&outcome["status"]), text(&outcome["reason"]))
}

/// Rules about granted columns are answered, those about others name the column.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_may_not_be_read_concerns_its_own_rules() {
    let tables = "create table t (id integer primary key, a text, secret text);
        insert into t select i, 'a', 's' from generate_series(1, 300) i; analyze t; grant select (id, a) on t to {role};";
    let (_owner, shop) = granted(tables).await;
    shop.rules(
        "t",
        "rules:\n  - not_null: [a, secret]\n  - { expect: \"secret <> a\", id: compared }\n  - { unique: [secret], id: alone }\n  \
         - row_count: { min: 300 }\n",
    );
    let report = json(&shop, &["check"], 2).await;
    assert_eq!(status(&report, "shop.t.not_null.a").0, "passed");
    assert_eq!(status(&report, "shop.t.row_count").0, "passed");
    for rule in ["shop.t.not_null.secret", "compared", "alone"] {
        let denied = ("not_evaluated".to_owned(), "permission_denied".to_owned());
        assert_eq!(status(&report, rule), denied, "{rule}");
        assert!(outcome(&report, rule)["detail"].as_str().unwrap().contains("column secret"), "{report:#}");
    }
}

/// A key that may not be read is no key: rows are read without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_be_read_is_none() {
    let tables = "create table t (id integer primary key, a text);
        insert into t select i, 'a' from generate_series(1, 300) i; analyze t; grant select (a) on t to {role};";
    let (_owner, shop) = granted(tables).await;
    shop.rules("t", "rules:\n  - not_null: [a]\n");
    let report = json(&shop, &["check"], 0).await;
    assert_eq!(status(&report, "shop.t.not_null.a").0, "passed");
}

/// Rows are drawn from partitions, which need a grant of their own: that is said.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_may_not_be_read_are_a_matter_of_privileges() {
    let tables = "create table p (id uuid, a text) partition by hash (id);
        create table p1 partition of p for values with (modulus 2, remainder 0);
        create table p2 partition of p for values with (modulus 2, remainder 1);
        insert into p select gen_random_uuid(), 'a' from generate_series(1, 60000) i; analyze p; grant select on p to {role};";
    let (_owner, shop) = granted(tables).await;
    shop.rules("p", "sample: { rows: 100 }\nrules:\n  - not_null: [a]\n");
    let report = json(&shop, &["check", "--duty", "100%"], 2).await;
    let denied = ("not_evaluated".to_owned(), "permission_denied".to_owned());
    assert_eq!(status(&report, "shop.p.not_null.a"), denied);
    let all = json(&shop, &["check", "--full", "--duty", "100%"], 0).await;
    assert_eq!(status(&all, "shop.p.not_null.a").0, "passed");
}
