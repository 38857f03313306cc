//! Reads by value go through the index, whatever its columns' types.

use super::super::connect::connect;
use super::super::sample;
use super::super::statement::Statement;
use super::{File, names, table};
use crate::label::SharedLabel;
use crate::{Read, Reference};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use fieldmark_model::Table;
use rusqlite::params_from_iter;
use std::sync::Arc;

fn plan(file: &File, statement: &Statement) -> String {
    assert!(statement.sql.starts_with("SELECT ") || statement.sql.starts_with("WITH "));
    let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
    let connection = connect(&file.path(), &SharedLabel::default()).unwrap();
    let mut prepared = connection.prepare(&sql).unwrap();
    let rows = prepared.query_map(params_from_iter(&statement.params), |row| row.get::<_, String>(3)).unwrap();
    rows.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
}

fn keys(table: &Table, columns: &[&str], count: i64) -> RecordBatch {
    let schema = table.arrow_schema(columns.iter().copied());
    let arrays = schema.fields().iter().map(|field| {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..count).map(|n| n.to_string())));
        cast(&numbers, field.data_type()).or_else(|_| cast(&texts, field.data_type())).unwrap()
    });
    let arrays = arrays.collect();
    RecordBatch::try_new(schema, arrays).unwrap()
}

const TABLES: &str = "
    create table t (
        id integer primary key, i bigint, r real, s text, n text collate nocase, d decimal(12,2), x numeric, b blob, y, a any,
        at datetime);
    create index t_i on t (i); create index t_r on t (r); create index t_s on t (s); create index t_n on t (n);
    create index t_d on t (d); create index t_x on t (x); create index t_b on t (b); create index t_y on t (y);
    create index t_a on t (a); create index t_at on t (at);
    create index t_pair on t (i, s);
    create table w (k text collate nocase, j integer, v text, primary key (k, j)) without rowid;
    create table p (s text primary key, j integer unique);";

#[tokio::test]
async fn keys_are_read_through_their_index() {
    let file = File::new(TABLES);
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    let w = table(&mut source, "w").await;
    let all = names(&["id", "s", "b"]);
    for column in ["id", "i", "r", "s", "n", "d", "x", "b", "y", "a", "at"] {
        let index = if column == "id" { "INTEGER PRIMARY KEY".to_owned() } else { format!("INDEX t_{column} ") };
        let (key, values) = (names(&[column]), keys(&t, &[column], 3));
        let read = Read::new(&t, &all);
        let by_key = plan(&file, &sample::by_key(&read, &key, &values).unwrap());
        assert!(
            by_key.starts_with(&format!("SEARCH t USING {index}"))
                || by_key.contains(&format!("SEARCH t USING {index}")),
            "{column}: {by_key}"
        );
        assert!(!by_key.contains("SCAN t"), "{column}: {by_key}");
        let sharing = plan(&file, &sample::sharing(&read, &key, &values, 2).unwrap());
        assert!(sharing.contains("SEARCH t USING INTEGER PRIMARY KEY"), "{column}: {sharing}");
        let index = if column == "id" { index } else { format!("COVERING {index}") };
        assert!(sharing.contains(&format!("SEARCH s USING {index}")), "{column}: {sharing}");
        let walk = plan(&file, &sample::key_after(&t, &key, Some(&keys(&t, &[column], 1)), 100).unwrap().0);
        assert!(walk.starts_with("SEARCH t USING") && !walk.contains("B-TREE"), "{column}: {walk}");
        let extremes = plan(&file, &sample::extremes(&t, column).unwrap().0);
        assert!(!extremes.contains("SCAN t") || extremes.matches("SEARCH t").count() == 2, "{column}: {extremes}");
    }
    let read = Read::new(&w, &w.primary_key.as_ref().unwrap()[..]);
    let key = names(&["k", "j"]);
    let by_key = plan(&file, &sample::by_key(&read, &key, &keys(&w, &["k", "j"], 3)).unwrap());
    assert!(by_key.contains("SEARCH t USING PRIMARY KEY (k=? AND j=?)"), "{by_key}");
    let walk = plan(&file, &sample::key_after(&w, &key, Some(&keys(&w, &["k", "j"], 1)), 9).unwrap().0);
    assert!(walk.contains("SEARCH t USING PRIMARY KEY ((k,j)>(?,?))") && !walk.contains("B-TREE"), "{walk}");
    let sharing = plan(&file, &sample::sharing(&read, &key, &keys(&w, &["k", "j"], 3), 2).unwrap());
    assert!(sharing.contains("SEARCH s USING PRIMARY KEY (k=? AND j=?)") && !sharing.contains("SCAN t"), "{sharing}");
}

#[tokio::test]
async fn parents_are_looked_up_through_their_index() {
    let file = File::new(TABLES);
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    let p = table(&mut source, "p").await;
    // children of the parent's type, and of another one
    for (from, to) in [("s", "s"), ("i", "s"), ("i", "j"), ("s", "j"), ("x", "j"), ("y", "s")] {
        let (columns, to_columns) = (names(&[from]), names(&[to]));
        let reference = Reference { from: &t, columns: &columns, to: &p, to_columns: &to_columns };
        let has_parent = plan(&file, &sample::has_parent(&reference, &keys(&t, &[from], 3)).unwrap());
        assert!(
            has_parent.contains("SEARCH p") && has_parent.contains("USING COVERING INDEX sqlite_autoindex_p"),
            "{from} to {to}: {has_parent}"
        );
        let (all, key) = (names(&["id"]), names(&["id"]));
        let orphans = sample::orphans(&Read::new(&t, &all), &key, &keys(&t, &["id"], 3), &reference).unwrap();
        let orphans = plan(&file, &orphans);
        assert!(orphans.contains("SEARCH t USING INTEGER PRIMARY KEY"), "{from} to {to}: {orphans}");
        assert!(
            orphans.contains("SEARCH p") && orphans.contains("USING COVERING INDEX sqlite_autoindex_p"),
            "{from} to {to}: {orphans}"
        );
    }
}
