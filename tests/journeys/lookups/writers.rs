//! Writers on PostgreSQL that keep every constraint at every instant, and readers that are fooled by them all the same.

use super::{CHILDREN, ROWS};
use crate::journeys::served::{DEADLINE, Served};
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::task::JoinHandle;

/// Rows that one transaction moves.
const MOVED: u32 = 100;
/// What a parent's id, or a pair's number, is moved by and back again.
const AWAY: u32 = 1_000_000;

const TABLES: &str = "codes, planted_codes, children, planted_children, parents, pairs, slots, named";

/// The tables: values that are unique, children that have parents, slots of which one row is live.
pub(super) fn tables() -> String {
    let parents = ROWS / CHILDREN;
    let codes = "id bigint primary key, code integer not null, tag text not null";
    let child = "id bigint primary key, parent_id bigint not null, region integer, number integer";
    let pair = "case when i % 10 = 3 then null when i % 10 = 4 then -5 else p % 7 end, case when i % 10 = 4 then null else p end";
    let generated = format!("(select i, (i - 1) / {CHILDREN} + 1 as p from generate_series(1, {ROWS}) i) g");
    format!(
        "create table parents (id bigint primary key);
         insert into parents select generate_series(1, {parents});
         create table pairs (region integer, number integer, primary key (region, number));
         insert into pairs select i % 7, i from generate_series(1, {parents}) i;

         create table codes ({codes}, seal integer, unique (code) deferrable, unique (seal) deferrable);
         insert into codes select i, i * 7, 'tag ' || i, case when i % 2 = 0 then i end from generate_series(1, {ROWS}) i;
         create table planted_codes ({codes}, seal integer);
         create index on planted_codes (code);
         insert into planted_codes select i, j * 7, 'tag ' || j, case when i % 2 = 0 then i end
             from (select i, case when i % 200 = 1 then i + 1 else i end as j from generate_series(1, {ROWS}) i) g;

         create table children ({child}, foreign key (parent_id) references parents deferrable initially deferred,
             foreign key (region, number) references pairs deferrable initially deferred);
         create index on children (parent_id); create index on children (region, number);
         insert into children select i, p, {pair} from {generated};
         create table planted_children ({child});
         create index on planted_children (parent_id); create index on planted_children (region, number);
         insert into planted_children select * from children;
         update planted_children set parent_id = -id where id % 100 = 7;
         update planted_children set region = 1, number = -id where id % 100 = 8;

         create table slots (id bigint primary key, slot integer not null, live integer not null);
         create index on slots (slot);
         insert into slots select i, (i + 1) / 2, i % 2 from generate_series(1, {ROWS}) i;

         create table named (name text primary key, code integer not null, parent_id bigint not null, filler text not null,
             unique (code) deferrable, foreign key (parent_id) references parents deferrable initially deferred);
         alter table named alter filler set storage plain; create index on named (parent_id);
         insert into named select 'name ' || i, i * 7, p, repeat('x', 900) from {generated};
         analyze;"
    )
}

/// A connection that writes until it is stopped.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Goes on in the background.
    pub(super) async fn start(served: &Served) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut connection, stopped) = (served.another().await, Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut round = 0;
            while !stopped.load(Ordering::Relaxed) {
                for transaction in [exchange_values, move_children, take_slots] {
                    write(&mut connection, &transaction(round)).await;
                }
                round += 1;
                if round % 8 == 0 {
                    // dead rows would make every later pass longer
                    write(&mut connection, &format!("vacuum (truncate off) {TABLES}")).await;
                }
            }
        });
        Self { stop, task }
    }

    /// Stops it.
    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

async fn write(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// The rows of a block of ids exchange their values in one statement.
fn exchange_values(round: u32) -> String {
    let first = round * 7 % (ROWS / MOVED) * MOVED + 1;
    let other = format!("{first} + (a.id - {first} + {}) % {MOVED}", 1 + round % 97);
    let exchange = |table: &str| {
        format!(
            "update {table} a set code = b.code, tag = b.tag, seal = b.seal from {table} b \
             where a.id between {first} and {} and b.id = {other}",
            first + MOVED - 1
        )
    };
    // each in a transaction of its own
    format!("begin; {}; commit; begin; {}; commit", exchange("codes"), exchange("planted_codes"))
}

/// The children of a block of parents move to new parents, and the old parents go, in one transaction; every third time they
/// are all deleted and made anew instead.
fn move_children(round: u32) -> String {
    let size = MOVED / CHILDREN;
    let first = round % (ROWS / MOVED) * size + 1;
    let range = format!("between {first} and {}", first + size - 1);
    let of = |column: &str| format!("({column} {range} or {column} - {AWAY} {range})");
    let elsewhere =
        |column: &str| format!("case when {column} > {AWAY} then {column} - {AWAY} else {column} + {AWAY} end");
    let copies = format!(
        "create temp table old_parents on commit drop as select * from parents where {};
         create temp table old_pairs on commit drop as select * from pairs where {};",
        of("id"),
        of("number")
    );
    let (parent, number) = (of("parent_id"), of("number"));
    if round % 3 == 2 {
        let each = |table: &str| {
            format!(
                "create temp table old_{table} on commit drop as select * from {table} where {parent};
                 delete from {table} where {parent};"
            )
        };
        return format!(
            "begin; {copies} {} {}
             delete from parents where id in (select id from old_parents);
             insert into parents select * from old_parents;
             insert into children select * from old_children;
             insert into planted_children select * from old_planted_children;
             commit",
            each("children"),
            each("planted_children"),
        );
    }
    let each = |table: &str| {
        format!(
            "update {table} set parent_id = {} where {parent}; update {table} set number = {} where {number};",
            elsewhere("parent_id"),
            elsewhere("number")
        )
    };
    // the codes of neighbours change places, too
    let neighbour = "a.code + case when a.code / 7 % 2 = 1 then 7 else -7 end";
    format!(
        "begin; {copies}
         insert into parents select {} from old_parents; insert into pairs select region, {} from old_pairs;
         {} {}
         update named a set parent_id = {}, code = {neighbour} where {};
         delete from parents where id in (select id from old_parents);
         delete from pairs where (region, number) in (select region, number from old_pairs);
         commit",
        elsewhere("id"),
        elsewhere("number"),
        each("children"),
        each("planted_children"),
        elsewhere("a.parent_id"),
        of("a.parent_id"),
    )
}

/// Of the two rows of each slot the other one becomes the live one.
fn take_slots(round: u32) -> String {
    let first = round * 7 % (ROWS / MOVED) * (MOVED / 2) + 1;
    format!("update slots set live = 1 - live where slot between {first} and {}", first + MOVED / 2 - 1)
}

/// Waits until someone who puts together what was true at different times has seen duplicates and orphans: the writers are at
/// work, and fast enough to be a danger.
pub(super) async fn until_a_naive_reader_is_fooled(connection: &mut PgConnection) {
    let begun = Instant::now();
    let (mut duplicates, mut orphans) = (false, false);
    while !(duplicates && orphans) {
        assert!(begun.elapsed() < DEADLINE, "never fooled: duplicates {duplicates}, orphans {orphans}");
        let mut codes = numbers(connection, "select code::int8 from codes where id % 2 = 0").await;
        codes.extend(numbers(connection, "select code::int8 from codes where id % 2 = 1").await);
        let different: HashSet<i64> = codes.iter().copied().collect();
        duplicates |= different.len() < codes.len();
        let referred = numbers(connection, "select parent_id from children").await;
        let parents: HashSet<i64> = numbers(connection, "select id from parents").await.into_iter().collect();
        orphans |= referred.iter().any(|parent| !parents.contains(parent));
    }
}

async fn numbers(connection: &mut PgConnection, sql: &'static str) -> Vec<i64> {
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}
