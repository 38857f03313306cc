//! Rules that have no meaning for the type of their column: not evaluated, and why; never failing rows.

use super::{TABLES, Untouched, says};
use crate::journeys::served::Served;
use crate::journeys::shop::{Run, Shop, outcome};

/// Rules, their ids, and the words of their reasons.
const RULES: [(&str, &str, &[&str]); 7] = [
    ("matches: { column: total, pattern: '^k' }", "matches_number", &["total", "integer"]),
    ("in_range: { column: name, min: 0 }", "range_of_text", &["name", "text"]),
    ("in_range: { column: total, min: 2024-01-01 }", "dates_of_number", &["total", "integer"]),
    ("length: { column: total, max: 3 }", "length_of_number", &["only text has a length", "total", "integer"]),
    ("fresh: { column: noted, within: 1h }", "fresh_text", &["noted", "no date or time"]),
    ("fresh: { column: total, within: 1h }", "fresh_number", &["total", "integer", "date"]),
    ("in_set: { column: total, values: [new, paid] }", "words_of_number", &["total", "integer"]),
];

/// One rule file with all of them and one rule that can be evaluated.
fn body() -> String {
    let rules = RULES.map(|(rule, id, _)| format!("  - {{ {rule}, id: {id} }}\n"));
    format!("rules:\n{}  - {{ not_null: id, id: sound }}\n", rules.concat())
}

#[track_caller]
fn told(run: Run, code: i32) {
    super::keeps_secrets(&run);
    let report = run.gives(code).json();
    for (rule, id, words) in RULES {
        let outcome = outcome(&report, id);
        assert_eq!(outcome["status"], "not_evaluated", "{rule}: {outcome:#}");
        assert_eq!(outcome["reason"], "type_mismatch", "{rule}: {outcome:#}");
        assert_eq!(outcome["failed"], 0, "{rule}: {outcome:#}");
        let detail = outcome["detail"].as_str().unwrap().to_lowercase();
        for word in words {
            assert!(detail.contains(word), "{rule}: {word} is not in {detail:?}");
        }
    }
    assert_eq!(outcome(&report, "sound")["status"], "passed");
}

#[test]
fn of_a_sqlite_file() {
    let shop = Shop::new(TABLES);
    shop.rules("t", &body());
    let untouched = Untouched::of(&shop);
    told(shop.run(&["check", "--output", "json"]), 2);
    // a mark can be taken all the same
    told(shop.run(&["before", "--control", "0s", "--output", "json"]), 0);
    says(&shop.run(&["check"]).gives(2), &["not evaluated", "only text has a length"]);
    untouched.holds(&shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_postgres_database() {
    let mut served = Served::new(TABLES).await;
    served.rules("t", &body());
    let before = served.writes().await;
    told(served.run(&["check", "--output", "json"]).await, 2);
    told(served.run(&["before", "--control", "0s", "--output", "json"]).await, 0);
    assert_eq!(served.writes().await, before);
}

/// PostgreSQL has no equality of text and integer; SQLite compares them, and finds no row.
#[tokio::test(flavor = "multi_thread")]
async fn a_reference_from_text_to_a_number_is_a_mismatch() {
    let served = Served::new(TABLES).await;
    served.rules("t", "rules:\n  - { references: { column: name, to: t.total }, id: text_to_number }\n");
    let run = served.run(&["check", "--output", "json"]).await;
    super::keeps_secrets(&run);
    let report = run.gives(2).json();
    let outcome = outcome(&report, "text_to_number");
    assert_eq!(
        (&outcome["status"], &outcome["reason"]),
        (&"not_evaluated".into(), &"type_mismatch".into()),
        "{outcome:#}"
    );
}
