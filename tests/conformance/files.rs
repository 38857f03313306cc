//! The suite against Parquet and CSV files, as far as files can do what it asks; and what only files have.
//!
//! Tables are made by SQLite, which understands the suite's words, and written to files of one or of several parts.

mod objects;

use super::scan::pass as pass_over;
use super::{Fixture, TypeCase, names, texts};
use crate::server::s3::Store;
use anyhow::Context as _;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Int8Array,
    Int64Array, ListArray, RecordBatch, StringArray, Time32SecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use async_trait::async_trait;
use fieldmark_model::chunk::DefectKind;
use fieldmark_source::files::{self, Pattern, StoreSettings};
use fieldmark_source::{BlockDraw, Cursor, Error, Read, Reference, Source};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

mod parquet_files {
    crate::conformance::conformance! { super::Files<false, false>;
        scan: [
            every_row_once_whatever_the_chunk_size,
            an_empty_table_has_no_rows,
            rows_are_counted_without_columns,
            composite_keys_are_passed_over,
            text_keys_are_passed_over,
            a_table_without_a_key_is_passed_over,
            columns_come_in_the_order_asked_for,
        ];
        values: [null_and_empty_text_are_different];
    }
}

mod csv_files {
    crate::conformance::conformance! { super::Files<true, false>;
        scan: [
            every_row_once_whatever_the_chunk_size,
            an_empty_table_has_no_rows,
            rows_are_counted_without_columns,
            a_table_without_a_key_is_passed_over,
            columns_come_in_the_order_asked_for,
        ];
    }
}

mod parquet_objects {
    crate::conformance::conformance! { super::Files<false, true>;
        scan: [
            every_row_once_whatever_the_chunk_size,
            an_empty_table_has_no_rows,
            rows_are_counted_without_columns,
            composite_keys_are_passed_over,
            text_keys_are_passed_over,
            a_table_without_a_key_is_passed_over,
            columns_come_in_the_order_asked_for,
        ];
        values: [null_and_empty_text_are_different];
    }
}

mod csv_objects {
    crate::conformance::conformance! { super::Files<true, true>;
        scan: [
            every_row_once_whatever_the_chunk_size,
            an_empty_table_has_no_rows,
            rows_are_counted_without_columns,
            a_table_without_a_key_is_passed_over,
            columns_come_in_the_order_asked_for,
        ];
    }
}

/// Tables as files of this machine, or as objects of a bucket: every table in two files, where it has rows for two.
struct Files<const CSV: bool, const BUCKET: bool> {
    folder: TempDir,
    store: Option<Store>,
    tables: Mutex<Connection>,
}

impl<const CSV: bool, const BUCKET: bool> Files<CSV, BUCKET> {
    fn write(&self, name: &str) -> anyhow::Result<()> {
        let tables = self.tables.lock().unwrap();
        let mut described =
            tables.prepare(&format!("select name, type from pragma_table_info('{name}') order by cid"))?;
        let column =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?.to_lowercase().contains("int")));
        let columns: Vec<(String, bool)> = described.query_map([], column)?.collect::<Result<_, _>>()?;
        let mut statement = tables.prepare(&format!("select * from \"{name}\""))?;
        let mut rows: Vec<Vec<Value>> = Vec::new();
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            rows.push((0..columns.len()).map(|at| row.get(at)).collect::<Result<_, _>>()?);
        }
        let half = if rows.len() < 4 { rows.len() } else { rows.len() / 2 };
        for (part, rows) in [("a", &rows[..half]), ("b", &rows[half..])] {
            let path = self.folder.path().join(format!("lake/{name}-{part}.{}", if CSV { "csv" } else { "parquet" }));
            if CSV { write_csv(&path, &columns, rows)? } else { write_parquet(&path, &columns, rows)? }
        }
        Ok(())
    }
}

fn write_csv(path: &Path, columns: &[(String, bool)], rows: &[Vec<Value>]) -> anyhow::Result<()> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut lines = vec![columns.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(",")];
    for row in rows {
        let cells = row.iter().map(|value| match value {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => quoted(text),
            Value::Null | Value::Real(_) | Value::Blob(_) => String::new(),
        });
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    Ok(std::fs::write(path, lines.join("\r\n") + "\r\n")?)
}

fn write_parquet(path: &Path, columns: &[(String, bool)], rows: &[Vec<Value>]) -> anyhow::Result<()> {
    let array = |at: usize, integer: bool| -> ArrayRef {
        let values = rows.iter().map(|row| &row[at]);
        if integer {
            let number = |value: &Value| if let Value::Integer(number) = value { Some(*number) } else { None };
            Arc::new(values.map(number).collect::<Int64Array>())
        } else {
            let text = |value: &Value| if let Value::Text(text) = value { Some(text.clone()) } else { None };
            Arc::new(values.map(text).collect::<StringArray>())
        }
    };
    let arrays = columns.iter().enumerate().map(|(at, (name, integer))| (name.as_str(), array(at, *integer), true));
    write_batch(path, &RecordBatch::try_from_iter_with_nullable(arrays)?)
}

/// In row groups of a few rows.
fn write_batch(path: &Path, batch: &RecordBatch) -> anyhow::Result<()> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(16)).build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path)?, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(())
}

#[async_trait]
impl<const CSV: bool, const BUCKET: bool> Fixture for Files<CSV, BUCKET> {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("lake"))?;
        let store = if BUCKET { Some(Store::start(folder.path())?) } else { None };
        Ok(Self { folder, store, tables: Mutex::new(Connection::open_in_memory()?) })
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        Ok(self.tables.lock().unwrap().execute_batch(sql)?)
    }

    async fn open(&self) -> anyhow::Result<Box<dyn Source>> {
        let made: Vec<String> = {
            let tables = self.tables.lock().unwrap();
            let mut statement = tables.prepare("select name from sqlite_schema where type = 'table'")?;
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        for name in &made {
            self.write(name)?;
        }
        let lake = if BUCKET { "s3://lake" } else { "lake" };
        let pattern =
            |name: &String| (name.clone(), Pattern::read(&format!("{lake}/{name}-*"), self.folder.path()).unwrap());
        let store = self.store.iter().flat_map(Store::variables);
        Ok(Box::new(files::open(made.iter().map(pattern), StoreSettings::new(store))))
    }

    fn schema(&self) -> &str {
        files::SCHEMA
    }

    fn types(&self) -> Vec<TypeCase> {
        Vec::new()
    }

    async fn slow(&self) -> anyhow::Result<String> {
        anyhow::bail!("no file is slow")
    }

    async fn until_slow_is_read(&self) -> anyhow::Result<()> {
        anyhow::bail!("no file is slow")
    }

    async fn lock(&self, _: &str) -> anyhow::Result<Box<dyn Any + Send>> {
        anyhow::bail!("nobody locks a file")
    }

    async fn until_unlocked(&self, _: &str) -> anyhow::Result<()> {
        Ok(())
    }

    fn readers_wait(&self) -> bool {
        false
    }

    fn long_text(&self, bytes: usize) -> String {
        format!("'{}'", "x".repeat(bytes))
    }
}

/// A source of one table `t`.
fn source(pattern: PathBuf) -> files::FilesSource {
    files::open([("t".to_owned(), Pattern::Folder(pattern))], StoreSettings::default())
}

/// Everything of a table, with what could not be held.
async fn all(
    source: &mut files::FilesSource,
) -> anyhow::Result<(Vec<String>, Vec<Vec<Option<String>>>, Vec<DefectKind>)> {
    let catalogue = source.catalogue().await?;
    let t = catalogue.tables.first().context("no table")?.clone();
    let columns: Vec<String> = t.columns.iter().map(|column| column.name.clone()).collect();
    let chunk = source.scan(&Read::new(&t, &columns), &Cursor::start(), 10_000).await?.chunk;
    let types = t.columns.iter().map(|column| column.data_type.to_string()).collect();
    Ok((types, texts(&chunk)?, chunk.defects.iter().map(|defect| defect.kind).collect()))
}

/// Arrow's types as Parquet has them.
#[tokio::test]
async fn every_type_of_parquet_travels_as_documented() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(3)])]);
    let dictionary: DictionaryArray<Int32Type> = vec!["paid"].into_iter().collect();
    let cases: Vec<(ArrayRef, &str, &str)> = vec![
        (Arc::new(BooleanArray::from(vec![true])), "Boolean", "true"),
        (Arc::new(Int8Array::from(vec![-128])), "Int8", "-128"),
        (Arc::new(UInt64Array::from(vec![u64::MAX])), "UInt64", "18446744073709551615"),
        (Arc::new(Float32Array::from(vec![f32::NAN])), "Float32", "NaN"),
        (Arc::new(Decimal128Array::from(vec![-1250]).with_precision_and_scale(12, 2)?), "Decimal128(12, 2)", "-12.5"),
        (Arc::new(dictionary), "Utf8", "paid"),
        (Arc::new(StringArray::from(vec!["héllo"])), "Utf8", "héllo"),
        (Arc::new(BinaryArray::from(vec![&[0, 255][..]])), "Binary", "\\x00ff"),
        (Arc::new(Date32Array::from(vec![19_782])), "Date32", "2024-02-29"),
        (Arc::new(Time32SecondArray::from(vec![36_000])), "Time64(µs)", "10:00:00"),
        (Arc::new(TimestampSecondArray::from(vec![1_709_200_800])), "Timestamp(µs)", "2024-02-29T10:00:00"),
        (
            Arc::new(TimestampNanosecondArray::from(vec![1_500]).with_timezone("+02:00")),
            "Timestamp(µs, \"UTC\")",
            "!1970-01-01T02:00:00.000001500+02:00",
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![2_000]).with_timezone("+02:00")),
            "Timestamp(µs, \"UTC\")",
            "1970-01-01T00:00:00.000002Z",
        ),
        (Arc::new(list), "Utf8", "[1, , 3]"),
    ];
    for (at, (array, expected_type, expected)) in cases.iter().enumerate() {
        let path = folder.path().join(format!("{at}.parquet"));
        let field = Field::new("v", array.data_type().clone(), true);
        write_batch(&path, &RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::clone(array)])?)?;
        let (types, rows, _) = all(&mut source(path)).await?;
        assert_eq!(
            (types[0].as_str(), rows[0][0].as_deref()),
            (*expected_type, Some(*expected)),
            "{}",
            array.data_type()
        );
    }
    Ok(())
}

/// Row groups are drawn like blocks: each with the same chance, none twice where a draw goes on, rows with their numbers.
#[tokio::test]
async fn row_groups_are_drawn_at_random() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut rows = 0;
    for (name, more) in [("a", 900), ("b", 0), ("c", 101)] {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows + 1..=rows + more));
        write_batch(&folder.path().join(format!("{name}.parquet")), &RecordBatch::try_from_iter([("id", ids)])?)?;
        rows += more;
    }
    let mut source = source(folder.path().join("*.parquet"));
    let t = source.catalogue().await?.tables[0].clone();
    // of 16 rows each, the last of a file of fewer
    assert_eq!((t.pages, t.estimated_rows), (Some(57 + 7), Some(1_001)));
    let columns = vec!["id".to_owned(), t.row_number.clone().unwrap()];
    let read = Read::new(&t, &columns);
    let draw = |skip, blocks, per_block, seed| BlockDraw { skip, blocks, per_block, seed };
    let all = source.blocks(&read, &draw(0, u64::MAX, u32::MAX, 1)).await?;
    let ids: Vec<Vec<Option<String>>> = texts(&all.chunk)?;
    assert!(ids.iter().enumerate().all(|(at, row)| row[0] == Some((at + 1).to_string()) && row[0] == row[1]));
    assert_eq!((ids.len(), all.live.len(), all.table_blocks), (1_001, 64, 64));
    assert_eq!(all.live.iter().sum::<u32>(), 1_001);
    // gone on with, no row group comes twice
    let mut seen = std::collections::BTreeSet::new();
    for skip in [0, 20, 40, 60] {
        let part = source.blocks(&read, &draw(skip, 20, 3, 7)).await?;
        assert_eq!(part.block_of_row.len(), part.chunk.rows());
        for (row, block) in texts(&part.chunk)?.iter().zip(&part.block_of_row) {
            let group = |id: u32| if id <= 900 { (id - 1) / 16 } else { 57 + (id - 901) / 16 };
            let id: u32 = row[0].as_deref().unwrap().parse()?;
            assert!(seen.insert((group(id), id)));
            assert_eq!(
                part.live[*block as usize],
                if [56, 63].contains(&group(id)) { [4, 5][(group(id) == 63) as usize] } else { 16 }
            );
        }
    }
    let groups: std::collections::BTreeSet<u32> = seen.iter().map(|(group, _)| *group).collect();
    assert_eq!((groups.len(), seen.len()), (64, 64 * 3));
    // each row with the same chance, whatever the draw: 400 draws of 8 row groups, one row of each
    let mut drawn = std::collections::BTreeMap::<u32, u32>::new();
    for seed in 0..400 {
        let part = source.blocks(&Read::new(&t, &columns[..1]), &draw(0, 8, 1, seed)).await?;
        for row in texts(&part.chunk)? {
            *drawn.entry((row[0].as_deref().unwrap().parse::<u32>()? - 1) / 100).or_default() += 1;
        }
    }
    // ten hundreds of rows of nearly the same chance: 320 expected of each, 3 200 in all
    let chi_square: f64 = (0..10).map(|at| (f64::from(drawn[&at]) - 320.0).powi(2) / 320.0).sum();
    assert!(chi_square < 40.0, "{chi_square}: {drawn:?}");
    // what has no row groups has no blocks
    std::fs::write(folder.path().join("d.csv"), "id\n1\n")?;
    let mut mixed = self::source(folder.path().join("d.csv"));
    let d = mixed.catalogue().await?.tables[0].clone();
    assert_eq!(d.pages, None);
    let refused = mixed.blocks(&Read::new(&d, &columns[..1]), &draw(0, 1, 1, 1)).await;
    assert!(matches!(refused, Err(Error::Unsupported { .. })));
    Ok(())
}

/// Values of CSV are what the first rows are like; what is not is counted.
#[tokio::test]
async fn every_type_of_csv_travels_as_documented() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("t.csv");
    let head = "\u{feff}flag,whole,price,rate,day,at,since,code\n";
    let row = "true,-12,12.50,1.5e3,2024-02-29,2024-02-29 10:00:00.5,2024-02-29T12:00:00+02:00,007\n";
    let mut text = head.to_owned() + &row.repeat(10_000);
    text.push_str(",,,,,,,\n");
    text.push_str("maybe,1.5,free,fast,2024-02-30,soon,2024-02-29,x\n");
    let mut bytes = text.into_bytes();
    bytes.extend(b"true,1,1,1,2024-02-29,2024-02-29,2024-02-29T10:00:00Z,\xff\n");
    std::fs::write(&path, bytes)?;
    let mut source = source(path);
    let catalogue = source.catalogue().await?;
    let t = catalogue.tables[0].clone();
    let columns: Vec<String> = t.columns.iter().map(|column| column.name.clone()).collect();
    assert_eq!(columns, ["flag", "whole", "price", "rate", "day", "at", "since", "code"]);
    let declared: Vec<&str> = t.columns.iter().map(|column| column.declared.as_str()).collect();
    assert_eq!(
        declared,
        ["boolean", "integer", "decimal", "float", "date", "timestamp", "timestamp with zone", "text"]
    );
    let rows = pass_over(&mut source, &t, &columns, 4_000).await?;
    assert_eq!(rows.len(), 10_003);
    let shown = |row: usize| rows[row].iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect::<Vec<_>>();
    let expected =
        ["true", "-12", "12.5", "1500", "2024-02-29", "2024-02-29T10:00:00.5", "2024-02-29T10:00:00Z", "007"];
    assert_eq!(shown(0), expected);
    assert_eq!(shown(9_999), expected);
    assert_eq!(shown(10_000), ["NULL"; 8]);
    let unfit = ["!maybe", "!1.5", "!free", "!fast", "!2024-02-30", "!soon", "!2024-02-29", "x"];
    assert_eq!(shown(10_001), unfit);
    let last = ["true", "1", "1", "1", "2024-02-29", "2024-02-29T00:00:00", "2024-02-29T10:00:00Z", "!\\xff"];
    assert_eq!(shown(10_002), last);
    Ok(())
}

/// Rows are found again by their numbers, over all files; by values of theirs, too; and what they refer to is found.
#[tokio::test]
async fn rows_are_found_again() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for (part, first) in [("1", 0), ("2", 2_500), ("3", 5_000)] {
        let lines: Vec<String> = (first + 1..=first + 2_500).map(|id| format!("{id},p{}", id % 100)).collect();
        std::fs::write(folder.path().join(format!("c{part}.csv")), format!("id,parent\n{}\n", lines.join("\n")))?;
        let ids: Int64Array = (first + 1..=first + 2_500).collect();
        let parents: StringArray = (first + 1..=first + 2_500).map(|id| Some(format!("p{}", id % 100))).collect();
        let arrays: [(&str, ArrayRef); 2] = [("id", Arc::new(ids)), ("parent", Arc::new(parents))];
        write_batch(&folder.path().join(format!("p{part}.parquet")), &RecordBatch::try_from_iter(arrays)?)?;
    }
    std::fs::write(
        folder.path().join("parents.csv"),
        (1..100).fold("code\n".to_owned(), |text, id| text + &format!("p{id}\n")),
    )?;
    for pattern in ["c*.csv", "p*.parquet"] {
        let tables = [("t", pattern), ("parents", "parents.csv")]
            .map(|(name, file)| (name.to_owned(), Pattern::Folder(folder.path().join(file))));
        let mut source = files::open(tables, StoreSettings::default());
        let catalogue = source.catalogue().await?;
        let of = |name: &str| catalogue.tables.iter().find(|table| table.name.name == name).unwrap().clone();
        let (t, parents) = (of("t"), of("parents"));
        let number = t.row_number.clone().context("rows have no number")?;
        let (columns, by_number, by_id) = (vec!["id".to_owned(), number.clone()], vec![number], names(&["id"]));
        let read = Read::new(&t, &columns);
        let numbers =
            |rows: Vec<i64>| RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(rows)) as ArrayRef)]);
        let found = source.by_key(&read, &by_number, &numbers(vec![7_500, 1, 2_501, 1_024, 1_025, 9_999, 0])?).await?;
        let expected: Vec<Vec<Option<String>>> =
            [1, 1_024, 1_025, 2_501, 7_500].map(|id| vec![Some(id.to_string()); 2]).to_vec();
        assert_eq!(texts(&found)?, expected, "{pattern}");
        let found = source.by_key(&read, &by_id, &numbers(vec![6_000, 3])?).await?;
        assert_eq!(texts(&found)?, [3, 6_000].map(|id| vec![Some(id.to_string()); 2]).to_vec(), "{pattern}");
        let (referring, referred) = (names(&["parent"]), names(&["code"]));
        let reference = Reference { from: &t, columns: &referring, to: &parents, to_columns: &referred };
        let orphans = source.orphans(&read, &by_number, &numbers(vec![99, 100, 200, 201])?, &reference).await?;
        assert_eq!(texts(&orphans)?, [100, 200].map(|id| vec![Some(id.to_string()); 2]).to_vec(), "{pattern}");
        let extremes = source.extremes(&t, &by_number[0]).await?;
        assert_eq!(texts(&extremes)?, [vec![Some("1".to_owned()), Some("7500".to_owned())]], "{pattern}");
    }
    Ok(())
}

/// What cannot be read is told with its place, and with no value.
#[tokio::test]
async fn files_that_cannot_be_read_say_why() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("short.csv"), "a,b\n1,2\nsecret\n")?;
    std::fs::write(path("empty.csv"), "")?;
    std::fs::write(path("twice.csv"), "a,a\n1,2\n")?;
    std::fs::write(path("broken.parquet"), "PAR1 this is none")?;
    std::fs::write(path("notes.txt"), "x")?;
    std::fs::write(path("mixed-1.csv"), "a\n1\n")?;
    let batch = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec!["x"])) as ArrayRef)])?;
    write_batch(&path("mixed-2.parquet"), &batch)?;
    for (pattern, expected) in [
        ("short.csv", "line 3 has 1 values, and the first line 2 names"),
        ("empty.csv", "it is empty: its first line names the columns"),
        ("twice.csv", "the name of column 2 in its first line is empty, or there twice"),
        ("broken.parquet", "Parquet error"),
        ("notes.txt", "its name ends in neither .parquet, .csv nor .tsv"),
        ("absent*.csv", "there is no such file"),
        ("mixed-*", "its column a is utf8, and integer in the files before it"),
    ] {
        let Err(error) = all(&mut source(path(pattern))).await else { panic!("{pattern} was read") };
        let told = error.to_string();
        assert!(told.contains(expected) && told.contains(folder.path().to_str().unwrap()), "{pattern}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
    Ok(())
}

/// A pass over files that somebody changes under it is none.
#[tokio::test]
async fn a_file_that_changes_under_a_pass_ends_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("t.csv");
    std::fs::write(&path, (0..5_000).fold("a\n".to_owned(), |text, row| text + &format!("{row}\n")))?;
    let mut source = source(path.clone());
    let t = source.catalogue().await?.tables[0].clone();
    let columns = names(&["a"]);
    let first = source.scan(&Read::new(&t, &columns), &Cursor::start(), 100).await?;
    std::fs::write(&path, "a\n1\n")?;
    let second = source.scan(&Read::new(&t, &columns), &first.next.unwrap(), 100).await;
    assert!(matches!(second, Err(Error::SchemaChanged { .. })), "{:?}", second.map(|scanned| scanned.chunk.rows()));
    Ok(())
}

/// Values over the limit are counted with their sizes.
#[tokio::test]
async fn large_values_of_files_are_not_read() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let long = "x".repeat(11);
    std::fs::write(folder.path().join("t.csv"), format!("a\nshort\n{long}\n"))?;
    let batch = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec!["short", &long])) as ArrayRef)])?;
    write_batch(&folder.path().join("t.parquet"), &batch)?;
    for name in ["t.csv", "t.parquet"] {
        let mut source = source(folder.path().join(name));
        let t = source.catalogue().await?.tables[0].clone();
        let columns = names(&["a"]);
        let read = Read { value_limit_bytes: 10, ..Read::new(&t, &columns) };
        let chunk = source.scan(&read, &Cursor::start(), 10).await?.chunk;
        let told: Vec<_> = chunk.defects.iter().map(|defect| (defect.kind, defect.cell.row, defect.bytes)).collect();
        assert_eq!(told, [(DefectKind::ValueTooLarge, 1, Some(11))], "{name}");
        assert_eq!(DataType::Utf8, *chunk.batch.schema().field(0).data_type());
    }
    Ok(())
}
