//! Rows are told apart by what the database guarantees, whatever a rule file calls their key.

use crate::journeys::served::Served;
use crate::journeys::shop::{Shop, fill, outcome};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The tool's own hint for a table without a key is to name one: that does not make its values unique.
#[test]
fn a_key_of_the_rule_file_hides_no_duplicate() {
    let sql = "CREATE TABLE staged (order_no TEXT, n INTEGER);
         CREATE TABLE coded (code TEXT PRIMARY KEY, v INTEGER, n INTEGER);
         INSERT INTO coded (code, v) VALUES (NULL, 1), (NULL, 1), ('a', 2);";
    let shop = Shop::new(&[sql, &fill("staged", 60_000, "'A' || (i / 2 * 2), i")].concat());
    shop.rules("staged", "key: [order_no]\nrules:\n  - { unique: [order_no], id: staged }\n");
    // SQLite allows NULL in such a key
    shop.rules("coded", "rules:\n  - { unique: [v], id: coded }\n");
    let full = shop.json(&["check", "--full"], 1);
    assert_eq!(outcome(&full, "staged")["failed"], 59_998);
    assert_eq!(outcome(&full, "coded")["failed"], 2);
    let sampled = shop.json(&["check", "--sample", "2000"], 1);
    let staged = outcome(&sampled, "staged");
    assert_eq!((&staged["sampled"], &staged["status"]), (&true.into(), &"failed".into()), "{staged:#}");
}

/// A key of the parent is none of its heirs.
#[tokio::test(flavor = "multi_thread")]
async fn heirs_share_no_key() {
    let served = Served::new(
        "create table base (id integer primary key, n integer);
         create table heir (primary key (id)) inherits (base);
         insert into base select i, i from generate_series(1, 500) i;
         insert into heir select i, i from generate_series(501, 1000) i;
         insert into heir values (7, 7); analyze",
    )
    .await;
    served.rules("base", "rules:\n  - { unique: [id], id: id }\n");
    let report = served.run(&["check", "--full", "--output", "json"]).await.json();
    // nothing tells the two rows apart for certain: they are called duplicates only if nobody on the server wrote meanwhile
    let id = outcome(&report, "id");
    let told = id["status"] == "failed" && id["failed"] == 2;
    assert!(told || id["reason"] == "not_sampleable", "{id:#}");
}

/// An application that replaces rows of a table without a key: the row is met twice, under two numbers, and is one.
#[test]
fn a_replaced_row_is_no_duplicate() {
    let shop = Shop::new(
        &["PRAGMA journal_mode = wal; CREATE TABLE cache (k INTEGER, v TEXT);", &fill("cache", 40_000, "i, 'v'")]
            .concat(),
    );
    shop.rules("cache", "rules:\n  - { unique: [k], id: k }\n");
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, path) = (Arc::clone(&stop), shop.path("shop.db"));
    let writer = std::thread::spawn(move || {
        let mut database = Connection::open(path).unwrap();
        database.busy_timeout(Duration::from_secs(30)).unwrap();
        for k in (1..40_000).cycle() {
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            let transaction = database.transaction().unwrap();
            transaction.execute("DELETE FROM cache WHERE k BETWEEN ?1 AND ?1 + 200", [k]).unwrap();
            let again = "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + 200)
                         INSERT INTO cache SELECT i, 'v' FROM n";
            transaction.execute(again, [k]).unwrap();
            transaction.commit().unwrap();
        }
    });
    let runs: Vec<_> =
        (0..10).map(|_| shop.run(&["check", "--full", "--duty", "100%", "--output", "json"]).json()).collect();
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    for report in runs {
        assert_ne!(outcome(&report, "k")["status"], "failed", "{report:#}");
    }
}

/// Versions of customers, of each of whom one at most is to be current; `values` are SQL over `i`, `keys` more keys of the rule.
fn versions(rows: u32, values: &str, keys: &str) -> Shop {
    let table = "CREATE TABLE versions (id INTEGER PRIMARY KEY, customer INTEGER, is_current INTEGER);
                 CREATE INDEX by_customer ON versions (customer);";
    let shop = Shop::new(&[table, &fill("versions", rows, values)].concat());
    shop.rules(
        "versions",
        &format!("rules:\n  - {{ unique: [customer], where: is_current = 1, id: current{keys} }}\n"),
    );
    shop
}

/// An index leads to thousands of versions of a value of which two count: a pass finds them.
#[test]
fn current_versions_among_many_are_found() {
    // the two newest versions of each of twenty customers are current
    let shop = versions(30_000, "i, (i - 1) / 1500, (i - 1) % 1500 >= 1498", "");
    let full = shop.json(&["check", "--full"], 1);
    assert_eq!(outcome(&full, "current")["failed"], 40);
    let sampled = shop.json(&["check", "--sample", "5000", "--seed", "1"], 1);
    let current = outcome(&sampled, "current");
    assert_eq!((&current["sampled"], &current["status"]), (&true.into(), &"failed".into()), "{current:#}");
}

/// Rows that wait for a pass and rows that an index answers count together.
#[test]
fn what_waits_and_what_does_not_count_together() {
    // too few versions of each to be lost among them
    let shop = versions(27_000, "i, (i - 1) / 90, (i - 1) % 90 = 89", ", detect: 10%");
    let check = ["check", "--sample", "5000", "--seed", "1", "--no-enlarge"];
    let first = shop.json(&check, 0);
    let checked = outcome(&first, "current")["checked"].as_u64().unwrap();
    assert!(checked > 20, "{first:#}");
    // all of them recent, of one customer, and the last two current
    shop.sql(&fill("versions (customer, is_current)", 1500, "999, i > 1498"));
    let second = shop.json(&check, 1);
    let current = outcome(&second, "current");
    assert_eq!((&current["status"], &current["failed"]), (&"failed".into(), &2.into()), "{current:#}");
    assert!(current["checked"].as_u64().unwrap() > 20, "those of the body count, too: {current:#}");
}

/// A row is followed through a migration by its key, and looked up by it, also where SQLite allows the key to be NULL.
#[test]
fn a_row_that_lost_its_parent_is_followed() {
    let tables = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
                  CREATE TABLE t (id TEXT PRIMARY KEY, parent_id INTEGER);";
    let shop = Shop::new(&[tables, &fill("parents", 100, "i"), &fill("t", 2_000, "'t' || i, 1 + i % 100")].concat());
    shop.rules("t", "rules: [ { references: { column: parent_id, to: parents.id }, id: parent } ]\n");
    shop.json(&["before", "--control", "1s"], 0);
    shop.sql("UPDATE t SET parent_id = 9999 WHERE id > 't5'");
    let after = shop.json(&["after", "--control", "1s"], 1);
    let orphans = shop.number("SELECT count(*) FROM t WHERE parent_id = 9999");
    let reason = after["tables"][0]["reasons"][0].as_str().unwrap();
    assert_eq!(
        reason,
        format!("the rule parent passed before and fails now: {orphans} rows of the mark that passed before")
    );
}
