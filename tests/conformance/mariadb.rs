//! The suite against MariaDB, read by a user who has what `doctor` lists and nothing else.

use super::{Fixture, TypeCase};
use crate::server::mariadb::{PASSWORD, Server, USER};
use anyhow::Context as _;
use async_trait::async_trait;
use fieldmark_model::{Dialect, TableName};
use fieldmark_source::mysql::{self, ConnectOptions, Limits, MySqlSource};
use fieldmark_source::{Source, grants, script};
use regex::Regex;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};
use std::any::Any;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

mod own;

mod suite {
    crate::conformance::conformance!(super::MariaDb);
}

/// Limits that a busy machine keeps, too.
const LIMITS: Limits = Limits { read: Duration::from_secs(10), catalogue: Duration::from_secs(10) };
/// Settings of the application's sessions: names in double quotes, literals as the standard has them, and values that strict mode
/// refuses and old tables hold.
const APPLICATION: &str = "set session sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', session lock_wait_timeout = 1, \
    session innodb_lock_wait_timeout = 1, session time_zone = '+00:00'";

/// A fresh database.
pub(crate) struct MariaDb {
    server: &'static Server,
    database: String,
    writer: Mutex<MySqlConnection>,
    /// The user who may log in, and is given what `doctor` lists.
    reader: String,
    /// Whether a source was opened: what is made from then on is granted at once.
    opened: AtomicBool,
}

impl MariaDb {
    /// A source of the reader, who is given what it takes to read every table.
    async fn source(&self) -> anyhow::Result<MySqlSource> {
        self.opened.store(true, Ordering::Release);
        let owner = self.options(USER);
        let privileges = mysql::connect(&owner).await?.privileges().await?.context("a server without users")?;
        let tables: Vec<&TableName> = privileges.tables.iter().map(|table| &table.name).collect();
        let needed = grants(Dialect::MySql, &self.reader, &privileges, &tables);
        let mut keeper = self.server.keeper(&self.database).await?;
        sqlx::raw_sql(AssertSqlSafe(script(&needed))).execute(&mut keeper).await?;
        keeper.close().await?;
        Ok(mysql::connect(&self.options(&self.reader)).await?)
    }

    fn options(&self, user: &str) -> ConnectOptions {
        ConnectOptions { limits: LIMITS, ..ConnectOptions::new(self.server.url(user, &self.database)) }
    }

    async fn run(&self, sql: &str) -> anyhow::Result<()> {
        let mut writer = self.writer.lock().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *writer).await?;
        Ok(())
    }

    async fn another(&self) -> anyhow::Result<MySqlConnection> {
        let mut another = self.server.keeper(&self.database).await?;
        sqlx::raw_sql(APPLICATION).execute(&mut another).await?;
        Ok(another)
    }
}

/// The suite's words in MariaDB's: a `text` that can be a key, and that is compared as other databases do.
fn translated(sql: &str) -> String {
    static WORDS: LazyLock<[(Regex, &str); 7]> = LazyLock::new(|| {
        [
            (r"\b(v|free) text\b", "$1 mediumtext collate utf8mb4_nopad_bin"),
            (r"\btext\b", "varchar(190) collate utf8mb4_nopad_bin"),
            (r"insert into(.*)on conflict do nothing", "insert ignore into$1"),
            // an index that tells rows apart by a part of their values, which is what MariaDB has in place of these
            (r"create unique (index \w+ on \w+) \((\w+)\) where [^;]*", "create $1 ($2(5))"),
            (r"\(lower\((\w+)\)\)", "($1(5))"),
            (r"references (\w+)\)", "references $1 (id))"),
            (r"references (\w+),", "references $1 (id),"),
        ]
        .map(|(pattern, to)| (Regex::new(pattern).unwrap(), to))
    });
    // what stands in quotes is none of its words
    let mut parts: Vec<String> = sql.split('\'').map(str::to_owned).collect();
    for part in parts.iter_mut().step_by(2) {
        for (pattern, to) in WORDS.iter() {
            *part = pattern.replace_all(part, *to).into_owned();
        }
    }
    parts.join("'")
}

#[async_trait]
impl Fixture for MariaDb {
    async fn start() -> anyhow::Result<Self> {
        let server = Server::get().await?;
        let database = server.database("").await?;
        let reader = format!("reader_{database}");
        let mut writer = server.keeper(&database).await?;
        // a database of which one may do nothing cannot be connected to; a right to a table outlives it
        let sql = format!(
            "{APPLICATION}; create user {reader}@'%' identified by '{PASSWORD}'; create table warm (x integer); \
             grant select on warm to {reader}@'%'; drop table warm"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut writer).await?;
        Ok(Self { server, database, writer: Mutex::new(writer), reader, opened: AtomicBool::new(false) })
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        self.run(&translated(sql)).await.with_context(|| translated(sql))?;
        if sql.contains("create ") && self.opened.load(Ordering::Acquire) {
            self.source().await?;
        }
        Ok(())
    }

    async fn open(&self) -> anyhow::Result<Box<dyn Source>> {
        Ok(Box::new(self.source().await?))
    }

    fn schema(&self) -> &str {
        &self.database
    }

    fn types(&self) -> Vec<TypeCase> {
        let (fits, shown, unfit) = (TypeCase::fits, TypeCase::alike, TypeCase::unfit);
        vec![
            TypeCase { declared: "integer", literal: "null", canonical: None, defect: None, key: false },
            fits("tinyint", "-128", "-128"),
            fits("tinyint unsigned", "255", "255"),
            fits("tinyint(3) unsigned zerofill", "7", "7"),
            fits("boolean", "true", "1"),
            fits("smallint", "-32768", "-32768"),
            fits("smallint unsigned", "65535", "65535"),
            fits("mediumint", "-8388608", "-8388608"),
            fits("mediumint unsigned", "16777215", "16777215"),
            fits("integer", "-2147483648", "-2147483648"),
            fits("integer unsigned", "4294967295", "4294967295"),
            fits("bigint", "-9223372036854775808", "-9223372036854775808"),
            fits("bigint unsigned", "18446744073709551615", "18446744073709551615"),
            fits("year", "2024", "2024"),
            fits("year", "0", "0"),
            fits("bit(1)", "b'1'", "1"),
            fits("bit(9)", "b'100000001'", "257"),
            fits("bit(64)", "18446744073709551615", "18446744073709551615"),
            fits("float", "0.1", "0.1"),
            fits("float", "-3.4e38", "-340000000000000000000000000000000000000"),
            fits("float", "1e-30", "0.000000000000000000000000000001"),
            fits("double", "0.1", "0.1"),
            fits("double", "0.1e0 + 0.2e0", "0.30000000000000004"),
            fits("double", "-0e0", "0"),
            fits("double", "1e20", "100000000000000000000"),
            fits("double", "1e-7", "0.0000001"),
            fits("decimal(12,2)", "12.30", "12.3"),
            fits("decimal(12,2)", "-0.05", "-0.05"),
            fits("decimal(5,0) unsigned", "99999", "99999"),
            fits("decimal(10,10)", "0.0000000001", "0.0000000001"),
            fits(
                "decimal(38,10)",
                "9999999999999999999999999999.0123456789",
                "9999999999999999999999999999.0123456789",
            ),
            fits(
                "decimal(65,30)",
                "-99999999999999999999999999999999999.000000000000000000000000000001",
                "-99999999999999999999999999999999999.000000000000000000000000000001",
            ),
            fits("char(4)", "'ab'", "ab"),
            fits("varchar(20)", "'héllo'", "héllo"),
            fits("varchar(20)", "''", ""),
            fits("varchar(20)", "'it''s \\ \"😀\"'", "it's \\ \"😀\""),
            fits("varchar(20)", "'a '", "a "),
            fits("varchar(20) character set latin1", "'é€'", "é€"),
            fits("varchar(20) character set utf8mb3", "'é'", "é"),
            fits("varchar(20) character set ucs2", "'é'", "é"),
            fits("varchar(20) character set sjis", "'日本'", "日本"),
            fits("tinytext", "'t'", "t"),
            fits("mediumtext", "'t'", "t"),
            fits("longtext", "repeat('t', 3)", "ttt"),
            fits("enum('sad','o''k')", "'o''k'", "o'k"),
            fits("enum('sad','ok')", "''", ""),
            fits("set('a','b','c')", "'c,a'", "a,c"),
            fits("json", "'{\"a\": [1]}'", "{\"a\": [1]}"),
            fits("uuid", "'6BA7B810-9dad-11d1-80b4-00c04fd430c8'", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            fits("inet4", "'192.0.2.1'", "192.0.2.1"),
            fits("inet6", "'2001:DB8::1'", "2001:db8::1"),
            fits("binary(4)", "x'0001'", "\\x00010000"),
            fits("varbinary(4)", "x'00ff'", "\\x00ff"),
            fits("varbinary(4)", "''", "\\x"),
            fits("blob", "x'61ff'", "\\x61ff"),
            fits("longblob", "x'00'", "\\x00"),
            fits("date", "'2024-02-29'", "2024-02-29"),
            fits("date", "'9999-12-31'", "9999-12-31"),
            unfit("date", "'0000-00-00'", "0000-00-00"),
            unfit("date", "'2024-02-00'", "2024-02-00"),
            fits("time", "'23:59:59'", "23:59:59"),
            fits("time(6)", "'12:00:00.5'", "12:00:00.5"),
            unfit("time", "'-01:00:00'", "-01:00:00"),
            unfit("time", "'838:59:59'", "838:59:59"),
            unfit("time", "'24:00:00'", "24:00:00"),
            fits("datetime", "'2024-02-29 10:00:00'", "2024-02-29T10:00:00"),
            fits("datetime(6)", "'1000-01-01 00:00:00.000001'", "1000-01-01T00:00:00.000001"),
            unfit("datetime", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00"),
            unfit("datetime(2)", "'2024-00-01 00:00:00'", "2024-00-01T00:00:00"),
            fits("timestamp null", "'2024-02-29 10:00:00'", "2024-02-29T10:00:00Z"),
            fits("timestamp(6) null", "'1970-01-01 00:00:01.5'", "1970-01-01T00:00:01.5Z"),
            unfit("timestamp null", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00Z"),
            shown("point", "point(1, 2.5)", "POINT(1 2.5)"),
            shown("geometry", "st_geomfromtext('LINESTRING(0 0,1 1)')", "LINESTRING(0 0,1 1)"),
        ]
    }

    async fn slow(&self) -> anyhow::Result<String> {
        self.execute("create view slow as select count(*) as x from seq_1_to_1000000 as a join seq_1_to_1000000 as b")
            .await?;
        Ok("slow".to_owned())
    }

    async fn until_slow_is_read(&self) -> anyhow::Result<()> {
        let read = format!(
            "select count(*) from information_schema.processlist where user = '{}' and command = 'Query' and info like '%`slow`%'",
            self.reader
        );
        let mut keeper = self.server.keeper("").await?;
        self.server.until(&mut keeper, &read).await?;
        Ok(keeper.close().await?)
    }

    async fn lock(&self, table: &str) -> anyhow::Result<Box<dyn Any + Send>> {
        let mut other = self.another().await?;
        sqlx::raw_sql(AssertSqlSafe(format!("lock tables {table} write"))).execute(&mut other).await?;
        Ok(Box::new(other))
    }

    async fn until_unlocked(&self, table: &str) -> anyhow::Result<()> {
        let mut other = self.another().await?;
        let sql = format!("set session lock_wait_timeout = 60; lock tables {table} write; unlock tables");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut other).await?;
        Ok(other.close().await?)
    }

    fn readers_wait(&self) -> bool {
        true
    }

    fn long_text(&self, bytes: usize) -> String {
        format!("repeat('x', {bytes})")
    }
}
