//! `baseline`: rows that are known to fail raise no alarm while they do not grow, and a record only ever goes down.

use super::shop::{Run, Shop, fill, outcome};
use serde_json::{Value, json};

/// NULL in every tenth of 2000 rows.
const RULE: &str = "shop.t.not_null.b";
const RULES: &str = "rules:\n  - not_null: [a, b]\n  - { in_range: { column: n, min: 11 }, id: small }\n";

/// 200 rows of `b` are NULL, 10 of `n` are below 11.
fn shop(rules: &str) -> Shop {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER, at TEXT);";
    let rows = fill("t", 2000, "i, 'a' || i, CASE WHEN i % 10 THEN 'b' END, i, '2001-01-01'");
    let shop = Shop::with_rules(&format!("{table}{rows}"), rules);
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace(" }", ", sql: allow }"));
    shop
}

/// Every part is on standard output, whatever breaks lines there.
#[track_caller]
fn prints(run: &Run, parts: &[&str]) {
    let flat = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(flat.contains(part), "nothing prints {part:?}:\n{}\n{}", run.out, run.err);
    }
}

/// At most so many rows of a rule are recorded, as `--list` says; `None` where nothing is.
#[track_caller]
fn recorded(shop: &Shop, rule: &str) -> Option<u64> {
    let list = shop.json(&["baseline", "--list"], 0);
    assert_eq!((&list["version"], &list["unclear"]), (&json!(1), &json!([])));
    let of_rule = list["rules"].as_array().unwrap().iter().find(|record| record["rule"] == rule)?;
    assert_eq!((&of_rule["source"], &of_rule["what"]), (&json!("shop"), &json!("known")));
    Some(of_rule["rows"]["high"].as_u64().unwrap())
}

#[test]
fn recorded_rows_are_shown_as_known_and_are_no_alarm() {
    let shop = shop(RULES);
    shop.run(&["check"]).gives(1);
    let run = shop.run(&["baseline", "--rule", RULE]).gives(0);
    prints(&run, &["shop.t.not_null.b: 200 rows recorded as known"]);
    // the other one fails as before
    let run = shop.run(&["check"]).gives(1);
    prints(&run, &["~ known shop.t.not_null.b", "no more than the 200 rows known since", "✘ failed small"]);
    shop.run(&["baseline", "--rule", "small"]).gives(0);
    let run = shop.run(&["check"]).gives(0);
    prints(&run, &["~ known shop.t.not_null.b", "~ known small", "3 rules: 2 known, 1 passed"]);
    // a program sees that it fails, and why that is no alarm
    let report = shop.json(&["check"], 0);
    let known = outcome(&report, RULE);
    assert_eq!((&known["status"], &known["failed"]), (&json!("failed"), &json!(200)));
    assert_eq!((&known["baseline"]["rows"], &known["baseline"]["grown"]), (&json!(200), &json!(false)));
    assert!(known["baseline"]["since"].as_str().unwrap().starts_with("20"), "{known:#}");
    assert_eq!(outcome(&report, "shop.t.not_null.a")["baseline"], Value::Null);
}

#[test]
fn without_a_rule_every_rule_that_fails_is_recorded() {
    let shop = shop(RULES);
    prints(&shop.run(&["baseline", "--list"]).gives(0), &["nothing is recorded"]);
    let run = shop.run(&["baseline"]).gives(0);
    prints(&run, &["shop.t.not_null.b: 200 rows recorded", "small: 10 rows recorded"]);
    assert!(!run.out.contains("not_null.a"), "what passes is not recorded: {}", run.out);
    let listed = shop.run(&["baseline", "--list"]).gives(0);
    prints(&listed, &["shop.t.not_null.b: 200 rows known since 20", "small: 10 rows known since 20"]);
    assert_eq!((recorded(&shop, RULE), recorded(&shop, "small")), (Some(200), Some(10)));
    assert_eq!(recorded(&shop, "shop.t.not_null.a"), None);
    shop.run(&["check"]).gives(0);
}

#[test]
fn a_rule_that_pages_is_excused_too() {
    let shop = shop("rules:\n  - { not_null: [b], severity: page }\n");
    shop.run(&["check"]).gives(1);
    shop.run(&["baseline"]).gives(0);
    shop.run(&["check"]).gives(0);
}

#[test]
fn one_more_failing_row_is_an_alarm_and_leaves_the_record_as_it_is() {
    let shop = shop(RULES);
    shop.run(&["baseline"]).gives(0);
    shop.sql("UPDATE t SET b = NULL WHERE id = 1");
    let run = shop.run(&["check"]).gives(1);
    prints(&run, &["✘ failed shop.t.not_null.b 201 of all 2 000 rows fail", "more than the 200 rows known since"]);
    let report = shop.json(&["check"], 1);
    let grown = outcome(&report, RULE);
    assert_eq!((&grown["baseline"]["rows"], &grown["baseline"]["grown"]), (&json!(200), &json!(true)));
    assert_eq!(recorded(&shop, RULE), Some(200));
    shop.sql("UPDATE t SET b = 'b' WHERE id = 1");
    shop.run(&["check"]).gives(0);
}

#[test]
fn fewer_failing_rows_lower_the_record_by_themselves() {
    let shop = shop(RULES);
    shop.run(&["baseline"]).gives(0);
    shop.sql("UPDATE t SET b = 'b' WHERE id <= 500");
    // the check that sees fewer of them goes by the record that it found
    prints(&shop.run(&["check"]).gives(0), &["150 of all 2 000 rows fail", "no more than the 200 rows known"]);
    assert_eq!(recorded(&shop, RULE), Some(150));
    assert_eq!(recorded(&shop, "small"), Some(10));
    shop.sql("UPDATE t SET b = NULL WHERE id = 10");
    prints(&shop.run(&["check"]).gives(1), &["151 of all 2 000 rows fail", "more than the 150 rows known"]);
}

#[test]
fn nothing_is_excused_once_all_rows_were_well() {
    let shop = shop(RULES);
    shop.run(&["baseline"]).gives(0);
    shop.sql("UPDATE t SET b = 'b'");
    shop.run(&["check"]).gives(0);
    shop.sql("UPDATE t SET b = NULL WHERE id = 10");
    let report = shop.json(&["check"], 1);
    assert_eq!(outcome(&report, RULE)["baseline"], Value::Null);
    assert_eq!(recorded(&shop, "small"), Some(10));
}

#[test]
fn a_record_is_never_raised() {
    let shop = shop(RULES);
    shop.run(&["baseline"]).gives(0);
    shop.sql("UPDATE t SET b = NULL WHERE id <= 100");
    let run = shop.run(&["baseline", "--rule", RULE]);
    prints(&run, &["290 rows fail now, more than the 200 rows known since", "a record is never raised", "--forget"]);
    assert_eq!(recorded(&shop, RULE), Some(200));
    let told = shop.run(&["baseline", "--rule", RULE, "--output", "json"]).json();
    let told = &told["rules"][0];
    assert_eq!((&told["what"], &told["rows"]["high"]), (&json!("not raised"), &json!(200)));
    assert_eq!((&told["failing_now"]["high"], &told["failing_now"]["exact"]), (&json!(290), &json!(true)));
    shop.run(&["check"]).gives(1);
}

#[test]
fn a_record_is_lowered_by_hand_too() {
    let shop = shop(RULES);
    shop.run(&["baseline"]).gives(0);
    shop.sql("UPDATE t SET b = 'b' WHERE id <= 500");
    prints(&shop.run(&["baseline", "--rule", RULE]).gives(0), &["lowered to 150 rows"]);
    assert_eq!(recorded(&shop, RULE), Some(150));
}

#[test]
fn what_is_forgotten_is_an_alarm_again_and_can_be_recorded_anew() {
    let shop = shop(RULES);
    shop.run(&["baseline"]).gives(0);
    let told = shop.json(&["baseline", "--forget", "--rule", RULE], 0);
    assert_eq!((&told["rules"][0]["rule"], &told["rules"][0]["what"]), (&json!(RULE), &json!("forgotten")));
    assert_eq!((recorded(&shop, RULE), recorded(&shop, "small")), (None, Some(10)));
    prints(&shop.run(&["check"]).gives(1), &["✘ failed shop.t.not_null.b", "~ known small"]);
    // a higher record than before
    shop.sql("UPDATE t SET b = NULL WHERE id <= 100");
    shop.run(&["baseline", "--rule", RULE]).gives(0);
    assert_eq!(recorded(&shop, RULE), Some(290));
    shop.run(&["check"]).gives(0);
}

#[test]
fn a_rule_that_means_something_else_is_not_excused() {
    let rule = |text: &str| format!("rules:\n  - {{ in_range: {{ column: n, min: {text} }}, id: small }}\n");
    let shop = shop(&rule("11"));
    shop.run(&["baseline"]).gives(0);
    shop.run(&["check"]).gives(0);
    // even where fewer rows fail than are known
    shop.rules("t", &rule("10"));
    prints(&shop.run(&["check"]).gives(1), &["✘ failed small 9 of all 2 000 rows fail"]);
    shop.rules("t", &rule("11"));
    prints(&shop.run(&["check"]).gives(0), &["~ known small"]);
    // what it says of itself is no part of its meaning
    shop.rules("t", &rule("11").replace(" }\n", ", severity: page, description: why }\n"));
    prints(&shop.run(&["check"]).gives(0), &["~ known small"]);
}

#[test]
fn kinds_that_count_no_rows_are_refused() {
    let kinds = "rules:
  - { fresh: { column: at, within: 1d }, id: late }
  - { row_count: { min: 9000 }, id: count }
  - { distribution: { column: n, mean: [1, 9] }, id: mean }
  - { sql: 'SELECT id FROM t WHERE n < 9', id: query }
  - { expect: n > 20, id: large }
";
    let shop = shop(kinds);
    for (rule, kind) in [("late", "fresh"), ("count", "row_count"), ("mean", "distribution")] {
        let run = shop.run(&["baseline", "--rule", rule]).gives(2);
        prints(&run, &[&format!("{rule}: rules of the kind {kind} count no rows that one could record")]);
        let told = shop.json(&["baseline", "--rule", rule], 2);
        assert_eq!(told["rules"], json!([]));
        assert!(told["unclear"][0].as_str().unwrap().contains(rule), "{told:#}");
        assert_eq!(recorded(&shop, rule), None);
    }
    // a query gives rows, and those can be counted
    shop.run(&["baseline", "--rule", "query", "--rule", "large"]).gives(0);
    assert_eq!((recorded(&shop, "query"), recorded(&shop, "large")), (Some(8), Some(20)));
    // what can be recorded is, whatever else is asked for
    shop.run(&["baseline", "--forget", "--rule", "large"]).gives(0);
    shop.run(&["baseline", "--rule", "large", "--rule", "late"]).gives(2);
    assert_eq!(recorded(&shop, "large"), Some(20));
}

#[test]
fn on_a_sample_the_interval_decides() {
    let table = "CREATE TABLE u (id INTEGER PRIMARY KEY, b TEXT);";
    let shop = Shop::new(&format!("{table}{}", fill("u", 60_000, "i, CASE WHEN i % 10 THEN 'b' END")));
    shop.rules("u", "rules:\n  - not_null: [b]\n");
    // more rows than a check may read of it
    let budget = ", budget: { rows_per_check: 50000 } }";
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace(" }", budget));
    let told = shop.json(&["baseline", "--rule", "shop.u.not_null.b", "--seed", "3"], 0);
    let rows = &told["rules"][0]["rows"];
    let (low, high) = (rows["low"].as_u64().unwrap(), rows["high"].as_u64().unwrap());
    // of the 6000 that fail
    assert!(low < 6000 && 6000 < high && high < 8000, "{told:#}");
    assert_eq!(rows["exact"], false);
    assert_eq!(recorded(&shop, "shop.u.not_null.b"), Some(high));
    let report = shop.json(&["check", "--seed", "4"], 0);
    let known = &outcome(&report, "shop.u.not_null.b")["baseline"];
    assert_eq!((&known["rows"], &known["grown"]), (&json!(high), &json!(false)));
    shop.sql("UPDATE u SET b = NULL WHERE id % 5 = 0");
    let report = shop.json(&["check", "--seed", "5"], 1);
    assert_eq!(outcome(&report, "shop.u.not_null.b")["baseline"]["grown"], true);
    shop.sql("UPDATE u SET b = 'b' WHERE id % 20");
    shop.run(&["check", "--seed", "6"]).gives(0);
    let lowered = recorded(&shop, "shop.u.not_null.b").unwrap();
    assert!((3000..6000).contains(&lowered), "{lowered}");
    // all rows tell exactly
    shop.run(&["baseline", "--full"]).gives(0);
    assert_eq!(recorded(&shop, "shop.u.not_null.b"), Some(3000));
}

#[test]
fn a_record_counts_the_rows_where_a_check_may_read_them_all() {
    let table = "CREATE TABLE u (id INTEGER PRIMARY KEY, b TEXT);";
    let shop = Shop::new(&format!("{table}{}", fill("u", 60_000, "i, CASE WHEN i % 6000 THEN 'b' END")));
    shop.rules("u", "rules:\n  - not_null: [b]\n");
    // ten rows fail, of which a sample meets one or two: only those
    let run = shop.run(&["baseline", "--full"]).gives(0);
    prints(&run, &["shop.u.not_null.b: 10 rows recorded as known"]);
    shop.run(&["baseline", "--forget", "--rule", "shop.u.not_null.b"]).gives(0);
    shop.sql("UPDATE u SET b = NULL WHERE id % 100 = 0");
    let told = shop.json(&["baseline", "--seed", "3"], 0);
    assert_eq!(told["rules"][0]["rows"], json!({ "low": 600, "high": 600, "exact": true }));
    shop.json(&["check", "--seed", "4"], 0);
    // as many again are more than are known, and a sample is enough to see it
    shop.sql("UPDATE u SET b = NULL WHERE id % 50 = 0");
    let grown = shop.json(&["check", "--seed", "5"], 1);
    assert_eq!(outcome(&grown, "shop.u.not_null.b")["baseline"]["grown"], true);
}

#[test]
fn what_is_not_there_is_a_wrong_command_line() {
    let shop = shop(RULES);
    for arguments in [
        &["baseline", "--rule", "nowhere"][..],
        &["baseline", "--forget", "--rule", "nowhere"],
        &["baseline", "--forget", "--rule", "small"],
        &["baseline", "--forget"],
        &["baseline", "--source", "nowhere"],
        &["baseline", "--table", "nowhere"],
    ] {
        let run = shop.run(arguments).gives(64);
        assert_eq!(run.out, "", "{arguments:?}");
        assert!(!run.err.is_empty(), "{arguments:?}");
    }
    assert_eq!((recorded(&shop, RULE), recorded(&shop, "small")), (None, None));
}

#[test]
fn the_list_reads_no_database() {
    let shop = shop(RULES);
    shop.run(&["baseline"]).gives(0);
    std::fs::remove_file(shop.path("shop.db")).unwrap();
    assert_eq!(recorded(&shop, RULE), Some(200));
    shop.run(&["baseline", "--rule", RULE]).gives(2);
    assert_eq!(recorded(&shop, RULE), Some(200));
    shop.run(&["baseline", "--forget", "--rule", RULE]).gives(0);
    assert_eq!(recorded(&shop, RULE), None);
}

#[test]
fn a_mark_knows_them_too() {
    let shop = shop(RULES);
    shop.run(&["baseline"]).gives(0);
    prints(&shop.run(&["before", "--control", "0s"]).gives(0), &["~ known shop.t.not_null.b"]);
    let report = shop.json(&["guard", "--control", "0s", "--", "true"], 0);
    assert_eq!(outcome(&report, RULE)["baseline"]["grown"], false);
    assert_eq!(recorded(&shop, RULE), Some(200));
}
