//! `status`: what is remembered of a source, as it grows run by run.

use super::shop::{Shop, fill};
use serde_json::{Value, json};

const RULES: &str = "rules:\n  - not_null: [a, b]\n  - { in_range: { column: n, min: 11 }, id: small }\n";

/// 200 rows of `b` are NULL, 10 of `n` are below 11.
fn shop() -> Shop {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER);";
    let rows = fill("t", 2000, "i, 'a' || i, CASE WHEN i % 10 THEN 'b' END, i");
    Shop::with_rules(&format!("{table}{rows}"), RULES)
}

/// The lines of the report, with one space between words; of the source named `shop` alone.
fn lines(shop: &Shop) -> Vec<String> {
    let run = shop.run(&["status"]).gives(0);
    assert_eq!(run.err, "");
    run.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The rest of the only line that begins so.
#[track_caller]
fn line(lines: &[String], start: &str) -> String {
    let mut rests = lines.iter().filter_map(|line| line.strip_prefix(start));
    let rest = rests.next().unwrap_or_else(|| panic!("no line begins with {start:?}: {lines:#?}"));
    assert_eq!(rests.next(), None, "two lines begin with {start:?}");
    rest.trim().to_owned()
}

/// What JSON says of the source.
#[track_caller]
fn source(shop: &Shop) -> Value {
    let report = shop.json(&["status"], 0);
    assert_eq!(report["version"], 1);
    assert_eq!(report["state_dir"].as_str().unwrap(), shop.path("state").to_str().unwrap());
    let sources = report["sources"].as_array().unwrap();
    assert_eq!((sources.len(), &sources[0]["source"]), (1, &json!("shop")));
    sources[0].clone()
}

#[test]
fn before_the_first_run_there_is_nothing_to_remember() {
    let shop = shop();
    let said = lines(&shop);
    assert_eq!((line(&said, "last check"), line(&said, "latest mark")), ("none yet".to_owned(), "none".to_owned()));
    assert!(said[0].starts_with("shop · sqlite:") && said[0].ends_with("3 rules in the rule files"), "{said:#?}");
    assert_eq!(line(&said, "state folder:"), shop.path("state").to_str().unwrap());
    assert!(!said.iter().any(|line| line.starts_with("baseline") || line.starts_with("read again")), "{said:#?}");
    let source = source(&shop);
    assert_eq!((&source["rules"], &source["last_check"]), (&json!(3), &Value::Null));
    for nothing in ["marks", "baselines", "known_failing", "watermarks"] {
        assert_eq!(source[nothing], json!([]), "{nothing}");
    }
}

#[test]
fn after_a_check_it_says_what_came_of_it_and_which_rows_are_read_again() {
    let shop = shop();
    let report = shop.json(&["check"], 1);
    let said = lines(&shop);
    assert!(line(&said, "last check").ends_with(" UTC: 2 failed, 1 passed"), "{said:#?}");
    let again: Vec<&String> = said.iter().filter(|line| line.starts_with("read again")).collect();
    assert_eq!(again.len(), 2, "{said:#?}");
    assert!(again[0].contains("the first 100 failing rows of shop.t.not_null.b (main.t), since 20"), "{said:#?}");
    assert!(line(&said, "watermark").starts_with("main.t"), "{said:#?}");
    let source = source(&shop);
    let last = &source["last_check"];
    for (status, rules) in [("failed", 2), ("passed", 1), ("known", 0), ("inconclusive", 0), ("not_evaluated", 0)] {
        assert_eq!(last[status], rules, "{status}: {source:#}");
    }
    // the time is that of the run
    let (time, started) = (last["time"].as_str().unwrap(), report["started"].as_str().unwrap());
    let finished = report["finished"].as_str().unwrap();
    assert!(started[..19] <= time[..19] && time[..19] <= finished[..19], "{started} {time} {finished}");
    let known = source["known_failing"].as_array().unwrap();
    let rules: Vec<(&Value, &Value)> = known.iter().map(|known| (&known["rule"], &known["rows"])).collect();
    assert_eq!(rules, [(&json!("shop.t.not_null.b"), &json!(100)), (&json!("small"), &json!(10))]);
    assert_eq!((&source["watermarks"][0]["table"], &source["marks"]), (&json!("main.t"), &json!([])));
    // of the last one, and of that alone
    shop.sql("UPDATE t SET b = 'b', n = 11");
    shop.run(&["check"]).gives(0);
    let said = lines(&shop);
    assert!(line(&said, "last check").ends_with(" UTC: 3 passed"), "{said:#?}");
    assert!(!said.iter().any(|line| line.starts_with("read again")), "{said:#?}");
}

#[test]
fn the_latest_mark_is_named_and_all_are_in_json() {
    let shop = shop();
    let id = |report: Value| report["migration"]["marks"][0]["id"].as_str().unwrap().to_owned();
    let first = id(shop.json(&["before", "--control", "0s"], 0));
    let said = lines(&shop);
    assert!(line(&said, "latest mark").starts_with(&format!("{first}, taken 20")), "{said:#?}");
    shop.sql("UPDATE t SET a = 'x'");
    let second = id(shop.json(&["before", "--control", "0s"], 0));
    assert_ne!(first, second);
    let said = lines(&shop);
    let latest = line(&said, "latest mark");
    assert!(latest.starts_with(&second) && latest.ends_with("and 1 before it"), "{latest}");
    let source = source(&shop);
    let marks: Vec<&Value> = source["marks"].as_array().unwrap().iter().map(|mark| &mark["id"]).collect();
    assert_eq!(marks, [&json!(first), &json!(second)]);
    // a mark is no check
    assert_eq!(source["last_check"], Value::Null);
}

#[test]
fn what_is_recorded_as_known_is_shown_as_that() {
    let shop = shop();
    shop.run(&["baseline", "--rule", "small"]).gives(0);
    shop.run(&["check"]).gives(1);
    let said = lines(&shop);
    assert!(line(&said, "baseline").starts_with("small: up to 10 rows known since 20"), "{said:#?}");
    assert!(line(&said, "last check").ends_with(" UTC: 1 failed, 1 known, 1 passed"), "{said:#?}");
    let remembered = source(&shop);
    let record = &remembered["baselines"][0];
    assert_eq!((&record["rule"], &record["low"], &record["high"]), (&json!("small"), &json!(10), &json!(10)));
    assert_eq!((&remembered["last_check"]["known"], &remembered["last_check"]["failed"]), (&json!(1), &json!(1)));
    shop.run(&["baseline", "--forget", "--rule", "small"]).gives(0);
    assert_eq!(source(&shop)["baselines"], json!([]));
}

#[test]
fn it_needs_no_database() {
    let shop = shop();
    shop.run(&["check"]).gives(1);
    let with = lines(&shop);
    std::fs::remove_file(shop.path("shop.db")).unwrap();
    let without = lines(&shop);
    assert_eq!(line(&with, "last check"), line(&without, "last check"));
    // nor the password of one
    shop.write(
        "fieldmark.yaml",
        &shop.read("fieldmark.yaml").replace("sqlite:shop.db", "postgres://u:secret-word@127.0.0.1:1/d"),
    );
    let run = shop.run(&["status"]).gives(0);
    assert!(!run.out.contains("secret-word") && !run.err.contains("secret-word"), "{run:?}");
    assert!(run.out.contains("127.0.0.1"), "{run:?}");
}

#[test]
fn it_can_be_asked_about_one_source() {
    let shop = shop();
    let other = "sources:\n  other: { url: \"sqlite:other.db\" }\n";
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace("sources:\n", other));
    shop.run(&["check", "--source", "shop"]).gives(1);
    let all = shop.json(&["status"], 0);
    let names: Vec<&Value> = all["sources"].as_array().unwrap().iter().map(|source| &source["source"]).collect();
    assert_eq!(names.len(), 2, "{all:#}");
    let one = shop.json(&["status", "--source", "other"], 0);
    assert_eq!((&one["sources"][0]["source"], &one["sources"][1]), (&json!("other"), &Value::Null));
    assert_eq!((&one["sources"][0]["rules"], &one["sources"][0]["last_check"]), (&json!(0), &Value::Null));
    shop.run(&["status", "--source", "nowhere"]).gives(64);
    shop.run(&["status", "--config", "nowhere.yaml"]).gives(78);
}
