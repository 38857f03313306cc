//! Getting along with writers and with schemas that change.

use super::{Fixture, batch, names, table};
use fieldmark_model::Table;
use fieldmark_source::{Cursor, Error, Read, Recovery, ScanChunk, Source};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PAIR: &str = "create table t (id integer primary key, v text); insert into t values (1, 'a'), (2, 'b');
    create table other (id integer primary key); insert into other values (7)";

async fn scan(source: &mut dyn Source, table: &Table, columns: &[String]) -> Result<ScanChunk, Error> {
    source.scan(&Read::new(table, columns), &Cursor::start(), 100).await
}

async fn still_usable(fixture: &impl Fixture, source: &mut dyn Source) -> anyhow::Result<()> {
    let other = table(fixture, source, "other").await?;
    assert_eq!(scan(source, &other, &names(&["id"])).await?.chunk.rows(), 1);
    Ok(())
}

/// A table that was dropped after the catalogue was read.
pub(crate) async fn a_dropped_table_is_a_changed_schema(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    let source = source.as_mut();
    let t = table(&fixture, source, "t").await?;
    fixture.execute("drop table t").await?;
    let (columns, key) = (names(&["id"]), names(&["id"]));
    let keys = batch(&t, &["id"], &[&["1"]])?;
    let read = Read::new(&t, &columns);
    for result in [
        scan(source, &t, &columns).await.map(|_| ()),
        source.by_key(&read, &key, &keys).await.map(|_| ()),
        source.extremes(&t, "id").await.map(|_| ()),
        source.sharing(&read, &key, &keys, 2).await.map(|_| ()),
        source.key_after(&t, &key, None, 1).await.map(|_| ()),
    ] {
        assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{result:?}");
    }
    still_usable(&fixture, source).await
}

/// A column that was dropped after the catalogue was read, also in the middle of a pass.
pub(crate) async fn a_dropped_column_is_a_changed_schema(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    let source = source.as_mut();
    let t = table(&fixture, source, "t").await?;
    let (columns, key) = (names(&["id", "v"]), names(&["id"]));
    let read = Read::new(&t, &columns);
    let first = source.scan(&read, &Cursor::start(), 1).await?;
    fixture.execute("alter table t drop column v").await?;
    let keys = batch(&t, &["id"], &[&["1"]])?;
    for result in [
        source.scan(&read, &first.next.unwrap_or_default(), 1).await.map(|_| ()),
        scan(source, &t, &columns).await.map(|_| ()),
        source.by_key(&read, &key, &keys).await.map(|_| ()),
        source.extremes(&t, "v").await.map(|_| ()),
    ] {
        assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{result:?}");
    }
    assert_eq!(scan(source, &t, &key).await?.chunk.rows(), 2, "columns that are still there can be read");
    still_usable(&fixture, source).await
}

/// A column that has another type now is another column.
pub(crate) async fn a_retyped_column_is_a_changed_schema(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    let source = source.as_mut();
    let t = table(&fixture, source, "t").await?;
    let columns = names(&["id", "v"]);
    fixture
        .execute("drop table t; create table t (id integer primary key, v integer); insert into t values (1, 1)")
        .await?;
    let result = scan(source, &t, &columns).await;
    assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{result:?}");
    let t = table(&fixture, source, "t").await?;
    assert_eq!(scan(source, &t, &columns).await?.chunk.rows(), 1);
    still_usable(&fixture, source).await
}

/// The handle stops a long read at once.
pub(crate) async fn a_cancelled_read_says_so_and_the_source_goes_on(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let slow = fixture.slow().await?;
    let mut source = fixture.open().await?;
    let slow = table(&fixture, source.as_mut(), &slow).await?;
    let canceller = source.canceller();
    canceller.cancel().await; // nothing runs: nothing happens
    let started = Instant::now();
    let reader = tokio::spawn(async move {
        let columns: Vec<String> = slow.columns.iter().map(|column| column.name.clone()).collect();
        let result = scan(source.as_mut(), &slow, &columns).await;
        (source, result)
    });
    fixture.until_slow_is_read().await?;
    canceller.cancel().await;
    let (mut source, result) = reader.await?;
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    still_usable(&fixture, source.as_mut()).await
}

/// A call that nobody waits for any more ends, and the next one gets its own answer.
pub(crate) async fn a_dropped_future_leaves_nothing_running(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let slow = fixture.slow().await?;
    let mut source = fixture.open().await?;
    let slow = table(&fixture, source.as_mut(), &slow).await?;
    let columns: Vec<String> = slow.columns.iter().map(|column| column.name.clone()).collect();
    let started = Instant::now();
    for _ in 0..3 {
        tokio::select! {
            result = scan(source.as_mut(), &slow, &columns) => anyhow::bail!("the slow read ended: {result:?}"),
            read = fixture.until_slow_is_read() => read?,
        }
    }
    still_usable(&fixture, source.as_mut()).await?;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    fixture.execute("insert into other values (8)").await
}

/// A lock that a schema change holds is not waited for.
pub(crate) async fn a_lock_held_by_a_writer_is_locked(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let columns = names(&["id", "v"]);
    let lock = fixture.lock("t").await?;
    let started = Instant::now();
    let result = scan(source.as_mut(), &t, &columns).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    if fixture.readers_wait() {
        assert!(matches!(result, Err(Error::Locked)), "{result:?}");
    } else {
        assert_eq!(result?.chunk.rows(), 2);
    }
    drop(lock);
    fixture.until_unlocked("t").await?;
    assert_eq!(scan(source.as_mut(), &t, &columns).await?.chunk.rows(), 2);
    Ok(())
}

/// Between two chunks nothing is held: rows and schema can be written.
pub(crate) async fn a_writer_is_not_blocked_between_calls(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let columns = names(&["id"]);
    let read = Read::new(&t, &columns);
    let first = source.scan(&read, &Cursor::start(), 1).await?;
    fixture.execute("insert into t values (3, 'c')").await?;
    source.by_key(&read, &columns, &batch(&t, &["id"], &[&["1"]])?).await?;
    fixture.execute("alter table t add column w integer").await?;
    let mut rows = first.chunk.rows();
    let mut next = first.next;
    while let Some(cursor) = next {
        let chunk = source.scan(&read, &cursor, 1).await?;
        rows += chunk.chunk.rows();
        fixture.execute("update other set id = id + 1").await?;
        next = chunk.next;
    }
    assert_eq!(rows, 3);
    source.extremes(&t, "id").await?;
    fixture.execute("drop table t").await
}

/// Rows that nobody touches are in every pass, whatever is written around them.
pub(crate) async fn rows_that_stay_are_seen_under_concurrent_writers(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, v text)").await?;
    let stay: Vec<String> = (0..400).map(|id| format!("({}, 'stays')", id * 10)).collect();
    fixture.execute(&format!("insert into t values {}", stay.join(","))).await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let fixture = Arc::new(fixture);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (fixture, stop) = (Arc::clone(&fixture), Arc::clone(&stop));
        async move {
            let mut written = 0u32;
            for round in 0u32.. {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                let id = (round * 7919) % 400 * 10 + 1 + round % 9;
                let sql = match round % 3 {
                    0 => format!("insert into t values ({id}, 'comes') on conflict do nothing"),
                    1 => format!(
                        "update t set v = 'changes' where id = {}",
                        id.saturating_sub(1).max(1) / 10 * 10 + 1 + round % 9
                    ),
                    _ => format!("delete from t where id % 10 > 0 and id < {id}"),
                };
                written += u32::from(fixture.execute(&sql).await.is_ok());
                tokio::task::yield_now().await;
            }
            written
        }
    });
    let columns = names(&["id", "v"]);
    let read = Read::new(&t, &columns);
    for rows in [7, 50, 300, 7] {
        let mut seen = BTreeSet::new();
        let mut cursor = Cursor::start();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match source.scan(&read, &cursor, rows).await {
                Ok(chunk) => {
                    for row in super::texts(&chunk.chunk)? {
                        seen.insert(row[0].clone().unwrap().parse::<u32>()?);
                    }
                    match chunk.next {
                        Some(next) => cursor = next,
                        None => break,
                    }
                }
                // a writer came first: the same chunk again
                Err(error) if error.recovery() == Recovery::Retry && Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
        }
        let missed: Vec<u32> = (0..400).map(|id| id * 10).filter(|id| !seen.contains(id)).collect();
        assert!(missed.is_empty(), "chunks of {rows} missed {missed:?}");
    }
    stop.store(true, Ordering::Release);
    assert!(writer.await? > 0, "nothing was written meanwhile");
    Ok(())
}
