//! What the server has to do for a check: hand over rows. Rules are judged by the program, and the server's own record of
//! statements has no part of a rule in it.

use super::served::Served;
use super::shop::{Run, Shop};
use crate::server::postgres::{Server, USER};
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use tokio::process::Command;

const TABLES: &str = "
    create table parents (id bigint primary key);
    insert into parents select generate_series(1, 1000);
    create table birds (id bigint primary key, ring text not null unique, status text, weight integer, email text, country text,
        noted text, parent_id bigint, seen timestamptz, total integer, part integer);
    insert into birds select i, 'ring ' || i, 'new', i % 100, 'e' || i, 'gb', 'x', 1 + i % 1000, now(), i, i from generate_series(1, 20000) i;
    analyze";

/// One rule of each kind, with words and numbers that are in no row.
const RULES: &str = r#"sample: { rows: 500 }
rules:
  - not_null: [country]
  - { not_null: [status], where: "noted <> 'wryneck'", id: where }
  - unique: [ring]
  - { unique: [email], where: "part <> 414141", id: unindexed }
  - in_set: { column: status, values: [merlin, hobby, goshawk] }
  - in_range: { column: weight, min: -771177, max: 991199 }
  - matches: { column: email, pattern: '^kestrel[0-9]{3}x?@' }
  - length: { column: country, min: 0, max: 424242 }
  - type_is: { column: noted, type: uuid }
  - references: { column: parent_id, to: parents.id }
  - { references: { column: parent_id, to: parents.id }, where: "weight < 929292", id: referring }
  - fresh: { column: seen, within: 123456h }
  - row_count: { min: 565656 }
  - { id: adds_up, expect: "total = part * 2 + 313131 OR ring LIKE '%peregrine%'", where: "status <> 'sparrowhawk'" }
  - { id: calls, expect: "regexp_like(email, 'h[ao]rrier') OR total IN (212121, 232323)" }
across_migrations:
  same: [id, ring]
  expect:
    - { id: kept, that: "after.total = before.total + 616161" }
"#;

/// Parts of these rules.
const OF_RULES: [&str; 19] = [
    "wryneck",
    "414141",
    "merlin",
    "hobby",
    "goshawk",
    "771177",
    "991199",
    "kestrel",
    "424242",
    "929292",
    "123456",
    "565656",
    "313131",
    "peregrine",
    "sparrowhawk",
    "h[ao]rrier",
    "212121",
    "616161",
    "regexp",
];
/// What is in a statement that reads the table's rows, and not only what the catalogue says of it.
const ROWS_READ: &str = "\"public\".\"birds\" AS ";
/// Operators that judge rather than find.
const JUDGING: [&str; 9] = [" ~ ", "~*", "!~", " like ", " ilike ", "~~", " similar to ", " in (", " between "];
/// Columns that only rules look at: no statement has a reason to name them but to read them.
const JUDGED: [&str; 7] = ["status", "weight", "country", "noted", "total", "part", "email"];

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_no_part_of_a_rule() {
    let server = Server::get().await.unwrap();
    let database = server.database("template kinds").await.unwrap();
    let role = format!("watched_{database}");
    server.watched_role(&role).await.unwrap();
    let mut owner = Served::of(&server.url(USER, &database)).await;
    owner.sql(TABLES).await;
    owner.sql(&format!("grant select on birds, parents to {role}")).await;

    let shop = Shop::of(&server.url(&role, &database));
    shop.rules("birds", RULES);
    for (arguments, change) in [
        (&["check", "--full", "--duty", "100%"][..], ""),
        (
            &["before", "--control", "100ms"],
            "update birds set total = total + 616161, status = 'sold' where id % 3 = 0",
        ),
        (&["after", "--control", "100ms"], "alter table birds add column added integer"),
        (&["after", "--control", "0s"], ""),
    ] {
        let run = Run::of(Command::from(shop.command(arguments)).output().await.unwrap());
        let codes = if arguments[0] == "before" { &[0][..] } else { &[1, 2] };
        assert!(codes.contains(&run.code), "{arguments:?}: {}\n{}", run.out, run.err);
        owner.sql(change).await;
    }
    let report = shop.json(&["check", "--duty", "100%"], 1);
    let outcomes = report["outcomes"].as_array().unwrap();
    let kinds: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 11, "a kind of rule is missing: {kinds:?}");

    let sql = format!("select query from kinds.pg_stat_statements where userid = '{role}'::regrole");
    let statements: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut owner.another().await).await.unwrap();
    let of_birds = statements.iter().filter(|sql| sql.contains(ROWS_READ)).count();
    assert!(of_birds >= 10, "the record holds {of_birds} statements about the table: {statements:#?}");
    for statement in &statements {
        assert!(statement.trim_start().starts_with("/* fieldmark "), "whose is this: {statement}");
        // takes a search path apart by a pattern of ours
        if statement.contains("statement='greeting'") {
            continue;
        }
        for part in OF_RULES {
            assert!(!statement.contains(part), "{part} of a rule is in {statement}");
        }
        let lower = statement.to_lowercase();
        if !statement.contains(ROWS_READ) {
            continue;
        }
        for operator in JUDGING {
            assert!(!lower.contains(operator), "{operator} judges rows in {statement}");
        }
        let conditions = lower.split(" where ").skip(1).collect::<Vec<_>>().join(" ");
        for column in JUDGED {
            assert!(!conditions.contains(&format!("\"{column}\"")), "{column} is judged in {statement}");
        }
    }
}
