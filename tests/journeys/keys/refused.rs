//! Shared keys that have no meaning for a kind are refused, with the place and the reason.

use super::shop;

/// Kind, key with a value, a rule of the kind, why.
const REFUSED: &str = "
not_null | nulls: fail | not_null: maybe | NULL is what it is about: a row with NULL fails
not_null | timeout: 5s | not_null: maybe | it is judged on the rows read for the sample and sends no statement of its own
not_null | full_every: 1d | not_null: maybe | it is judged on the rows read for the sample and needs no pass over the table
unique | nulls: fail | unique: twin | NULLs are distinct: a row with a NULL among the columns passes
in_set | timeout: 5s | in_set: { column: word, values: [ab] } | it is judged on the rows read for the sample and sends no statement of its own
in_set | full_every: 1d | in_set: { column: word, values: [ab] } | it is judged on the rows read for the sample and needs no pass over the table
in_range | timeout: 5s | in_range: { column: n, min: 1 } | it is judged on the rows read for the sample and sends no statement of its own
in_range | full_every: 1d | in_range: { column: n, min: 1 } | it is judged on the rows read for the sample and needs no pass over the table
matches | timeout: 5s | matches: { column: word, pattern: ab } | it is judged on the rows read for the sample and sends no statement of its own
matches | full_every: 1d | matches: { column: word, pattern: ab } | it is judged on the rows read for the sample and needs no pass over the table
length | timeout: 5s | length: { column: word, max: 2 } | it is judged on the rows read for the sample and sends no statement of its own
length | full_every: 1d | length: { column: word, max: 2 } | it is judged on the rows read for the sample and needs no pass over the table
type_is | timeout: 5s | type_is: { column: n, type: integer } | it is judged on the rows read for the sample and sends no statement of its own
type_is | full_every: 1d | type_is: { column: n, type: integer } | it is judged on the rows read for the sample and needs no pass over the table
references | nulls: fail | references: { column: kin, to: parents.id } | a row with a NULL among the columns passes (MATCH SIMPLE)
fresh | where: id > 1 | fresh: { column: touched, within: 1d } | it speaks of the table's maximum, not of single rows
fresh | tolerance: 1% | fresh: { column: touched, within: 1d } | it speaks of the table's maximum: there is no failing fraction
fresh | detect: 1% | fresh: { column: touched, within: 1d } | it speaks of the table's maximum: nothing is sampled
fresh | nulls: fail | fresh: { column: touched, within: 1d } | it speaks of the table's maximum, which leaves NULLs out
row_count | where: id > 1 | row_count: { min: 1 } | it counts the rows of the table, all of them
row_count | tolerance: 1% | row_count: { min: 1 } | it counts rows: there is no failing fraction; widen `min`, `max` or `change`
row_count | detect: 1% | row_count: { min: 1 } | it counts rows: there is no failing fraction
row_count | nulls: fail | row_count: { min: 1 } | it counts rows, whatever is in them
row_count | timeout: 5s | row_count: { min: 1 } | the count comes with the sample and has its limits
row_count | full_every: 1d | row_count: { min: 1 } | the count comes with the sample
distribution | tolerance: 1% | distribution: { column: n, mean: [1, 9] } | it speaks of a statistic of all rows: there is no failing fraction; widen its limits
distribution | detect: 1% | distribution: { column: n, mean: [1, 9] } | it speaks of a statistic of all rows: its own interval decides
distribution | nulls: fail | distribution: { column: n, mean: [1, 9] } | `mean` leaves NULLs out, and `null_fraction` is about them
distribution | timeout: 5s | distribution: { column: n, mean: [1, 9] } | it is judged on the rows read for the sample and sends no statement of its own
distribution | full_every: 1d | distribution: { column: n, mean: [1, 9] } | it is judged on the rows read for the sample and needs no pass over the table
sql | where: id > 1 | sql: SELECT id FROM t | write the condition into the query
sql | tolerance: 1% | sql: SELECT id FROM t | it counts rows: there is no failing fraction; write the number into the query (`HAVING`)
sql | detect: 1% | sql: SELECT id FROM t | the query speaks of all rows: nothing is sampled
sql | nulls: fail | sql: SELECT id FROM t | the query decides by itself what a NULL counts as
expect | timeout: 5s | expect: n > 0 | it is judged on the rows read for the sample and sends no statement of its own
expect | full_every: 1d | expect: n > 0 | it is judged on the rows read for the sample and needs no pass over the table
";

/// Kind, key, what stands in the file, why the key is refused.
pub(super) fn cases() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let one = |line: &'static str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [kind, given, rule, why] = cells[..] else { panic!("four cells are wanted: {line}") };
        let (key, _) = given.split_once(':').unwrap();
        (kind, key, format!("  - {{ {rule}, {given} }}"), why)
    };
    REFUSED.lines().filter(|line| !line.is_empty()).map(one).collect()
}

#[test]
fn keys_without_a_meaning_are_refused_at_their_place_and_told_why() {
    let shop = shop();
    for (kind, key, rule, why) in cases() {
        shop.rules("t", &format!("rules:\n{rule}\n"));
        let run = shop.run(&["check"]).gives(78);
        // the rule stands in the fourth line of its file
        let column = rule.find(&format!(", {key}: ")).unwrap() + 3;
        let says =
            format!("rules/t.yaml:4:{column}: `{key}` is refused in a rule; it has no meaning for {kind}: {why}\n");
        assert_eq!(run.err, says, "{rule}");
        assert_eq!(run.out, "", "{rule}");
    }
}

#[test]
fn a_default_without_a_meaning_for_a_kind_is_not_applied_to_it() {
    let shop = shop();
    shop.rules("t", "rules:\n  - not_null: n\n  - row_count: { min: 1 }\n");
    let plain = super::report(&shop, &[]);
    shop.write("rules/_defaults.yaml", "version: 1\nnulls: fail\ntimeout: 5s\nfull_every: 1d\n");
    assert_eq!(super::report(&shop, &[])["outcomes"], plain["outcomes"]);
}
