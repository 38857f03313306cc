//! PostgreSQL.

use super::{Scan, Waits, told, trials};
use crate::server::postgres::{Server, USER, until};
use crate::server::standby::Pair;
use fieldmark_model::{Table, TableName};
use fieldmark_source::postgres::{self, ConnectOptions, Limits};
use fieldmark_source::{Cursor, Error, Read, Source};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// What ends a read of ours has to be somebody who waits, and not its own limit.
const LONG: Limits = Limits { read: Duration::from_secs(60), catalogue: Duration::from_secs(10) };

struct Place {
    url: String,
    application: PgConnection,
}

impl Place {
    async fn new(sql: &str) -> anyhow::Result<Self> {
        let server = Server::get().await?;
        let url = server.url(USER, &server.database("").await?);
        let mut place = Self { application: PgConnection::connect(&url).await?, url };
        place.run(sql).await?;
        Ok(place)
    }

    async fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.application).await?;
        Ok(())
    }

    async fn source(&self, limits: Limits) -> anyhow::Result<(Box<dyn Source>, Table)> {
        let mut source = postgres::connect(&ConnectOptions { limits, ..ConnectOptions::new(&self.url) }).await?;
        let catalogue = source.catalogue().await?;
        let t = catalogue.table(&TableName::new("public", "t")).unwrap().clone();
        Ok((Box::new(source), t))
    }

    /// Reads a view that does not end by itself, while something is done that waits for it.
    async fn gives_way_to(&mut self, what: &str) -> anyhow::Result<()> {
        let reading = reading_slow(&self.url, &mut self.application).await?;
        self.run("set lock_timeout = '30s'").await?;
        self.run(what).await?;
        let read = reading.await?;
        assert!(matches!(read, Err(Error::GaveWay)), "{what}: {read:?}");
        Ok(())
    }
}

/// A read of the view that does not end by itself, which is at it. Where the machine is so busy that the watchdog cannot look, a read
/// ends early, and another one is begun.
async fn reading_slow(url: &str, beside: &mut PgConnection) -> anyhow::Result<JoinHandle<Result<(), Error>>> {
    let is_read = "select count(*) from pg_stat_activity where datname = current_database() and query like '%\"slow\"%' \
                   and wait_event = 'PgSleep' and pid <> pg_backend_pid()";
    let mut source = postgres::connect(&ConnectOptions { limits: LONG, ..ConnectOptions::new(url) }).await?;
    let slow = source.catalogue().await?.table(&TableName::new("public", "slow")).unwrap().clone();
    let source = Arc::new(Mutex::new(source));
    loop {
        let (source, slow) = (Arc::clone(&source), slow.clone());
        let reading = tokio::spawn(async move {
            let columns = vec!["id".to_owned()];
            source.lock().await.scan(&Read::new(&slow, &columns), &Cursor::start(), 10).await.map(|_| ())
        });
        while !reading.is_finished() {
            if sqlx::query_scalar::<_, i64>(is_read).fetch_one(&mut *beside).await? > 0 {
                return Ok(reading);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let read = reading.await?;
        assert!(matches!(read, Err(Error::Timeout)), "nobody waited for it: {read:?}");
    }
}

const ROWS: &str = "create table t (id bigint primary key, n integer, a text, b text);
    insert into t select i, i, 'a value of row ' || i, md5(i::text) from generate_series(1, 300000) i;
    create table other (id bigint primary key, n integer);
    insert into other select i, i from generate_series(1, 2000) i;
    analyze t, other;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_changes_and_reads_meet_a_pass() -> anyhow::Result<()> {
    let mut place = Place::new(ROWS).await?;
    place.run("set lock_timeout = '10s'").await?;
    let (source, t) = place.source(Limits::default()).await?;
    let scan = Scan::begin(source, t);
    let mut waits: [Waits; 6] = Default::default();
    let [alter_with, alter_without, index_with, index_without, read_with, read_without] = &mut waits;
    for trial in 0..trials() {
        let alter = format!("alter table t alter column n set default {trial}");
        let index = "create index concurrently other_n on other (n)";
        let read = format!("select * from t where id = {}", 1 + trial * 37);
        scan.in_the_middle(trial).await;
        alter_with.time(place.run(&alter)).await?;
        scan.in_the_middle(trial).await;
        read_with.time(place.run(&read)).await?;
        // each takes several waits for all snapshots
        if trial % 10 == 0 {
            scan.in_the_middle(trial).await;
            index_with.time(place.run(index)).await?;
            place.run("drop index other_n").await?;
        }
        let paused = scan.paused().await;
        alter_without.time(place.run(&alter)).await?;
        read_without.time(place.run(&read)).await?;
        if trial % 10 == 0 {
            index_without.time(place.run(index)).await?;
            place.run("drop index other_n").await?;
        }
        drop(paused);
    }
    let (chunks, gave_way) = scan.end().await;
    assert!(chunks > trials() as u64, "the pass was not running: {chunks} chunks");
    let [alter_with, alter_without, index_with, index_without, read_with, read_without] = &waits;
    told(
        &format!("PostgreSQL, a pass of {chunks} chunks that gave way {gave_way} times"),
        &[
            ("ALTER TABLE, the pass at work", alter_with),
            ("ALTER TABLE, without it", alter_without),
            ("CREATE INDEX CONCURRENTLY elsewhere, at work", index_with),
            ("CREATE INDEX CONCURRENTLY elsewhere, without", index_without),
            ("a read of the application, at work", read_with),
            ("a read of the application, without it", read_without),
        ],
    );
    Ok(())
}

const SLOW: &str = "create table t (id integer primary key); insert into t values (1);
    create table other (id integer primary key); insert into other values (1);
    create view slow as select t.id from t, pg_sleep(50);";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_gives_way_to_whoever_waits_for_its_table() -> anyhow::Result<()> {
    let mut place = Place::new(SLOW).await?;
    place.gives_way_to("alter table t add column a integer").await?;
    place.gives_way_to("truncate t").await
}

/// It waits for every snapshot, whatever that has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_gives_way_to_an_index_that_is_built_elsewhere() -> anyhow::Result<()> {
    let mut place = Place::new(SLOW).await?;
    place.gives_way_to("create index concurrently other_id on other (id)").await
}

/// What a primary has changed waits on the standby for whoever reads there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_standby_gives_way_to_what_is_replayed() -> anyhow::Result<()> {
    let pair = Pair::start().await?;
    let mut primary = PgConnection::connect(&pair.primary()).await?;
    sqlx::raw_sql(SLOW).execute(&mut primary).await?;
    let mut standby = PgConnection::connect(&pair.standby()).await?;
    let replayed = |what: &str| AssertSqlSafe(until(what));
    sqlx::raw_sql(replayed("exists (select from pg_class where relname = 'slow')")).execute(&mut standby).await?;
    let reading = reading_slow(&pair.standby(), &mut standby).await?;
    sqlx::raw_sql("alter table t add column a integer").execute(&mut primary).await?;
    let read = reading.await?;
    assert!(matches!(read, Err(Error::GaveWay)), "{read:?}");
    let changed = "exists (select from pg_attribute where attrelid = 't'::regclass and attname = 'a')";
    sqlx::raw_sql(replayed(changed)).execute(&mut standby).await?;
    Ok(())
}

/// Whoever waits for somebody else is none of our business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_does_not_give_way_to_those_who_wait_for_others() -> anyhow::Result<()> {
    let mut place = Place::new(SLOW).await?;
    place.run("begin; lock table other in access exclusive mode").await?;
    let mut waiting = PgConnection::connect(&place.url).await?;
    let waits = tokio::spawn(async move {
        sqlx::raw_sql("set lock_timeout = '30s'; alter table other add column a integer").execute(&mut waiting).await
    });
    place.run(&until("exists (select from pg_locks where not granted and relation = 'other'::regclass)")).await?;
    let limits = Limits { read: Duration::from_millis(600), ..LONG };
    let mut source = postgres::connect(&ConnectOptions { limits, ..ConnectOptions::new(&place.url) }).await?;
    let slow = source.catalogue().await?.table(&TableName::new("public", "slow")).unwrap().clone();
    let columns = vec!["id".to_owned()];
    let read = source.scan(&Read::new(&slow, &columns), &Cursor::start(), 10).await;
    assert!(matches!(read, Err(Error::Timeout)), "{read:?}");
    place.run("commit").await?;
    waits.await??;
    Ok(())
}
