//! The README's examples, run as they stand there.

use super::{ended, fieldmark, json};
use std::path::Path;

/// The n-th fenced block of that language in the README.
fn block(language: &str, number: usize) -> String {
    let readme = include_str!("../../README.md");
    let fence = format!("```{language}\n");
    let start = readme.split(&fence).nth(number + 1).expect("the README has such a block");
    start.split("```").next().unwrap().to_owned()
}

/// The README's configuration and rules, and a shop that they fit.
fn shop(folder: &Path) -> rusqlite::Connection {
    std::fs::create_dir(folder.join("rules")).unwrap();
    std::fs::write(folder.join("fieldmark.yaml"), block("yaml", 0)).unwrap();
    std::fs::write(folder.join("rules/orders.yaml"), block("yaml", 1)).unwrap();
    let database = rusqlite::Connection::open(folder.join("shop.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY);
             CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, status TEXT, created_at TEXT, shipped_at TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO customers SELECT i FROM n;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO orders SELECT i, 1 + i % 100, 'shipped', '2024-01-01 00:00:00', '2024-01-02 00:00:00' FROM n;",
        )
        .unwrap();
    database
}

#[test]
fn the_first_check_finds_what_sql_finds() {
    let folder = tempfile::tempdir().unwrap();
    let database = shop(folder.path());
    let (code, out, err) = ended(&fieldmark(folder.path(), &["check"]));
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("all 2 000 rows pass") && out.contains("5 passed"), "{out}");

    database
        .execute_batch(
            "UPDATE orders SET customer_id = 7777 WHERE id % 500 = 1;
             UPDATE orders SET status = 'lost' WHERE id % 400 = 2;
             UPDATE orders SET shipped_at = NULL WHERE id % 250 = 3;",
        )
        .unwrap();
    let report = json(folder.path(), &["check"], 1);
    for (rule, sql) in [
        ("shop.orders.references.customer_id", "customer_id NOT IN (SELECT id FROM customers)"),
        ("shop.orders.in_set.status", "status NOT IN ('new', 'paid', 'shipped', 'cancelled')"),
        ("shipped_has_a_date", "status = 'shipped' AND shipped_at IS NULL"),
        ("shop.orders.not_null.created_at", "created_at IS NULL"),
    ] {
        let truth: i64 =
            database.query_row(&format!("SELECT count(*) FROM orders WHERE {sql}"), [], |row| row.get(0)).unwrap();
        let outcome = report["outcomes"].as_array().unwrap().iter().find(|outcome| outcome["rule"] == rule).unwrap();
        assert_eq!(outcome["failed"], truth, "{rule}");
        assert_eq!(outcome["status"], if truth == 0 { "passed" } else { "failed" }, "{rule}");
        assert!(outcome["interval"].is_null(), "all rows were read: {rule}");
    }
}

#[test]
fn guard_judges_what_the_command_did() {
    let folder = tempfile::tempdir().unwrap();
    drop(shop(folder.path()));
    let clean = json(folder.path(), &["guard", "--control", "1s", "--", "true"], 0);
    assert_eq!(clean["verdict"], "clean");
    assert_eq!(json(folder.path(), &["guard", "--control", "1s", "--", "false"], 3)["verdict"], "clean");

    let changed = folder.path().join("changed.db");
    std::fs::copy(folder.path().join("shop.db"), &changed).unwrap();
    let database = rusqlite::Connection::open(&changed).unwrap();
    database.execute_batch("UPDATE orders SET created_at = NULL WHERE id % 2 = 0").unwrap();
    database.close().unwrap();
    let broken = json(folder.path(), &["guard", "--control", "1s", "--", "cp", "changed.db", "shop.db"], 1);
    assert_eq!(broken["verdict"], "broken");
    let (code, out, err) = ended(&fieldmark(folder.path(), &["after", "--control", "1s", "--rollback"]));
    assert_eq!(code, 1, "{out}\n{err}");
    assert!(out.contains("RESTORED WITH LOSS"), "{out}");
}

#[test]
fn mistakes_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    drop(shop(folder.path()));
    let rules = folder.path().join("rules/orders.yaml");
    let good = std::fs::read_to_string(&rules).unwrap();
    for (from, to, place, words) in [
        ("column: status", "column: statsu", "rules/orders.yaml:6:", "status"),
        ("not_null", "not_nul", "rules/orders.yaml:5:", "not_null"),
        ("shop.orders", "shop.ordres", "rules/orders.yaml:2:", "orders"),
        ("shipped_at IS", "shiped_at IS", "rules/orders.yaml:", "shipped_at"),
    ] {
        std::fs::write(&rules, good.replacen(from, to, 1)).unwrap();
        let (code, out, err) = ended(&fieldmark(folder.path(), &["check"]));
        assert_eq!(code, 78, "{from}: {out}\n{err}");
        assert!(err.contains(place) && err.contains(words), "{err}");
    }
    std::fs::write(&rules, good).unwrap();
    for (arguments, code) in [
        (&["check", "--nonsense"][..], 64),
        (&["check", "--config", "absent.yaml"], 78),
        (&["check", "--table", "ordres"], 64),
        (&["after"], 2),
        (&["after", "--mark", "0123456789abcdef"], 2),
    ] {
        assert_eq!(ended(&fieldmark(folder.path(), arguments)).0, code, "{arguments:?}");
    }
    std::fs::remove_file(folder.path().join("shop.db")).unwrap();
    let (code, out, _) = ended(&fieldmark(folder.path(), &["check"]));
    assert_eq!(code, 2);
    assert!(out.contains("could not check shop"), "{out}");
    assert!(!folder.path().join("shop.db").exists(), "a missing database is never made");
}

#[test]
fn a_damaged_mark_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(shop(folder.path()));
    let before = json(folder.path(), &["before", "--control", "0s"], 0);
    let mark = Path::new(before["migration"]["marks"][0]["path"].as_str().unwrap()).to_owned();
    let rows = mark.join("1.parquet");
    let mut bytes = std::fs::read(&rows).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&rows, bytes).unwrap();
    let (code, out, err) = ended(&fieldmark(folder.path(), &["after", "--control", "0s"]));
    assert_eq!(code, 2, "{out}\n{err}");
    assert!(out.contains("damaged") && out.contains("1.parquet"), "{out}");
}
