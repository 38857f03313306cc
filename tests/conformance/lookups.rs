//! Sampled values looked up in the table itself.

use super::{Fixture, batch, names, rows, table, texts};
use fieldmark_source::{Read, Reference, Source};

const SHARED: &str = "create table t (id integer primary key, a integer, b text);
    insert into t values (1, 5, 'x'), (2, 5, 'y'), (3, 5, 'x'), (4, 6, 'x'), (5, null, 'x'), (6, 5, null), (7, 7, 'Y')";

async fn sharing(
    fixture: &impl Fixture,
    source: &mut dyn Source,
    columns: &[&str],
    values: &[&[&str]],
    at_most: u32,
) -> anyhow::Result<Vec<String>> {
    let t = table(fixture, source, "t").await?;
    let wanted = names(&["id"]);
    let values = batch(&t, columns, values)?;
    let chunk = source.sharing(&Read::new(&t, &wanted), &names(columns), &values, at_most).await?;
    let mut ids: Vec<String> = texts(&chunk)?.into_iter().filter_map(|row| row[0].clone()).collect();
    ids.sort();
    Ok(ids)
}

/// Each value gets as many rows as there are, up to the wanted number.
pub(crate) async fn rows_that_share_a_value(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(SHARED).await?;
    fixture.execute("create index t_a on t (a)").await?;
    let mut source = fixture.open().await?;
    let source = source.as_mut();
    assert_eq!(sharing(&fixture, source, &["a"], &[&["5"], &["6"], &["9"]], 10).await?, ["1", "2", "3", "4", "6"]);
    let two = sharing(&fixture, source, &["a"], &[&["5"], &["6"], &["9"]], 2).await?;
    assert_eq!(two.len(), 3, "two of value 5 and one of value 6: {two:?}");
    assert!(two.contains(&"4".to_owned()));
    assert_eq!(sharing(&fixture, source, &["id"], &[&["5"], &["6"]], 2).await?, ["5", "6"]);
    Ok(())
}

/// Two columns have to be equal together; a NULL equals nothing.
pub(crate) async fn rows_that_share_two_values(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(SHARED).await?;
    fixture.execute("create index t_ab on t (b, a)").await?;
    let mut source = fixture.open().await?;
    let source = source.as_mut();
    let values: [&[&str]; 3] = [&["5", "x"], &["6", "x"], &["6", "y"]];
    assert_eq!(sharing(&fixture, source, &["a", "b"], &values, 5).await?, ["1", "3", "4"]);
    assert_eq!(sharing(&fixture, source, &["a", "b"], &values, 1).await?.len(), 2);
    assert_eq!(sharing(&fixture, source, &["b", "a"], &[&["y", "5"]], 5).await?, ["2"]);
    Ok(())
}

/// The same without an index.
pub(crate) async fn rows_that_share_a_value_without_an_index(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(SHARED).await?;
    let mut source = fixture.open().await?;
    let source = source.as_mut();
    assert_eq!(sharing(&fixture, source, &["b"], &[&["x"], &["z"], &["Y"]], 10).await?, ["1", "3", "4", "5", "7"]);
    assert_eq!(sharing(&fixture, source, &["b"], &[&["x"], &["y"]], 2).await?.len(), 3);
    assert_eq!(sharing(&fixture, source, &["a", "b"], &[&["5", "x"]], 5).await?, ["1", "3"]);
    Ok(())
}

/// One answer for each value, in their order, also where values repeat.
pub(crate) async fn parents_are_found(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table parent (id integer primary key); insert into parent values (1), (2)").await?;
    fixture.execute("create table child (id integer primary key, parent integer)").await?;
    let mut source = fixture.open().await?;
    let from = table(&fixture, source.as_mut(), "child").await?;
    let to = table(&fixture, source.as_mut(), "parent").await?;
    let (columns, to_columns) = (names(&["parent"]), names(&["id"]));
    let reference = Reference { from: &from, columns: &columns, to: &to, to_columns: &to_columns };
    let values = batch(&from, &["parent"], &[&["2"], &["3"], &["1"], &["2"], &["-1"]])?;
    assert_eq!(source.has_parent(&reference, &values).await?, [true, false, true, true, false]);
    let none = batch(&from, &["parent"], &[])?;
    assert!(source.has_parent(&reference, &none).await?.is_empty());
    Ok(())
}

/// References of two columns.
pub(crate) async fn parents_are_found_by_two_columns(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table parent (a integer not null, b text not null, primary key (a, b))").await?;
    fixture.execute("insert into parent values (1, 'x'), (2, 'y')").await?;
    fixture.execute("create table child (id integer primary key, pb text, pa integer)").await?;
    let mut source = fixture.open().await?;
    let from = table(&fixture, source.as_mut(), "child").await?;
    let to = table(&fixture, source.as_mut(), "parent").await?;
    let (columns, to_columns) = (names(&["pb", "pa"]), names(&["b", "a"]));
    let reference = Reference { from: &from, columns: &columns, to: &to, to_columns: &to_columns };
    let values = batch(&from, &["pb", "pa"], &[&["x", "1"], &["y", "1"], &["y", "2"], &["X", "1"]])?;
    assert_eq!(source.has_parent(&reference, &values).await?, [true, false, true, false]);
    Ok(())
}

/// Rows of the given keys that refer to nothing; NULL refers to nothing and is no orphan.
pub(crate) async fn orphans_are_found(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table parent (id integer primary key); insert into parent values (1), (2)").await?;
    fixture.execute("create table child (id integer primary key, parent integer)").await?;
    fixture.execute("insert into child values (1, 1), (2, 7), (3, null), (4, 8), (5, 9)").await?;
    let mut source = fixture.open().await?;
    let from = table(&fixture, source.as_mut(), "child").await?;
    let to = table(&fixture, source.as_mut(), "parent").await?;
    let (columns, to_columns) = (names(&["parent"]), names(&["id"]));
    let reference = Reference { from: &from, columns: &columns, to: &to, to_columns: &to_columns };
    let wanted = names(&["id", "parent"]);
    let keys = batch(&from, &["id"], &[&["1"], &["2"], &["3"], &["4"], &["6"]])?;
    let chunk = source.orphans(&Read::new(&from, &wanted), &names(&["id"]), &keys, &reference).await?;
    let mut found = texts(&chunk)?;
    found.sort();
    assert_eq!(found, rows(&[&["2", "7"], &["4", "8"]]));
    Ok(())
}

/// MATCH SIMPLE: a row with a NULL in any referring column is no orphan.
pub(crate) async fn orphans_by_two_columns_are_found(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table parent (a integer not null, b text not null, primary key (a, b))").await?;
    fixture.execute("insert into parent values (1, 'x'), (2, 'y')").await?;
    fixture
        .execute("create table child (k text not null, n integer not null, pa integer, pb text, primary key (k, n))")
        .await?;
    fixture
        .execute("insert into child values ('a', 1, 1, 'x'), ('a', 2, 1, 'y'), ('b', 1, null, 'q'), ('b', 2, 9, null), ('c', 1, 2, 'x')")
        .await?;
    let mut source = fixture.open().await?;
    let from = table(&fixture, source.as_mut(), "child").await?;
    let to = table(&fixture, source.as_mut(), "parent").await?;
    let (columns, to_columns) = (names(&["pa", "pb"]), names(&["a", "b"]));
    let reference = Reference { from: &from, columns: &columns, to: &to, to_columns: &to_columns };
    let wanted = names(&["k", "n"]);
    let keys = batch(&from, &["k", "n"], &[&["a", "1"], &["a", "2"], &["b", "1"], &["b", "2"], &["c", "2"]])?;
    let chunk = source.orphans(&Read::new(&from, &wanted), &names(&["k", "n"]), &keys, &reference).await?;
    assert_eq!(texts(&chunk)?, rows(&[&["a", "2"]]));
    Ok(())
}
