//! What only MariaDB has: its kinds of tables and columns, its sessions, and how statements end there.

use super::{LIMITS, MariaDb};
use crate::conformance::scan::pass;
use crate::conformance::{Fixture as _, batch, names, rows, table, texts};
use fieldmark_model::TableKind;
use fieldmark_model::chunk::DefectKind;
use fieldmark_source::mysql::{self, ConnectOptions, Limits};
use fieldmark_source::{Cursor, Error, Read, Source as _};
use std::time::Duration;

/// Tables of all kinds are told as what they are, and read; sequences are none.
#[tokio::test]
async fn every_kind_of_table_is_read() -> anyhow::Result<()> {
    let fixture = MariaDb::start().await?;
    fixture
        .run(
            "create table plain (id int primary key, v int) engine=InnoDB;
             create table old (id int primary key, v int) engine=Aria;
             create table memory (id int primary key, v int) engine=MEMORY;
             create table parts (id int primary key, v int) partition by hash (id) partitions 4;
             create table versions (id int primary key, v int) with system versioning;
             create sequence numbers;
             insert into plain select seq, seq from seq_1_to_30; insert into old select * from plain;
             insert into memory select * from plain; insert into parts select * from plain;
             insert into versions select * from plain; update versions set v = v + 1;
             create view seen as select id, v from plain where id > 10",
        )
        .await?;
    let mut source = fixture.open().await?;
    let catalogue = source.catalogue().await?;
    let told: Vec<(&str, TableKind)> =
        catalogue.tables.iter().map(|table| (table.name.name.as_str(), table.kind)).collect();
    let stored = |name| (name, TableKind::Table);
    assert_eq!(
        told,
        [
            stored("memory"),
            stored("old"),
            stored("parts"),
            stored("plain"),
            ("seen", TableKind::View),
            stored("versions")
        ]
    );
    for (name, expected) in [("plain", 30), ("old", 30), ("memory", 30), ("parts", 30), ("seen", 20), ("versions", 30)]
    {
        let t = table(&fixture, source.as_mut(), name).await?;
        let all = pass(source.as_mut(), &t, &names(&["id", "v"]), 7).await?;
        assert_eq!(all.len(), expected, "{name}: of a table with versions the present ones are its rows");
    }
    Ok(())
}

/// Columns that are computed, invisible or compressed are columns.
#[tokio::test]
async fn every_kind_of_column_is_read() -> anyhow::Result<()> {
    let fixture = MariaDb::start().await?;
    fixture
        .run(
            "create table t (
                 id int primary key, `select` int invisible default 5, twice int as (id * 2) virtual, half int as (id div 2) stored,
                 packed text compressed, `a``b` int unsigned zerofill, \"Ä ?\" varchar(3));
             insert into t (id, packed, `a``b`, \"Ä ?\") values (7, 'long', 3, 'x')",
        )
        .await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let columns: Vec<String> = t.columns.iter().map(|column| column.name.clone()).collect();
    assert_eq!(columns, ["id", "select", "twice", "half", "packed", "a`b", "Ä ?"]);
    let all = pass(source.as_mut(), &t, &columns, 10).await?;
    assert_eq!(all, rows(&[&["7", "5", "14", "3", "long", "3", "x"]]));
    Ok(())
}

/// A time with a zone is UTC, whatever the session's zone was that wrote it, and the server's own.
#[tokio::test]
async fn timestamps_are_utc() -> anyhow::Result<()> {
    let fixture = MariaDb::start().await?;
    fixture
        .run(
            "create table t (id int primary key, at timestamp null, local datetime);
             set session time_zone = '+05:30'; insert into t values (1, '2024-02-29 10:00:00', '2024-02-29 10:00:00')",
        )
        .await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let all = pass(source.as_mut(), &t, &names(&["at", "local"]), 10).await?;
    assert_eq!(all, rows(&[&["2024-02-29T04:30:00Z", "2024-02-29T10:00:00"]]));
    Ok(())
}

/// Texts of a collation that takes letters for each other are told apart, and all of them are looked up through their index.
#[tokio::test]
async fn texts_are_told_apart_whatever_their_collation() -> anyhow::Result<()> {
    let fixture = MariaDb::start().await?;
    fixture
        .run(
            "create table t (id int primary key, v varchar(20) collate utf8mb4_general_ci, key (v));
             insert into t values (1, 'a'), (2, 'A'), (3, 'ä'), (4, 'a '), (5, 'b')",
        )
        .await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let (id, v) = (names(&["id"]), names(&["v"]));
    for (value, expected) in [("a", "1"), ("A", "2"), ("ä", "3"), ("a ", "4"), ("b", "5")] {
        let keys = batch(&t, &["v"], &[&[value]])?;
        let found = source.by_key(&Read::new(&t, &id), &v, &keys).await?;
        assert_eq!(texts(&found)?, rows(&[&[expected]]), "{value:?}");
        let shared = source.sharing(&Read::new(&t, &id), &v, &keys, 5).await?;
        assert_eq!(texts(&shared)?, rows(&[&[expected]]), "{value:?}");
    }
    Ok(())
}

/// A value of tens of megabytes stays where it is.
#[tokio::test]
async fn a_very_large_value_is_not_sent() -> anyhow::Result<()> {
    let fixture = MariaDb::start().await?;
    fixture
        .run("create table t (id int primary key, v longblob); insert into t values (1, repeat('x', 60000000)), (2, 'y')")
        .await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let chunk = source.scan(&Read::new(&t, &names(&["v"])), &Cursor::start(), 10).await?.chunk;
    let told: Vec<_> = chunk.defects.iter().map(|defect| (defect.kind, defect.cell.row, defect.bytes)).collect();
    assert_eq!(told, [(DefectKind::ValueTooLarge, 0, Some(60_000_000))]);
    assert_eq!(chunk.rows(), 2);
    Ok(())
}

/// As many columns as a table can have, and a schema of many tables.
#[tokio::test]
async fn wide_tables_and_many_of_them_are_told_in_time() -> anyhow::Result<()> {
    let fixture = MariaDb::start().await?;
    let columns: Vec<String> = (0..1_000).map(|at| format!("c{at} int")).collect();
    fixture
        .run(&format!(
            "create table wide (id int primary key, {}); insert into wide (id) values (1)",
            columns.join(", ")
        ))
        .await?;
    for at in 0..500 {
        fixture.run(&format!("create table many{at} (id int primary key) engine=Aria transactional=0")).await?;
    }
    let mut source =
        mysql::connect(&ConnectOptions { limits: Limits::default(), ..fixture.options(super::USER) }).await?;
    let catalogue = source.catalogue().await?;
    assert_eq!(catalogue.tables.len(), 501);
    let wide = catalogue.tables.iter().find(|table| table.name.name == "wide").unwrap().clone();
    let all: Vec<String> = wide.columns.iter().map(|column| column.name.clone()).collect();
    let chunk = source.scan(&Read::new(&wide, &all), &Cursor::start(), 10).await?.chunk;
    assert_eq!((chunk.rows(), chunk.batch.num_columns()), (1, 1_001));
    Ok(())
}

/// Statements end for different reasons, each of which is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_end_early_for_different_reasons() -> anyhow::Result<()> {
    let fixture = MariaDb::start().await?;
    let slow = fixture.slow().await?;
    fixture.run("create table t (id int primary key); insert into t values (1)").await?;
    let mut source = fixture.open().await?;
    let slow = table(&fixture, source.as_mut(), &slow).await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let limits = Limits { read: Duration::from_millis(100), ..LIMITS };
    let mut short = mysql::connect(&ConnectOptions { limits, ..fixture.options(&fixture.reader) }).await?;
    let (x, id) = (names(&["x"]), names(&["id"]));
    let ended = short.scan(&Read::new(&slow, &x), &Cursor::start(), 10).await;
    assert!(matches!(ended, Err(Error::Timeout)), "{:?}", ended.map(|_| ()));
    // the source goes on
    assert_eq!(short.scan(&Read::new(&t, &id), &Cursor::start(), 10).await?.chunk.rows(), 1);
    for (kill, is_expected) in [
        ("kill query", (|error| matches!(error, Error::Timeout)) as fn(&Error) -> bool),
        ("kill connection", |error| matches!(error, Error::ConnectionLost { .. })),
    ] {
        let (mut reading, slow, x) = (fixture.source().await?, slow.clone(), x.clone());
        let read = tokio::spawn(async move {
            let ended = reading.scan(&Read::new(&slow, &x), &Cursor::start(), 10).await.map(|_| ());
            (reading, ended)
        });
        fixture.until_slow_is_read().await?;
        let mut keeper = fixture.server.keeper("").await?;
        let whose = format!(
            "select id from information_schema.processlist where user = '{}' and info like '%`slow`%' limit 1",
            fixture.reader
        );
        let number: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(whose)).fetch_one(&mut keeper).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{kill} {number}"))).execute(&mut keeper).await?;
        let (mut reading, ended) = read.await?;
        assert!(ended.as_ref().is_err_and(is_expected), "{kill}: {ended:?}");
        assert_eq!(reading.scan(&Read::new(&t, &id), &Cursor::start(), 10).await?.chunk.rows(), 1, "{kill}");
    }
    Ok(())
}

/// A session of ours cannot write, whatever its user may do, and is not left in a transaction.
#[tokio::test]
async fn sessions_are_read_only_and_hold_nothing() -> anyhow::Result<()> {
    let fixture = MariaDb::start().await?;
    fixture.run("create table t (id int primary key); insert into t values (1)").await?;
    let mut source = mysql::connect(&ConnectOptions { limits: LIMITS, ..fixture.options(super::USER) }).await?;
    let t = table(&fixture, &mut source, "t").await?;
    assert_eq!(source.scan(&Read::new(&t, &names(&["id"])), &Cursor::start(), 10).await?.chunk.rows(), 1);
    let told = source
        .query(&crate::conformance::queries::asked(
            "select @@session.tx_read_only as only_reads, @@in_transaction as held",
        ))
        .await?;
    let told: Vec<&str> = told.shown[0].iter().map(|(_, value)| value.as_deref().unwrap_or_default()).collect();
    assert_eq!(told, ["1", "0"]);
    // nobody's change waits for a session of ours that is at rest
    fixture.run("alter table t add column a int").await?;
    Ok(())
}
