//! `test`: rules on rows that are written in files, with no database; and the guide's example, run as it stands there.

use super::shop::{Run, Shop};
use super::{ended, fieldmark};
use serde_json::{Value, json};

const GUIDE: &str = include_str!("../../docs/guide/testing-rules.md");

/// Nothing answers there, and nothing has to.
const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/nothing";

const RULES: &str = "\
rules:
  - not_null: [status]
  - unique: [code]
  - in_range: { column: total, min: 0 }
  - references: { column: customer_id, to: customers.id }
  - fresh: { column: paid_at, within: 1h }
  - row_count: { min: 2 }
  - id: total_adds_up
    expect: total = net + tax
    where: status <> 'draft'
    description: The total is the sum of its parts.
";

const FIXTURE: &str = "\
version: 1
table: shop.public.orders
name: totals
now: 2026-03-14T09:00:00Z
columns: { id: bigint, customer_id: integer, status: text, code: text, net: \"numeric(12,2)\", tax: \"numeric(12,2)\", total: \"numeric(12,2)\", paid_at: timestamptz }
tables: { public.customers: { columns: { id: bigint }, rows: [[1], [2]] } }
rows:
  - [1, 1, paid, a, 8.00, 2.00, 10.00, 2026-03-14T08:30:00Z]
  - { id: 2, customer_id: 3, status: draft, net: 1, tax: 1, total: 5 }
  - [3, 2, null, a, 1, 1, 5, 2026-03-14T08:00:00Z]
  - { id: 4, status: paid, code: b, net: 1, tax: 1, total: -2 }
expect:
";

const EXPECT: &str = "  not_null.status: [3]
  orders.unique.code: [1, 3]
  shop.public.orders.in_range.total: { rows: [4], failed: 1 }
  references.customer_id: [2]
  fresh.paid_at: passed
  row_count: { status: passed }
  total_adds_up: [4]
";

/// Rules and a fixture of a source that cannot be reached.
fn shop(expect: &str) -> Shop {
    let shop = Shop::of(NOWHERE);
    shop.write("rules/orders.yaml", &format!("version: 1\ntable: shop.public.orders\n{RULES}"));
    shop.write("rules/orders.test.yaml", &format!("{FIXTURE}{expect}"));
    shop
}

/// Every part is said on standard error, or on standard output.
#[track_caller]
fn says(run: &Run, parts: &[&str]) {
    for part in parts {
        assert!(run.out.contains(part) || run.err.contains(part), "no {part:?} in:\n{}\n{}", run.out, run.err);
    }
}

#[test]
fn rules_as_expected_pass_without_a_database() {
    let shop = shop(EXPECT);
    let run = shop.run(&["test"]).gives(0);
    let line = "rules/orders.test.yaml totals: 7 rules as expected";
    assert_eq!((run.out, run.err), (format!("✔ {line}\n\n1 fixture: 7 rules as expected\n"), String::new()));
    assert_eq!(shop.run(&["test", "--quiet"]).gives(0).out, "");
    assert!(!shop.path("state").exists(), "nothing is remembered");
    assert_eq!(std::fs::read_dir(shop.path("tmp")).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn an_address_that_is_not_there_is_not_needed() {
    let shop = shop(EXPECT);
    for address in ["{ url_env: SHOP_URL }", "{ url_file: /nowhere/url }", "{}", "{ url: 'sqlite:absent.db' }"] {
        shop.write("fieldmark.yaml", &format!("version: 1\nsources: {{ shop: {address} }}\nrules: ['rules/*.yaml']\n"));
        shop.run(&["test"]).gives(0);
    }
    assert!(!shop.path("absent.db").exists());
}

#[test]
fn a_difference_says_what_was_expected_and_what_came() {
    let expect = EXPECT
        .replace("not_null.status: [3]", "not_null.status: [1, 3]")
        .replace("total_adds_up: [4]", "total_adds_up: passed");
    let run = shop(&expect).run(&["test"]).gives(1);
    says(
        &run,
        &[
            "✘ rules/orders.test.yaml totals: 2 of 7 rules are not as expected\n",
            "  shop.public.orders.not_null.status status is not NULL\n",
            "    expected  failed, rows 1, 3  (rules/orders.test.yaml:13)\n",
            "    got       failed, row 3: 1 of all 4 rows fails: 25 %\n",
            "    row 1 does not fail, and should: id=1, customer_id=1, status=paid, code=a, net=8.00, tax=2.00, total=10.00, \
             paid_at=2026-03-14T08:30:00Z\n",
            "  total_adds_up total = net + tax\n",
            "    got       failed, row 4: 1 of all 2 rows fails: 50 %\n",
            "\n1 fixture: 2 of 7 rules are not as expected\n",
        ],
    );
    let colours = shop(&expect).run(&["test", "--no-color"]).gives(1);
    assert!(!colours.out.contains('\u{1b}'));
}

#[test]
fn tolerance_and_nulls_work_as_in_a_check() {
    let shop = Shop::of(NOWHERE);
    let rules = "rules:\n  - { id: most, not_null: [a], tolerance: 50% }\n  - { id: strict, in_set: { column: a, values: [x] }, nulls: fail }\n  \
                 - { id: quotient, expect: 10 / b > 0 }\n";
    shop.rules("t", rules);
    shop.write(
        "rules/t.test.yaml",
        "version: 1\ntable: shop.t\ncolumns: { a: text, b: integer }\nrows: [[x, 1], [null, 0]]\n\
         expect: { most: { status: passed, rows: [2] }, strict: [2], quotient: inconclusive }\n",
    );
    shop.run(&["test"]).gives(0);
}

#[test]
fn rule_files_with_patterns_speak_of_the_table() {
    let shop = Shop::of(NOWHERE);
    shop.write(
        "rules/all.yaml",
        "version: 1\ntable: shop.*.ord*\nrules:\n  - not_null: [id]\n  - { id: small, expect: id < 10 }\n",
    );
    let fixture = "version: 1\ntable: shop.sales.orders\ncolumns: { id: bigint }\nrows: [[1], [null], [12]]\n\
                   expect: { not_null.id: [2], small: [3] }\n";
    shop.write("rules/orders.test.yaml", fixture);
    shop.run(&["test"]).gives(0);
    shop.write("rules/orders.test.yaml", &fixture.replace("sales.orders", "sales.visits"));
    let run = shop.run(&["test"]).gives(78);
    says(&run, &["rules/orders.test.yaml:2:8", "no rule file speaks of this table", "`shop.sales.visits`"]);
}

#[test]
fn rows_come_from_csv() {
    let shop = shop("");
    let fixture = "version: 1\ntable: shop.public.orders\ncolumns: { status: text, total: \"numeric(12,2)\" }\ncsv: rows/orders.csv\n\
                   expect: { not_null.status: [2], in_range.total: [3] }\n";
    std::fs::create_dir(shop.path("rules/rows")).unwrap();
    shop.write("rules/rows/orders.csv", "total,status\n1.00,\"paid, late\"\n,\n-1,\"\"\n");
    shop.write("rules/orders.test.yaml", fixture);
    shop.run(&["test"]).gives(0);
    shop.write("rules/rows/orders.csv", "total,status\n1.00,paid\nten,paid\n-1\n");
    let run = shop.run(&["test"]).gives(78);
    says(&run, &["rules/rows/orders.csv:3:1", "`total` is numeric(12,2)", "`ten`"]);
    says(&run, &["rules/rows/orders.csv:4:1", "the line has 1 values, and the first line names 2 columns"]);
    shop.write("rules/rows/orders.csv", "totl,status\n");
    says(&shop.run(&["test"]).gives(78), &["rules/rows/orders.csv:1:1", "`totl`", "did you mean `total`?"]);
}

#[test]
fn what_is_wrong_with_a_fixture_is_told_with_its_place() {
    for (from, to, parts) in [
        (
            "not_null.status: [3]",
            "not_null.status: [5]",
            &["rules/orders.test.yaml:13:21", "there is no row of this number", "1 to 4"][..],
        ),
        ("not_null.status", "not_null.statsu", &["rules/orders.test.yaml:13:3", "did you mean `not_null.status`?"]),
        ("[3, 2, null", "[3, two, null", &["rules/orders.test.yaml:10:9", "`customer_id` is integer", "`two`"]),
        ("id: bigint", "id: bignit", &["rules/orders.test.yaml:5:16", "`bignit`", "did you mean `bigint`?"]),
        ("now: 2026-03-14T09:00:00Z\n", "", &["rules/orders.test.yaml:16:3", "the fixture says no `now`"]),
        ("name: totals", "nmae: totals", &["rules/orders.test.yaml:3:1", "did you mean `name`?"]),
        (
            "tables: { public.customers",
            "tables: { public.custmers",
            &["rules/orders.yaml:7:44", "`public.customers`", "tested at rules/orders.test.yaml:16:3"],
        ),
        ("table: shop.", "table: shp.", &["rules/orders.test.yaml:2:8", "did you mean `shop`?"]),
        ("rows:\n", "rows: [\n", &["rules/orders.test.yaml:"]),
    ] {
        let shop = shop(EXPECT);
        shop.write("rules/orders.test.yaml", &format!("{FIXTURE}{EXPECT}").replacen(from, to, 1));
        let run = shop.run(&["test"]).gives(78);
        says(&run, parts);
        assert_eq!(run.out, "", "{from}");
    }
}

#[test]
fn only_a_database_answers_a_query() {
    let shop = shop("  row_count: passed\n");
    shop.write(
        "rules/more.yaml",
        "version: 1\ntable: shop.public.orders\nrules:\n  - { id: refunds, sql: SELECT 1 }\n",
    );
    let run = shop.run(&["test"]).gives(0);
    says(&run, &["1 rule as expected, 7 not tested", "refunds (a query: only a database answers it)"]);
    shop.write("rules/orders.test.yaml", &format!("{FIXTURE}  refunds: passed\n"));
    says(&shop.run(&["test"]).gives(78), &["rules/orders.test.yaml:13:3", "only a database answers its query"]);
}

#[test]
fn programs_get_json_and_junit() {
    let expect = EXPECT.replace("total_adds_up: [4]", "total_adds_up: [1, 4]");
    let shop = shop(&expect);
    let report = shop.json(&["test", "--report", "tests.xml"], 1);
    assert_eq!(
        (&report["version"], &report["passed"], &report["failed"], &report["not_tested"]),
        (&json!(1), &json!(6), &json!(1), &json!(0))
    );
    let fixture = &report["fixtures"][0];
    assert_eq!((&fixture["file"], &fixture["name"]), (&json!("rules/orders.test.yaml"), &json!("totals")));
    assert_eq!(fixture["table"], "shop.public.orders");
    let rules = fixture["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["rule"] == "total_adds_up").unwrap();
    assert_eq!(rule["place"], "rules/orders.test.yaml:19:3");
    assert_eq!((&rule["expected"], &rule["got"]), (&json!("failed"), &json!("failed")));
    assert_eq!((&rule["rows_expected"], &rule["rows_got"]), (&json!([1, 4]), &json!([4])));
    assert_eq!((&rule["as_expected"], &rule["failed_got"]), (&json!(false), &json!(1)));
    let others: Vec<&Value> = rules.iter().filter(|rule| rule["as_expected"] == true).collect();
    assert_eq!(others.len(), 6);
    let xml = shop.read("tests.xml");
    assert!(xml.contains("<testsuites name=\"fieldmark test\" tests=\"7\" failures=\"1\""), "{xml}");
    assert!(xml.contains("row 1 does not fail, and should: id=1"), "{xml}");
}

#[test]
fn exit_codes() {
    let shop = shop(EXPECT);
    for (arguments, code) in [
        (&["test"][..], 0),
        (&["test", "rules/orders.test.yaml"], 0),
        (&["test", "--table", "orders"], 0),
        (&["test", "--rule", "total_adds_up"], 0),
        (&["test", "--table", "customers"], 2),
        (&["test", "--rule", "nothing"], 2),
        (&["test", "--source", "shp"], 64),
        (&["test", "--output", "html"], 64),
        (&["test", "--report", "tests.md"], 64),
        (&["test", "rules/order.test.yaml"], 78),
        (&["test", "rules"], 78),
        (&["test", "--config", "absent.yaml"], 78),
    ] {
        let run = shop.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}:\n{}\n{}", run.out, run.err);
    }
    says(&shop.run(&["test", "rules/order.test.yaml"]), &["did you mean `orders.test.yaml`?"]);
    std::fs::remove_file(shop.path("rules/orders.test.yaml")).unwrap();
    says(&shop.run(&["test"]).gives(2), &["no fixture was found"]);
    shop.write("rules/orders.yaml", "version: 1\ntable: shop.public.orders\nrules:\n  - not_nul: [status]\n");
    says(&shop.run(&["test"]).gives(78), &["rules/orders.yaml:4:5", "did you mean `not_null`?"]);
}

#[test]
fn a_check_takes_no_fixture_for_a_rule_file() {
    let shop = Shop::with_rules(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'x');",
        "rules:\n  - not_null: [a]\n",
    );
    shop.write(
        "rules/t.test.yaml",
        "version: 1\ntable: shop.t\ncolumns: { id: INTEGER, a: TEXT }\nrows: [[1, x], [2, null]]\nexpect: { not_null.a: [2] }\n",
    );
    shop.run(&["check"]).gives(0);
    let run = shop.run(&["test"]).gives(0);
    says(&run, &["rules/t.test.yaml shop.main.t: 1 rule as expected"]);
}

#[test]
fn many_rows_are_many_and_too_many_are_refused() {
    let shop = shop("");
    let rows = |count: usize| -> String {
        std::iter::once("code".to_owned())
            .chain((0..count).map(|row| format!("c{}", row % (count - 1))))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let head = "version: 1\ntable: shop.public.orders\ncolumns: { code: text }\ncsv: rows.csv\n";
    shop.write("rules/orders.test.yaml", &format!("{head}expect: {{ unique.code: [1, 20000] }}\n"));
    shop.write("rules/rows.csv", &rows(20_000));
    shop.run(&["test"]).gives(0);
    shop.write("rules/orders.test.yaml", &format!("{head}expect: {{ row_count: passed }}\n"));
    shop.write("rules/rows.csv", &rows(100_001));
    says(&shop.run(&["test"]).gives(78), &["the table has too many rows", "at most 100000"]);
}

/// The n-th fenced block of that language in the guide.
fn block(language: &str, number: usize) -> String {
    let start = GUIDE.split(&format!("```{language}\n")).nth(number + 1).expect("the guide has such a block");
    start.split("```").next().unwrap().to_owned()
}

/// Runs every command of an `sh` block.
#[track_caller]
fn commands(folder: &std::path::Path, number: usize) -> String {
    let mut printed = String::new();
    for line in block("sh", number).lines() {
        let arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
        let (code, out, err) = ended(&fieldmark(folder, &arguments));
        assert_eq!((code, err.as_str()), (0, ""), "{line}:\n{out}");
        printed.push_str(&out);
    }
    printed
}

#[test]
fn the_guide_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    write("fieldmark.yaml", &block("yaml", 0));
    write("rules/orders.yaml", &block("yaml", 1));
    let fixture = block("yaml", 2);
    write("rules/orders.test.yaml", &fixture);
    assert_eq!(commands(folder.path(), 0), block("text", 0));

    write("rules/orders.test.yaml", &fixture.replace("total_adds_up: passed", "total_adds_up: [3]"));
    let (code, out, err) = ended(&fieldmark(folder.path(), &["test"]));
    assert_eq!((code, out.as_str(), err.as_str()), (1, block("text", 1).as_str(), ""));
    // and with the rule that says so
    let rules = block("yaml", 1).replace("where: status <> 'draft'", "where: status IS DISTINCT FROM 'draft'");
    write("rules/orders.yaml", &rules);
    assert_eq!(ended(&fieldmark(folder.path(), &["test"])).0, 0);

    write("rules/orders.yaml", &block("yaml", 1));
    write("rules/orders.test.yaml", &fixture);
    write("rules/amounts.test.yaml", &block("yaml", 3));
    write("rules/amounts.csv", &block("csv", 0));
    commands(folder.path(), 1);
    let printed = commands(folder.path(), 2);
    let (object, rest) = printed.split_once("\n}\n").expect("one object, then the text of the last command");
    let object: Value = serde_json::from_str(&format!("{object}\n}}")).unwrap();
    assert_eq!((&object["passed"], &object["failed"], &object["not_tested"]), (&json!(6), &json!(0), &json!(0)));
    let rule = object["fixtures"][0]["rules"][0].as_object().unwrap();
    assert!(rule.keys().all(|key| GUIDE.contains(&format!("`{key}`"))), "{rule:?}");
    assert!(folder.path().join("tests.xml").exists());
    assert!(rest.contains("2 fixtures: 2 rules as expected"), "{rest}");
}
