//! What a source says about its tables.

use super::{Fixture, names, table};
use fieldmark_model::{TableKind, TableName};
use fieldmark_source::{Cursor, Read};

/// Columns, nullability, primary key, unique sets of columns and indexes; none with a predicate or an expression.
pub(crate) async fn keys_and_constraints_are_told(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture
        .execute(
            "create table t (id integer primary key, a integer not null, b text not null, c text, d text, unique (b, a));
             create index t_c on t (c, a);
             create unique index t_d on t (d) where a > 3;
             create index t_lower on t (lower(b));
             create unique index t_c_unique on t (c);
             create table pair (b text not null, a integer not null, primary key (b, a));
             create table bare (v text)",
        )
        .await?;
    let mut source = fixture.open().await?;
    let catalogue = source.catalogue().await?;
    let names_of: Vec<&str> = catalogue.tables.iter().map(|table| table.name.name.as_str()).collect();
    assert_eq!(names_of, ["bare", "pair", "t"]);
    let of = |name: &str| catalogue.table(&TableName::new(fixture.schema(), name)).unwrap();
    let t = of("t");
    assert_eq!(t.kind, TableKind::Table);
    let columns: Vec<(&str, bool)> = t.columns.iter().map(|column| (column.name.as_str(), column.nullable)).collect();
    assert_eq!(columns, [("id", false), ("a", false), ("b", false), ("c", true), ("d", true)]);
    assert_eq!(t.primary_key, Some(names(&["id"])));
    assert_eq!(t.key(), Some(names(&["id"]).as_slice()));
    let mut unique = t.unique.clone();
    unique.sort();
    assert_eq!(unique, [names(&["b", "a"]), names(&["c"]), names(&["id"])]);
    let mut indexes = t.indexes.clone();
    indexes.sort();
    assert_eq!(indexes, [names(&["b", "a"]), names(&["c"]), names(&["c", "a"]), names(&["id"])]);
    assert!(t.indexed(&names(&["a", "c"])) && t.indexed(&names(&["a", "b"])) && !t.indexed(&names(&["d"])));
    assert_eq!(of("pair").primary_key, Some(names(&["b", "a"])));
    assert_eq!((of("bare").primary_key.clone(), of("bare").unique.len(), of("bare").indexes.len()), (None, 0, 0));
    Ok(())
}

/// Foreign keys with their columns in pairs, also where the parent's columns are not written.
pub(crate) async fn foreign_keys_are_told(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture
        .execute(
            "create table parent (a integer not null, b text not null, c integer unique, primary key (a, b), unique (b, a));
             create table child (id integer primary key, pb text, pa integer, pc integer references parent (c),
                                 foreign key (pb, pa) references parent (b, a));
             create table grandchild (id integer primary key, child integer references child)",
        )
        .await?;
    let mut source = fixture.open().await?;
    let child = table(&fixture, source.as_mut(), "child").await?;
    let mut keys: Vec<_> =
        child.foreign_keys.iter().map(|key| (key.columns.clone(), key.table.name.as_str(), key.to.clone())).collect();
    keys.sort();
    assert_eq!(keys, [(names(&["pb", "pa"]), "parent", names(&["b", "a"])), (names(&["pc"]), "parent", names(&["c"]))]);
    let grandchild = table(&fixture, source.as_mut(), "grandchild").await?;
    let [key] = grandchild.foreign_keys.as_slice() else { panic!("{grandchild:?}") };
    assert_eq!(
        (key.columns.clone(), key.table.clone(), key.to.clone()),
        (names(&["child"]), child.name.clone(), names(&["id"]))
    );
    Ok(())
}

/// Views are told as views; a small one can be read.
pub(crate) async fn views_are_told_and_read(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture
        .execute(
            "create table t (id integer primary key, v text); insert into t values (1, 'a'), (2, 'b'), (3, 'c');
             create view w as select id, v from t where id > 1",
        )
        .await?;
    let mut source = fixture.open().await?;
    let w = table(&fixture, source.as_mut(), "w").await?;
    assert_eq!(w.kind, TableKind::View);
    assert_eq!(w.primary_key, None);
    let columns = names(&["id", "v"]);
    let mut cursor = Cursor::start();
    let mut rows = 0;
    loop {
        let chunk = source.scan(&Read::new(&w, &columns), &cursor, 10).await?;
        rows += chunk.chunk.rows();
        let Some(next) = chunk.next else { break };
        cursor = next;
    }
    assert_eq!(rows, 2);
    Ok(())
}
