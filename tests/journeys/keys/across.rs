//! Keys of `across_migrations:`, each with a migration that shows them.

use super::{Case, all_hold, allowed, same};
use crate::journeys::shop::{Run, Shop, fill};
use std::collections::BTreeSet;

/// What a migration does to two thousand rows, of which the first half are old.
const MIGRATIONS: [(&str, &str); 5] = [
    ("deletes the old", "DELETE FROM t WHERE state = 'old'"),
    ("changes a", "UPDATE t SET a = a || '!' WHERE state = 'old'"),
    ("renames b", "ALTER TABLE t RENAME COLUMN b TO c"),
    ("doubles b", "UPDATE t SET b = b * 2 WHERE id > 200"),
    ("empties b", "UPDATE t SET b = NULL WHERE state = 'old'"),
];

/// Of a migration; around the key stands the section.
const CASES: &str = "
deletes the old | rows | @ | | rows: may_vanish | /verdict | broken | as_declared
deletes the old | rows | @ | rows: kept | rows: may_vanish | /exit_code | 1 | 0
deletes the old | rows | @ | rows: may_vanish | rows: { may_vanish_where: state = 'new' } | /verdict | as_declared | broken
deletes the old | may_vanish_where | rows: { @ } | may_vanish_where: state = 'new' | may_vanish_where: state = 'old' | /tables/0/vanished_explained | 0 | 1000
deletes the old | may_vanish_where | rows: { @ } | may_vanish_where: id < 2 | may_vanish_where: id < 1001 | /verdict | broken | as_declared
changes a | same | @ | | same: [a] | /verdict | surprising | broken
changes a | same | @ | same: [b] | same: [a] | /tables/0/transitions/0/status | passed | failed
renames b | renamed | @ | | renamed: { c: b } | /tables/0/columns/3/renamed_by | inferred | declared
renames b | renamed | @ | | renamed: { c: b } | /verdict | surprising | as_declared
changes a | undeclared_changes | @ | | undeclared_changes: fail | /exit_code | 0 | 1
changes a | undeclared_changes | @ | undeclared_changes: warn | undeclared_changes: allow | /verdict | surprising | as_declared
changes a | undeclared_changes | @ | undeclared_changes: warn | undeclared_changes: fail | /tables/0/undeclared_changes_fail | false | true
doubles b | expect | @ | | expect: [ { that: after.id = before.id } ] | /tables/0/transitions/0/status | null | passed
doubles b | that | expect: [ { id: x, @ } ] | that: after.b = before.b * 2 | that: after.b = before.b | /tables/0/transitions/0/failed | 200 | 1800
doubles b | that | expect: [ { id: x, tolerance: 20%, @ } ] | that: after.b = before.b * 2 | that: after.b = before.b | /verdict | as_declared | broken
doubles b | id | expect: [ { that: after.b > 0, @ } ] | | id: mine | /tables/0/transitions/0/rule | shop.t.across.b376b9f2 | mine
doubles b | tolerance | expect: [ { that: after.b = before.b * 2, @ } ] | | tolerance: 20% | /tables/0/transitions/0/status | failed | passed
doubles b | severity | expect: [ { that: after.b = before.b, @ } ] | | severity: info | /exit_code | 1 | 0
doubles b | severity | expect: [ { that: after.b = before.b, @ } ] | | severity: page | /tables/0/transitions/0/severity | ticket | page
doubles b | description | expect: [ { that: after.b > 0, @ } ] | | description: why | /tables/0/transitions/0/description | null | why
empties b | nulls | expect: [ { that: after.b = before.b, @ } ] | nulls: pass | nulls: fail | /tables/0/transitions/0/failed | 0 | 1000
empties b | nulls | expect: [ { that: after.b = before.b, @ } ] | | nulls: pass | /verdict | broken | as_declared
";

/// Guards a migration of a shop of its own.
fn judge(case: &Case) -> Vec<String> {
    let (_, migration) = MIGRATIONS.iter().find(|(name, _)| *name == case.of).unwrap();
    case.judge(|text| {
        let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, state TEXT, a TEXT, b INTEGER);";
        let rows = fill("t", 2000, "i, CASE WHEN i > 1000 THEN 'new' ELSE 'old' END, 'a' || i, i");
        let shop = Shop::new(&[table, &rows].concat());
        shop.rules("t", &format!("across_migrations: {{ {} }}\n", case.around.replace('@', text)));
        std::fs::copy(shop.path("shop.db"), shop.path("migrated.db")).unwrap();
        rusqlite::Connection::open(shop.path("migrated.db")).unwrap().execute_batch(migration).unwrap();
        let run = shop.run(&["guard", "--output", "json", "--control", "300ms", "--", "cp", "migrated.db", "shop.db"]);
        let report = run.json();
        assert_eq!(report["exit_code"], run.code, "the exit code and the report differ");
        report
    })
}

#[test]
fn keys_about_rows_and_columns_have_an_effect() {
    let cases: Vec<Case> = Case::table(CASES).into_iter().filter(|case| !case.around.starts_with("expect")).collect();
    all_hold(&cases, judge);
}

#[test]
fn keys_of_expectations_have_an_effect() {
    let cases: Vec<Case> = Case::table(CASES).into_iter().filter(|case| case.around.starts_with("expect")).collect();
    all_hold(&cases, judge);
}

/// What a table's rules have in common its declarations have, too.
#[test]
fn declarations_have_their_owner() {
    let shop = Shop::new(&["CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);", &fill("t", 100, "i, i")].concat());
    let across = "across_migrations: { same: [a], expect: [ { id: x, that: after.a = before.a } ] }\n";
    shop.rules("t", &format!("owner: us\nescalation: us-oncall\nrunbook: 'https://runbooks.example'\n{across}"));
    let report = shop.json(&["guard", "--control", "300ms", "--", "true"], 0);
    let transitions = report["tables"][0]["transitions"].as_array().unwrap();
    let rules: Vec<_> = transitions.iter().map(|transition| transition["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["shop.t.same.a", "x"]);
    for transition in transitions {
        let keys = ["owner", "escalation", "runbook"].map(|key| transition[key].as_str().unwrap());
        assert_eq!(keys, ["us", "us-oncall", "https://runbooks.example"]);
        assert_eq!(transition["fingerprint"].as_str().unwrap().len(), 16, "{transition:#}");
    }
}

/// How the values of a changed column lie is told as exactly as rows are shown, and of a `pii` column not at all.
#[test]
fn how_values_lie_is_told_as_far_as_they_may_be_shown() {
    let kinds = |examples: &str| {
        let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, amount INTEGER, secret INTEGER, state TEXT);";
        let shop = Shop::new(&[table, &fill("t", 2000, "i, i, i, 'new'")].concat());
        shop.rules("t", "pii: [secret]\nacross_migrations: { undeclared_changes: allow }\n");
        std::fs::copy(shop.path("shop.db"), shop.path("migrated.db")).unwrap();
        let migration = "UPDATE t SET amount = amount * 100, secret = secret + 1, state = 'paid'";
        rusqlite::Connection::open(shop.path("migrated.db")).unwrap().execute_batch(migration).unwrap();
        let arguments = ["guard", "--output", "json", "--control", "300ms", "--", "cp", "migrated.db", "shop.db"];
        let output = shop.command(&arguments).env("FIELDMARK_SOURCES__SHOP__EXAMPLES", examples).output().unwrap();
        let report = Run::of(output).gives(0).json();
        let columns = report["tables"][0]["columns"].as_array().unwrap().clone();
        ["id", "amount", "secret", "state"].map(|name| {
            let column = columns.iter().find(|column| column["column"] == name).unwrap();
            column["shape"]["kind"].as_str().unwrap_or("").to_owned()
        })
    };
    assert_eq!(kinds("none"), ["", "", "", ""]);
    assert_eq!(kinds("keys"), ["", "numbers", "", "lengths"]);
    assert_eq!(kinds("redacted"), ["", "numbers", "", "lengths"]);
    assert_eq!(kinds("values"), ["", "numbers", "", "values"]);
}

#[test]
fn every_key_of_the_section_has_a_case() {
    let shop = Shop::new("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    shop.rules("t", "across_migrations: { nonsense: 1, rows: { nonsense: 1 }, expect: [ { nonsense: 1 } ] }\n");
    let keys = ["`across_migrations`", "`rows`", "an expectation"].map(|place| allowed(&shop, place));
    let covered: BTreeSet<String> = Case::table(CASES).iter().map(|case| case.key.to_owned()).collect();
    same(&covered, &keys.into_iter().flatten().collect());
}
