//! Passes over whole tables.

use super::{Fixture, names, table, texts};
use fieldmark_model::Table;
use fieldmark_source::{Cursor, Read, Source};

/// A whole pass, in chunks of so many rows.
pub(crate) async fn pass(
    source: &mut dyn Source,
    table: &Table,
    columns: &[String],
    rows: usize,
) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let mut all = Vec::new();
    let mut cursor = Cursor::start();
    for _ in 0..10_000 {
        let read = Read::new(table, columns);
        let chunk = source.scan(&read, &cursor, rows).await?;
        all.extend(texts(&chunk.chunk)?);
        match chunk.next {
            Some(next) => cursor = next,
            None => return Ok(all),
        }
    }
    anyhow::bail!("the pass over {} does not end: {} rows so far", table.name, all.len())
}

/// Chunks of 1, 7 and 1000 rows over keys with gaps give every row exactly once.
pub(crate) async fn every_row_once_whatever_the_chunk_size(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, name text)").await?;
    let mut expected = Vec::new();
    for id in 0..150 {
        if id % 7 != 3 && !(40..90).contains(&id) {
            fixture.execute(&format!("insert into t values ({id}, 'row {id}')")).await?;
            expected.push(vec![Some(id.to_string()), Some(format!("row {id}"))]);
        }
    }
    expected.sort();
    let mut source = fixture.open().await?;
    let table = table(&fixture, source.as_mut(), "t").await?;
    for rows in [1, 7, 1000] {
        let mut all = pass(source.as_mut(), &table, &names(&["id", "name"]), rows).await?;
        all.sort();
        assert_eq!(all, expected, "chunks of {rows}");
    }
    Ok(())
}

/// An empty table gives a batch of its columns and no row.
pub(crate) async fn an_empty_table_has_no_rows(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, name text)").await?;
    let mut source = fixture.open().await?;
    let table = table(&fixture, source.as_mut(), "t").await?;
    let columns = names(&["id", "name"]);
    let chunk = source.scan(&Read::new(&table, &columns), &Cursor::start(), 10).await?;
    assert_eq!(chunk.chunk.rows(), 0);
    assert_eq!(chunk.chunk.batch.schema(), table.arrow_schema(["id", "name"]));
    assert!(pass(source.as_mut(), &table, &columns, 10).await?.is_empty());
    Ok(())
}

/// With no columns asked for, rows are counted.
pub(crate) async fn rows_are_counted_without_columns(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, name text)").await?;
    for id in 0..25 {
        fixture.execute(&format!("insert into t values ({id}, null)")).await?;
    }
    let mut source = fixture.open().await?;
    let table = table(&fixture, source.as_mut(), "t").await?;
    for rows in [1, 7, 1000] {
        let counted = pass(source.as_mut(), &table, &[], rows).await?;
        assert_eq!(counted, vec![Vec::new(); 25], "chunks of {rows}");
    }
    Ok(())
}

/// Tables with a key of several columns.
pub(crate) async fn composite_keys_are_passed_over(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (a integer not null, b text not null, v integer, primary key (b, a))").await?;
    let mut expected = Vec::new();
    for a in 0..12 {
        for b in ["x", "", "Ä", "ab"] {
            fixture.execute(&format!("insert into t values ({a}, '{b}', {a})")).await?;
            expected.push(vec![Some(a.to_string()), Some(b.to_owned()), Some(a.to_string())]);
        }
    }
    expected.sort();
    let mut source = fixture.open().await?;
    let table = table(&fixture, source.as_mut(), "t").await?;
    for rows in [1, 7, 1000] {
        let mut all = pass(source.as_mut(), &table, &names(&["a", "b", "v"]), rows).await?;
        all.sort();
        assert_eq!(all, expected, "chunks of {rows}");
    }
    Ok(())
}

/// Tables with a text key.
pub(crate) async fn text_keys_are_passed_over(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (code text primary key not null)").await?;
    let mut expected = Vec::new();
    for code in ["", " ", "a", "A", "aa", "it''s", "ß", "日本", "10", "9", "\u{1f426}"] {
        fixture.execute(&format!("insert into t values ('{code}')")).await?;
        expected.push(vec![Some(code.replace("''", "'"))]);
    }
    expected.sort();
    let mut source = fixture.open().await?;
    let table = table(&fixture, source.as_mut(), "t").await?;
    for rows in [1, 7, 1000] {
        let mut all = pass(source.as_mut(), &table, &names(&["code"]), rows).await?;
        all.sort();
        assert_eq!(all, expected, "chunks of {rows}");
    }
    Ok(())
}

/// Tables without a key: equal rows are rows of their own.
pub(crate) async fn a_table_without_a_key_is_passed_over(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (v integer)").await?;
    for id in 0..30 {
        fixture.execute(&format!("insert into t values ({})", id % 3)).await?;
    }
    fixture.execute("delete from t where v = 1").await?;
    let mut source = fixture.open().await?;
    let table = table(&fixture, source.as_mut(), "t").await?;
    assert_eq!(table.key(), None);
    for rows in [1, 7, 1000] {
        let all = pass(source.as_mut(), &table, &names(&["v"]), rows).await?;
        let count = |v: &str| all.iter().filter(|row| row[0].as_deref() == Some(v)).count();
        assert_eq!((all.len(), count("0"), count("2")), (20, 10, 10), "chunks of {rows}");
    }
    Ok(())
}

/// Columns stand in the order asked for, which need not be the table's.
pub(crate) async fn columns_come_in_the_order_asked_for(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture
        .execute("create table t (a integer primary key, b text, c text); insert into t values (1, 'two', 'three')")
        .await?;
    let mut source = fixture.open().await?;
    let table = table(&fixture, source.as_mut(), "t").await?;
    let all = pass(source.as_mut(), &table, &names(&["c", "a", "b"]), 10).await?;
    assert_eq!(all, super::rows(&[&["three", "1", "two"]]));
    Ok(())
}
