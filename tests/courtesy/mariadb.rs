//! MariaDB.

use super::{Scan, Waits, told, trials};
use crate::server::mariadb::{Server, USER};
use fieldmark_model::{Table, TableName};
use fieldmark_source::mysql::{self, ConnectOptions, Limits};
use fieldmark_source::{Cursor, Error, Read, Source};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};
use std::time::Duration;

/// What ends a read of ours has to be somebody who waits, and not its own limit.
const LONG: Limits = Limits { read: Duration::from_secs(60), catalogue: Duration::from_secs(10) };

struct Place {
    database: String,
    url: String,
    application: MySqlConnection,
}

impl Place {
    async fn new(sql: &str) -> anyhow::Result<Self> {
        let server = Server::get().await?;
        let database = server.database("").await?;
        let mut place =
            Self { url: server.url(USER, &database), application: server.keeper(&database).await?, database };
        place.run(sql).await?;
        Ok(place)
    }

    async fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.application).await?;
        Ok(())
    }

    async fn source(&self, url: &str, limits: Limits, table: &str) -> anyhow::Result<(Box<dyn Source>, Table)> {
        let mut source = mysql::connect(&ConnectOptions { limits, ..ConnectOptions::new(url) }).await?;
        let t = source.catalogue().await?.table(&TableName::new(self.database.as_str(), table)).unwrap().clone();
        Ok((Box::new(source), t))
    }
}

const ROWS: &str = "create table t (id bigint primary key, n int, a varchar(60), b varchar(60));
    insert into t select seq, seq, concat('a value of row ', seq), md5(seq) from seq_1_to_200000;
    analyze table t;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_changes_and_reads_meet_a_pass() -> anyhow::Result<()> {
    let mut place = Place::new(ROWS).await?;
    place.run("set session lock_wait_timeout = 10").await?;
    let (source, t) = place.source(&place.url, Limits::default(), "t").await?;
    let scan = Scan::begin(source, t);
    let mut waits: [Waits; 4] = Default::default();
    let [alter_with, alter_without, read_with, read_without] = &mut waits;
    for trial in 0..trials() {
        let alter = format!("alter table t alter column n set default {trial}");
        let read = format!("select * from t where id = {}", 1 + trial * 37);
        scan.in_the_middle(trial).await;
        alter_with.time(place.run(&alter)).await?;
        scan.in_the_middle(trial).await;
        read_with.time(place.run(&read)).await?;
        let paused = scan.paused().await;
        alter_without.time(place.run(&alter)).await?;
        read_without.time(place.run(&read)).await?;
        drop(paused);
    }
    let (chunks, gave_way) = scan.end().await;
    assert!(chunks > trials() as u64, "the pass was not running: {chunks} chunks");
    let [alter_with, alter_without, read_with, read_without] = &waits;
    told(
        &format!("MariaDB, a pass of {chunks} chunks that gave way {gave_way} times"),
        &[
            ("ALTER TABLE, the pass at work", alter_with),
            ("ALTER TABLE, without it", alter_without),
            ("a read of the application, at work", read_with),
            ("a read of the application, without it", read_without),
        ],
    );
    Ok(())
}

const SLOW: &str = "create table t (id int primary key); insert into t values (1);
    create table other (id int primary key); insert into other values (1);
    create view slow as select count(*) as id from t join seq_1_to_1000000 as a join seq_1_to_1000000 as b;";

/// Waits until the view is read: its tables are open by then, not waited for.
async fn until_read(database: &str) -> anyhow::Result<()> {
    let server = Server::get().await?;
    let mut watcher = server.keeper(database).await?;
    let read = "select count(*) from information_schema.processlist where db = database() and info like '%FROM%`slow`%' \
                and state = 'Sending data' and id <> connection_id()";
    server.until(&mut watcher, read).await?;
    Ok(watcher.close().await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_gives_way_to_whoever_waits_for_its_table() -> anyhow::Result<()> {
    let mut place = Place::new(SLOW).await?;
    place.run("set session lock_wait_timeout = 30").await?;
    for change in ["alter table t add column a_N int", "rename table t to u, u to t", "truncate table t"] {
        let mut read = Ok(());
        for number in 0..5 {
            let (mut source, slow) = place.source(&place.url, LONG, "slow").await?;
            let reading = tokio::spawn(async move {
                source.scan(&Read::new(&slow, &["id".to_owned()]), &Cursor::start(), 10).await.map(|_| ())
            });
            until_read(&place.database).await?;
            place.run(&change.replace("_N", &number.to_string())).await?;
            read = reading.await?;
            // on a machine that stood still the watchdog could not look, and the read was short instead
            if !matches!(read, Err(Error::Timeout)) {
                break;
            }
        }
        assert!(matches!(read, Err(Error::GaveWay)), "{change}: {read:?}");
    }
    Ok(())
}

/// Whoever began before us, and waits for another table, waits for somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_does_not_give_way_to_those_who_wait_for_others() -> anyhow::Result<()> {
    let mut place = Place::new(SLOW).await?;
    place.run("lock tables other write").await?;
    let server = Server::get().await?;
    let mut waiting = server.keeper(&place.database).await?;
    let waits =
        tokio::spawn(async move { sqlx::raw_sql("alter table other add column a int").execute(&mut waiting).await });
    let mut watcher = server.keeper(&place.database).await?;
    let pending =
        "select count(*) from information_schema.processlist where db = database() and state like 'Waiting for table%'";
    server.until(&mut watcher, pending).await?;
    let limits = Limits { read: Duration::from_millis(600), ..LONG };
    let (mut source, slow) = place.source(&place.url, limits, "slow").await?;
    let read = source.scan(&Read::new(&slow, &["id".to_owned()]), &Cursor::start(), 10).await;
    assert!(matches!(read, Err(Error::Timeout)), "{read:?}");
    place.run("unlock tables").await?;
    waits.await??;
    Ok(())
}

/// A user who does not see what others do cannot watch for them: its reads are short, and a pass is made of small chunks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_to_see_others_reads_are_short() -> anyhow::Result<()> {
    let mut place = Place::new(SLOW).await?;
    let reader = format!("blind_{}", place.database);
    let password = crate::server::mariadb::PASSWORD;
    place
        .run(&format!(
            "create user {reader}@'%' identified by '{password}'; grant select on {}.* to {reader}@'%'",
            place.database
        ))
        .await?;
    let url = Server::get().await?.url(&reader, &place.database);
    let (mut source, slow) = place.source(&url, Limits::default(), "slow").await?;
    // the first statement is when it is found out
    for _ in 0..2 {
        let read = source.scan(&Read::new(&slow, &["id".to_owned()]), &Cursor::start(), 10).await;
        assert!(matches!(read, Err(Error::Timeout)), "{read:?}");
    }
    let begun = std::time::Instant::now();
    let limited = "select count(*) from information_schema.processlist where info like '%max_statement_time=0.050%`slow`%' \
                   and id <> connection_id()";
    let reading = tokio::spawn(async move {
        while begun.elapsed() < Duration::from_secs(30) {
            if source.scan(&Read::new(&slow, &["id".to_owned()]), &Cursor::start(), 10).await.is_ok() {
                return;
            }
        }
    });
    let server = Server::get().await?;
    let mut watcher = server.keeper(&place.database).await?;
    server.until(&mut watcher, limited).await?;
    reading.abort();
    Ok(())
}
