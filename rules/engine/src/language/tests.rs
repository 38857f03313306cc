//! Whole files: what they mean, and what broken ones are told.

use super::*;
use crate::rule::{Nulls, RowsAcross, SampleWish, UndeclaredChanges};
use arrow::datatypes::DataType;
use fieldmark_model::{Catalogue, Column, Severity, SourceName, Table, TableKind, TableName};
use std::time::Duration;

fn file(path: &str, text: &str) -> RuleFile {
    RuleFile { path: path.into(), text: text.into() }
}

fn read(files: &[(&str, &str)]) -> Result<Vec<TableRules>, String> {
    let files: Vec<RuleFile> = files.iter().map(|(path, text)| file(path, text)).collect();
    parse_rule_files(&files).map_err(|problems| problems.to_string())
}

fn one(text: &str) -> TableRules {
    read(&[("t.yaml", text)]).unwrap_or_else(|problems| panic!("{problems}")).remove(0)
}

fn ids(table: &TableRules) -> Vec<&str> {
    table.rules.iter().map(|rule| rule.id.as_str()).collect()
}

const ORDERS: &str = r#"
version: 1
table: shop.public.orders          # source.schema.table
owner: team-payments
escalation: payments-oncall
runbook: https://example.org/orders
key: [id]
sample: { rows: 10000, per_block: 1 }
pii: [email, name]
rules:
  - not_null: [customer_id, created_at]
  - unique: [order_no]
  - in_set:     { column: status, values: [new, paid, shipped, cancelled] }
  - in_range:   { column: total_cents, min: 0, max: 100000000 }
  - matches:    { column: email, pattern: '^[^@\s]+@[^@\s]+$' }
  - length:     { column: country, min: 2, max: 2 }
  - type_is:    { column: payload, type: json }
  - references: { column: customer_id, to: customers.id }
  - fresh:      { column: updated_at, within: 15m }
  - row_count:  { min: 1000, change: 20% }
  - id: total_adds_up
    expect: total_cents = subtotal_cents + tax_cents
    where: status <> 'draft'
    tolerance: 0.1%
    severity: page
    nulls: fail
    description: The total is the sum of its parts.
  - { expect: "a > 0", severity: info }
  - { id: unique_pair, unique: [a, b], timeout: 5s, full_every: 24h, detect: 1% }
across_migrations:
  rows: { may_vanish_where: "deleted_at IS NOT NULL" }
  same: [id, customer_id, created_at]
  renamed: { total_cents: total }
  expect:
    - id: cents_from_total
      that: after.total_cents = CAST(round(before.total * 100) AS BIGINT)
    - { that: "after.a = before.a", tolerance: 1%, severity: page, nulls: fail, description: " why " }
  undeclared_changes: fail
"#;

#[test]
fn the_whole_language_is_read() {
    let table = one(ORDERS);
    assert_eq!(
        (table.source.as_str(), table.schema.as_deref(), table.table.as_str()),
        ("shop", Some("public"), "orders")
    );
    assert_eq!(table.place.to_string(), "t.yaml:3:8");
    assert_eq!(table.owner.as_deref(), Some("team-payments"));
    assert_eq!(table.escalation.as_deref(), Some("payments-oncall"));
    assert_eq!(table.runbook.as_deref(), Some("https://example.org/orders"));
    assert_eq!(table.key.as_ref().unwrap().value, ["id"]);
    assert_eq!(table.sample, Some(SampleWish::Rows { rows: 10_000, per_block: Some(1) }));
    assert_eq!(table.pii.iter().map(|column| column.value.as_str()).collect::<Vec<_>>(), ["email", "name"]);
    assert_eq!(
        ids(&table),
        [
            "shop.public.orders.not_null.customer_id",
            "shop.public.orders.not_null.created_at",
            "shop.public.orders.unique.order_no",
            "shop.public.orders.in_set.status",
            "shop.public.orders.in_range.total_cents",
            "shop.public.orders.matches.email",
            "shop.public.orders.length.country",
            "shop.public.orders.type_is.payload",
            "shop.public.orders.references.customer_id",
            "shop.public.orders.fresh.updated_at",
            "shop.public.orders.row_count",
            "total_adds_up",
            "shop.public.orders.expect.4ead0c05",
            "unique_pair",
        ]
    );
    let rule = &table.rules[11];
    assert_eq!(rule.filter.as_ref().unwrap().value, "status <> 'draft'");
    assert_eq!(rule.filter.as_ref().unwrap().place.to_string(), "t.yaml:23:12");
    assert_eq!((rule.tolerance, rule.detect, rule.severity, rule.nulls), (0.001, None, Severity::Page, Nulls::Fail));
    assert_eq!(rule.description.as_deref(), Some("The total is the sum of its parts."));
    let pair = &table.rules[13];
    assert_eq!(
        (pair.timeout, pair.full_every, pair.detect, pair.severity),
        (Some(Duration::from_secs(5)), Some(Duration::from_secs(86_400)), Some(0.01), Severity::Ticket)
    );
    let across = &table.across;
    assert!(matches!(&across.rows, RowsAcross::MayVanishWhere(text) if text.value == "deleted_at IS NOT NULL"));
    assert_eq!(across.same.len(), 3);
    assert_eq!((across.renamed[0].0.value.as_str(), across.renamed[0].1.value.as_str()), ("total_cents", "total"));
    assert_eq!(across.expect[0].id.as_str(), "cents_from_total");
    let second = &across.expect[1];
    assert_eq!(second.id.as_str(), "shop.public.orders.across.4b5e3168");
    assert_eq!((second.tolerance, second.severity, second.nulls), (0.01, Severity::Page, Nulls::Fail));
    assert_eq!(second.description.as_deref(), Some("why"));
    assert_eq!(across.undeclared_changes, UndeclaredChanges::Fail);
}

#[test]
fn a_document_may_say_little() {
    let table = one("version: 1\ntable: shop.\"a.b\"\n");
    assert_eq!((table.schema.as_deref(), table.table.as_str()), (None, "a.b"));
    assert!(table.rules.is_empty() && table.sample.is_none() && table.key.is_none() && table.owner.is_none());
    assert!(matches!(table.across.rows, RowsAcross::Kept));
    assert_eq!(table.across.undeclared_changes, UndeclaredChanges::Warn);
    let odd = one("version: 1\ntable: shop.\"a.b\"\nrules: [ unique: id ]\nacross_migrations: { rows: may_vanish }\n");
    assert_eq!(ids(&odd), ["shop.\"a.b\".unique.id"]);
    assert!(matches!(odd.across.rows, RowsAcross::MayVanish));
}

#[test]
fn samples() {
    for (text, expected) in [
        ("all", SampleWish::All),
        ("{ rows: 5 }", SampleWish::Rows { rows: 5, per_block: None }),
        ("{ fraction: 1%, per_block: 2 }", SampleWish::Fraction { fraction: 0.01, per_block: Some(2) }),
    ] {
        assert_eq!(one(&format!("version: 1\ntable: s.t\nsample: {text}\n")).sample, Some(expected), "{text}");
    }
}

#[test]
fn broken_files_are_told_what_is_allowed() {
    const KEYS: &str = "version, table, owner, escalation, runbook, key, sample, pii, rules, across_migrations";
    let head = "version: 1\ntable: s.t\n";
    let rule = |rule: &str| format!("{head}rules:\n  - {rule}\n");
    let across = |section: &str| format!("{head}across_migrations: {section}\n");
    for (text, expected) in [
        ("table: s.t\n".to_owned(), "1:1: `version` is missing in a rule file; begin it with `version: 1`"),
        ("version:\ntable: s.t\n".to_owned(), "1:1: `version` has no value in a rule file; begin it with `version: 1`"),
        (
            "version: 2\ntable: s.t\n".to_owned(),
            "1:10: this version of the rule language is not known: `2`; allowed: 1",
        ),
        (
            "version: '1'\ntable: s.t\n".to_owned(),
            "1:10: this version of the rule language is not known: `1`; allowed: 1; a number, without quotes",
        ),
        (
            "version: 1\n".to_owned(),
            "1:1: `table` is missing in a rule file; allowed: `source.schema.table` or `source.table`",
        ),
        (
            "version: 1\ntable: t\n".to_owned(),
            "2:8: `table` has to name a source and a table: `t`; allowed: `source.schema.table` or `source.table`, odd names in SQL double quotes; in schema and table `*` stands for any characters",
        ),
        (
            "version: 1\ntable: a.b.c.d\n".to_owned(),
            "2:8: `table` has to name a source and a table: `a.b.c.d`; allowed: `source.schema.table` or `source.table`, odd names in SQL double quotes; in schema and table `*` stands for any characters",
        ),
        (
            "version: 1\ntable: 's.\"t'\n".to_owned(),
            "2:8: `table` is no name of a table: `s.\"t`; allowed: `source.schema.table` or `source.table`, odd names in SQL double quotes; in schema and table `*` stands for any characters",
        ),
        (
            "version: 1\ntable: \"*.p.t\"\n".to_owned(),
            "2:8: the source is no pattern: `*.p.t`; allowed: `source.schema.table` or `source.table`, odd names in SQL double quotes; in schema and table `*` stands for any characters; write one document for each source",
        ),
        (format!("{head}ownr: x\n"), "3:1: unknown key in a rule file: `ownr`; allowed: KEYS; did you mean `owner`?"),
        (format!("{head}owner: ' '\n"), "3:8: `owner` is empty; leave it out, or fill it"),
        (
            format!("{head}severity: page\n"),
            "3:1: `severity` is refused in a rule file; write it at a rule, or for all rules of a folder in `_defaults.yaml`",
        ),
        (
            format!("{head}full_every: 1d\n"),
            "3:1: `full_every` is refused in a rule file; write it at a rule, or for all rules of a folder in `_defaults.yaml`",
        ),
        (
            format!("{head}not_null: [a]\n"),
            "3:1: `not_null` is refused in a rule file; a rule is an entry of the list under `rules:`",
        ),
        (format!("{head}key: []\n"), "3:6: `key` names no column; allowed: at least one"),
        (
            format!("{head}sample: ALL\n"),
            "3:9: `sample` has to be a wish for a sample: `ALL`; allowed: `all`, `{ rows: 10000 }` or `{ fraction: 1% }`, the last two with `per_block`; did you mean `all`?",
        ),
        (
            format!("{head}sample: 10%\n"),
            "3:9: `sample` has to be a wish for a sample: `10%`; allowed: `all`, `{ rows: 10000 }` or `{ fraction: 1% }`, the last two with `per_block`",
        ),
        (
            format!("{head}sample: {{ fraction: 100% }}\n"),
            "3:21: `fraction` has to lie between 0 and 1: `100%`; `sample: all` reads every row",
        ),
        (
            format!("{head}sample: {{ rows: 0 }}\n"),
            "3:17: `rows` has to be a whole number: `0`; allowed: 1 to 18446744073709551615",
        ),
        (
            format!("{head}sample: {{ per_block: 1 }}\n"),
            "3:9: `sample` has neither `rows` nor `fraction`; allowed: `all`, `{ rows: 10000 }` or `{ fraction: 1% }`, the last two with `per_block`",
        ),
        (
            format!("{head}rules: {{ not_null: [a] }}\n"),
            "3:8: `rules` has to be a list: a mapping of 1; allowed: `[a, b]`, or lines that begin with `- `",
        ),
        (
            rule("not_nul: [a]"),
            "4:5: a rule needs a kind: `not_nul`; allowed: not_null, unique, in_set, in_range, matches, length, type_is, references, fresh, row_count, distribution, expect, sql; did you mean `not_null`?",
        ),
        (
            rule("{ id: x, where: a }"),
            "4:5: a rule needs a kind; allowed: not_null, unique, in_set, in_range, matches, length, type_is, references, fresh, row_count, distribution, expect, sql",
        ),
        (rule("not_null"), "4:5: a rule has to be a mapping: `not_null`; allowed: `key: value`"),
        (
            rule("not_null:[a]"),
            "4:5: a rule has to be a mapping: `not_null:[a]`; allowed: `key: value`; write `not_null: ` with a colon and a space",
        ),
        (
            rule("unique：[a]"),
            "4:5: a rule has to be a mapping: `unique：[a]`; allowed: `key: value`; write `unique: ` with a colon and a space",
        ),
        (
            rule("{ not_null: a, detect: 0 }"),
            "4:28: `detect` has to be a fraction between 0% and 100%: `0`; allowed: above 0% and below 100%, such as `0.1%`; no sample can rule out that any row at all fails",
        ),
        (rule("{ unique: a, timeout: 0s }"), "4:27: `timeout` has to be a duration above zero: `0s`; such as `5s`"),
        (
            rule("{ not_null: a, where: \"b = \" }"),
            "4:31: not an SQL expression: Expected: an expression, found: EOF: `b = `; one SQL boolean expression over the row's columns",
        ),
        (
            rule("{ not_null: [a], unique: [a] }"),
            "4:22: a rule has one kind, this one has two: `unique`; write two rules (the other at t.yaml:4:7)",
        ),
        (
            rule("{ unique: [a], toleranc: 1% }"),
            "4:20: unknown key in a rule: `toleranc`; allowed: unique, id, severity, description, where, tolerance, detect, timeout, full_every; did you mean `tolerance`?",
        ),
        (
            rule("{ unique: [a], severity: pgae }"),
            "4:30: `severity` has to be one of a few words: `pgae`; allowed: page, ticket, info; did you mean `page`?",
        ),
        (
            rule("{ unique: [a], tolerance: 2 }"),
            "4:31: `tolerance` has to be a fraction: `2`; allowed: 0% to 100%, such as `0.1%`, or 0 to 1, such as `0.001`; did you mean `2%`?",
        ),
        (
            rule("{ not_null: a, nulls: fail }"),
            "4:20: `nulls` is refused in a rule; it has no meaning for not_null: NULL is what it is about: a row with NULL fails",
        ),
        (rule("{ unique: a, id: 'a b' }"), "4:22: `id` is no id: `a b`; allowed: at most 200 characters, no spaces"),
        (
            rule("{ not_null: a, where: [b] }"),
            "4:27: `where` has to be an SQL expression: a list of 1; allowed: `status <> 'draft'`",
        ),
        (
            rule("distribution: { column: a, men: [1, 2] }"),
            "4:32: unknown key in `distribution`: `men`; allowed: column, mean, null_fraction; did you mean `mean`?",
        ),
        (
            rule("{ sql: DELETE FROM t, timeout: 5s }"),
            "4:12: `sql` has to be a query: `DELETE FROM t`; allowed: `SELECT …`, whose rows are failures",
        ),
        (
            format!("{head}rules:\n  - unique: a\n  - unique: a\n"),
            "5:5: two rules have the same id: `s.t.unique.a`; give one of them an `id` of its own (first at t.yaml:4:5)",
        ),
        (
            format!("{head}rules:\n  - {{ id: x, unique: a }}\n  - {{ id: x, unique: b }}\n"),
            "5:5: two rules have the same id: `x` (first at t.yaml:4:5)",
        ),
        (
            across("{ rows: may_vanish_where }"),
            "3:28: `rows` has to be told which rows may vanish: `may_vanish_where`; allowed: kept, may_vanish, or `{ may_vanish_where: \"<expression over the row before>\" }`",
        ),
        (
            across("{ rows: keep }"),
            "3:28: `rows` has to be told which rows may vanish: `keep`; allowed: kept, may_vanish, or `{ may_vanish_where: \"<expression over the row before>\" }`",
        ),
        (
            across("{ rows: {} }"),
            "3:28: `rows` has no `may_vanish_where`; allowed: kept, may_vanish, or `{ may_vanish_where: \"<expression over the row before>\" }`",
        ),
        (
            across("{ renamed: [a] }"),
            "3:31: `renamed` has to be a mapping: a list of 1; allowed: `{ name_after: name_before }`",
        ),
        (
            across("{ rows: { may_vanish_where: ~ } }"),
            "3:28: `rows` has no `may_vanish_where`; allowed: kept, may_vanish, or `{ may_vanish_where: \"<expression over the row before>\" }`",
        ),
        (
            across("{ rows: { may_vanish_where: \"a = \" } }"),
            "3:52: not an SQL expression: Expected: an expression, found: EOF: `a = `; one SQL boolean expression over the columns of the row before",
        ),
        (across("{ renamed: { a: x, b: x } }"), "3:42: one column cannot become two: `x` (first at t.yaml:3:36)"),
        (across("{ renamed: { \"\": x } }"), "3:33: `renamed` has a column without a name"),
        (across("{ renamed: { a: \"\" } }"), "3:36: `renamed` has a column without a name"),
        (
            across("{ expect: [ { that: \"after.a = = 3\" } ] }"),
            "3:51: not an SQL expression: Expected: an expression, found: =: `after.a = = 3`; one SQL boolean expression over `before.` and `after.` columns",
        ),
        (across("{ expect: [ { id: a } ] }"), "3:32: `that` is missing in an expectation"),
        (
            across("{ expect: [ { that: [] } ] }"),
            "3:40: `that` has to be an SQL expression over `before.` and `after.`: a list of 0; allowed: `after.total_cents = before.total * 100`",
        ),
        (
            across("{ undeclared_changes: forbid }"),
            "3:42: `undeclared_changes` has to be one of a few words: `forbid`; allowed: fail, warn, allow",
        ),
        ("- a\n".to_owned(), "1:1: a rule file has to be a mapping: a list of 1; allowed: `key: value`"),
    ] {
        let expected = format!("t.yaml:{}", expected.replace("KEYS", KEYS));
        let told = read(&[("t.yaml", &text)]).expect_err(&text);
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn all_problems_of_all_files_come_at_once() {
    let told = read(&[
        ("b.yaml", "version: 1\ntable: s.t\nownr: x\nrules:\n  - not_nul: a\n  - { unique: [], sevrity: page }\n"),
        ("a.yaml", "version: 1\ntable: [\n---\nversion: 1\ntable: s.u\nrules: 1\n"),
        ("_defaults.yaml", "version: 1\nonwer: x\n"),
    ])
    .unwrap_err();
    let places: Vec<&str> = told.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        ["_defaults.yaml:2:1", "a.yaml:2:8", "a.yaml:6:8", "b.yaml:3:1", "b.yaml:5:5", "b.yaml:6:15", "b.yaml:6:19"],
        "{told}"
    );
}

#[test]
fn defaults_of_the_nearest_folder_win() {
    let tables = read(&[
        ("rules/_defaults.yaml", "version: 1\nowner: top\nseverity: page\ntolerance: 1%\nnulls: fail\nrunbook: r\nsample: all\n"),
        ("rules/shop/_defaults.yaml", "version: 1\nowner: shop\ndetect: 2%\ntimeout: 3s\n"),
        ("rules/shop/deep/orders.yaml", "version: 1\ntable: s.orders\nrules:\n  - in_set: { column: a, values: [x] }\n  - { not_null: a, tolerance: 0, severity: info }\n  - unique: a\n"),
        ("rules/users.yaml", "version: 1\ntable: s.users\nowner: me\nrules: [ not_null: a ]\n"),
        ("other/x.yaml", "version: 1\ntable: s.x\nrules: [ not_null: a ]\n"),
    ])
    .unwrap();
    let [orders, users, other] = tables.as_slice() else { panic!() };
    assert_eq!(
        (orders.owner.as_deref(), orders.runbook.as_deref(), orders.sample),
        (Some("shop"), Some("r"), Some(SampleWish::All))
    );
    let rule = &orders.rules[0];
    assert_eq!(
        (rule.severity, rule.tolerance, rule.nulls, rule.detect),
        (Severity::Page, 0.01, Nulls::Fail, Some(0.02))
    );
    assert_eq!(rule.timeout, None);
    let rule = &orders.rules[1];
    assert_eq!((rule.severity, rule.tolerance, rule.nulls), (Severity::Info, 0.0, Nulls::Pass));
    assert_eq!(orders.rules[2].timeout, Some(Duration::from_secs(3)));
    assert_eq!((users.owner.as_deref(), users.rules[0].detect), (Some("me"), None));
    assert_eq!((other.owner.as_deref(), other.rules[0].severity), (None, Severity::Ticket));
}

#[test]
fn defaults_hold_only_what_is_common() {
    for (text, expected) in [
        (
            "version: 1\ntable: s.t\n",
            "_defaults.yaml:2:1: `table` is refused in `_defaults.yaml`; it belongs to one table: write it in a rule file",
        ),
        ("owner: x\n", "_defaults.yaml:1:1: `version` is missing in `_defaults.yaml`; begin it with `version: 1`"),
        (
            "version: 1\ntimeout: 0s\ndetect: 100%\n",
            "_defaults.yaml:2:10: `timeout` has to be a duration above zero: `0s`; such as `5s`\n_defaults.yaml:3:9: `detect` has to be a fraction between 0% and 100%: `100%`; allowed: above 0% and below 100%, such as `0.1%`; no sample can rule out that any row at all fails",
        ),
        (
            "version: 1\nwhere: x\n",
            "_defaults.yaml:2:1: unknown key in `_defaults.yaml`: `where`; allowed: version, owner, escalation, runbook, sample, severity, tolerance, detect, nulls, timeout, full_every",
        ),
        ("version: 1\n---\nversion: 1\n", "_defaults.yaml:3:1: a defaults file holds one document"),
    ] {
        assert_eq!(read(&[("_defaults.yaml", text)]).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn documents_about_one_table_are_one() {
    let tables = read(&[
        ("a.yaml", "version: 1\ntable: s.t\nowner: x\nrules: [ unique: a ]\nacross_migrations: { same: [a], renamed: { b: a } }\n"),
        ("b.yaml", "version: 1\ntable: s.t\nowner: x\nkey: id\nrules: [ unique: b ]\nacross_migrations: { same: [a, c], renamed: { b: a }, rows: kept }\n---\nversion: 1\ntable: s.u\n"),
    ])
    .unwrap();
    assert_eq!(tables.len(), 2);
    assert_eq!(ids(&tables[0]), ["s.t.unique.a", "s.t.unique.b"]);
    assert_eq!((tables[0].across.same.len(), tables[0].across.renamed.len()), (2, 1));
    let told = read(&[
        ("a.yaml", "version: 1\ntable: s.t\nowner: x\nkey: id\nsample: all\nacross_migrations: { rows: kept, renamed: { b: a } }\n"),
        ("b.yaml", "version: 1\ntable: s.t\nowner: y\nkey: no\nsample: { rows: 1 }\nacross_migrations: { rows: may_vanish, renamed: { b: c } }\n"),
    ])
    .unwrap_err();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines[0],
        "b.yaml:3:8: two documents about one table give different `owner`: `y`; say it once (the other at a.yaml:3:8)"
    );
    assert_eq!(lines.len(), 5, "{told}");
}

/// Each of these, compared with each other one, would take longer than anybody waits.
#[test]
fn many_documents_are_read_soon() {
    let many: String = (0..20_000).map(|number| format!("version: 1\ntable: s.t{number}\nkey: id\n---\n")).collect();
    let tables = read(&[("a.yaml", &many)]).unwrap();
    assert_eq!((tables.len(), tables[19_999].table.as_str()), (20_000, "t19999"));
    let columns = |document: usize| (0..100).map(|at| format!("c{document}_{at}")).collect::<Vec<_>>().join(", ");
    let many: String =
        (0..800).map(|document| format!("version: 1\ntable: s.t\npii: [{}]\n---\n", columns(document))).collect();
    assert_eq!(one(&many).pii.len(), 80_000);
}

#[test]
fn fingerprints_follow_the_meaning_alone() {
    let fingerprint =
        |rule: &str| one(&format!("version: 1\ntable: s.t\nrules:\n  - {rule}\n")).rules[0].fingerprint.clone();
    let base = fingerprint("in_set: { column: a, values: [x, y] }");
    assert_eq!(base.len(), 16);
    // a change of this literal means that every stored history is cut: see RENDERING
    assert_eq!(base, "fefa46f000c545ea");
    for (one, other, same) in [
        ("in_set: { column: a, values: [x, y] }", "in_set: { values: [ 'y', \"x\", x ], column: a }  # words", true),
        (
            "in_set: { column: a, values: [x, y] }",
            "{ id: z, severity: page, description: d, detect: 1%, in_set: { column: a, values: [x, y] } }",
            true,
        ),
        ("in_set: { column: a, values: [x, y] }", "in_set: { column: a, values: [x] }", false),
        ("in_set: { column: a, values: [x, y] }", "in_set: { column: b, values: [x, y] }", false),
        ("in_set: { column: a, values: [x, y] }", "{ in_set: { column: a, values: [x, y] }, nulls: fail }", false),
        ("in_set: { column: a, values: [x, y] }", "{ in_set: { column: a, values: [x, y] }, tolerance: 1% }", false),
        ("in_set: { column: a, values: [x, y] }", "{ in_set: { column: a, values: [x, y] }, where: b }", false),
        ("in_set: { column: a, values: [x, 'y z'] }", "in_set: { column: a, values: ['x y', z] }", false),
        ("in_range: { column: a, min: 1 }", "in_range: { column: a, min: 1.0 }", true),
        ("in_range: { column: a, min: 1 }", "in_range: { column: a, max: 1 }", false),
        ("in_range: { column: a, min: 2019-01-01 }", "in_range: { column: a, min: '2019-01-01 00:00:00+00' }", true),
        ("unique: [a, b]", "unique: [b, a]", true),
        ("unique: [a]", "not_null: [a]", false),
        ("expect: a  = 1", "expect: \"a = 1 -- so\"", true),
        ("expect: a = 'x y'", "expect: a = 'x  y'", false),
        ("fresh: { column: a, within: 60m }", "fresh: { column: a, within: 1h }", true),
        ("{ unique: a, timeout: 5s }", "{ unique: a, full_every: 1d }", true),
    ] {
        assert_eq!(fingerprint(one) == fingerprint(other), same, "{one} | {other}");
    }
}

fn catalogue() -> Catalogue {
    let column = |name: &str| Column {
        name: name.into(),
        identity: None,
        declared: "text".into(),
        data_type: DataType::Utf8,
        canonical_text: false,
        nullable: true,
        readable: true,
    };
    let table = |schema: &str, name: &str, columns: &[&str]| Table {
        name: TableName::new(schema, name),
        identity: None,
        storage: None,
        kind: TableKind::Table,
        columns: columns.iter().map(|name| column(name)).collect(),
        row_number: None,
        primary_key: None,
        unique: Vec::new(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        estimated_rows: None,
        pages: None,
    };
    Catalogue::of(vec![
        table("public", "orders", &["id", "status", "total_cents", "customer_id"]),
        table("public", "customers", &["id"]),
        table("a", "twice", &["id"]),
        table("b", "twice", &["id"]),
    ])
}

#[test]
fn names_are_held_against_the_catalogue() {
    let known = "allowed: id, status, total_cents, customer_id";
    let tables = "allowed: public.orders, public.customers, a.twice, b.twice";
    let check =
        |text: &str| check_catalogue(&one(&format!("version: 1\n{text}\n")), &catalogue(), Some("public")).to_string();
    for (text, expected) in [
        ("table: s.orders\nkey: [id]\nrules: [ not_null: [id, status], references: { column: customer_id, to: customers.id } ]", String::new()),
        ("table: s.public.orders", String::new()),
        ("table: s.order", format!("t.yaml:2:8: the source has no table of this name: `public.order`; {tables}; did you mean `public.orders`?")),
        ("table: s.shop.orders", format!("t.yaml:2:8: the source has no table of this name: `shop.orders`; {tables}; did you mean `public.orders`?")),
        ("table: s.orders\nrules: [ in_set: { column: Status, values: [a] } ]", format!("t.yaml:3:28: `in_set` names a column that public.orders lacks: `Status`; {known}; did you mean `status`?")),
        ("table: s.orders\nkey: [idd]", format!("t.yaml:3:7: `key` names a column that public.orders lacks: `idd`; {known}; did you mean `id`?")),
        ("table: s.orders\nkey: [id, idd]", format!("t.yaml:3:6: `key` names a column that public.orders lacks: `idd`; {known}; did you mean `id`?")),
        ("table: s.orders\npii: total", format!("t.yaml:3:6: `pii` names a column that public.orders lacks: `total`; {known}; did you mean `total_cents`?")),
        ("table: s.orders\npii: \"st\\u0430tus\"", format!("t.yaml:3:6: `pii` names a column that public.orders lacks: `stаtus`; {known}; did you mean `status`?; it has characters that only look like others: `st\\u{{430}}tus`")),
        ("table: s.orders\npii: [email]", format!("t.yaml:3:7: `pii` names a column that public.orders lacks: `email`; {known}")),
        ("table: s.orders\nacross_migrations: { same: [id, created] }", format!("t.yaml:3:33: `same` names a column that public.orders lacks: `created`; {known}")),
        ("table: s.orders\nacross_migrations: { same: [cents], renamed: { cents: total_cents } }", String::new()),
        ("table: s.orders\nacross_migrations: { same: [total_cents], renamed: { total_cents: total } }", String::new()),
        ("table: s.orders\nacross_migrations: { renamed: { cents: totl_cents } }", format!("t.yaml:3:40: `renamed` names a column that public.orders lacks: `totl_cents`; {known}; did you mean `total_cents`?")),
        ("table: s.orders\nrules: [ references: { column: customer_id, to: customer.id } ]", format!("t.yaml:3:49: the source has no table of this name: `public.customer`; {tables}; did you mean `public.customers`?")),
        ("table: s.orders\nrules: [ references: { column: customer_id, to: customers.idd } ]", "t.yaml:3:49: `references` names a column that public.customers lacks: `idd`; allowed: id; did you mean `id`?".into()),
    ] {
        assert_eq!(check(text), expected, "{text}");
    }
    let bare = |text: &str| check_catalogue(&one(text), &catalogue(), None).to_string();
    assert_eq!(bare("version: 1\ntable: s.orders\n"), "");
    assert_eq!(
        bare("version: 1\ntable: s.twice\n"),
        "t.yaml:2:8: several schemas have a table of this name: `twice`; write the schema, too: `source.schema.table`"
    );
    let told =
        check_sources(&[one("version: 1\ntable: shp.orders\n")], &[SourceName::new("shop"), SourceName::new("lake")]);
    assert_eq!(
        told.to_string(),
        "t.yaml:2:8: the configuration has no source of this name: `shp`; allowed: shop, lake; did you mean `shop`?"
    );
    assert!(check_sources(&[one(ORDERS)], &[SourceName::new("shop")]).is_empty());
}

#[test]
fn rules_of_the_benchmark_are_read() {
    let table = one(concat!(
        "version: 1\ntable: bench.public.orders\nkey: [order_id]\nrules:\n",
        "  - { id: r1, not_null: [customer_id] }\n",
        "  - { id: r2, in_range: { column: created_at, min: \"2019-01-01 00:00:00+00\", max: \"2030-01-01 00:00:00+00\" } }\n",
        "  - { id: r3, in_set: { column: status, values: [\"new\", \"paid\"] } }\n",
        "  - { id: r4, matches: { column: email, pattern: \"^[^@\\\\s]+@[^@\\\\s]+$\" } }\n",
        "  - { id: r5, length: { column: country, min: 2, max: 2 } }\n",
        "  - { id: r6, expect: \"shipped_at >= created_at\", where: \"status = 'shipped'\" }\n",
        "  - { id: r7, references: { column: customer_id, to: customers.customer_id } }\n",
        "  - { id: r8, unique: [order_id] }\n",
    ));
    assert_eq!(ids(&table), ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"]);
}
