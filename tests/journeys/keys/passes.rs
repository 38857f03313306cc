//! Keys of rules that no index answers: how long a pass over a table may take, and how often there is one.

use super::{Case, document, report, shop};
use serde_json::Value;

/// Looked up without an index: a pass over sixty thousand rows takes longer than a millisecond and nowhere near a minute.
const TIMEOUT: &str = "
unique | timeout | unique: n, @ | timeout: 1m | timeout: 1ms | status | passed | not_evaluated
unique | timeout | unique: n, @ | timeout: 1m | timeout: 1ms | reason | no failure in 10 000 rows; at most 0.037 % can fail | timeout
references | timeout | references: { column: n, to: lone.n }, @ | timeout: 1m | timeout: 1ms | status | passed | not_evaluated
references | timeout | references: { column: n, to: lone.n }, @ | timeout: 1m | timeout: 1ms | reason | no failure in 10 000 rows; at most 0.037 % can fail | timeout
sql | timeout | sql: SELECT a.id FROM many a CROSS JOIN few b WHERE a.n + b.n < 0, @ | timeout: 1m | timeout: 1ms | status | passed | not_evaluated
fresh | timeout | fresh: { column: at, within: 1d }, @ | timeout: 1m | timeout: 1ms | status | passed | not_evaluated
";

/// The second of two runs: the first has passed over the table.
const FULL_EVERY: &str = "
unique | full_every | unique: n, @ | full_every: 0s | full_every: 1d | status | passed | not_evaluated
unique | full_every | unique: n, @ | full_every: 0s | full_every: 1d | reason | no failure in 10 000 rows; at most 0.037 % can fail | too_expensive
unique | full_every | unique: n, @ | full_every: 0s | | reason | no failure in 10 000 rows; at most 0.037 % can fail | too_expensive
references | full_every | references: { column: n, to: lone.n }, @ | full_every: 0s | full_every: 1d | status | passed | not_evaluated
references | full_every | references: { column: n, to: lone.n }, @ | full_every: 0s | full_every: 1d | reason | no failure in 10 000 rows; at most 0.037 % can fail | too_expensive
sql | full_every | sql: SELECT id FROM many WHERE n < 0, @ | full_every: 0s | full_every: 1d | status | passed | not_evaluated
fresh | full_every | fresh: { column: at, within: 1d }, @ | full_every: 0s | full_every: 1d | status | passed | not_evaluated
";

const DEFAULTS: &str = "
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

/// Cases about keys of folders.
pub(super) fn of_defaults() -> Vec<Case> {
    [Case::table(DEFAULTS), Case::table(DEFAULTS_AGAIN)].concat()
}

#[test]
fn keys_of_passes_have_an_effect() {
    let shop = shop();
    let again = |arguments: &[&str]| {
        report(&shop, arguments);
        shop.run(&[&["check", "--output", "json"], arguments].concat()).json()
    };
    let of_rule = |case: &Case, text: &str| {
        shop.write("rules/t.yaml", &document::file("many", &case.around.replace('@', text), ""));
    };
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
