//! The suite against PostgreSQL, read by a role that has what `doctor` lists and nothing else.

use super::{Fixture, TypeCase};
use crate::server::postgres::{PASSWORD, Server, USER, until};
use anyhow::Context as _;
use async_trait::async_trait;
use fieldmark_model::{Dialect, TableName};
use fieldmark_source::postgres::{self, ConnectOptions, Limits, PostgresSource};
use fieldmark_source::{Error, Grant, Source, grants, script};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

mod access;
mod activity;
mod failover;
mod fingerprints;
mod lacking;
mod places;
mod pooled;
mod previews;
mod queries;
mod settings;
mod snapshots;
mod told;
mod values;
mod wire;

mod suite {
    crate::conformance::conformance!(super::Postgres);
}

/// Statements of a source that read what [`Fixture::slow`] made.
const SLOW_IS_READ: &str = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state = 'active' \
    and position('FROM \"public\".\"slow\"' in query) > 0";

/// The role that sources connect as. Roles are the whole server's: each database has one of its own, named after it.
const READER: &str = "fieldmark_reader";
/// Limits that a busy machine keeps, too.
const LIMITS: Limits = Limits { read: Duration::from_secs(10), catalogue: Duration::from_secs(10) };

/// A fresh database.
pub(crate) struct Postgres {
    server: &'static Server,
    database: String,
    writer: Mutex<PgConnection>,
    /// The role that may log in, and is given what `doctor` lists.
    reader: String,
    /// Whether a source was opened: what is made from then on is granted at once.
    opened: AtomicBool,
}

impl Postgres {
    /// A database made with these options.
    async fn with(options: &str) -> anyhow::Result<Self> {
        let server = Server::get().await?;
        let database = server.database(options).await?;
        let reader = format!("{READER}_{database}");
        let mut writer = PgConnection::connect(&server.url(USER, &database)).await?;
        // what everybody may do would hide a grant that is missing
        let sql = format!(
            "revoke all on database {database} from public; revoke all on schema public from public;
             create role {reader} login password '{PASSWORD}'"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut writer).await?;
        sqlx::raw_sql("set lock_timeout = '250ms'").execute(&mut writer).await?;
        Ok(Self { server, database, writer: Mutex::new(writer), reader, opened: AtomicBool::new(false) })
    }

    /// Options for a source of a role.
    fn options(&self, role: &str) -> ConnectOptions {
        ConnectOptions::new(self.server.url(role, &self.database))
    }

    /// A source of the reader.
    async fn source(&self) -> anyhow::Result<PostgresSource> {
        let options = self.reader().await?;
        Ok(postgres::connect(&ConnectOptions { limits: LIMITS, ..options }).await?)
    }

    async fn source_of(&self, role: &str) -> Result<PostgresSource, Error> {
        postgres::connect(&ConnectOptions { limits: LIMITS, ..self.options(role) }).await
    }

    /// Options for a source of the reader, who is given what it takes to read every table.
    async fn reader(&self) -> anyhow::Result<ConnectOptions> {
        self.opened.store(true, Ordering::Release);
        let needed = self.needed(&self.reader, None).await?;
        self.apart(&script(&needed)).await?;
        Ok(self.options(&self.reader))
    }

    /// What a role needs to read every table of these schemas (`None`: of the search path), as `doctor` lists it.
    async fn needed(&self, role: &str, schemas: Option<&[String]>) -> anyhow::Result<Vec<Grant>> {
        let schemas = schemas.map(<[String]>::to_vec);
        let mut owner = postgres::connect(&ConnectOptions { schemas, limits: LIMITS, ..self.options(USER) }).await?;
        let privileges = owner.privileges().await?.context("a server without roles")?;
        let tables: Vec<&TableName> = privileges.tables.iter().map(|table| &table.name).collect();
        Ok(grants(Dialect::Postgres, role, &privileges, &tables))
    }

    /// Makes a role of this database alone, which may log in and look into the schema; the test grants all else.
    async fn role(&self, name: &str) -> anyhow::Result<String> {
        let role = format!("{name}_{}", self.database);
        let sql = format!("create role {role} login password '{PASSWORD}'; {}", self.admit(&role));
        self.run(&sql).await?;
        Ok(role)
    }

    /// What lets a role in.
    fn admit(&self, role: &str) -> String {
        format!("grant connect on database {} to {role}; grant usage on schema public to {role}", self.database)
    }

    async fn run(&self, sql: &str) -> anyhow::Result<()> {
        let mut writer = self.writer.lock().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *writer).await?;
        Ok(())
    }

    /// Runs statements of the owner's on a connection of their own, which waits for locks as long as it takes.
    async fn apart(&self, sql: &str) -> anyhow::Result<()> {
        let mut owner = self.another().await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut owner).await?;
        Ok(owner.close().await?)
    }

    /// Another connection of the application.
    async fn another(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.server.url(USER, &self.database)).await?)
    }

    /// One value of one row, as text.
    async fn ask(&self, sql: &str) -> anyhow::Result<String> {
        let mut writer = self.writer.lock().await;
        let sql = format!("select ({sql})::text");
        let answer: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *writer).await?;
        answer.context("NULL")
    }

    /// Waits until the server says that this holds.
    async fn until(&self, condition: &str) -> anyhow::Result<()> {
        self.execute(&until(condition)).await.with_context(|| condition.to_owned())
    }

    /// Ends the application's connection, which then tells the statistics what it did, and makes another one.
    async fn tell_statistics(&self) -> anyhow::Result<()> {
        let backend = self.ask("pg_backend_pid()").await?;
        let next = self.another().await?;
        std::mem::replace(&mut *self.writer.lock().await, next).close().await?;
        self.until(&format!("not exists (select from pg_stat_activity where pid = {backend})")).await
    }
}

#[async_trait]
impl Fixture for Postgres {
    async fn start() -> anyhow::Result<Self> {
        Self::with("template kinds").await
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        self.run(sql).await?;
        if sql.contains("create ") && self.opened.load(Ordering::Acquire) {
            self.reader().await?;
        }
        Ok(())
    }

    async fn open(&self) -> anyhow::Result<Box<dyn Source>> {
        Ok(Box::new(self.source().await?))
    }

    fn schema(&self) -> &str {
        "public"
    }

    fn types(&self) -> Vec<TypeCase> {
        values::cases(&self.server.extensions)
    }

    async fn slow(&self) -> anyhow::Result<String> {
        self.execute("create view slow as select 1 as x from pg_sleep(30)").await?;
        Ok("slow".to_owned())
    }

    async fn until_slow_is_read(&self) -> anyhow::Result<()> {
        self.until(&format!("exists (select {SLOW_IS_READ})")).await
    }

    async fn lock(&self, table: &str) -> anyhow::Result<Box<dyn Any + Send>> {
        let mut other = self.another().await?;
        let sql = format!("begin; lock table {table} in access exclusive mode");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut other).await?;
        Ok(Box::new(other))
    }

    async fn until_unlocked(&self, table: &str) -> anyhow::Result<()> {
        let locked =
            format!("select from pg_locks where relation = '{table}'::regclass and mode = 'AccessExclusiveLock'");
        self.until(&format!("not exists ({locked})")).await
    }

    fn readers_wait(&self) -> bool {
        true
    }

    fn long_text(&self, bytes: usize) -> String {
        format!("repeat('x', {bytes})")
    }
}
