//! Values on their way out and back in.

use super::{File, names, sorted, table, texts};
use crate::{Read, Reference, Source};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

fn column(name: &str, array: impl arrow::array::Array + 'static) -> RecordBatch {
    RecordBatch::try_from_iter([(name, Arc::new(array) as ArrayRef)]).unwrap()
}

#[tokio::test]
async fn doubles_of_any_size_are_found_by_themselves() {
    let file = File::new("create table t (r real); create index t_r on t (r)");
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut values: Vec<f64> =
        (0..20_000).map(|_| f64::from_bits(random.random())).filter(|value| value.is_finite()).collect();
    values.extend((0..20_000).map(|_| random.random::<f64>()));
    values.extend([
        0.0,
        5e-324,
        -5e-324,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        9_007_199_254_740_993.0,
        f64::INFINITY,
    ]);
    values.sort_by(f64::total_cmp);
    values.dedup();
    file.run("begin");
    for value in &values {
        file.writer.execute("insert into t values (?1)", [value]).unwrap();
    }
    file.run("commit");
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    let columns = names(&["r"]);
    let keys = column("r", Float64Array::from(values.clone()));
    let chunk = source.by_key(&Read::new(&t, &columns), &columns, &keys).await.unwrap();
    assert_eq!(chunk.rows(), values.len());
    let mut nowhere: Vec<f64> = values.iter().filter(|value| value.is_normal()).map(|value| value.next_up()).collect();
    nowhere.retain(|value| values.binary_search_by(|other| other.total_cmp(value)).is_err());
    let keys = column("r", Float64Array::from(nowhere));
    assert_eq!(source.by_key(&Read::new(&t, &columns), &columns, &keys).await.unwrap().rows(), 0);
}

#[tokio::test]
async fn canonical_text_finds_every_storage_class_and_no_other_value() {
    let file = File::new(
        "create table t (k, n numeric, a any); create index t_k on t (k);
         insert into t values (12, 12, 12), ('12', '12', '12'), (12.0, 12.0, 12.0), (x'3132', x'3132', x'3132'), ('\\x3132', '\\x3132', 1),
            ('012', '012', 2), (12.5, 12.5, 12.5), (null, null, null), ('Infinity', 'Infinity', 9e999), (9e999, 9e999, 'Infinity')",
    );
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    for name in ["k", "n", "a"] {
        let columns = names(&[name]);
        for (text, k, n) in [
            ("12", 3, 4),
            ("\\x3132", 2, 2),
            ("012", 1, 0),
            ("12.5", 1, 1),
            ("Infinity", 2, 2),
            ("13", 0, 0),
            ("", 0, 0),
        ] {
            let keys = column(name, StringArray::from(vec![text, text]));
            let found = source.by_key(&Read::new(&t, &columns), &columns, &keys).await.unwrap();
            let expected = match (name, text) {
                ("k", _) => k,
                ("a", "\\x3132") => 1,
                ("a", "012") => 0,
                ("a", "12") => 3,
                (_, _) => n,
            };
            assert_eq!(found.rows(), expected, "{name} = {text}: {:?}", sorted(&found));
            assert!(sorted(&found).iter().all(|row| row == text), "{name} = {text}: {:?}", sorted(&found));
            let shared = source.sharing(&Read::new(&t, &columns), &columns, &keys, 10).await.unwrap();
            assert_eq!(sorted(&shared), sorted(&found), "{name} = {text}");
        }
    }
}

#[tokio::test]
async fn a_collation_makes_no_other_value_the_same() {
    let file = File::new(
        "create table t (id integer primary key, n text collate nocase); create index t_n on t (n);
         insert into t values (1, 'a'), (2, 'A'), (3, 'a'), (4, 'b');
         create table p (n text collate nocase primary key); insert into p values ('A')",
    );
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    let p = table(&mut source, "p").await;
    let (id, n) = (names(&["id"]), names(&["n"]));
    let keys = column("n", StringArray::from(vec!["a", "B"]));
    assert_eq!(sorted(&source.by_key(&Read::new(&t, &id), &n, &keys).await.unwrap()), ["1", "3"]);
    assert_eq!(sorted(&source.sharing(&Read::new(&t, &id), &n, &keys, 2).await.unwrap()), ["1", "3"]);
    // to a foreign key of SQLite, the parent's collation is what counts
    let reference = Reference { from: &t, columns: &n, to: &p, to_columns: &n };
    assert_eq!(source.has_parent(&reference, &keys).await.unwrap(), [true, false]);
    let keys = column("id", Int64Array::from(vec![1, 2, 3, 4]));
    assert_eq!(sorted(&source.orphans(&Read::new(&t, &id), &id, &keys, &reference).await.unwrap()), ["4"]);
}

#[tokio::test]
async fn keys_of_another_type_than_the_column_find_it_too() {
    let file = File::new(
        "create table t (s text primary key not null, i integer, d decimal(9,2)); insert into t values ('12', 12, 12.5), ('x', 0, 0)",
    );
    let mut source = file.open().await;
    let t = table(&mut source, "t").await;
    let s = names(&["s"]);
    let found = |chunk: fieldmark_model::Chunk| texts(&chunk.batch);
    let read = Read::new(&t, &s);
    let was_integer = column("s", Int64Array::from(vec![12, 13]));
    assert_eq!(found(source.by_key(&read, &s, &was_integer).await.unwrap()), ["12"]);
    let was_text = column("i", StringArray::from(vec!["12", "twelve"]));
    assert_eq!(found(source.by_key(&read, &names(&["i"]), &was_text).await.unwrap()), ["12"]);
    let was_text = column("d", StringArray::from(vec!["12.5", "12.50000001"]));
    assert_eq!(found(source.by_key(&read, &names(&["d"]), &was_text).await.unwrap()), ["12"]);
}

#[tokio::test]
async fn extreme_integers_and_odd_texts_survive_json() {
    let file = File::new("create table t (i integer, s text)");
    let texts_in = ["", "\0", "a\0b", "\u{7f}", "\u{2028}", "\\", "\"", "\u{10ffff}", "]", "null"];
    for (at, text) in texts_in.iter().enumerate() {
        let i = [i64::MIN, i64::MAX, 0, -1, 1 << 53, (1 << 53) + 1, 7, 8, 9, 10][at];
        file.writer.execute("insert into t values (?1, ?2)", (i, text)).unwrap();
        let mut source = file.open().await;
        let t = table(&mut source, "t").await;
        let columns = names(&["i", "s"]);
        let keys: [(&str, ArrayRef); 2] =
            [("i", Arc::new(Int64Array::from(vec![i]))), ("s", Arc::new(StringArray::from(vec![*text])))];
        let keys = RecordBatch::try_from_iter(keys).unwrap();
        let found = source.by_key(&Read::new(&t, &columns), &columns, &keys).await.unwrap();
        assert_eq!(texts(&found.batch), [format!("{i}|{text}")]);
    }
}
