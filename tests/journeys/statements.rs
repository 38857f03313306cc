//! The list of all statements that are ever sent to a database, and that there is no other. `docs/statements.md` is made
//! of it.

use super::mariadb::of_mariadb;
use super::plan::{TABLES, write_rules};
use super::sent::{Logged, Sent, without_values};
use super::served::DEADLINE;
use super::shop::{Run, Shop, fill};
use crate::server::postgres::{Server, programs, until};
use fieldmark_source::Name;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Only of files, which keep no record of what they are asked.
const OF_FILES: [Name; 4] = [Name::QueryOnly, Name::Schema, Name::SchemaVersion, Name::Estimates];
/// Only where a statement of ours does not end though somebody waits for it.
const OF_NEED: [Name; 1] = [Name::Terminate];
/// Ways through a key's index, for drivers of databases that have no blocks to draw from.
const OF_OTHER_WAYS: [Name; 2] = [Name::RowsBetween, Name::KeyAfter];

/// What MariaDB is sent.
const OF_MARIADB: [Name; 30] = [
    Name::Greeting,
    Name::Settings,
    Name::Unlock,
    Name::Cancel,
    Name::Waiting,
    Name::Standing,
    Name::Tables,
    Name::Columns,
    Name::Indexes,
    Name::ForeignKeys,
    Name::Verify,
    Name::Horizon,
    Name::Sessions,
    Name::Privileges,
    Name::Checks,
    Name::Rows,
    Name::RowsByKey,
    Name::RowsBetween,
    Name::KeyAfter,
    Name::Extremes,
    Name::Sharing,
    Name::Parents,
    Name::Orphans,
    Name::Query,
    Name::Explain,
    Name::Definitions,
    Name::Routines,
    Name::Triggers,
    Name::Computed,
    Name::StatementLog,
];

/// Ids of the rules for whose sake alone statements are sent.
const RULES: [&str; 7] = [
    "orphaned",
    "query",
    "shop.keyed.fresh.seen",
    "shop.keyed.references.parent_id",
    "shop.keyed.unique.code",
    "slow",
    "unindexed",
];

/// Everything that the program does with a server, one after the other; whatever it sent.
async fn everything() -> Vec<Sent> {
    let mut logged = Logged::new(TABLES).await;
    write_rules(&logged.shop);
    let configuration = logged.shop.read("fieldmark.yaml");
    let movers = configuration.replace(", sql: allow", ", migrations_by: { application_name: mover }, sql: allow");
    logged.shop.write("fieldmark.yaml", &movers);
    logged.shop.write("change.sql", "update keyed set code = code;");
    let mut sent = Vec::new();
    for (arguments, code) in [
        (&["check", "--plan"][..], 0),
        // one row in ten of `named` refers to nothing
        (&["check", "--no-enlarge", "--duty", "100%", "--seed", "1"], 1),
        (&["check", "--full", "--duty", "100%"], 1),
        (&["baseline", "--rule", "orphaned", "--seed", "1"], 0),
        (&["check", "--no-enlarge", "--duty", "100%", "--seed", "2"], 0),
        (&["before", "--migrations", "change.sql", "--control", "200ms", "--seed", "1"], 0),
        (&["after", "--control", "200ms", "--seed", "1"], 0),
        (&["doctor", "--allow-writes"], 0),
        (&["lineage", "coverage"], 0),
        (&["init", "--table", "parents", "--duty", "100%", "--seed", "1"], 0),
    ] {
        let (run, of_run) = logged.run(arguments).await;
        assert_eq!(run.code, code, "{arguments:?}: {}\n{}", run.out, run.err);
        sent.extend(of_run);
    }
    sent.extend(a_migration_in_the_middle(&mut logged).await);
    sent.extend(a_pass_in_a_snapshot(&mut logged).await);
    sent.extend(the_daemon(&mut logged).await);
    sent.extend(an_interrupted_query(&mut logged).await);
    sent
}

/// `guard`, whose command ends when the program has asked for the transactions of a migration.
async fn a_migration_in_the_middle(logged: &mut Logged) -> Vec<Sent> {
    let mut mover = logged.owner.another().await;
    let begun = "set application_name = 'mover'; begin; update small set n = n + 1 where id = 1";
    sqlx::raw_sql(AssertSqlSafe(begun.to_owned())).execute(&mut mover).await.unwrap();
    let asked = until(
        "exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
         and position('statement=''held''' in query) > 0)",
    );
    let psql = programs().unwrap().join("psql").display().to_string();
    let url = logged.owner.url().to_owned();
    let guard =
        ["guard", "--control", "0s", "--table", "small", "--", &psql, "--quiet", "--no-psqlrc", &url, "-c", &asked];
    let (run, sent) = logged.run(&guard).await;
    run.gives(0);
    sqlx::raw_sql("rollback").execute(&mut mover).await.unwrap();
    sent
}

/// The daemon, until it has looked at the schema.
async fn the_daemon(logged: &mut Logged) -> Vec<Sent> {
    let configuration = logged.shop.read("fieldmark.yaml");
    let ports = "agent: { listen: '127.0.0.1:0', marks_every: 0s }\nserve: { listen: '127.0.0.1:0' }\n";
    logged.shop.write("fieldmark.yaml", &format!("{configuration}{ports}"));
    let before = logged.sent().await.len();
    let mut daemon = logged.start(&["agent"]);
    let begun = std::time::Instant::now();
    while !logged.sent().await.iter().skip(before).any(|sent| sent.name() == Name::Fingerprint.as_str()) {
        assert!(begun.elapsed() < DEADLINE && daemon.try_wait().unwrap().is_none(), "it does not look at the schema");
    }
    let terminate = format!("kill {}", daemon.id().unwrap());
    assert!(std::process::Command::new("sh").args(["-c", &terminate]).status().unwrap().success());
    Run::of(daemon.wait_with_output().await.unwrap()).gives(0);
    logged.shop.write("fieldmark.yaml", &configuration);
    logged.sent().await.split_off(before)
}

/// All of a table as of one instant.
async fn a_pass_in_a_snapshot(logged: &mut Logged) -> Vec<Sent> {
    let configuration = logged.shop.read("fieldmark.yaml");
    logged.shop.write("fieldmark.yaml", &configuration.replace(", sql: allow", ", snapshot: true, sql: allow"));
    let (run, sent) = logged.run(&["check", "--full", "--table", "parents", "--duty", "100%"]).await;
    run.gives(0);
    logged.shop.write("fieldmark.yaml", &configuration);
    sent
}

/// A check that is interrupted while the server works on a rule's query.
async fn an_interrupted_query(logged: &mut Logged) -> Vec<Sent> {
    let before = logged.sent().await.len();
    let slow = "rules:\n  - { sql: 'SELECT pg_sleep(50)::text', timeout: 55s, id: slow }\n";
    logged.shop.write("rules/slow.yaml", &format!("version: 1\ntable: shop.small\n{slow}"));
    let mut child = logged.start(&["check", "--rule", "slow"]);
    logged.owner.until_it_runs(&mut child, "pg_sleep").await;
    let interrupt = format!("kill -s INT {}", child.id().unwrap());
    assert!(std::process::Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("it does not end").unwrap();
    Run::of(output).gives(130);
    logged.sent().await.split_off(before)
}

/// What a plan shows of a file with tables that are read in different ways.
fn of_a_file() -> Vec<(String, String)> {
    let tables = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
        CREATE TABLE t (id INTEGER PRIMARY KEY, parent_id INTEGER, seen TEXT);
        CREATE INDEX t_seen ON t (seen);
        CREATE TABLE codes (id INTEGER PRIMARY KEY, code TEXT UNIQUE);";
    let rows = [
        fill("parents", 100, "i"),
        fill("t", 300, "i, 1 + i % 100, '2001-01-01'"),
        fill("codes", 20_000, "i, 'c' || i"),
    ];
    let shop = Shop::new(&format!("{tables}{}ANALYZE;", rows.concat()));
    let rules = "rules:
  - not_null: [parent_id]
  - references: { column: parent_id, to: parents.id }
  - fresh: { column: seen, within: 1d }
  - { sql: SELECT id FROM t WHERE id > 9000, id: query }
";
    shop.rules("t", rules);
    shop.rules("codes", "sample: { rows: 500 }\nrules:\n  - unique: [code]\n");
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace("\" }", "\", sql: allow }"));
    let plan = shop.json(&["check", "--plan"], 0);
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = list(&plan["sources"][0]["tables"]).into_iter().flat_map(|table| list(&table["steps"]));
    let shown = steps.flat_map(|step| list(&step["sql"]));
    shown.map(|shown| (text(&shown["statement"]), text(&shown["sql"]))).collect()
}

/// Of each name the shortest statement without its values.
fn shortest<'s>(statements: impl Iterator<Item = (&'s str, &'s str)>) -> BTreeMap<&'s str, String> {
    let mut shortest: BTreeMap<&str, String> = BTreeMap::new();
    for (name, sql) in statements {
        let sql = without_values(sql);
        let known = shortest.entry(name).or_insert_with(|| sql.clone());
        if (sql.len(), sql.as_str()) < (known.len(), known.as_str()) {
            *known = sql;
        }
    }
    shortest
}

/// A statement without what only stands there once more: one look-up after the other, one value after the other.
fn once(sql: &str) -> String {
    let parts = |text: &str, between: &str| -> String {
        let mut kept: Vec<&str> = Vec::new();
        for part in text.split(between) {
            if !part.contains('…') || kept.last() != Some(&part) {
                kept.push(part);
            }
        }
        kept.join(between)
    };
    parts(&parts(sql, " UNION ALL "), ", ")
}

/// Lines of at most 116 characters, broken between words.
fn wrapped(sql: &str) -> String {
    let mut lines = vec![String::new()];
    for word in sql.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= 116 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

const HEAD: &str = "# The statements

Every statement that Fieldmark ever sends to a database, by its name. None can be sent without one of these names, and
a test holds this list against the servers' own logs. Of each the shortest is shown that was sent in that test, with `…`
for values and numbers; of SQLite, which keeps no log, what `check --plan` shows. A rule's own query goes to MariaDB as
the text of a prepared statement, so that it is one statement whatever it says.

In front of each statement stands a comment that says whose it is, and for which rule, where it is sent for one alone:

```sql
/* fieldmark agent='db-1',statement='sharing',rule='shop.orders.unique.order_no' */
```

Values in it are percent-encoded. Keys and values that are looked up stand in the statements: a server that logs
statements logs them.

This file is written by `UPDATE_STATEMENTS=1 cargo test -p fieldmark-tests statements`.
";

/// The text of `docs/statements.md`.
fn document(examples: &[(&str, BTreeMap<&str, String>)]) -> String {
    let mut text = HEAD.to_owned();
    for name in Name::ALL {
        text.push_str(&format!("\n## `{}`\n\n{}\n", name.as_str(), name.what()));
        let mut none = true;
        for (database, sql) in examples.iter().filter_map(|(database, of)| Some((database, of.get(name.as_str())?))) {
            text.push_str(&format!("\n{database}:\n\n```sql\n{}\n```\n", wrapped(sql)));
            none = false;
        }
        if none {
            text.push_str("\nSent to SQLite alone, which keeps no log that an example could come from.\n");
        }
    }
    text
}

/// The names of statements, each of which has one.
#[track_caller]
fn names_of(sent: &[Sent]) -> BTreeSet<&str> {
    let foreign: Vec<&String> = sent.iter().filter(|one| one.comment.is_none()).map(|one| &one.sql).collect();
    assert!(foreign.is_empty(), "nothing says whose these are: {foreign:#?}");
    let all: BTreeSet<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
    let names: BTreeSet<&str> = sent.iter().map(Sent::name).collect();
    let unknown: Vec<&&str> = names.difference(&all).collect();
    assert!(unknown.is_empty(), "not in the list: {unknown:?}");
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_those_of_the_list_and_say_whose_they_are() {
    let of_mariadb = of_mariadb().await;
    let of_names: Vec<&str> = OF_MARIADB.iter().map(|name| name.as_str()).collect();
    assert_eq!(names_of(&of_mariadb), of_names.into_iter().collect(), "names that MariaDB is sent");
    let sent = everything().await;
    let names = names_of(&sent);
    let all: BTreeSet<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
    let mut never: BTreeSet<&str> =
        OF_FILES.iter().chain(&OF_OTHER_WAYS).chain(&OF_NEED).map(|name| name.as_str()).collect();
    let version = Server::get().await.unwrap().version();
    if version < 150_000 {
        // statistics are sent by themselves there
        never.insert(Name::Flush.as_str());
    }
    let missing: BTreeSet<&str> = all.difference(&names).copied().collect();
    assert_eq!(missing, never, "names that were not sent, and those that cannot be");
    let rules: BTreeSet<&str> = sent.iter().filter_map(Sent::rule).collect();
    assert_eq!(rules, BTreeSet::from(RULES));
    // one agent, wherever it is named
    let agents: BTreeSet<&str> = sent.iter().filter_map(|one| one.comment.as_ref()?.agent.as_deref()).collect();
    assert_eq!(agents.len(), 1, "{agents:?}");

    if version < 150_000 {
        return;
    }
    let of_file = of_a_file();
    // what only hands a text over shows nothing of it
    let hands_over =
        |one: &&Sent| !["SET @", "PREPARE ", "EXECUTE ", "DEALLOCATE "].iter().any(|word| one.sql.starts_with(word));
    // on a busy machine even a statement about no table takes so long that it is asked who waits, of any table
    let of_a_table = |one: &&Sent| one.name() != Name::Waiting.as_str() || one.sql.contains("p.DB");
    let of_mariadb =
        shortest(of_mariadb.iter().filter(hands_over).filter(of_a_table).map(|one| (one.name(), one.sql.as_str())));
    let of_mariadb = of_mariadb.into_iter().map(|(name, sql)| (name, once(&sql))).collect();
    let text = document(&[
        ("PostgreSQL", shortest(sent.iter().map(|one| (one.name(), one.sql.as_str())))),
        ("MariaDB", of_mariadb),
        ("SQLite", shortest(of_file.iter().map(|(name, sql)| (name.as_str(), sql.as_str())))),
    ]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/statements.md");
    if std::env::var_os("UPDATE_STATEMENTS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    for (line, (is, should)) in written.lines().zip(text.lines()).enumerate() {
        assert_eq!(is, should, "docs/statements.md:{}: set UPDATE_STATEMENTS=1 to write it anew", line + 1);
    }
    assert_eq!(written.len(), text.len(), "docs/statements.md: set UPDATE_STATEMENTS=1 to write it anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_statement_of_a_connection_names_the_agent_too() {
    let mut logged = Logged::new("create table t (id bigint primary key, a text)").await;
    logged.shop.rules("t", "rules:\n  - not_null: [a]\n");
    let (run, sent) = logged.run(&["doctor", "--allow-writes"]).await;
    run.gives(0);
    let nameless: Vec<&Sent> =
        sent.iter().filter(|one| one.comment.as_ref().is_none_or(|comment| comment.agent.is_none())).collect();
    assert!(!sent.is_empty() && nameless.is_empty(), "{nameless:#?}");
}
