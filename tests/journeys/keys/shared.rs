//! Keys that every rule may carry, and those that several kinds share.

use super::{Case, all_hold, passes, refused, report, same, shop};
use crate::journeys::shop::Shop;
use std::collections::BTreeSet;

/// On all rows.
const CASES: &str = "
not_null | id | not_null: maybe, @ | | id: mine | rule | shop.t.not_null.maybe | mine
not_null | id | not_null: [maybe], @ | id: yours | id: mine | rule | yours | mine
not_null | id | not_null: [maybe, n], @ | id: yours | id: mine | rule | yours/maybe | mine/maybe
not_null | severity | not_null: maybe, @ | | severity: info | /exit_code | 1 | 0
not_null | severity | not_null: maybe, @ | | severity: page | severity | ticket | page
not_null | description | not_null: maybe, @ | | description: why | description | null | why
not_null | where | not_null: maybe, @ | | where: id <= 1000 | failed | 200 | 100
not_null | tolerance | not_null: maybe, @ | | tolerance: 20% | status | failed | passed
unique | id | unique: twin, @ | | id: mine | rule | shop.t.unique.twin | mine
unique | severity | unique: twin, @ | | severity: info | /exit_code | 1 | 0
unique | severity | unique: twin, @ | | severity: page | severity | ticket | page
unique | description | unique: twin, @ | | description: why | description | null | why
unique | where | unique: twin, @ | | where: id <> 7 | failed | 200 | 198
unique | tolerance | unique: twin, @ | | tolerance: 20% | status | failed | passed
in_set | id | in_set: { column: status, values: [new, paid] }, @ | | id: mine | rule | shop.t.in_set.status | mine
in_set | severity | in_set: { column: status, values: [new, paid] }, @ | | severity: info | /exit_code | 1 | 0
in_set | severity | in_set: { column: status, values: [new, paid] }, @ | | severity: page | severity | ticket | page
in_set | description | in_set: { column: status, values: [new, paid] }, @ | | description: why | description | null | why
in_set | where | in_set: { column: status, values: [new, paid] }, @ | | where: id <= 1000 | failed | 200 | 100
in_set | tolerance | in_set: { column: status, values: [new, paid] }, @ | | tolerance: 20% | status | failed | passed
in_set | nulls | in_set: { column: word, values: [ab] }, @ | | nulls: fail | failed | 0 | 200
in_set | nulls | in_set: { column: word, values: [ab] }, @ | nulls: pass | nulls: fail | status | passed | failed
in_range | id | in_range: { column: n, min: 201 }, @ | | id: mine | rule | shop.t.in_range.n | mine
in_range | severity | in_range: { column: n, min: 201 }, @ | | severity: info | /exit_code | 1 | 0
in_range | severity | in_range: { column: n, min: 201 }, @ | | severity: page | severity | ticket | page
in_range | description | in_range: { column: n, min: 201 }, @ | | description: why | description | null | why
in_range | where | in_range: { column: n, min: 201 }, @ | | where: id > 100 | failed | 200 | 100
in_range | tolerance | in_range: { column: n, min: 201 }, @ | | tolerance: 20% | status | failed | passed
in_range | nulls | in_range: { column: maybe, min: 1 }, @ | | nulls: fail | failed | 0 | 200
in_range | nulls | in_range: { column: maybe, min: 1 }, @ | nulls: pass | nulls: fail | status | passed | failed
matches | id | matches: { column: status, pattern: '^[np]' }, @ | | id: mine | rule | shop.t.matches.status | mine
matches | severity | matches: { column: status, pattern: '^[np]' }, @ | | severity: info | /exit_code | 1 | 0
matches | severity | matches: { column: status, pattern: '^[np]' }, @ | | severity: page | severity | ticket | page
matches | description | matches: { column: status, pattern: '^[np]' }, @ | | description: why | description | null | why
matches | where | matches: { column: status, pattern: '^[np]' }, @ | | where: id <= 1000 | failed | 200 | 100
matches | tolerance | matches: { column: status, pattern: '^[np]' }, @ | | tolerance: 20% | status | failed | passed
matches | nulls | matches: { column: word, pattern: '^ab$' }, @ | | nulls: fail | failed | 0 | 200
matches | nulls | matches: { column: word, pattern: '^ab$' }, @ | nulls: pass | nulls: fail | status | passed | failed
length | id | length: { column: status, max: 4 }, @ | | id: mine | rule | shop.t.length.status | mine
length | severity | length: { column: status, max: 4 }, @ | | severity: info | /exit_code | 1 | 0
length | severity | length: { column: status, max: 4 }, @ | | severity: page | severity | ticket | page
length | description | length: { column: status, max: 4 }, @ | | description: why | description | null | why
length | where | length: { column: status, max: 4 }, @ | | where: id <= 1000 | failed | 200 | 100
length | tolerance | length: { column: status, max: 4 }, @ | | tolerance: 20% | status | failed | passed
length | nulls | length: { column: word, max: 2 }, @ | | nulls: fail | failed | 0 | 200
length | nulls | length: { column: word, max: 2 }, @ | nulls: pass | nulls: fail | status | passed | failed
type_is | id | type_is: { column: mixed, type: integer }, @ | | id: mine | rule | shop.t.type_is.mixed | mine
type_is | severity | type_is: { column: mixed, type: integer }, @ | | severity: info | /exit_code | 1 | 0
type_is | severity | type_is: { column: mixed, type: integer }, @ | | severity: page | severity | ticket | page
type_is | description | type_is: { column: mixed, type: integer }, @ | | description: why | description | null | why
type_is | where | type_is: { column: mixed, type: integer }, @ | | where: id <= 1000 | failed | 200 | 100
type_is | tolerance | type_is: { column: mixed, type: integer }, @ | | tolerance: 20% | status | failed | passed
type_is | nulls | type_is: { column: maybe, type: integer }, @ | | nulls: fail | failed | 0 | 200
type_is | nulls | type_is: { column: maybe, type: integer }, @ | nulls: pass | nulls: fail | status | passed | failed
references | id | references: { column: parent, to: parents.id }, @ | | id: mine | rule | shop.t.references.parent | mine
references | severity | references: { column: parent, to: parents.id }, @ | | severity: info | /exit_code | 1 | 0
references | severity | references: { column: parent, to: parents.id }, @ | | severity: page | severity | ticket | page
references | description | references: { column: parent, to: parents.id }, @ | | description: why | description | null | why
references | where | references: { column: parent, to: parents.id }, @ | | where: id <= 1000 | failed | 200 | 100
references | tolerance | references: { column: parent, to: parents.id }, @ | | tolerance: 20% | status | failed | passed
fresh | id | fresh: { column: begun, within: 1d }, @ | | id: mine | rule | shop.t.fresh.begun | mine
fresh | severity | fresh: { column: begun, within: 1d }, @ | | severity: info | /exit_code | 1 | 0
fresh | severity | fresh: { column: begun, within: 1d }, @ | | severity: page | severity | ticket | page
fresh | description | fresh: { column: begun, within: 1d }, @ | | description: why | description | null | why
distribution | id | distribution: { column: n, mean: [1, 9] }, @ | | id: mine | rule | shop.t.distribution.n.mean | mine
distribution | severity | distribution: { column: n, mean: [1, 9] }, @ | | severity: info | /exit_code | 1 | 0
distribution | severity | distribution: { column: n, mean: [1, 9] }, @ | | severity: page | severity | ticket | page
distribution | description | distribution: { column: n, mean: [1, 9] }, @ | | description: why | description | null | why
distribution | where | distribution: { column: n, mean: [1, 9] }, @ | | where: id <= 9 | status | failed | passed
sql | id | sql: SELECT id FROM t WHERE n < 9, @ | | id: mine | rule | shop.t.sql.75f5117c | mine
sql | severity | sql: SELECT id FROM t WHERE n < 9, @ | | severity: info | /exit_code | 1 | 0
sql | severity | sql: SELECT id FROM t WHERE n < 9, @ | | severity: page | severity | ticket | page
sql | description | sql: SELECT id FROM t WHERE n < 9, @ | | description: why | description | null | why
row_count | id | row_count: { min: 3000 }, @ | | id: mine | rule | shop.t.row_count | mine
row_count | severity | row_count: { min: 3000 }, @ | | severity: info | /exit_code | 1 | 0
row_count | severity | row_count: { min: 3000 }, @ | | severity: page | severity | ticket | page
row_count | description | row_count: { min: 3000 }, @ | | description: why | description | null | why
expect | id | expect: n > 200, @ | | id: mine | rule | shop.t.expect.5a6e5b07 | mine
expect | severity | expect: n > 200, @ | | severity: info | /exit_code | 1 | 0
expect | severity | expect: n > 200, @ | | severity: page | severity | ticket | page
expect | description | expect: n > 200, @ | | description: why | description | null | why
expect | where | expect: n > 200, @ | | where: id > 100 | failed | 200 | 100
expect | tolerance | expect: n > 200, @ | | tolerance: 20% | status | failed | passed
expect | nulls | expect: maybe > 0, @ | | nulls: fail | failed | 0 | 200
expect | nulls | expect: maybe > 0, @ | nulls: pass | nulls: fail | status | passed | failed
";

/// On a sample without a failing row: a thousand rows rule out one in twenty and not one in a thousand.
const SAMPLED: &str = "
not_null | detect | not_null: n, @ | | detect: 5% | status | inconclusive | passed
unique | detect | unique: code, @ | | detect: 5% | status | inconclusive | passed
in_set | detect | in_set: { column: word, values: [ab] }, @ | | detect: 5% | status | inconclusive | passed
in_range | detect | in_range: { column: n, min: 1 }, @ | | detect: 5% | status | inconclusive | passed
matches | detect | matches: { column: word, pattern: ab }, @ | | detect: 5% | status | inconclusive | passed
length | detect | length: { column: word, max: 2 }, @ | | detect: 5% | status | inconclusive | passed
type_is | detect | type_is: { column: n, type: integer }, @ | | detect: 5% | status | inconclusive | passed
references | detect | references: { column: kin, to: parents.id }, @ | | detect: 5% | status | inconclusive | passed
expect | detect | expect: n > 0, @ | | detect: 5% | status | inconclusive | passed
";

/// Asks for fewer rows than a fifth of the table, and for no more of them.
pub(super) const SAMPLE: &[&str] = &["--sample", "200", "--no-enlarge", "--seed", "1"];

/// Both reports of a case about one rule of the table `t`.
pub(super) fn judge(shop: &Shop, case: &Case, arguments: &[&str]) -> Vec<String> {
    case.judge(|text| {
        shop.rules("t", &format!("rules:\n  - {{ {} }}\n", case.around.replace('@', text)));
        report(shop, arguments)
    })
}

#[test]
fn shared_keys_have_an_effect() {
    let shop = shop();
    all_hold(&Case::table(CASES), |case| judge(&shop, case, &[]));
}

#[test]
fn shared_keys_have_an_effect_on_samples() {
    let shop = shop();
    all_hold(&Case::table(SAMPLED), |case| judge(&shop, case, SAMPLE));
}

/// What the program says of every kind: which shared keys it takes, and which it does not.
pub(super) struct Kinds {
    pub(super) takes: BTreeSet<(String, String)>,
    pub(super) refuses: BTreeSet<(String, String, String)>,
}

pub(super) fn kinds(shop: &Shop) -> Kinds {
    let all = shop.run(&["rules"]).gives(0).out;
    let names: Vec<&str> = all.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect();
    assert!(names.len() >= 13, "{names:?}");
    let mut kinds = Kinds { takes: BTreeSet::new(), refuses: BTreeSet::new() };
    for kind in names {
        let out = shop.run(&["rules", kind]).gives(0).out;
        let keys = out.lines().find_map(|line| line.strip_prefix("Keys besides ")).unwrap_or_else(|| panic!("{out}"));
        let keys = keys.split([':', ',']).map(str::trim).filter(|key| *key != "none");
        kinds.takes.extend(keys.map(|key| (kind.to_owned(), key.to_owned())));
        for (key, why) in out.lines().filter_map(|line| line.strip_prefix("Not ")?.split_once(": ")) {
            kinds.refuses.insert((kind.to_owned(), key.to_owned(), why.to_owned()));
        }
    }
    kinds
}

#[test]
fn every_shared_key_of_every_kind_has_a_case() {
    let kinds = kinds(&shop());
    let pair = |(kind, key): (&str, &str)| (kind.to_owned(), key.to_owned());
    let cases = [Case::table(CASES), Case::table(SAMPLED), passes::of_rules()].concat();
    same(&cases.iter().map(|case| pair(case.names())).collect(), &kinds.takes);
    same(
        &refused::cases().into_iter().map(|(kind, key, _, why)| (kind.into(), key.into(), why.into())).collect(),
        &kinds.refuses,
    );
    // each key is taken or refused by each kind: none is passed over
    let of =
        |pairs: BTreeSet<(String, String)>| -> BTreeSet<String> { pairs.into_iter().map(|(_, key)| key).collect() };
    let refused: BTreeSet<_> = kinds.refuses.iter().map(|(kind, key, _)| (kind.clone(), key.clone())).collect();
    let keys = of(kinds.takes.union(&refused).cloned().collect());
    let names: BTreeSet<&String> = kinds.takes.iter().map(|(kind, _)| kind).collect();
    let all = names.iter().flat_map(|kind| keys.iter().map(|key| ((*kind).clone(), key.clone()))).collect();
    same(&kinds.takes.union(&refused).cloned().collect(), &all);
}
