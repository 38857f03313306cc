//! Files: missing, damaged, replaced, locked, written meanwhile.

use super::super::{Address, open};
use super::{File, all_columns, names, pass, table};
use crate::{Cursor, Error, Read, Source};
use rusqlite::Connection;
use std::time::Duration;

#[tokio::test]
async fn a_missing_file_is_unreachable_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.db");
    let Err(Error::Unreachable { address, reason }) = open(&Address::file(&path)).await.map(|_| ()) else { panic!() };
    assert!(address.ends_with("no.db") && reason.contains("No such file"), "{address}: {reason}");
    assert!(!path.exists());
    let Err(Error::Unreachable { reason, .. }) = open(&Address::file(folder.path())).await.map(|_| ()) else {
        panic!()
    };
    assert_eq!(reason, "it is not a file");
}

#[tokio::test]
async fn what_is_no_database_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    std::fs::write(&path, "id,name\n1,one\n".repeat(1000)).unwrap();
    let Err(Error::Unreachable { reason, .. }) = open(&Address::file(&path)).await.map(|_| ()) else { panic!() };
    assert_eq!(reason, "it is not a SQLite database, or it is encrypted");
    std::fs::write(&path, "").unwrap();
    let mut source = open(&Address::file(&path)).await.unwrap();
    assert!(source.catalogue().await.unwrap().tables.is_empty(), "an empty file is an empty database");
}

#[tokio::test]
async fn a_damaged_page_is_an_error_and_no_panic() {
    let file =
        File::new("create table t (id integer primary key, v text); create table u (v); insert into u values (1)");
    file.run("with recursive c(x) as (select 1 union all select x + 1 from c limit 20000) insert into t select x, hex(randomblob(20)) from c");
    drop(file.writer);
    let path = file.folder.path().join("a.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 40_960].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let mut source = open(&Address::file(&path)).await.unwrap();
    let t = table(&mut source, "t").await;
    let Err(Error::Database { code }) = pass(&mut source, &t, &names(&["id", "v"]), 1000).await else { panic!() };
    assert!(code.starts_with("SQLITE_CORRUPT"), "{code}");
    let u = table(&mut source, "u").await;
    assert_eq!(pass(&mut source, &u, &names(&["v"]), 10).await.unwrap(), ["1"]);
    let mut header = std::fs::read(&path).unwrap();
    header[100..4096].fill(0x55);
    std::fs::write(&path, header).unwrap();
    let Err(Error::Unreachable { reason, .. }) = open(&Address::file(&path)).await.map(|_| ()) else { panic!() };
    assert!(reason.starts_with("the database is damaged (SQLITE_CORRUPT"), "{reason}");
}

#[tokio::test]
async fn a_file_that_was_replaced_is_opened_anew() {
    let file = File::new("create table t (v); insert into t values ('old')");
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    assert_eq!(pass(&mut source, &t, &names(&["v"]), 10).await.unwrap(), ["old"]);
    let other = file.folder.path().join("b.db");
    Connection::open(&other).unwrap().execute_batch("create table t (v); insert into t values ('new')").unwrap();
    std::fs::rename(&other, file.path()).unwrap();
    assert_eq!(pass(&mut source, &t, &names(&["v"]), 10).await.unwrap(), ["new"]);
    std::fs::remove_file(file.path()).unwrap();
    let gone = pass(&mut source, &t, &names(&["v"]), 10).await;
    assert!(matches!(gone, Err(Error::Unreachable { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_write_ahead_log_can_be_emptied_between_calls() {
    let file =
        File::new("pragma journal_mode = wal; create table t (id integer primary key); insert into t values (1), (2)");
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    let columns = names(&["id"]);
    let first = source.scan(&Read::new(&t, &columns), &Cursor::start(), 1).await.unwrap();
    assert!(first.next.is_some());
    file.run("insert into t values (3)");
    let (busy, log): (i64, i64) =
        file.writer.query_row("pragma wal_checkpoint(truncate)", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!((busy, log), (0, 0), "a reader held the log");
}

#[tokio::test]
async fn a_statement_over_its_time_is_a_timeout() {
    let file = File::new(
        "create table t (id integer primary key); insert into t values (1);
         create view v as with recursive c(x) as (select 1 union all select x + 1 from c limit 100000000000) select max(x) as x from c",
    );
    let mut source = open(&Address::file(file.path())).await.unwrap();
    let v = table(&mut source, "v").await;
    let slow = tokio::time::timeout(Duration::from_secs(10), pass(&mut source, &v, &names(&["x"]), 10)).await.unwrap();
    assert!(matches!(slow, Err(Error::Timeout)), "{slow:?}");
    let t = table(&mut source, "t").await;
    assert_eq!(pass(&mut source, &t, &all_columns(&t), 10).await.unwrap(), ["1"]);
}
