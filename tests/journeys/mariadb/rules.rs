//! Rules on MariaDB: each kind finds what it should, the SQL that reports print shows the same rows, and what `init` proposes holds.

use super::Market;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A table in which one row in ten fails whatever can fail; names compare as MariaDB does by default, without regard to case.
const TABLES: &str = r"
    create table parents (id int primary key);
    insert into parents select seq from seq_1_to_100;
    create table t (
        id int unsigned primary key, n int, word varchar(20), code varchar(20), twin varchar(20), parent int, typed varchar(20),
        doc text, `odd ``name` varchar(20), touched datetime(6), total decimal(10,2), part decimal(10,2), other decimal(10,2),
        flag boolean, latin varchar(20) character set latin1, key (twin), key (parent), key (touched));
    insert into t select
        seq, if(seq % 10, 12, null), if(seq % 10, 'new', 'NEW'), if(seq % 10, concat('c', seq), concat('C', seq)),
        if(seq <= 200, concat('w', seq % 100), concat('x', seq)), if(seq % 10, 1 + seq % 100, 9999),
        if(seq % 10, seq, 'twelve'), if(seq % 10, '{}', '{'), if(seq % 10, 'a\\b', 'a/b'), now(6), 3, 1, if(seq % 10, 2, 1),
        seq % 2, if(seq % 10, 'é', 'É')
        from seq_1_to_1000;
    analyze table t, parents;";

const RULES: &str = r"key: [id]
rules:
  - { id: present, not_null: n }
  - { id: set, in_set: { column: word, values: [new] } }
  - { id: set_in_latin, in_set: { column: latin, values: [é] } }
  - { id: form, matches: { column: code, pattern: '^c\d+$' } }
  - { id: alone, unique: twin }
  - { id: refers, references: { column: parent, to: parents.id } }
  - { id: whole, type_is: { column: typed, type: integer } }
  - { id: json, type_is: { column: doc, type: json } }
  - { id: short, length: { column: word, max: 2 }, where: id <= 10 }
  - { id: range, in_range: { column: id, max: 900 } }
  - { id: backslash, in_set: { column: 'odd `name', values: ['a\b'] } }
  - { id: sum, expect: total = part + other }
  - { id: case, expect: upper(word) = 'NEW' AND word <> 'NEW' }
  - { id: recent, fresh: { column: touched, within: 1d } }
  - { id: many, row_count: { min: 1000, max: 1000 } }
  - { id: spread, distribution: { column: n, null_fraction: '<= 5%' } }
  - { id: own, sql: 'SELECT id FROM t WHERE n IS NULL -- all' }
";

fn allow_sql(market: &Market) {
    market.write("fieldmark.yaml", &market.read("fieldmark.yaml").replace("\" }", "\", sql: allow }"));
}

/// Ids of rows that fail: every tenth, or what each rule has of its own.
fn failing(rule: &str) -> BTreeSet<u32> {
    match rule {
        "alone" => (1..=200).collect(),
        "short" => (1..=10).collect(),
        "range" => (901..=1000).collect(),
        _ => (1..=1000).filter(|id| id % 10 == 0).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_finds_its_rows_and_prints_sql_that_shows_them() {
    let mut market = Market::new(TABLES).await;
    allow_sql(&market);
    market.rules("t", RULES);
    let report = market.json(&["check"], 1);
    let outcomes = report["outcomes"].as_array().unwrap().clone();
    assert_eq!(outcomes.len(), 17, "{report:#}");
    for outcome in &outcomes {
        let rule = outcome["rule"].as_str().unwrap();
        if matches!(rule, "recent" | "many") {
            assert_eq!((&outcome["status"], &outcome["sql"]), (&json!("passed"), &Value::Null), "{outcome:#}");
            continue;
        }
        assert_eq!(outcome["status"], "failed", "{outcome:#}");
        let expected = failing(rule);
        if rule != "spread" {
            assert_eq!(outcome["failed"], expected.len(), "{outcome:#}");
        }
        let sql = outcome["sql"].as_str().unwrap();
        if rule == "spread" {
            assert_eq!(market.texts(sql).await, ["0.10000"], "{sql}");
        } else {
            let all = sql.replace(" LIMIT 100", "");
            let shown: BTreeSet<u32> = market.texts(&all).await.iter().map(|id| id.parse().unwrap()).collect();
            assert_eq!(shown, expected, "{rule}: {sql}");
        }
    }
    market.close().await;
}

/// What the two signs mean that MariaDB reads otherwise is not written.
#[tokio::test(flavor = "multi_thread")]
async fn sql_that_would_mean_something_else_is_not_printed() {
    let market = Market::new(TABLES).await;
    market.rules(
        "t",
        "rules:\n  - { id: joined, expect: \"word || code = 'x'\" }\n  - { id: cast, expect: 'n::text = word' }\n",
    );
    let report = market.json(&["check"], 1);
    for outcome in report["outcomes"].as_array().unwrap() {
        assert_eq!((&outcome["status"], &outcome["sql"]), (&json!("failed"), &Value::Null), "{outcome:#}");
    }
    market.close().await;
}

/// Proposals hold on the data they come from, and each finds what is planted against it.
#[tokio::test(flavor = "multi_thread")]
async fn proposals_hold_and_catch_what_breaks_them() {
    let tables = "
        create table customers (id int primary key auto_increment, email varchar(60), country char(2), born date);
        insert into customers
            select seq, concat('u', seq, '@example.com'), elt(1 + seq % 3, 'DE', 'FR', 'IT'), date '1980-01-01' + interval seq day
            from seq_1_to_2000;
        create table orders (
            id bigint primary key, customer_id int, status enum('new','paid') not null, subtotal decimal(10,2), tax decimal(10,2),
            total decimal(10,2), amount int check (amount > 0), paid_at datetime, placed_at timestamp not null default current_timestamp,
            key (customer_id));
        insert into orders
            select seq, 1 + seq % 2000, 'new', seq % 90, (seq % 90) / 10, seq % 90 + (seq % 90) / 10, 1 + seq % 5, null,
            now() - interval seq minute from seq_1_to_3000;
        analyze table customers, orders;";
    let mut market = Market::new(tables).await;
    let url = crate::server::mariadb::Server::get().await.unwrap().url(&market.reader, &market.database);
    for name in ["fieldmark.yaml", "rules"] {
        let path = market.path(name);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    let run = market.shown(&["init", &url, "--name", "shop"], 0);
    assert!(run.out.contains("rules proposed"), "{}", run.out);
    let proposed = market.read("rules/orders.yaml") + &market.read("rules/customers.yaml");
    for rule in [
        "unique: email",
        "references: { column: customer_id, to: customers.id }",
        "expect: total = subtotal + tax",
        "in_set: { column: country",
        "in_range: { column: subtotal",
    ] {
        assert!(proposed.contains(rule), "{rule}:\n{proposed}");
    }
    // what the type, the constraint and NOT NULL enforce is nobody's rule
    for rule in ["column: status", "column: amount, min", "not_null: [status", "not_null: placed_at"] {
        assert!(!proposed.contains(rule), "{rule}:\n{proposed}");
    }
    let with_url = |market: &Market, arguments: &[&str]| {
        super::Run::of(market.command(arguments).env("SHOP_URL", &url).output().unwrap())
    };
    with_url(&market, &["check"]).gives(0);
    market
        .sql(
            "update customers set email = 'u1@example.com', country = 'XX' where id = 7;
             update orders set customer_id = 999999, total = 1 where id = 8; update orders set subtotal = -5 where id = 9",
        )
        .await;
    let report = with_url(&market, &["check", "--output", "json"]).gives(1).json();
    let failed: BTreeSet<&str> = (report["outcomes"].as_array().unwrap().iter())
        .filter(|outcome| outcome["status"] == "failed")
        .map(|outcome| outcome["kind"].as_str().unwrap())
        .collect();
    for kind in ["unique", "in_set", "references", "expect", "in_range"] {
        assert!(failed.contains(kind), "{kind}: {failed:?}");
    }
    market.close().await;
}

/// Who may too much is told so, in the words of the server, and what takes it away is enough.
#[tokio::test(flavor = "multi_thread")]
async fn privileges_are_examined() {
    let mut market = Market::new(TABLES).await;
    market.rules("t", "rules:\n  - not_null: n\n");
    let (reader, database) = (market.reader.clone(), market.database.clone());
    let ids = |report: &Value| -> Vec<String> {
        let findings = report["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&market.json(&["doctor"], 0)), [""; 0]);
    for (grant, finding) in [
        (format!("insert, delete on {database}.t to {reader}@'%'"), "writes"),
        (format!("create on {database}.* to {reader}@'%'"), "creates"),
        (format!("file on *.* to {reader}@'%'"), "runs_programs"),
        (format!("create user on *.* to {reader}@'%'"), "administers"),
    ] {
        market.sql(&format!("grant {grant}")).await;
        let report = market.json(&["doctor"], 1);
        assert_eq!(ids(&report), [finding], "{report:#}");
        let remedy = report["findings"][0]["remedy"].as_str().unwrap();
        let (statement, _) = remedy.split_once(';').unwrap();
        // who was not given all of it cannot have all of it taken
        let statement = if finding == "administers" {
            format!("revoke create user on *.* from {reader}@'%'")
        } else {
            statement.to_owned()
        };
        market.sql(&statement).await;
        assert_eq!(ids(&market.json(&["doctor"], 0)), [""; 0], "{remedy}");
    }
    market
        .sql(&format!("revoke process on *.* from {reader}@'%'; revoke select on {database}.parents from {reader}@'%'"))
        .await;
    assert_eq!(ids(&market.json(&["doctor"], 1)), ["read_all_stats"]);
    market.rules("t", "rules:\n  - references: { column: parent, to: parents.id }\n");
    let refused = market.shown(&["check"], 78);
    assert!(refused.err.contains("tells nothing of a table of which the user may read nothing"), "{}", refused.err);
    let script = market.shown(&["doctor", "--grants", &reader], 0).out;
    market.sql(&script).await;
    assert_eq!(ids(&market.json(&["doctor"], 0)), [""; 0]);
    market.shown(&["check"], 1);
    // of some columns alone, the others are not told of
    market.rules("t", "rules:\n  - { id: may, not_null: n }\n");
    let some = format!(
        "revoke select on {database}.t from {reader}@'%'; grant select (id, n) on {database}.t to {reader}@'%'"
    );
    market.sql(&some).await;
    let report = market.json(&["check"], 1);
    assert_eq!(report["outcomes"][0]["failed"], 100, "{report:#}");
    market.rules("t", "rules:\n  - { id: may_not, not_null: word }\n");
    let refused = market.shown(&["check"], 78);
    assert!(refused.err.contains("tells nothing of a column that the user may not read"), "{}", refused.err);
    market.close().await;
}

/// A server that does not let one in says who has to do what.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_says_why() {
    let mut market = Market::new("create table t (id int primary key)").await;
    market.rules("t", "rules:\n  - row_count: { min: 0 }\n");
    let told = |market: &Market| {
        let report = market.json(&["check"], 2);
        let error = report["errors"][0].clone();
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        (text("what"), text("remedy"))
    };
    market.shown(&["check"], 0);
    let (reader, database) = (market.reader.clone(), market.database.clone());
    market.sql(&format!("revoke all, grant option from {reader}@'%'")).await;
    let (what, remedy) = told(&market);
    assert!(what.ends_with("refused the login (1044)") && remedy.starts_with("GRANT SELECT"), "{what} {remedy}");
    market
        .sql(&format!("grant select on {database}.t to {reader}@'%'; alter user {reader}@'%' identified by 'another'"))
        .await;
    let (what, remedy) = told(&market);
    assert!(what.ends_with("refused the login (1045)") && remedy.contains("user and password"), "{what} {remedy}");
    market.close().await;
}
