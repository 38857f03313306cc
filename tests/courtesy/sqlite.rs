//! SQLite: who waits there is a writer.

use super::{Scan, Waits, told, trials};
use fieldmark_model::TableName;
use fieldmark_source::sqlite::{self, Address};
use rusqlite::Connection;
use std::time::Duration;

async fn writers_meet_a_pass(journal: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.db");
    let writer = Connection::open(&path)?;
    writer.pragma_update(None, "journal_mode", journal)?;
    writer.busy_timeout(Duration::from_secs(10))?;
    writer.execute_batch(
        "create table t (id integer primary key, n integer, a text, b text);
         with recursive c(i) as (select 1 union all select i + 1 from c limit 200000)
         insert into t select i, i, 'a value of row ' || i, hex(i * 7919) from c;",
    )?;
    let mut source: Box<dyn fieldmark_source::Source> = Box::new(sqlite::open(&Address::file(&path)).await?);
    let t = source.catalogue().await?.table(&TableName::new("main", "t")).unwrap().clone();
    let scan = Scan::begin(source, t);
    let mut waits: [Waits; 2] = Default::default();
    let [with, without] = &mut waits;
    for trial in 0..trials() {
        let write = format!("begin immediate; update t set n = {trial} where id = {}; commit", 1 + trial * 37);
        let write = async || Ok(writer.execute_batch(&write)?);
        scan.in_the_middle(trial).await;
        with.time(write()).await?;
        let paused = scan.paused().await;
        without.time(write()).await?;
        drop(paused);
    }
    let (chunks, gave_way) = scan.end().await;
    assert!(chunks > trials() as u64, "the pass was not running: {chunks} chunks");
    let [with, without] = &waits;
    told(
        &format!("SQLite, {journal}: a pass of {chunks} chunks that gave way {gave_way} times"),
        &[("a writer, the pass at work", with), ("a writer, without it", without)],
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_with_a_rollback_journal_meets_a_pass() -> anyhow::Result<()> {
    writers_meet_a_pass("delete").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_with_a_write_ahead_log_meets_a_pass() -> anyhow::Result<()> {
    writers_meet_a_pass("wal").await
}
