//! Passes in one snapshot.

use super::super::{names, table, texts};
use super::{Fixture, Postgres};
use fieldmark_source::{Cursor, Error, Read, Source};
use sqlx::{AssertSqlSafe, Connection as _};
use std::collections::BTreeMap;

const ROWS: usize = 3_000;

fn filled() -> String {
    format!(
        "create table t (id integer primary key, v text not null) with (fillfactor = 100);
         insert into t select i, 'old' from generate_series(1, {ROWS}) i; create table other (id integer primary key)"
    )
}

/// How often each value comes in what is left of a pass; the rows all once.
async fn values(source: &mut dyn Source, read: &Read<'_>, first: Cursor) -> anyhow::Result<BTreeMap<String, usize>> {
    let (mut rows, mut cursor) = (BTreeMap::new(), Some(first));
    while let Some(from) = cursor {
        let scanned = source.scan(read, &from, 100).await?;
        for row in texts(&scanned.chunk)? {
            let [id, value] = row.try_into().unwrap();
            assert!(rows.insert(id.unwrap(), value.unwrap()).is_none(), "a row comes twice");
        }
        cursor = scanned.next;
    }
    let mut values = BTreeMap::new();
    for value in rows.into_values() {
        *values.entry(value).or_default() += 1;
    }
    Ok(values)
}

/// What is written during the pass, and moves rows to other places, is not in it.
#[tokio::test]
async fn a_pass_in_a_snapshot_shows_one_instant() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute(&filled()).await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "v"]);
    let read = Read::new(&t, &columns);
    for hold in [true, false] {
        source.hold_snapshot(hold).await?;
        let first = source.scan(&read, &Cursor::start(), 100).await?;
        assert_eq!(first.chunk.rows(), 100);
        fixture
            .execute("update t set v = v || '!'; delete from t where id = 2500; insert into t values (9999, 'new')")
            .await?;
        let rest = values(&mut source, &read, first.next.unwrap()).await?;
        if hold {
            assert_eq!(rest, BTreeMap::from([("old".to_owned(), ROWS - 100)]));
        } else {
            // the writes of the first time and of this one, rows met again where they have moved to
            assert!(!rest.contains_key("old") && rest.values().sum::<usize>() > ROWS - 101, "{rest:?}");
            break;
        }
        fixture.execute("delete from t where id = 9999; insert into t values (2500, 'old!')").await?;
    }
    Ok(())
}

/// A table whose file is another one would look empty to an old snapshot.
#[tokio::test]
async fn a_table_written_anew_ends_a_pass_in_a_snapshot() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    for change in ["truncate t", "alter table t alter id type bigint", "vacuum full t", "alter table t drop v"] {
        fixture.execute(&filled()).await?;
        let mut source = fixture.source().await?;
        let t = table(&fixture, &mut source, "t").await?;
        let columns = names(&["id", "v"]);
        let read = Read::new(&t, &columns);
        source.hold_snapshot(true).await?;
        // before any chunk, and between two
        let first = source.scan(&read, &Cursor::start(), 100).await?;
        fixture.execute(change).await?;
        for from in [Cursor::start(), first.next.unwrap()] {
            let result = source.scan(&read, &from, 100).await.map(|chunk| chunk.chunk.rows());
            assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{change}: {result:?}");
        }
        source.hold_snapshot(false).await?;
        fixture.execute("drop table t, other").await?;
    }
    Ok(())
}

/// What waits for snapshots does not wait for ours: not while a chunk runs, and not between two.
#[tokio::test]
async fn a_snapshot_gives_way_to_whoever_waits_for_it() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute(&filled()).await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "v"]);
    let read = Read::new(&t, &columns);
    for change in ["create index concurrently i on other (id)", "reindex index concurrently i"] {
        source.hold_snapshot(true).await?;
        let first = source.scan(&read, &Cursor::start(), 100).await?;
        let mut migration = fixture.another().await?;
        sqlx::raw_sql("set statement_timeout = '10s'").execute(&mut migration).await?;
        // nothing of ours runs meanwhile
        sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut migration).await?;
        let ended = source.scan(&read, &first.next.unwrap(), 100).await.err();
        assert!(matches!(ended, Some(Error::SnapshotEnded { gave_way: true })), "{change}: {ended:?}");
        source.hold_snapshot(false).await?;
        assert_eq!(source.scan(&read, &Cursor::start(), 100).await?.chunk.rows(), 100, "without one it goes on");
        migration.close().await?;
    }
    Ok(())
}

/// A schema change of the table that is read does not wait for the snapshot: no lock of the table is held with it.
#[tokio::test]
async fn a_snapshot_holds_no_table() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute(&filled()).await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "v"]);
    source.hold_snapshot(true).await?;
    source.scan(&Read::new(&t, &columns), &Cursor::start(), 100).await?;
    let held = fixture
        .ask("select count(*) from pg_locks l join pg_class c on c.oid = l.relation where c.relname in ('t', 't_pkey')")
        .await?;
    assert_eq!(held, "0");
    fixture.execute("set lock_timeout = '1ms'; alter table t add w integer").await?;
    // the last one's transaction ends with it
    source.hold_snapshot(true).await?;
    drop(source);
    fixture
        .until(
            "not exists (select from pg_stat_activity where datname = current_database() and state like 'idle in tr%')",
        )
        .await
}

/// Somebody who ends the session that holds it ends the pass, and is not taken for a migration.
#[tokio::test]
async fn a_snapshot_that_is_lost_is_told_so() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute(&filled()).await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "v"]);
    source.hold_snapshot(true).await?;
    fixture
        .execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity
             where datname = current_database() and state = 'idle in transaction'",
        )
        .await?;
    let ended = source.scan(&Read::new(&t, &columns), &Cursor::start(), 100).await.err();
    assert!(matches!(ended, Some(Error::SnapshotEnded { gave_way: false })), "{ended:?}");
    Ok(())
}

/// A second connection reads beside the first, is watched like it, and together they are three.
#[tokio::test]
async fn two_connections_have_one_watchdog() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let slow = "create table t (id integer primary key); insert into t values (1);
        create view slow as select t.id from t cross join lateral (select pg_sleep(30 + t.id)) as s";
    fixture.execute(slow).await?;
    let mut first = fixture.source().await?;
    let mut second = first.beside().await?;
    let slow = table(&fixture, &mut first, "slow").await?;
    let columns = names(&["id"]);
    let read = Read::new(&slow, &columns);
    let (one, other) = (Cursor::start(), Cursor::start());
    let ours = "from pg_stat_activity where datname = current_database() and application_name like 'fieldmark%'";
    let both = async { tokio::join!(first.scan(&read, &one, 100), second.scan(&read, &other, 100)) };
    let migration = async {
        fixture.until(&format!("(select count(*) {ours} and wait_event = 'PgSleep') = 2")).await?;
        fixture.until(&format!("(select count(*) {ours}) = 3")).await?;
        fixture.execute("alter table t add w integer").await
    };
    let (scanned, migrated) = tokio::join!(both, migration);
    migrated?;
    for result in [scanned.0, scanned.1] {
        assert!(matches!(result, Err(Error::GaveWay)), "{result:?}");
    }
    drop(first);
    let t = table(&fixture, second.as_mut(), "t").await?;
    assert_eq!(second.scan(&Read::new(&t, &columns), &Cursor::start(), 100).await?.chunk.rows(), 1, "each for itself");
    Ok(())
}
