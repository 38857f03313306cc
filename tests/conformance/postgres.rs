//! The suite against PostgreSQL.

use super::{Fixture, TypeCase};
use crate::server::postgres::{PASSWORD, Server, USER, until};
use anyhow::Context as _;
use async_trait::async_trait;
use fieldmark_model::chunk::DefectKind;
use fieldmark_source::postgres::{self, ConnectOptions, Limits, PostgresSource};
use fieldmark_source::{Error, Source};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::any::Any;
use std::time::Duration;
use tokio::sync::Mutex;

mod access;
mod activity;
mod places;
mod settings;
mod values;

mod suite {
    crate::conformance::conformance!(super::Postgres);
}

/// Statements of a source that read what [`Fixture::slow`] made.
const SLOW_IS_READ: &str = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state = 'active' \
    and position('FROM \"public\".\"slow\"' in query) > 0";

/// A fresh database.
pub(crate) struct Postgres {
    server: &'static Server,
    database: String,
    writer: Mutex<PgConnection>,
}

impl Postgres {
    /// A database made with these options.
    async fn with(options: &str) -> anyhow::Result<Self> {
        let server = Server::get().await?;
        let database = server.database(options).await?;
        let mut writer = PgConnection::connect(&server.url(USER, &database)).await?;
        sqlx::raw_sql("set lock_timeout = '250ms'").execute(&mut writer).await?;
        Ok(Self { server, database, writer: Mutex::new(writer) })
    }

    /// Options for a source of a role.
    fn options(&self, role: &str) -> ConnectOptions {
        ConnectOptions::new(self.server.url(role, &self.database))
    }

    /// A source under the ordinary limits, which may be short on a busy machine.
    async fn source(&self) -> Result<PostgresSource, Error> {
        self.source_of(USER).await
    }

    async fn source_of(&self, role: &str) -> Result<PostgresSource, Error> {
        let limits = Limits { read: Duration::from_secs(10), catalogue: Duration::from_secs(10) };
        postgres::connect(&ConnectOptions { limits, ..self.options(role) }).await
    }

    /// Makes a role of this database alone.
    async fn role(&self, name: &str) -> anyhow::Result<String> {
        let role = format!("{name}_{}", self.database);
        self.execute(&format!("create role {role} login password '{PASSWORD}'")).await?;
        Ok(role)
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
        let mut writer = self.writer.lock().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *writer).await?;
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

/// Kinds of defect that values have.
const UNREPRESENTABLE: Option<DefectKind> = Some(DefectKind::Unrepresentable);
