//! Reads by key, extremes and walks.

use super::{Fixture, batch, batch_texts, names, rows, table, texts};
use fieldmark_model::{Chunk, Table};
use fieldmark_source::{Read, Source};

async fn found(
    source: &mut dyn Source,
    table: &Table,
    columns: &[&str],
    key: &[&str],
    keys: &[&[&str]],
) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let columns = names(columns);
    let chunk = source.by_key(&Read::new(table, &columns), &names(key), &batch(table, key, keys)?).await?;
    let mut found = texts(&chunk)?;
    found.sort();
    Ok(found)
}

/// Keys that are there give their row once, others none.
pub(crate) async fn rows_are_found_by_integer_keys(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, name text)").await?;
    fixture.execute("insert into t values (1, 'one'), (2, null), (-2147483648, 'least'), (2147483647, 'most')").await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let keys: [&[&str]; 6] = [&["1"], &["3"], &["-2147483648"], &["2147483647"], &["1"], &["0"]];
    let all = found(source.as_mut(), &t, &["id", "name"], &["id"], &keys).await?;
    assert_eq!(all, rows(&[&["-2147483648", "least"], &["1", "one"], &["2147483647", "most"]]));
    assert_eq!(found(source.as_mut(), &t, &["name"], &["id"], &[&["1"]]).await?, rows(&[&["one"]]));
    assert!(found(source.as_mut(), &t, &["id"], &["id"], &[]).await?.is_empty());
    let counted = found(source.as_mut(), &t, &[], &["id"], &[&["1"], &["2"], &["3"]]).await?;
    assert_eq!(counted.len(), 2);
    Ok(())
}

/// Text keys are the same byte by byte or not at all.
pub(crate) async fn rows_are_found_by_text_keys(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (code text primary key not null, v integer)").await?;
    let codes = [
        "",
        " ",
        "a",
        "A",
        "a ",
        "ä",
        "a\u{308}",
        "it's",
        "日本",
        "\u{1f426}",
        "12",
        "012",
        "\\x41",
        "{\"a\":1}",
        "null",
        "a\tb\nc",
        "%_",
    ];
    for (v, code) in codes.iter().enumerate() {
        fixture.execute(&format!("insert into t values ('{}', {v})", code.replace('\'', "''"))).await?;
    }
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    for (v, code) in codes.iter().enumerate() {
        let all = found(source.as_mut(), &t, &["code", "v"], &["code"], &[&[code]]).await?;
        assert_eq!(all, rows(&[&[code, &v.to_string()]]));
    }
    let keys: Vec<[&str; 1]> = codes.iter().map(|code| [*code]).chain([["gone"], ["B"]]).collect();
    let keys: Vec<&[&str]> = keys.iter().map(|key| key.as_slice()).collect();
    assert_eq!(found(source.as_mut(), &t, &["v"], &["code"], &keys).await?.len(), codes.len());
    Ok(())
}

/// All columns of a composite key have to be equal, in pairs.
pub(crate) async fn rows_are_found_by_composite_keys(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (a integer not null, b text not null, v text, primary key (a, b))").await?;
    fixture.execute("insert into t values (1, 'x', '1x'), (1, 'y', '1y'), (2, 'x', '2x'), (2, 'ü', '2ü')").await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let all = found(source.as_mut(), &t, &["v"], &["a", "b"], &[&["1", "x"], &["2", "y"], &["2", "ü"]]).await?;
    assert_eq!(all, rows(&[&["1x"], &["2ü"]]));
    let all = found(source.as_mut(), &t, &["v"], &["b", "a"], &[&["y", "1"], &["1", "1"]]).await?;
    assert_eq!(all, rows(&[&["1y"]]));
    Ok(())
}

/// Ten thousand keys are one call.
pub(crate) async fn many_keys_go_in_one_call(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, name text)").await?;
    let all: Vec<String> = (0..10_000).map(|id| format!("({}, 'n{id}')", id * 2)).collect();
    fixture.execute(&format!("insert into t values {}", all.join(","))).await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let keys: Vec<String> = (0..10_000).map(|id| id.to_string()).collect();
    let keys: Vec<[&str; 1]> = keys.iter().map(|key| [key.as_str()]).collect();
    let keys: Vec<&[&str]> = keys.iter().map(|key| key.as_slice()).collect();
    assert_eq!(found(source.as_mut(), &t, &["id", "name"], &["id"], &keys).await?.len(), 5_000);
    Ok(())
}

/// Least and greatest value, NULL on an empty table.
pub(crate) async fn extremes_of_a_column(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, name text, free text)").await?;
    fixture.execute("create index t_name on t (name)").await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let check = |chunk: &Chunk| {
        let fields: Vec<String> = chunk.batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(fields, ["min", "max"]);
    };
    for column in ["id", "name", "free"] {
        let chunk = source.extremes(&t, column).await?;
        check(&chunk);
        assert_eq!(texts(&chunk)?, vec![vec![None, None]], "{column}");
        let data_type = &t.column(column).unwrap().data_type;
        assert!(chunk.batch.schema().fields().iter().all(|field| field.data_type() == data_type));
    }
    fixture.execute("insert into t values (3, 'b', null), (-5, 'a', 'x'), (70, null, 'y')").await?;
    for (column, expected) in [("id", ["-5", "70"]), ("name", ["a", "b"]), ("free", ["x", "y"])] {
        let chunk = source.extremes(&t, column).await?;
        check(&chunk);
        assert_eq!(texts(&chunk)?, rows(&[&expected]), "{column}");
    }
    Ok(())
}

async fn walk(
    source: &mut dyn Source,
    table: &Table,
    key: &[&str],
    step: u64,
) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let key = names(key);
    let mut all = Vec::new();
    let mut after = None;
    for _ in 0..1_000 {
        let boundary = source.key_after(table, &key, after.as_ref(), step).await?;
        if boundary.num_rows() == 0 {
            return Ok(all);
        }
        all.extend(batch_texts(&boundary)?);
        after = Some(boundary);
    }
    anyhow::bail!("the walk over {} does not end", table.name)
}

/// Every `step`-th key, then an empty batch.
pub(crate) async fn a_walk_goes_from_boundary_to_boundary(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key)").await?;
    fixture.execute("create table e (id integer primary key)").await?;
    for id in 1..=10 {
        fixture.execute(&format!("insert into t values ({})", id * id)).await?;
    }
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let e = table(&fixture, source.as_mut(), "e").await?;
    assert_eq!(walk(source.as_mut(), &t, &["id"], 3).await?, rows(&[&["9"], &["36"], &["81"]]));
    assert_eq!(walk(source.as_mut(), &t, &["id"], 1).await?.len(), 10);
    assert_eq!(walk(source.as_mut(), &t, &["id"], 10).await?, rows(&[&["100"]]));
    assert!(walk(source.as_mut(), &t, &["id"], 11).await?.is_empty());
    assert!(walk(source.as_mut(), &e, &["id"], 1).await?.is_empty());
    let empty = source.key_after(&e, &names(&["id"]), None, 1).await?;
    assert_eq!(empty.schema(), e.arrow_schema(["id"]));
    Ok(())
}

/// The order of a composite key is that of its columns in turn.
pub(crate) async fn a_walk_goes_over_composite_keys(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (a integer not null, b text not null, primary key (a, b))").await?;
    fixture.execute("insert into t values (2, 'a'), (1, 'b'), (1, 'a'), (2, 'c'), (10, 'a')").await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let all = walk(source.as_mut(), &t, &["a", "b"], 1).await?;
    assert_eq!(all, rows(&[&["1", "a"], &["1", "b"], &["2", "a"], &["2", "c"], &["10", "a"]]));
    assert_eq!(walk(source.as_mut(), &t, &["a", "b"], 2).await?, rows(&[&["1", "b"], &["2", "c"]]));
    Ok(())
}

/// What lies after one key and up to another, in order, no more than asked for.
pub(crate) async fn rows_between_two_keys(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (a integer not null, b text not null, v integer, primary key (a, b))").await?;
    fixture.execute("insert into t values (1, 'a', 1), (1, 'b', 2), (2, 'a', 3), (2, 'c', 4), (10, 'a', 5)").await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let (columns, key) = (names(&["v"]), names(&["a", "b"]));
    let at = |a: &str, b: &str| batch(&t, &["a", "b"], &[&[a, b]]);
    let read = Read::new(&t, &columns);
    for (after, to, limit, expected) in [
        (None, None, 100, vec!["1", "2", "3", "4", "5"]),
        (Some(at("1", "a")?), Some(at("2", "c")?), 100, vec!["2", "3", "4"]),
        (Some(at("1", "aa")?), Some(at("2", "b")?), 100, vec!["2", "3"]),
        (Some(at("2", "c")?), None, 100, vec!["5"]),
        (None, Some(at("1", "b")?), 100, vec!["1", "2"]),
        (None, None, 2, vec!["1", "2"]),
        (Some(at("10", "a")?), None, 100, vec![]),
        (Some(at("2", "c")?), Some(at("2", "a")?), 100, vec![]),
    ] {
        let chunk = source.between(&read, &key, (after.as_ref(), to.as_ref()), limit).await?;
        let found: Vec<String> = texts(&chunk)?.into_iter().flatten().flatten().collect();
        assert_eq!(found, expected);
    }
    Ok(())
}
