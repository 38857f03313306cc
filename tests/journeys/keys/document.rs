//! Keys of a rule file about its table as a whole, and those of `_defaults.yaml`.

use super::{Case, all_hold, allowed, forget, passes, report, same, shop};
use crate::journeys::json;
use crate::journeys::shop::{Run, Shop};
use crate::server::postgres::{Server, USER};
use sqlx::{Connection as _, PgConnection};
use std::collections::BTreeSet;

/// Of the table `t` or `many`; around the key stands the rule.
const TABLE: &str = "
t | table | row_count: { min: 1 } | table: shop.t | table: shop.parents | value | 2000.0 | 100.0
t | owner | not_null: maybe | | owner: us | owner | null | us
t | escalation | not_null: maybe | | escalation: us-oncall | escalation | null | us-oncall
t | runbook | not_null: maybe | | runbook: 'https://runbooks.example/t' | runbook | null | https://runbooks.example/t
t | key | not_null: maybe | | key: code | /outcomes/0/examples/0 | id=10 | code=c10
t | key | not_null: maybe | key: [id] | key: [code, n] | /outcomes/0/examples/0 | id=10 | code=c10, n=10
few | key | in_range: { column: n, min: 2 } | | key: [n] | /outcomes/0/examples/0 | rowid=1 | n=1
t | rules | not_null: maybe | rules: [] | rules: [ not_null: n ] | /outcomes/0/rule | null | shop.t.not_null.n
many | sample | not_null: n | | sample: { rows: 2000 } | checked | 10000 | 2000
many | sample | not_null: n | sample: { rows: 2000 } | sample: all | sampled | true | false
many | rows | not_null: n | sample: { rows: 2000 } | sample: { rows: 4000 } | checked | 2000 | 4000
many | rows | not_null: n | sample: { rows: 300 } | sample: { rows: 1700 } | checked | 300 | 1700
many | fraction | not_null: n | sample: { fraction: 5% } | sample: { fraction: 10% } | checked | 3000 | 6000
";

/// Of the folder of the rule file; around the key stands the rule.
const DEFAULTS: &str = "
t | owner | not_null: maybe | | owner: us | owner | null | us
t | escalation | not_null: maybe | | escalation: us-oncall | escalation | null | us-oncall
t | runbook | not_null: maybe | | runbook: 'https://runbooks.example' | runbook | null | https://runbooks.example
t | severity | not_null: maybe | | severity: info | /exit_code | 1 | 0
t | tolerance | not_null: maybe | | tolerance: 20% | status | failed | passed
t | nulls | in_set: { column: word, values: [ab] } | | nulls: fail | status | passed | failed
many | detect | not_null: n | | detect: 0.01% | status | passed | inconclusive
many | sample | not_null: n | | sample: { rows: 2000 } | checked | 10000 | 2000
";

/// Samples are not enlarged, so that as many rows are read as are asked for.
const ONE_LOOK: &[&str] = &["--no-enlarge", "--seed", "1"];

/// A rule file about a table; a line of these takes the place of the usual one with its key.
pub(super) fn file(table: &str, rule: &str, line: &str) -> String {
    let usual = ["version: 1".to_owned(), format!("table: shop.{table}"), format!("rules: [ {{ {rule} }} ]")];
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let mut lines: Vec<String> = usual.into_iter().filter(|usual| key(usual) != key(line)).collect();
    lines.push(line.to_owned());
    lines.join("\n") + "\n"
}

/// Both reports of a case about a table's keys.
fn of_table(shop: &Shop, case: &Case) -> Vec<String> {
    case.judge(|line| {
        shop.write("rules/t.yaml", &file(case.of, case.around, line));
        report(shop, ONE_LOOK)
    })
}

/// Both reports of a case about a folder's defaults.
fn of_defaults(shop: &Shop, case: &Case) -> Vec<String> {
    case.judge(|line| {
        shop.write("rules/t.yaml", &file(case.of, case.around, ""));
        shop.write("rules/_defaults.yaml", &format!("version: 1\n{line}\n"));
        report(shop, ONE_LOOK)
    })
}

#[test]
fn keys_of_a_table_have_an_effect() {
    let shop = shop();
    all_hold(&Case::table(TABLE), |case| of_table(&shop, case));
}

#[test]
fn keys_of_a_folder_have_an_effect() {
    let shop = shop();
    all_hold(&Case::table(DEFAULTS), |case| of_defaults(&shop, case));
}

#[test]
fn a_version_that_is_not_known_is_refused() {
    let shop = shop();
    let says =
        |file: &str| format!("rules/{file}:1:10: this version of the rule language is not known: `2`; allowed: 1\n");
    shop.rules("t", "rules: []\n");
    shop.write("rules/_defaults.yaml", "version: 2\n");
    assert_eq!(shop.run(&["check"]).gives(78).err, says("_defaults.yaml"));
    shop.write("rules/_defaults.yaml", "version: 1\n");
    shop.write("rules/t.yaml", "version: 2\ntable: shop.t\n");
    assert_eq!(shop.run(&["check"]).gives(78).err, says("t.yaml"));
}

/// A key is shown as a digest whatever the setting, other values where values are shown; a mark never holds one.
#[test]
fn pii_is_a_digest_wherever_it_goes() {
    let shop = shop();
    let run = |pii: &str| {
        shop.rules("t", &format!("{pii}rules: [ in_set: {{ column: status, values: [new, paid] }} ]\n"));
        let mut check = shop.command(&["check", "--output", "json"]);
        let output = check.env("FIELDMARK_SOURCES__SHOP__EXAMPLES", "values").output().unwrap();
        let report = Run::of(output).gives(1).json();
        let before = shop.json(&["before", "--control", "0s"], 0);
        let mark = std::path::PathBuf::from(before["migration"]["marks"][0]["path"].as_str().unwrap());
        let files = std::fs::read_dir(mark).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        // the value stands in the file's dictionary and in its statistics
        let marked = files.into_iter().any(|bytes| bytes.windows(7).any(|bytes| bytes == b"missing"));
        forget(&shop);
        (report["outcomes"][0]["examples"][0].as_str().unwrap().to_owned(), marked)
    };
    assert_eq!(run(""), ("id=10: status=missing".to_owned(), true));
    let (example, marked) = run("pii: [status]\n");
    assert!(example.starts_with("id=10: status=#") && !marked, "{example}");
    let (example, _) = run("key: [code]\npii: [n]\n");
    assert_eq!(example, "code=c10: status=missing");
    shop.rules("t", "pii: [id]\nrules: [ in_set: { column: status, values: [new, paid] } ]\n");
    let example = report(&shop, &[])["outcomes"][0]["examples"][0].clone();
    assert!(example.as_str().unwrap().starts_with("id=#"), "{example}");
}

/// SQLite has no blocks to draw.
#[tokio::test(flavor = "multi_thread")]
async fn per_block_is_how_many_rows_of_a_block_are_kept() {
    let server = Server::get().await.unwrap();
    let url = server.url(USER, &server.database("").await.unwrap());
    let mut setup = PgConnection::connect(&url).await.unwrap();
    // no integer key to draw by
    let table = "create table t (name text primary key, n integer);
                 insert into t select 'n' || i, i from generate_series(1, 60000) i; vacuum analyze t;";
    for statement in table.split_inclusive(';') {
        sqlx::raw_sql(statement).execute(&mut setup).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let sources = format!("version: 1\nsources:\n  db: {{ url: \"{url}\" }}\nrules: [\"rules/*.yaml\"]\n");
    std::fs::write(folder.path().join("fieldmark.yaml"), sources).unwrap();
    let blocks = tokio::task::spawn_blocking(move || {
        ["sample: { rows: 200 }", "sample: { rows: 200, per_block: 1 }", "sample: { rows: 200, per_block: 10 }"].map(
            |sample| {
                let rules = format!("version: 1\ntable: db.t\n{sample}\nrules: [ not_null: n ]\n");
                std::fs::write(folder.path().join("rules/t.yaml"), rules).unwrap();
                let report = json(folder.path(), &["check", "--no-enlarge", "--seed", "1"], 2);
                (report["samples"][0]["rows"].as_u64().unwrap(), report["samples"][0]["blocks"].as_u64().unwrap())
            },
        )
    });
    assert_eq!(blocks.await.unwrap(), [(200, 200), (200, 200), (200, 20)]);
}

#[test]
fn keys_that_stand_elsewhere_are_refused_at_their_place() {
    let shop = shop();
    for key in ["severity: page", "tolerance: 1%", "detect: 1%", "nulls: fail"] {
        shop.write("rules/t.yaml", &format!("version: 1\ntable: shop.t\n{key}\n"));
        let (key, _) = key.split_once(':').unwrap();
        let why = "write it at a rule, or for all rules of a folder in `_defaults.yaml`";
        let says = format!("rules/t.yaml:3:1: `{key}` is refused in a rule file; {why}\n");
        assert_eq!(shop.run(&["check"]).gives(78).err, says);
    }
    shop.rules("t", "rules: []\n");
    for key in ["table: shop.t", "rules: []", "across_migrations: {}", "key: [id]", "pii: [n]"] {
        shop.write("rules/_defaults.yaml", &format!("version: 1\n{key}\n"));
        let (key, _) = key.split_once(':').unwrap();
        let why = "it belongs to one table: write it in a rule file";
        let says = format!("rules/_defaults.yaml:2:1: `{key}` is refused in `_defaults.yaml`; {why}\n");
        assert_eq!(shop.run(&["check"]).gives(78).err, says);
    }
}

#[test]
fn every_key_of_a_table_and_of_a_folder_has_a_case() {
    let shop = shop();
    let keys = |cases: Vec<Case>| cases.into_iter().map(|case| case.key.to_owned());
    let tests = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();

    let mut covered: BTreeSet<String> = keys(Case::table(TABLE)).collect();
    covered.extend(tests(&["version", "pii", "per_block"]));
    // its own keys are those of another file of these tests
    covered.extend(tests(&["across_migrations"]));
    shop.rules("t", "nonsense: 1\nsample: { rows: 1, nonsense: 1 }\n");
    let there_is = &allowed(&shop, "a rule file") | &allowed(&shop, "`sample`");
    same(&covered, &there_is);

    let mut covered: BTreeSet<String> = keys(Case::table(DEFAULTS)).chain(keys(passes::of_defaults())).collect();
    covered.extend(tests(&["version"]));
    shop.write("rules/_defaults.yaml", "version: 1\nnonsense: 1\n");
    same(&covered, &allowed(&shop, "`_defaults.yaml`"));
}
