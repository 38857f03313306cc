//! Ten kinds of migration in one run, each of a table of its own, applied by psql and by sqlx's migrator while an application
//! writes to all of these tables: each is found, named, attributed, with an interval that holds the truth, and no ordinary write is
//! blamed.

use super::super::json;
use super::writer::{Order, Writer};
use crate::server::postgres::{Server, USER, programs};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Tables whose schema is changed, and one that is left alone.
const STRUCTURE: [&str; 8] = ["renamed", "retyped", "split", "merged", "dropped", "added", "rekeyed", "quiet"];
/// Tables whose rows are changed, and one that is left alone.
const ROWS: [&str; 4] = ["deleted", "corrupted_a_little", "corrupted", "quiet"];

/// Which rows are marked does not depend on chance, or one run in five would meet an interval of 95 % that does not hold.
const SEED: &str = "3";

/// Tables of which 0.1 % is touched.
const LITTLE: [&str; 2] = ["deleted", "corrupted_a_little"];

/// A group of migrations: the folder of its files, the tables, how long ordinary writes are watched (with ten slices of a second a change of
/// 0.1 % of the rows does not stand out), and what the report has to say.
struct Group {
    folder: &'static str,
    sql: &'static str,
    tables: &'static [&'static str],
    control: &'static str,
    check: fn(&Value),
}

const GROUPS: [Group; 2] = [
    Group {
        folder: "structure",
        sql: include_str!("structure.sql"),
        tables: &STRUCTURE,
        control: "4s",
        check: check_structure,
    },
    Group { folder: "rows", sql: include_str!("rows.sql"), tables: &ROWS, control: "20s", check: check_rows },
];

impl Group {
    fn files(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("journeys/migrations").join(self.folder)
    }
}

/// A database with the tables, a configuration and rules; the split and the merge are declared, nothing else is.
async fn shop(server: &'static Server, group: &Group) -> (String, TempDir) {
    let database = server.database("").await.unwrap();
    let url = server.url(USER, &database);
    let mut setup = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(group.sql).execute(&mut setup).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let configuration =
        format!("version: 1\nstate_dir: state\nsources:\n  db: {{ url: \"{url}\" }}\nrules: [\"rules/*.yaml\"]\n");
    std::fs::write(folder.path().join("fieldmark.yaml"), configuration).unwrap();
    let across = |table: &str| match table {
        "split" => {
            "across_migrations:\n  expect:\n    - id: names_put_together\n      that: after.first_name || ' ' || after.last_name = before.full_name\n"
        }
        "merged" => {
            "across_migrations:\n  expect:\n    - id: address_put_together\n      that: after.address = before.street || ', ' || before.city\n"
        }
        _ => "",
    };
    for table in group.tables {
        // of 0.1 % enough rows have to be among the marked ones to stand out from ordinary writes without their stamps
        let sample = if LITTLE.contains(table) { "sample: { rows: 25000 }\n" } else { "" };
        let text = format!("version: 1\ntable: db.{table}\n{sample}rules:\n  - not_null: [touched]\n{}", across(table));
        std::fs::write(folder.path().join(format!("rules/{table}.yaml")), text).unwrap();
    }
    (database, folder)
}

/// Writes to every table in turn: counters of old rows; new rows and deletes where that is all that happens.
async fn application(server: &'static Server, database: &str, group: &Group, order: Order) -> Writer {
    let mut statements: Vec<String> =
        group.tables.iter().map(|table| format!("update {table} set touched = touched + 1 where id = {{n}}")).collect();
    statements.push("insert into quiet values (3000 + {n}, 1) on conflict do nothing".to_owned());
    statements.push("delete from quiet where id = 3 * {n}".to_owned());
    Writer::begin(server, database, statements, Duration::from_millis(8), (order, 3_000)).await
}

fn table<'a>(report: &'a Value, name: &str) -> &'a Value {
    let name = format!("public.{name}");
    report["tables"].as_array().unwrap().iter().find(|table| table["table"] == *name).unwrap()
}

fn column<'a>(report: &'a Value, of: &str, name: &str) -> &'a Value {
    let columns = table(report, of)["columns"].as_array().unwrap();
    columns.iter().find(|column| column["column"] == name).unwrap_or_else(|| panic!("{of}.{name}: {columns:#?}"))
}

#[track_caller]
fn holds(interval: &Value, truth: f64) {
    let bounds: Option<[f64; 2]> = serde_json::from_value(interval.clone()).unwrap();
    let [low, high] = bounds.unwrap_or_else(|| panic!("no interval"));
    assert!(low <= truth && truth <= high, "{interval} does not hold {truth}");
    assert!(low > 0.0, "{interval} says nothing");
}

/// What the files of `structure` do, as the report has to say it.
fn check_structure(report: &Value) {
    let fate = |of: &str, name: &str| column(report, of, name)["fate"].as_str().unwrap().to_owned();
    let reasons = |of: &str| table(report, of)["reasons"].to_string();
    // rename
    assert_eq!(fate("renamed", "title"), "renamed");
    let title = column(report, "renamed", "title");
    assert_eq!((&title["renamed_from"], &title["renamed_by"]), (&"name".into(), &"catalogue".into()));
    assert!(reasons("renamed").contains("renamed from name"), "{}", reasons("renamed"));
    // retype: of every other row the cents are lost
    assert_eq!(fate("retyped", "price"), "retyped");
    let price = column(report, "retyped", "price");
    assert_eq!((&price["type_before"], &price["type_after"]), (&"numeric(12,2)".into(), &"integer".into()));
    assert_eq!(price["changed"], 2_250, "three of four prices had cents");
    assert_eq!(price["losses"][0]["kind"], "precision");
    // split and merge: declared, and they hold
    for (of, id) in [("split", "names_put_together"), ("merged", "address_put_together")] {
        let transitions = table(report, of)["transitions"].as_array().unwrap();
        let expect = transitions.iter().find(|outcome| outcome["rule"] == id).unwrap();
        assert_eq!((&expect["status"], &expect["checked"]), (&"passed".into(), &3_000.into()), "{of}");
        assert!(reasons(of).contains(&format!("{id} holds in 3 000 rows")), "{of}: {}", reasons(of));
    }
    assert_eq!((fate("split", "first_name"), fate("split", "full_name")), ("added".into(), "dropped".into()));
    assert_eq!((fate("merged", "address"), fate("merged", "city")), ("added".into(), "dropped".into()));
    // drop, add
    assert_eq!(fate("dropped", "note"), "dropped");
    assert!(reasons("dropped").contains("1 000 of 3 000 marked rows had a value"), "{}", reasons("dropped"));
    assert_eq!(fate("added", "kind"), "added");
    // the key's type: rows are found all the same
    assert_eq!(fate("rekeyed", "id"), "retyped");
    assert_eq!((&table(report, "rekeyed")["kept"], &table(report, "rekeyed")["vanished"]), (&3_000.into(), &0.into()));
    ordinary_writes_are_not_blamed(report, &STRUCTURE);
    for of in ["added", "rekeyed"] {
        assert_ne!(column(report, of, "v")["expectation"], "surprising", "{of}");
    }
}

/// What the files of `rows` do, as the report has to say it.
fn check_rows(report: &Value) {
    let reasons = |of: &str| table(report, of)["reasons"].to_string();
    // 0.1 % deleted
    assert_eq!(table(report, "deleted")["verdict"], "broken", "{}", reasons("deleted"));
    holds(&table(report, "deleted")["vanished_interval"], 0.001);
    // 0.1 % and 1 % of a column corrupted
    for (of, truth) in [("corrupted_a_little", 0.001), ("corrupted", 0.01)] {
        let v = column(report, of, "v");
        assert_eq!(v["expectation"], "surprising", "{of}: {v:#}");
        assert_eq!(table(report, of)["verdict"], "surprising", "{}", reasons(of));
        holds(&v["interval"], truth);
    }
    ordinary_writes_are_not_blamed(report, &ROWS);
}

fn ordinary_writes_are_not_blamed(report: &Value, tables: &[&str]) {
    for of in tables {
        let touched = column(report, of, "touched");
        assert!(touched["changed"].as_u64() > Some(0), "the application wrote to {of}");
        assert_ne!(touched["expectation"], "surprising", "{of}: {touched:#}");
    }
    let quiet = table(report, "quiet");
    assert!(
        ["clean", "inconclusive", "not_comparable"].contains(&quiet["verdict"].as_str().unwrap()),
        "{}",
        quiet["reasons"]
    );
    assert_ne!(column(report, "quiet", "v")["expectation"], "surprising");
}

async fn psql_files_under_guard(group: &'static Group) {
    let server = Server::get().await.unwrap();
    let (database, folder) = shop(server, group).await;
    let writer = application(server, &database, group, Order::Rounds).await;
    let psql = programs().unwrap().join("psql").display().to_string();
    let url = server.url(USER, &database);
    let mut paths: Vec<_> = std::fs::read_dir(group.files()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let start =
        ["guard", "--seed", SEED, "--control", group.control, "--", &psql, "--quiet", "-v", "ON_ERROR_STOP=1", &url];
    let mut arguments: Vec<String> = start.map(str::to_owned).to_vec();
    arguments.extend(paths.iter().flat_map(|path| ["-f".to_owned(), path.display().to_string()]));
    let report = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        json(folder.path(), &arguments, code(group))
    });
    let report = report.await.unwrap();
    let rate = writer.end().await;
    assert!(rate >= 50.0, "{rate} rows a second");
    assert_eq!(report["migration"]["command_status"], 0);
    (group.check)(&report);
}

async fn sqlx_migrations_between_before_and_after(group: &'static Group) {
    let server = Server::get().await.unwrap();
    let (database, folder) = shop(server, group).await;
    let writer = application(server, &database, group, Order::Chance).await;
    let place = folder.path().to_owned();
    tokio::task::spawn_blocking(move || json(&place, &["before", "--seed", SEED, "--control", group.control], 0))
        .await
        .unwrap();
    let migrator = sqlx::migrate::Migrator::new(group.files().as_path()).await.unwrap();
    let mut connection = PgConnection::connect(&server.url(USER, &database)).await.unwrap();
    migrator.run_direct(None, &mut connection, false).await.unwrap();
    let place = folder.path().to_owned();
    let report = tokio::task::spawn_blocking(move || json(&place, &["after", "--control", group.control], code(group)));
    let report = report.await.unwrap();
    let rate = writer.end().await;
    assert!(rate >= 50.0, "{rate} rows a second");
    assert_eq!(report["migration"]["sources"][0]["tables_added"], serde_json::json!(["public._sqlx_migrations"]));
    (group.check)(&report);
}

/// Deleted rows are broken; what changes without being declared is surprising, and a warning unless told otherwise.
fn code(group: &Group) -> i32 {
    i32::from(group.folder == "rows")
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_changed_by_psql_under_guard() {
    psql_files_under_guard(&GROUPS[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_changed_by_psql_under_guard() {
    psql_files_under_guard(&GROUPS[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_changed_by_sqlx_between_before_and_after() {
    sqlx_migrations_between_before_and_after(&GROUPS[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_changed_by_sqlx_between_before_and_after() {
    sqlx_migrations_between_before_and_after(&GROUPS[1]).await;
}

/// If every row except the marked ones is corrupted, the marks are clean, and the counters say so.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_no_mark_sees_are_told_by_the_counters() {
    let server = Server::get().await.unwrap();
    let (database, folder) = shop(server, &GROUPS[1]).await;
    let place = folder.path().to_owned();
    let table_of = ["--table", "corrupted"];
    let before =
        tokio::task::spawn_blocking(move || json(&place, &["before", "--control", "2s", table_of[0], table_of[1]], 0));
    let before = before.await.unwrap();
    let mark = before["migration"]["marks"][0]["path"].as_str().unwrap();
    let marked = marked_ids(&Path::new(mark).join("1.parquet"));
    assert_eq!(marked.len(), 10_000);
    let list = marked.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut connection = PgConnection::connect(&server.url(USER, &database)).await.unwrap();
    let sql = format!("update corrupted set v = -1 where id <> all ('{{{list}}}'::integer[])");
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    assert_eq!(done.rows_affected(), 50_000);
    // the server tells of a session's writes when it ends, before it is gone
    connection.close().await.unwrap();
    let place = folder.path().to_owned();
    let after = tokio::task::spawn_blocking(move || json(&place, &["after", "--control", "2s"], 0));
    let after = after.await.unwrap();
    assert_eq!(after["verdict"], "surprising");
    let corrupted = table(&after, "corrupted");
    assert_eq!((&corrupted["changed"], &corrupted["vanished"]), (&0.into(), &0.into()), "the marked rows are clean");
    assert!(
        corrupted["reasons"][0].as_str().unwrap().contains("counters say 50 000 rows were updated"),
        "{corrupted:#}"
    );
}

fn marked_ids(path: &Path) -> Vec<i32> {
    use arrow::array::AsArray as _;
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let ids = |batch: arrow::array::RecordBatch| {
        let column = batch.column_by_name("id").unwrap().clone();
        column.as_primitive::<arrow::datatypes::Int32Type>().values().to_vec()
    };
    reader.flat_map(|batch| ids(batch.unwrap())).collect()
}
