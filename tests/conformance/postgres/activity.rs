//! Stamps of rows, and what is told of transactions.

use super::super::{batch, names, table};
use super::{Fixture, Postgres};
use fieldmark_source::{BlockDraw, Cursor, Read, Sessions, Source};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::collections::BTreeSet;

async fn run(connection: &mut PgConnection, sql: &str) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(())
}

async fn id(connection: &mut PgConnection) -> anyhow::Result<u64> {
    let id: String = sqlx::query_scalar("select pg_current_xact_id()::text").fetch_one(connection).await?;
    Ok(id.parse()?)
}

/// However a row is read, it comes with the id of the transaction that wrote it last.
#[tokio::test]
async fn rows_come_with_their_stamps() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key, v text); insert into t values (1, 'a'), (2, 'b')").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let mut writer = fixture.another().await?;
    run(&mut writer, "begin; update t set v = 'c' where id = 2").await?;
    let written = id(&mut writer).await?;
    run(&mut writer, "commit").await?;
    let columns = names(&["id"]);
    let read = Read::new(&t, &columns).stamped(true);
    let draw = BlockDraw { skip: 0, blocks: 10, per_block: 100, seed: 1 };
    let chunks = [
        source.by_key(&read, &columns, &batch(&t, &["id"], &[&["1"], &["2"]])?).await?,
        source.scan(&read, &Cursor::start(), 100).await?.chunk,
        source.blocks(&read, &draw).await?.chunk,
    ];
    for chunk in chunks {
        let rows = super::super::texts(&chunk)?;
        assert_eq!((rows.len(), chunk.stamps.len()), (2, 2));
        for (row, stamp) in rows.iter().zip(&chunk.stamps) {
            let second = row[0].as_deref() == Some("2");
            assert_eq!(*stamp == written, second, "{row:?} {stamp}");
            assert!(*stamp <= written && *stamp > 2);
        }
    }
    let plain = source.scan(&Read::new(&t, &columns), &Cursor::start(), 100).await?.chunk;
    assert!(plain.stamps.is_empty(), "not asked for");
    Ok(())
}

/// Of a view, and of a table of which only columns are granted, there are none, and the rows are read all the same.
#[tokio::test]
async fn rows_without_stamps_are_read_all_the_same() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let role = fixture.role("reader").await?;
    fixture
        .execute(&format!(
            "create table t (id integer primary key, v text); insert into t values (1, 'a'), (2, 'b');
             create view w as select * from t; grant select on w to {role}; grant select (id) on t to {role}"
        ))
        .await?;
    let mut source = fixture.source_of(&role).await?;
    for name in ["t", "w"] {
        let relation = table(&fixture, &mut source, name).await?;
        let columns = names(&["id"]);
        let chunk = source.scan(&Read::new(&relation, &columns).stamped(true), &Cursor::start(), 100).await?.chunk;
        assert_eq!((chunk.rows(), chunk.stamps.len()), (2, 0), "{name}");
    }
    Ok(())
}

/// Sessions are found by role and application name, by a role without privileges too; their savepoints have ids of their own.
#[tokio::test]
async fn open_transactions_are_told_by_whose_they_are() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let role = fixture.role("watcher").await?;
    fixture.execute("create table t (id integer primary key)").await?;
    let mut source = fixture.source_of(&role).await?;
    let mut migration = fixture.another().await?;
    let mut application = fixture.another().await?;
    run(&mut migration, "set application_name = 'deploy-7'; begin; insert into t values (1)").await?;
    run(&mut application, "set application_name = 'shop'; begin; insert into t values (2)").await?;
    let outer = id(&mut migration).await?;
    run(&mut migration, "savepoint a; insert into t values (3)").await?;
    let named = |name: &str| vec![Sessions { role: None, application_name: Some(name.to_owned()) }];
    let seen = source.transactions(&named("deploy-*")).await?;
    assert_eq!(seen, BTreeSet::from([outer, id_of_savepoint(&mut migration).await?]));
    assert_eq!(source.transactions(&named("nobody")).await?, BTreeSet::new());
    assert_eq!(source.transactions(&[]).await?, BTreeSet::new());
    let all = [Sessions { role: Some(crate::server::postgres::USER.to_owned()), application_name: None }];
    assert_eq!(source.transactions(&all).await?.len(), 3);
    run(&mut migration, "commit").await?;
    assert_eq!(source.transactions(&named("deploy-*")).await?, BTreeSet::new());
    run(&mut application, "rollback").await?;
    Ok(())
}

async fn id_of_savepoint(connection: &mut PgConnection) -> anyhow::Result<u64> {
    let id: String = sqlx::query_scalar("select xmin::text from t where id = 3").fetch_one(connection).await?;
    Ok(id.parse()?)
}

/// The horizon does not pass a transaction that runs, nor one that has only begun to read.
#[tokio::test]
async fn the_horizon_waits_for_who_is_under_way() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key)").await?;
    let mut source = fixture.source().await?;
    let quiet = source.horizon().await?;
    assert_eq!(quiet.oldest_running, quiet.next_transaction);
    assert!(quiet.clock_ahead.is_some_and(|ahead| ahead.abs() < 60.0), "the same machine's clock");
    let mut reader = fixture.another().await?;
    run(&mut reader, "begin isolation level repeatable read; select 1 from t").await?;
    // ids are the whole server's: other tests take some, too
    let begun = source.horizon().await?;
    fixture.execute("insert into t values (1)").await?;
    fixture.execute("insert into t values (2)").await?;
    let held = source.horizon().await?;
    assert!(held.next_transaction >= begun.next_transaction.map(|next| next + 2));
    assert!(held.oldest_running <= begun.next_transaction, "{held:?} {begun:?}");
    assert!(held.oldest_began.is_some());
    run(&mut reader, "commit; begin; insert into t values (3)").await?;
    let writing = id(&mut reader).await?;
    assert_eq!(source.horizon().await?.oldest_running, Some(writing));
    run(&mut reader, "rollback").await?;
    Ok(())
}

/// Blocks as the source reckons them are those that the server counts, within a factor of two.
#[tokio::test]
async fn blocks_are_reckoned_as_the_server_counts_them() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let mut setup = fixture.another().await?;
    run(
        &mut setup,
        "create table t (id integer primary key, v text);
         insert into t select i, repeat('x', 100) from generate_series(1, 50000) i",
    )
    .await?;
    run(&mut setup, "vacuum analyze t").await?;
    setup.close().await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "v"]);
    let read = Read::new(&t, &columns);
    let keys: Vec<String> = (1..=2000).map(|id| (id * 20).to_string()).collect();
    let keys: Vec<[&str; 1]> = keys.iter().map(|key| [key.as_str()]).collect();
    let keys: Vec<&[&str]> = keys.iter().map(|key| key.as_slice()).collect();
    let keys = batch(&t, &["id"], &keys)?;
    let key = names(&["id"]);
    drop(source);
    // a session's counts are told when it ends, before it is gone
    let counted = async || -> anyhow::Result<i64> {
        let others =
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
        while fixture.ask(others).await? != "0" {
            tokio::task::yield_now().await;
        }
        let blocks = "select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::bigint \
                      from pg_statio_user_tables where relname = 't'";
        Ok(fixture.ask(blocks).await?.parse()?)
    };
    for what in ["scan", "keys", "blocks"] {
        let before = counted().await?;
        let mut source = fixture.source().await?;
        match what {
            "scan" => {
                let mut cursor = Cursor::start();
                while let Some(next) = source.scan(&read, &cursor, 5_000).await?.next {
                    cursor = next;
                }
            }
            "keys" => drop(source.by_key(&read, &key, &keys).await?),
            _ => drop(source.blocks(&read, &BlockDraw { skip: 0, blocks: 300, per_block: 1, seed: 1 }).await?),
        }
        let reckoned = source.blocks_touched() as f64;
        drop(source);
        let after = counted().await?;
        let ratio = reckoned / (after - before) as f64;
        assert!((0.5..=2.0).contains(&ratio), "{what}: {reckoned} reckoned, {} counted", after - before);
    }
    Ok(())
}
