//! `--migrations`: what the scripts of a migration say before it runs, and what became of lineage when it has.

use super::mariadb::Market;
use super::shop::Shop;
use crate::server::postgres::{Server, USER, programs};
use crate::server::standby::Pair;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::collections::BTreeSet;

const TABLES: &str = "
    create type mood as enum ('sad', 'happy');
    create domain cents as bigint check (value >= 0);
    create table orders (id bigint primary key, customer bigint, total numeric(12,2), status text, m mood, c cents);
    create table customers (id bigint primary key, name text);
    create view open_orders as select id, total from orders where status <> 'paid';
    create function vat(amount numeric) returns numeric language sql as $$ select amount * 0.2 $$;
    create table schema_migrations (version text primary key);
    insert into schema_migrations values ('1');
    insert into orders select n, n % 10, n, 'open' from generate_series(1, 500) n;";

/// What has run already would not run again.
const FIRST: &str = "create table orders (id bigint); insert into orders select 1;";

const SECOND: &str = "-- migrate:up
alter table orders add column net numeric(12,2);
update orders set net = total - vat(total) where status <> 'void';
create table totals (customer bigint primary key, amount numeric, at timestamptz);
insert into totals as t (customer, amount) select o.customer, sum(o.net) from orders o join customers c on c.id = o.customer group by 1
    on conflict (customer) do update set amount = t.amount + excluded.amount;
do $$ begin execute 'select 1'; end $$;
with late as (select id from orders where net > 100) delete from orders using late where orders.id = late.id and false;
alter table orders rename column total to gross;
create index concurrently none on orders (id);
update customers set name = upper(name);
create materialized view sums as select customer, sum(net) as net from orders group by 1 with data;
with seen as (insert into customers (id) select -customer from sums where false returning id) select count(*) from seen;
-- migrate:down
drop table totals;
";

fn shop(url: &str) -> Shop {
    let shop = Shop::of(url);
    std::fs::create_dir(shop.path("migrations")).unwrap();
    shop.write("migrations/1_orders.sql", FIRST);
    shop.write("migrations/2_net.sql", SECOND);
    // what psql runs: without what goes back, and without what is for nobody's transaction
    let up =
        SECOND.split("-- migrate:down").next().unwrap().replace("create index concurrently none on orders (id);", "");
    shop.write("up.sql", &up);
    shop
}

fn edges(report: &Value, which: &str) -> BTreeSet<String> {
    let all = report["migration"]["sources"][0]["lineage"][which].as_array().unwrap().iter();
    let text = |edge: &Value, key: &str| edge[key].as_str().unwrap().to_owned();
    all.map(|edge| {
        format!(
            "{} <- {} {} {}",
            text(edge, "target"),
            text(edge, "source"),
            text(edge, "subtype"),
            text(edge, "origin")
        )
    })
    .collect()
}

fn has(edges: &BTreeSet<String>, wanted: &[&str]) {
    for edge in wanted {
        assert!(edges.contains(*edge), "{edge} is not in {edges:#?}");
    }
}

/// Guards the second migration, and holds what is told of it.
async fn guarded(shop: &Shop, url: &str) -> Value {
    let psql = programs().unwrap().join("psql").display().to_string();
    let psql = [psql.as_str(), "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-f", "up.sql", url];
    let guard = ["guard", "--migrations", "migrations", "--control", "200ms", "--output", "json", "--"];
    let run = shop.run(&[&guard[..], &psql].concat());
    let report = run.json();
    assert_eq!(report["migration"]["command_status"], 0, "{}", run.err);
    let added = edges(&report, "added");
    has(
        &added,
        &[
            "public.orders.net <- public.orders.gross TRANSFORMATION migration 2_net.sql:3",
            "public.orders.net <- public.orders.status FILTER migration 2_net.sql:3",
            "public.totals.amount <- public.orders.net AGGREGATION migration 2_net.sql:5",
            "public.totals.amount <- public.customers.id JOIN migration 2_net.sql:5",
            "public.totals.customer <- public.orders.customer IDENTITY migration 2_net.sql:5",
            "public.customers.name <- public.customers.name TRANSFORMATION migration 2_net.sql:11",
            "public.customers.id <- public.sums.customer TRANSFORMATION migration 2_net.sql:13",
        ],
    );
    assert!(!added.iter().any(|edge| edge.contains("1_orders")), "it had run: {added:#?}");
    let renamed = &report["migration"]["sources"][0]["lineage"]["renamed"];
    assert_eq!(*renamed, json!([{ "from": "public.orders.total", "to": "public.orders.gross" }]));
    assert_eq!(edges(&report, "removed"), BTreeSet::new());
    let export = shop.json(&["lineage", "export", "--as", "json", "--no-read"], 0);
    let certainty: BTreeSet<&str> = export["edges"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|edge| edge["origin"].as_str().unwrap().starts_with("migration "))
        .map(|edge| edge["certainty"].as_str().unwrap())
        .collect();
    assert_eq!(certainty, ["exact"].into());
    report
}

fn notes(report: &Value) -> String {
    report["notes"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_server_says_what_a_migrations_statements_write() {
    let server = Server::get().await.unwrap();
    let url = server.url(USER, &server.database("").await.unwrap());
    let mut source = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(TABLES).execute(&mut source).await.unwrap();
    let shop = shop(&url);
    let report = guarded(&shop, &url).await;
    let notes = notes(&report);
    // what is made while it runs is told, and so is what runs in no transaction; nothing else
    assert!(
        notes.contains("migration 2_net.sql:7: execute: the statement is made while it runs")
            && notes.contains("2_net.sql:10 was not understood"),
        "{notes}"
    );
    assert!(notes.matches("not understood").count() == 1 && !notes.contains("not on the shadow"), "{notes}");
    let text = shop.run(&["lineage", "up", "totals.amount"]).gives(0).out;
    assert!(text.contains("public.orders.net  (direct aggregation by migration 2_net.sql:5, exact)"), "{text}");
    // nothing was tried on the source
    let tried: i64 = sqlx::query_scalar("select count(*) from pg_proc where proname like 'fieldmark%'")
        .fetch_one(&mut source)
        .await
        .unwrap();
    assert_eq!(tried, 0);
    // the next time nothing is pending
    sqlx::raw_sql("insert into schema_migrations values ('2')").execute(&mut source).await.unwrap();
    let before = shop.json(&["before", "--migrations", "migrations", "--control", "0s"], 0);
    assert!(before["notes"].to_string().contains("every script in migrations has run already"), "{before:#}");
    // a table that is gone has no columns any more
    sqlx::raw_sql("drop table totals").execute(&mut source).await.unwrap();
    let unused = shop.json(&["lineage", "unused"], 0).to_string();
    assert!(!unused.contains("public.totals"), "{unused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_server_is_left_as_it_was() {
    let server = Server::get().await.unwrap();
    let url = server.url(USER, &server.database("").await.unwrap());
    let mut source = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(TABLES).execute(&mut source).await.unwrap();
    let pair = Pair::start().await.unwrap();
    let scratch = pair.primary();
    let shop = shop(&url);
    let with = |shadow: &str| {
        let text =
            format!("version: 1\nstate_dir: state\nsources:\n  shop: {{ url: \"{url}\", shadow_url: \"{shadow}\" }}\n");
        shop.write("fieldmark.yaml", &text);
    };
    with(&scratch);
    let mut keeper = PgConnection::connect(&scratch).await.unwrap();
    // what one that was killed has left behind, what one may still be at, and what only looks like it
    let now = chrono::Utc::now().timestamp();
    let others = [
        format!("fieldmark_shadow_{}_0123abcd", now - 100_000),
        format!("fieldmark_shadow_{now}_0123abcd"),
        "fieldmark_shadow_of_somebody".to_owned(),
    ];
    for name in &others {
        sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut keeper).await.unwrap();
    }
    let report = guarded(&shop, &url).await;
    let left = "select datname::text from pg_database where datname like 'fieldmark%' order by 1";
    let left: Vec<String> = sqlx::query_scalar(left).fetch_all(&mut keeper).await.unwrap();
    assert_eq!(left, others[1..], "{}", notes(&report));
    // who may make no databases is told so, and the scripts are resolved by their text
    sqlx::raw_sql("create role poor login").execute(&mut keeper).await.unwrap();
    sqlx::raw_sql("update schema_migrations set version = '1'").execute(&mut source).await.unwrap();
    with(&scratch.replace("keeper", "poor"));
    let told = shop.json(&["before", "--migrations", "migrations", "--control", "0s"], 0);
    assert!(notes(&told).contains("resolved by their text: ") && notes(&told).contains("CREATEDB"), "{}", notes(&told));
    // the source's own server is refused before anything is done
    with(&url);
    let refused = shop.run(&["before", "--migrations", "migrations"]).gives(78);
    assert!(refused.err.contains("names the server of the source itself"), "{}", refused.err);
    // by another name it is found out when it is asked
    with(&url.replace("127.0.0.1", "localhost"));
    let told = shop.json(&["before", "--migrations", "migrations", "--control", "0s"], 0);
    assert!(notes(&told).contains("names the server of the source itself"), "{}", notes(&told));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_are_known_by_the_statements() {
    let mut market = Market::new("create table orders (id int primary key, total decimal(9,2), note text)").await;
    market.sql("insert into orders select seq, seq, concat('n', seq) from seq_1_to_300").await;
    std::fs::create_dir(market.path("migrations")).unwrap();
    // two columns of one type change places with two new ones: by their values nobody could tell
    let script = "alter table orders change total amount decimal(9,2), add column old_note text;\nupdate orders set old_note = note, \
                  amount = amount + 1;\nalter table orders drop column note";
    market.write("migrations/1_names.up.sql", script);
    market.json(&["before", "--migrations", "migrations", "--control", "0s"], 0);
    for statement in script.split(';') {
        market.sql(statement).await;
    }
    let report = market.json(&["after", "--control", "0s"], 0);
    let columns = report["tables"][0]["columns"].as_array().unwrap().clone();
    let of = |name: &str| columns.iter().find(|column| column["column"] == name).unwrap().clone();
    for (name, from) in [("amount", "total"), ("old_note", "note")] {
        let column = of(name);
        assert_eq!(
            (&column["renamed_from"], &column["renamed_by"]),
            (&json!(from), &json!("statements")),
            "{column:#}"
        );
    }
    assert_eq!((&of("amount")["changed"], &of("old_note")["changed"]), (&json!(300), &json!(0)), "{columns:#?}");
    let added = edges(&report, "added");
    let is_copied = |edge: &&String| edge.ends_with("orders.note IDENTITY migration 1_names.up.sql:2");
    assert_eq!(added.iter().filter(is_copied).count(), 1, "{added:#?}");
    market.close().await;
}

#[test]
fn what_is_no_script_is_told_before_anything_is_done() {
    let shop =
        Shop::with_rules("create table t (a int primary key); insert into t values (1);", "rules:\n  - not_null: a\n");
    for (path, why) in [("nowhere", "No such file or directory"), ("rules", "no script that goes forward is in it")] {
        let run = shop.run(&["guard", "--migrations", path, "--", "touch", "ran"]).gives(2);
        assert!(run.err.contains("--migrations: ") && run.err.contains(why), "{}", run.err);
        assert!(!shop.path("ran").exists());
    }
    // a script may be anything; its literals are nobody's concern
    shop.write("one.sql", "alter table t rename column a to b; this is 'hunter2'; insert into t values ('hunter2'");
    let report = shop.run(&["guard", "--migrations", "one.sql", "--control", "0s", "--output", "json", "--", "true"]);
    assert!(!report.out.contains("hunter2") && report.out.contains("migration one.sql:1: "), "{}", report.out);
    let both = shop.run(&["before", "--migrations", "one.sql", "--source", "shop,other"]);
    assert_ne!(both.code, 0);
}
