//! `check`: exit codes, forms of the report, flags.

use super::shop::{Run, Shop, fill, outcome};
use serde_json::Value;

/// A table of 2000 rows: `a` is never NULL, `b` is NULL on every tenth row.
fn shop(rules: &str) -> Shop {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER);";
    let rows = fill("t", 2000, "i, 'a' || i, CASE WHEN i % 10 THEN 'b' END, i");
    Shop::with_rules(&format!("{table}{rows}"), rules)
}

#[test]
fn a_clean_table_passes() {
    let run = shop("rules:\n  - not_null: [a]\n").run(&["check"]).gives(0);
    assert!(run.out.contains("not_null"), "{}", run.out);
}

#[test]
fn a_failing_table_fails_and_shows_keys_and_sql() {
    let shop = shop("rules:\n  - not_null: [b]\n");
    let run = shop.run(&["check", "--full"]).gives(1);
    assert!(run.out.contains("200") && run.out.contains("id=") && run.out.contains("SELECT"), "{}", run.out);
}

#[test]
fn the_json_has_every_documented_key_and_nothing_else_is_printed() {
    let report = shop("owner: us\nrules:\n  - not_null: [b]\n").json(&["check", "--full"], 1);
    let found = outcome(&report, "shop.t.not_null.b");
    for key in [
        "source",
        "table",
        "rule",
        "kind",
        "status",
        "reason",
        "population",
        "checked",
        "failed",
        "unknown",
        "fraction",
        "interval",
        "level",
        "design_effect",
        "tolerance",
        "detect",
        "severity",
        "owner",
        "sampled",
        "examples",
        "sql",
        "unknown_by",
        "value",
        "fingerprint",
        "detail",
        "moving",
    ] {
        assert!(found.get(key).is_some(), "no {key} in {found:#}");
    }
    assert_eq!((&report["version"], &report["exit_code"]), (&1.into(), &1.into()));
    assert_eq!((&found["failed"], &found["checked"], &found["owner"]), (&200.into(), &2000.into(), &"us".into()));
    assert_eq!((&found["interval"], &found["sampled"]), (&Value::Null, &false.into()));
    assert_eq!(found["examples"].as_array().unwrap().len(), 5);
    for key in ["null", "expression_error", "value_too_large", "unrepresentable"] {
        assert!(found["unknown_by"].get(key).is_some(), "{found:#}");
    }
}

#[test]
fn the_sql_of_a_failed_rule_shows_its_rows() {
    let shop = shop("rules:\n  - not_null: [b]\n");
    let report = shop.json(&["check", "--full"], 1);
    let sql = outcome(&report, "shop.t.not_null.b")["sql"].as_str().unwrap().trim_end_matches(';').to_owned();
    // it shows the first hundred of the 200
    assert_eq!(shop.number(&format!("SELECT count(*) FROM ({sql}) WHERE id % 10 = 0")), 100);
}

#[test]
fn exit_codes() {
    let ticket = "rules:\n  - not_null: [b]\n";
    for (body, arguments, code) in [
        ("rules:\n  - not_null: [a]\n", "check", 0),
        (ticket, "check", 1),
        ("rules:\n  - { not_null: [b], severity: page }\n", "check", 1),
        ("rules:\n  - { not_null: [b], severity: info }\n", "check", 0),
        ("rules:\n  - { not_null: [b], tolerance: 20% }\n", "check --full", 0),
        ("rules:\n  - { not_null: [b], tolerance: 5% }\n", "check --full", 1),
        // 20 rows cannot exclude 0.1 %
        ("rules:\n  - not_null: [a]\n", "check --sample 20 --no-enlarge", 2),
        (ticket, "check --sample 0", 64),
        (ticket, "chekc", 64),
        (ticket, "check --source nowhere", 64),
        (ticket, "check --table nowhere", 64),
        (ticket, "check --rule nowhere", 64),
        (ticket, "check --config nowhere.yaml", 78),
        ("rules:\n  - not_nul: [b]\n", "check", 78),
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let run = shop(body).run(&arguments);
        assert_eq!(run.code, code, "{body} {arguments:?}: {run:#?}");
    }
}

#[test]
fn table_rule_and_source_narrow_a_run() {
    let shop = shop("rules:\n  - not_null: [a]\n  - { not_null: [a, b], id: both }\n");
    shop.sql("CREATE TABLE u (id INTEGER PRIMARY KEY); INSERT INTO u VALUES (1);");
    shop.rules("u", "rules:\n  - { row_count: { min: 1 }, id: some }\n");
    let rules = |arguments: &[&str], code| -> Vec<String> {
        let report = shop.json(arguments, code);
        let outcomes = report["outcomes"].as_array().unwrap();
        outcomes.iter().map(|outcome| outcome["rule"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(rules(&["check"], 1), ["shop.t.not_null.a", "both/a", "both/b", "some"]);
    assert_eq!(rules(&["check", "--table", "u"], 0), ["some"]);
    assert_eq!(rules(&["check", "--table", "shop.u", "--table", "t"], 1).len(), 4);
    assert_eq!(rules(&["check", "--rule", "shop.t.not_null.a"], 0), ["shop.t.not_null.a"]);
    assert_eq!(rules(&["check", "--source", "shop"], 1).len(), 4);
}

#[test]
fn a_sampled_pass_shows_its_bound_and_a_seed_is_reported() {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER);";
    let rows = fill("t", 60_000, "i, 'a' || i, 'b', i");
    let shop = Shop::with_rules(&format!("{table}{rows}"), "rules:\n  - not_null: [a]\n");
    let run = shop.run(&["check", "--seed", "7"]).gives(0);
    assert!(run.out.contains("at most") && run.out.contains('%'), "{}", run.out);
    let report = shop.json(&["check", "--seed", "7"], 0);
    let passed = outcome(&report, "shop.t.not_null.a");
    assert_eq!((&report["seed"], &passed["sampled"]), (&7.into(), &true.into()));
    let high = passed["interval"][1].as_f64().unwrap();
    assert!(high > 0.0 && high <= 0.001, "{passed:#}");
    let again = shop.json(&["check", "--seed", "7"], 0);
    assert_eq!(again["samples"], report["samples"]);
    let less = shop.json(&["check", "--sample", "1000", "--no-enlarge"], 2);
    assert_eq!(outcome(&less, "shop.t.not_null.a")["status"], "inconclusive");
}

#[test]
fn reports_go_to_files_in_the_form_of_their_ending() {
    let shop = shop("rules:\n  - not_null: [b]\n");
    shop.run(&["check", "--report", "r.html"]).gives(1);
    let html = shop.read("r.html");
    assert!(html.starts_with("<!") && html.contains("</html>"), "{html}");
    for outside in ["src=\"http", "href=\"http", "@import"] {
        assert!(!html.contains(outside), "the page is self-contained, but has {outside}");
    }
    shop.run(&["check", "--report", "r.json"]).gives(1);
    let report: Value = serde_json::from_str(&shop.read("r.json")).unwrap();
    assert_eq!(report["exit_code"], 1);
    // a failed rule beats what could not be done
    let run = shop.run(&["check", "--report", "nowhere/r.json"]).gives(1);
    assert!(run.err.contains("nowhere/r.json"), "{run:?}");
}

#[test]
fn quiet_is_quiet_only_when_all_is_well() {
    let good = shop("rules:\n  - not_null: [a]\n").run(&["check", "--quiet", "--full"]).gives(0);
    assert_eq!((good.out.as_str(), good.err.as_str()), ("", ""));
    let bad = shop("rules:\n  - not_null: [b]\n").run(&["check", "--quiet"]).gives(1);
    assert!(!bad.out.is_empty());
}

#[test]
fn no_colours_without_a_terminal_nor_with_no_color() {
    let shop = shop("rules:\n  - not_null: [b]\n");
    let plain = |run: Run| assert!(!run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'), "{run:?}");
    plain(shop.run(&["check", "--no-color"]));
    let mut command = shop.command(&["check"]);
    command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").env("FORCE_COLOR", "1");
    plain(Run::of(command.output().unwrap()));
}

#[test]
fn severity_info_is_a_warning_in_the_report() {
    let shop = shop("rules:\n  - { not_null: [b], severity: info }\n");
    let report = shop.json(&["check"], 0);
    assert_eq!(outcome(&report, "shop.t.not_null.b")["status"], "failed");
}
