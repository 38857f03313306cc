//! Databases that do not answer.

use super::{TABLES, Untouched, WRONG_PASSWORD, marks, says};
use crate::journeys::served::Served;
use crate::journeys::shop::{Shop, outcome};
use crate::server::postgres::PASSWORD;

/// Every command that reads a database; what is guarded leaves a file behind.
const COMMANDS: [&[&str]; 3] =
    [&["check"], &["before", "--control", "0s"], &["guard", "--control", "0s", "--", "touch", "started"]];

/// Runs every command against a database that does not answer.
#[track_caller]
fn refused(shop: &Shop, parts: &[&str]) {
    shop.rules("t", "rules:\n  - not_null: [name]\n");
    for command in COMMANDS {
        let run = shop.run(command).gives(2);
        says(&run, parts);
        says(&run, &["shop"]);
        assert!(marks(shop).is_empty(), "{:?}", marks(shop));
        assert!(!shop.path("started").exists(), "the command ran without a mark");
    }
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let shop = Shop::of("sqlite:shop.db");
    refused(&shop, &["shop.db cannot be reached", "No such file", "start the database, or correct the source's url"]);
    assert!(!shop.path("shop.db").exists());
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let shop = Shop::of("sqlite:shop.db");
    shop.write("shop.db", &"kingfisher ".repeat(1000));
    let untouched = Untouched::of(&shop);
    refused(&shop, &["shop.db cannot be reached", "correct the source's url"]);
    untouched.holds(&shop);
}

#[test]
fn a_port_that_nobody_listens_on() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shop = Shop::of(&format!("postgres://keeper:{PASSWORD}@127.0.0.1:{port}/d"));
    let address = format!("postgres://127.0.0.1:{port}/d cannot be reached");
    refused(&shop, &[&address, "refused", "start the database, or correct the source's url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password() {
    let mut served = Served::new(TABLES).await;
    let before = served.writes().await;
    let shop = Shop::of(&served.url().replace(PASSWORD, WRONG_PASSWORD));
    refused(
        &shop,
        &["postgres://127.0.0.1", "refused the login (28P01)", "correct user and password of the source's url"],
    );
    assert_eq!(served.writes().await, before);
}

/// One source that does not answer is no reason to leave the others out.
#[test]
fn other_sources_are_checked_all_the_same() {
    let shop = Shop::new(TABLES);
    shop.write(
        "fieldmark.yaml",
        "version: 1\nstate_dir: state\nrules: [\"rules/*.yaml\"]\n\
         sources:\n  absent: { url: \"sqlite:absent.db\" }\n  shop: { url: \"sqlite:shop.db\" }\n",
    );
    shop.write("rules/a.yaml", "version: 1\ntable: absent.t\nrules:\n  - not_null: [id]\n");
    shop.rules("t", "rules:\n  - not_null: [id]\n");
    let untouched = Untouched::of(&shop);
    let report = shop.json(&["check"], 2);
    assert_eq!(outcome(&report, "shop.t.not_null.id")["status"], "passed");
    let errors = report["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[0]["source"]), (1, &"absent".into()), "{report:#}");
    untouched.holds(&shop);
}

/// The mark is still there when the database is.
#[test]
fn a_database_that_went_away_after_it_was_marked() {
    let shop = Shop::new(TABLES);
    shop.rules("t", "rules:\n  - not_null: [id]\n");
    shop.run(&["before", "--control", "0s"]).gives(0);
    let kept = marks(&shop);
    std::fs::rename(shop.path("shop.db"), shop.path("elsewhere.db")).unwrap();
    let run = shop.run(&["after", "--control", "0s"]).gives(2);
    says(&run, &["shop.db cannot be reached", "start the database, or correct the source's url"]);
    assert_eq!(marks(&shop), kept);
    std::fs::rename(shop.path("elsewhere.db"), shop.path("shop.db")).unwrap();
    shop.run(&["after", "--control", "0s"]).gives(0);
}

/// SQLite lets a reader in by the files of the log, which it makes where nobody has the database open. The database itself is as it was,
/// and so is what the log holds: nothing.
#[test]
fn a_database_with_a_write_ahead_log_is_left_as_it_was() {
    let shop = Shop::new(TABLES);
    shop.sql("pragma journal_mode = wal");
    shop.rules("t", "rules:\n  - not_null: [id]\n");
    let before = std::fs::read(shop.path("shop.db")).unwrap();
    shop.run(&["check"]).gives(0);
    assert_eq!(std::fs::read(shop.path("shop.db")).unwrap(), before);
    let log = std::fs::metadata(shop.path("shop.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "something was written to the log");
}
