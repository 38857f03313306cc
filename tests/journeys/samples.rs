//! Samples that decide: strata, known failing rows, passes that are rare, budgets.

use super::served::Served;
use super::shop::Shop;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;

const ORDERS: u64 = 60_000;
/// A sample that is too small to find one failing row in sixty thousand but by chance, and a bound that it can reach.
const CHECK: [&str; 7] = ["check", "--sample", "2000", "--seed", "3", "--no-enlarge", "--duty=100%"];

/// Orders with ids from 1, all of them paid.
fn orders(from: u64, to: u64) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
         INSERT INTO orders SELECT i, 'paid', 'k' || i, i % 1000 FROM n;"
    )
}

fn shop(rule: &str) -> Shop {
    let shop = Shop::new(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, code TEXT, customer_id INTEGER);
         CREATE TABLE customers (id INTEGER, name TEXT);
         INSERT INTO customers SELECT value, 'n' FROM json_each('[{}]');{}",
        (0..1000).map(|id| id.to_string()).collect::<Vec<_>>().join(","),
        orders(1, ORDERS)
    ));
    shop.write("rules/orders.yaml", &format!("version: 1\ntable: shop.orders\nrules:\n  - {rule}\n"));
    shop
}

const STATUS: &str = "in_set: { column: status, values: [paid] }\n    detect: 1%";

#[track_caller]
fn json(shop: &Shop, arguments: &[&str], code: i32) -> Value {
    let all: Vec<&str> = arguments.iter().copied().chain(["--output", "json"]).collect();
    shop.run(&all).gives(code).json()
}

fn strata(report: &Value) -> Vec<(&str, &str, u64)> {
    let samples = report["samples"].as_array().unwrap().iter();
    let text = |sample: &'_ Value, key: &str| sample[key].as_str().unwrap().to_owned();
    samples
        .map(|sample| {
            let (stratum, method) = (text(sample, "stratum"), text(sample, "method"));
            (String::leak(stratum) as &str, String::leak(method) as &str, sample["rows"].as_u64().unwrap())
        })
        .collect()
}

#[test]
fn rows_since_the_last_check_are_all_read() {
    let shop = shop(STATUS);
    let first = json(&shop, &CHECK, 0);
    assert_eq!(strata(&first), [("table", "random keys", 2000)]);
    shop.sql(&orders(ORDERS + 1, ORDERS + 300));
    shop.sql(&format!("UPDATE orders SET status = 'lost' WHERE id > {ORDERS} AND id % 15 = 0"));
    let second = json(&shop, &CHECK, 1);
    assert_eq!(strata(&second), [("body", "random keys", 2000), ("recent", "all rows", 300)]);
    let outcome = &second["outcomes"][0];
    assert_eq!((&outcome["failed"], &outcome["checked"]), (&Value::from(20), &Value::from(2300)));
    let fraction = outcome["fraction"].as_f64().unwrap();
    assert!((fraction - 20.0 / (ORDERS as f64 + 300.0)).abs() < 1e-5, "weighted by the strata: {fraction}");
    assert_eq!(outcome["population"].as_u64().map(|rows| rows.abs_diff(ORDERS + 300) < 300), Some(true), "{outcome:#}");
}

#[test]
fn bad_new_rows_are_not_averaged_away_by_old_good_ones() {
    let shop = shop("in_set: { column: status, values: [paid] }\n    tolerance: 1%");
    json(&shop, &CHECK, 0);
    shop.sql(&orders(ORDERS + 1, ORDERS + 300));
    shop.sql(&format!("UPDATE orders SET status = 'lost' WHERE id > {ORDERS} AND id % 15 = 0"));
    let report = json(&shop, &CHECK, 1);
    let outcome = &report["outcomes"][0];
    assert!(outcome["interval"][1].as_f64().unwrap() < 0.01, "the table as a whole is within the tolerance");
    let detail = outcome["detail"].as_str().unwrap();
    assert!(detail.contains("rows since the last check") && detail.contains("6.7 %"), "{detail}");
}

#[test]
fn recent_rows_beyond_the_cap_are_sampled_and_not_cut_off() {
    let shop = shop(STATUS);
    json(&shop, &CHECK, 0);
    // of the newest 20 000, those that were written last are bad: a cut at the cap would not see them
    shop.sql(&orders(ORDERS + 1, ORDERS + 20_000));
    shop.sql(&format!("UPDATE orders SET status = 'lost' WHERE id > {}", ORDERS + 16_000));
    let report = json(&shop, &CHECK, 1);
    let [("body", "random keys", 2000), ("recent", "random keys", rows)] = strata(&report)[..] else {
        panic!("{report:#}");
    };
    assert!((1000..2000).contains(&rows), "{rows}");
    let interval = &report["outcomes"][0]["interval"];
    let truth = 4_000.0 / (ORDERS as f64 + 20_000.0);
    assert!(interval[0].as_f64().unwrap() <= truth && truth <= interval[1].as_f64().unwrap(), "{interval}");
}

#[test]
fn a_narrowed_check_leaves_the_watermark_where_it_is() {
    let shop = shop(&format!("{STATUS}\n  - not_null: [code]\n    detect: 1%"));
    json(&shop, &CHECK, 0);
    shop.sql(&orders(ORDERS + 1, ORDERS + 300));
    shop.sql(&format!("UPDATE orders SET status = 'lost' WHERE id = {}", ORDERS + 7));
    let narrowed: Vec<&str> = CHECK.iter().copied().chain(["--rule", "shop.orders.not_null.code"]).collect();
    assert_eq!(strata(&json(&shop, &narrowed, 0)).len(), 2);
    let all = json(&shop, &CHECK, 1);
    assert_eq!(all["outcomes"][0]["failed"], 1, "the other rule has not seen them yet");
    assert_eq!(strata(&json(&shop, &CHECK, 1)), [("table", "random keys", 2000)], "nothing is newer now");
}

#[test]
fn a_rule_has_not_healed_while_a_known_row_still_fails() {
    let shop = shop(STATUS);
    shop.sql("UPDATE orders SET status = 'lost' WHERE id = 31417");
    let found = json(&shop, &["check", "--full"], 1);
    assert_eq!(found["outcomes"][0]["failed"], 1);
    let sampled = json(&shop, &CHECK, 1);
    let outcome = &sampled["outcomes"][0];
    assert_eq!((&outcome["status"], &outcome["failed"]), (&"failed".into(), &0.into()), "the sample did not meet it");
    let known = &outcome["known_failing"];
    assert_eq!((&known["known"], &known["failing"]), (&1.into(), &1.into()));
    let of = |time: &Value| time.as_str().unwrap().to_owned();
    let during = of(&found["started"])..=of(&found["finished"]);
    assert!(during.contains(&of(&known["since"])), "since the check that found it: {known}");
    assert_eq!(outcome["examples"], serde_json::json!(["id=31417"]));
    assert!(outcome["detail"].as_str().unwrap().contains("1 of 1 known failing row still fails"), "{outcome:#}");
    let weight = json(&shop, &["check", "--sample", "2000", "--seed", "3", "--no-enlarge"], 1);
    assert_eq!(weight["outcomes"][0]["fraction"], 0.0, "it has no weight in the estimate");
    shop.sql("UPDATE orders SET status = 'paid' WHERE id = 31417");
    let healed = json(&shop, &CHECK, 0);
    let known = &healed["outcomes"][0]["known_failing"];
    assert_eq!((&known["known"], &known["failing"]), (&1.into(), &0.into()));
    assert_eq!(json(&shop, &CHECK, 0)["outcomes"][0]["known_failing"], Value::Null, "and is forgotten");
}

#[test]
fn known_rows_of_another_meaning_say_nothing() {
    let shop = shop(STATUS);
    shop.sql("UPDATE orders SET status = 'lost' WHERE id = 31417");
    json(&shop, &["check", "--full"], 1);
    let other = "in_set: { column: status, values: [paid, new] }\n    detect: 1%";
    shop.write("rules/orders.yaml", &format!("version: 1\ntable: shop.orders\nrules:\n  - {other}\n"));
    assert_eq!(json(&shop, &CHECK, 0)["outcomes"][0]["known_failing"], Value::Null);
}

#[test]
fn keys_that_are_pii_are_not_kept() {
    let shop = shop(STATUS);
    shop.write("rules/orders.yaml", &format!("version: 1\ntable: shop.orders\npii: [id]\nrules:\n  - {STATUS}\n"));
    shop.sql("UPDATE orders SET status = 'lost' WHERE id = 31417");
    json(&shop, &["check", "--full"], 1);
    let state = std::fs::read_to_string(shop.path("state/state/shop.json")).unwrap();
    assert!(!state.contains("31417"), "{state}");
}

/// One row of every block does not tell, and there are no other blocks: all rows are read, where that is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn where_all_blocks_were_drawn_and_do_not_tell_all_rows_are_read() {
    let mut served = Served::new("create table orders (id uuid primary key, status text)").await;
    let rows = "select gen_random_uuid(), 'paid' from generate_series(1, 60000)";
    served.sql(&format!("insert into orders {rows}; analyze orders")).await;
    served.write("rules/orders.yaml", "version: 1\ntable: shop.orders\nrules:\n  - not_null: [status]\n");
    let report = served.json(&["check", "--duty", "100%"], 0).await;
    assert_eq!(strata(&report), [("table", "all rows", 60_000)]);
    // not where the budget has no room for them, nor where one look is all that is wished for
    let report = served.json(&["check", "--duty", "100%", "--no-enlarge"], 2).await;
    assert_eq!((strata(&report)[0].1, &report["outcomes"][0]["status"]), ("blocks", &"inconclusive".into()));
    let config = std::fs::read_to_string(served.path("fieldmark.yaml")).unwrap();
    served.write("fieldmark.yaml", &config.replace("\" }", "\", budget: { rows_per_check: 50000 } }"));
    let report = served.json(&["check", "--duty", "100%"], 2).await;
    assert_eq!((strata(&report)[0].1, &report["outcomes"][0]["status"]), ("blocks", &"inconclusive".into()));
}

/// What another query has answered says nothing of this one.
#[test]
fn a_query_that_was_changed_does_not_wait_for_the_old_ones_day() {
    let shop = shop("{ id: asked, sql: SELECT id FROM orders WHERE id < 0, full_every: 1d }");
    let config = std::fs::read_to_string(shop.path("fieldmark.yaml")).unwrap();
    shop.write("fieldmark.yaml", &config.replace("shop.db\" }", "shop.db\", sql: allow }"));
    let reason = |code: i32| json(&shop, &["check"], code)["outcomes"][0]["reason"].clone();
    assert_eq!((reason(0), reason(2)), ("the query gives no row".into(), "too_expensive".into()));
    let rules = std::fs::read_to_string(shop.path("rules/orders.yaml")).unwrap();
    shop.write("rules/orders.yaml", &rules.replace("id < 0", "id < 3"));
    assert_eq!(json(&shop, &["check"], 1)["outcomes"][0]["failed"], 2);
}

/// `unique` without an index and `references` to columns without one: a pass over the table answers, once a day.
#[test]
fn what_no_index_answers_is_answered_by_one_pass_a_day() {
    for (rule, fault, failed) in [
        ("unique: [code]", "UPDATE orders SET code = 'k1' WHERE id % 2 = 0", 30_001),
        (
            "references: { column: customer_id, to: customers.id }",
            "DELETE FROM customers WHERE id % 10 = 3; INSERT INTO customers SELECT 100000 + id, 'n' FROM orders",
            6_000,
        ),
    ] {
        let shop = shop(rule);
        shop.sql("INSERT INTO customers SELECT 100000 + id, 'n' FROM orders");
        assert_eq!(json(&shop, &["check", "--sample", "5000", "--no-enlarge"], 0)["outcomes"][0]["status"], "passed");
        shop.sql(fault);
        let refused = json(&shop, &["check", "--sample", "5000", "--no-enlarge"], 2);
        let outcome = &refused["outcomes"][0];
        assert_eq!(outcome["reason"], "too_expensive", "{rule}");
        assert!(outcome["detail"].as_str().unwrap().contains("full_every: 1 d"), "{outcome:#}");
        let full = json(&shop, &["check", "--full"], 1);
        assert_eq!(full["outcomes"][0]["failed"], failed, "{rule}");
        // the owner may ask more often
        let config = std::fs::read_to_string(shop.path("fieldmark.yaml")).unwrap();
        shop.write("fieldmark.yaml", &config.replace("shop.db\" }", "shop.db\", full_every: 0s }"));
        let sampled = json(&shop, &["check", "--sample", "5000", "--no-enlarge", "--seed", "5"], 1);
        let interval = &sampled["outcomes"][0]["interval"];
        let truth = failed as f64 / ORDERS as f64;
        assert!(interval[0].as_f64().unwrap() <= truth && truth <= interval[1].as_f64().unwrap(), "{rule} {interval}");
    }
}

/// Keys of text in a table without rowids: nothing to draw by but the index itself.
#[test]
fn text_keys_are_drawn_by_segments_of_their_index() {
    let shop = Shop::new(
        "CREATE TABLE items (code TEXT PRIMARY KEY NOT NULL, price INTEGER) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         INSERT INTO items SELECT printf('%08x-%d', (i * 2654435761) % 4294967296, i), i FROM n;
         UPDATE items SET price = NULL WHERE price % 50 = 0;",
    );
    shop.write("rules/items.yaml", "version: 1\ntable: shop.items\nrules:\n  - not_null: [price]\n");
    let mut covered = 0;
    for seed in 0..20 {
        let report =
            json(&shop, &["check", "--sample", "1000", "--no-enlarge", "--duty=100%", "--seed", &seed.to_string()], 1);
        let outcome = &report["outcomes"][0];
        assert_eq!(strata(&report), [("table", "blocks", 1000)]);
        let interval = &outcome["interval"];
        covered += u32::from(interval[0].as_f64().unwrap() <= 0.02 && 0.02 <= interval[1].as_f64().unwrap());
        let population = report["samples"][0]["population"].as_u64().unwrap();
        assert!((98_000..102_000).contains(&population), "{population}");
    }
    // 95 % of 20; 16 or fewer come in one run of a thousand (binomial)
    assert!(covered >= 17, "{covered} of 20");
    let folder = shop.path("state/boundaries/shop");
    let kept: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(kept.len(), 1, "walked once");
    assert_eq!(kept[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_budget_that_is_spent_leaves_rules_unevaluated_and_is_kept() {
    let shop = shop("not_null: [code]");
    let config = std::fs::read_to_string(shop.path("fieldmark.yaml")).unwrap();
    // 36 microseconds in an hour: the first statement is allowed, and none after it
    shop.write("fieldmark.yaml", &config.replace("shop.db\" }", "shop.db\", budget: { server_time: 0.000001% } }"));
    for run in 0..2 {
        let report = json(&shop, &["check", "--full"], 2);
        let spent =
            report["errors"].to_string().contains("budget") || report["outcomes"][0]["reason"] == "budget_spent";
        assert!(spent, "run {run}: {report:#}");
    }
}

/// A PostgreSQL database with these tables, and this rule.
async fn served(sql: &str, rule: &str) -> Served {
    let served = Served::new(sql).await;
    served.write("rules/orders.yaml", &format!("version: 1\ntable: shop.orders\nrules:\n  - {rule}\n"));
    served
}

/// Order of ids is not order of commits: what a transaction that was open at the last check commits is recent all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_waits_for_open_transactions() {
    let mut served = served(
        "create table orders (id bigserial primary key, status text);
         insert into orders (status) select 'paid' from generate_series(1, 30000); analyze orders",
        STATUS,
    )
    .await;
    let mut slow = served.another().await;
    served.json(&CHECK, 0).await;
    // takes its id first, commits last
    sqlx::raw_sql("begin; insert into orders (status) values ('lost')").execute(&mut slow).await.unwrap();
    served.sql("insert into orders (status) select 'paid' from generate_series(1, 50)").await;
    assert_eq!(strata(&served.json(&CHECK, 0).await)[1], ("recent", "all rows", 50));
    sqlx::raw_sql("commit").execute(&mut slow).await.unwrap();
    let found = served.json(&CHECK, 1).await;
    assert_eq!(strata(&found)[1], ("recent", "all rows", 51), "those of before, and the one below them");
    assert_eq!(found["outcomes"][0]["failed"], 1);
}

/// Orders whose key says nothing of time, and a column that does: one a second.
async fn timed(orders: u32) -> Served {
    let sql = format!(
        "create table orders (id uuid primary key, status text, updated_at timestamptz not null);
         insert into orders select gen_random_uuid(), 'paid', '2024-01-01'::timestamptz + i * interval '1 s' from generate_series(1, {orders}) i;
         create index on orders (updated_at); analyze orders"
    );
    served(&sql, &STATUS.replace("1%", "5%")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn recent_rows_are_told_by_an_indexed_time() {
    // the unit drawn is the block: some hundred of them
    let mut served = timed(30000).await;
    served.json(&CHECK, 0).await;
    // old rows, newly written
    served
        .sql(
            "update orders set status = 'lost', updated_at = '2025-01-01' where updated_at <= '2024-01-01 00:00:40+00'",
        )
        .await;
    let found = served.json(&CHECK, 1).await;
    let [("body", "blocks", _), ("recent", "all rows", 40)] = strata(&found)[..] else { panic!("{found:#}") };
    let fraction = found["outcomes"][0]["fraction"].as_f64().unwrap();
    assert!((fraction - 40.0 / 30_000.0).abs() < 0.0002, "{fraction}");
    // more than the cap: segments of the index
    served
        .sql(
            "update orders set updated_at = '2026-01-01'::timestamptz + random() * interval '1 h'
             where id in (select id from orders where status = 'paid' limit 9000)",
        )
        .await;
    let sampled = served.json(&CHECK, 1).await;
    let [("body", "blocks", _), ("recent", "blocks", rows)] = strata(&sampled)[..] else { panic!("{sampled:#}") };
    assert!((1000..1100).contains(&rows), "{rows}");
}

/// One statement over the whole table leaves one time in all its rows: no segment of the index is small then.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_written_all_at_once_is_read_all_the_same() {
    let mut served = timed(80000).await;
    served.json(&CHECK, 0).await;
    served.sql("update orders set updated_at = '2025-01-01'; analyze orders").await;
    for _ in 0..2 {
        let checked = served.json(&CHECK, 0).await;
        assert_eq!(checked["outcomes"][0]["status"], "passed", "{checked:#}");
        assert_eq!(strata(&checked).len(), 1, "the body has all rows");
    }
    served
        .sql(
            "update orders set status = 'lost', updated_at = '2026-01-01' where id in (select id from orders limit 40)",
        )
        .await;
    assert_eq!(strata(&served.json(&CHECK, 1).await)[1], ("recent", "all rows", 40), "the watermark has moved on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_materialized_view_is_sampled() {
    let served = served(
        "create table paid (id integer primary key);
         insert into paid select generate_series(1, 100000);
         create materialized view orders as select id, case when id % 50 = 0 then 'lost' else 'paid' end as status from paid;
         analyze orders",
        "in_set: { column: status, values: [paid] }",
    )
    .await;
    let report = served.json(&CHECK, 1).await;
    // one row of each block
    let [("table", "blocks", rows)] = strata(&report)[..] else { panic!("{report:#}") };
    assert!((400..2000).contains(&rows), "{rows}");
    let interval = &report["outcomes"][0]["interval"];
    assert!(interval[0].as_f64().unwrap() <= 0.02 && 0.02 <= interval[1].as_f64().unwrap(), "{interval}");
}

/// Whoever runs the database says how many rows are read, and not who writes a rule.
#[test]
fn a_rule_file_does_not_lift_rows_per_check() {
    let shop = shop(STATUS);
    let config = shop.read("fieldmark.yaml");
    shop.write(
        "fieldmark.yaml",
        &config.replace("shop.db\" }", "shop.db\", sample: { rows: 1000 }, budget: { rows_per_check: 3000 } }"),
    );
    for sample in ["{ rows: 30000 }", "{ fraction: 50% }"] {
        let rules = format!("version: 1\ntable: shop.orders\nsample: {sample}\nrules:\n  - {STATUS}\n");
        shop.write("rules/orders.yaml", &rules);
        let report = json(&shop, &["check"], 0);
        assert_eq!(strata(&report).iter().map(|(.., rows)| rows).sum::<u64>(), 3000, "{sample}");
        let note = report["notes"].to_string();
        assert!(note.contains("of the 30 000 rows that its sample wishes rows_per_check allows 3 000"), "{note}");
    }
}

/// No index leads to a known orphan: that it was not read again is said, and it stays known.
#[test]
fn a_known_row_that_cannot_be_read_again_stays_known() {
    let shop = shop("references: { column: customer_id, to: customers.id }\n    detect: 1%");
    let config = shop.read("fieldmark.yaml");
    shop.write("fieldmark.yaml", &config.replace("shop.db\" }", "shop.db\", full_every: 0s }"));
    shop.sql("UPDATE orders SET customer_id = -1 WHERE id = 31417");
    assert_eq!(json(&shop, &["check", "--full"], 1)["outcomes"][0]["failed"], 1);
    for _ in 0..2 {
        let outcome = &json(&shop, &CHECK, 0)["outcomes"][0];
        let detail = outcome["detail"].as_str().unwrap();
        assert!(detail.ends_with("1 known failing row could not be read again"), "{detail}");
    }
    shop.sql("UPDATE orders SET customer_id = 1 WHERE id = 31417");
    json(&shop, &["check", "--full"], 0);
    let healed = json(&shop, &CHECK, 0);
    assert!(!healed["outcomes"][0]["detail"].as_str().unwrap().contains("known"), "{healed:#}");
}

/// A rule whose look-ups take longer than it allows is not evaluated, and the others are.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_takes_too_long_stops_alone() {
    let served = served(
        "create table orders (id integer primary key, status text, code text);
         insert into orders select i, 'paid', 'k' || i from generate_series(1, 200000) i; analyze orders",
        &format!("unique: [code]\n    timeout: 20ms\n  - {STATUS}"),
    )
    .await;
    let report = served.json(&CHECK, 2).await;
    let outcomes = report["outcomes"].as_array().unwrap();
    assert_eq!((&outcomes[0]["reason"], &outcomes[1]["status"]), (&"timeout".into(), &"passed".into()), "{report:#}");
    assert!(outcomes[0]["detail"].as_str().unwrap().contains("the rule's timeout was over"), "{report:#}");
}
