//! Passes and draws by place: ranges of blocks, partitions, heirs, ends.

use super::Postgres;
use crate::conformance::scan::pass;
use crate::conformance::{Fixture, batch, names, table, texts};
use fieldmark_model::{Table, TableKind};
use fieldmark_source::postgres::PostgresSource;
use fieldmark_source::{BlockDraw, BlockSample, Cursor, Error, Read, Reference, Source as _};
use sqlx::Connection as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Every row of a pass by its `id`; each once.
async fn ids(source: &mut PostgresSource, table: &Table, rows: usize) -> anyhow::Result<BTreeSet<u64>> {
    let all = pass(source, table, &names(&["id"]), rows).await?;
    let ids: BTreeSet<u64> = all.iter().flatten().flatten().map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids.len(), all.len(), "rows come twice");
    Ok(ids)
}

async fn counted(source: &mut PostgresSource, table: &Table, rows: usize) -> anyhow::Result<usize> {
    let (mut total, mut cursor) = (0, Cursor::start());
    loop {
        let chunk = source.scan(&Read::new(table, &[]), &cursor, rows).await?;
        total += chunk.chunk.rows();
        match chunk.next {
            Some(next) => cursor = next,
            None => return Ok(total),
        }
    }
}

/// Empty blocks in the middle, at the end and at the start are no end, whatever the statistics say.
#[tokio::test]
async fn empty_blocks_are_passed_over() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    // about 1 700 blocks
    fixture.execute("create table t (id integer, v text); insert into t select i, repeat('x', 100) from generate_series(1, 100000) i").await?;
    let mut source = fixture.source().await?;
    for (change, expected) in [
        ("select", 1..=100_000u64),
        ("delete from t where id between 10000 and 90000", 1..=100_000),
        ("analyze t", 1..=100_000),
        ("vacuum t", 1..=100_000),
        ("insert into t select i, repeat('x', 100) from generate_series(100001, 130000) i", 1..=130_000),
        ("delete from t where id > 100500 and id < 129990", 1..=130_000),
        ("delete from t where id < 10000", 90_001..=130_000),
    ] {
        fixture.execute(change).await?;
        let t = table(&fixture, &mut source, "t").await?;
        let real: BTreeSet<u64> = fixture
            .ask("select string_agg(id::text, ',') from t")
            .await?
            .split(',')
            .map(|id| id.parse().unwrap())
            .collect();
        assert!(real.iter().all(|id| expected.contains(id)));
        for rows in [3_000, 40_000] {
            assert_eq!(ids(&mut source, &t, rows).await?, real, "{change}, chunks of {rows}");
            assert_eq!(counted(&mut source, &t, rows).await?, real.len(), "{change}, counted in chunks of {rows}");
        }
    }
    Ok(())
}

/// A chunk has the rows wanted and no more, whatever the statistics say of their density.
#[tokio::test]
async fn chunks_are_no_larger_than_wanted() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer, v text); insert into t select i, repeat('x', 4000) from generate_series(1, 500) i; alter table t alter v set storage plain").await?;
    fixture.execute("analyze t").await?;
    fixture.execute("insert into t select i, '' from generate_series(501, 20000) i").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let (columns, mut cursor) = (names(&["id", "v"]), Cursor::start());
    let (mut rows, mut chunks) = (0, 0);
    loop {
        let chunk = source.scan(&Read::new(&t, &columns), &cursor, 200).await?;
        assert!(chunk.chunk.rows() <= 200);
        (rows, chunks) = (rows + chunk.chunk.rows(), chunks + 1);
        match chunk.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(rows, 20_000);
    assert!((100..200).contains(&chunks), "{chunks} chunks");
    Ok(())
}

/// Wide rows end a chunk early, and the next one goes on.
#[tokio::test]
async fn a_chunk_ends_at_its_bytes() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer, v text); insert into t select i, repeat('x', 500000) from generate_series(1, 150) i").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "v"]);
    let first = source.scan(&Read::new(&t, &columns), &Cursor::start(), 1000).await?;
    assert!((30..40).contains(&first.chunk.rows()), "{}", first.chunk.rows());
    assert!(first.chunk.defects.is_empty());
    assert_eq!(pass(&mut source, &t, &columns, 1000).await?.len(), 150);
    Ok(())
}

/// Partitions of partitions, heirs, materialized views.
#[tokio::test]
async fn partitions_and_heirs_are_one_table() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table p (id integer not null, k text not null, primary key (id, k)) partition by list (k);
        create table pa partition of p for values in ('a'); create table pb partition of p for values in ('b') partition by range (id);
        create table pb1 partition of pb for values from (0) to (1000); create table pb2 partition of pb for values from (1000) to (100000);
        create table pc partition of p for values in ('c');
        insert into p select i, case i % 2 when 0 then 'a' else 'b' end from generate_series(1, 6000) i;
        create table e (id integer) partition by list (id);
        create table base (id integer primary key); create table heir (w text) inherits (base);
        insert into base select generate_series(1, 100); insert into heir select generate_series(101, 300), 'w';
        create materialized view m as select id from base; create view v as select id from base").await?;
    let mut source = fixture.source().await?;
    let catalogue = source.catalogue().await?;
    let listed: Vec<(&str, TableKind)> =
        catalogue.tables.iter().map(|table| (table.name.name.as_str(), table.kind)).collect();
    assert_eq!(
        listed,
        [
            ("base", TableKind::Table),
            ("e", TableKind::Partitioned),
            ("heir", TableKind::Table),
            ("m", TableKind::MaterializedView),
            ("p", TableKind::Partitioned),
            ("v", TableKind::View),
        ]
    );
    for (name, rows) in [("p", 6000), ("e", 0), ("base", 300), ("heir", 200), ("m", 300), ("v", 300)] {
        let t = table(&fixture, &mut source, name).await?;
        for chunk in [7, 1000] {
            assert_eq!(ids(&mut source, &t, chunk).await?.len(), rows, "{name} in chunks of {chunk}");
            assert_eq!(counted(&mut source, &t, chunk).await?, rows, "{name} counted in chunks of {chunk}");
        }
    }
    let p = table(&fixture, &mut source, "p").await?;
    assert_eq!((p.storage, p.primary_key.clone()), (None, Some(names(&["id", "k"]))));
    assert_eq!((p.estimated_rows, p.pages), (None, None));
    fixture.execute("analyze p; analyze pa; analyze pb1; analyze pb2; analyze pc").await?;
    let p = table(&fixture, &mut source, "p").await?;
    assert_eq!(p.estimated_rows, Some(6000));
    assert!(p.pages.is_some_and(|pages| pages > 20));
    let columns = names(&["id"]);
    let (read, draw) = (Read::new(&p, &columns), BlockDraw { skip: 0, blocks: 1_000_000, per_block: 1000, seed: 1 });
    // a grant on the parent covers rows that are read through it, and its parts' blocks have other names
    fixture.execute(&format!("revoke select on pa, pb, pb1, pb2, pc from {}", fixture.reader)).await?;
    let result = source.blocks(&read, &draw).await.map(|_| ());
    assert!(matches!(result, Err(Error::PartitionsDenied)), "{result:?}");
    fixture.execute(&format!("grant select on pa, pb1, pb2, pc to {}", fixture.reader)).await?;
    for chunk in [7, 1000] {
        assert_eq!(ids(&mut source, &p, chunk).await?.len(), 6000, "part by part in chunks of {chunk}");
        assert_eq!(counted(&mut source, &p, chunk).await?, 6000, "counted part by part in chunks of {chunk}");
    }
    let sample = source.blocks(&read, &draw).await?;
    assert_eq!((sample.chunk.rows(), sample.live.iter().sum::<u32>()), (6000, 6000));
    fixture.tell_statistics().await?;
    assert_eq!(source.counters(&p).await?.inserted, Some(6000));
    Ok(())
}

/// Places of another file mean nothing: a pass does not go on over a table that was rewritten, or emptied and filled again.
#[tokio::test]
async fn a_rewritten_table_ends_its_pass() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer); insert into t select generate_series(1, 1000)").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id"]);
    for rewrite in ["vacuum full t", "truncate t; insert into t select generate_series(1, 1000)"] {
        let first = source.scan(&Read::new(&t, &columns), &Cursor::start(), 100).await?;
        fixture.execute(rewrite).await?;
        let result = source.scan(&Read::new(&t, &columns), &first.next.unwrap(), 100).await.map(|_| ());
        assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{rewrite}: {result:?}");
        assert_eq!(ids(&mut source, &t, 100).await?.len(), 1000);
    }
    Ok(())
}

/// The rows of each block, by what the database says of them.
async fn by_block(fixture: &Postgres, table: &str) -> anyhow::Result<BTreeMap<u64, BTreeSet<u64>>> {
    let all = fixture
        .ask(&format!(
            "select string_agg(split_part(trim('(' from ctid::text), ',', 1) || ':' || id, ' ') from {table}"
        ))
        .await?;
    let mut blocks = BTreeMap::<u64, BTreeSet<u64>>::new();
    for row in all.split(' ') {
        let (block, id) = row.split_once(':').unwrap();
        blocks.entry(block.parse()?).or_default().insert(id.parse()?);
    }
    Ok(blocks)
}

/// Ids of the rows kept of each block.
fn kept(sample: &BlockSample) -> anyhow::Result<BTreeMap<u32, BTreeSet<u64>>> {
    assert_eq!(sample.block_of_row.len(), sample.chunk.rows());
    let mut kept = BTreeMap::<u32, BTreeSet<u64>>::new();
    for (row, block) in texts(&sample.chunk)?.iter().zip(&sample.block_of_row) {
        assert!(kept.entry(*block).or_default().insert(row[0].as_deref().unwrap().parse()?), "a row twice");
    }
    Ok(kept)
}

/// A draw gives whole blocks' live rows, the rows kept are of their blocks, empty blocks count, and the seed decides.
#[tokio::test]
async fn drawn_blocks_are_what_they_are() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer, v text); insert into t select i, repeat('x', 100) from generate_series(1, 20000) i").await?;
    fixture.execute("delete from t where id between 5000 and 10000").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let (columns, real) = (names(&["id", "v"]), by_block(&fixture, "t").await?);
    let last = *real.keys().max().unwrap();
    let read = Read::new(&t, &columns);
    for analysed in [false, true] {
        let all = source.blocks(&read, &BlockDraw { skip: 0, blocks: u64::MAX, per_block: u32::MAX, seed: 1 }).await?;
        assert_eq!(all.live.len() as u64, all.table_blocks);
        // without statistics the end is that of the live rows, which here is that of the table
        assert_eq!(all.table_blocks, last + 1, "analysed {analysed}");
        assert_eq!(all.chunk.rows(), 14_999);
        let kept = kept(&all)?;
        for (block, live) in all.live.iter().enumerate() {
            let rows = real.get(&(block as u64)).cloned().unwrap_or_default();
            assert_eq!(*live as usize, rows.len());
            assert_eq!(kept.get(&(block as u32)).cloned().unwrap_or_default(), rows);
        }
        fixture.execute("analyze t").await?;
    }
    let draw = |seed| BlockDraw { skip: 0, blocks: 150, per_block: 2, seed };
    let first = source.blocks(&read, &draw(1)).await?;
    assert_eq!(first.live.len(), 150);
    assert!(first.live.contains(&0), "of 345 blocks a quarter is empty");
    let kept_first = kept(&first)?;
    for (block, live) in first.live.iter().enumerate() {
        let rows = kept_first.get(&(block as u32)).cloned().unwrap_or_default();
        assert_eq!(rows.len(), (*live).min(2) as usize);
        assert!(rows.is_empty() || real.values().any(|real| rows.is_subset(real) && real.len() == *live as usize));
    }
    assert_eq!(kept(&source.blocks(&read, &draw(1)).await?)?, kept_first);
    assert_ne!(kept(&source.blocks(&read, &draw(2)).await?)?, kept_first);
    // a draw that goes on meets the other blocks, all of them in the end
    let (mut live, mut rows) = (0, BTreeSet::new());
    for skip in [0, 100, 200, 300] {
        let sample = source.blocks(&read, &BlockDraw { skip, blocks: 100, per_block: u32::MAX, seed: 5 }).await?;
        live += sample.live.len() as u64;
        assert_eq!(sample.table_blocks, last + 1);
        // the last block has room for some of the rows that come meanwhile
        rows.extend(kept(&sample)?.into_values().flatten().filter(|id| *id <= 20_000));
        // new blocks belong to the next draw
        fixture.execute("insert into t select i, repeat('x', 100) from generate_series(20001, 21000) i").await?;
    }
    assert_eq!((live, rows.len()), (last + 1, 14_999));
    fixture.execute("delete from t where id > 20000").await?;
    let none = source.blocks(&read, &BlockDraw { skip: 0, blocks: 0, per_block: 1, seed: 1 }).await?;
    assert_eq!((none.chunk.rows(), none.live.len()), (0, 0));
    fixture.execute("create table empty (id integer)").await?;
    let empty = table(&fixture, &mut source, "empty").await?;
    let sample = source.blocks(&Read::new(&empty, &columns[..1]), &draw(1)).await?;
    assert_eq!((sample.chunk.rows(), sample.live.len(), sample.table_blocks), (0, 0, 0));
    Ok(())
}

/// Each block, and each row of a block, is drawn equally often.
#[tokio::test]
async fn draws_are_uniform() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    // 4 blocks of about 7 rows
    fixture.execute("create table t (id integer, v text); alter table t alter v set storage plain; insert into t select i, repeat('x', 1000) from generate_series(1, 28) i").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id"]);
    let mut times = BTreeMap::<String, u32>::new();
    for seed in 0..140 {
        let sample =
            source.blocks(&Read::new(&t, &columns), &BlockDraw { skip: 0, blocks: 2, per_block: 2, seed }).await?;
        assert_eq!((sample.chunk.rows(), sample.live.len(), sample.table_blocks), (4, 2, 4));
        for row in texts(&sample.chunk)? {
            *times.entry(row[0].clone().unwrap()).or_default() += 1;
        }
    }
    // 20 times each is expected, with a standard deviation of 4.1
    assert_eq!(times.len(), 28);
    assert!(times.values().all(|times| (4..=40).contains(times)), "{times:?}");
    Ok(())
}

/// Reads by a thousand keys of 10^5 rows go through the index.
#[tokio::test]
async fn reads_by_key_use_the_index() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let mut application = fixture.another().await?;
    for sql in [
        "create table parent (a integer, b text, primary key (a, b)); insert into parent select i, 'b' || i from generate_series(1, 100000) i",
        "create table t (id integer primary key, a integer, b text); insert into t select i, i * 2, 'b' || i * 2 from generate_series(1, 100000) i; create index on t (a, b)",
        "analyze",
    ] {
        sqlx::raw_sql(sql).execute(&mut application).await?;
    }
    // a server process tells what it did when it ends
    application.close().await?;
    fixture.until("(select sum(n_tup_ins) from pg_stat_user_tables) = 200000").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let parent = table(&fixture, &mut source, "parent").await?;
    let (columns, id, ab) = (names(&["id", "a", "b"]), names(&["id"]), names(&["a", "b"]));
    let read = Read::new(&t, &columns);
    let texts: Vec<[String; 3]> =
        (1..=1000).map(|i| [(i * 97).to_string(), (i * 194).to_string(), format!("b{}", i * 194)]).collect();
    let id_rows: Vec<Vec<&str>> = texts.iter().map(|row| vec![row[0].as_str()]).collect();
    let ab_rows: Vec<Vec<&str>> = texts.iter().map(|row| vec![row[1].as_str(), row[2].as_str()]).collect();
    let keys = batch(&t, &["id"], &id_rows.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    let values = batch(&t, &["a", "b"], &ab_rows.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    let reference = Reference { from: &t, columns: &ab, to: &parent, to_columns: &ab };
    let scans = "select string_agg(relname || ' ' || seq_scan, ' ' order by relname) from pg_stat_user_tables where relname in ('t', 'parent')";
    let reads = "select sum(idx_scan) from pg_stat_user_tables where relname in ('t', 'parent')";
    let mut last_reads: u64 = 0;
    let before = fixture.ask(scans).await?;
    for point in ["by_key", "by two columns", "sharing", "has_parent", "orphans", "extremes", "key_after"] {
        let begun = Instant::now();
        let rows = match point {
            "by_key" => source.by_key(&read, &id, &keys).await?.rows(),
            "by two columns" => source.by_key(&read, &ab, &values).await?.rows(),
            "sharing" => source.sharing(&read, &ab, &values, 2).await?.rows(),
            "has_parent" => source.has_parent(&reference, &values).await?.into_iter().filter(|found| *found).count(),
            "orphans" => source.orphans(&read, &id, &keys, &reference).await?.rows(),
            "extremes" => source.extremes(&t, "a").await?.rows(),
            _ => source.key_after(&t, &ab, None, 1000).await?.num_rows(),
        };
        let expected = match point {
            "has_parent" => 515,
            "orphans" => 485,
            "extremes" | "key_after" => 1,
            _ => 1000,
        };
        assert_eq!(rows, expected, "{point}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{point}: {:?}", begun.elapsed());
        // a server process tells what it did when it ends
        source = fixture.source().await?;
        fixture.until(&format!("({reads}) > {last_reads}")).await?;
        last_reads = fixture.ask(reads).await?.parse()?;
        assert_eq!(fixture.ask(scans).await?, before, "{point} read a whole table");
    }
    Ok(())
}

/// A catalogue of thousands of tables is read in a time that its limits allow.
#[tokio::test]
async fn a_large_catalogue_is_read_in_time() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let each =
        "create table t%s (id integer primary key, a text, b numeric(12,2), c timestamptz not null, unique (a, b))";
    // a transaction for some of them: locks of all at once are more than a server has room for
    for first in (0..10_000).step_by(500) {
        let last = first + 499;
        fixture
            .execute(&format!(
                "do $$ begin for i in {first}..{last} loop execute format('{each}', i); end loop; end $$"
            ))
            .await?;
    }
    fixture.execute("create table p (id integer, v integer) partition by list (id)").await?;
    for first in (0..5_000).step_by(500) {
        let part = "create table p%s partition of p for values in (%s)";
        let last = first + 499;
        fixture
            .execute(&format!(
                "do $$ begin for i in {first}..{last} loop execute format('{part}', i, i); end loop; end $$"
            ))
            .await?;
    }
    let mut source = fieldmark_source::postgres::connect(&fixture.reader().await?).await?;
    let begun = Instant::now();
    let catalogue = source.catalogue().await?;
    let took = begun.elapsed();
    println!("10 000 tables and 5 000 partitions: {took:?}");
    fixture.tell_statistics().await?;
    let begun = Instant::now();
    let fingerprint = source.fingerprint(None).await?;
    let whole = begun.elapsed();
    let mut pulses: Vec<Duration> = Vec::new();
    for _ in 0..11 {
        let begun = Instant::now();
        assert_eq!(source.fingerprint(Some(&fingerprint)).await?, fingerprint);
        pulses.push(begun.elapsed());
    }
    pulses.sort();
    println!("their fingerprint: {whole:?}; where nothing has changed {:?} (median of 11)", pulses[5]);
    assert_eq!(catalogue.tables.len(), 10_001, "a partition is no table of its own");
    let of_each = |table: &&fieldmark_model::Table| table.columns.len() == 4 && table.unique.len() == 2;
    assert_eq!(catalogue.tables.iter().filter(of_each).count(), 10_000);
    assert!(took < Duration::from_secs(20), "{took:?}");
    Ok(())
}
