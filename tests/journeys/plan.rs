//! `check --plan`: what a check would send and cost, told without reading a row.

use super::sent::{Logged, Sent, without_values};
use super::shop::{Run, Shop, fill};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Tables of which each is read in another way.
pub(super) const TABLES: &str = "
    create table parents (id bigint primary key);
    insert into parents select generate_series(1, 1000);
    create table small (id bigint primary key, a text, n integer check (n > 0));
    insert into small select i, 'a', i from generate_series(1, 300) i;
    create table keyed (id bigint primary key, code text not null unique, status text,
        parent_id bigint references parents (id), tag text, seen timestamptz);
    insert into keyed select i, 'c' || i, 'new', 1 + i % 1000, 't' || i, now() from generate_series(1, 20000) i;
    create index on keyed (seen);
    create table named (code text primary key, status text, parent_id bigint);
    insert into named select 'c' || i, 'new', case when i % 10 = 0 then 9999 else 1 + i % 1000 end
        from generate_series(1, 20000) i;
    create table keyless (a text, n integer);
    insert into keyless select 'a', i from generate_series(1, 20000) i;
    create table cut (id bigint, day date, a text, primary key (id, day)) partition by range (day);
    create table cut_1 partition of cut for values from ('2024-01-01') to ('2025-01-01');
    create table cut_2 partition of cut for values from ('2025-01-01') to ('2026-01-01');
    insert into cut select i, '2024-06-01'::date + (i % 2) * 365, 'a' from generate_series(1, 20000) i;
    analyze;";

/// Rules about them; of the table `named` one row in ten refers to nothing.
const RULES: [(&str, &str); 5] = [
    ("small", "rules:\n  - not_null: [a]\n"),
    (
        "keyed",
        r#"sample: { rows: 500 }
rules:
  - not_null: [status]
  - unique: [code]
  - { unique: [tag], id: unindexed }
  - references: { column: parent_id, to: parents.id }
  - fresh: { column: seen, within: 1d }
  - row_count: { min: 10 }
  - { id: query, sql: "select id from keyed where status = 'lost'" }
"#,
    ),
    (
        "named",
        "sample: { rows: 500, per_block: 4 }
rules:
  - not_null: [status]
  - { references: { column: parent_id, to: parents.id }, id: orphaned }
",
    ),
    ("keyless", "sample: { rows: 500, per_block: 4 }\nrules:\n  - not_null: [a]\n"),
    ("cut", "sample: { rows: 500, per_block: 4 }\nrules:\n  - not_null: [a]\n"),
];

/// Writes the rules. A first sample decides, and a pass over a whole table may be made each time.
pub(super) fn write_rules(shop: &Shop) {
    for (table, body) in RULES {
        shop.rules(table, body);
    }
    let options = "\", sql: allow, detect: 5%, full_every: 0s }";
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace("\" }", options));
}

async fn logged() -> Logged {
    let logged = Logged::new(TABLES).await;
    write_rules(&logged.shop);
    logged
}

/// A step of a plan.
#[derive(Debug)]
struct Step {
    table: String,
    rule: Option<String>,
    what: String,
    step: Value,
}

/// The steps of a plan in JSON, all of one source.
#[track_caller]
fn steps(run: &Run) -> Vec<Step> {
    let plan = run.json();
    assert_eq!((&plan["version"], plan["sources"].as_array().unwrap().len()), (&json!(1), 1));
    let tables = plan["sources"][0]["tables"].as_array().unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let steps = tables.iter().flat_map(|table| {
        assert_eq!(table["not_evaluated"], json!([]), "{table:#}");
        table["steps"].as_array().unwrap().iter().map(move |step| Step {
            table: text(&table["table"]).unwrap(),
            rule: text(&step["rule"]),
            // numbers and units are joined by narrow spaces
            what: text(&step["what"]).unwrap().replace('\u{202f}', " "),
            step: step.clone(),
        })
    });
    steps.collect()
}

/// The only step of a table for a rule, or for all of its rules.
#[track_caller]
fn step<'a>(steps: &'a [Step], table: &str, rule: Option<&str>) -> &'a Step {
    let found: Vec<&Step> = steps.iter().filter(|step| step.table == table && step.rule.as_deref() == rule).collect();
    assert_eq!(found.len(), 1, "steps of {table} for {rule:?}: {steps:#?}");
    found[0]
}

/// The statements of a step that no statement sent begins like, up to the first value.
fn not_sent(step: &Step, sent: &[Sent]) -> Vec<String> {
    let shown = step.step["sql"].as_array().unwrap();
    assert!(!shown.is_empty(), "{step:#?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let shown = shown.iter().map(|shown| (text(&shown["statement"]), without_values(&text(&shown["sql"]))));
    let missing = shown.filter(|(name, sql)| {
        let beginning = sql.split('…').next().unwrap();
        let as_shown = |one: &&Sent| one.name() == name && without_values(&one.sql).starts_with(beginning);
        let mut same = sent.iter().filter(as_shown);
        // a statement for one rule says so
        !same.any(|one| step.rule.is_none() || one.rule() == step.rule.as_deref())
    });
    missing.map(|(name, sql)| format!("{} {:?} {name}: {sql}", step.table, step.rule)).collect()
}

/// Names of statements that read rows.
const READING: [&str; 12] = [
    "rows",
    "further",
    "rows_by_key",
    "rows_between",
    "key_after",
    "extremes",
    "sharing",
    "parents",
    "orphans",
    "block_places",
    "block_rows",
    "query",
];
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_reads_no_row() {
    let mut logged = logged().await;
    let read = "select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) from pg_stat_user_tables";
    logged.owner.reconnect().await;
    let before = logged.owner.number(read).await;
    for arguments in
        [&["check", "--plan"][..], &["check", "--plan", "--full"], &["check", "--plan", "--output", "json"]]
    {
        let (run, sent) = logged.run(arguments).await;
        run.gives(0);
        // what is asked is the catalogue, and the planner about a query
        let names: BTreeSet<&str> = sent.iter().map(Sent::name).collect();
        assert!(names.contains("tables") && names.contains("explain"), "{arguments:?}: {names:?}");
        let reading: Vec<&&str> = names.iter().filter(|name| READING.contains(name)).collect();
        assert!(reading.is_empty(), "{arguments:?}: {reading:?}");
        for one in &sent {
            if one.name() == "explain" {
                assert!(one.sql.starts_with("EXPLAIN (FORMAT JSON) SELECT"), "{}", one.sql);
            } else {
                for rows in ["FROM \"public\".", "FROM ONLY \"public\".", "JOIN \"public\"."] {
                    assert!(!one.sql.contains(rows), "{}", one.sql);
                }
            }
        }
    }
    logged.owner.reconnect().await;
    assert_eq!(logged.owner.number(read).await, before);
    // and a check does
    logged.run(&["check", "--table", "small"]).await.0.gives(0);
    logged.owner.until(&format!("({read}) > {before}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_reading_is_told() {
    let mut logged = logged().await;
    let (run, _) = logged.run(&["check", "--plan", "--no-enlarge", "--output", "json"]).await;
    let run = run.gives(0);
    assert_eq!(run.err, "");
    let steps = steps(&run);
    let (text, _) = logged.run(&["check", "--plan", "--no-enlarge"]).await;
    let text = text.gives(0);
    let words = text.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("nothing was run") && words.contains("shop public.keyed · about 20 000 rows"), "{words}");
    let blocks = "reads random blocks and one row or more of each";
    for (table, rule, what, rows, names) in [
        ("public.small", None, "reads every row", Some(300), &["rows"][..]),
        ("public.keyed", None, "reads rows by random keys of id", Some(500), &["rows_by_key"]),
        (
            "public.keyed",
            Some("shop.keyed.unique.code"),
            "looks up who else has a value through an index",
            None,
            &["sharing"],
        ),
        (
            "public.keyed",
            Some("shop.keyed.references.parent_id"),
            "looks values up in public.parents through an index",
            None,
            &["parents"],
        ),
        (
            "public.keyed",
            Some("shop.keyed.fresh.seen"),
            "asks for the greatest value through an index",
            Some(1),
            &["extremes"],
        ),
        ("public.keyed", Some("query"), "its own query, for at most 5 s", None, &["query"]),
        ("public.named", None, blocks, Some(500), &["block_places", "block_rows"]),
        ("public.named", Some("orphaned"), "looks values up in public.parents through an index", None, &["parents"]),
        ("public.keyless", None, blocks, Some(500), &["block_places", "block_rows"]),
        ("public.cut", None, blocks, Some(500), &["block_places", "block_rows"]),
    ] {
        let step = step(&steps, table, rule);
        assert_eq!(step.what, what, "{table} {rule:?}");
        assert_eq!(step.step["rows"].as_u64(), rows, "{step:#?}");
        assert!(step.step["statements"].as_u64().unwrap() >= 1, "{step:#?}");
        let shown = step.step["sql"].as_array().unwrap();
        let told: Vec<&str> = shown.iter().map(|shown| shown["statement"].as_str().unwrap()).collect();
        assert_eq!(told, names, "{step:#?}");
        assert!(words.contains(what), "{what}: {words}");
        for shown in shown {
            let (name, sql) = (shown["statement"].as_str().unwrap(), shown["sql"].as_str().unwrap());
            // the text leaves out what is in the middle of a long one
            let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = format!("{name}: {}", sql.chars().take(60).collect::<String>());
            assert!(words.contains(&line), "{line} is not in the text: {words}");
        }
    }
    let pass = step(&steps, "public.keyed", Some("unindexed"));
    assert!(pass.what.starts_with("looks up who else has a value in a pass over public.keyed"), "{pass:#?}");
    assert_eq!(pass.step["rows"], 20_000);
    // only the planner can tell what a query costs, and only of that it is asked
    for one in &steps {
        assert_eq!(one.step["cost"].is_f64(), one.rule.as_deref() == Some("query"), "{one:#?}");
    }
    // what a check has read is what was planned
    let report = logged.run(&["check", "--no-enlarge", "--duty", "100%", "--output", "json"]).await.0.gives(1).json();
    for sample in report["samples"].as_array().unwrap() {
        let planned = step(&steps, sample["table"].as_str().unwrap(), None);
        if ["all rows", "random keys"].contains(&sample["method"].as_str().unwrap()) {
            assert_eq!(sample["rows"], planned.step["rows"], "{sample:#} {planned:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statements_shown_are_those_that_a_check_sends() {
    let mut logged = logged().await;
    for how in [&["--no-enlarge"][..], &["--full"]] {
        let (plan, _) = logged.run(&[&["check", "--plan", "--output", "json"], how].concat()).await;
        let steps = steps(&plan.gives(0));
        let (run, sent) = logged.run(&[&["check", "--duty", "100%"], how].concat()).await;
        // one row in ten of `named` refers to nothing
        run.gives(1);
        let mut missing = Vec::new();
        let mut compared = 0;
        for step in &steps {
            // parts of a table are drawn from one by one
            if step.table == "public.cut" && how == ["--no-enlarge"] {
                continue;
            }
            compared += 1;
            missing.extend(not_sent(step, &sent));
        }
        assert!(compared >= 7, "{compared} steps were compared");
        assert!(missing.is_empty(), "{how:?}: shown and not sent:\n{}", missing.join("\n"));
    }
}

/// What the plan shows of a rule, or of a table, is what a check of that sends.
async fn shown_as_sent(narrowed: &[&str], table: &str, rule: Option<&str>) {
    let mut logged = logged().await;
    let plan = [&["check", "--plan", "--no-enlarge", "--output", "json"], narrowed].concat();
    let steps = steps(&logged.run(&plan).await.0.gives(0));
    let (run, sent) = logged.run(&[&["check", "--no-enlarge", "--duty", "100%"], narrowed].concat()).await;
    run.gives(0);
    let missing = not_sent(step(&steps, table, rule), &sent);
    let there_were: BTreeSet<String> =
        sent.iter().filter(|one| one.rule() == rule).map(|one| without_values(&one.sql)).collect();
    assert!(missing.is_empty(), "shown and not sent:\n{}\nsent:\n{there_were:#?}", missing.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_table_in_parts_the_parts_are_shown() {
    shown_as_sent(&["--table", "cut"], "public.cut", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_statistics_of_a_table_the_plan_does_not_claim_to_know_it() {
    let mut logged = Logged::new(
        "create table t (id bigint primary key, a text); insert into t select i, 'a' from generate_series(1, 60000) i",
    )
    .await;
    logged.shop.rules("t", "rules:\n  - not_null: [a]\n");
    let steps = steps(&logged.run(&["check", "--plan", "--output", "json"]).await.0.gives(0));
    let planned = step(&steps, "public.t", None);
    let report = logged.run(&["check", "--output", "json"]).await.0.gives(0).json();
    assert_eq!(report["samples"][0]["method"], "random keys");
    assert!(!planned.what.starts_with("reads every row") && planned.step["rows"] != 0, "{planned:#?}");
}

/// A file with a table for each way of reading; `analyze` as far as it is wanted.
fn file(analyze: &str) -> Shop {
    let tables = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
        CREATE TABLE small (id INTEGER PRIMARY KEY, a TEXT, parent_id INTEGER, seen TEXT);
        CREATE TABLE keyed (id INTEGER PRIMARY KEY, a TEXT);
        CREATE TABLE named (code TEXT PRIMARY KEY, a TEXT) WITHOUT ROWID;";
    let rows = [
        fill("parents", 100, "i"),
        fill("small", 300, "i, 'a', 1 + i % 100, '2001-01-01'"),
        fill("keyed", 20_000, "i, 'a'"),
        fill("named", 20_000, "'c' || i, 'a'"),
    ];
    let shop = Shop::new(&format!("{tables}{}{analyze}", rows.concat()));
    let small = "rules:
  - not_null: [a]
  - references: { column: parent_id, to: parents.id }
  - { fresh: { column: seen, within: 1d }, id: late }
  - { sql: SELECT id FROM small WHERE id > 9000, id: query }
";
    shop.rules("small", small);
    shop.rules("keyed", "sample: { rows: 500 }\nrules:\n  - not_null: [a]\n");
    shop.rules("named", "sample: { rows: 500 }\nrules:\n  - not_null: [a]\n");
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace("\" }", "\", sql: allow }"));
    shop
}

#[test]
fn of_a_file_every_row_look_ups_and_queries_are_told() {
    let shop = file("ANALYZE;");
    let before = std::fs::read(shop.path("shop.db")).unwrap();
    let steps = steps(&shop.run(&["check", "--plan", "--table", "small", "--output", "json"]).gives(0));
    for (rule, what, name) in [
        (None, "reads every row", "rows"),
        (Some("shop.small.references.parent_id"), "looks values up in main.parents through an index", "parents"),
        (Some("query"), "its own query, for at most 5 s", "query"),
    ] {
        let step = step(&steps, "main.small", rule);
        assert_eq!((step.what.as_str(), &step.step["sql"][0]["statement"]), (what, &json!(name)), "{step:#?}");
        // a file has no blocks, and its planner names no cost
        assert_eq!((&step.step["blocks"], &step.step["cost"]), (&Value::Null, &Value::Null), "{step:#?}");
    }
    assert_eq!(step(&steps, "main.small", None).step["rows"], 300);
    assert!(step(&steps, "main.small", Some("late")).what.contains("greatest value"), "{steps:#?}");
    assert!(std::fs::read(shop.path("shop.db")).unwrap() == before, "the file has changed");
}

#[test]
fn of_a_file_random_keys_and_segments_are_told() {
    let shop = file("ANALYZE;");
    let steps = steps(&shop.run(&["check", "--plan", "--no-enlarge", "--output", "json"]).gives(0));
    let keyed = step(&steps, "main.keyed", None);
    assert!(keyed.what.starts_with("reads rows by random keys"), "{keyed:#?}");
    assert_eq!((&keyed.step["rows"], &keyed.step["sql"][0]["statement"]), (&json!(500), &json!("rows_by_key")));
    let named = step(&steps, "main.named", None);
    // as many as are sent: a walk takes one for each boundary, the draw one for each segment
    let report = shop.run(&["check", "--table", "named", "--no-enlarge", "--output", "json"]).json();
    let (planned, sent) = (&named.step["statements"], &report["sources"][0]["statements"]);
    let (planned, sent) = (planned.as_f64().unwrap(), sent.as_f64().unwrap());
    assert!((planned / sent - 1.0).abs() < 0.05, "{planned} planned, {sent} sent");
    assert!(named.what.starts_with("walks along the key's index, and reads random segments"), "{named:#?}");
    let sent: Vec<&Value> = named.step["sql"].as_array().unwrap().iter().map(|sql| &sql["statement"]).collect();
    assert_eq!(sent, [&json!("key_after"), &json!("rows_between")]);
    assert_eq!(named.step["rows"], 500);
}

#[test]
fn of_a_file_without_statistics_the_plan_does_not_claim_to_know_it() {
    let shop = file("");
    let steps = steps(&shop.run(&["check", "--plan", "--table", "keyed", "--output", "json"]).gives(0));
    let planned = step(&steps, "main.keyed", None);
    assert!(!planned.what.starts_with("reads every row") && planned.step["rows"] != 0, "{planned:#?}");
}

#[test]
fn table_and_rule_narrow_a_plan_and_nothing_is_remembered() {
    let shop = file("ANALYZE;");
    let steps = |arguments: &[&str]| -> Vec<(String, Option<String>)> {
        let all = [&["check", "--plan", "--output", "json"], arguments].concat();
        steps(&shop.run(&all).gives(0)).into_iter().map(|step| (step.table, step.rule)).collect()
    };
    assert_eq!(steps(&["--rule", "query"]), [("main.small".to_owned(), Some("query".to_owned()))]);
    assert_eq!(steps(&["--table", "named"]), [("main.named".to_owned(), None)]);
    let full = steps(&["--full"]);
    assert_eq!(full.iter().filter(|(_, rule)| rule.is_none()).count(), 3, "{full:?}");
    let status = shop.json(&["status"], 0);
    let source = &status["sources"][0];
    assert_eq!(
        (&source["last_check"], &source["watermarks"], &source["known_failing"]),
        (&json!(null), &json!([]), &json!([]))
    );
    assert_eq!(source["server_time"]["left_seconds"], source["server_time"]["full_seconds"]);
}

#[test]
fn exit_codes() {
    let shop = file("ANALYZE;");
    for (arguments, code) in [
        (&["check", "--plan", "--table", "small"][..], 0),
        (&["check", "--plan", "--full"], 0),
        (&["check", "--plan", "--table", "nowhere"], 64),
        (&["check", "--plan", "--rule", "nowhere"], 64),
        (&["check", "--plan", "--source", "nowhere"], 64),
        (&["check", "--plan", "--config", "nowhere.yaml"], 78),
    ] {
        let run = shop.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run:#?}");
    }
    let rules = shop.read("rules/small.yaml");
    for (from, to) in [("not_null", "not_nul"), ("[a]", "[b]"), ("parents.id", "uncles.id")] {
        shop.write("rules/small.yaml", &rules.replacen(from, to, 1));
        let run = shop.run(&["check", "--plan", "--table", "small"]).gives(78);
        assert!(run.err.contains("rules/small.yaml:") && run.out.is_empty(), "{run:?}");
    }
    shop.write("rules/small.yaml", &rules);
    std::fs::remove_file(shop.path("shop.db")).unwrap();
    let run = shop.run(&["check", "--plan"]).gives(2);
    assert!(run.err.contains("shop.db") && !shop.path("shop.db").exists(), "{run:?}");
}
