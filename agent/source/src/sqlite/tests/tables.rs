//! Tables of unusual make.

use super::{File, all_columns, names, pass, sorted, table, texts};
use crate::{BlockDraw, Cursor, Error, Read, Source};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use fieldmark_model::{Counters, Table, TableKind};
use std::sync::Arc;

async fn in_chunks(file: &File, name: &str, columns: &[&str], expected: &[&str]) -> Table {
    let mut source = file.open().await;
    let t = table(&mut source, name).await;
    for rows in [1, 2, 1000] {
        assert_eq!(pass(&mut source, &t, &names(columns), rows).await.unwrap(), expected, "chunks of {rows}");
    }
    t
}

#[tokio::test]
async fn tables_without_rowid_go_by_their_key() {
    let file = File::new(
        "create table t (a integer, b text collate nocase, v, primary key (b, a desc)) without rowid;
         insert into t values (1, 'b', 1), (2, 'B', 2), (1, 'a', 3), (5, 'c', 4)",
    );
    let t = in_chunks(&file, "t", &["b", "a", "v"], &["a|1|3", "b|1|1", "B|2|2", "c|5|4"]).await;
    assert_eq!(t.primary_key, Some(names(&["b", "a"])));
    assert!(t.columns.iter().all(|column| column.nullable == (column.name == "v")));
    // text that is no UTF-8 is a key too
    let file = File::new(
        "create table t (k text primary key) without rowid;
         insert into t values ('a'), (cast(x'ff61' as text)), (cast(x'ff62' as text)), (x'00')",
    );
    in_chunks(&file, "t", &["k"], &["a", "-", "-", "\\x00"]).await;
}

#[tokio::test]
async fn columns_that_hide_the_rowid_are_columns() {
    let file = File::new("create table t (rowid text, OID text, v); insert into t values ('x', 'y', 1), ('z', 'w', 2)");
    in_chunks(&file, "t", &["rowid", "OID", "v"], &["x|y|1", "z|w|2"]).await;
    let file = File::new(
        "create table t (rowid text, oid text, _rowid_ text not null unique); insert into t values ('x', 'y', 'b'), ('z', 'w', 'a')",
    );
    in_chunks(&file, "t", &["rowid", "_rowid_"], &["z|a", "x|b"]).await;
    let file = File::new("create table t (rowid text, oid text, _rowid_ text)");
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    let refused = pass(&mut source, &t, &names(&["oid"]), 10).await;
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_rowid_can_be_drawn_by() {
    let file = File::new(
        "create table t (v text); insert into t (rowid, v) values (-4, 'a'), (7, 'b'), (9223372036854775807, 'c')",
    );
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    assert_eq!(texts(&source.extremes(&t, "rowid").await.unwrap().batch), ["-4|9223372036854775807"]);
    let drawn: ArrayRef = Arc::new(Int64Array::from(vec![7, 8, i64::MAX, -4]));
    let drawn = RecordBatch::try_from_iter([("rowid", drawn)]).unwrap();
    let columns = names(&["rowid", "v"]);
    let found = source.by_key(&Read::new(&t, &columns), &names(&["rowid"]), &drawn).await.unwrap();
    assert_eq!(sorted(&found), ["-4|a", "7|b", "9223372036854775807|c"]);
    assert_eq!(pass(&mut source, &t, &columns, 1).await.unwrap().len(), 3);
}

#[tokio::test]
async fn keys_may_be_null_and_a_walk_steps_over_them() {
    let file = File::new(
        "create table t (k text primary key, v); insert into t values (null, 1), (null, 2), ('a', 3), ('b', 4)",
    );
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    assert!(t.column("k").unwrap().nullable);
    let key = names(&["k"]);
    let first = source.key_after(&t, &key, None, 1).await.unwrap();
    assert_eq!(texts(&first), ["a"]);
    assert_eq!(texts(&source.key_after(&t, &key, Some(&first), 1).await.unwrap()), ["b"]);
    assert_eq!(pass(&mut source, &t, &key, 1).await.unwrap(), ["-", "-", "a", "b"]);
}

#[tokio::test]
async fn an_integer_primary_key_is_never_null() {
    let file = File::new(
        "create table t (id INTEGER primary key); create table u (id integer primary key desc); create table v (id int primary key)",
    );
    let mut source = file.open().await;
    for (name, nullable) in [("t", false), ("u", true), ("v", true)] {
        let t = table(&mut source, name).await;
        assert_eq!(t.columns[0].nullable, nullable, "{name}");
        assert_eq!((t.unique.clone(), t.indexes.clone()), (vec![names(&["id"])], vec![names(&["id"])]), "{name}");
    }
}

#[tokio::test]
async fn generated_columns_are_read_and_hidden_ones_left_out() {
    let file = File::new(
        "create table t (a integer, b integer as (a * 2) virtual, c text as ('c' || a) stored); insert into t (a) values (1), (2);
         create virtual table f using fts5(title, body); insert into f values ('one', 'two three')",
    );
    in_chunks(&file, "t", &["c", "b"], &["c1|2", "c2|4"]).await;
    let f = in_chunks(&file, "f", &["body", "title"], &["two three|one"]).await;
    assert_eq!(f.kind, TableKind::Virtual);
    assert_eq!(all_columns(&f), ["title", "body"]);
    let mut source = file.open().await;
    let all: Vec<String> = source.catalogue().await.unwrap().tables.into_iter().map(|table| table.name.name).collect();
    assert_eq!(all, ["f", "t"], "no shadow tables");
}

#[tokio::test]
async fn what_cannot_be_read_does_not_hide_the_rest() {
    let file = File::new(
        "create table t (id integer primary key); create table gone (x); create view broken as select x from gone;
         create view fine as select id from t; drop table gone;
         pragma writable_schema = on;
         insert into sqlite_schema values ('table', 'alien', 'alien', 0, 'create virtual table alien using no_such_module(x)');
         pragma writable_schema = reset",
    );
    let mut source = file.open().await;
    let all: Vec<String> = source.catalogue().await.unwrap().tables.into_iter().map(|table| table.name.name).collect();
    assert_eq!(all, ["fine", "t"]);
}

#[tokio::test]
async fn a_large_view_is_refused() {
    let file = File::new(
        "create table t (id integer primary key);
         with recursive c(x) as (select 1 union all select x + 1 from c limit 10001) insert into t select x from c;
         create view v as select id from t",
    );
    let mut source = file.open().await;
    let v = table(&mut source, "v").await;
    let refused = pass(&mut source, &v, &names(&["id"]), 10).await;
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    file.run("delete from t where id = 5");
    assert_eq!(pass(&mut source, &v, &names(&["id"]), 10).await.unwrap().len(), 10_000);
}

#[tokio::test]
async fn estimates_come_from_the_last_analyze() {
    let file = File::new(
        "create table t (id integer primary key, v); create index t_v on t (v); create index t_part on t (v) where v < 3; create table e (x);
         with recursive c(x) as (select 1 union all select x + 1 from c limit 100) insert into t select x, x % 10 from c",
    );
    let mut source = file.open().await;
    assert_eq!(table(&mut source, "t").await.estimated_rows, None);
    file.run("analyze");
    let t = table(&mut source, "t").await;
    assert_eq!((t.estimated_rows, table(&mut source, "e").await.estimated_rows), (Some(100), None));
    assert_eq!(source.counters(&t).await.unwrap(), Counters::default());
    let columns = names(&["id"]);
    let draw = BlockDraw { skip: 0, blocks: 1, per_block: 1, seed: 0 };
    assert!(matches!(source.blocks(&Read::new(&t, &columns), &draw).await, Err(Error::Unsupported { .. })));
}

#[tokio::test]
async fn foreign_keys_are_spelled_as_the_tables_are() {
    let file = File::new(
        "create table Parent (Id integer primary key); create table child (p integer references PARENT (ID), q references missing (x))",
    );
    let mut source = file.open().await;
    let child = table(&mut source, "child").await;
    let [key] = child.foreign_keys.as_slice() else { panic!("{child:?}") };
    assert_eq!((key.table.name.as_str(), key.to.clone()), ("Parent", names(&["Id"])));
}

#[tokio::test]
async fn a_chunk_of_large_values_ends_early_and_a_batch_of_them_stays_small() {
    let file = File::new(
        "create table t (id integer primary key, v blob);
         with recursive c(x) as (select 1 union all select x + 1 from c limit 80) insert into t select x, zeroblob(1048576) from c",
    );
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    let columns = names(&["id", "v"]);
    let first = source.scan(&Read::new(&t, &columns), &Cursor::start(), 1000).await.unwrap();
    assert_eq!((first.chunk.rows(), first.chunk.defects.len()), (16, 0));
    let count = names(&["id"]);
    assert_eq!(pass(&mut source, &t, &count, 1000).await.unwrap().len(), 80);
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=80));
    let keys = RecordBatch::try_from_iter([("id", keys)]).unwrap();
    let chunk = source.by_key(&Read::new(&t, &columns), &count, &keys).await.unwrap();
    assert_eq!((chunk.rows(), chunk.defects.len()), (80, 16));
    assert!(chunk.defects.iter().all(|defect| defect.bytes == Some(1 << 20)));
    assert_eq!(t.column("v").unwrap().data_type, DataType::Binary);
}
