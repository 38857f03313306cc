//! The suite against SQLite files, with a rollback journal and with a write-ahead log.

use super::queries::asked;
use super::{Fixture, TypeCase, names, table};
use anyhow::ensure;
use async_trait::async_trait;
use fieldmark_model::chunk::DefectKind;
use fieldmark_source::{Name, Preview, Read, Reference, Source, sqlite};
use rusqlite::Connection;
use std::any::Any;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;

mod journal {
    crate::conformance::conformance!(super::Sqlite<false>);
}

mod wal {
    crate::conformance::conformance!(super::Sqlite<true>);
}

/// A SQLite file in a folder of its own.
struct Sqlite<const WAL: bool> {
    folder: TempDir,
    writer: Mutex<Connection>,
}

impl<const WAL: bool> Sqlite<WAL> {
    fn path(&self) -> PathBuf {
        self.folder.path().join("a file.db")
    }

    /// Whether this process has the lock that a read takes, as the system knows it: on a range of bytes that SQLite's file format
    /// sets apart. With a write-ahead log that is one of five read marks in the file of the log's index.
    fn is_read(&self) -> std::io::Result<bool> {
        let (file, places) =
            if WAL { ("a file.db-shm", 123..=127u64) } else { ("a file.db", 0x4000_0002..=0x4000_01ff) };
        let file = std::fs::metadata(self.folder.path().join(file))?.ino();
        let (file, process) = (format!(":{file}"), std::process::id().to_string());
        // `1: POSIX  ADVISORY  READ 4711 08:01:131245 123 123`
        Ok(std::fs::read_to_string("/proc/locks")?.lines().any(|lock| {
            let words: Vec<&str> = lock.split_whitespace().collect();
            let [.., "READ", owner, inode, start, _] = words[..] else { return false };
            owner == process && inode.ends_with(&file) && start.parse().is_ok_and(|start| places.contains(&start))
        }))
    }
}

#[async_trait]
impl<const WAL: bool> Fixture for Sqlite<WAL> {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let writer = Connection::open(folder.path().join("a file.db"))?;
        writer.pragma_update(None, "journal_mode", if WAL { "wal" } else { "delete" })?;
        writer.pragma_update(None, "synchronous", "off")?;
        writer.busy_timeout(Duration::from_millis(250))?;
        writer.execute_batch("create table warm (x); drop table warm")?;
        Ok(Self { folder, writer: Mutex::new(writer) })
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        Ok(self.writer.lock().unwrap().execute_batch(sql)?)
    }

    async fn open(&self) -> anyhow::Result<Box<dyn Source>> {
        let url = format!("sqlite://{}", self.path().display());
        let limits = sqlite::Limits { read: Duration::from_secs(10), catalogue: Duration::from_secs(10) };
        Ok(Box::new(sqlite::open_with(&sqlite::Address::parse(&url)?, limits).await?))
    }

    fn schema(&self) -> &str {
        "main"
    }

    fn types(&self) -> Vec<TypeCase> {
        let (fits, unfit) = (TypeCase::fits, TypeCase::unfit);
        let no_text = |declared| TypeCase {
            defect: Some(DefectKind::InvalidEncoding),
            ..TypeCase::alike(declared, "cast(x'61ff' as text)", "\\x61ff")
        };
        vec![
            TypeCase { declared: "integer", literal: "null", canonical: None, defect: None, key: false },
            TypeCase { declared: "real", literal: "9e999 - 9e999", canonical: None, defect: None, key: false },
            fits("integer", "-9223372036854775807 - 1", "-9223372036854775808"),
            fits("bigint", "9223372036854775807", "9223372036854775807"),
            fits("integer", "'12'", "12"),
            unfit("integer", "'twelve'", "twelve"),
            unfit("integer", "1.5", "1.5"),
            unfit("integer", "x'00ff'", "\\x00ff"),
            fits("boolean", "true", "1"),
            unfit("boolean", "'true'", "true"),
            fits("real", "0.1", "0.1"),
            fits("real", "3", "3"),
            fits("real", "-0.0", "0"),
            fits("double precision", "1e20", "100000000000000000000"),
            fits("real", "1e-7", "0.0000001"),
            fits("real", "9e999", "Infinity"),
            fits("real", "0.1 + 0.2", "0.30000000000000004"),
            unfit("real", "'n/a'", "n/a"),
            fits("decimal(12,2)", "12.3", "12.3"),
            fits("decimal(12,2)", "'-0.05'", "-0.05"),
            fits("decimal(12,2)", "19.99", "19.99"),
            fits("decimal(12,2)", "1234567890", "1234567890"),
            unfit("decimal(12,2)", "12345678901", "12345678901"),
            unfit("decimal(12,2)", "0.125", "0.125"),
            unfit("decimal(12,2)", "'free'", "free"),
            unfit("decimal(12,2)", "9e999", "Infinity"),
            fits("numeric(38,10)", "0.1234567891", "0.1234567891"),
            fits("numeric", "'12.50'", "12.5"),
            fits("numeric", "12", "12"),
            fits("numeric", "'twelve'", "twelve"),
            fits("numeric", "9e999", "Infinity"),
            fits("numeric", "x'ab'", "\\xab"),
            fits("text", "12", "12"),
            fits("text", "'héllo'", "héllo"),
            fits("text", "''", ""),
            fits("text", "'a' || char(0) || 'b'", "a\0b"),
            fits("varchar(3)", "'longer'", "longer"),
            fits("text", "x'ab'", "\\xab"),
            fits("text", "'\\xab'", "\\xab"),
            no_text("text"),
            no_text("integer"),
            no_text("blob"),
            fits("date", "'2024-02-29'", "2024-02-29"),
            fits("datetime", "1709164800", "1709164800"),
            fits("timestamp with time zone", "'2024-02-29 10:00:00+00'", "2024-02-29 10:00:00+00"),
            fits("json", "'{\"a\": [1]}'", "{\"a\": [1]}"),
            fits("uuid", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            fits("blob", "x'00ff'", "\\x00ff"),
            fits("blob", "x''", "\\x"),
            unfit("blob", "'text'", "text"),
            unfit("blob", "7", "7"),
            fits("", "7", "7"),
            fits("", "'7'", "7"),
            fits("", "7.25", "7.25"),
            fits("", "x'07'", "\\x07"),
            fits("", "'\\x07'", "\\x07"),
            fits("any", "'12'", "12"),
            fits("any", "'x'", "x"),
            fits("text collate nocase", "'MiXed'", "MiXed"),
        ]
    }

    async fn slow(&self) -> anyhow::Result<String> {
        self.execute(
            "create table one (x integer); insert into one values (1);
             create view slow as with recursive c(x) as (select 1 union all select x + 1 from c limit 100000000000)
             select max(c.x) as x from one, c",
        )
        .await?;
        Ok("slow".to_owned())
    }

    async fn until_slow_is_read(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.is_read()? {
            ensure!(begun.elapsed() < Duration::from_secs(60), "nobody reads");
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn lock(&self, _table: &str) -> anyhow::Result<Box<dyn Any + Send>> {
        let connection = Connection::open(self.path())?;
        connection.execute_batch("begin exclusive")?;
        Ok(Box::new(connection))
    }

    async fn until_unlocked(&self, _table: &str) -> anyhow::Result<()> {
        // closing a connection gives its locks back
        Ok(())
    }

    fn readers_wait(&self) -> bool {
        !WAL
    }

    fn long_text(&self, bytes: usize) -> String {
        format!("replace(hex(zeroblob({bytes})), '00', 'x')")
    }
}

/// How SQLite would go about a statement that is shown, which has to be one that it understands.
fn plan(fixture: &Sqlite<false>, sql: &str) -> anyhow::Result<String> {
    let writer = fixture.writer.lock().unwrap();
    let mut prepared = writer.prepare(&format!("explain query plan {sql}"))?;
    let mut rows = prepared.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(row.get::<_, String>(3)?);
    }
    Ok(steps.join("\n"))
}

/// Statements that are shown can be run, and go by the index where there is one.
#[tokio::test]
async fn previews_are_statements_of_sqlite() -> anyhow::Result<()> {
    let fixture = Sqlite::<false>::start().await?;
    fixture
        .execute(
            "create table parent (code text primary key);
             create table t (id integer primary key, code text, \"it's\" integer, v blob);
             create index t_code on t (code);
             create table pair (a integer not null, b text not null, v integer, primary key (a, b)) without rowid;
             create view w as select id, code from t",
        )
        .await?;
    let mut source = fixture.open().await?;
    let source = source.as_mut();
    let parent = table(&fixture, source, "parent").await?;
    let t = table(&fixture, source, "t").await?;
    let pair = table(&fixture, source, "pair").await?;
    let w = table(&fixture, source, "w").await?;
    let (id, code, odd, both) = (names(&["id"]), names(&["code"]), names(&["it's"]), names(&["a", "b"]));
    let (all, of_view) = (names(&["id", "it's", "v"]), names(&["id"]));
    let reference = Reference { from: &t, columns: &code, to: &parent, to_columns: &code };
    for (of, columns, ask, name, expected) in [
        (&t, &all, Preview::Pass, Name::Rows, "SCAN t"),
        (&pair, &both, Preview::Pass, Name::Rows, "SCAN t"),
        (&w, &of_view, Preview::Pass, Name::Rows, "SCAN t"),
        (&t, &all, Preview::Keys(&id), Name::RowsByKey, "SEARCH t USING INTEGER PRIMARY KEY"),
        (&pair, &both, Preview::Keys(&both), Name::RowsByKey, "SEARCH t USING PRIMARY KEY (a=? AND b=?)"),
        (&t, &all, Preview::Sharing(&code), Name::Sharing, "SEARCH s USING COVERING INDEX t_code"),
        (&t, &all, Preview::Sharing(&odd), Name::Sharing, "SCAN t"),
        (&t, &all, Preview::Parents(&reference), Name::Parents, "USING COVERING INDEX sqlite_autoindex_parent"),
        (&t, &all, Preview::Extremes("code"), Name::Extremes, "SEARCH t USING COVERING INDEX t_code"),
        (&t, &all, Preview::Extremes("it's"), Name::Extremes, "SCAN t"),
    ] {
        let shown = source.preview(&Read::new(of, columns), ask).await?;
        let [(of, sql)] = shown.as_slice() else { panic!("{ask:?}: {shown:?}") };
        assert_eq!(*of, name, "{ask:?}");
        let plan = plan(&fixture, sql)?;
        assert!(plan.contains(expected), "{ask:?}: {sql}\n{plan}");
    }
    Ok(())
}

/// The number of a row, by which rows are drawn, is no column of the table, and is shown all the same.
#[tokio::test]
async fn a_preview_by_the_number_of_rows_is_shown() -> anyhow::Result<()> {
    let fixture = Sqlite::<false>::start().await?;
    fixture.execute("create table t (code text, v text)").await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let (columns, number) = (names(&["v"]), names(&["rowid"]));
    assert_eq!(t.row_number.as_deref(), Some("rowid"));
    let shown = source.preview(&Read::new(&t, &columns), Preview::Keys(&number)).await?;
    let [(Name::RowsByKey, sql)] = shown.as_slice() else { panic!("{shown:?}") };
    let plan = plan(&fixture, sql)?;
    assert!(plan.contains("SEARCH t USING INTEGER PRIMARY KEY"), "{sql}\n{plan}");
    Ok(())
}

/// A file has no roles and no statistics of blocks.
#[tokio::test]
async fn a_file_has_no_roles_and_counts_no_blocks() -> anyhow::Result<()> {
    let fixture = Sqlite::<false>::start().await?;
    fixture.execute("create table t (id integer primary key); insert into t values (1)").await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    assert_eq!(source.privileges().await?, None);
    assert_eq!((source.blocks_seen(&[&t]).await?, source.blocks_touched()), (None, 0));
    Ok(())
}

/// Values of each storage class as texts, in the columns' order.
#[tokio::test]
async fn values_of_a_query_are_shown_by_their_storage_class() -> anyhow::Result<()> {
    let fixture = Sqlite::<true>::start().await?;
    let mut source = fixture.open().await?;
    let sql = "select 9223372036854775807 as z, 0.1 as y, x'00ff' as x, 'é' as w, null as a";
    let answered = source.query(&asked(sql)).await?;
    let [row] = answered.shown.as_slice() else { panic!("{answered:?}") };
    let row: Vec<(&str, Option<&str>)> = row.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    assert_eq!(
        row,
        [
            ("z", Some("9223372036854775807")),
            ("y", Some("0.1")),
            ("x", Some("(2 bytes)")),
            ("w", Some("é")),
            ("a", None),
        ]
    );
    Ok(())
}

/// Conditions are found in the text of the statement that made a table, and not in what only looks like one.
#[tokio::test]
async fn checks_are_read_out_of_the_table_s_own_text() -> anyhow::Result<()> {
    let fixture = Sqlite::<false>::start().await?;
    fixture
        .execute(
            "create table t (id integer primary key, -- check (id > 1)
                             a text default 'check (a)' CHECK(length(\"a\") < 9), /* check (b) */ [b c] integer,
                             `d` integer constraint d_c check ([b c] > (`d` + 1)), \"check\" integer)",
        )
        .await?;
    fixture
        .execute("alter table t rename to \"check (e)\"; alter table \"check (e)\" rename column \"d\" to f")
        .await?;
    let mut source = fixture.open().await?;
    let mut found: Vec<(String, Vec<String>)> =
        source.checks().await?.into_iter().map(|check| (check.table.name, check.columns)).collect();
    found.sort();
    let of = |words: &[&str]| ("check (e)".to_owned(), names(words));
    assert_eq!(found, [of(&["b c", "f", "1"]), of(&["length", "a", "9"])]);
    Ok(())
}
