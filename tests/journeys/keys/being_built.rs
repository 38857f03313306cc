//! Keys whose effect is being built: their cases, as the design has it.

use super::{Case, document, report, shop};
use crate::journeys::shop::outcome;
use serde_json::Value;

/// Looked up without an index: a pass over sixty thousand rows takes longer than a millisecond and nowhere near a minute.
const TIMEOUT: &str = "
unique | timeout | unique: n, @ | timeout: 1m | timeout: 1ms | status | passed | not_evaluated
unique | timeout | unique: n, @ | timeout: 1m | timeout: 1ms | reason | no failure in 10 000 rows; at most 0.037 % can fail | timeout
references | timeout | references: { column: n, to: lone.n }, @ | timeout: 1m | timeout: 1ms | status | passed | not_evaluated
references | timeout | references: { column: n, to: lone.n }, @ | timeout: 1m | timeout: 1ms | reason | no failure in 10 000 rows; at most 0.037 % can fail | timeout
fresh | timeout | fresh: { column: at, within: 1d }, @ | timeout: 1m | timeout: 1ms | status | passed | not_evaluated
";

/// The second of two runs: the first has passed over the table.
const FULL_EVERY: &str = "
unique | full_every | unique: n, @ | full_every: 0s | full_every: 1d | status | passed | not_evaluated
unique | full_every | unique: n, @ | full_every: 0s | full_every: 1d | reason | no failure in 10 000 rows; at most 0.037 % can fail | too_expensive
unique | full_every | unique: n, @ | full_every: 0s | | reason | no failure in 10 000 rows; at most 0.037 % can fail | too_expensive
references | full_every | references: { column: n, to: lone.n }, @ | full_every: 0s | full_every: 1d | status | passed | not_evaluated
references | full_every | references: { column: n, to: lone.n }, @ | full_every: 0s | full_every: 1d | reason | no failure in 10 000 rows; at most 0.037 % can fail | too_expensive
fresh | full_every | fresh: { column: at, within: 1d }, @ | full_every: 0s | full_every: 1d | status | passed | not_evaluated
";

const TABLE: &str = "
t | escalation | not_null: maybe | escalation: us-oncall | escalation: them-oncall | escalation | us-oncall | them-oncall
";

const DEFAULTS: &str = "
t | escalation | not_null: maybe | escalation: us-oncall | escalation: them-oncall | escalation | us-oncall | them-oncall
many | timeout | unique: n | timeout: 1m | timeout: 1ms | status | passed | not_evaluated
";

/// As the rest, in the second of two runs.
const DEFAULTS_AGAIN: &str = "
many | full_every | unique: n | full_every: 0s | full_every: 1d | status | passed | not_evaluated
";

/// Cases about keys of rules.
pub(super) fn of_rules() -> Vec<Case> {
    [Case::table(TIMEOUT), Case::table(FULL_EVERY)].concat()
}

/// Cases about keys of tables.
pub(super) fn of_table() -> Vec<Case> {
    Case::table(TABLE)
}

/// Cases about keys of folders.
pub(super) fn of_defaults() -> Vec<Case> {
    [Case::table(DEFAULTS), Case::table(DEFAULTS_AGAIN)].concat()
}

#[test]
#[ignore = "timeout of look-ups and escalation in reports are being built"]
fn keys_being_built() {
    let shop = shop();
    let again = |arguments: &[&str]| {
        report(&shop, arguments);
        shop.run(&[&["check", "--output", "json"], arguments].concat()).json()
    };
    let of_rule = |case: &Case, text: &str| {
        shop.write("rules/t.yaml", &document::file("many", &case.around.replace('@', text), ""));
    };
    let of_table = |case: &Case, text: &str| shop.write("rules/t.yaml", &document::file(case.of, case.around, text));
    let of_folder = |case: &Case, text: &str| {
        shop.write("rules/t.yaml", &document::file(case.of, case.around, ""));
        shop.write("rules/_defaults.yaml", &format!("version: 1\n{text}\n"));
    };
    let mut wrong = Vec::new();
    let mut hold = |cases, write: &dyn Fn(&Case, &str), report: &dyn Fn() -> Value| {
        for case in Case::table(cases) {
            wrong.extend(case.judge(|text| {
                write(&case, text);
                report()
            }));
        }
    };
    hold(TIMEOUT, &of_rule, &|| report(&shop, &[]));
    hold(FULL_EVERY, &of_rule, &|| again(&[]));
    hold(TABLE, &of_table, &|| report(&shop, &[]));
    hold(DEFAULTS, &of_folder, &|| report(&shop, &[]));
    hold(DEFAULTS_AGAIN, &of_folder, &|| again(&[]));
    // the source has its own setting, and `--full` lifts both
    shop.write("rules/_defaults.yaml", "version: 1\n");
    shop.write("rules/t.yaml", &document::file("many", "unique: n, full_every: 1d", ""));
    if again(&["--full"])["outcomes"][0]["status"] != "passed" {
        wrong.push("--full does not lift full_every".to_owned());
    }
    shop.write("rules/t.yaml", &document::file("many", "unique: n", ""));
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace(" }", ", full_every: 0s }"));
    if again(&[])["outcomes"][0]["status"] != "passed" {
        wrong.push("a source's full_every does not differ from the default of a day".to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Not of one key, but found by the cases of the keys.
#[test]
#[ignore = "owners of transitions and printed SQL on SQLite are not right yet"]
fn faults_found_on_the_way() {
    let shop = shop();
    let mut wrong = Vec::new();

    // keys are drawn by the thousand, whatever is asked for and whatever the budget
    let sources = shop.read("fieldmark.yaml");
    shop.write("fieldmark.yaml", &sources.replace(" }", ", budget: { rows_per_check: 500 }, sample: { rows: 300 } }"));
    shop.write("rules/t.yaml", &document::file("many", "not_null: n", ""));
    let read = report(&shop, &["--no-enlarge"])["samples"][0]["rows"].clone();
    if read != 300 {
        wrong.push(format!("a sample of 300 rows has {read}, and rows_per_check is 500"));
    }
    shop.write("fieldmark.yaml", &sources);

    // `expect` of the same section has the owner
    shop.rules("parents", "owner: us\nacross_migrations: { same: [odd] }\n");
    let guarded = shop.json(&["guard", "--table", "parents", "--control", "300ms", "--", "true"], 0);
    let owner = &guarded["tables"][0]["transitions"][0]["owner"];
    if owner != "us" {
        wrong.push(format!("the owner of `same` is {owner}"));
    }

    // NULLs are distinct, and SQLite has no operator `!~`
    shop.write("rules/parents.yaml", "");
    shop.sql(
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO odd (v) VALUES (NULL), (NULL), ('a'), ('a')",
    );
    shop.rules("odd", "rules: [ { id: unique, unique: v }, { id: matches, matches: { column: v, pattern: b } } ]\n");
    let checked = report(&shop, &["--table", "odd"]);
    for (rule, rows) in [("unique", 1), ("matches", 2)] {
        let sql = outcome(&checked, rule)["sql"].as_str().unwrap();
        let shown = shop.database().query_row(&format!("SELECT count(*) FROM ({sql})"), [], |row| row.get::<_, i64>(0));
        if !shown.as_ref().is_ok_and(|shown| *shown == rows) {
            wrong.push(format!("{sql} gives {shown:?}, and not {rows}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
