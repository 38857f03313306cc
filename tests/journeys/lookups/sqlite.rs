//! Some runs on SQLite.

use super::{CHILDREN, PLANTED_ROWS, ROWS, Runs, write_rules};
use crate::journeys::served::DEADLINE;
use crate::journeys::shop::Shop;
use rusqlite::Connection;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RUNS: u32 = 30;
/// Rows that one transaction moves.
const MOVED: u32 = 100;

/// As in [`super::SOUND`], of the tables that are here.
const RULES: [(&str, &str); 4] = [super::SOUND[0], super::SOUND[1], super::BROKEN[0], super::BROKEN[1]];

fn tables() -> String {
    let parents = ROWS / CHILDREN;
    let numbers =
        |most: u32| format!("with recursive n(i) as (select 1 union all select i + 1 from n where i < {most})");
    let codes = "id integer primary key, code integer not null, tag text not null, seal integer";
    let child = "id integer primary key, parent_id integer not null, region integer, number integer";
    let parent = format!("(i - 1) / {CHILDREN} + 1");
    format!(
        "pragma journal_mode = wal; pragma synchronous = off;
         create table parents (id integer primary key);
         {} insert into parents select i from n;
         create table pairs (region integer, number integer, primary key (region, number));
         insert into pairs select id % 7, id from parents;
         create table codes ({codes}, unique (code), unique (seal));
         {} insert into codes select i, i * 7, 'tag ' || i, iif(i % 2 = 0, i, null) from n;
         create table planted_codes ({codes}); create index planted_code on planted_codes (code);
         insert into planted_codes select id, code + iif(id % 200 = 1, 7, 0), 'tag ' || (id + (id % 200 = 1)), null from codes;
         create table children ({child}); create index parent on children (parent_id);
         {} insert into children select i, {parent}, case i % 10 when 3 then null when 4 then -5 else ({parent}) % 7 end,
             iif(i % 10 = 4, null, {parent}) from n;
         create table planted_children ({child}); create index planted_parent on planted_children (parent_id);
         insert into planted_children select * from children;
         update planted_children set parent_id = -id where id % 100 = 7;
         update planted_children set region = 1, number = -id where id % 100 = 8;",
        numbers(parents),
        numbers(ROWS),
        numbers(ROWS),
    )
}

/// One transaction: a block of rows exchanges its values, the children of a block of parents get new ones.
fn transaction(round: u32) -> String {
    let first = round * 7 % (ROWS / MOVED) * MOVED + 1;
    let last = first + MOVED - 1;
    let other = format!("{first} + (id - {first} + {}) % {MOVED}", 1 + round % 97);
    let exchange = |table: &str| {
        format!(
            "create temp table old as select {other} as id, code, tag, seal from {table} where id between {first} and {last};
             update {table} set code = -code, seal = -seal where id between {first} and {last};
             update {table} set (code, tag, seal) = (select code, tag, seal from old where old.id = {table}.id)
                 where id between {first} and {last};
             drop table old;"
        )
    };
    let (parent, size) = (round % (ROWS / MOVED) * (MOVED / CHILDREN) + 1, MOVED / CHILDREN);
    let of = |column: &str| {
        format!("({column} - {parent} between 0 and {0} or {column} - 1000000 - {parent} between 0 and {0})", size - 1)
    };
    let elsewhere = |column: &str| format!("iif({column} > 1000000, {column} - 1000000, {column} + 1000000)");
    let children = |table: &str| {
        format!(
            "update {table} set parent_id = {} where {}; update {table} set number = {} where {};",
            elsewhere("parent_id"),
            of("parent_id"),
            elsewhere("number"),
            of("number")
        )
    };
    format!(
        "begin immediate; {} {}
         create temp table old_parents as select id from parents where {};
         create temp table old_pairs as select region, number from pairs where {};
         insert into parents select {} from old_parents; insert into pairs select region, {} from old_pairs;
         {} {}
         delete from parents where id in old_parents; delete from pairs where (region, number) in old_pairs;
         drop table old_parents; drop table old_pairs;
         commit",
        exchange("codes"),
        exchange("planted_codes"),
        of("id"),
        of("number"),
        elsewhere("id"),
        elsewhere("number"),
        children("children"),
        children("planted_children"),
    )
}

fn numbers(connection: &Connection, sql: &str) -> Vec<i64> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Waits until what was true at different times has been put together to duplicates and orphans.
fn until_a_naive_reader_is_fooled(connection: &Connection) {
    let begun = Instant::now();
    let (mut duplicates, mut orphans) = (false, false);
    while !(duplicates && orphans) {
        assert!(begun.elapsed() < DEADLINE, "never fooled: duplicates {duplicates}, orphans {orphans}");
        let mut codes = numbers(connection, "select code from codes where id % 2 = 0");
        codes.extend(numbers(connection, "select code from codes where id % 2 = 1"));
        duplicates |= codes.iter().collect::<HashSet<_>>().len() < codes.len();
        let referred = numbers(connection, "select parent_id from children");
        let parents: HashSet<i64> = numbers(connection, "select id from parents").into_iter().collect();
        orphans |= referred.iter().any(|parent| !parents.contains(parent));
    }
}

#[test]
fn nothing_is_invented_and_everything_planted_is_found() {
    let shop = Shop::new(&tables());
    write_rules(&shop, &RULES);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (connection, stop) = (shop.database(), Arc::clone(&stop));
        move || {
            connection.busy_timeout(Duration::from_secs(60)).unwrap();
            connection.execute_batch("pragma synchronous = off").unwrap();
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                connection.execute_batch(&transaction(round)).unwrap();
                round += 1;
            }
        }
    });
    let naive = shop.database();
    until_a_naive_reader_is_fooled(&naive);
    let mut runs = Runs::default();
    for seed in 1..=RUNS {
        let seed = seed.to_string();
        let arguments = ["check", "--sample", "300", "--seed", &seed, "--no-enlarge", "--duty", "100%"];
        runs.add(&shop.json(&arguments, 1));
    }
    until_a_naive_reader_is_fooled(&naive);
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    runs.none_is_invented();
    runs.all_are_found();
    for (rows, sql) in [
        (0, "select count(*) from (select 1 from codes group by code having count(*) > 1)"),
        (0, "select count(*) from children where parent_id not in (select id from parents)"),
        (
            PLANTED_ROWS,
            "select count(*) from planted_codes where code in (select code from planted_codes group by code having count(*) > 1)",
        ),
        (30, "select count(*) from planted_children where parent_id not in (select id from parents)"),
    ] {
        assert_eq!(shop.number(sql), rows, "{sql}");
    }
}
