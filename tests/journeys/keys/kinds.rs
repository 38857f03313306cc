//! Each kind's own keys.

use super::shared::{judge, kinds};
use super::{Case, all_hold, allowed, forget, report, same, shop};
use crate::journeys::shop::{Shop, outcome};
use std::collections::BTreeSet;

/// The settings of a kind that has no keys of its own count as one that is named as the kind.
const CASES: &str = "
not_null | not_null | @ | not_null: maybe | not_null: n | failed | 200 | 0
not_null | not_null | @ | not_null: [maybe] | not_null: [maybe, n] | /outcomes/1/rule | null | shop.t.not_null.n
unique | unique | @ | unique: twin | unique: code | failed | 200 | 0
unique | unique | @ | unique: [twin] | unique: [twin, n] | failed | 200 | 0
in_set | column | in_set: { @, values: [ab] } | column: word | column: status | failed | 0 | 2000
in_set | values | in_set: { column: status, @ } | values: [new, paid] | values: [new] | failed | 200 | 1000
in_range | column | in_range: { @, min: 12 } | column: maybe | column: n | failed | 0 | 11
in_range | min | in_range: { column: n, max: 2000, @ } | | min: 101 | failed | 0 | 100
in_range | min | in_range: { column: n, @ } | min: 101 | min: 101.5 | failed | 100 | 101
in_range | min | in_range: { column: begun, @ } | min: 2001-01-01 | min: 2001-01-01 00:00:01 | failed | 0 | 2000
in_range | max | in_range: { column: n, min: 1, @ } | | max: 1900 | failed | 0 | 100
in_range | max | in_range: { column: n, @ } | max: 1900 | max: 1950 | failed | 100 | 50
matches | column | matches: { @, pattern: '^a' } | column: word | column: status | failed | 0 | 2000
matches | pattern | matches: { column: status, @ } | pattern: '^n' | pattern: '^[np]' | failed | 1000 | 200
length | column | length: { @, max: 2 } | column: word | column: status | failed | 0 | 2000
length | min | length: { column: status, max: 7, @ } | | min: 4 | failed | 0 | 1000
length | max | length: { column: status, min: 3, @ } | | max: 4 | failed | 0 | 200
length | max | length: { column: status, @ } | max: 3 | max: 4 | failed | 1000 | 200
type_is | column | type_is: { @, type: integer } | column: mixed | column: n | failed | 200 | 0
type_is | type | type_is: { column: typed, @ } | type: integer | type: decimal | failed | 1750 | 1500
type_is | type | type_is: { column: typed, @ } | type: decimal | type: boolean | failed | 1500 | 1750
type_is | type | type_is: { column: touched, @ } | type: date | type: timestamp | failed | 2000 | 0
type_is | type | type_is: { column: typed, @ } | type: uuid | type: json | failed | 1750 | 1250
references | column | references: { @, to: parents.id } | column: kin | column: parent | failed | 0 | 200
references | columns | references: { @, to: 'parents.(id, odd)' } | columns: [kin, even] | columns: [kin, odd] | failed | 0 | 2000
references | to | references: { column: kin, @ } | to: parents.id | to: elders.id | failed | 0 | 1000
fresh | column | fresh: { @, within: 1d } | column: touched | column: begun | status | passed | failed
fresh | within | fresh: { column: touched, @ } | within: 30m | within: 1d | status | failed | passed
distribution | column | distribution: { @, null_fraction: \"<= 5%\" } | column: maybe | column: n | status | failed | passed
distribution | mean | distribution: { column: n, @ } | mean: [1000, 1001] | mean: \"<= 1000\" | status | passed | failed
distribution | mean | distribution: { column: n, null_fraction: \"<= 1\", @ } | | mean: \">= 1000.5\" | /outcomes/0/value | 0.0 | 1000.5
distribution | null_fraction | distribution: { column: maybe, @ } | null_fraction: [0.1, 0.1] | null_fraction: \">= 11%\" | status | passed | failed
sql | sql | @ | sql: SELECT id FROM t WHERE maybe IS NULL | sql: SELECT id FROM t WHERE n > 1999 | failed | 200 | 1
row_count | min | row_count: { max: 3000, @ } | | min: 2001 | status | passed | failed
row_count | min | row_count: { @ } | min: 2000 | min: 2001 | failed | 0 | 1
row_count | max | row_count: { min: 1000, @ } | | max: 1999 | status | passed | failed
expect | expect | @ | expect: n > 200 | expect: n > 100 | failed | 200 | 100
";

#[test]
fn own_keys_have_an_effect() {
    let shop = shop();
    all_hold(&Case::table(CASES), |case| judge(&shop, case, &[]));
}

/// The SQL of a report is for people to run: on this database it gives the rows that failed, and no error.
#[test]
fn the_sql_shown_runs_where_the_rows_are() {
    let shop = Shop::new(
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, v TEXT, n INTEGER);
         INSERT INTO odd (v, n) VALUES (NULL, 0), (NULL, 1), ('a', 0), ('a', 2)",
    );
    shop.rules(
        "odd",
        "rules:
  - { id: unique, unique: v }
  - { id: matches, matches: { column: v, pattern: b } }
  - { id: type_is, type_is: { column: v, type: integer } }
  - { id: divides, expect: 2 / n > 1 }\n",
    );
    let report = report(&shop, &[]);
    let database = shop.database();
    // as SQLite's own command line has it
    let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8;
    let regexp = |context: &rusqlite::functions::Context<'_>| {
        let (pattern, text): (String, Option<String>) = (context.get(0)?, context.get(1)?);
        Ok(text.map(|text| regex::Regex::new(&pattern).unwrap().is_match(&text)))
    };
    database.create_scalar_function("regexp", 2, flags, regexp).unwrap();
    for (rule, rows) in [("unique", 2), ("matches", 2), ("type_is", 2), ("divides", 1)] {
        let outcome = outcome(&report, rule);
        let sql = outcome["sql"].as_str().unwrap_or_else(|| panic!("{outcome:#}"));
        let shown = database.query_row(&format!("SELECT count(*) FROM ({sql})"), [], |row| row.get::<_, i64>(0));
        assert_eq!(shown, Ok(rows), "{sql}");
    }
}

/// The table has 2000 rows, then 2500.
#[test]
fn change_is_against_the_count_of_the_run_before() {
    let shop = shop();
    shop.rules(
        "t",
        "rules:\n  - { id: little, row_count: { change: 10% } }\n  - { id: much, row_count: { change: 30% } }\n",
    );
    let statuses = |code: i32| {
        let report = shop.json(&["check"], code);
        ["little", "much"].map(|rule| outcome(&report, rule)["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(statuses(0), ["passed", "passed"], "no count is remembered yet");
    shop.sql("INSERT INTO t (n) SELECT n FROM t WHERE id <= 500");
    assert_eq!(statuses(1), ["failed", "passed"]);
    assert_eq!(statuses(0), ["passed", "passed"], "the count of the run before has taken its place");
    forget(&shop);
}

#[test]
fn every_own_key_of_every_kind_has_a_case() {
    let shop = shop();
    let names: BTreeSet<String> = kinds(&shop).takes.into_iter().map(|(kind, _)| kind).collect();
    let mut there_is = BTreeSet::new();
    for kind in &names {
        shop.rules("t", &format!("rules:\n  - {kind}: {{ nonsense: 1 }}\n"));
        let run = shop.run(&["check"]).gives(78);
        let keys =
            if run.err.contains("unknown key") { allowed(&shop, &format!("`{kind}`")) } else { [kind.clone()].into() };
        there_is.extend(keys.into_iter().map(|key| (kind.clone(), key)));
    }
    let mut covered: BTreeSet<(String, String)> =
        Case::table(CASES).iter().map(|case| (case.of.to_owned(), case.key.to_owned())).collect();
    // by a test of its own
    covered.insert(("row_count".to_owned(), "change".to_owned()));
    same(&covered, &there_is);
}
